"""What a migration does to the schema, read from Python source that is never run."""

from __future__ import annotations

import ast
from inspect import signature
from pathlib import Path

import pytest
from alembic.operations import BatchOperations, Operations
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix import disk
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.schema.footprint import Action, Kind, SchemaObject
from flask_chainfix.schema.python import operations
from flask_chainfix.schema.python.footprint_reader import read_footprint
from tests.disk import environment
from tests.footprints import doubts, effects, footprint, line
from tests.support import chain, rev

# --- Alembic's operations ------------------------------------------------------------------------

OPERATIONS = {
    "op.create_table('t', sa.Column('id', sa.Integer()), sa.Column('n', sa.String(5)))": [
        "+ table t",
        "+ column t.id",
        "+ column t.n",
    ],
    "op.create_table('t', sa.Column('id'), schema='s', if_not_exists=True)": [
        "+ table s.t?",
        "+ column s.t.id?",
    ],
    "op.create_table('t', sa.Column('u', sa.ForeignKey('user.id')))": [
        "· table user",
        "· column user.id",
        "+ table t",
        "+ column t.u",
    ],
    "op.create_table('t', sa.Column('up', sa.ForeignKey('t.id')), sa.Column('id'))": [
        "+ table t",
        "+ column t.up",
        "+ column t.id",
    ],
    "op.create_table('t', sa.ForeignKeyConstraint(['a', 'b'], ['s.m.a', 's.m.b'], name='fk'))": [
        "· table s.m",
        "· column s.m.a",
        "· column s.m.b",
        "+ table t",
        "+ constraint t.fk",
    ],
    "op.create_table('t', sa.Column('c', sa.ForeignKey('u.id', use_alter=True)))": [
        "+ table t",
        "+ column t.c",
    ],
    "op.create_table('t', sa.UniqueConstraint('a', name=op.f('uq')))": [
        "+ table t",
        "+ constraint t.uq",
    ],
    "op.create_table(table_name='t')": ["+ table t"],
    "op.create_table('t', prefixes=['UNLOGGED'])": ["+ table t"],
    "op.create_table('t', sa.Column('s', sa.Enum('a', name='st')))": [
        "+ table t",
        "+ column t.s",
        "+ type st?",
    ],
    "op.create_table('t', sa.Column('s', postgresql.ENUM(name='st', create_type=False)))": [
        "+ table t",
        "+ column t.s",
        "· type st?",
    ],
    "op.create_table('t', sa.Column('s', sa.ARRAY(sa.Enum('a', name='st'))))": [
        "+ table t",
        "+ column t.s",
        "+ type st?",
    ],
    "op.drop_table('t')": ["- table t"],
    "op.drop_table('t', schema='s', if_exists=True)": ["- table s.t?"],
    "op.rename_table('t', 'u')": ["- table t = u", "+ table u = t"],
    "op.rename_table('t', 'u', schema='s')": ["- table s.t = s.u", "+ table s.u = s.t"],
    "op.add_column('t', sa.Column('c', sa.Integer()))": ["· table t", "+ column t.c"],
    "op.add_column('t', sa.Column('c', sa.ForeignKey('u.id')), schema='s')": [
        "· table s.t",
        "· table u",
        "· column u.id",
        "+ column s.t.c",
    ],
    "op.add_column('t', sa.Column('c', sa.Enum('a', name='st')))": [
        "· table t",
        "· type st?",
        "+ column t.c",
    ],
    "op.drop_column('t', 'c')": ["· table t", "- column t.c"],
    "op.drop_column(table_name='t', column_name='c')": ["· table t", "- column t.c"],
    "op.alter_column('t', 'c', nullable=False)": ["· table t", "· column t.c"],
    "op.alter_column('t', 'c', new_column_name='d')": [
        "· table t",
        "- column t.c = t.d",
        "+ column t.d = t.c",
    ],
    "op.create_index('ix', 't', ['a', sa.text('lower(b)')])": [
        "· table t",
        "· column t.a",
        "+ index t.ix?",
    ],
    "op.create_index(op.f('ix'), table_name='t', columns=['a'], unique=True)": [
        "· table t",
        "· column t.a",
        "+ index t.ix",
    ],
    "op.drop_index('ix')": ["- index ix"],
    "op.drop_index('ix', table_name='t')": ["· table t?", "- index t.ix"],
    "op.create_foreign_key('fk', 't', 'u', ['a'], ['id'], referent_schema='s')": [
        "· table t",
        "· column t.a",
        "· table s.u",
        "· column s.u.id",
        "+ constraint t.fk",
    ],
    "op.create_foreign_key(None, 't', 'u', ['a'], ['id'])": [
        "· table t",
        "· column t.a",
        "· table u",
        "· column u.id",
    ],
    "op.create_unique_constraint('uq', 't', ['a'])": [
        "· table t",
        "· column t.a",
        "+ constraint t.uq",
    ],
    "op.create_primary_key('pk', 't', ['a'])": ["· table t", "· column t.a", "+ constraint t.pk"],
    "op.create_check_constraint('ck', 't', 'a > 0')": ["· table t", "+ constraint t.ck"],
    "op.create_exclude_constraint('ex', 't', ('a', '='))": ["· table t", "+ constraint t.ex"],
    "op.drop_constraint('uq', 't', type_='unique')": ["· table t", "- constraint t.uq"],
    "op.create_table_comment('t', 'hello')": ["· table t"],
    "op.drop_table_comment('t')": ["· table t"],
    "op.bulk_insert(sa.table('t', sa.column('a')), [{'a': 1}, {'b': 2}])": [
        "· table t",
        "· column t.a",
        "· column t.b",
    ],
}


