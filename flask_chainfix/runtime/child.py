"""The fresh process that lets Alembic load the migrations; ``confirm`` starts it.

Reads a request as JSON from stdin and answers with one JSON document on stdout. Whatever the app
or a migration prints goes to stderr instead.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory

from flask_chainfix.runtime.environment import (
    Runtime,
    open_app,
    open_config,
    open_directory,
    open_resolved,
)


def main() -> None:
    """Answer one request."""
    with os.fdopen(_take_stdout(), "w", encoding="utf-8") as answer_stream:
        request = json.load(sys.stdin)
        try:
            answer = _answer(request)
        except (Exception, SystemExit) as error:  # apps and migrations can raise anything
            answer = _failure(error, request["locations"])
        json.dump(answer, answer_stream)


def _take_stdout() -> int:
    """Keep stdout for the answer, also from programs that the app runs."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    if "app" in request:
        # The first process, too, imported it before the project's directory came onto sys.path.
        import flask.cli  # noqa: F401
    sys.path[:], sys.argv[:] = request["sys_path"], request["argv"]
    with _context(request):
        return _ask_alembic(_open(request))


def _context(request: dict[str, Any]) -> AbstractContextManager[object]:
    if "app" not in request:
        return nullcontext()
    from flask.cli import ScriptInfo

    return ScriptInfo(app_import_path=request["app"]).load_app().app_context()


def _open(request: dict[str, Any]) -> Runtime:
    if "app" in request:
        from flask import g

        g.x_arg = request["x_arg"]
        return open_app(request["directory"])
    if "config" in request:
        return open_config(request["config"])
    if "options" in request:
        return open_resolved(request["directory"], request["options"])
    return open_directory(request["directory"])


def _ask_alembic(runtime: Runtime) -> dict[str, Any]:
    # Otherwise ``history`` runs env.py, which wants a database.
    runtime.config.set_main_option("revision_environment", "false")
    script = ScriptDirectory.from_config(runtime.config)
    parents = {
        revision.revision: list(revision._versioned_down_revisions)
        for revision in script.walk_revisions()
    }
    return {
        "heads": list(script.get_heads()),
        "bases": list(script.get_bases()),
        "parents": parents,
        "heads_output": _output_of(command.heads, runtime),
        "history_output": _output_of(command.history, runtime),
    }


def _output_of(alembic_command: Any, runtime: Runtime) -> str:
    runtime.config.stdout = io.StringIO()
    alembic_command(runtime.config)
    return runtime.config.stdout.getvalue()


def _failure(error: BaseException, locations: list[str]) -> dict[str, Any]:
    """What a person needs of a traceback: the exception, and where in the migrations it is."""
    said = str(error).strip().splitlines()
    name = type(error).__name__
    answer = {"error": f"{name}: {said[0]}" if said else name}
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    for file, line in reversed(places):
        path = Path(os.path.abspath(file))
        if any(path.is_relative_to(location) for location in locations):
            answer["place"] = f"{_short(path)}, line {line}"
            break
    return answer


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
