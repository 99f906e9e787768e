"""Run a chain on scratch databases, up, down and up again, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from flask_chainfix.common import signals
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotRehearse, RehearsalFailed
from flask_chainfix.common.processes import running
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import app_engines, configured_urls
from flask_chainfix.environment.locate import Runtime, open_app
from flask_chainfix.environment.messages import masked, said
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.rehearsal import FailureKind, Rehearsal, RehearsalFailure, RehearsalStep
from flask_chainfix.rehearsal import fresh_process as fresh
from flask_chainfix.rehearsal.failures import remedy_for, remedy_for_stamp
from flask_chainfix.rehearsal.scratch import Scratch, scratch_databases

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


@contextmanager
def _inside_app(runtime: Runtime) -> Iterator[Runtime]:
    """Find the app where an ``env.py`` of Flask-Migrate needs it, as the command ``flask`` does."""
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


def _scratch_url(runtime: Runtime, database: str | None) -> str | None:
    """Where the scratch databases are to be; ``None`` for a temporary SQLite file."""
    if database != OWN_SERVER:
        return database
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


def _binds_of(runtime: Runtime) -> tuple[str, ...]:
    """The names of the databases that ``env.py`` migrates; ``""`` is the default one."""
    if runtime.has_app:
        from flask import current_app

        if "engines" not in dir(current_app.extensions["migrate"].db):  # of another extension
            return ("",)
        return tuple(bind or "" for bind in app_engines("correct the app's configuration"))
    # What ``alembic init -t multidb`` makes.
    parser, section = runtime.options.parser, runtime.options.section
    written = parser.get(section, "databases", fallback="").replace(",", " ").split()
    return tuple(written) if written and all(map(parser.has_section, written)) else ("",)


def rehearse(
    runtime: Runtime,
    request: RehearsalRequest,
    chain: Facts,
    progress: Progress,
    old: Facts | None = None,
) -> Rehearsal:
    """Prove a chain on databases that are made for it and dropped at the end.

    The chain need not be on the disk. ``old`` is the one that has stamped the database; ``None`` to
    start from nothing.

    Raises:
        CannotRehearse: it cannot begin.
        NoScratchDatabase: there is nothing to run it on.
        ScratchLeftBehind: a database could not be dropped.
    """
    phases = [("up", 1, "heads"), ("down", 1, "base"), ("up", 2, "heads")]
    if old is not None:
        phases = [*(("up", 0, revision) for revision in request.start), phases[0]]
    asked = {
        "chain": [_file(file) for file in chain.files],
        "old": [_file(file) for file in old.files] if old else [],
        "restamp": list(request.restamp),
        "phases": phases,
        "compare": True,
    }
    with _scratch_for(runtime, request.database, keep=request.keep) as place:
        steps, failure, told = place.run(asked, progress)
    scratch, app_dialect = place.scratch, place.runtime.environment.dialect or ""
    if failure is not None:
        if failure.kind is FailureKind.STAMP:
            ran = {step.revision for step in steps}
            rows = request.restamp or request.start
            remedy: str | Remedy = remedy_for_stamp(chain.graph, rows, ran)
        else:
            remedy = remedy_for(failure, app_dialect, request.on_server)
        failure = replace(failure, remedy=remedy)
    return Rehearsal(
        database=scratch.shown,
        dialect=scratch.dialect,
        app_dialect=app_dialect,
        steps=tuple(steps),
        failure=failure,
        start=request.start,
        kept=scratch.masked_urls if request.keep else (),
        **told,
    )


@contextmanager
def built(
    runtime: Runtime,
    database: str | None,
    chain: Facts,
    revisions: Sequence[str],
    progress: Progress,
) -> Iterator[Scratch]:
    """Scratch databases that a chain has built up to some revisions, and no further.

    Args:
        runtime: the environment.
        database: as in ``RehearsalRequest``.
        chain: the chain, which need not be on the disk.
        revisions: where the databases are to be stamped.
        progress: called with the steps done, the steps in all, and what is running.

    Raises:
        RehearsalFailed: a migration fails.
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: as ``rehearse``.
    """
    asked = {
        "chain": [_file(file) for file in chain.files],
        "old": [],
        "restamp": [],
        "phases": [("up", 1, revision) for revision in revisions],
        "compare": False,
    }
    with _scratch_for(runtime, database) as place:
        _, failure, _ = place.run(asked, progress)
        if failure is not None:
            at = f" at {failure.revision}" if failure.revision else ""
            raise RehearsalFailed(
                f"the chain stops on {place.scratch.shown}{at}: {failure.message}",
                remedy_for(failure, place.scratch.dialect, "{fixchain} rehearse --database"),
            )
        yield place.scratch


class _Place(NamedTuple):
    """Where chains are run: scratch databases, and the environment that a fresh process opens."""

    runtime: Runtime
    scratch: Scratch

    def run(
        self, asked: Mapping[str, Any], progress: Progress
    ) -> tuple[list[RehearsalStep], RehearsalFailure | None, dict[str, Any]]:
        """Run what is asked for in a fresh process; see ``_follow``."""
        request = {
            **fresh.request(self.runtime),
            "databases": {
                bind: url.render_as_string(hide_password=False)
                for bind, url in self.scratch.urls.items()
            },
            "env_py": str(Path(self.runtime.environment.directory, "env.py")),
            **asked,
        }
        with closing(_events(request)) as events:
            return _follow(events, progress)


@contextmanager
def _scratch_for(runtime: Runtime, database: str | None, *, keep: bool = False) -> Iterator[_Place]:
    with _inside_app(runtime) as opened:
        url, binds = _scratch_url(opened, database), _binds_of(opened)
        with signals.listening(), scratch_databases(url, binds, keep=keep) as scratch:
            yield _Place(opened, scratch)


def _file(file: MigrationFile) -> list[str | None]:
    is_source = file.name.endswith(".py") and bool(file.data)
    revision = file.reading.revision if isinstance(file.reading, Header) else None
    return [str(file.path), b64encode(file.data).decode() if is_source else None, revision]


def _events(request: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
    """What a rehearsing process tells until its end."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = {**fresh.environment(), "FIXCHAIN_REHEARSAL": "1"}
    command = fresh.command("flask_chainfix.rehearsal.child")
    with (
        tempfile.TemporaryFile() as errors,
        running(command, **streams, stderr=errors, env=environment) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError), process.stdin as stdin:  # it died early, and says why
            stdin.write(json.dumps(request).encode())
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:  # half a line: it died while it wrote
                break
            if event["event"] == "end":
                return  # whatever threads the app has left, nobody waits for them
            yield event
        errors.seek(0)
        words = errors.read().decode(errors="replace").strip().splitlines()
        last_words = f": {masked(words[-1])}" if words else ""
        code = process.wait()
        try:
            how = f"signal {signal.Signals(-code).name}"
        except ValueError:
            how = f"exit status {code}"
        yield {"event": "died", "message": f"the process died with {how}{last_words}"}


