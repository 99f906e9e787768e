"""The fresh process that runs a chain on scratch databases; ``round_trip`` starts it.

``unwinding`` has it run revisions in the databases themselves.

Reads a request as JSON and answers with events, one JSON document a line.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import perf_counter
from types import CodeType, ModuleType
from typing import Any, NamedTuple, TextIO

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import CommandError, load_python_file
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from flask_chainfix.common.errors import CannotRehearse, ChainFixError, StaleSnapshot
from flask_chainfix.common.wording import listing
from flask_chainfix.environment.messages import secrets_of
from flask_chainfix.model.rehearsal import FailureKind, Route
from flask_chainfix.rehearsal.child.confinement import confine, replace_engines, restamp, tables_in
from flask_chainfix.rehearsal.child.failures import Scene, describe
from flask_chainfix.rehearsal.child.made_rows import RowMaker, lost
from flask_chainfix.rehearsal.child.model_differences import model_differences
from flask_chainfix.rehearsal.child.schema_watch import (
    Parts,
    SchemaWatch,
    after_down,
    after_second_up,
    compared,
)
from flask_chainfix.rehearsal.fresh_process import answering, entered, reopen


class _Phase(NamedTuple):
    """One run of ``env.py``: its route, round and target revision.

    Round 0 uses the old chain.
    """

    route: Route
    round: int
    target: str


# The path of a file of the chain; its bytes in base64, ``None`` for one that Alembic loads from
# disk; and the id from its name, if the file has none.
_File = tuple[str, str | None, str | None]


def main() -> None:
    """Run a chain up, down and up again; or up from a stamp of the old chain."""
    with answering() as (request, stream):
        rehearsing = _Rehearsing(request, stream)
        try:
            rehearsing.run()
        except ChainFixError as error:
            rehearsing.send("refused", message=error.message, remedy=str(error.remedy))
        except (Exception, SystemExit) as error:  # apps and migrations can raise anything
            rehearsing.send("failure", **describe(error, rehearsing.scene))
        rehearsing.send("end")


class _Rehearsing:
    """A request in progress."""

    def __init__(self, request: dict[str, Any], stream: TextIO) -> None:
        self._request = request
        self._stream = stream
        self._urls = {bind: make_url(url) for bind, url in request["databases"].items()}
        self._ran: set[str] = set()
        self._rows: dict[str, RowMaker] = {}
        self._version_table: Any = None
        self._statements: list[tuple[str, Any, bool]] = []
        self._is_recording = False  # only while a migration's own function runs
        self.scene = Scene(
            dialect=next(iter(self._urls.values())).get_backend_name(),
            migrations={path for path, *_ in (*request["chain"], *request["old"])},
            env_py=request["env_py"],
            passwords={each for url in self._urls.values() for each in secrets_of(url)},
            place="one that is to be downgraded" if request["named"] else "the scratch database",
        )

    def send(self, name: str, /, **values: Any) -> None:
        """Send an event to the parent process."""
        self._stream.write(json.dumps({"event": name, **values}) + "\n")
        self._stream.flush()

    def run(self) -> None:
        """Everything, in order; the first failure ends it."""
        request = self._request
        confine(self._urls, scratch=not request["named"])
        if "app" in request and request["replaced"]:
            replace_engines(self._urls)
        with entered(request):
            if not request["copied"] and (tables := tables_in(self._urls)):
                raise CannotRehearse(
                    f"the app itself creates tables when it is loaded: {', '.join(tables)}; on a"
                    " new database the migrations would find them there",
                    "leave the tables to the migrations; or have the app skip db.create_all() where"
                    " the environment variable FIXCHAIN_REHEARSAL is set",
                )
            if request["record"]:
                event.listen(Engine, "before_cursor_execute", self._record)
            phases = [_Phase(Route(route), *rest) for route, *rest in request["phases"]]
            for left, phase in zip(reversed(range(len(phases))), phases, strict=True):
                if request["old"] and phase.round and request["restamp"]:
                    restamp(self._urls, self._version_table, request["restamp"])
                self._run_phase(phase, left)
            if request["record"]:
                self.send("observed", statements=self._statements)
            config, script = self._open(request["chain"])
            stranded = {found.revision for found in script.walk_revisions()} - self._ran
            if request["old"] and stranded:
                message = (
                    f"{', '.join(sorted(stranded))} never ran, and Alembic treats them as done"
                )
                self.send("failure", kind=FailureKind.STRANDED.value, message=message)
            if not request["compare"]:
                return
            self.scene.doing = FailureKind.COMPARISON
            differences = model_differences(config, script)
            if differences is None:
                self.send("observed", not_compared="env.py names no models (target_metadata)")
            else:
                self.send("observed", differences=differences)

    def _record(self, *sent: Any) -> None:
        """Record a statement of a migration."""
        statement, parameters = sent[2:4]
        if not self._is_recording:
            return
        # SQLAlchemy also treats one INSERT of many rows as several.
        many = bool(parameters) and all(isinstance(each, (dict, tuple)) for each in parameters)
        try:
            self._statements.append((statement, json.loads(json.dumps(parameters)), many))
        except TypeError:  # a value that JSON cannot represent
            self._statements.append((statement, None, many))

    def _recorded(self, migrate: Callable[..., None]) -> Callable[..., None]:
        """A migration's function that has its statements recorded, without those of its stamp."""

        def run(**options: Any) -> None:
            self._is_recording = True
            try:
                migrate(**options)
            finally:
                self._is_recording = False

        return run

    def _open(self, files: Sequence[_File]) -> tuple[Config, ScriptDirectory]:
        """The environment's configuration and a chain, loaded as in a fresh process."""
        config = reopen(self._request).config
        # A plain environment finds the scratch databases in place of its own.
        for bind, url in self._urls.items():
            written = url.render_as_string(hide_password=False).replace("%", "%%")
            if bind and config.file_config.has_section(bind):
                config.set_section_option(bind, "sqlalchemy.url", written)
            elif not bind:
                config.set_main_option("sqlalchemy.url", written)
        self.scene.doing = FailureKind.CHAIN
        script = ScriptDirectory.from_config(config)
        script.revision_map = RevisionMap(lambda: map(_script, files))
        script.get_heads()  # loads the chain, or fails
        self.scene.doing = FailureKind.ENVIRONMENT
        return config, script

    def _run_phase(self, phase: _Phase, left: int) -> None:
        config, script = self._open(self._request["chain" if phase.round else "old"])
        asked, is_stairway = False, phase.route is Route.STAIRS

        def steps(heads: Any, context: Any) -> Iterator[Any]:
            nonlocal asked
            asked = True
            place = _Place(context, self._bind_of(context.connection.engine.url))
            if self._request["copied"]:
                self.send("found", what="stamps", bind=place.bind, rows=sorted(heads))
            found = self._steps_from(script, heads, phase, place.bind)
            self.send("plan", count=len(found) * (3 if is_stairway else 1), left=left)
            self._version_table = context._version
            if is_stairway:
                yield from self._stairs(found, place)
            else:
                for step in found:
                    yield from self._timed(step, phase.route.value, phase.round, place)

        with EnvironmentContext(
            config, script, fn=steps, as_sql=False, starting_rev=None, destination_rev=phase.target
        ):
            script.run_env()
        if not asked:
            raise CommandError("env.py has run no migrations")
        if self.scene.step is not None:
            raise CommandError("env.py hides the migration's error")

    def _bind_of(self, place: URL) -> str:
        """The bind of the database with a URL."""
        urls = self._urls.items()
        same: list[str] = [bind for bind, url in urls if url == place]
        same += [bind for bind, url in urls if url.database == place.database]
        return (*same, "")[0]

    def _steps_from(
        self, script: ScriptDirectory, heads: Any, phase: _Phase, bind: str
    ) -> list[Any]:
        if self._request["named"]:
            rows, revisions = self._request["named"].get(bind, ((), ()))
            if sorted(heads) != sorted(rows):
                raise StaleSnapshot(
                    f"its stamp is {listing(sorted(heads)) or 'empty'} now, and was"
                    f" {listing(sorted(rows)) or 'empty'} when the plan was made",
                    "run the command again",
                )
            wanted = map(script.get_revision, revisions)
            up = phase.route is Route.UP
            return [RevisionStep(script.revision_map, each, is_upgrade=up) for each in wanted]
        if phase.route is Route.DOWN:
            return list(script._downgrade_revs(phase.target, heads))
        try:
            return list(script._upgrade_revs(phase.target, heads))
        except Exception:
            stamped = self._request["old"] or self._request["copied"]
            if stamped and phase.round:  # the stamp has no meaning in this chain
                self.scene.doing = FailureKind.STAMP
            raise

    def _timed(self, step: Any, direction: str, round_: int, place: _Place) -> Iterator[Any]:
        """A step, with an event before and one after it and its stamp."""
        revision = step.revision.revision
        rows = self._rows_in(place)
        held: Mapping[str, int] = {}
        if rows is not None and round_:
            with place.transaction() as connection:
                for table, why in rows.fill(connection).items():
                    self.send("found", what="empty", bind=place.bind, table=table, why=why)
                held = rows.counted(connection) if direction == "down" else {}
            place.commit()
        self.scene.step = (revision, direction, round_, place.bind)
        self.send("start", revision=revision, direction=direction, round=round_, bind=place.bind)
        if self._request["record"]:
            step.migration_fn = self._recorded(step.migration_fn)
        started = perf_counter()
        yield step
        self.send("done", seconds=round(perf_counter() - started, 4))
        self.scene.step = None
        self._ran.add(revision)
        if rows is not None:
            rows.forget()
        if rows is not None and held:
            with place.transaction() as connection:
                gone = lost(held, rows.counted(connection))
            at = {"revision": revision, "bind": place.bind}
            for table, number in gone.items():
                self.send("found", what="lost", **at, table=table, rows=number)

    def _rows_in(self, place: _Place) -> RowMaker | None:
        if not self._request["rows"]:
            return None
        new = RowMaker(place.context._version.name)
        return self._rows.setdefault(place.bind, new)

    def _stairs(self, steps: Sequence[Any], place: _Place) -> Iterator[Any]:
        """Each revision up, down and up again, with the schema compared before and after."""
        watch = SchemaWatch(place.context._version.name, set(self._request["schemas"]))
        ignored = self._request["ignored"]
        before = place.look(watch)
        for step in steps:
            yield from self._timed(step, "up", 1, place)
            above = place.look(watch)
            down, again = (self._new_step(step, up) for up in (False, True))
            yield from self._timed(down, "down", 1, place)
            below = place.look(watch)
            left = compared(before, below, ignored)
            self._tell_gap(down, map(after_down, left), place)
            if left and not compared(above, below, ignored):
                again.migration_fn = _do_nothing  # it would only fail on its own objects
                yield again
                before = below
            else:
                yield from self._timed(again, "up", 2, place)
                before = place.look(watch)
                if not left:
                    changed = compared(above, before, ignored)
                    self._tell_gap(down, map(after_second_up, changed), place)

    def _tell_gap(self, down: Any, found: Iterable[str], place: _Place) -> None:
        if faults := list(found):
            code = getattr(down.migration_fn, "__code__", None)
            line = None if code is None else code.co_firstlineno
            revision, path = down.revision.revision, down.revision.path
            self.send(
                "found",
                what="gaps",
                revision=revision,
                bind=place.bind,
                path=path,
                line=line,
                faults=faults,
            )

    def _new_step(self, step: Any, up: bool) -> Any:
        """A new step of the same revision, with its module reloaded as in a fresh process."""
        new = RevisionStep(step.revision_map, step.revision, up)
        (file,) = (each for each in self._request["chain"] if each[0] == step.revision.path)
        new.migration_fn = getattr(_script(file).module, new.migration_fn.__name__)
        return new


