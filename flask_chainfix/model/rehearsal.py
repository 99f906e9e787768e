"""The results of running a chain on a scratch database."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.model.databases import Trouble

# The kinds of servers that a rehearsal can run on, with their names.
SERVERS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
# Alembic's upgrade runs env.py before it loads the migrations; its other commands do not.
ON_PATH_BY_ENV_PY = (
    "if env.py alone puts the module on sys.path, name its directory as prepend_sys_path in the"
    " configuration: “{alembic} heads” needs that, too"
)


class FailureKind(Enum):
    """The cause of a failure."""

    CHAIN = "chain"  # an object is missing, or exists already: wrong order or content
    SQLITE = "sqlite"  # SQLite cannot do it outside batch mode, or does not know the SQL
    DOWNGRADE = "downgrade"  # a downgrade() fails, or leaves something behind
    DRIVER = "driver"  # a database driver is not installed
    MODULE = "module"  # another imported module is not installed
    ENVIRONMENT = "environment"  # the app or env.py raises
    CONNECTION = "connection"  # the app, env.py or a migration connects to another database
    DATABASE = "database"  # the server: no space, connection lost
    STAMP = "stamp"  # the new chain cannot start from the stamp of the database
    STRANDED = "stranded"  # revisions that never run on a database stamped there
    COMPARISON = "comparison"  # comparing with the models raises
    MIGRATION = "migration"  # anything else that a migration raises


class Route(Enum):
    """The way of one run through the revisions."""

    UP = "up"
    DOWN = "down"
    STAIRS = "stairs"  # each revision up, down and up again before the next one


@dataclass(frozen=True)
class RehearsalRequest:
    """The options of a rehearsal.

    Attributes:
        database: URL of a server or of a new SQLite file, or ``OWN_SERVER``; ``None`` for a
            temporary file.
        keep: whether to keep the scratch databases.
        start: the revisions of the old chain from which to start; empty to start from nothing.
        restamp: the rows to write before the upgrade; empty to leave the stamp unchanged.
        on_server: the same command for the server of the app's own database.
        stairway: whether each revision goes up, down and up again before the next one.
        rows: whether to insert rows before each step.
        copy: URL of the database to copy into the scratch database, or ``OWN_SERVER`` for the app's
            own; ``None`` to start empty.
    """

    database: str | None = None
    keep: bool = False
    start: tuple[str, ...] = ()
    restamp: tuple[str, ...] = ()
    on_server: str = "{fixchain} rehearse --database"
    stairway: bool = False
    rows: bool = False
    copy: str | None = None


class RehearsalStep(NamedTuple):
    """One revision that ran in one direction.

    Attributes:
        revision: its id.
        direction: ``up`` or ``down``.
        round: 1 for the first upgrade and downgrade, 2 for the second upgrade; 0 for the upgrade to
            the database's stamp, with the old chain.
        seconds: how long it took.
        error: the database's or Python's own message; ``""`` if there was none.
        bind: the bind of its database in a multi-database environment; otherwise ``""``.
    """

    revision: str
    direction: str
    round: int
    seconds: float
    error: str = ""
    bind: str = ""


class DowngradeGap(NamedTuple):
    """What the ``downgrade()`` of one revision does not undo.

    Attributes:
        revision: its id.
        bind: as in ``RehearsalStep``.
        path: its file.
        line: 1-based line at which ``downgrade()`` begins; ``None`` if unknown.
        faults: the differences from before, for example ``leaves column users.mail``.
    """

    revision: str
    bind: str
    path: Path
    line: int | None
    faults: tuple[str, ...]


class LostRows(NamedTuple):
    """Rows that one ``downgrade()`` has deleted.

    Attributes:
        revision: its id.
        bind: as in ``RehearsalStep``.
        table: the table that had them.
        rows: how many.
    """

    revision: str
    bind: str
    table: str
    rows: int


class EmptyTable(NamedTuple):
    """A table that no rows could be made for.

    Attributes:
        bind: as in ``RehearsalStep``.
        table: its name.
        why: the reason.
    """

    bind: str
    table: str
    why: str


class CopiedDatabase(NamedTuple):
    """A copy of one of the app's databases in a scratch database.

    Attributes:
        database: the copied database, with its password masked.
        size: bytes of the backup.
        tables: how many tables it has.
        seconds: how long copying and loading took.
        bind: as in ``RehearsalStep``.
        stamp: the rows of its version table.
    """

    database: str
    size: int
    tables: int
    seconds: float
    bind: str = ""
    stamp: tuple[str, ...] = ()


class SentStatement(NamedTuple):
    """A statement that a migration sends to its database.

    Attributes:
        sql: the SQL for its driver.
        parameters: its parameters as JSON values; ``None`` if JSON cannot hold one.
        many: whether it runs once for each of several sets of parameters.
    """

    sql: str
    parameters: Any
    many: bool = False


@dataclass(frozen=True)
class RehearsalFailure:
    """The failure that ended a rehearsal.

    Attributes:
        kind: the cause.
        message: the database's or Python's own words, with passwords masked.
        revision: the revision that was running; ``None`` if none was.
        direction: ``up``, ``down``, or ``""`` if no revision was running.
        round: as in ``RehearsalStep``.
        path: the file in which it happened.
        line: 1-based line in that file.
        operation: the operation or the SQL that failed, for example ``op.add_column``.
        bind: as in ``RehearsalStep``.
        cause: the cause according to the migrations' source; ``""`` if it was not examined.
        remedy: what to do about it.
        trouble: the kind of the database's error; ``None`` if there was none.
        refuses: whether a ``downgrade()`` raised it on purpose.
    """

    kind: FailureKind
    message: str
    revision: str | None = None
    direction: str = ""
    round: int = 0
    path: Path | None = None
    line: int | None = None
    operation: str = ""
    bind: str = ""
    cause: str = ""
    remedy: str | Remedy = ""
    trouble: Trouble | None = None
    refuses: bool = False


@dataclass(frozen=True)
class Rehearsal:
    """The result of running a chain on a scratch database.

    Attributes:
        database: where it ran, in words or as a URL with the password masked.
        dialect: ``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``.
        app_dialect: the dialect of the app's own database; ``""`` if unknown.
        steps: the steps in order; the last one may have failed.
        failure: the failure that ended it early.
        differences: the differences from the models; ``None`` if they were not compared.
        not_compared: why not.
        start: the stamp that it started from; empty for an empty database.
        for_databases: the known databases with that stamp.
        kept: URLs of the scratch databases that were kept, with passwords masked.
        gaps: what downgrades do not undo; ``None`` if that was not checked.
        lost: rows that downgrades have deleted; ``None`` if no rows were made.
        empty: tables that no rows could be made for.
        copies: the databases that were copied into the scratch databases first.
    """

    database: str
    dialect: str
    app_dialect: str = ""
    steps: tuple[RehearsalStep, ...] = ()
    failure: RehearsalFailure | None = None
    differences: tuple[str, ...] | None = None
    not_compared: str = ""
    start: tuple[str, ...] = ()
    for_databases: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    gaps: tuple[DowngradeGap, ...] | None = None
    lost: tuple[LostRows, ...] | None = None
    empty: tuple[EmptyTable, ...] = ()
    copies: tuple[CopiedDatabase, ...] = ()

    @property
    def missed_server(self) -> str:
        """The kind of the app's server, if the rehearsal ran on SQLite instead; else ``""``."""
        if self.dialect != "sqlite":
            return ""
        # URLs mostly call MariaDB MySQL.
        return (
            "MySQL or MariaDB" if self.app_dialect == "mysql" else SERVERS.get(self.app_dialect, "")
        )


class RevisionSql(NamedTuple):
    """The SQL of one migration, from Alembic's offline mode.

    Attributes:
        revision: its id.
        statements: the SQL of its ``upgrade()``.
        problem: why there is no SQL, or not all of it; ``""`` if it is complete.
    """

    revision: str
    statements: tuple[str, ...] = ()
    problem: str = ""
