"""The status of databases, and the moves of their version rows."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import Enum
from itertools import chain
from pathlib import Path

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import listing

_NAMED = 3


class DatabaseState(Enum):
    """The state of a database's version table."""

    STAMPED = "stamped"  # it has rows
    EMPTY = "empty"  # no version table or no row in it, and no other table
    MISSING = "missing"  # there is no such database
    UNSTAMPED = "unstamped"  # no row, but tables that something else created
    UNREACHABLE = "unreachable"


class Trouble(Enum):
    """The kind of a database's error."""

    # between us and the database
    NO_DATABASE = "no database"
    NO_LOGIN = "no login"
    NO_RIGHTS = "no rights"
    LOCKED = "locked"
    TOO_SLOW = "too slow"
    CHANGING = "changing"
    READ_ONLY = "read-only"
    LOST = "lost"
    FULL = "full"
    # existing or missing objects of the schema
    EXISTS = "exists"
    NO_TABLE = "no table"
    NO_COLUMN = "no column"
    NO_OBJECT = "no object"
    NO_FUNCTION = "no function"
    NO_EXTENSION = "no extension"
    IN_USE = "in use"
    FOREIGN_KEY = "foreign key"
    # rules that rows and values break
    NULLS = "nulls"
    VIOLATED = "violated"
    CAST = "cast"
    ID_TOO_LONG = "id too long"
    # faults of the statement itself
    IN_TRANSACTION = "in a transaction"
    NOT_KNOWN_THERE = "not known there"
    OTHER = "other"


@dataclass(frozen=True)
class DatabaseStatus:
    """The status of one database, or of one tenant's schema.

    Attributes:
        name: its name for users, with passwords masked.
        identity: a unique identifier without password, the same on every run.
        state: the state of its version table.
        rows: the ids in its version table, sorted and unchanged.
        tables: the names of its other tables; ``None`` if they were not read, or may not be.
        own: whether it is one of the app's databases.
        by_user: whether the user has given its stamp, so it was not read.
        problem: why it is unreachable, in its own words.
        remedy: what to do about that.
        complete: whether ``tables`` are all its tables, in any schema.
        width: the most characters of an id in its version table; ``None`` if unknown, and in
            SQLite, which has no limit.
        in_passing: whether only its stamp is compared, not its schema.
        bind: the app's name for it, ``""`` for the default one; ``None`` if unknown.
        versioned: whether it has a version table; only ``False`` is certain.
        apart: whether its version table is in a schema of its own, apart from its tables.
    """

    name: str
    identity: str
    state: DatabaseState
    rows: tuple[str, ...] = ()
    tables: frozenset[str] | None = None
    own: bool = False
    by_user: bool = False
    problem: str = ""
    remedy: str | Remedy = ""
    complete: bool = True
    width: int | None = None
    in_passing: bool = False
    bind: str | None = None
    versioned: bool = field(default=True, compare=False)
    apart: bool = field(default=False, compare=False)

    @property
    def seen(self) -> Hashable:
        """What one look at it has shown; another one after an upgrade shows something else."""
        return self.identity, self.rows, self.tables

    @property
    def is_known(self) -> bool:
        """Whether the rows of the database are known."""
        return self.state not in (DatabaseState.UNREACHABLE, DatabaseState.MISSING)


@dataclass(frozen=True)
class Move:
    """A change of one database's version rows, made only if they still are ``before``.

    In the journal, a move that changes nothing says that the rows were right at the time of a
    repair.

    Attributes:
        name: as in ``DatabaseStatus``.
        identity: as in ``DatabaseStatus``.
        before: the current rows, sorted.
        after: the rows afterwards, sorted.
        means: in the journal, a digest of the revisions that ``after`` stood for then; ``""`` if it
            is not recorded.
    """

    name: str
    identity: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    means: str = field(default="", compare=False)

    @property
    def stays(self) -> bool:
        """Whether the rows stay, and only the journal records which chain wrote them."""
        return self.before == self.after


class MoveState(Enum):
    """The outcome of a move."""

    PLANNED = "planned"
    MOVED = "moved"
    UNCHANGED = "unchanged"  # there was nothing to do
    DOUBTFUL = "doubtful"  # not moved: right by one chain, impossible by another
    REFUSED = "refused"  # moving would skip revisions, or the rows have changed
    FAILED = "failed"  # the database refused; its rows are unchanged
    UNKNOWN = "unknown"  # the connection was lost during the commit


@dataclass(frozen=True)
class MoveResult:
    """The result of one move.

    Attributes:
        move: the move.
        state: its outcome.
        detail: why, unless it simply worked.
        remedy: what to do about that.
    """

    move: Move
    state: MoveState
    detail: str = ""
    remedy: str | Remedy = ""


