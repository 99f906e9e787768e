"""What version control knows of migration files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple


class Landing(NamedTuple):
    """The commit that first added a file.

    Attributes:
        position: its place among all commits, smaller is earlier: no commit comes before its
            parents, and otherwise the dates decide.
        commit: its abbreviated hash.
        date: when it was committed, aware.
    """

    position: int
    commit: str
    date: datetime


@dataclass(frozen=True)
class History:
    """When the files of an environment landed in version control.

    Attributes:
        landings: by the absolute path of the file as it was read; a file that was never
            committed has none.
        notices: what keeps the history from being complete, for the user, each once.
    """

    landings: Mapping[Path, Landing] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
