"""The databases to look at: what tells one from all others, and the app's own ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from configparser import InterpolationError
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.common.errors import BadDatabase
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.drivers import missing_driver, usable, why_refused, without_driver
from flask_chainfix.databases.version_table import VersionTable, version_table
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import NO_URL, masked, said, secrets_of, shown_url

BACKENDS = ("postgresql", "mysql", "mariadb", "sqlite")


def parsed(written: str, place: str) -> URL:
    """The URL of a database to which this process can connect.

    Args:
        written: what the user has written.
        place: where, for the error; ``""`` on the command line.

    Raises:
        BadDatabase: it is no such URL, or its driver is not installed.
    """
    prefix = f"{place}: " if place else ""
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise BadDatabase(
            f"{prefix}{NO_URL}",
            "write postgresql://USER:PASSWORD@HOST/DATABASE, mysql+pymysql://… or sqlite:///FILE",
        ) from error
    backend = url.get_backend_name()
    if backend not in BACKENDS:
        raise BadDatabase(
            f"{prefix}{backend} is no kind of database that can be read here",
            "write postgresql: instead of postgres:"
            if backend == "postgres"
            else "give the URL of a PostgreSQL, MariaDB, MySQL or SQLite database",
        )
    if refused := why_refused(url):
        raise BadDatabase(prefix + refused[0], refused[1])
    try:
        ours = usable(url)
        create_engine(ours)  # connects to nothing, but imports the driver
    except Exception as error:
        driver = missing_driver(error)
        message, remedy = (
            without_driver(driver, url)
            if driver
            else (
                f"{shown_url(url)}: {masked(said(error), secrets_of(url))}",
                "correct the URL",
            )
        )
        raise BadDatabase(f"{prefix}{message}", remedy) from error
    return ours


# --- The databases to look at: what tells one from all others, and the app's own ones ------------


_PORTS = {"postgresql": 5432, "mysql": 3306}


_PLACEHOLDER = "driver://"  # what ``alembic init`` writes where the URL is to stand


@dataclass(frozen=True)
class Target:
    """One database to look at, or one schema of it.

    Attributes:
        name: how users know it, passwords masked.
        url: where it is, password included.
        schema: the one that holds the version table; ``None`` for the default one.
        version_table: the name of Alembic's version table.
        engine: the app's own, which has its own ways to connect; ``None`` to connect by the URL.
        own: whether it is one of the app's own.
    """

    name: str
    url: URL
    schema: str | None = None
    version_table: str = "alembic_version"
    engine: Engine | None = None
    own: bool = False

    @property
    def backend(self) -> str:
        """The kind of server: ``postgresql``, ``mysql`` (MariaDB too) or ``sqlite``."""
        backend = self.url.get_backend_name()
        return "mysql" if backend == "mariadb" else backend

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database, absolute; ``None`` for one in memory, and for servers."""
        name = self.url.database or ""
        if self.backend != "sqlite" or not name:
            return None
        if name.startswith("file:"):
            name, _, query = name[len("file:") :].partition("?")
            if "mode=memory" in query or self.url.query.get("mode") == "memory":
                return None
            name = unquote(name)
            if name.startswith("//"):  # with an authority, which can be empty or localhost
                name = f"/{name[2:].partition('/')[2]}"
        return None if name in ("", ":memory:") else Path(os.path.abspath(name))

    @property
    def identity(self) -> str:
        """Tells it from all others, on every run the same; holds no password."""
        if self.backend == "sqlite":
            place = f"sqlite:{self.file or ':memory:'}"
            return f"{place}#{self.schema or ''}.{self.version_table}"
        url, schema, database = self.url, self.schema or "", self.url.database or ""
        if self.backend == "mysql":  # a schema is a database there
            schema, database = "", schema or database
        host = url.host or url.query.get("host") or url.query.get("unix_socket") or ""
        if isinstance(host, str):  # SQLAlchemy ends a password at its first @
            host = host.rpartition("@")[2]
        port = url.port or url.query.get("port") or _PORTS[self.backend]
        place = f"{self.backend}://{url.username or ''}@{host}:{port}/{database}"
        if options := url.query.get("options"):  # PostgreSQL's: they can set the search path
            place += f"?{options}"
        return f"{place}#{schema}.{self.version_table}"

    @property
    def shown_table(self) -> str:
        """The version table, in words for users."""
        return f"{self.schema}.{self.version_table}" if self.schema else self.version_table


