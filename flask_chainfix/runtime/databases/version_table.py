"""The name of Alembic's version table and its schema, as ``env.py`` will give them to Alembic."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.errors import BadConfiguration
from flask_chainfix.runtime.environment import Runtime
from flask_chainfix.source.literals import Computed, evaluate

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
    source: _Source | None = None
    for setting, value in asked.items():
        if value is None:
            source = source or _Source(runtime.environment.directory / "env.py")
            written = source.value_of(setting)
            asked[setting] = options.get(setting) if written is None else written
    return VersionTable(asked[_NAME] or "alembic_version", asked.get(_SCHEMA))


def _options_of_app(runtime: Runtime) -> dict[str, str | None]:
    if not runtime.has_app:
        return {}
    from flask import current_app

    options: dict[str, str | None] = current_app.extensions["migrate"].configure_args
    return options


class _Source:
    """An ``env.py``, as far as its literals tell."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError) as error:
            raise BadConfiguration(
                f"{path} cannot be read: {error}",
                f"correct it, or write {_NAME} = NAME and {_SCHEMA} = NAME into the fixchain"
                " settings",
            ) from error
        # A name that anything else binds too holds nobody knows what.
        bound = Counter(
            node.id
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        )
        self._constants = {name: value for name, value in self._assignments() if bound[name] == 1}

    def value_of(self, setting: str) -> str | None:
        """What it sets this option to; ``None`` where it does not.

        Raises:
            BadConfiguration: only running it would tell.
        """
        nodes = [*self._written(setting)]
        mentions = sum(
            isinstance(node, ast.Constant) and node.value == setting
            for node in ast.walk(self._tree)
        )
        explained = sum(not isinstance(node, ast.keyword) for node, _ in nodes)
        values = {evaluate(value, self._look_up) for _, value in nodes}
        if mentions > explained or len(values) > 1:
            raise self._computed(setting)
        value = values.pop() if values else None
        if value is not None and not isinstance(value, str):
            raise self._computed(setting)
        return value

    def _written(self, setting: str) -> Iterator[tuple[ast.AST, ast.expr]]:
        """Where it stands, and the value beside it."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.keyword) and node.arg == setting:
                yield node, node.value
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == setting:
                        yield key, value
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                key = node.targets[0].slice
                if isinstance(key, ast.Constant) and key.value == setting:
                    yield key, node.value

    def _assignments(self) -> Iterator[tuple[str, ast.expr]]:
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, node.value or ast.Name(node.target.id)

    def _look_up(self, name: str) -> object:
        node = self._constants.get(name)
        return node.value if isinstance(node, ast.Constant) else Computed(f"is computed ({name})")

    def _computed(self, setting: str) -> BadConfiguration:
        return BadConfiguration(
            f"only running {self._path} would tell what it gives Alembic as {setting}",
            f"write {setting} = NAME into the section [fixchain] of alembic.ini, or into"
            " [tool.fixchain] of pyproject.toml",
        )
