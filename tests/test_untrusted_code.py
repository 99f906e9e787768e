"""No command that does not say so runs code of the project that it looks at."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests import commands
from tests.nightly import first_of, first_of_each

HEADER = "revision = {0!r}\ndown_revision = {1!r}\n\n\ndef upgrade():\n    pass\n"
COMMANDS = (
    ("check",),
    ("check", "--format", "json"),
    ("check", "--database", "sqlite:///app.db"),
    ("repair", "--dry-run"),
    ("repair", "--dry-run", "--strategy", "merge"),
    ("restamp", "--dry-run", "--database", "sqlite:///app.db"),
    ("backup", "--database", "sqlite:///app.db"),
    ("hook", "--print"),
    ("lock", "--yes"),
    ("explain", "b"),
    ("undo", "--yes"),
)
PLACES = {
    "directory": ("migrations/alembic.ini", "version_locations = %(here)s/versions planted:more\n"),
    "config": ("alembic.ini", "script_location = planted:\n"),
    "toml": ("pyproject.toml", 'script_location = "planted:"\n'),
}
# By day each command in one of them, alone and with a database; both of them with some commands.
_EACH_IN_TURN = [
    (command, place)
    for number, command in enumerate(COMMANDS)
    for place in (("directory", "config"), ("config", "directory"))[number % 2]
]


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(commands.place / "fixchain"), *args], cwd=cwd, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def revision(directory: Path, name: str, parent: str | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.py").write_text(HEADER.format(name, parent))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two heads in two version locations, and modules that leave a word when they are imported."""
    said = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + ' ')\n"
    package = tmp_path / "planted"
    for environment in (tmp_path / "migrations", package):
        revision(environment / "versions", "a", None)
        (environment / "env.py").write_text("def run_migrations_online():\n    pass\n")
        (environment / "script.py.mako").write_text("${up_revision}\n")
    revision(tmp_path / "migrations/versions", "b", "a")
    revision(package / "more", "c", "a")
    revision(package / "versions", "b", "a")
    revision(package / "versions", "c", "a")
    (package / "__init__.py").write_text(said)
    (package / "more/__init__.py").write_text(said)
    drivers = ("psycopg2", "psycopg", "pg8000", "pymysql", "MySQLdb", "sqlite3", "plugged")
    for driver in drivers:
        (tmp_path / f"{driver}.py").write_text(said)
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('b')")
    connection.close()
    return tmp_path


def configure(project: Path, place: str) -> tuple[str, ...]:
    file, line = PLACES[place]
    if place == "toml":
        text = f'[tool.alembic]\nprepend_sys_path = ["."]\n{line}'
    else:
        text = f"[alembic]\nprepend_sys_path = .\n{line}"
    (project / file).write_text(text)
    return ("-d", "migrations") if place == "directory" else ("-c", file)


