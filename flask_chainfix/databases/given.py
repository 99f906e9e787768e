"""The databases that users name: by URL, in a file, or schema by schema."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from sqlalchemy import text
from sqlalchemy.engine import URL

from flask_chainfix.common.errors import BadDatabase
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.databases.connecting import Obstacle, connected, silent, told, transaction
from flask_chainfix.databases.pool import Job, run
from flask_chainfix.databases.targets import Target, distinct, named, parsed
from flask_chainfix.databases.version_table import version_table
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import VARIABLE, shown_url
from flask_chainfix.model.databases import Trouble

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


# --- The databases that users name: by URL, or in a file -----------------------------------------


_LARGEST_LIST = 4 * 1024 * 1024


def targets_from(
    runtime: Runtime,
    urls: Sequence[str],
    file: str | None,
    schemas: str | None,
    own: tuple[Target, ...] = (),
) -> tuple[Target, ...]:
    """The databases that options name, and the app's own, each once.

    Args:
        runtime: the environment whose version table they have.
        urls: their URLs.
        file: a file with a URL, or the name of an environment variable that holds one, in each
            line; blank lines and those that start with ``#`` do not count.
        schemas: a pattern for the schemas to look at instead; see ``in_schemas``.
        own: the app's own databases, where they are wanted.

    Raises:
        BadConfiguration: ``env.py`` computes the name of the version table, or its schema.
        BadDatabase: something that is named is no database, or the file cannot be read.
    """
    if not urls and file is None:  # nobody needs the version table, which only env.py may know
        return in_schemas(own, schemas) if schemas is not None and own else own
    table = version_table(runtime, in_schemas=schemas is not None)
    given = [parsed(url, f"--database{which}") for which, url in _numbered(urls)]
    if file is not None:
        given += _listed(file)
    found = [
        Target(named(shown_url(url), table.schema), url, table.schema, table.name) for url in given
    ]
    targets = tuple({target.identity: target for target in (*distinct(found), *own)}.values())
    return in_schemas(targets, schemas) if schemas is not None and targets else targets


def _numbered(urls: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each with what tells it from the others, as one that is no URL is not repeated."""
    for number, url in enumerate(urls, 1):
        yield (f" number {number}" if len(urls) > 1 else ""), url


def listed_urls(file: str) -> tuple[str, ...]:
    """The URLs of the databases in a file, passwords included.

    Raises:
        BadDatabase: something that is named is no database, or the file cannot be read.
    """
    return tuple(url.render_as_string(hide_password=False) for url in _listed(file))


def _listed(file: str) -> Iterator[URL]:
    try:
        lines = read_regular(file, _LARGEST_LIST).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise BadDatabase(
            f"{file} cannot be read: {reason}",
            "give --databases a file with the URL of one database in each line",
        ) from error
    entries = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    entries = [(number, entry) for number, entry in entries if entry and entry[0] != "#"]
    if not entries:
        raise BadDatabase(f"{file} names no database", "write one URL into each line")
    for number, entry in entries:
        yield _entry(entry, f"{file}:{number}")


def _entry(entry: str, place: str) -> URL:
    if not VARIABLE.fullmatch(entry):
        return parsed(entry, place)
    value = os.environ.get(entry)
    if not value:
        # In small letters it may be a password as well.
        name = f" {entry}" if entry.isupper() else " of the name that stands there"
        raise BadDatabase(
            f"{place}: there is no environment variable{name}",
            "set it to the URL of the database, or write the URL itself",
        )
    return parsed(value, f"{place}: {entry}")


# --- A database that is only told of: enough to write SQL for it ---------------------------------


def unreached_target(runtime: Runtime, name: str) -> Target:
    """A target of the app's kind that leads nowhere.

    Args:
        runtime: the environment whose version table it has.
        name: how users know it.

    Raises:
        BadDatabase: the app's kind of database is not known.
    """
    if runtime.environment.dialect is None:
        raise BadDatabase(
            f"which kind of database {name} stands for is not known, so no SQL can be written",
            "run the command as `flask db fixchain restamp`, or set sqlalchemy.url in alembic.ini",
        )
    table = version_table(runtime)
    return Target(name, URL.create(runtime.environment.dialect), table.schema, table.name)
