"""The fresh process that runs a chain on scratch databases; ``run`` starts it.

Reads a request as JSON from stdin and writes one JSON document a line to stdout, an event each.
Whatever the app, ``env.py`` or a migration prints goes to stderr instead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TextIO

from alembic.autogenerate import RevisionContext
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, make_url

from flask_chainfix.common.errors import CannotRehearse, ChainFixError
from flask_chainfix.environment.messages import secrets_of
from flask_chainfix.model.rehearsal import FailureKind
from flask_chainfix.rehearsal.engines import (
    ChainFile,
    confine,
    replace_engines,
    restamp,
    script_directory,
    tables_in,
)
from flask_chainfix.rehearsal.failures import Scene, describe
from flask_chainfix.rehearsal.fresh_process import entered, reopen, take_stdout


class _Phase(NamedTuple):
    """One run of ``env.py``: in which direction, which time, to which revision."""

    direction: str
    round: int
    target: str


_UP_DOWN_UP = (_Phase("up", 1, "heads"), _Phase("down", 1, "base"), _Phase("up", 2, "heads"))


def main() -> None:
    """Answer one request."""
    with os.fdopen(take_stdout(), "w", encoding="utf-8") as stream:
        request = json.load(sys.stdin)
        rehearsing = _Rehearsing(request, stream)
        try:
            rehearsing.run()
        except ChainFixError as error:
            rehearsing.send("refused", message=error.message, remedy=str(error.remedy))
        except (Exception, SystemExit) as error:  # apps and migrations can raise anything
            rehearsing.send("failure", **describe(error, rehearsing.scene))
        rehearsing.send("end")


class _Rehearsing:
    """One request while it is worked on.

    Attributes:
        scene: what is going on at the moment.
    """

    def __init__(self, request: dict[str, Any], stream: TextIO) -> None:
        self._request = request
        self._stream = stream
        self._urls = {bind: make_url(url) for bind, url in request["databases"].items()}
        self._chain = [ChainFile.from_request(values) for values in request["chain"]]
        self._old = [ChainFile.from_request(values) for values in request["old"]]
        self._phases = list(_UP_DOWN_UP)
        if self._old:
            starts = [_Phase("up", 0, revision) for revision in request["start"]]
            self._phases = [*starts, _UP_DOWN_UP[0]]
        self._ran: set[str] = set()
        self._version_table: Any = None
        self.scene = Scene(
            dialect=next(iter(self._urls.values())).get_backend_name(),
            migrations={str(file.path) for file in (*self._chain, *self._old)},
            env_py=request["env_py"],
            passwords={each for url in self._urls.values() for each in secrets_of(url)},
        )

    def send(self, event: str, **values: Any) -> None:
        """Tell the first process something."""
        self._stream.write(json.dumps({"event": event, **values}) + "\n")
        self._stream.flush()

    def run(self) -> None:
        """Everything, in order; the first failure ends it."""
        confine(self._urls)
        if "app" in self._request:
            replace_engines(self._urls)
        with entered(self._request):
            if tables := tables_in(self._urls):
                raise CannotRehearse(
                    f"the app itself creates tables when it is loaded: {', '.join(tables)}; on a"
                    " new database the migrations would find them there",
                    "leave the tables to the migrations; or have the app skip db.create_all() where"
                    " the environment variable FIXCHAIN_REHEARSAL is set",
                )
            for number, phase in enumerate(self._phases, 1):
                if self._old and phase.round and self._request["restamp"]:
                    restamp(self._urls, self._version_table, self._request["restamp"])
                self._run_phase(phase, len(self._phases) - number)
            config = self._config()
            script = self._script(config, self._chain)
            self._look_for_stranded(script)
            self.scene.doing = FailureKind.COMPARISON
            self.send("comparison", differences=_differences(config, script))

    def _config(self) -> Config:
        """The environment's configuration, new as in a process of its own."""
        config = reopen(self._request).config
        _point(config, self._urls)
        return config

    def _script(self, config: Config, files: Sequence[ChainFile]) -> ScriptDirectory:
        self.scene.doing = FailureKind.CHAIN
        script = script_directory(config, files)
        script.get_heads()  # loads the chain, or fails
        self.scene.doing = FailureKind.ENVIRONMENT
        return script

    def _run_phase(self, phase: _Phase, left: int) -> None:
        config = self._config()
        script = self._script(config, self._chain if phase.round else self._old)
        asked = False

        def steps(heads: Any, context: Any) -> Iterator[Any]:
            nonlocal asked
            asked = True
            found = self._steps_from(script, heads, phase)
            self.send("plan", count=len(found), left=left)
            self._version_table = context._version
            yield from self._timed(found, phase, self._bind_of(context))

        with EnvironmentContext(
            config, script, fn=steps, as_sql=False, starting_rev=None, destination_rev=phase.target
        ):
            script.run_env()
        if not asked:
            raise CommandError("env.py has run no migrations")
        if self.scene.step is not None:
            raise CommandError("env.py hides the migration's error")

    def _steps_from(self, script: ScriptDirectory, heads: Any, phase: _Phase) -> list[Any]:
        if phase.direction == "down":
            return list(script._downgrade_revs(phase.target, heads))
        try:
            return list(script._upgrade_revs(phase.target, heads))
        except Exception:
            if self._old and phase.round:  # the old chain's stamp means nothing in the new one
                self.scene.doing = FailureKind.STAMP
            raise

    def _timed(self, steps: Sequence[Any], phase: _Phase, bind: str) -> Iterator[Any]:
        """Each step, with an event before and one after it and its stamp."""
        for step in steps:
            revision = step.revision.revision
            self.scene.step = (revision, phase.direction, phase.round, bind)
            self.send(
                "start",
                revision=revision,
                direction=phase.direction,
                round=phase.round,
                bind=bind,
            )
            started = perf_counter()
            yield step
            self.send("done", seconds=round(perf_counter() - started, 4))
            self.scene.step = None
            self._ran.add(revision)

    def _bind_of(self, context: Any) -> str:
        database = context.connection.engine.url.database
        return next((bind for bind, url in self._urls.items() if url.database == database), "")

    def _look_for_stranded(self, script: ScriptDirectory) -> None:
        if self._old:
            stranded = {found.revision for found in script.walk_revisions()} - self._ran
            if stranded:
                self.send("stranded", revisions=sorted(stranded))


