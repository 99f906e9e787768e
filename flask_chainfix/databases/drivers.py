"""Database drivers: which one is missing, and what their errors mean for the user."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchModuleError

from flask_chainfix.common.errors import NoScratchDatabase
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.databases.database_errors import trouble_of
from flask_chainfix.environment.messages import masked, said, secrets_of, shown_url
from flask_chainfix.model.databases import Trouble

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
    message = masked(said(error), secrets_of(url))
    if driver := missing_driver(error):
        return NoScratchDatabase(*without_driver(driver, url))
    unknown = "make sure that the server answers to this URL; without --database, SQLite is used"
    remedy = _REMEDIES.get(trouble_of(error), unknown)
    return NoScratchDatabase(f"{doing} {shown_url(url)}: {message}", remedy)


def missing_driver(error: BaseException | None) -> str | None:
    """The module of the database driver that an exception says is not installed, or not whole."""
    if isinstance(error, ModuleNotFoundError) and error.name in PACKAGES:
        return error.name
    if isinstance(error, ImportError) and "pq wrapper" in str(error):
        return "psycopg"
    if isinstance(error, NoSuchModuleError):
        return str(error).rpartition(":")[2]
    return None


def without_driver(driver: str, url: URL) -> tuple[str, Remedy]:
    """What to say of a driver that ``missing_driver`` has named: a message and a remedy."""
    working = [f"{each}://…" for each in _working(url)]
    remedy = Remedy()
    if working:
        remedy |= f"name a driver that is installed in the URL: {' or '.join(working)}"
    if driver not in PACKAGES:
        known = [package for package, written in PACKAGES.values() if _is_for(written, url)]
        if not working and known:
            remedy |= way("install a driver, and name it in the URL", _install(known[0]))
        return f"SQLAlchemy does not know {url.drivername}", remedy or Remedy.of("correct the URL")
    what = "is installed without what it needs" if find_spec(driver) else "is not installed"
    return f"the driver {driver} {what}", remedy | way("install it", _install(PACKAGES[driver][0]))


def _install(package: str) -> str:
    return f"pip install {word(package)}"


def _is_for(written: str, url: URL) -> bool:
    """Whether a driver is one for the kind of database of a URL."""
    backend = url.get_backend_name()
    return written.partition("+")[0] in (backend, "mysql" if backend == "mariadb" else backend)


def _working(url: URL, modules: Sequence[str] = tuple(PACKAGES)) -> list[str]:
    """The names of drivers for a URL that can be used here."""
    backend = url.get_backend_name()
    names = [PACKAGES[module][1] for module in modules if _is_for(PACKAGES[module][1], url)]
    names = [f"{backend}+{name.partition('+')[2]}" for name in names]
    return [name for name in names if _works(name)]


def _works(name: str) -> bool:
    """Whether SQLAlchemy knows a driver, and it can be imported."""
    try:
        create_engine(f"{name}://")
    except Exception:  # a driver can raise anything while it is imported
        return False
    return True


def why_refused(url: URL) -> tuple[str, str] | None:
    """What is to be said of a URL that would have SQLAlchemy run other code than its driver's.

    Returns:
        A message and a remedy; ``None`` for any other URL.
    """
    if "plugin" not in url.query:
        return None
    return (
        f"{shown_url(url)} asks for a plugin of SQLAlchemy, which would run code of its own",
        "take plugin=… out of the URL",
    )


def usable(url: URL) -> URL:
    """The URL for a connection of our own: with a driver that is synchronous.

    Where the URL names no driver, it is any that is installed.
    """
    if "+" in url.drivername and not url.get_dialect().is_async:
        return url
    if "+" not in url.drivername and (_works(url.drivername) or not _is_known(url)):
        return url
    working = _working(url, _SYNCHRONOUS)
    return url.set(drivername=working[0] if working else url.get_backend_name())


def _is_known(url: URL) -> bool:
    return any(_is_for(written, url) for _, written in PACKAGES.values())


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
