"""What the user has said: parents of revisions whose own are missing, or run in a circle."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.graph import Graph
from flask_chainfix.mending.case import Case
from flask_chainfix.model import Mend, Part, Reason


def pinned_parents(case: Case) -> Iterator[Mend]:
    """``--attach`` answers what no evidence could; the parents that are in order stay.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    snapshot = case.snapshot
    graph = snapshot.graph
    in_cycles = {member for members in graph.cycles for member in members}
    for revision, parent in case.wishes.attach.items():
        if revision not in graph or parent not in graph:
            continue  # which is told when the wishes are compared with the chain
        sound = _sound_parents(graph, revision, in_cycles)
        if len(sound) == len(graph.named_parents[revision]):
            continue
        kept = [name for name in sound if not graph.is_ancestor(name, parent)]
        kept += [parent] if not any(graph.is_ancestor(parent, name) for name in kept) else []
        code = "FC105" if revision in in_cycles else "FC103"
        why = Reason("pin", f"--attach {revision}={parent}")
        parents = tuple(dict.fromkeys(kept))
        yield case.rewritten(code, Part.PARENTS, snapshot.file(revision), parents, why)


def _sound_parents(graph: Graph, revision: str, in_cycles: set[str]) -> list[str]:
    """The parents that exist and do not run in a circle with the revision."""
    return [
        name
        for name in graph.parents[revision]
        if not (revision in in_cycles and name in in_cycles)
    ]
