"""The disk: reading every migration file, changing some of them safely, and putting them back."""

from flask_chainfix.store.journal import latest
from flask_chainfix.store.lock import is_locked, locked
from flask_chainfix.store.orphans import refuse_orphans
from flask_chainfix.store.reading import read_snapshot
from flask_chainfix.store.writing import changed_files, undo

__all__ = [
    "changed_files",
    "is_locked",
    "latest",
    "locked",
    "read_snapshot",
    "refuse_orphans",
    "undo",
]
