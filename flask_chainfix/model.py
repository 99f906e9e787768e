"""The data that everything else speaks of, frozen and without behaviour of its own.

The types of which there is one for each migration file are named tuples: creating a frozen
dataclass costs several times as much, and a check of 10,000 revisions creates 10,000 of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple


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
            they are computed.
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


class Unreadable(NamedTuple):
    """A file that Alembic would try to load and that has no header to read.

    Attributes:
        reason: why, in words that complete "``x.py`` …".
        remedy: what to do about it.
        line: 1-based line of the place; ``None`` where there is none.
    """

    reason: str
    remedy: str
    line: int | None = None


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
    def path(self) -> Path:
        """Where the file is; made when it is asked for, because making paths is slow."""
        return self.directory / self.name


class Severity(Enum):
    """How bad a finding is: errors stop Alembic, warnings may, infos do not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Location(NamedTuple):
    """A place that a finding is about: a file and, where there is one, a 1-based line."""

    path: Path
    line: int | None


@dataclass(frozen=True)
class Finding:
    """One fault of the chain.

    Attributes:
        code: stable, ``FC101`` for example; its meaning never changes.
        name: the code in words, ``multiple-bases`` for example.
        noun: what was found, ``base`` for example.
        number: how many of it.
        severity: how bad it is here.
        message: what is wrong, one sentence.
        breaks: what stops working because of it.
        hint: what to do about it.
        revisions: ids that the finding is about, sorted.
        locations: where to look.
        repairable: whether ``repair`` mends it.
    """

    code: str
    name: str
    noun: str
    number: int
    severity: Severity
    message: str
    breaks: str
    hint: str
    revisions: tuple[str, ...]
    locations: tuple[Location, ...]
    repairable: bool


@dataclass(frozen=True)
class Settings:
    """What the ``[fixchain]`` section says.

    Attributes:
        ignore: codes of findings that are not to be reported.
        intended_bases: bases that are meant to stand beside the main one.
    """

    ignore: frozenset[str] = frozenset()
    intended_bases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Environment:
    """A migration environment, as Alembic's configuration describes it.

    Attributes:
        directory: the script location, absolute: it holds ``env.py``.
        version_locations: the directories that hold migrations, absolute, in Alembic's order.
        recursive: whether migrations are also looked for below these directories.
        sourceless: whether compiled migrations without a source count.
        settings: the ``[fixchain]`` section.
        uses_flask: whether ``env.py`` belongs to Flask-Migrate.
    """

    directory: Path
    version_locations: tuple[Path, ...]
    recursive: bool = False
    sourceless: bool = False
    settings: Settings = Settings()
    uses_flask: bool = False


class Reason(NamedTuple):
    """Why a part of a plan is as it is: a stable word for scripts, a sentence for people."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Relink:
    """A revision whose parents change.

    Attributes:
        revision: its id.
        path: its file.
        before: its parents as the file names them now.
        after: its parents after the repair.
        why: the reasons, the most important first.
    """

    revision: str
    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    why: tuple[Reason, ...]


@dataclass(frozen=True)
class NewRevision:
    """A migration file that the repair adds.

    Attributes:
        revision: its id.
        path: its file; ``None`` until Alembic's template has been asked for the name.
        location: the version location that it goes to.
        message: its message.
        down_revision: its parents.
        why: the reasons.
    """

    revision: str
    path: Path | None
    location: Path
    message: str
    down_revision: tuple[str, ...]
    why: tuple[Reason, ...]


@dataclass(frozen=True)
class Plan:
    """How a chain is to be repaired.

    Attributes:
        strategy: the name of the strategy that made it.
        relinks: files to rewrite, in the order of the repaired chain.
        new_revisions: files to add.
        order: every revision of the repaired lineage, base first.
    """

    strategy: str
    relinks: tuple[Relink, ...]
    new_revisions: tuple[NewRevision, ...]
    order: tuple[str, ...]


@dataclass(frozen=True)
class Edit:
    """One file's change, to be made only if the file still holds ``before``.

    Attributes:
        path: the file.
        before: its bytes now; ``None`` for a file that is not there yet.
        after: its bytes afterwards.
    """

    path: Path
    before: bytes | None
    after: bytes


@dataclass(frozen=True)
class Confirmation:
    """What Alembic itself said of the files on the disk.

    Attributes:
        by: name and version, ``alembic 1.20.1`` for example.
        bases: ids, sorted.
        heads: ids, sorted.
        heads_output: what ``heads`` printed.
        history_output: what ``history`` printed.
    """

    by: str
    bases: tuple[str, ...]
    heads: tuple[str, ...]
    heads_output: str
    history_output: str
