"""The URLs of databases: which are understood, and whether this process can connect to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_chainfix.common.errors import BadDatabase, ChainFixError
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.drivers import missing_driver, usable, without_driver
from flask_chainfix.environment.messages import NO_URL, masked, said, secrets_of, shown_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

BACKENDS = ("postgresql", "mysql", "mariadb", "sqlite")


def parse_url(written: str, refusal: type[ChainFixError], place: str = "") -> URL:
    """The URL of a database of a kind that is known here.

    Raises:
        ChainFixError: what is written is no such URL; a ``refusal`` that names the place.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise refusal(
            _at(place, NO_URL),
            "write postgresql://USER:PASSWORD@HOST/DATABASE, mysql+pymysql://… or sqlite:///FILE",
        ) from error
    check_url(url, refusal, place)
    return url


def check_url(url: URL, refusal: type[ChainFixError], place: str = "") -> None:
    """Refuse a database of another kind, and what would run other code than a driver's.

    Raises:
        ChainFixError: it is refused; a ``refusal``.
    """
    backend = url.get_backend_name()
    if backend not in BACKENDS:
        raise refusal(
            _at(place, f"{backend} is not a kind of database that is supported here"),
            "write postgresql: instead of postgres:"
            if backend == "postgres"
            else "give the URL of a PostgreSQL, MariaDB, MySQL or SQLite database",
        )
    if "plugin" in url.query:
        plugin = "asks for a plugin of SQLAlchemy, which would run code of its own"
        raise refusal(_at(place, f"{shown_url(url)} {plugin}"), "take plugin=… out of the URL")


def _at(place: str, message: str) -> str:
    return f"{place}: {message}" if place else message


def connectable(written: str, place: str) -> URL:
    """The URL of a database to which this process can connect."""
    url = parse_url(written, BadDatabase, place)
    from sqlalchemy import create_engine

    try:
        ours = usable(url)
        create_engine(ours)  # connects to nothing, but imports the driver
    except Exception as error:
        message = f"{shown_url(url)}: {masked(said(error), secrets_of(url))}"
        remedy: str | Remedy = "correct the URL"
        if driver := missing_driver(error):
            message, remedy = without_driver(driver, url)
        raise BadDatabase(_at(place, message), remedy) from error
    return ours
