"""Scratch databases: made under a name of their own, dropped whatever happens, never the app's."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from flask_chainfix.common.errors import NoScratchDatabase, ScratchLeftBehind
from flask_chainfix.databases.drivers import missing_driver, usable, without_driver
from flask_chainfix.environment.messages import masked
from flask_chainfix.rehearsal import scratch as module
from flask_chainfix.rehearsal.child.confinement import confine
from flask_chainfix.rehearsal.child.failures import ForeignConnection
from flask_chainfix.rehearsal.scratch import Scratch, scratch_databases
from tests.databases import SERVERS, new_database
from tests.nightly import by_day_on, first_of

PSYCOPG2 = "postgresql+psycopg2"
PASSWORD = "s3cret%40Word"


@pytest.fixture(params=SERVERS, scope="module")
def server_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a database that stands for the app's own, on each server in turn.

    No test changes it.
    """
    with new_database(request.param, tmp_path_factory.mktemp("own")) as url:
        yield url


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which temporary files are made."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def run(url: str, *statements: str) -> list[str]:
    """Run SQL; the first column of the last result."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    found: list[str] = []
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            found = [str(row[0]) for row in result] if result.returns_rows else []
    return found


def names_on(url: str) -> set[str]:
    """The databases that a server has."""
    postgresql = url.startswith("postgresql")
    return set(run(url, "SELECT datname FROM pg_database" if postgresql else "SHOW DATABASES"))


def names_of(scratch: Scratch) -> set[str]:
    return {str(url.database) for url in scratch.urls.values()}


def tables(scratch: Scratch, bind: str = "") -> list[str]:
    engine = create_engine(scratch.urls[bind], poolclass=NullPool)
    return inspect(engine).get_table_names()


def fill(scratch: Scratch, bind: str = "") -> None:
    url = scratch.urls[bind].render_as_string(hide_password=False)
    run(url, "CREATE TABLE t (id INTEGER)")


# --- SQLite --------------------------------------------------------------------------------------


def test_a_temporary_file_is_the_default(temporary: Path) -> None:
    with scratch_databases(None, [""]) as scratch:
        assert tables(scratch) == []
        fill(scratch)
        (path,) = names_of(scratch)
        assert temporary in Path(path).parents
        assert scratch.dialect == "sqlite"
        assert scratch.shown == "a temporary SQLite file"
    assert list(temporary.iterdir()) == []


def test_each_bind_has_a_file_of_its_own(temporary: Path) -> None:
    with scratch_databases(None, ["", "users", "logs"]) as scratch:
        fill(scratch, "users")
        assert tables(scratch) == tables(scratch, "logs") == []
        assert len(names_of(scratch)) == 3
    assert list(temporary.iterdir()) == []


def test_a_new_file_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    with scratch_databases(f"sqlite:///{file}", [""]) as scratch:
        fill(scratch)
        assert file.stat().st_size > 0
        Path(f"{file}-wal").touch()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"something"])
def test_a_file_that_is_there_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "app.db"
    file.write_bytes(content)
    with pytest.raises(NoScratchDatabase, match="already exists") as caught:
        enter(f"sqlite:///{file}")
    assert "does not exist yet" in caught.value.remedy
    assert file.read_bytes() == content


def test_the_first_files_go_when_the_last_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "new_users.db").touch()
    with pytest.raises(NoScratchDatabase):
        enter(f"sqlite:///{tmp_path / 'new.db'}", "", "users")
    assert [path.name for path in tmp_path.iterdir()] == ["new_users.db"]


def test_a_file_in_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoScratchDatabase, match="No such file or directory"):
        enter(f"sqlite:///{tmp_path / 'nowhere' / 'new.db'}")


def test_a_full_disk_is_said_to_be_full(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_file = os.open

    def full(path: str, flags: int, *args: int, **options: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return open_file(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(NoScratchDatabase, match="No space left on device") as caught:
        enter(None)
    assert "make room" in caught.value.remedy
    assert list(temporary.iterdir()) == []


def test_a_kept_file_stays(temporary: Path) -> None:
    with scratch_databases(None, [""], keep=True) as scratch:
        fill(scratch)
    assert tables(scratch) == ["t"]
    assert scratch.masked_urls == (f"sqlite:///{next(temporary.iterdir())}/rehearsal.db",)


# --- Servers -------------------------------------------------------------------------------------


def test_a_server_gets_a_database_of_a_new_name(server_url: str) -> None:
    with scratch_databases(server_url, ["", "users"]) as scratch:
        assert len(names_of(scratch)) == 2
        assert all(name.startswith("fixchain_rehearsal_") for name in names_of(scratch))
        assert names_of(scratch) <= names_on(server_url)
        fill(scratch, "users")
        assert tables(scratch) == []
        assert scratch.dialect == ("mariadb" if "mysql" in server_url else "postgresql")
        with scratch_databases(server_url, [""]) as other:
            assert not names_of(scratch) & names_of(other)
    assert not names_of(scratch) & names_on(server_url)
    assert make_url(server_url).database in names_on(server_url)


def test_the_database_of_the_url_is_not_connected_to(server_url: str) -> None:
    targets = []

    def note(dialect: object, record: object, arguments: object, options: dict[str, str]) -> None:
        targets.append(options.get("dbname") or options.get("database") or options.get("db"))

    own = make_url(server_url)
    event.listen(Engine, "do_connect", note)
    try:
        # Drivers obey the query, too, and there the name would win.
        key = "dbname" if own.get_backend_name() == "postgresql" else "database"
        url = own.update_query_dict({key: str(own.database)})
        with scratch_databases(url.render_as_string(hide_password=False), [""]) as scratch:
            fill(scratch)
    finally:
        event.remove(Engine, "do_connect", note)
    assert targets
    assert own.database not in targets
    assert set(targets) <= {"postgres", "information_schema", *names_of(scratch)}


@pytest.mark.parametrize(
    ("ending", "keep"),
    first_of([(KeyboardInterrupt, False), (ValueError, True), (SystemExit, True)]),
)
def test_it_is_dropped_whatever_happens(
    server_url: str, ending: type[BaseException], keep: bool
) -> None:
    seen = []

    def fail() -> None:
        with scratch_databases(server_url, ["", "x"], keep=keep) as scratch:
            seen.append(scratch)
            fill(scratch)
            raise ending

    with pytest.raises(ending):
        fail()
    assert not names_of(seen[0]) & names_on(server_url)


@pytest.mark.parametrize("server_url", by_day_on("mariadb", of=SERVERS), indirect=True)
def test_an_impatient_ctrl_c_leaves_nothing(server_url: str) -> None:
    def again(*args: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    databases = scratch_databases(server_url, [""])
    scratch = databases.__enter__()
    event.listen(Engine, "before_execute", again)
    try:
        with pytest.raises(KeyboardInterrupt):  # once all is dropped
            databases.__exit__(None, None, None)
    finally:
        event.remove(Engine, "before_execute", again)
    assert not names_of(scratch) & names_on(server_url)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_connection_that_is_at_work_does_not_stop_the_dropping(server_url: str) -> None:
    with scratch_databases(server_url, [""]) as scratch:
        fill(scratch)
        engine = create_engine(scratch.urls[""], poolclass=NullPool)
        connection = engine.connect()
        connection.execute(text("SELECT * FROM t"))  # holds a lock until its transaction ends
    assert not names_of(scratch) & names_on(server_url)
    connection.invalidate()
    connection.close()


def test_a_kept_database_stays(server_url: str) -> None:
    with scratch_databases(server_url, [""], keep=True) as scratch:
        fill(scratch)
    try:
        assert tables(scratch) == ["t"]
        assert names_of(scratch) <= {str(make_url(url).database) for url in scratch.masked_urls}
    finally:
        run(server_url, *(f"DROP DATABASE {name}" for name in names_of(scratch)))


@pytest.mark.parametrize("server_url", by_day_on("mariadb", of=SERVERS), indirect=True)
def test_what_cannot_be_dropped_is_named(server_url: str) -> None:
    databases = scratch_databases(server_url, [""])
    (name,) = names_of(databases.__enter__())
    event.listen(Engine, "before_cursor_execute", refuse_drop)
    with pytest.raises(ScratchLeftBehind, match="could not be dropped") as caught:
        databases.__exit__(None, None, None)
    event.remove(Engine, "before_cursor_execute", refuse_drop)
    run(server_url, f"DROP DATABASE {name}")
    assert name in caught.value.message


def refuse_drop(connection: object, cursor: object, statement: str, *args: object) -> None:
    if statement.startswith("DROP DATABASE"):
        raise OSError("the server has gone away")


# --- What can be wrong with a URL ----------------------------------------------------------------


def enter(url: str | None, *binds: str) -> None:
    with scratch_databases(url, binds or [""]):
        pytest.fail("there is a scratch database")


@contextmanager
def nobody_listens() -> Iterator[int]:
    with socket.socket() as taken:  # bound, and not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "mysql+pymysql"])
def test_a_server_that_is_down(scheme: str) -> None:
    with nobody_listens() as port, pytest.raises(NoScratchDatabase) as caught:
        enter(f"{scheme}://user:{PASSWORD}@127.0.0.1:{port}/app")
    assert "cannot connect to" in caught.value.message
    assert "refused" in caught.value.message
    assert "start the server" in caught.value.remedy
    assert_masked(caught.value)


@pytest.mark.parametrize("scheme", first_of(["postgresql+psycopg2", "mysql+pymysql"]))
def test_a_server_that_does_not_answer(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(NoScratchDatabase):
        enter(f"{scheme}://user@127.0.0.1:{server.getsockname()[1]}/app")


def test_a_wrong_password(tmp_path: Path) -> None:
    with new_database("mariadb", tmp_path) as url:
        user = f"u{uuid4().hex[:12]}"
        run(url, f"CREATE USER {user}@'%' IDENTIFIED BY 'right'")
        try:
            wrong = make_url(url).set(username=user, password="s3cret@Word")
            with pytest.raises(NoScratchDatabase, match="Access denied for user") as caught:
                enter(wrong.render_as_string(hide_password=False))
        finally:
            run(url, f"DROP USER {user}@'%'")
    assert "correct the user and the password" in caught.value.remedy
    assert_masked(caught.value)


@pytest.mark.parametrize("kind", SERVERS)
def test_no_right_to_create_databases(kind: str, tmp_path: Path) -> None:
    with new_database(kind, tmp_path) as url:
        user = f"u{uuid4().hex[:12]}"
        postgresql = kind == "postgresql"
        run(url, f"CREATE ROLE {user} LOGIN" if postgresql else f"CREATE USER {user}@'%'")
        try:
            with pytest.raises(NoScratchDatabase, match="cannot create a database") as caught:
                enter(make_url(url).set(username=user).render_as_string())
        finally:
            run(url, f"DROP ROLE {user}" if postgresql else f"DROP USER {user}@'%'")
    assert "give the user the right to create databases" in caught.value.remedy


@pytest.mark.parametrize(
    ("url", "message", "remedy"),
    [
        ("nonsense", "is not the URL of a database", "postgresql://"),
        (f"//user:{PASSWORD}@host", "is not the URL of a database", "postgresql://"),
        ("postgresql://host:port/app", "is not the URL of a database", "postgresql://"),
        ("oracle://host/app", "oracle is not a kind of database", "MariaDB"),
        (
            "postgres://host/app",
            "postgres is not a kind of database",
            "postgresql: instead of postgres:",
        ),
        ("postgresql+nothing://host/app", "does not know postgresql+nothing", "psycopg2"),
        ("mysql+mysqlconnector://host/app", "driver mysql is not installed", "mysql+pymysql"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, message: str, remedy: str) -> None:
    with pytest.raises(NoScratchDatabase) as caught:
        enter(url)
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert_masked(caught.value)


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)  # what importing it says is the same
    with pytest.raises(NoScratchDatabase, match="psycopg2 is not installed") as caught:
        enter("postgresql+psycopg2://host/app")
    assert "install it: `pip install psycopg2-binary`" in caught.value.remedy
    # What is not there is no way out.
    assert "postgresql+psycopg2://" not in caught.value.remedy


def test_what_is_installed_is_used_and_never_advised_to_be_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert usable(make_url("postgresql://u@h/d")).drivername in ("postgresql", PSYCOPG2)
    create_engine(usable(make_url("postgresql://u@h/d")))
    error = ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
    assert missing_driver(error) == "psycopg"
    message, remedy = without_driver("psycopg", make_url("postgresql+psycopg://u@h/d"))
    assert message == "the driver psycopg is not installed"
    first, second = remedy.ways
    assert (first.commands, f"{PSYCOPG2}://" in first.text) == ((), True)
    assert second.commands == ("pip install 'psycopg[binary]'",)
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    (only,) = without_driver("psycopg", make_url("postgresql+psycopg://u@h/d"))[1].ways
    assert only == second


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("postgresql+asyncpg://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("mysql+asyncmy://u@h/d", "mysql+pymysql://u@h/d"),
        ("sqlite+aiosqlite:///d", "sqlite:///d"),
        ("mysql+pymysql://u@h/d", "mysql+pymysql://u@h/d"),
        # SQLAlchemy's own choice is another one, which is not installed here.
        ("mysql://u@h/d", "mysql+pymysql://u@h/d"),
        ("mariadb://u@h/d", "mariadb+pymysql://u@h/d"),
    ],
)
def test_our_own_connections_are_synchronous(url: str, own: str) -> None:
    assert usable(make_url(url)).render_as_string() == own


# --- A process that may use its own databases only ------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "other"),
    [
        ("postgresql+psycopg2://app:pw@db1/app", "postgresql+psycopg2://app:pw@db1/other"),
        ("postgresql+psycopg2://app:pw@db1/app", "postgresql+psycopg2:///app"),
        ("postgresql+psycopg2://app:pw@db1/app", "postgresql+psycopg2://app:pw@db2/app"),
        ("postgresql+psycopg2://app:pw@db1/app", "postgresql+psycopg2://app:pw@db1:5433/app"),
        ("postgresql+psycopg2:///app?host=/run/one", "postgresql+psycopg2:///app?host=/run/two"),
        ("mysql+pymysql://app:pw@db1/app", "mysql+pymysql://app:pw@db1/other"),
        ("mysql+pymysql://app@db1/app", "mysql+pymysql://app@/app?unix_socket=/run/other"),
        ("mysql+pymysql://app:pw@db1/app", "postgresql+psycopg2://app:pw@db1/app"),
        ("sqlite:////tmp/db1/app", "sqlite:////tmp/db2/app"),
        ("postgresql+psycopg2://db1//tmp/app", "sqlite:////tmp/app"),
    ],
)
def test_no_other_database_is_taken_for_an_allowed_one(allowed: str, other: str) -> None:
    lift = confine({"": make_url(allowed)})
    try:
        with pytest.raises(ForeignConnection):
            create_engine(other, poolclass=NullPool).connect()
    finally:
        lift()


@pytest.mark.parametrize("place", [{"host": "/nowhere"}, {"host": "127.0.0.9"}])
def test_a_url_without_a_server_leaves_it_to_the_arguments(place: dict[str, str]) -> None:
    """As apps give the socket of a managed database, which is then tried."""
    url = "postgresql+psycopg2:///app"
    lift = confine({"": make_url(url)})
    try:
        with pytest.raises(OperationalError):
            create_engine(url, poolclass=NullPool, connect_args=place).connect()
    finally:
        lift()


def test_an_allowed_database_may_be_spelled_in_another_way(database_url: str) -> None:
    url = make_url(database_url)
    ports = {"postgresql": 5432, "mysql": 3306}
    if url.get_backend_name() == "sqlite":
        spelled = url.set(database=os.path.relpath(str(url.database)))
    else:
        spelled = url.set(port=None if url.port else ports[url.get_backend_name()])
    lift = confine({"": url})
    try:
        for each in (url, spelled):
            create_engine(each, poolclass=NullPool).connect().close()
    finally:
        lift()


# --- Passwords -----------------------------------------------------------------------------------


def assert_masked(error: NoScratchDatabase) -> None:
    for secret in (PASSWORD, "s3cret@Word"):
        assert secret not in f"{error.message} {error.remedy}"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("at postgresql://user:pass@host/x", "at postgresql://user:***@host/x"),
        ("at mysql://user:p@ss:w@host/x", "at mysql://user:***@host/x"),
        ("no password s3cret@Word here", "no password *** here"),
        ("quoted s3cret%40Word here", "quoted *** here"),
        ("a short one (ab) among abbots", "a short one (***) among abbots"),
        ("//user:a/b@host", "//user:***@host"),
        ("https://host/a@b", "https://host/a@b"),
        ("mysql://u@h/?passwd=hidden&x=1", "mysql://u@h/?passwd=***&x=***"),
        ("postgresql://u@h/x?password=hidden", "postgresql://u@h/x?password=***"),
    ],
)
def test_passwords_are_masked(said: str, shown: str) -> None:
    assert masked(said, ["s3cret@Word", "ab", ""]) == shown
