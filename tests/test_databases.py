"""Real databases: which ones are meant, and where they stand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from alembic.config import Config
from flask import Flask
from flask_migrate import Migrate  # type: ignore[import-untyped]
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url

from flask_chainfix.common.errors import BadConfiguration, BadDatabase
from flask_chainfix.databases import connecting
from flask_chainfix.databases.selection import read_twice
from flask_chainfix.databases.targets import Target, own_targets, targets_from
from flask_chainfix.databases.version_tables import in_schemas
from flask_chainfix.environment.locate import Runtime, open_app, open_config, open_directory
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus
from tests.databases import new_database
from tests.nightly import first_of
from tests.stamped import (
    ODD_NAME,
    Again,
    cutting_proxy,
    look,
    silent_server,
    sql,
    sqlite_url,
    stamp,
    stamp_oddly,
    target,
    user,
)

STAMPED, EMPTY = DatabaseState.STAMPED, DatabaseState.EMPTY
UNSTAMPED, UNREACHABLE = DatabaseState.UNSTAMPED, DatabaseState.UNREACHABLE
MISSING = DatabaseState.MISSING


def environment(directory: Path, env_py: str = "", ini: str = "") -> Path:
    (directory / "migrations" / "versions").mkdir(parents=True)
    (directory / "migrations" / "env.py").write_text(env_py)
    (directory / "alembic.ini").write_text(f"[alembic]\nscript_location = migrations\n{ini}")
    return directory / "migrations"


def runtime_of(
    directory: Path, monkeypatch: pytest.MonkeyPatch, env_py: str = "", ini: str = ""
) -> Runtime:
    environment(directory, env_py, ini)
    monkeypatch.chdir(directory)
    return open_config("alembic.ini")


def unreachable(status: DatabaseStatus, *words: str) -> None:
    assert status.state is UNREACHABLE, status
    assert status.rows == ()
    assert status.tables is None
    assert status.remedy
    for word in words:
        assert word in f"{status.problem} | {status.remedy}"
    assert "s3cret" not in f"{status.problem} {status.remedy} {status.name}"


# --- Where they stand ----------------------------------------------------------------------------


def test_rows_and_tables_exactly_as_they_are(database_url: str) -> None:
    stamp(database_url, "b2", "A1", "sp ace")
    sql(database_url, "CREATE TABLE account (id INTEGER)")
    (status,) = look(target(database_url, own=True))
    assert status == DatabaseStatus(
        "the database",
        target(database_url).identity,
        STAMPED,
        ("A1", "b2", "sp ace"),
        frozenset({"account"}),
        own=True,
        width=None if database_url.startswith("sqlite") else 32,
        bind="",
    )


def test_without_a_row_other_tables_decide(database_url: str) -> None:
    there = MISSING if database_url.startswith("sqlite") else EMPTY
    assert look(target(database_url))[0].state is there
    stamp(database_url)
    assert look(target(database_url))[0].state is EMPTY
    sql(database_url, "CREATE TABLE account (id INTEGER)")
    (status,) = look(target(database_url))
    assert (status.state, status.tables) == (UNSTAMPED, frozenset({"account"}))
    sql(database_url, "DROP TABLE alembic_version")
    assert look(target(database_url))[0].state is UNSTAMPED


def test_a_version_table_of_another_name(database_url: str) -> None:
    stamp_oddly(database_url, "a")
    assert look(target(database_url, version_table=ODD_NAME))[0].rows == ("a",)


def test_extra_columns_do_no_harm(database_url: str) -> None:
    stamp(database_url, "a", columns="note VARCHAR(9) DEFAULT 'x' NOT NULL, version_num VARCHAR(9)")
    assert look(target(database_url))[0].rows == ("a",)


def test_null_is_said_to_be_null(database_url: str) -> None:
    stamp(database_url, columns="version_num VARCHAR(9)")
    sql(database_url, "INSERT INTO alembic_version (version_num) VALUES (NULL)")
    unreachable(look(target(database_url))[0], "holds NULL", "SELECT * FROM alembic_version")


def test_a_table_that_is_not_alembics(database_url: str) -> None:
    sql(database_url, "CREATE TABLE alembic_version (other VARCHAR(9))")
    unreachable(look(target(database_url))[0], "version_num", "not a table of Alembic's")


def test_a_database_that_is_not_there(server_url: str) -> None:
    missing = make_url(server_url).set(database="chainfix_test_not_there")
    (status,) = look(target(missing))
    assert (status.state, status.tables) == (MISSING, frozenset())


def test_a_schema_that_is_not_there(server_url: str) -> None:
    stamp(server_url, "a")
    assert look(target(server_url, "chainfix_test_not_there"))[0].state is EMPTY


def test_no_rights(server_url: str) -> None:
    stamp(server_url, "a")
    sql(server_url, "CREATE TABLE account (id INTEGER)")
    grant = "SELECT ON account"
    with user(server_url, grant) as url:
        unreachable(look(target(url))[0], "denied", "give the user rights on alembic_version")


def test_no_rights_on_the_schema(postgresql: str) -> None:
    """PostgreSQL skips it in the search path, which is no proof that nothing has run."""
    stamp(postgresql, "a")
    sql(postgresql, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    with user(postgresql, "SELECT ON alembic_version") as url:
        unreachable(look(target(url))[0], "may not use the schema", "GRANT USAGE ON SCHEMA")
        sql(postgresql, "DROP SCHEMA public CASCADE")
        assert look(target(url))[0].state is DatabaseState.EMPTY


def test_a_wrong_password(again: Again, tmp_path: Path) -> None:
    with user(again.url("mariadb", tmp_path), "SELECT ON *.*") as url:
        wrong = make_url(url).set(password="s3cret@wrong")
        unreachable(look(target(wrong))[0], "Access denied", "correct the user and the password")


def test_the_first_schema_of_the_search_path_counts(postgresql: str) -> None:
    sql(postgresql, "CREATE SCHEMA one", "CREATE SCHEMA two", "CREATE TABLE one.account (id INT)")
    stamp(postgresql, "b", table="two.alembic_version")
    url = make_url(postgresql).update_query_dict({"options": "-c search_path=one,two"})
    assert look(target(url))[0].rows == ("b",)


def test_tables_may_be_in_another_schema(postgresql: str) -> None:
    """As where ``env.py`` sets a search path: then none is missing where it was looked for."""
    stamp(postgresql, "a")
    assert look(target(postgresql))[0].complete
    sql(postgresql, "CREATE SCHEMA other", "CREATE TABLE other.a (id INTEGER)")
    (status,) = look(target(postgresql))
    assert (status.rows, status.tables, status.complete) == (("a",), frozenset(), False)


def test_mysql_hides_tables_from_those_without_rights(again: Again, tmp_path: Path) -> None:
    url = again.url("mariadb", tmp_path)
    stamp(url, "a")
    sql(url, "CREATE TABLE account (id INTEGER)")
    name = make_url(url).database
    with user(url, f"SELECT ON {name}.alembic_version") as few:
        (status,) = look(target(few))
    assert (status.rows, status.tables) == (("a",), None)
    with user(url, f"SELECT ON {name}.*") as all_of_it:
        (status,) = look(target(all_of_it))
    assert (status.tables, status.complete) == (frozenset({"account"}), True)


def test_tables_of_an_extension_are_nobodys(postgresql: str) -> None:
    sql(postgresql, "CREATE EXTENSION pg_stat_statements")
    assert look(target(postgresql))[0].state is EMPTY


def test_a_read_only_database(tmp_path: Path) -> None:
    with new_database("postgresql", tmp_path) as postgresql:
        read_only(postgresql)


def read_only(postgresql: str) -> None:
    stamp(postgresql, "a")
    name = make_url(postgresql).database
    sql(postgresql, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert look(target(postgresql))[0].rows == ("a",)


def test_many_schemas_keep_their_order_and_their_own_problems(postgresql: str) -> None:
    schemas = [f"tenant_{number:03}" for number in range(100)]
    made = (
        f"CREATE SCHEMA {name}; CREATE TABLE {name}.alembic_version AS SELECT '{name}'::text AS"
        " version_num"
        for name in schemas
    )
    sql(postgresql, ";".join(made))
    with user(postgresql, f"USAGE ON SCHEMA {', '.join(schemas)}") as url:
        readable = [name for number, name in enumerate(schemas) if number % 10]
        tables = ", ".join(f"{name}.alembic_version" for name in readable)
        role = make_url(url).username
        sql(postgresql, f"GRANT SELECT ON {tables} TO {role}")
        statuses = look(*(target(url, name) for name in schemas))
    for name, status in zip(schemas, statuses, strict=True):
        if name in readable:
            assert status.rows == (name,)
        else:
            unreachable(status, "permission denied")


# --- SQLite --------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_stays_away(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "nowhere")
    engine = create_engine(sqlite_url(tmp_path))
    found = look(target(url), target(engine.url, engine=engine), target("sqlite://"))
    # One in memory is there, and holds nothing.
    assert [status.state for status in found] == [MISSING, MISSING, EMPTY]
    assert list(tmp_path.iterdir()) == []


def test_no_file_appears_beside_a_write_ahead_log(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    sql(url, "PRAGMA journal_mode = WAL")
    stamp(url, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["app.db"]
    assert look(target(url))[0].rows == ("a",)
    assert [path.name for path in tmp_path.iterdir()] == ["app.db"]


def test_what_only_the_log_holds_is_read(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    sql(url, "PRAGMA journal_mode = WAL")
    engine = create_engine(url)
    with engine.connect() as connection:
        stamp(url, "a")
        connection.exec_driver_sql("SELECT * FROM alembic_version").all()
        assert look(target(url))[0].rows == ("a",)
    engine.dispose()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_text("no database at all" * 100)
    unreachable(look(target(sqlite_url(tmp_path)))[0], "not a database")


def test_odd_names_of_files(tmp_path: Path) -> None:
    place = tmp_path / "a %41?#.db"
    plain = f"sqlite:///{tmp_path}/plain.db"
    stamp(plain, "a")
    os.rename(tmp_path / "plain.db", place)
    url = make_url(plain).set(database=str(place))
    assert look(target(url))[0].rows == ("a",)


# --- Servers that do not answer ------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "mysql+pymysql"])
def test_a_server_that_is_down(scheme: str) -> None:
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        url = f"{scheme}://user:s3cret-word@127.0.0.1:{taken.getsockname()[1]}/app"
        unreachable(look(target(url))[0], "refused", "start the server")


@pytest.mark.usefixtures("impatient")
def test_servers_that_never_answer_do_not_hold_up_the_others(postgresql: str) -> None:
    stamp(postgresql, "a")
    with silent_server() as port:
        silent = [
            target(f"{scheme}://user:s3cret-word@127.0.0.1:{port}/app")
            for scheme in ("postgresql+psycopg2", "mysql+pymysql")
        ]
        first, second, third = look(silent[0], target(postgresql), silent[1])
    unreachable(first, "2 seconds", "see whether the server")
    assert second.rows == ("a",)
    unreachable(third, "2 seconds")


def test_servers_are_asked_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is silent until the other has been asked too, and hangs up then."""
    monkeypatch.setattr(connecting, "CONNECTING", 3600)
    monkeypatch.setattr(connecting, "SILENCE", 120)
    asked: list[socket.socket] = []

    def hang_up_on_both(server: socket.socket) -> None:
        asked.extend(server.accept()[0] for _ in range(2))
        server.close()  # nobody who tries again waits
        for client in asked:
            client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        Thread(target=hang_up_on_both, args=(server,), daemon=True).start()
        found = look(*(target(f"postgresql+psycopg2://{user}@{place}/app") for user in "uv"))
    assert len(asked) == 2
    for status in found:
        unreachable(status)
        assert "has not answered" not in status.problem


