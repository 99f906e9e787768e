"""Find the migration environment, the way Flask-Migrate and Alembic find it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from configparser import ConfigParser, InterpolationError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import BadConfiguration, NoEnvironment
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import way
from flask_chainfix.environment.configuration import (
    Options,
    configuration_errors,
    project_config,
    read_config,
    read_ini,
    read_toml,
    refuse_endless,
)
from flask_chainfix.environment.env_py import uses_flask_app
from flask_chainfix.environment.project import local_modules
from flask_chainfix.environment.version_locations import locate, script_directory
from flask_chainfix.model.environment import Environment, Settings
from flask_chainfix.model.findings import CODES

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_SINGLE = ("version_table", "version_table_schema", "main_branch")


_KEYS = ("ignore", "intended_bases", "published", *_SINGLE)


def read_settings(options: Options) -> Settings:
    """Read ``[fixchain]`` of ``alembic.ini``, else ``[tool.fixchain]`` of ``pyproject.toml``.

    Raises:
        BadConfiguration: a key, a value or a code is unknown.
    """
    values = _from_ini(options.parser) or _from_toml(options.toml)
    for key in values:
        if key not in _KEYS:
            raise BadConfiguration(
                f"unknown key {key!r} in the fixchain settings",
                f"the known keys are {', '.join(_KEYS)}",
            )
    ignore = frozenset(code.upper() for code in values.get("ignore", ()))
    unknown = ignore - CODES
    if unknown:
        raise BadConfiguration(
            f"unknown code {', '.join(sorted(unknown))} under ignore in the fixchain settings",
            f"the known codes are {', '.join(sorted(CODES))}",
        )
    return Settings(
        ignore,
        frozenset(values.get("intended_bases", ())),
        version_table=_one(values, "version_table"),
        version_table_schema=_one(values, "version_table_schema"),
        main_branch=_one(values, "main_branch"),
        published=tuple(values["published"]) if "published" in values else None,
    )


def _one(values: Mapping[str, list[str]], key: str) -> str | None:
    named = values.get(key, [])
    if len(named) > 1:
        raise BadConfiguration(
            f"{key} in the fixchain settings is more than one name", f"write {key} = NAME"
        )
    if key == "main_branch" and key in values and not named:
        return ""  # which turns it off
    return named[0] if named else None


def _from_ini(parser: ConfigParser) -> Mapping[str, list[str]]:
    """The section's keys, with values split at commas, blanks and line ends."""
    if not parser.has_section("fixchain"):
        return {}
    inherited = parser.defaults()
    return {
        key: [part for part in re.split(r"[,\s]+", parser.get("fixchain", key)) if part]
        for key in parser.options("fixchain")
        if key not in inherited
    }


def _from_toml(file: Path | None) -> Mapping[str, list[str]]:
    if file is None or not file.is_file():
        return {}
    section = read_toml(file).get("tool", {}).get("fixchain", {})
    if not isinstance(section, dict):
        raise BadConfiguration("[tool.fixchain] is not a table", "write it as a TOML table")
    section = {
        key: [value] if key in _SINGLE and isinstance(value, str) else value
        for key, value in section.items()
    }
    for key, value in section.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadConfiguration(
                f"{key} in [tool.fixchain] is not a list of strings", f'write {key} = ["…"]'
            )
    return section


# --- Find the migration environment, the way Flask-Migrate and Alembic find it -------------------


# The options by which Alembic finds migration files.
_LOCATING = (
    "version_locations",
    "version_path_separator",
    "path_separator",
    "recursive_version_locations",
    "sourceless",
)


_NEW = way("make a new one in an app", "flask db init")


@dataclass(frozen=True)
class Runtime:
    """An environment together with how Alembic is configured for it.

    Attributes:
        environment: what the pure layers need to know of it.
        options: what Alembic's configuration says.
        reopen: how a fresh process finds the same environment, as JSON values.
        loses_app: whether the app comes from a callback, so that a fresh process is without it.
        own_template: whether ``script.py.mako``, which is code of the project, may run; else new
            revisions are foreseen with Alembic's own.
    """

    environment: Environment
    options: Options
    reopen: dict[str, Any]
    loses_app: bool = False
    own_template: bool = True

    @property
    def config(self) -> Config:
        """Alembic's own configuration; this imports Alembic."""
        return self.options.alembic

    @property
    def script(self) -> ScriptDirectory:
        """Alembic's script directory, which has loaded nothing; this imports Alembic."""
        return script_directory(self.options)

    @property
    def has_app(self) -> bool:
        """Whether it is an app's, which is the current one."""
        return "app" in self.reopen or self.loses_app


