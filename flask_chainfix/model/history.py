"""What version control knows: when files landed, and what others already have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import Enum
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


# --- What merges would be, before anybody merges -------------------------------------------------


class Change(NamedTuple):
    """The commit that last changed a file.

    Attributes:
        commit: its abbreviated hash.
        author: who wrote it, by name.
        date: the day on which that was, ``2024-01-31`` for example.
    """

    commit: str
    author: str
    date: str

    def __str__(self) -> str:
        return f"commit {self.commit} by {self.author}, {self.date}"


class Conflict(NamedTuple):
    """A file of which Git leaves to people what becomes of it in a merge.

    Attributes:
        path: where it lies, or would.
        kind: what is the matter, as Git calls it: ``contents``, ``modify/delete``, …
    """

    path: Path
    kind: str


@dataclass(frozen=True)
class Side:
    """One of two sides that are to be merged.

    Attributes:
        ref: the Git revision, as the user calls it; ``""`` for what lies on the disk.
        files: its migrations.
        lock: its chain lock.
        commit: the abbreviated hash of its commit, which for what lies on the disk is below it.
        shared: the identities of migrations that every other side has as well, as far as known.
    """

    ref: str
    files: tuple[MigrationFile, ...]
    lock: ChainLock | None = None
    commit: str = ""
    shared: frozenset[int] = field(default=frozenset(), repr=False, compare=False)
    _beside: dict[int, tuple[Side, list[MigrationFile]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return self.ref or "yours"

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of its migrations."""
        return frozenset(filter(None, map(id_of, self.files)))

    @cached_property
    def held(self) -> frozenset[int]:
        """The identities of its migrations: what two sides have in common is one object."""
        return frozenset(map(id, self.files))

    @cached_property
    def _own(self) -> list[MigrationFile]:
        return [file for file in self.files if id(file) not in self.shared]

    def unshared(self, other: Side) -> list[MigrationFile]:
        """The files that are not the very objects that the other side has."""
        return [file for file in self._own if id(file) not in other.held]

    def ids_beside(self, other: Side) -> frozenset[str]:
        """The ids of the migrations that the other side does not have."""
        return frozenset(filter(None, map(id_of, self.files_beside(other))))

    def files_beside(self, other: Side) -> list[MigrationFile]:
        """The migrations that the other side does not have, under their ids or at all."""
        if id(other) not in self._beside:
            new = [
                file
                for file in self.unshared(other)
                if id_of(file) not in other.ids or other.differs_from(file)
            ]
            self._beside[id(other)] = other, new
        return self._beside[id(other)][1]

    def differs_from(self, file: MigrationFile) -> bool:
        """Whether the id of a file is that of another migration here: in another file."""
        same = (each for each in self.files if id_of(each) == id_of(file))
        return all(each.path != file.path and each.data != file.data for each in same)


def shared_by(sides: Iterable[Side]) -> frozenset[int]:
    """The identities of the migrations that all of some sides have."""
    held = {id(side): side.held for side in sides}
    return frozenset.intersection(*held.values()) if held else frozenset()


def id_of(file: MigrationFile) -> str | None:
    """The id of a migration; ``None`` where none is known."""
    return file.reading.revision if isinstance(file.reading, Header) else None


class Meeting(NamedTuple):
    """A chain in which one side of a merge stands on top of the other.

    Attributes:
        above: the name of the side on top.
        files: its migrations.
    """

    above: str
    files: tuple[MigrationFile, ...]


class Settling(Enum):
    """What makes a sound chain of a merge."""

    NOTHING = "the merge itself"
    REBASE = "rebase"
    REPAIR = "repair"


@dataclass(frozen=True)
class Merge:
    """What Git would make of two sides; nothing was merged for that.

    Attributes:
        mine: the side that merges.
        theirs: the side that is merged.
        files: the migrations that would be there afterwards.
        lock: the chain lock that would.
        conflicts: the migrations, and the chain lock, at which Git would stop.
        others: how many files of other kinds it would stop at.
        to_commit: files of mine that are not committed, or not as they are on the disk.
        is_gate: whether what is merged has landed, so that mine come on top of it.
        tracking: the remote that ``git fetch`` asks about it; ``""`` for none.
        settling: what makes a sound chain of it.
        meetings: both sides in one line, for each order in which they can land, where what they do
            to the schema may be in conflict.
        changes: the commits that last changed migrations of either side, by id.
    """

    mine: Side
    theirs: Side
    files: tuple[MigrationFile, ...]
    lock: ChainLock | None = None
    conflicts: tuple[Conflict, ...] = ()
    others: int = 0
    to_commit: tuple[Path, ...] = ()
    is_gate: bool = True
    tracking: str = ""
    settling: Settling = Settling.NOTHING
    meetings: tuple[Meeting, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """Whether it is another chain than that of either side."""
        return self.files not in (self.mine.files, self.theirs.files)

    @property
    def resolved(self) -> tuple[MigrationFile, ...]:
        """The migrations, with those at which Git would stop as the other side has them."""
        if not self.conflicts:
            return self.files
        stopped = {conflict.path for conflict in self.conflicts}
        taken = (file for file in self.theirs.files if file.path in stopped)
        return (*(file for file in self.files if file.path not in stopped), *taken)


class Fit(Enum):
    """How two branches go together."""

    WELL = "fits"
    REBASE = "needs a rebase"
    STOPS = "stops Git"
    ORDER = "one order only"
    CONFLICT = "cannot land together"


class Pair(NamedTuple):
    """Two branches, and how they go together.

    Attributes:
        one: the name of the first, ``yours`` for what lies on the disk.
        other: that of the second.
        fit: how they do.
        detail: what there is to say of that.
    """

    one: str
    other: str
    fit: Fit
    detail: str = ""


@dataclass(frozen=True)
class Queue:
    """How branches can land that have not yet.

    Attributes:
        pairs: every two of them, and each with what has landed.
        order: one in which all can, each rebased onto those before; ``None`` where there is none.
    """

    pairs: tuple[Pair, ...]
    order: tuple[str, ...] | None
