"""FC110: migrations whose header is computed, planned around where their place is clear.

Their files stay as they are. What is taken for their place is only what nothing else can be; the
final look that Alembic takes compares it with what the files really say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flask_chainfix import source
from flask_chainfix.model import Header, MigrationFile, ProblemKind
from flask_chainfix.snapshot import Snapshot


def placed(snapshot: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
    """The chain with the computed headers taken for what the rest of the chain says of them.

    Returns:
        That chain, and what was taken for what, for the user.
    """
    taken = dict(_taken(snapshot))
    if not taken:
        return snapshot, ()
    files = tuple(
        file._replace(reading=taken[file.path]) if file.path in taken else file
        for file in snapshot.files
    )
    return replace(snapshot, files=files), tuple(
        f"the header of {path.name} is computed; it is taken for {header.revision} on"
        f" {', '.join(header.down_revision or ()) or 'nothing'}, and Alembic looks whether it is"
        for path, header in taken.items()
    )


def _taken(snapshot: Snapshot) -> Iterator[tuple[Path, Header]]:
    missing = {name for names in snapshot.graph.missing_parents.values() for name in names}
    for file in snapshot.unplaced:
        header = file.reading
        assert isinstance(header, Header)
        if any(problem.kind is ProblemKind.NOT_A_STRING for problem in header.problems):
            continue  # what it says is known, and Alembic refuses it
        if header.revision is None:
            if len(snapshot.anonymous) != 1 or len(missing) != 1 or snapshot.unreadable:
                continue
            header = header._replace(revision=next(iter(missing)))
        if header.down_revision is None:
            parents = _stated(snapshot, file)
            if parents is None:
                continue
            header = header._replace(down_revision=parents)
        problems = tuple(
            problem
            for problem in header.problems
            if problem.name not in ("revision", "down_revision")
        )
        yield file.path, header._replace(problems=problems)


def _stated(snapshot: Snapshot, file: MigrationFile) -> tuple[str, ...] | None:
    """The parents that the docstring names, if there are such revisions."""
    assert isinstance(file.reading, Header)
    if file.reading.revises is None:
        return None
    stated = source.stated_parents(file.reading.revises)
    return stated if all(name in snapshot.graph for name in stated) else None
