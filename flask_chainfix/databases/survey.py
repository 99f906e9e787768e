"""The status of databases, from themselves, the journal, version control and the files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix import disk
from flask_chainfix.chain import source
from flask_chainfix.common.errors import BadDatabase, DatabaseMissing, DatabaseUnreachable
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.applied.contradictions import leaving_out, left_out, saying_where
from flask_chainfix.databases.applied.has_run import is_another, possibilities
from flask_chainfix.databases.applied.row_moves import move_for
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.selection import given_by_user, in_passing, read_twice, selected
from flask_chainfix.disk.journal import Journal
from flask_chainfix.disk.past_repairs import journals_of
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.git.lost_files import find_lost
from flask_chainfix.git.past import read_at, read_recent
from flask_chainfix.model.databases import (
    Databases,
    DatabaseState,
    DatabaseStatus,
    DatabaseWishes,
    Move,
    MoveState,
)
from flask_chainfix.model.files import Header, MigrationFile

if TYPE_CHECKING:
    from flask_chainfix.databases.targets import Target

_NONE_LOOKED_AT = "no database was looked at: name those in use with --database or --stamp"

NO_DATABASE_NAMED = (
    "no database was looked at, as no configuration here names one: name it with --database URL"
)


def no_database(wishes: DatabaseWishes, command: str) -> BadDatabase:
    """The error for a command that works on databases and has none."""
    name_one = way("name one", f"{{fixchain}} {command} --database URL")
    if wishes.own:
        return BadDatabase(NO_DATABASE_NAMED, name_one)
    return BadDatabase(
        "no database is left: --no-database leaves out the app's own, or that of the configuration,"
        " and no other one is named",
        way("take the app's own", f"{{fixchain}} {command}") | name_one,
    )


def survey(  # noqa: PLR0913  (the inputs of a survey)
    runtime: Runtime,
    snapshot: Facts,
    wishes: DatabaseWishes,
    progress: Progress,
    *,
    old: str | None = None,
    also: Collection[str] = (),
) -> Facts:
    """The chain with the status and the schemas of its databases; nothing is changed in them.

    Args:
        runtime: the environment.
        snapshot: its chain as the files have it.
        wishes: which databases.
        progress: called with the databases done, the databases in all, and the last one's name.
        old: the Git revision with the chain that stamped the databases, if it is not the current
            chain; without it, the chains before each repair in the journal are considered.
        also: further lost revisions to look for in version control.

    Raises:
        BadConfiguration, BadDatabase: it is unknown which databases are meant.
        CannotRead, CannotReadGit: the journal, or the Git revision, cannot be read.
    """
    read = _read_stamps(runtime, snapshot, wishes, progress)
    statuses = read.statuses
    journals = journals_of(runtime.environment).ended
    repairs = disk.in_force(snapshot, journals)
    past = tuple(then for _, then in repairs)
    if old:
        past = (Facts.around(read_at(old, runtime.environment)),)
    chains = tuple(each.graph for each in past)
    valid = [journal for journal, _ in reversed(repairs)]
    renamed: dict[str, str] = {}  # the current ids by the old ones, from those repairs
    for journal in valid:
        renamed = {then: journal.renamed.get(now, now) for then, now in renamed.items()}
        renamed.update(journal.renamed)
    shared = _shared(snapshot, past)
    databases = Databases(
        statuses,
        _moved(snapshot, [each for each in journals if each in valid or not each.entries]),
        renamed=renamed,
        squashed={then: now for each in valid for then, now in each.squashed.items()},
        shared=shared,
        others=_others(snapshot, past[0]) if old else {},
        old_is_named=bool(old),
        twice=read.twice,
        notices=read.notices,
    )
    databases = replace(databases, moved=databases.as_read(databases.moved))
    snapshot = replace(snapshot, databases=databases, old=chains)
    if read.targets:
        from flask_chainfix.databases.live_schema import with_schemas

        snapshot = with_schemas(snapshot, read.targets, progress)
    rows = {row for status in statuses for row in status.rows}
    for each in chains:  # ancestors of a lost revision may be lost too
        rows |= each.required(row for row in rows if row in each)
    snapshot = _with_renamed(with_lost(snapshot, rows.union(also)), past)
    return snapshot if old else _with_origins(snapshot)


class _Read(NamedTuple):
    """The databases with their stamps, each once.

    Attributes:
        targets: those to look into, by identity.
        statuses: all of them.
        twice: those that are left out, each with the one that it is.
        notices: what else is left out.
    """

    targets: Mapping[str, Target]
    statuses: tuple[DatabaseStatus, ...]
    twice: Mapping[str, str]
    notices: tuple[str, ...]


def _read_stamps(
    runtime: Runtime, snapshot: Facts, wishes: DatabaseWishes, progress: Progress
) -> _Read:
    targets, not_read = selected(runtime, wishes)
    statuses: tuple[DatabaseStatus, ...] = ()
    if targets:
        from flask_chainfix.databases.version_tables import as_found, read_statuses

        statuses = read_statuses(tuple(targets.values()), progress, chain=snapshot)
        targets = as_found(targets, statuses)
    own, passed, notices = in_passing(runtime, snapshot, wishes, targets)
    known = dict(sorted({**targets, **own}.items(), key=lambda each: not each[1].own))
    twice = read_twice(known, statuses + passed)  # env.py uses those of the app: they stay
    notices += tuple(
        f"{known[one].name} leads to the same database as {known[other].name}, and is left out"
        for one, other in twice.items()
    )
    named = {twice.get(name, name) for name in targets}
    targets = {name: each for name, each in known.items() if name in named}
    statuses = tuple(
        replace(each, in_passing=each.in_passing and each.identity not in named)
        for each in statuses + passed
        if each.identity not in twice
    )
    notices = (*not_read, *notices)
    return _Read(targets, statuses + given_by_user(wishes.stamps), twice, notices)


def _with_origins(snapshot: Facts) -> Facts:
    """The chain with the commits whose chains may have written rows that nothing else explains."""
    unexplained = [
        status
        for status in snapshot.databases.statuses
        if status.rows
        and all(row in snapshot.graph for row in status.rows)
        and len(possibilities(snapshot, status)) != 1
    ]
    if not (unexplained and snapshot.environment.asks_git):
        return snapshot
    recent = read_recent(snapshot)
    origins = {each.identity: "" for each in unexplained} if recent else {}
    movable: set[str] = set()
    for commit, then in recent.items():
        by_it = _stamped_by(snapshot, Facts.around(then))
        for status in unexplained:
            known, possible = status.identity, possibilities(by_it, status)
            if known in movable or not possible:
                continue
            if move_for(by_it, by_it, status, possible).state is MoveState.PLANNED:
                movable.add(known)
                origins[known] = commit
            elif not (origins[known] or possibilities(snapshot, status)):
                origins[known] = commit  # its chain at least shows what is in the way
    return replace(snapshot, databases=replace(snapshot.databases, origins=origins))


def _stamped_by(snapshot: Facts, then: Facts) -> Facts:
    """The chain as if the user had named an older one that stamped the databases."""
    known = replace(
        snapshot.databases,
        shared=_shared(snapshot, (then,)),
        others=_others(snapshot, then),
        old_is_named=True,
    )
    return replace(snapshot, old=(then.graph,), databases=known)


def with_lost(snapshot: Facts, ids: Collection[str]) -> Facts:
    """The chain with what version control knows of revisions that no file has."""
    known = snapshot.databases
    wanted = frozenset(ids).difference(snapshot.graph, known.asked_git_about)
    if not snapshot.environment.asks_git:
        wanted = frozenset()
    found, notices = find_lost(wanted, snapshot)
    databases = replace(
        known,
        lost={**found, **known.lost},
        asked_git_about=known.asked_git_about | wanted,
        notices=known.notices + notices,
    )
    return replace(snapshot, databases=databases)


def refuse_unreachable(snapshot: Facts, command: str) -> None:
    """Stop if a database cannot be read and the plan of a command must suit it.

    Raises:
        DatabaseUnreachable: a database cannot be read.
    """
    for status in snapshot.databases.statuses:
        if status.state is DatabaseState.UNREACHABLE:
            raise DatabaseUnreachable(
                f"{status.name} cannot be read: {status.problem}",
                Remedy.of(status.remedy) | _without(snapshot, status, command),
            )


def _moved(snapshot: Facts, journals: Iterable[Journal]) -> Mapping[str, Move]:
    """The last change of each database's rows that is still valid."""
    moved: dict[str, Move] = {}
    for journal in journals:
        if journal.entries:  # a repair moves again what was moved before it
            moved.clear()
        moved.update((move.identity, move) for move in disk.recorded_moves(journal))
    return {
        identity: move for identity, move in moved.items() if disk.still_means(move, snapshot.graph)
    }


