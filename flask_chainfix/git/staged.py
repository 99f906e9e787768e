"""The migrations in Git's index, as the next commit would have them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.quoting import git_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.git.past import OUTSIDE, TreeReader, version_roots
from flask_chainfix.git.program import Unknown, remedy_for
from flask_chainfix.git.repositories import (
    LIST,
    Repository,
    literal,
    real_directory,
    repositories_of,
)
from flask_chainfix.git.tree import LINK, SUBMODULE, Folder, ObjectCache, Tree, TreeEntry, filled
from flask_chainfix.model.files import ChainLock

_ENTRY = re.compile(rb"(\d+) ([0-9a-f]+) ([0-3])\t([^\0]+)\0((?:  .*\n)*)")
_FLAGS = re.compile(rb"\tflags: ([0-9a-f]+)\n")
_INTENT_TO_ADD = 1 << 29  # among the flags; `git commit` leaves such a file out


class Staged(NamedTuple):
    """The staged migrations.

    Attributes:
        snapshot: the files in the index.
        absent: the version locations that are not in the index.
        differing: the migrations and the chain lock that differ from the disk, or are on one side
            only.
    """

    snapshot: Snapshot
    absent: tuple[Path, ...]
    differing: tuple[Path, ...]


def read_staged(now: Snapshot) -> Staged:
    """Read the index, without running filters and without checking anything out.

    Args:
        now: the files on the disk; those that are the same are not read again.

    Raises:
        CannotReadGit: there is no repository, a conflict is not resolved, or Git fails.
    """
    repositories, unknown = repositories_of(version_roots(now))
    for reason in unknown:
        raise _cannot_read(reason, "run the command in a Git work tree, or leave --staged out")
    trees: dict[str, Tree] = {}
    lock = None
    with without_garbage_collection():
        for repository, roots in repositories.items():
            try:
                tree, here = _read(repository, roots, now)
            except Unknown as reason:
                raise _cannot_read(
                    str(reason), way("see what Git says there", "git fsck")
                ) from None
            trees.update(dict.fromkeys(roots, tree))
            lock = lock or here
        there, absent = TreeReader(now).snapshot(trees)
    # The target of a link to the outside is in no version location; it counts as on the disk.
    on_disk = {str(file.path): file for file in now.files}
    files = tuple(
        on_disk.get(os.path.realpath(file.path), file) if file.reading is OUTSIDE else file
        for file in there.files
    )
    snapshot = replace(there, files=files, lock=lock)
    return Staged(snapshot, absent, tuple(_differing(now, snapshot)))


def _read(
    repository: Repository, roots: Sequence[str], now: Snapshot
) -> tuple[Tree, ChainLock | None]:
    """The version locations and the chain lock in the index of one repository.

    Raises:
        CannotReadGit: a conflict is not resolved.
        Unknown: Git fails.
    """
    path = now.environment.lock_path
    lock_name = repository.name_of(real_directory(path.parent) + path.name)
    places = [repository.folder(root) for root in roots]
    entries = dict(_entries(repository, [*places, *([lock_name] if lock_name else [])]))
    lock = entries.pop(lock_name, None) if lock_name else None
    folders: dict[str, dict[str, TreeEntry]] = {}
    for name, entry in entries.items():
        folder, _, last = name.rpartition("/")
        folders.setdefault(folder, {})[last] = entry
    sourceless = now.environment.sourceless
    objects = ObjectCache(repository, sourceless=sourceless)
    tree = Tree(
        objects,
        {path: Folder(each, sourceless=sourceless) for path, each in folders.items()},
        also=[lock.blob] if lock is not None else [],
    )
    if not filled(objects, {"": tree}, [file.data for file in now.files]):
        raise Unknown("some of its files are not in the repository")
    if lock is None:
        return tree, None
    if lock.mode == LINK:
        return tree, ChainLock(path, None, "is a symbolic link, which is not followed")
    return tree, ChainLock(path, tree.contents[lock.blob])


def _entries(repository: Repository, names: Sequence[str]) -> Iterator[tuple[str, TreeEntry]]:
    """The entries of some files and folders in the next commit, by their names in Git."""
    asked = (*LIST, "--stage", "--debug", "-z", "--", *map(literal, names))
    for found in _ENTRY.finditer(repository.git(*asked, index=_index(repository))):
        mode, blob, stage, name, more = found.groups()
        flags = _FLAGS.search(more)
        if mode.decode() == SUBMODULE or (flags and int(flags[1], 16) & _INTENT_TO_ADD):
            continue
        path = os.fsdecode(name)
        if stage != b"0":
            place = git_word(os.path.join(repository.top, path))
            raise _cannot_read(
                f"Git has an unresolved conflict in {path}",
                way("resolve it, and stage the result", f"git add -- {place}"),
            )
        yield path, TreeEntry(mode.decode(), blob.decode())


def _index(repository: Repository) -> str | None:
    """The index that a commit is made from, if Git runs this process as its hook.

    The index of ``git commit --all`` or ``git commit FILE`` is not yet the repository's own. Git's
    variable gives its path relative to the working directory, and does not apply to other
    repositories.
    """
    named = os.environ.get("GIT_INDEX_FILE")
    if not named:
        return None
    index = os.path.realpath(named)
    if repository.inherited or os.path.dirname(index) == os.path.realpath(repository.directory):
        return index
    around, _ = repositories_of([real_directory(os.curdir)])
    mine = repository.directory in (other.directory for other in around)
    of_another = os.path.exists(os.path.join(os.path.dirname(index), "HEAD"))  # a Git directory
    return index if mine and not of_another else None


def _differing(now: Snapshot, staged: Snapshot) -> Iterator[Path]:
    here, there = (
        {file.path: file.data for file in snapshot.files}
        | ({lock.path: lock.data or b""} if (lock := snapshot.lock) else {})
        for snapshot in (now, staged)
    )
    for path in sorted(here.keys() | there.keys()):
        sides = (here.get(path), there.get(path))
        if len({side if side is None else side.replace(b"\r\n", b"\n") for side in sides}) > 1:
            yield path


def _cannot_read(reason: str, remedy: str | Remedy) -> CannotReadGit:
    what = f"what is staged cannot be read: {reason}"
    return CannotReadGit(what, remedy_for(reason) or remedy, unchanged=True)
