"""Words for users: sentences, docstrings that they read, and progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Progress = Callable[[int, int, str], None]
"""Called with the amount done, the total, and what is being done."""
_LISTED = 12


def count(number: int, noun: str) -> str:
    """``1 base``, ``3 bases``, ``2 dependencies``, ``2 guesses``."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("ss"):
        noun += "e"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("cy") else f"{number:,} {noun}s"


def listing(items: Iterable[str], most: int = _LISTED) -> str:
    """Items separated by commas; a long list is truncated, and says how many are left out."""
    names = list(items)
    shown = ", ".join(names[:most])
    left_out = len(names) - most
    return f"{shown} and {left_out:,} more" if left_out > 0 else shown


def have(names: Iterable[str]) -> str:
    """Names as the subject of a verb: ``a has``, or ``a, b have``."""
    found = list(names)
    return f"{listing(found)} {'has' if len(found) == 1 else 'have'}"


def in_rows(rows: Iterable[str]) -> str:
    """Rows of a version table, listed; with quotes if they begin or end with a blank.

    Databases can hold any text, even an empty one.
    """
    return listing(row if row and row == row.strip() else repr(row) for row in rows)


def beginning_of(text: str, most: int) -> str:
    """The beginning of a text, at most this many characters, with an ellipsis for the rest."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def end_of(name: str, most: int) -> str:
    """The end of a name, with an ellipsis for the rest; a database's end identifies it."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


_UNITS = ("bytes", "kB", "MB", "GB")


def bytes_in_words(number: float) -> str:
    """``12 bytes``, ``3.4 MB``."""
    for unit in _UNITS[:-1]:
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} {_UNITS[-1]}"


def unseen(done: int, total: int, what: str) -> None:
    """Progress that is not shown."""


def docstring_of(function: Callable[..., Any] | None) -> str:
    """The docstring of a function, dedented, even under ``python -OO``.

    Returns:
        ``""`` if there is none, or the source is missing.
    """
    text = getattr(function, "__doc__", None) or ""
    if not text and function is not None and sys.flags.optimize > 1:
        import ast  # most processes keep their docstrings
        from inspect import getsource
        from textwrap import dedent

        try:
            (definition,) = ast.parse(dedent(getsource(function))).body
        except (OSError, SyntaxError, ValueError):
            return ""
        if isinstance(definition, ast.FunctionDef):
            text = ast.get_docstring(definition, clean=False) or ""
    return text


# --- Known ids similar to an unknown one ---------------------------------------------------------


_MOST = 3
_SIMILAR = 0.8  # of 12 characters, two may differ


def close_ids(id_: str, known: Iterable[str]) -> tuple[str, ...]:
    """Find the ids that are most similar to one that does not exist.

    Args:
        id_: the missing id.
        known: the existing ids.

    Returns:
        At most three: first those that differ only in case or surrounding spaces, then the only one
            with it as a prefix, or that is its prefix, then similar ones.
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
    from difflib import get_close_matches  # slow to import, and rarely needed

    for text in get_close_matches(wanted, originals, n=_MOST, cutoff=_SIMILAR):
        yield from originals[text]