def test_a_silent_server_does_not_keep_the_process() -> None:
    program = (
        "from sqlalchemy.engine import make_url\n"
        "from flask_chainfix.databases import connecting\n"
        "from flask_chainfix.databases.version_tables import read_statuses\n"
        "from flask_chainfix.databases.targets import Target\n"
        "connecting.SILENCE, connecting.CONNECTING = 0.2, 3600\n"
        "url = make_url('postgresql+psycopg2://u@127.0.0.1:{}/app')\n"
        "print(read_statuses([Target('x', url)], print)[0].state)"
    )
    with silent_server() as port:
        words = [sys.executable, "-c", program.format(port)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    assert "UNREACHABLE" in done.stdout
    assert done.stderr == ""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "closing", first_of([pytest.param(True, id="closed"), pytest.param(False, id="silent")])
)
def test_a_connection_that_is_lost_half_way(server_url: str, closing: bool) -> None:
    stamp(server_url, "a")
    with cutting_proxy(server_url, b"FROM alembic_version", passing=False, closing=closing) as url:
        unreachable(look(target(url))[0], "run the command again")


@pytest.mark.usefixtures("waits_shortly")
def test_a_table_that_another_session_holds(postgresql: str) -> None:
    sql(postgresql, "CREATE SCHEMA busy", "CREATE SCHEMA free")
    for schema in ("busy", "free"):
        stamp(postgresql, schema, table=f"{schema}.alembic_version")
    engine = create_engine(postgresql)
    with engine.connect() as other, other.begin():
        other.exec_driver_sql("LOCK TABLE busy.alembic_version IN ACCESS EXCLUSIVE MODE")
        busy, free = look(target(postgresql, "busy"), target(postgresql, "free"))
    engine.dispose()
    unreachable(busy, "another session holds a lock on busy.alembic_version", "pg_stat_activity")
    assert free.rows == ("free",)


