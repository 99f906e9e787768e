"""FC112: merge points lose the parents that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.graph import redundant_parents
from flask_chainfix.mending.case import Case
from flask_chainfix.model import Mend, Part, Reason


def parents_that_say_nothing(case: Case) -> Iterator[Mend]:
    """Only with ``--strict``: Alembic can use such a chain."""
    if not case.wishes.strict:
        return
    snapshot = case.snapshot
    for revision, redundant in redundant_parents(snapshot.graph).items():
        kept = dict.fromkeys(
            parent for parent in snapshot.graph.parents[revision] if parent not in redundant
        )
        # One that is named twice is redundant once.
        kept.update(dict.fromkeys(name for name in redundant if not _is_below(case, name, kept)))
        why = Reason("redundant", f"another of its parents builds on {', '.join(redundant)}")
        yield case.rewritten("FC112", Part.PARENTS, snapshot.file(revision), tuple(kept), why)


def _is_below(case: Case, parent: str, others: dict[str, None]) -> bool:
    graph = case.snapshot.graph
    return any(other != parent and graph.is_ancestor(parent, other) for other in others)
