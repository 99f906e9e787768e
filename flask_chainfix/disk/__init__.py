"""The disk: reading every migration file, changing some of them safely, and restoring them."""

from flask_chainfix.disk.past_repairs import (
    before_repair,
    half_undone,
    in_force,
    is_half_undone,
    latest_repair,
    refuse_orphans,
    to_undo,
)
from flask_chainfix.disk.recorded_rows import RowLog, recorded_moves, still_means
from flask_chainfix.disk.safe_files import append, is_locked, locked, write_at_once
from flask_chainfix.disk.version_locations import read_snapshot, unconfigured_migrations
from flask_chainfix.disk.writing import add_together, changed_files, has_begun, prepared, undo

__all__ = [
    "RowLog",
    "add_together",
    "append",
    "before_repair",
    "changed_files",
    "half_undone",
    "has_begun",
    "in_force",
    "is_half_undone",
    "is_locked",
    "latest_repair",
    "locked",
    "prepared",
    "read_snapshot",
    "recorded_moves",
    "refuse_orphans",
    "still_means",
    "to_undo",
    "unconfigured_migrations",
    "undo",
    "write_at_once",
]
