"""What is published, against Alembic: random histories of branches, merges and releases in Git.

A database that Alembic has upgraded where the main branch stands, or a release, runs after the
repair what it lacked, each revision once, and skips none.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import UnsafeForDatabases
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.git.landings import read_history
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import Header
from flask_chainfix.model.plans import Plan, Wishes
from flask_chainfix.planning.linking.strategies import make_plan
from flask_chainfix.planning.on_top import as_rebase
from tests.nightly import examples
from tests.repositories import needs_git
from tests.support import (
    Rev,
    foreseen,
    header,
    headers_of,
    links,
    migration,
    snapshot_of,
    stamped,
)
from tests.upgrades import scratch_engine, upgrade

pytestmark = needs_git

_ENGINE = scratch_engine()
_BRANCHES = ("main", "feature", "release-1")
_VERSIONS = "migrations/versions"


@dataclass
class History:
    """A repository on paper: commits in the words of ``git fast-import``.

    Attributes:
        tips: the revisions that each branch has, by branch.
        script: what makes the repository.
        here: the revisions on the disk.
    """

    tips: dict[str, dict[str, Rev]] = field(default_factory=dict)
    script: list[str] = field(default_factory=list)
    here: dict[str, Rev] = field(default_factory=dict)

    def commit(self, branch: str, day: int, has: dict[str, Rev], parents: str) -> None:
        date = f"{1_700_000_000 + day * 86_400} +0000"
        self.script += [f"commit refs/heads/{branch}", f"committer a <a@b.c> {date}", "data 1", "x"]
        self.script += [parents] if parents else []
        for revision in has.values():
            text = migration(revision).decode()
            self.script += [f"M 100644 inline {_VERSIONS}/{revision.revision}.py"]
            self.script += [f"data {len(text.encode())}", text]
        self.tips[branch] = dict(has)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Branches that add revisions, take each other in, and join heads; on the disk is one."""
    history = History()
    history.commit("main", 0, {"r0": Rev("r0")}, "")
    for number in range(1, draw(st.integers(4, 9))):
        day = draw(st.integers(1, 20))
        branch = draw(st.sampled_from(_BRANCHES))
        if branch not in history.tips:
            start = draw(st.sampled_from(list(history.tips)))
            history.commit(branch, day, history.tips[start], f"from refs/heads/{start}")
        others = [name for name in history.tips if name != branch]
        has = history.tips[branch]
        if others and not draw(st.integers(0, 2)):
            other = draw(st.sampled_from(others))
            both = {**has, **history.tips[other]}
            history.commit(branch, day, both, f"merge refs/heads/{other}")
            continue
        name = f"r{number}"
        has = {**has, name: _new(draw, name, has)}
        history.commit(branch, day, has, "")
    branch = draw(st.sampled_from(list(history.tips)))
    here = dict(history.tips[branch])
    for taken in draw(st.lists(st.sampled_from(list(history.tips)), max_size=3)):
        here |= history.tips[taken]  # as in the middle of a merge
    graph = Graph(header(revision) for revision in here.values())
    if len(graph.heads) < 2:
        low = [name for name in graph.order if name not in graph.heads] or ["r0"]
        here["new"] = Rev("new", (draw(st.sampled_from(low)),))
    elif draw(st.booleans()):
        here["new"] = _new(draw, "new", here)
    history.here = here
    history.script.append(f"# HEAD {branch}")
    return history


def _new(draw: st.DrawFn, name: str, has: dict[str, Rev]) -> Rev:
    """A revision on a head, or on what was one when somebody began, or what joins two heads."""
    graph = Graph(header(revision) for revision in has.values())
    if len(graph.heads) > 1 and draw(st.booleans()):
        return Rev(name, tuple(sorted(graph.heads))[:2])
    places = graph.heads if draw(st.integers(0, 3)) else graph.order
    return Rev(name, (draw(st.sampled_from(list(places))),))


