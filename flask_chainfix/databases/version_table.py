"""The name of Alembic's version table and its schema, as ``env.py`` will give them to Alembic."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.errors import BadConfiguration
from flask_chainfix.environment.env_py import CANNOT_READ, EnvPy
from flask_chainfix.environment.locate import Runtime

_NAME, _SCHEMA = "version_table", "version_table_schema"


class VersionTable(NamedTuple):
    """Where Alembic keeps its rows.

    Attributes:
        name: the table.
        schema: its schema; ``None`` for the default one.
    """

    name: str
    schema: str | None


def version_table(runtime: Runtime, *, in_schemas: bool = False) -> VersionTable:
    """Find it out without running ``env.py``: the settings, else ``env.py``, else the app.

    Args:
        runtime: the environment; if it is an app's, this runs inside that app.
        in_schemas: whether schemas will be looked for, so that none needs to be named here.

    Raises:
        BadConfiguration: ``env.py`` computes them, or cannot be read.
    """
    settings = runtime.environment.settings
    asked = {_NAME: settings.version_table}
    if not in_schemas:
        asked[_SCHEMA] = settings.version_table_schema
    options = _options_of_app(runtime)
    env_py: EnvPy | None = None
    for option, value in asked.items():
        if value is None:
            env_py = env_py or _read(runtime.environment.directory / "env.py")
            written = _value_of(env_py, option)
            asked[option] = options.get(option) if written is None else written
    return VersionTable(asked[_NAME] or "alembic_version", asked.get(_SCHEMA))


def _options_of_app(runtime: Runtime) -> dict[str, str | None]:
    if not runtime.has_app:
        return {}
    from flask import current_app

    options: dict[str, str | None] = current_app.extensions["migrate"].configure_args
    return options


def _read(path: Path) -> EnvPy:
    try:
        return EnvPy(path)
    except CANNOT_READ as error:
        raise BadConfiguration(
            f"{path} cannot be read: {error}",
            f"correct it, or write {_NAME} = NAME and {_SCHEMA} = NAME into the fixchain settings",
        ) from error


def _value_of(env_py: EnvPy, option: str) -> str | None:
    """What it sets this option to; ``None`` where it does not.

    Raises:
        BadConfiguration: only running it would tell.
    """
    written = [*env_py.written(option)]
    explained = sum(not isinstance(node, ast.keyword) for node, _ in written)
    values = {env_py.value(value) for _, value in written}
    value = next(iter(values), None)
    known = len(values) <= 1 and env_py.mentions(option) <= explained
    if not known or not (value is None or isinstance(value, str)):
        raise BadConfiguration(
            f"only running {env_py.path} would tell what it gives Alembic as {option}",
            f"write {option} = NAME into the section [fixchain] of alembic.ini, or into"
            " [tool.fixchain] of pyproject.toml",
        )
    return value
