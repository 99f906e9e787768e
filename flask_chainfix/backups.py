"""Back up several databases, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask_chainfix.errors import CannotBackUp
from flask_chainfix.model import Backup
from flask_chainfix.runtime import Progress, backups


def back_up(
    databases: Sequence[backups.Source], directory: Path, progress: Progress
) -> tuple[Backup, ...]:
    """Copy databases to files, each of which is read back.

    Args:
        databases: what is to be copied.
        directory: where the files are to lie; it is made if it is not there.
        progress: called with the bytes done, the bytes in all, and what is running.

    Raises:
        CannotBackUp: one of them could not be copied; the copies of those before it stay.
    """
    made: list[Backup] = []
    for database in databases:
        try:
            made.append(backups.back_up(database.url, database.name, directory, progress))
        except CannotBackUp as error:  # noqa: PERF203 - each takes its time
            if not made:
                raise
            files = ", ".join(str(backup.path) for backup in made)
            remedy = f"{error.remedy}; the backups made before are whole: {files}"
            raise CannotBackUp(error.message, remedy) from error
    return tuple(made)
