"""URLs and drivers of databases: which are supported, and which can be used here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from flask_chainfix.common.errors import BadDatabase, ChainFixError
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.environment.messages import NO_URL, masked, message_of, secrets_of, shown_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

BACKENDS = ("postgresql", "mysql", "mariadb", "sqlite")
# The package that installs a driver, by the name of its module.
_PACKAGES = {
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg[binary]",
    "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python",
    **{name: name for name in ("pg8000", "asyncpg", "pymysql", "mariadb", "aiomysql", "asyncmy")},
    "aiosqlite": "aiosqlite",
}
# The synchronous drivers by kind of database, the preferred one first.
_SYNCHRONOUS = {
    "postgresql": ("psycopg2", "psycopg", "pg8000"),
    "mysql": ("pymysql", "mysqldb", "mysqlconnector"),
    "mariadb": ("pymysql", "mysqldb", "mysqlconnector", "mariadbconnector"),
}
# By driver: the timeout for connecting, and for an answer if that is separate.
_TIMEOUTS = {
    "psycopg2": ("connect_timeout",),
    "psycopg": ("connect_timeout",),
    "pg8000": ("timeout",),
    "pymysql": ("connect_timeout", "read_timeout"),
    "mysqldb": ("connect_timeout", "read_timeout"),
    "mariadbconnector": ("connect_timeout", "read_timeout"),
    "mysqlconnector": ("connection_timeout",),
}


def missing_driver(error: BaseException | None) -> str | None:
    """The module of the driver that an exception reports as missing or incomplete."""
    if isinstance(error, ModuleNotFoundError) and error.name in _PACKAGES:
        return error.name
    if isinstance(error, ImportError) and "pq wrapper" in str(error):
        return "psycopg"
    from sqlalchemy.exc import NoSuchModuleError

    if isinstance(error, NoSuchModuleError):
        return str(error).rpartition(":")[2]
    return None


def without_driver(driver: str, url: URL) -> tuple[str, Remedy]:
    """The message and the remedy for a driver that ``missing_driver`` has named."""
    remedy = Remedy()
    if working := " or ".join(f"{each}://…" for each in _working(url)):
        remedy |= f"name a driver that is installed in the URL: {working}"
    if driver not in _PACKAGES:
        return f"SQLAlchemy does not know {url.drivername}", remedy or Remedy.of("correct the URL")
    what = "is installed without what it needs" if find_spec(driver) else "is not installed"
    install = way("install it", f"pip install {word(_PACKAGES[driver])}")
    return f"the driver {driver} {what}", remedy | install


def usable(url: URL) -> URL:
    """The URL for our own connection, with a synchronous driver.

    If the URL names no driver, any installed one is used.
    """
    names_driver = "+" in url.drivername
    if not url.get_dialect().is_async if names_driver else _works(url.drivername):
        return url
    return url.set(drivername=next(iter(_working(url)), url.get_backend_name()))


def timeouts(url: URL, connecting: int, answering: int) -> dict[str, int]:
    """The arguments that limit a driver's waiting, in seconds, without those set in the URL."""
    names = _TIMEOUTS.get(url.get_driver_name(), ())
    seconds = zip(names, (connecting, answering), strict=False)
    return {name: value for name, value in seconds if name not in url.query}


def _working(url: URL) -> list[str]:
    """The names of the synchronous drivers that work for a URL here."""
    backend = url.get_backend_name()
    names = [f"{backend}+{driver}" for driver in _SYNCHRONOUS.get(backend, ())]
    return [name for name in names if _works(name)]


def _works(name: str) -> bool:
    """Whether SQLAlchemy knows a driver and it can be imported."""
    from sqlalchemy import create_engine

    try:
        create_engine(f"{name}://")
    except Exception:  # importing a driver can raise anything
        return False
    return True


# --- URLs -----------------------------------------------------------------------------------------
def parse_url(written: str, refusal: type[ChainFixError], place: str = "") -> URL:
    """Parse the URL of a supported database.

    Raises:
        ChainFixError: the text is no such URL; a ``refusal`` that names the place.
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
    """Refuse unsupported databases, and URLs that would run code other than a driver's.

    Raises:
        ChainFixError: the URL is refused; a ``refusal``.
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
    """The URL of a database that this process can connect to."""
    url = parse_url(written, BadDatabase, place)
    from sqlalchemy import create_engine

    try:
        ours = usable(url)
        create_engine(ours)  # does not connect, but imports the driver
    except Exception as error:
        message = f"{shown_url(url)}: {masked(message_of(error), secrets_of(url))}"
        remedy: str | Remedy = "correct the URL"
        if driver := missing_driver(error):
            message, remedy = without_driver(driver, url)
        raise BadDatabase(_at(place, message), remedy) from error
    return ours
