"""Find the migration environment and its version locations.

They are found in the same way as by Flask-Migrate and Alembic, without importing the project.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from configparser import Error, InterpolationError
from dataclasses import replace
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import BadConfiguration, NoEnvironment
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import way
from flask_chainfix.environment.configuration import (
    Options,
    configuration_errors,
    open_files,
    project_config,
    read_config,
    refuse_endless,
)
from flask_chainfix.environment.env_py import uses_flask_app
from flask_chainfix.environment.settings import read_settings
from flask_chainfix.environment.surroundings import is_sparse, local_modules
from flask_chainfix.model.environment import Environment

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

# The options by which Alembic finds migration files.
_LOCATING = (
    "version_locations",
    "version_path_separator",
    "path_separator",
    "recursive_version_locations",
    "sourceless",
)
_NEW = way("make a new one in an app", "flask {group} init")


@dataclass(frozen=True)
class Runtime:
    """An open environment.

    Attributes:
        environment: what is known about it.
        options: Alembic's configuration.
        reopen: how a fresh process finds the same environment, as JSON values.
        loses_app: whether the app comes from a callback, so that a fresh process cannot have it.
        own_template: whether ``script.py.mako``, which is code of the project, may run; otherwise
            new revisions are previewed with Alembic's own.
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
    def has_app(self) -> bool:
        """Whether the environment belongs to an app, which is the current one."""
        return "app" in self.reopen or self.loses_app


def open_app(directory: str | None, reopen: dict[str, Any] | None = None) -> Runtime:
    """Open the environment of the current Flask app, through its Migrate object.

    Args:
        directory: as given to ``flask db -d``; ``None`` for the app's own.
        reopen: how a fresh process finds the same app; ``None`` if it cannot.

    Raises:
        NoEnvironment: the app has no Migrate, or its directory does not exist or is no environment.
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
    names = config.config_file_name, getattr(config, "toml_file_name", None)
    ini, toml = (Path(name) if name else None for name in names)
    options = Options(ini, toml, config.config_ini_section, of_app=config)
    runtime = _open(options, {"directory": str(directory), **(reopen or {})})
    dialect = _dialect(current_app.config.get("SQLALCHEMY_DATABASE_URI"))
    if dialect is not None:
        environment = replace(runtime.environment, dialect=dialect, names_database=True)
        runtime = replace(runtime, environment=environment)
    if reopen:
        return runtime
    # The configuration after the app's callbacks is passed on, so they do not run again.
    values = {name: config.get_main_option(name) for name in _LOCATING}
    known = {name: value for name, value in values.items() if value is not None}
    again = {"directory": str(runtime.environment.directory), "options": known}
    return replace(runtime, reopen=again, loses_app=True)


def open_resolved(directory: str, options: Mapping[str, str]) -> Runtime:
    """Open what ``open_app`` has resolved before, without reading files; raises the same."""
    resolved = Options(instead={**options, "script_location": directory})
    return _open(resolved, {"directory": directory, "options": dict(options)})


def open_directory(directory: str) -> Runtime:
    """Open an environment by its directory, without an app; raises the same as ``open_app``.

    If the directory has no ``alembic.ini``, the project's is used if it names the directory.
    """
    path = Path(directory)
    _require_directory(path)
    ini = path / "alembic.ini"
    with configuration_errors(str(ini)):
        found = open_files(ini) if ini.exists() else project_config(path) or Options()
    instead = {"script_location": str(path)}
    options = Options(found.ini, found.toml, found.section, instead=instead)
    return _open(options, {"directory": directory})


def open_config(file: str, section: str | None = None) -> Runtime:
    """Open the environment in a section of an ``alembic.ini``, or in a ``pyproject.toml``.

    Raises the same as ``open_app``. ``None`` is the section ``alembic``.
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
    try:
        dialect = _dialect(options.parser.get(options.section, "sqlalchemy.url", fallback=None))
    except InterpolationError:  # env.py fills in the rest
        dialect = None
    env_py = directory / "env.py"
    if not env_py.is_file():
        raise NoEnvironment(
            f"{directory} is not a migration environment: it has no env.py",
            "name the directory that has one, with -d DIRECTORY" | _NEW,
        )
    if not any(place.is_dir() for place in locations) and not is_sparse(directory):
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
        dialect=dialect,
        names_database=dialect is not None,
        local_modules=local_modules(directory),
    )
    return Runtime(environment, options, reopen)


def _dialect(url: object) -> str | None:
    """The dialect of a database URL, without creating an engine, so without a driver."""
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


# --- Version locations ---------------------------------------------------------------------------
class ScriptPlace(NamedTuple):
    """The location of migrations, as in ``Environment``."""

    directory: Path
    version_locations: tuple[Path, ...]
    recursive: bool
    sourceless: bool


def locate(options: Options) -> ScriptPlace:
    """Find out where Alembic looks for migrations.

    Raises:
        BadConfiguration: a package that the configuration names cannot be found.
        Exception: anything that Alembic raises for a wrong configuration.
    """
    if place := read_plainly(options):
        return place
    script = script_directory(options)
    return ScriptPlace(
        _absolute(script.dir),
        # Alembic's public attribute is the raw setting; this one is where it will really look.
        tuple(map(_absolute, script._version_locations)),
        bool(script.recursive_version_locations),
        bool(script.sourceless),
    )


def _absolute(place: str | Path) -> Path:
    return Path(os.path.abspath(place))


# The default separators of an option's parts.
_LEGACY_PATHS, _LEGACY_LOCATIONS = re.compile(r", *| +|:"), re.compile(r", *| +")
_HOOKS = "post_write_hooks"
# Further options that Alembic reads first, and may fail at.
_ALSO_READ = ("file_template", "output_encoding", "timezone")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_ESCAPES = re.compile(r"%%|%\(here\)s")


