"""What SQL scripts do to the schema.

What is expected is written in short, in the order in which it is found:

    +t  ~t.a  -t.a           creates the table t, uses its column a, drops it
    +t.a?                    maybe
    -t.a>b  +t.b<a           a is renamed to b
    ~index t.i  ~index .i    an index, with and without its table
    ~constraint t.c  ~type e ~s.t.a
    !DO $$ BEGIN             opaque; with {creates drops} where it is not anything, and @t where
                             it is confined to one table
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.footprint.sql.reader import MOST_CHARACTERS, MOST_STATEMENTS, read_sql
from flask_chainfix.model.schema import Action, Effect, Kind, Opaque, SchemaObject

_SIGNS = {Action.CREATE: "+", Action.USE: "~", Action.DROP: "-"}
_DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite", "mssql", "oracle", "firebird", None)
_UNREAD = " that cannot be read: "


def done(script: str, dialect: str | None = None) -> list[str]:
    """What a script does, in short."""
    effects, opaque = read_sql(script, 7, dialect=dialect)
    return [*map(_effect, effects), *map(_opaque, opaque)]


def _effect(effect: Effect) -> str:
    renamed = ""
    if effect.renamed is not None:
        sign = ">" if effect.action is Action.DROP else "<"
        same = effect.renamed.name == effect.object.name
        renamed = sign + (effect.renamed.schema if same else effect.renamed.name)
    doubt = "" if effect.certain else "?"
    return f"{_SIGNS[effect.action]}{_object(effect.object)}{renamed}{doubt}"


def _object(thing: SchemaObject) -> str:
    schema = f"{thing.schema}." if thing.schema else ""
    if thing.kind in (Kind.TABLE, Kind.TYPE):
        kind = "" if thing.kind is Kind.TABLE else "type "
        return f"{kind}{schema}{thing.name}"
    kind = "" if thing.kind is Kind.COLUMN else f"{thing.kind.value} "
    return f"{kind}{schema}{thing.table}.{thing.name}"


def _opaque(opaque: Opaque) -> str:
    actions = "" if opaque.actions == set(Action) else f"{{{_actions(opaque)}}}"
    table = f"@{_object(opaque.table)}" if opaque.table is not None else ""
    return f"!{opaque.detail.split(_UNREAD)[-1]}{actions}{table}"


def _actions(opaque: Opaque) -> str:
    return " ".join(action.value for action in Action if action in opaque.actions)


def expect(dialect: str | None, script: str, *expected: str) -> None:
    assert done(script, dialect) == [part for one in expected for part in one.split(", ") if part]


# --- CREATE TABLE --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "CREATE TABLE t (id int PRIMARY KEY, name varchar(10))", "+t, +t.id, +t.name"),
        (None, 'create table "T" ("Id" int)', "+T, +T.Id"),
        (None, "CREATE TABLE public.T (Id int)", "+public.t, +public.t.id"),
        (None, "CREATE TABLE IF NOT EXISTS t (id int)", "+t?, +t.id?"),
        (None, "CREATE TABLE t ()", "+t"),
        # What it needs comes first, whatever the order in which it is written.
        (
            "postgresql",
            "CREATE TABLE t (id int, u int REFERENCES users (id) ON DELETE CASCADE)",
            "~users, ~users.id, +t, +t.id, +t.u",
        ),
        (
            "postgresql",
            "CREATE TABLE t (a int REFERENCES s.u, CONSTRAINT f FOREIGN KEY (a, b) "
            "REFERENCES v (c, d) MATCH FULL, CONSTRAINT q UNIQUE (a), CHECK (a > 0), b int)",
            "~s.u, ~v, ~v.c, ~v.d, +t, +t.a, +t.b, +constraint t.f, +constraint t.q",
        ),
        (
            "postgresql",
            "CREATE TABLE t (a int CONSTRAINT one NOT NULL CONSTRAINT two CHECK (a > 0), "
            "EXCLUDE USING gist (a WITH =), CONSTRAINT p PRIMARY KEY (a) INCLUDE (b))",
            "+t, +t.a, +constraint t.one, +constraint t.two, +constraint t.p",
        ),
        # A table does not need itself.
        (None, "CREATE TABLE t (id int, parent int REFERENCES t (id))", "+t, +t.id, +t.parent"),
        (None, "CREATE TABLE s.t (id int, up int REFERENCES t)", "+s.t, +s.t.id, +s.t.up"),
        (
            "postgresql",
            "CREATE TABLE t (a mood, b mood[] DEFAULT '{}'::mood[], c s.\"Mood\", d int4range, "
            "e double precision, f character varying(9), g timestamp with time zone, h citext)",
            "~type mood, ~type s.Mood, +t, +t.a, +t.b, +t.c, +t.d, +t.e, +t.f, +t.g, +t.h",
        ),
        ("mysql", "CREATE TABLE t (a mood)", "+t, +t.a"),
        (
            "mysql",
            "CREATE TABLE `t` (`id` int(11) unsigned NOT NULL AUTO_INCREMENT COMMENT 'a, b', "
            "`e` enum('a','b') CHARACTER SET utf8, PRIMARY KEY (`id`), KEY `i` (`e`(10)), "
            "UNIQUE KEY `q` (`e`), FULLTEXT KEY `f` (`e`), KEY (`id`), INDEX j USING BTREE (e), "
            "CONSTRAINT `k` FOREIGN KEY (`id`) REFERENCES `db`.`o` (`id`) ON UPDATE CASCADE, "
            "CONSTRAINT FOREIGN KEY l (id) REFERENCES p (id)) ENGINE=InnoDB COMMENT='x';",
            "~db.o, ~db.o.id, ~p, ~p.id, +t, +t.id, +t.e, +index t.i, +index t.q, +index t.f, "
            "+index t.j, +constraint t.k, +constraint t.l",
        ),
        # Columns may be called like keys.
        (
            None,
            "CREATE TABLE t (key varchar(9), index int, period int)",
            "+t, +t.key, +t.index, +t.period",
        ),
        ("sqlite", "CREATE TABLE t (a, [b c] text, `d`) WITHOUT ROWID", "+t, +t.a, +t.b c, +t.d"),
        (
            "mssql",
            "CREATE TABLE [dbo].[t] ([id] INT IDENTITY(1,1) NOT NULL, [n] NVARCHAR(MAX), "
            "CONSTRAINT [p] PRIMARY KEY CLUSTERED ([id] ASC)) ON [PRIMARY]",
            "+dbo.t, +dbo.t.id, +dbo.t.n, +constraint dbo.t.p",
        ),
        ("mssql", "CREATE TABLE db..t (a int)", "+t, +t.a"),
        (
            "oracle",
            "CREATE TABLE t (id NUMBER(10) GENERATED BY DEFAULT AS IDENTITY, "
            "n VARCHAR2(9 CHAR)) TABLESPACE users",
            "+t, +t.id, +t.n",
        ),
        ("oracle", "CREATE GLOBAL TEMPORARY TABLE t (a int)", "+t, +t.a"),
        ("postgresql", "CREATE UNLOGGED TABLE t (a int) WITH (fillfactor=70)", "+t, +t.a"),
        ("postgresql", "CREATE TABLE t (a int) PARTITION BY RANGE (a)", "+t, +t.a"),
        (
            "postgresql",
            "CREATE TABLE t (LIKE u INCLUDING ALL, a int)",
            "~u, +t, +t.a, !columns of t that come from another table{creates}@t",
        ),
        (
            "mysql",
            "CREATE TABLE t LIKE u",
            "~u, +t, !columns of t that come from another table{creates}@t",
        ),
        (
            "postgresql",
            "CREATE TABLE t PARTITION OF p FOR VALUES FROM (1) TO (2)",
            "~p, +t?, !columns of t that come from another table{creates}@t",
        ),
        (
            "postgresql",
            "CREATE TABLE t (a int) INHERITS (p, q)",
            "~p, ~q, +t?, +t.a, !columns of t that come from another table{creates}@t",
        ),
        (
            "postgresql",
            "CREATE TABLE t OF e (PRIMARY KEY (a))",
            "~type e, +t, !columns of t that come from a type{creates}@t",
        ),
        (
            "sqlite",
            "CREATE VIRTUAL TABLE t USING fts5(a, content='b')",
            "+t, !columns of t that come from a module{creates}@t",
        ),
        (None, "CREATE TABLE t AS SELECT a, b AS c FROM u", "~u, ~u.a, ~u.b, +t, +t.a, +t.c"),
        (
            None,
            "CREATE TABLE t AS SELECT * FROM u",
            "~u, +t, !columns of t that come from a query{creates}@t",
        ),
        (
            "postgresql",
            "CREATE TABLE t (x, y) AS SELECT a, 1 FROM u WITH NO DATA",
            "~u, ~u.a, +t, +t.x, +t.y",
        ),
        ("mysql", "CREATE TABLE t (x int) SELECT a FROM u", "~u, ~u.a, +t, +t.x, +t.a"),
        ("mssql", "SELECT a INTO t FROM u", "~u, ~u.a, +t"),
    ],
)
def test_create_table(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (a int",
        "CREATE TABLE t (a int))",
        "CREATE TABLE t ({columns})",
        "CREATE TABLE {table} (a int)",
        "CREATE TABLE",
        "CREATE TABLE t (a int) CREATE TABLE u (b int)",
        "CREATE TABLE t AS EXECUTE q",
        "CREATE TABLE t CLONE u",
        "CREATE FROBNICATOR f",
    ],
)
def test_tables_that_cannot_be_read(script: str) -> None:
    assert done(script, "postgresql") == [f"!{script}"]


def test_temporary_tables_are_the_scripts_own() -> None:
    script = """
        CREATE TEMPORARY TABLE copy (a int REFERENCES u (id));
        INSERT INTO copy (a) SELECT b FROM t;
        DROP TABLE t;
        CREATE INDEX i ON copy (a);
        ALTER TABLE copy RENAME TO copied;
        INSERT INTO v (c) SELECT a FROM copied;
        DROP TABLE copied;
        CREATE TABLE copied (d int);
    """
    seen = "~u, ~u.id, ~t, ~t.b, -t, ~v, ~v.c, +copied, +copied.d"
    expect(None, script, seen)
    expect("sqlite", script, seen.replace("~u, ~u.id", "~u?, ~u.id?"))


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        ("postgresql", "CREATE TEMP TABLE x AS SELECT a FROM t; SELECT b FROM x", "~t, ~t.a"),
        ("postgresql", "SELECT a INTO TEMP x FROM t; UPDATE x SET a = 1", "~t, ~t.a"),
        ("postgresql", "CREATE TABLE pg_temp.x (a int); DELETE FROM pg_temp.x", ""),
        ("postgresql", "CREATE TEMP TABLE x (a int); DROP TABLE s.x", "-s.x"),
        ("postgresql", "CREATE TEMP TABLE x (LIKE t)", "~t"),
        ("sqlite", "CREATE TABLE temp.x (a int); INSERT INTO x VALUES (1)", ""),
        ("mssql", "CREATE TABLE #x (a int); INSERT INTO t SELECT a FROM #x", "~t"),
        ("mssql", "SELECT a INTO #x FROM t; DROP TABLE #x", "~t, ~t.a"),
        ("mysql", "CREATE TEMPORARY TABLE x SELECT 1; DROP TEMPORARY TABLE x", ""),
    ],
)
def test_temporary_tables(dialect: str, script: str, expected: str) -> None:
    expect(dialect, script, expected)


# --- ALTER TABLE ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "ALTER TABLE t ADD COLUMN a int", "~t, +t.a"),
        (None, "ALTER TABLE s.t ADD a int", "~s.t, +s.t.a"),
        (None, "ALTER TABLE IF EXISTS ONLY t ADD a int", "~t?, +t.a?"),
        (
            "postgresql",
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int REFERENCES u (id), ADD COLUMN b text",
            "~t, ~u?, ~u.id?, +t.a?, +t.b",
        ),
        (
            "postgresql",
            "ALTER TABLE t ADD a mood DEFAULT 'x'::s.tone CONSTRAINT c REFERENCES u",
            "~t, ~type mood, ~type s.tone, ~u, +t.a, +constraint t.c",
        ),
        (
            "mysql",
            "ALTER TABLE t ADD COLUMN a int AFTER b, ADD c int FIRST",
            "~t, ~t.b, +t.a, +t.c",
        ),
        ("mysql", "ALTER TABLE t ADD COLUMN (a int, b int)", "~t, +t.a, +t.b"),
        ("oracle", "ALTER TABLE t ADD (a NUMBER(3,1), b DATE)", "~t, +t.a, +t.b"),
        ("mssql", "ALTER TABLE t ADD a INT, b INT NULL", "~t, +t.a, +t.b"),
        (
            "mssql",
            "ALTER TABLE t ADD a INT CONSTRAINT d DEFAULT 0 WITH VALUES",
            "~t, +t.a, +constraint t.d",
        ),
        ("mssql", "ALTER TABLE t ADD CONSTRAINT d DEFAULT 0 FOR a", "~t, +constraint t.d"),
        (
            "mssql",
            "ALTER TABLE t WITH CHECK ADD CONSTRAINT f FOREIGN KEY(a) REFERENCES [dbo].[u] ([b])",
            "~t, ~t.a, ~dbo.u, ~dbo.u.b, +constraint t.f",
        ),
        ("mssql", "ALTER TABLE t CHECK CONSTRAINT f", "~t, ~constraint t.f"),
        ("mssql", "ALTER TABLE t NOCHECK CONSTRAINT ALL", "~t"),
        (
            "postgresql",
            "ALTER TABLE t DROP COLUMN IF EXISTS a CASCADE, DROP b, DROP COLUMN c RESTRICT",
            "~t, -t.a?, -t.b, -t.c",
        ),
        ("oracle", "ALTER TABLE t DROP (a, b)", "~t, -t.a, -t.b"),
        ("oracle", "ALTER TABLE t DROP COLUMN a CASCADE CONSTRAINTS", "~t, -t.a"),
        ("mssql", "ALTER TABLE t DROP COLUMN a, b", "~t, -t.a, -t.b"),
        ("mssql", "ALTER TABLE t DROP c, COLUMN a", "~t, -constraint t.c, -t.a"),
        (None, "ALTER TABLE t RENAME COLUMN a TO b", "~t, -t.a>b, +t.b<a"),
        (None, "ALTER TABLE t RENAME a TO b", "~t, -t.a>b, +t.b<a"),
        (None, "ALTER TABLE t RENAME TO u", "-t>u, +u<t"),
        (None, "ALTER TABLE s.t RENAME TO u", "-s.t>u, +s.u<t"),
        (None, "ALTER TABLE IF EXISTS t RENAME TO u", "-t>u?, +u<t?"),
        ("mysql", "ALTER TABLE t RENAME u", "-t>u, +u<t"),
        ("mysql", "ALTER TABLE t RENAME AS d.u", "-t>u, +d.u<t"),
        ("mysql", "ALTER TABLE t ADD a int, RENAME TO u", "~t, +t.a, -t>u, +u<t"),
        ("mysql", "RENAME TABLE a TO b, s.c TO d", "-a>b, +b<a, -s.c>d, +s.d<c"),
        ("postgresql", "ALTER TABLE t SET SCHEMA s", "-t>s, +s.t<"),
        ("mysql", "ALTER TABLE t MODIFY COLUMN a bigint AFTER b", "~t, ~t.a, ~t.b"),
        ("mysql", "ALTER TABLE t MODIFY a int, MODIFY b int", "~t, ~t.a, ~t.b"),
        ("oracle", "ALTER TABLE t MODIFY (a NULL, b NUMBER(9))", "~t, ~t.a, ~t.b"),
        ("mysql", "ALTER TABLE t CHANGE COLUMN a b int", "~t, -t.a>b, +t.b<a"),
        ("mysql", "ALTER TABLE t CHANGE `a` a bigint", "~t, ~t.a"),
        (
            "postgresql",
            "ALTER TABLE t ALTER COLUMN a TYPE mood USING lower(b)::s.tone, "
            "ALTER c SET NOT NULL, ALTER d DROP DEFAULT, ALTER e SET DEFAULT 'x'::mood",
            "~t, ~t.a, ~type mood, ~type s.tone, ~t.b, ~t.c, ~t.d, ~t.e",
        ),
        ("postgresql", "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY", "~t, ~t.id"),
        ("mssql", "ALTER TABLE t ALTER COLUMN a NVARCHAR(9) NOT NULL", "~t, ~t.a"),
        (
            "postgresql",
            "ALTER TABLE t ALTER key TYPE int, ALTER index DROP DEFAULT",
            "~t, ~t.key, ~t.index",
        ),
        (
            "postgresql",
            "ALTER TABLE ONLY t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (b) NOT VALID",
            "~t, ~t.a, ~u, ~u.b, +constraint t.f",
        ),
        ("postgresql", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u", "~t, ~t.a, ~u"),
        ("postgresql", "ALTER TABLE t ADD PRIMARY KEY (a, b)", "~t, ~t.a, ~t.b"),
        (
            "postgresql",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0 OR b IS NULL)",
            "~t, ~t.a, ~t.b, +constraint t.c",
        ),
        (
            "postgresql",
            "ALTER TABLE t ADD CONSTRAINT q UNIQUE USING INDEX i",
            "~t, ~index t.i, +constraint t.q",
        ),
        (
            "postgresql",
            "ALTER TABLE t ADD CONSTRAINT q UNIQUE NULLS NOT DISTINCT (a)",
            "~t, ~t.a, +constraint t.q",
        ),
        (
            "mysql",
            "ALTER TABLE t ADD INDEX i (a), ADD UNIQUE KEY q (b), ADD FULLTEXT f (c)",
            "~t, ~t.a, +index t.i, ~t.b, +index t.q, ~t.c, +index t.f",
        ),
        ("mysql", "ALTER TABLE t ADD UNIQUE q (a), ADD KEY (b)", "~t, ~t.a, +index t.q, ~t.b"),
        ("mariadb", "ALTER TABLE t ADD INDEX IF NOT EXISTS i (a)", "~t, ~t.a?, +index t.i?"),
        ("postgresql", "ALTER TABLE t DROP CONSTRAINT IF EXISTS c CASCADE", "~t, -constraint t.c?"),
        (
            "mysql",
            "ALTER TABLE t DROP FOREIGN KEY f, DROP INDEX i, DROP KEY k, DROP PRIMARY KEY, "
            "DROP CHECK c",
            "~t, -constraint t.f, -index t.i, -index t.k, -constraint t.c",
        ),
        (
            "postgresql",
            "ALTER TABLE t RENAME CONSTRAINT c TO d",
            "~t, -constraint t.c>d, +constraint t.d<c",
        ),
        ("mysql", "ALTER TABLE t RENAME INDEX i TO j", "~t, -index t.i>j, +index t.j<i"),
        ("postgresql", "ALTER TABLE t VALIDATE CONSTRAINT c", "~t, ~constraint t.c"),
        ("postgresql", "ALTER TABLE t ATTACH PARTITION p DEFAULT", "~t, ~p"),
        ("postgresql", "ALTER TABLE t NO INHERIT p, NO FORCE ROW LEVEL SECURITY", "~t, ~p"),
        ("postgresql", "ALTER TABLE t ENABLE ROW LEVEL SECURITY, OWNER TO me", "~t"),
        ("postgresql", "ALTER TABLE t SET (fillfactor = 70)", "~t"),
        ("mysql", "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, ENGINE=InnoDB", "~t"),
        ("postgresql", "ALTER VIEW v RENAME TO w", "-v>w, +w<v"),
        ("mysql", "ALTER VIEW v AS SELECT a FROM t", "~v, ~t, ~t.a"),
    ],
)
def test_alter_table(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


@pytest.mark.parametrize(
    ("dialect", "script", "table"),
    [
        ("postgresql", "ALTER TABLE t FROBNICATE a", "@t"),
        ("postgresql", "ALTER TABLE t ADD COLUMN a int, FROBNICATE b", "@t"),
        ("postgresql", "ALTER TABLE t DROP COLUMN a b", "@t"),
        ("postgresql", "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", ""),
        ("oracle", "ALTER TABLE t ADD (a NUMBER) MODIFY (b NUMBER)", "@t"),
        ("oracle", "ALTER TABLE t ADD a NUMBER DROP COLUMN b", "@t"),
        ("mssql", "ALTER TABLE t SWITCH TO u", ""),
    ],
)
def test_alterations_that_cannot_be_read(dialect: str, script: str, table: str) -> None:
    """What is certain is that the table is there; all else is confined to it where it can be."""
    assert done(script, dialect) == ["~t", f"!{script}{table}"]


# --- Indexes, views, types -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "CREATE INDEX i ON t (a, b DESC)", "~t, ~t.a, ~t.b, +index t.i"),
        (None, "CREATE INDEX IF NOT EXISTS i ON t (a)", "~t?, ~t.a?, +index t.i?"),
        ("postgresql", "CREATE INDEX ON t (a)", "~t, ~t.a"),
        (
            "postgresql",
            "CREATE UNIQUE INDEX CONCURRENTLY i ON s.t USING btree (a text_ops, lower(b) DESC, "
            "((c || d))) INCLUDE (e) WITH (fillfactor=70) WHERE f IS NULL AND NOT g",
            "~s.t, ~s.t.a, ~s.t.b, ~s.t.c, ~s.t.d, ~s.t.e, ~s.t.f, ~s.t.g, +index s.t.i",
        ),
        ("mysql", "CREATE FULLTEXT INDEX i ON t (a(10)) ALGORITHM=INPLACE", "~t, ~t.a, +index t.i"),
        ("sqlite", "CREATE INDEX main.i ON t (a COLLATE NOCASE)", "~t, ~t.a, +index main.t.i"),
        (
            "mssql",
            "CREATE NONCLUSTERED INDEX [i] ON [dbo].[t] ([a] ASC)",
            "~dbo.t, ~dbo.t.a, +index dbo.t.i",
        ),
        ("postgresql", "DROP INDEX CONCURRENTLY IF EXISTS s.i, j", "-index s..i?, -index .j?"),
        ("mysql", "DROP INDEX i ON t", "~t, -index t.i"),
        ("mssql", "DROP INDEX i ON t, j ON s.u", "~t, -index t.i, ~s.u, -index s.u.j"),
        ("mssql", "DROP INDEX t.i", "-index t.i"),
        ("postgresql", "ALTER INDEX i RENAME TO j", "-index .i>j, +index .j<i"),
        ("postgresql", "ALTER INDEX i SET (fillfactor = 70)", "~index .i"),
        ("mssql", "ALTER INDEX i ON t REBUILD", "~index t.i"),
    ],
)
def test_indexes(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


def test_an_index_over_what_cannot_be_read_still_is_one() -> None:
    script = "CREATE INDEX i ON t ((a FROM FROM), b)"
    expect("postgresql", script, "~t, ~t.b, +index t.i, !(a FROM FROM){uses}@t")


_VIEWED = "!columns of v that come from a query{creates}@v"


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "CREATE VIEW v AS SELECT x.a FROM t AS x, u", f"~t, ~u, ~t.a, +v, {_VIEWED}"),
        (None, "CREATE OR REPLACE VIEW v (b) AS SELECT a FROM t", f"~t, ~t.a, +v?, {_VIEWED}"),
        ("sqlite", "CREATE VIEW IF NOT EXISTS v AS SELECT a FROM t", f"~t?, ~t.a?, +v?, {_VIEWED}"),
        ("sqlite", "CREATE TEMP VIEW v AS SELECT a FROM t; SELECT a FROM v", "~t?, ~t.a?"),
        (
            "postgresql",
            "CREATE MATERIALIZED VIEW s.v AS WITH c AS (SELECT a FROM t) SELECT * FROM c "
            "WITH NO DATA",
            f"~t, ~t.a, +s.v, {_VIEWED.replace('@v', '@s.v')}",
        ),
        (
            "postgresql",
            "CREATE VIEW v AS SELECT a FROM t WITH LOCAL CHECK OPTION",
            f"~t, ~t.a, +v, {_VIEWED}",
        ),
        (
            "mysql",
            "CREATE ALGORITHM=MERGE DEFINER=`x`@`%` SQL SECURITY DEFINER VIEW `v` AS "
            "select `t`.`a` AS `b` from `t`",
            f"~t, ~t.a, +v, {_VIEWED}",
        ),
        (
            "postgresql",
            "CREATE VIEW v AS SELECT FROM FROM",
            f"+v, {_VIEWED}, !SELECT FROM FROM{{uses}}",
        ),
        (None, "DROP VIEW IF EXISTS v, w CASCADE", "-v?, -w?"),
        ("postgresql", "DROP MATERIALIZED VIEW v", "-v"),
        ("postgresql", "REFRESH MATERIALIZED VIEW CONCURRENTLY v", "~v"),
        (None, "DROP TABLE t", "-t"),
        (None, "DROP TABLE IF EXISTS t, s.u CASCADE", "-t?, -s.u?"),
        ("oracle", "DROP TABLE t CASCADE CONSTRAINTS PURGE", "-t"),
        (None, "DROP TABLE t DROP TABLE u", "!DROP TABLE t DROP TABLE u"),
        ("postgresql", "CREATE TYPE mood AS ENUM ('a', 'b')", "+type mood"),
        ("postgresql", "CREATE TYPE s.c AS (a int, b mood)", "~type mood, +type s.c"),
        ("postgresql", "CREATE DOMAIN d AS text CHECK (VALUE > '')", "+type d"),
        ("postgresql", "CREATE DOMAIN d AS mood", "~type mood, +type d"),
        ("postgresql", "DROP TYPE IF EXISTS mood CASCADE", "-type mood?"),
        ("postgresql", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'c' AFTER 'b'", "~type mood"),
        ("postgresql", "ALTER TYPE s.mood RENAME VALUE 'a' TO 'b'", "~type s.mood"),
        ("postgresql", "ALTER TYPE mood RENAME TO tone", "-type mood>tone, +type tone<mood"),
    ],
)
def test_views_tables_and_types(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


# --- Rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')", "~t, ~t.a, ~t.b"),
        (None, "INSERT INTO s.t VALUES (1)", "~s.t"),
        ("mssql", "INSERT t (a) VALUES (1)", "~t, ~t.a"),
        (
            "mssql",
            "INSERT INTO t (a) OUTPUT INSERTED.id SELECT TOP 1 [b] FROM [u]",
            "~t, ~t.a, ~u, ~u.b",
        ),
        ("postgresql", "INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (1)", "~t, ~t.a"),
        ("postgresql", "INSERT INTO t DEFAULT VALUES RETURNING id, now()", "~t, ~t.id"),
        (None, "INSERT INTO t (a) SELECT b FROM u WHERE c = 1", "~t, ~t.a, ~u, ~u.b, ~u.c"),
        (None, "INSERT INTO t (SELECT x.b FROM u x)", "~t, ~u, ~u.b"),
        (None, "INSERT INTO t (a) VALUES ((SELECT max(u.b) FROM u))", "~t, ~t.a, ~u, ~u.b"),
        (
            "postgresql",
            "WITH c AS (SELECT b FROM u) INSERT INTO t (a) SELECT b FROM c",
            "~t, ~t.a, ~u, ~u.b",
        ),
        (
            "postgresql",
            "INSERT INTO t AS x (a) VALUES (1) ON CONFLICT (a, lower(b)) WHERE c DO UPDATE "
            "SET d = EXCLUDED.d, e = x.f WHERE x.g = 1 RETURNING h",
            "~t, ~t.a, ~t.b, ~t.d, ~t.e, ~t.f, ~t.g, ~t.h",
        ),
        ("postgresql", "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "~t"),
        (
            "postgresql",
            "INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT q DO NOTHING",
            "~t, ~constraint t.q",
        ),
        ("sqlite", "INSERT OR REPLACE INTO t (a) VALUES (1)", "~t, ~t.a"),
        ("mysql", 'INSERT IGNORE INTO `t` (`a`) VALUES ("b")', "~t, ~t.a"),
        ("mysql", 'INSERT INTO t SET a = 1, b = "c"', "~t, ~t.a, ~t.b"),
        (
            "mysql",
            "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(b) + c",
            "~t, ~t.a, ~t.b, ~t.c",
        ),
        ("mysql", "REPLACE INTO t (a) VALUES (1)", "~t, ~t.a"),
        ("oracle", "INSERT INTO t (a) VALUES (s.nextval)", "~t, ~t.a"),
        ("postgresql", "COPY t (a, b) FROM stdin", "~t, ~t.a, ~t.b"),
        ("postgresql", "COPY (SELECT a FROM t) TO STDOUT", "~t, ~t.a"),
        ("postgresql", "INSERT INTO t (a) SELECT FROM FROM", "~t, ~t.a, !SELECT FROM FROM{uses}"),
        (
            "oracle",
            "INSERT ALL INTO a VALUES (1) INTO b VALUES (2) SELECT 1 FROM dual",
            "!INSERT ALL INTO a VALUES (1) INTO b VALUES (2) SELECT 1 FRO…{uses}",
        ),
    ],
)
def test_insert(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "UPDATE t SET a = 1", "~t, ~t.a"),
        (None, "UPDATE t SET a = b + 1 WHERE c IN (1, 2)", "~t, ~t.a, ~t.b, ~t.c"),
        (
            "postgresql",
            "UPDATE t SET a = DEFAULT, b = CURRENT_USER, c = now()",
            "~t, ~t.a, ~t.b, ~t.c",
        ),
        # Of several tables, unqualified columns could be anyone's, but not those assigned to.
        (
            "postgresql",
            "UPDATE t SET a = u.b, c = d FROM u WHERE u.id = t.id",
            "~t, ~u, ~t.a, ~u.b, ~t.c, ~u.id, ~t.id",
        ),
        (
            "mysql",
            "UPDATE t JOIN u ON t.id = u.id SET t.a = u.b, c = 2",
            "~t, ~u, ~t.id, ~u.id, ~t.a, ~u.b",
        ),
        (
            "mssql",
            "UPDATE x SET a = 1 FROM dbo.t x JOIN u ON x.id = u.id",
            "~dbo.t, ~u, ~dbo.t.a, ~dbo.t.id, ~u.id",
        ),
        (
            "postgresql",
            "UPDATE t SET (a, b) = (SELECT x.c, d FROM x) WHERE e = 1",
            "~t, ~x, ~t.a, ~t.b, ~x.c, ~t.e",
        ),
        ("sqlite", "UPDATE OR IGNORE t SET a = 1", "~t, ~t.a"),
        ("mysql", "UPDATE IGNORE t SET a = 1", "~t, ~t.a"),
        (None, "DELETE FROM t WHERE a = 1", "~t, ~t.a"),
        ("postgresql", "DELETE FROM t USING u WHERE t.id = u.id AND a", "~t, ~u, ~t.id, ~u.id"),
        ("mysql", "DELETE x FROM t x JOIN u ON x.id = u.id", "~t, ~u, ~t.id, ~u.id"),
        ("mysql", "DELETE t, u FROM t JOIN u ON t.id = u.id", "~t, ~u, ~t.id, ~u.id"),
        ("mssql", "DELETE t WHERE a = 1", "~t, ~t.a"),
        (
            "postgresql",
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a "
            "WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, 1)",
            "~t, ~s, ~t.id, ~s.id, ~t.a, ~s.a, ~t.b",
        ),
        ("postgresql", "TRUNCATE TABLE ONLY t, s.u RESTART IDENTITY CASCADE", "~t, ~s.u"),
        ("mysql", "TRUNCATE t", "~t"),
        (
            "postgresql",
            "WITH gone AS (DELETE FROM t WHERE a = 1 RETURNING b) INSERT INTO u SELECT b FROM gone",
            "~u, ~t, ~t.a, ~t.b",
        ),
        (
            "postgresql",
            "DELETE FROM t WHERE CURRENT OF c",
            "!DELETE FROM t WHERE CURRENT OF c{uses}",
        ),
    ],
)
def test_changes_of_rows(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        (None, "SELECT a, b AS c FROM t WHERE d = 1 ORDER BY c, e", "~t, ~t.a, ~t.b, ~t.d, ~t.e"),
        (
            None,
            "SELECT x.a, y.b, c FROM t x JOIN s.u AS y ON x.id = y.id",
            "~t, ~s.u, ~t.a, ~s.u.b, ~t.id, ~s.u.id",
        ),
        (None, "SELECT t.a, u.b FROM t, u", "~t, ~u, ~t.a, ~u.b"),
        (None, "SELECT * FROM t", "~t"),
        (None, "SELECT t.*, count(*) FROM t", "~t"),
        (None, "(SELECT a FROM t) UNION ALL (SELECT b FROM u) ORDER BY a", "~t, ~u, ~t.a, ~u.b"),
        # Of what is in a subquery, it cannot be told whether it is from out there.
        (
            None,
            "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE b = t.c AND u.d = 1)",
            "~t, ~u, ~t.a, ~t.c, ~u.d",
        ),
        (None, "SELECT q.a FROM (SELECT b FROM t) q", "~t, ~t.b"),
        (None, "SELECT t.a FROM (SELECT 1 AS a) t, u", "~u"),
        (None, "SELECT s.t.a FROM s.t, u", "~s.t, ~u, ~s.t.a"),
        (None, "SELECT t.a FROM s.t, r.t", "~s.t, ~r.t"),
        # Common table expressions hide tables, where they are seen.
        (None, "WITH t AS (SELECT a FROM t) SELECT b FROM t", "~t, ~t.a"),
        (None, "WITH c AS (SELECT a FROM t), d AS (SELECT a FROM c) SELECT * FROM d", "~t, ~t.a"),
        (
            None,
            "WITH RECURSIVE c(x) AS (SELECT id FROM t UNION ALL SELECT x + 1 FROM c) "
            "SELECT x FROM c",
            "~t, ~t.id",
        ),
        (
            None,
            "SELECT * FROM s.c WHERE a IN (WITH c AS (SELECT 1) SELECT * FROM c)",
            "~s.c, ~s.c.a",
        ),
        # What looks like a table or a column, and is none.
        ("postgresql", "SELECT g FROM generate_series(1, 2) g", ""),
        ("postgresql", "SELECT t.a, u FROM t, unnest(t.b) u FOR UPDATE OF t", "~t, ~t.a, ~t.b"),
        (
            "postgresql",
            "SELECT t.a FROM t JOIN LATERAL (SELECT t.b FROM u) l ON true",
            "~t, ~u, ~t.a, ~t.b",
        ),
        ("postgresql", "SELECT a.b FROM (VALUES (1)) a (b)", ""),
        ("postgresql", "SELECT t, (t).a FROM t", "~t"),
        (
            "postgresql",
            "SELECT ctid, EXTRACT(year FROM a), date_trunc('day', b) FROM t",
            "~t, ~t.a, ~t.b",
        ),
        ("postgresql", "SELECT a COLLATE \"C\", b AT TIME ZONE 'utc' FROM t", "~t, ~t.a, ~t.b"),
        ("postgresql", "SELECT tablename FROM pg_tables, pg_catalog.pg_class c", ""),
        ("mysql", "SELECT a FROM information_schema.tables JOIN mysql.user u ON u.host = 1", ""),
        ("sqlite", "SELECT name FROM sqlite_master WHERE type = 'table'", ""),
        ("sqlite", "SELECT name FROM pragma_table_info('t')", ""),
        ("oracle", "SELECT s.nextval, SYSDATE FROM dual", ""),
        ("mssql", "SELECT a FROM t WITH (NOLOCK) WHERE b = @b", "~t, ~t.a, ~t.b"),
        ("mssql", "SELECT name FROM sys.tables", ""),
        ("mysql", "SELECT pg_a FROM pg_t", "~pg_t, ~pg_t.pg_a"),
        ("mysql", "SELECT TIMESTAMPDIFF(MINUTE, a, b) FROM t", "~t, ~t.b, ~t.a"),
        ("postgresql", "TABLE t", "~t"),
        ("postgresql", "VALUES (1, 2)", ""),
        (
            "postgresql",
            "SELECT 'x'::mood, CAST(a AS s.mood[]) FROM t",
            "~t, ~t.a, ~type mood, ~type s.mood",
        ),
    ],
)
def test_queries(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        # Double quotes are for names in PostgreSQL, and for strings in MySQL.
        ("postgresql", 'UPDATE t SET a = "B" WHERE "c d" = 1', "~t, ~t.a, ~t.B, ~t.c d"),
        ("mysql", 'UPDATE t SET a = "B" WHERE `c d` = "e"', "~t, ~t.a, ~t.c d"),
        # In SQLite they are for names, or strings if there are no such names.
        ("sqlite", 'UPDATE t SET "a" = "B" WHERE t."c" = 1', "~t, ~t.a, ~t.c"),
        (None, 'UPDATE t SET "a" = "B" WHERE t."c" = 1', "~t, ~t.a, ~t.c"),
        (None, 'INSERT INTO "T" ("A") VALUES ("x")', "~T, ~T.A"),
        ("mysql", "UPDATE t SET a = 'it\\'s; DROP TABLE u', b = 1", "~t, ~t.a, ~t.b"),
        ("postgresql", "UPDATE t SET a = 'C:\\', b = '; DROP TABLE u'", "~t, ~t.a, ~t.b"),
        ("postgresql", "UPDATE t SET a = E'\\'; DROP TABLE u', b = 1", "~t, ~t.a, ~t.b"),
        ("oracle", "UPDATE t SET a = q'[it's; b]', c = 1", "~t, ~t.a, ~t.c"),
        ("mssql", "UPDATE t SET a = N'x', [b]]c] = 1", "~t, ~t.a, ~t.b]c"),
        (None, "UPDATE t SET a = 'x''; DROP TABLE u'", "~t, ~t.a"),
        # Not known: what can be read as PostgreSQL, else as MySQL, else as SQLite.
        (None, 'UPDATE `t` SET `a` = "b"', "~t, ~t.a"),
        (None, "UPDATE t SET a = 'it\\'s'", "~t, ~t.a"),
        (None, "UPDATE t SET [a b] = 1", "~t, ~t.a b"),
        (None, "SELECT a FROM t WHERE b = $1; SELECT $x$ FROM u; $x$", "~t, ~t.a, ~t.b"),
        # Comments.
        (None, "-- DROP TABLE a\nDROP TABLE b /* ; DROP TABLE c; */ ; -- d", "-b"),
        ("postgresql", "/* /* */ DROP TABLE a; */ DROP TABLE b", "-b"),
        ("mysql", "# DROP TABLE a;\nDROP TABLE b", "-b"),
        ("mysql", "/*!40000 ALTER TABLE `t` DISABLE KEYS */; SELECT 1--1", "~t"),
        (None, "/*!50001 DROP TABLE a */", "-a"),
        ("postgresql", "/*!50001 DROP TABLE a */", ""),
        # Parameters.
        (
            "postgresql",
            "UPDATE t SET a=:a, b=%(b)s, c=%s, d=$1 WHERE e IN :e AND f=%s AND g = :g::int",
            "~t, ~t.a, ~t.b, ~t.c, ~t.d, ~t.e, ~t.f, ~t.g",
        ),
        ("sqlite", "INSERT INTO t (a, b) VALUES (?, :b)", "~t, ~t.a, ~t.b"),
        (
            "postgresql",
            r"SELECT a \:\:int, b::text, '\:c' FROM t WHERE d LIKE 'x%%' AND e %% 2 = 1",
            "~t, ~t.a, ~t.b, ~t.d, ~t.e",
        ),
        (
            "postgresql",
            "SELECT a[1:2], b ? 'c', d ->> 'e', f @> '{}' FROM t",
            "~t, ~t.a, ~t.b, ~t.d, ~t.f",
        ),
    ],
)
def test_how_it_is_written(dialect: str | None, script: str, expected: str) -> None:
    expect(dialect, script, expected)


# --- What does nothing, and what cannot be read --------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "",
        " ; ;\n",
        "-- nothing",
        "BEGIN; COMMIT; ROLLBACK; BEGIN TRANSACTION; END; START TRANSACTION; SAVEPOINT a",
        "SET search_path TO s; SET FOREIGN_KEY_CHECKS=0; RESET ALL; PRAGMA foreign_keys=OFF",
        "GRANT CREATE TABLE, DROP VIEW TO u",
        "GRANT SELECT ON t TO u; REVOKE ALL ON t FROM u; LOCK TABLE t; ANALYZE t; VACUUM FULL t",
        'CREATE SCHEMA s; CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE SEQUENCE q',
        "DROP SEQUENCE q; DROP SCHEMA s; DROP EXTENSION e; DROP FUNCTION f(int)",
        "ALTER SEQUENCE q OWNED BY t.id; ALTER SCHEMA s OWNER TO u; ALTER ROLE u SET a = 1",
        "COMMENT ON SCHEMA s IS 'x'; COMMENT ON FUNCTION f IS 'x'",
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DROP TABLE t; END $$ LANGUAGE plpgsql",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
        "SELECT setval('q', 1), pg_catalog.setval('q', 1), pg_sleep(1)",
    ],
)
def test_nothing(script: str) -> None:
    expect("postgresql", script)


@pytest.mark.parametrize(
    ("dialect", "script", "expected"),
    [
        ("postgresql", "CREATE TRIGGER g BEFORE UPDATE OF a ON t EXECUTE FUNCTION f()", "~t"),
        (
            "postgresql",
            "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION f()",
            "~s.t",
        ),
        ("postgresql", "CREATE EVENT TRIGGER g ON ddl_command_end EXECUTE FUNCTION f()", ""),
        ("postgresql", "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", "~t"),
        ("postgresql", "CREATE POLICY p ON t USING (a)", "~t"),
        ("postgresql", "DROP TRIGGER IF EXISTS g ON t; ALTER POLICY p ON u RENAME TO q", "~t?, ~u"),
        (
            "sqlite",
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE u SET a = CASE WHEN b THEN 1 END; "
            "DELETE FROM v; END; DROP TABLE w",
            "~t, -w",
        ),
        (
            "mysql",
            "CREATE PROCEDURE p() BEGIN IF a THEN DROP TABLE t; END IF; CASE b WHEN 1 THEN "
            "SELECT 1; END CASE; END; DROP TABLE u",
            "-u",
        ),
        ("mssql", "CREATE PROCEDURE p AS SELECT 1; DROP TABLE t\nGO\nDROP TABLE u", "-u"),
        (
            "oracle",
            "CREATE FUNCTION f RETURN int IS x int; BEGIN RETURN 1; END;\n/\nDROP TABLE t",
            "-t",
        ),
        (
            "mssql",
            "DROP TABLE a\nCREATE TABLE b (c int)\nDELETE FROM d\nGO\nDROP TABLE e",
            "-a, +b, +b.c, ~d, -e",
        ),
        (
            "postgresql",
            "COMMENT ON TABLE s.t IS 'x'; COMMENT ON COLUMN s.t.a IS NULL",
            "~s.t, ~s.t, ~s.t.a",
        ),
        (
            "postgresql",
            "COMMENT ON CONSTRAINT c ON t IS 'x'; COMMENT ON TYPE e IS 'x'",
            "~t, ~constraint t.c, ~type e",
        ),
        (
            "postgresql",
            "COMMENT ON INDEX i IS 'x'; COMMENT ON MATERIALIZED VIEW v IS 'x'",
            "~index .i, ~v",
        ),
        ("postgresql", "DROP SCHEMA s CASCADE", "!dropping a whole schema{drops}"),
        ("mysql", "DROP DATABASE d", "!dropping a whole database{drops}"),
        (
            "postgresql",
            "SELECT create_hypertable('t', 'a')",
            "!a function that is called: create_hypertable",
        ),
    ],
)
def test_other_statements(dialect: str, script: str, expected: str) -> None:
    expect(dialect, script, expected)


@pytest.mark.parametrize(
    ("dialect", "script"),
    [
        ("postgresql", "DO $$ BEGIN CREATE TYPE e AS ENUM ('a'); END $$"),
        ("postgresql", "CALL f(1)"),
        ("postgresql", "EXECUTE q"),
        ("postgresql", "REASSIGNED OWNED"),
        ("postgresql", "ALTER SCHEMA s RENAME TO r"),
        ("postgresql", "\\connect x"),
        ("postgresql", "SELECT FROM FROM"),
        ("postgresql", "nonsense"),
        ("mysql", "LOAD DATA INFILE 'x' INTO TABLE t"),
        ("mssql", "IF OBJECT_ID('t') IS NOT NULL DROP TABLE t"),
        ("mssql", "EXEC sp_rename 't.a', 'b', 'COLUMN'"),
        ("mssql", "BEGIN DROP TABLE t; END"),
        ("oracle", "BEGIN EXECUTE IMMEDIATE 'DROP TABLE t'; END;"),
        ("oracle", "DECLARE x int; BEGIN DROP TABLE t; END;"),
    ],
)
def test_opaque(dialect: str, script: str) -> None:
    """One thing that may be anything; the rest of a script is read all the same."""
    assert done(script, dialect) == [f"!{script}"]


@pytest.mark.parametrize(
    "script",
    [
        "DROP TABLE a\nDROP TABLE b",
        "SET IDENTITY_INSERT a ON\nINSERT INTO a VALUES (1)",
        "INSERT INTO a VALUES (1)\nEXEC b",
        "CREATE TABLE a (b int)\nEXEC c",
        "ALTER TABLE a ADD b int\nALTER TABLE c ADD d int",
        "COMMENT ON TABLE a IS 'b' DROP TABLE c",
        "BEGIN TRANSACTION\nUPDATE a SET b = 1",
        "CREATE SCHEMA a CREATE TABLE b (c int)",
        "GRANT SELECT ON a TO b\nDROP TABLE c",
    ],
)
def test_statements_without_a_semicolon_between_them_may_do_anything(script: str) -> None:
    """Except in Transact-SQL, which needs none, they are no SQL at all."""
    assert done(script) == [f"!{script}".replace("\n", " ")]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SET IDENTITY_INSERT a ON\nINSERT INTO a (b) VALUES (1)\nSET NOCOUNT ON", "~a, ~a.b"),
        ("SET NOCOUNT ON\nUPDATE a\nSET b = 1\nDROP TABLE c", "~a, ~a.b, -c"),
        ("DECLARE @a int\nDROP TABLE b", "-b, !DECLARE @a int{uses}"),
        (
            "DROP TABLE a\nIF EXISTS (SELECT 1)\nDROP TABLE b",
            "-a, !IF EXISTS (SELECT 1) DROP TABLE b",
        ),
        ("DROP TABLE\nIF EXISTS a\nEXEC b", "-a?, !EXEC b"),
        ("CREATE TABLE a (\n  [update] int,\n  merge int\n)", "+a, +a.update, +a.merge"),
    ],
)
def test_transact_sql_needs_no_semicolons(script: str, expected: str) -> None:
    expect("mssql", script, expected)


def test_what_is_opaque_does_not_hide_the_rest() -> None:
    expect(
        "postgresql",
        "DROP TABLE a; DO $$ BEGIN END $$; DROP TABLE b; SELECT FROM FROM; DROP TABLE c",
        "-a, -b, -c, !DO $$ BEGIN END $$, !SELECT FROM FROM",
    )


def test_what_is_not_closed_hides_only_what_follows() -> None:
    expect("postgresql", "DROP TABLE a; SELECT 'b; DROP TABLE c", "-a, !SELECT 'b; DROP TABLE c")
    expect("postgresql", "DROP TABLE a; /* DROP TABLE b", "-a, !/* DROP TABLE b")
    expect("postgresql", "DROP TABLE a; DO $$ DROP TABLE b", "-a, !DO $$ DROP TABLE b")


def test_what_is_opaque_is_shown_in_sixty_printable_characters() -> None:
    _, (opaque,) = read_sql("DO $$\n\tBEGIN \x1b[31m" + "é" * 99, 1, dialect="postgresql")
    shown = opaque.detail.split(_UNREAD)[-1]
    assert len(shown) == 60
    assert shown.isprintable()
    assert shown.endswith("…")


def test_lines_databases_and_doubt_are_those_of_the_script() -> None:
    effects, opaque = read_sql(
        "ALTER TABLE t RENAME TO u; ALTER TABLE v NONSENSE", 5, certain=False, database="other"
    )
    assert {effect.line for effect in effects} == {5}
    assert not any(effect.certain for effect in effects)
    things = [thing for effect in effects for thing in (effect.object, effect.renamed) if thing]
    assert {thing.database for thing in things} == {"other"}
    assert [(one.line, one.table) for one in opaque] == [
        (5, SchemaObject(Kind.TABLE, "v", database="other"))
    ]


def test_effects_of_one_statement_are_given_once_and_of_two_twice() -> None:
    expect(None, "SELECT x.a, y.a FROM t x, t y; SELECT a FROM t", "~t, ~t.a, ~t, ~t.a")


# --- Size and time -------------------------------------------------------------------------------


def test_sqlglot_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from flask_chainfix.footprint.sql import read_sql;"
        "read_sql('CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE INDEX i ON t (a)', 1);"
        "assert 'sqlglot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_sqlglot_does_not_support_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    done("SELECT a FROM t FOR NONSENSE; MERGE INTO t; UPDATE t SET a = b -> '$['", "mysql")
    assert caplog.records == []


def test_scripts_may_be_too_large() -> None:
    assert done("x" * (MOST_CHARACTERS + 1)) == ["!a SQL script of 262,145 characters"]
    assert done("x;" * (MOST_STATEMENTS + 1)) == ["!a SQL script of 10,001 statements"]


def test_a_long_script_of_rows_is_read() -> None:
    rows = "INSERT INTO t (a, b) VALUES (1, 'x');\n" * 6000
    assert set(done(rows)) == {"~t", "~t.a", "~t.b"}


def test_a_long_list_is_read() -> None:
    numbers = ", ".join(map(str, range(20_000)))
    expect(None, f"DELETE FROM t WHERE a IN ({numbers})", "~t, ~t.a")


@pytest.mark.parametrize(
    "script",
    [
        "SELECT " + "(" * 50_000,
        "SELECT " + "(" * 1000 + "1" + ")" * 1000,
        "SELECT " + "NOT " * 5000 + "a FROM t",
        "SELECT " + "CASE WHEN " * 500,
        # sqlglot takes twice as long for each of these.
        "SELECT a FROM t" + " JOIN u" * 60,
        "SELECT a FROM t" + (" JOIN u" * 4 + " ON a") * 10,
        "SELECT " + "enum(" * 60 + "1" + ")" * 60,
        "SELECT " + "ARRAY[" * 60 + "1" + "]" * 60,
        "SELECT " + "STRUCT<" * 60,
        "SELECT " + "IF " * 60,
        "SELECT " + "f(x -> decimal(" * 30,
        "CREATE TABLE t (" * 5000,
        "'" * 99_999,
        "$" * 99_999,
        "/*" * 50_000,
        "BEGIN " * 20_000,
        "CREATE TRIGGER BEGIN " * 9000,
        "[" * 99_999,
        "," * 99_999,
        "ALTER TABLE t ADD " * 9000,
        "SELECT a FROM t;" * 9999,
    ],
    ids=lambda script: script[:20],
)
def test_no_script_takes_long(script: str) -> None:
    before = time.process_time()
    for dialect in ("postgresql", "mssql", None):
        done(script, dialect)
    assert time.process_time() - before < 20


# --- Properties ----------------------------------------------------------------------------------

_VOCABULARY = """
    SELECT FROM t u a b JOIN ON WHERE IN ( ) , . = AND OR NOT CASE WHEN THEN END UNION LEFT VALUES
    WITH AS INSERT INTO UPDATE SET DELETE MERGE USING EXISTS CAST :: [ ] + - * < > 'x' 1 :p ; CREATE
    TABLE ALTER ADD COLUMN DROP INDEX VIEW TYPE ENUM REFERENCES CONSTRAINT PRIMARY KEY FOREIGN
    UNIQUE CHECK IF EXISTS RENAME TO BEGIN "x" `y` -- /* */ $$ { } ? @ # % ' \\ GO / é REPLACE TEMP
    TRIGGER FUNCTION COMMENT TRUNCATE CONFLICT DO RETURNING