def open_app(directory: str | None, reopen: dict[str, Any] | None = None) -> Runtime:
    """Open the environment of the current Flask app, through its Migrate object.

    Args:
        directory: as given to ``flask db -d``; ``None`` for the app's own.
        reopen: how a fresh process finds the same app; ``None`` where it cannot.

    Raises:
        NoEnvironment: the app has no Migrate, or its directory is not there.
        BadConfiguration: the configuration cannot be used.
    """
    from flask import current_app

    extension = current_app.extensions.get("migrate")
    if extension is None:
        raise NoEnvironment(
            f"the app {current_app.name!r} does not use Flask-Migrate",
            "add Migrate(app, db) where the app is created, or run the console script fixchain"
            " on the directory",
        )
    directory = directory or extension.directory
    _require_directory(Path(directory))
    with configuration_errors(directory):
        refuse_endless(Path(directory) / "alembic.ini")
        config = extension.migrate.get_config(directory)
    options = Options.made_by_app(config)
    runtime = _open(options, {"directory": str(directory), **(reopen or {})})
    dialect = _dialect(current_app.config.get("SQLALCHEMY_DATABASE_URI"))
    if dialect is not None:
        runtime = replace(runtime, environment=replace(runtime.environment, dialect=dialect))
    return runtime if reopen else _without_app(runtime)


def _without_app(runtime: Runtime) -> Runtime:
    """Hand over what the app's callbacks made of the configuration: none of them runs again."""
    values = {name: runtime.config.get_main_option(name) for name in _LOCATING}
    options = {name: value for name, value in values.items() if value is not None}
    reopen = {"directory": str(runtime.environment.directory), "options": options}
    return replace(runtime, reopen=reopen, loses_app=True)


def open_resolved(directory: str, options: Mapping[str, str]) -> Runtime:
    """Open an environment by what was found out before; no configuration file is read.

    Args:
        directory: it holds ``env.py``.
        options: the main options by which Alembic finds migration files.

    Raises:
        NoEnvironment: there is no such directory, or it is no migration environment.
        BadConfiguration: the options cannot be used.
    """
    resolved = Options(instead={**options, "script_location": directory})
    return _open(resolved, {"directory": directory, "options": dict(options)})


def open_directory(directory: str) -> Runtime:
    """Open an environment by its directory, without an app.

    Args:
        directory: it holds ``env.py``, and usually ``versions/`` and ``alembic.ini``. Without one
            of its own, the project's configuration counts if that names the directory.

    Raises:
        NoEnvironment: there is no such directory, or it is no migration environment.
        BadConfiguration: the configuration cannot be used.
    """
    path = Path(directory)
    _require_directory(path)
    ini = path / "alembic.ini"
    with configuration_errors(str(ini)):
        options = read_ini(ini) if ini.exists() else project_config(path) or Options()
    return _open(replace(options, instead={"script_location": str(path)}), {"directory": directory})


def open_config(file: str, section: str | None = None) -> Runtime:
    """Open the environment that an ``alembic.ini`` or ``pyproject.toml`` describes.

    Args:
        file: its path.
        section: the section of the ini file to read; ``None`` for ``alembic``.

    Raises:
        NoEnvironment: the file or the directory that it names is not there.
        BadConfiguration: the configuration cannot be used.
    """
    path = Path(file)
    if not path.exists():
        raise NoEnvironment(f"there is no file {file}", "give -c the path of an alembic.ini")
    with configuration_errors(file):
        options = read_config(path, section)
    return _open(options, {"config": file, "section": section})


def _open(options: Options, reopen: dict[str, Any]) -> Runtime:
    name = options.ini or reopen.get("config") or reopen["directory"]
    with configuration_errors(str(name)):
        directory, locations, recursive, sourceless = locate(options)
        settings = read_settings(options)
    env_py = directory / "env.py"
    if not env_py.is_file():
        raise NoEnvironment(
            f"{directory} is not a migration environment: it has no env.py",
            "name the directory that has one, with -d DIRECTORY" | _NEW,
        )
    if not any(place.is_dir() for place in locations):
        missing = ", ".join(str(place) for place in locations)
        raise NoEnvironment(
            f"there is no version location: {missing} does not exist",
            way(
                "create the directory; check then says what Git has of it",
                f"mkdir {path_word(os.path.relpath(locations[0]))}",
                "{fixchain} check{databases}",
            )
            | "correct version_locations",
        )
    environment = Environment(
        directory=directory,
        version_locations=locations,
        recursive=recursive,
        sourceless=sourceless,
        settings=settings,
        uses_flask=uses_flask_app(env_py),
        dialect=_configured_dialect(options),
        local_modules=local_modules(directory),
    )
    return Runtime(environment, options, reopen)


def _configured_dialect(options: Options) -> str | None:
    try:
        return _dialect(options.parser.get(options.section, "sqlalchemy.url", fallback=None))
    except InterpolationError:  # env.py fills in what is missing
        return None


def _dialect(url: object) -> str | None:
    """The dialect that a database URL names; no engine is made, so no driver is needed."""
    name, colon, _ = str(getattr(url, "drivername", url)).partition(":")
    if url is None or not (colon or hasattr(url, "drivername")):
        return None
    return name.partition("+")[0]


def _require_directory(path: Path) -> None:
    if not path.is_dir():
        raise NoEnvironment(
            f"there is no directory {path}" if not path.exists() else f"{path} is not a directory",
            "run the command where the migrations directory is, or name it with -d DIRECTORY or"
            " -c alembic.ini" | _NEW,
        )
