"""Small helpers for sentences."""

from __future__ import annotations

from collections.abc import Iterable

_LISTED = 12


def count(number: int, noun: str) -> str:
    """``1 base``, ``3 bases``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(items: Iterable[str]) -> str:
    """Items separated by commas; a long list is cut, and says how much is left out."""
    names = list(items)
    shown = ", ".join(names[:_LISTED])
    left_out = len(names) - _LISTED
    return f"{shown} and {left_out:,} more" if left_out > 0 else shown
