"""MariaDB and MySQL: the dump of their own tool, which says at its end that it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import URL

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.quoting import words
from flask_chainfix.databases.backup.backup_files import typed
from flask_chainfix.databases.backup.client_tools import Client, find, stream
from flask_chainfix.environment.messages import secrets_of

_PACKAGE, _BREW = "mariadb-client", "mariadb"
_DUMPING = (
    "--no-defaults",  # an options file that leaves tables out, say, would spoil the backup
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",  # reading them takes a right that few users have
    # MySQL's own tool asks MariaDB for what it does not have, and writes what only an administrator
    # may read in again; MariaDB's does not know the options.
    "--loose-column-statistics=0",
    "--loose-set-gtid-purged=OFF",
)
_OPTIONS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_cipher", "ssl_key")
_OTHER_NAMES = {"passwd": "password", "db": "database", "unix_socket": "socket"}
# MySQL's own C library takes this name for its socket; the other drivers do not.
_BY_SOCKET = ("mysqldb", "mariadbconnector")


def write(url: URL, name: str, part: Path, progress: Progress) -> int:
    """Dump a MariaDB or MySQL database; see ``Kind``.

    Raises:
        CannotBackUp: the tool cannot do it, or has not come to its end.
        OSError: the file cannot be written.
    """
    dump, _ = _programs()
    parameters = _parameters(url)
    if "database" not in parameters:
        raise CannotBackUp(f"{name} names no database", "put its name at the end of the URL")
    environment = {"MYSQL_PWD": parameters["password"]} if "password" in parameters else {}
    client = Client(name, _PACKAGE, environment, secrets_of(url))
    command = [dump, *_DUMPING, *_place(parameters), "--", parameters["database"]]
    with part.open("wb") as file:
        stream(client, command, file, lambda done: progress(done, 0, f"dumping {name}"))
    progress(0, 0, f"reading back {name}")
    return _tables(part, name)


def restore(url: URL, path: Path) -> str:
    """The command that reads the dump in; it asks for the password if there is one."""
    _, client = _programs()
    parameters = _parameters(url)
    password = ["--password"] if "password" in parameters else []
    options = [*_place(parameters), *password]
    return f"{words([Path(client).name, *options, '--', parameters['database']])} < {typed(path)}"


def _programs() -> tuple[str, str]:
    """The tool that dumps, and the client that can read what it writes."""
    dump = find(_PACKAGE, _BREW, "mariadb-dump", "mysqldump")
    ours = ("mariadb", "mysql") if "mariadb" in Path(dump).name else ("mysql",)
    return dump, find(_PACKAGE, _BREW, *ours)


def _tables(part: Path, name: str) -> int:
    """How many tables a dump holds.

    Raises:
        CannotBackUp: it does not say that it is complete.
    """
    found, last = 0, b""
    with part.open("rb") as file:
        for line in file:
            found += line.startswith(b"-- Table structure for table ")
            last = line
    if not last.startswith(b"-- Dump completed"):
        raise CannotBackUp(
            f"the dump of {name} is cut off before its end",
            "see that the server is well, then run the command again",
        )
    return found


def _parameters(url: URL) -> dict[str, str]:
    """What the tools have to know; the URL's query goes before the rest of it."""
    found = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "database": url.database,
        "socket": None,
    }
    for key, value in url.query.items():
        known = _OTHER_NAMES.get(key, key)
        if known in found or known in _OPTIONS:
            found[known] = value if isinstance(value, str) else value[-1]
    if not found["socket"] and url.get_driver_name() not in _BY_SOCKET:
        found["protocol"] = "tcp"
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _place(parameters: Mapping[str, str]) -> list[str]:
    """Options for the place of a server, without the password."""
    return [
        "--default-character-set=utf8mb4",
        *(
            f"--{key.replace('_', '-')}={value}"
            for key, value in parameters.items()
            if key not in ("password", "database")
        ),
    ]
