"""FC103 and FC107: parents and dependencies that no file has, in the order of certainty."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.mending.case import Case
from flask_chainfix.mending.lost import brought_back
from flask_chainfix.model import GUESS, LostRevision, Mend, Part, Reason
from flask_chainfix.rules.lookalikes import Lookalikes, missing_dependencies, missing_parents
from flask_chainfix.rules.spelling import close_ids
from flask_chainfix.snapshot import Snapshot


class _Meant(NamedTuple):
    """The revision that a missing name is taken for."""

    revision: str
    why: Reason
    certain: bool


def parents_that_are_meant(case: Case) -> Iterator[Mend]:
    """Each missing parent gives way to what it was, comes back, or is done without."""
    yield from _all_mended(case, Part.PARENTS, missing_parents(case.snapshot))


def dependencies_that_are_meant(case: Case) -> Iterator[Mend]:
    """The same for ``depends_on``, which nothing is done without: that is another package's."""
    yield from _all_mended(case, Part.DEPENDENCIES, missing_dependencies(case.snapshot))


def _all_mended(case: Case, part: Part, missing: Mapping[str, tuple[str, ...]]) -> Iterator[Mend]:
    signs = _Signs(case.snapshot, part)
    back: dict[str, Mend] = {}
    for revision, names in missing.items():
        for mend in _mended(case, signs, revision, names):
            if mend.new is None:
                yield mend
            elif mend.revision not in back:  # of several that name it the first is told
                back[mend.revision] = mend
    yield from back.values()


def _mended(case: Case, signs: _Signs, revision: str, missing: tuple[str, ...]) -> Iterator[Mend]:
    header, parents = case.snapshot.header(revision), signs.part is Part.PARENTS
    code, named = ("FC103", header.down_revision) if parents else ("FC107", header.depends_on)
    ids = dict.fromkeys(named or ())
    reasons: list[Reason] = []
    for name in dict.fromkeys(missing):
        meant = signs.meant(revision, name)
        back = None if meant is not None else _back(case.snapshot, code, revision, name)
        if meant is not None:
            ids = dict.fromkeys(meant.revision if id_ == name else id_ for id_ in ids)
            reasons.extend(_reasons(revision, name, meant))
        elif back is not None:
            yield back
        elif parents:
            del ids[name]
            reasons.extend(_nothing_known(case.snapshot, revision, name))
    if reasons:
        yield case.rewritten(code, signs.part, case.snapshot.file(revision), tuple(ids), *reasons)


def _reasons(revision: str, name: str, meant: _Meant) -> Iterator[Reason]:
    yield meant.why
    if not meant.certain:
        yield Reason(GUESS, f"{name!r}, which {revision} names, is taken for {meant.revision}")


class _Signs:
    """What points to the revisions that are meant by missing names.

    Args:
        snapshot: the chain.
        part: where they are named.
    """

    def __init__(self, snapshot: Snapshot, part: Part) -> None:
        self.part = part
        self._snapshot = snapshot
        self._lookalikes = Lookalikes(snapshot)

    def meant(self, revision: str, name: str) -> _Meant | None:
        """What a name stands for; not certain where several signs point to different ones."""
        graph = self._snapshot.graph
        above = graph.descendants([revision])
        signs = [
            sign
            for sign in self._of(revision, name)
            if sign.revision in graph and sign.revision not in above
        ]
        if not signs:
            return None
        first = signs[0]
        other = next((sign for sign in signs if sign.revision != first.revision), None)
        if other is None:
            return next((sign for sign in signs if sign.certain), first)
        detail = f"{first.why.detail}; but {other.why.detail}"
        return _Meant(first.revision, Reason(first.why.kind, detail), certain=False)

    def _of(self, revision: str, name: str) -> Iterator[_Meant]:
        """What points to a revision, the most certain first."""
        lost = self._snapshot.databases.lost.get(name)
        for likeness in self._lookalikes.all(name):
            if likeness.kind != "label":
                known = lost is not None and lost.renamed != likeness.revision
                is_id = "was one" if known else "is no id"
                why = Reason(likeness.kind, f"{name!r} {is_id}: {likeness.detail}")
                yield _Meant(likeness.revision, why, likeness.certain and not known)
        header = self._snapshot.header(revision)
        if self.part is Part.PARENTS and header.revises is not None:
            stated = source.stated_parents(header.revises)
            named = header.down_revision or ()
            new = [id_ for id_ in stated if id_ in self._snapshot.graph and id_ not in named]
            if len(new) == 1 and name not in stated:
                why = Reason("docstring", f"its docstring says “Revises: {header.revises}”")
                yield _Meant(new[0], why, certain=lost is None)
        if lost is not None and lost.renamed is not None:
            edited = ", and has been edited" if lost.edited else ""
            detail = f"the migration {name} has the id {lost.renamed} since commit {lost.commit}"
            yield _Meant(lost.renamed, Reason("git", f"{detail}{edited}"), not lost.edited)


def _back(snapshot: Snapshot, code: str, revision: str, name: str) -> Mend | None:
    """The file of a missing revision, if version control has it: a guess, as it may be meant."""
    lost = snapshot.databases.lost.get(name)
    if lost is None or lost.renamed in snapshot.graph:
        return None
    try:
        new, edit = brought_back(snapshot, name)
    except CannotPlan:
        return None
    guess = Reason(GUESS, f"{name!r}, which {revision} names, comes back from Git")
    other = _another_way(snapshot, revision, lost)
    why = (*new.why, guess, *([Reason("choice", other)] if other else []))
    new = replace(new, why=why)
    return Mend(code, Part.FILE, name, edit.path, (), (name,), why, (edit,), new)


def _another_way(snapshot: Snapshot, revision: str, lost: LostRevision) -> str:
    """What else can be done about a revision whose file was deleted; ``""`` for nothing."""
    if lost.branch and lost.kept:
        return f"merging the branch {lost.branch} would bring it, too"
    parents = [parent for parent in lost.parents if parent in snapshot.graph]
    if len(parents) != 1:
        return ""
    bridge = shlex.quote(f"{revision}={parents[0]}")
    return f"if it is not wanted any more, go to its own parent: --attach {bridge}"


def _nothing_known(snapshot: Snapshot, revision: str, name: str) -> Iterator[Reason]:
    lost = snapshot.databases.lost.get(name)
    if lost is not None and lost.renamed is not None:
        detail = f"{name!r} is {lost.renamed} since commit {lost.commit}, which is above {revision}"
        yield Reason("git", detail)
    else:
        yield Reason("missing", f"no file, no docstring and no commit tells what {name!r} was")
    yield Reason(
        GUESS, f"{revision} is placed by what is known of itself, as if it had no {name!r}"
    )
    above = snapshot.graph.descendants([revision])
    close = [id_ for id_ in close_ids(name, snapshot.graph) if id_ not in above]
    if close:
        choice = shlex.quote(f"{revision}={close[0]}")
        yield Reason("choice", f"if {close[0]} is meant, say so: --attach {choice}")
