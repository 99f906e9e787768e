"""What commands import: those that only read files start without what reads databases."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.cli.groups import app_group, main
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis import rules
from flask_chainfix.diagnosis.rules import Fault, Rule
from flask_chainfix.environment.configuration import alembic_version
from tests.commands import command_of, fixchain, run
from tests.conftest import SAMPLE_APP
from tests.disk import environment
from tests.repositories import Repository

READ_HERE = alembic_version() >= (1, 17)


@pytest.mark.parametrize("group", [main, app_group])
def test_a_summary_is_the_first_sentence_of_the_help(group: click.Group) -> None:
    for name, summary in group.commands.items():
        assert summary.get_short_help_str(1_000) == command_of(name).get_short_help_str(1_000)


# Each command after the others: what is imported stays.
SCRIPT = """
import sys
from flask_chainfix.cli.console import main
heavy = "alembic", "flask", "hashlib", "jinja2", "mako", "rich", "sqlalchemy", "sqlglot"
for command in sys.argv[1:]:
    try:
        main(command.split())
    except SystemExit as stop:
        names = {name.partition(".")[0] for name in sys.modules}
        print(command, stop.code, *sorted(names.intersection(heavy)), sep=": ", file=sys.stderr)
"""


def project(tmp_path: Path) -> Path:
    """A directory with a healthy and a broken environment, and with an empty repository."""
    place = tmp_path / "project"
    environment(place / "migrations", "a", "b <- a")
    environment(place / "broken", "a", "b <- a", "c")
    (place / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    Repository(place)
    return place


def after(place: Path, *commands: str) -> list[str]:
    """Each command with its exit code, and with what is imported at its end of what is heavy."""
    return run(sys.executable, "-c", SCRIPT, *commands, cwd=place).stderr.splitlines()


@pytest.mark.skipif(not READ_HERE, reason="this Alembic is asked what its configuration says")
@pytest.mark.parametrize(
    "exit_codes",
    [
        {"--version": 0, "--help": 0, **{f"{name} --help": 0 for name in main.commands}},
        {
            "explain": 0,
            "explain FC102": 0,
            "check": 0,
            "-c alembic.ini check --strict --no-git": 0,
            "-d broken check": 1,
            "check --schema": 0,
            "graph": 0,
            "graph --format mermaid": 0,
            "report --no-database": 0,
            "lock --yes": 0,
            "hook --print": 0,
        },
    ],
)
def test_what_reads_files_imports_nothing_heavy(
    tmp_path: Path, own_git: None, exit_codes: dict[str, int]
) -> None:
    said = after(project(tmp_path), *exit_codes)
    assert said == [f"{command}: {code}" for command, code in exit_codes.items()]


@pytest.mark.skipif(not READ_HERE, reason="this Alembic is asked what its configuration says")
def test_what_asks_git_imports_at_most_what_hashes(tmp_path: Path, own_git: None) -> None:
    place = project(tmp_path)
    Repository(place).commit(1)
    commands = ("check --against HEAD", "check --staged", "rebase --dry-run")
    for command, said in zip(commands, after(place, *commands), strict=True):
        assert said in (f"{command}: 0", f"{command}: 0: hashlib")


EXPLAINING = """
import sys
from flask_chainfix.cli.console import main
try:
    main(["explain", "fc102"])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_an_explanation_imports_no_rules_of_later_families(tmp_path: Path) -> None:
    done = run(sys.executable, "-c", EXPLAINING, cwd=tmp_path)
    package = f"{rules.__name__}."
    imported = {name.removeprefix(package) for name in done.stderr.split() if package in name}
    assert imported == {"headers", "references", "structure"}


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "flask_chainfix", "--version", cwd=tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == fixchain("--version").stdout


def test_a_check_of_the_broken_sample_judges_at_most_three_chains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is there, what to plan from, and what is planned."""
    counted: Counter[str] = Counter()
    build = Graph.__init__

    def building(graph: Graph, *args: Any, **options: Any) -> None:
        counted["graph"] += 1
        build(graph, *args, **options)

    def judging(rule: Rule) -> Rule:
        def find(snapshot: Facts) -> Iterator[Fault]:
            counted[rule.code] += 1
            return rule.find(snapshot)

        return rule._replace(find=find)

    monkeypatch.setattr(Graph, "__init__", building)
    monkeypatch.setattr(rules, "_RULES", {rule.code: judging(rule) for rule in rules.all_rules()})
    assert fixchain("check", cwd=SAMPLE_APP).exit_code == 1
    assert 0 < counted["graph"] <= 3
    assert 0 < counted["FC101"] <= 3
    assert max(counted.values()) <= 3