@pytest.mark.parametrize(("body", "expected"), OPERATIONS.items(), ids=OPERATIONS.keys())
def test_operations(body: str, expected: list[str]) -> None:
    assert effects(body) == expected


def test_the_whole_of_alembics_operation_api_is_known() -> None:
    offered = {name for name in dir(Operations) if not name.startswith("_")}
    not_about_the_schema = {
        "context",
        "create_module_class_proxy",
        "get_context",
        "implementation_for",
        "impl",
        "invoke",
        "migration_context",
        "register_operation",
        "run_async",
    }
    known = set(operations.KNOWN)
    assert offered - not_about_the_schema <= known
    assert set(BATCH) <= {name for name in dir(BatchOperations) if not name.startswith("_")} | {""}


@pytest.mark.parametrize("name", sorted(set(operations.KNOWN) & set(dir(Operations))))
def test_parameters_have_alembics_names_and_order(name: str) -> None:
    if name == "f":
        return  # Alembic's own has a name that nobody writes
    theirs = list(signature(getattr(Operations, name)).parameters)[1:]
    ours = operations.KNOWN[name].parameters
    assert list(ours) == theirs[: len(ours)]


BATCH = {
    "add_column": ("b.add_column(sa.Column('c'))", "+ column s.t.c"),
    "drop_column": ("b.drop_column('c')", "- column s.t.c"),
    "alter_column": ("b.alter_column('c', nullable=True)", "· column s.t.c"),
    "create_index": ("b.create_index('ix', ['c'])", "+ index s.t.ix"),
    "drop_index": ("b.drop_index(b.f('ix'))", "- index s.t.ix"),
    "create_unique_constraint": ("b.create_unique_constraint('u', ['c'])", "+ constraint s.t.u"),
    "create_primary_key": ("b.create_primary_key('p', ['c'])", "+ constraint s.t.p"),
    "create_check_constraint": ("b.create_check_constraint('k', 'c > 0')", "+ constraint s.t.k"),
    "create_foreign_key": (
        "b.create_foreign_key('f', 'u', ['c'], ['id'])",
        "+ constraint s.t.f",
    ),
    "drop_constraint": ("b.drop_constraint('k', type_='check')", "- constraint s.t.k"),
}


@pytest.mark.parametrize("name", BATCH)
def test_batch_operations_are_about_the_table_of_the_batch(name: str) -> None:
    call, expected = BATCH[name]
    found = effects(f"with op.batch_alter_table('t', schema='s') as b:\n    {call}")
    assert found[0] == ("· table s.t?" if name == "drop_index" else "· table s.t")
    assert found[-1] == expected


# --- Python around them --------------------------------------------------------------------------

