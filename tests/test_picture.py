"""The picture of the chain: literal examples, and properties of random graphs.

The properties read the lines as a person does: ``Reading`` follows the drawn lines from a node
downwards and knows nothing of how they were made.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from flask_chainfix.report.lines import Line
from flask_chainfix.report.pictures.layout import PictureNode
from flask_chainfix.report.pictures.terminal_picture import draw

Node = PictureNode


def picture(nodes: Sequence[Node], *, width: int = 80, ascii_only: bool = False) -> str:
    lines = draw(nodes, width=width, ascii_only=ascii_only)
    return "\n" + "\n".join(line.plain.rstrip() for line in lines) + "\n"


def run_of(prefix: str, count: int, *below: str) -> list[Node]:
    nodes: list[Node] = []
    for number in range(1, count + 1):
        nodes.append(Node(f"{prefix}{number}", below, ""))
        below = (nodes[-1].key,)
    return nodes


def diamonds(count: int, below: str) -> list[Node]:
    nodes: list[Node] = []
    for number in range(1, count + 1):
        left, right, merge = f"left{number}", f"right{number}", f"merge{number}"
        nodes += [Node(left, (below,), ""), Node(right, (below,), "")]
        nodes.append(Node(merge, (left, right), ""))
        below = merge
    return nodes


THREE_BASES_FIVE_HEADS = [
    Node("2ca607eff9c8", (), "initial schema", ("base",)),
    Node("bbda3883b503", ("2ca607eff9c8",), "add servers"),
    Node("64c2f8fecc18", ("bbda3883b503",), "add node allocation", ("head",)),
    Node("3fd9eaf414fb", ("bbda3883b503",), "add users"),
    Node("dc4e5affd5bc", ("3fd9eaf414fb",), "add an audit log"),
    Node("rbac_system_init", ("dc4e5affd5bc",), "roles and permissions", ("head",)),
    Node("perf_indexes_001", ("dc4e5affd5bc",), "indexes for slow queries", ("head",)),
    Node("ptero_eggs_001", (), "eggs", ("base", "head")),
    Node("oauth_fields", (), "columns for OAuth", ("base",)),
    Node("push_notifications", ("oauth_fields",), "push notifications", ("head",)),
]

# -- Examples ----------------------------------------------------------------------------------


def test_no_nodes_are_no_lines() -> None:
    assert draw([], width=80, ascii_only=False) == []


def test_straight_chain() -> None:
    nodes = [
        Node("a1", (), "create users", ("base",)),
        Node("b2", ("a1",), "add email"),
        Node("c3", ("b2",), "", ("head",)),
    ]
    expected = """
● c3 (head)
● b2  add email
● a1 (base)  create users
"""
    assert picture(nodes) == expected


def test_two_heads_from_one_branch_point() -> None:
    nodes = [
        Node("a1", (), "", ("base",)),
        Node("b2", ("a1",), ""),
        Node("c3", ("b2",), ""),
        Node("d4", ("c3",), "", ("head",)),
        Node("e5", ("b2",), "", ("head",)),
    ]
    expected = """
● e5 (head)
│ ● d4 (head)
│ ● c3
├─╯
● b2
● a1 (base)
"""
    assert picture(nodes) == expected


def test_merge_diamond() -> None:
    nodes = [
        Node("a1", (), "", ("base",)),
        Node("b2", ("a1",), ""),
        Node("c3", ("a1",), ""),
        Node("d4", ("b2", "c3"), "merge", ("head",)),
    ]
    expected = """
● d4 (head)  merge
├─╮
● │ c3
│ ● b2
├─╯
● a1 (base)
"""
    assert picture(nodes) == expected


def test_three_bases_and_five_heads() -> None:
    expected = """
● push_notifications (head)  push notifications
● oauth_fields (base)  columns for OAuth

● ptero_eggs_001 (base, head)  eggs

