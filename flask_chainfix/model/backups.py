"""Copies of databases, made before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Backup:
    """A copy of one database that was read back and is complete.

    Attributes:
        name: how users know the database, passwords masked.
        path: the file that holds the copy; its checksum lies beside it.
        size: bytes of that file.
        sha256: its checksum, in hexadecimal.
        tables: how many tables the copy holds, as counted in it.
        seconds: how long it took.
        restore: the command that puts the copy in the database's place; holds no password.
    """

    name: str
    path: Path
    size: int
    sha256: str
    tables: int
    seconds: float
    restore: str
