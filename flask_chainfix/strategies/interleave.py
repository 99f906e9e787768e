"""The order that rewrites the fewest files and still runs, where branches cannot stay whole.

It is a search for the cheapest way (A*; Hart, Nilsson and Raphael, 1968) through the sets of
revisions that have been placed. Finding it is hard in general (with precedence alone it is the
jump number problem; Pulleyblank, 1982), so the search is bounded, and says when it gave up.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from typing import NamedTuple

from flask_chainfix.errors import CannotPlan
from flask_chainfix.evidence import Life
from flask_chainfix.strategies.registry import Task
from flask_chainfix.strategies.units import Unit, divide

_MOST_STEPS = 100_000


class _State(NamedTuple):
    """Where a search has come to.

    Attributes:
        placed: the numbers of the units that have been placed, as the bits of a number.
        last: the unit placed last; ``-1`` at the beginning.
        life: which contested objects exist by now.
    """

    placed: int
    last: int
    life: Life


def interleave(task: Task, moving: Collection[str]) -> list[Unit] | None:
    """Order branches so that they run, with the fewest files rewritten.

    Args:
        task: what to do.
        moving: the revisions of the branches, with all that are below them.

    Returns:
        All of ``moving``, in the order; ``None`` where branches have merged so that no line can be
        made of them, and where the search was given up.

    Raises:
        CannotPlan: no order of these branches can run.
    """
    units = divide(task.graph, moving, _apart(task, moving))
    return _Search(task, units).order() if units is not None else None


def _apart(task: Task, moving: Collection[str]) -> set[str]:
    """The revisions whose place among those of other branches matters."""
    apart = {revision for revision in moving if revision in task.lives}
    for revision, required in task.graph.dependencies.items():
        for other in required:
            if not task.snapshot.graph.is_ancestor(other, revision):
                apart.update((revision, other))
    return apart


class _Search:
    def __init__(self, task: Task, units: list[Unit]) -> None:
        self._task = task
        self._units = units
        graph = task.graph
        unit_of = {name: index for index, unit in enumerate(units) for name in unit.revisions}
        self._parent = [unit_of[unit.parent] if unit.parent is not None else -1 for unit in units]
        self._children: dict[int, list[int]] = {}
        for index, parent in enumerate(self._parent):
            self._children.setdefault(parent, []).append(index)
        self._below = [
            sum(
                1 << other
                for other in {
                    unit_of[required]
                    for revision in unit.revisions
                    for required in graph.requirements(revision)
                    if required in unit_of and unit_of[required] != index
                }
            )
            for index, unit in enumerate(units)
        ]
        pins = task.ordering.pins
        self._pinned = {i for i, unit in enumerate(units) if unit.revisions[0] in pins}
        self._ends = sum(1 << index for index in range(len(units)) if index not in self._children)

    def order(self) -> list[Unit] | None:
        """The cheapest order; ``None`` where it was not found in time.

        Raises:
            CannotPlan: there is none.
        """
        everything = (1 << len(self._units)) - 1
        start = _State(0, -1, self._task.lives.beginning)
        came_from: dict[_State, _State] = {}
        cost = {start: 0}
        # Of equally cheap ways the one that has come furthest goes on, then that of lower rank.
        turn = count()
        queue = [(self._least(start), 0, next(turn), start)]
        for _ in range(_MOST_STEPS):
            if not queue:
                raise self._no_order()
            state = heapq.heappop(queue)[-1]
            if state.placed == everything:
                return self._way(state, came_from)
            for after, price in self._next(state):
                spent = cost[state] + price
                if spent < cost.get(after, len(self._units) + 1):
                    cost[after] = spent
                    came_from[after] = state
                    bound = spent + self._least(after)
                    heapq.heappush(queue, (bound, -after.placed.bit_count(), next(turn), after))
        return None

    def _next(self, state: _State) -> Iterator[tuple[_State, int]]:
        """The states that placing one more unit leads to, with the files that it rewrites."""
        for index in self._in_rank_order(state):
            unit = self._units[index]
            follows = self._parent[index] == state.last
            if index in self._pinned and not follows:
                continue
            life = self._task.lives.after(unit.revisions, state.life)
            if life is not None:
                yield _State(state.placed | 1 << index, index, life), 0 if follows else 1

    def _in_rank_order(self, state: _State) -> list[int]:
        ordering = self._task.ordering
        ready = [
            index
            for index, below in enumerate(self._below)
            if not state.placed >> index & 1 and not below & ~state.placed
        ]
        if state.last < 0:
            ready = [index for index in ready if self._parent[index] < 0]
            if self._task.root_is_wish:
                ready = [i for i in ready if self._units[i].revisions[0] == ordering.root]
        return sorted(
            ready,
            key=lambda index: (
                self._parent[index] != state.last,
                self._units[index].revisions[0] != ordering.root,
                ordering.ranks[self._units[index].revisions[0]],
            ),
        )

    def _least(self, state: _State) -> int:
        """A bound from below for the files that are still to be rewritten.

        What is left ends in so many heads, each of which ends a run; only the first run may follow
        what has been placed last.
        """
        ends = (self._ends & ~state.placed).bit_count()
        follows = any(not state.placed >> child & 1 for child in self._children.get(state.last, ()))
        return ends - 1 if ends and follows else ends

    def _way(self, state: _State, came_from: Mapping[_State, _State]) -> list[Unit]:
        order = []
        while state in came_from:
            order.append(self._units[state.last])
            state = came_from[state]
        return order[::-1]

    def _no_order(self) -> CannotPlan:
        moved = {revision for unit in self._units for revision in unit.revisions}
        told = self._task.lives.told(moved)
        return CannotPlan(
            "no order of these branches can run" + (f": {told}" if told else ""),
            "keep one of the operations that do so; or say with --attach REVISION=PARENT where"
            " the pieces belong",
        )