● perf_indexes_001 (head)  indexes for slow queries
│ ● rbac_system_init (head)  roles and permissions
├─╯
● dc4e5affd5bc  add an audit log
● 3fd9eaf414fb  add users
│ ● 64c2f8fecc18 (head)  add node allocation
├─╯
● bbda3883b503  add servers
● 2ca607eff9c8 (base)  initial schema
"""
    assert picture(THREE_BASES_FIVE_HEADS) == expected


def test_repair_of_three_bases_and_five_heads() -> None:
    onto = ("2ca607eff9c8",)
    repaired = {node.key: node._replace(marks=()) for node in THREE_BASES_FIVE_HEADS}
    repaired["2ca607eff9c8"] = THREE_BASES_FIVE_HEADS[0]
    for key in ("ptero_eggs_001", "oauth_fields"):
        repaired[key] = repaired[key]._replace(parents=onto, marks=("was a base",), tone="changed")
    heads = tuple(node.key for node in THREE_BASES_FIVE_HEADS if "head" in node.marks)
    repaired["new"] = Node("new", heads, "merge five heads", ("head",), "changed")
    expected = """
◆ new (head)  merge five heads
├─┬─┬─┬─╮
● │ │ │ │ push_notifications  push notifications
◆ │ │ │ │ oauth_fields (was a base)  columns for OAuth
│ ◆ │ │ │ ptero_eggs_001 (was a base)  eggs
├─╯ │ │ │
│   ● │ │ perf_indexes_001  indexes for slow queries
│   │ ● │ rbac_system_init  roles and permissions
│   ├─╯ │
│   ●   │ dc4e5affd5bc  add an audit log
│   ●   │ 3fd9eaf414fb  add users
│   │   ● 64c2f8fecc18  add node allocation
│   ├───╯
│   ● bbda3883b503  add servers
├───╯
● 2ca607eff9c8 (base)  initial schema
"""
    assert picture(list(repaired.values())) == expected


def test_line_that_crosses_another() -> None:
    nodes = [
        Node("base1", (), "", ("base",)),
        Node("base2", (), "", ("base",)),
        Node("base3", (), "", ("base",)),
        Node("head1", ("base1", "base2", "base3"), "", ("head",)),
        Node("head2", ("base1", "base3"), "", ("head",)),
    ]
    expected = """
● head2 (head)
├─╮
│ │ ● head1 (head)
├─│─┤
│ ├─┤
● │ │ base3 (base)
  │ ● base2 (base)
  ● base1 (base)
"""
    assert picture(nodes) == expected


def test_head_is_never_drawn_directly_below_a_base() -> None:
    nodes = [
        Node("base1", (), "", ("base",)),
        Node("head1", ("base1",), "", ("head",)),
        Node("base2", (), "", ("base",)),
        Node("head2", ("base1", "base2"), "", ("head",)),
    ]
    expected = """
● head2 (head)
├─╮
● │ base2 (base)
  │ ● head1 (head)
  ├─╯
  ● base1 (base)
"""
    assert picture(nodes) == expected


def test_closed_lane_is_used_again() -> None:
    nodes = [
        Node("base1", (), "", ("base",)),
        Node("head1", ("base1",), "", ("head",)),
        Node("child", ("base1",), ""),
        Node("base2", (), "", ("base",)),
        Node("head2", ("child", "base2"), "", ("head",)),
    ]
    expected = """
● head2 (head)
├─╮
● │ base2 (base)
  ● child
● │ head1 (head)
├─╯
● base1 (base)
"""
    assert picture(nodes) == expected


def test_long_chain_is_folded_but_for_the_neighbours_of_its_ends() -> None:
    nodes = run_of("rev", 416)
    expected = """
● rev416
● rev415
┆ … 412 revisions …
● rev2
● rev1
"""
    assert picture(nodes) == expected


def test_fold_takes_in_diamonds_and_says_so() -> None:
    nodes = [*run_of("old", 5), *diamonds(31, "old5"), *run_of("new", 5, "merge31")]
    expected = """
