"""The programs of the database servers: found, run, and what they say explained."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.processes import running
from flask_chainfix.databases.database_errors import remedy_for_connecting, trouble_told_by
from flask_chainfix.environment.messages import masked

_CHUNK = 1 << 18  # bytes
_SHOWN_LINES = 3
_IDLE = re.compile(r"(?i)^$|^warning\b|deprecated program name|^hint:")
_SPEAKER = re.compile(
    r"^[\w/.-]+: (?:error: |fatal: )?|^(?:detail|error)(?: \d+ \(\w+\))?:? ", re.IGNORECASE
)
_WRONG_VERSION = re.compile(r"server version mismatch|server version: \d")


class Client(NamedTuple):
    """How programs reach one database.

    Attributes:
        name: how users know the database, passwords masked.
        package: what installs the programs.
        environment: variables that they get besides our own.
        secrets: what must not be shown of what they say.
    """

    name: str
    package: str
    environment: Mapping[str, str]
    secrets: Sequence[str]


def find(package: str, brew: str, *names: str) -> str:
    """The first of some programs that is installed.

    Raises:
        CannotBackUp: none of them is.
    """
    for name in names:
        if found := shutil.which(name):
            return found
    raise CannotBackUp(
        f"{' or '.join(names)} is not installed, or not on PATH",
        f"install {package} (Debian: apt install {package}; Homebrew: brew install {brew})",
    )


def answer_of(client: Client, command: Sequence[str]) -> str:
    """What a program prints.

    Raises:
        CannotBackUp: it fails.
    """
    answer = io.BytesIO()
    stream(client, command, answer, lambda _: None)
    return answer.getvalue().decode(errors="replace")


def stream(
    client: Client, command: Sequence[str], output: IO[bytes], advance: Callable[[int], None]
) -> None:
    """Write what a program prints to a file.

    Args:
        client: how it reaches the database.
        command: the program and its arguments.
        output: the file.
        advance: called with the bytes so far.

    Raises:
        CannotBackUp: it fails.
        OSError: the file cannot be written.
    """
    with tempfile.TemporaryFile() as errors:
        with _process(client, command, errors) as process:
            while chunk := process.stdout.read(_CHUNK) if process.stdout else b"":
                output.write(chunk)
                advance(output.tell())
            code = process.wait()
        if code:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            raise _failure(client, Path(command[0]).name, code, said)


def _process(
    client: Client, command: Sequence[str], errors: IO[bytes]
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return running(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        # Some of what they say is recognized.
        env={**os.environ, "LC_ALL": "C", **client.environment},
    )


def _failure(client: Client, program: str, code: int, said: str) -> CannotBackUp:
    lines = [line.strip() for line in said.splitlines()]
    kept = [_SPEAKER.sub("", line) for line in lines if not _IDLE.search(line)]
    words = "; ".join(kept[:_SHOWN_LINES])
    if code < 0:
        with suppress(ValueError):
            words = f"it was ended by {signal.Signals(-code).name}"
    words = masked(words or f"exit status {code}", client.secrets)
    remedy = remedy_for_connecting(
        trouble_told_by(words),
        rights="give the user the right to read everything in the database, or name one that has"
        " it",
        otherwise="see that the server is well and that the tool fits it, then run the command"
        " again",
    )
    if _WRONG_VERSION.search(words):
        remedy = (
            f"install the {client.package} of the server's version, and put its directory first on"
            " PATH"
        )
    return CannotBackUp(f"{program} failed on {client.name}: {words}", remedy)
