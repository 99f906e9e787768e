"""Any mix of faults in files of any shape: repaired as promised, or refused and left alone.

The chains are written to a real disk and repaired by the workflow behind ``repair --strict``;
afterwards Alembic loads them in this process. Only the fresh process that confirms a repair is
left out in most examples, because it takes as long as a hundred of them.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_chainfix import disk
from flask_chainfix.chain import source
from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import CannotPlan, CannotRewrite, ChainFixError
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import Runtime, open_directory
from flask_chainfix.model.files import Header
from flask_chainfix.model.plans import Confirmation, Wishes
from flask_chainfix.planning.mending.parents import placed
from flask_chainfix.report.results import Result
from tests.disk import ENV_PY, SCRIPT_MAKO, tree
from tests.nightly import examples
from tests.results import carried_out
from tests.shapes import DECOY_ENDINGS
from tests.strategies_oracle import all_ancestors, redundant_parents, revisions
from tests.support import Rev, migration

# --- Files of every shape ------------------------------------------------------------------------

# How the value of down_revision is written, for no, one or several parents.
_NONE = ("None", "()", "[]", "(None)", "\\\n    None")
_ONE = (
    "{0!r}",
    '"{0}"',
    "({0!r})",
    "({0!r},)",
    "[{0!r}]",
    "(\n    {0!r}  # was 'something' else (\n)",
    "u'{0}'",
    "'''{0}'''",
    "\\\n    {0!r}",
)
# A comment among several is a reason to refuse: ``test_source_rewrite`` is about that.
_SEVERAL = ("({0})", "[{0}]", "(\n    {0},\n)", "{0}", "(\n\n    {0}\n)")
_ANNOTATIONS = ("", "", ": 'str | None'", ":(\n  str\n)")
_ENDS = ("", "  # don't touch = 'x'", "  # Update this to the latest migration", " \t ")
_LINE_ENDS = ("\n", "\n", "\r\n")
_ENCODINGS = (
    ("utf-8", ""),
    ("utf-8", ""),
    ("utf-8-sig", ""),
    ("latin-1", "# -*- coding: latin-1 -*-\n"),
    ("cp1252", "# coding: cp1252\n"),
)
_REVISES = ("Revises: {}\n", "Revises: {}\n", "Revises:{}\n", "Revises: old, stale\n", "")


T = TypeVar("T")


class Draw(Protocol):
    """Either kind of ``draw`` that Hypothesis has."""

    def __call__(self, strategy: st.SearchStrategy[T], /) -> T: ...


def _value(draw: Draw, names: tuple[str, ...]) -> str:
    if not names:
        return draw(st.sampled_from(_NONE))
    if len(names) == 1:
        return draw(st.sampled_from(_ONE)).format(*names)
    return draw(st.sampled_from(_SEVERAL)).format(", ".join(map(repr, names)))


def spelled(draw: Draw, item: Rev, *, decoys: bool = True) -> bytes:
    """The file of a revision, in some spelling."""
    encoding, cookie = draw(st.sampled_from(_ENCODINGS))
    revises = draw(st.sampled_from(_REVISES)).format(", ".join(item.parents))
    date = "" if item.date is None else f"Create Date: {item.date}\n"
    message = draw(st.sampled_from(["add", "añadir é", 'say "x"', "Revises nothing"]))
    lines = [
        f"revision = {item.revision!r}",
        f"down_revision{draw(st.sampled_from(_ANNOTATIONS))} = {_value(draw, item.parents)}"
        + draw(st.sampled_from(_ENDS)),
        f"branch_labels = {item.labels!r}",
        f"depends_on = {item.depends_on!r}",
    ]
    if draw(st.booleans()):
        lines[0], lines[1] = lines[1], lines[0]
    docstring = f'"""{message}\n\nRevision ID: {item.revision}\n{revises}{date}\n"""\n'
    body = "\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
    decoy = draw(st.sampled_from(_DECOYS)) if decoys and encoding.startswith("utf") else ""
    text = cookie + docstring + "\n".join(lines) + body + decoy
    if draw(st.booleans()):
        text = text.rstrip("\n")
    return text.replace("\n", draw(st.sampled_from(_LINE_ENDS))).encode(encoding)


# Text behind the functions that looks like a header and is none.
_DECOYS = ["", *(text for text in DECOY_ENDINGS if len(text) < 200)]


@dataclass(frozen=True)
class Case:
    """A chain on paper: what it says, and its files by name."""

    revisions: tuple[Rev, ...]
    files: Mapping[str, bytes]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Chains with any mix of several bases and heads, merges, dependencies and labels."""
    chain = draw(revisions(dependencies=True, most=8))
    labelled = draw(st.sets(st.sampled_from(chain), max_size=1))
    chain = tuple(
        replace(item, labels=(f"label_{item.revision}",)) if item in labelled else item
        for item in chain
    )
    return Case(
        chain,
        {f"{item.revision}_{index}.py": spelled(draw, item) for index, item in enumerate(chain)},
    )


