"""What each command makes of the corpus: the diff, what is guessed, or why it is refused.

``specimens`` says what is in a directory of the corpus. ``repair.txt`` and its like beside the
files say what is expected; ``FIXCHAIN_WRITE_GOLDENS=1`` writes them anew.
"""

from __future__ import annotations

import os
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from tests.specimens import every_command, project, specimen, told
from tests.support import alembic_loads

pytestmark = pytest.mark.usefixtures("always_the_same")


@pytest.fixture
def always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """New migrations get ids and dates that do not depend on when they are made."""
    numbers = count(1)
    monkeypatch.setattr("alembic.util.rev_id", lambda: f"0123456789a{next(numbers)}")
    day = datetime(2024, 5, 1, 12, 0)
    monkeypatch.setattr(ScriptDirectory, "_generate_create_date", lambda _: day)


@pytest.mark.parametrize(("command", "name"), every_command())
def test_a_repair_of_the_corpus(command: str, name: str, top: Path) -> None:
    report = project(specimen(name), top).does(command)

    golden = specimen(name).directory / f"{command}.txt"
    if os.environ.get("FIXCHAIN_WRITE_GOLDENS"):
        golden.write_text(told(report), "utf-8")
    assert told(report) == golden.read_text("utf-8")
    assert str(top) not in told(report)
    if report.after is not None:
        alembic_loads(report.after)