def _follow(
    events: Iterator[dict[str, Any]], progress: Progress
) -> tuple[list[RehearsalStep], RehearsalFailure | None, dict[str, Any]]:
    """The steps that have ended, what ended them early, and what else the process tells."""
    steps: list[RehearsalStep] = []
    step: RehearsalStep | None = None
    failure: RehearsalFailure | None = None
    told: dict[str, Any] = {}
    total, started = 0, 0.0
    for event in events:
        match event.pop("event"):
            case "plan":
                total = max(total, len(steps) + event["count"] * (1 + event["left"]))
            case "start":
                step, started = RehearsalStep(**event, seconds=0.0), monotonic()
                progress(len(steps), total, f"{step.direction} {step.revision}")
            case "done" if step is not None:
                steps.append(step._replace(**event))
                step = None
                progress(len(steps), total, "")
            case "failure":
                failure = _failure(**event)
            case "died":
                failure = _death(step, event["message"])
            case "refused":
                raise CannotRehearse(**event)
            case "told":
                told |= {
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in event.items()
                }
    if failure is not None and step is not None:
        seconds = round(monotonic() - started, 4)
        steps.append(step._replace(seconds=seconds, error=failure.message))
    return steps, failure, told


def _death(step: RehearsalStep | None, message: str) -> RehearsalFailure:
    if step is None:
        return RehearsalFailure(FailureKind.ENVIRONMENT, message)
    at = (step.revision, step.direction, step.round)
    return RehearsalFailure(FailureKind.MIGRATION, message, *at, bind=step.bind)


def _failure(
    kind: str, path: str | None = None, trouble: str | None = None, **other: Any
) -> RehearsalFailure:
    return RehearsalFailure(
        FailureKind(kind),
        path=None if path is None else Path(path),
        trouble=None if trouble is None else Trouble(trouble),
        **other,
    )
