"""Run a chain on scratch databases, up, down and up again, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import IO, Any, NamedTuple

from flask_chainfix.common import signals
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotRehearse
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


class Chains(NamedTuple):
    """What is to be rehearsed, on the disk or not.

    Attributes:
        chain: the chain to prove.
        old: the chain that has stamped the database; ``None`` to start from nothing.
    """

    chain: Facts
    old: Facts | None = None


@contextmanager
def _inside_app(runtime: Runtime) -> Iterator[Runtime]:
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


def _scratch_url(runtime: Runtime, request: RehearsalRequest) -> str | None:
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


def _binds_of(runtime: Runtime) -> tuple[str, ...]:
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


def _message(
    runtime: Runtime, request: RehearsalRequest, chains: Chains, scratch: Scratch
) -> dict[str, Any]:
    """The request to the fresh process, as JSON values."""
    return {
        **fresh.request(runtime),
        "databases": {
            bind: url.render_as_string(hide_password=False) for bind, url in scratch.urls.items()
        },
        "chain": [_file(file) for file in chains.chain.files],
        "old": [_file(file) for file in chains.old.files] if chains.old else [],
        "start": list(request.start),
        "restamp": list(request.restamp),
        "env_py": str(Path(runtime.environment.directory, "env.py")),
    }


def _file(file: MigrationFile) -> list[str | None]:
    is_source = file.name.endswith(".py") and bool(file.data)
    revision = file.reading.revision if isinstance(file.reading, Header) else None
    return [str(file.path), b64encode(file.data).decode() if is_source else None, revision]


# --- The process ----------------------------------------------------------------------------------
class Outcome:
    """What the process has told so far.

    Attributes:
        steps: the steps that have ended.
        failure: what ended it early.
        differences: what the models have otherwise.
        not_compared: why they were not compared.
        stranded: revisions that never ran.
    """

    def __init__(self, progress: Progress) -> None:
        self.steps: list[RehearsalStep] = []
        self.failure: RehearsalFailure | None = None
        self.differences: tuple[str, ...] | None = None
        self.not_compared = ""
        self.stranded: tuple[str, ...] = ()
        self._progress = progress
        self._total = 0
        self._running: RehearsalStep | None = None
        self._started = 0.0

    def take(self, event: dict[str, Any]) -> None:
        """Take one event.

        Raises:
            CannotRehearse: the process could not begin.
        """
        getattr(self, f"_on_{event.pop('event')}")(**event)

    def _on_plan(self, count: int, left: int) -> None:
        self._total = max(self._total, len(self.steps) + count * (1 + left))

    def _on_start(self, revision: str, direction: str, round: int, bind: str) -> None:  # noqa: A002
        self._running = RehearsalStep(revision, direction, round, 0.0, bind=bind)
        self._started = monotonic()
        self._progress(len(self.steps), self._total, f"{direction} {revision}")

    def _on_done(self, seconds: float) -> None:
        assert self._running is not None
        self.steps.append(self._running._replace(seconds=seconds))
        self._running = None
        self._progress(len(self.steps), self._total, "")

    def _on_failure(self, kind: str, path: str | None, trouble: str | None, **other: Any) -> None:
        self._fail(
            RehearsalFailure(
                FailureKind(kind),
                path=None if path is None else Path(path),
                trouble=None if trouble is None else Trouble(trouble),
                **other,
            )
        )

    def _fail(self, failure: RehearsalFailure) -> None:
        self.failure = failure
        if self._running is not None:
            seconds = round(monotonic() - self._started, 4)
            self.steps.append(self._running._replace(seconds=seconds, error=failure.message))
            self._running = None

    def _on_comparison(self, differences: list[str] | None) -> None:
        if differences is None:
            self.not_compared = "env.py names no models (target_metadata)"
        else:
            self.differences = tuple(differences)

    def _on_stranded(self, revisions: list[str]) -> None:
        self.stranded = tuple(revisions)
        message = f"{', '.join(revisions)} never ran, and Alembic treats them as done"
        self.failure = RehearsalFailure(FailureKind.STRANDED, message)

    def _on_refused(self, message: str, remedy: str) -> None:
        raise CannotRehearse(message, remedy)

    def died(self, code: int, last_words: str) -> None:
        """The process has ended without a word about it."""
        try:
            how = f"signal {signal.Signals(-code).name}"
        except ValueError:
            how = f"exit status {code}"
        words = f": {last_words}" if last_words else ""
        running = self._running
        self._fail(
            RehearsalFailure(
                FailureKind.MIGRATION if running else FailureKind.ENVIRONMENT,
                f"the process died with {how}{words}",
                revision=running.revision if running else None,
                direction=running.direction if running else "",
                round=running.round if running else 0,
                bind=running.bind if running else "",
            )
        )


def follow(request: dict[str, Any], outcome: Outcome) -> None:
    """Run a rehearsing process to its end.

    Raises:
        CannotRehearse: it could not begin.
    """
    with tempfile.TemporaryFile() as errors, _process(errors) as process:
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
            outcome.take(event)
        errors.seek(0)
        words = errors.read().decode(errors="replace").strip().splitlines()
        outcome.died(process.wait(), masked(words[-1]) if words else "")


def _process(errors: IO[bytes]) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return running(
        fresh.command("flask_chainfix.rehearsal.child"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**fresh.environment(), "FIXCHAIN_REHEARSAL": "1"},
    )


def rehearse(
    runtime: Runtime, request: RehearsalRequest, chains: Chains, progress: Progress
) -> Rehearsal:
    """Prove a chain on databases that are made for it and dropped at the end.

    Args:
        runtime: the environment that it belongs to.
        request: how the user wants it.
        chains: what is to be rehearsed.
        progress: called with the steps done, the steps in all, and what is running.

    Raises:
        CannotRehearse: it cannot begin.
        NoScratchDatabase: there is nothing to run it on.
        ScratchLeftBehind: a database could not be dropped.
    """
    outcome = Outcome(progress)
    with _inside_app(runtime) as opened:
        url, binds = _scratch_url(opened, request), _binds_of(opened)
        with signals.listening(), scratch_databases(url, binds, keep=request.keep) as scratch:
            follow(_message(opened, request, chains, scratch), outcome)
        app_dialect, failure = opened.environment.dialect or "", outcome.failure
    if failure is not None:
        if failure.kind is FailureKind.STAMP:
            ran = {step.revision for step in outcome.steps}
            rows = request.restamp or request.start
            remedy: str | Remedy = remedy_for_stamp(chains.chain.graph, rows, ran)
        else:
            remedy = remedy_for(failure, app_dialect, request.on_server)
        failure = replace(failure, remedy=remedy)
    return Rehearsal(
        database=scratch.shown,
        dialect=scratch.dialect,
        app_dialect=app_dialect,
        steps=tuple(outcome.steps),
        failure=failure,
        differences=outcome.differences,
        not_compared=outcome.not_compared,
        stranded=outcome.stranded,
        start=request.start,
        kept=scratch.masked_urls if request.keep else (),
    )
