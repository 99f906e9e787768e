"""What the user can say where links run in a circle and nothing tells which of them is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import islice

from flask_chainfix.graph import Graph
from flask_chainfix.mending.case import Case


def base_of_choice(graph: Graph, members: Sequence[str]) -> list[str]:
    """The members of a cycle that are bases once they are on no other member."""
    return [name for name in members if set(graph.named_parents[name]).issubset(members)]


def ways_out(case: Case, members: Sequence[str]) -> str:
    """The remedy for a cycle: options that are sure to open it, else what to do by hand."""
    wishes = case.wishes
    ways = [
        f"--attach {shlex.quote(f'{name}={parent}')} puts {name} on {parent}, outside of the cycle"
        for name, parent in islice(_attachable(case, members), 1)
    ]
    if wishes.root is None:
        bases = (name for name in base_of_choice(case.snapshot.graph, members))
        opening = (name for name in bases if _opens(case, name, members))
        ways = [
            *(f"--root {shlex.quote(name)} makes {name} the base" for name in islice(opening, 1)),
            *ways,
        ]
    by_hand = "correct down_revision or depends_on of one of them by hand"
    if not ways:
        return by_hand
    also = " as well" if wishes.root is not None or wishes.attach else ""
    return f"say{also} where one of them belongs: {', or '.join(ways)}; or {by_hand}"


def _attachable(case: Case, members: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Members that are in the cycle by their parents alone, with a parent for each outside."""
    graph = case.snapshot.graph
    outside = graph.free_of_cycles
    for name in members:
        linked = not set(graph.dependencies.get(name, ())).isdisjoint(members)
        if outside and not linked and name != case.wishes.root and _opens(case, name, members):
            own = [parent for parent in graph.parents[name] if parent in outside]
            yield name, [*outside, *own][-1]


def _opens(case: Case, name: str, members: Sequence[str]) -> bool:
    """Whether no cycle is left among the members once one of them needs nothing."""
    headers = (case.snapshot.header(member) for member in members)
    return not Graph(
        header._replace(down_revision=(), depends_on=()) if header.revision == name else header
        for header in headers
    ).cycles
