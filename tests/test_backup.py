"""Backups: whole, private, consistent, restored by the command that is shown; or nothing at all."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.databases import backup as backups
from flask_chainfix.databases.backup import sqlite as sqlite_module
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Backup
from tests.commands import environment, fixchain, flask, run
from tests.databases import KINDS, SERVERS, new_database
from tests.nightly import first_of
from tests.stamped import Again

PASSWORD = "s3cret@W\"o'r\\d#%;"
Step = tuple[int, int, str]


def quietly(done: int, total: int, what: str) -> None:
    """No progress."""


def back_up(
    url: str | URL, directory: Path, progress: Callable[[int, int, str], None] = quietly
) -> Backup:
    if isinstance(url, URL):
        return backups.back_up(Target(url.render_as_string(), url), directory, progress)
    (source,) = backups.sources([url], of_app=False)
    return backups.back_up(source, directory, progress)


def refused(url: str | URL, directory: Path, message: str, remedy: str) -> CannotBackUp:
    """Fail to back up, and leave nothing behind."""
    there = sorted(directory.rglob("*")) if directory.is_dir() else None
    with pytest.raises(CannotBackUp) as caught:
        back_up(url, directory)
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert "s3cret" not in f"{caught.value.message} {caught.value.remedy}"
    assert (sorted(directory.rglob("*")) if directory.is_dir() else None) == there
    return caught.value


def execute(url: str | URL, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement.replace(":", "\\:")))


def contents(url: str | URL) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table and view."""
    engine = create_engine(url, poolclass=NullPool)
    quote = engine.dialect.identifier_preparer.quote_identifier
    looked_at = inspect(engine)
    with engine.connect() as connection:
        return {
            name: sorted(
                (
                    tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                    for row in connection.execute(text(f"SELECT * FROM {quote(name)}"))
                ),
                key=repr,
            )
            for name in [*looked_at.get_table_names(), *looked_at.get_view_names()]
        }


