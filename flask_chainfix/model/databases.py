"""Where databases stand in a chain, and how their version rows are to move."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import field
from datetime import datetime
from enum import Enum
from pathlib import Path

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy


class DatabaseState(Enum):
    """What a look at a database's version table has shown."""

    STAMPED = "stamped"  # it has rows
    EMPTY = "empty"  # no version table or no row in it, and no other table
    MISSING = "missing"  # there is no such database
    UNSTAMPED = "unstamped"  # no row, but tables: something else has made them
    UNREACHABLE = "unreachable"


class Trouble(Enum):
    """What a database's error is about."""

    # between us and the database
    NO_DATABASE = "no database"
    NO_LOGIN = "no login"
    NO_RIGHTS = "no rights"
    LOCKED = "locked"
    TOO_SLOW = "too slow"
    READ_ONLY = "read-only"
    LOST = "lost"
    FULL = "full"
    # what the schema has, or has not
    EXISTS = "exists"
    NO_TABLE = "no table"
    NO_COLUMN = "no column"
    NO_OBJECT = "no object"
    NO_FUNCTION = "no function"
    NO_EXTENSION = "no extension"
    IN_USE = "in use"
    FOREIGN_KEY = "foreign key"
    # what rows and values are against
    NULLS = "nulls"
    VIOLATED = "violated"
    CAST = "cast"
    ID_TOO_LONG = "id too long"
    # what the statement is
    IN_TRANSACTION = "in a transaction"
    NOT_KNOWN_THERE = "not known there"
    OTHER = "other"


@dataclass(frozen=True)
class DatabaseStatus:
    """Where one database stands; of tenants' schemas, each is one.

    Attributes:
        name: how users know it, passwords masked.
        identity: tells it from all others, on every run the same; holds no password.
        state: what a look at it has shown.
        rows: the ids in its version table, sorted, exactly as they are there.
        tables: the names of its other tables; ``None`` where nobody has looked, or may see them.
        own: whether it is one of the app's own.
        by_user: whether nobody has looked at it, as the user has said where it stands.
        problem: why it is unreachable, in its own words.
        remedy: what to do about that.
        complete: whether ``tables`` are all that it has, in whatever schema.
        width: how many characters an id may have in its version table; ``None`` where that is
            not known, and in SQLite, which does not mind.
        columns: the columns of these tables, each behind its table; ``None`` where nobody has
            looked.
        in_passing: whether only its stamp is of interest: what it holds is not compared.
        bind: the app's name for it, ``""`` for the default one; ``None`` where that is not known.
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
    columns: frozenset[tuple[str, str]] | None = None
    in_passing: bool = False
    bind: str | None = None

    @property
    def seen(self) -> Hashable:
        """What one look at it has shown; another one after an upgrade shows something else."""
        return self.identity, self.rows, self.tables, self.columns

    @property
    def is_known(self) -> bool:
        """Whether it is known what the database holds."""
        return self.state not in (DatabaseState.UNREACHABLE, DatabaseState.MISSING)


@dataclass(frozen=True)
class Move:
    """The change of one database's version rows, to be made only if they still are ``before``.

    In the journal, one that changes nothing says that the rows were right when a repair was made.

    Attributes:
        name: as in ``DatabaseStatus``.
        identity: as in ``DatabaseStatus``.
        before: the rows now, sorted.
        after: the rows afterwards, sorted.
        means: of a move in the journal, a digest of the revisions that ``after`` stood for then;
            ``""`` where the journal does not tell.
    """

    name: str
    identity: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    means: str = field(default="", compare=False)

    @property
    def stays(self) -> bool:
        """Whether the rows stay, and only the journal gets to know which chain has written them."""
        return self.before == self.after


class MoveState(Enum):
    """How a move has ended."""

    PLANNED = "planned"
    MOVED = "moved"
    UNCHANGED = "unchanged"  # there was nothing to do
    DOUBTFUL = "doubtful"  # left as it is: right by one chain, and by another it cannot be moved
    REFUSED = "refused"  # moving would skip revisions, or the rows are others by now
    FAILED = "failed"  # the database did not let us; its rows are as they were
    UNKNOWN = "unknown"  # the connection was lost while the change was being made final


@dataclass(frozen=True)
class MoveResult:
    """What came of one move.

    Attributes:
        move: what was to be done.
        state: how it ended.
        detail: why, where it did not simply work.
        remedy: what to do about that.
    """

    move: Move
    state: MoveState
    detail: str = ""
    remedy: str | Remedy = ""


@dataclass(frozen=True)
class LostRevision:
    """What version control knows of a revision that no file has any more.

    Attributes:
        revision: its id.
        commit: the abbreviated hash of the commit that removed its file, or changed its id; where
            the file is still there (``kept``), of the last one that changed it.
        author: who made that commit.
        date: when it was committed, aware.
        path: the file's path before; absolute.
        data: the file's bytes before; where it is still there, its bytes there.
        parents: what its file named as ``down_revision``.
        renamed: the id that the same file, or a file with the same body, has now; ``None`` if
            none has it.
        edited: whether the file that is meant by ``renamed`` does something else by now.
        branch: the branch or other reference that leads to the commit, where ``HEAD`` does not.
        kept: whether the file is still there: on ``branch``, or at ``HEAD`` and only the work
            tree is without it, or in a directory that is no version location.
        depends_on: what its file named as ``depends_on``.
        checkout: a branch, a tag or a commit that has the file; ``""`` where none is known.
        above: the revisions that stood on it and were removed with it.
        main: the main branch, where it has a file of this id; ``""`` where it has none.
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

    @property
    def requirements(self) -> tuple[str, ...]:
        """What had to run before it: parents and dependencies."""
        return tuple(dict.fromkeys(self.parents + self.depends_on))

    @property
    def stashed(self) -> bool:
        """Whether it is in Git's stash alone, which nobody merges."""
        return self.kept and self.branch == "refs/stash"