# --- The app's own -------------------------------------------------------------------------------


def app_with(uri: str, binds: dict[str, Any] | None = None, **options: Any) -> Flask:
    app = Flask("app")
    app.config.update(SQLALCHEMY_DATABASE_URI=uri, SQLALCHEMY_BINDS=binds or {})
    Migrate(app, SQLAlchemy(app), **options)
    return app


def own(app: Flask, directory: Path) -> list[DatabaseStatus]:
    with app.app_context():
        runtime = open_app(str(directory / "migrations"), {"app": "app"})
        return look(*own_targets(runtime))


def test_each_bind_of_the_app(tmp_path: Path) -> None:
    environment(tmp_path, "context.configure(connection=connection, **conf_args)")
    first, second = (f"sqlite:///{tmp_path / name}" for name in ("one.db", "two.db"))
    stamp(first, "a", table="versions")
    sql(second, "CREATE TABLE measurement (id INTEGER)")
    app = app_with(first, {"figures": second}, version_table="versions")
    default, figures = own(app, tmp_path)
    assert (default.name, default.rows, default.own) == ("the app's database", ("a",), True)
    assert (figures.name, figures.state) == ("bind figures", UNSTAMPED)


def test_an_app_whose_databases_cannot_be_read(tmp_path: Path) -> None:
    """Flask-SQLAlchemy takes others, and other extensions have no engines."""
    environment(tmp_path, "context.configure(connection=connection)")
    app = app_with("sqlite://")
    extension = app.extensions["migrate"]
    extension.db = SimpleNamespace(engines={None: SimpleNamespace(url=make_url("oracle://h/x"))})
    with pytest.raises(BadDatabase, match=r"the app's database is of a kind .*: oracle") as caught:
        own(app, tmp_path)
    assert "--no-database" in caught.value.remedy
    extension.db = SimpleNamespace()
    with pytest.raises(BadDatabase, match="the app's databases cannot be found: AttributeError"):
        own(app, tmp_path)


