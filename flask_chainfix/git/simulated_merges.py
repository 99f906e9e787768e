"""The results of merges, which Git computes in a temporary repository."""

from __future__ import annotations

import os
import re
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import combinations
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.common.wording import count, listing
from flask_chainfix.git.merge_bases import Pair
from flask_chainfix.git.past import TreeReader, cannot_read, last_commit, version_roots
from flask_chainfix.git.program import Unknown
from flask_chainfix.git.repositories import ABBREVIATED, Repository, repositories_of
from flask_chainfix.git.scratch_repository import DISK, ScratchRepository
from flask_chainfix.git.tree import Tree
from flask_chainfix.model.files import ChainLock, MigrationFile
from flask_chainfix.model.history import Conflict, LastCommit, Merge, Side, shared_by

_SINCE = (2, 39)  # the version of Git that can merge several pairs without a work tree


class Merges(NamedTuple):
    """The results of merges, and what the sides have in common.

    Attributes:
        base: the migrations at the merge base of REF and the checked-out commit, without those
            that a sparse checkout leaves out.
        commit: its abbreviated hash.
        absent: the version locations that did not exist.
        merges: the merge of REF with the files on the disk, then the merges of other branches.
        notices: why some merges are unknown.
    """

    base: Snapshot
    commit: str
    absent: tuple[Path, ...]
    merges: tuple[Merge, ...]
    notices: tuple[str, ...]


