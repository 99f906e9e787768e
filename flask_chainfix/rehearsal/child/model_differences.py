"""Compare the models with the database that the whole chain has made, as ``alembic check``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import RevisionContext
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

_SIDES = {"add": "only the models have it", "remove": "only the migrated database has it"}
_NOUNS = {"fk": "foreign key"}


def model_differences(config: Config, script: ScriptDirectory) -> list[str] | None:
    """Compare as ``alembic check`` does, with the hooks of ``env.py``.

    Returns:
        A line for each difference, sorted; ``None`` if ``env.py`` names no models.
    """
    unused = dict.fromkeys(("message", "branch_label", "version_path", "rev_id", "depends_on"))
    arguments = {**unused, "autogenerate": True, "sql": False, "head": "head", "splice": False}
    revision = RevisionContext(config, script, arguments)

    def compare(heads: Any, context: Any) -> list[Any]:
        revision.run_autogenerate(heads, context)
        return []

    options: dict[str, Any] = {"fn": compare, "as_sql": False, "revision_context": revision}
    with EnvironmentContext(config, script, template_args=revision.template_args, **options):
        try:
            script.run_env()
        except CommandError as error:
            if "does not provide a MetaData object" in str(error):
                return None
            raise
    generated: Any = revision.generated_revisions[-1]
    diffs = (diff for each in generated.upgrade_ops_list for diff in each.as_diffs())
    return sorted(line for diff in diffs for line in lines_of(diff))


def lines_of(diff: Any) -> Iterator[str]:
    """One object's differences from Alembic's ``as_diffs``, in words."""
    if isinstance(diff, list):  # the changes of one column
        for kind, schema, table, column, _, old, new in diff:
            yield (
                f"column {_full(schema, table)}.{column}: {kind.removeprefix('modify_')}"
                f" {_shown(old)} in the migrated database, {_shown(new)} in the models"
            )
        return
    action, _, noun = str(diff[0]).partition("_")
    item = diff[1]
    if noun == "column" and action in _SIDES:
        yield f"column {_full(item, diff[2])}.{diff[3].name}: {_SIDES[action]}"
    elif noun == "table" and action in _SIDES:
        yield f"table {item.fullname}: {_SIDES[action]}"
    elif action in _SIDES and hasattr(item, "table"):
        columns = ", ".join(str(column.name) for column in item.columns)
        name = f"{item.name or 'without a name'} on {item.table.name} ({columns})"
        yield f"{_NOUNS.get(noun, noun)} {name}: {_SIDES[action]}"
    else:
        yield f"{str(diff[0]).replace('_', ' ')}: {', '.join(map(_shown, diff[1:]))}"


def _full(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _shown(value: Any) -> str:
    """A changed type, default or other value, on one line."""
    value = getattr(value, "arg", value)  # the SQL of a server default
    return " ".join((repr(value) if isinstance(value, str) else str(value)).split())
