"""The types that SQL names, and which of them are there without a migration creating them."""

from __future__ import annotations

from collections.abc import Sequence

from flask_chainfix.footprint.sql.cursor import Cursor, Deeds, use
from flask_chainfix.footprint.sql.tokens import Form, Token, words

_POSTGRESQL = """
    any anyarray anyelement anyenum bit bool boolean box bpchar bytea char character cid cidr circle
    citext cube date datemultirange daterange decimal double earth float float4 float8 geography
    geometry halfvec hstore inet int int2 int4 int4multirange int4range int8 int8multirange
    int8range integer interval json jsonb jsonpath line lo lquery lseg ltree ltxtquery macaddr
    macaddr8 money name national numeric nummultirange numrange oid path pg_lsn pg_snapshot point
    polygon raster real record refcursor regclass regcollation regconfig regdictionary regnamespace
    regoper regoperator regproc regprocedure regrole regtype bigint bigserial serial serial2 serial4
    serial8 smallint smallserial sparsevec text tid time timestamp timestamptz timetz trigger
    tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector txid_snapshot uuid varbit varchar
    varying vector void xid xid8 xml
"""
_ELSEWHERE = """
    bfile binary binary_double binary_float blob clob cursor datetime datetime2 datetimeoffset dec
    enum fixed geometrycollection hierarchyid image inet4 inet6 int1 int3 linestring long longblob
    longtext mediumblob mediumint mediumtext middleint multilinestring multipoint multipolygon nchar
    nclob ntext number nvarchar nvarchar2 raw rowid rowversion set smalldatetime smallmoney
    sql_variant string sysname tinyblob tinyint tinytext uniqueidentifier unsigned urowid varbinary
    varchar2 xmltype year
"""
# What stands behind a column's name where its type is left out (SQLite), and before a type.
_WORDS = """
    array as auto_increment autoincrement check collate comment constraint default first generated
    identity invisible key not null on primary references setof signed unique virtual visible
"""
_TYPES = words(_POSTGRESQL + _ELSEWHERE)
_NO_TYPES = words(_WORDS)


# Where it is certain to be a type: elsewhere it could be one of many more that are built in.
_DIALECTS = frozenset({"", "postgres"})


def type_used(cursor: Cursor, dialect: str) -> Deeds:
    """The type that stands here, where it is one that has to be created."""
    token = cursor.peek()
    if dialect not in _DIALECTS or not token.name:
        return
    name = cursor.qualified()
    known = is_builtin(name.name) or name.name in _NO_TYPES or name.schema.startswith("pg_")
    if not known or token.form is Form.NAME:
        yield use(name.type())


def types_in(tokens: Sequence[Token], dialect: str) -> Deeds:
    """The types behind ``::``, and behind AS in CAST."""
    for at, token in enumerate(tokens):
        if token.raw == "::":
            yield from type_used(Cursor(tokens[at + 1 : at + 6]), dialect)
        elif token.word == "CAST" and at + 1 < len(tokens) and tokens[at + 1].raw == "(":
            inside = Cursor(tokens[at + 1 :]).group()
            while not inside.ended:
                if inside.takes("AS"):
                    yield from type_used(inside, dialect)
                elif inside.peek().raw == "(":
                    inside.group()
                else:
                    inside.next()


def is_builtin(name: str) -> bool:
    """Whether a type of this name needs no migration; ``_int4`` is the array type of ``int4``."""
    return name.removeprefix("_") in _TYPES
