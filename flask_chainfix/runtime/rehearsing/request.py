"""What is to be rehearsed, and how a fresh process is told of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.errors import CannotRehearse
from flask_chainfix.model import Header, MigrationFile
from flask_chainfix.runtime import fresh
from flask_chainfix.runtime.app import app_engines
from flask_chainfix.runtime.environment import Runtime
from flask_chainfix.runtime.scratch import Scratch
from flask_chainfix.snapshot import Snapshot


@dataclass(frozen=True)
class RehearsalRequest:
    """How the user wants it.

    Attributes:
        database: URL of a server or of a new SQLite file; ``None`` for a temporary one.
        keep: whether the scratch databases stay.
        start: revisions of the old chain at which the database is stamped; empty to start from
            nothing.
        restamp: the rows that it gets before it is upgraded; empty to leave it as it is stamped.
    """

    database: str | None = None
    keep: bool = False
    start: tuple[str, ...] = ()
    restamp: tuple[str, ...] = ()


class Chains(NamedTuple):
    """What is to be rehearsed, on the disk or not.

    Attributes:
        chain: the chain to prove.
        old: the chain that has stamped the database; ``None`` to start from nothing.
    """

    chain: Snapshot
    old: Snapshot | None = None


def refuse_without_app(runtime: Runtime) -> None:
    """An ``env.py`` of Flask-Migrate runs inside the app only.

    Raises:
        CannotRehearse: a fresh process would not have the app.
    """
    if runtime.loses_app:
        raise CannotRehearse(
            "a rehearsal runs in a fresh process, and there the app cannot be loaded, because it"
            " comes from a callback",
            "run `flask --app MODULE:FACTORY db fixchain rehearse` instead",
        )
    if runtime.environment.uses_flask and "app" not in runtime.reopen:
        raise CannotRehearse(
            "env.py belongs to Flask-Migrate, and cannot run without the app",
            "run `flask db fixchain rehearse` instead",
        )


def binds_of(runtime: Runtime) -> tuple[str, ...]:
    """The names of the databases that ``env.py`` migrates; ``""`` is the default one."""
    if runtime.has_app:
        from flask import current_app

        if "engines" not in dir(current_app.extensions["migrate"].db):  # of another extension
            return ("",)
        return tuple(bind or "" for bind in app_engines("correct the app's configuration"))
    options = runtime.config
    section = options.config_ini_section
    if not options.file_config.has_section(section):
        return ("",)
    # What ``alembic init -t multidb`` makes.
    written = (options.get_main_option("databases") or "").replace(",", " ").split()
    named = tuple(name for name in written if options.file_config.has_section(name))
    return named if named and len(named) == len(written) else ("",)


def message(
    runtime: Runtime, request: RehearsalRequest, chains: Chains, scratch: Scratch
) -> dict[str, Any]:
    """The request to the fresh process, as JSON values."""
    return {
        **fresh.request(runtime),
        "databases": {
            bind: url.render_as_string(hide_password=False) for bind, url in scratch.urls.items()
        },
        "chain": _files(chains.chain),
        "old": _files(chains.old) if chains.old is not None else [],
        "start": list(request.start),
        "restamp": list(request.restamp),
        "env_py": str(Path(runtime.environment.directory, "env.py")),
    }


def _files(snapshot: Snapshot) -> Sequence[list[str | None]]:
    return [_file(file) for file in snapshot.files]


def _file(file: MigrationFile) -> list[str | None]:
    is_source = file.name.endswith(".py") and bool(file.data)
    revision = file.reading.revision if isinstance(file.reading, Header) else None
    return [str(file.path), b64encode(file.data).decode() if is_source else None, revision]
