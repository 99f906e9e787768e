"""Faults of databases: stamps that are unknown, overlap, or skip revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contradictions import (
    by_its_origin,
    in_words,
    meanings_of,
    mismatch,
    misread_id,
    running_skipped,
    saying_where,
    undecided_id,
    ways_out,
    which_ran,
)
from flask_chainfix.databases.applied.has_run import Applied, possibilities
from flask_chainfix.databases.applied.row_moves import STAMPED_AS_IT_IS, UNDO, UNDO_OF_FILES
from flask_chainfix.databases.applied.rows import catching_up, gaps, overlaps
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import choices, whereabouts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus
from flask_chainfix.model.findings import Severity

_REPEATED = (
    "“{alembic} upgrade” stops there with “Online migration expected to match one row when updating"
    " …”"
)
_RESTAMP = way(
    "move the stamp: nothing is run, and nothing is skipped", "{fixchain} restamp{databases}"
)


@rule("FC301", "unknown-stamp", Severity.ERROR, "unknown stamp", Family.DATABASE)
def unknown_stamp(snapshot: Facts) -> Iterator[Fault]:
    """A database is stamped with a revision that no migration file has.

    It has run something that these files do not tell of. The message says where Git saw it last.

    What breaks:
        “{alembic} upgrade” and “{alembic} current” stop there with “Can't locate revision
        identified by …”

    How it comes about:
        The file was deleted or its id changed after the database had run it, or it comes from a
        branch that is not here.

    How it is repaired:
        The finding lists the ways, the best first. Where the main branch has the revision, a merge
        brings it, and nothing is lost. Where another branch, a tag or a commit has it,
        `{fixchain} unwind` takes the database back with its downgrade(). Where all migrations were
        squashed, `{fixchain} restamp --lost REVISION=OTHER` moves the stamp to the one that makes
        what the database holds. Else `{fixchain} repair --bring-back REVISION` takes the file from
        Git, or `{fixchain} repair --tombstone REVISION` puts a no-op revision in its place.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        # the rows of alembic_version
        orders

        $ {fixchain} check --database
        $ {fixchain} unwind --dry-run
        $ {fixchain} repair --bring-back orders
    """
    names: dict[str, dict[str, None]] = {}
    for status in reached(snapshot):
        for row in status.rows:
            if row not in snapshot.graph and row not in snapshot.databases.anew:
                names.setdefault(row, {})[status.name] = None
    for row, statuses in names.items():
        verb = "is" if len(statuses) == 1 else "are"
        stamped = f"{listing(statuses)} {verb} stamped with {row!r}, which"
        unread = snapshot.unread(row)
        if unread is not None:
            file, problem = unread
            message = f"{stamped} {file.name} may have, and that {problem.reason}"
            yield Fault(message, problem.remedy, [row])
        else:
            message = f"{stamped} no migration file has: {whereabouts(snapshot, row)}"
            yield Fault(message, choices(snapshot, row), [row])


@rule("FC302", "stranded-revisions", Severity.ERROR, "stranded database", Family.DATABASE)
def stranded_revisions(snapshot: Facts) -> Iterator[Fault]:
    """A database is stamped above revisions that it has never run.

    Alembic counts everything below a stamp as done. Where no missing table proves it, and the
    database may as well have been built by the chain as it is, this is a warning.

    What breaks:
        nothing stops: “{alembic} upgrade” treats these revisions as done there and never runs them,
        until something needs what they make

    How it comes about:
        Files were relinked without looking at the databases: a revision was put below one that a
        database had already run. Or `{alembic} stamp` was run on a database that has not run what
        is below.

    How it is repaired:
        The finding names Alembic's commands for the database at hand: those that run what was
        skipped, or those that stamp what the tables fit. After a repair, `{fixchain} undo` takes
        the relinking back, and `{fixchain} repair --database URL` repairs again with that database
        named, so that the plan heeds it.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        # payments.py
        revision = "payments"
        down_revision = "users"

        # orders.py before the repair
        revision = "orders"
        down_revision = "users"

        # orders.py
        revision = "orders"
        down_revision = "payments"

        # the rows of alembic_version
        orders

        $ {fixchain} undo
        $ {fixchain} repair --database URL
    """
    graph = snapshot.graph
    for status in reached(snapshot):
        possible = possibilities(snapshot, status)
        if not possible:
            yield from _without_tables(snapshot, status)
            continue
        fault = _of_a_shared_id(snapshot, status, possible)
        if fault is not None:
            yield fault
            continue
        skipped = [gaps(graph, each.revisions.intersection(graph)) for each in possible]
        found, sure = max(skipped, key=len, default=()), all(skipped)
        if found:
            never = "never ran" if sure else "may never have run"
            yield Fault(
                f"{_stamped(status)}, and {listing(found)}, which the chain has below, {never}"
                " there",
                _after_skipping(snapshot, possible, sure=sure),
                found,
                snapshot.locations(found[0], "down_revision"),
                severity=None if sure else Severity.WARNING,
            )


def _stamped(status: DatabaseStatus) -> str:
    return f"{status.name} is stamped with {listing(status.rows)}"


def _of_a_shared_id(
    snapshot: Facts, status: DatabaseStatus, possible: Sequence[Applied]
) -> Fault | None:
    """The fault of a stamp that stands on an id which several migrations had."""
    doubtful = undecided_id(snapshot, [each.revisions for each in possible])
    if doubtful is not None:
        return Fault(
            f"{_stamped(status)}; {meanings_of(snapshot, doubtful)}, and the tables do not tell"
            " which of them ran there",
            way("see what to do in either case", "{fixchain} restamp{databases} --dry-run"),
            [doubtful],
            severity=Severity.WARNING,
        )
    if len(possible) != 1:
        return None
    run = possible[0].revisions
    shared, with_file = misread_id(snapshot, status, run), run.intersection(snapshot.graph)
    if shared is None:
        return None
    hint = _RESTAMP
    if with_file != run:
        what = "see how to bring back what has run there and has no file"
        hint = way(what, "{fixchain} restamp{databases} --dry-run")
    elif gaps(snapshot.graph, run):
        hint = catching_up(snapshot.graph, run, status.rows)
    message = f"{_stamped(status)}; {which_ran(snapshot, shared, run)}"
    return Fault(message, hint, [shared], "revision")


def _after_skipping(snapshot: Facts, possible: Sequence[Applied], *, sure: bool) -> Remedy:
    undone = way(
        "take the repair back, and repair again with that database named",
        UNDO if sure else UNDO_OF_FILES,
        "{fixchain} repair{databases}",
    )
    run = max((each.revisions for each in possible), key=lambda run: len(gaps(snapshot.graph, run)))
    if not sure:
        return undone | STAMPED_AS_IT_IS
    if run.issubset(snapshot.graph):
        return running_skipped(snapshot, possible[0].status, run) | undone
    return undone


def _without_tables(snapshot: Facts, status: DatabaseStatus) -> Iterator[Fault]:
    found = mismatch(snapshot, status)
    if found is not None and found.absent:
        missing = f"what should be there by then is missing: {in_words(found.absent)}"
        hint = ways_out(snapshot, found)
        yield Fault(f"{found.stamped}, and {missing}", hint, found.absent, "revision")


@rule("FC303", "overlapping-stamps", Severity.ERROR, "overlapping stamp", Family.DATABASE)
def overlapping_stamps(snapshot: Facts) -> Iterator[Fault]:
    """A database holds a row for a revision, and another one for what is above it.

    One row stands for a revision and all below it, so the lower one is there twice.

    What breaks:
        “{alembic} upgrade” stops there with “Requested revision … overlaps with other requested
        revisions”

    How it comes about:
        The database was stamped when the two were branches beside each other, and the chain has
        been relinked since. Or by a fault of Alembic's own: a downgrade has left a row beside one
        that depends on it, or the same row came twice into a version table without a primary key.

    How it is repaired:
        `{fixchain} restamp` moves the stamp: one row then stands for both, nothing is run and
        nothing is skipped. Where no journal here knows the chain that has written the rows, Git
        may: the finding then names the commit, as in `{fixchain} restamp --old COMMIT`.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        # orders.py
        revision = "orders"
        down_revision = "users"

        # payments.py before the repair
        revision = "payments"
        down_revision = "users"

        # payments.py
        revision = "payments"
        down_revision = "orders"

        # the rows of alembic_version
        orders
        payments

        $ {fixchain} restamp
    """
    for status in reached(snapshot):
        lower = overlaps(snapshot.graph, status.rows)
        if not lower:
            continue
        repeated = [row for row in lower if status.rows.count(row) > 1]
        are = "is" if len(repeated or lower) == 1 else "are"
        what = f"{listing(lower)} {are} below another of these in the chain, and so stamped twice"
        if repeated:
            what = f"{listing(repeated)} {are} there more than once"
        known = possibilities(snapshot, status)
        yield Fault(
            f"{_stamped(status)}; {what}",
            _RESTAMP if known else by_its_origin(snapshot, status),
            lower,
            breaks=_REPEATED if repeated else None,
        )


@rule("FC304", "database-unreachable", Severity.WARNING, "unreachable database", Family.DATABASE)
def database_unreachable(snapshot: Facts) -> Iterator[Fault]:
    """A database could not be asked where it stands.

    A repair that does not know of it may not suit it.

    What breaks:
        nothing by itself: what holds for that database is not known

    How it comes about:
        The server is down, a driver or a password is missing, this machine may not connect to it,
        or its name is misspelt.

    How it is repaired:
        By making it reachable, as the finding says; or, where its rows are known, by telling them:
        `{fixchain} repair --stamp REVISION`.

    Example:
        $ {fixchain} repair --database postgresql://app@db.example.org/shop
        $ {fixchain} repair --no-database --stamp orders
    """
    for status in snapshot.databases.statuses:
        if status.state is DatabaseState.UNREACHABLE:
            message = f"{status.name} cannot be read: {status.problem}"
            remedy = Remedy.of(status.remedy)
        elif status.state is DatabaseState.MISSING and not status.own:
            message = f"{status.name} does not exist"
            remedy = way("create the database, or correct its name in the URL")
        else:
            continue
        yield Fault(message, remedy | saying_where(snapshot, status))


def reached(snapshot: Facts) -> Iterator[DatabaseStatus]:
    """The databases that could be asked, and those that the user has told of."""
    return (
        status
        for status in snapshot.databases.statuses
        if status.state is not DatabaseState.UNREACHABLE
    )
