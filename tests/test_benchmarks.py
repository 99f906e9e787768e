"""The benchmarks run, and say everything that they promise. How fast is for people to read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.nightly
pytest.importorskip("resource", reason="the benchmarks ask the system for peaks of memory")

_ROOT = Path(__file__).resolve().parents[1]
_SMALL = (
    "--sizes",
    "30",
    "60",
    "--schemas",
    "20",
    "40",
    "--pages",
    "30",
    "--labels",
    "5",
    "--dependencies",
    "5",
    "--repetitions",
    "1",
)
_ROWS = (
    "30 revisions",
    "60 revisions",
    "bare reading of the files",
    "Alembic: load, heads",
    "Alembic: load, heads, cold",
    "check, in process",
    "check, in process, cold",
    "check, whole process",
    "repair: plan for 1 extra bases",
    "repair: write 1 files, synced",
    "repair: confirmed by Alembic",
    "60 revisions that others have",
    "rebase, 20 of mine in 1 line",
    "rebase, 20 of mine in 4 lines",
    "60 revisions, 20 branches of them",
    "check --against, both sides moved",
    "check --against --with all others",
    "20 revisions of 40 operations each",
    "ast.parse of the files",
    "check --schema, in process",
    "the page of 30 revisions",
    "graph --format html, in process",
    "that page, until its rows are there",
    "until it shows the other state",
    "5 chained branch labels",
    "20 depends_on",
    "flask db heads",
    "fixchain check",
    "flask db fixchain check",
    "fixchain --version",
    "fixchain check, 1,000 revisions",
    "pytest --fixchain, one test",
)


def test_every_row_and_goal_is_printed() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *_SMALL],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    lines = [line.strip() for line in run.stdout.splitlines()]
    for row in _ROWS:
        assert any(line == row or line.startswith(f"{row}  ") for line in lines), row
    goals = [line for line in lines if line.startswith(("reached", "NOT REACHED", "not measured"))]
    assert len(goals) == 24
