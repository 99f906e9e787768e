"""What the rules' docstrings say: all that they have to, and nothing that is not true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import alembic.command
import pytest
from flask_migrate import cli as flask_migrate  # type: ignore[import-untyped]
from rich.cells import cell_len

from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Rule, all_rules, diagnose, explain
from flask_chainfix.model.environment import Environment
from tests.commands import command_of
from tests.statuses import db, looked_at
from tests.support import MIGRATIONS, mended, repaired, snapshot_of

RULES = all_rules()
HEADINGS = ("What breaks:", "How it happens:", "How to repair it:", "Example:")


def of_each_rule(*families: Family) -> pytest.MarkDecorator:
    rules = [rule for rule in RULES if not families or rule.family in families]
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: rule.code)


# --- The shape -----------------------------------------------------------------------------------


@of_each_rule()
def test_a_docstring_has_every_part_in_its_place(rule: Rule) -> None:
    explanation = explain(rule)
    assert all(astuple(explanation))
    what_breaks, comes_about, is_repaired, example = HEADINGS
    parts = (
        explanation.summary,
        explanation.meaning,
        what_breaks,
        explanation.breaks,
        comes_about,
        explanation.origin,
        is_repaired,
        explanation.repair,
        example,
        explanation.example,
    )
    # Nothing stands under another heading, and nothing is lost.
    assert " ".join(parts).split() == rule.explanation.split()


@of_each_rule()
def test_texts_are_sentences_and_fit_where_they_are_shown(rule: Rule) -> None:
    explanation = explain(rule)
    assert rule.explanation.startswith(f"{explanation.summary}\n\n")  # one line
    for text in (explanation.summary, explanation.meaning, explanation.origin, explanation.repair):
        assert all(re.match(r"[A-Z`].*[.]$", part) for part in text.split("\n\n")), text
    lines = Tools().spell_out(explanation.example).splitlines()
    assert max(map(cell_len, lines)) <= 78


def test_a_docstring_without_its_parts_is_no_error() -> None:
    """``python -OO`` takes docstrings away, and sources may not be at hand."""
    bare = RULES[0]._replace(explanation="", find=lambda facts: iter(()))
    assert explain(bare).example == explain(bare).summary == ""


# --- Commands ------------------------------------------------------------------------------------

_COMMAND = re.compile(r"\{(fixchain|alembic)\} ([\w-]+)([^`”\n]*)")


@of_each_rule()
def test_every_command_and_option_exists(rule: Rule) -> None:
    explanation = explain(rule)
    texts = "\n".join(str(part) for part in astuple(explanation))
    commands = list(_COMMAND.finditer(texts))
    assert "$" in explanation.example
    for program, command, rest in (found.groups() for found in commands):
        options = set(re.findall(r"(?<= )--?\w[\w-]*", rest))
        assert options <= set(known_options(program, command))
    # What is not in a command is no option.
    assert " -" not in _COMMAND.sub("", texts)
    prompts = [line for line in explanation.example.splitlines() if line.startswith("$")]
    assert all(_COMMAND.fullmatch(line[2:]) for line in prompts)


def known_options(program: str, command: str) -> Iterator[str]:
    """The options of a command.

    Raises:
        KeyError: there is no such command.
    """
    if program == "alembic":
        assert hasattr(alembic.command, command)  # with the console script
    found = command_of(command) if program == "fixchain" else flask_migrate.db.commands[command]
    for parameter in found.params:
        yield from parameter.opts


# --- Examples ------------------------------------------------------------------------------------

_FILE = re.compile(r"^# (.+\.py)( before the repair)?\n", re.MULTILINE)
_ROWS = re.compile(r"^# the rows of alembic_version\n(.*?)\n\n", re.MULTILINE | re.DOTALL)
_TABLES = re.compile(r"^# the tables of the database\n(.*?)\n\n", re.MULTILINE | re.DOTALL)
_IMPORTS = "import sqlalchemy as sa\nfrom alembic import op\n\n"
# What else a chain in this state has.
_BESIDES = {"FC101": {"FC102"}, "FC105": {"FC111"}, "FC201": {"FC101", "FC102"}}


def example_of(rule: Rule) -> Facts:
    """The files and the database that an example describes."""
    example = explain(rule).example
    text, *commands = re.split(r"^\$ ", example, flags=re.MULTILINE)
    assert commands
    rows, tables = _ROWS.search(text), _TABLES.search(text)
    _, *parts = _FILE.split(_TABLES.sub("", _ROWS.sub("", text)))
    now: dict[Path, bytes] = {}
    before: dict[Path, bytes] = {}
    for name, old, content in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        code = f"{_IMPORTS}{content}" if "op." in content else content
        (before if old else now)[MIGRATIONS / "versions" / name] = code.encode()
    environment = Environment(MIGRATIONS, (MIGRATIONS / "versions",))
    snapshot = snapshot_of(environment, now)
    if tables is not None:
        return looked_at(snapshot, db(rows[1] if rows else "", tables=tables[1]))
    if rows is None:
        return snapshot
    old_graph = snapshot_of(environment, {**now, **before}).graph if before else None
    return looked_at(snapshot, db(rows[1]), old=old_graph)


@of_each_rule(Family.CHAIN, Family.SCHEMA)
def test_an_example_is_a_chain_with_this_fault(rule: Rule) -> None:
    found = {finding.code for finding in diagnose(example_of(rule), Family.CHAIN, Family.SCHEMA)}
    assert found == {rule.code} | _BESIDES.get(rule.code, set())


@pytest.mark.parametrize("code", ["FC301", "FC302", "FC303", "FC305", "FC306", "FC307"])
def test_an_example_is_a_database_with_this_fault(code: str) -> None:
    (rule,) = (rule for rule in RULES if rule.code == code)
    snapshot = example_of(rule)
    assert [finding.code for finding in diagnose(snapshot, *Family)] == [code]


def test_a_repair_mends_the_examples_that_say_so() -> None:
    done = set()
    for rule in (each for each in RULES if each.family is not Family.ENVIRONMENT):
        snapshot = example_of(rule)
        findings = [each for each in diagnose(snapshot, *Family) if each.code == rule.code]
        says_so = explain(rule).example.endswith("\n$ {fixchain} repair")
        if says_so and any(finding.repairable for finding in findings):
            assert not diagnose(repaired(mended(snapshot)[0]), *Family)
            done.add(rule.code)
    assert {"FC101", "FC102", "FC103", "FC104", "FC105", "FC201"} <= done
