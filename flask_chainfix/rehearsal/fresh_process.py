"""A fresh process that opens the environment of this one again: both of its sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from flask_chainfix.environment.locate import (
    Runtime,
    open_app,
    open_config,
    open_directory,
    open_resolved,
)

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
    """Let ``main`` of a module of this package answer a request in a fresh process.

    It reads the request as JSON from stdin, and answers on stdout.
    """
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


def take_stdout() -> int:
    """Keep stdout for the answer, also from programs that the app runs."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor


@contextmanager
def entered(request: dict[str, Any]) -> Iterator[None]:
    """Be where the first process is: on its ``sys.path``, and inside its app if there is one.

    The app can raise anything.
    """
    if "app" in request:
        # The first process, too, imported it before the project's directory came onto sys.path.
        import flask.cli  # noqa: F401
    sys.path[:], sys.argv[:] = request["sys_path"], request["argv"]
    with _app_context(request):
        yield


def _app_context(request: dict[str, Any]) -> AbstractContextManager[object]:
    if "app" not in request:
        return nullcontext()
    from flask.cli import ScriptInfo

    return ScriptInfo(app_import_path=request["app"]).load_app().app_context()


def reopen(request: dict[str, Any]) -> Runtime:
    """Open the environment again.

    Raises:
        NoEnvironment: it is no longer there.
        BadConfiguration: the configuration cannot be used.
    """
    if "app" in request:
        from flask import g

        g.x_arg = request["x_arg"]
        return open_app(request["directory"])
    if "config" in request:
        return open_config(request["config"], request["section"])
    if "options" in request:
        return open_resolved(request["directory"], request["options"])
    return open_directory(request["directory"])
