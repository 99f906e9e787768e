"""Which databases are to be backed up: those that are named, else the app's own."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.errors import CannotBackUp
from flask_chainfix.runtime.messages import masked, masked_url, shown_url

_NAME_ONE = "name a database with --database URL"


class Source(NamedTuple):
    """A database to be backed up.

    Attributes:
        name: how users know it, passwords masked.
        url: where it is, password included.
    """

    name: str
    url: URL


def named_database(url: str) -> Source:
    """The database that a URL names.

    Raises:
        CannotBackUp: it is no URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise CannotBackUp(
            f"{masked_url(url)} is not the URL of a database",
            "write postgresql://USER:PASSWORD@HOST/NAME, mysql://… or sqlite:///FILE",
        ) from error
    return Source(shown_url(parsed), parsed)


def app_databases() -> tuple[Source, ...]:
    """The databases of the current Flask app, each of them once.

    Raises:
        CannotBackUp: the app has none that could be found.
    """
    from flask import current_app

    extension = current_app.extensions.get("migrate")
    try:
        engines = {} if extension is None else extension.db.engines
    except Exception as error:  # whatever the app's configuration makes SQLAlchemy raise
        raise CannotBackUp(
            f"the app's databases cannot be found: {masked(str(error))}", _NAME_ONE
        ) from error
    binds = sorted(engines, key=lambda bind: bind or "")
    urls = dict.fromkeys(engines[bind].url for bind in binds)
    if not urls:
        raise CannotBackUp(f"the app {current_app.name!r} has no database", _NAME_ONE)
    return tuple(Source(shown_url(url), url) for url in urls)


def no_databases() -> tuple[Source, ...]:
    """The databases where there is no app.

    Raises:
        CannotBackUp: always.
    """
    raise CannotBackUp("without an app, nothing says which database to back up", _NAME_ONE)
