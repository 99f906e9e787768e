"""PostgreSQL: the archive that pg_dump writes, which pg_restore then reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

from sqlalchemy.engine import URL

from flask_chainfix.common.progress import Progress
from flask_chainfix.common.quoting import words
from flask_chainfix.databases.backup.backup_files import typed
from flask_chainfix.databases.backup.client_tools import Client, answer_of, find, stream
from flask_chainfix.environment.messages import secrets_of

_PACKAGE, _BREW = "postgresql-client", "libpq"
_PATIENCE = "10"  # seconds, for connecting
_TABLE = re.compile(r"^\d+; \d+ \d+ TABLE DATA ", re.MULTILINE)

# What drivers take from a URL's query and libpq knows, too.
_OPTIONS = re.compile(
    r"""(?x) application_name | channel_binding | client_encoding | connect_timeout | gssencmode
    | hostaddr | keepalives(_count|_idle|_interval)? | krbsrvname | options | passfile | requirepeer
    | service | ssl_(max|min)_protocol_version | ssl(cert|compression|crl|key|mode|rootcert)
    | target_session_attrs | tcp_user_timeout"""
)
# As other drivers than libpq's write it.
_OTHER_NAMES = {"database": "dbname", "ssl": "sslmode"}


def write(url: URL, name: str, part: Path, progress: Progress) -> int:
    """Dump a PostgreSQL database; see ``Kind``.

    Raises:
        CannotBackUp: pg_dump cannot do it, or pg_restore cannot read what it wrote.
        OSError: the file cannot be written.
    """
    dump, restorer = (find(_PACKAGE, _BREW, tool) for tool in ("pg_dump", "pg_restore"))
    parameters = _parameters(url)
    environment = {"PGCONNECT_TIMEOUT": os.environ.get("PGCONNECT_TIMEOUT", _PATIENCE)}
    if "password" in parameters:
        environment["PGPASSWORD"] = parameters["password"]
    client = Client(name, _PACKAGE, environment, secrets_of(url))
    command = [dump, "--format=custom", "--no-password", _place(parameters)]
    with part.open("wb") as file:
        stream(client, command, file, lambda done: progress(done, 0, f"dumping {name}"))
    progress(0, 0, f"reading back {name}")
    answer_of(client, [restorer, f"--file={os.devnull}", "--", str(part)])  # every row of it
    return len(_TABLE.findall(answer_of(client, [restorer, "--list", "--", str(part)])))


def restore(url: URL, path: Path) -> str:
    """The command that puts the archive's contents back: all of them, or nothing."""
    options = ["--clean", "--if-exists", "--single-transaction", _place(_parameters(url))]
    return f"pg_restore {words(options)} -- {typed(path)}"


def _place(parameters: Mapping[str, str]) -> str:
    """The option for the place of a database, without the password."""
    known = {key: value for key, value in parameters.items() if key != "password"}
    return f"--dbname=postgresql:///?{urlencode(known, quote_via=quote)}"


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
        elif known in found or _OPTIONS.fullmatch(known):
            found[known] = value if isinstance(value, str) else value[-1]
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _hosts(value: str | tuple[str, ...]) -> dict[str, str]:
    """One host, or several, each perhaps with its port."""
    if isinstance(value, str):
        return {"host": value}
    hosts, _, ports = zip(*(each.partition(":") for each in value), strict=True)
    return {"host": ",".join(hosts), **({"port": ",".join(ports)} if any(ports) else {})}
