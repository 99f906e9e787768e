"""Alembic's view of the scripts, found without a word of the project's own code being run.

Alembic imports the package of ``package:directory``, and puts ``prepend_sys_path`` before all that
is installed; so whoever writes a repository's configuration could have any command run code, or
stand in for a database driver. Only the processes that run ``env.py`` do either.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from alembic.config import Config
from alembic.script import ScriptDirectory

from flask_chainfix.errors import BadConfiguration
from flask_chainfix.runtime.configuration import option

_SEPARATORS = re.compile(r", *| +|:")


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


def script_directory(config: Config) -> ScriptDirectory:
    """Alembic's script directory; nothing is imported for it, and ``sys.path`` stays as it is.

    Raises:
        BadConfiguration: a package that the configuration names cannot be found that way.
    """
    before = _prepended(config)
    written = option(config, "script_location")
    location = written if isinstance(written, str) else None
    if location is not None:
        location = _located(location, "script_location", before)
    script = ScriptDirectory.from_config(cast(Config, _Inert(config, location)))
    script.version_locations = [
        _located(str(place), "version_locations", before)
        for place in script.version_locations or ()
    ]
    return script


def _prepended(config: Config) -> Sequence[str]:
    """What Alembic would put into ``sys.path``: a package may lie there as well."""
    if hasattr(config, "get_prepend_sys_paths_list"):  # since Alembic 1.16
        return config.get_prepend_sys_paths_list() or ()
    written = option(config, "prepend_sys_path")
    return _SEPARATORS.split(written) if isinstance(written, str) else ()


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
