"""Faults of databases: stamps that are unknown, that overlap, or that skip revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contents import traced
from flask_chainfix.databases.applied.contradictions import (
    by_its_origin,
    in_words,
    mismatch,
    running_skipped,
    saying_where,
    ways_out,
)
from flask_chainfix.databases.applied.has_run import (
    Applied,
    meanings_of,
    misread_id,
    possibilities,
    undecided_id,
    which_ran,
)
from flask_chainfix.databases.applied.row_moves import UNDO, by_either_chain
from flask_chainfix.databases.applied.rows import catching_up, gaps, overlaps
from flask_chainfix.databases.applied.verdicts import Verdict
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import choices, whereabouts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.model.findings import Severity

_REPEATED = (
    "“{alembic} upgrade” stops there with “Online migration expected to match one row when updating"
    " …”"
)
_PART = "“{alembic} upgrade” leaves it in the version table, beside the new stamp"
_RESTAMP = way(
    "move the stamp: nothing is run, and nothing is skipped", "{fixchain} restamp{databases}"
)


@rule("FC301", "unknown-stamp", Severity.ERROR, "unknown stamp", Family.DATABASE)
def unknown_stamp(snapshot: Facts) -> Iterator[Fault]:
    """A database is stamped with a revision that no migration file has.

    The database has run a migration that these files do not contain. The message says where Git
    last saw it.

    What breaks:
        “{alembic} upgrade” and “{alembic} current” stop there with “Can't locate revision
        identified by …”

    How it happens:
        The file was deleted or its id changed after the database had run it, or the file is on
        another branch.

    How to repair it:
        The finding lists the ways, the best one first. If the main branch has the revision, merge
        it; nothing is lost. If another branch, a tag or a commit has it, `{fixchain} unwind` runs
        its downgrade() on the database. If all migrations were squashed, `{fixchain} restamp --lost
        REVISION=OTHER` moves the stamp to the revision that creates the same schema. Otherwise
        `{fixchain} repair --bring-back REVISION` restores the file from Git, or `{fixchain} repair
        --tombstone REVISION` puts a no-op revision in its place.

    Example:
        users

        # the rows of alembic_version
        orders

        $ {fixchain} check --database
        $ {fixchain} unwind --dry-run
        $ {fixchain} repair --bring-back orders
    """
    names: dict[str, dict[str, None]] = {}
    for status in reached(snapshot):
        for row in status.rows:
            if _is_unknown(snapshot, row):
                names.setdefault(row, {})[status.name] = None
    broken = [file for file, _ in snapshot.unreadable if file not in snapshot.leftovers]
    for row, statuses in names.items():
        verb = "is" if len(statuses) == 1 else "are"
        stamped = f"{listing(statuses)} {verb} stamped with {row!r}, which"
        unread = snapshot.possible_file(row)
        if unread is not None:
            file, problem = unread
            message = f"{stamped} {file.name} may have, but that file {problem.reason}"
            yield Fault(message, problem.remedy, [row], databases=statuses)
        else:
            message = f"{stamped} no migration file has: {whereabouts(snapshot, row)}"
            hint = _files_first(broken[0]) if broken else choices(snapshot, row)
            is_part = snapshot.graph.begun_by(row) and row not in snapshot.databases.lost
            breaks = _PART if is_part else None
            yield Fault(message, hint, [row], databases=statuses, breaks=breaks)


def _is_unknown(snapshot: Facts, row: str) -> bool:
    return row not in snapshot.graph and row not in snapshot.databases.planned_ids


def _files_first(file: MigrationFile) -> Remedy:
    """The only remedy while a merge or rebase is stopped there, which may bring the revision."""
    return way(f"correct {file.name} first, then look again", "{fixchain} check{asked}")


@rule("FC302", "stranded-revisions", Severity.ERROR, "stranded database", Family.DATABASE)
def stranded_revisions(snapshot: Facts) -> Iterator[Fault]:
    """A database is stamped above revisions that it has never run.

    Alembic treats every revision below a stamp as applied. The fault is only a warning if no
    missing table or column proves it, because the current chain may have built the database.

    What breaks:
        nothing at first: “{alembic} upgrade” treats these revisions as applied there and never
        runs them, until something needs what they create

    How it happens:
        Files were relinked without a look at the databases, so a new revision came below one that a
        database had already run. Or somebody ran `{alembic} stamp` on a database that had not run
        the revisions below.

    How to repair it:
        The finding names Alembic's commands for this database: they run the skipped revisions, or
        stamp the database with the revision that its tables match. After a repair, `{fixchain}
        undo` reverts the relinking, and `{fixchain} repair --database URL` makes a plan that suits
        the database.

    Example:
        users
        payments <- users
        orders before the repair <- users
        orders <- payments

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
                f"{_stamped(status)}, but {listing(found)}, below that in the chain, {never} there",
                _after_skipping(snapshot, possible, sure=sure),
                found,
                snapshot.locations(found[0], "down_revision"),
                severity=None if sure else Severity.WARNING,
                databases=[status.name],
            )


