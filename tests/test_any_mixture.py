"""Every mixture of faults at once: a chain that Alembic loads, or a refusal; never a third outcome.

Files on a real disk, and the workflow behind ``repair --yes --accept-guesses`` with any of its
options. Beside half of the chains stand one or two databases that Alembic has upgraded before the
chain broke: from the rows that the repair leaves them, Alembic runs what they have not run, each
once, and nothing else. They are seen by the repair (SQLite) or told to it (``--stamp``). Others
stand where a branch does that Git has, the main one or a release. Of some the rows lie: then no
plan has a table made where it is, or passed over where it is not.

The fresh process that confirms a repair is left out, because it takes as long as fifty examples;
Alembic loads the result in this process instead. ``FIXCHAIN_EXAMPLES`` sets how many mixtures are
tried, others each time; without it the same 240 are.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.check import check
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.restamp import carry_out_moves, judged, outstanding
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.plans import Wishes
from tests.disk import tree
from tests.histories import (
    LONG,
    Database,
    History,
    assert_makes_what_is_missing,
    assert_runs_the_rest,
    branches,
    create,
    databases,
    rows_in,
)
from tests.repositories import imported, needs_git
from tests.results import Outcome, carried_out
from tests.strategies_oracle import revisions, strong_components
from tests.support import Refused, Rev, alembic_loads, header, migration
from tests.test_repair_properties import (
    Case,
    Draw,
    alembics_view,
    spelled,
    without_fresh_process,
    written,
)

EXAMPLES = int(os.environ.get("FIXCHAIN_EXAMPLES", "240"))
PARTS = 2  # for the processes that run tests side by side
SAME_ALWAYS = "FIXCHAIN_EXAMPLES" not in os.environ  # a change is not held up by chance
LEFTOVER = "zz_unreadable.py"
UNREADABLE = [b"revision = (\n", b"x = 1\n", b"\0", b"<<<<<<< HEAD\n", b"\xff\xfe"]


@dataclass
class Chain:
    """A chain that is being broken: its revisions, files that are none, and computed headers."""

    revisions: list[Rev]
    files: dict[str, bytes]
    computed: dict[int, bytes]


def missing_parent(draw: Draw, chain: Chain) -> None:
    """Gone, or named by a file's name, a part of the id, in capitals, with a blank.

    Beside the parents that were there, or in their place.
    """
    at = draw(st.integers(0, len(chain.revisions) - 1))
    other = draw(st.sampled_from(chain.revisions)).revision
    named = draw(
        st.sampled_from(["gone", other[:2], other.upper(), f"{other} ", f"{other}_add", ""])
    )
    item = chain.revisions[at]
    beside = item.parents if draw(st.booleans()) else ()
    chain.revisions[at] = replace(item, parents=(*beside, named))


def missing_dependency(draw: Draw, chain: Chain) -> None:
    at = draw(st.integers(0, len(chain.revisions) - 1))
    other = draw(st.sampled_from(chain.revisions)).revision
    named = draw(st.sampled_from(["gone", other[:2], other.upper()]))
    chain.revisions[at] = replace(chain.revisions[at], depends_on=(named,))


def duplicate(draw: Draw, chain: Chain) -> None:
    """Copied as it is, on another parent, with another date, or with other operations."""
    item = draw(st.sampled_from(chain.revisions))
    other = draw(st.sampled_from(chain.revisions)).revision
    changes = draw(
        st.sampled_from(
            [{}, {"parents": (other,)}, {"date": "2025-05-05"}, {"upgrade": ("print('x')",)}]
        )
    )
    chain.revisions.append(replace(item, **changes))  # type: ignore[arg-type]


def cycle(draw: Draw, chain: Chain) -> None:
    """One revision put on any other, itself included."""
    at = draw(st.integers(0, len(chain.revisions) - 1))
    other = draw(st.sampled_from(chain.revisions)).revision
    chain.revisions[at] = replace(chain.revisions[at], parents=(other,))


def redundant(draw: Draw, chain: Chain) -> None:
    at = draw(st.integers(0, len(chain.revisions) - 1))
    item = chain.revisions[at]
    some = draw(st.sampled_from(chain.revisions))
    chain.revisions[at] = replace(item, parents=(*item.parents, *some.parents))


def label(draw: Draw, chain: Chain) -> None:
    at = draw(st.integers(0, len(chain.revisions) - 1))
    chain.revisions[at] = replace(chain.revisions[at], labels=("label",))


def long_id(draw: Draw, chain: Chain) -> None:
    old = draw(st.sampled_from(chain.revisions)).revision
    new = f"{LONG}{old}"
    chain.revisions[:] = [
        replace(
            item,
            revision=new if item.revision == old else item.revision,
            parents=tuple(new if name == old else name for name in item.parents),
            depends_on=tuple(new if name == old else name for name in item.depends_on),
        )
        for item in chain.revisions
    ]


def illegal_id(draw: Draw, chain: Chain) -> None:
    chain.revisions.append(Rev("a@b", (draw(st.sampled_from(chain.revisions)).revision,)))


def unreadable(draw: Draw, chain: Chain) -> None:
    chain.files[LEFTOVER] = draw(st.sampled_from(UNREADABLE))


def computed(draw: Draw, chain: Chain) -> None:
    # A computed id that is taken for another one only the look that is left out here tells.
    line = draw(st.sampled_from([b"down_revision", b"branch_labels"]))
    chain.computed[len(chain.revisions)] = line
    chain.revisions.append(Rev("comp", (draw(st.sampled_from(chain.revisions)).revision,)))


def with_call(data: bytes, name: bytes) -> bytes:
    """The file with a call around the value of a variable."""
    start = data.index(name + b" = ") + len(name) + 3
    end = data.index(b"\n", start)
    call = b"tuple" if data[start : start + 1] == b"(" else b"str"
    return data[:start] + call + b"(" + data[start:end] + b")" + data[end:]


FAULTS = (
    missing_parent,
    missing_dependency,
    duplicate,
    cycle,
    redundant,
    label,
    long_id,
    illegal_id,
    unreadable,
    computed,
)
# What can be mended is drawn more often than what cannot.
DRAWN = (*FAULTS, missing_parent, duplicate, cycle, redundant, long_id)


@dataclass(frozen=True)
class Mixture:
    """A broken chain, and databases that have come to stand somewhere before."""

    case: Case
    history: History


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    chain = Chain(list(draw(revisions(dependencies=True, most=6))), {}, {})
    then, whole = tuple(chain.revisions), True
    for fault in draw(st.lists(st.sampled_from(DRAWN), max_size=3)):
        fault(draw, chain)
        whole = whole and loads(chain.revisions)
        then = tuple(chain.revisions) if whole else then
    deeds: list[object] = []
    for index, item in enumerate(chain.revisions):
        makes_table = index in chain.computed or draw(st.booleans())
        plain = makes_table or item.upgrade is not None
        data = _written(item) if plain else spelled(draw, item, decoys=False)
        if index in chain.computed:
            data = with_call(data, chain.computed[index])
        chain.files[f"{item.revision}_{index}.py"] = data
        deeds.append(item.upgrade or ("table" if makes_table else None))
    history = History(then, tuple(chain.revisions), tuple(deeds))
    known = (*databases(draw, history), *branches(draw, history))
    return Mixture(Case(history.now, chain.files), replace(history, databases=known))


def loads(chain: list[Rev]) -> bool:
    """Whether Alembic can use a chain; a circle of parents and dependencies it finds too late."""
    try:
        alembic_loads(map(header, chain))
    except Refused:
        return False
    return not strong_components({rev.revision: rev.parents + rev.depends_on for rev in chain})


@st.composite
def all_wishes(draw: st.DrawFn) -> Wishes:
    return Wishes(
        strategy=draw(st.sampled_from(["auto", "linear", "merge"])),
        strict=draw(st.booleans()),
        docstrings=draw(st.booleans()),
        shorten_ids=draw(st.booleans()),
    )


@needs_git
@pytest.mark.parametrize("part", range(PARTS))
def test_repaired_or_refused(own_git: None, part: int) -> None:
    """Most mixtures hold something that cannot be mended; but far from all of them.

    Beside databases a repair has more reasons to refuse, and still often none.
    """
    outcomes: Counter[tuple[str, bool]] = Counter()

    @seed(part if SAME_ALWAYS else random.getrandbits(32))
    @settings(
        max_examples=EXAMPLES // PARTS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mixture=mixtures(), wishes=all_wishes())
    def each(mixture: Mixture, wishes: Wishes) -> None:
        outcome = assert_repaired_or_refused(mixture, wishes)
        outcomes[outcome, bool(mixture.history.databases)] += 1

    each()
    for beside_databases in (False, True):
        number = sum(
            outcomes[each, beside_databases] for each in ("refused", "healthy", "repaired")
        )
        assert outcomes["repaired", beside_databases] >= number / 5, outcomes


def assert_repaired_or_refused(mixture: Mixture, wishes: Wishes) -> str:
    """Which of the two it was; or that there was nothing to do."""
    with pytest.MonkeyPatch.context() as monkeypatch, written(mixture.case) as place:
        without_fresh_process(monkeypatch)
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # nobody pulls the plug here
        told = tell_of(place.parent, mixture.history, wishes)
        publish(place.parent, mixture)
        before = tree(place.parent)
        report = outcome(place, wishes, told)
        if report.error is not None:
            assert report.error.message
            assert report.error.remedy
            assert tree(place.parent) == before
            return "refused"
        if report.plan is None:
            assert tree(place.parent) == before
            return "healthy"
        assert report.before is not None
        with without_leftover(place):
            assert_loads(place, wishes, report.before)
            assert_databases_go_on(place, mixture.history, report)
        assert_undone(place, before, told)
        for number, database in enumerate(mixture.history.databases):
            seen = database.branch is None and not database.told
            assert not seen or rows_in(place.parent / f"{number}.db") == database.rows
        return "repaired"


@contextmanager
def without_leftover(place: Path) -> Iterator[None]:
    """What is no migration is planned around; Alembic loads the rest once it is elsewhere."""
    leftover, elsewhere = place / "versions" / LEFTOVER, place.parent / LEFTOVER
    if leftover.exists():
        leftover.rename(elsewhere)
    yield
    if elsewhere.exists():
        elsewhere.rename(leftover)


def tell_of(place: Path, history: History, wishes: Wishes) -> DatabaseWishes:
    """What the repair is told of databases; those that it can see are made."""
    stamps, urls = [], []
    for number, database in enumerate(history.databases):
        if database.branch is not None:
            continue
        if database.told:
            stamps.append(database.rows)
            continue
        path = place / f"{number}.db"
        create(path, history, database)
        urls.append(f"sqlite:///{path}")
    if wishes.shorten_ids and not history.databases:
        stamps.append(())  # ids only become shorter where it is known where databases stand
    return DatabaseWishes(stamps=tuple(stamps), urls=tuple(urls))


def publish(top: Path, mixture: Mixture) -> None:
    """Make the repository in which branches stand where some of the databases do."""
    history, files = mixture.history, mixture.case.files
    tips = {}
    for database in history.databases:
        if database.branch is None:
            continue
        tips[database.branch] = {
            f"migrations/versions/{history.then[place].revision}_{place}.py": then_of(
                history, files, place
            )
            for place in database.ran
        }
    if tips:
        here = {f"migrations/versions/{name}": data for name, data in files.items()}
        imported(top, {**tips, "feature": here}, head="feature")


def then_of(history: History, files: Mapping[str, bytes], place: int) -> bytes:
    """The file of a migration before the chain broke."""
    then, now = history.then[place], history.now[place]
    if then == now:
        return files[f"{now.revision}_{place}.py"]
    nothing = history.deeds[place] is None
    return _written(replace(then, upgrade=("pass",), downgrade=("pass",)) if nothing else then)


def _written(item: Rev) -> bytes:
    return re.sub(f"t_(?:{LONG})+".encode(), b"t_", migration(item))


def outcome(place: Path, wishes: Wishes, told: DatabaseWishes) -> Outcome:
    """What ``repair --yes --accept-guesses`` comes to, stamps included."""
    runtime = open_directory(str(place))
    try:
        report = plan_repair(Session(runtime, databases=told), wishes)
        if report.proposal.planned is None or report.error is not None:
            return Outcome.of(report)
        done = carried_out(runtime, report, told)
        after, moves = done.planned.after, done.moves
        if outstanding(done.snapshot, moves):
            moves = carry_out_moves(Session(runtime, databases=told), after, moves, follows=True)
        return Outcome.of(report, moves=moves, error=judged(done, moves).error)
    except ChainFixError as error:
        return Outcome(error=error)


def assert_databases_go_on(place: Path, history: History, report: Outcome) -> None:
    """From the rows that they have now, or are to get by hand."""
    scripts = ScriptDirectory(str(place))
    moves = {each.move.name: each.move.after for each in report.moves}
    for number, database in enumerate(history.databases):
        if database.told:
            rows = moves["--stamp " + ",".join(database.rows)]
        elif database.branch is not None:
            rows = restamped(report, database)
        else:
            rows = rows_in(place.parent / f"{number}.db")
        if database.lies:
            assert_makes_what_is_missing(scripts, history, database, rows)
        else:
            assert_runs_the_rest(scripts, history, database, rows)


def restamped(report: Outcome, database: Database) -> tuple[str, ...]:
    """The rows of a database that nobody has named, after the ``restamp`` that it may need."""
    assert report.plan is not None
    assert report.after is not None
    rows = [report.plan.renamed.get(row, row) for row in database.rows]
    graph = report.after.graph
    return tops(graph, graph.required(rows))


def assert_loads(place: Path, wishes: Wishes, before: Snapshot) -> None:
    """Alembic loads it, and nothing that counts is left to repair."""
    scripts, parents = alembics_view(place)
    assert scripts.get_heads()
    again = check(Session(open_directory(str(place))), strict=wishes.strict)
    now = again.diagnosis.snapshot
    repairable = [each for each in again.diagnosis.counting if each.repairable]
    assert not repairable
    assert set(now.graph) <= set(parents)
    if wishes.shorten_ids:
        assert all(len(revision) <= 32 for revision in now.graph)
    if wishes.docstrings:
        assert "FC111" not in {finding.code for finding in diagnose(now)}


def assert_undone(place: Path, before: object, told: DatabaseWishes) -> None:
    runtime = open_directory(str(place))
    seen = DatabaseWishes(urls=told.urls)
    session = Session(runtime, databases=seen)
    carry_out_undo(session, plan_undo(session))
    assert contents(tree(place.parent)) == contents(before)


def contents(found: object) -> dict[str, object]:
    assert isinstance(found, dict)
    return {
        name: node[:2]
        for name, node in found.items()
        if not name.endswith(".db") and ".fixchain" not in name and "__pycache__" not in name
    }