● new5
● new4
┆ … 99 revisions, 31 merge points …
● old2
● old1
"""
    assert picture(nodes) == expected


def test_fold_with_one_merge_point() -> None:
    nodes = [*run_of("old", 4), *diamonds(1, "old4"), *run_of("new", 4, "merge1")]
    assert "┆ … 7 revisions, 1 merge point …\n" in picture(nodes)


def test_fold_leaves_branch_points_and_what_is_beside_marked_nodes() -> None:
    nodes = [*run_of("old", 9), *run_of("left", 9, "old9"), *run_of("right", 9, "old9")]
    nodes[4] = nodes[4]._replace(marks=("database",))
    expected = """
● right9
● right8
┆ … 7 revisions …
│ ● left9
│ ● left8
│ ┆ … 6 revisions …
│ ● left1
├─╯
● old9
● old8
● old7
● old6
● old5 (database)
● old4
● old3
● old2
● old1
"""
    assert picture(nodes) == expected


def test_fold_does_not_hide_a_line_to_another_lane() -> None:
    nodes = [*run_of("left", 5), *run_of("right", 20), Node("head", ("right20", "left5"), "")]
    nodes[14] = nodes[14]._replace(parents=("right9", "left5"))
    expected = """
● head
├─╮
● │ right20
┆ │ … 9 revisions …
● │ right10
├─┤
┆ │ … 7 revisions …
● │ right2
● │ right1
  ● left5
  ● left4
  ● left3
  ● left2
  ● left1
"""
    assert picture(nodes) == expected


def test_only_the_diamonds_beside_a_broken_node_stay_open() -> None:
    nodes = [*run_of("old", 9), *diamonds(6, "old9"), *run_of("new", 9, "merge6")]
    index = next(index for index, node in enumerate(nodes) if node.key == "left4")
    nodes[index] = nodes[index]._replace(tone="broken")
    expected = """
● new9
● new8
┆ … 13 revisions, 2 merge points …
● merge4
├─╮
● │ right4
│ ✗ left4
├─╯
● merge3
├─╮
● │ right3
│ ● left3
├─╯
┆ … 13 revisions, 2 merge points …
● old2
● old1
"""
    assert picture(nodes) == expected


def test_two_rows_are_not_worth_a_fold() -> None:
    assert "… 3 revisions …" in picture(run_of("rev", 7))
    assert "…" not in picture(run_of("rev", 6))


def test_cycle() -> None:
    nodes = [
        Node("a1", ("c3",), "", ("in a cycle",), "broken"),
        Node("b2", ("a1",), "", ("in a cycle",), "broken"),
        Node("c3", ("b2",), "", ("in a cycle",), "broken"),
        Node("d4", ("c3",), "", ("head",)),
        Node("self", ("self",), "", ("its own parent",), "broken"),
    ]
    expected = """
✗ self (its own parent)

● d4 (head)
✗ c3 (in a cycle)
✗ b2 (in a cycle)
✗ a1 (in a cycle)
"""
    assert picture(nodes) == expected


def test_parents_that_are_unknown_or_named_twice() -> None:
    nodes = [
        Node("9f3c", (), "", ("missing",), "broken"),
        Node("a1", ("9f3c", "9f3c", "unknown"), "", ("head",)),
    ]
    expected = """
● a1 (head)
✗ 9f3c (missing)
"""
    assert picture(nodes) == expected


def test_ascii() -> None:
    nodes = [
        *run_of("rev", 9),
        Node("b2", ("rev9",), "Tabelle für Käufer", ("was c3",), "changed"),
        Node("c3", ("rev9",), "", ("mïssing",), "broken"),
        Node("d4", ("rev9",), "a text that is cut short"),
        Node("schlüssel", ("b2", "c3", "d4"), "", ("head",)),
    ]
    expected = """
* schl?ssel (head)
+-.-.
* | | d4  a text that is cu...
| x | c3 (m?ssing)
+-' |
|   o b2 (was c3)  Tabelle ...
+---'
* rev9
: ... 6 revisions ...
* rev2
* rev1
"""
    assert picture(nodes, width=30, ascii_only=True) == expected


def test_lanes_too_many_for_the_width_share_a_column() -> None:
    branches = [Node(f"branch{number}", ("base",), "") for number in range(6)]
    merge = Node("merge", tuple(node.key for node in branches), "", ("head",))
    nodes = [Node("base", (), "", ("base",)), *branches, merge]
    expected = """