def _stamped(status: DatabaseStatus) -> str:
    return f"{status.name} is stamped with {listing(status.rows)}"


def _of_a_shared_id(
    snapshot: Facts, status: DatabaseStatus, possible: Sequence[Applied]
) -> Fault | None:
    """The fault of a stamp whose id several migrations have had."""
    doubtful = undecided_id(snapshot, [each.revisions for each in possible])
    if doubtful is not None:
        return Fault(
            f"{_stamped(status)}; {meanings_of(snapshot, doubtful)}, and it is not known"
            " which of them ran there",
            way("see what to do in either case", "{fixchain} restamp{databases} --dry-run"),
            [doubtful],
            severity=Severity.WARNING,
            databases=[status.name],
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
    return Fault(message, hint, [shared], "revision", databases=[status.name])


def _after_skipping(snapshot: Facts, possible: Sequence[Applied], *, sure: bool) -> Remedy:
    again = "undo the repair, and repair again with that database named"
    remedy = way(again, UNDO, "{fixchain} repair{databases}")
    run = max((each.revisions for each in possible), key=lambda run: len(gaps(snapshot.graph, run)))
    if run.issubset(snapshot.graph):
        remedy = running_skipped(snapshot, possible[0].status, run) | remedy
    return remedy if sure else by_either_chain(remedy)


def _without_tables(snapshot: Facts, status: DatabaseStatus) -> Iterator[Fault]:
    found = mismatch(snapshot, status)
    if found is None:
        return
    shown = traced(snapshot, status, found.claim.revisions)
    # What has been dropped or renamed since is no proof, and FC306 reports the revision that did.
    # In a cycle nobody knows what is below.
    no_proof = {*(() if shown is None else shown.having(Verdict.RUN))}.union(*snapshot.graph.cycles)
    absent = {name: each for name, each in found.absent.items() if name not in no_proof}
    if absent:
        missing = f"what should be there by then is missing: {in_words(absent)}"
        hint = ways_out(snapshot, found)
        message = f"{found.stamped}, but {missing}"
        yield Fault(message, hint, absent, "revision", databases=[status.name])


@rule("FC303", "overlapping-stamps", Severity.ERROR, "overlapping stamp", Family.DATABASE)
def overlapping_stamps(snapshot: Facts) -> Iterator[Fault]:
    """A database is stamped with a revision and also with one of its descendants.

    A row in the version table stands for a revision and all its ancestors, so the lower row is
    redundant.

    What breaks:
        “{alembic} upgrade” stops there with “Requested revision … overlaps with other requested
        revisions”

    How it happens:
        The database was stamped when the two revisions were on parallel branches, and the chain has
        been relinked since. Or Alembic itself caused it: a downgrade left the row of a revision
        that another one depends on, or a version table without a primary key got the same row
        twice.

    How to repair it:
        `{fixchain} restamp` removes the redundant row. It runs no migration and skips none. If no
        journal here knows the chain that the rows come from, the finding names a commit in Git that
        may have it, as in `{fixchain} restamp --old COMMIT`; or `{fixchain} restamp --from-schema`
        keeps the row that the schema proves.

    Example:
        users
        orders <- users
        payments before the repair <- users
        payments <- orders

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
        rows = repeated or lower
        are = "is" if len(rows) == 1 else "are"
        why = "below another of these in the chain, and so redundant"
        if repeated:
            why = "there more than once"
        hint = _RESTAMP if possibilities(snapshot, status) else by_its_origin(snapshot, status)
        if any(_is_unknown(snapshot, row) for row in status.rows):
            hint = way("fix FC301 first")
        yield Fault(
            f"{_stamped(status)}; {listing(rows)} {are} {why}",
            hint,
            lower,
            breaks=_REPEATED if repeated else None,
            databases=[status.name],
        )


@rule("FC304", "database-unreachable", Severity.WARNING, "unreachable database", Family.DATABASE)
def database_unreachable(snapshot: Facts) -> Iterator[Fault]:
    """The stamp of a database could not be read.

    All other checks go on without it.

    What breaks:
        nothing by itself; but a repair may not suit that database

    How it happens:
        The server is down, a driver or a password is missing, the server does not accept
        connections from this machine, or the name is misspelt.

    How to repair it:
        Make the database reachable, as the finding says. Or, if you know its stamp, pass it:
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
        yield Fault(message, remedy | saying_where(snapshot, status), databases=[status.name])


def reached(snapshot: Facts) -> Iterator[DatabaseStatus]:
    """The databases that were read, and those whose stamp the user has given."""
    return (
        status
        for status in snapshot.databases.statuses
        if status.state is not DatabaseState.UNREACHABLE
    )
