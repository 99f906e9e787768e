"""The ``[fixchain]`` section of the environment's configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from alembic.config import Config

from flask_chainfix.errors import BadConfiguration
from flask_chainfix.model import Settings
from flask_chainfix.rules import all_rules
from flask_chainfix.runtime.configuration import read_toml

_SINGLE = ("version_table", "version_table_schema", "main_branch")
_KEYS = ("ignore", "intended_bases", "published", *_SINGLE)


def read_settings(config: Config) -> Settings:
    """Read ``[fixchain]`` of ``alembic.ini``, else ``[tool.fixchain]`` of ``pyproject.toml``.

    Raises:
        BadConfiguration: a key, a value or a code is unknown.
    """
    values = _from_ini(config) or _from_toml(config)
    for key in values:
        if key not in _KEYS:
            raise BadConfiguration(
                f"unknown key {key!r} in the fixchain settings",
                f"the known keys are {', '.join(_KEYS)}",
            )
    codes = {rule.code for rule in all_rules()}
    ignore = frozenset(code.upper() for code in values.get("ignore", ()))
    unknown = ignore - codes
    if unknown:
        raise BadConfiguration(
            f"unknown code {', '.join(sorted(unknown))} under ignore in the fixchain settings",
            f"the known codes are {', '.join(sorted(codes))}",
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


def _from_ini(config: Config) -> Mapping[str, list[str]]:
    """The section's keys, with values split at commas, blanks and line ends."""
    parser = config.file_config
    if not parser.has_section("fixchain"):
        return {}
    inherited = parser.defaults()
    return {
        key: [part for part in re.split(r"[,\s]+", parser.get("fixchain", key)) if part]
        for key in parser.options("fixchain")
        if key not in inherited
    }


def _from_toml(config: Config) -> Mapping[str, list[str]]:
    # Alembic before 1.16 knows no such file.
    name = getattr(config, "toml_file_name", None)
    if name is None or not Path(name).is_file():
        return {}
    section = read_toml(Path(name)).get("tool", {}).get("fixchain", {})
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
