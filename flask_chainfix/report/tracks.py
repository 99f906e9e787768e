"""The lines beside each row of a picture in pixels, as SVG's paths have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask_chainfix.report.layout import Bend, Layout, Row

LANE, HEIGHT, BEND, GAP = 18, 30, 16, 14  # pixels
_MARGIN = 12
OVERFLOW = 24  # the lane that stands for all from there on


class Track(NamedTuple):
    """What is drawn beside one row.

    Attributes:
        gap: pixels above it that stay empty, where a new piece begins.
        height: pixels of the row and the bends below it.
        lines: the path of its lines, from the top of the row.
        faint: that of lines that stand for more than one.
        x: where its node stands.
        width: pixels that the lines take.
    """

    gap: int
    height: int
    lines: str
    faint: str
    x: int
    width: int


def tracks(layout: Layout) -> list[Track]:
    """The lines beside each row."""
    return [_track(row, gap=row.opens_piece and index > 0) for index, row in enumerate(layout.rows)]


def fold_track(row: Row) -> Track:
    """The lines beside a row that stands for several."""
    lanes = [_x(lane) for lane in _lanes(row.rails) if lane not in (row.lane, OVERFLOW)]
    own = f"M{_x(row.lane)} 0V{HEIGHT}"
    dashed = own if not row.rails >> OVERFLOW & 1 else f"{own}M{_x(OVERFLOW)} 0V{HEIGHT}"
    lines = "".join(f"M{x} 0V{HEIGHT}" for x in lanes)
    return Track(0, HEIGHT, lines, dashed, _x(row.lane), _width(row.rails))


def _track(row: Row, *, gap: bool) -> Track:
    solid: list[str] = []
    faint: list[str] = []
    middle, below = HEIGHT // 2, row.bends[0].above if row.bends else row.below
    for lane in _lanes(row.above | below):
        top = 0 if row.above >> lane & 1 else middle
        end = HEIGHT if below >> lane & 1 else middle
        (faint if lane == OVERFLOW else solid).append(f"M{_x(lane)} {top}V{end}")
    height, used = HEIGHT, row.rails
    for bend in row.bends:
        for path, is_faint in _bend(bend, height):
            (faint if is_faint else solid).append(path)
        height, used = height + BEND, used | bend.above | bend.below
    return Track(
        GAP if gap else 0, height, "".join(solid), "".join(faint), _x(row.lane), _width(used)
    )


def _bend(bend: Bend, top: int) -> Iterator[tuple[str, bool]]:
    bottom, middle = top + BEND, top + BEND // 2
    for lane in _lanes(bend.above & bend.below):
        yield f"M{_x(lane)} {top}V{bottom}", lane == OVERFLOW
    for lane in bend.ends:
        # A line that ends here comes from the other side.
        start, end = (bend.source, lane) if bend.below >> lane & 1 else (lane, bend.source)
        if start != end:
            curve = f"M{_x(start)} {top}C{_x(start)} {middle} {_x(end)} {middle} {_x(end)} {bottom}"
            yield curve, OVERFLOW in (start, end)


def _lanes(mask: int) -> Iterator[int]:
    return (lane for lane in range(mask.bit_length()) if mask >> lane & 1)


def _x(lane: int) -> int:
    return _MARGIN + LANE * lane


def _width(mask: int) -> int:
    return _MARGIN + LANE * mask.bit_length()