def test_the_apps_own_way_to_connect(tmp_path: Path, postgresql: str) -> None:
    environment(tmp_path)
    sql(postgresql, "CREATE SCHEMA inner_one")
    stamp(postgresql, "a", table="inner_one.alembic_version")
    path = "options=-c%20search_path=inner_one"
    app = app_with("sqlite://", {"given": f"{postgresql}?{path}", "listened": postgresql})
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engines["listened"]

        @event.listens_for(engine, "connect")
        def set_path(connection: Any, _: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET search_path = inner_one")
            connection.commit()

    memory, *others = own(app, tmp_path)
    assert memory.state is EMPTY
    assert [status.rows for status in others] == [("a",), ("a",)]


def test_the_apps_connections_come_back_as_they_were(postgresql: str) -> None:
    stamp(postgresql, "a")
    engine = create_engine(postgresql, pool_size=1, max_overflow=0)
    assert look(target(postgresql, engine=engine))[0].rows == ("a",)
    with engine.connect() as connection, connection.begin():
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
        connection.exec_driver_sql("DELETE FROM alembic_version")
    engine.dispose()


def test_an_asynchronous_engine(database_url: str) -> None:
    stamp(database_url, "a")
    url = make_url(database_url)
    driver = {"postgresql": "asyncpg", "mysql": "aiomysql"}.get(url.get_backend_name(), "aiosqlite")
    url = url.set(drivername=f"{url.get_backend_name()}+{driver}")
    if driver == "asyncpg":  # the only one whose engine can be made without the driver
        module = ModuleType("asyncpg")
        module.paramstyle = "pyformat"  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SQLAlchemy 1.4 wants its own pool
            engine = create_engine(url, module=module)
        assert engine.dialect.is_async
        assert look(target(url, engine=engine))[0].rows == ("a",)
    assert look(target(url))[0].rows == ("a",)


def test_alembics_configuration_without_an_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = "databases = one, two\n[one]\nsqlalchemy.url = sqlite:///one.db\n[two]\nsqlalchemy.url ="
    runtime = runtime_of(tmp_path, monkeypatch, "", f"{ini} sqlite:///two.db\n")
    targets = own_targets(runtime)
    assert [item.name for item in targets] == ["sqlite:///one.db", "sqlite:///two.db"]
    assert all(item.own for item in targets)
    assert targets[0].identity == target(f"sqlite:///{tmp_path / 'one.db'}").identity


@pytest.mark.parametrize(
    "ini", ["", "sqlalchemy.url = driver://user:pass@localhost/dbname\n", "sqlalchemy.url = %(x)s"]
)
def test_no_configured_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ini: str) -> None:
    environment(tmp_path, "", ini)
    monkeypatch.chdir(tmp_path)
    assert own_targets(open_directory("migrations")) == ()


