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
from flask_chainfix.model.files import ChainLock, Header, MigrationFile
from flask_chainfix.model.plans import Mend


class Arrival(NamedTuple):
    """The commit of the main branch, by first parents, that brought a file: often a merge.

    Attributes:
        commit: its abbreviated hash.
        date: the committer date, timezone-aware.
    """

    commit: str
    date: datetime


class Landing(NamedTuple):
    """The commit that first added a file.

    Attributes:
        position: its rank among all, smaller is earlier. Files on the main branch come first, in
            the order in which they arrived; files that arrived together, and files that are not on
            it, are in the order of the commits: parents first, then by date.
        commit: its abbreviated hash.
        date: the committer date, timezone-aware.
        arrival: the commit that brought it to the main branch; ``None`` if it is not there, or that
            is unknown.
        author: its author.
    """

    position: int
    commit: str
    date: datetime
    arrival: Arrival | None = None
    author: str = ""


@dataclass(frozen=True)
class GitHistory:
    """When the files of an environment landed in version control.

    Attributes:
        landings: by the absolute path of the file as it was read, without files that were never
            committed.
        notices: why the history is incomplete, for the user, each once.
        renamed: the paths as they were read of files that were renamed since, by the new path.
        cut_off: the files, as they were read, that a shallow clone has from its beginning: others
            than the commits in ``landings`` may have added them.
    """

    landings: Mapping[Path, Landing] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    renamed: Mapping[Path, Path] = field(default_factory=dict)
    cut_off: frozenset[Path] = frozenset()

    def after(self, mends: Iterable[Mend]) -> GitHistory:
        """The same history after some files were renamed."""
        renamed = dict(self.renamed)
        for mend in mends:
            old, new = mend.edits[0].path, mend.edits[-1].path
            if old != new:
                renamed[new] = renamed.get(old, old)
        return replace(self, renamed=renamed)

    def landing(self, path: Path) -> Landing | None:
        """The commit that first added a file, also if it was renamed."""
        return self.landings.get(self.renamed.get(path, path))

    def is_cut_off(self, path: Path) -> bool:
        """Whether a shallow clone does not show when a file landed."""
        return self.renamed.get(path, path) in self.cut_off

    def name(self, path: Path) -> str:
        """The name of a file when it was read, before any renaming."""
        return self.renamed.get(path, path).name


# --- Chains that others build on and have installed, from the repository of the migrations -------


@dataclass(frozen=True)
class PublishedChain:
    """The chain of the main branch or of a release, which databases out of reach may run.

    Attributes:
        name: its name for users: ``the main branch (origin/main)``, ``the release v1.2``.
        ref: its name in Git.
        short: the same, as short as users type it.
        files: its migrations.
        is_main: whether it is the main branch's.
        is_line: whether its first parents show when something landed: the main branch, and the
            local branch of that name, which may be ahead.
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

    @property
    def typed(self) -> str:
        """Its name in Git, for a shell."""
        return ref_word(self.short)


def unpublished(
    above: Iterable[str], chains: Iterable[PublishedChain]
) -> tuple[frozenset[str], tuple[PublishedChain, ...]]:
    """Tell what nobody else has yet among the revisions that the main branch does not have.

    Args:
        above: these revisions.
        chains: the chain of the main branch, then those of others, for example of a fork's parent.

    Returns:
        The revisions that none of the others has; and the chains below them: that of the main
        branch, and those that have the rest, each with more of it than those before.
    """
    left, (main, *others) = frozenset(above), chains
    having = [main]
    for each in others:
        # The local branch of the same name may have mine, if I work on it.
        if not (each.is_line or each.revisions.isdisjoint(left)):
            having.append(each)
            left -= each.revisions
    return left, tuple(having)


# --- What a chain is compared with: the lock beside it, and what others already have -------------


@dataclass(frozen=True)
class ReferenceChain:
    """The chain of a Git revision, with which the current one is compared.

    Attributes:
        ref: the Git revision, as the user calls it.
        files: the files that Alembic would load there.
        allowed: revisions that may differ from it.
        commit: the abbreviated hash of the older commit that the files are from; ``""`` for none.
        newer: the files that the Git revision has now, if they are from an older commit.
    """

    ref: str
    files: tuple[MigrationFile, ...]
    allowed: frozenset[str] = frozenset()
    commit: str = ""
    newer: tuple[MigrationFile, ...] | None = None


# --- The results of merges, before anybody merges ------------------------------------------------


class LastCommit(NamedTuple):
    """The commit that last changed a file.

    Attributes:
        commit: its abbreviated hash.
        author: its author's name.
        date: its day, for example ``2024-01-31``.
    """

    commit: str
    author: str
    date: str

    def __str__(self) -> str:
        return f"commit {self.commit} by {self.author}, {self.date}"


class Conflict(NamedTuple):
    """A file with a conflict in a merge.

    Attributes:
        path: its path after the merge.
        kind: Git's name of the conflict: ``contents``, ``modify/delete``, …
    """

    path: Path
    kind: str


@dataclass(frozen=True)
class Side:
    """One of the two sides of a merge; equal files are one object, so ``id`` compares them fast.

    Attributes:
        ref: the Git revision, as the user calls it; ``""`` for the files on the disk.
        files: its migrations.
        lock: its chain lock.
        commit: the abbreviated hash of its commit; for the files on the disk, of the commit below.
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
        """Its name in a sentence."""
        return self.ref or "yours"

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of its migrations."""
        return frozenset(filter(None, map(id_of, self.files)))

    @cached_property
    def held(self) -> frozenset[int]:
        """The identities of its migrations: sides share the objects that they have in common."""
        return frozenset(map(id, self.files))

    @cached_property
    def _own(self) -> list[MigrationFile]:
        return [file for file in self.files if id(file) not in self.shared]

    def unshared(self, other: Side) -> list[MigrationFile]:
        """The files that are not the same objects as the other side's."""
        return [file for file in self._own if id(file) not in other.held]

    def ids_only_here(self, other: Side) -> frozenset[str]:
        """The ids of the migrations that the other side does not have."""
        return frozenset(filter(None, map(id_of, self.files_only_here(other))))

    def files_only_here(self, other: Side) -> list[MigrationFile]:
        """The migrations that the other side does not have, by id or at all."""
        if id(other) not in self._beside:
            new = [
                file
                for file in self.unshared(other)
                if id_of(file) not in other.ids or other._has_another(file)
            ]
            self._beside[id(other)] = other, new
        return self._beside[id(other)][1]

    def _has_another(self, file: MigrationFile) -> bool:
        """Whether another migration has the id of a file here."""
        same = (each for each in self.files if id_of(each) == id_of(file))
        return all(each.path != file.path and each.data != file.data for each in same)


