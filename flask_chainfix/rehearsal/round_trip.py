"""Run a chain on scratch databases, up, down and up again, in a separate process."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotBackUp, CannotRehearse, RehearsalFailed
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.signals import running
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.backup import copy_into
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import masked
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.rehearsal import (
    CopiedDatabase,
    FailureKind,
    Rehearsal,
    RehearsalFailure,
    RehearsalRequest,
    RehearsalStep,
    Route,
    SentStatement,
)
from flask_chainfix.rehearsal import fresh_process as fresh
from flask_chainfix.rehearsal.app_databases import binds_of, inside_app, scratch_server, sources_of
from flask_chainfix.rehearsal.child.failures import remedy_for, remedy_for_stamp
from flask_chainfix.rehearsal.events import follow
from flask_chainfix.rehearsal.scratch import Scratch, scratch_databases

# The defaults of a request to the fresh process. By bind, ``named`` holds the expected rows and the
# revisions to run there, instead of those that Alembic computes.
_PLAINLY: Mapping[str, Any] = {
    "old": [],
    "restamp": [],
    "compare": False,
    "rows": False,
    "schemas": [],
    "ignored": [],
    "copied": False,
    "named": {},
    "record": False,
    "replaced": True,
}


def rehearse(
    runtime: Runtime,
    request: RehearsalRequest,
    chain: Facts,
    progress: Progress,
    old: Facts | None = None,
) -> Rehearsal:
    """Run a chain on databases that are created for it and dropped at the end.

    The chain does not have to be on disk. ``old`` is the chain that stamped the database; ``None``
    to start from nothing.

    Raises:
        CannotRehearse: the rehearsal cannot begin.
        NoScratchDatabase: no scratch database can be created.
        ScratchLeftBehind: a database could not be dropped.
    """
    up, down, stairs = Route.UP.value, Route.DOWN.value, Route.STAIRS.value
    phases = [(up, 1, "heads"), (down, 1, "base"), (up, 2, "heads")]
    if request.stairway:
        phases = [(stairs, 1, "heads")]
    if request.copy is not None:
        phases = phases[:1]
    if old is not None:
        phases = [*((up, 0, revision) for revision in request.start), phases[0]]
    asked = {
        "chain": [as_sent(file) for file in chain.files],
        "old": [as_sent(file) for file in old.files] if old else [],
        "restamp": list(request.restamp),
        "phases": phases,
        "compare": True,
        "rows": request.rows,
        "schemas": sorted(chain.named_schemas) if request.stairway else [],
        "ignored": list(chain.environment.settings.ignore_objects),
    }
    with scratch_for(runtime, request.database, keep=request.keep, copy=request.copy) as place:
        copies = place.fill(progress)
        steps, failure, observed = place.run({**asked, "copied": bool(copies)}, progress)
    scratch, app_dialect = place.scratch, place.runtime.environment.dialect or ""
    stamps = {bind: tuple(rows) for bind, rows in observed.pop("stamps", ())}
    start = request.start or tuple(sorted({row for rows in stamps.values() for row in rows}))
    if failure is not None:
        if failure.kind is FailureKind.STAMP:
            # It is not known here what has run on the app's own database.
            ran = set(chain.graph) if copies else {step.revision for step in steps}
            rows = request.restamp or start
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
        start=start,
        kept=scratch.masked_urls if request.keep else (),
        copies=tuple(each._replace(stamp=stamps.get(each.bind, ())) for each in copies),
        **{
            "gaps": () if request.stairway else None,
            "lost": () if request.rows else None,
            **observed,
        },
    )


@contextmanager
def built(
    runtime: Runtime,
    database: str | None,
    chain: Facts,
    revisions: Sequence[str],
    progress: Progress,
) -> Iterator[Scratch]:
    """Scratch databases that a chain has upgraded to the given revisions.

    Args:
        runtime: the environment.
        database: as in ``RehearsalRequest``.
        chain: the chain; it does not have to be on disk.
        revisions: the revisions to upgrade to.
        progress: called with the steps done, the steps in all, and what is running.

    Raises:
        RehearsalFailed: a migration fails.
        CannotRehearse, NoScratchDatabase, ScratchLeftBehind: as ``rehearse``.
    """
    with scratch_for(runtime, database) as place:
        place.upgrade(chain, revisions, progress)
        yield place.scratch


class Upgraded(NamedTuple):
    """The result of a successful upgrade.

    Attributes:
        revisions: the revisions that ran, in order.
        statements: the statements that were sent to the database, if they were recorded.
    """

    revisions: tuple[str, ...]
    statements: tuple[SentStatement, ...] = ()


class Place(NamedTuple):
    """Where to run chains: scratch databases, and the environment for a fresh process.

    Attributes:
        runtime: the environment.
        scratch: the databases.
        sources: by bind, the database to copy into the scratch database.
    """

    runtime: Runtime
    scratch: Scratch
    sources: Mapping[str, Target]

    def fill(self, progress: Progress) -> tuple[CopiedDatabase, ...]:
        """Copy the sources into the scratch databases.

        Raises:
            CannotRehearse: a copy cannot be made.
        """
        found = []
        for bind, source in self.sources.items():
            place = Target("the scratch database", self.scratch.urls[bind])
            try:
                made = copy_into(place, source, lambda _done, _all, what: progress(0, 0, what))
            except CannotBackUp as error:
                remedy = str(error.remedy).replace(" with --to", " as TMPDIR")
                raise CannotRehearse(f"no copy of the database: {error.message}", remedy) from error
            found.append(CopiedDatabase(source.name, made.size, made.tables, made.seconds, bind))
        return tuple(found)

    def upgrade(
        self,
        chain: Facts,
        revisions: Sequence[str],
        progress: Progress,
        *,
        filled: bool = False,
        record: bool = False,
    ) -> Upgraded:
        """Upgrade the databases to the given revisions.

        Args:
            chain: the chain; it does not have to be on disk.
            revisions: the revisions to upgrade to.
            progress: called with the steps done, the steps in all, and what is running.
            filled: whether the databases already have tables.
            record: whether to record the statements.

        Raises:
            RehearsalFailed: a migration fails.
            CannotRehearse: the upgrade cannot begin.
        """
        asked = {
            "chain": [as_sent(file) for file in chain.files],
            "phases": [(Route.UP.value, 1, revision) for revision in revisions],
            "copied": filled,
            "record": record,
        }
        steps, failure, observed = self.run(asked, progress)
        if failure is not None:
            at = f" at {failure.revision}" if failure.revision else ""
            raise RehearsalFailed(
                f"the chain stops on {self.scratch.shown}{at}: {failure.message}",
                remedy_for(failure, self.scratch.dialect, "{fixchain} rehearse --database"),
            )
        statements = tuple(SentStatement(*each) for each in observed.get("statements", ()))
        return Upgraded(tuple(step.revision for step in steps), statements)

    def run(
        self, asked: Mapping[str, Any], progress: Progress
    ) -> tuple[list[RehearsalStep], RehearsalFailure | None, dict[str, Any]]:
        """Run a request in a fresh process; see ``follow``."""
        request = {
            **fresh.request(self.runtime),
            "databases": {
                bind: url.render_as_string(hide_password=False)
                for bind, url in self.scratch.urls.items()
            },
            "env_py": str(Path(self.runtime.environment.directory, "env.py")),
            **_PLAINLY,
            **asked,
        }
        with closing(_events(request)) as events:
            return follow(events, progress)


@contextmanager
def scratch_for(
    runtime: Runtime, database: str | None, *, keep: bool = False, copy: str | None = None
) -> Iterator[Place]:
    """Empty scratch databases, one for each that ``env.py`` migrates, dropped at the end.

    Args:
        runtime: the environment.
        database: as in ``RehearsalRequest``.
        keep: do not drop them, unless an exception ends the block.
        copy: as in ``RehearsalRequest``.

    Raises:
        CannotRehearse: the app cannot be loaded, or it is unclear what to copy.
        NoScratchDatabase, ScratchLeftBehind: they cannot be created, or not be dropped.
    """
    with inside_app(runtime) as opened:
        binds = binds_of(opened)
        sources = {} if copy is None else sources_of(opened, copy, binds)
        url = scratch_server(opened, database, sources.get(binds[0]))
        with signals.listening(), scratch_databases(url, binds, keep=keep) as scratch:
            yield Place(opened, scratch, sources)


def as_sent(file: MigrationFile) -> list[str | None]:
    """A file in the form of a request to the fresh process."""
    is_source = file.name.endswith(".py") and bool(file.data)
    revision = file.reading.revision if isinstance(file.reading, Header) else None
    return [str(file.path), b64encode(file.data).decode() if is_source else None, revision]


def _events(request: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
    """The events of a rehearsing process."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = fresh.environment()
    if request["replaced"]:  # otherwise the app runs as usual
        environment["FIXCHAIN_REHEARSAL"] = "1"
    command = fresh.command("flask_chainfix.rehearsal.child.main")
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
            except ValueError:  # half a line: the process died while writing
                break
            if event["event"] == "end":
                return  # do not wait for threads that the app has left running
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