# --- The version table's name --------------------------------------------------------------------

NAMED = [
    ("context.configure(version_table='v', version_table_schema='s')", "v", "s"),
    ("context.configure(url=url)\ncontext.configure(version_table='v')", "v", None),
    ("NAME: str = 'v'\ndef run():\n    context.configure(version_table=NAME)", "v", None),
    ("from x import *\nNAME = 'v'\ncontext.configure(version_table=NAME)", "v", None),
    ("options = {'version_table': 'v', **more}\ncontext.configure(**options)", "v", None),
    ("conf_args['version_table_schema'] = 's'\n", "alembic_version", "s"),
    ("context.configure(version_table_schema=None)", "alembic_version", None),
    ("raise RuntimeError('env.py was run')", "alembic_version", None),
]
COMPUTED = [
    "context.configure(version_table=get_name())",
    "NAME = 'v'\nNAME += 'w'\ncontext.configure(version_table=NAME)",
    "for NAME in ['v']:\n    context.configure(version_table=NAME)",
    "NAME = 'v'\ndef run(NAME):\n    context.configure(version_table=NAME)",
    "NAME = 'v'\nfrom settings import NAME\ncontext.configure(version_table=NAME)",
    "NAME = 'v'\nfrom settings import *\ncontext.configure(version_table=NAME)",
    "context.configure(version_table='v')\ncontext.configure(version_table='w')",
    "conf_args.setdefault('version_table', 'v')",
    "context.configure(version_table=config.get_main_option('version_table'))",
    "context.configure(version_table=5)",
]


@pytest.mark.parametrize(("env_py", "table", "schema"), NAMED)
def test_what_env_py_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env_py: str, table: str, schema: str | None
) -> None:
    runtime = runtime_of(tmp_path, monkeypatch, env_py)
    (found,) = targets_from(runtime, ["postgresql+psycopg2://u:s3cret@host/app"], None)
    assert (found.version_table, found.schema) == (table, schema)
    assert found.name == "postgresql+psycopg2://u:***@host/app" + (
        f", schema {schema}" if schema else ""
    )


