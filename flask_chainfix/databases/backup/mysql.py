"""MariaDB and MySQL: the dump of their own tool, which says at its end that it is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.quoting import words
from flask_chainfix.databases.backup.backup_files import Kind, Progress, Written, typed
from flask_chainfix.databases.backup.client_tools import Client, answer_of, find, stream
from flask_chainfix.environment.messages import secrets_of

_PACKAGE, _BREW = "mariadb-client", "mariadb"


_SIZE = "SELECT SUM(data_length) FROM information_schema.tables WHERE table_schema = DATABASE()"


_PATIENCE = 10  # seconds, for connecting


_CHARACTERS = "--default-character-set=utf8mb4"


_DUMPING = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",  # reading them takes a right that few users have
)


# MySQL's own tool asks MariaDB for what it does not have, and writes what only an administrator may
# read in again; MariaDB's does not know the options.
_ONLY_MYSQLS = ("loose-column-statistics=0", "loose-set-gtid-purged=OFF")


_OPTIONS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_cipher", "ssl_key")


_OTHER_NAMES = {"passwd": "password", "db": "database", "unix_socket": "socket"}


# MySQL's own C library takes this name for its socket; the other drivers do not.
_BY_SOCKET = ("mysqldb", "mariadbconnector")


_TABLE = b"-- Table structure for table "


_END = b"-- Dump completed"


def write(url: URL, name: str, part: Path, progress: Progress) -> Written:
    """Dump a MariaDB or MySQL database.

    Args:
        url: the database.
        name: how users know it.
        part: an empty file for the dump.
        progress: called with bytes done, bytes in all, and what is running.

    Raises:
        CannotBackUp: the tool cannot do it, or has not come to its end.
        OSError: the file cannot be written.
    """
    dump, asker = _programs()
    parameters = _parameters(url)
    if not parameters.get("database"):
        raise CannotBackUp(f"{name} names no database", "put its name at the end of the URL")
    client = Client(name, _PACKAGE, {}, secrets_of(url))
    with _options_file(parameters) as options:
        database = [_CHARACTERS, "--", parameters["database"]]
        asking = ["--batch", "--skip-column-names", f"--connect-timeout={_PATIENCE}"]
        answer = answer_of(client, [asker, options, *asking, f"--execute={_SIZE}", *database])
        size = int(answer) if answer.strip().isdecimal() else 0
        digest = stream(
            client,
            [dump, options, *_DUMPING, *database],
            part,
            lambda done: progress(done, max(size, done), f"dumping {name}"),
        )
    progress(size, size, f"reading back {name}")
    return Written(_tables(part, name), digest)


def restore(url: URL, path: Path) -> str:
    """The command that reads the dump in; it asks for the password if there is one."""
    program = Path(_programs()[1]).name
    parameters = _parameters(url)
    options = [f"--{key}={value}" for key, value in _settings(parameters).items()]
    password = ["--password"] if "password" in parameters else []
    command = [program, *options, *password, _CHARACTERS, "--", parameters["database"]]
    return f"{words(command)} < {typed(path)}"


KIND = Kind(".sql", write, restore)


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
            found += line.startswith(_TABLE)
            last = line
    if not last.startswith(_END):
        raise CannotBackUp(
            f"the dump of {name} breaks off before its end",
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


def _settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """The tools' options for the place of a server, without the password."""
    return {
        key.replace("_", "-"): value
        for key, value in parameters.items()
        if key not in ("password", "database")
    }


@contextmanager
def _options_file(parameters: Mapping[str, str]) -> Iterator[str]:
    """Write the place and the password to a private file; the argument that names it.

    No other options file is read: one that leaves tables out, say, would spoil the backup.
    """
    settings = _settings(parameters)
    if "password" in parameters:
        settings["password"] = parameters["password"]
    lines = [f"{key}={_quoted(value)}" for key, value in settings.items()]
    text = "\n".join(["[client]", *lines, "[mysqldump]", *_ONLY_MYSQLS, ""])
    with tempfile.TemporaryDirectory(prefix="fixchain_") as directory:
        path = os.path.join(directory, "options")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield f"--defaults-file={path}"


def _quoted(value: str) -> str:
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(plain, written)
    return f'"{value}"'
