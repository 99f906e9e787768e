"""Find the migration environment, the way Flask-Migrate and Alembic find it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory

from flask_chainfix.errors import BadConfiguration, ChainFixError, NoEnvironment
from flask_chainfix.model import Environment
from flask_chainfix.runtime.settings import read_settings

# The options by which Alembic finds migration files.
_LOCATING = (
    "version_locations",
    "version_path_separator",
    "path_separator",
    "recursive_version_locations",
    "sourceless",
)


@dataclass(frozen=True)
class Runtime:
    """An environment together with Alembic's view of it.

    Attributes:
        environment: what the pure layers need to know of it.
        config: Alembic's configuration.
        script: Alembic's script directory; nothing of it has been imported.
        reopen: how a fresh process finds the same environment, as JSON values.
    """

    environment: Environment
    config: Config
    script: ScriptDirectory
    reopen: dict[str, Any]


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
    with _configuration_errors(directory):
        config = extension.migrate.get_config(directory)
    if not reopen:  # a fresh process cannot run the app's callbacks again: hand over their result
        names = (name for name in _LOCATING if config.get_main_option(name) is not None)
        reopen = {"options": {name: config.get_main_option(name) for name in names}}
    return _open(config, {"directory": str(directory), **reopen})


def open_directory(directory: str, options: Mapping[str, str] | None = None) -> Runtime:
    """Open an environment by its directory, without an app.

    Args:
        directory: it holds ``env.py``, and usually ``versions/`` and ``alembic.ini``.
        options: main options that count more than those of ``alembic.ini``.

    Raises:
        NoEnvironment: there is no such directory, or it is no migration environment.
        BadConfiguration: the configuration cannot be used.
    """
    path = Path(directory)
    _require_directory(path)
    ini = path / "alembic.ini"
    with _configuration_errors(str(ini)):
        config = Config(str(ini)) if ini.exists() else Config()
        for name, value in {**(options or {}), "script_location": str(path)}.items():
            config.set_main_option(name, value.replace("%", "%%"))
    return _open(config, {"directory": directory})


def open_config(file: str) -> Runtime:
    """Open the environment that an ``alembic.ini`` or ``pyproject.toml`` describes.

    Raises:
        NoEnvironment: the file or the directory that it names is not there.
        BadConfiguration: the configuration cannot be used.
    """
    path = Path(file)
    if not path.is_file():
        raise NoEnvironment(f"there is no file {file}", "give -c the path of an alembic.ini")
    with _configuration_errors(file):
        config = _config_of(path)
    return _open(config, {"config": file})


def _config_of(path: Path) -> Config:
    """Read a file together with its counterpart in the working directory, as Alembic does."""
    if path.suffix == ".toml":
        ini, toml = Path("alembic.ini"), path
    else:
        ini, toml = path, Path("pyproject.toml")
    ini_name = str(ini) if ini.exists() else None
    if not toml.exists():
        return Config(ini_name)
    try:
        return Config(ini_name, toml_file=str(toml))
    except TypeError as error:  # Alembic before 1.16 knows no such file
        if toml is not path:
            return Config(ini_name)
        raise BadConfiguration(
            f"this version of Alembic cannot be configured by {path.name}",
            "use Alembic 1.16 or newer, or an alembic.ini",
        ) from error


def _open(config: Config, reopen: dict[str, Any]) -> Runtime:
    name = config.config_file_name or reopen.get("config") or reopen["directory"]
    with _configuration_errors(str(name)):
        script = ScriptDirectory.from_config(config)
        # Alembic's public attribute is the raw setting; this one is where it will really look.
        locations = tuple(Path(os.path.abspath(place)) for place in script._version_locations)
        settings = read_settings(config)
    directory = Path(os.path.abspath(script.dir))
    env_py = directory / "env.py"
    if not env_py.is_file():
        raise NoEnvironment(
            f"{directory} is no migration environment: it has no env.py",
            "give the directory that `flask db init` made, or create one with it",
        )
    if not any(place.is_dir() for place in locations):
        missing = ", ".join(str(place) for place in locations)
        raise NoEnvironment(
            f"there is no version location: {missing} does not exist",
            "create the directory, or correct version_locations",
        )
    environment = Environment(
        directory=directory,
        version_locations=locations,
        recursive=bool(script.recursive_version_locations),
        sourceless=bool(script.sourceless),
        settings=settings,
        uses_flask=b"current_app" in env_py.read_bytes(),
    )
    return Runtime(environment, config, script, reopen)


def _require_directory(path: Path) -> None:
    if not path.is_dir():
        raise NoEnvironment(
            f"there is no directory {path}" if not path.exists() else f"{path} is no directory",
            "run the command where the migrations directory is, or name it with -d DIRECTORY or"
            " -c alembic.ini; a new project makes it with `flask db init`",
        )


@contextmanager
def _configuration_errors(name: str) -> Iterator[None]:
    """Turn whatever Alembic raises while it reads configuration into one clear error.

    Its deprecation warnings are left to the project's own Alembic commands.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ChainFixError:
        raise
    except Exception as error:  # callbacks and interpolation can raise anything
        detail = str(error).strip() or type(error).__name__
        raise BadConfiguration(
            f"the configuration in {name} cannot be used: {detail}",
            "correct it until `flask db heads` or `alembic heads` accepts it",
        ) from error
