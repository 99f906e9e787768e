"""Stamped databases, users with few rights, and servers that do not answer as they should."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from sqlalchemy import Column, MetaData, String, Table, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from flask_chainfix.databases.restamping import move_rows
from flask_chainfix.databases.targets import Target
from flask_chainfix.databases.version_tables import read_statuses
from flask_chainfix.model.databases import DatabaseStatus, Move, MoveResult
from tests.databases import new_database

COLUMN = "version_num VARCHAR(32) NOT NULL PRIMARY KEY"
ODD_NAME = "Odd %:name"
_MADE = "CREATE TABLE {} ({})"


def sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run SQL, each statement for itself; the rows of the last one."""
    engine = create_engine(url, poolclass=NullPool)
    found: list[tuple[object, ...]] = []
    # Not AUTOCOMMIT: SQLAlchemy 1.4 would have a colon in a text be a parameter.
    with engine.connect() as connection:
        for statement in statements:
            with connection.begin():
                result = connection.exec_driver_sql(statement.replace("%", "%%"))
                found = [tuple(row) for row in result] if result.returns_rows else []
    return found


def stamp(url: str, *rows: str, table: str = "alembic_version", columns: str = COLUMN) -> None:
    """Make a version table with these rows."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(_MADE.format(table, columns))
        for row in rows:
            statement = text(f"INSERT INTO {table} (version_num) VALUES (:row)")
            connection.execute(statement, {"row": row})


def build(url: str, *rows: str, schema: str = "") -> None:
    """Have a database as if it had run a and these revisions beside it."""
    stamp(url, *rows, table=f"{schema}alembic_version")
    sql(url, *(f"CREATE TABLE {schema}{name} (id INTEGER)" for name in ("a", *rows)))


def stamp_oddly(url: str, row: str) -> None:
    """Make a version table whose name has to be quoted in every way."""
    engine = create_engine(url, poolclass=NullPool)
    table = Table(ODD_NAME, MetaData(), Column("version_num", String(32), primary_key=True))
    with engine.connect() as connection, connection.begin():
        table.create(connection)
        connection.execute(table.insert().values(version_num=row))


def run_script(url: str | URL, statements: Sequence[str]) -> list[object]:
    """Run a script, statement by statement on one connection; the last result."""
    engine = create_engine(url)
    found: list[object] = []
    raw = engine.raw_connection()
    try:
        driver = raw.dbapi_connection
        assert driver is not None
        if engine.dialect.name == "sqlite":
            driver.isolation_level = None
        elif engine.dialect.name == "postgresql":
            driver.autocommit = True
        else:
            driver.autocommit(True)
        cursor = driver.cursor()
        for statement in statements:
            cursor.execute(statement)
            if cursor.description:
                found = [row[0] for row in cursor.fetchall()]
    finally:
        raw.close()
        engine.dispose()
    return found


def rows_of(url: str, table: str = "alembic_version") -> list[str]:
    """The ids that stand in a version table, sorted."""
    return sorted(str(row[0]) for row in sql(url, f"SELECT version_num FROM {table}"))


def target(url: str | URL, schema: str | None = None, **options: object) -> Target:
    """A database as the caller names it."""
    return Target("the database", make_url(url), schema, **options)  # type: ignore[arg-type]


def look(*targets: Target) -> list[DatabaseStatus]:
    """Where databases stand; that the progress ends at the end is seen to."""
    steps: list[tuple[int, int]] = []
    statuses = read_statuses(targets, lambda done, total, _: steps.append((done, total)))
    assert steps == [(number, len(targets)) for number in range(1, len(targets) + 1)]
    return list(statuses)


def move(target: Target, before: str, after: str) -> MoveResult:
    """Move the rows of one database; they are written with blanks between them."""
    wanted = moving(target, before, after)
    recorded: list[Move] = []
    results = move_rows({target.identity: target}, [wanted], recorded.append, lambda *_: None)
    assert results[0].move == wanted
    return results[0]


def moving(target: Target, before: str, after: str) -> Move:
    """The move of one database."""
    return Move(target.name, target.identity, tuple(before.split()), tuple(after.split()))


class Again:
    """A database on each server that is made once, and empty whenever it is asked for."""

    def __init__(self, made: ExitStack) -> None:
        self._made = made
        self._urls: dict[str, str] = {}

    def url(self, kind: str, directory: Path) -> str:
        """Its URL; for SQLite, that of a file which is not there yet."""
        if kind == "sqlite":
            return f"sqlite:///{directory / 'test.db'}"
        if kind not in self._urls:
            self._urls[kind] = self._made.enter_context(new_database(kind, directory))
        url = self._urls[kind]
        name = make_url(url).database
        if kind == "mariadb":
            sql(url, f"DROP DATABASE {name}", f"CREATE DATABASE {name}")
            return url
        found = sql(
            url,
            "CREATE SCHEMA IF NOT EXISTS public",
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_)'",
        )
        schemas = ", ".join({"public", *(str(row[0]) for row in found)})
        sql(
            url,
            f"DROP SCHEMA IF EXISTS {schemas} CASCADE",
            "CREATE SCHEMA public",
            "GRANT USAGE ON SCHEMA public TO PUBLIC",
        )
        return url


@contextmanager
def user(url: str, *grants: str) -> Iterator[str]:
    """The URL for a new user with a password and with some rights only.

    Args:
        url: an administrator's.
        grants: what stands between GRANT and TO.
    """
    name = f"u{uuid4().hex[:12]}"
    postgresql = url.startswith("postgresql")
    account = name if postgresql else f"{name}@'%'"
    made = (
        f"CREATE ROLE {name} LOGIN PASSWORD"
        if postgresql
        else f"CREATE USER {account} IDENTIFIED BY"
    )
    sql(url, f"{made} 's3cret-word'", *(f"GRANT {grant} TO {account}" for grant in grants))
    try:
        yield (
            make_url(url)
            .set(username=name, password="s3cret-word")
            .render_as_string(hide_password=False)
        )
    finally:
        if postgresql:
            sql(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
        else:
            sql(url, f"DROP USER {account}")


@contextmanager
def another_url(url: str, directory: Path) -> Iterator[str]:
    """Another URL of the same database: a link to the file, or another user."""
    place = make_url(url)
    if url.startswith("sqlite"):
        link = directory / "link.db"
        link.symlink_to(str(place.database))
        yield f"sqlite:///{link}"
        return
    tables = "ALL TABLES IN SCHEMA public" if url.startswith("postgresql") else "*"
    with user(url, f"SELECT, INSERT, UPDATE, DELETE ON {tables}") as other:
        yield other


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


class _Proxy:
    """Passes bytes on in both directions until the client has sent what markers are in."""

    def __init__(
        self, place: tuple[str, int], markers: Sequence[bytes], *, passing: bool, closing: bool
    ) -> None:
        self.lines: list[socket.socket] = []
        self._place = place
        self._markers = list(markers)
        self._passing = passing
        self._closing = closing

    def serve(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                upstream = socket.create_connection(self._place)
                self.lines += [client, upstream]
                cut = Event()
                for side in (self._there, self._back):
                    Thread(target=side, args=(client, upstream, cut), daemon=True).start()

    def _there(self, client: socket.socket, upstream: socket.socket, cut: Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if not self._markers or self._markers[0] not in data:
                    upstream.sendall(data)
                    continue
                del self._markers[0]
                if self._markers:
                    upstream.sendall(data)
                    continue
                cut.set()
                if self._passing:
                    upstream.sendall(data)
                elif self._closing:
                    break
                return
        hang_up(upstream, client)

    def _back(self, client: socket.socket, upstream: socket.socket, cut: Event) -> None:
        with suppress(OSError):
            while data := upstream.recv(65536):
                if not cut.is_set():
                    client.sendall(data)
                elif self._closing:
                    break
        hang_up(upstream, client)


@contextmanager
def cutting_proxy(
    url: str, marker: bytes, *, passing: bool, closing: bool, after: bytes = b""
) -> Iterator[str]:
    """A way to a server on which something happens as soon as the client sends a marker.

    Args:
        url: of the database behind it.
        marker: a part of a statement; what comes after it on other connections passes.
        passing: whether the server gets that statement.
        closing: whether the connection is closed then, once the server has answered; otherwise
            nothing comes through any more.
        after: a part of an earlier statement, before which the marker does not count.

    Yields:
        The URL that leads through it.
    """
    there = make_url(url)
    place = there.host or "", there.port or (5432 if url.startswith("postgresql") else 3306)
    proxy = _Proxy(place, [after, marker] if after else [marker], passing=passing, closing=closing)
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=proxy.serve, args=(server,), daemon=True).start()
        proxied = there.set(host="127.0.0.1", port=int(server.getsockname()[1]))
        if url.startswith("postgresql"):
            proxied = proxied.update_query_dict({"sslmode": "disable"})
        try:
            yield proxied.render_as_string(hide_password=False)
        finally:
            hang_up(server, *proxy.lines)


def hang_up(*lines: socket.socket) -> None:
    """Close connections so that the other sides notice."""
    for line in lines:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()


def sqlite_url(directory: Path) -> str:
    """The URL of a SQLite file that is not there yet."""
    return f"sqlite:///{directory / 'app.db'}"
