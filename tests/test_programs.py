"""Forks of a warm interpreter that stand for programs: they are as the programs are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.commands import SCRIPTS, Done, on_terminal, run
from tests.disk import BROKEN, environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there are they used")


def as_they_are(name: str, *words: str, cwd: Path, **variables: str) -> tuple[Done, Done]:
    """What a program does, and what the fork does that stands for it."""
    did = []
    for place in (SCRIPTS, programs.directory()):
        env = {"PATH": f"{place}:{os.defpath}", **variables}
        did.append(run(place / name, *words, cwd=cwd, env=env))
    return did[0], did[1]


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["fixchain", "check", "--verbose"], {}),
        pytest.param(["fixchain", "unknown"], {}, marks=pytest.mark.nightly),
        pytest.param(["fixchain", "repair"], {"COLUMNS": "50"}, marks=pytest.mark.nightly),
        pytest.param(
            ["fixchain", "check"], {"PYTHONIOENCODING": "ascii"}, marks=pytest.mark.nightly
        ),
        pytest.param(["alembic", "heads"], {}, marks=pytest.mark.nightly),
        pytest.param(["flask", "--app", "gone", "routes"], {}, marks=pytest.mark.nightly),
    ],
)
def test_they_say_the_same(tmp_path: Path, words: list[str], variables: dict[str, str]) -> None:
    environment(tmp_path / "migrations", *BROKEN)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    program, fork = as_they_are(*words, cwd=tmp_path, **variables)
    assert fork == program


@pytest.mark.parametrize(("code", "ended"), [("os.kill(os.getpid(), 9)", -9), ("exit(7)", 7)])
def test_they_end_as_the_fork_does(tmp_path: Path, code: str, ended: int) -> None:
    (tmp_path / "app.py").write_text(f"import os\n{code}\n")
    done = run(programs.directory() / "flask", "routes", cwd=tmp_path)
    assert done.exit_code == ended


def test_they_are_asked_on_a_terminal(tmp_path: Path) -> None:
    environment(tmp_path / "migrations", *BROKEN)
    program = programs.directory() / "fixchain"
    done = on_terminal(program, "repair", cwd=tmp_path, answer="n\n")
    assert (done.exit_code, "Nothing was changed." in done.stderr) == (1, True)
    assert "\x1b[" in done.stdout
