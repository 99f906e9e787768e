"""What columns, types and odd objects of a real schema show, and what they do not.

A chain is run step by step, each operation as Alembic runs it, and after each step a schema has to
say so: no later revision has run, and none is taken for another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, StaticPool

from flask_chainfix.databases.applied.by_schema import difference_in_words
from flask_chainfix.databases.applied.verdicts import Trace, Verdict, trace
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.live_schema import read_live
from flask_chainfix.databases.targets import Target

from .databases import KINDS, new_database
from .support import chain
from .traces import Written, facts_of, run

_USERS = (
    "op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True),"
    " sa.Column('mail', sa.String(40)), sa.Column('score', sa.Integer(), server_default='1'))"
)


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    kind = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        made = create_engine("sqlite://", poolclass=StaticPool)
        yield made
        made.dispose()
        return
    with new_database(kind, tmp_path) as url:
        yield create_engine(url, poolclass=NullPool)


everywhere = pytest.mark.parametrize("engine", KINDS, indirect=True)
on_postgresql = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
on_mariadb = pytest.mark.parametrize("engine", ["mariadb"], indirect=True)


def _line(*steps: Sequence[str] | str) -> list[Written]:
    """A chain a, b, c …, each revision with its operations."""
    names = "abcdefgh"[: len(steps)]
    return [
        Written(
            name, (names[at - 1],) if at else (), (step,) if isinstance(step, str) else (*step,)
        )
        for at, (name, step) in enumerate(zip(names, steps, strict=True))
    ]


def _facts(engine: Engine, written: Sequence[Written]) -> Facts:
    return facts_of(written, engine.dialect.name)


def _shown(engine: Engine, written: Sequence[Written]) -> Trace:
    facts = _facts(engine, written)
    with engine.connect() as connection:
        live = read_live(connection, Target("the database", engine.url), facts.named_schemas)
    return trace(facts, live)


def _verdicts(found: Trace) -> str:
    """One letter for each revision: run, not run, half run, unknown."""
    return "".join(each.verdict.value[0] for each in found.revisions.values())


def _step_by_step(engine: Engine, written: Sequence[Written]) -> list[str]:
    """What the schema shows after each revision."""
    found = []
    for each in written:
        run(engine, each.operations)
        found.append(_verdicts(_shown(engine, written)))
    return found


def _alter(arguments: str) -> str:
    return f"with op.batch_alter_table('users') as batch:\n        batch.alter_column({arguments})"


@everywhere
def test_alters_show_whether_they_have_run(engine: Engine) -> None:
    mail, score = "'mail', existing_type=sa.String(40)", "'score', existing_type=sa.Integer()"
    written = _line(
        _USERS,
        _alter(f"{mail}, nullable=False"),
        _alter(f"{score}, existing_nullable=True, server_default=None"),
        _alter("'mail', type_=sa.String(80), existing_nullable=False"),
        _alter("'mail', new_column_name='address', type_=sa.Text(), existing_nullable=False"),
        _alter("'address', nullable=True, existing_type=sa.Text()"),
    )
    assert _step_by_step(engine, written) == [
        "rnnnnn",
        "rrnnnn",
        "rrrnnn",
        "rrrrnn",
        "rrrrrn",
        "rrrrrr",
    ]


@everywhere
def test_a_column_that_was_altered_by_hand_is_otherwise(engine: Engine) -> None:
    written = _line(_USERS, "op.add_column('users', sa.Column('age', sa.Integer()))")
    for each in written:
        run(engine, each.operations)
    run(engine, [_alter("'mail', existing_type=sa.String(40), nullable=False")])
    run(engine, [_alter("'age', type_=sa.BigInteger(), server_default='7'")])
    found = _shown(engine, written)
    assert _verdicts(found) == "rr"
    facts = _facts(engine, written)
    said = {difference_in_words(each, facts).partition(" (")[0] for each in found.differences}
    assert said == {
        "column users.mail is NOT NULL, though a",
        "column users.age is BIGINT, though b",
        "column users.age has a default, though b",
    }


@everywhere
def test_half_of_the_alters_of_a_revision(engine: Engine) -> None:
    first = _alter("'mail', existing_type=sa.String(40), nullable=False")
    second = _alter("'score', type_=sa.BigInteger(), existing_server_default='1'")
    written = _line(_USERS, (first, second))
    run(engine, written[0].operations)
    run(engine, [first])
    assert _verdicts(_shown(engine, written)) == ("rh")


@everywhere
def test_what_a_source_does_not_tell_plainly_is_not_compared(engine: Engine) -> None:
    written = _line(
        "op.create_table('users', sa.Column('id', sa.Integer()), sa.PrimaryKeyConstraint('id'),"
        " sa.Column('on', sa.Boolean(), server_default=sa.false()),"
        " sa.Column('kind', sa.Enum('a', 'b', name='kind')),"
        " sa.Column('at', sa.TIMESTAMP()), sa.Column('sum', sa.Numeric()),"
        " sa.Column('made', sa.DateTime(), server_default=sa.func.now()),"
        " sa.Column('half', sa.Float()), sa.Column('day', sa.Date()),"
        " sa.Column('name', sa.String(20).with_variant(sa.Text(), 'sqlite')"
        ".with_variant(sa.Text(), 'mysql')))",
    )
    run(engine, written[0].operations)
    found = _shown(engine, written)
    assert (_verdicts(found), found.differences) == ("r", ())


@on_mariadb
def test_mysql_forgets_what_an_alter_does_not_say(engine: Engine) -> None:
    written = _line(
        "op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True),"
        " sa.Column('mail', sa.String(40), nullable=False, server_default='x'))",
        "op.alter_column('users', 'mail', type_=sa.String(80), existing_type=sa.String(40))",
    )
    assert _step_by_step(engine, written) == ["rn", "rr"]
    assert _shown(engine, written).differences == ()


# --- Types ---------------------------------------------------------------------------------------


@on_postgresql
def test_a_type_or_a_value_that_is_missing_has_not_been_made(engine: Engine) -> None:
    written = _line(
        "op.execute(\"CREATE TYPE mood AS ENUM ('sad')\")",
        "op.execute(\"ALTER TYPE mood ADD VALUE 'ok'\")",
        'op.execute("CREATE DOMAIN word AS text")',
        _USERS,
    )
    assert _verdicts(_shown(engine, written)) == "nnnn"
    # One that is there may have been left behind by a downgrade.
    assert _step_by_step(engine, written) == ["unnn", "uunn", "uuun", "rrrr"]


@on_postgresql
def test_a_type_that_a_downgrade_has_left_behind_proves_nothing(engine: Engine) -> None:
    table = "op.create_table('t', sa.Column('kind', sa.Enum('a', name='kind')))"
    written = _line(_USERS, table)
    assert _step_by_step(engine, written) == ["rn", "rr"]
    run(engine, ["op.drop_table('t')"])
    assert _verdicts(_shown(engine, written)) == "rn"


# --- What may be so for another reason -----------------------------------------------------------


@everywhere
def test_a_temporary_table_is_none(engine: Engine) -> None:
    made = (
        "op.create_table('passing', sa.Column('id', sa.Integer()), prefixes=['TEMPORARY'])",
        "op.create_index('ix_passing', 'passing', ['id'])",
        "op.execute('SELECT id FROM passing')",
    )
    written = _line(_USERS, made, "op.add_column('users', sa.Column('age', sa.Integer()))")
    run(engine, written[0].operations)
    assert _verdicts(_shown(engine, written)) == "run"
    run(engine, written[2].operations)
    found = _shown(engine, written)
    assert (_verdicts(found), found.differences) == ("rrr", ())


@on_postgresql
def test_names_after_search_path_mean_another_schema(engine: Engine) -> None:
    away = ("op.execute('SET LOCAL search_path TO other')", "op.create_table('logs')")
    written = _line(_USERS, away)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA other"))
    run(engine, (*written[0].operations, *away))
    assert _verdicts(_shown(engine, written)) == "ru"


@on_postgresql
def test_what_comes_with_other_tables(engine: Engine) -> None:
    written = _line(
        (
            "op.execute('CREATE TABLE parts (id int) PARTITION BY LIST (id)')",
            "op.execute('CREATE TABLE part PARTITION OF parts FOR VALUES IN (1)')",
            "op.create_table('base', sa.Column('id', sa.Integer()))",
            "op.create_table('child', sa.Column('own', sa.Integer()), postgresql_inherits='base')",
        ),
        "op.add_column('base', sa.Column('more', sa.Integer()))",
        "op.create_index('parts_id_idx', 'parts', ['id'])",
        "op.add_column('child', sa.Column('more', sa.Integer()))",
    )
    # The column of the child has come with that of its base.
    assert _step_by_step(engine, written[:3]) == ["rnn", "rrn", "rrr"]
    found = _shown(engine, written)
    assert (_verdicts(found), found.differences) == ("rrru", ())


@everywhere
def test_a_constraint_that_nobody_has_named_may_have_been_made_unseen(engine: Engine) -> None:
    written = _line(
        _USERS,
        _alter("'mail', existing_type=sa.String(40), nullable=False"),
        "with op.batch_alter_table('users') as batch:\n"
        "        batch.drop_constraint('users_mail_key', type_='unique')",
    )
    run(engine, written[0].operations)
    assert _verdicts(_shown(engine, written)) == "rnn"


@on_postgresql
def test_names_in_other_letters_are_others(engine: Engine) -> None:
    written = _line("op.create_table('Users', sa.Column('Id', sa.Integer()))", _USERS)
    assert _step_by_step(engine, written) == ["uu", "uu"]


def test_sqlite_has_names_that_sqlalchemy_does_not_tell(engine: Engine) -> None:
    made = (
        "op.execute('CREATE TABLE t (a INTEGER CONSTRAINT a_set NOT NULL,"
        " b INTEGER CONSTRAINT b_odd CHECK (b > 0))')"
    )
    written = _line(made, _USERS)
    run(engine, [made])
    found = _shown(engine, written)
    assert (_verdicts(found), found.differences) == ("rn", ())


def test_main_is_the_schema_of_a_sqlite_database(engine: Engine) -> None:
    written = _line(
        "op.create_table('users', sa.Column('id', sa.Integer()), schema='main')",
        "op.add_column('users', sa.Column('age', sa.Integer()))",
    )
    assert _step_by_step(engine, written) == ["rn", "rr"]
    assert _shown(engine, written).differences == ()


def test_what_cascade_takes_along_was_not_left_out(engine: Engine) -> None:
    """The constraint of another table is gone as well: it may have been there."""
    written = _line(
        _USERS,
        "op.create_unique_constraint('uq', 'users', ['mail'])",
        "op.execute('DROP TABLE other CASCADE')",
    )
    facts = facts_of(written, "postgresql")
    (history,) = (each for key, each in facts.histories.items() if key.name == "uq")
    assert [step.state for step in history.steps] == [True, None]


def test_each_verdict_has_its_evidence(engine: Engine) -> None:
    written = _line(_USERS, _alter("'mail', existing_type=sa.String(40), nullable=False"))
    run(engine, written[0].operations)
    (sign,) = _shown(engine, written).revisions["b"].signs
    assert (sign.state, sign.step.state, sign.made) == ("nullable", "NOT NULL", False)
    assert _shown(engine, written).revisions["b"].verdict is Verdict.NOT_RUN


# --- Several binds -------------------------------------------------------------------------------

_BINDS = """
from alembic import op
import sqlalchemy as sa
revision = {!r}
down_revision = {!r}

def upgrade(engine_name):
    globals()[f"upgrade_{{engine_name}}"]()

def upgrade_():
    {}

def upgrade_logs():
    {}
"""


def test_each_bind_is_compared_with_its_own_tables(engine: Engine) -> None:
    lines = "op.create_table('lines', sa.Column('id', sa.Integer()))"
    sized = "op.add_column('lines', sa.Column('size', sa.Integer()))"
    texts = {
        "a.py": _BINDS.format("a", None, _USERS, lines),
        "b.py": _BINDS.format("b", "a", "pass", sized),
        "c.py": _BINDS.format("c", "b", "op.create_table('last')", "pass"),
    }
    facts = chain(extra={name: text.encode() for name, text in texts.items()})
    facts = replace(facts, environment=replace(facts.environment, dialect="sqlite"))
    run(engine, [lines, sized])

    def shown(bind: str) -> str:
        with engine.connect() as connection:
            live = read_live(connection, Target("the database", engine.url, bind=bind))
        return _verdicts(trace(facts, live))

    assert shown("logs") == "rru"  # nothing of c is for this bind
    assert shown("") == "nnn"
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE lines"))
    run(engine, [_USERS])
    assert shown("") == "run"
    assert shown("logs") == "nnn"
