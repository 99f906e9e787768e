"""``flask db fixchain rehearse`` and ``repair --rehearse``, with the real executables."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from tests import commands
from tests.commands import (
    SCRIPTS,
    Done,
    environment,
    fixchain,
    flask,
    managed,
    on_terminal,
    read_terminal,
    run,
)
from tests.databases import new_database
from tests.disk import tree
from tests.nightly import first_of
from tests.rehearsals import add, create, line_of, plain, with_app

REHEARSE = ("db", "fixchain", "rehearse")
JSON = ("--format", "json")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files are made; nothing may be left there."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    yield place
    assert list(place.iterdir()) == []


@pytest.fixture
def project(tmp_path: Path, temporary: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    return place


def panel(project: Path, *args: str) -> Done:
    return flask("--app", "panel", *args, cwd=project)


def databases_like(url: str, name: str) -> list[str]:
    """The databases of this name that a server has."""
    engine = create_engine(url, poolclass=NullPool)
    postgresql = engine.dialect.name == "postgresql"
    query = "SELECT datname FROM pg_database" if postgresql else "SHOW DATABASES"
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(text(query)) if row[0].startswith(name)]


def steps(done: Done) -> list[dict[str, Any]]:
    found = done.document["rehearsal"]
    assert isinstance(found, list), done
    return found


# --- The sample app ------------------------------------------------------------------------------


def test_the_sample_is_rehearsed_repaired_and_proven(
    sample: Path, temporary: Path, database_url: str
) -> None:
    """On each database; the one that the URL names stands for the app's own."""
    own = {"SAMPLE_DATABASE_URL": "postgresql+psycopg2://nobody@127.0.0.1:1/own"}
    url = make_url(database_url)
    option = [] if url.drivername == "sqlite" else ["--database", database_url]

    repair = (
        "db",
        "fixchain",
        "repair",
        "--rehearse",
        *option[1:],
        "--no-database",
        "--yes",
        *JSON,
    )
    repaired = flask(*repair, cwd=sample, env=own)
    assert repaired.exit_code == 0, repaired
    assert repaired.document["verified"] is not None
    assert len(steps(repaired)) == 30

    done = flask(*REHEARSE, *option, *JSON, cwd=sample, env=own)
    assert done.exit_code == 0, done
    order = repaired.document["plan"]["order"]
    ran = [(step["direction"], step["revision"]) for step in steps(done)]
    up, down = [("up", each) for each in order], [("down", each) for each in reversed(order)]
    assert ran == [*up, *down, *up]
    assert done.document["rehearsal_differences"] == []
    if option:
        name = str(make_url(done.document["rehearsal_database"]).database)
        assert name.startswith("fixchain_rehearsal_")
        assert databases_like(database_url, name) == []
    assert list(sample.rglob("*.db")) == []


# --- The app's own database ----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", first_of(["postgresql+psycopg2", "mysql+pymysql"]))
@pytest.mark.parametrize("connects", [False, True])
def test_the_apps_own_server_is_not_connected_to(
    project: Path, scheme: str, connects: bool
) -> None:
    """Also by an app that connects while it is made; in the first process that is Flask's doing."""
    code = "import os\n    if 'FIXCHAIN_REHEARSAL' in os.environ:\n"
    code += "        with app.app_context():\n            db.session.execute(db.text('SELECT 1'))"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        uri = f"{scheme}://user:s3cret@127.0.0.1:{server.getsockname()[1]}/own"
        with_app(project, "a", "b <- a", "c <- b", uri=uri, more=code if connects else "")
        done = panel(project, *REHEARSE, *JSON)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert done.exit_code == 0, done
    assert len(steps(done)) == 9


def test_the_apps_own_file_does_not_come_into_existence(project: Path) -> None:
    with_app(project, "a", "b <- a", "c <- b", uri="sqlite:///own.db")
    before = tree(project)
    done = panel(project, *REHEARSE)
    assert done.exit_code == 0, done
    after = tree(project)
    # Flask itself compiles the app.
    new = {name for name in after if name not in before and not name.startswith("__pycache__")}
    assert new <= {"instance"}
    assert list(project.rglob("*.db")) == []


