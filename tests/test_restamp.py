"""Databases that stand in a chain which is repaired: from the first look to ``undo``."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import flask.cli
import pytest

from tests.commands import Done, fixchain, invoke, on_terminal, run
from tests.disk import migrations
from tests.nightly import first_of
from tests.rehearsals import add, empty_project, plain, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import (
    Again,
    another_url,
    build,
    rows_of,
    run_script,
    sql,
    sqlite_url,
    stamp,
    user,
)

FORK = ("a", "b <- a", "c <- a")
JSON = ("--format", "json")
DOWN = "postgresql+psycopg2://panel:s3cret-word@127.0.0.1:1/panel"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_project(tmp_path, monkeypatch)


def panel(*args: str) -> Done:
    """Run ``flask --app panel db fixchain ARGS`` in this process."""
    sys.modules.pop("panel", None)
    return invoke(flask.cli.cli, "--app", "panel", "db", "fixchain", *args)


def forked(project: Path, url: str, *rows: str) -> Path:
    """An app with a fork, whose database has run both of its branches."""
    with_app(project, *FORK, uri=url)
    build(url, *(rows or ("b", "c")))
    return project / "migrations"


def results(done: Done) -> dict[str, Any]:
    """What came of each database, by name."""
    return {each["name"]: each["result"] for each in done.document["databases"]}


def assert_refused(done: Done, *words: str) -> None:
    assert done.exit_code == 3, done
    for word in words:
        assert word in " ".join(done.stderr.split())
    assert "\nremed" in done.stderr


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


@pytest.mark.parametrize(("answer", "rows"), first_of([("y\nn\n", ["b", "c"]), ("y\ny\n", ["c"])]))
@pytest.mark.usefixtures("warm_programs")
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


def test_without_an_answer_nothing_is_changed(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    place = forked(project, url)
    before = migrations(place)
    assert_refused(panel("repair"), "no terminal to ask on; pass --yes")
    assert (migrations(place), rows_of(url)) == (before, ["b", "c"])
    assert panel("repair", "--yes", "--no-database").exit_code == 0
    assert_refused(panel("restamp"), "no terminal to ask on; pass --yes")
    assert rows_of(url) == ["b", "c"]


def test_json_is_one_document_with_what_came_of_each_database(
    project: Path, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path)
    forked(project, url)
    planned = panel("repair", "--dry-run", *JSON)
    assert planned.exit_code == 1
    assert planned.document["databases"] == [
        {
            "name": "the app's database",
            "own": True,
            "state": "stamped",
            "rows": ["b", "c"],
            "behind": 0,
            "ahead": 0,
            "problem": None,
            "rows_after": ["c"],
            "result": "planned",
            "detail": None,
        }
    ]
    done = panel("repair", "--yes", *JSON)
    assert done.document["command"] == "repair"
    assert done.document["verified"]["heads"] == ["c"]
    assert results(done) == {"the app's database": "moved"}
    again = panel("restamp", "--yes", *JSON)
    assert again.document["command"] == "restamp"
    assert results(again) == {"the app's database": "unchanged"}
    undone = panel("undo", "--yes", *JSON)
    assert results(undone) == {"the app's database": "moved"}


# --- The app's own database is looked at first ---------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parent"), [((), {"b": "c"}), (("--no-database",), {"c": "b"})]
)
def test_the_plan_is_safe_for_the_database(
    project: Path, tmp_path: Path, options: tuple[str, ...], parent: dict[str, str]
) -> None:
    """It has run the younger of two revisions, and would never run the older one below it."""
    forked(project, sqlite_url(tmp_path), "c")
    done = panel("repair", "--dry-run", *options, *JSON)
    relinks = done.document["plan"]["relinks"]
    assert {relink["revision"]: relink["after"][0] for relink in relinks} == parent
    said = " ".join(done.document["notices"])
    assert ("no database was looked at" in said) == bool(options)


def test_an_unreachable_database_is_no_reason_to_guess(project: Path) -> None:
    with_app(project, *FORK, uri=DOWN)
    before = migrations(project / "migrations")
    done = panel("repair", "--yes")
    assert_refused(done, "the app's database cannot be read", "--no-database", "--stamp")
    assert migrations(project / "migrations") == before
    check = panel("check", "--database", *JSON)
    assert "FC304" in [finding["code"] for finding in check.document["findings"]]
    told = panel("repair", "--yes", "--no-database", "--stamp", "c", *JSON)
    assert told.exit_code == 0
    assert told.document["plan"]["relinks"][0]["revision"] == "b"
    assert "s3cret" not in repr((done, check, told))


def test_the_console_script_says_that_it_was_told_of_no_database(
    project: Path, tmp_path: Path
) -> None:
    plain(project, *FORK)
    said = "no database was looked at: name those"
    assert said in " ".join(fixchain("repair", "--dry-run").stdout.split())
    told = fixchain("repair", "--dry-run", "--stamp", "b,c")
    assert said not in " ".join(told.stdout.split())


def test_each_bind_is_moved_and_put_back(project: Path, tmp_path: Path) -> None:
    url, other = f"sqlite:///{tmp_path / 'main.db'}", f"sqlite:///{tmp_path / 'other.db'}"
    with_app(project, *FORK, uri=url, binds={"other": other, "empty": f"sqlite:///{tmp_path}/e.db"})
    build(url, "b", "c")
    build(other, "b")
    (tmp_path / "e.db").touch()
    done = panel("repair", "--yes", *JSON)
    assert results(done) == {
        "the app's database": "moved",
        "bind other": "unchanged",
        "bind empty": "unchanged",
    }
    assert (rows_of(url), rows_of(other)) == (["c"], ["b"])
    assert panel("undo", "--yes").exit_code == 0
    assert (rows_of(url), rows_of(other)) == (["b", "c"], ["b"])


def test_a_backup_comes_first(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    forked(project, url)
    done = panel("repair", "--yes", "--backup", *JSON)
    assert done.exit_code == 0, done
    (backup,) = done.document["backups"]
    assert rows_of(f"sqlite:///{backup['path']}") == ["b", "c"]
    assert rows_of(url) == ["c"]


# --- restamp, later and elsewhere ----------------------------------------------------------------


@pytest.fixture
def repaired(project: Path) -> Path:
    """A plain environment whose files are repaired; of databases nobody has spoken yet."""
    plain(project, *FORK)
    done = fixchain("repair", "--yes")
    assert done.exit_code == 0, done
    return project / "migrations"


def test_a_dry_run_tells_whether_there_is_something_to_move(
    repaired: Path, database_url: str
) -> None:
    build(database_url, "b", "c")
    database = ("--database", database_url)
    assert fixchain("restamp", "--dry-run", *database).exit_code == 1
    assert rows_of(database_url) == ["b", "c"]
    assert fixchain("restamp", "--yes", *database).exit_code == 0
    assert fixchain("restamp", "--dry-run", *database).exit_code == 0
    assert rows_of(database_url) == ["c"]


def test_one_that_is_refused_does_not_hold_up_the_others(
    repaired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("one", "two", "odd", "late")}
    for name, rows in {"one": "b c", "two": "b c", "odd": "b gone", "late": "b"}.items():
        build(urls[name], *rows.split())
    monkeypatch.setenv("SECOND_DATABASE", urls["two"])
    file = tmp_path / "databases.txt"
    file.write_text(f"# production\n{urls['one']}\n\nSECOND_DATABASE\n{urls['late']}\n")
    databases = ("--databases", str(file), "--database", urls["odd"])

    done = fixchain("restamp", "--yes", *databases, *JSON)

    assert done.exit_code == 3
    assert results(done) == {
        urls["one"]: "moved",
        urls["two"]: "moved",
        urls["odd"]: "refused",
        urls["late"]: "unchanged",
    }
    assert done.document["error"]["type"] == "RowsNotMoved"
    assert {name: rows_of(url) for name, url in urls.items()} == {
        "one": ["c"],
        "two": ["c"],
        "odd": ["b", "gone"],
        "late": ["b"],
    }
    again = fixchain("restamp", "--yes", *databases)
    assert_refused(again, "cannot be moved", urls["odd"])
    assert "4 databases: 3 already right, 1 refused." in again.stdout
    for name in urls:
        assert f"/{name}.db  " in again.stdout


def test_a_version_table_in_each_schema(repaired: Path, again: Again, tmp_path: Path) -> None:
    url = again.url("postgresql", tmp_path)
    for schema in ("tenant_1", "tenant_2", "other"):
        sql(url, f"CREATE SCHEMA {schema}")
        build(url, "b", "c", schema=f"{schema}.")
    tenants = ("--yes", "--database", url, "--schemas", "tenant_*")

    def rows() -> list[list[str]]:
        return [
            rows_of(url, f"{name}.alembic_version") for name in ("tenant_1", "tenant_2", "other")
        ]

    assert set(results(fixchain("restamp", *tenants, *JSON)).values()) == {"moved"}
    assert rows() == [["c"], ["c"], ["b", "c"]]
    assert_refused(
        fixchain("undo", "--yes", "--database", url), "tenant_1", "that database is not named"
    )
    assert fixchain("undo", *tenants).exit_code == 0
    assert rows() == [["b", "c"]] * 3


@needs_git
def test_a_checkout_without_a_journal_names_the_old_chain(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    plain(repository.top, *FORK)
    old = repository.commit(1)
    monkeypatch.chdir(repository.top)
    assert fixchain("repair", "--yes").exit_code == 0
    repository.commit(2)
    monkeypatch.chdir(tmp_path)
    repository.git("clone", "-q", ".", tmp_path / "production")
    monkeypatch.chdir(tmp_path / "production")
    before = migrations(Path("migrations"))
    build(database_url, "b", "c")
    database = ("--yes", "--database", database_url)

    done = fixchain("restamp", "--old", old, *database)
    assert done.exit_code == 0, done
    assert rows_of(database_url) == ["c"]
    assert fixchain("restamp", "--old", old, *database).exit_code == 0
    assert rows_of(database_url) == ["c"]

    undone = fixchain("undo", *database)
    assert undone.exit_code == 0, undone
    assert "The stamps " in undone.stdout
    assert "The files " not in undone.stdout
    assert rows_of(database_url) == ["b", "c"]
    assert migrations(Path("migrations")) == before
    assert_refused(fixchain("undo", *database), "there is no repair to undo")


def test_the_sql_moves_what_is_expected_and_nothing_else(repaired: Path, database_url: str) -> None:
    build(database_url, "b", "c")
    told = fixchain("restamp", "--sql", "--database", database_url, *JSON)
    (script,) = told.document["sql"]
    assert rows_of(database_url) == ["b", "c"]
    run_script(database_url, script["statements"])
    assert rows_of(database_url) == ["c"]
    sql(database_url, "UPDATE alembic_version SET version_num = 'b'")
    with suppress(Exception):  # of PostgreSQL's driver, which stops there
        run_script(database_url, script["statements"])
    assert rows_of(database_url) == ["b"]


def test_sql_for_a_database_that_is_out_of_reach(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    forked(project, url)
    assert panel("repair", "--yes", "--no-database").exit_code == 0
    told = panel("restamp", "--no-database", "--stamp", "b,c", "--sql", *JSON)
    (script,) = told.document["sql"]
    assert script["name"] == "--stamp b,c"
    run_script(url, script["statements"])
    assert rows_of(url) == ["c"]
    text = panel("restamp", "--no-database", "--stamp", "b,c", "--sql").stdout
    assert all(statement in text for statement in script["statements"])


def test_rows_that_the_user_tells_of_stay_for_an_operator(project: Path, tmp_path: Path) -> None:
    """They do not fail beside those of a database that can be reached."""
    url = sqlite_url(tmp_path)
    forked(project, url)
    done = panel("repair", "--yes", "--stamp", "b,c", *JSON)
    assert done.exit_code == 0, done
    assert rows_of(url) == ["c"]
    assert results(done) == {"the app's database": "moved", "--stamp b,c": "planned"}
    assert panel("undo", "--yes").exit_code == 0
    assert rows_of(url) == ["b", "c"]


# --- undo ----------------------------------------------------------------------------------------


def test_undo_changes_no_file_while_a_database_cannot_go_back(
    project: Path, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path)
    place = forked(project, url)
    before = migrations(place)
    assert panel("repair", "--yes").exit_code == 0
    repaired = migrations(place)

    assert_refused(
        panel("undo", "--yes", "--no-database"), "the app's database", "that database is not named"
    )
    file = tmp_path / "app.db"
    file.rename(tmp_path / "away.db")
    assert_refused(panel("undo", "--yes"), "the app's database", "not there")
    (tmp_path / "away.db").rename(file)
    sql(url, "UPDATE alembic_version SET version_num = 'd'")  # upgraded meanwhile
    moved_on = panel("undo", "--yes")
    assert_refused(moved_on, "no migration file has d", "keep the repair")
    assert migrations(place) == repaired
    assert rows_of(url) == ["d"]

    sql(url, "UPDATE alembic_version SET version_num = 'c'")  # downgraded
    assert panel("undo", "--yes").exit_code == 0
    assert (migrations(place), rows_of(url)) == (before, ["b", "c"])


def test_what_was_moved_is_known_by_another_url(project: Path) -> None:
    plain(project)
    for spec in FORK:
        add(project, spec, "pass", "pass")
    url, link = "sqlite:///one.db", "sqlite:///link.db"
    stamp(url, "b", "c")
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0
    Path("link.db").symlink_to("one.db")
    named = ("--database", link, "--database", url)
    for names in (named[2:], named):
        assert "already right" in fixchain("restamp", "--dry-run", *names).stdout


def test_undo_knows_a_database_by_another_url(
    project: Path, tmp_path: Path, database_url: str
) -> None:
    forked(project, database_url, "b", "c")
    assert fixchain("repair", "--yes", "--database", database_url).exit_code == 0
    assert rows_of(database_url) == ["c"]
    with another_url(database_url, tmp_path) as other:
        done = fixchain("undo", "--yes", "--database", other, "--database", database_url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert rows_of(database_url) == ["b", "c"]


def test_undo_moves_no_row_before_it_has_read_what_is_committed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path)
    forked(project, url, "b", "c")
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0

    def refuse(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("flask_chainfix.commands.undo.checked_out", refuse)
    assert fixchain("undo", "--yes", "--database", url).exit_code == 3
    assert rows_of(url) == ["c"]


def test_one_database_that_cannot_go_back_keeps_the_repair_for_all(
    project: Path, tmp_path: Path
) -> None:
    url, other = f"sqlite:///{tmp_path / 'main.db'}", f"sqlite:///{tmp_path / 'other.db'}"
    with_app(project, *FORK, uri=url, binds={"other": other})
    for each in (url, other):
        build(each, "b", "c")
    assert panel("repair", "--yes").exit_code == 0
    repaired = migrations(project / "migrations")
    sql(other, "UPDATE alembic_version SET version_num = 'd'")

    assert_refused(panel("undo", "--yes"), "bind other cannot go back", "no migration file has d")
    assert migrations(project / "migrations") == repaired
    assert rows_of(other) == ["d"]
    sql(other, "UPDATE alembic_version SET version_num = 'c'")
    assert panel("restamp", "--yes").exit_code == 0
    assert (rows_of(url), rows_of(other)) == (["c"], ["c"])
    assert panel("undo", "--yes").exit_code == 0
    assert (rows_of(url), rows_of(other)) == (["b", "c"], ["b", "c"])


def test_undo_leaves_all_databases_at_once_that_cannot_go_back(project: Path) -> None:
    plain(project)
    add(project, "a", "pass", "pass")
    path = add(project, "b <- a", "pass", "pass")
    path.with_name("copy.py").write_text(path.read_text().replace("pass", "str()"))
    named = ("--database", "sqlite:///one.db", "--database", "sqlite:///two.db")
    for url in named[1::2]:
        stamp(url, "a")
    assert fixchain("repair", "--yes", "--accept-guesses", *named).exit_code == 0
    (renamed,) = fixchain("check", *JSON).document["heads"]
    for url in named[1::2]:
        sql(url, f"UPDATE alembic_version SET version_num = '{renamed}'")
    assert_refused(fixchain("undo", "--yes", *named), "leave those databases as they are: fixchain")
    assert fixchain("undo", "--yes").exit_code == 0


def test_undo_leaves_no_database_whose_rows_have_moved(project: Path) -> None:
    plain(project)
    for spec in FORK:
        add(project, spec, "pass", "pass")
    named = ("--database", "sqlite:///one.db")
    stamp(named[1], "b", "c")
    assert fixchain("repair", "--yes", *named).exit_code == 0
    sql(named[1], "UPDATE alembic_version SET version_num = 'd'")
    refused = fixchain("undo", "--yes", *named)
    assert_refused(refused, "keep the repair")
    assert "as it is" not in refused.stderr


def only_rows_moved(project: Path, tmp_path: Path) -> tuple[str, str]:
    """An app with a second bind in a healthy chain; the stamp of the first was moved, and no file.

    Returns:
        The URLs of both databases.
    """
    url, other = f"sqlite:///{tmp_path / 'main.db'}", f"sqlite:///{tmp_path / 'other.db'}"
    with_app(project, "a", "b <- a", uri=url, binds={"other": other})
    build(url, "b")
    sql(url, "UPDATE alembic_version SET version_num = 'gone'")
    moved = panel("restamp", "--yes", "--lost", "gone=b")
    assert moved.exit_code == 0, moved
    assert rows_of(url) == ["b"]
    return url, other


def test_what_no_row_was_moved_in_is_no_reason_to_keep_the_move(
    project: Path, tmp_path: Path
) -> None:
    url, other = only_rows_moved(project, tmp_path)
    stamp(other, "nobody-knows-it")
    undone = panel("undo", "--yes", *JSON)
    assert undone.exit_code == 0, undone
    assert results(undone) == {"the app's database": "moved"}
    assert (rows_of(url), rows_of(other)) == (["gone"], ["nobody-knows-it"])


def test_a_row_that_was_put_back_by_hand_stays(project: Path, tmp_path: Path) -> None:
    url, _ = only_rows_moved(project, tmp_path)
    sql(url, "UPDATE alembic_version SET version_num = 'gone'")
    assert panel("undo", "--yes").exit_code == 0
    assert rows_of(url) == ["gone"]
    assert_refused(panel("undo", "--yes"), "there is no repair to undo")


def test_a_database_that_has_gone_on_does_not_lose_the_record_of_its_move(
    project: Path, tmp_path: Path
) -> None:
    url, _ = only_rows_moved(project, tmp_path)
    add(project, "c <- b")
    sql(url, "UPDATE alembic_version SET version_num = 'c'")
    refused = panel("undo", "--yes")
    assert_refused(refused, "the app's database has gone on since its stamp was moved: it is at c")
    assert rows_of(url) == ["c"]
    sql(url, "UPDATE alembic_version SET version_num = 'b'")
    assert panel("undo", "--yes").exit_code == 0
    assert rows_of(url) == ["gone"]


# --- What the journal cannot tell ----------------------------------------------------------------


@needs_git
def test_rows_of_a_chain_that_nobody_names_any_more(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Put back by hand, or never moved because the process was killed: only --old tells."""
    plain(repository.top, *FORK)
    old = repository.commit(1)
    monkeypatch.chdir(repository.top)
    assert fixchain("repair", "--yes").exit_code == 0
    shutil.rmtree("migrations/.fixchain")
    url = sqlite_url(tmp_path)
    build(url, "b", "c")
    database = ("--yes", "--database", url)
    assert fixchain("restamp", "--old", old, *database).exit_code == 0
    sql(url, "DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('b'), ('c')")

    assert_refused(fixchain("restamp", *database), f"restamp --old {old}")
    check = fixchain("check", "--database", url, *JSON)
    assert [finding["code"] for finding in check.document["findings"]] == ["FC303"]
    assert rows_of(url) == ["b", "c"]
    assert fixchain("restamp", "--old", old, *database).exit_code == 0
    assert rows_of(url) == ["c"]


