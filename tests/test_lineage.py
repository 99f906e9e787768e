"""Which bases and heads belong together."""

from __future__ import annotations

import pytest

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.model.environment import Settings
from tests.support import chain


def head_groups(snapshot: Snapshot) -> list[list[str]]:
    """The heads that should become one, group by group."""
    lineages = find_lineages(snapshot)
    groups: dict[int, list[str]] = {}
    for head in snapshot.graph.heads:
        groups.setdefault(id(lineages.by_revision[head]), []).append(head)
    return sorted(sorted(group) for group in groups.values())


def bases(snapshot: Snapshot) -> tuple[str, ...]:
    """The bases of which one should be left."""
    return find_lineages(snapshot).bases


# --- Bases ---------------------------------------------------------------------------------------


def test_no_chain_and_a_healthy_chain() -> None:
    assert find_lineages(chain()).main is None
    lineages = find_lineages(chain("a", "b <- a"))
    assert lineages.bases == ("a",)
    assert lineages.joined
    assert set(lineages.by_revision.values()) == {lineages.main}


def test_accidental_bases_come_the_largest_first() -> None:
    assert bases(chain("a", "b", "c <- b", "x", "y <- x", "z <- y")) == ("x", "b", "a")


def test_bases_are_joined_where_merge_points_connect_them() -> None:
    assert find_lineages(chain("a", "z", "m <- a, z")).joined
    assert find_lineages(chain("a", "z", "y <- z", "m <- a, z")).joined
    assert not find_lineages(chain("a", "z", "m <- a, z", "x")).joined
    # A dependency orders two lineages and does not join them.
    assert not find_lineages(chain("a", "b <- a", "x", "y", "p +b")).joined


@pytest.mark.parametrize(
    ("specs", "left"),
    [
        (("a", "p @payments"), ("a",)),
        (("a", "b", "p @payments", "q <- p"), ("a", "b")),
        (("a", "p /plugin"), ("a",)),
        (("a", "p /plugin", "q /plugin"), ("p", "q")),
        (("a", "b <- a", "p +b"), ("a",)),
        (("a +q", "p", "q <- p"), ("p",)),
        (("a @x", "p @y", "q <- p"), ("p",)),
    ],
)
def test_bases_that_are_there_on_purpose_do_not_count(
    specs: tuple[str, ...], left: tuple[str, ...]
) -> None:
    assert bases(chain(*specs)) == left


def test_a_base_whose_labels_are_computed_may_be_there_on_purpose() -> None:
    computed = b"revision = 'x'\ndown_revision = None\nbranch_labels = (cli.EXPAND,)\n"
    assert bases(chain("a", extra={"x.py": computed})) == ("a",)


def test_bases_that_the_settings_name_do_not_count() -> None:
    settings = Settings(intended_bases=frozenset({"p", "not even there"}))
    assert bases(chain("a", "b", "p", "q <- p", settings=settings)) == ("a", "b")


# --- Heads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "groups"),
    [
        (("a", "b <- a", "c <- a"), [["b", "c"]]),
        (("a", "b <- a", "z"), [["b", "z"]]),
        # Branches that each begin with a label …
        (("a", "e <- a @expand", "c <- a @contract"), [["c"], ["e"]]),
        (("a", "e <- a @expand", "f <- e", "g <- e"), [["f", "g"]]),
        (("a", "b <- a @main", "e <- a @expand", "f <- e", "g <- e"), [["b"], ["f", "g"]]),
        (("a", "b <- a", "c <- b @x", "d <- a", "e <- d @y"), [["c"], ["e"]]),
        # … one label says nothing of the branch beside it …
        (("a", "b <- a", "e <- a @expand", "f <- e", "g <- e"), [["b", "f", "g"]]),
        # … a label where nothing branches sets nothing apart …
        (("a", "e <- a @expand", "f <- e", "g <- a", "m <- f, g", "h <- m @late"), [["h"]]),
        (("a", "e <- a @x", "b <- e", "c <- e"), [["b", "c"]]),
        (("a", "b <- a", "c <- b @x", "d <- a"), [["c", "d"]]),
        # … a branch of a branch, and what merges is one again.
        (("a", "b <- a", "e <- a @x", "f <- e", "g <- e @y"), [["b", "f", "g"]]),
        (("a", "b <- a @z", "e <- a @x", "f <- e @v", "g <- e @y"), [["b"], ["f"], ["g"]]),
        (("a", "b <- a", "e <- a @x", "m <- b, e", "c <- a"), [["c", "m"]]),
        (("a", "b <- a", "e <- a @x", "f <- e", "g <- e @y", "m <- f, g"), [["b", "m"]]),
        # Lineages with a base of their own.
        (("a", "b <- a", "c <- a", "p @x", "q <- p", "r <- p"), [["b", "c"], ["q", "r"]]),
        (("a", "p @x", "m <- a, p", "b <- a"), [["b", "m"]]),
        (("a", "p @x", "q @y", "m <- p, q"), [["a"], ["m"]]),
    ],
)
def test_heads_that_should_be_one(specs: tuple[str, ...], groups: list[list[str]]) -> None:
    assert head_groups(chain(*specs)) == groups


def test_a_branch_whose_label_is_computed_is_set_apart() -> None:
    computed = b"revision = 'x'\ndown_revision = 'a'\nbranch_labels = (cli.EXPAND,)\n"
    extra = {"x.py": computed}
    assert head_groups(chain("a", "b <- a @contract", extra=extra)) == [["b"], ["x"]]
    assert head_groups(chain("a", "b <- a", extra=extra)) == [["b", "x"]]


def test_broken_chains_have_lineages_too() -> None:
    for specs in (("a <- a",), ("p <- q", "q <- p", "r <- p"), ("b <- gone", "c <- gone")):
        snapshot = chain(*specs)
        assert set(find_lineages(snapshot).by_revision) == set(snapshot.graph)