@dataclass(frozen=True)
class Databases:
    """All that was read of databases, nothing judged.

    Attributes:
        statuses: where each of them stands.
        moved: the last move that the journal holds, by identity.
        lost: what version control knows of revisions that no file has, by revision.
        sought: what version control was asked about, whether it knows it or not.
        renamed: the ids that revisions have now, by those that they had before a repair.
        squashed: the revision that others have gone into with a squash, by their ids.
        shared: for each id that several migrations had in an older chain, the ids that they have
            now; of one that is gone, the name of its file.
        anew: while a repair is planned, the ids that it gives to revisions, by those that rows
            hold; several where an id stood twice.
        others: the ids that meant another migration in the chain that the user has named, with the
            id that this one has now; of one that is gone, the name of its file.
        origins: for each database of which it is not known which chain wrote its rows, by
            identity, the latest commit whose chain would explain them; ``""`` where none would.
        old_is_named: whether the user has said which chain has stamped them: the latest old one.
        current_is_named: whether the user has said that it was the chain as it is.
        notices: what keeps that from being complete, for the user.
    """

    statuses: tuple[DatabaseStatus, ...] = ()
    moved: Mapping[str, Move] = field(default_factory=dict)
    lost: Mapping[str, LostRevision] = field(default_factory=dict)
    sought: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    squashed: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anew: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    old_is_named: bool = False
    current_is_named: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatabaseWishes:
    """Which databases the user wants to be looked at.

    Attributes:
        own: whether the app's own are among them, or without an app those of the configuration.
        in_passing: whether these are looked at only as far as that is quick; what keeps them from
            being looked at is told, and changes nothing else.
        urls: URLs, passwords included.
        file: a file with a URL, or the name of an environment variable, on each line.
        schemas: a pattern of schemas with a version table each.
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
        """Whether a database is to be looked at, at all."""
        return self.own or bool(self.urls or self.file or self.stamps)


# --- Copies of databases, made before anything is changed ----------------------------------------


@dataclass(frozen=True)
class Backup:
    """A copy of one database that was read back and is complete.

    Attributes:
        name: how users know the database, passwords masked.
        path: the file that holds the copy; its checksum lies beside it.
        size: bytes of that file.
        sha256: its checksum, in hexadecimal.
        tables: how many tables the copy holds, as counted in it.
        seconds: how long it took.
        restore: the command that puts the copy in the database's place; holds no password.
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
    """How a database gets over a chain that changes: down with the old one, up with the new one.

    Attributes:
        name: as in ``DatabaseStatus``.
        identity: as in ``DatabaseStatus``.
        before: its rows now, sorted.
        below: its rows in between.
        after: its rows at the end.
        down: what is downgraded, in this order.
        up: what runs afterwards, in this order.
        drops: what the downgrades drop, as far as their source tells.
    """

    name: str
    identity: str
    before: tuple[str, ...]
    below: tuple[str, ...]
    after: tuple[str, ...]
    down: tuple[str, ...]
    up: tuple[str, ...]
    drops: tuple[str, ...]
