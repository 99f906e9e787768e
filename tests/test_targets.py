"""Which databases are looked at unasked, and what is said of them."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import flask.cli
import pytest
from sqlalchemy.exc import DBAPIError

from flask_chainfix.databases import version_tables
from tests.commands import Done, fixchain, invoke
from tests.disk import migrations, tree
from tests.nightly import first_of
from tests.rehearsals import empty_project, plain, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import build, rows_of, silent_server, sql, stamp

FORK = ("a", "b <- a", "c <- a")
LINE = ("a", "b <- a", "c <- b")
JSON = ("--format", "json")
DOWN = "postgresql+psycopg2://panel:s3cret-word@127.0.0.1:1/panel"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_project(tmp_path, monkeypatch)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'app.db'}"


def panel(*args: str) -> Done:
    """Run ``flask --app panel db fixchain ARGS`` in this process."""
    sys.modules.pop("panel", None)
    return invoke(flask.cli.cli, "--app", "panel", "db", "fixchain", *args)


def configured(project: Path, url: str, *specs: str) -> None:
    """A plain project whose ``alembic.ini`` names a database."""
    plain(project, *specs)
    (project / "alembic.ini").write_text(
        f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n"
    )


def codes(done: Done) -> list[str]:
    return [each["code"] for each in done.document["findings"]]


def said(done: Done) -> str:
    return " ".join((done.stdout + done.stderr).split())


# --- check, in an app ----------------------------------------------------------------------------


def test_in_an_app_check_looks_at_its_databases(project: Path, url: str) -> None:
    with_app(project, *LINE, uri=url)
    stamp(url, "lost")
    done = panel("check", *JSON)
    assert (done.exit_code, codes(done)) == (1, ["FC301"])
    without = panel("check", "--no-database", *JSON)
    assert (without.exit_code, without.document["databases"]) == (0, None)
    assert fixchain("check", *JSON).document["databases"] is None


def test_check_shows_the_plan_that_repair_makes(project: Path, url: str) -> None:
    with_app(project, *FORK, uri=url)
    build(url, "c")  # alone, the later one would go on top
    relinks = {
        (command, *options): panel(command, *options, *JSON).document["plan"]["relinks"]
        for command, *options in (["check"], ["repair", "--dry-run"], ["check", "--no-database"])
    }
    moved = {command: [each["revision"] for each in each] for command, each in relinks.items()}
    assert moved == {
        ("check",): ["b"],
        ("repair", "--dry-run"): ["b"],
        ("check", "--no-database"): ["c"],
    }


@pytest.mark.parametrize("what", ["the server is down", "only env.py knows the version table"])
def test_what_keeps_check_from_looking_is_a_note(project: Path, url: str, what: str) -> None:
    with_app(project, *LINE, uri=DOWN if "down" in what else url)
    if "env.py" in what:
        stamp(url, "unknown")
        with (project / "migrations/env.py").open("a") as env_py:
            env_py.write("conf_args['version_table'] = name()\n")
    for options in ((), ("--strict",), JSON):
        done = panel("check", *options)
        assert done.exit_code == 0, done
        assert "not looked at" in said(done)
        assert "s3cret" not in said(done)


def test_nobody_waits_for_a_silent_database(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_tables, "PASSING", 0.2)
    with silent_server() as port:
        with_app(project, *LINE, uri=f"postgresql+psycopg2://panel@127.0.0.1:{port}/panel")
        done = panel("check")
    assert done.exit_code == 0
    assert "it has not answered for 0.2 seconds" in said(done)


def test_an_unreadable_version_table_is_a_note(project: Path, url: str) -> None:
    with_app(project, *LINE, uri=url)
    sql(url, "CREATE TABLE alembic_version (other INTEGER)")
    done = panel("check")
    assert done.exit_code == 0
    assert "the app's database was not looked at" in said(done)
    assert "a repair stops there, too, unless --no-database leaves it out" in said(done)
    asked = panel("check", "--database", *JSON)
    assert codes(asked) == ["FC304"]


def test_looking_makes_no_file(project: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python would keep that of the app
    with_app(project, *FORK, uri=url)
    before = tree(project.parent)
    done = panel("check")
    assert "the app's database does not exist" in said(done)
    assert tree(project.parent) == before


# --- How far it is from the heads ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "distance", "words"),
    [
        ("a", (2, 0), "2 revisions behind"),
        ("b", (1, 0), "1 revision behind"),
        ("c", (0, 0), ""),
        ("unknown", (None, None), ""),
    ],
)
def test_how_far_a_database_is_behind(
    project: Path, url: str, rows: str, distance: tuple[int | None, ...], words: str
) -> None:
    with_app(project, *LINE, uri=url)
    stamp(url, rows)
    sql(url, *(f"CREATE TABLE {name} (id INTEGER)" for name in "abc" if name <= rows))
    (found,) = panel("check", "--database", *JSON).document["databases"]
    assert (found["behind"], found["ahead"]) == distance
    shown = said(panel("check"))
    assert words in shown
    assert ("behind" in shown) == bool(words)
    strict = panel("check", "--strict")
    assert (strict.exit_code == 1) == (rows != "c")
    assert ("counts with --strict: `flask --app panel db upgrade` runs" in said(strict)) == bool(
        words
    )


def test_how_far_is_not_said_across_a_missing_parent(project: Path, url: str) -> None:
    with_app(project, "a", "c <- gone", uri=url)
    stamp(url, "c")
    (found,) = panel("check", "--database", *JSON).document["databases"]
    assert (found["behind"], found["ahead"]) == (None, None)
    assert "behind" not in said(panel("check"))


# --- Databases that do not exist -----------------------------------------------------------------


def test_a_plan_waits_for_a_word_where_a_database_does_not_exist(project: Path, url: str) -> None:
    with_app(project, *FORK, uri=url)
    before = migrations(project / "migrations")
    checked = panel("check")
    assert "does not exist" in said(checked)
    assert "nothing applied" not in said(checked)
    lines = [line.strip() for line in checked.stdout.splitlines()]
    assert "flask --app panel db fixchain repair --no-database" in lines
    shown = panel("repair", "--dry-run", *JSON)
    assert (shown.exit_code, shown.document["error"]) == (1, None)
    assert shown.document["plan"]["why"] == []  # it is safe for none, as none is known
    assert shown.document["databases"][0]["state"] == "missing"
    for command in (("repair", "--yes"), ("repair",)):
        refused = panel(*command, *JSON)
        assert (refused.exit_code, refused.document["error"]["type"]) == (3, "DatabaseMissing")
        ways = refused.document["error"]["remedies"]
        assert ways[0]["commands"] == ["flask --app panel db fixchain repair --no-database"]
    assert migrations(project / "migrations") == before
    told = panel("repair", "--dry-run", "--stamp", "b", *JSON)
    assert "does not exist" not in json.dumps(told.document["notices"])
    assert panel("repair", "--yes", "--no-database").exit_code == 0
    assert list(project.glob("*.db")) == []


def test_a_misspelt_name_is_no_safe_database(project: Path, url: str) -> None:
    plain(project, *FORK)
    build(url, "b", "c")
    wrong = ("--database", f"{url}x")
    checked = fixchain("check", "--database", url, *wrong, *JSON)
    assert codes(checked).count("FC304") == 1
    refused = fixchain("repair", "--yes", "--database", url, *wrong)
    assert refused.exit_code == 3
    assert "correct it in the configuration or on the command line" in said(refused)
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0
    moved = fixchain("restamp", "--yes", *wrong)
    assert moved.exit_code == 3
    assert "does not exist" in said(moved)
    assert rows_of(url) == ["c"]


def test_beside_databases_that_exist_the_way_keeps_them(project: Path, url: str) -> None:
    with_app(project, *FORK, uri=url, binds={"other": f"{url}x"})
    build(url, "b", "c")
    refused = panel("repair", "--yes", *JSON)
    (first, _, _) = refused.document["error"]["remedies"]
    assert first["commands"] == [
        "flask --app panel db fixchain repair --no-database --database URL"
    ]


# --- The console script, and the database of alembic.ini -----------------------------------------


@pytest.mark.parametrize(
    "options",
    first_of(pytest.param(each) for each in [("-c", "alembic.ini"), (), ("-d", "migrations")]),
)
def test_the_database_of_the_configuration_is_the_projects_own(
    project: Path, url: str, options: tuple[str, ...]
) -> None:
    configured(project, url, *FORK)
    build(url, "c")
    (own,) = fixchain(*options, "restamp", "--dry-run", *JSON).document["databases"]
    assert (own["own"], own["rows"]) == (True, ["c"])
    assert fixchain(*options, "check", *JSON).document["databases"] is None
    for options_of_check in (("--database",), ("--database", url)):
        asked = fixchain(*options, "check", *options_of_check, *JSON)
        assert asked.document["databases"][0]["rows"] == ["c"]
    planned = fixchain(*options, "repair", "--dry-run", *JSON).document
    assert [each["revision"] for each in planned["plan"]["relinks"]] == ["b"]
    alone = fixchain(*options, "repair", "--dry-run", "--no-database", *JSON).document
    assert [each["revision"] for each in alone["plan"]["relinks"]] == ["c"]
    assert fixchain(*options, "repair", "--yes").exit_code == 0
    undone = fixchain(*options, "undo", "--yes", *JSON).document
    assert undone["databases"][0]["rows"] == ["c"]
    for command in (("backup",), ("backup", "--database")):
        (backup,) = fixchain(*options, *command, *JSON).document["backups"]
        assert rows_of(f"sqlite:///{backup['path']}") == ["c"]


@pytest.mark.parametrize(
    "written", ["driver://user:pass@localhost/dbname", "set in env.py", "%(missing)s", ""]
)
def test_a_configuration_that_names_no_database(project: Path, written: str) -> None:
    configured(project, written, *FORK)
    (project / "migrations/env.py").write_text("context.configure(version_table=name())")
    assert "no database was looked at" in said(fixchain("repair", "--dry-run"))
    assert "no configuration here names one" in said(fixchain("check", "--database"))
    refused = fixchain("backup", "--database")
    assert refused.exit_code == 3
    assert "no configuration that names a database" in said(refused)


def test_a_database_of_the_configuration_that_cannot_be_used(project: Path) -> None:
    configured(project, "oracle://shop:s3cret-word@127.0.0.1/shop", *FORK)
    refused = fixchain("repair", "--yes")
    assert refused.exit_code == 3
    assert "leave it out (--no-database)" in said(refused)
    assert "s3cret" not in said(refused)
    assert fixchain("check", "--format", "json").document["databases"] is None


# --- An empty version location -------------------------------------------------------------------


@pytest.fixture
def emptied(project: Path, url: str, own_git: None) -> Repository:
    """An app whose database has run three migrations, which are in Git and nowhere else."""
    with_app(project, *LINE, uri=url)
    repository = Repository(project)
    repository.commit(1)
    stamp(url, "c")
    sql(url, *(f"CREATE TABLE {name} (id INTEGER)" for name in "abc"))
    for path in (project / "migrations/versions").glob("*.py"):
        path.unlink()
    return repository


def typed(command: str, project: Path) -> int:
    return subprocess.run(shlex.split(command), cwd=project, check=False).returncode


@needs_git
@pytest.mark.parametrize("committed", [False, True])
def test_migrations_that_are_gone_come_back_from_git(
    project: Path, emptied: Repository, committed: bool
) -> None:
    if committed:
        emptied.commit(2)
        (project / "migrations/versions").mkdir(exist_ok=True)
    ways = []
    for command in (("check",), ("repair", "--yes")):
        done = panel(*command, *JSON)
        assert done.exit_code == (1 if command == ("check",) else 3)
        (finding,) = done.document["findings"]
        assert finding["code"] == "FC301"
        ways.append(finding["remedies"])
    first, second, *_ = ways[0]
    (checkout,) = first["commands"]
    assert checkout.endswith(" -- migrations/versions")
    assert typed(checkout, project) == 0
    assert panel("check").exit_code == 0
    for path in (project / "migrations/versions").glob("*.py"):
        path.unlink()
    (repair,) = second["commands"]
    assert panel(*shlex.split(repair)[5:], "--yes").exit_code == 0
    done = panel("check", *JSON)
    assert (done.exit_code, done.document["heads"]) == (0, ["c"])


def test_migrations_of_which_nothing_is_known(project: Path, url: str) -> None:
    with_app(project, uri=url)
    assert panel("check", *JSON).document["error"]["type"] == "NoMigrations"
    assert panel("repair", "--yes", *JSON).document["error"]["type"] == "NoMigrations"
    stamp(url, "c")
    assert codes(panel("check", *JSON)) == ["FC301"]
    assert panel("repair", "--yes").exit_code == 3
    assert panel("check", "--no-database", *JSON).document["error"]["type"] == "NoMigrations"


# --- How long an id may be -----------------------------------------------------------------------

LONG = "add_the_delivery_address_to_orders"  # 34 characters


@pytest.mark.parametrize(
    ("column", "severity"),
    [("VARCHAR(32)", "error"), ("VARCHAR(34)", None), ("CHAR(32)", "error"), ("TEXT", None)],
)
def test_the_column_of_a_known_database_decides(
    project: Path, server_url: str, column: str, severity: str | None
) -> None:
    base = "a" * 32  # fills a CHAR, as PostgreSQL pads shorter ids, which Alembic then cannot find
    plain(project, base, f"{LONG} <- {base}")
    ending = "NOT NULL" if column == "TEXT" else "NOT NULL PRIMARY KEY"
    stamp(server_url, base, columns=f"version_num {column} {ending}")
    sql(server_url, f"CREATE TABLE {base} (id INTEGER)")
    done = fixchain("check", "--database", server_url, *JSON)
    found = {each["code"]: each["severity"] for each in done.document["findings"]}
    assert found.get("FC109") == severity
    assert done.exit_code == (severity == "error")
    repaired = fixchain("repair", "--yes", "--database", server_url)
    assert repaired.exit_code == (3 if severity else 0)
    if severity:
        assert "repair --shorten-ids" in repaired.stderr
    # Alembic's own statement shows that this is what the database does.
    widened = f"UPDATE alembic_version SET version_num = '{LONG}'"
    if severity:
        with pytest.raises(DBAPIError):
            sql(server_url, widened)
    else:
        sql(server_url, widened)


def test_sqlite_does_not_tell_how_long_an_id_may_be(project: Path, url: str) -> None:
    plain(project, "a", f"{LONG} <- a")
    build(url)
    for options in ((), ("--database", url)):
        (finding,) = (
            each
            for each in fixchain("check", *options, *JSON).document["findings"]
            if each["code"] == "FC109"
        )
        assert finding["severity"] == "warning"


def test_an_id_that_a_database_refuses_stops_no_other_repair(
    project: Path, server_url: str
) -> None:
    plain(project, *FORK, f"{LONG} <- c")
    stamp(server_url, "a")
    sql(server_url, "CREATE TABLE a (id INTEGER)")
    assert fixchain("repair", "--yes", "--database", server_url).exit_code == 0


# --- Migrations where nobody looks ---------------------------------------------------------------


@pytest.mark.parametrize("read", ["none", "one", "all"])
def test_the_version_directory_of_another_dialect_is_named(project: Path, read: str) -> None:
    plain(project, "a", "b <- a")
    versions = project / "migrations/versions"
    (versions / "__pycache__").mkdir(exist_ok=True)
    for dialect in ("postgresql", "sqlite"):
        (versions / dialect).mkdir()
        for path in versions.glob("*.py"):
            shutil.copy(path, versions / dialect)
    (versions / "sqlite/notes.py").write_text("no migration")
    for path in versions.glob("*.py"):
        path.unlink()
    named = {"none": (), "one": ("postgresql",), "all": ("postgresql", "sqlite")}[read]
    places = [f"%(here)s/migrations/versions/{dialect}" for dialect in named]
    (project / "alembic.ini").write_text(
        f"[alembic]\nscript_location = migrations\nversion_path_separator = space\n"
        f"version_locations = {' '.join(places) or '%(here)s/migrations/versions'}\n"
    )
    done = fixchain("check", *JSON).document
    told = str(done["notices"] or done["error"])
    for dialect in ("postgresql", "sqlite"):
        file = f"migrations/versions/{dialect}/a_add.py"
        assert ((file in told) and ("not read" in told)) == (dialect not in named)
    assert "notes.py" not in told
    if read == "none":
        assert "4 migrations" in told
        assert "name the right directory as version_locations" in told
