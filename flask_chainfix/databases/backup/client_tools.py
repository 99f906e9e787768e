"""The programs of the database servers: found, run, and what they say explained."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO

from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.environment.messages import masked

_CHUNK = 1 << 18


_PATIENCE = 3


_SHOWN_LINES = 3


_IDLE = re.compile(r"(?i)^$|^warning\b|deprecated program name|^hint:")


_SPEAKER = re.compile(
    r"^[\w/.-]+: (?:error: |fatal: )?|^(?:detail|error)(?: \d+ \(\w+\))?:? ", re.IGNORECASE
)


_REMEDIES = (
    (
        r"server version mismatch|server version: \d",
        "install the {package} of the server's version, and put its directory first on PATH",
    ),
    (
        r"unknown database|database \"[^\"]*\" does not exist",
        "correct the name of the database in the URL",
    ),
    (
        r"password|authentication|access denied for user '[^']*'@'[^']*'(?! to)"
        r"|role \"[^\"]*\" does not exist",
        "correct the user and the password in the URL",
    ),
    (
        r"permission denied|access denied|command denied|must be owner",
        "give the user the right to read everything in the database, or name one that has it",
    ),
    (
        r"refused|can't connect|could not connect|timed? ?out|timeout|translate host|unreachable"
        r"|not known|no route|no such file|lost connection|unknown .*server host|gone away",
        "start the server, or correct the host and the port in the URL",
    ),
)


@dataclass(frozen=True)
class Client:
    """How programs reach one database.

    Attributes:
        name: how users know the database, passwords masked.
        package: what installs the programs.
        environment: variables that they get besides our own.
        secrets: what must not be shown of what they say.
    """

    name: str
    package: str
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()


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
    with _running(client, command) as (process, errors):
        assert process.stdout is not None
        answer = process.stdout.read()
        _wait(client, command, process, errors)
    return answer.decode(errors="replace")


def stream(
    client: Client, command: Sequence[str], part: Path, advance: Callable[[int], None]
) -> str:
    """Write what a program prints to a file.

    Args:
        client: whom it speaks to.
        command: the program and its arguments.
        part: the file; what is there is replaced.
        advance: called with the bytes so far.

    Returns:
        The SHA-256 of what it printed, in hexadecimal.

    Raises:
        CannotBackUp: it fails.
        OSError: the file cannot be written.
    """
    digest, done = sha256(), 0
    with part.open("wb") as file, _running(client, command) as (process, errors):
        assert process.stdout is not None
        while chunk := process.stdout.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            advance(done)
        _wait(client, command, process, errors)
    return digest.hexdigest()


@contextmanager
def _running(
    client: Client, command: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            # Some of what they say is recognized.
            env={**os.environ, "LC_ALL": "C", **client.environment},
            start_new_session=True,  # Ctrl-C is for this process, which ends that one
        )
        try:
            yield process, errors
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # pg_dump then has the server give up, too
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        with suppress(OSError):
            process.stdout.close()


def _wait(
    client: Client, command: Sequence[str], process: subprocess.Popen[bytes], errors: IO[bytes]
) -> None:
    code = process.wait()
    if code == 0:
        return
    errors.seek(0)
    words = _said(errors.read().decode(errors="replace"))
    program = Path(command[0]).name
    if code < 0:
        with suppress(ValueError):
            words = f"it was ended by {signal.Signals(-code).name}"
    words = masked(words or f"exit status {code}", client.secrets)
    raise CannotBackUp(f"{program} failed on {client.name}: {words}", _remedy(client, words))


def _said(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    kept = [_SPEAKER.sub("", line) for line in lines if not _IDLE.search(line)]
    return "; ".join(kept[:_SHOWN_LINES])


def _remedy(client: Client, words: str) -> str:
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, words, re.IGNORECASE):
            return remedy.format(package=client.package)
    return "see that the server is well and that the tool fits it, then run the command again"
