"""Our settings: ``[fixchain]`` of ``alembic.ini``, or ``[tool.fixchain]`` of ``pyproject.toml``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from flask_chainfix.common.errors import BadConfiguration
from flask_chainfix.environment.configuration import Options, read_toml
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.findings import CODES

# The settings with several values, each with its type in ``Settings``.
_SEVERAL: Mapping[str, Callable[[Iterable[str]], object]] = {
    "ignore": frozenset,
    "ignore_objects": tuple,
    "intended_bases": frozenset,
    "published": tuple,
}
_SINGLE = ("version_table", "version_table_schema", "main_branch")
_KEYS = (*_SEVERAL, *_SINGLE)


def read_settings(options: Options) -> Settings:
    """Read the settings from the configuration files of Alembic.

    Raises:
        BadConfiguration: a key, a value or a code is unknown.
    """
    values = dict(_from_ini(options.parser) or _from_toml(options.toml))
    for key, words in values.items():
        if key not in _KEYS:
            raise BadConfiguration(
                f"unknown key {key!r} in the fixchain settings",
                f"the known keys are {', '.join(_KEYS)}",
            )
        if key in _SINGLE and len(words) > 1:
            raise BadConfiguration(
                f"{key} in the fixchain settings is more than one name", f"write {key} = NAME"
            )
    values["ignore"] = [code.upper() for code in values.get("ignore", ())]
    if unknown := set(values["ignore"]) - CODES:
        raise BadConfiguration(
            f"unknown code {', '.join(sorted(unknown))} under ignore in the fixchain settings",
            f"the known codes are {', '.join(sorted(CODES))}",
        )
    settings: dict[str, Any] = {
        key: _SEVERAL[key](words) if key in _SEVERAL else next(iter(words), None)
        for key, words in values.items()
    }
    if "main_branch" in settings:  # an empty name turns the main branch off
        settings["main_branch"] = settings["main_branch"] or ""
    return Settings(**settings)


def _from_ini(parser: ConfigParser) -> Mapping[str, list[str]]:
    """The section's keys, with values split at commas, spaces and line ends."""
    if not parser.has_section("fixchain"):
        return {}
    return {
        key: [part for part in re.split(r"[,\s]+", parser.get("fixchain", key)) if part]
        for key in parser.options("fixchain")
        if key not in parser.defaults()
    }


def _from_toml(file: Path | None) -> Mapping[str, list[str]]:
    if file is None or not file.is_file():
        return {}
    section = read_toml(file).get("tool", {}).get("fixchain", {})
    if not isinstance(section, dict):
        raise BadConfiguration("[tool.fixchain] is not a table", "write it as a TOML table")
    for key, value in section.items():
        if key in _SINGLE and isinstance(value, str):
            section[key] = [value]
        elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadConfiguration(
                f"{key} in [tool.fixchain] is not a list of strings", f'write {key} = ["…"]'
            )
    return section
