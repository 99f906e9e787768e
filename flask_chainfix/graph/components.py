"""Strongly connected components (Tarjan, 1972)."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def cyclic_components(
    starts: Iterable[str], successors: Callable[[str], tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Tarjan's components that are cycles, without recursion: chains are long."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    cycles: list[tuple[str, ...]] = []
    for start in starts:
        work = [(start, iter(successors(start)))] if start not in index else []
        while work:
            node, following = work[-1]
            if node not in index:
                index[node] = lowest[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            for successor in following:
                if successor not in index:
                    work.append((successor, iter(successors(successor))))
                    break
                if successor in on_stack:
                    lowest[node] = min(lowest[node], index[successor])
            else:
                work.pop()
                if work:
                    below = work[-1][0]
                    lowest[below] = min(lowest[below], lowest[node])
                if lowest[node] == index[node]:
                    members = _pop_until(stack, on_stack, node)
                    if len(members) > 1 or node in successors(node):
                        cycles.append(tuple(sorted(members)))
    return tuple(sorted(cycles))


def _pop_until(stack: list[str], on_stack: set[str], last: str) -> list[str]:
    members = []
    while True:
        member = stack.pop()
        on_stack.discard(member)
        members.append(member)
        if member == last:
            return members
