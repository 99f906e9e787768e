"""The databases that users name: by URL, or in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from sqlalchemy.engine import URL

from flask_chainfix.errors import BadDatabase
from flask_chainfix.regular_files import read_regular
from flask_chainfix.runtime.databases.schemas import in_schemas
from flask_chainfix.runtime.databases.targets import Target, distinct, named
from flask_chainfix.runtime.databases.urls import parsed
from flask_chainfix.runtime.databases.version_table import version_table
from flask_chainfix.runtime.environment import Runtime
from flask_chainfix.runtime.messages import VARIABLE, shown_url

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
