"""In the rehearsing process: the chain as Alembic loads it, and its scratch databases."""

from __future__ import annotations

import re
import sqlite3
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import CommandError, load_python_file
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import URL, Dialect, Engine
from sqlalchemy.pool import NullPool, Pool

from flask_chainfix.databases.drivers import usable
from flask_chainfix.rehearsal.failures import ForeignConnection


class ChainFile(NamedTuple):
    """One file of a chain.

    Attributes:
        path: where it is, or would be.
        data: its bytes; ``None`` for one that Alembic loads from the disk.
        revision: the id that its name gives it, if the file has none.
    """

    path: Path
    data: bytes | None
    revision: str | None

    @classmethod
    def from_request(cls, values: Sequence[Any]) -> ChainFile:
        """Read what the first process has sent."""
        path, data, revision = values
        return cls(Path(path), None if data is None else b64decode(data), revision)


class _Loader(SourceFileLoader):
    """Runs given bytes instead of what is on the disk."""

    def __init__(self, name: str, path: str, data: bytes) -> None:
        super().__init__(name, path)
        self._data = data

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  (importlib's signature)
        code: CodeType = self.source_to_code(self._data, self.path)
        return code


def script_directory(config: Config, files: Sequence[ChainFile]) -> ScriptDirectory:
    """Alembic's view of a chain; its modules are new, as in a process of their own."""
    script = ScriptDirectory.from_config(config)
    script.revision_map = RevisionMap(lambda: _scripts(files))
    return script


def _scripts(files: Sequence[ChainFile]) -> Iterator[Script]:
    for file in files:
        module = _module(file)
        revision = getattr(module, "revision", file.revision)
        if revision is None:
            raise CommandError(f"{file.path.name} has no revision id")
        yield Script(module, revision, str(file.path))


def _module(file: ChainFile) -> ModuleType:
    if file.data is None:
        return load_python_file(str(file.path.parent), file.path.name)
    name = re.sub(r"\W", "_", file.path.name)
    loader = _Loader(name, str(file.path), file.data)
    spec = spec_from_file_location(name, file.path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


_CHECKED = "fixchain_checked"
_IN_MEMORY = (":memory:", "")
_NAMES = ("database", "dbname", "db")


def confine(urls: Mapping[str, URL]) -> None:
    """From now on nothing in this process connects to another database through SQLAlchemy.

    Args:
        urls: the scratch databases by bind.
    """

    def check(
        dialect: Dialect, record: Any, arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> None:
        in_memory = dialect.name == "sqlite" and arguments[0] in _IN_MEMORY
        if not in_memory and not any(_is_to(url, arguments, options) for url in urls.values()):
            raise ForeignConnection(_target(dialect, arguments, options))
        if record is not None:
            record.info[_CHECKED] = True

    def check_again(connection: Any, record: Any) -> None:
        # An engine with a ``creator`` of its own does not ask before it connects.
        if _CHECKED not in record.info:
            connection.close()
            raise ForeignConnection("another database, through an engine with a creator function")
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")  # nobody needs it after a power cut

    event.listen(Engine, "do_connect", check)
    event.listen(Pool, "connect", check_again)


def _is_to(url: URL, arguments: Sequence[Any], options: Mapping[str, Any]) -> bool:
    names = {str(value) for value in (*arguments, *options.values())}
    place = {"host": url.host, "port": url.port}
    return url.database in names and all(
        str(options[key]) == str(value) for key, value in place.items() if key in options
    )


def _target(dialect: Dialect, arguments: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Words for a database that hold no password."""
    name = next((options[key] for key in _NAMES if key in options), None)
    if dialect.name == "sqlite" and arguments:
        return f"the SQLite database {arguments[0]}"
    named = f" {name}" if name else ""
    return f"the {dialect.name} database{named} on {options.get('host') or 'localhost'}"


def replace_engines(urls: Mapping[str, URL]) -> None:
    """Put Flask-SQLAlchemy's engines on the scratch databases as soon as an app has them.

    An app that connects while it is made does what it does on a new, empty database.

    Args:
        urls: the scratch databases by bind.
    """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    make_engines = SQLAlchemy.init_app

    def init_app(self: SQLAlchemy, app: Flask) -> None:
        make_engines(self, app)
        with app.app_context():
            engines: Any = self.engines  # the app's own dictionary
        for bind, engine in list(engines.items()):
            if (bind or "") in urls:
                engines[bind] = _scratch_engine(urls[bind or ""], engine)

    SQLAlchemy.init_app = init_app  # type: ignore[method-assign]


def _scratch_engine(url: URL, engine: Engine) -> Engine:
    scratch = create_engine(url, poolclass=NullPool)
    # Where an app translates the names of schemas, for example.
    scratch.update_execution_options(**engine.get_execution_options())
    return scratch


def restamp(urls: Mapping[str, URL], version_table: Any, rows: Sequence[str]) -> None:
    """Give every scratch database that is stamped other rows."""
    for url in urls.values():
        engine = create_engine(usable(url), poolclass=NullPool)
        if inspect(engine).has_table(version_table.name, version_table.schema):
            with engine.begin() as connection:
                connection.execute(version_table.delete())
                for row in rows:
                    connection.execute(version_table.insert().values(version_num=row))
        engine.dispose()


def tables_in(urls: Mapping[str, URL]) -> list[str]:
    """The names of the tables that the scratch databases hold."""
    names: set[str] = set()
    for url in urls.values():
        engine = create_engine(usable(url), poolclass=NullPool)
        names.update(inspect(engine).get_table_names())
        engine.dispose()
    return sorted(names)