# --- On the disk ---------------------------------------------------------------------------------


@contextmanager
def written(case: Case) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(os.path.realpath(scratch), "migrations")
        (place / "versions").mkdir(parents=True)
        (place / "env.py").write_text(ENV_PY)
        (place / "script.py.mako").write_text(SCRIPT_MAKO)
        for name, data in case.files.items():
            (place / "versions" / name).write_bytes(data)
        yield place


def repair(place: Path, **wishes: str) -> Result:
    """Do what ``repair --strict --yes`` does."""
    runtime = open_directory(str(place))
    wanted = Wishes(strict=True, **wishes)  # type: ignore[arg-type]
    report = plan_repair(Session(runtime), wanted)
    if report.error is not None:
        raise report.error
    return carried_out(runtime, report) if report.proposal.planned is not None else report


def without_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(runtime: Runtime, expected: Facts, *_: object) -> Confirmation:
        graph = expected.graph
        return Confirmation("nobody", graph.bases, graph.heads, "", "")

    monkeypatch.setattr("flask_chainfix.commands.repair.confirm", confirm)


def alembics_view(place: Path) -> tuple[ScriptDirectory, dict[str, tuple[str, ...]]]:
    """What Alembic makes of the files, as ``flask db history`` would in a process of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scripts = ScriptDirectory(str(place))
        parents = {
            script.revision: tuple(script._versioned_down_revisions)
            for script in scripts.walk_revisions()
        }
    return scripts, parents


def header_of(data: bytes, name: str) -> Header:
    header = source.read(data, name)
    assert isinstance(header, Header)
    return header


def bytes_outside(data: bytes, name: str, *values: str) -> bytes:
    """A file without the values of down_revision and Revises, and without those named."""
    spans = header_of(data, name).spans
    changed = [spans[key] for key in ("down_revision", "revises", *values) if key in spans]
    for span in sorted(changed, reverse=True):
        data = data[: span.start].rstrip(b" ") + data[span.end :]
    return data


# --- Properties ----------------------------------------------------------------------------------


def assert_repaired_or_refused(case: Case, strategy: str = "linear") -> None:
    with written(case) as place:
        before = tree(place)
        snapshot = disk.read_snapshot(open_directory(str(place)).environment)[0]
        refusal: ChainFixError | None
        try:
            repair(place, strategy=strategy)
        except (CannotPlan, CannotRewrite) as error:
            refusal = error
        else:
            refusal = None
        if refusal is not None:
            assert refusal.message
            assert refusal.remedy
            assert tree(place) == before
            return
        snapshot = placed(Facts.around(snapshot))[0]
        if snapshot.graph.floating:  # where nothing shows the place of a file, nothing is done
            assert tree(place) == before
            return
        assert_one_chain(place, snapshot)
        assert_order_is_kept(case, place)
        assert_only_parents_changed(case, place)
        after = tree(place)
        repair(place, strategy=strategy)
        assert tree(place) == after


def assert_one_chain(place: Path, before: Facts) -> None:
    """One base and one head, as Alembic sees it; more only for lineages that are meant."""
    scripts, parents = alembics_view(place)
    lineages = find_lineages(before)
    intended = {lineage for lineage in lineages.by_revision.values() if lineage.parent is None}
    apart = {base for base in before.graph.bases if lineages.by_revision[base] is not lineages.main}
    # Where a merge point joins what is apart, a base can get what it depends on as its parent; or
    # its label then reaches down to a base.
    tied = {
        base
        for base in apart
        if not set(parents[base]).isdisjoint(before.graph.dependencies.get(base, ()))
    }
    # Or its label reaches down to a base once a parent is gone that was redundant.
    now = disk.read_snapshot(before.environment)[0]
    found = find_lineages(now)
    apart |= {base for base in now.graph.bases if found.by_revision[base] is not found.main}
    assert len(scripts.get_bases()) >= max(1, len(intended) - len(tied))
    assert len(set(scripts.get_bases()) - apart) <= 1
    assert len(scripts.get_heads()) <= len(set(lineages.by_revision.values()))
    if not apart and set(lineages.by_revision.values()) == {lineages.main}:
        assert len(scripts.get_bases()) == len(scripts.get_heads()) == 1
    assert before.graph.named_parents.keys() <= parents.keys()


def assert_order_is_kept(case: Case, place: Path) -> None:
    """Whatever ran before a revision still runs before it; no merge point is spoilt."""
    before = {item.revision: item.parents for item in case.revisions}
    scripts, after = alembics_view(place)
    # A parent may go that another one depends on: Alembic cannot upgrade over both.
    links = {each.revision: each._all_down_revisions for each in scripts.walk_revisions()}
    old, new = all_ancestors(before), all_ancestors(links)
    for revision, ancestors in old.items():
        assert ancestors <= new[revision]
    assert redundant_parents(after) == set()


def assert_only_parents_changed(case: Case, place: Path) -> None:
    """A dependency is dropped only where the revision still requires it otherwise.

    Alembic cannot upgrade over a merge point that names it as well.
    """
    scripts = alembics_view(place)[0]
    links = {each.revision: each._all_down_revisions for each in scripts.walk_revisions()}
    required = all_ancestors(links)
    for item, (name, data) in zip(case.revisions, case.files.items(), strict=True):
        now = (place / "versions" / name).read_bytes()
        kept = set(header_of(now, name).depends_on or ())
        dropped = set(item.depends_on) - kept
        assert kept <= set(item.depends_on)
        assert dropped <= required[item.revision]
        values = ["depends_on"] if dropped else []
        assert now == data or (
            bytes_outside(now, name, *values) == bytes_outside(data, name, *values)
        )


QUICK = settings(max_examples=examples(17), suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(case=cases(), strategy=st.sampled_from(["linear", "linear", "merge"]))
def test_a_chain_is_repaired_or_left_alone(case: Case, strategy: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_fresh_process(monkeypatch)
        assert_repaired_or_refused(case, strategy)


@settings(max_examples=examples(2))
@given(case=cases())
def test_with_alembic_in_a_fresh_process(case: Case) -> None:
    assert_repaired_or_refused(case)


@pytest.mark.parametrize("strategy", ["linear", "merge"])
@settings(max_examples=examples(12))
@given(data=st.data())
def test_plain_chains_are_never_refused(strategy: str, data: st.DataObject) -> None:
    """Without dependencies and labels there is a way, whatever people usually write."""
    chain = data.draw(revisions(most=8))
    files = {f"{item.revision}.py": spelled(data.draw, item, decoys=False) for item in chain}
    case = Case(chain, files)
    with written(case) as place, pytest.MonkeyPatch.context() as monkeypatch:
        without_fresh_process(monkeypatch)
        repair(place, strategy=strategy)
        scripts, _ = alembics_view(place)
        assert len(scripts.get_bases()) == len(scripts.get_heads()) == 1
        assert_order_is_kept(case, place)
        assert_only_parents_changed(case, place)


# --- Faults that no repair mends -----------------------------------------------------------------

BREAKING = {
    "unreadable": "FC106",
    "missing dependency": "FC107",
    "illegal id": "FC108",
}


def broken_file(data: st.DataObject, case: Case, fault: str) -> bytes:
    some = data.draw(st.sampled_from(case.revisions)).revision
    if fault == "unreadable":
        return data.draw(st.sampled_from([b"revision = (\n", b"\0", b"<<<<<<< HEAD\n"]))
    broken = {
        "missing dependency": Rev("new", (some,), depends_on=("gone",)),
        "illegal id": Rev("a@b", (some,)),
    }
    return spelled(data.draw, broken[fault], decoys=False)


@pytest.mark.parametrize("fault", BREAKING)
@settings(max_examples=examples(6), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_cannot_be_mended_is_refused_by_name(fault: str, data: st.DataObject) -> None:
    case = data.draw(cases())
    files = {**case.files, "z_new.py": broken_file(data, case, fault)}
    with written(replace(case, files=files)) as place:
        before = tree(place)
        with pytest.raises(ChainFixError) as caught:
            repair(place)
        cannot_write = isinstance(caught.value, CannotRewrite)
        assert cannot_write or BREAKING[fault] in caught.value.message
        assert tree(place) == before


def test_a_tied_parent_that_joins_bases_is_not_taken_out() -> None:
    parts = (
        Rev("a1", ()),
        Rev("b2", ()),
        Rev("e5", ("a1",)),
        Rev("f6", (), depends_on=("a1",)),
        Rev("m7", ("a1", "b2", "f6")),
    )
    case = Case(parts, {f"{item.revision}.py": migration(item) for item in parts})
    with written(case) as place, pytest.MonkeyPatch.context() as monkeypatch:
        without_fresh_process(monkeypatch)
        repair(place)
        scripts, _ = alembics_view(place)
        assert len(scripts.get_bases()) == len(scripts.get_heads()) == 1
