"""The disk: reading every migration file, changing some of them safely, and putting them back."""

from flask_chainfix.store.additions import (
    add_together,
    find_named,
    is_there,
    read_plain,
    refuse_unaddable,
)
from flask_chainfix.store.journal import Journal, all_journals, latest
from flask_chainfix.store.lock import is_locked, locked
from flask_chainfix.store.orphans import refuse_orphans
from flask_chainfix.store.previous import before_repair, in_force, latest_repair, to_undo
from flask_chainfix.store.reading import read_snapshot, unread
from flask_chainfix.store.rows import recorded_moves, row_log, still_means
from flask_chainfix.store.writing import changed_files, refuse_changed, undo

__all__ = [
    "Journal",
    "add_together",
    "all_journals",
    "before_repair",
    "changed_files",
    "find_named",
    "in_force",
    "is_locked",
    "is_there",
    "latest",
    "latest_repair",
    "locked",
    "read_plain",
    "read_snapshot",
    "recorded_moves",
    "refuse_changed",
    "refuse_orphans",
    "refuse_unaddable",
    "row_log",
    "still_means",
    "to_undo",
    "undo",
    "unread",
]