# --- The way of a database is rehearsed ----------------------------------------------------------


def test_the_way_of_each_database_is_rehearsed(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    forked(project, url, "c")
    done = panel("repair", "--rehearse", "--dry-run", *JSON)
    assert done.exit_code == 1, done
    (way,) = done.document["rehearsal_ways"]
    assert (way["databases"], way["rows"]) == (["the app's database"], ["c"])
    ran = [(step["revision"], step["round"]) for step in way["rehearsal"]]
    assert ran == [("a", 0), ("c", 0), ("b", 1)]
    assert way["rehearsal_failure"] is None
    text = panel("repair", "--rehearse", "--dry-run").stdout
    assert "the app's database, from c: ok, 1 revision run over the new chain" in text
    assert rows_of(url) == ["c"]


def test_a_way_that_fails_stops_the_repair(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    place = forked(project, url)
    code = "if down_revision == 'a':\n    raise RuntimeError('not beside b')"
    add(project, "c <- a", up=code, down="pass")
    before = migrations(place)
    done = panel("repair", "--rehearse", "--yes")
    assert_refused(done, "the rehearsal failed at c: ", "not beside b")
    assert "The rehearsal of the way of the app's database failed at c" in done.stdout
    assert (migrations(place), rows_of(url)) == (before, ["b", "c"])


# --- Passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_no_password_is_shown_or_kept(
    project: Path, again: Again, tmp_path: Path, kind: str
) -> None:
    administrator = again.url(kind, tmp_path)
    build(administrator, "b", "c")
    tables = "ALL TABLES IN SCHEMA public" if kind == "postgresql" else "*"
    with user(administrator, f"ALL ON {tables}") as url:
        with_app(project, *FORK, uri=url)
        database = ("--database", url)
        outputs = [
            panel("check", "--database"),
            fixchain("check", *database),
            panel("repair", "--yes"),
            fixchain("restamp", "--yes", *database, *JSON),
            fixchain("restamp", "--sql", *database),
            fixchain("restamp", "--yes", *database, "--database", url.replace("s3cret", "wr0ng")),
            fixchain("undo", "--yes", "--no-database"),
            panel("undo", "--yes"),
        ]
    assert rows_of(administrator) == ["b", "c"]
    kept = [path.read_bytes() for path in (project / "migrations/.fixchain").iterdir()]
    assert "s3cret" not in repr((outputs, kept))
