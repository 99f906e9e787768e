"""``rehearse --rows``: rows that constraints allow, and what fails on them as in production."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from flask_chainfix.rehearsal.child.made_rows import RowMaker, lost
from tests import traces
from tests.commands import Done, fixchain
from tests.nightly import examples
from tests.rehearsals import add, create, drop, plain
from tests.stamped import Again

TABLE = (
    "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True),"
    " sa.Column('name', sa.String(20)), sa.Column('n', sa.Integer()))"
)
BATCH = "with op.batch_alter_table('t') as batch:\n    batch."


@pytest.fixture
def project(top: Path) -> Path:
    """The working directory, with an environment that makes one table."""
    plain(top, models="target_metadata = None")
    add(top, "a", TABLE, drop("t"))
    return top


def rehearse(*options: str) -> Done:
    return fixchain("rehearse", "--rows", "--format", "json", *options)


# --- What fails ----------------------------------------------------------------------------------

ON_ROWS = [
    ("op.add_column('t', sa.Column('x', sa.Integer(), nullable=False))", "nulls", "server_default"),
    (f"{BATCH}alter_column('name', existing_type=sa.String(20), nullable=False)", "nulls",
     "nullable"),
    ("op.create_index('i', 't', ['name'], unique=True)", "violated", "correct or delete"),
    ("op.create_table('p', sa.Column('id', sa.Integer(), primary_key=True))\n"
     f"{BATCH}create_check_constraint('c', 'n < 5')", "violated", "correct or delete"),
]  # fmt: skip


@pytest.mark.parametrize(("up", "trouble", "remedy"), ON_ROWS)
def test_what_fails_on_rows_fails_here(project: Path, up: str, trouble: str, remedy: str) -> None:
    add(project, "b <- a", up, "pass")
    done = rehearse()
    assert done.exit_code == 3, done
    failure = done.document["rehearsal_failure"]
    assert (failure["kind"], failure["revision"]) == ("migration", "b")
    assert (failure["trouble"], failure["direction"]) == (trouble, "up")
    assert "tables hold rows here" in failure["cause"]
    assert remedy in failure["remedy"]


def test_without_rows_the_same_chain_runs(project: Path) -> None:
    add(project, "b <- a", "op.create_index('i', 't', ['name'], unique=True)",
        "op.drop_index('i', 't')")  # fmt: skip
    assert fixchain("rehearse").exit_code == 0


ON_SERVERS = (
    f"{BATCH}alter_column('name', existing_type=sa.String(20), type_=sa.Integer(),"
    " postgresql_using='name::integer')",
    f"{BATCH}alter_column('name', existing_type=sa.String(20), type_=sa.String(5))",
)


@pytest.mark.parametrize("up", ON_SERVERS)
def test_casts_fail_on_servers(project: Path, server_url: str, up: str) -> None:
    add(project, "b <- a", up, "pass")
    done = rehearse("--database", server_url)
    failure = done.document["rehearsal_failure"]
    assert failure is not None, done
    assert (failure["revision"], failure["trouble"]) == ("b", "cast")


# --- What is told --------------------------------------------------------------------------------


def test_rows_that_downgrades_delete_are_counted(project: Path) -> None:
    add(project, "b <- a", create("b"), f"op.execute('DELETE FROM t WHERE n IS NULL')\n{drop('b')}")
    add(project, "c <- b", "op.rename_table('t', 's')", "op.rename_table('s', 't')")
    done = rehearse("--stairway")
    assert done.exit_code == 0, done
    told = done.document["rehearsal_rows"]["lost"]
    assert [(each["revision"], each["table"], each["rows"]) for each in told] == [
        ("a", "t", 3),
        ("b", "b", 3),
        ("b", "t", 1),
    ]
    shown = fixchain("rehearse", "--rows", "--stairway").stdout
    assert "the downgrade of a deletes 3 rows of t" in " ".join(shown.split())


def test_tables_that_cannot_be_filled_are_named_with_the_reason(project: Path) -> None:
    never = (
        "op.create_table('never', sa.Column('id', sa.Integer(), primary_key=True),"
        " sa.Column('n', sa.Integer(), sa.CheckConstraint('n > 5 AND n < 5', name='c'),"
        " nullable=False))"
    )
    child = (
        "op.create_table('child', sa.Column('id', sa.Integer(), primary_key=True),"
        " sa.Column('parent', sa.Integer(), sa.ForeignKey('never.id'), nullable=False))"
    )
    add(project, "b <- a", f"{never}\n{child}", f"{drop('child')}\n{drop('never')}")
    done = rehearse()
    assert done.exit_code == 0, done
    told = {each["table"]: each["why"] for each in done.document["rehearsal_rows"]["empty"]}
    assert told == {
        "never": "CHECK constraint failed: c",
        "child": "its foreign key points to never, which has no rows",
    }


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ({"t": 3}, {"t": 3}, {}),
        ({"t": 3}, {"t": 1}, {"t": 2}),
        ({"t": 3}, {}, {"t": 3}),
        ({"t": 3}, {"s": 3}, {}),
        ({"t": 3, "u": 3}, {"s": 3}, {"u": 3}),
        ({"t": 0}, {}, {}),
        ({"t": 3}, {"t": 9}, {}),
    ],
)
def test_rows_of_a_renamed_table_are_not_lost(
    before: dict[str, int], after: dict[str, int], gone: dict[str, int]
) -> None:
    assert lost(before, after) == gone


# --- The rows themselves -------------------------------------------------------------------------

SCHEMA = [
    "CREATE TABLE parent (id INTEGER PRIMARY KEY, code VARCHAR(3) NOT NULL UNIQUE)",
    "CREATE TABLE kind (a INTEGER NOT NULL, b VARCHAR(4) NOT NULL, PRIMARY KEY (a, b))",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent (id),"
    " one INTEGER UNIQUE REFERENCES parent (id), me INTEGER NOT NULL REFERENCES child (id),"
    " a INTEGER NOT NULL, b VARCHAR(4) NOT NULL, age INTEGER NOT NULL,"
    " state VARCHAR(10) NOT NULL, share NUMERIC(5, 2) NOT NULL, born DATE, at TIMESTAMP,"
    " note VARCHAR(20), CHECK (age >= 18 AND age < 100), CHECK (state IN ('new', 'old')),"
    " CHECK (share > 0 AND share <= 1), FOREIGN KEY (a, b) REFERENCES kind (a, b))",
]


def rows_of(engine: Engine, table: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        result = connection.exec_driver_sql(f"SELECT * FROM {table}")
        return [dict(row._mapping) for row in result]


def filled(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection, connection.begin():
        return dict(RowMaker("alembic_version").fill(connection))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, again: Again, tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(again.url(request.param, tmp_path), poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        if request.param == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        for statement in SCHEMA:
            connection.exec_driver_sql(statement)
    yield engine
    with engine.connect() as connection, connection.begin():
        for table in ("child", "kind", "parent"):
            connection.exec_driver_sql(f"DROP TABLE {table}")


def test_rows_meet_all_constraints_and_are_as_awkward_as_these_allow(engine: Engine) -> None:
    assert filled(engine) == {}
    first, second, third = rows_of(engine, "child")
    assert first["note"] == second["note"]
    assert len(first["note"]) == 20
    assert (third["note"], third["born"]) == (None, None)
    assert len({row["code"] for row in rows_of(engine, "parent")}) == 3
    assert all(18 <= row["age"] < 100 for row in (first, second, third))


def test_rows_are_the_same_every_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        engine = create_engine(f"sqlite:///{tmp_path / name}", poolclass=NullPool)
        with engine.connect() as connection, connection.begin():
            for statement in SCHEMA:
                connection.exec_driver_sql(statement)
        filled(engine)
        made.append({table: rows_of(engine, table) for table in ("parent", "kind", "child")})
    assert made[0] == made[1]


# --- Random chains -------------------------------------------------------------------------------


# What rows that are alike, and values that are NULL or of another type, may refuse. No other
# operation needs one of these.
_REFUSED = re.compile(r"create_unique_constraint|alter_column.*\b(nullable=False|type_=)")


def test_rows_are_counted_once_between_two_steps(engine: Engine) -> None:
    maker, counts = RowMaker("alembic_version"), []

    def counted(*sent: Any) -> None:
        counts.extend(["count(*)"] * sent[2].startswith("SELECT 0, count(*)"))

    with engine.connect() as connection, connection.begin():
        maker.fill(connection)
        event.listen(engine, "before_cursor_execute", counted)
        for _ in range(3):
            maker.forget()
            held = maker.counted(connection)
            assert maker.fill(connection) == {}
            assert maker.counted(connection) == held
        assert len(counts) == 3
    event.remove(engine, "before_cursor_execute", counted)


def chain_with_rows(engine: Engine, seed: int, length: int) -> None:
    """Every table of a random chain has rows after every revision, and steps fail only on these."""
    maker = RowMaker("alembic_version")
    for each in traces.random_chain(Random(seed), length):
        for operation in each.operations:
            if not _REFUSED.search(operation):
                traces.run(engine, [operation])
        maker.forget()
        with engine.connect() as connection, connection.begin():
            assert maker.fill(connection) == {}
        for table in inspect(engine).get_table_names():
            assert len(rows_of(engine, table)) >= 3


@given(seed=st.integers(0, 10**9))
@settings(max_examples=examples(4), deadline=None)
def test_random_chains_with_rows(seed: int) -> None:
    engine = create_engine("sqlite://")
    chain_with_rows(engine, seed, 8)
    engine.dispose()


@pytest.mark.parametrize("seed", range(examples(1)))
def test_random_chains_with_rows_on_servers(server_url: str, seed: int) -> None:
    engine = create_engine(server_url, poolclass=NullPool)
    chain_with_rows(engine, seed, 5)
    with engine.connect() as connection, connection.begin():
        for table in inspect(engine).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE {table}")
