"""PostgreSQL, MariaDB and MySQL: the dumps of their own programs, read back."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from urllib.parse import quote, urlencode

from sqlalchemy.engine import URL

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.processes import running
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.quoting import words
from flask_chainfix.databases.backup.backup_files import typed
from flask_chainfix.databases.database_errors import remedy_for_connecting, trouble_told_by
from flask_chainfix.environment.messages import masked, secrets_of

_POSTGRESQL, _MARIADB = "postgresql-client", "mariadb-client"
_BREW = {_POSTGRESQL: "libpq", _MARIADB: "mariadb"}
_CHUNK = 1 << 18  # bytes
_SHOWN_LINES = 3
_IDLE = re.compile(r"(?i)^$|^warning\b|deprecated program name|^hint:")
_SPEAKER = re.compile(
    r"^[\w/.-]+: (?:error: |fatal: )?|^(?:detail|error)(?: \d+ \(\w+\))?:? ", re.IGNORECASE
)
_WRONG_VERSION = re.compile(r"server version mismatch|server version: \d")


class Client(NamedTuple):
    """How programs reach one database.

    Attributes:
        name: how users know the database, passwords masked.
        environment: variables that they get besides our own.
        secrets: what must not be shown of what they say.
    """

    name: str
    environment: Mapping[str, str]
    secrets: Sequence[str]


def _find(package: str, *names: str) -> str:
    """The first of some programs that is installed.

    Raises:
        CannotBackUp: none of them is.
    """
    for name in names:
        if found := shutil.which(name):
            return found
    raise CannotBackUp(
        f"{' or '.join(names)} is not installed, or not on PATH",
        f"install {package} (Debian: apt install {package}; Homebrew: brew install"
        f" {_BREW[package]})",
    )


def _dump(client: Client, command: Sequence[str], part: Path, progress: Progress) -> None:
    """Write to a file what the dumping program prints."""
    with part.open("wb") as file:
        _run(client, command, file, lambda done: progress(done, 0, f"dumping {client.name}"))
    progress(0, 0, f"reading back {client.name}")


def _run(
    client: Client,
    command: Sequence[str],
    output: IO[bytes],
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write what a program prints to a file.

    Args:
        client: how it reaches the database.
        command: the program and its arguments.
        output: the file.
        advance: called with the bytes so far.

    Raises:
        CannotBackUp: it fails.
        OSError: the file cannot be written.
    """
    # Some of what they say is recognized.
    environment = {**os.environ, "LC_ALL": "C", **client.environment}
    with tempfile.TemporaryFile() as errors:
        with running(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        ) as process:
            while chunk := process.stdout.read(_CHUNK) if process.stdout else b"":
                output.write(chunk)
                advance(output.tell())
            code = process.wait()
        if code:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            raise _failure(client, Path(command[0]).name, code, said)


def _failure(client: Client, program: str, code: int, said: str) -> CannotBackUp:
    lines = [line.strip() for line in said.splitlines()]
    kept = [_SPEAKER.sub("", line) for line in lines if not _IDLE.search(line)]
    shown = "; ".join(kept[:_SHOWN_LINES])
    if code < 0:
        with suppress(ValueError):
            shown = f"it was ended by {signal.Signals(-code).name}"
    shown = masked(shown or f"exit status {code}", client.secrets)
    remedy = remedy_for_connecting(
        trouble_told_by(shown),
        rights="give the user the right to read everything in the database, or name one that has"
        " it",
        otherwise="see that the server is well and that the tool fits it, then run the command"
        " again",
    )
    if _WRONG_VERSION.search(shown):
        remedy = (
            f"install the {_POSTGRESQL} of the server's version, and put its directory first on"
            " PATH"
        )
    return CannotBackUp(f"{program} failed on {client.name}: {shown}", remedy)


# --- PostgreSQL -----------------------------------------------------------------------------------
_PATIENCE = "10"  # seconds, for connecting
_TABLE_DATA = re.compile(r"^\d+; \d+ \d+ TABLE DATA ", re.MULTILINE)

# What drivers take from a URL's query and libpq knows, too.
_LIBPQ_OPTIONS = re.compile(
    r"""(?x) application_name | channel_binding | client_encoding | connect_timeout | gssencmode
    | hostaddr | keepalives(_count|_idle|_interval)? | krbsrvname | options | passfile | requirepeer
    | service | ssl_(max|min)_protocol_version | ssl(cert|compression|crl|key|mode|rootcert)
    | target_session_attrs | tcp_user_timeout"""
)
# As other drivers than libpq's write it.
_LIBPQ_NAMES = {"database": "dbname", "ssl": "sslmode"}