● merge (head)
├─┬─┬─╮
● │ │ » branch5
│ ● │ » branch4
├─╯ │ »
│   ● » branch3
├───╯ »
│     »● branch2
├─────┤
│     »● branch1
├─────┤
│     »● branch0
├─────╯
● base (base)
"""
    assert picture(nodes, width=20) == expected


def test_text_is_cut_before_the_key_and_the_key_before_the_marks() -> None:
    long_key = "2ca607eff9c8_create_the_users_table"
    (line,) = draw([Node(long_key, (), "text", ("base",))], width=60, ascii_only=False)
    assert line.plain == f"● {long_key} (base)  text"
    (line,) = draw([Node(long_key, (), "long text", ("base",))], width=52, ascii_only=False)
    assert line.plain == f"● {long_key} (base)  long …"
    (line,) = draw([Node(long_key, (), "text", ("base",))], width=45, ascii_only=False)
    assert line.plain == f"● {long_key} (base)"
    (line,) = draw([Node(long_key, (), "text", ("base",))], width=30, ascii_only=False)
    assert line.plain == "● 2ca607eff9c8_create_… (base)"


def test_fold_says_the_full_number_in_the_least_room() -> None:
    nodes = [*run_of("old", 3), *diamonds(400, "old3"), *run_of("new", 3, "merge400")]
    assert "┆ … 1202 revisions, 400 merge points …\n" in picture(nodes, width=38)
    assert "┆ … 1202 revisions …\n" in picture(nodes, width=37)
    ended = Node("ended", (), "", ("base",))
    beside = Node("beside", ("ended", "new3"), "", ("head",))
    assert "\n┆ │ … 1203 revisions …\n" in picture([ended, *nodes, beside], width=22)
    assert "\n┆ │ 1203\n" in picture([ended, *nodes, beside], width=21)


def test_foreign_text_reaches_the_terminal_neither_as_markup_nor_as_control() -> None:
    nodes = [Node("[red]a\x1b[31m\n", (), "two\nlines\x1b[0m \u202e[bold]", ("\x07[/]",))]
    expected = r"""
