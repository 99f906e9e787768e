"""URLs of databases: parsed and checked in one place."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.environment.messages import NO_URL, shown_url

BACKENDS = ("postgresql", "mysql", "mariadb", "sqlite")


def parse_url(written: str, refusal: type[ChainFixError], place: str = "") -> URL:
    """The URL of a database of a kind that is known here.

    Args:
        written: what the user has written.
        refusal: the error to raise.
        place: where it is written, for the message; ``""`` on the command line.

    Raises:
        ChainFixError: it is no such URL; a ``refusal``.
    """
    prefix = f"{place}: " if place else ""
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise refusal(
            f"{prefix}{NO_URL}",
            "write postgresql://USER:PASSWORD@HOST/DATABASE, mysql+pymysql://… or sqlite:///FILE",
        ) from error
    check_url(url, refusal, prefix)
    return url


def check_url(url: URL, refusal: type[ChainFixError], prefix: str = "") -> None:
    """Refuse a database of another kind, and what would run other code than a driver's.

    Raises:
        ChainFixError: it is refused; a ``refusal``.
    """
    backend = url.get_backend_name()
    if backend not in BACKENDS:
        raise refusal(
            f"{prefix}{backend} is not a kind of database that is supported here",
            "write postgresql: instead of postgres:"
            if backend == "postgres"
            else "give the URL of a PostgreSQL, MariaDB, MySQL or SQLite database",
        )
    if "plugin" in url.query:
        raise refusal(
            f"{prefix}{shown_url(url)} asks for a plugin of SQLAlchemy, which would run code of"
            " its own",
            "take plugin=… out of the URL",
        )
