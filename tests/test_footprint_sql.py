"""What SQL scripts do to the schema.

``sql_statements.txt`` has a statement on one line, behind the dialect (``any`` where nobody says
which it is), and below it what it does, in short:

    +t  ~t.a  -t.a           creates the table t, uses its column a, drops it
    +t.a?                    maybe
    -t.a>b  +t.b<a           a is renamed to b
    ~index t.i  ~index .i    an index, with and without its table
    ~constraint t.c  ~type e ~s.t.a
    !DO $$ BEGIN             opaque; with {creates drops} where it is not anything, and @t where
                             it is confined to one table

Further lines are what other versions of sqlglot make of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.schema.footprint import Action, Effect, Kind, Opaque, SchemaObject
from flask_chainfix.schema.sql.parsing import MOST_CHARACTERS
from flask_chainfix.schema.sql.script import MOST_STATEMENTS, read_sql

from .nightly import examples

_SIGNS = {Action.CREATE: "+", Action.USE: "~", Action.DROP: "-"}
_DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite", "mssql", "oracle", "firebird", None)
_UNREAD = " that cannot be read: "
OLD = int(version("sqlglot").partition(".")[0]) < 30


def done(script: str, dialect: str | None = None) -> list[str]:
    """What a script does, in short."""
    effects, opaque = told(script, dialect=dialect)
    return [*map(_effect, effects), *map(_opaque, opaque)]


def told(script: str, **how: Any) -> tuple[list[Effect], list[Opaque]]:
    """What is known of what a script does, and what is not."""
    found = list(read_sql(script, 5, **how))
    effects = [each for each in found if isinstance(each, Effect)]
    return effects, [each for each in found if isinstance(each, Opaque)]


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
    """The script does what the first answer says; other versions of sqlglot may give another."""
    found = done(script, dialect)
    if OLD and ", ".join(found) not in expected:
        # Older versions of sqlglot read less here and there, and more where newer ones leave what
        # happens to a table opaque; what is read must not be told otherwise.
        changes = {one for one in found if one[0] in "+-"}
        opaque = {one for one in changes if f"@{one[1:].partition('.')[0]}" in expected[0]}
        assert changes - opaque <= set(expected[0].split(", "))
    else:
        assert ", ".join(found) in expected


def _statements() -> Iterator[tuple[str | None, str, list[str]]]:
    """The dialect, the statement and the answers below it: that of the newest sqlglot first."""
    text = Path(__file__).with_name("sql_statements.txt").read_text()
    for row in re.findall(r"^[^#\s].*\n(?: +.*\n)+", text, re.MULTILINE):
        statement, *answers = row.splitlines()
        dialect, _, script = statement.partition(": ")
        told = ["" if each.strip() == "nothing" else each.strip() for each in answers]
        yield None if dialect == "any" else dialect, script.replace("\\n", "\n"), told


@pytest.mark.parametrize(("dialect", "script", "expected"), [*_statements()])
def test_statements(dialect: str | None, script: str, expected: list[str]) -> None:
    expect(dialect, script, *expected)


def test_behind_a_temporary_table_nobody_knows_what_names_stand_for() -> None:
    script = """
        DROP TABLE t;
        CREATE TEMPORARY TABLE copy (a int);
        INSERT INTO copy (a) SELECT b FROM u;
        DROP TABLE copy;
    """
    expect(None, script, "-t, !a temporary table: CREATE TEMPORARY TABLE copy (a int)")


def test_what_is_opaque_is_shown_in_sixty_printable_characters() -> None:
    _, (opaque,) = told("DO $$\n\tBEGIN \x1b[31m" + "é" * 99, dialect="postgresql")
    shown = opaque.detail.split(_UNREAD)[-1]
    assert len(shown) == 60
    assert shown.isprintable()
    assert shown.endswith("…")


def test_lines_databases_and_doubt_are_those_of_the_script() -> None:
    effects, opaque = told(
        "ALTER TABLE t RENAME TO u; ALTER TABLE v NONSENSE", certain=False, database="other"
    )
    assert {effect.line for effect in effects} == {5}
    assert not any(effect.certain for effect in effects)
    things = [thing for effect in effects for thing in (effect.object, effect.renamed) if thing]
    assert {thing.database for thing in things} == {"other"}
    assert [(one.line, one.table) for one in opaque] == [
        (5, SchemaObject(Kind.TABLE, "v", database="other"))
    ]


def test_effects_of_one_statement_are_given_once_and_of_two_twice() -> None:
    expect(None, "SELECT a, a FROM t WHERE a = 1; SELECT a FROM t", "~t, ~t.a, ~t, ~t.a")


# --- Size and time -------------------------------------------------------------------------------


def test_sqlglot_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from flask_chainfix.schema.python.footprint_reader import read_footprint;"
        "read_footprint(b'from alembic import op\\ndef upgrade(): op.execute(x)');"
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
    numbers = ", ".join(map(str, range(2_000)))
    expect(None, f"DELETE FROM t WHERE a IN ({numbers})", "~t, ~t.a")


@pytest.mark.parametrize(
    "script",
    [
        "SELECT " + "(" * 15_000,
        "SELECT " + "(" * 400 + "1" + ")" * 400,
        "SELECT " + "NOT " * 2000 + "a FROM t",
        "SELECT " + "CASE WHEN " * 500,
        # sqlglot takes twice as long for each of these.
        "SELECT a FROM t" + " JOIN u" * 60,
        "SELECT a FROM t" + (" JOIN u" * 4 + " ON a") * 10,
        "SELECT " + "enum(" * 60 + "1" + ")" * 60,
        "SELECT " + "ARRAY[" * 60 + "1" + "]" * 60,
        "SELECT " + "STRUCT<" * 60,
        "SELECT " + "IF " * 60,
        "SELECT " + "f(x -> decimal(" * 30,
        "CREATE TABLE t (" * 2000,
        "'" * 30_000,
        "$" * 30_000,
        "/*" * 15_000,
        "BEGIN " * 6_000,
        "CREATE TRIGGER BEGIN " * 3000,
        "[" * 30_000,
        "," * 30_000,
        "ALTER TABLE t ADD " * 3000,
        "SELECT a FROM t;" * 3_000,
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
@settings(max_examples=examples(75))
def test_any_text_is_read_in_a_short_time(script: str, dialect: str | None) -> None:
    before = time.process_time()
    effects, opaque = told(script, dialect=dialect, database="d")
    assert time.process_time() - before < 10
    assert all(effect.object.name for effect in effects)
    assert all(len(one.detail) < 120 and one.detail.isprintable() for one in opaque)


# Where a trigger ends that is not the whole of a script, only the database knows.
_PLAIN = [statement for statement in _STATEMENTS if "TRIGGER" not in statement]


@given(
    statements=st.lists(st.sampled_from(_PLAIN), max_size=8),
    gap=st.sampled_from((";", ";\n", " ; -- and;\n", ";;/* ; */")),
    dialect=st.sampled_from(("postgresql", "mysql", "sqlite")),
)
def test_a_script_does_what_its_statements_do(
    statements: list[str], gap: str, dialect: str
) -> None:
    together = read_sql(gap.join(statements), 3, dialect=dialect)
    apart = [read_sql(statement, 3, dialect=dialect) for statement in statements]
    assert list(together) == [each for one in apart for each in one]
