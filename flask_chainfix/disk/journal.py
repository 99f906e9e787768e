"""The journal: the old content of every changed file, kept until it is no longer needed.

It is in ``.fixchain/`` beside ``env.py``, outside the version locations, one file for each repair:
a signature, and JSON. Until the repair is finished, the file has another suffix. If the process of
an unfinished repair is gone, the repair was killed half-way, and its journal can restore every
byte.

Finishing and undoing a repair only rename and delete the journal, so neither needs space on a full
disk. Journals are numbered, so their order does not depend on the clock.
"""

from __future__ import annotations

import os
import re
import stat
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime, timezone
from itertools import takewhile
from pathlib import Path
from typing import Any

from flask_chainfix.chain import source
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotRead
from flask_chainfix.disk.safe_files import (
    NotOurs,
    Seal,
    directory_for,
    known_key,
    own_key,
    sync_directory,
    write_synced,
)
from flask_chainfix.model.environment import LOCK_NAME
from flask_chainfix.model.files import Edit, Header

_VERSION = 2
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_ENDED, _UNFINISHED, _ROWS = ".json", ".unfinished", ".rows"
_NAME = re.compile(r"(\d{6,})-")
KEPT = 20  # the number of finished journals to keep and read


@dataclass(frozen=True)
class JournalEntry:
    """One changed file.

    Attributes:
        path: the file, with links resolved when the journal was made.
        before: its old bytes; ``None`` for a file that the repair created.
        after: SHA-256 of its new bytes, in hexadecimal; ``None`` for a file that the repair
            deleted.
        missing: how many of the directories above the file do not exist before the repair.
        mode: the permissions of a file that the repair deleted.
        header: id, parents and dependencies in the new content; ``None`` without a header, and if
            the journal does not have it.
    """

    path: Path
    before: bytes | None
    after: str | None
    missing: int = 0
    mode: int | None = None
    header: tuple[Any, ...] | None = None

    @property
    def moved(self) -> bool:
        """Whether the repair has relinked, created or deleted the file."""
        return self.header is None or _header(self.before, self.path.name) != self.header

    def holds_new(self, data: bytes | None) -> bool:
        """Whether ``data`` is the content that the repair wrote."""
        return _digest(data) == self.after

    def holds_links(self, data: bytes | None) -> bool:
        """Whether the file still has the links that the repair wrote, whatever else was edited."""
        if self.holds_new(data):
            return True
        return self.header is not None and _header(data, self.path.name) == self.header


@dataclass(frozen=True)
class Journal:
    """The record of one repair.

    Attributes:
        path: the journal's own file; while the repair is unfinished, it has another suffix.
        finished: whether the repair is finished; if not, it is running or was killed.
        entries: the files that it changes.
        missing: the missing ids that migrations named before it.
        renamed: the new ids of revisions, by their old ones.
        rows_before: the rows of databases when it began, by identity.
        squashed: the revision that others were squashed into, by their ids.
        command: the command that made it.
    """

    path: Path
    finished: bool
    entries: tuple[JournalEntry, ...]
    missing: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    rows_before: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    squashed: Mapping[str, str] = field(default_factory=dict)
    command: str = "repair"

    @property
    def migrations(self) -> tuple[JournalEntry, ...]:
        """The changed files without the chain lock."""
        return tuple(entry for entry in self.entries if entry.path != self.lock_path)

    @property
    def file(self) -> Path:
        """The journal's file under its current name."""
        return self.path if self.finished else self.path.with_suffix(_UNFINISHED)

    @property
    def rows_path(self) -> Path:
        """The file that records the rows that were moved with this repair."""
        return self.path.with_suffix(_ROWS)

    @property
    def lock_path(self) -> Path:
        """The path of the environment's chain lock."""
        return Path(os.path.realpath(self.path.parent.parent), LOCK_NAME)

    def finish(self) -> None:
        """Record on the disk that the repair is finished."""
        os.replace(self.path.with_suffix(_UNFINISHED), self.path)
        sync_directory(self.path.parent)
        _prune(self.path.parent)

    def discard(self) -> None:
        """Forget the repair, because its files have their old content."""
        for suffix in (_ROWS, _UNFINISHED, _ENDED):
            self.path.with_suffix(suffix).unlink(missing_ok=True)
        sync_directory(self.path.parent)


def create_journal(environment: Path, edits: Sequence[Edit], **about: Any) -> Journal:
    """Write a journal for edits, before any of them is made.

    A journal without edits, for rows only, is finished from the start.

    Args:
        environment: the environment's directory.
        edits: the edits.
        about: further attributes of ``Journal``, by name.

    Raises:
        CannotWrite: the journal cannot be signed.
        OSError: it cannot be written.
    """
    directory, key = directory_for(environment), own_key()
    numbers = [_number(path) for path in candidates(directory) if _is_sealed(path, key)]
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    entries = tuple(replace(entry_for(edit), after=_digest(edit.after)) for edit in edits)
    path = directory / f"{max(numbers, default=0) + 1:06}-{stamp}{_ENDED}"
    journal = Journal(path, not entries, entries, **about)
    draft = directory / "draft"
    document = _document(journal, os.path.realpath(environment))
    try:
        write_synced(draft, _seal(path, key).signed(document), mode=0o600)
        os.replace(draft, path.with_suffix(_UNFINISHED if entries else _ENDED))
        sync_directory(directory)
    except BaseException:
        journal.discard()
        raise
    if journal.finished:
        _prune(directory)
    return journal


