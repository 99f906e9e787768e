"""What a chain is held against: the lock beside it, and what others have of it already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask_chainfix.model.files import MigrationFile


@dataclass(frozen=True)
class ChainLock:
    """The file beside the migrations that names the heads.

    Attributes:
        path: the file.
        data: its bytes; ``None`` where they could not be read.
        problem: why not, in words that complete "``chain.lock`` …".
    """

    path: Path
    data: bytes | None
    problem: str = ""


@dataclass(frozen=True)
class Published:
    """The migrations that others have already.

    Attributes:
        ref: the Git revision that has them, as the user calls it.
        files: what Alembic would load of it.
        allowed: revisions that may change all the same.
    """

    ref: str
    files: tuple[MigrationFile, ...]
    allowed: frozenset[str] = frozenset()
