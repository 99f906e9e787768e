"""The parts of a text: a heading and lines below it."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """A line of a section.

    Attributes:
        text: what it says.
        style: its colour; ``""`` for none.
        wrapped: whether it may be wrapped to the width.
        indent: how far in it begins, in columns.
        hanging: how much further in its other lines are where it is wrapped.
    """

    text: str
    style: str = ""
    wrapped: bool = True
    indent: int = 0
    hanging: int = 0


class Section(NamedTuple):
    """A part of what is shown.

    Attributes:
        title: its heading.
        aside: what stands beside that.
        rows: its lines.
    """

    title: str
    aside: str
    rows: tuple[Row, ...]
