"""URLs of databases, as users write them."""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.errors import BadDatabase
from flask_chainfix.runtime.drivers import missing_driver, usable, why_refused, without_driver
from flask_chainfix.runtime.messages import NO_URL, masked, said, secrets_of, shown_url

BACKENDS = ("postgresql", "mysql", "mariadb", "sqlite")


def parsed(written: str, place: str) -> URL:
    """The URL of a database to which this process can connect.

    Args:
        written: what the user has written.
        place: where, for the error; ``""`` on the command line.

    Raises:
        BadDatabase: it is no such URL, or its driver is not installed.
    """
    prefix = f"{place}: " if place else ""
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise BadDatabase(
            f"{prefix}{NO_URL}",
            "write postgresql://USER:PASSWORD@HOST/DATABASE, mysql+pymysql://… or sqlite:///FILE",
        ) from error
    backend = url.get_backend_name()
    if backend not in BACKENDS:
        raise BadDatabase(
            f"{prefix}{backend} is no kind of database that can be read here",
            "write postgresql: instead of postgres:"
            if backend == "postgres"
            else "give the URL of a PostgreSQL, MariaDB, MySQL or SQLite database",
        )
    if refused := why_refused(url):
        raise BadDatabase(prefix + refused[0], refused[1])
    try:
        ours = usable(url)
        create_engine(ours)  # connects to nothing, but imports the driver
    except Exception as error:
        driver = missing_driver(error)
        message, remedy = (
            without_driver(driver, url)
            if driver
            else (
                f"{shown_url(url)}: {masked(said(error), secrets_of(url))}",
                "correct the URL",
            )
        )
        raise BadDatabase(f"{prefix}{message}", remedy) from error
    return ours
