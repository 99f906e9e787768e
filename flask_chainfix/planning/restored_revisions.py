"""Lost revisions that databases have run: restore them, or replace them with no-op revisions.

Both only happen at the user's request, and only in a place that Git or the user names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.remedies import Remedy, repairing, way
from flask_chainfix.databases.applied.contradictions import (
    by_revision,
    in_words,
    leaving_out,
    mismatch,
)
from flask_chainfix.databases.applied.lost import early_on_return, survivors
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import choices, placeholder
from flask_chainfix.diagnosis.numbering import can_have_file
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.new_revisions import render
from flask_chainfix.model.plans import Mend, NewRevision, Part, Reason, Wishes
from flask_chainfix.planning.mending.missing import brought_back


def restore_lost(runtime: Runtime, snapshot: Facts, wishes: Wishes) -> tuple[Mend, ...]:
    """The files that the user wants restored or replaced.

    Raises:
        CannotPlan: a revision is not lost, or its contents or place are unknown.
    """
    for revision in (*wishes.bring_back, *wishes.tombstones):
        if revision in snapshot.graph:
            others = replace(
                wishes,
                bring_back=tuple(each for each in wishes.bring_back if each != revision),
                tombstones={each: on for each, on in wishes.tombstones.items() if each != revision},
            )
            raise CannotPlan(
                f"{revision} is not lost: {snapshot.file(revision).name} has it",
                way("leave it out", repairing(others.typed)),
            )
    _require_parents(snapshot, wishes)
    back = [brought_back(snapshot, revision) for revision in wishes.bring_back]
    tombstones = [*_tombstones(snapshot, wishes)]
    _refuse_cycle(snapshot, [*(new for new, _ in back), *tombstones])
    back += (render(runtime, new) for new in tombstones)
    return tuple(
        Mend(
            "FC301", Part.FILE, new.revision, edit.path, (), (new.revision,), new.why, (edit,), new
        )
        for new, edit in back
    )


def refuse_early_tables(known: Facts, start: Facts, wishes: Wishes) -> None:
    """Refuse if the next upgrade of a database would fail on restored revisions.

    Raises:
        UnsafeForDatabases: tables exist that these revisions would create.
    """
    restored = {*wishes.bring_back, *wishes.tombstones}
    for status in start.databases.statuses:
        for revision in (row for row in status.rows if row in restored):
            early: Mapping[str, Sequence[str]] = {}
            found = mismatch(start, status)
            if found is not None:
                early = found.early
            elif revision in known.databases.lost:
                early = by_revision(early_on_return(known, status, revision))
            if early:
                raise UnsafeForDatabases(
                    f"with {revision} in place, the next upgrade of {status.name} would stop, as"
                    f" tables are there already: {in_words(early)}",
                    choices(known, revision) | leaving_out(start, [status.name]),
                )


def _require_parents(snapshot: Facts, wishes: Wishes) -> None:
    """Refuse if a restored revision has a parent that is not restored."""
    for revision in wishes.bring_back:
        lost = snapshot.databases.lost.get(revision)
        for parent in lost.parents if lost is not None else ():
            if not (parent in snapshot.graph or parent in (*wishes.bring_back, *wishes.tombstones)):
                raise CannotPlan(
                    f"{revision} is built on {parent}, which no migration file has either",
                    _ways_for_parent(snapshot, wishes, parent),
                )


def _ways_for_parent(snapshot: Facts, wishes: Wishes, parent: str) -> Remedy:
    """The remedy for a lost parent of a restored revision."""
    if parent not in snapshot.databases.lost:
        return choices(snapshot, parent)
    back = replace(wishes, bring_back=(*wishes.bring_back, parent))
    empty = replace(wishes, tombstones={**wishes.tombstones, parent: None})
    return way("bring that back as well", repairing(back.typed)) | way(
        "put a no-op revision in its place", repairing(empty.typed)
    )


def _tombstones(snapshot: Facts, wishes: Wishes) -> Iterator[NewRevision]:
    for revision, parent in wishes.tombstones.items():
        lost = snapshot.databases.lost.get(revision)
        if not can_have_file(revision):
            raise CannotPlan(
                f"no file can be written for the id {revision!r}: only letters, digits, underscores"
                " and points are safe there",
                choices(snapshot, revision),
            )
        if parent is None:
            parents, why = _parents_by_git(snapshot, revision, wishes)
        else:
            parents = tuple(part.strip() for part in parent.split(","))
            there = {*snapshot.graph, *wishes.bring_back, *wishes.tombstones}
            unknown = next((each for each in parents if each not in there), None)
            if unknown is not None:
                raise CannotPlan(
                    f"there is no revision {unknown!r} in this chain",
                    placeholder(snapshot, revision),
                )
            why = Reason("pin", f"--tombstone {revision}={parent}")
        location = snapshot.environment.version_locations[0]
        if lost is not None and lost.path.parent in snapshot.environment.version_locations:
            location = lost.path.parent
        yield NewRevision(revision, None, location, f"tombstone of {revision}", parents, (why,))


def _refuse_cycle(snapshot: Facts, restored: Sequence[NewRevision]) -> None:
    try:
        TopologicalSorter({new.revision: new.down_revision for new in restored}).prepare()
    except CycleError as error:
        cycle = sorted({*error.args[1]})
        ways = placeholder(snapshot, cycle[0])
        raise CannotPlan(f"{', '.join(cycle)} would form a cycle", ways) from error


def _parents_by_git(
    snapshot: Facts, revision: str, wishes: Wishes
) -> tuple[tuple[str, ...], Reason]:
    lost = snapshot.databases.lost.get(revision)
    left = survivors(snapshot, revision)
    if lost is None or left.unknown:
        raise CannotPlan(
            f"it is not known where {revision} belongs: Git knows neither it nor its parent",
            placeholder(snapshot, revision),
        )
    there = {*snapshot.graph, *wishes.bring_back, *wishes.tombstones}
    # A tombstone has no dependencies: everything that must run before it is its parent.
    parents = lost.requirements if there.issuperset(lost.requirements) else left.rows
    names = ", ".join(parents) or "nothing"
    return parents, Reason("git", f"{lost.path.name} was on {names}, by commit {lost.commit}")
