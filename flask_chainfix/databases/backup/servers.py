"""PostgreSQL, MariaDB and MySQL: dumps made with the servers' own programs, and verified."""

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
from flask_chainfix.common.quoting import typed_path, words
from flask_chainfix.common.signals import running
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.database_errors import remedy_for_connecting, trouble_in_message
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.messages import masked, secrets_of

_POSTGRESQL, _MARIADB = "postgresql-client", "mariadb-client"
_BREW = {_POSTGRESQL: "libpq", _MARIADB: "mariadb"}
_CHUNK = 1 << 18  # bytes
_SHOWN_LINES = 3
_IDLE = re.compile(r"(?i)^$|^warning\b|deprecated program name|^hint:")
_SPEAKER = re.compile(
    r"^[\w/.-]+: (?:error: |fatal: )?|^(?:detail|error)(?: \d+ \(\w+\))?:? ", re.IGNORECASE
)
_TO_READ = "give the user the right to read everything in the database, or name one that has it"
_TO_RESTORE = (
    "the backup holds what only an administrator may make, such as an extension or a routine of"
    " another user: name a server with --database where the user may make it"
)
_WRONG_VERSION = re.compile(r"server version mismatch|server version: \d")


def _find(package: str, *names: str) -> str:
    """The first installed of some programs."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise CannotBackUp(
        f"{' or '.join(names)} is not installed, or not on PATH",
        f"install {package} (Debian: apt install {package}; Homebrew: brew install"
        f" {_BREW[package]})",
    )


def _parameters(url: URL, names: Mapping[str, str], options: str) -> dict[str, str]:
    """The parameters of a URL under the tools' names; its query overrides the rest.

    Args:
        url: of a database.
        names: the tools' names for parameters, if they differ.
        options: a pattern for the names of other parameters that the tools know.
    """
    found = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        names.get("database", "database"): url.database,
    }
    for key, value in url.query.items():
        known = names.get(key, key)
        if known in found or re.fullmatch(options, known):
            found[known] = value if isinstance(value, str) else value[-1]
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


class _Program(NamedTuple):
    """A tool that works on one database.

    Attributes:
        database: the database.
        command: the tool and its arguments.
        variables: additional environment variables, such as a password.
        rights: what to do if rights are missing.
    """

    database: Target
    command: Sequence[str]
    variables: Mapping[str, str]
    rights: str = _TO_READ


def _dump(program: _Program, part: Path, progress: Progress) -> None:
    """Write the output of the dumping program to a file."""
    name = program.database.name
    with part.open("wb") as file:
        _run(program, file, lambda done: progress(done, 0, f"dumping {name}"))
    progress(0, 0, f"reading back {name}")


def _run(
    program: _Program,
    output: IO[bytes],
    advance: Callable[[int], None] = lambda _: None,
    source: IO[bytes] | None = None,
) -> None:
    """Write a program's output to a file, and report the bytes so far; ``source`` is its input."""
    # Some of their messages are recognized.
    environment = {**os.environ, "LC_ALL": "C", **program.variables}
    pipes = {"stdin": source or subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with tempfile.TemporaryFile() as errors:
        with running(program.command, stderr=errors, env=environment, **pipes) as process:
            while chunk := process.stdout.read(_CHUNK) if process.stdout else b"":
                output.write(chunk)
                advance(output.tell())
            code = process.wait()
        if code:
            errors.seek(0)
            raise _failure(program, code, errors.read().decode(errors="replace"))


def _failure(program: _Program, code: int, said: str) -> CannotBackUp:
    database, tool = program.database, Path(program.command[0]).name
    lines = [line.strip() for line in said.splitlines()]
    kept = [_SPEAKER.sub("", line) for line in lines if not _IDLE.search(line)]
    shown = "; ".join(kept[:_SHOWN_LINES])
    if code < 0:
        with suppress(ValueError):
            shown = f"it was ended by {signal.Signals(-code).name}"
    shown = masked(shown or f"exit status {code}", secrets_of(database.url))
    remedy = remedy_for_connecting(
        trouble_in_message(shown),
        rights=program.rights,
        otherwise="see that the server is well and that the tool fits it, then run the command"
        " again",
    )
    if _WRONG_VERSION.search(shown):
        remedy = (
            f"install the {_POSTGRESQL} of the server's version, and put its directory first on"
            " PATH"
        )
    return CannotBackUp(f"{tool} failed on {database.name}: {shown}", remedy)


def _nameless(database: Target) -> CannotBackUp:
    remedy = "put its name at the end of the URL, and give that to --database"
    return CannotBackUp(f"{database.name} names no database", remedy)


# --- PostgreSQL -----------------------------------------------------------------------------------
_PATIENCE = "10"  # seconds, for connecting
_TABLE_DATA = re.compile(r"^\d+; \d+ \d+ TABLE DATA ", re.MULTILINE)

# Parameters in a URL's query that both drivers and libpq know.
_LIBPQ_OPTIONS = r"""(?x) application_name | channel_binding | client_encoding | connect_timeout
    | gssencmode | hostaddr | keepalives(_count|_idle|_interval)? | krbsrvname | options | passfile
    | requirepeer | service | ssl_(max|min)_protocol_version
    | ssl(cert|compression|crl|key|mode|rootcert) | target_session_attrs | tcp_user_timeout"""
# The spelling of drivers that do not use libpq.
_LIBPQ_NAMES = {"database": "dbname", "ssl": "sslmode"}
_LIBPQ_NAMING = frozenset({"dbname", "service"})
_VARIABLES_NAMING = frozenset({"PGDATABASE", "PGSERVICE"})


def write_postgresql(database: Target, part: Path, progress: Progress) -> int:
    """Dump a PostgreSQL database; returns how many tables the dump holds.

    Raises:
        CannotBackUp: pg_dump cannot do it, or pg_restore cannot read what it wrote.
        OSError: the file cannot be written.
    """
    dump, restorer = (_find(_POSTGRESQL, tool) for tool in ("pg_dump", "pg_restore"))
    parameters = _libpq_parameters(database.url)
    if _LIBPQ_NAMING.isdisjoint(parameters) and _VARIABLES_NAMING.isdisjoint(os.environ):
        raise _nameless(database)  # libpq's default is not what an app names in connect_args
    variables = {"PGCONNECT_TIMEOUT": os.environ.get("PGCONNECT_TIMEOUT", _PATIENCE)}
    if "password" in parameters:
        variables["PGPASSWORD"] = parameters["password"]
    command = [dump, "--format=custom", "--no-password", _dbname(parameters)]
    _dump(_Program(database, command, variables), part, progress)
    listing = io.BytesIO()
    every_row = [restorer, f"--file={os.devnull}", "--", str(part)]
    for command in every_row, [restorer, "--list", "--", str(part)]:
        _run(_Program(database, command, {}), listing)
    return len(_TABLE_DATA.findall(listing.getvalue().decode(errors="replace")))


def restore_postgresql(url: URL, path: Path) -> str:
    """The command that restores the archive, completely or not at all."""
    options = ["--clean", "--if-exists", "--single-transaction", _dbname(_libpq_parameters(url))]
    return f"pg_restore {words(options)} -- {typed_path(path)}"


def load_postgresql(place: Target, path: Path) -> None:
    """Load an archive into an empty database; all objects belong to the user of its URL.

    Raises:
        CannotBackUp: pg_restore cannot do it.
    """
    restorer, parameters = _find(_POSTGRESQL, "pg_restore"), _libpq_parameters(place.url)
    variables = {"PGPASSWORD": parameters["password"]} if "password" in parameters else {}
    options = ["--no-password", "--no-owner", "--no-privileges", "--single-transaction"]
    command = [restorer, *options, _dbname(parameters), "--", str(path)]
    _run(_Program(place, command, variables, _TO_RESTORE), io.BytesIO())


def _dbname(parameters: Mapping[str, str]) -> str:
    """The option for the address of a database, without the password."""
    known = {key: value for key, value in parameters.items() if key != "password"}
    return f"--dbname=postgresql:///?{urlencode(known, quote_via=quote)}"


def _libpq_parameters(url: URL) -> dict[str, str]:
    found = _parameters(url, _LIBPQ_NAMES, _LIBPQ_OPTIONS)
    hosts = url.query.get("host", "")
    # One or several, each perhaps with its port.
    names, ports = zip(
        *map(_host_and_port, [hosts] if isinstance(hosts, str) else hosts), strict=True
    )
    if any(names):
        found["host"] = ",".join(names)
    if any(ports):
        found["port"] = ",".join(ports)
    if socket := url.query.get("unix_sock"):  # pg8000's
        found["host"] = str(PurePosixPath(str(socket)).parent)
    return found


def _host_and_port(written: str) -> tuple[str, str]:
    """A host without the brackets around an IPv6 address, and its port, ``""`` without one."""
    found = re.fullmatch(r"(\[[^]]+\]|[^:/]*)(?::(\d+))?", written)
    return (written, "") if found is None else (found[1].strip("[]"), found[2] or "")


# --- MariaDB and MySQL ----------------------------------------------------------------------------
_DUMPING = (
    "--no-defaults",  # an options file could leave tables out of the backup
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",  # reading them needs a right that few users have
    # MySQL's tool asks MariaDB for features that it lacks, and writes statements that only an
    # administrator may restore; MariaDB's tool does not know the options.
    "--loose-column-statistics=0",
    "--loose-set-gtid-purged=OFF",
)
_MYSQL_OPTIONS = "socket|ssl_(ca|capath|cert|cipher|key)"
_MYSQL_NAMES = {"passwd": "password", "db": "database", "unix_socket": "socket"}
# MySQL's C library uses this name for its socket; the other drivers do not.
_BY_SOCKET = ("mysqldb", "mariadbconnector")


def write_mysql(database: Target, part: Path, progress: Progress) -> int:
    """Dump a MariaDB or MySQL database; returns how many tables the dump holds.

    Raises:
        CannotBackUp: the tool cannot do it, or did not finish.
        OSError: the file cannot be written.
    """
    dump, _ = _programs()
    parameters = _mysql_parameters(database.url)
    if "database" not in parameters:
        raise _nameless(database)
    variables = {"MYSQL_PWD": parameters["password"]} if "password" in parameters else {}
    command = [dump, *_DUMPING, *_mysql_place(parameters), "--", parameters["database"]]
    _dump(_Program(database, command, variables), part, progress)
    found, last = 0, b""
    with part.open("rb") as file:
        for line in file:
            found += line.startswith(b"-- Table structure for table ")
            last = line
    if not last.startswith(b"-- Dump completed"):
        raise CannotBackUp(
            f"the dump of {database.name} is cut off before its end",
            "see that the server is well, then run the command again",
        )
    return found


def restore_mysql(url: URL, path: Path) -> str:
    """The command that loads the dump; it asks for the password if there is one."""
    _, client = _programs()
    parameters = _mysql_parameters(url)
    password = ["--password"] if "password" in parameters else []
    options = [*_mysql_place(parameters), *password, "--", parameters["database"]]
    return f"{words([Path(client).name, *options])} < {typed_path(path)}"


def load_mysql(place: Target, path: Path) -> None:
    """Load a dump into an empty database.

    Raises:
        CannotBackUp: the client cannot do it.
    """
    _, client = _programs()
    parameters = _mysql_parameters(place.url)
    variables = {"MYSQL_PWD": parameters["password"]} if "password" in parameters else {}
    options = ["--no-defaults", *_mysql_place(parameters)]
    command = [client, *options, "--", parameters["database"]]
    with path.open("rb") as dump:
        _run(_Program(place, command, variables, _TO_RESTORE), io.BytesIO(), source=dump)


def _programs() -> tuple[str, str]:
    """The dumping tool, and the client that can load its output."""
    dump = _find(_MARIADB, "mariadb-dump", "mysqldump")
    ours = ("mariadb", "mysql") if "mariadb" in Path(dump).name else ("mysql",)
    return dump, _find(_MARIADB, *ours)


def _mysql_parameters(url: URL) -> dict[str, str]:
    found = _parameters(url, _MYSQL_NAMES, _MYSQL_OPTIONS)
    if "socket" not in found and url.get_driver_name() not in _BY_SOCKET:
        found["protocol"] = "tcp"
    return found


def _mysql_place(parameters: Mapping[str, str]) -> list[str]:
    """Options for the address of a server, without the password."""
    known = {key: each for key, each in parameters.items() if key not in ("password", "database")}
    options = [f"--{key.replace('_', '-')}={value}" for key, value in known.items()]
    return ["--default-character-set=utf8mb4", *options]
