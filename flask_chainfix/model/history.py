"""What version control knows: when files landed, and what others already have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import ref_word
from flask_chainfix.model.files import Header, MigrationFile
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
        author: who made it.
    """

    position: int
    commit: str
    date: datetime
    arrival: Arrival | None = None
    author: str = ""


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


# --- What others build on and have installed, as the repository around the migrations knows it ---


@dataclass(frozen=True)
class Upstream:
    """A Git revision with a chain on which others build.

    Attributes:
        ref: its name, as users know it.
        operation: what Git is in the middle of, as it is called on its command line (``merge``,
            ``rebase``, …); ``""`` for nothing.
    """

    ref: str
    operation: str = ""

    @property
    def typed(self) -> str:
        """Its name for a shell."""
        return ref_word(self.ref)


@dataclass(frozen=True)
class PublishedChain:
    """A chain that databases run which nobody here can ask: the main branch's, or a release's.

    Attributes:
        name: how users know it: ``the main branch (origin/main)``, ``the release v1.2``.
        ref: what Git calls it.
        short: the same, as short as users type it.
        files: its migrations.
        is_main: whether it is that of the main branch.
        is_line: whether its first parents tell when something landed: those of the main branch, and
            of the local branch of that name, which may be ahead.
    """

    name: str
    ref: str
    short: str
    files: tuple[MigrationFile, ...]
    is_main: bool = False
    is_line: bool = False

    @cached_property
    def revisions(self) -> frozenset[str]:
        """The ids of its migrations."""
        readings = (file.reading for file in self.files)
        ids = (each.revision for each in readings if isinstance(each, Header))
        return frozenset(id_ for id_ in ids if id_ is not None)


# --- What a chain is held against: the lock beside it, and what others have of it already --------


@dataclass(frozen=True)
class ChainLock:
    """The file beside the migrations that names the heads.

    Attributes:
        path: the file.
        data: its bytes; ``None`` where they could not be read.
        problem: why not, in words that complete "``chain.lock`` …".
    """

    path: Path
    data: bytes | None
    problem: str = ""


@dataclass(frozen=True)
class Published:
    """The migrations that others have already.

    Attributes:
        ref: the Git revision that has them, as the user calls it.
        files: what Alembic would load of it.
        allowed: revisions that may change all the same.
    """

    ref: str
    files: tuple[MigrationFile, ...]
    allowed: frozenset[str] = frozenset()
