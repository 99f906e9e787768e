"""The plan of a rebase: what is mine on top of what others have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.plans import Plan
from flask_chainfix.planning.on_top import excerpt, put_on_top
from flask_chainfix.schema.footprint import Footprint
from flask_chainfix.schema.python import footprint_reader
from tests.nightly import examples
from tests.strategies_oracle import all_ancestors, parents_of, redundant_parents, revisions
from tests.support import Rev, alembic_loads, chain, foreseen, links, stamped

THEIRS = ("a", "b <- a", "c <- b", "d <- c")


def plan_of(snapshot: Facts, mine: str) -> Plan:
    return put_on_top(snapshot, set(mine.split()), "origin/main")


def linked(mine: str, *specs: str | Rev) -> dict[str, tuple[str, ...]]:
    """The parents that change, in the order of the plan, where ``mine`` moves."""
    return links(plan_of(chain(*specs), mine))


# --- One line of mine ----------------------------------------------------------------------------


def test_the_lowest_of_mine_goes_on_the_head_and_the_others_follow() -> None:
    plan = plan_of(chain(*THEIRS, "m1 <- b", "m2 <- m1", "m3 <- m2"), "m1 m2 m3")
    assert links(plan) == {"m1": ("d",)}
    assert plan.relinks[0].before == ("b",)
    assert plan.relinks[0].why == (("onto", "d is the head of origin/main"),)


@pytest.mark.parametrize("mine", ["", "m1 m2"])
def test_nothing_to_do(mine: str) -> None:
    assert not linked(mine, *THEIRS, *(["m1 <- d", "m2 <- m1"] if mine else []))


def test_a_base_of_mine_goes_there_as_well() -> None:
    assert linked("m1 m2", *THEIRS, "m1", "m2 <- m1") == {"m1": ("d",)}


def test_a_chain_that_is_all_mine_stays() -> None:
    assert not linked("a b c", "a", "b <- a", "c <- a")


def test_a_merge_point_of_mine_keeps_what_is_not_below() -> None:
    joined = (*THEIRS, "m1 <- b", "m2 <- m1, d", "m3 <- m2")
    assert linked("m1 m2 m3", *joined) == {"m1": ("d",), "m2": ("m1",)}
    assert linked("m1 m2 m3", *joined, "e <- d") == {"m1": ("e",), "m2": ("m1",)}


def test_a_merge_point_that_is_the_lowest_of_mine() -> None:
    forked = ("a", "b <- a", "c <- a", "d <- b, c", "e <- d", "m <- b, c")
    assert linked("m", *forked) == {"m": ("e",)}


def test_branches_of_mine_that_meet_stay_branches() -> None:
    meeting = (*THEIRS, "m <- b", "n <- c", "k <- m, n")
    assert linked("m n k", *meeting) == {"m": ("d",), "n": ("d",)}


# --- Several lines of mine -----------------------------------------------------------------------


def test_lines_go_one_behind_the_other_in_the_order_of_their_dates() -> None:
    early, late = "m1 <- b :2024-05-01", "n1 <- c :2024-04-01"
    assert linked("m1 m2 n1", *THEIRS, early, "m2 <- m1", late) == {"n1": ("d",), "m1": ("n1",)}


def test_dates_older_than_the_head_count() -> None:
    theirs = ("a :2020-01-01", "b <- a :2024-01-01")
    mine = ("m <- a :2022-01-01", "l <- a :2023-01-01")
    assert linked("l m", *theirs, *mine) == {"m": ("b",), "l": ("m",)}


def test_then_in_the_order_of_their_file_names() -> None:
    lines = ("n <- b :undated", "m <- b :undated")
    assert linked("m n", *THEIRS, *lines) == {"m": ("d",), "n": ("m",)}


def test_what_depends_on_another_line_comes_later() -> None:
    lines = ("m <- b +n :2024-04-01", "n <- c :2024-05-01")
    assert linked("m n", *THEIRS, *lines) == {"n": ("d",), "m": ("n",)}


def test_two_heads_of_one_line_are_lined_up() -> None:
    assert linked("m n k", *THEIRS, "m <- b", "n <- m", "k <- m") == {"m": ("d",), "k": ("n",)}
    assert linked("m n k", *THEIRS, "m <- d", "n <- m", "k <- m") == {"k": ("n",)}


CREATE = "op.create_table('t', sa.Column('id', sa.Integer()))"
ADD = "op.add_column('t', sa.Column('x', sa.Integer()))"
DROP = "op.drop_table('t')"


def test_what_the_schema_proves_decides_before_dates() -> None:
    first, second = Rev("n", ("b",), date="2024-05-01"), Rev("m", ("b",), date="2024-04-01")
    plan = plan_of(chain(*THEIRS, first.doing(CREATE), second.doing(ADD)), "m n")
    assert links(plan) == {"n": ("d",), "m": ("n",)}
    assert plan.relinks[1].why[0].kind == "schema"


def test_a_table_that_others_made_is_dropped_before_it_is_made_anew() -> None:
    made = Rev("b", ("a",)).doing(CREATE)
    again, drop = Rev("m", ("b",), date="2024-04-01"), Rev("n", ("b",), date="2024-05-01")
    mine = again.doing(CREATE), drop.doing(DROP)
    assert linked("m n", "a", made, "c <- b", *mine) == {"n": ("c",), "m": ("n",)}
    assert linked("m n", "a", "b <- a", "c <- b", *mine) == {"m": ("c",), "n": ("m",)}


def test_only_what_is_mine_is_read_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    real = footprint_reader.read_footprint

    def noted(data: bytes, **options: Any) -> Footprint:
        read.append(data)
        return real(data, **options)

    monkeypatch.setattr(footprint_reader, "read_footprint", noted)
    snapshot = chain(*THEIRS, "m <- b", "n <- b")
    plan_of(snapshot, "m n")
    assert set(read) <= {b"", snapshot.file("m").data, snapshot.file("n").data}


def test_what_no_order_can_run_is_refused() -> None:
    round_in_a_circle = (
        Rev("m", ("b",)).doing(CREATE, "op.add_column('u', sa.Column('x', sa.Integer()))"),
        Rev("n", ("b",)).doing(ADD, "op.create_table('u', sa.Column('id', sa.Integer()))"),
    )
    with pytest.raises(CannotPlan, match="no order of these revisions can run"):
        plan_of(chain(*THEIRS, *round_in_a_circle), "m n")


# --- Lineages that stand apart -------------------------------------------------------------------

APART = ("a", "e <- a @expand", "k <- a @contract")


def test_each_lineage_has_its_own_head() -> None:
    mine = ("m <- e", "n <- k")
    assert linked("m n", *APART, "e2 <- e", "k2 <- k", *mine) == {"m": ("e2",), "n": ("k2",)}


def test_a_merge_point_of_two_lineages_follows_both() -> None:
    assert linked("m", *APART, "e2 <- e", "k2 <- k", "m <- e, k") == {"m": ("e2", "k2")}


def test_what_is_meant_to_stand_apart_is_left_alone() -> None:
    assert not linked("m", *THEIRS, "m @mine")
    assert not linked("e k", *THEIRS, "e <- b @expand", "k <- b @contract")
    settings = Settings(intended_bases=frozenset({"m"}))
    assert not links(plan_of(chain(*THEIRS, "m", settings=settings), "m"))


def test_several_heads_by_accident_are_refused_unless_one_is_meant() -> None:
    broken = ("a", "b <- a", "c <- b", "d <- a")
    with pytest.raises(CannotPlan, match=r"origin/main itself has several heads .*: c, d"):
        plan_of(chain(*broken, "m <- a"), "m")
    with pytest.raises(CannotPlan, match="several heads"):
        plan_of(chain(*broken, "m"), "m")
    assert linked("m", *broken, "m <- b") == {"m": ("c",)}
    assert not linked("m", *broken, "m <- c, d")


def test_a_computed_header_is_refused() -> None:
    extra = {"x.py": b"import os\nrevision = os.name\ndown_revision = 'd'\n"}
    with pytest.raises(CannotPlan, match=r"x\.py is computed"):
        plan_of(chain(*THEIRS, "m <- b", extra=extra), "m")


# --- Databases -----------------------------------------------------------------------------------


def test_what_a_database_has_run_comes_before_what_it_has_not() -> None:
    snapshot = stamped(chain(*THEIRS, "m <- b", "n <- b"), staging=["n", "d"])
    assert links(plan_of(snapshot, "m n")) == {"n": ("d",), "m": ("n",)}


def test_databases_that_have_gone_different_ways_are_refused() -> None:
    snapshot = stamped(chain(*THEIRS, "m <- b", "n <- b"), one=["n", "d"], other=["m", "d"])
    with pytest.raises(UnsafeForDatabases, match=r"one has run n .*other has run m"):
        plan_of(snapshot, "m n")


# --- Properties ----------------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn, *, merges: bool = True) -> tuple[Facts, frozenset[str]]:
    """A chain of which the others have a part with one head, and I have what is above it."""
    revs = draw(revisions(most=11, merges=merges, one_base=True))
    parents = parents_of(revs)
    below = all_ancestors(parents)
    head = draw(st.sampled_from(sorted(parents)))
    theirs = {head, *below[head]}
    return chain(*revs), frozenset(parents).difference(theirs)


def lines_of(snapshot: Facts, mine: Collection[str]) -> int:
    """How many heads there are in what is mine alone."""
    followed = {parent for name in mine for parent in snapshot.graph.parents[name]}
    return len(frozenset(mine) - followed)


@settings(max_examples=examples(30))
@given(cases())
def test_mine_is_above_theirs_in_the_order_that_it_had(
    case: tuple[Facts, frozenset[str]],
) -> None:
    snapshot, mine = case
    plan = put_on_top(snapshot, mine, "origin/main")
    assert set(links(plan)) <= mine
    fixed = foreseen(snapshot, plan)
    assert len(alembic_loads(fixed).heads) == 1
    assert len(alembic_loads(excerpt(fixed, mine)).heads) == min(1, len(mine))
    before = {name: snapshot.graph.ancestors([name]) for name in snapshot.graph}
    theirs = frozenset(snapshot.graph) - mine
    for name in snapshot.graph:
        now = fixed.graph.ancestors([name])
        assert now == before[name] if name in theirs else now >= before[name] | theirs
    assert redundant_parents(fixed.graph.parents) <= redundant_parents(snapshot.graph.parents)
    again = put_on_top(fixed, mine, "origin/main")
    assert not again.relinks


@settings(max_examples=examples(25))
@given(cases(merges=False))
def test_one_file_is_rewritten_for_each_line_of_mine(
    case: tuple[Facts, frozenset[str]],
) -> None:
    snapshot, mine = case
    plan = put_on_top(snapshot, mine, "origin/main")
    theirs = set(snapshot.graph) - mine
    (tip,) = theirs - {parent for name in theirs for parent in snapshot.graph.parents[name]}
    in_place = any(snapshot.graph.parents[name] == (tip,) for name in mine)
    lines = lines_of(snapshot, mine)
    assert lines - in_place <= len(plan.relinks) <= lines
