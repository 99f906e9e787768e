"""What each command makes of the corpus: the diff, what is guessed, or why it is refused.

``specimens`` says what is in a directory of the corpus. ``repair.txt`` and its like beside the
files say what is expected; ``FIXCHAIN_WRITE_GOLDENS=1`` writes them anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from click import Command

from flask_chainfix.cli.groups import main
from flask_chainfix.commands.restamp import RestampWishes
from flask_chainfix.diagnosis.rules import Family, all_rules, diagnose
from flask_chainfix.model.plans import AUTO, Mend, Wishes
from flask_chainfix.planning import mending
from flask_chainfix.planning.linking.strategies import strategy_names
from flask_chainfix.planning.mending.case import Case
from tests.commands import command_of
from tests.repositories import needs_git
from tests.specimens import COMMANDS, SPECIMENS, every_command, project, specimen, told
from tests.support import alembic_loads

Mender = Callable[[Case], Iterator[Mend]]

pytestmark = pytest.mark.usefixtures("always_the_same")


@pytest.fixture
def always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """New migrations get dates that do not depend on when they are made."""
    day = datetime(2024, 5, 1, 12, 0)
    monkeypatch.setattr(ScriptDirectory, "_generate_create_date", lambda _: day)


@pytest.mark.parametrize(("command", "name"), every_command())
def test_a_repair_of_the_corpus(command: str, name: str, top: Path) -> None:
    report = project(specimen(name), top).does(command)

    golden = specimen(name).directory / f"{command}.txt"
    if os.environ.get("FIXCHAIN_WRITE_GOLDENS"):
        golden.write_text(told(command, report), "utf-8")
    assert told(command, report) == golden.read_text("utf-8")
    assert str(top) not in told(command, report)
    if report.after is not None:
        alembic_loads(report.after)


# --- What the corpus is to show ------------------------------------------------------------------


def asked_of(command: str) -> list[dict[str, Any]]:
    """What is asked of a command in each directory in which it is used."""
    asked = (specimen(name).asked_of(command) for name in SPECIMENS)
    return [each for each in asked if each is not None]


def options_in(command: str) -> set[str]:
    """The options that a command gets in one directory or another."""
    return {option for asked in asked_of(command) for option in asked}


def test_every_command_that_changes_migrations_or_rows_has_a_directory() -> None:
    changing = {name for name in main.commands if "yes" in _options(command_of(name))}
    # One writes what is no migration, the others run the chain, which is not there to be run.
    assert set(COMMANDS) == changing - {"hook", "catch-up", "squash", "unwind"}
    assert all(asked_of(command) for command in COMMANDS)


def test_every_option_of_a_repair_has_a_directory() -> None:
    assert options_in("repair") == {wish.name for wish in fields(Wishes)}
    assert options_in("restamp") == {wish.name for wish in fields(RestampWishes)} - {"databases"}
    strategies = {asked.get("strategy", AUTO) for asked in asked_of("repair")}
    assert strategies == {AUTO, *strategy_names()}


def _options(command: Command) -> set[str]:
    return {str(option.name) for option in command.params}


@needs_git
def test_every_repair_has_a_directory(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mender, strategy and repairable rule has one in which a plan comes of it."""
    menders = mending._MENDERS
    at_work: set[str] = set()

    def recorded(mender: Mender) -> Mender:
        def record(case: Case) -> Iterator[Mend]:
            for mend in mender(case):
                at_work.add(mender.__name__)
                yield mend

        return record

    recording = {recorded(mender): code for mender, code in menders.items()}
    monkeypatch.setattr(mending, "_MENDERS", recording)
    wanted = {mender.__name__ for mender in menders}
    wanted |= {rule.code for rule in all_rules() if rule.repairable}
    wanted |= set(strategy_names())
    for name in sorted(SPECIMENS, key=lambda name: not specimen(name).is_files_alone):
        if not wanted:  # the rest, which takes longest, need not be looked at
            break
        if specimen(name).asked_of("repair") is None:
            continue
        at_work.clear()
        (top / name).mkdir()
        monkeypatch.chdir(top / name)
        report = project(specimen(name), top / name).does("repair")
        if report.plan is not None and report.after is not None:
            left = {finding.code for finding in diagnose(report.after, *Family)}
            gone = {finding.code for finding in report.findings} - left
            wanted -= {*at_work, report.plan.strategy, *gone}
    assert not wanted
