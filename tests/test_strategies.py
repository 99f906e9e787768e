"""Plans: one chain again, the old order kept, as few files rewritten as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.findings import Severity
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.linking.ranking import parse_date
from flask_chainfix.planning.linking.strategies import make_plan, strategy_names
from tests.nightly import TIMES
from tests.strategies_oracle import (
    all_ancestors,
    fewest_relinks,
    forests,
    redundant_parents,
    revisions,
)
from tests.support import Rev, after, alembic_loads, chain, foreseen, links, repaired

MERGE = Wishes("merge")
STRICT = Wishes(strict=True)


def kept(before: Graph, chain_after: Graph) -> bool:
    """Whether whatever ran before a revision still runs before it."""
    old, new = all_ancestors(before.parents), all_ancestors(chain_after.parents)
    return all(old[revision] <= new[revision] for revision in old)


def assert_sound(snapshot: Facts) -> None:
    """Nothing is left to repair, and Alembic loads the chain and sees the same as we do.

    What Alembic cannot upgrade to is put right when the chain is linked: ``test_upgrade_plan``.
    """
    errors = [finding for finding in diagnose(snapshot) if finding.severity is Severity.ERROR]
    assert {finding.code for finding in errors} <= {"FC112"}
    loaded = alembic_loads(snapshot)
    assert loaded.bases == tuple(sorted(snapshot.graph.bases))
    assert loaded.heads == tuple(sorted(snapshot.graph.heads))


def assert_one_chain(snapshot: Facts, *, bases: int = 1) -> None:
    """One head above one base."""
    assert_sound(snapshot)
    assert (len(snapshot.graph.bases), len(snapshot.graph.heads)) == (bases, 1)


# --- linear: two branches ------------------------------------------------------------------------


def test_a_healthy_chain_needs_nothing() -> None:
    for strategy in strategy_names():
        plan = make_plan(chain("a", "b <- a", "c <- b"), Wishes(strategy))
        assert (plan.relinks, plan.new_revisions) == ((), ())
        assert plan.order == ("a", "b", "c")


def test_the_younger_branch_goes_on_top_of_the_older_one() -> None:
    snapshot = chain("a", "old1 <- a", "new1 <- a", "new2 <- new1", "old2 <- old1")
    plan = make_plan(snapshot, Wishes())
    assert links(plan) == {"new1": ("old2",)}
    assert plan.order == ("a", "old1", "old2", "new1", "new2")


def test_the_plan_says_what_was_and_where_and_why() -> None:
    snapshot = chain("a", "b <- a", "c <- a")
    (relink,) = make_plan(snapshot, Wishes()).relinks
    assert (relink.revision, relink.before, relink.after) == ("c", ("a",), ("b",))
    assert relink.path == snapshot.file("c").path
    assert [reason.kind for reason in relink.why] == ["branch", "rank"]
    assert "2024-01-03" in relink.why[1].detail
    assert "2024-01-02" in relink.why[1].detail


def test_an_extra_base_goes_on_top_of_the_base_with_the_most_descendants() -> None:
    snapshot = chain("late", "a :2024-06-01", "b <- a", "c <- b")
    plan = make_plan(snapshot, Wishes())
    assert links(plan) == {"late": ("c",)}
    assert plan.order == ("a", "b", "c", "late")


def test_several_bases_follow_each_other_by_date() -> None:
    snapshot = chain("a", "b <- a", "z :2024-03-01", "y :2024-02-01", "x :2024-04-01")
    assert links(make_plan(snapshot, Wishes())) == {"y": ("b",), "z": ("y",), "x": ("z",)}


def test_bases_and_heads_are_repaired_together() -> None:
    snapshot = chain("a", "b <- a", "c <- a", "x", "y <- x", "w <- x")
    fixed = repaired(snapshot)
    assert fixed.graph.order == ("a", "b", "c", "x", "y", "w")
    assert_one_chain(fixed)


# --- linear: rank --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("branches", "order"),
    [
        # The date decides, not the name …
        (("b <- a :2024-03-01", "c <- a :2024-02-01"), ("a", "c", "b")),
        # … to the microsecond, and as points in time, not as text …
        (("b <- a :2024-03-01T10:00:00.200", "c <- a :2024-03-01T10:00:00.100"), ("a", "c", "b")),
        (("b <- a :2024-03-01T10:00+00:00", "c <- a :2024-03-01T11:00+02:00"), ("a", "c", "b")),
        # … the file name where the dates are equal …
        (("c <- a :2024-02-01", "b <- a :2024-02-01"), ("a", "b", "c")),
        # … and what has no date comes after what has one, by file name.
        (("b <- a :undated", "c <- a :2024-02-01"), ("a", "c", "b")),
        (("c <- a :undated", "b <- a :undated"), ("a", "b", "c")),
        (("b <- a :2024-12-XX", "c <- a :2025-02-01"), ("a", "c", "b")),
        # A date older than that of the base that stays is a placeholder and does not count.
        (("b <- a :2000-01-01", "c <- a :2025-02-01"), ("a", "c", "b")),
        (("c <- a :2000-01-01", "b <- a :1999-01-01"), ("a", "b", "c")),
        # The date of the base itself does count.
        (("c <- a :2024-01-01", "b <- a :2024-02-01"), ("a", "c", "b")),
    ],
)
def test_rank_decides_between_branches(branches: tuple[str, ...], order: tuple[str, ...]) -> None:
    assert make_plan(chain("a :2024-01-01", *branches), Wishes()).order == order


def test_where_the_base_has_no_date_every_date_counts() -> None:
    snapshot = chain("a :undated", "b <- a :2000-01-01", "c <- a :1999-01-01")
    assert make_plan(snapshot, Wishes()).order == ("a", "c", "b")


def test_the_reason_names_a_placeholder() -> None:
    snapshot = chain("a", "b <- a :2024-05-05", "c <- a :2000-01-01")
    (relink,) = make_plan(snapshot, Wishes()).relinks
    assert any("placeholder" in reason.detail for reason in relink.why)


# --- linear: every small forest ------------------------------------------------------------------


def forest(parents: Sequence[int | None], names: str, days: Sequence[int | None]) -> Facts:
    """A chain from the parent of each node; ``days`` are the days of the Create Dates."""
    return chain(
        *(
            Rev(
                names[node],
                () if parent is None else (names[parent],),
                date=None if day is None else f"2024-01-{day:02} 00:00:00",
            )
            for node, (parent, day) in enumerate(zip(parents, days, strict=True))
        )
    )


SMALL_FORESTS = [parents for size in range(1, 7 if TIMES > 1 else 6) for parents in forests(size)]
APPEARANCES: Mapping[str, tuple[str, tuple[int | None, ...]]] = {
    "in the order of their dates": ("abcdef", (1, 2, 3, 4, 5, 6)),
    "against the order of their dates": ("abcdef", (6, 5, 4, 3, 2, 1)),
    "by name, backwards": ("fedcba", (1, 1, 1, 1, 1, 1)),
    "without dates": ("cafebd", (None,) * 6),
    "some dated": ("dbface", (3, None, 9, None, 1, 3)),
}


@pytest.mark.parametrize("appearance", APPEARANCES)
def test_every_small_forest_becomes_one_chain_with_the_fewest_relinks(appearance: str) -> None:
    names, days = APPEARANCES[appearance]
    for parents in SMALL_FORESTS:
        snapshot = forest(parents, names, days[: len(parents)])
        plan = make_plan(snapshot, Wishes())
        fixed = foreseen(snapshot, plan)
        assert len(plan.relinks) == len(snapshot.graph.heads) - 1, parents
        assert kept(snapshot.graph, fixed.graph), parents
        assert (len(fixed.graph.bases), len(fixed.graph.heads)) == (1, 1), parents
        assert plan.order == fixed.graph.order, parents
        assert len(plan.order) == len(parents), parents
        assert not make_plan(fixed, Wishes()).relinks, parents


def test_no_order_of_a_small_forest_needs_fewer_relinks_than_heads_without_one() -> None:
    for parents in SMALL_FORESTS:
        tree = {
            str(node): () if parent is None else (str(parent),)
            for node, parent in enumerate(parents)
        }
        heads = set(tree) - {parent for named in tree.values() for parent in named}
        assert fewest_relinks(tree) == len(heads) - 1, parents


def test_every_small_forest_is_accepted_by_the_rules_and_by_alembic() -> None:
    for parents in SMALL_FORESTS[::3]:
        snapshot = forest(parents, "abcdef", (1,) * len(parents))
        assert_one_chain(foreseen(snapshot, make_plan(snapshot, Wishes())))


@settings(max_examples=20)
@given(revisions(dependencies=True), st.sampled_from(strategy_names()))
def test_the_files_of_a_repaired_chain_say_what_the_plan_says(
    revs: tuple[Rev, ...], strategy: str
) -> None:
    snapshot = chain(*revs)
    plan = make_plan(snapshot, Wishes(strategy))
    fixed = after(snapshot, plan)
    assert_sound(fixed)
    assert fixed.graph.parents == foreseen(snapshot, plan).graph.parents
    assert all(fixed.graph.parents[relink.revision] == relink.after for relink in plan.relinks)


def test_every_small_forest_is_merged_into_one_head_with_one_new_revision() -> None:
    for parents in SMALL_FORESTS[::3]:
        snapshot = forest(parents, "abcdef", range(1, len(parents) + 1))
        plan = make_plan(snapshot, MERGE)
        fixed = foreseen(snapshot, plan)
        assert_one_chain(fixed)
        assert kept(snapshot.graph, fixed.graph)
        assert len(plan.relinks) == len(snapshot.graph.bases) - 1
        assert len(plan.new_revisions) <= 1


# --- linear: merge points ------------------------------------------------------------------------


def test_a_healthy_merge_point_stays_as_it_is() -> None:
    snapshot = chain("a", "b <- a", "c <- a", "m <- b, c", "d <- m", "late <- a")
    assert links(make_plan(snapshot, Wishes())) == {"late": ("d",)}


def test_a_merge_on_the_younger_branch_moves_as_a_whole() -> None:
    snapshot = chain("a", "old <- a", "b <- a", "c <- b", "d <- b", "m <- c, d")
    assert links(make_plan(snapshot, Wishes())) == {"b": ("old",)}


def test_a_merge_point_loses_the_parent_that_comes_to_be_below_another() -> None:
    # z comes on top of b, so that m does not need to name b any more.
    snapshot = chain("a", "b <- a", "z", "y <- z", "m <- y, b", "c <- b")
    fixed = repaired(snapshot, STRICT)
    assert_one_chain(fixed)
    assert redundant_parents(fixed.graph.parents) == set()


@given(revisions(one_base=True), st.sampled_from(strategy_names()))
def test_branches_of_one_base(revs: tuple[Rev, ...], strategy: str) -> None:
    snapshot = chain(*revs)
    plan = make_plan(snapshot, Wishes(strategy))
    fixed = foreseen(snapshot, plan)
    assert_one_chain(fixed)
    assert kept(snapshot.graph, fixed.graph)
    assert not redundant_parents(fixed.graph.parents)
    if strategy == "linear":
        assert len(plan.relinks) == len(snapshot.graph.heads) - 1
    else:
        assert not plan.relinks
        assert len(plan.new_revisions) == (len(snapshot.graph.heads) > 1)
    again = make_plan(fixed, Wishes(strategy))
    assert (again.relinks, again.new_revisions) == ((), ())


@given(revisions(), st.sampled_from(strategy_names()), st.booleans())
def test_any_sound_chain(revs: tuple[Rev, ...], strategy: str, strict: bool) -> None:
    snapshot = chain(*revs)
    wishes = Wishes(strategy, strict=strict)
    plan = make_plan(snapshot, wishes)
    fixed = foreseen(snapshot, plan)
    # Bases that merge points join already are left as they are, unless strict.
    root = plan.order[0]
    home = next(component for component in snapshot.graph.components if root in component)
    joined = set() if strict else set(snapshot.graph.bases).intersection(home) - {root}
    assert_one_chain(fixed, bases=1 + len(joined))
    assert joined.issubset(fixed.graph.bases)
    assert kept(snapshot.graph, fixed.graph)
    assert not redundant_parents(fixed.graph.parents)
    again = make_plan(fixed, wishes)
    assert (again.relinks, again.new_revisions) == ((), ())


@given(revisions(), st.sampled_from(strategy_names()))
def test_only_merge_points_that_would_name_a_parent_twice_over_lose_one(
    revs: tuple[Rev, ...], strategy: str
) -> None:
    snapshot = chain(*revs)
    plan = make_plan(snapshot, Wishes(strategy, strict=True))
    for relink in plan.relinks:
        if len(relink.before) < 2 or relink.after[0] not in relink.before:
            continue
        now = all_ancestors(foreseen(snapshot, plan).graph.parents)
        for dropped in set(relink.before) - set(relink.after):
            assert any(dropped in now[parent] for parent in relink.after)


def test_a_redundant_parent_that_was_there_before_is_left_alone() -> None:
    snapshot = chain("a", "b <- a", "m <- a, b", "c <- b :2025-01-01")
    assert links(make_plan(snapshot, Wishes())) == {"c": ("m",)}


# --- linear: dependencies ------------------------------------------------------------------------


def test_a_branch_goes_on_top_of_the_one_that_it_depends_on_whatever_the_dates_say() -> None:
    snapshot = chain("a", "b <- a +c :2024-02-01", "c <- a :2024-03-01")
    plan = make_plan(snapshot, Wishes())
    assert links(plan) == {"b": ("c",)}
    assert plan.order == ("a", "c", "b")


def test_branches_that_need_each_other_are_interleaved() -> None:
    snapshot = chain("a", "b1 <- a", "b2 <- b1 +c1", "c1 <- a", "c2 <- c1 +b2")
    fixed = repaired(snapshot)
    assert_one_chain(fixed)
    assert kept(snapshot.graph, fixed.graph)


def test_joined_bases_are_linked_where_nothing_else_can_be() -> None:
    specs = ("a", "b", "stray", "d <- a +b", "e <- a, b +d")
    assert_one_chain(repaired(chain(*specs)))
    assert_one_chain(repaired(chain(*specs), STRICT))


def test_a_part_of_a_branch_waits_for_the_extra_base_that_it_depends_on() -> None:
    snapshot = chain("b", "a", "d <- b +a", "e <- a", "f <- b +e", "m <- d, a, f")
    wishes = Wishes(root="b", strict=True)
    plan = make_plan(snapshot, wishes)
    assert links(plan) == {"a": ("b",), "m": ("e", "d", "f")}
    assert_one_chain(repaired(snapshot, wishes))


def test_a_base_that_depends_on_another_one_does_not_stay_below_it() -> None:
    snapshot = chain("a", "b +a", "c <- b", "m <- a, b")
    plan = make_plan(snapshot, STRICT)
    assert plan.order[0] == "a"
    assert links(plan)["b"] == ("a",)
    assert_one_chain(after(snapshot, plan))


def test_joined_bases_are_linked_where_their_merge_points_are() -> None:
    # x is older than w, but only w's branch leads to what is placed already.
    specs = ("r", "y", "m1 <- r, y", "x :2024-01-05", "w :2024-01-06", "m3 <- w, x", "m2 <- y, w")
    fixed = repaired(chain(*specs))
    assert_one_chain(fixed, bases=4)


@given(revisions(dependencies=True, one_base=True))
def test_dependencies_of_branches_are_kept(revs: tuple[Rev, ...]) -> None:
    snapshot = chain(*revs)
    fixed = foreseen(snapshot, make_plan(snapshot, Wishes()))
    assert_one_chain(fixed)
    assert kept(snapshot.graph, fixed.graph)
    assert not redundant_parents(fixed.graph.parents)
    assert not make_plan(fixed, Wishes()).relinks


@given(revisions(dependencies=True), st.sampled_from(strategy_names()), st.booleans())
def test_any_sound_chain_with_dependencies(
    revs: tuple[Rev, ...], strategy: str, strict: bool
) -> None:
    snapshot = chain(*revs)
    wishes = Wishes(strategy, strict=strict)
    try:
        plan = make_plan(snapshot, wishes)
    except CannotPlan:
        # Branches that need each other cannot stay beside each other, nor can a part of one be
        # linked while its base is left as it is.
        assert strategy == "merge" or not strict
        return
    fixed = foreseen(snapshot, plan)
    assert_sound(fixed)
    assert kept(snapshot.graph, fixed.graph)
    assert not redundant_parents(fixed.graph.parents)
    again = make_plan(fixed, wishes)
    assert (again.relinks, again.new_revisions) == ((), ())


# --- root and attach -----------------------------------------------------------------------------


def test_root_chooses_the_base_that_stays() -> None:
    snapshot = chain("a", "b <- a", "z", "y <- b")
    assert make_plan(snapshot, Wishes()).order[0] == "a"
    plan = make_plan(snapshot, Wishes(root="z"))
    assert links(plan) == {"a": ("z",)}
    assert plan.order == ("z", "a", "b", "y")


def test_attach_puts_a_revision_on_the_parent_that_was_chosen() -> None:
    snapshot = chain("a", "b <- a", "c <- b", "z")
    plan = make_plan(snapshot, Wishes(attach={"z": "a"}))
    assert links(plan)["z"] == ("a",)
    assert plan.order == ("a", "z", "b", "c")
    assert_one_chain(after(snapshot, plan))


def test_attach_as_it_is_already_changes_nothing() -> None:
    assert not make_plan(chain("a", "b <- a"), Wishes(attach={"b": "a"})).relinks


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(root="nowhere"),
        Wishes(root="b"),  # not a base
        Wishes(root="z", attach={"z": "b"}),
        Wishes(attach={"nowhere": "a"}),
        Wishes(attach={"z": "nowhere"}),
        Wishes(attach={"z": "z"}),
        Wishes(attach={"a": "b"}),
        Wishes(attach={"z": "b", "a": "y"}),  # each alone would do
        Wishes(attach={"b": "a", "c": "a"}),  # both at once on one parent make two heads
    ],
)
def test_wishes_that_contradict_the_chain_or_each_other(wishes: Wishes) -> None:
    snapshot = chain("a", "b <- a", "c <- a", "z", "y <- z")
    with pytest.raises(CannotPlan) as stop:
        make_plan(snapshot, wishes)
    assert stop.value.message
    assert stop.value.remedy


@given(revisions(dependencies=True), st.data(), st.sampled_from(strategy_names()))
def test_wishes_are_honoured_or_refused(
    revs: tuple[Rev, ...], data: st.DataObject, strategy: str
) -> None:
    snapshot = chain(*revs)
    names = st.sampled_from(sorted(snapshot.graph))
    root = data.draw(st.none() | st.sampled_from(sorted(snapshot.graph.bases)), label="root")
    attach = data.draw(st.dictionaries(names, names, max_size=2), label="attach")
    assume(root or attach)
    try:
        plan = make_plan(snapshot, Wishes(strategy, root=root, attach=attach))
    except CannotPlan:
        return
    fixed = foreseen(snapshot, plan)
    assert_sound(fixed)
    for revision, parent in attach.items():
        assert fixed.graph.parents[revision] == (parent,)
    if root is not None:
        assert root in fixed.graph.bases
        assert plan.order[0] == root or len(fixed.graph.bases) > 1


# --- Intended lineages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "specs",
    [
        ("a", "e1 <- a @expand", "e2 <- e1", "c1 <- a @contract", "c2 <- c1"),
        ("a", "b <- a", "p @payments", "q <- p"),
        ("a", "b <- a", "p +b", "q <- p"),
        ("a", "b <- a", "p /plugin", "q <- p /plugin"),
    ],
)
@pytest.mark.parametrize("wishes", [Wishes(), STRICT, MERGE])
def test_intended_lineages_are_left_alone(specs: tuple[str, ...], wishes: Wishes) -> None:
    plan = make_plan(chain(*specs), wishes)
    assert (plan.relinks, plan.new_revisions) == ((), ())


@pytest.mark.parametrize("wishes", [Wishes(), STRICT, MERGE])
def test_bases_that_the_settings_name_are_left_alone(wishes: Wishes) -> None:
    snapshot = chain("a", "b <- a", "p", settings=Settings(intended_bases=frozenset({"p"})))
    plan = make_plan(snapshot, wishes)
    assert (plan.relinks, plan.new_revisions) == ((), ())


def test_each_lineage_gets_one_head_of_its_own() -> None:
    specs = ("a", "b <- a", "b2 <- a", "p @payments", "q <- p", "q2 <- p")
    linear = repaired(chain(*specs))
    assert linear.graph.parents["b2"] == ("b",)
    assert linear.graph.parents["q2"] == ("q",)
    plan = make_plan(chain(*specs), MERGE)
    assert [new.down_revision for new in plan.new_revisions] == [("b", "b2"), ("q", "q2")]
    assert not plan.relinks


def test_a_branch_with_a_label_keeps_its_head_while_the_others_are_linked() -> None:
    specs = ("a", "b <- a @main", "f <- a @feature", "f2 <- f", "c <- b", "d <- b")
    fixed = repaired(chain(*specs))
    assert sorted(fixed.graph.heads) == ["d", "f2"]
    assert fixed.graph.parents["f"] == ("a",)


def test_a_lineage_that_is_one_chain_already_is_left_alone_whatever_depends_on_it() -> None:
    # The two lineages need each other in turns, but only one of them has two heads.
    expand = ("e <- a @expand", "x <- e", "y <- e +c", "m <- x, y +f")
    snapshot = chain("a", "b <- a @contract", *expand, "c <- b", "f <- b +y")
    assert links(make_plan(snapshot, Wishes())) == {"f": ("c",)}
    assert not make_plan(chain("a", "b +a", "c +b", "d", "e <- a, c, d"), Wishes()).relinks


def test_the_merge_revision_lies_beside_the_heads_that_it_joins() -> None:
    snapshot = chain("a", "b <- a", "p /plugin", "q <- p /plugin", "r <- p /plugin")
    (new,) = make_plan(snapshot, MERGE).new_revisions
    assert new.down_revision == ("q", "r")
    assert new.location == snapshot.file("q").path.parent


# --- strict --------------------------------------------------------------------------------------


def test_only_strict_links_bases_that_a_merge_point_joins() -> None:
    snapshot = chain("a", "b <- a", "z", "m <- b, z")
    assert not make_plan(snapshot, Wishes()).relinks
    for strategy in strategy_names():
        fixed = repaired(snapshot, Wishes(strategy, strict=True))
        assert_one_chain(fixed)
        assert fixed.graph.bases == ("a",)


# --- merge ---------------------------------------------------------------------------------------


def test_merge_joins_all_heads_at_once() -> None:
    snapshot = chain("a", "b <- a", "c <- a", "d <- a")
    plan = make_plan(snapshot, MERGE)
    (new,) = plan.new_revisions
    assert new.down_revision == ("b", "c", "d")
    assert new.path is None
    assert plan.order == ("a", "b", "c", "d", new.revision)
    assert not plan.relinks


def test_merge_attaches_an_extra_base_to_the_head_of_the_longest_branch() -> None:
    plan = make_plan(chain("a", "b <- a", "c <- a", "d <- c", "e <- a", "z"), MERGE)
    assert links(plan) == {"z": ("d",)}
    assert [new.down_revision for new in plan.new_revisions] == [("b", "e", "z")]


def test_merge_attaches_an_extra_base_to_the_latest_of_equally_long_branches() -> None:
    assert links(make_plan(chain("a", "b <- a", "c <- a", "z"), MERGE)) == {"z": ("c",)}


def test_the_id_of_a_merge_revision_is_new_and_the_same_each_time() -> None:
    snapshot = chain("a", "b <- a", "c <- a")
    (first,) = make_plan(snapshot, MERGE).new_revisions
    (second,) = make_plan(snapshot, MERGE).new_revisions
    assert first == second
    taken = chain("a", "b <- a", "c <- a", f"{first.revision} <- b", f"d <- {first.revision}")
    (other,) = make_plan(taken, MERGE).new_revisions
    assert other.revision not in taken.graph


# --- Reasons are true ----------------------------------------------------------------------------


@given(revisions(dependencies=True))
def test_a_date_that_is_given_as_a_reason_is_really_later(revs: tuple[Rev, ...]) -> None:
    for relink in make_plan(chain(*revs), STRICT).relinks:
        assert relink.why
        for reason in relink.why:
            if " is later than " in reason.detail:
                first, _, second = reason.detail.partition(" is later than ")
                later = parse_date(first.removeprefix("Create Date "))
                earlier = parse_date(second.partition("(")[2].removesuffix(")"))
                assert later is not None
                assert earlier is not None
                assert later > earlier


# --- What cannot be planned ----------------------------------------------------------------------


def test_a_computed_header_stops_the_plan() -> None:
    computed = b"revision = 'b'\ndown_revision = find_parent()\n"
    with pytest.raises(CannotPlan, match=r"b\.py"):
        make_plan(chain("a", "c <- a", extra={"b.py": computed}), Wishes())


def test_the_order_of_files_on_the_disk_does_not_matter() -> None:
    specs = [Rev("a"), Rev("b", ("a",)), Rev("c", ("a",)), Rev("d", ("b",)), Rev("e")]
    plans = {
        tuple(sorted(links(make_plan(chain(*order), Wishes())).items()))
        for order in permutations(specs)
    }
    assert len(plans) == 1