class _Place(NamedTuple):
    """Alembic's context for one database."""

    context: Any
    bind: str

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The connection of the migrations, in their transaction or in a separate one."""
        connection: Connection = self.context.connection
        with nullcontext() if connection.in_transaction() else connection.begin():
            yield connection

    def look(self, watch: SchemaWatch) -> Parts:
        """Commit a step, and read the schema after it."""
        self.commit()
        self.context.impl.memo.clear()  # the types that it created, which may have been dropped
        with self.transaction() as connection:
            return watch.look(connection)

    def commit(self) -> None:
        """Commit Alembic's transaction around all steps, as a separate command would."""
        if self.context._transaction is not None and self.context.impl.transactional_ddl:
            self.context._transaction.commit()
            self.context._transaction = self.context.connection.begin()


def _do_nothing(**_: Any) -> None:
    pass


# --- The chain, which does not have to be on disk ------------------------------------------------
class _Loader(SourceFileLoader):
    """Runs given bytes instead of the file on disk."""

    def __init__(self, name: str, path: str, data: bytes) -> None:
        super().__init__(name, path)
        self._data = data

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  (importlib's signature)
        code: CodeType = self.source_to_code(self._data, self.path)
        return code

    def get_data(self, path: str) -> bytes:
        """The source for the lines of tracebacks."""
        return self._data if path == self.path else super().get_data(path)


def _script(file: _File) -> Script:
    path, data, name = file
    module = _module(Path(path), data)
    revision = getattr(module, "revision", name)
    if revision is None:
        raise CommandError(f"{Path(path).name} has no revision id")
    return Script(module, revision, path)


def _module(path: Path, data: str | None) -> ModuleType:
    if data is None:
        return load_python_file(str(path.parent), path.name)
    name = re.sub(r"\W", "_", path.name)
    loader = _Loader(name, str(path), b64decode(data))
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