@pytest.mark.parametrize(
    ("command", "place"),
    first_of_each(_EACH_IN_TURN, kind=lambda case: (case[0][0], "--database" in case[0])),
)
def test_nothing_of_the_project_is_imported(
    project: Path, place: str, command: tuple[str, ...]
) -> None:
    done = run(*configure(project, place), *command, cwd=project)
    assert not (project / "ran").exists(), (project / "ran").read_text()
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["directory", "config"])
@pytest.mark.usefixtures("warm_programs")
def test_a_package_is_found_where_alembic_finds_it(project: Path, place: str) -> None:
    found = run(*configure(project, place), "check", "--format", "json", cwd=project)
    assert '"heads": [\n    "b",\n    "c"\n  ]' in found.stdout, found.stdout
    # Alembic finds it, too, and imports it.
    heads = subprocess.run(
        [str(commands.place / "alembic"), "-c", PLACES[place][0], "heads"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if place == "config":
        assert sorted(heads.stdout.split()) == ["(head)", "(head)", "b", "c"], heads.stderr
        assert (project / "ran").exists()


@pytest.mark.parametrize("name", ["gone:versions", "planted:gone", "json:versions", "planted.x:v"])
@pytest.mark.usefixtures("warm_programs")
def test_what_cannot_be_found_without_an_import_is_said(project: Path, name: str) -> None:
    configure(project, "directory")
    ini = project / "migrations/alembic.ini"
    ini.write_text(ini.read_text().replace("planted:more", name))
    done = run("check", cwd=project)
    assert done.returncode == 3
    assert f"{name} in version_locations cannot be found without importing" in done.stderr
    assert "write the path of the directory instead" in done.stderr
    assert not (project / "ran").exists()


@pytest.mark.parametrize(
    "command",
    [("check",), ("restamp", "--dry-run"), ("repair", "--dry-run"), ("backup",), ("rehearse",)],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "url", first_of(["sqlite:///app.db?plugin=plugged", "postgresql://h/d?plugin=a&plugin=plugged"])
)
@pytest.mark.usefixtures("warm_programs")
def test_no_plugin_of_sqlalchemy_is_loaded(
    project: Path, command: tuple[str, ...], url: str
) -> None:
    done = run(*configure(project, "directory"), *command, "--database", url, cwd=project)
    assert done.returncode == 3
    assert "asks for a plugin of SQLAlchemy" in done.stderr, done.stderr
    assert not (project / "ran").exists()


@pytest.mark.usefixtures("warm_programs")
def test_the_url_of_a_configuration_asks_for_no_plugin(project: Path) -> None:
    where = configure(project, "directory")
    ini = project / "migrations/alembic.ini"
    ini.write_text(ini.read_text() + "sqlalchemy.url = sqlite:///app.db?plugin=plugged\n")
    done = run(*where, "restamp", "--dry-run", cwd=project)
    assert done.returncode == 3
    assert "asks for a plugin of SQLAlchemy" in done.stderr


@pytest.mark.parametrize(
    "driver", first_of(["mysql+pymysql", "postgresql+psycopg", "mysql+mysqldb"])
)
def test_a_driver_comes_from_the_environment_alone(project: Path, driver: str) -> None:
    url = f"{driver}://u@127.0.0.1:1/d"
    run(*configure(project, "directory"), "check", "--database", url, cwd=project)
    assert not (project / "ran").exists()


def test_the_path_of_modules_stays_as_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flask_chainfix.environment.locate import open_directory

    configure(project, "directory")
    monkeypatch.chdir(project)
    before = [*sys.path]
    open_directory("migrations")
    assert sys.path == before


@pytest.mark.usefixtures("warm_programs")
def test_only_a_repair_runs_the_template(project: Path) -> None:
    template = f"<% open({str(project / 'ran')!r}, 'w') %>revision = ${{repr(up_revision)}}\n"
    (project / "migrations/script.py.mako").write_text(
        f"{template}down_revision = ${{repr(down_revision)}}\n"
    )
    shutil.copy(project / "app.db", project / "other.db")
    with sqlite3.connect(project / "other.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'c'")
    connection.close()
    where = configure(project, "directory")
    named = ("--database", "sqlite:///app.db", "--database", "sqlite:///other.db")
    done = run(*where, "check", "--format", "json", *named, cwd=project)
    assert len(json.loads(done.stdout)["plan"]["new_revisions"]) == 1  # a merge revision
    assert not (project / "ran").exists()
    run(*where, "repair", "--dry-run", *named, cwd=project)
    assert (project / "ran").exists()


@pytest.mark.usefixtures("warm_programs")
def test_no_name_of_a_file_takes_all_memory(project: Path) -> None:
    where = configure(project, "directory")
    ini = project / "migrations/alembic.ini"
    ini.write_text(ini.read_text() + "file_template = %%(rev)999999999s\n")
    done = run(*where, "repair", "--dry-run", "--strategy", "merge", cwd=project)
    assert done.returncode == 3
    assert "file_template pads a name to more than 999 characters" in done.stderr
