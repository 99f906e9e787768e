"""Mounting: in any app, in any order, under any name, and light."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import flask_migrate.cli  # type: ignore[import-untyped]
import pytest
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from flask_chainfix import ChainFix
from flask_chainfix.cli.groups import app_group
from tests.commands import Done, fixchain, flask, managed, run
from tests.disk import BROKEN, environment, tree

GROUP_TAKES_DIRECTORY = any(option.name == "directory" for option in flask_migrate.cli.db.params)
APP = """
from flask import Flask
from flask_chainfix import ChainFix
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
{body}
"""


@pytest.fixture(autouse=True)
def _unmounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flask-Migrate's group as it is before anybody has mounted anything."""
    commands = dict(flask_migrate.cli.db.commands)
    commands.pop("fixchain", None)
    monkeypatch.setattr(flask_migrate.cli.db, "commands", commands)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a broken chain in ``migrations``."""
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", *BROKEN)
    (tmp_path / "migrations/alembic.ini").write_text("[alembic]\n")
    return tmp_path


def new_app(name: str = "app") -> Flask:
    app = Flask(name)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    return app


def new_db(app: Flask) -> SQLAlchemy:
    db = SQLAlchemy()
    db.init_app(app)
    return db


def invoke(app: Flask, *args: str) -> Done:
    """Run ``flask ARGS`` in this process, on an app that exists already."""
    result = app.test_cli_runner().invoke(args=args, catch_exceptions=False)
    return Done(result.exit_code, result.stdout, "")


def check(app: Flask, *group: str) -> dict[str, Any]:
    done = invoke(app, *(group or ("db",)), "fixchain", "check", "--format", "json")
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    assert document["exit_code"] == done.exit_code
    return document


# --- Ways to initialise --------------------------------------------------------------------------


def constructor_after(app: Flask) -> None:
    Migrate(app, new_db(app))
    ChainFix(app)


def constructor_before(app: Flask) -> None:
    ChainFix(app)
    Migrate(app, new_db(app))


def init_app_after(app: Flask) -> None:
    chainfix, migrate, db = ChainFix(), Migrate(), SQLAlchemy()
    db.init_app(app)
    migrate.init_app(app, db)
    chainfix.init_app(app)


def init_app_before(app: Flask) -> None:
    chainfix, migrate, db = ChainFix(), Migrate(), SQLAlchemy()
    chainfix.init_app(app)
    migrate.init_app(app, db)
    db.init_app(app)


def twice(app: Flask) -> None:
    chainfix = ChainFix(app)
    Migrate(app, new_db(app))
    chainfix.init_app(app)
    ChainFix(app)


@pytest.mark.parametrize(
    "initialise", [constructor_after, constructor_before, init_app_after, init_app_before, twice]
)
def test_every_way_to_initialise_mounts_the_commands(project: Path, initialise: Any) -> None:
    app = new_app()
    initialise(app)
    assert check(app)["bases"] == ["a", "c", "e"]
    assert invoke(app, "--help").stdout.count("\n  db ") == 1
    assert invoke(app, "db", "--help").stdout.count("\n  fixchain ") == 1


@pytest.mark.parametrize("first", ["chainfix", "migrate"])
@pytest.mark.parametrize("command", ["database", "migrations"])
def test_the_group_may_have_any_name(project: Path, command: str, first: str) -> None:
    app = new_app()
    if first == "chainfix":
        ChainFix(app)
    Migrate(app, new_db(app), command=command)
    if first == "migrate":
        ChainFix(app)
    assert check(app, command)["bases"] == ["a", "c", "e"]
    assert "\n  db " not in invoke(app, "--help").stdout
    nowhere = invoke(app, command, "fixchain", "-d", "nowhere", "check", "--format", "json")
    assert f"`flask {command} init`" in json.loads(nowhere.stdout)["error"]["remedy"]


def test_two_apps_with_groups_of_different_names_and_directories(project: Path) -> None:
    environment(project / "other", "x", "y <- x")
    (project / "other/alembic.ini").write_text("[alembic]\n")
    one, two = new_app("one"), new_app("two")
    Migrate(one, new_db(one))
    chainfix = ChainFix(one)
    Migrate(two, new_db(two), command="database", directory="other")
    chainfix.init_app(two)
    assert check(one, "db")["bases"] == ["a", "c", "e"]
    assert check(two, "database")["bases"] == ["x"]
    assert check(one, "db")["bases"] == ["a", "c", "e"]
    assert invoke(two, "db", "fixchain", "check").exit_code == 2


def test_an_app_factory_may_be_called_many_times(project: Path) -> None:
    db, migrate, chainfix = SQLAlchemy(), Migrate(), ChainFix()

    def create_app() -> Flask:
        app = new_app()
        db.init_app(app)
        migrate.init_app(app, db)
        chainfix.init_app(app)
        return app

    for app in (create_app(), create_app()):
        assert check(app)["heads"] == ["b", "d", "e"]
        assert app.extensions["chainfix"] is chainfix


def test_an_app_without_migrate_says_so(project: Path) -> None:
    app = new_app("lonely")
    ChainFix(app)
    document = check(app)
    assert document["exit_code"] == 3
    assert document["error"]["type"] == "NoEnvironment"
    assert "'lonely' does not use Flask-Migrate" in document["error"]["message"]
    assert "Migrate(app, db)" in document["error"]["remedy"]


def test_other_commands_of_an_app_stay_as_they_are(project: Path) -> None:
    """An app may have a group called ``db`` that is not Flask-Migrate's."""
    app = new_app()

    @app.cli.group("db")
    def own_group() -> None:
        """The app's own."""

    ChainFix(app)
    assert app.cli.commands["db"] is own_group


