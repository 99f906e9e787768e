"""Alembic's configuration files, and which of them describes a migrations directory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic.config import Config

from flask_chainfix.errors import BadConfiguration, ChainFixError
from flask_chainfix.remedies import way

_LOCATION = "script_location"
_KNOWS_TOML = hasattr(Config, "toml_file_name")  # since Alembic 1.16


def read_config(path: Path, section: str | None = None) -> Config:
    """Read a file together with its counterpart in the working directory, as Alembic does.

    Args:
        path: an ``alembic.ini`` or a ``pyproject.toml``.
        section: the section of the ini file to read; ``None`` for ``alembic``.

    Raises:
        BadConfiguration: this version of Alembic cannot be configured by such a file, or the ini
            file has no such section.
    """
    if path.suffix == ".toml":
        ini, toml = Path("alembic.ini"), path
    else:
        ini, toml = path, Path("pyproject.toml")
    ini_name = str(ini) if ini.exists() else None
    if section is not None and ini_name is not None:
        config = Config(ini_name, ini_section=section)
        if config.file_config.has_section(section):
            return config
        raise BadConfiguration(
            f"{ini} has no section [{section}]",
            f"name one of its sections: {', '.join(config.file_config.sections())}",
        )
    if _KNOWS_TOML and toml.exists():
        return Config(ini_name, toml_file=str(toml))
    if toml is path:
        raise BadConfiguration(
            f"this version of Alembic cannot be configured by {path.name}",
            "use Alembic 1.16 or newer, or an alembic.ini",
        )
    return Config(ini_name)


def project_config(directory: Path) -> Config | None:
    """Find the configuration of a plain Alembic project by its migrations directory.

    Args:
        directory: the migrations directory; it has no ``alembic.ini`` of its own.

    Returns:
        The configuration in the working directory or beside ``directory``, if its
        ``script_location`` is ``directory``.

    Raises:
        BadConfiguration: there is such a file, and it cannot be used.
    """
    names = ("alembic.ini", "pyproject.toml") if _KNOWS_TOML else ("alembic.ini",)
    beside = Path(os.path.abspath(directory)).parent
    files = [Path(name) for name in names] + [beside / name for name in names]
    for file in files:
        if file.is_file():
            with configuration_errors(str(file)):
                config = read_config(file)
                if _describes(config, file, directory):
                    return config
    return None


def script_locations(file: Path) -> dict[str, str]:
    """What a configuration file of whatever project says of migration environments.

    Args:
        file: an ini file or a ``pyproject.toml``.

    Returns:
        The ``script_location`` of each section; nothing where Alembic could not use the file.
    """
    with suppress(ChainFixError), configuration_errors(str(file)):
        if file.suffix != ".toml":
            parser = Config(str(file)).file_config
            sections = [each for each in parser.sections() if _LOCATION in parser[each]]
            return {section: parser.get(section, _LOCATION) for section in sections}
        if _KNOWS_TOML:
            written = _option(Config(toml_file=str(file)), _LOCATION)
            return {"tool.alembic": written} if isinstance(written, str) else {}
    return {}


def _describes(config: Config, file: Path, directory: Path) -> bool:
    location = _option(config, _LOCATION)
    if not isinstance(location, str):
        return False
    path, wanted = resource_path(location), directory.resolve()
    if path.resolve() == wanted:
        return True
    if (file.parent / path).resolve() != wanted:
        return False
    _refuse_other_base(config, file)
    return True


def _refuse_other_base(config: Config, file: Path) -> None:
    """Alembic would look for relative locations below the working directory, not beside the file.

    Raises:
        BadConfiguration: some migrations would not be found.
    """
    locations = _option(config, "version_locations")
    places = [locations] if isinstance(locations, str) else locations or []
    for part in (part for place in places for part in place.split()):
        if not os.path.isabs(part) and ":" not in part:
            raise BadConfiguration(
                f"version_locations in {file} counts from the directory of that file",
                f"run the command in {file.parent}, or write %(here)s/{part}",
            )


def resource_path(location: str) -> Path:
    """Where ``package:directory`` lies, without importing the package; else the path itself."""
    package, colon, rest = location.partition(":")
    if not colon or os.path.isabs(location):
        return Path(location)
    return Path(*package.split("."), rest)


def _option(config: Config, name: str) -> str | list[str] | None:
    value: str | list[str] | None = None
    if _KNOWS_TOML:
        value = config.get_alembic_option(name)
    elif config.file_config.has_section(config.config_ini_section):
        value = config.get_main_option(name)
    return value


@contextmanager
def configuration_errors(name: str) -> Iterator[None]:
    """Turn whatever Alembic raises while it reads configuration into one clear error.

    Its deprecation warnings are left to the project's own Alembic commands.

    Args:
        name: the file or directory that is being read.

    Raises:
        BadConfiguration: the configuration cannot be used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ChainFixError:
        raise
    except Exception as error:  # callbacks and interpolation can raise anything
        detail = " ".join(str(error).split()) or type(error).__name__
        raise BadConfiguration(
            f"the configuration in {name} cannot be used: {detail}",
            way("correct it until Alembic accepts it", "{alembic} heads"),
        ) from error
