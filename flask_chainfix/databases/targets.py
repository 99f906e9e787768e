"""The databases to read: the app's own, those in alembic.ini, and those that users name."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import InterpolationError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import BadConfiguration, BadDatabase
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.databases.drivers import BACKENDS, connectable
from flask_chainfix.environment.env_py import CANNOT_READ, EnvPy
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import VARIABLE, masked, message_of, shown_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine

_LARGEST_LIST = 4 * 1024 * 1024  # bytes
_NAME, _SCHEMA = "version_table", "version_table_schema"
_CHOOSING_SCHEMA = ("search_path", "set schema", "schema_translate_map", "default_schema_name")
_PORTS = {"postgresql": 5432, "mysql": 3306}
_PLACEHOLDER = "driver://"  # the placeholder that ``alembic init`` writes for the URL


@dataclass(frozen=True)
class Target:
    """One database, or one schema of it.

    Attributes:
        name: its name for users, with passwords masked.
        url: its URL, with the password.
        schema: the schema of the version table; ``None`` for the default one.
        version_table: the name of Alembic's version table.
        apart: whether the version table is apart from the other tables, which are then in the
            default schema; until the database was read, whether it may be.
        engine: the app's engine, which may connect in its own way; ``None`` to use the URL.
        own: whether it is one of the app's databases.
        bind: its name in the app or in the configuration; ``""`` for the default one.
    """

    name: str
    url: URL
    schema: str | None = None
    version_table: str = "alembic_version"
    apart: bool = False
    engine: Engine | None = None
    own: bool = False
    bind: str = ""

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
        """A unique identifier without password, the same on every run."""
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
        if options := url.query.get("options"):  # in PostgreSQL they can set the search path
            place += f"?{options}"
        return f"{place}#{schema}.{self.version_table}"

    @property
    def tables_schema(self) -> str | None:
        """The schema of tables whose migrations name none; ``None`` for the default one."""
        return None if self.apart else self.schema

    @property
    def shown_table(self) -> str:
        """The version table, in words for users."""
        return f"{self.schema}.{self.version_table}" if self.schema else self.version_table


def own_targets(runtime: Runtime, *, in_schemas: bool = False) -> tuple[Target, ...]:
    """The databases of the current app, or without one those of the configuration.

    With ``in_schemas`` the caller will look for schemas, so the one in ``env.py`` is ignored.

    Raises:
        BadConfiguration: ``env.py`` computes the name of the version table, or its schema.
        BadDatabase: Alembic's configuration contains a URL that is not valid.
    """
    urls = {} if runtime.has_app else configured_urls(runtime)
    if not (runtime.has_app or urls):  # then the version table is not needed
        return ()
    table = version_table(runtime, in_schemas=in_schemas)
    return distinct(_of_app(table) if runtime.has_app else _of_configuration(runtime, urls, table))


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Each database once."""
    return tuple({target.identity: target for target in reversed([*targets])}.values())[::-1]


def named(name: str, schema: str | None) -> str:
    """The name of a database with its schema."""
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
                "leave the app's databases out (--no-database), and give with --stamp"
                " REVISION[,REVISION] where they stand",
            )
        yield Target(
            named(name, table.schema), engine.url, *table, engine, own=True, bind=bind or ""
        )


def _of_configuration(
    runtime: Runtime, urls: Mapping[str, str], table: VersionTable
) -> Iterator[Target]:
    for bind, written in urls.items():
        try:
            url = connectable(written, f"sqlalchemy.url in {runtime.options.ini}")
        except BadDatabase as error:
            leave_out = "leave it out (--no-database)"
            raise BadDatabase(error.message, Remedy.of(error.remedy) | leave_out) from error
        yield replace(_named(url, table, own=True), bind=bind)


def _named(url: URL, table: VersionTable, *, own: bool = False) -> Target:
    return Target(named(shown_url(url), table.schema), url, *table, own=own)


def configured_urls(runtime: Runtime) -> Mapping[str, str]:
    """The URLs in Alembic's configuration by database name, ``""`` for a single one.

    A URL that ``env.py`` builds is not among them.
    """
    section = runtime.options.section
    # The template ``multidb`` has a section for each database.
    others = _option(runtime, section, "databases").replace(",", " ").split()
    urls = {"": _option(runtime, section, "sqlalchemy.url")}
    urls |= {name: _option(runtime, name, "sqlalchemy.url") for name in others}
    return {name: url for name, url in urls.items() if url and _is_url(url)}


def _option(runtime: Runtime, section: str, name: str) -> str:
    try:
        return runtime.options.parser.get(section, name, fallback="")
    except InterpolationError:  # env.py fills in the rest
        return ""


def _is_url(written: str) -> bool:
    from sqlalchemy.engine import make_url  # most files contain no URL
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(written)
    except (ArgumentError, ValueError):
        return False
    return not written.startswith(_PLACEHOLDER)


def app_engines(remedy: str | Remedy) -> Mapping[str | None, Engine]:
    """The engines of the current app's databases by bind, the default one (``None``) first.

    Raises:
        BadDatabase: the engines cannot be found; with the remedy.
    """
    from flask import current_app

    try:
        engines: dict[str | None, Any] = current_app.extensions["migrate"].db.engines
    except Exception as error:  # the app's configuration can make SQLAlchemy raise anything
        raise BadDatabase(
            f"the app's databases cannot be found: {masked(message_of(error))}", remedy
        ) from error
    return dict(sorted(engines.items(), key=lambda item: item[0] is not None))


