"""The commands ``flask`` and ``fixchain``, in this process or as the real executables."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from click import Command, Context
from click.testing import CliRunner
from flask.cli import FlaskGroup

from flask_chainfix.cli.groups import main
from tests.in_process import as_a_process

SCRIPTS = Path(sys.executable).parent
place = SCRIPTS  # where the executables are that commands are run by
_TIME_LIMIT = 300  # seconds, for what would never end
_INHERITED = ("FLASK_", "SAMPLE_", "COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING", "TERM")


class Done(NamedTuple):
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what would change how commands answer, and with ``changes``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_INHERITED)}
    return {**kept, "PYTHONIOENCODING": "utf-8", **(changes or {})}


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, answer: str = ""
) -> Done:
    """Run a command to its end; ``answer`` is what a pipe sends to its stdin."""
    done = subprocess.run(
        _found(command),
        cwd=cwd,
        env=environment(env),
        input=answer.encode(),
        capture_output=True,
        check=False,
        timeout=_TIME_LIMIT,
    )
    return Done(
        done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def flask(
    *args: str | Path, cwd: Path, env: Mapping[str, str] | None = None, answer: str = ""
) -> Done:
    """Run ``flask ARGS`` on the sample app, or on the app that ``FLASK_APP`` names.

    In this process, with pipes instead of a terminal; the app is imported anew.
    """
    changes = {"FLASK_APP": "sample_app", **(env or {})}
    with as_a_process(cwd=cwd, env=environment(changes)):
        sys.argv[:] = [str(place / "flask"), *map(str, args)]
        return invoke(FlaskGroup(name="flask"), *args, answer=answer)


def managed(module: str, *args: str | Path, cwd: Path) -> Done:
    """Run a command of an app that ``create_app`` of a module gives to Flask, without its name.

    As a script of the project does that has a ``FlaskGroup`` of its own; in this process.
    """
    with as_a_process(cwd=cwd, env=environment()):
        sys.path.insert(0, str(cwd))
        sys.argv[:] = ["manage.py", *map(str, args)]
        group = FlaskGroup(create_app=import_module(module).create_app)
        return invoke(group, *args)


def fixchain(
    *args: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    answer: str = "",
) -> Done:
    """Run the console script in this process, with pipes instead of a terminal."""
    if cwd is None:
        return invoke(main, *args, answer=answer)
    with as_a_process(cwd=cwd, env=environment(env)):
        sys.argv[:] = [str(place / "fixchain"), *map(str, args)]
        return invoke(main, *args, answer=answer)


def command_of(name: str) -> Command:
    """A command of the console script."""
    command = main.get_command(Context(main), name)
    assert command is not None, name
    return command


def invoke(command: Command, *args: str | Path, answer: str = "") -> Done:
    """Run a command of Click in this process, with pipes instead of a terminal."""
    # Click before 8.2 mixes the two streams unless it is told not to.
    apart: dict[str, Any] = (
        {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
    )
    result = CliRunner(**apart).invoke(
        command, [str(arg) for arg in args], input=answer, catch_exceptions=False
    )
    return Done(result.exit_code, result.stdout, result.stderr)


def on_terminal(
    *command: str | Path, cwd: Path, answer: str, env: Mapping[str, str] | None = None
) -> Done:
    """Run a command that is asked on a real terminal; stdout is a terminal too, stderr a file."""
    ours, theirs = pty.openpty()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            _found(command),
            cwd=cwd,
            env=environment({"TERM": "xterm", "COLUMNS": "80", **(env or {})}),
            stdin=theirs,
            stdout=theirs,
            stderr=errors,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, answer.encode())
        output = read_terminal(ours)
        os.close(ours)
        exit_code = process.wait(_TIME_LIMIT)
        errors.seek(0)
        return Done(exit_code, output, errors.read().decode())


def read_terminal(descriptor: int) -> str:
    """All that comes from a terminal until its other side is closed."""
    chunks = []
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace").replace("\r\n", "\n")


def _found(command: tuple[str | Path, ...]) -> list[str]:
    program, *arguments = (str(part) for part in command)
    found = (script for script in (place / program, SCRIPTS / program) if script.exists())
    return [str(next(found, program)), *arguments]