def shared_by(sides: Iterable[Side]) -> frozenset[int]:
    """The identities of the migrations that all sides have."""
    held = {id(side): side.held for side in sides}
    return frozenset.intersection(*held.values()) if held else frozenset()


def id_of(file: MigrationFile) -> str | None:
    """The id of a migration; ``None`` if it is unknown."""
    return file.reading.revision if isinstance(file.reading, Header) else None


class Rebased(NamedTuple):
    """A chain with one side of a merge on top of the other.

    Attributes:
        above: the name of the side on top.
        files: its migrations.
    """

    above: str
    files: tuple[MigrationFile, ...]


class AfterMerge(Enum):
    """What must be run after a merge to make it a sound chain."""

    NOTHING = "the merge itself"
    LOCK = "lock"
    REBASE = "rebase"
    REPAIR = "repair"


@dataclass(frozen=True)
class Merge:
    """Git's result of merging two sides, which are not really merged.

    Attributes:
        mine: the side that merges.
        theirs: the side that is merged.
        files: the migrations after the merge.
        lock: the chain lock after the merge.
        conflicts: the migrations, and the chain lock, with conflicts.
        others: how many other files have conflicts.
        to_commit: files of mine that are not committed, or differ from the disk.
        lock_first: whether the chain lock of mine is outdated, and has to be written first.
        is_gate: whether the merged side has landed, so that mine come on top of it.
        fetch: the command that updates the merged side; ``""`` if no remote has it.
        after_merge: what must be run after it to make it a sound chain.
        rebased: both sides in one line, for each order in which they can land, if their changes to
            the schema may conflict.
        changes: the commits that last changed migrations of either side, by id.
    """

    mine: Side
    theirs: Side
    files: tuple[MigrationFile, ...]
    lock: ChainLock | None = None
    conflicts: tuple[Conflict, ...] = ()
    others: int = 0
    to_commit: tuple[Path, ...] = ()
    lock_first: bool = False
    is_gate: bool = True
    fetch: str = ""
    after_merge: AfterMerge = AfterMerge.NOTHING
    rebased: tuple[Rebased, ...] = ()
    changes: Mapping[str, LastCommit] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """Whether its chain differs from both sides."""
        return self.files not in (self.mine.files, self.theirs.files)

    @property
    def takes_away(self) -> bool:
        """Whether the other side has moved or removed what was here, so that the merge does."""
        return not (self.theirs.files or self.mine.held.issubset(map(id, self.files)))

    @property
    def resolved(self) -> tuple[MigrationFile, ...]:
        """The migrations, with the other side's version of those with conflicts."""
        if not self.conflicts:
            return self.files
        stopped = {conflict.path for conflict in self.conflicts}
        taken = (file for file in self.theirs.files if file.path in stopped)
        return (*(file for file in self.files if file.path not in stopped), *taken)


class Fit(Enum):
    """Whether two branches can land together."""

    WELL = "fits"
    REBASE = "needs a rebase"
    STOPS = "stops Git"
    ORDER = "one order only"
    CONFLICT = "cannot land together"


class BranchPair(NamedTuple):
    """Two branches, and whether they can land together.

    Attributes:
        one: the name of the first, ``yours`` for the files on the disk.
        other: the name of the second.
        fit: whether they can.
        detail: details of that.
    """

    one: str
    other: str
    fit: Fit
    detail: str = ""


@dataclass(frozen=True)
class Queue:
    """An order in which several branches can land.

    Attributes:
        pairs: each two of them, and each with what has landed.
        order: an order in which all can land, each rebased onto those before; ``None`` if there is
            none.
    """

    pairs: tuple[BranchPair, ...]
    order: tuple[str, ...] | None
