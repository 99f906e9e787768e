"""What each kind of database has to say of how it is backed up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

Progress = Callable[[int, int, str], None]


class Written(NamedTuple):
    """A copy that is written and known to be complete.

    Attributes:
        tables: how many tables it holds.
        sha256: of the bytes on their way to the disk; ``None`` where nobody saw them.
    """

    tables: int
    sha256: str | None = None


class Kind(NamedTuple):
    """A kind of database.

    Attributes:
        suffix: of the file's name.
        write: writes the copy to an empty file; takes the URL, the name for users, the file, and
            whom to tell the bytes done, the bytes in all, and what is running.
        restore: the command that puts the copy back; takes the URL and the path of the copy.
    """

    suffix: str
    write: Callable[[URL, str, Path, Progress], Written]
    restore: Callable[[URL, Path], str]
