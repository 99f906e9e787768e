"""The chain as it was before a repair, from the journal."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from flask_chainfix.model import Edit
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.store.journal import Journal


def before_repair(now: Snapshot, journal: Journal) -> Snapshot:
    """The chain with the files of a repair as they were, and all others as they are.

    Args:
        now: the chain as it is.
        journal: the record of the repair.
    """
    before = {entry.path: entry.before for entry in journal.entries}
    paths = {Path(os.path.realpath(file.path)): file.path for file in now.files}
    paths[journal.lock_path] = now.environment.lock_path
    gone = {paths.get(path) for path, data in before.items() if data is None}
    left = replace(now, files=tuple(file for file in now.files if file.path not in gone))
    return left.after(
        Edit(paths.get(path, path), None, data) for path, data in before.items() if data is not None
    )