def _point(config: Config, urls: Mapping[str, URL]) -> None:
    """Give a plain environment the scratch URLs where it looks for its own."""
    for bind, url in urls.items():
        written = url.render_as_string(hide_password=False).replace("%", "%%")
        if bind and config.file_config.has_section(bind):
            config.set_section_option(bind, "sqlalchemy.url", written)
        elif not bind:
            config.set_main_option("sqlalchemy.url", written)


# --- The models and the migrated database ---------------------------------------------------------
_SIDES = {"add": "only the models have it", "remove": "only the migrated database has it"}
_NOUNS = {"fk": "foreign key"}


def _differences(config: Config, script: ScriptDirectory) -> list[str] | None:
    """Compare as ``alembic check`` does, with the hooks of ``env.py``.

    Returns:
        A line for each difference, sorted; ``None`` where ``env.py`` names no models.
    """
    unused = dict.fromkeys(("message", "branch_label", "version_path", "rev_id", "depends_on"))
    arguments = {**unused, "autogenerate": True, "sql": False, "head": "head", "splice": False}
    revision = RevisionContext(config, script, arguments)

    def compare(heads: Any, context: Any) -> list[Any]:
        revision.run_autogenerate(heads, context)
        return []

    options: dict[str, Any] = {"fn": compare, "as_sql": False, "revision_context": revision}
    with EnvironmentContext(config, script, template_args=revision.template_args, **options):
        try:
            script.run_env()
        except CommandError as error:
            if "does not provide a MetaData object" in str(error):
                return None
            raise
    generated: Any = revision.generated_revisions[-1]
    diffs = (diff for each in generated.upgrade_ops_list for diff in each.as_diffs())
    return sorted(line for diff in diffs for line in lines_of(diff))


def lines_of(diff: Any) -> Iterator[str]:
    """What Alembic's ``as_diffs`` gives for one object, in words."""
    if isinstance(diff, list):  # the changes of one column
        for kind, schema, table, column, _, old, new in diff:
            yield (
                f"column {_full(schema, table)}.{column}: {kind.removeprefix('modify_')}"
                f" {_shown(old)} in the migrated database, {_shown(new)} in the models"
            )
        return
    action, _, noun = str(diff[0]).partition("_")
    item = diff[1]
    if noun == "column" and action in _SIDES:
        yield f"column {_full(item, diff[2])}.{diff[3].name}: {_SIDES[action]}"
    elif noun == "table" and action in _SIDES:
        yield f"table {item.fullname}: {_SIDES[action]}"
    elif action in _SIDES and hasattr(item, "table"):
        columns = ", ".join(str(column.name) for column in item.columns)
        name = f"{item.name or 'without a name'} on {item.table.name} ({columns})"
        yield f"{_NOUNS.get(noun, noun)} {name}: {_SIDES[action]}"
    else:
        yield f"{str(diff[0]).replace('_', ' ')}: {', '.join(map(_shown, diff[1:]))}"


def _full(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _shown(value: Any) -> str:
    """A type, a default or whatever else has changed, on one line."""
    value = getattr(value, "arg", value)  # the SQL of a server default
    return " ".join((repr(value) if isinstance(value, str) else str(value)).split())
