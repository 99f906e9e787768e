"""What is wrong with a chain."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy

# Every kind of finding; a rule with any other code cannot be registered.
CODES = frozenset(
    f"FC{number}"
    for family in (range(101, 114), range(201, 207), range(301, 308), (401, 402), range(501, 505))
    for number in family
)


class Severity(Enum):
    """How bad a finding is: errors stop Alembic, warnings may, infos do not."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Location(NamedTuple):
    """A place that a finding is about.

    Attributes:
        path: the file.
        line: 1-based; ``None`` if there is none.
        ref: the Git revision that has the file, as the user calls it; ``""`` for the disk.
        commit: the abbreviated hash of that revision.
    """

    path: Path
    line: int | None
    ref: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Finding:
    """One fault of the chain.

    Attributes:
        code: stable, for example ``FC101``; its meaning never changes.
        name: the code in words, for example ``multiple-bases``.
        noun: what was found, for example ``base``.
        number: how many were found.
        severity: its severity here.
        message: what is wrong, one sentence.
        breaks: what stops working because of it.
        hint: what to do about it.
        revisions: ids that the finding is about, sorted.
        locations: where to look.
        repairable: whether ``repair`` mends it.
        databases: the names of the databases that it is about.
    """

    code: str
    name: str
    noun: str
    number: int
    severity: Severity
    message: str
    breaks: str
    hint: Remedy
    revisions: tuple[str, ...]
    locations: tuple[Location, ...]
    repairable: bool
    databases: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[str, tuple[str, ...]]:
        """The key that identifies the finding in a chain: code and revisions."""
        return self.code, self.revisions


# --- The explanation of a kind of finding --------------------------------------------------------


@dataclass(frozen=True)
class Explanation:
    """The explanation of one code, independent of findings.

    The texts are paragraphs, each on one line, with a blank line between them, except for the
    example; ``{alembic}`` and ``{fixchain}`` in them stand for the commands.

    Attributes:
        code: for example ``FC102``.
        name: for example ``multiple-heads``.
        severity: the usual severity of such a finding.
        summary: what it is, one sentence.
        meaning: what that means.
        breaks: what stops working because of it, as in findings.
        origin: how it happens.
        repair: how to repair it.
        example: files with their names in comments, and commands, line by line.
    """

    code: str
    name: str
    severity: Severity
    summary: str
    meaning: str
    breaks: str
    origin: str
    repair: str
    example: str
