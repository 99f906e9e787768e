"""What an undo must not do: delete a migration that others have come to build on."""

from __future__ import annotations

import os

from flask_chainfix.errors import StaleSnapshot
from flask_chainfix.model import Environment, Header
from flask_chainfix.store.journal import Journal
from flask_chainfix.store.reading import read_snapshot


def refuse_orphans(journal: Journal, environment: Environment) -> None:
    """Stop before an undo that would leave a migration without what it builds on.

    Args:
        journal: the record of the repair that is to be undone.
        environment: where to look for migrations that have come since.

    Raises:
        StaleSnapshot: a migration that the undo does not change names one that it would delete.
        CannotRead: a version location cannot be listed.
    """
    if all(entry.before is not None for entry in journal.entries):
        return
    deletes = {str(entry.path): entry.before is None for entry in journal.entries}
    doomed: dict[str, str] = {}
    others: list[tuple[str, Header]] = []
    for file in read_snapshot(environment)[0].files:
        place = os.path.realpath(file.path)
        if not isinstance(file.reading, Header):
            continue
        if place not in deletes:
            others.append((place, file.reading))
        elif deletes[place] and file.reading.revision is not None:
            doomed[file.reading.revision] = file.name
    for place, header in others:
        for name in (*(header.down_revision or ()), *(header.depends_on or ())):
            if name in doomed:
                raise StaleSnapshot(
                    f"{place} builds on {name}, and undo would delete its file {doomed[name]}",
                    "nothing was changed; delete that migration first, or put it on another"
                    " revision, if no database has run it",
                )
