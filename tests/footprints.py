"""Footprints as short lines, so that tests can say in one line each what a migration does."""

from __future__ import annotations

from flask_chainfix.schema.footprint import Action, Effect, Footprint, SchemaObject
from flask_chainfix.schema.python.footprint_reader import read_footprint

_VERBS = {Action.CREATE: "+", Action.USE: "·", Action.DROP: "-"}
_HEAD = """\
\"\"\"a migration\"\"\"
from alembic import context, op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = 'x'
down_revision = None
"""


def footprint(
    body: str,
    module: str = "",
    dialect: str | None = None,
) -> Footprint:
    """The footprint of a migration whose ``upgrade()`` has this body.

    Args:
        body: the statements, not indented.
        module: what stands above the function.
        dialect: of the database.
    """
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"{_HEAD}{module}\n\ndef upgrade():\n{lines}\n\ndef downgrade():\n    pass\n"
    return read_footprint(source.encode(), dialect=dialect)


def line(effect: Effect) -> str:
    """One effect: ``+ table user``, ``· column user.id``, ``- index ix_user?`` where uncertain."""
    renamed = f" = {_name(effect.renamed)}" if effect.renamed is not None else ""
    object_ = effect.object
    doubt = "" if effect.certain else "?"
    return f"{_VERBS[effect.action]} {object_.kind.value} {_name(object_)}{doubt}{renamed}"


def _name(object_: SchemaObject) -> str:
    return f"{object_.database}:{object_.spelled}" if object_.database else object_.spelled


def effects(body: str, module: str = "", dialect: str | None = None) -> list[str]:
    """What is known of such a migration; nothing of it is unknown."""
    found = footprint(body, module, dialect)
    assert not found.opaque
    return [line(effect) for effect in found.effects]


def doubts(body: str, module: str = "") -> list[str]:
    """What is not known of such a migration: ``+·-`` what it may be, and of which table."""
    return [
        "".join(_VERBS[action] for action in Action if action in doubt.actions)
        + (f" {doubt.table.spelled}" if doubt.table is not None else "")
        for doubt in footprint(body, module).opaque
    ]
