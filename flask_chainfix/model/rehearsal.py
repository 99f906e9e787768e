"""What came of running a chain on a scratch database."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.model.databases import Trouble

# The kinds of servers on which a rehearsal can run, and their names.
SERVERS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}


class FailureKind(Enum):
    """What a failure is to be blamed on."""

    CHAIN = "chain"  # something is missing, or there already: its order or content
    SQLITE = "sqlite"  # SQLite cannot do it outside batch mode, or does not know the SQL
    DOWNGRADE = "downgrade"  # a downgrade() fails, or leaves something behind
    DRIVER = "driver"  # a database driver is not installed
    MODULE = "module"  # something else that is imported is not installed
    ENVIRONMENT = "environment"  # the app or env.py raises
    CONNECTION = "connection"  # the app, env.py or a migration wants another database
    DATABASE = "database"  # the server: no space, connection lost
    STAMP = "stamp"  # the new chain cannot start where the database is stamped
    STRANDED = "stranded"  # revisions that never run on a database stamped there
    COMPARISON = "comparison"  # comparing with the models raises
    MIGRATION = "migration"  # anything else that a migration raises


class RehearsalStep(NamedTuple):
    """One revision that ran in one direction.

    Attributes:
        revision: its id.
        direction: ``up`` or ``down``.
        round: 1 for the first way up and down, 2 for the second way up; 0 on the way to where the
            database is stamped, which the old chain goes.
        seconds: how long it took.
        error: the database's or Python's own message; ``""`` where there was none.
        bind: the bind whose database it ran in, of a multi-database environment; else ``""``.
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
        line: where ``downgrade()`` begins there, 1-based; ``None`` where that is not known.
        faults: what is otherwise than before, ``leaves column users.mail`` for example.
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
        table: the table that held them.
        rows: how many.
    """

    revision: str
    bind: str
    table: str
    rows: int


class EmptyTable(NamedTuple):
    """A table for which no rows could be made.

    Attributes:
        bind: as in ``RehearsalStep``.
        table: its name.
        why: what stands against it.
    """

    bind: str
    table: str
    why: str


class CopiedDatabase(NamedTuple):
    """A copy of one of the app's databases, put into a scratch database.

    Attributes:
        database: the one that was copied, its password masked.
        size: bytes of the backup.
        tables: how many tables it holds.
        seconds: how long it took to copy it and to put it there.
        bind: as in ``RehearsalStep``.
        stamp: the rows of its version table.
    """

    database: str
    size: int
    tables: int
    seconds: float
    bind: str = ""
    stamp: tuple[str, ...] = ()


class Statement(NamedTuple):
    """What a migration sends to its database.

    Attributes:
        sql: in the words of its driver.
        parameters: what goes with it, as JSON has it; ``None`` where JSON does not know a value.
        many: whether it runs once for each of several sets of parameters.
    """

    sql: str
    parameters: Any
    many: bool = False


@dataclass(frozen=True)
class RehearsalFailure:
    """What ended a rehearsal.

    Attributes:
        kind: what is to be blamed.
        message: the database's or Python's own words, passwords masked.
        revision: the revision that was running; ``None`` where none was.
        direction: ``up``, ``down``, or ``""`` where no revision was running.
        round: as in ``RehearsalStep``.
        path: the file in which it happened.
        line: the line there, 1-based.
        operation: the operation or the SQL that failed, ``op.add_column`` for example.
        bind: as in ``RehearsalStep``.
        cause: what the migrations' own text tells of it; ``""`` where nobody has asked.
        remedy: what to do about it.
        trouble: what the database's error is about; ``None`` where it has raised none.
        refuses: whether it is a ``downgrade()`` that raises this itself.
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
    """What came of running a chain on a scratch database.

    Attributes:
        database: where it ran, in words or as a URL with the password masked.
        dialect: ``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``.
        app_dialect: that of the app's own database; ``""`` where nothing says it.
        steps: what ran, in this order; the last one may have failed.
        failure: what ended it early.
        differences: what the models have otherwise; ``None`` if they were not compared.
        not_compared: why not.
        start: where the database was stamped; empty for a rehearsal from nothing.
        way_of: the known databases that stand there, whose way this was.
        kept: URLs of the databases that are still there, passwords masked.
        gaps: what downgrades do not undo; ``None`` where nobody has looked.
        lost: rows that downgrades have deleted; ``None`` where no rows were made.
        empty: tables for which no rows could be made.
        copies: what was put into the scratch databases first.
    """

    database: str
    dialect: str
    app_dialect: str = ""
    steps: tuple[RehearsalStep, ...] = ()
    failure: RehearsalFailure | None = None
    differences: tuple[str, ...] | None = None
    not_compared: str = ""
    start: tuple[str, ...] = ()
    way_of: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    gaps: tuple[DowngradeGap, ...] | None = None
    lost: tuple[LostRows, ...] | None = None
    empty: tuple[EmptyTable, ...] = ()
    copies: tuple[CopiedDatabase, ...] = ()

    @property
    def missed_server(self) -> str:
        """The kind of server that the app uses, where this ran on SQLite; else ``""``."""
        if self.dialect != "sqlite":
            return ""
        # MariaDB is mostly named as MySQL in URLs.
        return (
            "MySQL or MariaDB" if self.app_dialect == "mysql" else SERVERS.get(self.app_dialect, "")
        )


class RevisionSql(NamedTuple):
    """What one migration would send to a database, as Alembic's offline mode has it.

    Attributes:
        revision: its id.
        statements: the SQL of its ``upgrade()``.
        problem: why there is none, or not all of it; ``""`` where there is.
    """

    revision: str
    statements: tuple[str, ...] = ()
    problem: str = ""
