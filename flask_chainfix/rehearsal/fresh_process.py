"""A fresh process that reopens this environment: the parent's side and the child's side."""

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

# Python puts the working directory first, which may contain a package ``alembic`` or a module
# ``types``. The parent's path comes last, for modules that are only found there.
_START = """\
import sys
sys.path[:] = [place for place in sys.path if place] + sys.argv[1:]
from {module} import main
main()
"""


def command(module: str) -> list[str]:
    """The command line of a process that runs ``main`` of a module of this package."""
    return [sys.executable, "-c", _START.format(module=module), *sys.path]


def environment() -> dict[str, str]:
    """The environment variables of such a process."""
    # A check must leave no files behind, bytecode included.
    return {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}


def request(runtime: Runtime) -> dict[str, Any]:
    """What such a process needs to open the same environment, as JSON values."""
    # Apps look at argv: ``if "db" in sys.argv``
    return {**runtime.reopen, "sys_path": sys.path, "argv": sys.argv}


def ask(module: str, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Have ``main`` of a module of this package answer a request in a fresh process."""
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
    """The answer of ``main`` of a module of this package, one JSON object.

    If the process ended before it could answer, the object has only an ``error``.
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
    """The request, and the stream for the answer; prints of the app or migrations go to stderr."""
    descriptor = os.dup(1)
    os.dup2(2, 1)  # child processes of the app inherit it
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        yield json.load(sys.stdin), stream


@contextmanager
def entered(request: dict[str, Any]) -> Iterator[None]:
    """Enter the state of the parent: its ``sys.path``, and its app if there is one.

    The app can raise anything.
    """
    if "app" in request:
        # The parent also imported it before the project's directory was on sys.path.
        import flask.cli
    sys.path[:], sys.argv[:] = request["sys_path"], request["argv"]
    if "app" in request:
        with flask.cli.ScriptInfo(app_import_path=request["app"]).load_app().app_context():
            yield
    else:
        yield


def reopen(request: dict[str, Any]) -> Runtime:
    """Reopen the environment; raises what opening it raises."""
    if "app" in request:
        from flask import g

        g.x_arg = request["x_arg"]
        return locate.open_app(request["directory"])
    if "config" in request:
        return locate.open_config(request["config"], request["section"])
    if "options" in request:
        return locate.open_resolved(request["directory"], request["options"])
    return locate.open_directory(request["directory"])