@pytest.mark.parametrize("env_py", COMPUTED)
def test_what_only_running_env_py_would_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env_py: str
) -> None:
    runtime = runtime_of(tmp_path, monkeypatch, env_py, "sqlalchemy.url = sqlite:///x.db\n")
    with pytest.raises(BadConfiguration, match=r"env\.py") as caught:
        own_targets(runtime)
    assert "version_table = NAME" in caught.value.remedy
    # Without a database nobody needs it.
    assert targets_from(runtime, [], None) == ()
    Path("alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    assert own_targets(open_config("alembic.ini")) == ()


def test_settings_win_over_env_py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_py = "context.configure(version_table=name(), version_table_schema=schema())"
    ini = "[fixchain]\nversion_table = v\nversion_table_schema = s\n"
    runtime = runtime_of(tmp_path, monkeypatch, env_py, ini)
    (found,) = targets_from(runtime, ["sqlite:///x.db"], None)
    assert (found.version_table, found.schema) == ("v", "s")


@pytest.mark.skipif(not hasattr(Config, "toml_file_name"), reason="Alembic before 1.16")
def test_settings_of_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path)
    monkeypatch.chdir(tmp_path)
    os.remove("alembic.ini")
    sections = '[tool.alembic]\nscript_location = "migrations"\n[tool.fixchain]\n'
    Path("pyproject.toml").write_text(f'{sections}version_table = "v"\n')
    (found,) = targets_from(open_config("pyproject.toml"), ["sqlite:///x.db"], None)
    assert found.version_table == "v"


def test_a_setting_with_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfiguration, match="version_table"):
        runtime_of(tmp_path, monkeypatch, "", "[fixchain]\nversion_table = v, w\n")


# --- Databases that are given --------------------------------------------------------------------


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    return runtime_of(tmp_path, monkeypatch)


def test_a_file_with_urls_and_variables(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND_URL", "mysql+pymysql://u:s3cret@host/app")
    Path("list").write_text("\n# ours\nsqlite:///one.db\n  SECOND_URL  \n")
    found = targets_from(runtime, ["sqlite:///./one.db"], "list")
    assert [item.name for item in found] == [
        "sqlite:///./one.db",
        "mysql+pymysql://u:***@host/app",
    ]
    assert not any(item.own for item in found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql+psycopg2://u:x@h/app", "postgresql+psycopg2://u:y@h:5432/app"),
        ("postgresql+asyncpg://u:x@h/app", "postgresql+psycopg2://u@h/app"),
        ("mysql+pymysql://u@host:3306/app", "mariadb+pymysql://u@host/app"),
    ],
)
def test_one_database_written_in_two_ways(runtime: Runtime, one: str, other: str) -> None:
    (found,) = targets_from(runtime, [one, other], None)
    assert not found.url.get_dialect().is_async
    assert "x" not in found.identity.partition("@")[0]


