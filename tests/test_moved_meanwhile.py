"""Databases that are upgraded while a repair, or its undo, is at work: no revision runs twice."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config

from flask_chainfix import disk
from flask_chainfix.commands import repair
from flask_chainfix.common.errors import NotConfirmed
from tests.commands import Done, fixchain
from tests.disk import migrations
from tests.rehearsals import add, create, drop, plain
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql

FORK = ("a", "b <- a", "c <- a")
LOG = "ran"
Act = Callable[[], object]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, again: Any, tmp_path: Path) -> str:
    """A new database in which migrations note that they run."""
    made = str(again.url(request.param, tmp_path))
    sql(made, f"CREATE TABLE {LOG} (revision VARCHAR(9))")
    return made


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def forked(project: Path, *, tables: bool) -> Path:
    """A chain of two heads; its migrations note that they run, and make tables or none."""
    plain(project)
    for spec in FORK:
        name = spec[0]
        noted = f"op.execute(\"INSERT INTO {LOG} VALUES ('{name}')\")"
        up, down = (f"{create(name)}\n{noted}", drop(name)) if tables else (noted, "pass")
        add(project, spec, up, down)
    return project / "migrations"


def upgrade(place: Path, url: str, to: str = "heads") -> None:
    """Alembic's own upgrade."""
    config = Config()
    config.set_main_option("script_location", str(place))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, to)


def stamp(place: Path, url: str, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(place))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.stamp(config, to)


def ran(url: str) -> dict[str, int]:
    """How often each revision has run."""
    return Counter(str(row[0]) for row in sql(url, f"SELECT revision FROM {LOG}"))


def in_the_confirmation(monkeypatch: pytest.MonkeyPatch, *acts: Act) -> None:
    """Have something happen while the new files are in place and not confirmed."""
    confirm = repair.confirm  # type: ignore[attr-defined]

    def confirming(*args: Any) -> Any:
        for act in acts:
            act()
        monkeypatch.setattr(repair, "confirm", confirm)
        return confirm(*args)

    monkeypatch.setattr(repair, "confirm", confirming)


def once_each(place: Path, *urls: str) -> None:
    """Upgrade the databases to the end, and see that every revision has run there once."""
    for url in urls:
        upgrade(place, url)
        assert ran(url) == {"a": 1, "b": 1, "c": 1}, url


def said(done: Done) -> str:
    return " ".join(done.stderr.split())


def named(*urls: str) -> list[str]:
    return [word for url in urls for word in ("--database", url)]


@pytest.mark.parametrize("tables", [True, False], ids=["tables", "data only"])
def test_files_stay_by_which_a_database_has_moved(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch, tables: bool
) -> None:
    place = forked(project, tables=tables)
    upgrade(place, url, "a")
    old = migrations(place)
    in_the_confirmation(monkeypatch, lambda: upgrade(place, url))
    done = fixchain("repair", "--yes", *named(url))
    assert rows_of(url) == ["c"]
    assert migrations(place) != old
    assert "has moved to c while the new files were in place" in " ".join(done.stdout.split())
    assert done.exit_code == (0 if tables else 3), done
    again = fixchain("repair", "--yes", *named(url))
    assert again.exit_code == done.exit_code, again
    once_each(place, url)


