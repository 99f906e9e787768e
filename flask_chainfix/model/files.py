"""Migration files and their headers, edits, and the files beside them.

Types with one instance per migration file are named tuples: creating a frozen dataclass costs
several times as much, and a check of 10,000 revisions creates 10,000 of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass

COMPILED = (".pyc", ".pyo")


class Span(NamedTuple):
    """A half-open range of byte offsets in a file: ``data[start:end]``."""

    start: int
    end: int


class ProblemKind(Enum):
    """Why a part of a header could not be read as it should be."""

    COMPUTED = "computed"
    NOT_A_STRING = "not a string"


class Problem(NamedTuple):
    """One header variable that could not be read.

    Attributes:
        name: the variable, for example ``down_revision``.
        kind: the kind of problem.
        detail: the reason, in words that complete "``down_revision`` …".
        offset: byte offset of the place in the file.
    """

    name: str
    kind: ProblemKind
    detail: str
    offset: int


class Header(NamedTuple):
    """The header of a migration file, read without running it.

    Attributes:
        revision: the id; ``None`` if it is computed.
        down_revision: parents in the order of the file, ``()`` for a base; ``None`` if they are
            computed, or not strings.
        branch_labels: labels, ``()`` for none; ``None`` if they are computed.
        depends_on: ids or labels, ``()`` for none; ``None`` if they are computed.
        message: first paragraph of the docstring, as Alembic shows it; ``""`` without one.
        revises: the text after ``Revises:`` in the docstring; ``None`` without such a line.
        revision_id: the text after ``Revision ID:``; ``None`` without such a line.
        create_date: the text after ``Create Date:``; ``None`` without such a line.
        spans: byte span of each of the above that the file contains unescaped, by attribute name.
            For the four variables it is the span of the value's expression: of a tuple with its
            brackets, but without brackets around any other value.
        problems: what could not be read, in the order of the file.
    """

    revision: str | None
    down_revision: tuple[str, ...] | None
    branch_labels: tuple[str, ...] | None
    depends_on: tuple[str, ...] | None
    message: str
    revises: str | None
    revision_id: str | None
    create_date: str | None
    spans: Mapping[str, Span]
    problems: tuple[Problem, ...] = ()


class Ignore(NamedTuple):
    """A comment that hides findings about its file.

    Attributes:
        line: 1-based.
        codes: the codes that it names, in capitals; empty if it names none.
    """

    line: int
    codes: tuple[str, ...]


class Unreadable(NamedTuple):
    """A file that Alembic would try to load, without a readable header.

    Attributes:
        reason: why, in words that complete "``x.py`` …".
        remedy: what to do about it.
        line: 1-based line of the place; ``None`` if there is none.
        stray: whether it appears not to be a migration.
    """

    reason: str
    remedy: str
    line: int | None = None
    stray: bool = False


class MigrationFile(NamedTuple):
    """One file of a version location that Alembic loads.

    Attributes:
        directory: its directory, absolute.
        name: its name there.
        data: the bytes on the disk; ``b""`` if they could not be read.
        reading: the result of ``source``.
    """

    directory: Path
    name: str
    data: bytes
    reading: Header | Unreadable

    @property
    def is_compiled(self) -> bool:
        """Whether it is a compiled migration without a source, which is not read."""
        return self.name.endswith(COMPILED)

    @property
    def path(self) -> Path:
        """The path of the file, made on demand because that is slow."""
        return self.directory / self.name

    @property
    def requirements(self) -> tuple[str, ...]:
        """The parents and dependencies that it names; empty if it is unreadable."""
        named = () if isinstance(self.reading, Unreadable) else self.reading[1:4:2]
        return tuple(name for names in named for name in names or ())


@dataclass(frozen=True)
class Edit:
    """A change of one file, made only if the file still holds ``before``.

    Attributes:
        path: the file.
        before: its current bytes; ``None`` for a new file.
        after: its bytes afterwards; ``None`` to delete the file.
    """

    path: Path
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True)
class ChainLock:
    """The file beside the migrations that names the heads.

    Attributes:
        path: the file.
        data: its bytes; ``None`` if they could not be read.
        problem: why not, in words that complete "``chain.lock`` …".
    """

    path: Path
    data: bytes | None
    problem: str = ""


# --- Files that run ``check`` ---------------------------------------------------------------------


class HookState(Enum):
    """What was done, or will be done, to a file."""

    SHOWN = "shown"
    PLANNED = "planned"
    WRITTEN = "written"
    THERE = "there"
    REFUSED = "refused"


@dataclass(frozen=True)
class HookFile:
    """A file with a hook, a job or a checklist, or one that will have it.

    Attributes:
        name: its name for people.
        path: the file.
        text: the lines to add, for copying.
        state: what was done to it.
        edit: the edit that creates the file, if it is to be written.
        detail: why it is left alone, or how its lines differ.
        settings: values that Git must set in it, because only Git writes its configuration.
    """

    name: str
    path: Path
    text: str
    state: HookState
    edit: Edit | None = None
    detail: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
