"""Alembic's configuration files, and which of them describes a migrations directory.

To import Alembic takes longer than all else that a check does. So its files are read here as it
reads them. Alembic itself is asked where that is not certain: before its version 1.17, and for
what an app's callbacks make of the configuration.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from configparser import MAX_INTERPOLATION_DEPTH, ConfigParser, Error
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import BadConfiguration, ChainFixError
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.common.remedies import way

if TYPE_CHECKING:
    from alembic.config import Config


_LOCATION = "script_location"


_LONGEST_LINE, _LONGEST_VALUE = 4_096, 100_000


_MOST_PARTS = 100


_TOML_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')


_REFERENCE = re.compile(r"%\(([^)]*)\)s")


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


def _knows_toml() -> bool:
    """Whether this Alembic can be configured by a ``pyproject.toml``."""
    return alembic_version() >= (1, 16)


@dataclass(frozen=True)
class Options:
    """The options in Alembic's configuration files, which are read once something is asked.

    Attributes:
        ini: the ini file; ``None`` where there is none.
        toml: the ``pyproject.toml``; ``None`` where there is none, or Alembic would not read it.
        section: the section of the ini file that counts.
        instead: what is set beside the files, and goes before them, by its name.
        of_app: Alembic's own configuration as an app has made it, instead of all these.
    """

    ini: Path | None = None
    toml: Path | None = None
    section: str = "alembic"
    instead: Mapping[str, str] = field(default_factory=dict)
    of_app: Config | None = None

    @classmethod
    def made_by_app(cls, config: Config) -> Options:
        """The options in a configuration that an app's callbacks may have changed."""
        ini, toml = config.config_file_name, getattr(config, "toml_file_name", None)
        return cls(
            Path(ini) if ini else None,
            Path(toml) if toml else None,
            config.config_ini_section,
            of_app=config,
        )

    @property
    def are_read_here(self) -> bool:
        """Whether Alembic itself need not be asked what the files say."""
        return self.of_app is None and (1, 17) <= alembic_version() < (2, 0)

    @cached_property
    def alembic(self) -> Config:
        """The same as Alembic's own object."""
        from alembic.config import Config

        if self.of_app is not None:
            return self.of_app
        files = {"file_": self.ini, "toml_file": self.toml}
        named: dict[str, Any] = {name: str(file) for name, file in files.items() if file}
        config = Config(**named, ini_section=self.section)
        for name, value in self.instead.items():
            config.set_main_option(name, _escaped(value))
        return config

    @cached_property
    def parser(self) -> ConfigParser:
        """The ini file, and what is set beside it."""
        if not self.are_read_here:
            return self.alembic.file_config
        parser = ConfigParser({"here": _here(self.ini)})
        if self.ini is not None:
            parser.read(self.ini, encoding="locale")
        if not parser.has_section(self.section) and (self.ini is None or self.instead):
            parser.add_section(self.section)
        for name, value in self.instead.items():
            parser.set(self.section, name, _escaped(value))
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
        """An option, from whichever file Alembic takes it; ``None`` where it is not set."""
        if self.parser.has_option(self.section, name):
            return self.parser.get(self.section, name)
        value, here = self.table.get(name), {"here": _here(self.toml)}
        if isinstance(value, str):
            return value % here
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return [each % here for each in value]
        return None if value is None else self.alembic.get_alembic_option(name)


def _here(file: Path | None) -> str:
    """What Alembic puts in the place of ``%(here)s``."""
    return "." if file is None else file.absolute().parent.as_posix()


def _escaped(value: str) -> str:
    return value.replace("%", "%%")


def read_config(path: Path, section: str | None = None) -> Options:
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
    options = _opened(ini, toml, section)
    if section is not None and ini.exists():
        if options.parser.has_section(section):
            return options
        raise BadConfiguration(
            f"{ini} has no section [{section}]",
            f"name one of its sections: {', '.join(options.parser.sections())}",
        )
    if toml is path and not _knows_toml():
        raise BadConfiguration(
            f"this version of Alembic cannot be configured by {path.name}",
            "use Alembic 1.16 or newer, or an alembic.ini",
        )
    return options


def read_ini(path: Path) -> Options:
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
    if sys.version_info >= (3, 11):  # most projects have no such file
        import tomllib
    else:
        import tomli as tomllib

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


def _opened(ini: Path | None, toml: Path | None, section: str | None = None) -> Options:
    """What two files say, once it is known that reading them comes to an end."""
    if ini is not None and ini.exists():
        refuse_endless(ini)
    else:
        ini = None
    if toml is not None and toml.exists() and _knows_toml() and section is None:
        _refuse_long_keys(toml, read_regular(toml, LARGEST_CODE).decode(errors="replace"))
    else:
        toml = None
    return Options(ini, toml, section or "alembic")


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


def project_config(directory: Path) -> Options | None:
    """Find the configuration of a plain Alembic project by its migrations directory.

    Args:
        directory: the migrations directory; it has no ``alembic.ini`` of its own.

    Returns:
        The configuration in the working directory or beside ``directory``, if its
        ``script_location`` is ``directory``.

    Raises:
        BadConfiguration: there is such a file, and it cannot be used.
    """
    names = ("alembic.ini", "pyproject.toml") if _knows_toml() else ("alembic.ini",)
    beside = Path(os.path.abspath(directory)).parent
    files = [Path(name) for name in names] + [beside / name for name in names]
    for file in files:
        if file.is_file():
            with configuration_errors(str(file)):
                options = read_config(file)
                if _describes(options, file, directory):
                    return options
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
            parser = read_ini(file).parser
            sections = [each for each in parser.sections() if _LOCATION in parser[each]]
            return {section: parser.get(section, _LOCATION) for section in sections}
        if _knows_toml():
            written = _opened(None, file).get(_LOCATION)
            return {"tool.alembic": written} if isinstance(written, str) else {}
    return {}


def _describes(options: Options, file: Path, directory: Path) -> bool:
    location = options.get(_LOCATION)
    if not isinstance(location, str):
        return False
    path, wanted = resource_path(location), directory.resolve()
    if path.resolve() == wanted:
        return True
    if (file.parent / path).resolve() != wanted:
        return False
    _refuse_other_base(options, file)
    return True


def _refuse_other_base(options: Options, file: Path) -> None:
    """Alembic would look for relative locations below the working directory, not beside the file.

    Raises:
        BadConfiguration: some migrations would not be found.
    """
    locations = options.get("version_locations")
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
