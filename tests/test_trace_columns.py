"""What columns, types and odd objects of a real schema show, and what they do not.

A chain is run step by step, each operation as Alembic runs it, and after each step a schema has to
say so: no later revision has run, and none is taken for another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.pool import NullPool, StaticPool

from flask_chainfix.databases.applied.by_schema import difference_in_words
from flask_chainfix.databases.applied.verdicts import Trace, Verdict, trace
from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.live_schema import read_schemas
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Trouble
from flask_chainfix.schema.footprint import Kind
from flask_chainfix.schema.live import Live

from .databases import KINDS
from .nightly import first_of, first_of_each
from .stamped import Again, sql
from .support import chain
from .traces import Written, facts_of, read_live, run

_USERS = (
    "op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True),"
    " sa.Column('mail', sa.String(40)), sa.Column('score', sa.Integer(), server_default='1'))"
)


@pytest.fixture
def engine(request: pytest.FixtureRequest, again: Again, tmp_path: Path) -> Iterator[Engine]:
    kind = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        made = create_engine("sqlite://", poolclass=StaticPool)
        yield made
        made.dispose()
        return
    yield create_engine(again.url(kind, tmp_path), poolclass=NullPool)


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


def _shown(
    engine: Engine, written: Sequence[Written], claimed: frozenset[str] = frozenset()
) -> Trace:
    facts = _facts(engine, written)
    with engine.connect() as connection, connection.begin():
        live = read_live(connection, Target("the database", engine.url), facts.named_schemas)
    return trace(facts, live, claimed)


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
def test_tenants_that_are_read_together_are_read_as_alone(engine: Engine) -> None:
    """Equal ones are one object, though their definitions name their own schemas."""
    tables = (
        "CREATE TYPE {0}.mood AS ENUM ('good', 'bad')",
        "CREATE TABLE {0}.a (id SERIAL PRIMARY KEY, mood {0}.mood DEFAULT 'good'::{0}.mood)",
        "CREATE TABLE {0}.b (a INTEGER CONSTRAINT fk REFERENCES {0}.a (id), n NUMERIC(8, 2),"
        " CONSTRAINT ck CHECK (n > 0))",
        "CREATE INDEX ix ON {0}.b (n)",
        "CREATE VIEW {0}.v AS SELECT id FROM {0}.a",
    )
    names = ['"Odd.one"', "one", "two"]
    with engine.begin() as connection:
        for name in names:
            connection.execute(text(f"CREATE SCHEMA {name}"))
            for table in tables[: 4 if name == "two" else 5]:
                connection.execute(text(table.format(name)))
    targets = [Target(name, engine.url, schema=name.strip('"')) for name in names]
    together = [*read_schemas(targets, frozenset(), lambda *_: None).values()]
    with engine.connect() as connection, connection.begin():
        alone = [read_live(connection, target) for target in targets]
    assert together[0] is together[1]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, Live)
        for about in ("found", "unclear", "spelled", "looked", "built"):
            assert getattr(one, about) == getattr(other, about), about
    assert len({frozenset(each.found.items()) for each in alone}) == 2


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


_FOREIGN_KEY = "'other', ['score'], ['id']"


@on_postgresql
def test_a_server_gives_a_new_constraint_the_name_of_the_one_that_was_dropped(
    engine: Engine,
) -> None:
    """So does PostgreSQL, after `drop_constraint("users_score_fkey")`."""
    written = _line(
        (
            "op.create_table('other', sa.Column('id', sa.Integer(), primary_key=True))",
            _USERS,
            f"op.create_foreign_key('users_score_fkey', 'users', {_FOREIGN_KEY})",
        ),
        (
            "op.drop_constraint('users_score_fkey', 'users', type_='foreignkey')",
            f"op.create_foreign_key(None, 'users', {_FOREIGN_KEY}, ondelete='CASCADE')",
        ),
        "op.add_column('users', sa.Column('age', sa.Integer()))",
    )
    assert _step_by_step(engine, written) == ["run", "run", "rrr"]
    assert _shown(engine, written).differences == ()


_DROPS_INDEX = "op.drop_index('ix_users_mail', 'users')"


@pytest.mark.parametrize(
    ("engine", "dropped"),
    [
        ("postgresql", "op.drop_constraint('uq_users_mail', 'users', type_='unique')"),
        ("postgresql", _DROPS_INDEX),
        ("mariadb", _DROPS_INDEX),
    ],
    indirect=["engine"],
)
@pytest.mark.parametrize(
    "unnamed",
    [
        f"op.create_foreign_key(None, 'users', {_FOREIGN_KEY})",
        "op.execute('ALTER TABLE users ADD COLUMN age integer')",
    ],
)
def test_no_server_gives_a_name_that_a_person_chose(
    engine: Engine, dropped: str, unnamed: str
) -> None:
    made = (
        "op.create_table('other', sa.Column('id', sa.Integer(), primary_key=True))",
        _USERS,
        "op.create_unique_constraint('uq_users_mail', 'users', ['mail'])",
        "op.create_index('ix_users_mail', 'users', ['mail'])",
    )
    run(engine, (*made, unnamed))
    (sign,) = _shown(engine, _line(made, dropped, unnamed)).revisions["b"].signs
    assert sign.made is False


@on_mariadb
def test_mariadb_gives_names_by_number_and_by_column(engine: Engine) -> None:
    unnamed = f"op.create_foreign_key(None, 'users', {_FOREIGN_KEY})"
    unique = "op.create_unique_constraint(None, 'users', ['mail'])"
    written = _line(
        (
            "op.create_table('other', sa.Column('id', sa.Integer(), primary_key=True))",
            _USERS,
            f"op.create_foreign_key('users_ibfk_1', 'users', {_FOREIGN_KEY})",
            "op.create_index('mail', 'users', ['mail'])",
            "op.create_index('mail_2', 'users', ['mail', 'score'])",
        ),
        ("op.drop_constraint('users_ibfk_1', 'users', type_='foreignkey')", unnamed),
        (
            "op.drop_index('mail', 'users')",
            "op.drop_index('mail_2', 'users')",
            *(unique, unique.replace("['mail']", "['mail', 'id']")),
        ),
        "op.add_column('users', sa.Column('age', sa.Integer()))",
    )
    assert _step_by_step(engine, written)[-1] == "rrrr"
    assert _shown(engine, written).differences == ()


def test_what_is_made_unseen_and_then_dropped_is_missing_before_that(engine: Engine) -> None:
    written = _line(
        _USERS,
        "for old, new in zip(['users'], ['people']):\n        op.rename_table(old, new)",
        "op.drop_table('people')",
        "op.create_table('rest', sa.Column('id', sa.Integer()))",
    )
    assert _step_by_step(engine, written) == ["ruun", "uunn", "uuun", "rrrr"]


@on_postgresql
def test_a_naming_convention_changes_the_names_of_constraints(engine: Engine) -> None:
    """As the one that SQLAlchemy recommends does."""
    written = _line(
        _USERS,
        "op.create_check_constraint('positive', 'users', 'score > 0')",
        "op.add_column('users', sa.Column('age', sa.Integer()))",
    )
    for each, verdicts in zip(written, ("rnn", "run", "rrr"), strict=True):
        run(engine, each.operations, {"ck": "ck_%(table_name)s_%(constraint_name)s"})
        found = _shown(engine, written)
        assert (_verdicts(found), found.differences) == (verdicts, ())


@on_postgresql
def test_sqlalchemy_cuts_the_names_that_a_naming_convention_makes_too_long(engine: Engine) -> None:
    table, name = "subscription_billing_invoice_line_items", "amount_is_positive_or_zero"
    written = _line(
        _USERS.replace("users", table),
        f"op.create_check_constraint({name!r}, {table!r}, 'score > 0')",
        f"op.add_column({table!r}, sa.Column('age', sa.Integer()))",
    )
    for each, verdicts in zip(written, ("rnn", "run", "rrr"), strict=True):
        run(engine, each.operations, {"ck": "ck_%(table_name)s_%(constraint_name)s"})
        found = _shown(engine, written)
        assert (_verdicts(found), found.differences) == (verdicts, ())


_NAMING = {
    "ix": "idx_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_OTHER = "op.create_table('other', sa.Column('id', sa.Integer(), primary_key=True))"
_ANEW = ("op.drop_table('users')", _USERS)
_FLAG = "sa.Enum('a', 'b', name='flag', native_enum=False, create_constraint=True)"


def _batch(*operations: str, table: str = "users") -> str:
    inside = "".join(f"\n        batch.{operation}" for operation in operations)
    return f"with op.batch_alter_table({table!r}) as batch:{inside}"


def _anew(old: str, new: str) -> tuple[str, ...]:
    """The table is dropped and made again, with something else in it."""
    return tuple(each.replace(old, new) for each in _ANEW)


def _dropped(name: str, sort: str) -> str:
    return _batch(f"drop_constraint({name!r}, type_={sort!r})")


_INDEX = "op.create_index('idx_users_mail', 'users', ['mail'])"
_UNIQUE = _batch("create_unique_constraint('uq_users_mail', ['mail'])")
_FOREIGN = _batch("create_foreign_key('fk_users_score_other', 'other', ['score'], ['id'])")
_FOREIGN_DROPPED = _dropped("fk_users_score_other", "foreignkey")
_CHECK = _batch("create_check_constraint(op.f('ck_users_flag'), sa.text('score > 0'))")
_CHECK_DROPPED = _batch("drop_constraint(op.f('ck_users_flag'), type_='check')")
_KEY = (
    _USERS.replace(", primary_key=True", "")[:-1]
    + ", sa.PrimaryKeyConstraint('id', name='pk_users'))"
)

# What is made, and then dropped and made again.
_AGAIN: dict[str, tuple[str, ...]] = {
    "index": (
        _INDEX,
        "op.drop_index('idx_users_mail', 'users')",
        "op.create_index(None, 'users', ['mail'])",
    ),
    "index, no table": (
        _INDEX,
        "op.drop_index('idx_users_mail')",
        "op.create_index(None, 'users', ['mail'])",
    ),
    "index, SQL": (
        _INDEX,
        "op.execute('DROP INDEX idx_users_mail')",
        "op.create_index(None, 'users', ['mail'])",
    ),
    "index=True": (
        _INDEX,
        "op.drop_index('idx_users_mail')",
        *_anew("sa.String(40)", "sa.String(40), index=True"),
    ),
    "index=True, new column": (
        _INDEX.replace("idx_users_mail", "idx_users_age"),
        "op.drop_index('idx_users_age')",
        "op.add_column('users', sa.Column('age', sa.Integer(), index=True, unique=True))",
    ),
    "Index": (
        _INDEX,
        "op.drop_index('idx_users_mail')",
        *_anew("='1')", "='1'), sa.Index(None, 'mail')"),
    ),
    "index to constraint": (
        "op.create_index('uq_users_mail', 'users', ['mail'], unique=True)",
        "op.drop_index('uq_users_mail', 'users')",
        _batch("create_unique_constraint(None, ['mail'])"),
    ),
    "index of an older table": (
        _INDEX,
        "op.rename_table('users', 'old')",
        "op.drop_index('idx_users_mail', 'old')",
        _USERS.replace("sa.Integer(), primary_key=True", "sa.BigInteger()"),
        "op.create_index(None, 'users', ['mail'])",
    ),
    "unique": (
        _UNIQUE,
        _dropped("uq_users_mail", "unique"),
        _batch("create_unique_constraint(None, ['mail', 'score'])"),
    ),
    "unique in one batch": (
        _UNIQUE,
        _batch(
            "drop_constraint('uq_users_mail', type_='unique')",
            "create_unique_constraint(None, ['mail', 'score'])",
        ),
    ),
    "unique=True": (
        _UNIQUE,
        _dropped("uq_users_mail", "unique"),
        *_anew("sa.String(40)", "sa.String(40), unique=True"),
    ),
    "unique=True, new column": (
        _UNIQUE.replace("uq_users_mail", "uq_users_age"),
        _dropped("uq_users_age", "unique"),
        _batch("add_column(sa.Column('age', sa.Integer(), unique=True))"),
    ),
    "UniqueConstraint": (_UNIQUE, *_anew("='1')", "='1'), sa.UniqueConstraint('mail')")),
    "unique, then renamed": (
        _UNIQUE,
        _dropped("uq_users_mail", "unique"),
        _batch("create_unique_constraint(None, ['mail'])"),
        "op.rename_table('users', 'people')",
    ),
    "unique, renamed before": (
        _UNIQUE.replace("uq_users", "uq_people"),
        _dropped("uq_people_mail", "unique"),
        "op.rename_table('users', 'people')",
        _batch("create_unique_constraint(None, ['mail'])", table="people"),
    ),
    "foreign key": (
        _FOREIGN,
        _FOREIGN_DROPPED,
        _batch("create_foreign_key(None, 'other', ['score'], ['id'])"),
    ),
    "ForeignKey": (_FOREIGN, *_anew("server_default='1'", "sa.ForeignKey('other.id')")),
    "ForeignKeyConstraint": (
        _FOREIGN,
        *_anew("='1')", "='1'), sa.ForeignKeyConstraint(['score'], ['other.id'])"),
    ),
    "check": (
        _CHECK,
        _CHECK_DROPPED,
        _batch("create_check_constraint('flag', sa.text('score > 1'))"),
    ),
    "CheckConstraint": (
        _CHECK,
        *_anew("='1')", "='1'), sa.CheckConstraint('score > 1', name='flag')"),
    ),
    "check of a new column": (
        _CHECK,
        _CHECK_DROPPED,
        _batch(f"add_column(sa.Column('flag', {_FLAG}))"),
    ),
    "check of a named type": (
        _CHECK,
        _CHECK_DROPPED,
        _batch(f"add_column(sa.Column('flag', {_FLAG.replace('native_enum=False, ', '')}))"),
    ),
    "check of an altered type": (
        _CHECK,
        _CHECK_DROPPED,
        _batch(f"alter_column('mail', type_={_FLAG})"),
    ),
    "key": (_KEY, *_ANEW),
    "PrimaryKeyConstraint": (_KEY, *_anew(_USERS, _KEY.replace(", name='pk_users'", ""))),
    "create_primary_key": (
        _KEY,
        _dropped("pk_users", "primary"),
        _batch("create_primary_key(None, ['id', 'score'])"),
    ),
}
_ON_POSTGRESQL = ("index", "index=True", "unique", "foreign key", "ForeignKey", "check", "key")
_REST = "op.create_table('rest', sa.Column('id', sa.Integer()))"


def _told_of_healthy(
    engine: Engine, written: Sequence[Written], naming: dict[str, str]
) -> list[str]:
    """Run a chain, and return what is said against any of its revisions, after each of them."""
    told = []
    for number, each in enumerate(written, 1):
        run(engine, each.operations, naming)
        stamp = frozenset(each.revision for each in written[:number])
        for claimed in (stamp, frozenset[str]()):
            found = _shown(engine, written, claimed)
            verdicts = _verdicts(found)
            if {*verdicts[:number]} & {*"nh"} or {*verdicts[number:]} & {*"rh"}:
                told.append(verdicts)
            facts = _facts(engine, written)
            told += [difference_in_words(each, facts) for each in found.differences]
    return told


_CASES = [
    *(
        pytest.param("sqlite", steps, together, id=f"{name}, {how}")
        for name, steps in _AGAIN.items()
        for together, how in ((False, "in several"), (True, "in one revision"))
    ),
    *(
        pytest.param("postgresql", _AGAIN[name], False, id=f"{name}, on PostgreSQL")
        for name in _ON_POSTGRESQL
    ),
]


def _shows(case: Sequence[object]) -> object:
    """By day, each part is made in one way on SQLite, and one of them on PostgreSQL."""
    kind, steps, _ = case
    return steps if kind == "sqlite" else kind


@pytest.mark.parametrize(
    ("engine", "steps", "together"), first_of_each(_CASES, _shows), indirect=["engine"]
)
def test_a_naming_convention_gives_a_new_part_the_name_of_the_one_that_was_dropped(
    engine: Engine, steps: tuple[str, ...], together: bool
) -> None:
    first, *rest = steps
    made = (_OTHER, first) if first == _KEY else (_OTHER, _USERS, first)
    written = _line(made, *([tuple(rest)] if together else rest), _REST)
    assert _told_of_healthy(engine, written, _NAMING) == []
    assert _verdicts(_shown(engine, written))[-1] == "r"


def test_a_naming_convention_names_the_index_of_a_column(engine: Engine) -> None:
    written = _line(
        _USERS.replace("sa.String(40)", "sa.String(40), index=True"),
        "op.add_column('users', sa.Column('age', sa.Integer(), index=True))",
    )
    assert _told_of_healthy(engine, written, _NAMING) == []
    assert _verdicts(_shown(engine, written)) == "rr"
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX idx_users_mail"))
        connection.execute(text("DROP INDEX idx_users_age"))
    signs = _shown(engine, written).revisions["a"].signs
    assert [sign.made for sign in signs if sign.step.object.kind is Kind.INDEX] == [False]


_FOREIGN_UNNAMED = _batch("create_foreign_key(None, 'other', ['score'], ['id'])")


@pytest.mark.parametrize("engine", first_of(["sqlite", "postgresql"]), indirect=True)
@pytest.mark.parametrize(
    ("made", "dropped", "later"),
    [
        (_INDEX, "op.drop_index('idx_users_mail', 'users')", _FOREIGN_UNNAMED),
        (_INDEX, "op.drop_index('idx_users_mail')", "op.create_index(None, 'other', ['id'])"),
        (
            _INDEX,
            "op.drop_index('idx_users_mail')",
            _batch("create_unique_constraint(None, ['mail'])"),
        ),
        (
            _INDEX,
            "op.drop_index('idx_users_mail')",
            "op.create_index('by_mail', 'users', ['mail'])",
        ),
        (
            _INDEX,
            "op.drop_index('idx_users_mail')",
            "op.create_index(None, 'users', ['score', 'mail'])",
        ),
        (
            _INDEX,
            "op.drop_index('idx_users_mail')",
            "op.add_column('users', sa.Column('note', sa.Text(), index=True))",
        ),
        (
            _INDEX,
            "op.drop_index('idx_users_mail')",
            "op.add_column('users', sa.Column('x', sa.Text()))",
        ),
        (_UNIQUE, _dropped("uq_users_mail", "unique"), "op.create_index(None, 'users', ['mail'])"),
        (_UNIQUE, _dropped("uq_users_mail", "unique"), _FOREIGN),
        (
            _UNIQUE,
            _dropped("uq_users_mail", "unique"),
            _batch("create_unique_constraint(batch.f('uq_users'), ['mail', 'id'])"),
        ),
        (_UNIQUE, _dropped("uq_users_mail", "unique"), _FOREIGN_UNNAMED),
        (
            _UNIQUE,
            _dropped("uq_users_mail", "unique"),
            _batch("create_unique_constraint('uq_both', ['mail', 'id'])"),
        ),
        (_UNIQUE, _dropped("uq_users_mail", "unique"), _OTHER.replace("other", "more")),
        (
            _batch(
                "create_unique_constraint('uq_users', ['mail', 'id'])",
                "create_unique_constraint('uq_users_mail', ['mail'])",
            ),
            _dropped("uq_users_mail", "unique"),
            _dropped("uq_users", "unique"),
        ),
        (_FOREIGN, _FOREIGN_DROPPED, _batch("create_unique_constraint(None, ['mail'])")),
        (
            _FOREIGN,
            _FOREIGN_DROPPED,
            _batch("create_check_constraint('positive', sa.text('score > 0'))"),
        ),
    ],
)
def test_a_drop_that_was_left_out_is_known_beside_other_parts(
    engine: Engine, made: str, dropped: str, later: str
) -> None:
    first = (_OTHER, _USERS, made)
    run(engine, (*first, later), _NAMING)
    (sign,) = _shown(engine, _line(first, dropped, later)).revisions["b"].signs
    assert sign.made is False


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


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_columns_that_cannot_be_read_are_not_missing(engine: Engine) -> None:
    """What the view reads is gone, so SQLite tells no columns of it."""
    written = [
        Written("a", (), ("op.create_table('t', sa.Column('id', sa.Integer()))",)),
        Written("b", ("a",), ("op.add_column('t', sa.Column('x', sa.Integer()))",)),
    ]
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW t AS SELECT id FROM gone"))
    assert _verdicts(_shown(engine, written)) == "ru"


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


# --- Indexes and constraints that were added by hand ---------------------------------------------

_PLAIN = (
    "op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True),"
    " sa.Column('mail', sa.String(40)), sa.Column('boss', sa.Integer()),"
    " sa.Column('at', sa.DateTime(timezone=True)), sa.UniqueConstraint('mail', name='uq_mail'))"
)
_NAMED_INDEX = "op.create_index('ix_mail', 'users', ['mail'])"
_ADDED = {
    "index by_hand": "CREATE INDEX by_hand ON users (boss)",
    "index once": "CREATE UNIQUE INDEX once ON users (boss)",
}
_CONSTRAINTS = {
    "constraint to_boss": "FOREIGN KEY (boss) REFERENCES users (id)",
    "constraint one_boss": "UNIQUE (boss)",
    "constraint some_boss": "CHECK (boss > 0)",
}


def _extra(engine: Engine, written: Sequence[Written]) -> list[str]:
    found = _shown(engine, written).differences
    assert {each.kind for each in found} <= {"extra"}, found
    return [f"{each.object.kind.value} {each.object.name}" for each in found]


@everywhere
def test_an_index_or_a_constraint_that_was_added_is_extra(engine: Engine) -> None:
    written = _line(_PLAIN, _NAMED_INDEX)
    for each in written:
        run(engine, each.operations)
    assert _extra(engine, written) == []
    kind, expected = engine.dialect.name, {*_ADDED}
    with engine.begin() as connection:
        for statement in _ADDED.values():
            connection.execute(text(statement))
        for name, definition in _CONSTRAINTS.items() if kind != "sqlite" else ():
            added = f"ALTER TABLE users ADD CONSTRAINT {name.split()[1]} {definition}"
            connection.execute(text(added))
    if kind == "postgresql":
        expected |= {*_CONSTRAINTS}
    elif kind in ("mysql", "mariadb"):  # a unique constraint is an index there
        expected |= {"constraint to_boss", "index one_boss"}
    assert {*_extra(engine, written)} == expected


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_constraint_of_sqlite_that_was_added_is_extra(engine: Engine) -> None:
    written = _line(_PLAIN)
    run(engine, written[0].operations)
    added = ", ".join(
        f"CONSTRAINT {name.split()[1]} {definition}" for name, definition in _CONSTRAINTS.items()
    )
    with engine.begin() as connection:
        (made,) = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'users'"))
        connection.execute(text("DROP TABLE users"))
        connection.execute(text(f"{made[0].rstrip().removesuffix(')')}, {added})"))
    assert {*_extra(engine, written)} == {*_CONSTRAINTS}


_CHILD = "sa.Column('id', sa.Integer(), primary_key=True), sa.Column('owner', sa.Integer())"


@pytest.mark.parametrize("engine", first_of(KINDS), indirect=True)
@pytest.mark.parametrize(
    "operations",
    [
        "op.create_table('t', sa.Column('a', sa.Integer(), unique=True))",
        "op.create_table('t', sa.Column('a', sa.Integer(), index=True))",
        "op.create_table('t', sa.Column('a', sa.Integer(), sa.ForeignKey('users.id')))",
        f"op.create_table('t', {_CHILD}, sa.ForeignKeyConstraint(['owner'], ['users.id']))",
        f"op.create_table('t', {_CHILD}, sa.UniqueConstraint('owner'))",
        f"op.create_table('t', {_CHILD}, sa.UniqueConstraint('owner', name='uq'))",
        f"op.create_table('t', {_CHILD}, sa.CheckConstraint('owner > 0'))",
        f"op.create_table('t', {_CHILD}, sa.Index('i', 'owner'))",
        f"op.create_table('t', {_CHILD}, sa.Index(None, 'owner'))",
        "op.create_table('t', sa.Column('a', sa.Enum('x', name='e', native_enum=False,"
        " create_constraint=True)))",
        "op.create_table('t', sa.Column('a', sa.Boolean(name='b', create_constraint=True)))",
        "op.create_table('t', sa.Column('a', sa.Enum('x', 'y', name='e')))",
        "op.create_table('t', sa.Column('a', sa.Integer(), sa.Identity()))",
        "op.execute('CREATE TABLE t (a INTEGER UNIQUE, b INTEGER, UNIQUE (b))')",
        (  # on SQLite, Alembic also makes an index that is named after the copy of the table
            f"op.create_table('t', {_CHILD})",
            "with op.batch_alter_table('t') as batch:\n        batch.drop_column('owner')\n"
            "        batch.add_column(sa.Column('by', sa.Integer(), index=True))",
        ),
        (
            f"op.create_table('t', {_CHILD})",
            "op.rename_table('t', 'u')",
            "op.create_index('i', 'u', ['owner'])",
            "op.rename_table('u', 'v')",
        ),
        (f"op.create_table('t', {_CHILD})", "op.create_index(None, 't', ['owner'])"),
        (
            f"op.create_table('t', {_CHILD})",
            "with op.batch_alter_table('t', table_args=(sa.UniqueConstraint('owner', name='u'),),"
            " recreate='always') as batch:\n"
            "        batch.add_column(sa.Column('x', sa.Integer()))",
        ),
        (
            f"op.create_table('t', {_CHILD}, sa.ForeignKeyConstraint(['owner'], ['users.id']))",
            "with op.batch_alter_table('t', naming_convention={'fk': 'fk_%(table_name)s'})"
            " as batch:\n        batch.alter_column('owner', nullable=False,"
            " existing_type=sa.Integer())",
        ),
    ],
)
def test_what_the_chain_makes_under_any_name_is_not_extra(
    engine: Engine, operations: str | tuple[str, ...]
) -> None:
    written = _line(_PLAIN, operations)
    for each in written:
        run(engine, each.operations)
    assert _extra(engine, written) == []


@pytest.fixture
def meanwhile(server_url: str) -> Callable[[str], Live | Obstacle]:
    """Reads the schema while a statement runs after each query, with the number of the query."""
    parts = "id INTEGER PRIMARY KEY, note INTEGER, CONSTRAINT {0}_note UNIQUE (note)"
    for name in ("kept", *(f"gone_{number}" for number in range(9))):
        sql(server_url, f"CREATE TABLE {name} ({parts.format(name)})")
        sql(server_url, f"CREATE INDEX {name}_ix ON {name} (note)")
    target, numbers = Target("the database", make_url(server_url)), iter(range(9))
    statement, is_changing = "", False

    def change(*_: object) -> None:
        nonlocal is_changing
        if not is_changing and (number := next(numbers, None)) is not None:
            is_changing = True
            sql(server_url, statement.format(number))
            is_changing = False

    def read(changing: str) -> Live | Obstacle:
        nonlocal statement
        statement = changing
        event.listen(Engine, "after_cursor_execute", change)
        try:
            (found,) = read_schemas([target], frozenset(), lambda *_: None).values()
        finally:
            event.remove(Engine, "after_cursor_execute", change)
        return found

    return read


def test_tables_that_appear_meanwhile(meanwhile: Callable[[str], Live | Obstacle]) -> None:
    live = meanwhile("CREATE TABLE late_{} (id INTEGER)")
    assert isinstance(live, Live), live
    tables = {key.name for key in live.found if key.kind is Kind.TABLE}
    with_columns = {key.table for key in live.found if key.kind is Kind.COLUMN}
    assert "kept" in with_columns
    assert with_columns <= tables
    if live.dialect == "postgresql":  # the only one whose catalog can be read at one moment
        assert with_columns == tables


def test_tables_that_vanish_meanwhile(meanwhile: Callable[[str], Live | Obstacle]) -> None:
    """PostgreSQL's own functions see each moment, and refuse what is gone in it."""
    found = meanwhile("DROP TABLE gone_{}")
    if isinstance(found, Live):
        assert "kept" in {key.table for key in found.found if key.kind is Kind.COLUMN}
    else:
        assert found.kind is Trouble.CHANGING
        assert "wait until it has finished, then run the command again" in found.remedy
