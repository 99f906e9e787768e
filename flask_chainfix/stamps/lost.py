"""Revisions that no file has any more: what they did, and what is left below them."""

from __future__ import annotations

from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.model import Footprint
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps.rows import tops


def is_noop(snapshot: Snapshot, revision: str) -> bool:
    """Whether what a revision does, or a lost one did, is proven to be nothing.

    That it does nothing to tables is not enough: it may call a program, or make a function.
    """
    if revision in snapshot.graph:
        file = snapshot.file(revision)
        return not any(snapshot.footprint(file)) and source.does_nothing(file.data)
    footprint = lost_footprint(snapshot, revision)
    if footprint is None or any(footprint):
        return False
    return source.does_nothing(snapshot.databases.lost[revision].data)


def lost_footprint(snapshot: Snapshot, revision: str) -> Footprint | None:
    """What a lost revision did to the schema; ``None`` where version control has no file of it."""
    lost = snapshot.databases.lost.get(revision)
    if lost is None:
        return None
    from flask_chainfix.footprint import read_footprint  # it is seldom needed

    return read_footprint(lost.data, dialect=snapshot.environment.dialect)


class Survivors(NamedTuple):
    """What is left below a lost revision.

    Attributes:
        rows: its nearest ancestors that files still have, as the rows that stand for them; none
            where the way to them is not known.
        between: the lost revisions from it down to them.
        unknown: those of ``between`` of which version control knows nothing.
    """

    rows: tuple[str, ...]
    between: tuple[str, ...]
    unknown: tuple[str, ...]


def survivors(snapshot: Snapshot, revision: str) -> Survivors:
    """Find the nearest ancestors of a lost revision that files still have.

    Args:
        snapshot: the chain, and what version control knows of lost revisions.
        revision: a revision that no file has.
    """
    found: dict[str, None] = {}
    between: dict[str, None] = {}
    unknown: dict[str, None] = {}
    pending = [revision]
    while pending:
        name = pending.pop()
        if name in snapshot.graph:
            found[name] = None
            continue
        if name in between:
            continue
        between[name] = None
        lost = snapshot.databases.lost.get(name)
        if lost is None:
            unknown[name] = None
        else:
            labelled = snapshot.graph.labelled
            names = (labelled[name][0] if name in labelled else name for name in lost.requirements)
            pending.extend(names)
    rows = () if unknown else tops(snapshot.graph, snapshot.graph.required(found))
    return Survivors(rows, tuple(between), tuple(unknown))