def own_targets(runtime: Runtime, *, in_schemas: bool = False) -> tuple[Target, ...]:
    """The databases of the app, or without one those that Alembic's configuration names.

    Args:
        runtime: the environment; if it is an app's, this runs inside that app.
        in_schemas: whether ``in_schemas`` will look for schemas, so that the one that ``env.py``
            names does not count.

    Raises:
        BadConfiguration: ``env.py`` computes the name of the version table, or its schema.
        BadDatabase: Alembic's configuration names something that is no database.
    """
    if runtime.has_app:
        return distinct(_of_app(version_table(runtime, in_schemas=in_schemas)))
    urls = configured_urls(runtime)
    if not urls:  # then nobody needs to know the version table
        return ()
    return distinct(_of_configuration(runtime, urls, version_table(runtime, in_schemas=in_schemas)))


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Each database once."""
    return tuple({target.identity: target for target in reversed([*targets])}.values())[::-1]


def named(name: str, schema: str | None) -> str:
    """The name of a database together with that of its schema."""
    return f"{name}, schema {schema}" if schema else name


def _of_app(table: VersionTable) -> Iterator[Target]:
    remedy = Remedy.of("correct the app's configuration") | (
        "leave the app's databases out (--no-database), and name others with --database URL"
    )
    for bind, engine in app_engines(remedy).items():
        name = "the app's database" if bind is None else f"bind {bind}"
        if engine.url.get_backend_name() not in BACKENDS:
            raise BadDatabase(
                f"{name} is of a kind that cannot be read here: {engine.url.get_backend_name()}",
                "leave the app's databases out (--no-database), and tell with --stamp"
                " REVISION[,REVISION] where they stand",
            )
        yield Target(
            named(name, table.schema), engine.url, table.schema, table.name, engine, own=True
        )


def _of_configuration(
    runtime: Runtime, urls: Iterable[str], table: VersionTable
) -> Iterator[Target]:
    for written in urls:
        try:
            url = parsed(written, f"sqlalchemy.url in {runtime.config.config_file_name}")
        except BadDatabase as error:
            leave_out = "leave it out (--no-database)"
            raise BadDatabase(error.message, Remedy.of(error.remedy) | leave_out) from error
        yield Target(named(shown_url(url), table.schema), url, table.schema, table.name, own=True)


def configured_urls(runtime: Runtime) -> tuple[str, ...]:
    """The URLs that Alembic's configuration holds; not what only ``env.py`` makes one of."""
    return tuple(url for url in _configured_urls(runtime) if _is_url(url))


def _is_url(written: str) -> bool:
    try:
        make_url(written)
    except (ArgumentError, ValueError):
        return False
    return not written.startswith(_PLACEHOLDER)


def _configured_urls(runtime: Runtime) -> Iterator[str]:
    config = runtime.config
    # What ``alembic init -t multidb`` makes has a section for each database.
    sections = [config.config_ini_section]
    try:
        if config.file_config.has_section(config.config_ini_section):
            sections += (config.get_main_option("databases") or "").replace(",", " ").split()
        for section in sections:
            written = (
                config.get_section_option(section, "sqlalchemy.url")
                if config.file_config.has_section(section)
                else None
            )
            if written:
                yield written
    except InterpolationError:  # env.py fills in what is missing
        return


# --- The databases of the Flask app that a command runs in ---------------------------------------


def app_engines(remedy: str | Remedy) -> Mapping[str | None, Engine]:
    """The engines of the current app's databases by their binds, the default one (``None``) first.

    Args:
        remedy: what can be done where they cannot be found.

    Raises:
        BadDatabase: they cannot be found.
    """
    from flask import current_app

    try:
        engines: dict[str | None, Any] = current_app.extensions["migrate"].db.engines
    except Exception as error:  # whatever the app's configuration makes SQLAlchemy raise
        raise BadDatabase(
            f"the app's databases cannot be found: {masked(said(error))}", remedy
        ) from error
    return dict(sorted(engines.items(), key=lambda item: item[0] is not None))
