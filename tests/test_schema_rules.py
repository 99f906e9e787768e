"""What is said about the schema: only what is certain, with both places, and no echoes."""

from __future__ import annotations

import pytest

from flask_chainfix.model import Finding, Settings, Severity
from flask_chainfix.rules import Family, diagnose
from flask_chainfix.snapshot import Snapshot
from tests.support import chain, rev

MAKE = "op.create_table('t', sa.Column('id', sa.Integer()))"
USE = "op.create_check_constraint('ck', 't', 'true')"
DROP = "op.drop_table('t')"
ADD = "op.add_column('t', sa.Column('c', sa.Integer()))"
USE_COLUMN = "op.alter_column('t', 'c', nullable=False)"
UNKNOWN = "helper(op.get_bind())"
MAYBE = "if op.get_bind().dialect.name == 'sqlite':\n    "


def found(snapshot: Snapshot) -> dict[str, Finding]:
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
            (("a", (MAKE,)), ("b <- a", (DROP,)), ("c <- b", (DROP,))),
            "c uses table t, which b has dropped before",
            False,
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
            (("a", ()), ("b <- a", (USE,)), ("c <- a", (MAKE,)), ("m <- b, c", ())),
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
        (("a", (DROP,)), ("b <- a", (MAKE,)), ("c <- b", (USE,))),
        (("a", (MAKE,)), ("b <- a", (DROP, MAKE)), ("c <- b", (USE,))),
        (("a", ("op.create_table('T')",)), ("b <- a", (USE,))),
        (("a", ("op.create_table('t', schema='public')",)), ("b <- a", (USE,))),
        (("a", (MAKE,)), ("b <- a", ("op.rename_table('t', 'u')",)), ("c <- b", (MAKE,))),
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
    assert finding.message == "table t is created by no migration, and used by a, b"
    assert finding.revisions == ("a", "b")
    assert finding.severity is Severity.WARNING


def test_a_column_that_nobody_creates() -> None:
    findings = found(chain(rev("a").doing(MAKE), rev("b <- a").doing(USE_COLUMN)))
    assert findings.keys() == {"FC204"}
    assert findings["FC204"].message == "column t.c is created by no migration, and used by b"


@pytest.mark.parametrize(
    "specs",
    [
        (("a", (USE,)), ("o <- a", (UNKNOWN,))),
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


# --- FC203 ---------------------------------------------------------------------------------------


def test_two_initial_migrations_are_one_finding() -> None:
    other = "op.create_table('u', sa.Column('id', sa.Integer()))"
    snapshot = chain(rev("a").doing(MAKE, other), rev("b").doing(other, MAKE))
    finding = found(snapshot)["FC203"]
    assert finding.message == "a and b both create t, u"
    assert finding.number == 2
    assert not finding.repairable
    assert "keep one" in finding.hint
    assert "stamped" in finding.hint


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
