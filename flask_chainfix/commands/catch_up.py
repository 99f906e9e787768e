"""catch-up: one new migration that adds what databases lack, proved before it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import indent
from typing import TYPE_CHECKING

from flask_chainfix.commands.session import Session, refuse_broken, unchanged_moves
from flask_chainfix.common.errors import CannotPlan, DatabaseUnreachable, UnsafeForDatabases
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, Way, way
from flask_chainfix.common.wording import count, in_rows, listing
from flask_chainfix.databases.applied.by_schema import (
    TracedDatabase,
    move_by_schema,
    remedy_of,
    trace_databases,
)
from flask_chainfix.databases.applied.contradictions import finishing, leaving_out
from flask_chainfix.databases.applied.rows import stamp_commands, stood_for, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, errors_of, in_doubt
from flask_chainfix.diagnosis.lost_revisions import choices
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.environment.new_revisions import operations, render
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus, MoveState
from flask_chainfix.model.plans import NewRevision, Plan, Reason
from flask_chainfix.planning.edits import with_lock
from flask_chainfix.planning.linking.faults import new_faults
from flask_chainfix.planning.linking.strategies import require_known_headers
from flask_chainfix.planning.proposal import Planned, Proposal
from flask_chainfix.rehearsal.confirm import foresee
from flask_chainfix.report.results import CatchUpPlan
from flask_chainfix.schema.footprint import SchemaObject

if TYPE_CHECKING:
    from flask_chainfix.databases.existing_rows import InTheWay
    from flask_chainfix.rehearsal.schemas.catching_up import Completed, Lacking
    from flask_chainfix.rehearsal.schemas.drift import ExactComparison

MESSAGE = "make what some databases lack"
_DOWNGRADE = """\
# Nothing is dropped: databases that had all of this before have it from the revisions below,
# and it is no longer known which those are.
pass"""
_NAMED = 3


def plan_catch_up(session: Session, server: str | None) -> CatchUpPlan:
    """Plan a migration that adds what databases lack, compared with what the chain makes.

    The chain runs on scratch databases of the same kinds: migrations are imported and run in
    separate processes. The databases are only read.

    Args:
        session: what the command works with.
        server: the URL of a server for scratch databases, or ``OWN_SERVER``; ``None`` if none is
            named.

    Returns:
        A proved plan with its edits; no plan if no database lacks anything that its next upgrade
        does not make.

    Raises:
        NoMigrations: there is nothing to compare with.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        CannotPlan: the chain is broken, or what a database lacks cannot be added.
        UnsafeForDatabases: the rows or the stamp of a database do not allow it.
        DatabaseUnreachable: a database cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
        RehearsalFailed, CannotRehearse, NoScratchDatabase, ScratchLeftBehind: the proof failed.
    """
    from flask_chainfix.rehearsal.app_databases import ScratchServer
    from flask_chainfix.rehearsal.schemas.catching_up import (
        MigrationProof,
        completing,
        lacking_in,
        upgraded,
    )
    from flask_chainfix.rehearsal.schemas.drift import compare_exactly

    diagnosis = sound_chain(session)
    place = ScratchServer(server, "catch-up")
    now = looked_at(session, diagnosis.snapshot, place.again)
    diagnosis = replace(diagnosis, snapshot=now)
    targets = session.targets(now)
    traced, notices = trace_databases(now)
    for found in traced:
        _refuse_stamp(now, found, place.again)
    compared = compare_exactly(session.runtime, now, targets, place, session.progress)
    _refuse_uncompared(now, compared, place.again)
    stamped = {name: each for name, each in compared.items() if not each.problem}
    lacking = lacking_in(now, targets, stamped, place)
    planning = CatchUpPlan(tools=session.tools, proposal=Proposal(diagnosis), databases=lacking)
    planning = planning.noticing(*notices, *now.databases.notices)
    if not any(each.missing for each in lacking):
        return planning
    with completing(session.runtime, now, lacking, session.progress) as all_of_it:
        lacking = upgraded(session.runtime, now, lacking, all_of_it, session.progress)
        wanted = {thing for each in lacking for thing in each.wanted}
        completed = {bind: each.only(wanted) for bind, each in all_of_it.items()}
        planning = replace(planning, databases=lacking).noticing(*_upgrades(session, now, lacking))
        if not wanted:
            return planning
        left = {thing: why for each in completed.values() for thing, why in each.left.items()}
        planning = replace(planning, left=left)
        if not any(each.additions for each in completed.values()):
            raise _nothing_can_be_added(left)
        _refuse_rows(lacking, completed)
        planned = _planned(session, now, lacking, completed)
        proof = MigrationProof(session.runtime, now, planned.after, completed)
        states = proof.run(lacking, session.progress)
    proposal = Proposal(diagnosis, planned, moves=unchanged_moves(now))
    return replace(planning, proposal=proposal, states=states, exit_code=1)


def sound_chain(session: Session) -> Diagnosis:
    """The chain, which must be healthy and have one head.

    Raises:
        CannotPlan: it is broken or has several heads; a repair comes first.
        NoMigrations, RepairInterrupted, RepairRunning: as ``plan_catch_up``.
    """
    diagnosis = session.begin()
    now = diagnosis.snapshot
    refuse_broken(in_doubt(diagnosis.findings) or errors_of(diagnosis.findings))
    if len(now.graph.heads) != 1:
        heads = listing(sorted(now.graph.heads), _NAMED)
        raise CannotPlan(
            f"the chain has several heads on purpose ({heads}), and a new migration needs one"
            " head to build on",
            way("join them, if they need not stay apart", "{alembic} merge heads"),
        )
    require_known_headers(now)
    return diagnosis


def looked_at(session: Session, chain: Facts, again: str) -> Facts:
    """The chain with the state of its databases, all of which must be readable.

    ``again`` is the command as it would be typed again, without the databases.

    Raises:
        BadDatabase, BadConfiguration: no database is named, or it is unclear which are meant.
        DatabaseUnreachable: a database cannot be read.
    """
    now = session.survey(chain, again, required=True)
    for status in now.databases.statuses:
        if status.state is DatabaseState.MISSING:
            raise DatabaseUnreachable(
                f"{status.name} cannot be read: {status.problem or 'it does not exist'}",
                _leaving_out(now, status, again) | "correct its name, or make the database first",
            )
    return now


def _leaving_out(now: Facts, status: DatabaseStatus, again: str) -> Remedy:
    """How to leave a database out; empty if no other would remain."""
    left = [each for each in now.databases.statuses if each is not status]
    if not any(not (status.own and each.own) for each in left):
        return Remedy()
    return leaving_out(now, [status.name], again)


# --- What keeps databases from being caught up ---------------------------------------------------
def _refuse_stamp(now: Facts, found: TracedDatabase, again: str) -> None:
    """Refuse a database that has run more than its stamp says: that would run again.

    Raises:
        UnsafeForDatabases: the database has run more.
    """
    name, without = found.status.name, _leaving_out(now, found.status, again)
    if found.trace is None:  # hidden objects would look missing
        raise UnsafeForDatabases(
            f"it is not known what {name} lacks: {found.problem}",
            Remedy.of(found.status.remedy) | without,
        )
    gone = [row for row in found.status.rows if row not in now.graph]
    if gone:
        raise UnsafeForDatabases(
            f"{name} is stamped with {in_rows(gone)}, which no file has",
            choices(now, gone[0]) | without,
        )
    if found.half:
        raise UnsafeForDatabases(
            f"half of {found.half[0]} has run in {name}, and Alembic would run it from its start",
            finishing(found.half[0]) | without,
        )
    if found.ahead:
        raise UnsafeForDatabases(
            f"{listing(found.ahead, _NAMED)} {'has' if len(found.ahead) == 1 else 'have'} run in"
            f" {name}, and its stamp does not say so: Alembic would run"
            f" {'it' if len(found.ahead) == 1 else 'them'} again",
            _stamping_first(now, found, again).placed(here=found.status.own) | without,
        )


def _stamping_first(now: Facts, found: TracedDatabase, again: str) -> Remedy:
    """How to have a stamp say all that has run."""
    graph, rows = now.graph, found.status.rows
    look = way("see what it really has run", "{fixchain} trace{databases}")
    if not rows:
        return remedy_of(now, found) or look
    if move_by_schema(now, found).state is MoveState.PLANNED:
        return way("move its stamp first", "{fixchain} restamp --from-schema{databases}")
    run = found.claimed.union(found.ahead)
    if found.trace is None or found.trace.fits is not None or graph.required(run) - run:
        return look
    return way(
        "something that its stamp stands for is missing: move the stamp to all that has run, then"
        " make what is missing",
        *stamp_commands(graph, rows, tops(graph, run)),
        f"{{fixchain}} {again}{{databases}}",
    )


def _refuse_uncompared(now: Facts, compared: Mapping[str, ExactComparison], again: str) -> None:
    """Refuse databases that were not compared; an empty one lacks nothing.

    Raises:
        DatabaseUnreachable: a database was not compared.
    """
    for status in now.databases.statuses:
        found = compared[status.identity]
        if found.problem and status.state is not DatabaseState.EMPTY:
            raise DatabaseUnreachable(
                f"{status.name} cannot be compared with what the chain makes: {found.problem}",
                Remedy.of(found.remedy) | _leaving_out(now, status, again),
            )


def _refuse_rows(lacking: Sequence[Lacking], completed: Mapping[str, Completed]) -> None:
    """Refuse if rows would have to be guessed, changed or deleted.

    Raises:
        UnsafeForDatabases: with each table and column, and what to do.
        DatabaseUnreachable: a database cannot be read.
    """
    from flask_chainfix.databases.connecting import Obstacle
    from flask_chainfix.databases.existing_rows import in_the_way

    problems: list[str] = []
    remedy = Remedy()
    for each in lacking:
        wanted = [
            (addition.object, addition.element)
            for addition in completed[each.target.bind].additions
            if addition.object in each.wanted
        ]
        try:
            found = in_the_way(each.target, wanted, each.missing)
        except Obstacle as obstacle:
            raise DatabaseUnreachable(
                f"the rows of {each.status.name} cannot be read: {obstacle.problem}",
                obstacle.remedy,
            ) from obstacle
        problems += [f"{each.status.name}: {one.reason}" for one in found]
        for one in found:
            remedy |= _way_out(one, each, completed[each.target.bind])
    if problems:
        message = f"the existing rows do not allow it: {problems[0]}"
        raise UnsafeForDatabases(message, remedy, problems[1:])


def _way_out(found: InTheWay, database: Lacking, completed: Completed) -> Remedy:
    """The remedy for rows that are in the way."""
    if found.query:
        text = f"change or delete these rows of {database.status.name}, which this shows:"
        return Remedy((Way(text, lines=(found.query,)),))
    text = (
        "make a migration, put these lines into its upgrade() with a value for the existing rows in"
        " place of VALUE, upgrade with it, and run catch-up again"
    )
    command = f"{{alembic}} revision -m {word(f'add {found.object.spelled}')}"
    code = completed.codes[found.object][database.target.backend]
    return Remedy((Way(text, (command,), tuple(_by_hand(found.object, code))),))


def _by_hand(thing: SchemaObject, code: str) -> Iterator[str]:
    """The lines that add a column with values for the existing rows."""
    table, name = thing.table, thing.name
    batch, add, alter = code.splitlines()
    found = f"sa.inspect(op.get_bind()).get_columns({table!r})"
    yield f"if {name!r} not in {{each['name'] for each in {found}}}:"
    filled = f"sa.table({table!r}, sa.column({name!r})).update().values({{{name!r}: VALUE}})"
    for line in (batch, add, f"op.execute({filled})", batch, alter):
        yield indent(line, "    ")


def _upgrades(session: Session, now: Facts, lacking: Sequence[Lacking]) -> Iterator[str]:
    """What the next upgrade of databases makes of what they lack, in words."""
    for each in lacking:
        if each.later:
            ran = stood_for(now.graph, each.status.rows)
            pending = [revision for revision in now.graph.order if revision not in ran]
            yield (
                f"`{session.tools.alembic} upgrade head` makes {count(len(each.later), 'object')}"
                f" of what {each.status.name} lacks: {listing(pending, _NAMED)}"
                f" {'has' if len(pending) == 1 else 'have'} not run there yet"
            )


def _nothing_can_be_added(left: Mapping[SchemaObject, str]) -> CannotPlan:
    things = [f"{each.kind.value} {each.spelled}: {why}" for each, why in left.items()]
    return CannotPlan(
        "catch-up cannot write a migration for what is missing",
        way("write one by hand", f"{{alembic}} revision -m {word(MESSAGE)}"),
        things or ["later revisions drop it or give it another name"],
    )


# --- The plan ------------------------------------------------------------------------------------
def _planned(
    session: Session, now: Facts, lacking: Sequence[Lacking], completed: Mapping[str, Completed]
) -> Planned:
    """The new migration, and the updated chain lock.

    Raises:
        CannotPlan: the migration would break the chain.
    """
    from flask_chainfix.rehearsal.schemas.additions import upgrade_text

    upgrades = {
        bind: upgrade_text(each.additions, each.codes)
        for bind, each in completed.items()
        if each.additions
    }
    additions = [addition for each in completed.values() for addition in each.additions]
    imports = sorted({line for each in additions for line in each.imports})
    head = now.graph.heads[0]
    names = [each.status.name for each in lacking if each.wanted]
    new = NewRevision(
        NewIds(now).next("".join(upgrades.values()).encode(), MESSAGE),
        None,
        now.version_location(now.file(head).path),
        MESSAGE,
        (head,),
        (
            Reason(
                "lacking",
                f"it makes {count(len(additions), 'object')} that"
                f" {listing(names, _NAMED)} {'lacks' if len(names) == 1 else 'lack'}",
            ),
        ),
    )
    downgrades = dict.fromkeys(upgrades, _DOWNGRADE)
    given = operations(upgrades, downgrades, imports)
    new, edit = render(session.runtime, new, given)
    after = now.after([edit])
    for fault in new_faults(now, after):
        raise CannotPlan(f"the planned chain would have a fault: {fault.message}", fault.hint)
    foresee(after, before=now)
    edits, after = with_lock((edit,), after)
    plan = Plan("catch-up", (), (new,), after.graph.order)
    return Planned(plan, now, after, edits).in_git()
