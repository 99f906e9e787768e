"""A fresh process that opens the environment of this one again: both of its sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from flask_chainfix.environment import locate
from flask_chainfix.environment.locate import Runtime

# Python puts the working directory first, where the migrations may be called ``alembic`` and a
# module ``types``. The first process's path follows last, for what only it finds.
_START = """\
import sys
sys.path[:] = [place for place in sys.path if place] + sys.argv[1:]
from {module} import main
main()
"""


def command(module: str) -> list[str]:
    """What starts a process that runs ``main`` of a module of this package."""
    return [sys.executable, "-c", _START.format(module=module), *sys.path]


def environment() -> dict[str, str]:
    """The environment of such a process."""
    # Looking at the result leaves nothing behind it, bytecode neither.
    return {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}


def request(runtime: Runtime) -> dict[str, Any]:
    """What such a process needs to open the same environment, as JSON values."""
    # Apps look at argv: ``if "db" in sys.argv``
    return {**runtime.reopen, "sys_path": sys.path, "argv": sys.argv}


def ask(module: str, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Let ``main`` of a module of this package answer a request in a fresh process."""
    return subprocess.run(
        command(module),
        input=json.dumps(request),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment(),
        check=False,
    )


def answer_of(module: str, request: dict[str, Any]) -> dict[str, Any]:
    """What ``main`` of a module of this package answers, one JSON object.

    It holds nothing but an ``error`` where the process has ended before it could answer.
    """
    process = ask(module, request)
    try:
        answer: dict[str, Any] = json.loads(process.stdout)
    except ValueError:
        said = process.stderr.strip().splitlines()
        last_line = f"; the last line of its stderr: {said[-1]}" if said else ""
        how = f"exit code {process.returncode}"
        return {"error": f"the process ended without an answer ({how}){last_line}"}
    return answer


# --- In the fresh process ------------------------------------------------------------------------
@contextmanager
def answering() -> Iterator[tuple[dict[str, Any], TextIO]]:
    """The request, and where the answer goes; what the app or a migration prints goes to stderr."""
    descriptor = os.dup(1)
    os.dup2(2, 1)  # which programs that the app runs have, too
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        yield json.load(sys.stdin), stream


@contextmanager
def entered(request: dict[str, Any]) -> Iterator[None]:
    """Be where the first process is: on its ``sys.path``, and inside its app if there is one.

    The app can raise anything.
    """
    if "app" in request:
        # The first process, too, imported it before the project's directory came onto sys.path.
        import flask.cli
    sys.path[:], sys.argv[:] = request["sys_path"], request["argv"]
    if "app" in request:
        with flask.cli.ScriptInfo(app_import_path=request["app"]).load_app().app_context():
            yield
    else:
        yield


def reopen(request: dict[str, Any]) -> Runtime:
    """Open the environment again, which may raise what opening it raises."""
    if "app" in request:
        from flask import g

        g.x_arg = request["x_arg"]
        return locate.open_app(request["directory"])
    if "config" in request:
        return locate.open_config(request["config"], request["section"])
    if "options" in request:
        return locate.open_resolved(request["directory"], request["options"])
    return locate.open_directory(request["directory"])
