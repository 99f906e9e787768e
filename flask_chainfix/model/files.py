"""Migration files and what they say of themselves.

The types of which there is one for each migration file are named tuples: creating a frozen
dataclass costs several times as much, and a check of 10,000 revisions creates 10,000 of each.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        kind: what is the matter with it.
        detail: the reason, in words that complete "``down_revision`` …".
        offset: byte offset of the place in the file.
    """

    name: str
    kind: ProblemKind
    detail: str
    offset: int


class Header(NamedTuple):
    """What a migration file says of itself, read without running it.

    Attributes:
        revision: the id; ``None`` where it is computed.
        down_revision: parents in the order of the file, ``()`` for a base; ``None`` where
            they are computed, or are no strings.
        branch_labels: labels, ``()`` for none; ``None`` where they are computed.
        depends_on: ids or labels, ``()`` for none; ``None`` where they are computed.
        message: first paragraph of the docstring, as Alembic shows it; ``""`` without one.
        revises: the text after ``Revises:`` in the docstring; ``None`` without such a line.
        revision_id: the text after ``Revision ID:``; ``None`` without such a line.
        create_date: the text after ``Create Date:``; ``None`` without such a line.
        spans: byte span of each of the above that the file holds unescaped, by attribute name.
            For the four variables it is that of the value's expression: of a tuple with its
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
        codes: which, in capitals; none where it names none.
    """

    line: int
    codes: tuple[str, ...]


class Unreadable(NamedTuple):
    """A file that Alembic would try to load and that has no header to read.

    Attributes:
        reason: why, in words that complete "``x.py`` …".
        remedy: what to do about it.
        line: 1-based line of the place; ``None`` where there is none.
        stray: whether it is no migration, as far as anything tells.
    """

    reason: str
    remedy: str
    line: int | None = None
    stray: bool = False


class MigrationFile(NamedTuple):
    """One file of a version location that Alembic loads.

    Attributes:
        directory: the directory that it lies in, absolute.
        name: its name there.
        data: the bytes on the disk; ``b""`` where they could not be read.
        reading: what ``source`` made of them.
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
        """Where the file is; made when it is asked for, because making paths is slow."""
        return self.directory / self.name


@dataclass(frozen=True)
class Edit:
    """One file's change, to be made only if the file still holds ``before``.

    Attributes:
        path: the file.
        before: its bytes now; ``None`` for a file that is not there yet.
        after: its bytes afterwards; ``None`` for a file that is to go.
    """

    path: Path
    before: bytes | None
    after: bytes | None
