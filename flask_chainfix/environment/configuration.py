"""Alembic's configuration files, and which of them describes a migrations directory."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from configparser import MAX_INTERPOLATION_DEPTH, ConfigParser, Error
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic.config import Config

from flask_chainfix.common.errors import BadConfiguration, ChainFixError
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.common.remedies import way

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_LOCATION = "script_location"


_LONGEST_LINE, _LONGEST_VALUE = 4_096, 100_000


_MOST_PARTS = 100


_TOML_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


_REFERENCE = re.compile(r"%\(([^)]*)\)s")


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
    config = _opened(ini, toml, section)
    if section is not None and ini.exists():
        if config.file_config.has_section(section):
            return config
        raise BadConfiguration(
            f"{ini} has no section [{section}]",
            f"name one of its sections: {', '.join(config.file_config.sections())}",
        )
    if toml is path and not _KNOWS_TOML:
        raise BadConfiguration(
            f"this version of Alembic cannot be configured by {path.name}",
            "use Alembic 1.16 or newer, or an alembic.ini",
        )
    return config


def read_ini(path: Path) -> Config:
    """Read an ini file alone; what is not there says nothing.

    Raises:
        BadConfiguration: a line or a value of it is too long.
        OSError: it is no regular file, or too large.
    """
    return _opened(path, None)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        BadConfiguration: a key of it has too many parts.
        OSError: it cannot be read.
        ValueError: it is no TOML.
    """
    text = read_regular(path, LARGEST_CODE).decode()
    _refuse_long_keys(path, text)
    return tomllib.loads(text)


def _refuse_long_keys(path: Path, text: str) -> None:
    """Stop where the time that ``tomllib`` takes grows with the square of the parts of a key."""
    for line in text.splitlines():
        keys = line if '"""' in line or "'''" in line else _TOML_STRING.sub("", line)
        if keys.partition("#")[0].count(".") > _MOST_PARTS:
            raise BadConfiguration(
                f"{path} has a key of more than {_MOST_PARTS} parts", "make it shorter"
            )


def _opened(ini: Path | None, toml: Path | None, section: str | None = None) -> Config:
    """Alembic's view of two files, once it is known that reading them comes to an end."""
    names: dict[str, Any] = {}
    if ini is not None and ini.exists():
        refuse_endless(ini)
        names["file_"] = str(ini)
    if toml is not None and toml.exists() and _KNOWS_TOML and section is None:
        _refuse_long_keys(toml, read_regular(toml, LARGEST_CODE).decode(errors="replace"))
        names["toml_file"] = str(toml)
    return Config(**names, ini_section=section or "alembic")


def refuse_endless(ini: Path) -> None:
    """Stop where an ini file is made to take long, or all memory, from whoever reads it.

    Raises:
        BadConfiguration: a line or a value of it is too long.
        OSError: it is no regular file, or too large.
    """
    try:
        text = read_regular(ini, LARGEST_CODE).decode(errors="replace")
    except FileNotFoundError:
        return
    # configparser takes time that grows with the square of the length of a line.
    if len(max(text.splitlines(), key=len, default="")) > _LONGEST_LINE:
        raise BadConfiguration(
            f"{ini} has a line of more than {_LONGEST_LINE:,} characters", "make it shorter"
        )
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except Error:  # which Alembic will meet as well
        return
    sections = (parser.default_section, *parser.sections())
    if len(sections) * len(parser.defaults()) > _LONGEST_VALUE:
        raise BadConfiguration(
            f"{ini} has {len(sections):,} sections, each with {len(parser.defaults()):,} defaults",
            "give it fewer of either",
        )
    for section in sections:
        for name in _endless(dict(parser[section])):
            raise BadConfiguration(
                f"{name} in [{section}] of {ini} would have more than {_LONGEST_VALUE:,} characters"
                " with everything that it refers to",
                "write its value out",
            )


def _endless(values: Mapping[str, str]) -> Iterator[str]:
    """The names of values that interpolation makes too long."""
    references = {name: tuple(_references(value.lower())) for name, value in values.items()}
    lengths = plain = {name: len(value) for name, value in values.items()}
    for _ in range(MAX_INTERPOLATION_DEPTH):
        lengths = {
            name: plain[name] + sum(lengths.get(other, 0) for other in references[name])
            for name in values
        }
        yield from (name for name, length in lengths.items() if length > _LONGEST_VALUE)


def _references(value: str) -> Iterator[str]:
    """The names in a value, up to where configparser stops with an error."""
    at = value.find("%")
    while at >= 0:
        found = _REFERENCE.match(value, at)
        if found:
            yield found[1]
        elif not value.startswith("%%", at):
            return
        at = value.find("%", found.end() if found else at + 2)


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
            parser = read_ini(file).file_config
            sections = [each for each in parser.sections() if _LOCATION in parser[each]]
            return {section: parser.get(section, _LOCATION) for section in sections}
        if _KNOWS_TOML:
            written = option(_opened(None, file), _LOCATION)
            return {"tool.alembic": written} if isinstance(written, str) else {}
    return {}


def _describes(config: Config, file: Path, directory: Path) -> bool:
    location = option(config, _LOCATION)
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
    locations = option(config, "version_locations")
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


def option(config: Config, name: str) -> str | list[str] | None:
    """An option of Alembic's, from whichever file it reads; ``None`` where it is not set."""
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
        said = error.strerror if isinstance(error, OSError) else None
        detail = " ".join((said or str(error)).split()) or type(error).__name__
        raise BadConfiguration(
            f"the configuration in {name} cannot be used: {detail}",
            way("correct it until Alembic accepts it", "{alembic} heads"),
        ) from error
