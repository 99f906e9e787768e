"""What merges would be: Git makes them in a place of ours, and nobody's repository is touched."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import combinations
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.git.merge_places import DISK, MergePlace, Pair
from flask_chainfix.git.past import (
    Known,
    cannot_read,
    collected,
    version_roots,
)
from flask_chainfix.git.program import Unknown
from flask_chainfix.git.repositories import Repository, repositories_of
from flask_chainfix.git.tree import Tree
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.model.history import ChainLock, Change, Merge, Side, shared_by

_ABBREVIATED = 12
_SINCE = (2, 39)  # the version of Git that can merge several pairs without a work tree


class Merges(NamedTuple):
    """What merges would be, and what the sides have in common.

    Attributes:
        base: the migrations as they were where REF and the checked-out commit part.
        absent: the version locations that were not there.
        merges: that of REF with what lies on the disk, which comes first, and those of others.
        notices: what keeps merges from being known.
    """

    base: Snapshot
    absent: tuple[Path, ...]
    merges: tuple[Merge, ...]
    notices: tuple[str, ...]


class Merging:
    """The repositories around a chain, in which commits are merged and asked about.

    Args:
        places: what is known of each.
        now: the files as they lie on the disk.
    """

    def __init__(self, places: Sequence[MergePlace], now: Snapshot) -> None:
        self._places = places
        self._now = now
        self._known = Known(now.files)

    def read(self, ref: str, others: Sequence[str]) -> Merges:
        """Read what REF, others and what lies on the disk would be together.

        Raises:
            CannotReadGit: there is no such revision, or where they part is not known.
            Unknown: Git cannot tell.
        """
        names = list(dict.fromkeys([ref, *others]))
        for place in self._places:
            place.find(names, several=len(self._places) > 1)
            place.find_base(ref)
            place.load([place.base, *place.commits.values()])
        base, absent, _ = self._snapshot([place.base for place in self._places])
        try:
            merges = self._merges(ref, names)
        except Unknown as reason:
            return Merges(base, absent, (), (self._too_old() or _untold(ref, reason),))
        unrelated = any(place.unrelated for place in self._places)
        return Merges(base, absent, merges, (_foreign(ref),) if unrelated else ())

    def _merges(self, ref: str, names: Sequence[str]) -> tuple[Merge, ...]:
        sides = {DISK: Side(DISK, self._now.files, self._now.lock)}
        for name in names:
            there, _, lock = self._snapshot([place.commits[name] for place in self._places])
            commit = self._places[0].commits[name][:_ABBREVIATED]
            sides[name] = Side(name, there.files, lock, commit)
        shared = shared_by(sides.values())
        sides = {name: replace(side, shared=shared) for name, side in sides.items()}
        pairs = [(DISK, name) for name in sides if name]
        pairs += combinations([name for name in sides if name], 2)
        changed: list[Path] = []
        for place in self._places:
            changed += place.take_from_disk()
        if changed:
            self._refuse_other_files()
        # What lies on the disk need not be what Git has of it.
        added = self._added([pair for pair in pairs if not changed or DISK not in pair], pairs[0])
        for place in self._places:
            place.merge([pair for pair in pairs if pair not in added])
            place.load([each.tree for each in place.merged.values()])
        found = []
        for mine, theirs in pairs:
            is_added = (mine, theirs) in added
            done = [] if is_added else [place.merged[mine, theirs] for place in self._places]
            lock = None
            if is_added:
                files = _together(sides[mine], sides[theirs])
                lock = self._lock_of(sides[mine], sides[theirs])
            else:
                there, _, lock = self._snapshot([each.tree for each in done])
                files = self._as_given(there.files, sides[mine], sides[theirs])
            merge = Merge(
                sides[mine],
                sides[theirs],
                files,
                lock,
                tuple(conflict for each in done for conflict in each.conflicts),
                sum(each.others for each in done),
                tuple(changed) if mine == DISK else (),
                is_gate=ref in (mine, theirs),
                tracking=self._places[0].tracking if theirs == ref else "",
            )
            # What has landed is what others come on top of.
            is_turned = mine == ref
            found.append(
                replace(merge, mine=merge.theirs, theirs=merge.mine) if is_turned else merge
            )
        return tuple(found)

    def _refuse_other_files(self) -> None:
        """Stop where a commit of what lies on the disk would not have all migrations.

        Raises:
            Unknown: so it is.
        """
        for place in self._places:
            place.load([place.commits[DISK]])
        there, _, _ = self._snapshot([place.commits[DISK] for place in self._places])
        known = {(file.directory, file.name): file.data for file in there.files}
        for file in self._now.files:
            if file.data and known.get((file.directory, file.name)) != file.data:
                raise Unknown(
                    f"{file.name} lies behind a link that is not committed, or leads out of the"
                    " version locations"
                )

    def _lock_of(self, mine: Side, theirs: Side) -> ChainLock | None:
        """The chain lock of a merge for which one side at most has changed it."""
        (place,) = self._places
        return mine.lock if theirs.lock == place.locks.get(place.base) else theirs.lock

    def _added(self, pairs: Sequence[Pair], gate: Pair) -> frozenset[Pair]:
        """The pairs whose merge holds the migrations of both sides, and no more.

        They need not be merged, which is most of the time for many branches.
        """
        around = self._now.environment
        one_folder = len(around.version_locations) == 1 and not around.recursive
        if not pairs or not one_folder or around.sourceless:
            return frozenset()
        (place,) = self._places
        return place.sums(pairs, gate)

    def _as_given(
        self, files: tuple[MigrationFile, ...], *sides: Side
    ) -> tuple[MigrationFile, ...]:
        """The files; the very tuple of a side that has the same."""
        held = frozenset(map(id, files))
        return next((side.files for side in sides if side.held == held), files)

    def _snapshot(
        self, commits: Sequence[str]
    ) -> tuple[Snapshot, tuple[Path, ...], ChainLock | None]:
        """The migrations as a commit or tree of each repository has them, and the chain lock."""
        past: dict[str, tuple[Repository, Tree]] = {}
        lock = None
        for place, commit in zip(self._places, commits, strict=True):
            tree = place.tree(commit)
            past.update(dict.fromkeys(place.roots, (place.repository, tree)))
            lock = lock or place.locks.get(commit)
        there, absent = collected(self._now.environment, past, self._known)
        return there, absent, lock

    def _too_old(self) -> str:
        """What to say where Git is too old for this; ``""`` where it is not."""
        said = self._places[0].repository.git("version").decode(errors="replace")
        found = re.search(r"(\d+)\.(\d+)[\d.]*", said)
        if found is None or (int(found[1]), int(found[2])) >= _SINCE:
            return ""
        wanted = ".".join(map(str, _SINCE))
        return (
            f"what a merge would be is only known with Git {wanted} or newer, and this is"
            f" {found[0]}: only what was changed of what others have is judged"
        )

    def last_change(self, ref: str, path: Path) -> Change | None:
        """The commit below REF that last changed a file; ``None`` where none is known.

        Args:
            ref: one that was read; ``""`` for what is checked out.
            path: the file.

        Raises:
            Unknown: Git cannot tell.
        """
        for place in self._places:
            name = place.name_of(path.parent, path.name)
            if name is not None:
                return place.last_change(place.commits.get(ref or "HEAD", ""), name)
        return None


@contextmanager
def merging(ref: str, now: Snapshot) -> Iterator[Merging]:
    """Open the repositories around a chain to see what merges in them would be.

    Args:
        ref: what is to be merged.
        now: the files as they are.

    Raises:
        CannotReadGit: there is no repository, or Git cannot tell.
    """
    repositories, unknown = repositories_of(version_roots(now))
    for reason, roots in unknown.items():
        raise cannot_read(ref, roots, reason)
    with ExitStack() as stack, without_garbage_collection():
        try:
            places = [
                MergePlace(stack, repository, roots, now)
                for repository, roots in repositories.items()
            ]
            yield Merging(places, now)
        except (Unknown, OSError) as reason:
            raise cannot_read(ref, version_roots(now), str(reason)) from reason


def _together(one: Side, other: Side) -> tuple[MigrationFile, ...]:
    """The migrations of both sides, in one folder, by name; the very tuple of one with all."""
    new = other.unshared(one)
    if not new:
        return one.files
    if len(new) == len(other.files) - len(one.files):
        return other.files
    files = list(one.files)
    for file in new:
        insort(files, file, key=attrgetter("name"))
    return tuple(files)


def _untold(ref: str, reason: Unknown) -> str:
    return f"what a merge with {ref} would be is not known: {reason}"


def _foreign(ref: str) -> str:
    return (
        f"{ref} and the checked-out commit have no commit in common: the merge that is judged"
        " is the one that `git merge --allow-unrelated-histories` makes"
    )