@dataclass(frozen=True)
class LostRevision:
    """What version control knows about a revision that no file has now.

    Attributes:
        revision: its id.
        commit: the abbreviated hash of the commit that removed its file or changed its id; if the
            file still exists (``kept``), of the last commit that changed it.
        author: the author of that commit.
        date: the committer date, timezone-aware.
        path: the file's absolute path before.
        data: the file's bytes before, or where it still exists.
        parents: the ``down_revision`` of its file.
        renamed: the current id of the same file, or of a file with the same body; ``None`` if there
            is none.
        edited: whether the file with the id ``renamed`` does something else now.
        branch: the branch or other reference that leads to the commit, if ``HEAD`` does not.
        kept: whether the file still exists: on ``branch``, or at ``HEAD`` but not in the work tree,
            or in a directory that is no version location.
        depends_on: the ``depends_on`` of its file.
        checkout: a branch, a tag or a commit that has the file; ``""`` if none is known.
        above: its descendants that were removed with it.
        main: the main branch, if it has a file with this id; otherwise ``""``.
        dropped: whether ``branch`` is a commit that only Git's reflog leads to.
        arriving: Git's current operation, if that is still to apply the commit; otherwise ``""``.
    """

    revision: str
    commit: str
    author: str
    date: datetime
    path: Path
    data: bytes
    parents: tuple[str, ...]
    renamed: str | None = None
    edited: bool = False
    branch: str = ""
    kept: bool = False
    depends_on: tuple[str, ...] = ()
    checkout: str = ""
    above: tuple[str, ...] = ()
    main: str = ""
    dropped: bool = False
    arriving: str = ""

    @property
    def requirements(self) -> tuple[str, ...]:
        """Its parents and dependencies, which had to run before it."""
        return tuple(dict.fromkeys(self.parents + self.depends_on))

    @property
    def stashed(self) -> bool:
        """Whether it is in Git's stash alone, which nobody merges."""
        return self.kept and self.branch == "refs/stash"


@dataclass(frozen=True)
class Databases:
    """Everything that was read about databases, without judgement.

    Attributes:
        statuses: the status of each.
        moved: the last move in the journal, by identity.
        lost: what version control knows about revisions that no file has, by revision.
        asked_git_about: the revisions that version control was asked about, known or not.
        renamed: the current ids of revisions, by those before a repair.
        squashed: the revision that others were squashed into, by their ids.
        shared: for each id that several migrations had in an older chain, their current ids; for
            one that is gone, the name of its file.
        planned_ids: while a repair is planned, the new ids of revisions, by the ids in rows;
            several for an id that several migrations had.
        others: the ids that meant another migration in the chain that the user has named, with its
            current id; for one that is gone, the name of its file.
        origins: for each database whose rows an unknown chain wrote, by identity, the latest commit
            whose chain would explain them; ``""`` if none would.
        old_is_named: whether the user has named the chain that stamped them: the latest old one.
        current_is_named: whether the user has named the current chain as that one.
        twice: those that were left out, as others lead to the same database, with these others; by
            identity.
        notices: why that is incomplete, for the user.
    """

    statuses: tuple[DatabaseStatus, ...] = ()
    moved: Mapping[str, Move] = field(default_factory=dict)
    lost: Mapping[str, LostRevision] = field(default_factory=dict)
    asked_git_about: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    squashed: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    planned_ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    old_is_named: bool = False
    current_is_named: bool = False
    twice: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    def as_read(self, moves: Mapping[str, Move]) -> Mapping[str, Move]:
        """Moves by identity, those by another URL as of the database that was read."""
        names = {identity: self.twice.get(identity, identity) for identity in moves}
        return {names[each]: replace(move, identity=names[each]) for each, move in moves.items()}

    def some_of(self, *names: Collection[str]) -> str:
        """The databases with these names, in words; ``""`` if they are all, or if none is named."""
        about = dict.fromkeys(chain.from_iterable(names)) if all(names) else {}
        if not {each.name for each in self.statuses}.difference(about):
            return ""
        each = "each of " if len(about) > 1 else ""
        return f"{each}{listing(about, _NAMED)}"

    def with_present_id(self, revision: str) -> str:
        """An id, and the one that its file still has if it is to get this one, in words."""
        olds = (old for old, ids in self.planned_ids.items() if revision in ids and revision != old)
        return next((f"{revision} (now {old})" for old in olds), revision)


@dataclass(frozen=True)
class DatabaseWishes:
    """The databases that the user wants to include.

    Attributes:
        own: whether to include the app's own, or without an app those of the configuration.
        in_passing: whether to read those only if that is quick; failures are reported, and change
            nothing else.
        urls: URLs, with passwords.
        file: a file with a URL, or the name of an environment variable, on each line.
        schemas: a pattern of schemas that each have a version table.
        stamps: the rows of databases that cannot be reached from here.
    """

    own: bool = False
    in_passing: bool = False
    urls: tuple[str, ...] = ()
    file: str | None = None
    schemas: str | None = None
    stamps: tuple[tuple[str, ...], ...] = ()

    @property
    def any(self) -> bool:
        """Whether any database is included."""
        return self.own or bool(self.urls or self.file or self.stamps)


# --- Copies of databases, made before anything is changed ----------------------------------------


@dataclass(frozen=True)
class Backup:
    """A verified copy of one database.

    Attributes:
        name: the name of the database for users, with passwords masked.
        path: the file with the copy; its checksum is beside it.
        size: bytes of that file.
        sha256: its checksum, in hexadecimal.
        tables: how many tables the copy has.
        seconds: how long it took.
        restore: the command that replaces the database with the copy; without password.
    """

    name: str
    path: Path
    size: int
    sha256: str
    tables: int
    seconds: float
    restore: str


@dataclass(frozen=True)
class Downgrade:
    """A database's way to a changed chain: down with the old chain, up with the new one.

    Attributes:
        name: as in ``DatabaseStatus``.
        identity: as in ``DatabaseStatus``.
        before: its current rows, sorted.
        below: its rows in between.
        after: its rows at the end.
        down: the revisions to downgrade, in this order.
        up: the revisions to upgrade afterwards, in this order.
        drops: what the downgrades drop, as far as their source shows.
    """

    name: str
    identity: str
    before: tuple[str, ...]
    below: tuple[str, ...]
    after: tuple[str, ...]
    down: tuple[str, ...]
    up: tuple[str, ...]
    drops: tuple[str, ...]
