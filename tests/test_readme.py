"""What the README and the pages of docs/ show is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from flask_chainfix.cli.groups import main
from tests.commands import fixchain, run
from tests.readme import LEFT_OUT, PAGES, README, ROOT, Sample, matches, shortened, steps
from tests.repositories import needs_git

_WITH_EXAMPLES = [page for page in PAGES if steps(page.read_text("utf-8"))]

_COMMANDS = {
    name: {option for parameter in command.params for option in parameter.opts}
    for name in main.list_commands(click.Context(main))
    if (command := main.get_command(click.Context(main), name))
}
_ANYWHERE = {"--help", "--version", "--directory", "--config", "--name", "--fixchain-directory"}
_CODE = re.compile(rf"`(?:(?:flask db )?fixchain )?({'|'.join(_COMMANDS)}|)((?: ?--)[^`]*)`")


@needs_git
@pytest.mark.parametrize("page", _WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_print_what_the_page_says(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if page != README:
        request.getfixturevalue("warm_programs")
    sample = Sample(tmp_path)
    for step in steps(page.read_text("utf-8")):
        output = sample.run(step)
        if step.expected is not None:
            assert matches(step.expected, output), f"$ {step.command}\n{output}"


def test_the_pages_have_examples_and_the_readme_is_short() -> None:
    assert README in _WITH_EXAMPLES
    assert len(_WITH_EXAMPLES) > 10
    assert len(README.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_options_that_a_page_names_exist(page: Path) -> None:
    for command, words in _CODE.findall(page.read_text("utf-8")):
        known = _COMMANDS.get(command) or set().union(*_COMMANDS.values())
        assert set(re.findall(r"--[a-z][a-z-]*", words)) <= known | _ANYWHERE, (command, words)


@pytest.mark.nightly
def test_the_rule_that_contributing_shows_works(tmp_path: Path) -> None:
    page = (ROOT / "docs/pages/project/contributing.md").read_text("utf-8")
    rule, test = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "new_rule.py").write_text(
        f'from flask_chainfix.diagnosis import rules\nrules.CODES |= {{"FC114"}}\n{rule}', "utf-8"
    )
    (tmp_path / "test_it.py").write_text(test, "utf-8")
    # In a process of its own: this one must not come to know the rule.
    pytest_ = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "new_rule")
    others = ROOT / "tests/test_explanations.py"  # which do not have this fault
    done = run(*pytest_, tmp_path, others, cwd=ROOT, env={"PYTHONPATH": str(tmp_path)})
    assert done.exit_code == 0, done.stdout


def test_the_architecture_names_what_is_there() -> None:
    page = (ROOT / "docs/pages/project/architecture.md").read_text("utf-8")
    package = ROOT / "flask_chainfix"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/  ", page, re.MULTILINE)) == rooms
    for path in re.findall(r"`(\w+/[\w/]*(?:\.py)?)`", page):
        assert (package / path).exists(), path


def test_the_page_about_json_names_every_key() -> None:
    page = (ROOT / "docs/pages/reference/json.md").read_text("utf-8")
    named = set(re.findall(r"`(?:plan\.)?(\w+)`", page))
    sample = ROOT / "sample_app/migrations"
    document = fixchain("-d", sample, "repair", "--dry-run", "--format", "json").document
    rules = fixchain("explain", "--format", "json").document
    assert (_keys(document) | _keys(rules)) - named == set()


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def test_left_out_lines_match_any_lines_and_nothing_else_does() -> None:
    assert matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\nc\nd\n")
    assert matches(f"{LEFT_OUT}\nd\n", "d\n")
    assert not matches(f"a\n{LEFT_OUT}\nd\n", "a\nb\n")
    assert not matches("a\n", "b\n")


def test_a_renewed_output_leaves_out_what_was_left_out() -> None:
    before = f"a\n{LEFT_OUT}\nd\ne\n{LEFT_OUT}\n"
    assert shortened("a\nb\nd\nnew\nf\n", before) == f"a\n{LEFT_OUT}\nd\nnew\n{LEFT_OUT}\n"
    assert shortened("x\ny\n", "a\n") == "x\ny\n"
