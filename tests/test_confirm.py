"""The fresh process that confirms a repair: what a project may do without disturbing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config

from flask_chainfix.common.errors import BadConfiguration
from flask_chainfix.environment.locate import open_config, open_directory
from flask_chainfix.rehearsal import fresh_process
from tests.commands import Done, fixchain, flask, managed, run
from tests.disk import BROKEN, environment
from tests.nightly import first_of

KNOWS_TOML = hasattr(Config, "toml_file_name")
REPAIR = ("repair", "--yes", "--format", "json")
FRESH = fresh_process.ask
APP = """\
from flask import Flask
from flask_chainfix import ChainFix
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

migrate = Migrate()

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    migrate.init_app(app, SQLAlchemy(app))
    ChainFix(app)
    return app
"""
MANAGE = """\
import sys
from flask.cli import FlaskGroup
from panel import create_app
FlaskGroup(create_app=create_app)()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", *BROKEN)
    (tmp_path / "panel.py").write_text(APP)
    return tmp_path


@pytest.fixture
def in_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands that run in this process start the real one to confirm."""
    monkeypatch.setattr(fresh_process, "ask", FRESH)


def with_app(project: Path) -> Done:
    return flask("--app", "panel", "db", "fixchain", *REPAIR, cwd=project)


def add_to_migration(project: Path, code: str) -> None:
    file = project / "migrations/versions/d_add_d.py"
    file.write_bytes(file.read_bytes() + f"\n{code}\n".encode())


# --- What lies in the working directory ----------------------------------------------------------


@pytest.mark.parametrize("name", first_of(["types", "json", "logging"]))
def test_modules_of_the_working_directory_hide_nothing(project: Path, name: str) -> None:
    (project / f"{name}.py").write_text("raise ValueError('this is not the standard library')\n")
    assert run("fixchain", *REPAIR, cwd=project).exit_code == 0


@pytest.mark.parametrize("ini", first_of(["", "prepend_sys_path = .\n"]))
@pytest.mark.usefixtures("in_a_fresh_process")
def test_the_migrations_may_be_a_package_called_alembic(project: Path, ini: str) -> None:
    (project / "migrations").rename(project / "alembic")
    (project / "alembic/__init__.py").touch()
    (project / "alembic.ini").write_text(f"[alembic]\nscript_location = alembic\n{ini}")
    assert fixchain("-c", "alembic.ini", *REPAIR, cwd=project).exit_code == 0


# --- What env.py, the app and migrations do ------------------------------------------------------


def test_env_py_is_not_run_by_an_ini(project: Path) -> None:
    (project / "migrations/env.py").write_text("raise ValueError('no database')\n")
    (project / "migrations/alembic.ini").write_text("[alembic]\nrevision_environment = true\n")
    assert fixchain(*REPAIR, cwd=project).exit_code == 0


@pytest.mark.skipif(not KNOWS_TOML, reason="this Alembic knows no pyproject.toml")
def test_env_py_is_not_run_by_a_pyproject(project: Path) -> None:
    (project / "migrations/env.py").write_text("raise ValueError('no database')\n")
    (project / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "migrations"\nrevision_environment = true\n'
    )
    assert fixchain("-c", "pyproject.toml", *REPAIR, cwd=project).exit_code == 0


@pytest.mark.usefixtures("in_a_fresh_process")
def test_programs_that_a_migration_runs_do_not_disturb_the_answer(project: Path) -> None:
    add_to_migration(project, "import os\nos.system('echo hi')\nos.write(1, b'{}')")
    assert fixchain(*REPAIR, cwd=project).exit_code == 0


def test_an_app_sees_the_arguments_of_the_command(project: Path) -> None:
    (project / "panel.py").write_text(APP + "import sys\nassert 'db' in sys.argv\n")
    assert with_app(project).exit_code == 0


# --- An app that comes from a callback -----------------------------------------------------------


def test_a_lost_app_is_said_to_be_lost(project: Path) -> None:
    add_to_migration(project, "from flask import current_app\ncurrent_app.name")
    (project / "manage.py").write_text(MANAGE)
    done = run("python", "manage.py", "db", "fixchain", *REPAIR, cwd=project)
    error = done.document["error"]
    assert error["type"] == "NotConfirmed"
    assert "because it comes from a callback" in error["message"]
    assert "flask --app MODULE:FACTORY db fixchain repair" in error["remedy"]
    assert with_app(project).exit_code == 0


def test_an_app_that_is_not_lost_is_not_said_to_be(project: Path) -> None:
    add_to_migration(project, "raise ValueError('in a migration')")
    error = with_app(project).document["error"]
    assert "callback" not in error["message"] + error["remedy"]


@pytest.mark.usefixtures("in_a_fresh_process")
def test_a_callback_may_have_moved_the_migrations(project: Path) -> None:
    (project / "migrations").rename(project / "moved")
    (project / "migrations").mkdir()
    (project / "moved/alembic.ini").write_text("[alembic]\nversion_locations = nowhere\n")
    move = (
        "@migrate.configure\ndef configure(config):\n"
        "    config.set_main_option('script_location', 'moved')\n    return config\n"
    )
    (project / "panel.py").write_text(APP + move)
    (project / "migrations/alembic.ini").write_text("[alembic]\n")
    done = managed("panel", "db", "fixchain", *REPAIR, cwd=project)
    assert done.exit_code == 0, done


# --- What is said of a failure -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('first\\nlast')", "ValueError: first"),
        ("import atexit, sys\natexit.register(sys.stderr.write, 'bye')\n1 / 0", "ZeroDivisionErr"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_a_failure_names_the_exception_and_the_migration(
    project: Path, code: str, reason: str
) -> None:
    add_to_migration(project, code)
    lines = (project / "migrations/versions/d_add_d.py").read_text().splitlines()
    message = fixchain(*REPAIR, cwd=project).document["error"]["message"]
    assert message.startswith(f"Alembic could not load the repaired chain: {reason}")
    assert message.endswith(f"(migrations/versions/d_add_d.py, line {len(lines)})")


def test_a_module_may_be_found_by_env_py_alone(project: Path) -> None:
    """Alembic runs env.py before it loads the migrations for an upgrade, but not for `heads`."""
    add_to_migration(project, "import elsewhere")
    (project / "lib").mkdir()
    (project / "lib/elsewhere.py").touch()
    remedy = fixchain(*REPAIR, cwd=project).document["error"]["remedy"]
    assert "prepend_sys_path in the configuration: “alembic heads” needs that" in remedy
    ini = project / "migrations/alembic.ini"
    ini.write_text("[alembic]\nprepend_sys_path = lib\n")
    assert fixchain(*REPAIR, cwd=project).exit_code == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "import os, sys\nprint('raw', file=sys.stderr, flush=True)\nos._exit(0)",
            "(exit code 0);",
        ),
        ("import os\nos._exit(7)", "(exit code 7)"),
    ],
)
@pytest.mark.usefixtures("in_a_fresh_process")
def test_a_process_that_ends_without_an_answer_is_said_to(
    project: Path, code: str, said: str
) -> None:
    add_to_migration(project, code)
    message = fixchain(*REPAIR, cwd=project).document["error"]["message"]
    assert f"the process ended without an answer {said}" in message
    assert message.endswith("; the last line of its stderr: raw" if ";" in said else said)


# --- The configuration of a plain Alembic project ------------------------------------------------


@pytest.mark.parametrize("location", ["migrations", "%(here)s/migrations", "./x/../migrations"])
@pytest.mark.parametrize("below", [False, True])
def test_the_ini_of_the_project_is_obeyed(
    project: Path, monkeypatch: pytest.MonkeyPatch, location: str, below: bool
) -> None:
    (project / "x").mkdir()
    environment(project / "more", "x")
    (project / "alembic.ini").write_text(
        f"[alembic]\nscript_location = {location}\n"
        "version_locations = %(here)s/migrations/versions %(here)s/more/versions\n"
        "[fixchain]\nignore = FC110\n"
    )
    expected = open_config("alembic.ini").environment
    if below:
        monkeypatch.chdir(project / "x")
    found = open_directory("../migrations" if below else "migrations").environment
    assert found.version_locations == expected.version_locations
    assert found.settings.ignore == {"FC110"}


@pytest.mark.skipif(not KNOWS_TOML, reason="this Alembic knows no pyproject.toml")
def test_the_pyproject_of_the_project_is_obeyed(project: Path) -> None:
    environment(project / "more", "x")
    (project / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
        'version_locations = ["%(here)s/migrations/versions", "%(here)s/more/versions"]\n'
    )
    found = open_directory("migrations").environment
    assert found.version_locations == (project / "migrations/versions", project / "more/versions")


def test_an_ini_of_another_directory_does_not_count(project: Path) -> None:
    environment(project / "more", "x")
    for text in ("[alembic]\nscript_location = more\nsourceless = true\n", "[other]\n"):
        (project / "alembic.ini").write_text(text)
        assert not open_directory("migrations").environment.sourceless


def test_an_ini_that_would_miss_migrations_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\nversion_locations = migrations/versions more\n"
    )
    assert len(open_directory("migrations").environment.version_locations) == 2
    (project / "x").mkdir()
    monkeypatch.chdir(project / "x")
    with pytest.raises(BadConfiguration, match="counts from the directory of that file"):
        open_directory("../migrations")


def test_a_repair_is_confirmed_by_the_ini_of_the_project(project: Path) -> None:
    environment(project / "more", "x <- e")
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\n"
        "version_locations = migrations/versions more/versions\n"
    )
    done = fixchain("-d", "migrations", *REPAIR, cwd=project)
    assert done.exit_code == 0