FOLLOWED = {
    "a constant of the module": ("op.drop_table(NAME)", "NAME = 'a'", ["- table a"]),
    "an f-string of constants": ("op.drop_table(f'{P}_x{1}')", "P = 'a'", ["- table a_x1"]),
    "a sum": ("x = 'a'\nx += '_b'\nop.drop_table(x)", "", ["- table a_b"]),
    "a loop": ("for t in ('a', 'b'):\n    op.drop_table(t)", "", ["- table a", "- table b"]),
    "a loop over pairs": (
        "for t, c in [('a', 'x'), ('b', 'y')]:\n    op.drop_column(t, c)",
        "",
        ["· table a", "- column a.x", "· table b", "- column b.y"],
    ),
    "a loop over a dictionary": (
        "for t, cs in D.items():\n    for c in cs:\n        op.drop_column(t, c)",
        "D = {'a': ['x', 'y']}",
        ["· table a", "- column a.x", "- column a.y"],
    ),
    "a loop backwards": (
        "for t in reversed(['b', 'a']):\n    op.drop_table(t)",
        "",
        ["- table a", "- table b"],
    ),
    "a helper function": (
        "drop('a')\ndrop(table='b')",
        "def drop(table, suffix='_x'):\n    op.drop_table(table + suffix)",
        ["- table a_x", "- table b_x"],
    ),
    "a helper's result": (
        "op.create_table('t', *columns())",
        "def columns():\n    return [sa.Column('a'), sa.Column('b')]",
        ["+ table t", "+ column t.a", "+ column t.b"],
    ),
    "a function in the function": (
        "p = 'a'\ndef drop(t):\n    op.drop_table(p + t)\ndrop('b')",
        "",
        ["- table ab"],
    ),
    "another name for op": (
        "migration.drop_table('a')\no.drop_table('b')\nalembic.op.drop_table('c')",
        "import alembic\nimport alembic.op as o\nfrom alembic import op as migration",
        ["- table a", "- table b", "- table c"],
    ),
    "op as an argument": (
        "run(op)",
        "def run(operations):\n    operations.drop_table('a')",
        ["- table a"],
    ),
    "a column of another module's type": (
        "op.add_column('t', sa.Column('c', types.GUID(), default=make()))",
        "from app import types\nfrom app.defaults import make",
        ["· table t", "+ column t.c"],
    ),
    "Flask-SQLAlchemy's words": (
        "op.create_table('t', db.Column('c', db.Integer, db.ForeignKey('u.id')))",
        "from app import db",
        ["· table u", "· column u.id", "+ table t", "+ column t.c"],
    ),
    "a walrus": ("if (t := 'a'):\n    op.drop_table(t)", "", ["- table a"]),
    "a constant condition": ("if 0:\n    op.drop_table('a')\nelse:\n    pass", "", []),
    "autocommit": (
        "with op.get_context().autocommit_block():\n    op.drop_table('a')",
        "",
        ["- table a"],
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_python_is_followed(name: str) -> None:
    body, module, expected = FOLLOWED[name]
    assert effects(body, module) == expected


CONDITIONAL = {
    "a condition": "if op.get_bind().dialect.name == 'sqlite':\n    op.drop_table('a')",
    "its other side": "if x():\n    pass\nelse:\n    op.drop_table('a')",
    "a way out before it": "if context.is_offline_mode():\n    return\nop.drop_table('a')",
    "an attempt": "try:\n    op.drop_table('a')\nexcept Exception:\n    pass",
    "a loop over what is found": "for t in range(n):\n    op.drop_table('a')",
    "a while loop": "while n:\n    op.drop_table('a')",
    "a choice in an expression": "op.drop_table('a') if n else None",
    "a short circuit": "n and op.drop_table('a')",
    "a comprehension": "[op.drop_table('a') for t in ('a', 'b')]",
    "a comprehension of pairs": "{t: op.drop_table('a') for t in ('a', 'b')}",
    "what is put into a comprehension": "[t for s in 'ab' for t in (op.drop_table('a'),)]",
    "a loop left early": "for t in ('b', 'a'):\n    if n:\n        break\n    op.drop_table('a')",
}
_N = "n = sorted\ndef x():\n    return n"


@pytest.mark.parametrize("name", CONDITIONAL)
def test_what_may_not_happen_is_uncertain(name: str) -> None:
    assert effects(CONDITIONAL[name], _N) == ["- table a?"]


@pytest.mark.parametrize("manager", ["contextlib.suppress(Exception)", "careful()"])
def test_what_a_context_manager_lets_fail_is_uncertain(manager: str) -> None:
    module = "import contextlib\n@contextlib.contextmanager\ndef careful(): ..."
    body = f"with {manager}:\n    op.drop_table('a')"
    assert [line(effect) for effect in footprint(body, module).effects] == ["- table a?"]


def test_what_runs_in_a_transaction_is_certain() -> None:
    for manager in ("op.get_bind().begin()", "sa.orm.Session(op.get_bind()) as s"):
        assert effects(f"with {manager}:\n    op.drop_table('a')") == ["- table a"]


def test_a_generator_runs_only_if_somebody_iterates() -> None:
    assert effects("def go():\n    op.drop_table('a')\n    yield\ngo()") == ["- table a?"]


def test_a_global_name_may_be_set_by_any_function() -> None:
    module = "T = 'a'\ndef change():\n    global T\n    T = 'b'"
    assert doubts("change()\nop.drop_table(T)", module) == ["-"]


def test_a_migration_that_raises_has_not_run() -> None:
    assert effects("if n:\n    raise SystemExit\nop.drop_table('a')", _N) == ["- table a"]


def test_a_name_that_depends_on_a_condition_is_not_known() -> None:
    assert doubts("if n:\n    t = 'a'\nelse:\n    t = 'b'\nop.drop_table(t)", _N) == ["-"]
    assert effects("t = 'a'\nif n:\n    u = 'b'\nop.drop_table(t)", _N) == ["- table a"]


# --- Data migrations and SQL ---------------------------------------------------------------------

USERS = "users = sa.table('users', sa.column('id'), sa.column('name'))"
DATA = {
    "op.execute(users.update().where(users.c.id == 1).values(name='x'))": [
        "· table users",
        "· column users.id",
    ],
    "op.get_bind().execute(sa.select(users.c['name']))": ["· column users.name"],
    "c = op.get_bind()\nc.execute(users.delete())": ["· table users"],
    "c = op.get_bind()\nq = users.insert().values(id=1)\nc.execute(q)": ["· table users"],
    "s = sa.orm.Session(bind=op.get_bind())\ns.query(Thing).filter(Thing.id == 1).delete()": [
        "· table things"
    ],
    "s = sa.orm.Session(bind=op.get_bind())\ns.add(Thing(id=1))\ns.commit()": ["· table things"],
    "t = sa.Table('r', sa.MetaData(), autoload_with=op.get_bind())\nop.execute(t.delete())": [
        "· table r",
        "· table r",
    ],
    "postgresql.ENUM('a', name='st').create(op.get_bind(), checkfirst=True)": ["+ type st?"],
    "sa.Enum(name='st').drop(op.get_bind())": ["- type st?"],
    "op.execute('UPDATE users SET name = 1')": ["· table users", "· column users.name"],
    "op.execute(sa.text('DROP TABLE users'))": ["- table users"],
    "op.get_bind().execute(sa.text('DROP TABLE users').bindparams(x=1))": ["- table users"],
    "context.execute('DROP TABLE users')": ["- table users"],
    "op.execute(SQL)": ["- table users"],
    "if n:\n    op.execute('DROP TABLE users')": ["- table users?"],
}
_MODELS = (
    f"{USERS}\nSQL = 'DROP TABLE users'\nn = sorted\n"
    "class Thing(sa.orm.declarative_base()):\n    __tablename__ = 'things'\n    id = sa.Column()"
)


@pytest.mark.parametrize(("body", "expected"), DATA.items(), ids=DATA.keys())
def test_data_migrations(body: str, expected: list[str]) -> None:
    assert effects(body, _MODELS) == expected


# --- What cannot be known ------------------------------------------------------------------------

OPAQUE = {
    "a computed table": ("op.create_table(input())", ["+·"]),
    "a part of a computed table": ("op.drop_column(input(), 'c')", ["+·-"]),
    "a computed column": ("op.add_column('t', make())", ["+·-", "+ t"]),
    "computed columns": ("op.create_table('t', *make())", ["+·-", "+ t"]),
    "a computed column name": ("op.drop_column('t', str(n))", ["- t"]),
    "a computed new name": ("op.alter_column('t', 'c', new_column_name=str(n))", ["+·- t"]),
    "computed SQL": ("op.execute(str(n))", ["+·-"]),
    "SQL that changes rows": ("op.execute(f'UPDATE {n} SET x = 1')", ["·"]),
    "SQL that reads rows": ("op.get_bind().execute(f'SELECT a FROM {n}')", ["·"]),
    "SQL that makes a table of rows": ("op.execute(f'SELECT a INTO b FROM {n}')", ["+·-"]),
    "SQL that calls a function": ("op.execute(f'SELECT purge({n})')", ["+·-"]),
    "SQL that changes rows and more": ("op.execute(f'DELETE FROM {n}; DROP TABLE t')", ["+·-"]),
    "SQL with a statement put in": (
        "op.execute('DELETE FROM t WHERE a = %s %s' % (n, '; DROP TABLE t'))",
        ["+·-"],
    ),
    "SQL that is formatted with more": (
        "op.execute('DELETE FROM t WHERE a = {}{b}'.format(n, b='; DROP TABLE t'))",
        ["+·-"],
    ),
    "SQL that creates": ("op.execute('CREATE TABLE ' + str(n))", ["+·-"]),
    "SQL that drops": ("op.execute('DROP TABLE {}'.format(n))", ["+·-"]),
    "SQL with a statement put in by name": (
        "op.execute('DELETE FROM t WHERE a = %(b)s' % {'b': '1; DROP TABLE t'})",
        ["+·-"],
    ),
    "a formatted name": ("op.drop_table('%s_%d' % ('a', 1))", ["-"]),
    "a name of str.format": ("op.drop_table('{}_{x}'.format('a', x='b'))", ["-"]),
    "what a comprehension makes": ("for t in [t for t in 'ab']:\n    op.drop_table(t)", ["-"]),
    "SQL that alters": ("op.execute('ALTER TABLE %s DROP x' % n)", ["+·-"]),
    "a match": ("match n:\n    case 1:\n        op.drop_table('a')", ["+·-"]),
    "a loop that waits": ("async for a in n:\n    op.drop_table('a')", ["+·-"]),
    "behind a match": ("match n:\n    case t:\n        pass\nop.drop_table(t)", ["+·-", "-"]),
    "a library with plain values": ("x = words.slug('A b', separator='_')", ["+·-"]),
    "an object of a library": ("x = words.Slugs().of('A b')", ["+·-"]),
    "what an object of a library holds": ("Job().runner.run()", ["+·-"]),
    "an operation of a plugin": ("op.create_view('v')", ["+·-"]),
    "a helper from elsewhere": ("make()", ["+·-"]),
    "the connection handed over": ("Job(op.get_bind())", ["+·-"]),
    "op handed over": ("print(op)", ["+·-"]),
    "op handed over in a list": ("print([op])", ["+·-"]),
    "the connection handed over in a dictionary": (
        "json.dumps({'a': [op.get_bind()]})",
        ["+·-"],
    ),
    "an object from elsewhere": ("Job().run()", ["+·-"]),
    "exec": ("exec('x = 1')", ["+·-"]),
    "globals": ("globals()['f']()", ["+·-", "+·-"]),
    "create": ("sa.Table('r', sa.MetaData()).create(op.get_bind())", ["+"]),
    "drop": ("sa.Table('r', sa.MetaData()).drop(op.get_bind(), checkfirst=True)", ["-"]),
    "create_all": ("sa.MetaData().create_all(op.get_bind())", ["+"]),
    "drop_all": ("sa.MetaData().drop_all(op.get_bind())", ["-"]),
    "a decorated function": (
        "def twice(f):\n    return f\n@twice\ndef go():\n    op.drop_table('a')\ngo()",
        ["+·-", "+·-"],
    ),
    "a function handed to another": ("list(map(lambda t: op.drop_table(t), ['a']))", ["+·-"]),
    "getattr": ("getattr(op, 'drop_' + 'table')('a')", ["+·-", "+·-"]),
    "a list that grows": (
        "cs = [sa.Column('a')]\ncs.append(sa.Column('b'))\nop.create_table('t', *cs)",
        ["+ t"],
    ),
    "an operation handed to a function": ("list(map(op.drop_table, ['a']))", ["+·-"]),
    "a list with two names": (
        "x = y = ['a', 'b']\ny.remove('a')\nfor t in x:\n    op.drop_table(t)",
        ["-"],
    ),
    "a list that a helper changes": (
        "def rm(z):\n    z.remove('a')\nx = ['a', 'b']\nrm(x)\nop.drop_table(x[0])",
        ["-"],
    ),
    "a dictionary that a helper changes": (
        "d = {'t': 'a'}\ndef change():\n    d['t'] = 'b'\nchange()\nop.drop_table(d['t'])",
        ["-"],
    ),
    "a nonlocal name": (
        "t = 'a'\ndef change():\n    nonlocal t\n    t = 'b'\nchange()\nop.drop_table(t)",
        ["-"],
    ),
    "a name from a star import": ("helper()", ["+·-"]),
    "a temporary table": ("op.create_table('t', prefixes=['TEMPORARY'])", ["+·-"]),
    "a computed foreign key": ("op.create_table('t', sa.Column('c', sa.ForeignKey(n)))", ["·"]),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_cannot_be_known_is_said(name: str) -> None:
    body, expected = OPAQUE[name]
    module = "import json, words\nfrom app.jobs import *\nfrom app.jobs import Job, make\nn = len"
    assert doubts(body, module) == expected


TABLES = {
    "a table of a pattern": ("op.create_table(f'{n}_log')", "user", ""),
    "any table": ("op.execute(f'CREATE TABLE {n} (a int)')", "user", ""),
    "anything": ("op.execute(f'{n}')", "user", ""),
    "no table but its parts": ("op.add_column(n, sa.Column('a'))", "", "user"),
    "no table but rows": ("op.execute(f'UPDATE t SET a = {n}')", "", "t"),
}


@pytest.mark.parametrize("name", TABLES)
def test_which_tables_a_computed_statement_may_make(name: str) -> None:
    body, touched, untouched = TABLES[name]
    evidence = chain(rev("a").doing("n = len", body)).evidence

    def may_make(table: str) -> bool:
        return any(evidence.doubts(Action.CREATE, SchemaObject(Kind.TABLE, table)))

    assert not touched or may_make(touched)
    assert not untouched or not may_make(untouched)


@pytest.mark.parametrize("own", [None, "slugify.py", "slugify/__init__.py"])
def test_a_module_of_the_project_may_do_anything_whatever_it_is_called(
    tmp_path: Path, own: str | None
) -> None:
    body = rev("a").doing("from slugify import slugify", "slugify('A b')")
    place = environment(tmp_path / "migrations", body)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    if own is not None:
        (tmp_path / own).parent.mkdir(exist_ok=True)
        (tmp_path / own).touch()
    facts = Facts.around(disk.read_snapshot(open_directory(str(place)).environment)[0])
    assert bool(facts.evidence.opaque) == (own is not None)


HARMFUL = {
    "the project's own": ("x = slugify('A b')", "from shop.text import slugify"),
    "beside the migration": ("x = slugify('A b')", "from .text import slugify"),
    "with the connection": ("x = slugify(op.get_bind())", "from slugify import slugify"),
    "with op": ("x = Helper(op).make('t')", "from slugify import Helper"),
    "called for what it does": ("tables('t')", "from helpful import tables"),
    "a name that says so": ("x = create_table('t')", "from helpful import create_table"),
    "a library of Alembic's": ("x = entity('t')", "from alembic_utils import entity"),
    "a driver": ("x = psycopg2.connect('x').cursor()", "import psycopg2"),
    "another program": ("subprocess.run(['psql'])", "import subprocess"),
    "an app's database": (
        "db = SQLAlchemy()\ndb.create_all()",
        "from flask_sqlalchemy import SQLAlchemy",
    ),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_what_may_reach_the_database_may_do_anything(name: str) -> None:
    body, module = HARMFUL[name]
    found = footprint(body, module)
    assert [doubt for doubt in found.opaque if Action.CREATE in doubt.actions]


def test_an_unknown_name_hides_nothing_else() -> None:
    found = footprint("op.drop_table(str(n))\nop.drop_table('a')", "n = len")
    assert [line(effect) for effect in found.effects] == ["- table a"]
    assert len(found.opaque) == 1


HARMLESS = {
    "a library that makes values": "from slugify import slugify\nx = slugify('A b')",
    "logging": "import logging\nlogging.getLogger('x').info('hello %s', 1)",
    "time": "import datetime\nx = datetime.datetime.utcnow()",
    "printing": "print('hello')",
    "looking": "sa.inspect(op.get_bind()).get_columns('t')",
    "rows": "for row in op.get_bind().execute(sa.select(sa.func.now())):\n    print(row.id)",
    "a docstring": "'''does nothing'''",
    "nothing": "pass",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_no_schema_is_no_doubt(name: str) -> None:
    assert effects(HARMLESS[name]) == []


# --- Whole files ---------------------------------------------------------------------------------


def test_every_bind_of_a_multi_database_migration_is_read() -> None:
    source = b"""
from alembic import op
import sqlalchemy as sa
B = sa.table('b')
def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()
def upgrade_():
    op.drop_table('a')
    op.execute(B.delete())
def upgrade_logs():
    op.drop_table('a')
    op.execute(B.delete())
"""
    found = read_footprint(source)
    of_default, of_logs = ["- table a", "· table b"], ["- table logs:a", "· table logs:b"]
    assert [line(effect) for effect in found.effects] == [*of_default, *of_logs]
    assert not found.opaque


@pytest.mark.parametrize(
    "source",
    [
        b"def upgrade(:",
        b"\xff\xfe",
        b"x = 1\0",
        b"from app import upgrade",
        b"upgrade = print",
        b"def upgrade():\n    f()\ndef f():\n    f()\n",
        b"from alembic import op\ndef upgrade():\n" + b"    op.anything(" + b"(" * 150 + b")" * 151,
        b"def upgrade():\n    s = '%s'\n    for a in s:\n        for b in s:\n            str(a)\n"
        % (b"a" * 9999),
        b"def upgrade():\n    x = " + b"+".join([b"1"] * 5000),
    ],
)
def test_what_cannot_be_followed_is_all_opaque(source: bytes) -> None:
    found = read_footprint(source)
    assert any(len(doubt.actions) == 3 and doubt.table is None for doubt in found.opaque)


def test_the_lines_are_those_of_the_operations() -> None:
    found = footprint("op.drop_table(\n    'a'\n)\nop.drop_table('b')")
    first, second = (effect.line for effect in found.effects)
    assert second - first == 3


def test_downgrades_are_read_on_request() -> None:
    up, down = b"def upgrade():\n    pass\n", b"def downgrade():\n    op.drop_table('a')\n"
    source = b"from alembic import op\n" + up + down
    found = read_footprint(source, direction="downgrade")
    assert [line(effect) for effect in found.effects] == ["- table a"]


_STATEMENTS = st.sampled_from(
    [case[0] for case in FOLLOWED.values()]
    + [case[0] for case in OPAQUE.values()]
    + [*CONDITIONAL.values(), *HARMLESS.values(), *OPERATIONS, *DATA]
)


@given(st.lists(_STATEMENTS, max_size=6), st.sampled_from(["if n:", "for i in n:", "try:", ""]))
def test_any_mixture_is_read_without_an_error(bodies: list[str], block: str) -> None:
    body = "\n".join(bodies) or "pass"
    if block:
        body = f"{block}\n" + "\n".join(f"    {text}" for text in body.splitlines())
        body += "\nfinally:\n    pass" if block == "try:" else ""
    footprint(body, _MODELS)


@given(st.text(alphabet="op.drtable_('a', b)[]{}:=\n\t #\"f%+lambdforinwheys", max_size=120))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_footprint(f"from alembic import op\ndef upgrade():\n    {text}".encode())


def test_nothing_is_imported_or_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    mark = tmp_path_factory.mktemp("run") / "mark"
    source = f"open({str(mark)!r}, 'w')\ndef upgrade():\n    open({str(mark)!r}, 'w')\n"
    ast.parse(source)
    read_footprint(source.encode())
    assert not mark.exists()
