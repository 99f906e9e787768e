"""Alembic's configuration files.

Importing Alembic is the slowest part of a check, so its files are read here in the same way.
Alembic itself is used if that is not certain to be right: before version 1.17, and for
configuration that an app's callbacks change.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from configparser import MAX_INTERPOLATION_DEPTH, ConfigParser, Error
from contextlib import contextmanager, suppress
from functools import cache, cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.errors import BadConfiguration, ChainFixError
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.common.remedies import way

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION = re.compile(r"""^__version__ = ["'](\d+)\.(\d+)""", re.MULTILINE)


@cache
def alembic_version() -> tuple[int, int]:
    """The version of Alembic that is installed, without importing it; ``(0, 0)`` if unknown."""
    spec = find_spec("alembic")
    found = None
    with suppress(OSError):
        if spec is not None and spec.origin is not None:
            found = _VERSION.search(Path(spec.origin).read_text("utf-8"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def knows_toml() -> bool:
    """Whether this Alembic can be configured by a ``pyproject.toml``."""
    return alembic_version() >= (1, 16)


class Options:
    """The options in Alembic's configuration files, which are read on demand.

    Attributes:
        ini: the ini file; ``None`` if there is none.
        toml: the ``pyproject.toml``; ``None`` if there is none, or Alembic would not read it.
        section: the section of the ini file that is used.
        are_read_here: whether the files can be read without Alembic.
    """

    def __init__(
        self,
        ini: Path | None = None,
        toml: Path | None = None,
        section: str = "alembic",
        *,
        instead: Mapping[str, str] | None = None,
        of_app: Config | None = None,
    ) -> None:
        """Name the files; ``instead`` overrides them, and ``of_app`` replaces them."""
        self.ini, self.toml, self.section = ini, toml, section
        self._instead, self._of_app = instead or {}, of_app
        self.are_read_here = of_app is None and (1, 17) <= alembic_version() < (2, 0)

    @cached_property
    def alembic(self) -> Config:
        """The options as Alembic's own object."""
        from alembic.config import Config

        if self._of_app is not None:
            return self._of_app
        files = {"file_": self.ini, "toml_file": self.toml}
        named: dict[str, Any] = {name: str(file) for name, file in files.items() if file}
        config = Config(**named, ini_section=self.section)
        for name, value in self._instead.items():
            config.set_main_option(name, value.replace("%", "%%"))
        return config

    @cached_property
    def parser(self) -> ConfigParser:
        """The ini file, with the options that override it."""
        if not self.are_read_here:
            return self.alembic.file_config
        parser = ConfigParser({"here": _here(self.ini)})
        if self.ini is not None:
            parser.read(self.ini, encoding="locale")
        if not parser.has_section(self.section) and (self.ini is None or self._instead):
            parser.add_section(self.section)
        for name, value in self._instead.items():
            parser.set(self.section, name, value.replace("%", "%%"))
        return parser

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """``[tool.alembic]`` of the ``pyproject.toml``, as it is written."""
        if not self.are_read_here:
            return getattr(self.alembic, "toml_alembic_config", {})
        data = read_toml(self.toml) if self.toml is not None and self.toml.exists() else {}
        table = data.get("tool", {}).get("alembic", {})
        return table if isinstance(table, dict) else self.alembic.toml_alembic_config

    def get(self, name: str) -> Any:
        """An option, from whichever file Alembic takes it; ``None`` if it is not set."""
        if self.parser.has_option(self.section, name):
            return self.parser.get(self.section, name)
        value, here = self.table.get(name), {"here": _here(self.toml)}
        if isinstance(value, str):
            return value % here
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return [each % here for each in value]
        return None if value is None else self.alembic.get_alembic_option(name)


def _here(file: Path | None) -> str:
    """Alembic's value of ``%(here)s``."""
    return "." if file is None else file.absolute().parent.as_posix()


def read_config(path: Path, section: str | None = None) -> Options:
    """Read a file together with its counterpart in the working directory, as Alembic does.

    Raises:
        BadConfiguration: this version of Alembic cannot be configured by such a file, or the ini
            file has no such section.
    """
    is_toml = path.suffix == ".toml"
    ini, toml = (Path("alembic.ini"), path) if is_toml else (path, Path("pyproject.toml"))
    options = open_files(ini, toml, section)
    if section is not None and ini.exists():
        if options.parser.has_section(section):
            return options
        raise BadConfiguration(
            f"{ini} has no section [{section}]",
            f"name one of its sections: {', '.join(options.parser.sections())}",
        )
    if is_toml and not knows_toml():
        raise BadConfiguration(
            f"this version of Alembic cannot be configured by {path.name}",
            "use Alembic 1.16 or newer, or an alembic.ini",
        )
    return options


def open_files(ini: Path | None, toml: Path | None = None, section: str | None = None) -> Options:
    """Open two files, after checking that reading them ends.

    Raises ``BadConfiguration`` and ``OSError`` like ``refuse_endless``.
    """
    if ini is not None and ini.exists():
        refuse_endless(ini)
    else:
        ini = None
    if toml is not None and toml.exists() and knows_toml() and section is None:
        _refuse_long_keys(toml, read_regular(toml, LARGEST_CODE).decode(errors="replace"))
    else:
        toml = None
    return Options(ini, toml, section or "alembic")


def project_config(directory: Path) -> Options | None:
    """The configuration of a plain Alembic project, from its migrations directory.

    It is in the working directory or beside ``directory``, and has ``directory`` as its
    ``script_location``.

    Raises:
        BadConfiguration: there is such a file, and it cannot be used.
    """
    names = ("alembic.ini", "pyproject.toml") if knows_toml() else ("alembic.ini",)
    beside = Path(os.path.abspath(directory)).parent
    for file in [Path(name) for name in names] + [beside / name for name in names]:
        if file.is_file():
            with configuration_errors(str(file)):
                options = read_config(file)
                if _describes(options, file, directory):
                    return options
    return None


def _describes(options: Options, file: Path, directory: Path) -> bool:
    location = options.get("script_location")
    if not isinstance(location, str):
        return False
    path, wanted = resource_path(location), directory.resolve()
    if path.resolve() == wanted:
        return True
    if (file.parent / path).resolve() != wanted:
        return False
    # Alembic would look for relative locations below the working directory, not beside the file.
    locations = options.get("version_locations")
    places = [locations] if isinstance(locations, str) else locations or []
    for part in (part for place in places for part in place.split()):
        if not os.path.isabs(part) and ":" not in part:
            raise BadConfiguration(
                f"version_locations in {file} counts from the directory of that file",
                f"run the command in {file.parent}, or write %(here)s/{part}",
            )
    return True


def resource_path(location: str) -> Path:
    """The path of ``package:directory``, without importing the package; else the path itself."""
    package, colon, rest = location.partition(":")
    if not colon or os.path.isabs(location):
        return Path(location)
    return Path(*package.split("."), rest)


@contextmanager
def configuration_errors(name: str) -> Iterator[None]:
    """Turn any exception of Alembic's while it reads a file or directory into ``BadConfiguration``.

    Its deprecation warnings are left to the project's own Alembic commands.
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


# --- Files that would take too long to read ------------------------------------------------------
_LONGEST_LINE, _LONGEST_VALUE, _MOST_PARTS = 4_096, 100_000, 100
_TOML_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_REFERENCE = re.compile(r"%%|%\(([^)]*)\)s|%")


def read_toml(path: Path) -> Mapping[str, Any]:
    """Read a TOML file; raises ``OSError``, ``ValueError`` or ``BadConfiguration``."""
    text = read_regular(path, LARGEST_CODE).decode()
    _refuse_long_keys(path, text)
    return _parsed(text)


@lru_cache(maxsize=4)  # a command asks several times
def _parsed(text: str) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):  # most projects have no such file
        import tomllib
    else:
        import tomli as tomllib

    return tomllib.loads(text)


@lru_cache(maxsize=4)
def _refuse_long_keys(path: Path, text: str) -> None:
    """Stop if a key has too many parts: ``tomllib`` takes quadratic time for them."""
    for line in text.splitlines():
        keys = line if '"""' in line or "'''" in line else _TOML_STRING.sub("", line)
        if keys.partition("#")[0].count(".") > _MOST_PARTS:
            raise BadConfiguration(
                f"{path} has a key of more than {_MOST_PARTS} parts", "make it shorter"
            )


def refuse_endless(ini: Path) -> None:
    """Stop if reading an ini file would take too much time or memory.

    Raises:
        BadConfiguration: a line or a value of it is too long.
        OSError: it is not a regular file, or too large.
    """
    try:
        text = read_regular(ini, LARGEST_CODE).decode(errors="replace")
    except FileNotFoundError:
        return
    # configparser takes quadratic time for long lines.
    if len(max(text.splitlines(), key=len, default="")) > _LONGEST_LINE:
        raise BadConfiguration(
            f"{ini} has a line of more than {_LONGEST_LINE:,} characters", "make it shorter"
        )
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except Error:  # Alembic will fail in the same way
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
    """The names in a value, up to the place where configparser stops with an error."""
    for found in _REFERENCE.finditer(value):
        if found[0] == "%":
            return
        if found[1] is not None:
            yield found[1]
