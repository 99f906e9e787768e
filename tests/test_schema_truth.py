"""What is said about the schema is true: each accused chain fails, each that runs is not accused.

Random chains are run on SQLite by Alembic's own operations, in every order that they allow.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.batch import ApplyBatchImpl
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, StaticPool

from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.findings import Finding, Severity
from tests.databases import KINDS, SERVERS, new_database
from tests.nightly import examples
from tests.strategies_oracle import orders, parents_of, revisions
from tests.support import Rev, chain, rev

_ALONE = (
    "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True))",
    "op.create_table('t', sa.Column('id', sa.Integer()), sa.Column('c', sa.Integer(), index=True))",
    "op.create_table('u', sa.Column('id', sa.Integer()), sa.Index('ix', 'id'))",
    "op.create_table('t', sa.Column('c', sa.Integer(), sa.ForeignKey('u.id')))",
    "op.create_table('t', sa.Column('id', sa.Integer()), if_not_exists=True)",
    "op.execute('CREATE TABLE u (id INTEGER, d INTEGER)')",
    "op.execute('CREATE TABLE IF NOT EXISTS t (id INTEGER)')",
    "op.execute('CREATE TABLE t AS SELECT id FROM u')",
    "op.drop_table('t')",
    "op.drop_table('u')",
    "op.drop_table('t', if_exists=True)",
    "op.rename_table('t', 'u')",
    "op.rename_table('u', 't')",
    "op.execute('ALTER TABLE t RENAME TO v')",
    "op.add_column('t', sa.Column('c', sa.Integer()))",
    "op.add_column('t', sa.Column('d', sa.Integer(), index=True))",
    "op.add_column('u', sa.Column('c', sa.Integer()))",
    "op.execute('ALTER TABLE t ADD COLUMN c INTEGER')",
    "op.drop_column('t', 'c')",
    "op.drop_column('u', 'c')",
    "op.execute('ALTER TABLE t RENAME COLUMN c TO d')",
    "op.create_index('ix', 't', ['c'])",
    "op.create_index('ix', 'u', ['id'])",
    "op.create_index(op.f('ix_t_c'), 't', ['c'])",
    "op.create_index('ix', 't', [sa.text('abs(c)')])",
    "op.create_index('ix', 't', ['c'], if_not_exists=True)",
    "op.drop_index('ix', table_name='t')",
    "op.drop_index('ix')",
    "op.execute('DROP INDEX ix_t_c')",
    "op.execute('UPDATE t SET c = 1')",
    "op.execute('SELECT d FROM u')",
    "op.bulk_insert(sa.table('t', sa.column('c')), [{'c': 1}])",
    # What the source does not tell, and what happens on a condition.
    "op.execute(str(sa.text('CREATE TABLE t (id INTEGER, c INTEGER)')))",
    "op.get_bind().exec_driver_sql('DROP TABLE IF EXISTS ' + chr(116))",
    "op.execute(''.join(['CREATE TABLE IF NOT EXISTS ', chr(117), ' (id INTEGER)']))",
    "[op.execute(f'DROP TABLE {name}') for name in list(filter(None, ['t']))]",
    "op.execute(f'UPDATE t SET c = {len(str(op))}')",
    "if sa.inspect(op.get_bind()).has_table('t'):\n    op.drop_table('t')",
    "if not sa.inspect(op.get_bind()).has_table('t'):\n    op.create_table('t', sa.Column('c'))",
)
_IN_BATCH = (
    "b.add_column(sa.Column('c', sa.Integer()))",
    "b.add_column(sa.Column('c', sa.Integer(), server_default=sa.text('0')))",
    "b.add_column(sa.Column('d', sa.Integer(), index=True))",
    "b.drop_column('c')",
    "b.alter_column('c', new_column_name='d')",
    "b.alter_column('c', nullable=True)",
    "b.create_index('ix', ['c'])",
    "b.drop_index('ix')",
    "b.create_unique_constraint('uq', ['c'])",
    "b.create_check_constraint('ck', 'c > 0')",
    "b.drop_constraint('uq')",
    "pass",
)


def _alone(statements: list[str]) -> list[str]:
    """A renaming without others: in a copy, Alembic knows the column by both names."""
    return [one for one in statements if "new_column_name" in one][:1] or statements


_BATCHES = st.tuples(
    st.sampled_from(("t", "t", "u")),
    st.sampled_from(("", "", ", recreate='always'")),
    st.lists(st.sampled_from(_IN_BATCH), min_size=1, max_size=2),
).map(
    lambda drawn: "\n    ".join(
        [f"with op.batch_alter_table({drawn[0]!r}{drawn[1]}) as b:", *_alone(drawn[2])]
    )
)
STATEMENTS = st.lists(st.sampled_from(_ALONE) | st.sampled_from(_ALONE) | _BATCHES, max_size=3)


def runs(snapshot: Facts, order: Iterable[str], engine: Engine | None = None) -> bool:
    """Whether these revisions, in this order, upgrade an empty database; it is as before then.

    Args:
        snapshot: the chain.
        order: the ids.
        engine: of the database; without one it is made in memory.
    """
    own = engine or create_engine("sqlite://", poolclass=StaticPool)
    try:
        with own.connect() as connection, warnings.catch_warnings(), _no_column_emptied():
            warnings.simplefilter("ignore")
            with Operations.context(MigrationContext.configure(connection)):
                for revision in order:
                    module: dict[str, object] = {}
                    exec(compile(snapshot.file(revision).data, revision, "exec"), module)
                    module["upgrade"]()  # type: ignore[operator]
    except Exception:
        return False
    finally:
        own.dispose()
    return True


@contextmanager
def _no_column_emptied() -> Iterator[None]:
    """A batch fails if its copy of the table would have a new, empty column for one with values."""
    add_column = ApplyBatchImpl.add_column

    def checked(self: ApplyBatchImpl, table: str, column: Any, **kw: Any) -> None:
        assert column.name not in self.columns
        add_column(self, table, column, **kw)

    with patch.object(ApplyBatchImpl, "add_column", checked):
        yield


def judged(snapshot: Facts, dialect: str | None) -> list[Finding]:
    """What is said of a chain for a database of this kind."""
    environment = replace(snapshot.environment, dialect=dialect)
    return list(diagnose(replace(snapshot, environment=environment), Family.SCHEMA))


def _runs_up_to(statements: Iterable[str]) -> list[str]:
    """Those of some statements that can run, one after the other, on an empty database."""
    kept: list[str] = []
    for statement in statements:
        if runs(chain(rev("a").doing(*kept, statement)), ["a"]):
            kept.append(statement)
    return kept


_ADD_C = "b.add_column(sa.Column('c', sa.Integer(), server_default=sa.text('0')))"


@settings(max_examples=examples(15))
@given(
    st.lists(st.sampled_from(_ALONE) | _BATCHES, min_size=1, max_size=10),
    st.integers(1, 4),
    st.sampled_from((None, "sqlite")),
)
@example(
    [
        "with op.batch_alter_table('t') as b:\n    b.create_index('ix', ['c'])\n    " + _ADD_C,
        "with op.batch_alter_table('t') as b:\n    " + _ADD_C,
    ],
    1,
    None,
)
def test_what_runs_is_not_accused(statements: list[str], each: int, dialect: str | None) -> None:
    if dialect is None:
        statements = [one for one in statements if "Foreign" not in one]
    kept = _runs_up_to(["op.create_table('t', sa.Column('id', sa.Integer()))", *statements])
    names = [f"r{number}" for number in range(0, len(kept), each)]
    parents = ["", *(f" <- {name}" for name in names)]
    snapshot = chain(
        *(
            rev(name + parent).doing(*kept[number * each : (number + 1) * each])
            for number, (name, parent) in enumerate(zip(names, parents, strict=False))
        )
    )
    event(f"{len(kept)} statements")
    assert runs(snapshot, names)
    assert not judged(snapshot, dialect)


@settings(max_examples=examples(30))
@given(st.data(), revisions(most=5), st.sampled_from((None, "sqlite")))
def test_what_is_accused_fails(
    data: st.DataObject, branches: tuple[Rev, ...], dialect: str | None
) -> None:
    # SQLite does not look for what a foreign key refers to; another database would.
    pool = STATEMENTS if dialect else STATEMENTS.filter(lambda drawn: "Foreign" not in str(drawn))
    doing = [one.doing(*data.draw(pool)) for one in branches]
    snapshot = chain(*doing)
    ran = [runs(snapshot, order) for order in orders(parents_of(branches))]
    for finding in judged(snapshot, dialect):
        event(finding.code)
        # An order that FC201 is about is one of those that the chain allows.
        assert not (all(ran) if finding.code == "FC201" else any(ran)), finding.message


# --- What a check of a sound chain sees at a glance ----------------------------------------------

_T = "op.create_table('t', sa.Column('id', sa.Integer()))"
_T_WITH_C = (
    'op.create_table(\n        "t",\n        sa.Column("id", sa.Integer()),\n'
    '        sa.Column("c", sa.Integer()),\n    )'
)
_C = "op.add_column('t', sa.Column('c', sa.Integer()))"
_C_IN_BATCH = (
    "with op.batch_alter_table('t', schema=None) as batch_op:\n"
    "    batch_op.add_column(sa.Column('c', sa.Integer(), nullable=True))"
)
_AS_BEFORE = "if not sa.inspect(op.get_bind()).has_table('t'):\n    op.create_table('t')"


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ([_T], [_T], "FC203"),
        ([_T, _C], [_C], "FC205"),
        ([_T_WITH_C], [_C], "FC205"),
        ([_T_WITH_C], [_C_IN_BATCH], "FC205"),
        ([_T, _T.replace("'t'", "'u'"), _C_IN_BATCH], ["op.drop_table('u')", _C], "FC205"),
        ([_T, _C, "op.drop_column('t', 'c')", _C], [_C], "FC205"),
        ([_T, _C], ["op.drop_column('t', 'c')", _C], None),
        ([_T, _C], ["op.drop_table('t')", _T_WITH_C], None),
        ([_T_WITH_C], ["op.rename_table('t', 'u')", _T, _C], None),
        ([_T_WITH_C], ["op.alter_column('t', 'c', new_column_name='d')", _C], None),
        ([_T], [_AS_BEFORE], None),
        ([_T], ["op.create_table('t', sa.Column('id', sa.Integer()), if_not_exists=True)"], None),
        ([_T, _C], ["op.bulk_insert(sa.table('t', sa.Column('c')), [{'c': 1}])"], None),
        ([_T, _C], ["op.create_table('u', sa.Column('c', sa.Integer()))"], None),
    ],
)
def test_what_is_plainly_created_twice_is_seen_at_a_glance(
    first: list[str], second: list[str], code: str | None
) -> None:
    snapshot = chain(rev("a").doing(*first), rev("b <- a"), rev("c <- b").doing(*second))
    assert runs(snapshot, "a")
    assert runs(snapshot, "abc") is (code is None)
    found = Diagnosis(snapshot).with_schema_errors(at_a_glance=True).findings
    assert {finding.code for finding in found} == ({code} if code else set())


@settings(max_examples=examples(15))
@given(st.data(), revisions(most=5))
def test_a_glance_sees_what_is_created_twice_in_order(
    data: st.DataObject, branches: tuple[Rev, ...]
) -> None:
    """Only creations: what undoes one on another branch is left to those who ask for the schema."""
    deeds = st.lists(st.sampled_from((_T, _C, _T_WITH_C, _C_IN_BATCH)), max_size=1)
    snapshot = chain(*(one.doing(*data.draw(deeds)) for one in branches))
    everything = judged(snapshot, None)
    twice = [one for one in everything if one.code in ("FC203", "FC205")]
    errors = [one for one in twice if one.severity is Severity.ERROR]
    event(f"{len(errors)} errors")
    found = Diagnosis(snapshot).with_schema_errors(at_a_glance=True).findings
    assert list(found) == (everything if errors else [])


# --- What servers refuse -------------------------------------------------------------------------

_TABLES = (
    "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('a',"
    " sa.Integer()))\nop.create_table('u', sa.Column('a', sa.Integer()))"
)
_MOOD = "sa.Enum('x', name='mood')"
# Two revisions, one after the other; where they conflict.
_SERVERS = {
    "a column": ("op.add_column('t', sa.Column('c', sa.Integer()))", "", KINDS),
    "a column in a copy": (
        "with op.batch_alter_table('t') as b:\n    b.add_column(sa.Column('c', sa.Integer()))\n"
        "    b.alter_column('a', existing_type=sa.Integer(), nullable=True)",
        "",
        KINDS,
    ),
    "an index": ("op.create_index('ix', 't', ['a'])", "", KINDS),
    "an index of another table": (
        "op.create_index('ix', 't', ['a'])",
        "op.create_index('ix', 'u', ['a'])",
        ("sqlite", "postgresql"),
    ),
    "an index that comes with its column": (
        "op.add_column('t', sa.Column('c', sa.Integer(), index=True))",
        "op.create_index('ix_t_c', 't', ['c'])",
        KINDS,
    ),
    "a unique constraint": ("op.create_unique_constraint('uq', 't', ['a'])", "", SERVERS),
    "a check constraint": ("op.create_check_constraint('ck', 't', 'a > 0')", "", SERVERS),
    "a foreign key": ("op.create_foreign_key('fk', 't', 't', ['a'], ['id'])", "", SERVERS),
    "a type by hand": (
        f"{_MOOD}.create(op.get_bind())",
        f"op.create_table('v', sa.Column('m', {_MOOD}))",
        ("postgresql",),
    ),
    "a type that comes with two tables": (
        f"op.create_table('v', sa.Column('m', {_MOOD}))",
        f"op.create_table('w', sa.Column('m', {_MOOD}))",
        (),
    ),
    "a drop of a column": ("op.drop_column('t', 'a')", "", KINDS),
    "a drop of an index that comes back": (
        "op.create_index('ix', 't', ['a'])\nop.drop_index('ix', table_name='t')",
        "",
        (),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", _SERVERS)
def test_what_a_server_refuses_is_accused(name: str, kind: str, tmp_path: Path) -> None:
    first, second, where = _SERVERS[name]
    snapshot = chain(
        rev("a").doing(_TABLES), rev("b <- a").doing(first), rev("c <- b").doing(second or first)
    )
    before, dialect = runs_on(kind, tmp_path / "before", snapshot, "ab")
    ran, _ = runs_on(kind, tmp_path / "after", snapshot, "abc")
    accused = {finding.code for finding in judged(snapshot, dialect)}
    if not before:  # SQLite has no ALTER TABLE for constraints
        assert kind == "sqlite"
        return
    assert ran is (kind not in where)
    assert accused == ({"FC205"} if kind in where else set())


def test_a_column_that_a_copy_adds_again_is_empty() -> None:
    """Why a second column is accused that SQLite lets pass."""
    twice = chain(
        rev("a").doing(
            "op.create_table('t', sa.Column('id', sa.Integer()))",
            f"with op.batch_alter_table('t', recreate='always') as b:\n    {_ADD_C}",
            "op.execute('INSERT INTO t VALUES (1, 7)')",
            f"with op.batch_alter_table('t', recreate='always') as b:\n    {_ADD_C}",
        )
    )
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            module: dict[str, Any] = {}
            exec(twice.file("a").data, module)
            module["upgrade"]()
        assert connection.execute(text("SELECT * FROM t")).all() == [(1, 0)]
    assert [finding.code for finding in judged(twice, "sqlite")] == ["FC205"]


def runs_on(kind: str, directory: Path, snapshot: Facts, order: str) -> tuple[bool, str]:
    """Whether these revisions upgrade a new database of this kind, and its dialect."""
    directory.mkdir()
    with new_database(kind, directory) as url:
        engine = create_engine(url, poolclass=NullPool)
        return runs(snapshot, order, engine), engine.dialect.name
