"""Databases for a single rehearsal: created under a new name, and dropped at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotRehearse, NoScratchDatabase, ScratchLeftBehind
from flask_chainfix.databases.database_errors import remedy_for_connecting, trouble_of
from flask_chainfix.databases.drivers import (
    missing_driver,
    parse_url,
    timeouts,
    usable,
    without_driver,
)
from flask_chainfix.environment.messages import masked, message_of, secrets_of, shown_url

_PREFIX = "fixchain_rehearsal"
_PATIENCE = 10  # seconds


class Scratch(NamedTuple):
    """The databases of one rehearsal.

    Attributes:
        urls: by bind, password included; ``""`` is the default bind.
        shown: where they are, for users.
        dialect: the kind of server, ``sqlite`` for a file.
    """

    urls: Mapping[str, URL]
    shown: str
    dialect: str = "sqlite"

    @property
    def masked_urls(self) -> tuple[str, ...]:
        """The URLs without their passwords."""
        return tuple(shown_url(url) for url in self.urls.values())


@contextmanager
def scratch_databases(
    url: str | None, binds: Sequence[str], *, keep: bool = False
) -> Iterator[Scratch]:
    """Create an empty database for each bind, and always drop them at the end.

    Args:
        url: URL of the server, whose database name is ignored; or of a SQLite file that does not
            exist yet; ``None`` for a temporary SQLite file.
        binds: the environment's names for its databases.
        keep: do not drop them, unless an exception ends the block.

    Raises:
        NoScratchDatabase: a database cannot be created.
        ScratchLeftBehind: a database cannot be dropped.
    """
    parsed = parse_url(url or "sqlite://", NoScratchDatabase)
    # The URL's query can also name a database, and would take precedence.
    parsed = parsed.difference_update_query(("database", "dbname", "db"))
    make = _files if parsed.get_backend_name() == "sqlite" else _on_server
    cleanup, failed = ExitStack(), True
    try:
        yield make(parsed, binds, cleanup)
        failed = False
    finally:
        if failed or not keep:
            with signals.held():
                cleanup.close()


# --- SQLite --------------------------------------------------------------------------------------
def _files(url: URL, binds: Sequence[str], cleanup: ExitStack) -> Scratch:
    shown, urls = shown_url(url), {}
    try:
        if url.database in (None, "", ":memory:"):  # lost between two connections
            directory = tempfile.mkdtemp(prefix=f"{_PREFIX}_")
            cleanup.callback(_remove_directory, directory)
            url, shown = url.set(database=f"{directory}/rehearsal.db"), "a temporary SQLite file"
        for bind in binds:
            path = Path(os.path.abspath(url.database or ""))
            if bind:
                path = path.with_name(f"{path.stem}_{bind}{path.suffix}")
            if os.path.lexists(path):
                raise NoScratchDatabase(
                    f"{path} already exists, and a rehearsal only runs in a database that it has"
                    " made",
                    "name a file that does not exist yet, or leave --database out",
                )
            # From here on, the file is ours.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            cleanup.callback(_remove, path)
            urls[bind] = url.set(database=str(path))
    except OSError as error:
        raise NoScratchDatabase(
            f"no SQLite file can be made: {error}",
            "make room there, or have TMPDIR name another directory that you may write to",
        ) from error
    return Scratch(urls, shown)


def _remove_directory(directory: str) -> None:
    with _dropping(directory):
        shutil.rmtree(directory)


def _remove(path: Path) -> None:
    with _dropping(str(path)):
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


@contextmanager
def connection_to(url: URL, failed: str, remedy: str) -> Iterator[Connection]:
    """An autocommit connection to a scratch database.

    Args:
        url: the database.
        failed: the message if a statement fails.
        remedy: the remedy for that.

    Raises:
        CannotRehearse: a statement failed.
    """
    engine = create_engine(usable(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise CannotRehearse(f"{failed}: {masked(message_of(error))}", remedy) from error
    finally:
        engine.dispose()


# --- Servers -------------------------------------------------------------------------------------
def _on_server(url: URL, binds: Sequence[str], cleanup: ExitStack) -> Scratch:
    server = _engine_for_server(url)
    moment = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")
    stem = f"{_PREFIX}_{moment}_{secrets.token_hex(4)}"
    made: list[str] = []
    cleanup.callback(_drop_all, server, made)
    urls: dict[str, URL] = {}
    for index, bind in enumerate(binds):
        name = f"{stem}_{index}" if index else stem
        urls[bind] = url.set(database=name)
        _create(server, name, made)
    return Scratch(
        urls,
        shown_url(url.set(database=stem)),
        "mariadb" if getattr(server.dialect, "is_mariadb", False) else server.dialect.name,
    )


def _engine_for_server(url: URL) -> Engine:
    """An engine that never connects to the URL's database, which may be the app's own."""
    maintenance = "postgres" if url.get_backend_name() == "postgresql" else "information_schema"
    try:
        url = usable(url)
        return create_engine(
            url.set(database=maintenance),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # CREATE DATABASE cannot run in a transaction
            connect_args=timeouts(url, _PATIENCE, 3 * _PATIENCE),
        )
    except Exception as error:  # a missing driver, or one that rejects the URL
        raise _refused(error, url, "cannot connect to") from error


def _create(server: Engine, name: str, made: list[str]) -> None:
    """Create a database; list it as made before Ctrl-C can interrupt."""
    quoted = server.dialect.identifier_preparer.quote_identifier(name)
    option = "TEMPLATE template0" if _is_postgresql(server) else "CHARACTER SET utf8mb4"
    doing = "cannot connect to"
    try:
        with server.connect() as connection:
            doing = "cannot create a database on"
            made.append(name)
            connection.execute(text(f"CREATE DATABASE {quoted} {option}"))
    except Exception as error:
        made[:] = [each for each in made if each != name]
        raise _refused(error, server.url, doing) from error


def _drop_all(server: Engine, names: Sequence[str]) -> None:
    with ExitStack() as all_of_them:
        for name in names:
            all_of_them.callback(_drop, server, name)


def _drop(server: Engine, name: str) -> None:
    connections, end = "SELECT id FROM information_schema.processlist WHERE db = :name", "KILL {}"
    if _is_postgresql(server):
        connections = "SELECT pid FROM pg_stat_activity WHERE datname = :name"
        end = "SELECT pg_terminate_backend({})"
    with _dropping(shown_url(server.url.set(database=name))), server.connect() as admin:
        # A session that is still working would make the server refuse, or wait for hours.
        for identifier in admin.scalars(text(connections), {"name": name}).all():
            with suppress(Exception):  # the session has ended meanwhile
                admin.execute(text(end.format(int(identifier))))
        if not _is_postgresql(server):
            admin.execute(text(f"SET SESSION lock_wait_timeout = {_PATIENCE}"))
        quoted = server.dialect.identifier_preparer.quote_identifier(name)
        admin.execute(text(f"DROP DATABASE IF EXISTS {quoted}"))


def _refused(error: BaseException, url: URL, doing: str) -> NoScratchDatabase:
    """An error of a server, with a remedy."""
    if driver := missing_driver(error):
        return NoScratchDatabase(*without_driver(driver, url))
    remedy = remedy_for_connecting(
        trouble_of(error),
        rights="give the user the right to create databases (ALTER ROLE … CREATEDB, or GRANT ALL ON"
        " `fixchain\\_rehearsal\\_%`.* TO …), or rehearse as another user",
        otherwise="make sure that the server answers to this URL; without --database, SQLite is"
        " used",
    )
    return NoScratchDatabase(
        f"{doing} {shown_url(url)}: {masked(message_of(error), secrets_of(url))}", remedy
    )


def _is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


# --- Ends ----------------------------------------------------------------------------------------
@contextmanager
def _dropping(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ScratchLeftBehind(
            f"the scratch database {name} could not be dropped: {masked(message_of(error))}",
            "drop it by hand; nothing else was changed",
        ) from error