# --- Directories and callbacks -------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            ["-d", "other", "fixchain"],
            marks=pytest.mark.skipif(
                not GROUP_TAKES_DIRECTORY, reason="this Flask-Migrate's group has no -d"
            ),
        ),
        ["fixchain", "-d", "other"],
    ],
)
def test_the_directory_can_be_given_to_either_group(project: Path, arguments: list[str]) -> None:
    environment(project / "other", "x", "y <- x", "z <- x")
    (project / "other/alembic.ini").write_text("[alembic]\n")
    app = new_app()
    constructor_after(app)
    done = invoke(app, "db", *arguments, "check", "--format", "json")
    assert json.loads(done.stdout)["directory"] == "other"
    assert json.loads(done.stdout)["heads"] == ["y", "z"]
    # A repair and Alembic's confirmation look there, too.
    before = tree(project / "migrations")
    done = invoke(app, "db", *arguments, "repair", "--yes", "--format", "json")
    assert json.loads(done.stdout)["verified"]["bases"] == ["x"]
    assert tree(project / "migrations") == before


CALLBACK = """
migrate = Migrate()


@migrate.configure
def configure(config):
    config.set_main_option("version_locations", "elsewhere")
    return config


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(app)
    migrate.init_app(app, db)
    ChainFix(app)
    return app
"""


@pytest.mark.parametrize("start", ["flask", "callback"])
def test_configure_callbacks_are_run(project: Path, start: str) -> None:
    """A callback names another version location; the app comes by name, or from a function."""
    elsewhere = environment(project / "x", "x", "y <- x", "z <- x") / "versions"
    elsewhere.rename(project / "elsewhere")
    (project / "app.py").write_text(APP.format(body=CALLBACK))
    before = tree(project / "migrations/versions")

    arguments = ("db", "fixchain", "repair", "--yes", "--format", "json")
    if start == "flask":
        done = flask(*arguments, cwd=project, env={"FLASK_APP": "app"})
    else:
        done = managed("app", *arguments, cwd=project)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert done.document["verified"]["bases"] == ["x"]
    assert [relink["path"] for relink in done.document["plan"]["relinks"]] == [
        "elsewhere/z_add_z.py"
    ]
    assert tree(project / "migrations/versions") == before