def missing_database(
    snapshot: Facts, command: str, wishes: DatabaseWishes
) -> DatabaseMissing | None:
    """The refusal to carry out a plan if a database does not exist.

    A misspelt name also leads to a database that does not exist, and the plan may not suit the
    right one. So the user has to confirm that there is none, or give its stamp.
    """
    for status in _missing(snapshot, wishes):
        wrong = "if its name is wrong, correct it in the configuration or on the command line"
        ways = _without(snapshot, status, command)
        return DatabaseMissing(
            f"{status.name} does not exist ({status.problem}), and a misspelt name would"
            " look the same",
            ways | wrong if status.own else Remedy.of(wrong) | ways,
        )
    return None


def noticed_unseen(snapshot: Facts, wishes: DatabaseWishes) -> tuple[str, ...]:
    """A notice for a plan about databases that could not be read."""
    if not snapshot.databases.statuses:
        return (_NONE_LOOKED_AT,)
    return noticed_missing(snapshot, wishes)


def noticed_missing(snapshot: Facts, wishes: DatabaseWishes) -> tuple[str, ...]:
    """What ``missing_database`` refuses, as a notice for a plan that is only shown."""
    own = "pass --no-database, or its --stamp"
    named = "correct its name, or pass its --stamp instead"
    return tuple(
        f"{status.name} does not exist: {own if status.own else named}"
        for status in _missing(snapshot, wishes)
    )


