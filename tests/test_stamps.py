"""What databases have run, and which rows stand for that once the chain is another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.applied.has_run import applied_in, possibilities
from flask_chainfix.databases.applied.lost import is_noop, survivors
from flask_chainfix.databases.applied.row_moves import (
    assuming_current_chain,
    move_for,
    planned_moves,
)
from flask_chainfix.databases.applied.rows import can_stand, gaps, overlaps, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import DatabaseStatus, LostRevision, Move, MoveResult, MoveState
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.linking.strategies import make_plan
from tests.nightly import examples
from tests.statuses import db, looked_at, lost, moved, unreachable
from tests.strategies_oracle import all_ancestors, revisions
from tests.support import Rev, chain, foreseen, graph, stamped
from tests.upgrades import scratch_engine, upgrade

PLANNED, UNCHANGED, REFUSED = MoveState.PLANNED, MoveState.UNCHANGED, MoveState.REFUSED

# A fork that a repair has made one line of.
FORK = graph("a", "b <- a", "c <- a")
LINE = chain("a", "b <- a", "c <- b")
# What a database at c has run, by who has written that row.
NOW, OLD, UNSURE = "a b c", "a c", "a b c | a c"


def words(names: Iterable[str]) -> str:
    return " ".join(sorted(names))


# --- Sets of revisions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a", ""),
        ("b c", ""),
        ("a b", "a"),
        ("a d", "a"),
        ("a b d", "a b"),
        ("a a", "a"),
        ("z b", ""),
    ],
)
def test_rows_that_others_stand_for(rows: str, expected: str) -> None:
    assert words(overlaps(graph("a", "b <- a", "c <- a", "d <- b +c"), rows.split())) == expected


def test_a_dependency_is_stood_for_as_well() -> None:
    assert overlaps(graph("a", "d", "c <- a +d"), ["c", "d"]) == ("d",)


@settings(max_examples=examples(50))
@given(data=st.data())
def test_rows_below_others_by_the_oracle(data: st.DataObject) -> None:
    """Any graph, also one with cycles: what ``depends_on`` requires is no ancestor."""
    names = "abcdef"
    some = st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple)
    chain = [Rev(name, data.draw(some), depends_on=data.draw(some)) for name in names]
    rows = data.draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    parents = all_ancestors({rev.revision: rev.parents for rev in chain})
    required = all_ancestors({rev.revision: rev.parents + rev.depends_on for rev in chain})
    made = graph(*chain)
    expected = {row for row in rows for other in rows if row != other and row in required[other]}
    assert set(overlaps(made, rows)) == expected
    is_below = any(row != other and row in parents[other] for row in rows for other in rows)
    assert can_stand(made, tuple(rows)) is not is_below


@pytest.mark.parametrize(
    ("have", "expected"), [("", ""), ("a", ""), ("c", "a b"), ("a c", "b"), ("a b d", "c e")]
)
def test_what_is_missing_below(have: str, expected: str) -> None:
    """In the order in which it would have to run."""
    there = graph("a", "b <- a", "c <- b", "e <- c", "d <- e +c")
    assert gaps(there, have.split()) == tuple(expected.split())


@pytest.mark.parametrize(
    ("have", "expected"),
    [("", ""), ("a", "a"), ("a b c", "b c"), ("a b c m", "m"), ("a d e", "a e")],
)
def test_rows_that_stand_for_a_set(have: str, expected: str) -> None:
    there = graph("a", "b <- a", "c <- a", "m <- b, c", "d", "e <- d")
    assert tops(there, have.split()) == tuple(expected.split())


# --- What a database has run ---------------------------------------------------------------------


def test_a_row_stands_for_its_ancestors_and_dependencies() -> None:
    snapshot = stamped(chain("a", "b <- a", "d", "c <- b +d", "e <- c"), one=["c"], new=[])
    one, new = applied_in(snapshot)
    assert (one.name, words(one.revisions), one.unknown) == ("one", "a b c d", ())
    assert (new.name, new.revisions) == ("new", frozenset())


def test_rows_that_no_chain_has_are_told_apart() -> None:
    (applied,) = applied_in(stamped(LINE, one=["b", "x"]))
    assert (words(applied.revisions), applied.unknown) == ("a b", ("x",))


def test_what_cannot_be_reached_has_run_nothing_that_is_known() -> None:
    assert applied_in(looked_at(LINE, unreachable("far", "it is down", "start it"))) == ()


def ran(
    rows: str,
    *,
    tables: str | None = None,
    now: Facts = LINE,
    old: Graph | None = FORK,
    moves: Iterable[Move] = (),
) -> str:
    """What has run, by each chain that can have written the rows."""
    status = db(rows, tables=tables)
    found = possibilities(looked_at(now, status, old=old, moved=moves), status)
    return " | ".join(words(each.revisions) for each in found)


def test_where_both_chains_say_the_same_one_of_them_does() -> None:
    assert ran("b") == "a b"


def test_rows_that_overlap_are_of_the_old_chain() -> None:
    assert ran("b c") == "a b c"


def test_rows_that_may_be_of_either_chain_count_in_both_ways() -> None:
    assert ran("c") == "a b c | a c"


def test_rows_that_only_one_chain_has() -> None:
    assert ran("c m", now=chain("a", "b <- a", "c <- b", "m <- a")) == "a b c m"
    assert ran("x", old=graph("a", "x <- a")) == "a x"


def test_rows_that_neither_chain_has_are_of_the_chain_as_it_is() -> None:
    assert ran("c x") == "a b c"


# --- Who has written the rows --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ("t_a t_b t_c", NOW),
        ("T_A T_B T_C", NOW),
        ("t_a t_c", OLD),
        ("", ""),  # no chain makes nothing at all
        (None, UNSURE),
    ],
)
def test_tables_tell_which_chain_it_was(tables: str | None, expected: str) -> None:
    assert ran("c", tables=tables) == expected


def doubtful(statement: str, above: str = "pass", tables: str = "t_a") -> str:
    """What has run where what may never have does this, and what is above it that."""
    line = chain("a", Rev("b", ("a",)).doing(statement), Rev("c", ("b",)).doing(above))
    return ran("c", tables=tables, now=line)


@pytest.mark.parametrize(
    "statement",
    [
        "op.add_column('t_a', sa.Column('x', sa.Integer()))",
        "op.create_table('t', if_not_exists=True)",
        "op.create_table(name())",
    ],
)
def test_what_makes_no_table_for_certain_tells_nothing(statement: str) -> None:
    assert doubtful(statement) == UNSURE


def test_a_table_that_is_dropped_again_tells_nothing() -> None:
    make = "op.create_table('t', sa.Column('id', sa.Integer()))"
    assert doubtful(make) == OLD
    assert doubtful(make, "op.drop_table('t')") == UNSURE
    assert doubtful(make, "op.rename_table('t', 'u')", "t_a u") == UNSURE
    assert doubtful(f"{make}; op.drop_table('t')") == UNSURE


@pytest.mark.parametrize(
    ("rows", "move", "expected"),
    [
        ("c", moved("b c", "c"), NOW),
        ("c", moved("c", "b"), OLD),
        ("b c", moved("b c", "c"), NOW),
        ("c", moved("b c", "c", "another"), UNSURE),
        ("c", moved("a", "b"), NOW),  # it was upgraded since
        ("b", moved("b c", "c"), "a b"),  # it was downgraded since
        ("c", moved("a", "a"), NOW),  # it stood there when the repair was made, and was upgraded
        ("c", moved("c", "c"), NOW),
        ("c", moved("a", "a", "another"), UNSURE),
    ],
)
def test_the_journal_tells_of_rows_that_it_holds(rows: str, move: Move, expected: str) -> None:
    assert ran(rows, moves=[move]) == expected


def test_the_journal_does_not_tell_of_rows_that_no_upgrade_from_there_leaves() -> None:
    now, old = chain("a", "b <- a", "c <- b", "m <- a"), graph("a", "b <- a", "c <- a", "m <- a")
    assert ran("c", now=now, old=old, moves=[moved("m", "m")]) == UNSURE


def test_rows_that_the_user_reads_by_another_chain_count_in_both_ways() -> None:
    """Where a repair found them, they may have been put back from a backup since."""
    status = db("c")
    snapshot = looked_at(LINE, status, old=FORK, moved=[moved("a", "a")])
    snapshot = replace(snapshot, databases=replace(snapshot.databases, old_is_named=True))
    assert [words(each.revisions) for each in possibilities(snapshot, status)] == ["a b c", "a c"]


def test_rows_that_were_moved_without_a_repair_have_one_chain_only() -> None:
    """A backup from before ``restamp --lost`` was restored; there is no chain but the one."""
    status = db("x")
    snapshot = looked_at(LINE, status, moved=[moved("x", "b")])
    (applied,) = possibilities(snapshot, status)
    assert applied.unknown == ("x",)


# --- Moves ---------------------------------------------------------------------------------------


def move(
    rows: str,
    now: Facts = LINE,
    *,
    old: Graph | None = FORK,
    known: tuple[LostRevision, ...] = (),
    tables: str | None = None,
    certain: bool = False,
    **taken: str,
) -> MoveResult:
    """The move of a database; ``certain`` if it is known that the old chain has stamped it."""
    status = db(rows, tables=tables)
    snapshot = looked_at(now, status, lost=known, old=old)
    snapshot = replace(snapshot, databases=replace(snapshot.databases, old_is_named=certain))
    result = move_for(snapshot, snapshot, status, possibilities(snapshot, status), taken)
    assert (result.move.name, result.move.identity) == (status.name, status.identity)
    assert result.move.before == status.rows
    if result.state in (UNCHANGED, REFUSED):
        assert result.move.after == status.rows
    return result


def refusal(result: MoveResult) -> str:
    assert result.state is REFUSED
    assert result.remedy
    return result.detail


def after(result: MoveResult) -> str:
    assert (result.state, result.detail) == (PLANNED, "")
    return " ".join(result.move.after)


def test_rows_that_the_new_chain_has_in_one() -> None:
    assert after(move("b c")) == "c"


def test_rows_that_are_right_already() -> None:
    result = move("b")
    assert (result.state, result.detail) == (UNCHANGED, "")


def test_one_row_becomes_two_where_a_link_is_gone() -> None:
    apart = chain("a", "b <- a", "c <- a")
    assert after(move("c", apart, old=graph("a", "b <- a", "c <- b"), certain=True)) == "b c"


def test_what_would_be_skipped_is_named_and_refused() -> None:
    line = chain("a", "b <- a", "c <- b", "d <- c")
    result = move("d", line, old=graph("a", "b <- a", "c <- b", "d <- a"), tables="t_a t_d")
    assert refusal(result) == "b, c never ran there, and would be skipped"
    assert "repair again with this database named" in result.remedy


def test_rows_that_mean_two_things_and_stay_in_both_are_left_with_a_word() -> None:
    result = move("c")
    assert result.state is MoveState.DOUBTFUL
    assert "if the chain before the repair did, b never ran there" in result.detail
    first, *others = Remedy.of(result.remedy).ways
    assert first.commands == ("{fixchain} restamp --current{databases}",)
    assert others[0].commands == (
        "{alembic} stamp a",
        "{alembic} upgrade b",
        "{alembic} stamp c",
    )


def test_rows_that_mean_two_things_are_read_as_the_user_says() -> None:
    now = looked_at(LINE, db("c"), old=FORK)
    doubtful = planned_moves(now, now)
    (result,) = assuming_current_chain(now, doubtful)
    assert (result.state, result.move.after) == (MoveState.PLANNED, ("c",))
    by_old = replace(now, databases=replace(now.databases, old_is_named=True))
    assert refusal(planned_moves(by_old, by_old)[0]) == "b never ran there, and would be skipped"


def test_a_schema_that_was_not_read_is_named_first_where_rows_mean_two_things() -> None:
    twice = chain("a", "b <- a", "c <- b")
    old = graph("a", "b <- a", "c <- a")
    after = chain("a", "c <- a", "b <- c")

    def first(status: DatabaseStatus) -> tuple[str, ...]:
        now = looked_at(twice, status, old=old)
        (result,) = planned_moves(now, after)
        return Remedy.of(result.remedy).ways[0].commands

    assert first(db("c")) == ("{fixchain} check{asked}",)
    assert first(db("c", tables="t_a")) != ("{fixchain} check{asked}",)


def test_what_the_user_says_is_recorded_where_only_the_schema_shows_it() -> None:
    """A plain check does not read the schema, and would warn again and again."""

    def said(now: Facts) -> MoveResult:
        (result,) = assuming_current_chain(now, planned_moves(now, now))
        return result

    shown = said(looked_at(LINE, db("c", tables="t_a t_b t_c"), old=FORK))
    assert (shown.state, shown.move.stays) == (PLANNED, True)
    assert said(looked_at(LINE, db("c", tables="t_a t_c"), old=FORK)).state is REFUSED
    known = looked_at(LINE, db("c"), old=FORK, moved=[moved("c", "c")])
    assert said(known).state is UNCHANGED


def test_each_database_is_told_what_it_lacks_itself() -> None:
    """Two with the same stamp, of which each lacks another table."""
    line = chain("a", "b <- a", "c <- b", "d <- c")
    first = db("d", name="first", tables="t_a t_c t_d")
    second = db("d", name="second", tables="t_a t_b t_d")
    now = looked_at(line, first, second)
    one, other = planned_moves(now, now)
    assert "t_b (b)" in refusal(one)
    assert Remedy.of(one.remedy).ways[0].commands[1] == "{alembic} upgrade b"
    assert "t_c (c)" in refusal(other)
    assert Remedy.of(other.remedy).ways[0].commands[1] == "{alembic} upgrade c"


def test_each_database_is_told_the_commit_that_stamped_it() -> None:
    apart, line = chain("a", "b <- a", "c <- a"), graph("a", "b <- a", "c <- b")
    statuses = db("c", name="first"), db("c", name="second")
    now = looked_at(apart, *statuses, old=line)
    origins = {each.identity: f"of_{each.name}" for each in statuses}
    now = replace(now, databases=replace(now.databases, origins=origins))
    for result in planned_moves(now, now):
        assert f"--old of_{result.move.name}" in str(result.remedy)


def test_rows_that_mean_two_things_and_would_differ_are_refused() -> None:
    apart = chain("a", "b <- a", "c <- a")
    result = move("c", apart, old=graph("a", "b <- a", "c <- b"))
    assert "mean different things" in refusal(result)
    assert "the chain that wrote its rows" in result.remedy


def test_an_unknown_row_is_refused() -> None:
    assert refusal(move("b x")) == "no migration file has x"
    assert "no migration file has x" in refusal(move("b x", y="b"))


def test_a_lost_row_that_is_taken_for_another() -> None:
    assert after(move("x", x="b")) == "b"
    assert after(move("x y", old=None, x="a", y="c")) == "c"
    assert refusal(move("x", x="c")) == "b never ran there, and would be skipped"
    assert after(move("b x", x="a")) == "b"


def test_a_lost_row_does_not_hide_what_would_be_skipped() -> None:
    line = chain("a", "b <- a", "c <- b", "d <- c")
    result = move("d x", line, old=graph("a", "b <- a", "c <- b", "d <- a", "x <- a"), x="b")
    assert refusal(result) == "c never ran there, and would be skipped"


NOOP = Rev("x", ("a",), upgrade=(), downgrade=())
WITH_X = graph("a", "x <- a", "b <- x", "c <- x")
WITHOUT_X = chain("a", "b <- a", "c <- b")


def test_a_revision_that_is_gone_and_did_nothing_is_let_go() -> None:
    assert after(move("b c", WITHOUT_X, old=WITH_X, known=(lost(NOOP),))) == "c"
    assert after(move("x", WITHOUT_X, old=WITH_X, known=(lost(NOOP),))) == "a"


def test_a_revision_that_is_gone_and_did_something_is_not() -> None:
    known = (lost("x <- a"),)
    result = move("b c", WITHOUT_X, old=WITH_X, known=known)
    assert refusal(result) == "x ran there, and no migration file has it any more"
    assert "--bring-back x" in result.remedy
    assert "--lost x=REVISION" in result.remedy
    assert after(move("b c", WITHOUT_X, old=WITH_X, known=known, x="a")) == "c"


def test_a_revision_that_is_gone_and_that_git_does_not_know() -> None:
    assert "x ran there" in refusal(move("b c", WITHOUT_X, old=WITH_X))


def test_what_a_revision_that_is_gone_counts_for_has_run() -> None:
    """It has a new id, and is on another branch now."""
    now = chain("a", "b <- a", "y <- a")
    old = graph("a", "x <- a", "b <- x")
    assert after(move("b", now, old=old, certain=True, x="y")) == "b y"


@pytest.mark.parametrize(
    ("statements", "nothing"),
    [
        ((), True),
        (("pass",), True),
        (("'a text'",), True),
        (("x = 1",), True),
        (("op.create_table('t', sa.Column('id', sa.Integer()))",), False),
        (("op.execute('UPDATE t_a SET id = 1')",), False),
        (("op.execute('CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1')",), False),
        (("op.execute(TEXT)",), False),
        (("sa.orm.Session(op.get_bind()).commit()",), False),
        (("open('x', 'w').close()",), False),
        (("helper()",), False),
    ],
)
def test_only_what_calls_nothing_is_proven_to_do_nothing(
    statements: tuple[str, ...], nothing: bool
) -> None:
    known = [lost(Rev("x", ("a",), upgrade=statements, downgrade=()))]
    assert is_noop(looked_at(LINE, lost=known), "x") is nothing


@pytest.mark.parametrize(
    "data", [b"revision = 'x'\ndown_revision = None\n", b"<<<<<<< HEAD\n", b"\xff"]
)
def test_what_cannot_be_read_is_not_proven_to_do_nothing(data: bytes) -> None:
    assert not is_noop(looked_at(LINE, lost=[lost("x <- a", data=data)]), "x")
    assert not is_noop(LINE, "x")


# --- What is left below a lost revision ----------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "rows", "between", "unknown"),
    [
        (["x <- b"], "b", "x", ""),
        (["x <- w", "w <- v", "v <- a"], "a", "x w v", ""),
        (["x"], "", "x", ""),
        (["x <- w"], "", "x w", "w"),
        ([], "", "x", "x"),
        (["x <- b, d"], "b d", "x", ""),
        (["x <- a, b"], "b", "x", ""),
        (["x <- v, w", "v <- u", "w <- u", "u <- b"], "b", "x w u v", ""),
        (["x <- v, w", "v <- a"], "", "x w v", "w"),
        (["x <- w", "w <- x"], "", "x w", ""),
    ],
)
def test_the_nearest_ancestors_that_are_left(
    known: list[str], rows: str, between: str, unknown: str
) -> None:
    snapshot = looked_at(chain("a", "b <- a", "c <- b", "d <- a"), lost=map(lost, known))
    way = survivors(snapshot, "x")
    assert way == tuple(tuple(words.split()) for words in (rows, between, unknown))


# --- Properties ----------------------------------------------------------------------------------


@st.composite
def repairs(draw: st.DrawFn) -> tuple[Facts, Facts]:
    """A chain with databases, and the same chain after a repair that is safe for them."""
    before = chain(*draw(revisions(most=7, dependencies=draw(st.booleans()))))
    there = before.graph
    databases = []
    for number in range(draw(st.integers(1, 3))):
        some = draw(st.lists(st.sampled_from(sorted(there)), max_size=3))
        rows = tops(there, there.required(some))
        databases.append(db(" ".join(rows), f"db{number}"))
    before = looked_at(before, *databases)
    try:
        plan = make_plan(before, Wishes())
    except CannotPlan:
        assume(False)
        raise
    return before, foreseen(before, plan)


def moves_from(before: Facts, now: Facts) -> list[tuple[DatabaseStatus, MoveResult]]:
    return [
        (status, move_for(before, now, status, possibilities(before, status)))
        for status in before.databases.statuses
    ]


@settings(max_examples=examples(40))
@given(repairs())
def test_the_new_rows_stand_for_exactly_what_has_run(case: tuple[Facts, Facts]) -> None:
    before, now = case
    old_ways = all_ancestors(_edges(before))
    new_ways = all_ancestors(_edges(now))
    for status, result in moves_from(before, now):
        assert result.state is not REFUSED
        rows = result.move.after
        assert _closed(new_ways, rows) == _closed(old_ways, status.rows)
        assert not any(one in new_ways[other] for one in rows for other in rows)


@settings(max_examples=examples(40))
@given(repairs())
def test_moving_twice_moves_once_and_moving_back_restores(case: tuple[Facts, Facts]) -> None:
    before, now = case
    for status, result in moves_from(before, now):
        there = db(" ".join(result.move.after), status.name)
        again = looked_at(now, there, moved=[result.move], old=before.graph)
        second = move_for(again, again, there, possibilities(again, there))
        assert (second.state, second.move.after) == (UNCHANGED, there.rows)
        still = looked_at(now, there)
        back = move_for(still, before, there, possibilities(still, there))
        assert back.move.after == status.rows


def _edges(snapshot: Facts) -> dict[str, tuple[str, ...]]:
    return {
        header.revision: (*(header.down_revision or ()), *(header.depends_on or ()))
        for header in snapshot.headers
        if header.revision is not None
    }


def _closed(ways: dict[str, set[str]], rows: tuple[str, ...]) -> set[str]:
    return set(rows).union(*(ways[row] for row in rows))


def test_what_a_lost_revision_depended_on_has_run_as_well() -> None:
    there = chain("a", "d", "b <- a")
    way = survivors(looked_at(there, lost=[lost(Rev("x", ("a",), depends_on=("d",)))]), "x")
    assert (way.rows, way.between) == (("a", "d"), ("x",))


# --- Rows as faults of Alembic's own leave them --------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "after", "run"),
    [
        ("a1 b1", "a1", ["m"]),
        ("a1 b0", "a1", ["m"]),
        ("b1 b1", "b1", ["a1", "m"]),
        ("a1 a1 b1 b1", "a1", ["m"]),
    ],
)
def test_rows_that_alembic_cannot_go_on_from_are_put_right(
    rows: str, after: str, run: list[str]
) -> None:
    now = chain("r", "b0 <- r", "b1 <- b0", "a1 <- r +b1", "m <- a1, b1")
    with pytest.raises(Exception, match=r"overlaps|expected to match one row|[Nn]o such"):
        upgrade(scratch_engine(), now.headers, rows.split())
    status = db(rows)
    result = move_for(now, now, status, possibilities(looked_at(now, status), status))
    assert (result.state, words(result.move.after)) == (PLANNED, after)
    upgraded = upgrade(scratch_engine(), now.headers, result.move.after)
    assert (upgraded.ran, upgraded.rows) == (run, ("m",))


def test_rows_of_which_one_is_an_ancestor_of_another_are_nobodys() -> None:
    status = db("b c")
    assert possibilities(looked_at(LINE, status), status) == ()
