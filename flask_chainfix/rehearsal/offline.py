"""The SQL of single migrations, which run in Alembic's offline mode without a database."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.messages import masked
from flask_chainfix.model.rehearsal import RevisionSql
from flask_chainfix.rehearsal import fresh_process as fresh

_MOST = 50  # revisions; more would be too long for a comment


def sql_of(runtime: Runtime, chain: Facts, revisions: Sequence[str]) -> tuple[RevisionSql, ...]:
    """The SQL that migrations would send to a database, from a fresh process.

    This runs ``env.py`` and each migration on its own. It connects to no database and writes no
    file into the project.

    Args:
        runtime: the environment.
        chain: the chain on disk.
        revisions: the revisions; if there are too many, only the first ones run.
    """
    asked = revisions[:_MOST]
    if not asked:
        return ()
    files = {revision: os.path.abspath(chain.file(revision).path) for revision in asked}
    answer = fresh.answer_of(__name__, {**fresh.request(runtime), "files": files})
    if "error" in answer:
        return tuple(RevisionSql(revision, (), masked(answer["error"])) for revision in asked)
    found = (
        RevisionSql(revision, tuple(map(masked, statements)), masked(problem))
        for revision, statements, problem in answer["sql"]
    )
    left = (RevisionSql(each, (), f"only {_MOST} are run") for each in revisions[_MOST:])
    return (*found, *left)


# --- In the fresh process ------------------------------------------------------------------------
def main() -> None:
    """Run each migration in offline mode."""
    import alembic.command  # noqa: F401  (a directory of the project may have this name, too)

    from flask_chainfix.rehearsal.child.confinement import confine, refuse_connections

    lifts = confine({}), refuse_connections()
    with fresh.answering() as (request, stream):
        answer: dict[str, Any]
        try:
            with fresh.entered(request):
                answer = {"sql": list(_sql(fresh.reopen(request), request["files"]))}
        except (Exception, SystemExit) as error:  # apps can raise anything
            answer = {"error": _in_words(error)}
        finally:
            for lift in lifts:
                lift()
        json.dump(answer, stream)


def _sql(runtime: Runtime, files: dict[str, str]) -> Iterator[tuple[str, list[str], str]]:
    from alembic.script import ScriptDirectory

    config = runtime.config
    script = ScriptDirectory.from_config(config)
    # Files that env.py writes (the multi-database one does) go to a temporary directory.
    script.dir = os.path.abspath(script.dir)
    if config.config_file_name is not None:
        config.config_file_name = os.path.abspath(config.config_file_name)
    sys.path[:] = map(os.path.abspath, sys.path)
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            for revision, path in files.items():
                yield (revision, *_sql_of(config, script, revision, path))
        finally:
            os.chdir(here)


def _sql_of(config: Any, script: Any, revision: str, path: str) -> tuple[list[str], str]:
    """The statements of one migration, and what stopped it."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import RevisionStep
    from alembic.script import Script
    from alembic.script.revision import RevisionMap
    from alembic.util import load_python_file

    statements: list[str] = []
    asked = False

    def steps(heads: Any, context: Any) -> Iterator[Any]:
        nonlocal asked
        asked = True
        module = load_python_file(os.path.dirname(path), os.path.basename(path))
        # It runs without its parents: the rest of the chain may not even load.
        for name in ("down_revision", "depends_on", "branch_labels"):
            setattr(module, name, None)
        alone = Script(module, revision, path)
        chain = RevisionMap(lambda: [alone])
        chain.get_revisions("heads")  # loads it
        step = RevisionStep(chain, alone, True)
        run = step.migration_fn

        def recorded(**given: Any) -> None:
            heard = _Heard()
            others, context.impl.output_buffer = context.impl.output_buffer, heard
            try:
                run(**given)
            finally:
                context.impl.output_buffer = others
                if heard.statements and given.get("engine_name"):
                    statements.append(f"-- {given['engine_name']}")
                statements.extend(heard.statements)

        step.migration_fn = recorded
        yield step

    try:
        with EnvironmentContext(config, script, fn=steps, as_sql=True, starting_rev="base"):
            script.run_env()
    except (Exception, SystemExit) as error:  # migrations can raise anything
        return statements, f"stopped, {_in_words(error)}"
    return statements, "" if asked else "env.py has run no migrations"


class _Heard:
    """A stream that collects statements; Alembic writes one at a time."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def write(self, text: str) -> None:
        if text.strip():
            self.statements.append(text.strip())

    def flush(self) -> None:
        pass


def _in_words(error: BaseException) -> str:
    """An exception on one line: its type and the first line of its message."""
    from flask_chainfix.rehearsal.child.failures import ForeignConnection, causes

    foreign = next((each for each in causes(error) if isinstance(each, ForeignConnection)), None)
    if foreign is not None:
        return f"it wants to connect to {foreign}: here it runs without a database"
    with suppress(Exception):
        said = next(iter(str(error).strip().splitlines()), "")
        return f"{type(error).__name__}: {said}" if said else type(error).__name__
    return type(error).__name__
