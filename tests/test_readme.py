"""What the README shows is what happens."""

from __future__ import annotations

from pathlib import Path

from tests.readme import (
    LEFT_OUT,
    README,
    Sample,
    blocks,
    commands_of,
    matches,
    rules_in,
    rules_table,
)


def test_the_examples_print_what_the_readme_says(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    examples = [pair for block in blocks(README.read_text("utf-8")) for pair in commands_of(block)]
    assert len(examples) >= 7
    for command, expected in examples:
        output = sample.run(command)
        assert matches(expected, output), f"$ {command}\n{output}"


def test_the_table_of_findings_is_made_from_the_rules() -> None:
    assert rules_in(README.read_text("utf-8")) == rules_table()


def test_left_out_lines_match_any_lines_and_nothing_else_does() -> None:
    assert matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\nc\nd\n")
    assert matches(f"{LEFT_OUT}\nd\n", "d\n")
    assert not matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\n")
    assert not matches("a\n", "b\n")
