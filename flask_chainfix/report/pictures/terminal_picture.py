"""The migration chain as a picture for the terminal, drawn with characters."""

from __future__ import annotations

from collections.abc import Sequence

from flask_chainfix.common.quoting import printable
from flask_chainfix.report.lines import Line
from flask_chainfix.report.pictures.layout import Bend, Fold, NodeRow, PictureNode, lay_out

_GLYPHS = {"plain": "●", "broken": "✗", "changed": "◆", "elsewhere": "○"}
_TONE_STYLES = {"plain": "", "broken": "bold red", "changed": "bold yellow", "elsewhere": "cyan"}
_MARK_STYLES = {"head": "bold green", "base": "bold cyan"}

_CORNERS = {  # by whether a line goes up, down, left, right
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, False, True, False): "╯",
    (False, True, True, False): "╮",
    (False, True, True, True): "┬",
}

_TO_ASCII = str.maketrans("●✗◆○┆│»─├┤╯╮┬", "*xoo:|>-++'..") | {ord("…"): "..."}
_SHORTEST_KEY = 7
_SHORTEST_TEXT = 6


def draw(nodes: Sequence[PictureNode], *, width: int, ascii_only: bool) -> list[Line]:
    """Draw the nodes, children above their parents.

    Args:
        nodes: bases first; if the parents leave a choice, earlier nodes are drawn lower.
        width: the maximum width of a line in cells, at least 20.
        ascii_only: draw with ASCII characters and show ``?`` for all others.

    Returns:
        One styled line for each row; an empty one between pieces that are not connected.
    """
    painter = _Painter(nodes, width, ascii_only)
    rows, folds = lay_out(nodes, painter.overflow)
    lines: list[Line] = []
    index = 0
    for fold in (*folds, Fold(len(rows), len(rows), 0)):
        for row in rows[index : fold.start]:
            if row.opens_piece and lines:
                lines.append(Line())
            lines.append(painter.node(row))
            lines.extend(painter.bend(bend) for bend in row.bends)
        if fold.start < fold.stop:
            lines.append(painter.fold(rows[fold.start], fold))
        index = fold.stop
    return lines


class _Painter:
    """Draws rows as lines, none wider than ``width``; lanes get at most half of that.

    Attributes:
        overflow: the lane whose column also stands for all lanes to its right.
    """

    def __init__(self, nodes: Sequence[PictureNode], width: int, ascii_only: bool) -> None:
        self._nodes = nodes
        self._width = width
        self._ascii_only = ascii_only
        self._ellipsis = self._drawn("…")
        self.overflow = (width - 2) // 4 - 1

    def node(self, row: NodeRow) -> Line:
        node = self._nodes[row.node]
        tone_style = _TONE_STYLES[node.tone]
        line = self._beside_rails(row, _GLYPHS[node.tone], tone_style or "bold")
        marks = self._marks(node)
        key = Line(self._clean(node.key), tone_style)
        room_beside_marks = self._width - line.cells - marks.cells
        line.extend(key.fit(max(room_beside_marks, _SHORTEST_KEY), self._ellipsis))
        line.extend(marks.fit(self._width - line.cells, self._ellipsis))
        room = self._width - line.cells - 2
        if node.text and room >= _SHORTEST_TEXT:
            text = Line(self._clean(" ".join(node.text.split())), "dim")
            line.append("  ").extend(text.fit(room, self._ellipsis))
        return line

    def fold(self, row: NodeRow, fold: Fold) -> Line:
        line = self._beside_rails(row, "┆", "dim")
        count = fold.stop - fold.start
        wordings = (f"… {fold.words} …", f"… {count} revisions …", f"{count}")
        room = self._width - line.cells
        return line.append(next(w for w in map(self._drawn, wordings) if len(w) <= room), "dim")

    def bend(self, bend: Bend) -> Line:
        turns = {bend.source, *bend.ends}
        left, right = min(turns), max(turns)
        cells = []
        for lane in range((bend.above | bend.below).bit_length()):
            up, down = bool(bend.above >> lane & 1), bool(bend.below >> lane & 1)
            blank = "─" if left <= lane < right else " "
            if lane in turns:
                cells.append(_CORNERS[up, down, lane > left, lane < right])
            else:
                cells.append(self._rail(lane) if up else blank)
            cells.append(blank)
        return Line(self._drawn("".join(cells).rstrip()))

    def _beside_rails(self, row: NodeRow, glyph: str, style: str) -> Line:
        lanes = range(row.rails.bit_length())
        cells = [self._rail(lane) if row.rails >> lane & 1 else " " for lane in lanes]
        left, right = cells[: row.lane], cells[row.lane + 1 :]
        if row.lane == self.overflow:
            # Alone, it would look like a child of the node below, which may be in another lane.
            glyph = "»" + glyph
        line = Line(self._drawn("".join(cell + " " for cell in left)))
        line.append(self._drawn(glyph), style)
        return line.append(self._drawn("".join(" " + cell for cell in right) + " "))

    def _rail(self, lane: int) -> str:
        return "│" if lane < self.overflow else "»"

    def _marks(self, node: PictureNode) -> Line:
        line = Line()
        for index, mark in enumerate(node.marks):
            style = _TONE_STYLES[node.tone] or _MARK_STYLES.get(mark, "bold")
            line.append(", " if index else " (").append(self._clean(mark), style)
        return line.append(")") if node.marks else line

    def _clean(self, text: str) -> str:
        text = printable(text)
        return "".join(c if c.isascii() else "?" for c in text) if self._ascii_only else text

    def _drawn(self, lines: str) -> str:
        return lines.translate(_TO_ASCII) if self._ascii_only else lines