def test_a_migration_that_uses_the_apps_session_gets_the_scratch_database(project: Path) -> None:
    with_app(project, "a", "b <- a")
    code = "from panel import db\nbind = db.session.get_bind()\n"
    add(project, "c <- b", f"{code}assert 'rehearsal' in str(bind.url), bind.url\n{create('c')}")
    assert panel(project, *REHEARSE).exit_code == 0


def test_an_app_that_creates_the_tables_itself(project: Path) -> None:
    more = "with app.app_context():\n        db.create_all()"
    with_app(project, "a", "b <- a", "c <- b", more=more)
    done = panel(project, *REHEARSE, *JSON)
    assert done.exit_code == 3, done
    error = done.document["error"]
    assert error["type"] == "CannotRehearse"
    assert "a, b, c" in error["message"]
    assert "FIXCHAIN_REHEARSAL" in error["remedy"]
    app = project / "panel.py"
    skip = "import os\n    if 'FIXCHAIN_REHEARSAL' not in os.environ:\n"
    skip += "        with app.app_context():"
    app.write_text(app.read_text().replace("with app.app_context():", skip).replace(
        "        db.create_all", "            db.create_all"))  # fmt: skip
    assert panel(project, *REHEARSE).exit_code == 0


def test_an_app_that_connects_to_something_else(project: Path) -> None:
    more = "import os, sqlalchemy as sa\n    if 'FIXCHAIN_REHEARSAL' in os.environ:\n"
    more += "        sa.create_engine('sqlite:///other.db').connect()"
    with_app(project, "a", more=more)
    done = panel(project, *REHEARSE, *JSON)
    found = done.document["rehearsal_failure"]
    assert (done.exit_code, found["kind"], found["path"]) == (3, "connection", "panel.py")
    assert "other.db" in found["message"]
    assert not (project / "other.db").exists()


def test_each_bind_gets_a_database_of_its_own(project: Path) -> None:
    with_app(project, "a", "b <- a", "c <- b", binds={"users": "sqlite:///own_users.db"})
    code = "assert len({str(engine.url) for engine in db.engines.values()}) == 2"
    more = "assert all('rehearsal' in str(engine.url) for engine in db.engines.values())"
    up = f"from panel import db\n{code}\n{more}\n"
    add(project, "d <- c", f"{up}with db.engines['users'].begin() as own:\n"
        "    own.execute(sa.text('CREATE TABLE d (id INTEGER)'))",
        "from panel import db\nwith db.engines['users'].begin() as own:\n"
        "    own.execute(sa.text('DROP TABLE d'))")  # fmt: skip
    done = panel(project, *REHEARSE, *JSON)
    assert done.exit_code == 0, done
    assert list(project.rglob("*.db")) == []


def test_an_app_whose_databases_cannot_be_found(project: Path) -> None:
    with_app(project, "a", "b <- a")
    (project / "panel.py").write_text(
        "from flask import Flask\nfrom flask_migrate import Migrate\n"
        "from flask_sqlalchemy import SQLAlchemy\nfrom flask_chainfix import ChainFix\n"
        "app = Flask(__name__)\nMigrate(app, SQLAlchemy())  # and no init_app\nChainFix(app)\n"
    )
    for command in ("rehearse", "backup"):
        done = panel(project, "db", "fixchain", command, *JSON)
        assert done.exit_code == 3, done
        assert "the app's databases cannot be found" in done.document["error"]["message"]
        assert "correct the app's configuration" in done.document["error"]["remedy"]


# --- Where the app comes from --------------------------------------------------------------------


def test_an_app_from_a_callback_cannot_be_rehearsed(project: Path) -> None:
    with_app(project, "a", "b <- a", "c <- b")
    done = managed("panel", *REHEARSE, *JSON, cwd=project)
    assert done.exit_code == 3
    assert "comes from a callback" in done.document["error"]["message"]
    assert "flask --app MODULE:FACTORY db fixchain rehearse" in done.document["error"]["remedy"]


