"""Backups for people and for scripts: where they are, and how they are put back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_chainfix.common.wording import count
from flask_chainfix.model.databases import Backup
from flask_chainfix.report.page import shown_path

_UNITS = ("bytes", "kB", "MB", "GB")


def verdict(backups: tuple[Backup, ...]) -> str:
    """The one line that says it all."""
    return f"Backed up {count(len(backups), 'database')}."


def facts(backup: Backup) -> Iterator[str]:
    """What is to be known of a backup, besides its place and its command."""
    size = f"{_size(backup.size)}, {count(backup.tables, 'table')}"
    yield f"{size}, read back and complete, {backup.seconds:.2f} s"
    yield f"SHA-256 {backup.sha256}"


def _size(number: float) -> str:
    for unit in _UNITS[:-1]:
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} {_UNITS[-1]}"


def as_json(backups: tuple[Backup, ...]) -> list[dict[str, Any]] | None:
    """The value in the JSON document."""
    return [
        {
            "database": backup.name,
            "path": shown_path(backup.path),
            "size": backup.size,
            "sha256": backup.sha256,
            "tables": backup.tables,
            "seconds": backup.seconds,
            "restore": backup.restore,
        }
        for backup in backups
    ] or None
