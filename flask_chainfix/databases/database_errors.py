"""Classifies errors of databases, and says what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.environment.messages import message_of
from flask_chainfix.model.databases import Trouble


class _Row(NamedTuple):
    """One kind of trouble, how databases report it, and what to do about it.

    Attributes:
        trouble: the kind.
        codes: SQLSTATEs of PostgreSQL, and error numbers of MySQL and MariaDB.
        words: messages without a code, as from SQLite, libpq and the servers' tools.
        sure: messages whose code has other meanings, too.
        connecting: what to do if it happened on connecting.
        migrating: what to do if it happened in a migration.
    """

    trouble: Trouble
    codes: str = ""
    words: str = ""
    sure: str = ""
    connecting: str = ""
    migrating: str | Remedy = ""


_CREATE_IT = "create it in this migration or in an earlier one, or take out what uses it"

# The words of the first rows hold names of tables and columns; those of the last ones might.
_TABLE = (
    _Row(
        Trouble.ID_TOO_LONG,
        sure=r"too long for column 'version_num'|too long for type .*\bversion_num\b",
        migrating=way(
            "the column of the version table holds 32 characters: shorten the id",
            "{fixchain} repair --shorten-ids{databases}",
        ),
    ),
    _Row(
        Trouble.NO_EXTENSION,
        sure=r'extension ".*" is not available|extension control file',
        migrating="the chain is not to blame: install the extension on that server, or rehearse on"
        " one that has it",
    ),
    _Row(
        Trouble.EXISTS,
        "42P07 42701 42710 42P06 42723 42P04 1007 1022 1050 1060 1061 1304 1359 1826",
        r"already exists|duplicate column name|there is already an?(other)? (table|index)",
        sure=r"errno: 121|multiple primary key",
        migrating="it is created twice: take it out of one of the two places; where something"
        " other than a migration creates it, such as db.create_all(), leave it to the migration",
    ),
    _Row(
        Trouble.FOREIGN_KEY,
        "42830 1005 1215 1822 3780",
        r"foreign key mismatch",
        sure=r"foreign key constraint .* cannot be implemented",
        migrating="create the table that the foreign key points to before it, let that column be a"
        " primary key or unique, and give both columns the same type",
    ),
    _Row(
        Trouble.IN_USE,
        "2BP01 1217 1451 1553 1828 1829 3730",
        sure=r"error in (index|view|trigger|table) .* after drop",
        migrating="drop what depends on it first, such as a foreign key, an index or a view",
    ),
    _Row(
        Trouble.NO_TABLE,
        "42P01 3F000 1051 1146 1824 4092",
        r"no such (table|view)|unknown database [^']",
        migrating=_CREATE_IT,
    ),
    _Row(
        Trouble.NO_COLUMN,
        "42703 1054 1072",
        r"no such column|has no column named",
        migrating=_CREATE_IT,
    ),
    _Row(
        Trouble.NO_FUNCTION,
        "42883 1305",
        r"no such function",
        migrating="create the function, or the extension that has it, in this migration or in an"
        " earlier one",
    ),
    _Row(
        Trouble.NO_OBJECT,
        "42704 1091 1176 1360 4161",
        r"no such (index|constraint|trigger|collation|module)",
        migrating=_CREATE_IT,
    ),
    _Row(
        Trouble.NULLS,
        "23502 1048 1138 1364",
        r"NOT NULL constraint failed|Cannot add a NOT NULL column",
        migrating="the table has rows without a value for the column: add the column with a"
        " server_default, or add it nullable, fill it, and make it NOT NULL after that",
    ),
    _Row(
        Trouble.VIOLATED,
        "23503 23505 23514 23P01 1062 1216 1452 3819 4025",
        r"(CHECK|FOREIGN KEY|UNIQUE) constraint failed",
        migrating="rows do not meet the constraint: correct or delete them before this operation",
    ),
    _Row(
        Trouble.CAST,
        "22001 42804 42846 22P02 22003 22007 22008 1264 1265 1292 1366 1406",
        migrating="values do not fit the type of the column, or are NULL where it becomes NOT NULL:"
        " correct them first, or say how to convert them, on PostgreSQL with"
        ' postgresql_using="COLUMN::TYPE"',
    ),
    _Row(
        Trouble.IN_TRANSACTION,
        "25001 55P04",
        r"inside a transaction|within a transaction",
        migrating="run it outside of the transaction: with op.get_context().autocommit_block()",
    ),
    _Row(
        Trouble.NOT_KNOWN_THERE,
        "42601 1064 1170",
        r"syntax error|unrecognized token|unknown table option|Cannot add a |in SQLite dialect"
        r"|cannot drop (\w+ )*column",
        migrating="write it in the SQL of this kind of database",
    ),
    _Row(
        Trouble.LOCKED,
        "55P03 1205",
        r"database (table |schema )?is locked",
        migrating="a second connection is at work: let the migration do everything through"
        " op.get_bind()",
    ),
    _Row(Trouble.TOO_SLOW, "57014 1969 3024"),
    _Row(
        Trouble.CHANGING,
        sure=r"cache lookup failed|could not open relation with OID",
        connecting="something is changing tables there right now: wait until it has finished",
    ),
    _Row(
        Trouble.READ_ONLY,
        "25006 1290 1792 1836",
        r"readonly database|read-only",
        connecting="the database can only be read: give the URL of the primary server, or the right"
        " to write",
    ),
    _Row(
        Trouble.FULL,
        "53100 53200 3 28 1021 1030 1114",
        r"disk is full|disk I/O error|disk full|no space|quota",
        connecting="make room on the disk of the server",
    ),
    _Row(
        Trouble.NO_DATABASE,
        "3D000 1049",
        r"""^(.*FATAL: +)?database ".*" does not exist|unknown database '""",
        connecting="create the database, or correct its name in the URL",
    ),
    _Row(
        Trouble.NO_RIGHTS,
        "42501 1044 1142 1143 1227 1370",
        r"permission denied|command denied|must be (owner|superuser)|access denied(?!.*password)",
        migrating="the chain is not to blame: give the user that right on the server, or rehearse"
        " as another user",
    ),
    _Row(
        Trouble.NO_LOGIN,
        "28000 28P01 1045 1698",
        r"password|authentication|role \".*\" does not exist",
        connecting="correct the user and the password in the URL",
    ),
    _Row(
        Trouble.LOST,
        "57P01 57P02 57P03 08003 08006 2002 2003 2006 2013",
        r"refused|closed the connection|timed? ?out|timeout|not known|translate host|no route"
        r"|can't connect|could not connect|unreachable|no such file|lost connection",
        connecting="start the server, or correct the host and the port in the URL",
    ),
)
_BY_CODE = {code: row.trouble for row in _TABLE for code in row.codes.split()}
_BY_TROUBLE = {row.trouble: row for row in _TABLE}


