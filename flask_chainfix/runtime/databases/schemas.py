"""Tenants: the schemas of a database, each with a version table of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from sqlalchemy import text

from flask_chainfix.errors import BadDatabase
from flask_chainfix.model import Trouble
from flask_chainfix.runtime.databases.connecting import connected, transaction
from flask_chainfix.runtime.databases.crew import Job, run
from flask_chainfix.runtime.databases.obstacles import Obstacle, silent, told
from flask_chainfix.runtime.databases.targets import Target, distinct, named

_HOLDING = {
    "postgresql": """
SELECT n.nspname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = :name AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
""",
    "mysql": "SELECT table_schema FROM information_schema.tables WHERE table_name = :name",
}


def in_schemas(targets: Sequence[Target], pattern: str) -> tuple[Target, ...]:
    """The schemas of databases that hold a version table, instead of the databases themselves.

    A database that does not answer stays as it is. One of the app's own that has no schemas is left
    out where there are others.

    Args:
        targets: the databases; a schema that they name does not count.
        pattern: for the names of schemas, as shells have it: ``tenant_*``.

    Raises:
        BadDatabase: a database has no schemas, or none fits.
    """
    without = [target for target in targets if target.backend == "sqlite"]
    for target in without:
        if not target.own or len(without) == len(targets):
            raise BadDatabase(
                f"{target.name} is a SQLite database, and those have no schemas",
                "leave --schemas out, or name databases on a server",
            )
    targets = [target for target in targets if target not in without]
    jobs = [Job({index: target}) for index, target in enumerate(targets)]
    found = run(jobs, _schemas, lambda *_: silent())
    expanded = []
    for index, target in enumerate(targets):
        schemas = found[index]
        if isinstance(schemas, Obstacle):  # whoever reads it will be told the same
            expanded.append(target)
            continue
        expanded += [_in(target, schema) for schema in schemas if fnmatchcase(schema, pattern)]
    if not expanded:
        names = ", ".join(target.name for target in targets)
        raise BadDatabase(
            f"no schema with a version table fits {pattern!r} in {names or 'no database'}",
            "correct the pattern; the version table is the one that env.py or the setting"
            " version_table names",
        )
    return distinct(expanded)


def _in(target: Target, schema: str) -> Target:
    name = target.name.removesuffix(named("", target.schema))
    return replace(target, name=named(name, schema), schema=schema)


def _schemas(job: Job[Target]) -> Iterator[tuple[int, list[str] | Obstacle]]:
    for index, target in job.items.items():
        found: list[str] | Obstacle
        try:
            with connected(target) as connection, transaction(connection, target), told(target):
                query = text(_HOLDING[target.backend])
                names = connection.execute(query, {"name": target.version_table}).scalars()
                found = sorted(names)
        except Obstacle as obstacle:
            found = [] if obstacle.kind is Trouble.NO_DATABASE else obstacle
        yield index, found
