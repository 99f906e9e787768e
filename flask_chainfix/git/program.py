"""Git as a program: run once per question, or once for many.

It runs without the Git variables of this process, and without programs that a repository's
configuration names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from flask_chainfix.common.quoting import word
from flask_chainfix.common.regular_files import LARGEST
from flask_chainfix.common.remedies import Remedy, way

_TIME_LIMIT = 30  # seconds, for each call
_NO_GIT = "the git command was not found"
_OWNED = re.compile(r"dubious ownership in repository at '(.*)'\)?$", re.DOTALL)
_hanging: set[str] = set()  # programs that have timed out; they are not run again

# Git sets others for its hooks; they name one repository, perhaps not that of the migrations.
_KEPT = (
    "GIT_CONFIG",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)
_PLACING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")

# Three messages are recognized. A partial clone must not fetch anything.
_ADDED = {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
HEADER = re.compile(rb"([0-9a-f]+) (blob|tree|commit|tag) (\d+)")
_CHUNK = 1 << 20  # bytes; skipped content is read in chunks of this size
_AT_ONCE = 4096  # bytes; this fits into a pipe, so that neither side waits for the other


class Unknown(Exception):
    """Git cannot answer; the text says why.

    Args:
        reason: the text.
        silent: whether Git exited with 1 and printed nothing, as it does if it finds nothing.
        exit_code: Git's exit code; ``None`` if it did not run to its end.
    """

    def __init__(self, reason: str, *, silent: bool = False, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.silent, self.exit_code = silent, exit_code


def remedy_for(reason: str) -> Remedy:
    """What to do if Git is missing, or refuses a repository of another user; else empty."""
    owned = _OWNED.search(reason)
    if owned is not None:
        trust = f"git config --global --add safe.directory {word(owned[1])}"
        return way("if you trust the repository, which belongs to another user, say so", trust)
    return Remedy.of("install Git") if reason == _NO_GIT else Remedy()


def run(
    start: str | None,
    *arguments: str,
    sent: bytes = b"",
    variables: Mapping[str, str] | None = None,
    index: str | None = None,
) -> bytes:
    """Run Git.

    Args:
        start: the directory to run it in; ``None`` to use this process's directory and variables.
        arguments: its arguments.
        sent: its stdin.
        variables: as in ``command``.
        index: the index file; ``None`` for the repository's own.

    Raises:
        Unknown: Git is missing, fails, or takes too long.
    """
    import subprocess  # it is not needed without a repository

    words, around = command(start, *arguments, variables=variables)
    if index is not None:
        around["GIT_INDEX_FILE"] = index
    try:
        done = subprocess.run(
            words, env=around, input=sent, capture_output=True, check=False, timeout=_TIME_LIMIT
        )
    except subprocess.TimeoutExpired:
        _hanging.add(words[0])
        raise Unknown(_too_long()) from None
    except OSError as error:
        raise Unknown(f"git cannot be run ({error.strerror})") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        fatal = re.search(r"^fatal: (.*)", said, re.MULTILINE)  # advice may follow it
        last = said.rpartition("\n")[2] or f"exit code {done.returncode}"
        silent = done.returncode == 1 and not done.stderr
        reason = f"git failed ({fatal[1] if fatal else last})"
        raise Unknown(reason, silent=silent, exit_code=done.returncode)
    return done.stdout


def command(
    start: str | None, *arguments: str, variables: Mapping[str, str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """The command line of Git, and its environment variables.

    Args:
        start: the directory to run it in; ``None`` to use this process's directory and variables.
        arguments: its arguments.
        variables: replace the Git variables of this process.

    Raises:
        Unknown: Git is missing, or has timed out before.
    """
    import shutil

    program = shutil.which("git")
    if program is None:
        raise Unknown(_NO_GIT)
    if program in _hanging:
        raise Unknown(_too_long())
    kept: tuple[str, ...] = _KEPT if start is not None else _KEPT + _PLACING
    if variables is not None:
        kept = ("GIT_EXEC_PATH",)
    around = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(kept) or not name.startswith("GIT_")
    }
    place = [] if start is None else ["-C", start]
    return [program, *place, *arguments], around | _ADDED | dict(variables or {})


def _too_long() -> str:
    return f"git did not answer within {_TIME_LIMIT} seconds"


@contextmanager
def batch(
    start: str | None, store: str, variables: Mapping[str, str] | None = None
) -> Iterator[Batch]:
    """Run one ``git cat-file --batch`` for many questions.

    Args:
        start: as in ``run``.
        store: a directory with further objects.
        variables: as in ``command``.

    Raises:
        Unknown: Git is missing.
    """
    import subprocess

    words, around = command(start, "cat-file", "--batch", variables=variables)
    around["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = quoted(store)
    try:
        process = subprocess.Popen(
            words,
            env=around,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise Unknown(f"git cannot be run ({error.strerror})") from error
    try:
        yield Batch(process)
    finally:
        process.kill()  # it changes nothing, so it can be killed
        process.communicate()


def quoted(path: str) -> str:
    """A path with any characters, in the syntax of object directories and ``git fast-import``."""
    return '"{}"'.format("".join(f"\\{byte:03o}" for byte in os.fsencode(path)))


class Ended(Unknown):
    """Git exited early, as it does if it would have to fetch an object."""


class Batch:
    """A running ``git cat-file --batch``.

    Args:
        process: the process, with pipes to its stdin and from its stdout.

    Attributes:
        left_out: whether an object was too large to be read, and so counts as missing.
    """

    def __init__(self, process: Any) -> None:
        self._process = process
        self.left_out = False
        self._input: IO[bytes] = process.stdin
        self._output: IO[bytes] = process.stdout

    def __call__(self, sent: bytes) -> bytes:
        """Git's answer to lines of input.

        Raises:
            Ended: Git exited.
            Unknown: Git takes too long.
        """
        from threading import Timer

        watch = Timer(_TIME_LIMIT, self._process.kill)
        watch.start()
        try:
            return b"".join(self._answers(sent))
        except (OSError, EOFError) as error:
            if watch.is_alive():
                raise Ended("git ended before it had answered") from error
            raise Unknown(_too_long()) from error
        finally:
            watch.cancel()

    def _answers(self, sent: bytes) -> Iterator[bytes]:
        lines = [line + b"\n" for line in sent.split(b"\n")[:-1]]
        while lines:
            size, number = len(lines[0]), 1
            while number < len(lines) and size + len(lines[number]) <= _AT_ONCE:
                size += len(lines[number])
                number += 1
            self._input.write(b"".join(lines[:number]))
            self._input.flush()
            for _ in range(number):
                yield from self._answer()
            del lines[:number]

    def _answer(self) -> Iterator[bytes]:
        line = self._output.readline()
        found = HEADER.fullmatch(line.rstrip(b"\n"))
        size = int(found[3]) + 1 if found else 0
        if size - 1 > LARGEST:
            self.left_out = True
            line = b"too large\n"
            while size > _CHUNK:
                size -= len(self._output.read(_CHUNK)) or size
            self._output.read(size)
            size = 0
        yield line
        data = self._output.read(size)
        if not line or len(data) < size:
            raise EOFError
        yield data