def write_postgresql(url: URL, name: str, part: Path, progress: Progress) -> int:
    """Dump a PostgreSQL database; see ``Kind``.

    Raises:
        CannotBackUp: pg_dump cannot do it, or pg_restore cannot read what it wrote.
        OSError: the file cannot be written.
    """
    dump, restorer = (_find(_POSTGRESQL, tool) for tool in ("pg_dump", "pg_restore"))
    parameters = _libpq_parameters(url)
    environment = {"PGCONNECT_TIMEOUT": os.environ.get("PGCONNECT_TIMEOUT", _PATIENCE)}
    if "password" in parameters:
        environment["PGPASSWORD"] = parameters["password"]
    client = Client(name, environment, secrets_of(url))
    command = [dump, "--format=custom", "--no-password", _dbname(parameters)]
    _dump(client, command, part, progress)
    listing = io.BytesIO()
    _run(client, [restorer, f"--file={os.devnull}", "--", str(part)], listing)  # every row of it
    _run(client, [restorer, "--list", "--", str(part)], listing)
    return len(_TABLE_DATA.findall(listing.getvalue().decode(errors="replace")))


def restore_postgresql(url: URL, path: Path) -> str:
    """The command that puts the archive's contents back: all of them, or nothing."""
    options = ["--clean", "--if-exists", "--single-transaction", _dbname(_libpq_parameters(url))]
    return f"pg_restore {words(options)} -- {typed(path)}"


def _dbname(parameters: Mapping[str, str]) -> str:
    """The option for the place of a database, without the password."""
    known = {key: value for key, value in parameters.items() if key != "password"}
    return f"--dbname=postgresql:///?{urlencode(known, quote_via=quote)}"


def _libpq_parameters(url: URL) -> dict[str, str]:
    """What libpq has to know, by its own names; the URL's query goes before the rest of it."""
    found = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
    }
    for key, value in url.query.items():
        known = _LIBPQ_NAMES.get(key, key)
        if known == "host":
            found.update(_hosts(value))
        elif known == "unix_sock":
            found["host"] = str(PurePosixPath(str(value)).parent)
        elif known in found or _LIBPQ_OPTIONS.fullmatch(known):
            found[known] = value if isinstance(value, str) else value[-1]
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _hosts(value: str | tuple[str, ...]) -> dict[str, str]:
    """One host, or several, each perhaps with its port."""
    if isinstance(value, str):
        return {"host": value}
    hosts, _, ports = zip(*(each.partition(":") for each in value), strict=True)
    return {"host": ",".join(hosts), **({"port": ",".join(ports)} if any(ports) else {})}


# --- MariaDB and MySQL ----------------------------------------------------------------------------
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
_MYSQL_OPTIONS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_cipher", "ssl_key")
_MYSQL_NAMES = {"passwd": "password", "db": "database", "unix_socket": "socket"}
# MySQL's own C library takes this name for its socket; the other drivers do not.
_BY_SOCKET = ("mysqldb", "mariadbconnector")


def write_mysql(url: URL, name: str, part: Path, progress: Progress) -> int:
    """Dump a MariaDB or MySQL database; see ``Kind``.

    Raises:
        CannotBackUp: the tool cannot do it, or has not come to its end.
        OSError: the file cannot be written.
    """
    dump, _ = _programs()
    parameters = _mysql_parameters(url)
    if "database" not in parameters:
        raise CannotBackUp(f"{name} names no database", "put its name at the end of the URL")
    environment = {"MYSQL_PWD": parameters["password"]} if "password" in parameters else {}
    client = Client(name, environment, secrets_of(url))
    command = [dump, *_DUMPING, *_mysql_place(parameters), "--", parameters["database"]]
    _dump(client, command, part, progress)
    return _tables(part, name)


def restore_mysql(url: URL, path: Path) -> str:
    """The command that reads the dump in; it asks for the password if there is one."""
    _, client = _programs()
    parameters = _mysql_parameters(url)
    password = ["--password"] if "password" in parameters else []
    options = [*_mysql_place(parameters), *password]
    return f"{words([Path(client).name, *options, '--', parameters['database']])} < {typed(path)}"


def _programs() -> tuple[str, str]:
    """The tool that dumps, and the client that can read what it writes."""
    dump = _find(_MARIADB, "mariadb-dump", "mysqldump")
    ours = ("mariadb", "mysql") if "mariadb" in Path(dump).name else ("mysql",)
    return dump, _find(_MARIADB, *ours)


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


def _mysql_parameters(url: URL) -> dict[str, str]:
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
        known = _MYSQL_NAMES.get(key, key)
        if known in found or known in _MYSQL_OPTIONS:
            found[known] = value if isinstance(value, str) else value[-1]
    if not found["socket"] and url.get_driver_name() not in _BY_SOCKET:
        found["protocol"] = "tcp"
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _mysql_place(parameters: Mapping[str, str]) -> list[str]:
    """Options for the place of a server, without the password."""
    return [
        "--default-character-set=utf8mb4",
        *(
            f"--{key.replace('_', '-')}={value}"
            for key, value in parameters.items()
            if key not in ("password", "database")
        ),
    ]