class Merging:
    """The repositories around a chain, to merge and to read commits.

    Args:
        scratches: one for each repository.
        now: the files on the disk.
    """

    def __init__(self, scratches: Sequence[ScratchRepository], now: Snapshot) -> None:
        self._scratches = scratches
        self._now = now
        self._reader = TreeReader(now)

    def read(self, ref: str, others: Sequence[str]) -> Merges:
        """Read the results of merging REF and others with the files on the disk.

        Raises:
            CannotReadGit: there is no such revision, or the merge base is unknown.
            Unknown: Git cannot merge them.
        """
        names = list(dict.fromkeys([ref, *others]))
        for scratch in self._scratches:
            scratch.find(names, several=len(self._scratches) > 1)
            scratch.find_base(ref)
            scratch.load([scratch.base, *scratch.commits.values()])
        base, absent, _ = self._snapshot([scratch.base for scratch in self._scratches])
        commit = self._scratches[0].base[:ABBREVIATED]
        try:
            merges, unknown = self._merges(ref, names, base)
        except Unknown as reason:
            return Merges(
                base, commit, absent, (), (self._too_old() or _not_simulated(ref, reason),)
            )
        notices = [*unknown]
        if any(scratch.unrelated for scratch in self._scratches):
            notices.append(_foreign(ref))
        left_out = [file for file in base.files if self._is_left_out(file)]
        if left_out:
            notices.append(_sparse(left_out, self._scratches[0].repository))
            kept = (file for file in base.files if file not in left_out)
            base = Snapshot(base.environment, tuple(kept))
        return Merges(base, commit, absent, merges, tuple(notices))

    def _is_left_out(self, file: MigrationFile) -> bool:
        """Whether a sparse checkout leaves out a file."""
        names = ((each, each.name_of(file.directory, file.name)) for each in self._scratches)
        return any(name in scratch.left_out for scratch, name in names)

    def _merges(
        self, ref: str, names: Sequence[str], base: Snapshot
    ) -> tuple[tuple[Merge, ...], tuple[str, ...]]:
        """The merges, and why others are unknown."""
        sides = self._sides(names)
        pairs = [(DISK, name) for name in sides if name]
        pairs += combinations([name for name in sides if name], 2)
        changed = [path for scratch in self._scratches for path in scratch.take_from_disk()]
        if changed:
            self._refuse_other_files()
        # The files on the disk may differ from those in Git.
        added = self._added([pair for pair in pairs if not changed or DISK not in pair], pairs[0])
        for scratch in self._scratches:
            scratch.merge([pair for pair in pairs if pair not in added])
            scratch.load([each.tree for each in scratch.merged.values()])
        found, notices = list[Merge](), dict[str, None]()
        for pair in pairs:
            merge = self._merge(sides[pair[0]], sides[pair[1]], ref, is_added=pair in added)
            is_first = pair == pairs[0]
            empty = [name for name in pair if name and not sides[name].files]
            if base.files and empty and not (merge.files if is_first else _brought(merge)):
                reason = Unknown(self._without_migrations(empty[0]))
                if is_first:
                    raise reason
                notices[_not_simulated(empty[0], reason)] = None
                continue
            if pair[0] == DISK:
                merge = replace(merge, to_commit=tuple(changed))
            if pair[0] == ref:  # others come on top of what has landed
                merge = replace(merge, mine=merge.theirs, theirs=merge.mine)
            found.append(merge)
        return tuple(found), tuple(notices)

    def _sides(self, names: Sequence[str]) -> Mapping[str, Side]:
        """The files on the disk, and those of commits."""
        sides = {DISK: Side(DISK, self._now.files, self._now.lock)}
        for name in names:
            commits = [scratch.commits[name] for scratch in self._scratches]
            there, _, lock = self._snapshot(commits)
            sides[name] = Side(name, there.files, lock, commits[0][:ABBREVIATED])
        shared = shared_by(sides.values())
        return {name: replace(side, shared=shared) for name, side in sides.items()}

    def _merge(self, mine: Side, theirs: Side, ref: str, *, is_added: bool) -> Merge:
        """The merge of two sides; ``is_added`` if it has the migrations of both, and no others."""
        done = []
        if is_added:
            files, lock = _together(mine, theirs), self._lock_of(mine, theirs)
        else:
            done = [scratch.merged[mine.ref, theirs.ref] for scratch in self._scratches]
            there, _, lock = self._snapshot([each.tree for each in done])
            files = self._as_given(there.files, mine, theirs)
        conflicts = tuple(self._named(conflict) for each in done for conflict in each.conflicts)
        brings = conflicts or (files, lock) != (mine.files, mine.lock)
        return Merge(
            mine,
            theirs,
            files,
            lock,
            conflicts,
            sum(each.others for each in done),
            is_gate=ref in (mine.ref, theirs.ref),
            fetch=self._scratches[0].fetch if theirs.ref == ref and brings else "",
        )

    def _without_migrations(self, name: str) -> str:
        """The reason why a merge with a commit is unknown that has no migrations here."""
        places = dict.fromkeys(filter(None, (each.moved_to(name) for each in self._scratches)))
        if not places:
            return f"{name} has no migrations there; it may have moved them"
        return f"{name} has moved the migrations to {listing(places)}; merge it, and check there"

    def _refuse_other_files(self) -> None:
        """Stop if a commit of the files on the disk would not have all migrations.

        Raises:
            Unknown: it would not.
        """
        for scratch in self._scratches:
            scratch.load([scratch.commits[DISK]])
        there, _, _ = self._snapshot([scratch.commits[DISK] for scratch in self._scratches])
        known = {(file.directory, file.name): file.data for file in there.files}
        for file in self._now.files:
            if file.data and known.get((file.directory, file.name)) != file.data:
                raise Unknown(
                    f"{file.name} lies behind a link that is not committed, or leads out of the"
                    " version locations"
                )

    def _lock_of(self, mine: Side, theirs: Side) -> ChainLock | None:
        """The chain lock after a merge in which at most one side has changed it."""
        (scratch,) = self._scratches
        return mine.lock if theirs.lock == scratch.locks.get(scratch.base) else theirs.lock

    def _added(self, pairs: Sequence[Pair], gate: Pair) -> frozenset[Pair]:
        """The pairs whose merge has the migrations of both sides, and no others.

        They need no merge; with many branches, most pairs are like this.
        """
        around = self._now.environment
        one_folder = len(around.version_locations) == 1 and not around.recursive
        if not pairs or not one_folder or around.sourceless:
            return frozenset()
        (scratch,) = self._scratches
        return scratch.sums(pairs, gate)

    def _as_given(
        self, files: tuple[MigrationFile, ...], *sides: Side
    ) -> tuple[MigrationFile, ...]:
        """The files; if a side has the same ones, that side's own tuple."""
        held = frozenset(map(id, files))
        return next((side.files for side in sides if side.held == held), files)

    def _named(self, conflict: Conflict) -> Conflict:
        """A conflict with the path of its file as the environment names it, perhaps by a link."""
        environment = self._now.environment
        for place in (*environment.version_locations, environment.directory):
            real = os.path.realpath(place)
            if conflict.path.is_relative_to(real):
                return conflict._replace(path=place / conflict.path.relative_to(real))
        return conflict

    def _snapshot(
        self, commits: Sequence[str]
    ) -> tuple[Snapshot, tuple[Path, ...], ChainLock | None]:
        """The migrations in a commit or tree of each repository, and the chain lock."""
        trees: dict[str, Tree] = {}
        lock = None
        for scratch, commit in zip(self._scratches, commits, strict=True):
            trees.update(dict.fromkeys(scratch.roots, scratch.tree(commit)))
            lock = lock or scratch.locks.get(commit)
        there, absent = self._reader.snapshot(trees)
        return there, absent, lock

    def _too_old(self) -> str:
        """The message if Git is too old for this; otherwise ``""``."""
        said = self._scratches[0].repository.git("version").decode(errors="replace")
        found = re.search(r"(\d+)\.(\d+)[\d.]*", said)
        if found is None or (int(found[1]), int(found[2])) >= _SINCE:
            return ""
        wanted = ".".join(map(str, _SINCE))
        return (
            f"what a merge would be is only known with Git {wanted} or newer, and this is"
            f" {found[0]}: only what was changed of what others have is judged"
        )

    def last_commit(self, ref: str, path: Path) -> LastCommit | None:
        """The last commit below REF that changed a file; ``None`` if it is unknown.

        Args:
            ref: one that was read; ``""`` for the checked-out commit.
            path: the file.

        Raises:
            Unknown: Git cannot read it.
        """
        for scratch in self._scratches:
            name = scratch.name_of(path.parent, path.name)
            if name is not None:
                return last_commit(scratch.repository, scratch.commits.get(ref or "HEAD", ""), name)
        return None


