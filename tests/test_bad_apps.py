"""Apps that cannot be used, through ``flask``, and configurations that can."""

from __future__ import annotations

import json
from pathlib import Path

import alembic
import pytest

from tests.disk import environment
from tests.support import migration, rev
from tests.test_bad_input import Stop, expect, run, unchanging

ALEMBIC = tuple(int(part) for part in alembic.__version__.split(".")[:2])
APP = """\
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_chainfix import ChainFix

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
"""
WITH_MIGRATE = APP + "migrate = Migrate(app, SQLAlchemy(app))\nChainFix(app)\n"
FIXCHAIN = ("--app", "panel", "db", "fixchain")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    environment(tmp_path / "migrations")
    (tmp_path / "panel.py").write_text(WITH_MIGRATE)
    return tmp_path


# --- Apps ----------------------------------------------------------------------------------------


def test_an_app_that_cannot_be_imported(project: Path) -> None:
    (project / "panel.py").write_text("import does_not_exist\n")
    before = unchanging(project)
    ended = run("flask", *FIXCHAIN, "check", cwd=project)
    # Flask's own report: no line of ours has run.
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "No module named 'does_not_exist'" in ended.stderr
    assert "flask_chainfix" not in ended.stderr
    assert run("fixchain", "check", cwd=project).exit_code == 1
    assert unchanging(project) == before
    assert run("fixchain", "repair", "--yes", cwd=project).exit_code == 0


def test_an_app_without_migrate(project: Path) -> None:
    (project / "panel.py").write_text(APP + "ChainFix(app)\n")
    expected = Stop("NoEnvironment", "does not use Flask-Migrate", "add Migrate(app, db)")
    expect(expected, *FIXCHAIN, "check", cwd=project, executable="flask")


@pytest.mark.parametrize("command", ["check", "repair", "undo"])
def test_an_app_without_migrations(project: Path, command: str) -> None:
    (project / "migrations").rename(project / "elsewhere")
    expected = Stop("NoEnvironment", "there is no directory migrations", "flask db init")
    expect(expected, *FIXCHAIN, command, cwd=project, executable="flask")
    found = run(
        "flask", "--app", "panel", "db", "fixchain", "-d", "elsewhere", "check", cwd=project
    )
    assert found.exit_code == 1


def test_a_configure_callback_that_raises(project: Path) -> None:
    (project / "panel.py").write_text(
        WITH_MIGRATE + "@migrate.configure\ndef configure(config):\n    raise KeyError('region')\n"
    )
    expected = Stop("BadConfiguration", "region", "correct it")
    expect(expected, *FIXCHAIN, "check", cwd=project, executable="flask")


def test_a_migration_that_cannot_be_imported(project: Path) -> None:
    path = project / "migrations" / "versions" / "d_add_d.py"
    path.write_bytes(b"import does_not_exist\n" + path.read_bytes())
    expected = Stop("NotConfirmed", "No module named 'does_not_exist'", "put back")
    expect(expected, *FIXCHAIN, "repair", "--yes", cwd=project, executable="flask")


# --- Configurations ------------------------------------------------------------------------------


def revisions(project: Path, *args: str) -> int:
    ended = run("fixchain", *args, "check", "--format", "json", cwd=project)
    assert ended.exit_code == 1, ended
    number = json.loads(ended.stdout)["revisions"]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize(
    ("separator", "between"),
    [
        ("", " "),
        ("version_path_separator = space", " "),
        ("version_path_separator = os", ":"),
        pytest.param(
            "version_path_separator = newline", "\n    ",
            marks=pytest.mark.skipif(ALEMBIC < (1, 14), reason="Alembic does not know it yet"),
        ),
        pytest.param(
            "path_separator = newline", "\n    ",
            marks=pytest.mark.skipif(ALEMBIC < (1, 16), reason="Alembic does not know it yet"),
        ),
    ],
)  # fmt: skip
def test_version_locations(project: Path, separator: str, between: str) -> None:
    more = project / "more" / "nested"
    more.mkdir(parents=True)
    (more / "f.py").write_bytes(migration(rev("f <- e")))
    (project / "config").mkdir()
    places = between.join(["%(here)s/../migrations/versions", "%(here)s/../more/nested"])
    (project / "config" / "alembic.ini").write_text(
        f"[alembic]\nscript_location = %(here)s/../migrations\n{separator}\n"
        f"version_locations = {places}\n"
    )
    assert revisions(project, "-c", "config/alembic.ini") == 6


@pytest.mark.parametrize(("recursive", "number"), [("true", 6), ("false", 5)])
def test_recursive_version_locations(project: Path, recursive: str, number: int) -> None:
    nested = project / "migrations" / "versions" / "2024"
    nested.mkdir()
    (nested / "f.py").write_bytes(migration(rev("f <- e")))
    (project / "migrations" / "alembic.ini").write_text(
        f"[alembic]\nrecursive_version_locations = {recursive}\n"
    )
    assert revisions(project) == number


@pytest.mark.skipif(ALEMBIC < (1, 16), reason="Alembic does not know pyproject.toml yet")
def test_pyproject(project: Path) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(
        '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
        '[tool.fixchain]\nignore = ["FC102"]\n'
    )
    ended = run("fixchain", "-c", "pyproject.toml", "check", "--format", "json", cwd=project)
    codes = {finding["code"] for finding in json.loads(ended.stdout)["findings"]}
    assert codes == {"FC101"}
    settings.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    repaired = run("fixchain", "-c", "pyproject.toml", "repair", "--yes", cwd=project)
    assert repaired.exit_code == 0
    assert run("fixchain", "-c", "pyproject.toml", "check", cwd=project).exit_code == 0
