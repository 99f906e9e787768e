"""Which databases are to be backed up: those that are named, else the app's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.errors import CannotBackUp
from flask_chainfix.runtime.app import app_engines
from flask_chainfix.runtime.drivers import why_refused
from flask_chainfix.runtime.messages import NO_URL, shown_url

_NAME_ONE = "name a database with --database URL"


class Source(NamedTuple):
    """A database to be backed up.

    Attributes:
        name: how users know it, passwords masked.
        url: where it is, password included.
    """

    name: str
    url: URL


def sources(written: Sequence[str], *, of_app: bool) -> tuple[Source, ...]:
    """The databases that are to be backed up, each of them once.

    Args:
        written: URLs of databases.
        of_app: whether those of the current app are among them.

    Raises:
        CannotBackUp: one is no URL, the app has no database, or there is none at all.
    """
    urls = [*map(_parsed, written), *(_urls_of_app() if of_app else ())]
    if not urls:
        raise CannotBackUp(
            "there is no app here, and no configuration that names a database", _NAME_ONE
        )
    return tuple(Source(shown_url(url), url) for url in dict.fromkeys(urls))


def _parsed(written: str) -> URL:
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise CannotBackUp(
            NO_URL,
            "write postgresql://USER:PASSWORD@HOST/NAME, mysql://… or sqlite:///FILE",
        ) from error
    if refused := why_refused(url):
        raise CannotBackUp(*refused)
    return url


def _urls_of_app() -> Iterable[URL]:
    from flask import current_app

    if "migrate" not in current_app.extensions:
        raise CannotBackUp(f"the app {current_app.name!r} has no database", _NAME_ONE)
    engines = app_engines(f"correct the app's configuration, or {_NAME_ONE}")
    return (engine.url for engine in engines.values())
