"""Slow and obvious answers to compare the real ones with, and random chains to ask about.

Nothing here uses ``flask_chainfix.chain``: a chain is a plain ``{revision: parents}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise, product

from hypothesis import strategies as st

from tests.support import Rev

Parents = Mapping[str, tuple[str, ...]]


# --- Reachability --------------------------------------------------------------------------------


def reachable(edges: Parents, start: str) -> set[str]:
    """Every revision that one or more steps along ``edges`` lead to."""
    found: set[str] = set()
    new = set(edges.get(start, ()))
    while new:
        found |= new
        new = {target for name in new for target in edges.get(name, ())} - found
    return found


def all_ancestors(parents: Parents) -> dict[str, set[str]]:
    """What runs before each revision."""
    return {revision: reachable(parents, revision) for revision in parents}


def strong_components(edges: Parents) -> set[tuple[str, ...]]:
    """Groups of revisions that lead to each other and to themselves: the cycles."""
    reach = {revision: reachable(edges, revision) for revision in edges}
    return {
        tuple(sorted(other for other in reach[revision] if revision in reach.get(other, ())))
        for revision in edges
        if revision in reach[revision]
    }


def redundant_parents(parents: Parents) -> set[tuple[str, str]]:
    """Pairs of a revision and a parent that is an ancestor of another of its parents."""
    below = all_ancestors(parents)
    return {
        (revision, parent)
        for revision, named in parents.items()
        for parent in named
        if any(parent in below[other] for other in named if other != parent)
    }


# --- The fewest relinks, by trying every order ---------------------------------------------------


def orders(parents: Parents) -> Iterator[tuple[str, ...]]:
    """Every order in which each revision runs after its parents."""

    def extend(done: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if len(done) == len(parents):
            yield done
        for revision, needed in parents.items():
            if revision not in done and set(needed).issubset(done):
                yield from extend((*done, revision))

    return extend(())


def relinks_for(parents: Parents, order: tuple[str, ...]) -> int:
    """How many files must change so that the chain is exactly this order."""
    return sum(parents[above] != (below,) for below, above in pairwise(order))


def fewest_relinks(parents: Parents) -> int:
    """How many files must change at least so that a forest becomes one chain."""
    return min(relinks_for(parents, order) for order in orders(parents))


def forests(size: int) -> Iterator[tuple[int | None, ...]]:
    """Every forest of so many nodes: for each node its parent, which is an earlier one."""
    return product(*([None, *range(node)] for node in range(size)))


# --- Random chains -------------------------------------------------------------------------------

_NAMES = ("a1f0", "b2e1", "c3d2", "d4c3", "e5b4", "f6a5", "a797", "b888", "c979", "dA6a", "eb5b")
_DATES = (None, "2023-06-01", "2024-01-01", "2024-01-01 10:30:00", "2024-02-02", "2025-03-03")


@st.composite
def revisions(
    draw: st.DrawFn,
    *,
    most: int = 9,
    merges: bool = True,
    dependencies: bool = False,
    one_base: bool = False,
) -> tuple[Rev, ...]:
    """A chain without faults but several bases or heads: every parent exists, nothing is round.

    Args:
        draw: Hypothesis.
        most: how many revisions at most.
        merges: whether revisions may have several parents; none of them an ancestor of another.
        dependencies: whether revisions may have ``depends_on``.
        one_base: whether only the first revision is a base.
    """
    names = draw(st.permutations(_NAMES))[: draw(st.integers(1, most))]
    parents: dict[str, tuple[str, ...]] = {}
    for index, name in enumerate(names):
        least = 1 if one_base and index else 0
        wanted = draw(
            st.lists(
                st.sampled_from(names[:index]),
                min_size=least,
                max_size=(3 if merges else 1),
                unique=True,
            )
            if index
            else st.just([])
        )
        parents[name] = _apart(parents, wanted)
    needs = {name: _needs(draw, parents, name) if dependencies else () for name in names}
    dates = draw(st.lists(st.sampled_from(_DATES), min_size=len(names), max_size=len(names)))
    return tuple(
        Rev(name, parents[name], depends_on=needs[name], date=date)
        for name, date in zip(names, dates, strict=True)
    )


def _apart(parents: Parents, wanted: list[str]) -> tuple[str, ...]:
    below = all_ancestors(parents)
    return tuple(name for name in wanted if not any(name in below[other] for other in wanted))


def _needs(draw: st.DrawFn, parents: Parents, name: str) -> tuple[str, ...]:
    # Only to earlier revisions, so that no dependency closes a circle.
    earlier = list(parents)[: list(parents).index(name)]
    if not earlier or not draw(st.booleans()):
        return ()
    return (draw(st.sampled_from(earlier)),)


def parents_of(chain: Iterable[Rev]) -> dict[str, tuple[str, ...]]:
    """The plain mapping of a chain."""
    return {rev.revision: rev.parents for rev in chain}
