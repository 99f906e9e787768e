"""What a repair makes of each directory of the corpus: the diff, what is guessed, or why not.

``repair.txt`` beside the files says it. ``FIXCHAIN_WRITE_GOLDENS=1`` writes it anew.
"""

from __future__ import annotations

import json
import os
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flask_chainfix import workflows
from flask_chainfix.formats.diff import unified_diff
from flask_chainfix.model import DatabaseWishes, Wishes
from flask_chainfix.report import Report, Tools
from flask_chainfix.runtime import open_directory
from tests.disk import ENV_PY, SCRIPT_MAKO
from tests.support import alembic_loads

CORPUS = Path(__file__).parent / "corpus"
BROKEN = sorted(path.name for path in CORPUS.iterdir() if path.name.startswith(("FC1", "FC201")))


def planned(place: Path, asked: dict[str, Any]) -> Report:
    relabel = {name: tuple(labels) for name, labels in asked.get("relabel", {}).items()}
    wishes = Wishes(**{**asked, "relabel": relabel})
    # Ids in databases follow: somebody has to tell where one stands.
    stamps = (("3f1c2a9b7d04",),) if wishes.shorten_ids else ()
    runtime = open_directory(str(place))
    return workflows.plan_repair(runtime, Tools(), wishes, DatabaseWishes(stamps=stamps))


def told(report: Report) -> str:
    if report.error is not None:
        return f"refused: {report.error.message}\n"
    if report.plan is None:
        return "nothing to repair\n"
    guesses = [f"guess: {guess}" for guess in report.plan.guesses]
    return "".join(f"{line}\n" for line in [*guesses, *unified_diff(report.edits)])


@pytest.mark.parametrize("name", BROKEN)
def test_a_repair_of_the_corpus(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CORPUS / name, tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m" / "env.py").write_text(ENV_PY)
    (tmp_path / "m" / "script.py.mako").write_text(SCRIPT_MAKO)
    numbers = count(1)
    monkeypatch.setattr("alembic.util.rev_id", lambda: f"0123456789a{next(numbers)}")
    expected = json.loads((CORPUS / name / "expected.json").read_text("utf-8"))

    report = planned(Path("m"), expected.get("repair", {}))

    golden = CORPUS / name / "repair.txt"
    if os.environ.get("FIXCHAIN_WRITE_GOLDENS"):
        golden.write_text(told(report), "utf-8")
    assert told(report) == golden.read_text("utf-8")
    if report.after is not None:
        alembic_loads(report.after)
