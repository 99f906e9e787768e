"""Questions to a chain: literal graphs, and any garbage compared with slow, obvious answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.model.files import Header
from tests.strategies_oracle import Parents, all_ancestors, parents_of, revisions, strong_components
from tests.support import Refused, Rev, alembic_loads, graph, header

DIAMOND = ("a", "b <- a", "c <- a", "d <- b, c")

# Few names, so that duplicates, cycles, loops and dangling names are frequent.
NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])


def some(*names: str) -> st.SearchStrategy[tuple[str, ...] | None]:
    """A header value: a few of these names, also twice, or computed."""
    return st.none() | st.lists(st.sampled_from(names), max_size=3).map(tuple)


@st.composite
def garbage(draw: st.DrawFn) -> list[Header]:
    """Headers that need not make any sense together."""
    return [
        header("")._replace(
            revision=draw(st.none() | NAMES),
            down_revision=draw(some("a", "b", "c", "d", "e", "f", "gone")),
            branch_labels=draw(some("x", "y", "a")),
            depends_on=draw(some("a", "b", "c", "x", "gone")),
        )
        for _ in range(draw(st.integers(0, 6)))
    ]


# --- Bases, heads, parents and children ----------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "bases", "heads"),
    [
        ((), (), ()),
        (("a",), ("a",), ("a",)),
        (("a", "b <- a"), ("a",), ("b",)),
        (DIAMOND, ("a",), ("d",)),
        (("a", "b <- a", "c <- a"), ("a",), ("b", "c")),
        (("a", "z", "m <- a, z"), ("a", "z"), ("m",)),
        (("b <- a", "a"), ("a",), ("b",)),
        # What depends_on needs is no parent: the revision stays a head.
        (("a", "z +a"), ("a", "z"), ("a", "z")),
    ],
)
def test_bases_and_heads(
    specs: tuple[str, ...], bases: tuple[str, ...], heads: tuple[str, ...]
) -> None:
    chain = graph(*specs)
    assert (chain.bases, chain.heads) == (bases, heads)


def test_a_revision_with_a_missing_parent_is_no_base() -> None:
    chain = graph("a", "b <- gone")
    assert chain.bases == ("a",)
    assert chain.parents["b"] == ()
    assert chain.named_parents["b"] == ("gone",)


def test_a_revision_with_computed_parents_is_floating_and_no_base() -> None:
    chain = graph("a", header("b")._replace(down_revision=None))
    assert chain.bases == ("a",)
    assert set(chain.floating) == {"b"}


def test_a_file_without_a_readable_id_is_left_out() -> None:
    chain = graph("a", header("b <- a")._replace(revision=None))
    assert list(chain) == ["a"]
    assert chain.heads == ("a",)


def test_children_are_the_revisions_that_name_a_parent() -> None:
    children = graph(*DIAMOND).children
    assert dict(children) == {"a": ("b", "c"), "b": ("d",), "c": ("d",)}


def test_length_membership_and_iteration_count_revisions() -> None:
    chain = graph("a", "b <- a", "b <- a")
    assert len(chain) == 2
    assert list(chain) == ["a", "b"]
    assert "b" in chain
    assert "c" not in chain
    assert None not in chain


# --- Duplicates and what is missing --------------------------------------------------------------


def test_duplicates_are_counted() -> None:
    assert dict(graph("a", "b <- a", "b <- a", "b <- a", "a").duplicates) == {"b": 3, "a": 2}
    assert not graph(*DIAMOND).duplicates


def test_files_with_one_id_are_one_node_with_the_parents_of_all() -> None:
    chain = graph("a", "z", "b <- a", "b <- z")
    assert chain.parents["b"] == ("a", "z")
    assert chain.heads == ("b",)


def test_a_duplicate_of_which_one_file_has_a_parent_is_no_base() -> None:
    assert graph("a", "b <- a", "b").bases == ("a",)
    assert graph("a", "b", "b <- a").bases == ("a",)


def test_missing_parents_are_those_that_no_file_has() -> None:
    chain = graph("a", "b <- a, gone", "c <- lost, gone")
    assert dict(chain.missing_parents) == {"b": ("gone",), "c": ("lost", "gone")}
    assert chain.parents["b"] == ("a",)


# --- Dependencies and labels ---------------------------------------------------------------------


def test_dependencies_are_ids_or_labels() -> None:
    chain = graph("a", "p @payments", "b <- a +payments", "c <- b +a")
    assert dict(chain.dependencies) == {"b": ("p",), "c": ("a",)}
    assert not chain.missing_dependencies


def test_an_id_is_stronger_than_a_label_of_the_same_name() -> None:
    assert graph("a", "b @a", "c +a").dependencies["c"] == ("a",)


def test_a_dependency_on_nothing_is_missing() -> None:
    chain = graph("a", "b <- a +gone +a")
    assert dict(chain.missing_dependencies) == {"b": ("gone",)}
    assert chain.dependencies["b"] == ("a",)


def test_requirements_are_parents_and_dependencies_each_once() -> None:
    chain = graph("a", "z", "b <- a +z +a")
    assert chain.requirements("b") == ("a", "z")
    assert chain.requirements("a") == ()


def test_labels_by_revision_and_revisions_by_label() -> None:
    chain = graph("a @x @y", "b <- a", "c <- a @x")
    assert dict(chain.labels) == {"a": ("x", "y"), "c": ("x",)}
    assert dict(chain.labelled) == {"x": ("a", "c"), "y": ("a",)}


# --- Order, depth, ancestors ---------------------------------------------------------------------


def test_order_puts_requirements_first_and_keeps_the_order_of_files_otherwise() -> None:
    assert graph("d <- b, c", "c <- a", "b <- a", "a").order == ("a", "c", "b", "d")
    assert graph("a +z", "b <- a", "z").order == ("z", "a", "b")


def test_order_ends_with_the_members_of_cycles_and_what_is_above_them() -> None:
    assert graph("p <- q", "q <- p", "r <- q", "a", "b <- a").order == ("a", "b", "p", "q", "r")


def test_depth_is_the_longest_way_down() -> None:
    chain = graph("a", "b <- a", "c <- b", "d <- a, c", "z")
    assert dict(chain.depth) == {"a": 1, "b": 2, "c": 3, "d": 4, "z": 1}


def test_ancestors_and_descendants_include_where_they_start() -> None:
    chain = graph("a", "b <- a", "c <- a", "d <- b, c", "e <- d", "z")
    assert chain.ancestors(["d"]) == {"a", "b", "c", "d"}
    assert chain.ancestors(["b", "z"]) == {"a", "b", "z"}
    assert chain.descendants(["c"]) == {"c", "d", "e"}


def test_ancestors_stop_at_what_is_outside() -> None:
    chain = graph("a", "b <- a", "c <- b", "d <- b, c")
    assert chain.ancestors(["d"], outside={"a", "b"}) == {"c", "d"}
    assert chain.ancestors(["a"], outside={"a"}) == set()


def test_is_ancestor_is_proper_and_has_a_direction() -> None:
    chain = graph(*DIAMOND)
    assert chain.is_ancestor("a", "d")
    assert not chain.is_ancestor("d", "a")
    assert not chain.is_ancestor("b", "c")
    assert not chain.is_ancestor("b", "b")


def test_is_ancestor_sees_through_cycles_and_what_is_above_them() -> None:
    chain = graph("b <- a", "c <- b", "a <- a")
    assert chain.is_ancestor("a", "c")
    assert chain.is_ancestor("a", "a")


def test_components_hang_together_by_parents_only() -> None:
    chain = graph("a", "z +a", "b <- a", "y <- z", "lone")
    assert chain.components == (("a", "b"), ("lone",), ("z", "y"))


def test_components_of_merged_bases_are_one() -> None:
    assert len(graph("a", "z", "m <- a, z").components) == 1


# --- Cycles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "cycles"),
    [
        (DIAMOND, ()),
        (("a <- a",), (("a",),)),
        (("a <- b", "b <- a"), (("a", "b"),)),
        # What lies above or below a cycle is no member of it.
        (("a", "p <- a, q", "q <- p", "r <- q"), (("p", "q"),)),
        (("p <- q", "q <- p", "x <- y, q", "y <- x"), (("p", "q"), ("x", "y"))),
        # Two circles that share a revision are one knot.
        (("a <- b, c", "b <- a", "c <- a"), (("a", "b", "c"),)),
        (("a +b", "b <- a"), (("a", "b"),)),
        (("a @x", "b <- a +x"), ()),
        (("a +x", "b <- a @x"), (("a", "b"),)),
    ],
)
def test_cycles(specs: tuple[str, ...], cycles: tuple[tuple[str, ...], ...]) -> None:
    assert graph(*specs).cycles == cycles


def test_a_cycle_of_thousands_needs_no_recursion() -> None:
    ring = [f"r{index:04} <- r{(index + 1) % 3000:04}" for index in range(3000)]
    assert [len(members) for members in graph(*ring).cycles] == [3000]


# --- Any garbage ---------------------------------------------------------------------------------


@given(garbage())
def test_every_question_has_an_answer(headers: list[Header]) -> None:
    chain = Graph(headers)
    names = {item.revision for item in headers if item.revision is not None}
    assert set(chain) == set(chain.order) == set(chain.depth) == names
    assert len(chain) == len(chain.order)
    assert sorted(name for component in chain.components for name in component) == sorted(names)
    assert set(chain.bases) | set(chain.heads) <= names
    for members in chain.cycles:
        assert set(members) <= names
    for name in names:
        assert name in chain.ancestors([name])
        assert name in chain.descendants([name])
        assert set(chain.requirements(name)) <= names
        assert chain.parents[name] == tuple(
            parent for parent in chain.named_parents[name] if parent in names
        )
    for missing in (*chain.missing_parents.values(), *chain.missing_dependencies.values()):
        assert missing
        assert names.isdisjoint(missing)
    for owners in chain.labelled.values():
        assert names.issuperset(owners)


@given(garbage())
def test_cycles_are_the_strongly_connected_components(headers: list[Header]) -> None:
    chain = Graph(headers)
    edges: Parents = {name: chain.requirements(name) for name in chain}
    assert set(chain.cycles) == strong_components(edges)
    assert len(chain.cycles) == len(set(chain.cycles))


@given(garbage())
def test_order_puts_requirements_first_and_what_a_cycle_blocks_last(headers: list[Header]) -> None:
    chain = Graph(headers)
    needed = all_ancestors({name: chain.requirements(name) for name in chain})
    in_cycle = {name for name in chain if name in needed[name]}
    free = [name for name in chain if in_cycle.isdisjoint({name, *needed[name]})]
    assert set(chain.order[: len(free)]) == set(free)
    for name in free:
        assert needed[name].issubset(chain.order[: chain.order.index(name)])


@given(garbage())
def test_is_ancestor_means_that_a_way_leads_down(headers: list[Header]) -> None:
    chain = Graph(headers)
    below = all_ancestors(chain.parents)
    for name in chain:
        assert [other for other in chain if chain.is_ancestor(other, name)] == [
            other for other in chain if other in below[name]
        ]


@given(garbage())
def test_bases_and_heads_are_those_of_alembic_wherever_it_accepts_the_chain(
    headers: list[Header],
) -> None:
    known = [item for item in headers if item.revision is not None]
    known = [item for item in known if item.down_revision is not None]
    try:
        loaded = alembic_loads(known)
    except Refused:
        return
    chain = Graph(known)
    assert (tuple(sorted(chain.bases)), tuple(sorted(chain.heads))) == (loaded.bases, loaded.heads)


@given(revisions(dependencies=True).flatmap(st.permutations))
def test_a_sound_chain_in_any_order_of_files(chain: list[Rev]) -> None:
    found = graph(*chain)
    below = all_ancestors(parents_of(chain))
    loaded = alembic_loads(header(item) for item in chain)
    assert not found.cycles
    assert (tuple(sorted(found.bases)), tuple(sorted(found.heads))) == (loaded.bases, loaded.heads)
    for name, ancestors in below.items():
        assert found.ancestors([name]) == ancestors | {name}
        for other in below:
            assert found.is_ancestor(other, name) == (other in ancestors)