def trouble_of(error: BaseException, statement: str = "") -> Trouble:
    """Classify an exception of a driver, of SQLAlchemy or of Alembic.

    PostgreSQL does not say which column is too short, so the running statement decides.
    """
    words = message_of(error)
    for row in _TABLE:
        if row.sure and re.search(row.sure, f"{words} {statement}", re.IGNORECASE | re.DOTALL):
            return row.trouble
    for code in _codes(error):
        if code in _BY_CODE:
            return _BY_CODE[code]
    from sqlalchemy.exc import CompileError, NoSuchTableError

    if isinstance(error, NoSuchTableError):
        return Trouble.NO_TABLE
    return Trouble.NOT_KNOWN_THERE if isinstance(error, CompileError) else trouble_in_message(words)


def trouble_in_message(words: str) -> Trouble:
    """Classify an error by its message alone."""
    for row in _TABLE:
        if row.words and re.search(row.words, words, re.IGNORECASE):
            return row.trouble
    return Trouble.OTHER


def remedy_for_connecting(trouble: Trouble, *, rights: str, otherwise: str) -> str:
    """What to do about trouble with a database that we connected to; else ``otherwise``."""
    if trouble is Trouble.NO_RIGHTS:
        return rights
    row = _BY_TROUBLE.get(trouble)
    return row.connecting if row is not None and row.connecting else otherwise


def remedy_for_migrating(trouble: Trouble | None) -> str | Remedy:
    """What to do about trouble in a migration; ``""`` if that depends on other things."""
    row = _BY_TROUBLE.get(trouble) if trouble is not None else None
    return row.migrating if row is not None else ""


def _codes(error: BaseException) -> Iterator[str]:
    """The SQLSTATE or error number of an error, whichever its driver gives."""
    orig = getattr(error, "orig", None)
    first = orig.args[0] if orig is not None and orig.args else None
    for code in (
        getattr(orig, "pgcode", None),
        getattr(orig, "sqlstate", None),
        getattr(orig, "errno", None),
        first.get("C")
        if isinstance(first, dict)
        else first,  # pg8000 passes the fields of the message
    ):
        if isinstance(code, (str, int)):
            yield str(code)
