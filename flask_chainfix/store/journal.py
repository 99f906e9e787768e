"""The journal: what every changed file was before, kept until it is no longer needed.

It lies in ``.fixchain/`` beside ``env.py``, outside the version locations, one JSON file for each
repair. A journal in the state ``WRITING`` whose process is gone is a repair that was killed
half-way; with it every byte can be put back.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from hashlib import sha256
from pathlib import Path

from flask_chainfix.errors import CannotRead
from flask_chainfix.model import Edit
from flask_chainfix.store.files import sync_directory, write_synced

_VERSION = 1


class State(Enum):
    """How far a repair has come."""

    WRITING = "writing"
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True)
class Entry:
    """One changed file.

    Attributes:
        path: the file, after links.
        before: its old bytes; ``None`` for a file that the repair made.
        after: SHA-256 of its new bytes, in hexadecimal.
    """

    path: Path
    before: bytes | None
    after: str

    def holds_new(self, data: bytes | None) -> bool:
        """Whether ``data`` is what the repair wrote."""
        return data is not None and sha256(data).hexdigest() == self.after


@dataclass(frozen=True)
class Journal:
    """The record of one repair.

    Attributes:
        path: the journal's own file.
        state: how far the repair has come.
        entries: the files that it changes.
    """

    path: Path
    state: State
    entries: tuple[Entry, ...]

    @property
    def finished(self) -> bool:
        """Whether the repair came to its end; if not, it is running or was killed."""
        return self.state is not State.WRITING

    def marked(self, state: State) -> Journal:
        """Write the state to the disk."""
        journal = replace(self, state=state)
        _write(journal)
        return journal


def directory_for(environment: Path) -> Path:
    """Where the journals of an environment lie."""
    return environment / ".fixchain"


def create(environment: Path, edits: Sequence[Edit]) -> Journal:
    """Write a journal for edits that are about to be made, and see it to the disk.

    Raises:
        OSError: it cannot be written.
    """
    directory = directory_for(environment)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    entries = tuple(
        Entry(Path(os.path.realpath(edit.path)), edit.before, sha256(edit.after).hexdigest())
        for edit in edits
    )
    journal = Journal(directory / f"{stamp}.json", State.WRITING, entries)
    _write(journal)
    return journal


def latest(environment: Path) -> Journal | None:
    """The newest journal of a repair that has not been undone.

    Raises:
        CannotRead: a journal is damaged.
    """
    for path in sorted(directory_for(environment).glob("*.json"), reverse=True):
        journal = _read(path)
        if journal.state is not State.UNDONE:
            return journal
    return None


def _write(journal: Journal) -> None:
    entries = [
        {
            "path": str(entry.path),
            "before": None if entry.before is None else b64encode(entry.before).decode(),
            "after_sha256": entry.after,
        }
        for entry in journal.entries
    ]
    document = {"version": _VERSION, "state": journal.state.value, "files": entries}
    draft = journal.path.with_suffix(".new")
    write_synced(draft, json.dumps(document, indent=1).encode())
    os.replace(draft, journal.path)
    sync_directory(journal.path.parent)


def _read(path: Path) -> Journal:
    try:
        document = json.loads(path.read_bytes())
        entries = tuple(
            Entry(
                Path(file["path"]),
                None if file["before"] is None else b64decode(file["before"], validate=True),
                file["after_sha256"],
            )
            for file in document["files"]
        )
        return Journal(path, State(document["state"]), entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotRead(
            f"the journal {path} cannot be read: {error}",
            "if you know that its repair is not to be undone, move the file elsewhere",
        ) from error
