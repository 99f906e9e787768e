"""The fresh process that lets Alembic load the migrations (``python -m …runtime.child``).

Reads a request as JSON from stdin and answers with one JSON document on stdout. Whatever the app
or a migration prints goes to stderr instead.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from alembic import command
from alembic.script import ScriptDirectory

from flask_chainfix.runtime.environment import Runtime, open_app, open_config, open_directory


def main() -> None:
    """Answer one request."""
    answer_stream: TextIO = sys.stdout
    sys.stdout = sys.stderr
    request = json.load(sys.stdin)
    sys.path[:] = request["sys_path"]
    with _context(request):
        json.dump(_ask_alembic(_open(request)), answer_stream)


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
    return open_directory(request["directory"], request.get("options"))


def _ask_alembic(runtime: Runtime) -> dict[str, Any]:
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


if __name__ == "__main__":
    main()
