"""Which version rows to update, to delete and to insert, so that others stand there."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from flask_chainfix.model import Move


class Changes(NamedTuple):
    """The least that has to be done.

    Attributes:
        updated: ids before and after.
        deleted: ids.
        inserted: ids.
    """

    updated: tuple[tuple[str, str], ...]
    deleted: tuple[str, ...]
    inserted: tuple[str, ...]


def changes_for(move: Move) -> Changes:
    """What a move does to the rows; a row that can be used again keeps its other columns."""
    counted = Counter(move.before)
    # One id in several rows: they cannot be told apart, so none of them is used again.
    twice = {revision for revision, times in counted.items() if times > 1}
    surplus = sorted(set(move.before) - set(move.after) - twice)
    missing = sorted(set(move.after) - (set(move.before) - twice))
    # A server that tells no cases apart refuses the same id in another one beside the old.
    pairs = [(old, new) for old in surplus for new in missing if old.casefold() == new.casefold()]
    surplus, missing = (
        [revision for revision in side if not any(revision in pair for pair in pairs)]
        for side in (surplus, missing)
    )
    count = min(len(surplus), len(missing))
    return Changes(
        (*pairs, *zip(surplus[:count], missing[:count], strict=True)),
        (*sorted(twice), *surplus[count:]),
        tuple(missing[count:]),
    )
