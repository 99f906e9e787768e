"""Pictures in other languages: Mermaid, and Graphviz's DOT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask_chainfix.common.quoting import dot_string, mermaid_string, printable
from flask_chainfix.common.wording import beginning_of
from flask_chainfix.report.display import Style
from flask_chainfix.report.pictures.chain_picture import Picture, pictures
from flask_chainfix.report.pictures.layout import PictureNode, lay_out
from flask_chainfix.report.pictures.svg import OVERFLOW
from flask_chainfix.report.results import Drawn

_LONGEST = 60  # characters of a message
_COLORS = {"broken": "#c62f2f", "changed": "#b25e00", "elsewhere": "#3257d6"}


def to_mermaid(result: Drawn, style: Style) -> str:
    """A Mermaid flowchart; children at the top, and long runs folded: 501 edges are refused."""
    lines = _flowchart(map(_folded, pictures(result.checked.proposal, result.theirs)))
    return "".join(f"{line}\n" for line in lines)


def mermaid(picture: Picture, most: int) -> list[str]:
    """The lines of a flowchart with long runs folded; none if more than ``most`` nodes remain."""
    folded = _folded(picture)
    return list(_flowchart([folded])) if len(folded.nodes) <= most else []


def _folded(picture: Picture) -> Picture:
    """The picture with one node for each run of unmarked revisions."""
    layout = lay_out(picture.nodes, OVERFLOW)
    stands_for: dict[str, str] = {}
    folds: dict[str, PictureNode] = {}
    for fold in layout.folds:
        inside = [picture.nodes[row.node] for row in layout.rows[fold.start : fold.stop]]
        name = f"{inside[-1].key} … {inside[0].key}"
        stands_for.update((node.key, name) for node in inside)
        parents = (parent for node in reversed(inside) for parent in node.parents)
        folds[name] = PictureNode(name, tuple(parents), fold.words)
    nodes = []
    for node in picture.nodes:
        name = stands_for.get(node.key, node.key)
        kept = folds.pop(name, None) if name != node.key else node
        if kept is not None:
            parents = (stands_for.get(each, each) for each in kept.parents)
            nodes.append(kept._replace(parents=tuple(each for each in parents if each != name)))
    return picture._replace(nodes=nodes)


def _flowchart(pictures: Iterable[Picture]) -> Iterator[str]:
    yield "flowchart BT"
    for number, picture in enumerate(pictures):
        yield f"    subgraph g{number}[{mermaid_string([_title(picture)])}]"
        yield "    direction BT"
        for index, node in enumerate(picture.nodes):
            tone = f":::{node.tone}" if node.tone in _COLORS else ""
            yield f"    g{number}n{index}[{mermaid_string(_lines_of(node))}]{tone}"
        for arrow, label, child, parent in _edges(picture):
            line = {"solid": "-->", "dashed": "-.->"}[arrow]
            text = f"|{label}|" if label else ""
            yield f"    g{number}n{parent} {line}{text} g{number}n{child}"
        yield "    end"
    for name, color in _COLORS.items():
        yield f"    classDef {name} stroke:{color},stroke-width:3px"


def to_dot(result: Drawn, style: Style) -> str:
    """A digraph; an arrow leads from a revision to what runs after it."""
    lines = ["digraph migrations {", "  rankdir=BT;", '  node [shape=box, style="rounded"];']
    for number, picture in enumerate(pictures(result.checked.proposal, result.theirs)):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f"    label={dot_string([_title(picture)])};")
        for index, node in enumerate(picture.nodes):
            color = _COLORS.get(node.tone)
            more = f', color="{color}", penwidth=2' if color else ""
            label = dot_string(_lines_of(node))
            lines.append(f"    g{number}n{index} [label={label}{more}];")
        for arrow, label, child, parent in _edges(picture):
            more = f' [style={arrow}, label="{label}"]' if label else ""
            lines.append(f"    g{number}n{parent} -> g{number}n{child}{more};")
        lines.append("  }")
    lines.append("}")
    return "".join(f"{line}\n" for line in lines)


def _title(picture: Picture) -> str:
    return f"{picture.title}: {picture.aside}"


def _lines_of(node: PictureNode) -> Iterator[str]:
    """The id, its remarks, and the message, cut."""
    yield node.key
    if node.marks:
        yield f"({', '.join(node.marks)})"
    message = printable(" ".join(node.text.split()))
    if message:
        yield beginning_of(message, _LONGEST)


def _edges(picture: Picture) -> Iterator[tuple[str, str, int, int]]:
    """The style and text of each edge, and the positions of child and parent."""
    position = {node.key: index for index, node in enumerate(picture.nodes)}
    for index, node in enumerate(picture.nodes):
        for key in dict.fromkeys(node.parents):
            if key in position:
                yield "solid", "", index, position[key]
        for key in picture.needs.get(node.key, ()):
            if key in position and key not in node.parents:
                yield "dashed", "needed by", index, position[key]
