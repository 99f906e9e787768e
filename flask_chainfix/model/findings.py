"""What is wrong with a chain."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy

# Every kind of finding there is; a rule with any other code cannot be registered.
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
        line: 1-based; ``None`` where there is none.
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
    hint: Remedy
    revisions: tuple[str, ...]
    locations: tuple[Location, ...]
    repairable: bool

    @property
    def about(self) -> tuple[str, tuple[str, ...]]:
        """What tells it from the other findings about a chain: code and revisions."""
        return self.code, self.revisions


# --- What there is to know of a kind of finding --------------------------------------------------


@dataclass(frozen=True)
class Explanation:
    """What one code means, whatever was found.

    The texts are paragraphs with a blank line between them, each on one line, but for the example;
    ``{alembic}`` and ``{fixchain}`` in them stand for what runs the commands.

    Attributes:
        code: ``FC102`` for example.
        name: ``multiple-heads`` for example.
        severity: how bad such a finding usually is.
        summary: what it is, one sentence.
        meaning: what that means.
        breaks: what stops working because of it, as findings have it.
        origin: how it happens.
        repair: how it is repaired.
        example: files with their names in comments, and what to type, line by line.
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
