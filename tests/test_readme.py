"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import fixchain
from tests.readme import (
    LEFT_OUT,
    README,
    Sample,
    blocks,
    commands_of,
    matches,
    rules_in,
    rules_table,
    steady,
)
from tests.repositories import VERSIONS, Repository, needs_git
from tests.support import migration, rev


def test_the_examples_print_what_the_readme_says(tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    examples = [pair for block in blocks(README.read_text("utf-8")) for pair in commands_of(block)]
    assert len(examples) >= 7
    for command, expected in examples:
        output = sample.run(command)
        assert matches(expected, output), f"$ {command}\n{output}"


@needs_git
def test_the_example_of_rebase(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("1975ea83 :2026-03-02", "2f0c61c8 <- 1975ea83 :2026-03-09")
    mine = ("8c41f6a2 <- 2f0c61c8 :2026-03-16", "e90b7d35 <- 8c41f6a2 :2026-03-17")
    (repository.top / VERSIONS).mkdir(parents=True)
    (repository.top / "migrations/env.py").write_text("")
    for spec in (*others, "5b7d20e9 <- 2f0c61c8 :2026-03-17"):
        item = rev(spec)
        repository.path(f"{item.revision}_add").write_bytes(migration(item))
    repository.commit(1)
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    for spec in mine:
        item = rev(spec)
        repository.path(f"{item.revision}_add").write_bytes(migration(item))
    monkeypatch.chdir(repository.top)
    monkeypatch.setenv("COLUMNS", "80")
    shown = re.search(
        r"(?<=```text\n\$ fixchain rebase --yes\n).*?(?=```)", README.read_text("utf-8"), re.DOTALL
    )
    assert shown is not None
    output = steady(fixchain("rebase", "--yes").stdout)
    assert matches(shown[0], output), output


def test_the_table_of_findings_is_made_from_the_rules() -> None:
    assert rules_in(README.read_text("utf-8")) == rules_table()


def test_left_out_lines_match_any_lines_and_nothing_else_does() -> None:
    assert matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\nc\nd\n")
    assert matches(f"{LEFT_OUT}\nd\n", "d\n")
    assert not matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\n")
    assert not matches("a\n", "b\n")