# --- The databases that users name ----------------------------------------------------------------
def targets_from(
    runtime: Runtime, urls: Sequence[str], file: str | None, *, in_schemas: bool = False
) -> tuple[Target, ...]:
    """The databases that options name, each once.

    Each line of the file is a URL, or the name of an environment variable that holds one. Blank
    lines and lines that start with ``#`` are ignored.

    Raises:
        BadConfiguration: ``env.py`` computes the name of the version table, or its schema.
        BadDatabase: a name is no URL of a database, or the file cannot be read.
    """
    if not urls and file is None:  # the version table, which only env.py may know, is not needed
        return ()
    table = version_table(runtime, in_schemas=in_schemas)
    given = []
    for number, url in enumerate(urls, 1):  # a text that is no URL is not repeated
        which = f" number {number}" if len(urls) > 1 else ""
        given.append(connectable(url, f"--database{which}"))
    given += _listed(file) if file is not None else ()
    return distinct(_named(url, table) for url in given)


def listed_urls(file: str) -> tuple[str, ...]:
    """The URLs of the databases in a file, with passwords.

    Raises:
        BadDatabase: a line is no URL of a database, or the file cannot be read.
    """
    return tuple(url.render_as_string(hide_password=False) for url in _listed(file))


def _listed(file: str) -> Iterator[URL]:
    try:
        lines = read_regular(file, _LARGEST_LIST).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadDatabase(
            f"{file} cannot be read: {reason}",
            "give --databases a file with the URL of one database in each line",
        ) from error
    entries = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    entries = [(number, entry) for number, entry in entries if entry and entry[0] != "#"]
    if not entries:
        raise BadDatabase(f"{file} names no database", "write one URL into each line")
    for number, entry in entries:
        yield _entry(entry, f"{file}:{number}")


def _entry(entry: str, place: str) -> URL:
    if not VARIABLE.fullmatch(entry):
        return connectable(entry, place)
    value = os.environ.get(entry)
    if not value:
        # In lower case it may also be a password.
        name = f" {entry}" if entry.isupper() else " with the name given there"
        raise BadDatabase(
            f"{place}: there is no environment variable{name}",
            "set it to the URL of the database, or write the URL itself",
        )
    return connectable(value, f"{place}: {entry}")


def unreached_target(runtime: Runtime, name: str) -> Target:
    """A target of the app's kind without an address, for a name that users know.

    Raises:
        BadDatabase: the app's kind of database is not known.
    """
    if runtime.environment.dialect is None:
        raise BadDatabase(
            f"which kind of database {name} stands for is not known, so no SQL can be written",
            "run the command as `flask db fixchain restamp`, or set sqlalchemy.url in alembic.ini",
        )
    from sqlalchemy.engine import URL

    return Target(name, URL.create(runtime.environment.dialect), *version_table(runtime))


# --- The version table ----------------------------------------------------------------------------
class VersionTable(NamedTuple):
    """Where Alembic's version table is; see ``Target``."""

    schema: str | None
    name: str
    apart: bool


def version_table(runtime: Runtime, *, in_schemas: bool = False) -> VersionTable:
    """Where the version table is.

    Its name and schema come from the settings, else from ``env.py``, which is not run, else from
    the app. With ``in_schemas`` the schema need not be known.

    Raises:
        BadConfiguration: ``env.py`` computes them, or cannot be read.
    """
    settings = runtime.environment.settings
    asked = {_NAME: settings.version_table}
    if not in_schemas:
        asked[_SCHEMA] = settings.version_table_schema
    options: Mapping[str, str | None] = {}
    if runtime.has_app:
        from flask import current_app

        options = current_app.extensions["migrate"].configure_args
    if None in asked.values():
        env_py = _env_py(runtime.environment.directory / "env.py")
        for option in [option for option, value in asked.items() if value is None]:
            written = _value_of(env_py, option)
            asked[option] = options.get(option) if written is None else written
    schema = asked.get(_SCHEMA)
    apart = schema is not None and not _moves_tables(runtime.environment.directory / "env.py")
    return VersionTable(schema, asked[_NAME] or "alembic_version", apart)


def _moves_tables(env_py: Path) -> bool:
    """Whether an ``env.py`` seems to choose the schema of tables whose migrations name none."""
    try:
        return EnvPy(env_py).uses(_CHOOSING_SCHEMA)
    except CANNOT_READ:
        return True


def _env_py(path: Path) -> EnvPy:
    try:
        return EnvPy(path)
    except CANNOT_READ as error:
        raise BadConfiguration(
            f"{path} cannot be read: {error}",
            f"correct it, or write {_NAME} = NAME and {_SCHEMA} = NAME into the fixchain settings",
        ) from error


def _value_of(env_py: EnvPy, option: str) -> str | None:
    """The value that ``env.py`` gives to an option; ``None`` if it gives none."""
    written = [*env_py.written(option)]
    explained = sum(not isinstance(node, ast.keyword) for node, _ in written)
    values = {env_py.value(value) for _, value in written}
    value = next(iter(values), None)
    known = len(values) <= 1 and env_py.mentions(option) <= explained
    if not known or not (value is None or isinstance(value, str)):
        written_down = (
            f"write {option} = NAME into the section [fixchain] of alembic.ini, or into"
            " [tool.fixchain] of pyproject.toml"
        )
        look = way("look at each schema that has a version table", "{fixchain} check --schemas '*'")
        raise BadConfiguration(
            f"only running {env_py.path} would show what it gives Alembic as {option}",
            look | written_down if option == _SCHEMA else written_down,
        )
    return value
