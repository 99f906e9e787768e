"""Where Alembic looks for migrations; nothing of the project is imported for it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from configparser import Error
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from flask_chainfix.common.errors import BadConfiguration
from flask_chainfix.environment.configuration import Options

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_LEGACY_PATHS, _LEGACY_LOCATIONS = re.compile(r", *| +|:"), re.compile(r", *| +")


class ScriptPlace(NamedTuple):
    """Where migrations are.

    Attributes:
        directory: the script location, absolute.
        version_locations: the directories of migrations, absolute, in Alembic's order.
        recursive: whether migrations are also looked for below these directories.
        sourceless: whether compiled migrations without a source count.
    """

    directory: Path
    version_locations: tuple[Path, ...]
    recursive: bool
    sourceless: bool


def locate(options: Options) -> ScriptPlace:
    """Find out where Alembic looks for migrations.

    Raises:
        BadConfiguration: a package that the configuration names cannot be found.
        Exception: whatever Alembic raises where its configuration is wrong.
    """
    return read_plainly(options) or _asked(options)


def _absolute(place: str | Path) -> Path:
    return Path(os.path.abspath(place))


# --- Without Alembic -----------------------------------------------------------------------------

_HOOKS = "post_write_hooks"
# What else Alembic reads before it looks for migrations, so that it may fail at it.
_ALSO_READ = ("file_template", "output_encoding", "timezone")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_ESCAPES = re.compile(r"%%|%\(here\)s")


class _Unsure(Exception):
    """Something is wrong, or is written in a way that only Alembic knows."""


def read_plainly(options: Options) -> ScriptPlace | None:
    """Find out where Alembic looks, without importing it.

    Returns:
        ``None`` where Alembic itself has to be asked, as its configuration is wrong or not plain.

    Raises:
        BadConfiguration: a package that the configuration names cannot be found.
    """
    if not options.are_read_here:
        return None
    try:
        _require_plain_hooks(options)
        length, *_ = (_plain(options, name) for name in ("truncate_slug_length", *_ALSO_READ))
        location = _plain(options, "script_location")
        before = _parts(options, "prepend_sys_path", _LEGACY_PATHS, "path_separator")
        places = _parts(
            options,
            "version_locations",
            _LEGACY_LOCATIONS,
            "path_separator",
            "version_path_separator",
        )
        recursive = _boolean(options, "recursive_version_locations")
        sourceless = _boolean(options, "sourceless")
    except (_Unsure, Error):
        return None
    if not isinstance(location, str) or not (length is None or str(length).isdecimal()):
        return None
    directory = _located(location, "script_location", before)
    if not os.path.exists(directory):
        return None
    places = [_located(place, "version_locations", before) for place in places]
    locations = map(_absolute, places or [os.path.join(directory, "versions")])
    return ScriptPlace(_absolute(directory), tuple(locations), recursive, sourceless)


def _plain(options: Options, name: str) -> Any:
    """The value of an option, if it refers to nothing but ``%(here)s``."""
    if options.parser.has_option(options.section, name):
        _require_plain(options.parser.get(options.section, name, raw=True))
    else:
        _require_plain(options.table.get(name))
    return options.get(name)


def _require_plain(value: object) -> None:
    if value is None or isinstance(value, int):
        return
    for text in [value] if isinstance(value, str) else _strings(value):
        if "%" in _ESCAPES.sub("", text):
            raise _Unsure


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _Unsure
    return value


def _require_plain_hooks(options: Options) -> None:
    if options.parser.has_section(_HOOKS):
        _require_plain([value for _, value in options.parser.items(_HOOKS, raw=True)])
        return
    for hook in options.table.get(_HOOKS, []):
        if not isinstance(hook, dict) or "name" not in hook:
            raise _Unsure
        _require_plain(list(hook.values()))


def _parts(options: Options, name: str, legacy: re.Pattern[str], *separators: str) -> list[str]:
    """The parts of an option.

    Args:
        options: all of them.
        name: its name.
        legacy: what separates the parts where the ini file does not say it.
        separators: the options that say it; the first that is set counts.
    """
    value, parser, section = _plain(options, name), options.parser, options.section
    if not parser.has_option(section, name):
        return [] if value is None else _strings(value)
    if not value:  # Alembic looks into pyproject.toml then
        raise _Unsure
    said = [parser.get(section, each) for each in separators if parser.has_option(section, each)]
    if not said:
        return legacy.split(value)
    if said[0] not in _SEPARATORS:
        raise _Unsure
    return [part.strip() for part in value.split(_SEPARATORS[said[0]]) if part]


def _boolean(options: Options, name: str) -> bool:
    value = _plain(options, name)
    if options.parser.has_option(options.section, name):
        return bool(value == "true")
    if not (value is None or isinstance(value, bool)):
        raise _Unsure
    return bool(value)


# --- With Alembic --------------------------------------------------------------------------------


class _Inert:
    """A configuration, but for what would be imported, and for what is put into ``sys.path``.

    Alembic has asked for the options in different ways over the years.
    """

    def __init__(self, config: Config, script_location: str | None) -> None:
        self._config = config
        self._instead = {"script_location": script_location, "prepend_sys_path": None}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)

    def get_main_option(self, name: str, default: str | None = None) -> str | None:
        if name in self._instead:
            return self._instead[name]
        return self._config.get_main_option(name, default)

    def get_alembic_option(self, name: str, default: str | None = None) -> Any:
        if name in self._instead:
            return self._instead[name]
        return self._config.get_alembic_option(name, default)

    def get_prepend_sys_paths_list(self) -> None:
        return None


def _asked(options: Options) -> ScriptPlace:
    """What Alembic itself says."""
    script = script_directory(options)
    return ScriptPlace(
        _absolute(script.dir),
        # Alembic's public attribute is the raw setting; this one is where it will really look.
        tuple(map(_absolute, script._version_locations)),
        bool(script.recursive_version_locations),
        bool(script.sourceless),
    )


def script_directory(options: Options) -> ScriptDirectory:
    """Alembic's script directory; nothing is imported for it, and ``sys.path`` stays as it is.

    Raises:
        BadConfiguration: a package that the configuration names cannot be found that way.
    """
    from alembic.script import ScriptDirectory

    before = _prepended(options)
    written = options.get("script_location")
    location = written if isinstance(written, str) else None
    if location is not None:
        location = _located(location, "script_location", before)
    script = ScriptDirectory.from_config(cast("Config", _Inert(options.alembic, location)))
    script.version_locations = [
        _located(str(place), "version_locations", before)
        for place in script.version_locations or ()
    ]
    return script


def _prepended(options: Options) -> Sequence[str]:
    """What Alembic would put into ``sys.path``: a package may lie there as well."""
    if hasattr(options.alembic, "get_prepend_sys_paths_list"):  # since Alembic 1.16
        return options.alembic.get_prepend_sys_paths_list() or ()
    written = options.get("prepend_sys_path")
    return _LEGACY_PATHS.split(written) if isinstance(written, str) else ()


# --- Packages ------------------------------------------------------------------------------------


def _located(location: str, name: str, before: Sequence[str]) -> str:
    """The directory that ``package:directory`` stands for; a path as it is."""
    package, *folders = location.split(":")
    if not folders or os.path.isabs(location):
        return location
    top, *inner = package.split(".")
    found = _spec(top, before)
    places = found.submodule_search_locations if found is not None else None
    paths = [Path(place, *inner, *folders) for place in places or ()]
    for path in paths:
        if path.is_dir():
            return str(path)
    raise BadConfiguration(
        f"{location} in {name} cannot be found without importing {package}, which would run code"
        " of the project",
        f"write the path of the directory instead: {name} ="
        f" %(here)s/{'/'.join((top, *inner, *folders))}; or install {top} beside flask-chainfix",
    )


def _spec(package: str, before: Sequence[str]) -> ModuleSpec | None:
    """Where a package lies; the finders of editable installs are asked last."""
    found = PathFinder.find_spec(package, [*before, *sys.path])
    if found is None and package.isidentifier() and package not in sys.modules:
        found = find_spec(package)
    return found
