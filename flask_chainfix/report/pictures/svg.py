"""Pictures as SVG with our own layout: the same on every machine, legible in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.common.quoting import markup, printable
from flask_chainfix.common.wording import listing
from flask_chainfix.report.display import Style
from flask_chainfix.report.lines import Line, cells
from flask_chainfix.report.phrases import verdict
from flask_chainfix.report.pictures.chain_picture import Badge, Picture, pictures
from flask_chainfix.report.pictures.layout import Bend, Fold, Layout, NodeRow, PictureNode, lay_out
from flask_chainfix.report.results import Drawn

if TYPE_CHECKING:
    from flask_chainfix.planning.proposal import Proposal

WIDTH = 880
_TITLE = 44
_ALIGNED = 6 * 18  # pixels; with fewer lanes, texts are aligned in one column
_KEY, _TEXT, _BADGE = 7.9, 6.9, 6.7  # pixels of a character
_LONGEST_KEY, _LONGEST_BADGE = 40, 32
_FEWEST = 6  # characters; a shorter part of a message is not shown


def to_svg(result: Drawn, style: Style) -> str:
    """The chain as it is, and below it as a repair would leave it, as one document."""
    proposal = result.checked.proposal
    parts, top = [], 16
    for picture in pictures(proposal, result.theirs):
        body, height = painted(picture, WIDTH - 32)
        parts.append(f'<g transform="translate(16 {top})">{_heading(picture)}')
        parts.append(f'<g transform="translate(0 {_TITLE})">{body}</g></g>')
        top += _TITLE + height + 24
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chain" width="{WIDTH}" height="{top}"'
        f' viewBox="0 0 {WIDTH} {top}" role="img" aria-labelledby="title description">'
    )
    return (
        f'{head}\n<title id="title">{markup(verdict(proposal.diagnosis))}</title>\n'
        f'<desc id="description">{markup(description(proposal))}</desc>\n'
        f"<style>\n{asset('picture.css')}</style>\n"
        f'<rect class="paper" width="{WIDTH}" height="{top}" rx="10"/>\n{"".join(parts)}</svg>\n'
    )


def asset(name: str) -> str:
    """The text of a file in the package."""
    return (files("flask_chainfix.report") / "assets" / name).read_text("ascii")


def description(proposal: Proposal) -> str:
    """A description of the picture for screen readers."""
    graph = proposal.snapshot.graph
    said = [f"bases: {_listed(graph.bases)}", f"heads: {_listed(graph.heads)}"]
    if proposal.planned is not None:
        moved = [each.revision for each in proposal.planned.plan.relinks]
        said.append(f"a repair moves: {_listed(moved)}")
    return f"The migration chain, newest revisions at the top; {'; '.join(said)}."


def _listed(names: Iterable[str]) -> str:
    return listing(names) or "none"


def painted(picture: Picture, width: int) -> tuple[str, int]:
    """The rows of a picture and their height in pixels; long runs are folded."""
    layout = lay_out(picture.nodes, OVERFLOW)
    beside = tracks(layout)
    drawn: list[str] = []
    column = min(max((each.width for each in beside), default=0), _ALIGNED)
    top = index = 0
    for fold in (*layout.folds, Fold(len(beside), len(beside), 0)):
        for row in range(index, fold.start):
            top += beside[row].gap
            node = picture.nodes[layout.rows[row].node]
            drawn.append(_row(node, picture.badges[node.key], beside[row], (top, column, width)))
            top += beside[row].height
        if fold.start < fold.stop:
            track = fold_track(layout.rows[fold.start])
            drawn.append(_fold(fold, track, top, column))
            top += track.height
        index = fold.stop
    return "".join(drawn), top


def _heading(picture: Picture) -> str:
    title, aside = markup(picture.title), markup(picture.aside)
    return (
        f'<text class="title" x="4" y="20">{title}</text>'
        f'<text class="aside" x="{16 + len(picture.title) * 9.2:.0f}" y="20">{aside}</text>\n'
    )


def _lines(track: Track) -> Iterator[str]:
    if track.lines:
        yield f'<path class="rail" d="{track.lines}"/>'
    if track.faint:
        yield f'<path class="faint" d="{track.faint}"/>'


def _row(
    node: PictureNode, badges: tuple[Badge, ...], track: Track, place: tuple[int, int, int]
) -> str:
    top, column, width = place
    middle = HEIGHT // 2
    parts = [
        f'<g class="{node.tone}" transform="translate(0 {top})">',
        f'<rect class="band" width="{width}" height="{HEIGHT - 2}" y="1" rx="6"/>',
        *_lines(track),
        _dot(node, track.x, middle),
    ]
    x = max(track.width, column) + 4.0
    key = _cut(node.key, _LONGEST_KEY)
    parts.append(f'<text class="key" x="{x:.0f}" y="{middle + 4}">{markup(key)}</text>')
    x += cells(key) * _KEY + 10
    for badge in badges:
        text = _cut(badge.text, _LONGEST_BADGE)
        wide = cells(text) * _BADGE + 12
        if x + wide > width - 24:
            parts.append(f'<text class="text" x="{x:.0f}" y="{middle + 4}">&#8230;</text>')
            x = float(width)
            break
        parts.append(
            f'<g class="badge {badge.kind}"><rect x="{x:.0f}" y="{middle - 9}" width="{wide:.0f}"'
            f' height="18" rx="9"/><text x="{x + 6:.0f}" y="{middle + 4}">{markup(text)}</text></g>'
        )
        x += wide + 6
    room = int((width - x - 8) / _TEXT)
    message = printable(" ".join(node.text.split()))
    if message and room >= _FEWEST:
        parts.append(
            f'<text class="text" x="{x + 4:.0f}" y="{middle + 4}">{markup(_cut(message, room))}'
            "</text>"
        )
    return f"{''.join(parts)}</g>\n"


def _dot(node: PictureNode, x: int, y: int) -> str:
    """A circle, with a cross in it, or a diamond, so that colour is not the only difference."""
    if node.tone == "changed":
        return f'<path class="dot" d="M{x} {y - 6}L{x + 6} {y}L{x} {y + 6}L{x - 6} {y}Z"/>'
    circle = f'<circle class="dot" cx="{x}" cy="{y}" r="{6 if node.tone == "broken" else 5}"/>'
    if node.tone != "broken":
        return circle
    cross = f"M{x - 2.2} {y - 2.2}l4.4 4.4m0 -4.4l-4.4 4.4"
    return f'{circle}<path class="cross" d="{cross}"/>'


def _fold(fold: Fold, track: Track, top: int, column: int) -> str:
    x = max(track.width, column) + 4
    return (
        f'<g class="fold" transform="translate(0 {top})">{"".join(_lines(track))}'
        f'<text x="{x}" y="{HEIGHT // 2 + 4}">{markup(fold.words)}</text></g>\n'
    )


def _cut(text: str, most: int) -> str:
    return Line(printable(text)).fit(most, "…").plain


# --- The lines beside each row -------------------------------------------------------------------


LANE, HEIGHT, BEND, GAP = 18, 30, 16, 14  # pixels
_MARGIN = 12
OVERFLOW = 24  # the lane that also stands for all lanes to its right


class Track(NamedTuple):
    """The lines beside one row; all sizes in pixels.

    Attributes:
        gap: the empty space above it, where a new piece begins.
        height: the height of the row and the bends below it.
        lines: the path of its lines, from the top of the row.
        faint: the path of lines that stand for several.
        x: the position of its node.
        width: the width of the lines.
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


def fold_track(row: NodeRow) -> Track:
    """The lines beside a folded row."""
    lanes = [_x(lane) for lane in _lanes(row.rails) if lane not in (row.lane, OVERFLOW)]
    own = f"M{_x(row.lane)} 0V{HEIGHT}"
    dashed = own if not row.rails >> OVERFLOW & 1 else f"{own}M{_x(OVERFLOW)} 0V{HEIGHT}"
    lines = "".join(f"M{x} 0V{HEIGHT}" for x in lanes)
    return Track(0, HEIGHT, lines, dashed, _x(row.lane), _width(row.rails))


def _track(row: NodeRow, *, gap: bool) -> Track:
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