def test_files_without_numbers_are_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network drives."""
    found = {each: target(f"sqlite:///{tmp_path / each}") for each in ("one.db", "other.db")}
    stamped = [DatabaseStatus(name, name, STAMPED, ("a",)) for name in found]
    for number, twice in ((7, {"other.db": found["one.db"].identity}), (0, {})):
        file = SimpleNamespace(st_dev=1, st_ino=number)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "stat", lambda _, file=file: file)
            assert read_twice(found, stamped) == twice


@pytest.mark.parametrize(
    ("hosts", "left_out"), [("aa", 1), ("ab", 0), ("aba", 1), ("abb", 1), ("abab", 2)]
)
def test_servers_of_one_name_are_told_apart_by_their_locks(
    monkeypatch: pytest.MonkeyPatch, hosts: str, left_out: int
) -> None:
    """As MySQL on copies of one machine: even the dates of the tables are the same."""
    held: set[tuple[str | None, str]] = set()

    @contextmanager
    def reading(place: Target) -> Iterator[SimpleNamespace]:
        def execute(query: object, parameters: Any = None) -> SimpleNamespace:
            host = place.url.host
            if "GET_LOCK" in str(query):
                held.add((host, parameters["lock"]))
            if "IS_USED_LOCK" in str(query):
                is_held = (host, parameters["lock"]) in held
                return SimpleNamespace(scalar=lambda: 7 if is_held else None)
            return SimpleNamespace(one=lambda: ("machine", 3306, "app"))

        yield SimpleNamespace(execute=execute)

    monkeypatch.setattr(connecting, "reading", reading)
    urls = (f"mysql+pymysql://u{number}@{host}/app" for number, host in enumerate(hosts))
    found = {each.identity: each for each in map(target, urls)}
    stamped = [DatabaseStatus(each.name, name, STAMPED, ("a",)) for name, each in found.items()]
    twice = read_twice(found, stamped)
    assert len(twice) == left_out
    assert all(found[one].url.host == found[other].url.host for one, other in twice.items())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url at all", "is not the URL of a database"),
        ("postgres://u:s3cret-word@host/app", "write postgresql: instead of postgres:"),
        ("oracle://u:s3cret-word@host/app", "oracle is not a kind of database"),
        ("postgresql://u:s3cret-word@host:port/app", "is not the URL of a database"),
        ("mysql+mysqlconnector://u:s3cret-word@host/app", "pip install mysql-connector-python"),
        ("postgresql+nothing://u:s3cret-word@host/app", "SQLAlchemy does not know"),
    ],
)
def test_what_is_no_database(runtime: Runtime, url: str, words: str) -> None:
    Path("list").write_text(f"\n{url}\n")
    for urls, file in ((url,), None), ((), "list"):
        with pytest.raises(BadDatabase) as caught:
            targets_from(runtime, urls, file)
        said = f"{caught.value.message} | {caught.value.remedy}"
        assert words in said
        assert "s3cret" not in said
        assert ("list:2: " if file else "--database: ") in said


def test_files_that_name_no_database(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("empty").write_text("# nothing\n")
    Path("bytes").write_bytes(b"\xff\xfe\x00")
    Path("unset").write_text("\nNOT_SET_ANYWHERE\n")
    Path("lower").write_text("not_set_anywhere\n")
    Path("hollow").write_text("EMPTY_ONE\n")
    monkeypatch.setenv("EMPTY_ONE", "")
    for file, words in {
        "missing": "missing cannot be read: No such file",
        "bytes": "bytes cannot be read: it is not UTF-8 text",
        "empty": "empty names no database",
        "unset": "unset:2: there is no environment variable NOT_SET_ANYWHERE",
        "lower": "lower:1: there is no environment variable with the name given there",
        "hollow": "hollow:1: there is no environment variable EMPTY_ONE",
    }.items():
        with pytest.raises(BadDatabase) as caught:
            targets_from(runtime, [], file)
        assert words in caught.value.message


def test_schemas_by_pattern(runtime: Runtime, server_url: str) -> None:
    postgresql = server_url.startswith("postgresql")
    # On MariaDB they are databases, which the server has for everybody.
    stem = f"{make_url(server_url).database}_t"
    names = [f"{stem}_1", f"{stem}_2", f"{stem}_other"]
    kind = "SCHEMA" if postgresql else "DATABASE"
    sql(server_url, *(f"CREATE {kind} {name}" for name in names))
    try:
        for name in names[:2]:
            stamp(server_url, name[-2:], table=f"{name}.alembic_version")
        found = in_schemas(targets_from(runtime, [server_url], None, in_schemas=True), f"{stem}_*")
        assert [item.schema for item in found] == names[:2]
        assert found[0].name.endswith(f", schema {names[0]}")
        assert in_schemas(found, f"{stem}_2")[0].name == found[1].name
        assert [status.rows for status in look(*found)] == [("_1",), ("_2",)]
        with pytest.raises(BadDatabase, match="no schema with a version table matches 'nothing_"):
            in_schemas(found, "nothing_*")
    finally:
        cascade = " CASCADE" if postgresql else ""
        sql(server_url, *(f"DROP {kind} {name}{cascade}" for name in names))


def test_schemas_where_there_can_be_none(runtime: Runtime) -> None:
    with pytest.raises(BadDatabase, match="SQLite") as caught:
        in_schemas(targets_from(runtime, ["sqlite:///x.db"], None), "*")
    assert "leave --schemas out" in caught.value.remedy


@pytest.mark.nightly
@pytest.mark.usefixtures("impatient")
def test_schemas_of_a_silent_server(runtime: Runtime) -> None:
    """It stays as it is, and whoever reads it is told."""
    with silent_server() as port:
        url = f"mysql+pymysql://u@127.0.0.1:{port}/app"
        (target,) = in_schemas(targets_from(runtime, [url], None, in_schemas=True), "*")
    assert target.schema is None


def test_a_schema_that_env_py_computes_does_not_matter_with_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: str
) -> None:
    runtime = runtime_of(tmp_path, monkeypatch, "context.configure(version_table_schema=tenant)")
    stamp(postgresql, "a")
    (found,) = in_schemas(targets_from(runtime, [postgresql], None, in_schemas=True), "pub*")
    assert found.schema == "public"
    with pytest.raises(BadConfiguration) as stopped:
        targets_from(runtime, [postgresql], None)
    assert "check --schemas '*'" in stopped.value.remedy
