"""The kinds of objects that CREATE, ALTER and DROP are about."""

from __future__ import annotations

from flask_chainfix.footprint.sql.cursor import Cursor
from flask_chainfix.footprint.sql.tokens import words

TABLES = ("TABLE", "VIEW")
TYPES = ("TYPE", "DOMAIN")
ON_TABLE = ("POLICY", "RULE", "TRIGGER")
# No table, column, index or type comes or goes with these.
_INERT = words(
    """
    ACCESS AGGREGATE ASSEMBLY CAST CERTIFICATE COLLATION CONVERSION DATABASE DEFAULT DIRECTORY EVENT
    EXTENSION FUNCTION GROUP LANGUAGE LOGIN OPERATOR OWNED PACKAGE PRIVILEGES PROC PROCEDURE PROFILE
    PUBLICATION ROLE ROUTINE SCHEMA SEQUENCE SERVER SESSION STATISTICS SUBSCRIPTION SYNONYM SYSTEM
    TABLESPACE TEXT TRANSFORM USER WRAPPER
    """
)
_KINDS = _INERT | {"INDEX", *TABLES, *TYPES, *ON_TABLE}


def kind_of(cursor: Cursor, *others: str) -> tuple[str, frozenset[str]]:
    """The kind of object that a statement is about, and the words before it.

    The cursor goes on behind the kind, which may be one of ``others`` as well.

    Raises:
        Unread: it is about none that is known.
    """
    modifiers: set[str] = set()
    while cursor.peek().word not in _KINDS and cursor.peek().word not in others:
        token = cursor.next()
        cursor.needs(token.raw not in ("(", ","))
        modifiers.add(token.word)
    return cursor.next().word, frozenset(modifiers)
