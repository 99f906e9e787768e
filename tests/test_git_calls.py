"""At most twelve Git processes for any command, whatever there is to ask."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.commands import fixchain
from tests.rehearsals import add, plain
from tests.repositories import Repository, needs_git, script
from tests.stamped import build

pytestmark = needs_git

MOST = 12


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Git in front of the real one, which takes down each call in this file."""
    calls = tmp_path / "calls"
    real = shutil.which("git")
    script(tmp_path / "bin/git", f'#!/bin/sh\necho "$*" >>{calls}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return calls


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A chain with every question for Git: lost parents of all kinds, and a row that no file has.

    One parent was deleted, and what that was on as well; one has another id now, one is on a
    branch that is not merged, one was dropped by a merge, one is only gone from the work tree, and
    one was never there.
    """
    repository = Repository(tmp_path / "project")
    plain(repository.top, "a", "deep <- a", "gone <- deep", "old <- a", "here <- a", "dropped <- a")
    repository.commit(1)
    repository.branch("feature")
    add(repository.top, "feature <- a")
    repository.commit(2)
    repository.switch("main")
    for name in ("deep", "gone"):
        path_of(repository, name).unlink()
    old = path_of(repository, "old")
    old.write_text(old.read_text().replace("'old'", "'renamed'"))
    old.rename(old.with_name("7.py"))
    repository.commit(3)
    repository.branch("side")
    add(repository.top, "z <- a")
    repository.commit(4)
    repository.switch("main")
    path_of(repository, "dropped").unlink()
    repository.git("rm", "-q", "--cached", "migrations/versions/dropped_add.py")
    repository.commit(5)
    repository.merge("side", day=6)
    for number in range(30):  # releases are asked about together
        repository.git("tag", f"v1.{number}", f"main~{number % 3}")
    path_of(repository, "here").unlink()
    for number, parent in enumerate(("gone", "old", "feature", "dropped", "here", "never")):
        add(repository.top, f"c{number} <- {parent}")
    return repository.top


def path_of(repository: Repository, revision: str) -> Path:
    return repository.top / f"migrations/versions/{revision}_add.py"


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("check", 1),
        ("check --schema --stamp lost", 1),
        ("check --against main", 1),
        ("repair --dry-run", 1),
        ("repair --yes --accept-guesses", 0),
        ("rebase --onto side --dry-run", 3),
        ("hook --print", 0),
    ],
)
def test_git_is_asked_at_most_twelve_times(
    project: Path, counted: Path, command: str, exit_code: int
) -> None:
    done = fixchain(*command.split(), cwd=project)
    assert done.exit_code == exit_code, done
    assert "Traceback" not in done.stdout + done.stderr
    calls = counted.read_text().splitlines()
    assert 0 < len(calls) <= MOST, calls


def test_the_same_of_the_way_back(project: Path, counted: Path) -> None:
    """The database has run what the repair has brought back, and a row that no file has."""
    database = f"sqlite:///{project / 'app.db'}"
    assert fixchain("repair", "--yes", "--accept-guesses", cwd=project).exit_code == 0
    build(database, "lost")
    counted.unlink()
    done = fixchain("undo", "--yes", "--database", database, cwd=project)
    assert done.exit_code == 0, done
    assert 0 < len(counted.read_text().splitlines()) <= MOST


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("lock --yes", 0),
        ("check --against HEAD~1 --stamp lost", 1),
        ("restamp --old main", 0),
        ("rebase --onto main", 0),
        ("hook --print", 0),
    ],
)
def test_the_same_of_a_healthy_chain(
    tmp_path: Path, counted: Path, command: str, exit_code: int
) -> None:
    repository = Repository(tmp_path / "project")
    plain(repository.top, "a", "b <- a")
    repository.commit(1)
    changed = repository.top / "migrations/versions/b_add.py"
    changed.write_text(changed.read_text().replace("upgrade():", "upgrade() -> None:"))
    repository.commit(2)
    words = command.split()
    if words[0] == "restamp":
        database = f"sqlite:///{tmp_path / 'app.db'}"
        build(database, "b")
        words += ["--database", database, "--yes"]
    counted.unlink()  # so far, calls of the test
    done = fixchain(*words, cwd=repository.top)
    assert done.exit_code == exit_code, done
    calls = counted.read_text().splitlines() if counted.exists() else []
    assert len(calls) <= MOST, calls
