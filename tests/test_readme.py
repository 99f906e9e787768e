"""What the README and the pages of docs/ show is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readme import LEFT_OUT, PAGES, README, ROOT, Sample, matches, steps
from tests.repositories import needs_git

_WITH_EXAMPLES = [page for page in PAGES if steps(page.read_text("utf-8"))]


@needs_git
@pytest.mark.parametrize("page", _WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    for step in steps(page.read_text("utf-8")):
        output = sample.run(step)
        if step.expected is not None:
            assert matches(step.expected, output), f"$ {step.command}\n{output}"


def test_the_pages_have_examples_and_the_readme_is_short() -> None:
    assert README in _WITH_EXAMPLES
    assert len(_WITH_EXAMPLES) > 10
    assert len(README.read_text("utf-8").splitlines()) <= 300


def test_left_out_lines_match_any_lines_and_nothing_else_does() -> None:
    assert matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\nc\nd\n")
    assert matches(f"{LEFT_OUT}\nd\n", "d\n")
    assert not matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\n")
    assert not matches("a\n", "b\n")
