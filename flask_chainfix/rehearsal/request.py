"""What is to be rehearsed, and how a fresh process is told of it."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.common.errors import CannotRehearse
from flask_chainfix.common.remedies import way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import app_engines, configured_urls
from flask_chainfix.environment.locate import Runtime, open_app
from flask_chainfix.environment.messages import masked, said
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.rehearsal import fresh_process as fresh
from flask_chainfix.rehearsal.scratch import Scratch

OWN_SERVER = "own"


@dataclass(frozen=True)
class RehearsalRequest:
    """How the user wants it.

    Attributes:
        database: URL of a server or of a new SQLite file, or ``OWN_SERVER``; ``None`` for a
            temporary file.
        keep: whether the scratch databases stay.
        start: revisions of the old chain at which the database is stamped; empty to start from
            nothing.
        restamp: the rows that it gets before it is upgraded; empty to leave it as it is stamped.
        on_server: the command that does the same on the server of the app's own database.
    """

    database: str | None = None
    keep: bool = False
    start: tuple[str, ...] = ()
    restamp: tuple[str, ...] = ()
    on_server: str = "{fixchain} rehearse --database"


class Chains(NamedTuple):
    """What is to be rehearsed, on the disk or not.

    Attributes:
        chain: the chain to prove.
        old: the chain that has stamped the database; ``None`` to start from nothing.
    """

    chain: Facts
    old: Facts | None = None


@contextmanager
def inside_app(runtime: Runtime) -> Iterator[Runtime]:
    """Find the app where an ``env.py`` of Flask-Migrate needs it, as the command ``flask`` does.

    Raises:
        CannotRehearse: a fresh process would not have the app.
    """
    if runtime.loses_app:
        raise CannotRehearse(
            "a rehearsal runs in a fresh process, and there the app cannot be loaded, because it"
            " comes from a callback",
            way(
                "name the module and the factory that make the app",
                "flask --app MODULE:FACTORY db fixchain rehearse",
            ),
        )
    if not runtime.environment.uses_flask or runtime.has_app:
        yield runtime
        return
    try:
        import flask.cli
        from flask.helpers import get_load_dotenv

        if get_load_dotenv():
            flask.cli.load_dotenv()
        app = os.environ.get("FLASK_APP")
        loaded = flask.cli.ScriptInfo(app_import_path=app).load_app()
    except (Exception, SystemExit) as error:  # apps can raise anything
        raise CannotRehearse(
            f"env.py needs the app, which cannot be loaded: {masked(said(error))}",
            "have the environment variable FLASK_APP name the app, and run the command where the"
            " app's dependencies are installed",
        ) from error
    with loaded.app_context():
        yield open_app(str(runtime.environment.directory), {"app": app, "x_arg": []})


def scratch_url(runtime: Runtime, request: RehearsalRequest) -> str | None:
    """Where the scratch databases are to be; ``None`` for a temporary SQLite file.

    Raises:
        CannotRehearse: nothing says where the app's own database is.
    """
    if request.database != OWN_SERVER:
        return request.database
    if runtime.has_app:
        url = app_engines("correct the app's configuration")[None].url
        written = url.render_as_string(hide_password=False)
    else:
        written = next(iter(configured_urls(runtime)), "")
        if not written:
            raise CannotRehearse(
                "the configuration names no database, so its server is not known",
                "give --database the URL of the server",
            )
    # The file of the app's own is no place for a rehearsal.
    return None if written.startswith("sqlite") else written


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


def _files(snapshot: Facts) -> Sequence[list[str | None]]:
    return [_file(file) for file in snapshot.files]


def _file(file: MigrationFile) -> list[str | None]:
    is_source = file.name.endswith(".py") and bool(file.data)
    revision = file.reading.revision if isinstance(file.reading, Header) else None
    return [str(file.path), b64encode(file.data).decode() if is_source else None, revision]
