"""Lay out a chain in lanes, like ``git log --graph``, for all picture formats.

There are three steps, all without recursion: ``_Graph`` puts the nodes into rows, ``_laid`` gives
each row its lanes, ``_folds`` finds the runs that one row can replace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal, NamedTuple

_FEWEST_FOLDED = 3


Tone = Literal["plain", "broken", "changed", "elsewhere"]


class PictureNode(NamedTuple):
    """One revision of the picture.

    Attributes:
        key: unique; usually the revision id.
        parents: keys; unknown keys are ignored.
        text: for example the message of the migration; cut to fit the line.
        marks: shown in brackets after the key, for example ``("head",)``.
        tone: ``broken`` and ``changed`` nodes get their own glyph and colour.
    """

    key: str
    parents: tuple[str, ...]
    text: str
    marks: tuple[str, ...] = ()
    tone: Tone = "plain"


class Bend(NamedTuple):
    """A row without a node: a line from one lane sideways to others.

    Here and below, sets of lanes are bit masks with the leftmost lane as bit 0.

    Attributes:
        source: the lane that the line leaves.
        ends: the lanes that it leads to.
        above: the lanes in use above it.
        below: the lanes in use below it.
    """

    source: int
    ends: tuple[int, ...]
    above: int
    below: int


class NodeRow(NamedTuple):
    """A row with a node, and the bends directly below it.

    Attributes:
        node: its position in the sequence.
        lane: the lane of the node.
        rails: the lanes in use, including that of the node.
        above: the lanes that come in from above.
        below: the lanes that go on below the bends.
        bends: the bends below it.
        opens_piece: whether no line leads to the rows above.
        entry: ``_Lanes.passage`` of the line that comes into the node from above. ``None`` for
            a head and for a plain fork, which is to stay visible where its branches do.
        exit: ``_Lanes.passage`` of the line that leaves it, if there is just one.
    """

    node: int
    lane: int
    rails: int
    above: int
    below: int
    bends: list[Bend]
    opens_piece: bool
    entry: tuple[int, int] | None
    exit: tuple[int, int] | None


class Fold(NamedTuple):
    """Rows that one row can replace: ``start`` up to, but not including, ``stop``.

    Attributes:
        start: the first row.
        stop: the row after the last one.
        merges: how many merge points are among them.
    """

    start: int
    stop: int
    merges: int

    @property
    def words(self) -> str:
        """The text of the fold."""
        points = f", {self.merges} merge point{'s' * (self.merges > 1)}" if self.merges else ""
        return f"{self.stop - self.start} revisions{points}"


class Layout(NamedTuple):
    """The rows from top to bottom, and the runs that can be folded."""

    rows: list[NodeRow]
    folds: list[Fold]


def lay_out(nodes: Sequence[PictureNode], overflow: int) -> Layout:
    """Give each node a row and a lane, children above their parents.

    Args:
        nodes: bases first; if the parents leave a choice, earlier nodes are drawn lower.
        overflow: the lane that also stands for all lanes to its right.
    """
    graph = _Graph(nodes)
    rows = _laid(graph, overflow)
    folds = [
        Fold(start, stop, sum(len(graph.parents[row.node]) > 1 for row in rows[start:stop]))
        for start, stop in _folds(rows, graph.kept(nodes))
    ]
    return Layout(rows, folds)


class _Graph:
    """The nodes, known by their position in the sequence.

    Attributes:
        order: the nodes from the top row to the bottom row.
        parents: for each node its parents in lower rows, nearest first. All of its parents are,
            unless there is a cycle.
        children: for each node the nodes it is such a parent of.
    """

    def __init__(self, nodes: Sequence[PictureNode]) -> None:
        position = {node.key: index for index, node in enumerate(nodes)}
        self.parents = [
            sorted({position[key] for key in node.parents if key in position}) for node in nodes
        ]
        self.children = self._inverted()
        self.order = self._rows_from_top()
        row_of = {node: row for row, node in enumerate(self.order)}
        self.parents = [
            sorted((p for p in parents if row_of[p] > row_of[node]), key=row_of.__getitem__)
            for node, parents in enumerate(self.parents)
        ]
        self.children = self._inverted()

    def kept(self, nodes: Sequence[PictureNode]) -> set[int]:
        """The nodes that are never folded: marked nodes and their neighbours."""
        kept: set[int] = set()
        for index, node in enumerate(nodes):
            parents, children = self.parents[index], self.children[index]
            if node.marks or node.tone != "plain" or not parents or not children:
                kept.update((index,), parents, children)
        return kept

    def _inverted(self) -> list[list[int]]:
        children: list[list[int]] = [[] for _ in self.parents]
        for child, parents in enumerate(self.parents):
            for parent in parents:
                children[parent].append(child)
        return children

    def _rows_from_top(self) -> list[int]:
        order: list[int] = []
        placed: set[int] = set()
        for piece in reversed(self._pieces()):
            bases = [node for node in reversed(piece) if not self.parents[node]]
            for root in chain(bases, piece):
                order.extend(self._unplaced_above(root, placed))
        return order

    def _unplaced_above(self, root: int, placed: set[int]) -> Iterator[int]:
        """Walk depth first, children before their parents, so that branches stay together."""
        stack = [(root, False)]
        while stack:
            node, is_walked = stack.pop()
            if is_walked:
                yield node
            elif node not in placed:
                placed.add(node)
                stack.append((node, True))
                stack.extend((child, False) for child in self.children[node])

    def _pieces(self) -> list[list[int]]:
        """The connected pieces, in the order of their first nodes."""
        pieces: list[list[int]] = []
        seen: set[int] = set()
        for start in range(len(self.parents)):
            if start not in seen:
                seen.add(start)
                piece = [start]
                for node in piece:
                    neighbours = {*self.parents[node], *self.children[node]} - seen
                    seen |= neighbours
                    piece.extend(neighbours)
                pieces.append(sorted(piece))
        return pieces


class _Lanes:
    """The lanes between two rows; each runs down to one node, and all its children share it."""

    def __init__(self, overflow: int) -> None:
        self.used = 0
        self.lane_to: dict[int, int] = {}
        self._overflow = overflow
        self._versions: dict[int, int] = {}
        self._changes = 0
        self._fingerprint = 0

    def passage(self, lane: int) -> tuple[int, int]:
        """The lane, and a fingerprint of all others and the lines that have joined them."""
        return lane, self._fingerprint ^ self._versions[lane]

    def first_free(self, start: int, barred: int = 0) -> int:
        taken = (self.used | barred) >> start
        return start + (~taken & (taken + 1)).bit_length() - 1

    def lead(self, lane: int, node: int) -> None:
        """Make the lane lead to the node, which may have had a different lane."""
        self.lane_to[node] = lane
        self.used |= 1 << lane
        self.join(lane)

    def join(self, lane: int) -> None:
        """Record that another line joins the lane."""
        self._changes += 1
        version = hash((lane, self._changes))
        self._fingerprint ^= self._versions.get(lane, 0) ^ version
        self._versions[lane] = version

    def close(self, lane: int) -> None:
        self.used &= ~(1 << lane)
        self._fingerprint ^= self._versions.pop(lane, 0)

    def visible(self) -> int:
        """The used lanes, with ``overflow`` status for all from there on."""
        beyond = self.used >> self._overflow
        return self.used & ~(-1 << self._overflow) | bool(beyond) << self._overflow

    def bend(self, source: int, ends: Iterable[int], above: int) -> Iterator[Bend]:
        shown_source, *shown_ends = (min(lane, self._overflow) for lane in (source, *ends))
        if {*shown_ends} - {shown_source}:
            yield Bend(shown_source, tuple(shown_ends), above, self.visible())


def _laid(graph: _Graph, overflow: int) -> list[NodeRow]:
    lanes = _Lanes(overflow)
    rows: list[NodeRow] = []
    just_ended = 0
    for node in graph.order:
        opens_piece, above = not lanes.used, lanes.visible()
        parents = graph.parents[node]
        lane = lanes.lane_to.pop(node, None)
        entry = None
        if lane is None:
            # Directly under a base, the node would look like its parent.
            lane = lanes.first_free(0, barred=0 if opens_piece else just_ended)
            lanes.used |= 1 << lane
        elif len(graph.children[node]) == 1 or len(parents) > 1:
            entry = lanes.passage(lane)
        rails = lanes.visible()
        bends = list(_lead_to_parents(lanes, lane, parents))
        just_ended = 0 if parents else 1 << lane
        way_out = lanes.passage(lanes.lane_to[parents[0]]) if len(parents) == 1 else None
        at, below = min(lane, overflow), lanes.visible()
        rows.append(NodeRow(node, at, rails, above, below, bends, opens_piece, entry, way_out))
    return rows


def _lead_to_parents(lanes: _Lanes, lane: int, parents: list[int]) -> Iterator[Bend]:
    above = lanes.visible()
    shared = [parent for parent in parents if parent in lanes.lane_to]
    opened: list[int] = []
    for parent in parents:
        if parent not in lanes.lane_to:
            # To the right only: what opens and closes again then leaves the lane where it was.
            opened.append(lanes.first_free(lane + 1) if opened else lane)
            lanes.lead(opened[-1], parent)
    if len(opened) > 1:
        yield from lanes.bend(lane, opened[1:], above)
    for parent in shared:
        above = lanes.visible()
        other = lanes.lane_to[parent]
        lanes.join(other)
        if not opened and parent == shared[-1]:
            lanes.close(max(lane, other))
            lanes.lead(min(lane, other), parent)
        yield from lanes.bend(lane, [other], above)
    if not parents:
        lanes.close(lane)


def _folds(rows: Sequence[NodeRow], kept: set[int]) -> Iterator[tuple[int, int]]:
    """The ranges of rows that one row can replace without hiding a line to other rows."""
    start = 0
    for end in range(len(rows) + 1):
        if end < len(rows) and rows[end].node not in kept:
            continue
        last_stop = {rows[index].exit: index + 1 for index in range(start, end)}
        while start < end:
            entry = rows[start].entry
            stop = last_stop.get(entry, 0) if entry else 0
            if stop - start >= _FEWEST_FOLDED:
                yield start, stop
            start = stop if stop - start >= _FEWEST_FOLDED else start + 1
        start = end + 1
