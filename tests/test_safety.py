"""No plan makes a database skip a revision, and none is refused without need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.databases.applied.has_run import applied_in
from flask_chainfix.databases.applied.rows import gaps, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.plans import Plan, Wishes
from flask_chainfix.planning.linking.strategies import make_plan
from flask_chainfix.planning.proposal import refuse_unknown_rows
from tests.nightly import examples
from tests.statuses import db, looked_at
from tests.strategies_oracle import Parents, all_ancestors, orders, parents_of, revisions
from tests.support import Rev, chain, foreseen, links, stamped
from tests.upgrades import scratch_engine, upgrade

ENGINE = scratch_engine()


def plan_of(snapshot: Facts, strategy: str = "auto", **wishes: object) -> Plan:
    return make_plan(snapshot, Wishes(strategy, **wishes))  # type: ignore[arg-type]


# --- What a database has run must be known --------------------------------------------------------


def test_all_databases_that_a_doubt_is_about_are_left_out_together() -> None:
    names = ("postgresql://one/shop", "postgresql://two/shop", "postgresql://three/shop")
    statuses = (db("gone", names[0]), db("a", names[1]), db("gone", names[2]))
    snapshot = looked_at(chain("a"), *statuses)
    findings = diagnose(snapshot, Family.DATABASE)
    with pytest.raises(UnsafeForDatabases, match="stamped with 'gone'") as caught:
        refuse_unknown_rows(snapshot, findings)
    (way,) = (each for each in caught.value.remedy.ways if "leave" in each.text)
    assert way.text == "leave those databases out"
    assert way.commands == (f"{{fixchain}} repair{{own}} --database {names[1]}",)


# --- One line where that is safe -----------------------------------------------------------------

FORK = ("a", "b <- a", "c <- a")


def test_without_databases_dates_decide() -> None:
    assert links(plan_of(chain(*FORK))) == {"c": ("b",)}


def test_what_a_database_has_run_comes_before_what_it_has_not() -> None:
    plan = plan_of(stamped(chain(*FORK), staging=["c"]))
    assert (plan.strategy, plan.order) == ("linear", ("a", "c", "b"))
    assert ("database", "staging has run c, and not b") in plan.relinks[0].why


def test_databases_that_have_gone_one_way_differently_far_agree() -> None:
    snapshot = stamped(chain(*FORK, "d <- b"), new=[], old=["a"], production=["b"], mine=["b", "c"])
    assert plan_of(snapshot).order == ("a", "b", "c", "d")


def test_databases_that_have_gone_different_ways_are_merged() -> None:
    plan = plan_of(stamped(chain(*FORK), production=["b"], staging=["c"]))
    assert plan.strategy == "merge"
    assert not plan.relinks
    (new,) = plan.new_revisions
    assert sorted(new.down_revision) == ["b", "c"]
    (why,) = plan.why
    assert "production has run b and not c, and staging has run c and not b" in why.detail


def test_a_line_that_was_asked_for_is_refused_if_it_is_not_safe() -> None:
    snapshot = stamped(chain(*FORK), production=["b"], staging=["c"])
    with pytest.raises(UnsafeForDatabases, match="production has run b and not c, and staging"):
        plan_of(snapshot, "linear")


def test_a_base_goes_on_what_all_that_have_run_it_have_run() -> None:
    snapshot = stamped(chain("a", "b <- a", "c <- b", "z"), one=["c"], other=["a", "z"])
    plan = plan_of(snapshot)
    assert plan.strategy == "merge"
    assert links(plan) == {"z": ("a",)}
    alone = stamped(chain("a", "b <- a", "c <- b", "z"), only=["a", "z"])
    assert plan_of(alone).order == ("a", "z", "b", "c")


def test_the_base_that_stays_is_one_that_every_database_has_run() -> None:
    plan = plan_of(stamped(chain("a", "b <- a", "z"), one=["z"]))
    assert plan.order == ("z", "a", "b")


def test_databases_that_have_begun_at_different_bases_cannot_be_reconciled() -> None:
    snapshot = stamped(chain("a", "b <- a", "z"), one=["a"], other=["z"])
    with pytest.raises(UnsafeForDatabases) as caught:
        plan_of(snapshot)
    assert all(word in caught.value.message for word in ("one", "other", "a", "z"))


def test_the_schema_and_a_database_that_contradict_each_other_are_refused() -> None:
    first = "op.create_table('t', sa.Column('id', sa.Integer()))"
    second = "op.add_column('t', sa.Column('x', sa.Integer()))"
    snapshot = chain("a", Rev("b", ("a",)).doing(first), Rev("c", ("a",)).doing(second))
    with pytest.raises(CannotPlan, match="odd has run c and not b"):
        plan_of(stamped(snapshot, odd=["c"]))
    for strategy in ("auto", "merge"):  # which Alembic would run in the order that is refused
        with pytest.raises(UnsafeForDatabases, match="odd has run c and not b") as caught:
            plan_of(stamped(snapshot, odd=["c"]), strategy)
        typed = [command for each in caught.value.remedy.ways for command in each.commands]
        again = ["{alembic} downgrade a", "{fixchain} repair{databases}", "{alembic} upgrade heads"]
        assert typed == ["{alembic} upgrade heads", "{fixchain} repair{databases}", *again]


def test_what_a_merge_point_has_joined_may_have_run_in_any_order() -> None:
    snapshot = stamped(chain(*FORK, "m <- b, c", "x <- m", "y <- m"), one=["b"], other=["c"])
    assert plan_of(snapshot).strategy == "linear"


def test_heads_that_depend_on_each_other_are_joined_so_that_alembic_can_run_it() -> None:
    fork = chain("a", "x <- a", "y <- a +x", "z <- a")
    fixed = foreseen(fork, plan_of(fork, "merge"))
    assert len(fixed.graph.heads) == 1
    for rows in ((), ("a",), ("x",), ("y",), ("y", "z")):
        done = upgrade(ENGINE, fixed.headers, rows)
        assert set(done.ran) == set(fixed.graph) - fork.graph.required(rows)


# --- Properties ----------------------------------------------------------------------------------


@st.composite
def cases(
    draw: st.DrawFn, most: int = 7, *, merges: bool = True, dependencies: bool = False
) -> tuple[tuple[Rev, ...], Facts]:
    """A chain, and databases that have run different parts of it."""
    revs = draw(revisions(most=most, merges=merges, dependencies=dependencies))
    snapshot = chain(*revs)
    graph = snapshot.graph
    rows = {}
    for number in range(draw(st.integers(0, 4))):
        some = draw(st.lists(st.sampled_from(sorted(graph)), max_size=3))
        rows[f"db{number}"] = list(tops(graph, graph.required(some)))
    return revs, stamped(snapshot, **rows)


@settings(max_examples=examples(100))  # nearly all of which are accepted
@given(cases() | cases(dependencies=True), st.sampled_from(["auto", "auto", "linear", "merge"]))
def test_no_accepted_plan_makes_a_database_skip_or_repeat_a_revision(
    case: tuple[tuple[Rev, ...], Facts], strategy: str
) -> None:
    _, snapshot = case
    try:
        plan = plan_of(snapshot, strategy)
    except CannotPlan:
        return
    fixed = foreseen(snapshot, plan)
    for database in applied_in(snapshot):
        assert not gaps(fixed.graph, database.revisions)
        rows = tops(fixed.graph, database.revisions)
        assume(_runs_at_all(fixed, rows))
        done = upgrade(ENGINE, fixed.headers, rows)
        assert len(done.ran) == len(set(done.ran))
        assert set(done.ran) == set(fixed.graph) - database.revisions
        assert done.rows == tops(fixed.graph, set(fixed.graph))


@settings(max_examples=examples(40))
@given(cases(most=5))
def test_every_refusal_is_confirmed_by_trying_everything(
    case: tuple[tuple[Rev, ...], Facts],
) -> None:
    _, snapshot = case
    try:
        plan_of(snapshot)
    except CannotPlan:
        have = [database.revisions for database in applied_in(snapshot)]
        assert not any(_all_closed(parents, have) for parents in _attached(snapshot))


@settings(max_examples=examples(40))
@given(cases(most=6, merges=False))
def test_one_line_is_taken_exactly_where_one_is_safe(
    case: tuple[tuple[Rev, ...], Facts],
) -> None:
    revs, snapshot = case
    have = [database.revisions for database in applied_in(snapshot)]
    possible = any(
        all(set(order[: len(some)]) == some for some in have) for order in orders(parents_of(revs))
    )
    try:
        assert (plan_of(snapshot).strategy == "linear") is possible
    except UnsafeForDatabases:
        assert not possible


def _runs_at_all(fixed: Facts, rows: tuple[str, ...]) -> bool:
    """Whether Alembic can run a chain from there: some dependencies make it fail (KeyError)."""
    if not fixed.graph.dependencies:
        return True
    try:
        upgrade(ENGINE, fixed.headers, rows)
    except KeyError:
        return False
    return True


def _attached(snapshot: Facts) -> Iterator[Parents]:
    """Every way to give all bases but one a parent, circles left out."""
    graph = snapshot.graph
    home = {name: number for number, component in enumerate(graph.components) for name in component}
    choices = dict.fromkeys(graph.bases, (None, *graph))
    for chosen in product(*choices.values()):
        parents = dict(graph.parents)
        for base, parent in zip(choices, chosen, strict=True):
            parents[base] = () if parent is None else (parent,)
        below = all_ancestors(parents)
        left = {home[base] for base, parent in zip(choices, chosen, strict=True) if parent is None}
        if len(left) == 1 and not any(name in below[name] for name in parents):
            yield parents


def _all_closed(parents: Parents, have: Iterable[frozenset[str]]) -> bool:
    return all(set(parents[revision]) <= some for some in have for revision in some)