def restore(command: str, cwd: Path) -> None:
    """Type the command that was shown."""
    done = subprocess.run(["sh", "-c", command], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for backups that is not there yet, below the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "kept" / "backups"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts programs of our own before the real ones on PATH: a name, and a shell script."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join((str(place), os.environ["PATH"])))

    def put(name: str, script: str) -> None:
        (place / name).write_text(f"#!/bin/sh\n{script}\n")
        (place / name).chmod(0o755)

    return put


# --- The file ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite database with two tables of 300 rows in all."""
    path = tmp_path / "the app.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript("CREATE TABLE 'a \"b' (x); CREATE TABLE c (x, y)")
        database.executemany("INSERT INTO 'a \"b' VALUES (?)", [("x" * 999,)] * 200)
        database.executemany("INSERT INTO c VALUES (?, ?)", [(1, b"\0'")] * 100)
    return path


def test_the_copy_is_private_and_has_a_checksum(file: Path, to: Path) -> None:
    backup = back_up(f"sqlite:///{file}", to)
    assert backup.path.parent == to
    assert backup.path.name.startswith("the_app-")
    assert backup.path.suffix == ".db"
    checksum = to / f"{backup.path.name}.sha256"
    assert sorted(to.iterdir()) == [to / ".gitignore", backup.path, checksum]
    assert (to / ".gitignore").read_text() == "*\n"
    data = backup.path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (backup.size, backup.sha256)
    assert backup.tables == 2
    assert contents(f"sqlite:///{backup.path}") == contents(f"sqlite:///{file}")
    modes = [path.stat().st_mode & 0o777 for path in (to.parent, to, backup.path, checksum)]
    assert modes == [0o700, 0o700, 0o600, 0o600]
    if shutil.which("sha256sum"):
        assert run("sha256sum", "-c", checksum.name, cwd=to).exit_code == 0


def test_no_backup_takes_the_place_of_another(file: Path, to: Path) -> None:
    made = [back_up(f"sqlite:///{file}", to) for _ in range(4)]
    assert len({backup.path for backup in made}) == 4
    assert len(list(to.glob("the_app-*"))) == 8


def test_a_file_that_is_in_the_way_stays(
    file: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = back_up(f"sqlite:///{file}", to)
    stem = first.path.name.removesuffix(".db")

    class Then(datetime):
        @classmethod
        def now(cls, *args: Any) -> Then:
            return cls.strptime(stem[-16:], "%Y%m%dT%H%M%SZ")

    monkeypatch.setattr(backups, "datetime", Then)
    (to / f"{stem}-2.db.sha256").write_text("somebody's")
    (to / f"{stem}-3.db.part").write_text("somebody's")
    assert back_up(f"sqlite:///{file}", to).path.name == f"{stem}-4.db"
    assert (to / f"{stem}-2.db.sha256").read_text() == "somebody's"
    assert (to / f"{stem}-3.db.part").read_text() == "somebody's"
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == first.sha256


def test_what_a_killed_backup_has_left_is_named(file: Path, to: Path) -> None:
    to.mkdir(parents=True)
    (to / "it's-20200102T030405Z-2.dump.part").touch()
    (to / "notes.part").touch()
    done = fixchain(
        "backup", "--to", str(to), "--database", f"sqlite:///{file}", "--format", "json"
    )
    (notice,) = json.loads(done.stdout)["notices"]
    words = shlex.split(notice.split("`")[1])
    assert [Path(word).name for word in words] == ["rm", "--", "it's-20200102T030405Z-2.dump.part"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere/backups"])
def test_a_directory_that_cannot_be_one(file: Path, to: Path, place: str) -> None:
    Path("file").write_text("mine")
    refused(f"sqlite:///{file}", Path(place), f"no backup can be written to {place}", "--to")
    assert Path("file").read_text() == "mine"


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do anything")
def test_a_directory_without_rights(file: Path, to: Path) -> None:
    to.mkdir(parents=True)
    to.chmod(0o500)
    refused(f"sqlite:///{file}", to, "Permission denied", "that you may write to")


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_nothing(kind: str, to: Path, file: Path) -> None:
    """The system's limit for a file's size stands for the end of a disk."""
    with new_database(kind, file.parent) as url:
        execute(url, "CREATE TABLE t (x TEXT)")
        execute(url, *(f"INSERT INTO t VALUES ('{os.urandom(30_000).hex()}')",) * 2)
        command = f"ulimit -f 40; exec fixchain backup --database '{url}' --to '{to}'"
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        env = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        done = run("sh", "-c", command, cwd=to.parent.parent, env=env)
    assert done.exit_code == 3
    assert "error: " in done.stderr
    assert "remedy: make room" in done.stderr
    assert not to.parent.exists()


def test_progress_is_told_in_bytes(file: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "_PAGES", 10)
    steps: list[Step] = []
    backup = back_up(f"sqlite:///{file}", to, lambda *step: steps.append(step))
    copying = [step for step in steps if step[2].startswith("copying")]
    assert len(copying) > 5
    assert [done for done, _, _ in copying] == sorted(done for done, _, _ in copying)
    assert {total for _, total, _ in copying} == {backup.size}
    assert copying[-1][0] == backup.size
    assert steps[-1][2] == f"reading back {backup.name}"


# --- SQLite --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_sqlite_is_restored_by_the_command(file: Path, to: Path, mode: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode = {mode}")
    url = f"sqlite:///{file}"
    before, beside = file.read_bytes(), sorted(file.parent.iterdir())
    backup = back_up(url, to)
    assert file.read_bytes() == before
    assert sorted(file.parent.iterdir()) == sorted([*beside, to.parent])
    then = contents(url)
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript("DROP TABLE c; CREATE TABLE d (x); INSERT INTO d VALUES (1)")
    for suffix in ("-journal", "-wal"):  # of an app that was killed
        Path(f"{file}{suffix}").write_bytes(b"stale")
    restore(backup.restore, file.parent)
    assert contents(url) == then
    assert "'kept" not in backup.restore  # as a user would type it
    assert str(to) not in backup.restore


def test_wal_holds_the_newest_rows_and_writers_go_on(
    file: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_PAGES", 10)
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as app:
        app.execute("PRAGMA journal_mode = wal")
        app.execute("PRAGMA wal_autocheckpoint = 0")
        app.execute("INSERT INTO c VALUES (2, 2)")

        def write(*step: object) -> None:
            app.execute("INSERT INTO c VALUES (3, 3)")  # would raise if it had to wait

        backup = back_up(f"sqlite:///{file}", to, write)
        rows = contents(f"sqlite:///{backup.path}")["c"]
        assert (2, 2) in rows
        assert (3, 3) not in rows
        assert (3, 3) in contents(f"sqlite:///{file}")["c"]


def test_writers_wait_where_there_is_no_wal(
    file: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_PAGES", 10)
    before, waited = contents(f"sqlite:///{file}"), 0
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as app:

        def write(*step: object) -> None:
            nonlocal waited
            with suppress(sqlite3.OperationalError):
                app.execute("INSERT INTO c VALUES (5, 5)")
                return
            waited += 1

        backup = back_up(f"sqlite:///{file}", to, write)
    assert waited > 1
    assert contents(f"sqlite:///{backup.path}") == before


@pytest.mark.parametrize("wal", [False, True])
def test_a_database_that_stays_locked(
    file: Path, to: Path, wal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_PATIENCE", 0.1)
    with closing(sqlite3.connect(file, isolation_level=None)) as app:
        if wal:
            app.execute("PRAGMA locking_mode = exclusive")
            app.execute("PRAGMA journal_mode = wal")
        app.execute("BEGIN EXCLUSIVE")
        refused(f"sqlite:///{file}", to, "database is locked", "has finished")


@pytest.mark.parametrize("query", ["", "?mode=ro&uri=true", "?uri=true"])
def test_a_path_that_is_written_as_a_uri(file: Path, to: Path, query: str) -> None:
    name = f"file:{str(file).replace(' ', '%20')}" if query else str(file)
    backup = back_up(f"sqlite+aiosqlite:///{name}{query}", to)
    assert contents(f"sqlite:///{backup.path}") == contents(f"sqlite:///{file}")
    file.unlink()
    restore(backup.restore, to.parent.parent)
    assert file.read_bytes() == backup.path.read_bytes()


@pytest.mark.parametrize(
    ("url", "message", "remedy"),
    [
        ("sqlite://", "in memory", "sqlite:///FILE"),
        ("sqlite:///:memory:", "in memory", "sqlite:///FILE"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory", "sqlite:///FILE"),
        ("sqlite:///nowhere.db", "nowhere.db", "correct the path"),
        ("sqlite:///kept", "there is no file", "correct the path"),
        ("sqlite:///text.db", "file is not a database", "that it is a SQLite database"),
        ("sqlite:///torn.db", "is not whole: ", "integrity_check"),
        ("oracle://u:s3cret@host/app", "oracle is not a kind of database", "give the URL of a"),
        (
            "postgres://u:s3cret@host/app",
            "postgres is not a kind of database",
            "postgresql: instead",
        ),
        ("mysql://u:s3cret@host", "names no database", "end of the URL"),
        ("nonsense", "the value is not the URL", "postgresql://"),
        ("postgresql://u:s3cret@host:port/x", "is not the URL", "postgresql://"),
    ],
)
def test_a_url_that_names_nothing_to_back_up(
    file: Path, to: Path, url: str, message: str, remedy: str
) -> None:
    to.mkdir(parents=True)
    Path("text.db").write_text("This is a text, and as such no database. " * 9)
    data = file.read_bytes()
    Path("torn.db").write_bytes(data[:4096] + b"\0" * (len(data) - 4096))
    before = sorted(Path().iterdir())
    refused(url, to, message, remedy)
    assert sorted(Path().iterdir()) == before


def test_a_damaged_database_is_not_called_backed_up(file: Path, to: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript("CREATE INDEX i ON c (y); PRAGMA writable_schema = ON;")
        database.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX i ON c (x)' WHERE name='i'")
    refused(f"sqlite:///{file}", to, "is not whole: ", "integrity_check")


# --- Servers -------------------------------------------------------------------------------------

ODD_NAME = "o'd=d `n\"ä"
FILL = {
    "postgresql": (
        'CREATE TABLE "a ""b" (id SERIAL PRIMARY KEY, x TEXT, y BYTEA, z TIMESTAMPTZ)',
        'CREATE TABLE c (a INTEGER REFERENCES "a ""b" (id), n NUMERIC)',
        "INSERT INTO \"a \"\"b\" (x, y, z) VALUES ('it''s \\ ä 😀\n\t', '\\x00ff27', now())",
        'INSERT INTO "a ""b" (x) VALUES (NULL), (\'\')',
        "INSERT INTO c VALUES (1, 1.50), (2, 2.5)",
        'CREATE VIEW v AS SELECT x FROM "a ""b"',
        "CREATE FUNCTION f() RETURNS INTEGER LANGUAGE sql AS 'SELECT 42'",
    ),
    "mariadb": (
        'CREATE TABLE `a "b` (id INTEGER PRIMARY KEY AUTO_INCREMENT, x TEXT, y BLOB, z DATETIME)'
        " CHARACTER SET utf8mb4",
        'CREATE TABLE c (a INTEGER, n DECIMAL(9, 2), FOREIGN KEY (a) REFERENCES `a "b` (id))',
        "INSERT INTO `a \"b` (x, y, z) VALUES ('it''s \\\\ ä 😀\n\t', x'00ff27', now())",
        "INSERT INTO `a \"b` (x) VALUES (NULL), ('')",
        "INSERT INTO c VALUES (1, 1.50), (2, NULL)",
        'CREATE VIEW v AS SELECT x FROM `a "b`',
        "CREATE FUNCTION f() RETURNS INTEGER RETURN 42",
    ),
}


@pytest.fixture(params=SERVERS)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A database with an odd name, many kinds of contents, and another one, empty, beside it."""
    kind = request.param
    with new_database(kind, tmp_path) as url:
        server = make_url(url)
        quote = create_engine(server).dialect.identifier_preparer.quote_identifier
        name = f"{ODD_NAME}{uuid4().hex[:8]}"
        execute(url, f"CREATE DATABASE {quote(name)}")
        try:
            odd_url = server.set(database=name)
            execute(odd_url, *FILL[kind])
            yield odd_url
        finally:
            execute(url, f"DROP DATABASE {quote(name)}")


def test_a_server_is_restored_by_the_command(odd: URL, to: Path) -> None:
    then = contents(odd)
    steps: list[Step] = []
    backup = back_up(odd, to, lambda *step: steps.append(step))
    data = backup.path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (backup.size, backup.sha256)
    assert backup.tables == 2
    assert steps[0][0] > 0
    execute(odd, "DELETE FROM c", "DROP FUNCTION f", "DROP VIEW v")
    execute(odd, "CREATE TABLE later (x INTEGER)", "ALTER TABLE c ADD COLUMN later INTEGER")
    restore(backup.restore, to.parent.parent)
    now = contents(odd)
    assert now.pop("later") == []
    assert now == then
    with create_engine(odd, poolclass=NullPool).connect() as connection:
        assert connection.execute(text("SELECT f()")).scalar() == 42


def test_a_backup_is_restored_into_a_new_database(odd: URL, to: Path, tmp_path: Path) -> None:
    backup = back_up(odd, to)
    kind = "postgresql" if odd.get_backend_name() == "postgresql" else "mariadb"
    with new_database(kind, tmp_path) as new:
        url = make_url(new)
        place = [f"--host={url.host}", f"--port={url.port}"]
        if kind == "postgresql":
            command = ["pg_restore", *place, f"--username={url.username}", "--exit-on-error"]
            command += [f"--dbname={url.database}", str(backup.path)]
        else:
            command = ["mariadb", *place, f"--user={url.username}", str(url.database)]
        environ = {**os.environ, "PGPASSWORD": url.password or "", "MYSQL_PWD": url.password or ""}
        with backup.path.open("rb") as stdin:
            subprocess.run(command, stdin=stdin, check=True, env=environ)
        assert contents(new) == contents(odd)


def test_rows_that_come_meanwhile_are_left_out_whole(odd: URL, to: Path) -> None:
    """A transaction that a dump has seen the beginning of it has not seen in part."""
    quote = create_engine(odd).dialect.identifier_preparer.quote_identifier
    table = quote('a "b')
    backup = None
    with create_engine(odd, poolclass=NullPool).connect() as app, app.begin():
        app.exec_driver_sql(f"INSERT INTO {table} (id, x) VALUES (77, 'open')")
        app.exec_driver_sql("INSERT INTO c VALUES (77, 7)")
        backup = back_up(odd, to)
    execute(odd, "DELETE FROM c WHERE a = 1")
    restore(backup.restore, to.parent.parent)
    restored = contents(odd)
    assert [row[0] for row in restored["c"]] == [1, 2]
    assert len(restored['a "b']) == 3


@pytest.fixture
def account(tmp_path: Path) -> Iterator[URL]:
    """A database on MariaDB, for a user with a difficult password who has no rights on it."""
    user = f"u{uuid4().hex[:12]}"
    with new_database("mariadb", tmp_path) as url:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(
                text(f"CREATE USER {user}@'%' IDENTIFIED BY :password"), {"password": PASSWORD}
            )
        try:
            yield make_url(url).set(username=user, password=PASSWORD)
        finally:
            execute(url, f"DROP USER {user}@'%'")


def as_admin(account: URL) -> URL:
    admin = os.environ.get("FIXCHAIN_TEST_MARIADB") or "mysql+pymysql://root@127.0.0.1:3306/"
    return make_url(admin).set(database=account.database)


def grant(account: URL, rights: str) -> None:
    execute(as_admin(account), f"GRANT {rights} ON {account.database}.* TO {account.username}@'%'")


def test_an_ordinary_user_with_a_password(account: URL, to: Path) -> None:
    grant(account, "ALL")
    execute(account, "CREATE TABLE t (x INTEGER)", "INSERT INTO t VALUES (4)")
    backup = back_up(account, to)
    execute(account, "DELETE FROM t")
    assert "s3cret" not in backup.name + backup.restore
    type_the_password(backup.restore, to.parent.parent)
    assert contents(account) == {"t": [(4,)]}


def type_the_password(command: str, cwd: Path) -> None:
    """On a terminal, which is where the client asks for it."""
    terminal = "import pty, sys, os; os._exit(pty.spawn(['sh', '-c', sys.argv[1]]) >> 8)"
    with subprocess.Popen(
        [sys.executable, "-c", terminal, command],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked = b""
        while b"assword:" not in asked:
            asked += os.read(process.stdout.fileno(), 100) or pytest.fail(asked.decode())
        process.stdin.write(f"{PASSWORD}\n".encode())
        process.stdin.flush()
        output = process.stdout.read()
        assert process.wait() == 0, output


def test_a_wrong_password(account: URL, to: Path) -> None:
    wrong = account.set(password="s3cret@wrong")
    refused(wrong, to, "Access denied for user", "correct the user and the password")


def test_no_rights(account: URL, to: Path) -> None:
    refused(account, to, "Access denied for user", "give the user the right")
    grant(account, "SELECT")
    execute(as_admin(account), "CREATE TABLE t (x INTEGER)", "CREATE VIEW v AS SELECT * FROM t")
    refused(account, to, "mariadb-dump failed", "give the user the right")


def test_no_rights_on_postgresql(to: Path, tmp_path: Path) -> None:
    user = f"u{uuid4().hex[:12]}"
    with new_database("postgresql", tmp_path) as url:
        execute(url, "CREATE TABLE t (x INTEGER)", f"CREATE ROLE {user} LOGIN")
        try:
            refused(
                make_url(url).set(username=user, password="s3cret"),
                to,
                "permission denied for table t",
                "give the user the right",
            )
        finally:
            execute(url, f"DROP ROLE {user}")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_database_that_is_not_there(kind: str, to: Path, tmp_path: Path) -> None:
    with new_database(kind, tmp_path) as url:
        gone = make_url(url).set(database="gone_with_the_wind")
        refused(gone, to, "gone_with_the_wind", "create the database, or correct its name")


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg", "mysql+asyncmy", "mariadb+pymysql"])
def test_a_server_that_is_down(scheme: str, to: Path) -> None:
    refused(f"{scheme}://u:s3cret@127.0.0.1:1/app", to, "127.0.0.1", "start the server")


# --- Tools ---------------------------------------------------------------------------------------

RECORD = """\
echo "$0" >> record
printf '%s\\n' "$@" "password $PGPASSWORD$MYSQL_PWD" >> record
"""


@pytest.mark.parametrize(
    ("url", "given"),
    [
        (
            "postgresql://u:s3cret@host:7/app",
            "host=host&port=7&user=u&dbname=app",
        ),
        (
            "postgresql+asyncpg://u:s3cret@host/app?ssl=require&prepared_statement_cache_size=0",
            "host=host&user=u&dbname=app&sslmode=require",
        ),
        (
            "postgresql://u:s3cret@/app?host=/var/run/it&sslmode=disable&options=-c%20x%3Dit's",
            "user=u&dbname=app&host=%2Fvar%2Frun%2Fit&sslmode=disable&options=-c%20x%3Dit%27s",
        ),
        ("postgresql://u:s3cret@/a?host=x:1&host=y:2", "user=u&dbname=a&host=x%2Cy&port=1%2C2"),
        ("postgresql://u:s3cret@/a?host=x:1", "user=u&dbname=a&host=x&port=1"),
        ("postgresql://u:s3cret@/a?host=[::1]:5", "user=u&dbname=a&host=%3A%3A1&port=5"),
        (
            "postgresql://u:s3cret@/a?host=[::1]:5&host=::2&host=y",
            "user=u&dbname=a&host=%3A%3A1%2C%3A%3A2%2Cy&port=5%2C%2C",
        ),
        ("postgresql://u@h/a?password=s3cret&dbname=b", "host=h&user=u&dbname=b"),
        (
            "postgresql+pg8000://u:s3cret@/a?unix_sock=/run/it/.s.PGSQL.5432",
            "user=u&dbname=a&host=%2Frun%2Fit",
        ),
        ("postgresql://u:s3cret@h/service=x", "host=h&user=u&dbname=service%3Dx"),
    ],
)
def test_what_postgresqls_tools_are_told(
    programs: Callable[[str, str], None], to: Path, url: str, given: str
) -> None:
    programs("pg_dump", f"{RECORD} exit 1")
    refused(url, to, "pg_dump failed", "")
    record = Path("record").read_text().splitlines()
    (place,) = (line.split("?")[1] for line in record if line.startswith("--dbname=postgresql:"))
    assert sorted(place.split("&")) == sorted(given.split("&"))
    assert [line for line in record if "s3cret" in line] == ["password s3cret"]


@pytest.mark.parametrize(
    ("url", "given"),
    [
        (
            "mysql+pymysql://u:s3cret@localhost:7/app?charset=utf8mb4&ssl_ca=/a/ca.pem",
            ["--host=localhost", "--port=7", "--user=u", "--protocol=tcp", "--ssl-ca=/a/ca.pem"],
        ),
        ("mysql+mysqldb://u:s3cret@localhost/app", ["--host=localhost"]),
        ("mysql+pymysql://u:s3cret@/a?unix_socket=/run/x.sock", ["--socket=/run/x.sock"]),
        ("mariadb+mariadbconnector://u@h/a?passwd=s3cret&db=other", ["--host=h", "other"]),
    ],
)
def test_what_mariadbs_tools_are_told(
    programs: Callable[[str, str], None], to: Path, url: str, given: list[str]
) -> None:
    programs("mariadb-dump", f"{RECORD} exit 1")
    refused(url, to, "mariadb-dump failed", "")
    record = Path("record").read_text().splitlines()
    assert set(given) <= set(record)
    assert [line for line in record if "s3cret" in line] in ([], ["password s3cret"])
    assert ("--protocol=tcp" in record) == ("localhost:7" in url)
    assert record[1] == "--no-defaults"  # which only counts as the first one


@pytest.mark.parametrize("kind", SERVERS)
def test_no_password_is_on_a_command_line(
    programs: Callable[[str, str], None],
    account: URL,
    to: Path,
    again: Again,
    tmp_path: Path,
    kind: str,
) -> None:
    names = {
        "postgresql": ("pg_dump", "pg_restore"),
        "mariadb": ("mariadb-dump",),
    }[kind]
    grant(account, "ALL")
    for name in names:
        real = shutil.which(name)
        programs(name, f'printf \'%s\\n\' "$0" "$@" >> record; exec \'{real}\' "$@"')
    url = make_url(again.url(kind, tmp_path))
    back_up(account if kind == "mariadb" else url.set(password="s3cret"), to)
    record = Path("record").read_text()
    assert {Path(line).name for line in record.splitlines() if "/bin/" in line} >= set(names)
    assert "s3cret" not in record


@pytest.mark.parametrize(
    ("url", "message", "package"),
    [
        ("postgresql://u:s3cret@h/a", "pg_dump is not installed", "postgresql-client"),
        ("mysql://u:s3cret@h/a", "mariadb-dump or mysqldump is not", "mariadb-client"),
    ],
)
def test_a_tool_that_is_missing(
    to: Path, url: str, message: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    refused(url, to, message, f"apt install {package}; Homebrew: brew install ")


@pytest.mark.parametrize(
    ("kind", "tool", "script", "message", "remedy"),
    [
        ("postgresql", "pg_dump", "echo half; kill -9 $$", "ended by SIGKILL", "the server"),
        ("mariadb", "mariadb-dump", "echo half; kill -9 $$", "ended by SIGKILL", "the server"),
        ("postgresql", "pg_dump", "echo half", "pg_restore failed on", "the tool"),
        ("mariadb", "mariadb-dump", "echo half", "is cut off before its end", "the server"),
        ("postgresql", "pg_restore", "exec /nowhere", "pg_restore failed on", ""),
        (
            "postgresql",
            "pg_dump",
            "echo 'pg_dump: error: aborting because of server version mismatch' >&2;"
            " echo 'pg_dump: detail: server version: 99.1; pg_dump version: 15.2' >&2; exit 1",
            "server version mismatch; detail: server version: 99.1; pg_dump version: 15.2",
            "install the postgresql-client of the server's version",
        ),
    ],
)
def test_a_tool_that_fails_half_way(
    programs: Callable[[str, str], None],
    to: Path,
    again: Again,
    tmp_path: Path,
    kind: str,
    tool: str,
    script: str,
    message: str,
    remedy: str,
) -> None:
    programs(tool, script)
    refused(again.url(kind, tmp_path), to, message, remedy)


def test_an_archive_that_is_cut_off_is_no_backup(
    programs: Callable[[str, str], None], to: Path, postgresql: str
) -> None:
    """Its table of contents, which comes first, is whole."""
    real = shutil.which("pg_dump")
    programs("pg_dump", f"'{real}' \"$@\" > all; head -c $(($(wc -c < all) - 3000)) all")
    numbers = "SELECT md5(i::text) AS x FROM generate_series(1, 2000) AS i"
    execute(postgresql, f"CREATE TABLE t AS {numbers}")
    refused(postgresql, to, "pg_restore failed on", "the tool")


@pytest.mark.parametrize("number", first_of([signal.SIGINT, signal.SIGTERM]))
def test_an_interrupted_backup_leaves_nothing(
    programs: Callable[[str, str], None], to: Path, tmp_path: Path, number: int
) -> None:
    programs("pg_dump", "echo $$ > pid; head -c 300000 /dev/zero; exec sleep 60")
    with new_database("postgresql", tmp_path) as url:
        script = Path(sys.executable).parent / "fixchain"
        process = subprocess.Popen(
            [str(script), "backup", "--database", url, "--to", str(to)],
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        while process.poll() is None and not any(part.stat().st_size for part in to.glob("*.part")):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 3
    assert errors.startswith(b"error: interrupted")
    assert not to.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("step", [0, 3])
def test_ctrl_c_while_sqlite_copies(
    file: Path, to: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_PAGES", 10)
    steps: list[object] = []

    def interrupt(*args: object) -> None:
        steps.append(args)
        if len(steps) > step:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        back_up(f"sqlite:///{file}", to, interrupt)
    assert not to.parent.exists()


# --- The command ---------------------------------------------------------------------------------


def test_the_apps_own_database_is_the_default(sample: Path) -> None:
    """Also while the chain is broken."""
    url = {"SAMPLE_DATABASE_URL": f"sqlite:///{sample}/shop.db"}
    assert flask("db", "upgrade", "2ca607eff9c8", cwd=sample, env=url).exit_code == 0
    done = flask("db", "fixchain", "backup", cwd=sample, env=url)
    assert done.exit_code == 0, done
    (path,) = (sample / "backups").glob("shop-*.db")
    assert contents(f"sqlite:///{path}") == contents(f"sqlite:///{sample}/shop.db")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "Backed up 1 database."
    assert f"backups/{path.name}" in lines
    (sample / "shop.db").write_text("spoilt")
    restore(lines[-1], sample)
    assert (sample / "shop.db").read_bytes() == path.read_bytes()


def test_every_database_of_the_app_is_backed_up_once(tmp_path: Path) -> None:
    (tmp_path / "panel.py").write_text(
        "from flask import Flask\nfrom flask_migrate import Migrate\n"
        "from flask_sqlalchemy import SQLAlchemy\nfrom flask_chainfix import ChainFix\n"
        f"place = 'sqlite:///{tmp_path}/'\n"
        "def create_app():\n    app = Flask(__name__)\n    app.config.update(\n"
        "        SQLALCHEMY_DATABASE_URI=place + 'main.db', SQLALCHEMY_BINDS={\n"
        "        'users': place + 'users.db', 'same': place + 'main.db'})\n"
        "    Migrate(app, SQLAlchemy(app))\n    ChainFix(app)\n    return app\n"
    )
    for name in ("main", "users"):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as database:
            database.execute(f"CREATE TABLE of_{name} (x)")
    env = {"FLASK_APP": "panel"}
    done = flask("db", "fixchain", "backup", "--format", "json", cwd=tmp_path, env=env)
    assert done.exit_code == 0, done
    made = done.document["backups"]
    assert [Path(each["path"]).name.partition("-")[0] for each in made] == ["main", "users"]
    assert done.document["command"] == "backup"
    first = made[0]
    data = (tmp_path / first["path"]).read_bytes()
    assert first["database"] == f"sqlite:///{tmp_path}/main.db"
    assert (first["size"], first["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert first["tables"] == 1
    assert first["restore"].endswith("main.db")

    (tmp_path / "users.db").unlink()
    done = flask("db", "fixchain", "backup", "--to", "there", cwd=tmp_path, env=env)
    assert done.exit_code == 3
    assert "there is no file" in done.stderr
    (path,) = (tmp_path / "there").glob("*.db")
    assert f"the backups made before are complete: there/{path.name}" in done.stderr.replace(
        "\n", " "
    )


def test_an_app_without_flask_migrate(tmp_path: Path) -> None:
    (tmp_path / "panel.py").write_text(
        "from flask import Flask\nfrom flask_chainfix import ChainFix\n"
        "app = Flask(__name__)\nChainFix(app)\n"
    )
    done = flask("db", "fixchain", "backup", cwd=tmp_path, env={"FLASK_APP": "panel"})
    assert done.exit_code == 3
    assert "error: the app 'panel' has no database" in done.stderr
    assert "--database URL" in done.stderr


def test_without_an_app_a_database_must_be_named(file: Path, to: Path) -> None:
    done = fixchain("backup", "--to", to, "--format", "json")
    assert done.exit_code == 3
    assert done.document["error"]["type"] == "CannotBackUp"
    assert "--database URL" in done.document["error"]["remedy"]
    assert done.document["backups"] is None
    assert not to.exists()


def test_databases_of_several_kinds_at_once(
    file: Path, to: Path, programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    with (
        new_database("postgresql", tmp_path) as postgresql,
        new_database("mariadb", tmp_path) as mariadb,
    ):
        urls = [f"sqlite:///{file}", postgresql, mariadb]
        options = [option for url in urls for option in ("--database", url)]
        done = fixchain("backup", *options, "--to", to)
    assert done.exit_code == 0, done
    assert "Backed up 3 databases." in done.stdout
    assert sorted(path.suffix for path in to.glob("*[!e]")) == [
        ".db",
        ".dump",
        *[".sha256"] * 3,
        ".sql",
    ]
    assert "\x1b" not in done.stdout + done.stderr


def test_what_a_name_holds_is_made_harmless(to: Path) -> None:
    done = fixchain("backup", "--database", "sqlite:///\x1b[31mx.db", "--to", to)
    assert done.exit_code == 3
    assert "\x1b" not in done.stdout + done.stderr


def test_an_engine_that_connects_elsewhere_than_its_url(
    server_url: str, to: Path, tmp_path: Path
) -> None:
    """The tools know only the URL, and would copy what is not the app's database."""
    url = make_url(server_url)
    args = {"dbname" if url.get_backend_name() == "postgresql" else "database": url.database}
    with new_database(_kind(url), tmp_path) as other:
        engine = create_engine(other, connect_args=args, poolclass=NullPool)
        with pytest.raises(CannotBackUp, match="perhaps because of connect_args"):
            backups.back_up(Target("it", engine.url, engine=engine), to, quietly)
        assert not to.exists()
        engine = create_engine(other, poolclass=NullPool)
        assert backups.back_up(Target("it", engine.url, engine=engine), to, quietly).path.exists()


def _kind(url: URL) -> str:
    return "postgresql" if url.get_backend_name() == "postgresql" else "mariadb"
