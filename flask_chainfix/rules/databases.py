"""Faults of databases that have moved: where they are stamped, and what that leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.model import DatabaseState, LostRevision, Severity, Standing
from flask_chainfix.rules.registry import Family, Fault, rule
from flask_chainfix.rules.spelling import close_ids
from flask_chainfix.rules.wording import listing
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import applied_in, gaps, overlaps, possibilities, survivors


@rule(
    "FC301",
    "unknown-stamp",
    Severity.ERROR,
    noun="unknown stamp",
    breaks="“{alembic} upgrade” and “{alembic} current” stop there with “Can't locate revision"
    " identified by …”",
    family=Family.DATABASE,
)
def unknown_stamp(snapshot: Snapshot) -> Iterator[Fault]:
    """A database is stamped with a revision that no migration file has.

    Its file was deleted or its id changed after the database had run it, or it comes from a branch
    that is not here. The message says where Git saw it last. Nothing is decided silently: the file
    can be brought back, a no-op revision can take its place, or the stamp can move to its nearest
    ancestor that is left.
    """
    databases: dict[str, list[Standing]] = {}
    for database in applied_in(snapshot):
        for row in database.unknown:
            if row not in snapshot.graph:
                databases.setdefault(row, []).append(database.standing)
    for row, standings in databases.items():
        lost = snapshot.databases.lost.get(row)
        names = listing(list(dict.fromkeys(standing.name for standing in standings)))
        yield Fault(
            f"{names} is stamped with {row!r}, which no migration file has: "
            + (_whereabouts(lost) if lost else _never_seen(snapshot, row)),
            "; or ".join(_choices(snapshot, row, lost)),
            [row],
            [],
        )


def _whereabouts(lost: LostRevision) -> str:
    place = f"{lost.path.name}, commit {lost.commit} of {lost.author}, {lost.date:%Y-%m-%d}"
    if lost.branch and lost.kept:
        return f"it is on the branch {lost.branch}, which is not merged here ({place})"
    if lost.kept:
        return f"its file is in Git, and not where migrations are looked for ({place})"
    if lost.renamed:
        return f"the same migration is {lost.renamed} now ({place})"
    return f"its file was removed ({place})"


def _never_seen(snapshot: Snapshot, row: str) -> str:
    close = close_ids(row, snapshot.graph)
    if close:
        return f"version control has never seen it; it is close to {listing(close)}"
    return "version control has never seen it"


def _choices(snapshot: Snapshot, row: str, lost: LostRevision | None) -> Iterator[str]:
    """What can be done, the best first."""
    if lost is not None and lost.branch and lost.kept:
        yield f"merge the branch {lost.branch}, then repair"
    if lost is not None and lost.renamed in snapshot.graph:
        yield f"move the stamp to its new id: restamp --lost {row}={lost.renamed}"
    if lost is not None:
        yield f"bring its file back from Git: repair --bring-back {row}"
        left, between = survivors(snapshot, row)
        if len(left) == 1:
            yield (
                f"move the stamp to {left[0]}, the nearest ancestor that is left, if what"
                f" {listing(between)} did is no longer there: restamp --lost {row}={left[0]}"
            )
        yield f"put a no-op revision in its place: repair --tombstone {row}"
        return
    close = close_ids(row, snapshot.graph)
    if close:
        yield f"if it is {close[0]}, move the stamp: restamp --lost {row}={close[0]}"
    yield f"put a no-op revision in its place: repair --tombstone {row}=PARENT"
    yield "look for the checkout that has run it"


@rule(
    "FC302",
    "stranded-revisions",
    Severity.ERROR,
    noun="stranded database",
    breaks="nothing stops: “{alembic} upgrade” takes these revisions for done there and never runs"
    " them, until something needs what they make",
    family=Family.DATABASE,
)
def stranded_revisions(snapshot: Snapshot) -> Iterator[Fault]:
    """A database is stamped above revisions that it has never run.

    It comes from relinking files without looking at the databases: a revision was put below one
    that a database had already run. Alembic counts everything below a stamp as done. Where a
    database may as well have been built by the chain as it is, this is a warning.
    """
    graph = snapshot.graph
    for standing in _reached(snapshot):
        possible = possibilities(snapshot, standing)
        skipped = [gaps(graph, each.revisions.intersection(graph)) for each in possible]
        found = max(skipped, key=len, default=())
        if not found:
            continue
        sure = all(skipped)
        never = "never ran" if sure else "may never have run"
        yield Fault(
            f"{standing.name} is stamped with {listing(standing.rows)}, and {listing(found)},"
            f" which the chain has below, {never} there",
            "undo the repair and repair again with that database named, so that the plan heeds it;"
            " or run what was skipped there by hand"
            + ("" if sure else "; nothing is wrong if it was built after the repair"),
            found,
            [place for each in found[:1] for place in snapshot.locations(each, "down_revision")],
            severity=None if sure else Severity.WARNING,
        )


@rule(
    "FC303",
    "overlapping-stamps",
    Severity.ERROR,
    noun="overlapping stamp",
    breaks="“{alembic} upgrade” stops there with “Requested revision … overlaps with other"
    " requested revisions”",
    family=Family.DATABASE,
)
def overlapping_stamps(snapshot: Snapshot) -> Iterator[Fault]:
    """A database holds a row for a revision, and another one for what is above it.

    It was stamped when the two were branches beside each other, and the chain has been relinked
    since. All of it has run, so the stamp can move: one row stands for both.
    """
    for standing in _reached(snapshot):
        lower = overlaps(snapshot.graph, standing.rows)
        if lower:
            yield Fault(
                f"{standing.name} is stamped with {listing(standing.rows)}, and others of these"
                f" stand for {listing(lower)} already",
                "move the stamp with the command restamp",
                lower,
                [],
            )


@rule(
    "FC304",
    "database-unreachable",
    Severity.WARNING,
    noun="unreachable database",
    breaks="nothing by itself: what holds for that database is not known",
    family=Family.DATABASE,
)
def database_unreachable(snapshot: Snapshot) -> Iterator[Fault]:
    """A database could not be asked where it stands.

    A repair that does not know of it may not suit it. Where its rows are known, --stamp tells them.
    """
    for standing in snapshot.databases.standings:
        if standing.state is DatabaseState.UNREACHABLE:
            yield Fault(
                f"{standing.name} cannot be asked: {standing.problem}",
                f"{standing.remedy}; or say with --stamp where it stands",
                [],
                [],
            )


def _reached(snapshot: Snapshot) -> Iterator[Standing]:
    return (
        standing
        for standing in snapshot.databases.standings
        if standing.state is not DatabaseState.UNREACHABLE
    )
