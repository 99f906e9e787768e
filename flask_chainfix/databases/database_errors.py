"""What the errors of SQLite, PostgreSQL, MySQL and MariaDB are about, in one table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.exc import CompileError, IdentifierError, NoSuchTableError

from flask_chainfix.environment.messages import said
from flask_chainfix.model.databases import Trouble


class _Row(NamedTuple):
    """One trouble, and how databases tell of it.

    Attributes:
        trouble: what an error is about.
        codes: SQLSTATEs of PostgreSQL, and the numbers of MySQL and MariaDB.
        words: what is said without a code, as by SQLite and by libpq.
        sure: what is said under a code that means other things, too.
    """

    trouble: Trouble
    codes: tuple[str | int, ...] = ()
    words: str = ""
    sure: str = ""


# The words of the first rows hold names of tables and columns; those of the last ones might.
_TABLE = (
    _Row(
        Trouble.ID_TOO_LONG,
        sure=r"too long for column 'version_num'|too long for type .*\bversion_num\b",
    ),
    _Row(Trouble.NO_EXTENSION, sure=r'extension ".*" is not available|extension control file'),
    _Row(
        Trouble.EXISTS,
        (
            *("42P07", "42701", "42710", "42P06", "42723", "42P04"),
            *(1007, 1022, 1050, 1060, 1061, 1304, 1359, 1826),
        ),
        r"already exists|duplicate column name|there is already an?(other)? (table|index)",
        sure=r"errno: 121|multiple primary key",
    ),
    _Row(
        Trouble.FOREIGN_KEY,
        ("42830", 1005, 1215, 1822, 3780),
        r"foreign key mismatch",
        sure=r"foreign key constraint .* cannot be implemented",
    ),
    _Row(
        Trouble.IN_USE,
        ("2BP01", 1217, 1451, 1553, 1828, 1829, 3730),
        sure=r"error in (index|view|trigger|table) .* after drop",
    ),
    _Row(
        Trouble.NO_TABLE,
        ("42P01", "3F000", 1051, 1146, 1824, 4092),
        r"no such (table|view)|unknown database",
    ),
    _Row(Trouble.NO_COLUMN, ("42703", 1054, 1072), r"no such column|has no column named"),
    _Row(Trouble.NO_FUNCTION, ("42883", 1305), r"no such function"),
    _Row(
        Trouble.NO_OBJECT,
        ("42704", 1091, 1176, 1360, 4161),
        r"no such (index|constraint|trigger|collation|module)",
    ),
    _Row(
        Trouble.NULLS,
        ("23502", 1048, 1138, 1364),
        r"NOT NULL constraint failed|Cannot add a NOT NULL column",
    ),
    _Row(Trouble.NOT_UNIQUE, ("23505", 1062), r"UNIQUE constraint failed"),
    _Row(
        Trouble.VIOLATED,
        ("23503", "23514", "23P01", 1216, 1452, 3819, 4025),
        r"(CHECK|FOREIGN KEY) constraint failed",
    ),
    _Row(
        Trouble.CAST,
        ("42804", "42846", "22P02", "22003", "22007", "22008", 1264, 1265, 1292, 1366),
    ),
    _Row(Trouble.TOO_LONG, ("22001", 1406)),
    _Row(Trouble.NAME_TOO_LONG, ("42622", 1059, 1103)),
    _Row(Trouble.IN_TRANSACTION, ("25001", "55P04"), r"inside a transaction|within a transaction"),
    _Row(
        Trouble.NOT_KNOWN_THERE,
        ("42601", 1064, 1170),
        r"syntax error|unrecognized token|unknown table option|Cannot add a |in SQLite dialect"
        r"|cannot drop (\w+ )*column",
    ),
    _Row(Trouble.LOCKED, ("55P03", 1205), r"database (table |schema )?is locked"),
    _Row(Trouble.TOO_SLOW, ("57014", 1969, 3024)),
    _Row(Trouble.READ_ONLY, ("25006", 1290, 1792, 1836), r"readonly database|read-only"),
    _Row(
        Trouble.FULL,
        ("53100", "53200", 3, 28, 1021, 1030, 1114),
        r"disk is full|disk I/O error|disk full|no space|quota",
    ),
    _Row(
        Trouble.NO_DATABASE,
        ("3D000", 1049),
        r'^(.*FATAL: +)?database ".*" does not exist',
        sure=r"unknown database '",
    ),
    _Row(
        Trouble.NO_RIGHTS,
        ("42501", 1044, 1142, 1143, 1227, 1370),
        r"permission denied|command denied|must be (owner|superuser)|access denied(?!.*password)",
    ),
    _Row(
        Trouble.NO_LOGIN,
        ("28000", "28P01", 1045, 1698),
        r"password|authentication|role \".*\" does not exist",
    ),
    _Row(
        Trouble.LOST,
        ("57P01", "57P02", "57P03", "08003", "08006", 2002, 2003, 2006, 2013),
        r"refused|closed the connection|timed? ?out|timeout|not known|translate host|no route"
        r"|can't connect|could not connect|unreachable|no such file|lost connection",
    ),
)


_BY_CODE = {code: row.trouble for row in _TABLE for code in row.codes}


_OF_SQLALCHEMY = (
    (NoSuchTableError, Trouble.NO_TABLE),
    (IdentifierError, Trouble.NAME_TOO_LONG),
    (CompileError, Trouble.NOT_KNOWN_THERE),
)


def trouble_of(error: BaseException, statement: str = "") -> Trouble:
    """What an exception of a driver, of SQLAlchemy or of Alembic is about.

    Args:
        error: whatever was raised.
        statement: the SQL that was running, as PostgreSQL does not say which column is too short.
    """
    words = said(error)
    for trouble in _by_sure_words(f"{words} {statement}"):
        return trouble
    for code in _codes(error):
        if code in _BY_CODE:
            return _BY_CODE[code]
    for kind, trouble in _OF_SQLALCHEMY:
        if isinstance(error, kind):
            return trouble
    return next(_by_words(words), Trouble.OTHER)


def trouble_told_by(words: str) -> Trouble:
    """What an error is about of which only the words are known, as those of a server's tools."""
    return [*_by_sure_words(words), *_by_words(words), Trouble.OTHER][0]


def _by_sure_words(text: str) -> Iterator[Trouble]:
    for row in _TABLE:
        if row.sure and re.search(row.sure, text, re.IGNORECASE | re.DOTALL):
            yield row.trouble


def _by_words(text: str) -> Iterator[Trouble]:
    for row in _TABLE:
        if row.words and re.search(row.words, text, re.IGNORECASE):
            yield row.trouble


def _codes(error: BaseException) -> Iterator[str | int]:
    """The SQLSTATE and the number of an error, whichever its driver tells."""
    orig = getattr(error, "orig", None)
    first = orig.args[0] if orig is not None and orig.args else None
    for code in (
        getattr(orig, "pgcode", None),
        getattr(orig, "sqlstate", None),
        getattr(orig, "errno", None),
        first.get("C") if isinstance(first, dict) else first,  # pg8000 gives a message's fields
    ):
        if isinstance(code, (str, int)):
            yield code
