"""PostgreSQL: pg_dump's archive, and what pg_restore finds in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from sqlalchemy.engine import URL

from flask_chainfix.common.quoting import words
from flask_chainfix.databases.backup.backup_files import Kind, Progress, Written, typed
from flask_chainfix.databases.backup.client_tools import Client, answer_of, find, stream
from flask_chainfix.environment.messages import secrets_of

_PACKAGE, _BREW = "postgresql-client", "libpq"


_SIZE = "SELECT pg_database_size(current_database())"


_PATIENCE = "10"  # seconds, for connecting


# What drivers take from a URL's query and libpq knows, too.
_OPTIONS = {
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "gssencmode",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "options",
    "passfile",
    "requirepeer",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcompression",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
}


# As other drivers than libpq's write it.
_OTHER_NAMES = {"database": "dbname", "ssl": "sslmode"}


def write(url: URL, name: str, part: Path, progress: Progress) -> Written:
    """Dump a PostgreSQL database.

    Args:
        url: the database.
        name: how users know it.
        part: an empty file for the archive.
        progress: called with bytes done, bytes in all, and what is running.

    Raises:
        CannotBackUp: pg_dump cannot do it, or pg_restore cannot read what it wrote.
        OSError: the file cannot be written.
    """
    dump, lister, asker = (
        find(_PACKAGE, _BREW, tool) for tool in ("pg_dump", "pg_restore", "psql")
    )
    parameters = _parameters(url)
    client = _client(name, parameters, secrets_of(url))
    place = ["--no-password", *_place(parameters)]
    asking = [asker, "--no-psqlrc", "--tuples-only", "--no-align", f"--command={_SIZE}"]
    size = int(answer_of(client, [*asking, *place]))
    digest = stream(
        client,
        [dump, "--format=custom", *place],
        part,
        lambda done: progress(done, max(size, done), f"dumping {name}"),
    )
    progress(size, size, f"reading back {name}")
    contents = answer_of(client, [lister, "--list", "--", str(part)])
    answer_of(client, [lister, f"--file={os.devnull}", "--", str(part)])  # every row of it
    return Written(len(re.findall(r"^\d+; \d+ \d+ TABLE DATA ", contents, re.MULTILINE)), digest)


def restore(url: URL, path: Path) -> str:
    """The command that puts the archive's contents back: all of them, or nothing."""
    options = ["--clean", "--if-exists", "--single-transaction", *_place(_parameters(url))]
    return f"pg_restore {words(options)} -- {typed(path)}"


KIND = Kind(".dump", write, restore)


def _client(name: str, parameters: Mapping[str, str], secrets: Sequence[str]) -> Client:
    password = parameters.get("password", "")
    environment = {"PGCONNECT_TIMEOUT": os.environ.get("PGCONNECT_TIMEOUT", _PATIENCE)}
    if password:
        environment["PGPASSWORD"] = password
    return Client(name, _PACKAGE, environment, secrets)


def _place(parameters: Mapping[str, str]) -> list[str]:
    """Arguments for the place of a database, without the password."""
    arguments = [
        f"--{option}={parameters[key]}"
        for key, option in (("host", "host"), ("port", "port"), ("user", "username"))
        if key in parameters
    ]
    database = parameters.get("dbname", "")
    others = {key: value for key, value in parameters.items() if key in _OPTIONS}
    if others or not re.fullmatch(r"[\w.-]*", database):
        others["dbname"] = database
        database = " ".join(f"{key}={_quoted(value)}" for key, value in sorted(others.items()))
    return [*arguments, f"--dbname={database}"]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return value if re.fullmatch(r"[\w./:-]+", value) else f"'{escaped}'"


def _parameters(url: URL) -> dict[str, str]:
    """What libpq has to know, by its own names; the URL's query goes before the rest of it."""
    found = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
    }
    for key, value in url.query.items():
        known = _OTHER_NAMES.get(key, key)
        if known == "host":
            found.update(_hosts(value))
        elif known == "unix_sock":
            found["host"] = str(PurePosixPath(str(value)).parent)
        elif known in found or known in _OPTIONS:
            found[known] = value if isinstance(value, str) else value[-1]
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _hosts(value: str | tuple[str, ...]) -> dict[str, str]:
    """One host, or several, each perhaps with its port."""
    if isinstance(value, str):
        return {"host": value}
    hosts, _, ports = zip(*(each.partition(":") for each in value), strict=True)
    return {"host": ",".join(hosts), **({"port": ",".join(ports)} if any(ports) else {})}