@contextmanager
def _made(history: History) -> Iterator[Facts]:
    """The repository on the disk, and the chain that is looked at."""
    with tempfile.TemporaryDirectory() as place:
        top = Path(place).resolve()
        plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        quiet = {**plain, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        head = history.script[-1].rpartition(" ")[2]
        script = "\n".join(history.script[:-1]) + "\n"
        for command, sent in (
            (["init", "-q", "-b", head], ""),
            (["fast-import", "--quiet"], script),
        ):
            subprocess.run(["git", *command], cwd=top, env=quiet, input=sent.encode(), check=True)
        versions = top / _VERSIONS
        versions.mkdir(parents=True)
        environment = Environment(top / "migrations", (versions,))
        data = {
            versions / f"{revision.revision}.py": migration(revision)
            for revision in history.here.values()
        }
        with patch.dict(os.environ, quiet, clear=True):
            yield snapshot_of(environment, data)


def _planned(snapshot: Facts, strategy: str) -> Plan:
    chains, notices = read_published(snapshot)
    assert not notices
    main = [chain.ref for chain in chains if chain.is_line]
    files = [file.path for file in snapshot.files]
    history = read_history(files, snapshot.environment.version_locations, main)
    snapshot = replace(snapshot, published_chains=chains)
    known, wishes = replace(snapshot, git_history=history), Wishes(strategy)
    plan = make_plan(known, wishes)
    return as_rebase(known, plan, wishes) or plan


def _upgraded(headers: list[Header], rows: tuple[str, ...]) -> list[str]:
    """What Alembic runs; rows of which one is below the other by now are first put right."""
    graph = Graph(headers)
    covered = {name for row in rows for name in graph.required([row]) - {row}}
    if covered.intersection(rows):
        rows = tops(graph, graph.required(rows))
    return upgrade(_ENGINE, headers, rows).ran


@given(histories(), st.sampled_from(["auto", "auto", "linear", "merge"]))
@settings(max_examples=examples(15))
def test_what_is_published_runs_what_it_lacks_and_skips_nothing(
    history: History, strategy: str
) -> None:
    with _made(history) as snapshot:
        assume(len(snapshot.graph.heads) > 1)
        try:
            after = foreseen(snapshot, plan := _planned(snapshot, strategy))
        except UnsafeForDatabases:
            assert strategy == "linear"  # there is always a way, and it is found
            return
    assert len(after.graph.heads) == 1
    for branch in ("main", "release-1"):
        there = list(map(header, history.tips.get(branch, {}).values()))
        done = upgrade(_ENGINE, there, ())
        have = set(done.ran).intersection(after.graph)
        if not have.issuperset(snapshot.graph.required(have)):
            continue  # links that only the disk has were put below it already
        rows = tuple(row for row in done.rows if row in after.graph)
        rows = rows if len(rows) == len(done.rows) else tops(snapshot.graph, have)
        ran = _upgraded(headers_of(after), rows)
        assert sorted(ran) == sorted(set(after.graph) - have), (branch, plan)
    main = Graph(map(header, history.tips["main"].values()))
    if len(main.heads) == 1 and "release-1" not in history.tips:
        assert not set(links(plan)).intersection(main), plan


@given(histories(), st.data())
@settings(max_examples=examples(7))
def test_a_database_of_any_branch_is_kept_beside_what_is_published(
    history: History, data: st.DataObject
) -> None:
    branches = [name for name, has in history.tips.items() if has.keys() <= history.here.keys()]
    branch = data.draw(st.sampled_from(branches))
    rows = upgrade(_ENGINE, list(map(header, history.tips[branch].values())), ()).rows
    with _made(history) as snapshot:
        assume(len(snapshot.graph.heads) > 1)
        known = stamped(snapshot, mine=rows)
        after = foreseen(known, plan := _planned(known, "auto"))
    have = snapshot.graph.required(rows)
    assert sorted(_upgraded(headers_of(after), rows)) == sorted(set(after.graph) - have), plan
