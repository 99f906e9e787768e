"""Database drivers: which one is missing, and what their errors mean for the user."""

from __future__ import annotations

from importlib.util import find_spec

from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchModuleError

from flask_chainfix.errors import NoScratchDatabase
from flask_chainfix.model import Trouble
from flask_chainfix.runtime.database_errors import trouble_of
from flask_chainfix.runtime.messages import masked, said, shown_url

# By the name of the module: what installs it, and how a URL asks for it.
PACKAGES = {
    "psycopg2": ("psycopg2-binary", "postgresql+psycopg2"),
    "psycopg": ("psycopg[binary]", "postgresql+psycopg"),
    "pg8000": ("pg8000", "postgresql+pg8000"),
    "asyncpg": ("asyncpg", "postgresql+asyncpg"),
    "pymysql": ("pymysql", "mysql+pymysql"),
    "MySQLdb": ("mysqlclient", "mysql+mysqldb"),
    "mysql": ("mysql-connector-python", "mysql+mysqlconnector"),
    "mariadb": ("mariadb", "mariadb+mariadbconnector"),
    "aiomysql": ("aiomysql", "mysql+aiomysql"),
    "asyncmy": ("asyncmy", "mysql+asyncmy"),
    "aiosqlite": ("aiosqlite", "sqlite+aiosqlite"),
}
_SYNCHRONOUS = ("psycopg2", "psycopg", "pg8000", "pymysql", "MySQLdb", "mysql", "mariadb")
# By driver: for connecting, and for an answer where that is another matter.
_TIMEOUTS = {
    "psycopg2": ("connect_timeout",),
    "psycopg": ("connect_timeout",),
    "pg8000": ("timeout",),
    "pymysql": ("connect_timeout", "read_timeout"),
    "mysqldb": ("connect_timeout", "read_timeout"),
    "mariadbconnector": ("connect_timeout", "read_timeout"),
    "mysqlconnector": ("connection_timeout",),
}
_REMEDIES = {
    Trouble.NO_LOGIN: "correct the user and the password in the URL",
    Trouble.NO_RIGHTS: "give the user the right to create databases (ALTER ROLE … CREATEDB, or"
    " GRANT ALL ON `fixchain\\_rehearsal\\_%`.* TO …), or rehearse as another user",
    Trouble.FULL: "make room on the disk of the server",
    Trouble.LOST: "start the server, or correct the host and the port in the URL",
}


def explained(error: BaseException, url: URL, doing: str) -> NoScratchDatabase:
    """An error of a database server in terms of what to do about it."""
    message = masked(said(error), [str(url.password or "")])
    if driver := missing_driver(error):
        return NoScratchDatabase(*without_driver(driver, url))
    unknown = "make sure that the server answers to this URL; without --database, SQLite is used"
    remedy = _REMEDIES.get(trouble_of(error), unknown)
    return NoScratchDatabase(f"{doing} {shown_url(url)}: {message}", remedy)


def missing_driver(error: BaseException | None) -> str | None:
    """The module of the database driver that an exception says is not installed."""
    if isinstance(error, ModuleNotFoundError) and error.name in PACKAGES:
        return error.name
    if isinstance(error, NoSuchModuleError):
        return str(error).rpartition(":")[2]
    return None


def without_driver(driver: str, url: URL) -> tuple[str, str]:
    """What to say of a driver that ``missing_driver`` has named: a message and a remedy."""
    if driver not in PACKAGES:
        return (
            f"SQLAlchemy does not know {url.drivername}",
            f"write another driver in the URL: {_written(url)}",
        )
    remedy = f"pip install {PACKAGES[driver][0]}"
    installed = _installed(url)
    if installed:
        remedy += f", or write {' or '.join(installed)} in the URL"
    return f"the driver {driver} is not installed", remedy


def _installed(url: URL) -> list[str]:
    """The ways to write the URL that work here."""
    backend = url.get_backend_name()
    return [
        written
        for module, (_, written) in PACKAGES.items()
        if written.startswith(f"{backend}+") and find_spec(module) is not None
    ]


def synchronous(url: URL) -> URL:
    """The URL for a connection of our own, where the project's driver is an asynchronous one."""
    if not url.get_dialect().is_async:
        return url
    backend = url.get_backend_name()
    drivers = [
        written
        for module, written in ((module, PACKAGES[module][1]) for module in _SYNCHRONOUS)
        if written.startswith(f"{backend}+") and find_spec(module) is not None
    ]
    return url.set(drivername=drivers[0] if drivers else backend)


def timeouts(url: URL, connecting: int, answering: int) -> dict[str, int]:
    """The arguments of the URL's driver that bound its waiting, but for those in the URL.

    Args:
        url: its driver counts.
        connecting: seconds.
        answering: seconds, where the driver knows them apart.
    """
    names = _TIMEOUTS.get(url.get_driver_name(), ())
    seconds = zip(names, (connecting, answering), strict=False)
    return {name: value for name, value in seconds if name not in url.query}


def _written(url: URL) -> str:
    return ", ".join(_installed(url)) or url.get_backend_name()
