"""The chain lock: a file with the head of each lineage, which makes Git detect conflicts.

Each lineage has a line that begins with a fixed part, so two branches that both add a migration to
the same lineage change the same line. Git also treats changes of adjacent lines as a conflict.
Therefore each line is between two lines that never change, and the one before it is unique, so that
Git keeps it apart from a lineage that is added there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.model.files import Edit

_NOTE = """\
# The head of this migration chain. Commit this file together with the migrations.
#
# A conflict here means that both sides have added a migration. Neither side is right then: let
# `{fixchain} rebase` put yours on top of theirs, or `{fixchain} repair` link them.
# Both write this file anew.
"""
_END = "# written by `{fixchain} lock`\n"
_MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


class LockLine(NamedTuple):
    """A meaningful line of a lock: its number, and its text without surrounding spaces."""

    number: int
    text: str

    @property
    def is_marker(self) -> bool:
        """Whether it is one of Git's conflict markers."""
        return self.text.startswith(_MARKERS)


def read_lines(data: bytes) -> list[LockLine]:
    """The meaningful lines of a lock."""
    lines = data.decode(errors="replace").splitlines()
    stripped = (LockLine(number, line.strip()) for number, line in enumerate(lines, 1))
    return [line for line in stripped if line.text and not line.text.startswith("#")]


def expected_lines(snapshot: Snapshot) -> Mapping[str, str] | None:
    """The line of each head, by the head.

    Returns:
        ``None`` if the heads are unknown: a lineage has none or several, or a file was not read.
    """
    heads: dict[str, str] = {}
    lineages = find_lineages(snapshot)
    for head in snapshot.graph.heads:
        lineage = lineages.by_revision[head]
        # The main base depends on what is added on top of the bases.
        main = lineage is lineages.main
        start = min(lineages.bases) if main else lineage.name
        if start in heads:
            return None
        heads[start] = head
    if not heads or snapshot.unreadable or snapshot.compiled:
        return None
    return {head: f"{_word(start)}: {_word(head)}" for start, head in sorted(heads.items())}


def edit_for(snapshot: Snapshot, *, create: bool = False) -> Edit | None:
    """The edit that updates the lock, or with ``create`` creates one if there is none.

    Returns:
        ``None`` if the lock is current, cannot be read, or is not wanted; and if the heads are
        unknown.
    """
    lock = snapshot.lock
    before = None if lock is None else lock.data
    if before is None and not (lock is None and create):
        return None
    lines = expected_lines(snapshot)
    if lines is None or (before is not None and in_step(before, lines)):
        return None
    return Edit(snapshot.environment.lock_path, before, text_of(snapshot, lines, before or b""))


def in_step(data: bytes, lines: Mapping[str, str]) -> bool:
    """Whether a lock has exactly these lines, each once."""
    return sorted(line.text for line in read_lines(data)) == sorted(lines.values())


def text_of(snapshot: Snapshot, lines: Mapping[str, str], like: bytes) -> bytes:
    """A lock with these lines, and the line ends of another.

    It names commands as everybody in the project types them, whoever writes it.
    """
    end = "\r\n" if b"\r\n" in like else "\n"
    parts = (f"# the chain on {line.partition(': ')[0]}\n{line}\n" for line in lines.values())
    typed = "flask db fixchain" if snapshot.environment.uses_flask else "fixchain"
    note, last = (text.replace("{fixchain}", typed) for text in (_NOTE, _END))
    text = "\n".join((note, *parts, last))
    return text.replace("\n", end).encode()


def _word(id_: str) -> str:
    """An id, or its Python literal if it cannot be written on a line."""
    return id_ if id_.isprintable() and id_ == id_.strip() else ascii(id_)