def test_the_doubt_that_is_left_ends_with_the_users_word(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = forked(project, tables=False)
    upgrade(place, url, "a")
    old = migrations(place)
    in_the_confirmation(monkeypatch, lambda: upgrade(place, url))
    done = fixchain("repair", "--yes", *named(url))
    assert "in doubt" in said(done)
    assert "restamp --current --database" in done.stderr
    assert fixchain("restamp", "--yes", *named(url)).exit_code == 3
    assert fixchain("restamp", "--yes", "--current", *named(url)).exit_code == 0
    for command_ in ("restamp", "repair"):
        assert fixchain(command_, "--yes", *named(url)).exit_code == 0, command_
    assert "FC302" not in fixchain("check", *named(url)).stdout
    undone = fixchain("undo", "--yes", *named(url))
    assert undone.exit_code == 0, undone
    assert migrations(place) == old
    assert rows_of(url) == ["b", "c"]
    once_each(place, url)


def test_files_go_back_where_a_database_has_moved_by_the_old_ones(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = forked(project, tables=False)
    upgrade(place, url, "a")
    old, elsewhere = migrations(place), shutil.copytree(place, project / "elsewhere")
    in_the_confirmation(monkeypatch, lambda: upgrade(elsewhere, url))
    done = fixchain("repair", "--yes", *named(url))
    assert done.exit_code == 3
    assert "has moved since the plan was made: it is at b, c now" in said(done)
    assert migrations(place) == old
    assert fixchain("repair", "--yes", *named(url)).exit_code == 0
    once_each(place, url)


def test_of_databases_that_have_moved_by_both_each_gets_what_it_needs(
    project: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = forked(project, tables=True)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    sql(other, f"CREATE TABLE {LOG} (revision VARCHAR(9))")
    elsewhere = shutil.copytree(place, project / "elsewhere")
    for each in (url, other):
        upgrade(place, each, "a")
    in_the_confirmation(
        monkeypatch,
        lambda: upgrade(place, url),
        lambda: upgrade(elsewhere, other, "c"),
    )
    done = fixchain("repair", "--yes", *named(url, other))
    assert done.exit_code == 3
    assert f"the stamp of {other} cannot be moved: b never ran there" in said(done)
    assert [rows_of(each) for each in (url, other)] == [["c"], ["c"]]
    steps = [
        line.split() for line in done.stderr.splitlines() if line.strip().startswith("alembic")
    ]
    assert [step[1:] for step in steps] == [["stamp", "a"], ["upgrade", "b"], ["stamp", "c"]]
    for _, does, to in steps:
        {"stamp": stamp, "upgrade": upgrade}[does](place, other, to)
    once_each(place, url, other)
    assert fixchain("repair", "--yes", *named(url, other)).exit_code == 0


def refused() -> None:
    raise NotConfirmed("Alembic sees another chain", "every file was put back as it was")


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [refused, interrupted])
def test_files_that_are_not_confirmed_stay_all_the_same(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch, stop: Act
) -> None:
    place = forked(project, tables=True)
    upgrade(place, url, "a")
    old = migrations(place)
    in_the_confirmation(monkeypatch, lambda: upgrade(place, url), stop)
    done = fixchain("repair", "--yes", *named(url))
    assert done.exit_code == 3
    assert "the new files stay anyway" in said(done)
    assert migrations(place) != old
    undone = fixchain("undo", "--yes", *named(url))
    assert undone.exit_code == 0, undone
    assert migrations(place) == old
    assert rows_of(url) == ["b", "c"]
    once_each(place, url)


def test_files_stay_where_a_database_cannot_be_asked_any_more(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be that an upgrade keeps it locked."""
    file = tmp_path / "app.db"
    url = f"sqlite:///{file}"
    sql(url, f"CREATE TABLE {LOG} (revision VARCHAR(9))")
    place = forked(project, tables=True)
    upgrade(place, url, "a")
    old = migrations(place)

    def break_off() -> None:
        upgrade(place, url)
        file.rename(tmp_path / "kept.db")
        file.write_text("no database at all" * 100)

    in_the_confirmation(monkeypatch, break_off)
    done = fixchain("repair", "--yes", *named(url))
    assert done.exit_code == 3
    assert "can no longer be read" in " ".join(done.stdout.split())
    assert migrations(place) != old
    (tmp_path / "kept.db").replace(file)
    assert fixchain("restamp", "--yes", *named(url)).exit_code == 0
    once_each(place, url)


def test_a_repair_that_was_killed_there_is_undone_with_the_rows(project: Path, url: str) -> None:
    place = forked(project, tables=True)
    upgrade(place, url, "a")
    old = migrations(place)
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            in_the_confirmation(patch, lambda: upgrade(place, url), lambda: os._exit(9))
            fixchain("repair", "--yes", *named(url))
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert migrations(place) != old
    assert fixchain("repair", "--yes", *named(url)).exit_code == 3
    undone = fixchain("undo", "--yes", *named(url))
    assert undone.exit_code == 0, undone
    assert migrations(place) == old
    assert rows_of(url) == ["b", "c"]
    once_each(place, url)


@pytest.mark.parametrize("tables", [True, False], ids=["tables", "data only"])
def test_rows_follow_an_undo_that_an_upgrade_by_the_new_files_has_overtaken(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch, tables: bool
) -> None:
    place = forked(project, tables=tables)
    upgrade(place, url, "a")
    assert fixchain("repair", "--yes", *named(url)).exit_code == 0
    undo = disk.undo

    def overtaken(*args: Any) -> Any:
        upgrade(place, url)
        return undo(*args)

    monkeypatch.setattr(disk, "undo", overtaken)
    done = fixchain("undo", "--yes", *named(url))
    if tables:
        assert done.exit_code == 0, done
    else:
        assert done.exit_code == 3, done
        assert "has moved to c meanwhile" in said(done)
        steps = [line.split() for line in done.stderr.splitlines() if "alembic stamp" in line]
        for *_, to in steps:
            stamp(place, url, to)
    assert rows_of(url) == ["b", "c"]
    once_each(place, url)


def test_an_undo_says_that_a_database_cannot_be_asked_any_more(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = forked(project, tables=True)
    old, file = migrations(place), tmp_path / "app.db"
    url = f"sqlite:///{file}"
    sql(url, f"CREATE TABLE {LOG} (revision VARCHAR(9))")
    upgrade(place, url, "a")
    assert fixchain("repair", "--yes", *named(url)).exit_code == 0
    undo = disk.undo

    def broken_off(*args: Any) -> Any:
        file.write_text("no database at all" * 100)
        return undo(*args)

    monkeypatch.setattr(disk, "undo", broken_off)
    done = fixchain("undo", "--yes", *named(url))
    assert done.exit_code == 3
    assert "cannot be asked whether it has moved meanwhile" in said(done)
    assert migrations(place) == old


def test_no_row_is_moved_for_a_chain_that_is_another_by_now(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = forked(project, tables=True)
    upgrade(place, url)
    assert fixchain("repair", "--yes").exit_code == 0

    def meanwhile(*_: object) -> None:
        assert fixchain("undo", "--yes").exit_code == 0

    monkeypatch.setattr("flask_chainfix.cli.running.ask", meanwhile)
    done = fixchain("restamp", *named(url))
    assert done.exit_code == 3
    assert "the migrations have changed since the rows were worked out" in said(done)
    assert rows_of(url) == ["b", "c"]
    once_each(place, url)


@needs_git
def test_a_rebase_keeps_its_files_for_the_same_reason(
    repository: Repository, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.top)
    place = forked(repository.top, tables=True)
    mine = next((place / "versions").glob("c*.py"))
    text = mine.read_text()
    mine.unlink()
    repository.commit(0)
    mine.write_text(text)
    upgrade(place, url, "a")
    in_the_confirmation(monkeypatch, lambda: upgrade(place, url))
    done = fixchain("rebase", "--yes", "--onto", "HEAD", *named(url))
    assert done.exit_code == 0, done
    assert "has moved to c while the new files were in place" in " ".join(done.stdout.split())
    once_each(place, url)


# --- Doubt about who has stamped a database ------------------------------------------------------


@pytest.fixture
def stranded(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """A committed fork that a repair has made one line of, and a database that has run c alone."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    sql(url, f"CREATE TABLE {LOG} (revision VARCHAR(9))")
    monkeypatch.chdir(repository.top)
    place = forked(repository.top, tables=False)
    repository.commit(0)
    upgrade(place, url, "c")
    assert fixchain("repair", "--yes").exit_code == 0
    assert rows_of(url) == ["c"]
    return place, url


@needs_git
def test_the_old_chain_that_is_named_shows_what_was_skipped(stranded: tuple[Path, str]) -> None:
    place, url = stranded
    for options in ((), ("--old", "HEAD")):
        done = fixchain("restamp", "--yes", *options, *named(url))
        assert done.exit_code == 3, done
        assert "b never ran there, and would be skipped" in said(done)
    steps = [
        line.split() for line in done.stderr.splitlines() if line.strip().startswith("alembic")
    ]
    for _, does, to in steps[:3]:
        {"stamp": stamp, "upgrade": upgrade}[does](place, url, to)
    assert ran(url) == {"a": 1, "b": 1, "c": 1}
    assert fixchain("restamp", "--yes", "--current", *named(url)).exit_code == 0
    assert fixchain("restamp", "--yes", *named(url)).exit_code == 0
    once_each(place, url)


@needs_git
def test_a_doubt_about_a_database_that_is_only_told_of_ends_in_the_same_way(
    stranded: tuple[Path, str],
) -> None:
    told = ("--stamp", "c")
    done = fixchain("repair", "--yes", *told)
    assert done.exit_code == 3
    assert "restamp --current --stamp c" in done.stderr
    assert fixchain("restamp", "--yes", "--current", *told).exit_code == 0
    assert fixchain("repair", "--yes", *told).exit_code == 0


@needs_git
def test_the_users_word_does_not_outlast_what_it_was_given_for(stranded: tuple[Path, str]) -> None:
    _, url = stranded
    assert fixchain("restamp", "--yes", "--current", *named(url)).exit_code == 0
    assert fixchain("undo", "--yes", *named(url)).exit_code == 0
    assert rows_of(url) == ["b", "c"]  # by the user's word, b has run there
    assert fixchain("repair", "--yes").exit_code == 0
    assert fixchain("restamp", "--yes", *named(url)).exit_code == 0
    assert rows_of(url) == ["c"]


@needs_git
def test_one_chain_only_can_have_stamped_it(stranded: tuple[Path, str]) -> None:
    _, url = stranded
    done = fixchain("restamp", "--yes", "--current", "--old", "HEAD", *named(url))
    assert done.exit_code == 2
    assert "--current and --old REF name different chains" in said(done)