def test_the_console_script_finds_the_app_as_flask_does(project: Path) -> None:
    """Also where the commands are not mounted: Flask-Migrate's ``env.py`` is all that needs it."""
    with_app(project, "a", "b <- a", "c <- b")
    app = project / "panel.py"
    app.write_text(app.read_text().replace("    ChainFix(app)\n", ""))
    lost = fixchain("rehearse", *JSON, cwd=project)
    assert lost.exit_code == 3
    assert lost.document["error"]["type"] == "CannotRehearse"
    assert "FLASK_APP" in lost.document["error"]["remedy"]
    done = fixchain("rehearse", *JSON, cwd=project, env={"FLASK_APP": "panel"})
    assert done.exit_code == 0, done
    assert done.document["rehearsal_differences"] == []
    assert list(project.rglob("*.db")) == []


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.usefixtures("warm_programs")
def test_an_app_on_a_server_is_told_of_sqlite_and_of_its_server(
    project: Path, tmp_path: Path, kind: str
) -> None:
    """What is printed works when it is typed, and prints no password."""
    name = {"postgresql": "PostgreSQL", "mariadb": "MySQL or MariaDB"}[kind]
    with new_database(kind, tmp_path) as url:
        with_app(project, "a", "b <- a", "c <- b", uri=url)
        done = panel(project, *REHEARSE)
        assert done.exit_code == 0, done
        assert f"note: the app uses {name}, and this was SQLite" in " ".join(done.stdout.split())
        (command,) = re.findall(r"^ +(flask .*rehearse.*)$", done.stdout, re.MULTILINE)
        search = {"PATH": f"{commands.place}:{os.defpath}"}
        typed = run("sh", "-c", f"{command} --format json", cwd=project, env=search)
        assert typed.exit_code == 0, typed
        scratch = make_url(typed.document["rehearsal_database"]).database or ""
        assert scratch.startswith("fixchain_rehearsal_")
        assert not any("SQLite" in notice for notice in typed.document["notices"])
        assert databases_like(url, scratch) == []
        engine = create_engine(url, poolclass=NullPool)
        assert inspect(engine).get_table_names() == []
        engine.dispose()


def test_the_own_server_of_a_sqlite_app_is_a_temporary_file(project: Path) -> None:
    with_app(project, "a", "b <- a", "c <- b", uri="sqlite:///own.db")
    done = panel(project, *REHEARSE, "--database", *JSON)
    assert done.exit_code == 0, done
    assert done.document["rehearsal_database"] == "a temporary SQLite file"
    assert list(project.rglob("*.db")) == []


def test_a_configuration_that_names_no_database_has_no_own_server(project: Path) -> None:
    plain(project, "a")
    done = fixchain("rehearse", "--database", *JSON, cwd=project)
    assert done.exit_code == 3
    assert "names no database" in done.document["error"]["message"]


def test_a_plain_environment_needs_no_app(project: Path) -> None:
    plain(project, "a", "b <- a", "c <- b")
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\nsqlalchemy.url = sqlite:///own.db\n"
    )
    done = fixchain("-c", "alembic.ini", "rehearse", cwd=project)
    assert done.exit_code == 0, done
    assert "the result fits the models" in " ".join(done.stdout.split())
    assert done.stderr == ""
    assert list(project.rglob("*.db")) == list(project.rglob("__pycache__")) == []


# --- Being stopped -------------------------------------------------------------------------------

