"""Small helpers for sentences."""

from __future__ import annotations

from collections.abc import Iterable

_LISTED = 12


def count(number: int, noun: str) -> str:
    """``1 base``, ``3 bases``, ``2 dependencies``, ``2 guesses``."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("ss"):
        noun += "e"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("cy") else f"{number:,} {noun}s"


def listing(items: Iterable[str], most: int = _LISTED) -> str:
    """Items separated by commas; a long list is cut, and says how much is left out."""
    names = list(items)
    shown = ", ".join(names[:most])
    left_out = len(names) - most
    return f"{shown} and {left_out:,} more" if left_out > 0 else shown
