"""In the rehearsing process: what the models have otherwise than the migrated database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic import autogenerate
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

_MODELS, _DATABASE = "only the models have it", "only the migrated database has it"
_SIDES = {"add": _MODELS, "remove": _DATABASE}
_NOUNS = {"fk": "foreign key"}


def differences(config: Config, script: ScriptDirectory) -> list[str] | None:
    """Compare as ``alembic check`` does.

    Returns:
        A line for each difference, sorted; ``None`` where ``env.py`` names no models.
    """
    arguments = {
        "message": None,
        "autogenerate": True,
        "sql": False,
        "head": "head",
        "splice": False,
        "branch_label": None,
        "version_path": None,
        "rev_id": None,
        "depends_on": None,
    }
    context = autogenerate.RevisionContext(config, script, arguments)

    def compare(revision: Any, migration_context: Any) -> list[Any]:
        context.run_autogenerate(revision, migration_context)
        return []

    with EnvironmentContext(
        config,
        script,
        fn=compare,
        as_sql=False,
        template_args=context.template_args,
        revision_context=context,
    ):
        try:
            script.run_env()
        except CommandError as error:
            if "does not provide a MetaData object" in str(error):
                return None
            raise
    generated: Any = context.generated_revisions[-1]
    return sorted(
        line
        for operations in generated.upgrade_ops_list
        for diff in operations.as_diffs()
        for line in _lines(diff)
    )


def _lines(diff: Any) -> Iterator[str]:
    """What Alembic's ``as_diffs`` gives for one object, in words."""
    if isinstance(diff, list):  # the changes of one column
        for kind, schema, table, column, _, old, new in diff:
            what = kind.partition("_")[2]
            yield (
                f"column {_full(schema, table)}.{column}: {what} {_shown(old)} in the migrated"
                f" database, {_shown(new)} in the models"
            )
        return
    action, _, noun = str(diff[0]).partition("_")
    if noun == "column" and action in _SIDES:
        yield f"column {_full(diff[1], diff[2])}.{diff[3].name}: {_SIDES[action]}"
    elif noun == "table" and action in _SIDES:
        yield f"table {_full(diff[1].schema, diff[1].name)}: {_SIDES[action]}"
    elif action in _SIDES and hasattr(diff[1], "table"):
        yield f"{_NOUNS.get(noun, noun)} {_named(diff[1])}: {_SIDES[action]}"
    else:
        yield f"{str(diff[0]).replace('_', ' ')}: {', '.join(_shown(part) for part in diff[1:])}"


def _named(item: Any) -> str:
    """A name of an index or constraint that people find again, as many have none of their own."""
    columns = ", ".join(str(column.name) for column in item.columns)
    return f"{item.name or 'without a name'} on {item.table.name} ({columns})"


def _full(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _shown(value: Any) -> str:
    """A type, a default or whatever else has changed, on one line."""
    value = getattr(value, "arg", value)  # of a server default, the SQL
    return " ".join((repr(value) if isinstance(value, str) else str(value)).split())