● [red]a\x1b[31m\n (\x07[/])  two lines\x1b[0m \u202e[bold]
"""
    assert picture(nodes) == expected
    expected = r"""
* [red]a\x1b[31m\n (\x07[/])  two lines\x1b[0m \u202e[bold]
"""
    assert picture(nodes, ascii_only=True) == expected


@pytest.mark.parametrize(
    ("node", "styled"),
    [
        (
            Node("a1", (), "text", ("base", "head", "other")),
            {
                ("●", "bold"),
                ("base", "bold cyan"),
                ("head", "bold green"),
                ("other", "bold"),
                ("text", "dim"),
            },
        ),
        (
            Node("a1", (), "text", ("head", "missing"), "broken"),
            {
                ("✗", "bold red"),
                ("a1", "bold red"),
                ("head", "bold red"),
                ("missing", "bold red"),
                ("text", "dim"),
            },
        ),
        (
            Node("a1", (), "", ("head",), "changed"),
            {("◆", "bold yellow"), ("a1", "bold yellow"), ("head", "bold yellow")},
        ),
    ],
)
def test_styles(node: Node, styled: set[tuple[str, str]]) -> None:
    (line,) = draw([node], width=80, ascii_only=False)
    assert {(part, style) for part, style in line.parts if style} == styled


def test_hundred_thousand_revisions_are_drawn_in_linear_time() -> None:
    nodes = [*run_of("rev", 100_000), *run_of("side", 50, "rev50000"), *diamonds(50, "rev7")]
    started = time.process_time()
    lines = draw(nodes, width=80, ascii_only=False)
    # About a second on an idle machine; many minutes where a step is quadratic.
    assert time.process_time() - started < 60
    assert len(lines) < 40


# -- Properties --------------------------------------------------------------------------------

CORNERS_DOWN, CORNERS_LEFT, CORNERS_RIGHT = "├┤╮┬", "┤╯╮┬", "├┬"
CORNERS = set(CORNERS_DOWN + CORNERS_LEFT)
GLYPHS = "●✗◆┆"


class Reading:
    """What a person reads from the lines: where the nodes are, and what leads to what.

    Nodes and folds are known by their row.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = [line.plain for line in lines]
        self._column: dict[int, int] = {}
        self.row_of_key: dict[str, int] = {}
        self.folded: dict[int, int] = {}
        self.merge_points = 0
        for row, line in enumerate(self._lines):
            found = re.match(r"(?P<lanes>[│ ]*)(?P<glyph>[●✗◆┆])[│ ]* (?P<rest>.*)", line)
            if not found:
                assert CORNERS & set(line) or not line
                continue
            self._column[row] = len(found["lanes"])
            self._lines[row] = line[: found.start("rest")]
            if found["glyph"] == "┆":
                number = re.match(r"… (\d+) revisions(?:, (\d+) merge points?)? …$", found["rest"])
                assert number
                self.folded[row] = int(number[1])
                self.merge_points += int(number[2] or 0)
            else:
                key = found["rest"].split(" ")[0]
                assert key not in self.row_of_key
                self.row_of_key[key] = row

    def below(self, row: int) -> set[int]:
        """The rows that lines lead to from the node or fold in the row."""
        column = self._column[row]
        reached: set[int] = set()
        while True:
            row += 1
            corner = self._at(row, column)
            if corner not in CORNERS:
                return reached | self._down(row, column)
            for turn in self._turns(row, column):
                reached |= self._down(row + 1, turn)
            if corner not in CORNERS_DOWN:
                return reached

    def _down(self, row: int, column: int) -> set[int]:
        """Follow a line that comes from above, straight on where that is possible."""
        while True:
            character = self._at(row, column)
            if character in GLYPHS:
                return {row}
            if character == " ":
                return set()
            if character == "╯":
                (column,) = self._turns(row, column)
            else:
                assert character == "│" or character in CORNERS_DOWN
            row += 1

    def _turns(self, row: int, column: int) -> list[int]:
        """Where lines that leave the column sideways turn down."""
        turns = []
        for step, onwards in ((-2, CORNERS_LEFT), (2, CORNERS_RIGHT)):
            at = column
            while self._at(row, at) in onwards or (at != column and self._at(row, at) in "│─"):
                assert self._at(row, at + step // 2) == "─"
                at += step
                if self._at(row, at) in CORNERS_DOWN:
                    turns.append(at)
        return turns

    def _at(self, row: int, column: int) -> str:
        line = self._lines[row] if row < len(self._lines) else ""
        return line[column] if column < len(line) else " "


@st.composite
def graphs(
    draw_from: st.DrawFn, *, cycles: bool, marked: bool, most: int = 24
) -> list[PictureNode]:
    count = draw_from(st.integers(0, most))
    reach = draw_from(st.integers(1, 6))
    nodes = []
    for index in range(count):
        if cycles:
            numbers = st.integers(0, count)
        else:
            numbers = st.integers(max(0, index - reach), max(0, index - 1))
        few = draw_from(st.sampled_from([1, 1, 1, 2, 3]))
        parents = draw_from(st.lists(numbers, max_size=few, min_size=min(few, index, 1)))
        is_marked = marked or draw_from(st.integers(0, 9)) == 0
        tone = draw_from(st.sampled_from(["plain"] * 8 + ["broken", "changed"]))
        nodes.append(
            PictureNode(
                f"n{index}",
                tuple(f"n{number}" for number in parents if cycles or number != index),
                "text",
                ("mark",) if is_marked else (),
                tone,  # type: ignore[arg-type]
            )
        )
    return nodes


def known_parents(nodes: Sequence[Node]) -> dict[str, set[str]]:
    keys = {node.key for node in nodes}
    return {node.key: set(node.parents) & keys - {node.key} for node in nodes}


@settings(deadline=None)
@given(graphs(cycles=True, marked=True))
def test_lines_are_the_edges_that_lead_down(nodes: list[Node]) -> None:
    reading = Reading(draw(nodes, width=400, ascii_only=False))
    rows = reading.row_of_key
    assert set(rows) == {node.key for node in nodes}
    for key, parents in known_parents(nodes).items():
        assert reading.below(rows[key]) == {rows[p] for p in parents if rows[p] > rows[key]}


@settings(deadline=None)
@given(graphs(cycles=False, marked=True))
def test_all_parents_are_below_where_there_is_no_cycle(nodes: list[Node]) -> None:
    rows = Reading(draw(nodes, width=400, ascii_only=False)).row_of_key
    for key, parents in known_parents(nodes).items():
        assert all(rows[parent] > rows[key] for parent in parents)


@settings(deadline=None)
@given(graphs(cycles=False, marked=False, most=60))
def test_folds_hide_just_what_lies_between(nodes: list[Node]) -> None:
    reading = Reading(draw(nodes, width=400, ascii_only=False))
    rows = reading.row_of_key
    parents = known_parents(nodes)
    for key, row in rows.items():
        hidden, ends = set(), set()
        path = list(parents[key])
        for node in path:
            if node in rows:
                ends.add(rows[node])
            elif node not in hidden:
                hidden.add(node)
                path.extend(parents[node])
        reached = list(reading.below(row))
        folds = set()
        for stop in reached:
            if stop in reading.folded and stop not in folds:
                folds.add(stop)
                reached.extend(reading.below(stop))
        assert set(reached) - folds == ends
        assert sum(reading.folded[fold] for fold in folds) == len(hidden)


@settings(deadline=None)
@given(st.booleans().flatmap(lambda cycles: graphs(cycles=cycles, marked=False, most=60)))
def test_nothing_is_lost_and_nothing_marked_is_folded(nodes: list[Node]) -> None:
    reading = Reading(draw(nodes, width=400, ascii_only=False))
    shown = set(reading.row_of_key)
    assert shown <= {node.key for node in nodes}
    assert len(shown) + sum(reading.folded.values()) == len(nodes)
    assert all(number >= 3 for number in reading.folded.values())
    assert all(n.key in shown for n in nodes if n.marks or n.tone != "plain")


@settings(deadline=None)
@given(graphs(cycles=False, marked=False, most=60))
def test_folds_count_their_merge_points(nodes: list[Node]) -> None:
    reading = Reading(draw(nodes, width=400, ascii_only=False))
    parents = known_parents(nodes)
    hidden = [node.key for node in nodes if node.key not in reading.row_of_key]
    assert reading.merge_points == sum(len(parents[key]) > 1 for key in hidden)


FOREIGN = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["日本語" * 9, "👍🏽🇩🇪e\u0301\ufe0f" * 9, "[red]x[/]\x1b[1m"]),
)


@settings(deadline=None)
@given(
    graphs(cycles=True, marked=False),
    st.lists(st.tuples(FOREIGN, FOREIGN, FOREIGN), min_size=24, max_size=24),
    st.integers(20, 100),
    st.booleans(),
)
def test_every_line_fits_and_is_printable(
    nodes: list[Node], foreign: list[tuple[str, str, str]], width: int, ascii_only: bool
) -> None:
    dressed = [
        Node(f"{number}{key}", node.parents, text, (mark,) * len(node.marks), node.tone)
        for number, (node, (key, text, mark)) in enumerate(zip(nodes, foreign, strict=False))
    ]
    renamed = {node.key: new.key for node, new in zip(nodes, dressed, strict=True)}
    dressed = [
        node._replace(parents=tuple(renamed.get(key, key) for key in node.parents))
        for node in dressed
    ]
    for line in draw(dressed, width=width, ascii_only=ascii_only):
        assert cell_len(line.plain) <= width
        assert line.plain.isprintable()
        assert line.plain.isascii() or not ascii_only
