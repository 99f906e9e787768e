"""Whole commands in processes of their own, with a fault at any step of writing.

``Commands`` starts one interpreter that imports the console script once and forks for each
command: the same as starting ``fixchain`` anew, thirty times as fast. What it starts to confirm a
repair is forked, too, unless the command has variables of its own. A step is whatever changes
the disk (opening for writing, ``write``, ``fsync``, ``close``, ``link``, ``rename``, …), the start
of another process, and whatever is sent to a database (``execute``, ``commit``). Python's audit
events announce most of them, from wherever they come, and SQLAlchemy's those of databases.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from sqlalchemy import event
from sqlalchemy.engine import Engine

KILL = "kill"  # SIGKILL instead of the step
STOP = "stop"  # Ctrl-C at that moment
TERM = "term"  # SIGTERM at that moment
ONCE = "once"  # the step fails, the next ones work
FULL = "full"  # from this step on, whatever needs space on the disk fails

_SIGNALS = {KILL: signal.SIGKILL, STOP: signal.SIGINT, TERM: signal.SIGTERM}
NEEDS_SPACE = {"open", "write", "fsync", "os.link", "os.mkdir"}
_CALLS = {"os.link", "os.mkdir", "os.rename", "os.remove", "os.chmod", "subprocess.Popen"}


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        exit_code: its exit code; negative for the signal that killed it.
        output: stdout and stderr.
        steps: the names of the steps up to its end.
    """

    exit_code: int
    output: str
    steps: list[str]


class Commands:
    """Runs ``fixchain`` in forks of one warm interpreter; a context manager."""

    def __enter__(self) -> Commands:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def __call__(
        self,
        *args: str | Path,
        fault: str = "",
        at: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run ``fixchain ARGS``; ``fault`` happens at the step ``at``, counted from 1."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        request = [[str(arg) for arg in args], fault, at, dict(environment or {})]
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Ended(*json.loads(self._server.stdout.readline()))


# --- In the server -------------------------------------------------------------------------------


def _serve() -> None:
    import alembic.command  # noqa: F401

    from flask_chainfix.cli.console import main
    from flask_chainfix.rehearsal import fresh_process

    warm_up()
    gc.freeze()  # else collecting would copy every page of memory in each fork
    for line in sys.stdin:
        args, fault, at, environment = json.loads(line)
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as steps:
            child = os.fork()
            if child == 0:
                _become_command(output.fileno(), environment)
                counted = _Steps(steps.fileno(), fault, at)
                if not environment:
                    fresh_process.ask = partial(_ask, counted)
                _run(main, args)
            _, status = os.waitpid(child, 0)
            output.seek(0)
            steps.seek(0)
            print(
                json.dumps(
                    [
                        os.waitstatus_to_exitcode(status),
                        output.read().decode(),
                        steps.read().decode().split(),
                    ]
                ),
                flush=True,
            )


def warm_up() -> None:
    """Have everything imported and compiled that a command needs."""
    from flask_chainfix.cli.groups import main  # which does not listen to signals
    from tests.commands import command_of
    from tests.disk import environment

    with tempfile.TemporaryDirectory() as place, open(os.devnull, "w") as nowhere:
        migrations = environment(Path(place) / "migrations")
        with redirect_stdout(nowhere), redirect_stderr(nowhere), suppress(SystemExit):
            main(["-d", str(migrations), "repair", "--dry-run"])
    for name in main.commands:
        command_of(name)
    load_everything()


def load_everything() -> None:
    """Import what commands import when they need it, and compile their dataclasses, once."""
    import flask_chainfix

    for found in pkgutil.walk_packages(flask_chainfix.__path__, "flask_chainfix."):
        for value in list(vars(importlib.import_module(found.name)).values()):
            if isinstance(value, type):
                dataclasses.is_dataclass(value)


def _become_command(output: int, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _run(main: Any, *args: list[str]) -> NoReturn:
    code = 70
    try:
        main(*args)
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ask(steps: _Steps, module: str, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Stand in for ``fresh_process.ask``: in another fork, whose steps do not count."""
    sys.audit("subprocess.Popen", sys.executable, [module], None, None)
    return asked_in_a_fork(module, request, partial(setattr, steps, "counting", False))


def asked_in_a_fork(
    module: str, request: dict[str, Any], begin: Callable[[], object] = lambda: None
) -> subprocess.CompletedProcess[str]:
    """Have a fork of this process, warm as it is, do what ``fresh_process.ask`` asks for."""
    answer = os.memfd_create("answer")
    child = os.fork()
    if child == 0:
        begin()
        sys.dont_write_bytecode = True
        os.dup2(answer, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stdin = io.StringIO(json.dumps(request))
        _run(importlib.import_module(module).main)
    _, status = os.waitpid(child, 0)
    with open(answer, encoding="utf-8") as stream:
        stream.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess([module], code, stream.read(), "")


class _Steps:
    """Counts the steps of this process, notes their names, and lets the fault happen."""

    def __init__(self, log: int, fault: str, at: int) -> None:
        self._log, self._fault, self._at = log, fault, at
        self._count, self.counting = 0, True
        self._real = {name: getattr(os, name) for name in ("write", "fsync", "close")}
        sys.addaudithook(self._announced)
        event.listen(Engine, "before_cursor_execute", lambda *_: self._step("execute"))
        event.listen(Engine, "commit", lambda _: self._step("commit"))
        for name in self._real:
            setattr(os, name, partial(self._called, name))

    def _announced(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _CALLS:
            self._step(event)
        elif event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR):
            path = args[0]
            if path != os.devnull and not isinstance(path, int):  # a pipe to Git is open already
                self._step("open")

    def _called(self, name: str, descriptor: int, *rest: Any) -> Any:
        status = os.fstat(descriptor)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        writing = stat.S_ISREG(status.st_mode) and flags & os.O_ACCMODE != os.O_RDONLY
        try:
            if writing or name == "fsync":
                self._step(name if writing else "fsync-directory")
        except OSError:
            if name == "close":
                self._real[name](descriptor)
            raise
        return self._real[name](descriptor, *rest)

    def _step(self, name: str) -> None:
        if not self.counting:
            return
        self._count += 1
        self._real["write"](self._log, f"{name}\n".encode())
        if self._fault in _SIGNALS and self._count == self._at:
            os.kill(os.getpid(), _SIGNALS[self._fault])
        if (self._fault == ONCE and self._count == self._at and name != "subprocess.Popen") or (
            self._fault == FULL and self._count >= self._at and name in NEEDS_SPACE
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent)
    _serve()