"""
_WORDS = _VOCABULARY.split()
_STATEMENTS = (
    "CREATE TABLE t (a int REFERENCES u (b))",
    "DROP TABLE IF EXISTS t CASCADE",
    "ALTER TABLE t ADD COLUMN a int, DROP COLUMN b",
    "ALTER TABLE t RENAME TO u",
    "CREATE INDEX i ON t (a, lower(b))",
    "CREATE VIEW v AS SELECT a FROM t",
    "CREATE TYPE e AS ENUM ('a;b', 'c')",
    "INSERT INTO t (a) VALUES ('x;''y')",
    "UPDATE t SET a = b WHERE c = 1",
    "DELETE FROM t WHERE a = (SELECT max(u.b) FROM u)",
    "SELECT x.a FROM t x JOIN u y ON x.id = y.id",
    "DO $$ BEGIN DROP TABLE t; END $$",
    "SET search_path = s",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END",
    "nonsense",
)
_SCRIPTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(_WORDS), max_size=60).map(" ".join),
    st.lists(st.sampled_from((*_STATEMENTS, *_WORDS)), max_size=20).map(" ".join),
)


@given(script=_SCRIPTS, dialect=st.sampled_from(_DIALECTS))
@settings(max_examples=400)
def test_any_text_is_read_in_a_short_time(script: str, dialect: str | None) -> None:
    before = time.process_time()
    effects, opaque = read_sql(script, 3, dialect=dialect, database="d")
    assert time.process_time() - before < 10
    assert all(effect.object.name for effect in effects)
    assert all(len(one.detail) < 120 and one.detail.isprintable() for one in opaque)


@given(
    statements=st.lists(st.sampled_from(_STATEMENTS), max_size=8),
    gap=st.sampled_from((";", ";\n", " ; -- and;\n", ";;/* ; */")),
    dialect=st.sampled_from(("postgresql", "mysql", "sqlite")),
)
def test_a_script_does_what_its_statements_do(
    statements: list[str], gap: str, dialect: str
) -> None:
    effects, opaque = read_sql(gap.join(statements), 3, dialect=dialect)
    apart = [read_sql(statement, 3, dialect=dialect) for statement in statements]
    assert list(effects) == [effect for one, _ in apart for effect in one]
    before = [sum(len(one) for one, _ in apart[:index]) for index in range(len(apart))]
    assert list(opaque) == [
        one._replace(place=one.place + done)
        for done, (_, several) in zip(before, apart, strict=True)
        for one in several
    ]
