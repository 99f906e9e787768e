"""What version control knows of migration files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.model.plans import Mend


class Arrival(NamedTuple):
    """The commit of the main branch, by first parents, that brought a file: often a merge.

    Attributes:
        commit: its abbreviated hash.
        date: when it was committed, aware.
    """

    commit: str
    date: datetime


class Landing(NamedTuple):
    """The commit that first added a file.

    Attributes:
        position: its place among all, smaller is earlier. What the main branch has comes first, in
            the order in which it got it; what arrived together, and what it has not, in the order
            of the commits: none comes before its parents, and otherwise the dates decide.
        commit: its abbreviated hash.
        date: when it was committed, aware.
        arrival: the commit that brought it to the main branch; ``None`` where that has it not, or
            is not known.
    """

    position: int
    commit: str
    date: datetime
    arrival: Arrival | None = None


@dataclass(frozen=True)
class History:
    """When the files of an environment landed in version control.

    Attributes:
        landings: by the absolute path of the file as it was read; a file that was never
            committed has none.
        notices: what keeps the history from being complete, for the user, each once.
        renamed: the paths as they were read of files that have other ones now, by the new path.
    """

    landings: Mapping[Path, Landing] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    renamed: Mapping[Path, Path] = field(default_factory=dict)

    def after(self, mends: Iterable[Mend]) -> History:
        """The same history of files of which some have got other names."""
        renamed = dict(self.renamed)
        for mend in mends:
            old, new = mend.edits[0].path, mend.edits[-1].path
            if old != new:
                renamed[new] = renamed.get(old, old)
        return replace(self, renamed=renamed)

    def landing(self, path: Path) -> Landing | None:
        """The commit that first added a file, also where it has another name now."""
        return self.landings.get(self.renamed.get(path, path))

    def name(self, path: Path) -> str:
        """The name that a file had when it was read: what it is called since tells nothing."""
        return self.renamed.get(path, path).name
