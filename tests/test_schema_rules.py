"""What is said about the schema: only what is certain, with both places, and no echoes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.findings import Finding, Severity
from tests.support import chain, rev

MAKE = "op.create_table('t', sa.Column('id', sa.Integer()))"
USE = "op.create_check_constraint('ck', 't', 'true')"
DROP = "op.drop_table('t')"
ADD = "op.add_column('t', sa.Column('c', sa.Integer()))"
# SQLite's way to change a table.
MAKE_ANEW = (
    "op.create_table('new', sa.Column('id', sa.Integer()), sa.Column('c', sa.Integer()))",
    DROP,
    "op.rename_table('new', 't')",
)
NAMED_OTHERWISE = (
    "op.create_table('u', sa.Column('id', sa.Integer()), sa.Column('c', sa.Integer()))",
)
RENAME = "op.rename_table('u', 't')"
ADD_IF_IT_LACKS = "op.add_column('t', sa.Column('c', sa.Integer()), if_not_exists=True)"
USE_COLUMN = "op.alter_column('t', 'c', nullable=False)"
UNKNOWN = "helper(op.get_bind())"
MAYBE = "if op.get_bind().dialect.name == 'sqlite':\n    "


def found(snapshot: Facts) -> dict[str, Finding]:
    """The findings about the schema, one of each code at most."""
    findings = diagnose(snapshot, Family.SCHEMA)
    assert len({finding.code for finding in findings}) == len(findings)
    return {finding.code: finding for finding in findings}


def codes(*specs: tuple[str, tuple[str, ...]]) -> set[str]:
    """The codes for a chain, each revision given with what it does."""
    return set(found(chain(*(rev(spec).doing(*deeds) for spec, deeds in specs))))


# --- FC201 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "message", "repairable"),
    [
        (
            (("a", (USE,)), ("b <- a", (MAKE,))),
            "a uses table t, which b creates only later",
            False,
        ),
        (
            (("a", ()), ("b <- a", (USE,)), ("c <- a", (MAKE,))),
            "b uses table t, which c creates on a parallel branch",
            True,
        ),
        (
            (("a", (MAKE,)), ("b <- a", (DROP,)), ("c <- b", (USE,))),
            "c uses table t, which b has dropped before",
            False,
        ),
        (
            (("a", (MAKE,)), ("b <- a", (DROP,)), ("c <- a", (USE,))),
            "c uses table t, which b drops on a parallel branch",
            True,
        ),
        (
            (("a", (MAKE,)), ("b <- a", (USE_COLUMN,)), ("c <- b", (ADD,))),
            "b uses column t.c, which c creates only later",
            False,
        ),
        (
            (("a", (USE, USE_COLUMN)), ("b <- a", (MAKE, ADD))),
            "a uses table t, which b creates only later",
            False,
        ),
        (
            (("a", ()), ("b <- a", (USE,)), ("c <- a", (MAKE,)), ("m <- c, b", ())),
            "b uses table t, which c creates on a parallel branch",
            True,
        ),
    ],
)
def test_schema_order(
    specs: tuple[tuple[str, tuple[str, ...]], ...], message: str, repairable: bool
) -> None:
    findings = found(chain(*(rev(spec).doing(*deeds) for spec, deeds in specs)))
    assert findings.keys() == {"FC201"}
    finding = findings["FC201"]
    assert (finding.message, finding.repairable) == (message, repairable)
    assert finding.severity is Severity.ERROR
    assert len(finding.locations) == 2
    assert all(place.line is not None for place in finding.locations)


@pytest.mark.parametrize(
    "specs",
    [
        (("a", (MAKE,)), ("b <- a", (USE,))),
        (("a", (MAKE, USE, DROP)),),
        (("a", (MAKE,)), ("b <- a", (USE, DROP)), ("c <- b", (MAKE,)), ("d <- c", (USE,))),
        (("a", (MAKE,)), ("b <- a", (DROP, MAKE)), ("c <- b", (USE,))),
        (("a", ("op.create_table('T')",)), ("b <- a", (USE,))),
        (("a", ("op.create_table('t', schema='public')",)), ("b <- a", (USE,))),
        (("a", (MAKE,)), ("b <- a", ("op.rename_table('t', 'u')",)), ("c <- b", (MAKE,))),
        (("a", (MAKE,)), ("b <- a", (ADD,)), ("c <- b", MAKE_ANEW)),
        (("a", (MAKE,)), ("b <- a", MAKE_ANEW), ("c <- b", (USE_COLUMN,))),
        (("a", NAMED_OTHERWISE), ("b <- a", (RENAME, USE_COLUMN)), ("c <- b", (ADD_IF_IT_LACKS,))),
        (
            ("a", NAMED_OTHERWISE),
            ("b <- a", (RENAME,)),
            ("c <- b", (USE_COLUMN,)),
            ("d <- c", (UNKNOWN, ADD)),
        ),
        (
            ("a", (MAKE, ADD)),
            ("b <- a", ("op.rename_table('t', 'u')", "op.drop_column('u', 'c')")),
        ),
        (("a", ("op.execute('UPDATE alembic_version SET version_num = 1')",)),),
        (("a", ("op.execute('SELECT * FROM information_schema.tables')",)),),
    ],
)
def test_what_runs_is_no_finding(specs: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    assert not codes(*specs)


@pytest.mark.parametrize(
    "specs",
    [
        (("o", (UNKNOWN,)), ("a <- o", (USE,)), ("b <- a", (MAKE,))),
        (("a", (UNKNOWN, USE)), ("b <- a", (MAKE,))),
        (("a", (MAYBE + USE,)), ("b <- a", (MAKE,))),
        (("a", (MAKE,)), ("b <- a", (MAYBE + DROP,)), ("c <- b", (USE,))),
        (("a", (MAKE,)), ("o <- a", (DROP, UNKNOWN)), ("c <- o", (USE,))),
        (("a", (MAYBE + MAKE,)), ("b <- a", (USE,)), ("c <- b", (MAYBE + MAKE,))),
        (("a", (MAKE,)), ("o <- a", (UNKNOWN,)), ("b <- o", (MAKE,))),
        (("a", (MAKE,)), ("b <- a", ("op.create_table('t', if_not_exists=True)",))),
        (("a", (MAKE,)), ("b <- a", (MAYBE + DROP, MAKE))),
        (
            ("a", ("op.create_table('t', schema='main')",)),
            ("b <- a", (DROP,)),
            ("c <- b", ("op.create_table('t', schema='main')",)),
        ),
        (
            ("a", ("op.create_table('p')", "op.execute('CREATE TABLE t PARTITION OF p DEFAULT')")),
            ("b <- a", ("op.drop_table('p')",)),
            ("c <- b", (MAKE,)),
        ),
        (
            ("a", (MAKE, "op.execute('CREATE VIEW v AS SELECT id AS n FROM t')")),
            ("b <- a", ("op.execute('SELECT n FROM v')",)),
        ),
    ],
)
def test_what_something_unknown_could_explain_is_no_finding(
    specs: tuple[tuple[str, tuple[str, ...]], ...],
) -> None:
    assert not codes(*specs)


def test_branches_kept_apart_on_purpose_are_a_warning_with_the_way_out() -> None:
    finding = found(chain(rev("a").doing(MAKE), rev("b  @plugin").doing(USE)))["FC201"]
    assert finding.severity is Severity.WARNING
    assert not finding.repairable
    assert "depends_on = 'a'" in finding.hint


def test_depends_on_is_an_order() -> None:
    assert not found(chain(rev("a").doing(MAKE), rev("b +a @plugin").doing(USE)))


# --- FC202, FC204 --------------------------------------------------------------------------------


def test_a_table_that_nobody_creates_is_named_once_with_all_who_use_it() -> None:
    snapshot = chain(rev("a").doing(USE, USE_COLUMN), rev("b <- a").doing(USE))
    finding = found(snapshot)["FC202"]
    assert finding.message == "no migration creates table t, but a, b use it"
    assert finding.revisions == ("a", "b")
    assert finding.severity is Severity.WARNING


def test_a_column_that_nobody_creates() -> None:
    findings = found(chain(rev("a").doing(MAKE), rev("b <- a").doing(USE_COLUMN)))
    assert findings.keys() == {"FC204"}
    assert findings["FC204"].message == "no migration creates column t.c, but b uses it"


@pytest.mark.parametrize(
    "specs",
    [
        (("o", (UNKNOWN,)), ("a <- o", (USE,))),
        (("a", (UNKNOWN, USE)),),
        (("a", ()), ("o <- a", (UNKNOWN,)), ("b <- a", (USE,)), ("m <- o, b", ())),
        (("a", (MAKE,)), ("o <- a", ("op.add_column('t', make())",)), ("b <- o", (USE_COLUMN,))),
        (("a", ("op.create_table('t', schema='s')",)), ("b <- a", (USE,))),
        (
            ("a", ("op.create_table('s')", "op.execute('CREATE TABLE t AS SELECT * FROM s')")),
            ("b <- a", (USE_COLUMN,)),
        ),
        (("a", (MAKE,)), ("b <- a", (MAYBE + USE_COLUMN,))),
    ],
)
def test_what_may_come_from_elsewhere_is_not_missed(
    specs: tuple[tuple[str, tuple[str, ...]], ...],
) -> None:
    assert not codes(*specs)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (
            (("a", (USE,)), ("o <- a", (UNKNOWN,))),
            "no migration creates table t, but a uses it",
        ),
        ((("a", (USE, UNKNOWN)),), "no migration creates table t, but a uses it"),
        (
            (("a", (USE,)), ("o <- a", (UNKNOWN,)), ("b <- o", (USE,))),
            "no migration creates table t, but a uses it",
        ),
        ((("a", (DROP,)),), "no migration creates table t, but a uses it"),
        (
            (("a", ("op.rename_table('t', 'u')",)), ("b <- a", ("op.drop_column('u', 'c')",))),
            "no migration creates table t, but a uses it",
        ),
        (
            (("a", (USE_COLUMN,)), ("b <- a", (DROP, MAKE)), ("c <- b", (USE_COLUMN,))),
            "no migration creates table t, but a, b use it",
        ),
        (
            (("a", (USE_COLUMN,)), ("b <- a", (DROP,)), ("c <- b", (MAKE,))),
            "no migration creates table t before c, but a, b use it",
        ),
    ],
)
def test_what_comes_later_explains_no_missing_table(
    specs: tuple[tuple[str, tuple[str, ...]], ...], message: str
) -> None:
    findings = found(chain(*(rev(spec).doing(*deeds) for spec, deeds in specs)))
    assert findings.keys() == {"FC202"}
    assert findings["FC202"].message == message


def test_a_batch_without_operations_touches_no_table() -> None:
    assert not codes(("a", ("with op.batch_alter_table('t') as batch:\n    pass",)))
    assert codes(("a", ("with op.batch_alter_table('t', recreate='always'):\n    pass",)))


def test_what_is_made_where_nobody_knows_is_not_missed() -> None:
    anonymous = b"""import os
