"""One table of database errors: what real servers say, and what a rehearsal advises for it."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.database_errors import trouble_of
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.rehearsal import FailureKind, RehearsalFailure
from flask_chainfix.rehearsal.child.failures import remedy_for
from tests.commands import fixchain
from tests.databases import new_database
from tests.nightly import first_of_each
from tests.rehearsals import add, create, plain
from tests.stamped import Again

NO_MODELS = "target_metadata = None"
ID = "b" * 40
# What every kind of database knows.
_TABLES = (
    "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, n INTEGER, s VARCHAR(4))",
    "CREATE INDEX ia ON a (n)",
    "CREATE VIEW v AS SELECT n FROM a",
    "INSERT INTO a VALUES (1, 1, 'a'), (2, NULL, 'b')",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
)
_ANYWHERE = (
    ("CREATE TABLE a (id INTEGER)", Trouble.EXISTS),
    ("CREATE INDEX ia ON a (n)", Trouble.EXISTS),
    ("ALTER TABLE a ADD COLUMN n INTEGER", Trouble.EXISTS),
    ("CREATE VIEW v AS SELECT 1", Trouble.EXISTS),
    ("DROP TABLE x", Trouble.NO_TABLE),
    ("DROP VIEW x", Trouble.NO_TABLE),
    ("ALTER TABLE x ADD COLUMN n INTEGER", Trouble.NO_TABLE),
    ("UPDATE timeout SET password = 1", Trouble.NO_TABLE),
    ("CREATE INDEX i ON a (password)", Trouble.NO_COLUMN),
    ("UPDATE a SET nope = 1", Trouble.NO_COLUMN),
    ("SELECT nope(1)", Trouble.NO_FUNCTION),
    ("INSERT INTO a VALUES (1, 5, 'b')", Trouble.VIOLATED),
    ("SELEKT 1", Trouble.NOT_KNOWN_THERE),
)
_SPECIAL: dict[str, tuple[tuple[str, Trouble], ...]] = {
    "sqlite": (
        ("ALTER TABLE a RENAME TO ia", Trouble.EXISTS),
        ("DROP INDEX x", Trouble.NO_OBJECT),
        ("CREATE TABLE c (s TEXT COLLATE nope)", Trouble.NO_OBJECT),
        ("ALTER TABLE a ADD COLUMN q INTEGER NOT NULL", Trouble.NULLS),
        ("INSERT INTO a (id, n, s) SELECT NULL, n, s FROM a WHERE FALSE", Trouble.OTHER),
        ("ALTER TABLE a ADD COLUMN q INTEGER UNIQUE", Trouble.NOT_KNOWN_THERE),
        ("ALTER TABLE a DROP COLUMN id", Trouble.NOT_KNOWN_THERE),
        ("ALTER TABLE a DROP COLUMN n", Trouble.IN_USE),
    ),
    "postgresql": (
        ("CREATE TYPE role AS ENUM ('x')", Trouble.EXISTS),
        ("CREATE SCHEMA own", Trouble.EXISTS),
        ("CREATE SEQUENCE sq", Trouble.EXISTS),
        ("ALTER TABLE a ADD CONSTRAINT ia UNIQUE (s)", Trouble.EXISTS),
        ("ALTER TABLE a ADD CONSTRAINT ck CHECK (id > 0)", Trouble.EXISTS),
        ("ALTER TABLE a ADD PRIMARY KEY (n)", Trouble.EXISTS),
        ("CREATE EXTENSION plpgsql", Trouble.EXISTS),
        ("CREATE TABLE nope.t (id INTEGER)", Trouble.NO_TABLE),
        ("ALTER TABLE a DROP CONSTRAINT nope", Trouble.NO_OBJECT),
        ("DROP TYPE nope", Trouble.NO_OBJECT),
        ("CREATE TABLE t (s citext)", Trouble.NO_OBJECT),
        ("CREATE TABLE t (u UUID DEFAULT uuid_generate_v4())", Trouble.NO_FUNCTION),
        ("CREATE EXTENSION nope", Trouble.NO_EXTENSION),
        ("CREATE TABLE t (a_id VARCHAR(3) REFERENCES a (id))", Trouble.FOREIGN_KEY),
        ("CREATE TABLE t (a_id INTEGER REFERENCES a (n))", Trouble.FOREIGN_KEY),
        ("DROP TABLE a", Trouble.IN_USE),
        ("DROP TYPE role", Trouble.IN_USE),
        ("ALTER TABLE a ADD COLUMN q INTEGER NOT NULL", Trouble.NULLS),
        ("ALTER TABLE a ALTER COLUMN n SET NOT NULL", Trouble.NULLS),
        ("INSERT INTO a VALUES (NULL, 1, 'a')", Trouble.NULLS),
        ("ALTER TABLE a ADD CONSTRAINT c2 CHECK (id > 5)", Trouble.VIOLATED),
        ("INSERT INTO e VALUES (1, 'x', 9)", Trouble.VIOLATED),
        ("ALTER TABLE a ALTER COLUMN s TYPE INTEGER", Trouble.CAST),
        ("INSERT INTO e VALUES (1, 'nope', 1)", Trouble.CAST),
        ("INSERT INTO a VALUES (9, 9, 'longer')", Trouble.CAST),
        (f"INSERT INTO alembic_version (version_num) VALUES ('{ID}')", Trouble.ID_TOO_LONG),
        (f"UPDATE alembic_version SET version_num = '{ID}'", Trouble.ID_TOO_LONG),
        ("BEGIN; CREATE DATABASE nope", Trouble.IN_TRANSACTION),
        ("BEGIN; ALTER TYPE role ADD VALUE 'y'; SELECT 'y'::role", Trouble.IN_TRANSACTION),
    ),
    "mariadb": (
        ("ALTER TABLE a ADD CONSTRAINT ia UNIQUE (s)", Trouble.EXISTS),
        ("ALTER TABLE a ADD PRIMARY KEY (n)", Trouble.EXISTS),
        ("CREATE TABLE h (id INT, CONSTRAINT fk FOREIGN KEY (id) REFERENCES a (id))",
         Trouble.EXISTS),
        ("CREATE DATABASE information_schema", Trouble.NO_RIGHTS),
        ("ALTER TABLE a DROP COLUMN x", Trouble.NO_OBJECT),
        ("ALTER TABLE a DROP INDEX nope", Trouble.NO_OBJECT),
        ("ALTER TABLE a DROP FOREIGN KEY nope", Trouble.NO_OBJECT),
        ("ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (s) REFERENCES a (id)", Trouble.FOREIGN_KEY),
        ("ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES nope (id)",
         Trouble.FOREIGN_KEY),
        ("DROP TABLE a", Trouble.IN_USE),
        ("ALTER TABLE e DROP INDEX fk", Trouble.IN_USE),
        ("INSERT INTO a (n) VALUES (4)", Trouble.NULLS),
        ("INSERT INTO a VALUES (NULL, 4, 'a')", Trouble.NULLS),
        ("INSERT INTO e VALUES (1, 9)", Trouble.VIOLATED),
        ("ALTER TABLE a ADD CONSTRAINT c2 CHECK (id > 5)", Trouble.VIOLATED),
        ("ALTER TABLE a MODIFY s INTEGER", Trouble.CAST),
        ("INSERT INTO a VALUES (9, 9, 'longer')", Trouble.CAST),
        (f"INSERT INTO alembic_version (version_num) VALUES ('{ID}')", Trouble.ID_TOO_LONG),
        (f"ALTER TABLE a ADD COLUMN {'x' * 70} INTEGER", Trouble.OTHER),
    ),
}  # fmt: skip
_MORE = {
    "sqlite": (),
    "postgresql": (
        "CREATE TYPE role AS ENUM ('x')", "CREATE SCHEMA own", "CREATE SEQUENCE sq",
        "ALTER TABLE a ADD CONSTRAINT ck CHECK (id > 0)",
        "CREATE TABLE e (id INTEGER, r role, a_id INTEGER REFERENCES a (id))",
    ),
    "mariadb": (
        "CREATE TABLE e (id INT, a_id INT, CONSTRAINT fk FOREIGN KEY (a_id) REFERENCES a (id))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(_SPECIAL))
def test_each_database_says_in_its_own_way_what_is_the_matter(kind: str, tmp_path: Path) -> None:
    wrong = []
    with new_database(kind, tmp_path) as url:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in (*_TABLES, *_MORE[kind]):
                connection.execute(text(statement))
            for statement, expected in (*_ANYWHERE, *_SPECIAL[kind]):
                found = Trouble.OTHER
                try:
                    connection.exec_driver_sql(statement)
                except DBAPIError as error:
                    found = trouble_of(error, statement)
                if statement.startswith("BEGIN"):
                    connection.exec_driver_sql("ROLLBACK")
                if found is not expected:
                    wrong.append((statement, found))
        engine.dispose()
    assert not wrong


# --- What a rehearsal advises --------------------------------------------------------------------

PRICE = "op.add_column('a', sa.Column('price', sa.Integer()))"
ROWS = 'op.execute("INSERT INTO a (id) VALUES (1), (2)")\n'
STRICT = "op.add_column('a', sa.Column('n', sa.Integer(), nullable=False))"
ROLE = "sa.Column('r', sa.Enum('x', name='role'))"
WITH_ROLE = f"op.create_table('b', sa.Column('id', sa.Integer(), primary_key=True), {ROLE})"
REFERS = (
    "op.create_table('b', sa.Column('id', sa.Integer(), primary_key=True),"
    " sa.Column('a_id', sa.String(9), sa.ForeignKey('a.id')))"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return plain(tmp_path, "a", models=NO_MODELS)


def rehearsed(url: str | None) -> dict[str, Any]:
    database = () if url is None else ("--database", url)
    done = fixchain("rehearse", "--format", "json", *database)
    assert done.exit_code == 3, done
    found = done.document["rehearsal_failure"]
    assert isinstance(found, dict), done.document["error"]
    return found


@pytest.mark.parametrize(
    ("database", "code", "kind", "advice"),
    first_of_each([
        ("sqlite", f"{PRICE}\n{PRICE}", "chain", "it is created twice"),
        ("sqlite", "op.drop_table('nope')", "chain", "create it in this migration"),
        ("sqlite", f"{ROWS}{STRICT}", "migration", "server_default"),
        ("postgresql", f"{ROWS}{STRICT}", "migration", "server_default"),
        ("postgresql", f"op.add_column('a', {ROLE})", "chain", '.create(op.get_bind()'),
        ("postgresql", f"sa.Enum('x', name='role').create(op.get_bind())\n{WITH_ROLE}", "chain",
         'postgresql.ENUM(…, name="role", create_type=False)'),
        ("postgresql", WITH_ROLE, "downgrade", 'sa.Enum(name="role").drop('),
        ("postgresql", "op.execute('ALTER TABLE a ADD u UUID DEFAULT uuid_generate_v4()')", "chain",
         "or the extension that has it"),
        ("postgresql", "op.execute('CREATE EXTENSION nope')", "database", "on that server"),
        ("postgresql", REFERS, "chain", "the same type"),
        ("mariadb", REFERS, "chain", "the same type"),
        ("mariadb", "op.create_index('i', 'a', ['id'])\nop.create_index('i', 'a', ['id'])",
         "chain", "it is created twice"),
    ], lambda case: case[0]),
)  # fmt: skip
def test_each_failure_has_a_remedy_of_its_own(
    project: Path,
    again: Again,
    tmp_path: Path,
    database: str,
    code: str,
    kind: str,
    advice: str,
) -> None:
    add(project, "b <- a", code, "op.drop_table('b')" if code == WITH_ROLE else "pass")
    found = rehearsed(None if database == "sqlite" else again.url(database, tmp_path))
    assert (found["kind"], found["revision"]) == (kind, "b"), found
    assert advice in found["remedy"]


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_an_id_that_the_server_refuses_is_to_be_shortened(
    project: Path, again: Again, tmp_path: Path, database: str
) -> None:
    add(project, f"{ID} <- a", create("b"))
    found = rehearsed(again.url(database, tmp_path))
    assert (found["kind"], found["trouble"]) == ("chain", "id too long")
    (remedy,) = found["remedies"]
    assert remedy["commands"] == ["fixchain repair --shorten-ids"]


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("nowhere_at_all", "install what provides nowhere_at_all"),
        ("nowhere.at.all", "install what provides nowhere.at.all"),
    ],
)
def test_a_module_that_is_missing_is_no_fault_of_the_chain(module: str, advice: str) -> None:
    message = f"ModuleNotFoundError: No module named '{module}'"
    remedy = Remedy.of(remedy_for(RehearsalFailure(FailureKind.MODULE, message), "", ""))
    assert advice in str(remedy.ways[0])
    assert "--attach" not in remedy


def test_a_missing_module_is_found_while_the_chain_is_loaded(project: Path) -> None:
    path = add(project, "b <- a", before="import nowhere_at_all")
    found = rehearsed(None)
    assert (found["kind"], found["revision"]) == ("module", None)
    assert found["path"] == f"migrations/versions/{path.name}"
    assert "install what provides nowhere_at_all" in found["remedy"]


def test_nothing_is_without_a_remedy() -> None:
    for kind, trouble, direction in product(FailureKind, (None, *Trouble), ("up", "down")):
        failure = RehearsalFailure(kind, "message", "b", direction, 1, trouble=trouble)
        for way in Remedy.of(remedy_for(failure, "postgresql", "{fixchain} rehearse")).ways:
            assert way.text
            assert not way.text.endswith((":", ".", " "))
