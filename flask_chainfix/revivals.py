"""Revisions that databases have and files have not: brought back, or given a place without a body.

Neither is done unless the user asks for it; where Git does not tell the place, neither is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flask_chainfix import runtime as alembic
from flask_chainfix.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.languages import word
from flask_chainfix.mending import brought_back
from flask_chainfix.model import Edit, Mend, NewRevision, Part, Reason, Standing, Wishes
from flask_chainfix.rules.lost import can_have_file, choices
from flask_chainfix.runtime import Runtime
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import by_revision, early_on_return, in_words, mismatch, survivors

LEAVE_OUT = "leave the database out (--no-database)"


def revive(runtime: Runtime, snapshot: Snapshot, wishes: Wishes) -> tuple[Mend, ...]:
    """The files that the user wants back, or in the place of lost ones.

    Args:
        runtime: the environment.
        snapshot: the chain, and what version control knows of these revisions.
        wishes: which, and how.

    Raises:
        CannotPlan: one is not lost, or nothing tells what it was or where it belongs.
    """
    for revision in (*wishes.bring_back, *wishes.tombstones):
        if revision in snapshot.graph:
            raise CannotPlan(
                f"{revision} is not lost: {snapshot.file(revision).name} has it",
                "leave out --bring-back and --tombstone for it",
            )
    _require_parents(snapshot, wishes)
    returning = (
        *(brought_back(snapshot, revision) for revision in wishes.bring_back),
        *_tombstones(runtime, snapshot, wishes),
    )
    return tuple(
        Mend(
            "FC301", Part.FILE, new.revision, edit.path, (), (new.revision,), new.why, (edit,), new
        )
        for new, edit in returning
    )


def refuse_unrunnable(known: Snapshot, start: Snapshot, wishes: Wishes) -> None:
    """Stop where what comes back leaves a database whose next upgrade fails.

    Args:
        known: the chain without it.
        start: the chain with it.
        wishes: what comes back.

    Raises:
        UnsafeForDatabases: tables are there that revisions make which would run there.
    """
    for standing in start.databases.standings:
        for revision in {*wishes.bring_back, *wishes.tombstones}.intersection(standing.rows):
            early = _early(known, start, standing, revision)
            if early:
                raise UnsafeForDatabases(
                    f"with {revision} in place, the next upgrade of {standing.name} would stop, as"
                    f" tables are there already: {in_words(early)}",
                    choices(known, revision) | LEAVE_OUT,
                )


def _early(
    known: Snapshot, start: Snapshot, standing: Standing, revision: str
) -> Mapping[str, Sequence[str]]:
    found = mismatch(start, standing)
    if found is not None:
        return found.early
    if known.databases.lost.get(revision) is None:
        return {}
    return by_revision(early_on_return(known, standing, revision))


def _require_parents(snapshot: Snapshot, wishes: Wishes) -> None:
    """Stop where what comes back is built on what does not."""
    for revision in wishes.bring_back:
        lost = snapshot.databases.lost.get(revision)
        for parent in lost.parents if lost is not None else ():
            if not (parent in snapshot.graph or parent in (*wishes.bring_back, *wishes.tombstones)):
                id_ = word(parent)
                raise CannotPlan(
                    f"{revision} is built on {parent}, which no migration file has either",
                    f"bring that back as well (--bring-back {id_}), or put a no-op revision in"
                    f" its place (--tombstone {id_})",
                )


def _tombstones(
    runtime: Runtime, snapshot: Snapshot, wishes: Wishes
) -> Iterator[tuple[NewRevision, Edit]]:
    for revision, parent in wishes.tombstones.items():
        lost = snapshot.databases.lost.get(revision)
        if not can_have_file(revision):
            raise CannotPlan(
                f"no file can be written for the id {revision!r}: only letters, digits, underscores"
                " and points are safe there",
                "if you know what it counts for, move the stamp: restamp --lost REVISION=OTHER",
            )
        if parent is None:
            parents, why = _parents_by_git(snapshot, revision, wishes)
        else:
            parents = _existing(snapshot, parent)
            why = Reason("pin", f"--tombstone {revision}={parent}")
        location = snapshot.environment.version_locations[0]
        if lost is not None and lost.path.parent in snapshot.environment.version_locations:
            location = lost.path.parent
        new = NewRevision(revision, None, location, f"tombstone of {revision}", parents, (why,))
        yield alembic.render(runtime, new)


def _existing(snapshot: Snapshot, written: str) -> tuple[str, ...]:
    """Parents with commas between them, as a merge point has several."""
    parents = tuple(part.strip() for part in written.split(","))
    for parent in parents:
        if parent not in snapshot.graph:
            raise CannotPlan(
                f"there is no revision {parent!r} in this chain",
                "give --tombstone REVISION=PARENT[,PARENT] the full ids of existing revisions",
            )
    return parents


def _parents_by_git(
    snapshot: Snapshot, revision: str, wishes: Wishes
) -> tuple[tuple[str, ...], Reason]:
    lost = snapshot.databases.lost.get(revision)
    way = survivors(snapshot, revision)
    if lost is None or way.unknown:
        raise CannotPlan(
            f"nothing tells where {revision} belongs: Git does not know it, or what it was on",
            f"name what it is to be on: --tombstone {word(f'{revision}=PARENT')}",
        )
    there = {*snapshot.graph, *wishes.bring_back, *wishes.tombstones}
    # A tombstone has no dependencies of its own: what had to run before is what it is on.
    parents = lost.requirements if there.issuperset(lost.requirements) else way.rows
    names = ", ".join(parents) or "nothing"
    return parents, Reason("git", f"{lost.path.name} was on {names}, by commit {lost.commit}")
