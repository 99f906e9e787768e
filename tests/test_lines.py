"""Lines are as wide, and wrapped where, rich would have them; commands stay whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from flask_chainfix.common.quoting import printable
from flask_chainfix.report.lines import Line, cells

SHOWN = st.text(max_size=60).map(printable).map(lambda text: text.replace("`", "'"))
ANY = st.text("ab -é…→●“世界🐍\u0301/_", max_size=60) | SHOWN


@given(ANY, st.integers(2, 30))
def test_a_line_is_wrapped_as_by_rich(text: str, width: int) -> None:
    assert cells(text) == cell_len(text)
    expected = [part.plain.rstrip() for part in Text(text).wrap(Console(), width)]
    assert [part.plain for part in Line(text).wrapped(width)] == expected


@given(st.lists(st.tuples(ANY, st.sampled_from(["", "bold", "red", "dim cyan"])), max_size=4))
def test_styles_stay_with_their_text(parts: list[tuple[str, str]]) -> None:
    line, rich = Line(), Text()
    for text, style in parts:
        line.append(text, style)
        rich.append(text, style)
    console = Console(force_terminal=True, color_system="standard", highlight=False, width=10**6)
    with console.capture() as shown:
        console.print(rich, end="", soft_wrap=True)
    assert line.ansi() == shown.get()


def test_a_command_in_backticks_stays_on_one_line() -> None:
    command = "`git -C one/migrations fetch --unshallow`"
    text = f"nothing is known; {command} brings it"
    lines = [line.plain for line in Line(text).wrapped(20)]
    assert lines == ["nothing is known;", command, "brings it"]


def test_a_lone_backtick_begins_no_command() -> None:
    lines = [line.plain for line in Line("a `" + "x" * 30).wrapped(10)]
    assert lines == ["a", "`xxxxxxxxx", "x" * 10, "x" * 10, "x"]


@pytest.mark.parametrize("part", [" ", "`", "` ", "x` ", " `x"])
def test_hostile_text_is_wrapped_quickly(part: str) -> None:
    started = time.process_time()
    assert list(Line(part * 20_000).wrapped(80))
    assert time.process_time() - started < 2
