"""Databases that stand in a chain which is repaired: from the first look to ``undo``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import flask.cli
import pytest

from tests.commands import Done, fixchain, invoke, on_terminal, run
from tests.databases import KINDS
from tests.disk import migrations
from tests.rehearsals import add, plain, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import Again, rows_of, sql, sqlite_url, stamp, user

FORK = ("a", "b <- a", "c <- a")
JSON = ("--format", "json")
DOWN = "postgresql+psycopg2://panel:s3cret-word@127.0.0.1:1/panel"


@pytest.fixture(scope="module")
def again() -> Iterator[Again]:
    with ExitStack() as made:
        yield Again(made)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, again: Again, tmp_path: Path) -> str:
    """The URL of an empty database of each kind in turn."""
    return again.url(request.param, tmp_path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, from which an app can be loaded in this process."""
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")  # as Flask will, and then take it away
    return place


def panel(*args: str) -> Done:
    """Run ``flask --app panel db fixchain ARGS`` in this process."""
    sys.modules.pop("panel", None)
    return invoke(flask.cli.cli, "--app", "panel", "db", "fixchain", *args)


def forked(project: Path, url: str, *rows: str) -> Path:
    """An app with a fork, whose database has run both of its branches."""
    with_app(project, *FORK, uri=url)
    stamp(url, *(rows or ("b", "c")))
    return project / "migrations"


def results(done: Done) -> dict[str, Any]:
    """What came of each database, by name."""
    return {each["name"]: each["result"] for each in done.document["databases"]}


def assert_refused(done: Done, *words: str) -> None:
    assert done.exit_code == 3, done
    for word in words:
        assert word in " ".join(done.stderr.split())
    assert "\nremedy: " in done.stderr


# --- The whole way -------------------------------------------------------------------------------


def test_files_and_rows_go_together_and_come_back_together(
    project: Path, database_url: str
) -> None:
    place = forked(project, database_url)
    before = migrations(place)
    check = panel("check", "--database")
    assert check.exit_code == 1
    assert "the app's database  b, c" in check.stdout

    repaired = panel("repair", "--yes")
    assert repaired.exit_code == 0, repaired
    assert "the app's database  b, c → c  moved" in repaired.stdout
    assert rows_of(database_url) == ["c"]
    assert panel("check", "--database").exit_code == 0
    again = panel("restamp", "--yes")
    assert again.exit_code == 0
    assert "1 database: 1 already right." in again.stdout

    undone = panel("undo", "--yes")
    assert undone.exit_code == 0, undone
    assert rows_of(database_url) == ["b", "c"]
    assert migrations(place) == before
    assert panel("undo", "--yes").exit_code == 3


@pytest.mark.parametrize(("answer", "rows"), [("y\ny\n", ["c"]), ("y\nn\n", ["b", "c"])])
def test_on_a_terminal_the_rows_are_asked_for_on_their_own(
    project: Path, tmp_path: Path, answer: str, rows: list[str]
) -> None:
    url = sqlite_url(tmp_path)
    forked(project, url)
    command = ("flask", "--app", "panel", "db", "fixchain", "repair")
    done = on_terminal(*command, cwd=project, answer=answer)
    assert done.exit_code == 0, done
    assert "Make these changes?" in done.stderr
    assert "Move the stamps of 1 database?" in done.stderr
    assert "Repaired: " in done.stdout
    assert rows_of(url) == rows
    add(project, "d <- c")
    if rows == ["c"]:
        upgraded = run("flask", "--app", "panel", "db", "upgrade", cwd=project)
        assert upgraded.exit_code == 0, upgraded.stderr
        assert rows_of(url) == ["d"]
