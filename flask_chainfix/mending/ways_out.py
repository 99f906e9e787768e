"""What the user can say where links run in a circle and nothing tells which of them is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from flask_chainfix.graph import Graph
from flask_chainfix.languages import option, word
from flask_chainfix.mending.case import Case
from flask_chainfix.remedies import REPAIR, Remedy, way


def base_of_choice(graph: Graph, members: Sequence[str]) -> list[str]:
    """The members of a cycle that are bases once they are on no other member."""
    return [name for name in members if set(graph.named_parents[name]).issubset(members)]


def ways_out(case: Case, members: Sequence[str]) -> Remedy:
    """The remedy for a cycle: options that are sure to open it, then what to do by hand."""
    wishes = case.wishes
    said = "".join(
        f" {option('--attach', f'{name}={parent}')}" for name, parent in wishes.attach.items()
    )
    if wishes.root is not None:
        said = f" {option('--root', wishes.root)}{said}"
    remedy = Remedy()
    if wishes.root is None:
        bases = (name for name in base_of_choice(case.snapshot.graph, members))
        opening = (name for name in bases if _opens(case, name, members))
        for name in islice(opening, 1):
            remedy |= way(f"make {name} the base", f"{REPAIR} {option('--root', name)}{said}")
    for name, parent in islice(_attachable(case, members), 1):
        pair = word(f"{name}={parent}")
        remedy |= way(
            f"put {name} on {parent}, out of the cycle", f"{REPAIR}{said} --attach {pair}"
        )
    return remedy | "correct down_revision or depends_on of one of them by hand"


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
