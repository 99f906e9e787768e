"""What is wrong with a chain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.remedies import Remedy


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
    hint: Remedy
    revisions: tuple[str, ...]
    locations: tuple[Location, ...]
    repairable: bool