def test_advice_for_an_app_from_a_function_names_no_app(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_APP", "another")
    app = new_app()
    constructor_after(app)
    output = invoke(app, "db", "fixchain", "check").stdout
    assert "db fixchain repair --dry-run" in output
    assert "--app" not in output


# --- Light and helpful ---------------------------------------------------------------------------


def test_mounting_imports_nothing_heavy(tmp_path: Path) -> None:
    """Every web worker imports and mounts the extension, and never uses it."""
    script = """
import sys
from flask import Flask
import flask_migrate.cli
before = set(sys.modules)
from flask_chainfix import ChainFix
ChainFix(Flask("app"))
print(*sorted(set(sys.modules) - before))
assert "rich" not in sys.modules
"""
    done = run(sys.executable, "-c", script, cwd=tmp_path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [
        "flask_chainfix",
        "flask_chainfix.cli",
        "flask_chainfix.cli.in_app",
    ]


def test_importing_the_extension_does_not_import_alembic(tmp_path: Path) -> None:
    script = """
import sys
from flask_chainfix import ChainFix
ChainFix()
print(*{name.partition(".")[0] for name in sys.modules} & {"alembic", "rich", "sqlalchemy"})
"""
    assert run(sys.executable, "-c", script, cwd=tmp_path).stdout.strip() == ""


@pytest.mark.parametrize("command", [[], ["check"], ["repair"], ["undo"]])
def test_help_needs_neither_a_database_nor_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    app = new_app()
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////nowhere/at/all.db"
    constructor_after(app)
    done = invoke(app, "db", "fixchain", *command, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: ")
    typed, *_, title, example = done.stdout.splitlines()
    assert " ".join(["db fixchain", *command]) in typed
    assert (title, " ".join(["db fixchain", *command]) in example) == ("Example:", True)
    assert list(tmp_path.iterdir()) == []


def test_the_help_has_every_command_once_the_first_ones_first() -> None:
    app = new_app()
    constructor_after(app)
    said = invoke(app, "db", "fixchain", "--help").stdout
    listed = re.findall(r"^  ([a-z][a-z-]+)  +[A-Z]", said, re.MULTILINE)
    assert listed[:2] == ["check", "repair"]
    assert sorted(listed) == app_group.list_commands(click.Context(app_group))


def test_the_version_is_told_in_an_app_as_by_the_script() -> None:
    app = new_app()
    constructor_after(app)
    for done in (invoke(app, "db", "fixchain", "--version"), fixchain("--version")):
        assert done.exit_code == 0
        assert done.stdout == f"flask-chainfix, version {version('flask-chainfix')}\n"


def test_help_through_the_executables(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        APP.format(body="app = Flask(__name__)\nMigrate(app, db)\nChainFix(app)")
    )
    for command in (
        ("flask", "db", "fixchain", "repair", "--help"),
        ("fixchain", "undo", "--help"),
    ):
        done = run(*command, cwd=tmp_path)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith("Usage: ")
        assert "--yes" in done.stdout


@pytest.mark.usefixtures("warm_programs")
@pytest.mark.parametrize("group", [("flask", "db", "fixchain"), ("fixchain",)], ids=" ".join)
def test_a_group_alone_prints_its_help(tmp_path: Path, group: tuple[str, ...]) -> None:
    (tmp_path / "app.py").write_text(
        APP.format(body="app = Flask(__name__)\nMigrate(app, db)\nChainFix(app)")
    )
    bare = run(*group, cwd=tmp_path)
    assert bare.stdout + bare.stderr == run(*group, "--help", cwd=tmp_path).stdout


def test_an_app_without_migrate_through_the_executable(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP.format(body="app = Flask(__name__)\nChainFix(app)"))
    done = flask("db", "fixchain", "check", cwd=tmp_path, env={"FLASK_APP": "app"})
    assert done.exit_code == 3
    assert done.stdout == ""
    assert done.stderr.startswith("error: the app 'app' does not use Flask-Migrate\nremedy: ")
    assert os.listdir(tmp_path) == ["app.py"] or "__pycache__" in os.listdir(tmp_path)


def test_without_a_directory_the_executable_says_so(tmp_path: Path) -> None:
    body = "app = Flask(__name__)\napp.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite://'\n"
    body += "db.init_app(app)\nMigrate(app, db)\nChainFix(app)"
    (tmp_path / "app.py").write_text(APP.format(body=body))
    done = flask("db", "fixchain", "check", cwd=tmp_path, env={"FLASK_APP": "app"})
    assert done.exit_code == 3
    assert "there is no directory migrations" in done.stderr
    assert "flask db init" in done.stderr
    assert "Traceback" not in done.stderr
