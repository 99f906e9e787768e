"""What an undo must not do: take away a revision that others have come to build on."""

from __future__ import annotations

import os

from flask_chainfix.errors import StaleSnapshot
from flask_chainfix.model import Environment, Header
from flask_chainfix.store.journal import Journal
from flask_chainfix.store.previous import before_repair
from flask_chainfix.store.reading import read_snapshot


def refuse_orphans(journal: Journal, environment: Environment) -> None:
    """Stop before an undo that would leave a migration without what it builds on.

    What was missing before the repair may be missing again.

    Args:
        journal: the record of the repair that is to be undone.
        environment: where to look for migrations that have come since.

    Raises:
        StaleSnapshot: a migration that the undo does not change names a revision that would be
            gone: its file is deleted, or gets its old id back.
        CannotRead: a version location cannot be listed.
    """
    now, _ = read_snapshot(environment)
    before = before_repair(now, journal)
    doomed = set(now.graph).difference(before.graph, journal.missing)
    if not doomed:
        return
    changed = {str(entry.path) for entry in journal.entries}
    remaining = {file.path for file in before.files}
    for file in now.files:
        header, place = file.reading, os.path.realpath(file.path)
        if not isinstance(header, Header) or place in changed:
            continue
        for name in (*(header.down_revision or ()), *(header.depends_on or ())):
            if name in doomed:
                owner = now.file(name)
                undoing = (
                    f"give {owner.name} its old id back"
                    if owner.path in remaining
                    else f"delete its file {owner.name}"
                )
                raise StaleSnapshot(
                    f"{place} builds on {name}, and undo would {undoing}",
                    "delete that migration first, or put it on another revision, if no database"
                    " has run it",
                    unchanged=True,
                )