def read_plainly(options: Options) -> ScriptPlace | None:
    """Where Alembic finds migrations, without importing it; ``None`` if it is needed.

    Alembic is needed if its configuration is wrong or unusual.
    """
    if not options.are_read_here:
        return None
    try:
        _require_plain_hooks(options)
        length, *_ = (_plain(options, name) for name in ("truncate_slug_length", *_ALSO_READ))
        location = _plain(options, "script_location")
        separators = ("path_separator", "version_path_separator")
        before = _parts(options, "prepend_sys_path", _LEGACY_PATHS, separators[:1])
        places = _parts(options, "version_locations", _LEGACY_LOCATIONS, separators)
        recursive = _boolean(options, "recursive_version_locations")
        sourceless = _boolean(options, "sourceless")
    except Error:  # it is wrong, or in a syntax that only Alembic knows
        return None
    if not isinstance(location, str) or not (length is None or str(length).isdecimal()):
        return None
    if not os.path.exists(directory := _located(location, "script_location", before)):
        return None
    places = [_located(place, "version_locations", before) for place in places]
    locations = map(_absolute, places or [os.path.join(directory, "versions")])
    return ScriptPlace(_absolute(directory), tuple(locations), recursive, sourceless)


def _plain(options: Options, name: str) -> Any:
    """The value of an option, if it refers only to ``%(here)s``."""
    if options.parser.has_option(options.section, name):
        _require_plain(options.parser.get(options.section, name, raw=True))
    else:
        _require_plain(options.table.get(name))
    return options.get(name)


def _require_plain(value: object) -> None:
    if value is not None and not isinstance(value, int):
        texts = [value] if isinstance(value, str) else _strings(value)
        if any("%" in _ESCAPES.sub("", text) for text in texts):
            raise Error


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Error
    return value


def _require_plain_hooks(options: Options) -> None:
    if options.parser.has_section(_HOOKS):
        _require_plain([value for _, value in options.parser.items(_HOOKS, raw=True)])
        return
    for hook in options.table.get(_HOOKS, []):
        if not isinstance(hook, dict) or "name" not in hook:
            raise Error
        _require_plain(list(hook.values()))


def _parts(
    options: Options, name: str, legacy: re.Pattern[str], separators: Sequence[str]
) -> list[str]:
    """The parts of an option; the first separator that is set counts."""
    value, parser, section = _plain(options, name), options.parser, options.section
    if not parser.has_option(section, name):
        return [] if value is None else _strings(value)
    if not value:  # then Alembic reads pyproject.toml
        raise Error
    said = [parser.get(section, each) for each in separators if parser.has_option(section, each)]
    if not said:
        return legacy.split(value)
    if said[0] not in _SEPARATORS:
        raise Error
    return [part.strip() for part in value.split(_SEPARATORS[said[0]]) if part]


def _boolean(options: Options, name: str) -> bool:
    value = _plain(options, name)
    if options.parser.has_option(options.section, name):
        return bool(value == "true")
    if not (value is None or isinstance(value, bool)):
        raise Error
    return bool(value)


class _Inert:
    """A configuration that imports nothing and does not change ``sys.path``.

    Versions of Alembic read the options in different ways.
    """

    def __init__(self, config: Config, script_location: str | None) -> None:
        self._config = config
        self._instead = {"script_location": script_location, "prepend_sys_path": None}

    def __getattr__(self, name: str) -> Any:
        asked, instead = getattr(self._config, name), self._instead
        if name not in ("get_main_option", "get_alembic_option"):
            return asked
        return lambda *option: instead[option[0]] if option[0] in instead else asked(*option)

    def get_prepend_sys_paths_list(self) -> None:
        return None


def script_directory(options: Options) -> ScriptDirectory:
    """Alembic's script directory, without importing anything or changing ``sys.path``."""
    from alembic.script import ScriptDirectory

    # Alembic's additions to ``sys.path``: a package may be there as well.
    before: Sequence[str] = ()
    if hasattr(options.alembic, "get_prepend_sys_paths_list"):  # since Alembic 1.16
        before = options.alembic.get_prepend_sys_paths_list() or ()
    elif isinstance(written := options.get("prepend_sys_path"), str):
        before = _LEGACY_PATHS.split(written)
    written = options.get("script_location")
    location = written if isinstance(written, str) else None
    if location is not None:
        location = _located(location, "script_location", before)
    script = ScriptDirectory.from_config(cast("Config", _Inert(options.alembic, location)))
    places = map(str, script.version_locations or ())
    script.version_locations = [_located(each, "version_locations", before) for each in places]
    return script


def _located(location: str, name: str, before: Sequence[str]) -> str:
    """The directory of ``package:directory``; a path is returned unchanged."""
    package, *folders = location.split(":")
    if not folders or os.path.isabs(location):
        return location
    top, *inner = package.split(".")
    found = PathFinder.find_spec(top, [*before, *sys.path])
    if found is None and top.isidentifier() and top not in sys.modules:
        found = find_spec(top)  # the finders of editable installs
    places = found.submodule_search_locations if found is not None else None
    for path in (Path(place, *inner, *folders) for place in places or ()):
        if path.is_dir():
            return str(path)
    raise BadConfiguration(
        f"{location} in {name} cannot be found without importing {package}, which would run code"
        " of the project",
        f"write the path of the directory instead: {name} ="
        f" %(here)s/{'/'.join((top, *inner, *folders))}; or install {top} beside flask-chainfix",
    )