@contextmanager
def merging(ref: str, now: Snapshot) -> Iterator[Merging]:
    """Open the repositories around a chain to compute merges.

    Args:
        ref: what to merge.
        now: the current files.

    Raises:
        CannotReadGit: there is no repository, or Git fails.
    """
    repositories, unknown = repositories_of(version_roots(now))
    for reason, roots in unknown.items():
        raise cannot_read(ref, roots, reason)
    with ExitStack() as stack, without_garbage_collection():
        try:
            scratches = [
                ScratchRepository(stack, repository, roots, now)
                for repository, roots in repositories.items()
            ]
            yield Merging(scratches, now)
        except (Unknown, OSError) as reason:
            raise cannot_read(ref, version_roots(now), str(reason)) from reason


def _together(one: Side, other: Side) -> tuple[MigrationFile, ...]:
    """The migrations of both sides, in one folder, by name; if one has all, its own tuple."""
    new = other.unshared(one)
    if not new:
        return one.files
    if len(new) == len(other.files) - len(one.files):
        return other.files
    files = list(one.files)
    for file in new:
        insort(files, file, key=attrgetter("name"))
    return tuple(files)


def _brought(merge: Merge) -> frozenset[str]:
    """The ids of migrations that neither side has, and the merge has."""
    return Side("", merge.files).ids - merge.mine.ids - merge.theirs.ids


def _not_simulated(ref: str, reason: Unknown) -> str:
    return f"what a merge with {ref} would be is not known: {reason}"


def _sparse(left_out: Sequence[MigrationFile], repository: Repository) -> str:
    number, names = count(len(left_out), "migration"), listing([file.name for file in left_out], 3)
    return (
        f"the sparse checkout leaves out {number}: {names}; to compare all, check them out with"
        f" `{repository.program} sparse-checkout disable`"
    )


def _foreign(ref: str) -> str:
    return (
        f"{ref} and the checked-out commit have no commit in common: the merge that is judged"
        " is the one that `git merge --allow-unrelated-histories` makes"
    )
