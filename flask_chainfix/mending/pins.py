"""What the user has said: parents of revisions whose own are missing, or run in a circle."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.mending.case import Case
from flask_chainfix.model import Mend, Part, Reason


def pinned_parents(case: Case) -> Iterator[Mend]:
    """``--attach`` answers what no evidence could."""
    snapshot = case.snapshot
    graph = snapshot.graph
    in_cycles = {member for members in graph.cycles for member in members}
    for revision, parent in case.wishes.attach.items():
        if revision not in graph or parent not in graph or revision in graph.duplicates:
            continue  # which is told when the wishes are compared with the chain
        doubtful = revision in graph.missing_parents or revision in in_cycles
        if doubtful and graph.named_parents[revision] != (parent,):
            code = "FC105" if revision in in_cycles else "FC103"
            why = Reason("pin", f"--attach {revision}={parent}")
            yield case.rewritten(code, Part.PARENTS, snapshot.file(revision), (parent,), why)