SLOW = """\
from pathlib import Path
import os, time
Path({file!r}).write_text(f"{{os.getpid()}} {{op.get_bind().engine.url.database}}")
{wait}
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_stopped_leaves_nothing(
    project: Path, tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    waiting = {
        "sqlite": "time.sleep(3600)",
        "postgresql": "op.execute('SELECT pg_sleep(3600)')",
        "mariadb": "op.execute('SELECT SLEEP(3600)')",
    }
    file = tmp_path / "running"
    plain(project, "a")
    add(project, "b <- a", SLOW.format(file=str(file), wait=waiting[kind]))
    with new_database(kind, tmp_path) as url:
        option = [] if kind == "sqlite" else ["--database", url]
        process = subprocess.Popen(
            [SCRIPTS / "fixchain", "rehearse", *option, *JSON],
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        child, database = wait_for(file).split(" ", 1)
        # A terminal sends Ctrl-C to all processes of its foreground; others send to one.
        (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
        stdout, stderr = process.communicate(timeout=300)
        if kind != "sqlite":
            assert databases_like(url, database) == []
    done = Done(process.returncode, stdout.decode(), stderr.decode())
    assert (done.exit_code, done.document["error"]["type"]) == (3, "Interrupted")
    assert done.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(child), 0)
    assert not Path(database).exists()


def wait_for(file: Path) -> str:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return file.read_text()
        time.sleep(0.05)
    pytest.fail("the migration did not start")


# --- What is shown -------------------------------------------------------------------------------


@pytest.mark.usefixtures("warm_programs")
def test_a_bar_goes_on_while_it_runs_and_then_the_table_is_there(project: Path) -> None:
    plain(project, "a", "b <- a")
    add(project, "c <- b", f"import time\ntime.sleep(2)\n{create('c')}")  # a fast one shows none
    ours, theirs = pty.openpty()
    output = project / "output"
    with (
        output.open("wb") as file,
        subprocess.Popen(
            [commands.place / "fixchain", "rehearse", "--verbose"],
            cwd=project,
            env=environment({"TERM": "xterm", "COLUMNS": "80"}),
            stdout=file,
            stderr=theirs,
        ),
    ):
        os.close(theirs)
        seen = read_terminal(ours)  # a terminal that nobody reads would stop it in the end
    os.close(ours)
    stdout = output.read_text("utf-8")
    assert "9/9" in seen
    row = r"^  ([abc]) +ok +ok +ok +\d+\.\d\d$"
    assert re.findall(row, stdout, re.MULTILINE) == ["a", "b", "c"]


@pytest.mark.usefixtures("warm_programs")
def test_the_rehearsal_comes_between_the_plan_and_the_question(project: Path) -> None:
    plain(project, "a", "b <- a", "c")
    before = tree(project / "migrations")
    done = on_terminal("fixchain", "repair", "--rehearse", cwd=project, answer="n\n")
    assert (done.exit_code, tree(project / "migrations")) == (1, before)
    plan = done.stdout.index("Changes")
    proof = done.stdout.index("The planned chain was rehearsed on a temporary SQLite file")
    assert plan < proof
    assert done.stderr.startswith("Make these changes?")
    assert done.stderr.endswith("Nothing was changed.\n")


def test_a_failure_is_shown_with_its_place_and_a_remedy(project: Path) -> None:
    with_app(project, "a")
    path = add(project, "b <- a", "op.drop_column('config_template', 'x')")
    done = panel(project, *REHEARSE)
    assert done.exit_code == 3
    assert done.stdout.startswith("The rehearsal of the chain failed at b (up).\n")
    line = line_of(path, "op.drop_column")
    assert f"  migrations/versions/b_add.py:{line}\n" in done.stdout
    assert "operation: op.drop_column" in done.stdout
    assert re.search(r"^  b +failed +\d", done.stdout, re.MULTILINE)
    assert done.stderr.startswith("error: the rehearsal failed at b: ")
    assert "\nremed" in done.stderr
    for each in (done.stdout, done.stderr):
        assert "Traceback" not in each


@pytest.mark.parametrize(
    ("command", "loads"), [("check", False), ("undo", False), ("repair", True)]
)
def test_no_other_command_runs_a_migration(project: Path, command: str, loads: bool) -> None:
    """That a chain needs no repair only Alembic knows, which has to load it for that."""
    plain(project, "a", "b <- a")
    add(
        project,
        "c <- b",
        "pathlib.Path('ran').touch()",
        before="import pathlib\npathlib.Path('loaded').touch()",
    )
    fixchain(command, cwd=project)
    assert (project / "loaded").exists() is loads
    assert not (project / "ran").exists()


def test_help_needs_no_database(project: Path) -> None:
    done = fixchain("rehearse", "--help", cwd=project)
    assert done.exit_code == 0
    for option in ("--database [URL]", "--from REVISION[,REVISION]", "--keep", "--format"):
        assert option in done.stdout
