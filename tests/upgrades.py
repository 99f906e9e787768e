"""Alembic's own upgrade of a scratch database that is stamped somewhere, with nothing to do in it.

The migrations note that they have run, and nothing else; so a chain is run in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap, tuple_rev_as_scalar
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import StaticPool

from flask_chainfix.model.files import Header


class Upgraded(NamedTuple):
    """What an upgrade has done: the revisions that ran, in order, and the rows afterwards."""

    ran: list[str]
    rows: tuple[str, ...]


def scratch_engine() -> Engine:
    """One SQLite database in memory, which lives as long as the engine."""
    return create_engine("sqlite://", poolclass=StaticPool)


def upgrade(
    engine: Engine, headers: Iterable[Header], rows: Sequence[str], to: str = "heads"
) -> Upgraded:
    """Stamp the database with ``rows``, whatever it held before, and run ``upgrade``.

    Raises:
        Exception: whatever Alembic raises.
    """
    ran: list[str] = []
    script = ScriptDirectory(".")
    script.revision_map = revision_map(headers, ran)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        for row in rows:
            connection.execute(text("INSERT INTO alembic_version VALUES (:row)"), {"row": row})

        def steps(heads: Any, context: Any) -> Any:
            return script._upgrade_revs(to, heads)

        context = MigrationContext.configure(connection, opts={"fn": steps})
        with context.begin_transaction():
            context.run_migrations()
        after = connection.execute(text("SELECT version_num FROM alembic_version"))
        return Upgraded(ran, tuple(sorted(row for (row,) in after)))


def revision_map(headers: Iterable[Header], ran: list[str] | None = None) -> RevisionMap:
    """The chain as Alembic loads it; each migration that runs is noted in ``ran``."""
    noted, given = [] if ran is None else ran, list(headers)
    return RevisionMap(lambda: _scripts(given, noted))


def _scripts(headers: Sequence[Header], ran: list[str]) -> Iterator[Script]:
    for header in headers:
        revision = header.revision
        assert revision is not None
        module: Any = ModuleType(revision)
        module.revision = revision
        module.down_revision = tuple_rev_as_scalar(header.down_revision)
        module.depends_on = header.depends_on or None
        module.branch_labels = None
        module.upgrade = lambda revision=revision: ran.append(revision)
        module.downgrade = lambda: None
        yield Script(module, revision, f"{revision}.py")