revision, down_revision = os.environ['R'], None
from alembic import op
def upgrade():
    op.create_table('t')
"""
    users = [rev("a").doing(USE), rev("b <- a").doing("op.drop_table('u')")]
    snapshot = chain(*users, extra={"computed.py": anonymous})
    assert found(snapshot)["FC202"].message.startswith("no migration creates table u")


# --- FC205 ---------------------------------------------------------------------------------------

INDEX = "op.create_index('ix', 't', ['id'])"
UNIQUE = "op.create_unique_constraint('uq', 't', ['id'])"
TYPE = "op.execute(\"CREATE TYPE mood AS ENUM ('x')\")"
DROP_COLUMN = "op.drop_column('t', 'c')"
IN_BATCH = "with op.batch_alter_table('t') as batch:\n    "
TO_NULL = "batch.alter_column('id', nullable=True)"  # which SQLite does by copying the table


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        (ADD, "b and c both create column t.c"),
        (f"{ADD}; {INDEX}", "b and c both create column t.c, index t.ix"),
        ("op.execute('ALTER TABLE t ADD COLUMN c INTEGER')", "b and c both create column t.c"),
        (INDEX, "b and c both create index t.ix"),
        (
            "op.create_index(op.f('ix_t_id'), 't', ['id'])",
            "b and c both create index t.ix_t_id",
        ),
        (UNIQUE, "b and c both create constraint t.uq"),
        ("op.create_foreign_key('fk', 't', 't', ['id'], ['id'])", "both create constraint t.fk"),
        (TYPE, "b and c both create type mood"),
        (DROP_COLUMN, "b and c both drop column t.c"),
        (DROP, "b and c both drop table t"),
        ("op.drop_index('ix', table_name='t')", "b and c both drop index t.ix"),
        ("op.drop_constraint('uq', 't', type_='unique')", "b and c both drop constraint t.uq"),
        ("op.execute('DROP TYPE mood')", "b and c both drop type mood"),
        (f"{IN_BATCH}batch.add_column(sa.Column('c', sa.Integer()))", "create column t.c"),
        (f"{IN_BATCH}batch.add_column(sa.Column('c'))\n    {TO_NULL}", "create column t.c"),
        (f"{IN_BATCH}batch.create_index('ix', ['id'])", "both create index t.ix"),
        (f"{IN_BATCH}batch.drop_column('c')", "b and c both drop column t.c"),
        (f"{IN_BATCH}batch.drop_constraint('uq')", "b and c both drop constraint t.uq"),
        ("op.add_column('t', sa.Column('d', sa.Integer(), index=True))", "index t.ix_t_d"),
    ],
)
@pytest.mark.parametrize("line", [True, False])
def test_what_two_revisions_do_is_named_with_both_places(
    deed: str, message: str, line: bool
) -> None:
    table = (
        "op.create_table('t', sa.Column('id', sa.Integer()), "
        + ("sa.Column('c', sa.Integer()), " if "drop" in deed else "")
        + "sa.UniqueConstraint('id', name='uq_id'))"
    )
    snapshot = chain(
        rev("a").doing(table),
        rev("b <- a").doing(*deed.split("; ")),
        rev(f"c <- {'b' if line else 'a'}").doing(*deed.split("; ")),
    )
    finding = found(snapshot)["FC205"]
    assert message in finding.message
    assert finding.severity is Severity.ERROR
    assert {place.path.name for place in finding.locations} == {"b_add_b.py", "c_add_c.py"}
    assert all(place.line is not None for place in finding.locations)


@pytest.mark.parametrize(
    ("deeds", "message"),
    [
        ((MAKE, ADD, ADD), "a creates column t.c twice"),
        (("op.create_table('t', sa.Column('c', sa.Integer(), index=True))", ADD), "column t.c"),
        (
            (
                "op.create_table('t', sa.Column('c', sa.Integer(), index=True))",
                "op.create_index('ix_t_c', 't', ['c'])",
            ),
            "a creates index t.ix_t_c twice",
        ),
        (("op.create_table('t', sa.Index('ix', 'id'))", INDEX), "a creates index t.ix twice"),
        (
            ("op.create_table('t', sa.UniqueConstraint('id', name='uq'))", UNIQUE),
            "a creates constraint t.uq twice",
        ),
        ((MAKE, ADD, DROP_COLUMN, ADD, ADD), "a creates column t.c twice"),
        (("op.create_table('t', sa.Column('id'))", INDEX, MAKE), ""),
    ],
)
def test_what_one_revision_does_twice(deeds: tuple[str, ...], message: str) -> None:
    snapshot = chain(rev("a").doing(*(f"{deed}  # {n}" for n, deed in enumerate(deeds))))
    assert message in {one.code: one.message for one in diagnose(snapshot, Family.SCHEMA)}.get(
        "FC205", ""
    )


@pytest.mark.parametrize(
    "specs",
    [
        (("b <- a", (ADD,)), ("c <- b", (DROP_COLUMN,)), ("d <- c", (ADD,))),
        (("b <- a", (ADD,)), ("c <- b", (DROP, MAKE)), ("d <- c", (ADD,))),
        (("b <- a", (ADD,)), ("c <- b", (UNKNOWN,)), ("d <- c", (ADD,))),
        (("b <- a", (ADD,)), ("c <- a", (MAYBE + ADD,))),
        (("b <- a", (ADD,)), ("c <- b", (DROP_COLUMN,)), ("d <- a", (ADD,))),
        (
            ("b <- a", (ADD,)),
            ("c <- b", ("op.alter_column('t', 'c', new_column_name='d')",)),
            ("d <- c", (ADD,)),
        ),
        (("b <- a", (ADD, INDEX)), ("c <- b", (DROP_COLUMN,)), ("d <- c", (ADD, INDEX))),
        (("b <- a", (INDEX,)), ("c <- b", ("op.create_index('ix', 'u', ['id'])",))),
        (("b <- a", (INDEX,)), ("c <- b", (INDEX.replace("])", "], if_not_exists=True)"),))),
        (
            ("b <- a", (f"{IN_BATCH}batch.create_unique_constraint('uq', ['id'])",)),
            ("c <- b", (f"{IN_BATCH}batch.create_unique_constraint('uq', ['id'])",)),
        ),
        (
            ("b <- a", ("op.drop_constraint('t_fk', 't')",)),
            ("c <- b", ("op.create_foreign_key(None, 't', 't', ['id'], ['id'])",)),
            ("d <- c", ("op.drop_constraint('t_fk', 't')",)),
        ),
        (
            ("b <- a", ("op.create_table('v', sa.Column('m', sa.Enum('x', name='mood')))",)),
            ("c <- b", ("op.create_table('w', sa.Column('m', sa.Enum('x', name='mood')))",)),
        ),
    ],
)
def test_what_may_run_is_no_conflict(specs: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    tables = (MAKE, MAKE.replace("'t'", "'u'"))
    assert "FC205" not in codes(("a", tables), *specs)


def test_names_of_indexes_are_a_schemas_or_a_tables() -> None:
    specs = (
        rev("a").doing(MAKE, MAKE.replace("'t'", "'u'")),
        rev("b <- a").doing(INDEX),
        rev("c <- b").doing("op.create_index('ix', 'u', ['id'])"),
    )
    expected = {"postgresql": {"FC205"}, "sqlite": {"FC205"}, "mysql": set(), None: set()}
    for dialect, codes_of_dialect in expected.items():
        snapshot = chain(*specs)
        environment = replace(snapshot.environment, dialect=dialect)
        assert found(replace(snapshot, environment=environment)).keys() == codes_of_dialect


def test_the_ways_out_of_a_conflict_name_both_places() -> None:
    hint = str(found(chain(rev("a").doing(MAKE, ADD), rev("b <- a").doing(ADD)))["FC205"].hint)
    assert "in downgrade(), from b_add_b.py:19 or a_add_a.py:20, whichever" in hint
    assert "put b_add_b.py:19 under an if" in hint


def test_branches_kept_apart_on_purpose_conflict_only_if_they_meet() -> None:
    specs = (rev("a").doing(MAKE, ADD), rev("b  @plugin").doing("op.drop_table('v')", ADD))
    findings = diagnose(chain(*specs), Family.SCHEMA)
    assert {one.severity for one in findings if one.code == "FC205"} == {Severity.WARNING}


# --- FC203 ---------------------------------------------------------------------------------------


def test_two_initial_migrations_are_one_finding() -> None:
    other = "op.create_table('u', sa.Column('id', sa.Integer()))"
    snapshot = chain(rev("a").doing(MAKE, other), rev("b").doing(other, MAKE))
    finding = found(snapshot)["FC203"]
    assert finding.message == "a and b both create tables t, u"
    assert finding.number == 2
    assert not finding.repairable
    assert "keep one" in finding.hint
    assert "then stamp each database" in finding.hint


def test_names_that_some_databases_keep_apart_are_not_created_twice() -> None:
    assert not codes(("a", (MAKE,)), ("b <- a", ("op.create_table('T')",)))


def test_each_bind_has_tables_of_its_own() -> None:
    source = b"""revision, down_revision = 'a', None
from alembic import op
def upgrade(engine_name):
    globals()['upgrade_' + engine_name]()
def upgrade_():
    op.create_table('t')
def upgrade_other():
    op.create_table('t')
"""
    assert not found(chain(extra={"a.py": source}))


def test_ignored_codes_are_not_reported() -> None:
    settings = Settings(ignore=frozenset({"FC203"}))
    assert not found(chain(rev("a").doing(MAKE), rev("b <- a").doing(MAKE), settings=settings))
