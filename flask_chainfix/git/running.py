"""Run Git so that neither the user's variables nor a remote change what it answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

_TIME_LIMIT = 30  # seconds, for each call
_hanging: set[str] = set()  # programs that have not answered once: nobody waits for them again

# Git sets others for its hooks; they name one repository, which need not be the migrations' own.
_KEPT = (
    "GIT_CONFIG",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)
_PLACING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
# Two messages are recognized. Nothing is fetched, as a partial clone would.
_ADDED = {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}


class Unknown(Exception):
    """Git cannot tell; the text says why.

    Args:
        reason: the text.
        silent: whether Git has ended with 1 and without a word, as it does where there is nothing.
    """

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


def run(start: str | None, *arguments: str, sent: bytes = b"") -> bytes:
    """Run Git and return what it writes.

    Args:
        start: the directory to run in; ``None`` for where the variables of this process place it.
        arguments: those of the command line.
        sent: what it reads from its stdin.

    Raises:
        Unknown: it is not there, fails, or takes too long.
    """
    program = shutil.which("git")
    if program is None:
        raise Unknown("the git command was not found")
    too_long = f"git did not answer within {_TIME_LIMIT} seconds"
    if program in _hanging:
        raise Unknown(too_long)
    kept = _KEPT if start is not None else _KEPT + _PLACING
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(kept) or not name.startswith("GIT_")
    }
    place = [] if start is None else ["-C", start]
    try:
        done = subprocess.run(
            [program, *place, *arguments],
            env=variables | _ADDED,
            input=sent,
            capture_output=True,
            check=False,
            timeout=_TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        _hanging.add(program)
        raise Unknown(too_long) from None
    except OSError as error:
        raise Unknown(f"git cannot be run ({error.strerror})") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        fatal = re.search(r"^fatal: (.*)", said, re.MULTILINE)  # advice may follow it
        last = said.rpartition("\n")[2] or f"exit code {done.returncode}"
        silent = done.returncode == 1 and not done.stderr
        raise Unknown(f"git failed ({fatal[1] if fatal else last})", silent=silent)
    return done.stdout