def _missing(snapshot: Facts, wishes: DatabaseWishes) -> tuple[DatabaseStatus, ...]:
    statuses = snapshot.databases.statuses if not wishes.stamps else ()
    return tuple(each for each in statuses if each.state is DatabaseState.MISSING)


def _without(snapshot: Facts, status: DatabaseStatus, command: str) -> Remedy:
    """How to plan without a database, or with a stamp that the user gives."""
    known = saying_where(snapshot, status, command)
    if not status.own:
        return known
    if any(each.own and each.is_known for each in snapshot.databases.statuses):
        text = "leave the app's own databases out, and name those of them that matter"
        return way(text, f"{left_out(snapshot, [status.name], command)} --database URL") | known
    text = "if none of the app's own databases matters, leave them out"
    return leaving_out(snapshot, [status.name], command, text) | known


def _with_renamed(snapshot: Facts, past: Iterable[Facts]) -> Facts:
    """The chain with the renamed revisions that version control shows, if no journal has them."""
    known = snapshot.databases
    found = {
        revision: lost.renamed
        for revision, lost in known.lost.items()
        if lost.renamed is not None
        and not lost.edited
        # The new id can mean no other migration of an older chain.
        and any(
            lost.renamed not in each.graph and _ids_of(lost.data, each) == [revision]
            for each in past
        )
    }
    return replace(snapshot, databases=replace(known, renamed={**found, **known.renamed}))


def _with_code(data: bytes, snapshot: Facts) -> list[MigrationFile]:
    """The files with the same code."""
    words = source.words_in(data)
    return [
        file
        for file in snapshot.files
        if all(word in file.data for word in words) and source.same_body(data, file.data)
    ]


def _ids_of(data: bytes, snapshot: Facts) -> list[str | None]:
    """The ids of the files with the same code."""
    readings = (file.reading for file in _with_code(data, snapshot))
    return [reading.revision for reading in readings if isinstance(reading, Header)]


def _shared(now: Facts, past: Iterable[Facts]) -> Mapping[str, tuple[str, ...]]:
    """The ids that several migrations had, with the current ids of these migrations."""
    shared: dict[str, dict[str, None]] = {}
    for each in past:
        for revision in each.graph.duplicates:
            for file in each.files_by_revision[revision]:
                names = list(_names_now(now, each, revision, file)) or [file.name]
                shared.setdefault(revision, {}).update(dict.fromkeys(names))
    return {revision: tuple(names) for revision, names in shared.items() if len(names) > 1}


def _others(now: Facts, past: Facts) -> Mapping[str, str]:
    """The ids that mean other migrations in another line of releases."""
    others: dict[str, str] = {}
    for revision in past.graph:
        if revision in now.graph and not past.graph.duplicates and not now.graph.duplicates:
            then = past.file(revision)
            if is_another(past, then, now, now.file(revision)):
                ids = _ids_of(then.data, now)
                others[revision] = ids[0] if len(ids) == 1 and ids[0] else then.name
    return others


def _names_now(now: Facts, past: Facts, revision: str, file: MigrationFile) -> Iterator[str]:
    """The current ids of a file that had this id: only one if the file is still in its place."""
    like = _with_code(file.data, now)
    idle = source.does_nothing(file.data)  # as every merge point does
    here = [each for each in now.files_by_revision.get(revision, ()) if each.path == file.path]
    here += [each for each in like if each.path == file.path]
    for each in here[:1] or like:
        name = each.reading.revision if isinstance(each.reading, Header) else None
        is_new = name not in past.graph and not (idle and _message(each) != _message(file))
        if name is not None and (here or name == revision or is_new):
            yield name


def _message(file: MigrationFile) -> str | None:
    return file.reading.message if isinstance(file.reading, Header) else None
