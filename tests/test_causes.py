"""What the sources tell of a failure in a rehearsal."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix.diagnosis.diagnosis import cause_of
from flask_chainfix.model.rehearsal import FailureKind, RehearsalFailure
from tests.support import chain, rev

FAILURE = RehearsalFailure(FailureKind.CHAIN, "no such table: t", revision="b", direction="up")


def test_what_no_migration_creates() -> None:
    snapshot = chain("a", rev("b <- a").doing("op.drop_column('t', 'c')"))
    told = "no migration creates table t, but b uses it"
    assert cause_of(snapshot, FAILURE) == (told, "")


def test_the_line_decides_between_several_causes() -> None:
    uses = ("op.drop_column('t', 'c')", "op.drop_column('u', 'c')")
    snapshot = chain("a", rev("b <- a", date="2024-01-02").doing(*uses))
    first = replace(FAILURE, line=20)
    assert cause_of(snapshot, first)[0].startswith("no migration creates table t")
    assert cause_of(snapshot, replace(first, line=21))[0].startswith("no migration creates table u")


def test_a_downgrade_that_drops_what_the_upgrade_does_not_make() -> None:
    item = replace(
        rev("b <- a", date="2024-01-02").doing("pass"), downgrade=("op.drop_table('t')",)
    )
    failure = replace(FAILURE, direction="down", line=24)
    told = "downgrade() drops table t, which upgrade() does not create"
    assert cause_of(chain("a", item), failure) == (told, "")
    assert cause_of(chain("a", "b <- a"), failure) == ("", "")


def test_nothing_is_made_up() -> None:
    assert cause_of(chain("a", "b <- a"), FAILURE) == ("", "")
    assert cause_of(chain("a", "b <- a"), replace(FAILURE, revision=None)) == ("", "")
    assert cause_of(chain("a"), FAILURE) == ("", "")