def candidates(directory: Path) -> list[Path]:
    """The files in a directory with the names of journals, the oldest first.

    Raises:
        CannotRead: it cannot be listed.
    """
    try:
        with os.scandir(directory) as listing:
            found = [
                Path(entry.path)
                for entry in listing
                if entry.name.endswith((_ENDED, _UNFINISHED))
                and (entry.is_symlink() or entry.is_file())
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CannotRead(
            f"{directory} cannot be read: {error.strerror}",
            "run the command as the user who ran the last repair",
        ) from error
    return sorted(found, key=lambda path: (_number(path), path.name))


def read_journal(path: Path, key: bytes) -> Journal:
    """Read a journal that this user has signed.

    Raises:
        NotOurs: the file is not one, or cannot be read.
    """
    import json  # most commands find no journal

    environment = os.path.realpath(path.parent.parent)
    try:
        document = json.loads(_seal(path, key).read(path))
        if document["version"] != _VERSION:
            raise ValueError("it is of another version")
        entries = tuple(_entry_from(file, environment) for file in document["files"])
        missing = frozenset(map(str, document.get("missing", ())))
        renamed, squashed = (
            {str(old): str(new) for old, new in document.get(name, {}).items()}
            for name in ("renamed", "squashed")
        )
        rows_before = {
            str(name): tuple(map(str, rows)) for name, rows in document.get("stood", {}).items()
        }
        ended = path.suffix == _ENDED
        ended_path = path.with_suffix(_ENDED)
        command = str(document.get("command", Journal.command))
        return Journal(ended_path, ended, entries, missing, renamed, rows_before, squashed, command)
    except (*_DAMAGED, OSError) as error:
        raise NotOurs(f"it cannot be read: {error}") from error


def _seal(path: Path, key: bytes) -> Seal:
    return Seal(key, f"journal {path.stem}")


def _is_sealed(path: Path, key: bytes) -> bool:
    try:
        _seal(path, key).read(path)
    except (NotOurs, OSError):
        return False
    return True


def _number(path: Path) -> int:
    """The number of a journal; 0 for other files."""
    found = _NAME.match(path.name)
    return int(found[1]) if found else 0


def _prune(directory: Path) -> None:
    """Delete the journals that are too old; other files stay."""
    with suppress(OSError, CannotRead, NotOurs):  # the next repair tries again
        key = known_key()
        ended = [path for path in candidates(directory) if path.suffix == _ENDED]
        for path in [path for path in ended if _is_sealed(path, key)][:-KEPT]:
            for suffix in (_ROWS, _ENDED):
                path.with_suffix(suffix).unlink(missing_ok=True)


def entry_for(edit: Edit) -> JournalEntry:
    """The entry of a file before it is changed, without the digest."""
    path = Path(os.path.realpath(edit.path))
    missing = sum(1 for _ in takewhile(lambda parent: not parent.exists(), path.parents))
    mode = stat.S_IMODE(path.stat().st_mode) if edit.after is None else None
    header = _header(edit.after, path.name) if path.suffix == ".py" else None
    return JournalEntry(path, edit.before, None, missing, mode, header)


def _header(data: bytes | None, name: str) -> tuple[Any, ...] | None:
    reading = None if data is None else source.read(data, name)
    if not isinstance(reading, Header):
        return None
    return reading.revision, reading.down_revision, reading.depends_on


def _digest(data: bytes | None) -> str | None:
    from hashlib import sha256  # slow to import, and a check rarely finds a journal

    return None if data is None else sha256(data).hexdigest()


def _document(journal: Journal, environment: str) -> bytes:
    import json

    # Paths are relative, so that the journals of a copied environment apply to the copy, unless a
    # file is on another drive of Windows.
    drive = os.path.splitdrive(environment)[0]
    files = [
        {
            "path": os.path.relpath(entry.path, environment)
            if entry.path.drive == drive
            else str(entry.path),
            "before": None if entry.before is None else b64encode(entry.before).decode(),
            "after_sha256": entry.after,
            "missing_directories": entry.missing,
            "mode": entry.mode,
            "header": entry.header,
        }
        for entry in journal.entries
    ]
    document = {
        "version": _VERSION,
        "command": journal.command,
        "files": files,
        "missing": sorted(journal.missing),
        "renamed": dict(journal.renamed),
        "squashed": dict(journal.squashed),
        "stood": {identity: list(rows) for identity, rows in journal.rows_before.items()},
    }
    return json.dumps(document, indent=1).encode()


def _entry_from(file: dict[str, Any], environment: str) -> JournalEntry:
    name, before, after, missing = (
        file[key] for key in ("path", "before", "after_sha256", "missing_directories")
    )
    is_ours = isinstance(name, str) and (name.endswith(".py") or name == LOCK_NAME)
    if not is_ours or "\0" in name:
        raise ValueError(f"{name!r} is not a migration file")
    mode, header = file.get("mode"), file.get("header")
    if header is not None:
        revision, *links = header
        parents, depends_on = (None if ids is None else tuple(map(str, ids)) for ids in links)
        header = (revision, parents, depends_on)
    return JournalEntry(
        Path(os.path.normpath(os.path.join(environment, name))),
        None if before is None else b64decode(before, validate=True),
        None if after is None else str(after),
        max(0, int(missing)),
        None if mode is None else stat.S_IMODE(int(mode)),
        header,
    )
