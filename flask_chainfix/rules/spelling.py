"""Which of the known ids somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

_MOST = 3
_SIMILAR = 0.8  # of 12 characters, two may differ


def close_ids(id_: str, known: Iterable[str]) -> tuple[str, ...]:
    """Find the ids that are nearest to one that does not exist.

    Args:
        id_: the id that was asked for.
        known: the ids that there are.

    Returns:
        At most three: first those that differ only by case or blanks around them, then the one
        that begins with it, or that it begins with, if that is only one, then similar ones.
    """
    others = sorted(set(known) - {id_})
    return tuple(dict.fromkeys(_close(id_, others)))[:_MOST]


def _close(id_: str, others: list[str]) -> Iterator[str]:
    folded = {other: other.strip().casefold() for other in others}
    wanted = id_.strip().casefold()
    if not wanted:
        return
    yield from (other for other in others if folded[other] == wanted)
    for begun in (
        [other for other in others if folded[other].startswith(wanted)],
        [other for other in others if folded[other] and wanted.startswith(folded[other])],
    ):
        if len(begun) == 1:
            yield from begun
    originals: dict[str, list[str]] = {}
    for other, text in folded.items():
        originals.setdefault(text, []).append(other)
    for text in get_close_matches(wanted, originals, n=_MOST, cutoff=_SIMILAR):
        yield from originals[text]
