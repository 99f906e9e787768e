"""The files of version locations as commits have them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from itertools import starmap
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.git.repositories import GitObject, Repository

LINK, FOLDER, SUBMODULE = "120000", "40000", "160000"
_MOST_LINKS = 40  # the number of links to follow


class TreeEntry(NamedTuple):
    """An entry of a folder: its kind, and the hash of its content."""

    mode: str
    blob: str


class Folder:
    """One folder of a commit.

    Args:
        entries: its entries, by name.
        sourceless: whether compiled migrations count.
    """

    def __init__(self, entries: Mapping[str, TreeEntry], *, sourceless: bool) -> None:
        self.entries = entries
        self._sourceless = sourceless

    @cached_property
    def folders(self) -> dict[str, TreeEntry]:
        """The folders in it, by name."""
        return {name: entry for name, entry in self.entries.items() if entry.mode == FOLDER}

    @cached_property
    def others(self) -> Mapping[str, TreeEntry]:
        """Everything that is not a folder, by name."""
        inside = self.folders
        others = ((name, entry) for name, entry in self.entries.items() if name not in inside)
        return dict(others) if inside else self.entries

    @cached_property
    def files(self) -> list[tuple[str, TreeEntry]]:
        """The files, links among them, in the order of their names."""
        return sorted(item for item in self.others.items() if item[1].mode != SUBMODULE)

    @cached_property
    def loaded(self) -> list[tuple[str, TreeEntry]]:
        """The files that Alembic loads, by name."""
        return [item for item in self.files if self.would_load(item[0])]

    @cached_property
    def links(self) -> list[TreeEntry]:
        """The links."""
        return [entry for _, entry in self.files if entry.mode == LINK]

    def would_load(self, name: str) -> bool:
        """Whether Alembic would load a file of this name here."""
        if name.endswith(".py"):
            return _is_source(name)
        return source.is_loaded(name, self.entries.__contains__, sourceless=self._sourceless)


class Tree:
    """Some version locations in a commit.

    Args:
        objects: the objects of its repository that were read.
        folders: the folders, by their paths in Git.
        also: further contents that are needed.

    Attributes:
        repository: its repository.
        contents: the contents that were read, by their hash.
        blobs: those that are needed.
    """

    def __init__(
        self, objects: ObjectCache, folders: Mapping[str, Folder], also: Iterable[str] = ()
    ) -> None:
        self._folders = {path: folder for path, folder in folders.items() if folder.files}
        self._nothing = Folder({}, sourceless=objects.sourceless)
        self.repository = objects.repository
        self.contents = objects.contents
        self.blobs = {
            *also,
            *(entry.blob for folder in self._folders.values() for _, entry in folder.loaded),
            *(entry.blob for folder in self._folders.values() for entry in folder.links),
        }

    def folders(self, location: str, *, recursive: bool) -> Iterator[str]:
        """The folders of a location that Alembic reads, in its order."""
        below = f"{location}/" if location else ""
        for folder in sorted(self._folders, key=lambda folder: folder.split("/")):
            if folder == location or (
                recursive and folder.startswith(below) and not folder.endswith("__pycache__")
            ):
                yield folder

    def files(self, folder: str) -> Iterator[tuple[str, str, str | None]]:
        """The files of a folder that Alembic loads.

        Yields:
            The path and the path of the link's target, which are the same unless it is a link; and
            the hash of the content, ``None`` if the target is not in the version locations.
        """
        below = f"{folder}/" if folder else ""
        here = self._folders[folder]
        if not here.links:
            for name, entry in here.loaded:
                path = below + name
                yield path, path, entry.blob
            return
        for name, _ in here.files:
            path = below + name
            target = self._follow(path)
            above, _, last = target.rpartition("/")
            beside = self._folders.get(above, self._nothing)
            if beside.would_load(last) and target not in self._folders:
                there = self._entry(target)
                is_file = there is not None and there.mode != LINK
                yield path, target, there.blob if there and is_file else None

    def _entry(self, path: str) -> TreeEntry | None:
        folder, _, name = path.rpartition("/")
        entry = self._folders.get(folder, self._nothing).entries.get(name)
        return None if entry is None or entry.mode in (FOLDER, SUBMODULE) else entry

    def _follow(self, path: str) -> str:
        for _ in range(_MOST_LINKS):
            entry = self._entry(path)
            if entry is None or entry.mode != LINK:
                break
            link = os.fsdecode(self.contents[entry.blob])
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        return path


@lru_cache(maxsize=1 << 16)  # most commits have the same content as the one before
def _is_source(name: str) -> bool:
    return source.is_loaded(name, lambda _: False)


class ObjectCache:
    """The folders and files of a repository that were read already.

    Args:
        repository: their repository.
        sourceless: whether compiled migrations count.

    Attributes:
        contents: the contents of files, by their hash.
    """

    def __init__(self, repository: Repository, *, sourceless: bool) -> None:
        self.repository = repository
        self.sourceless = sourceless
        self.contents: dict[str, bytes] = {}
        self._folders: dict[str, Folder] = {}

    def folders(self, names: Iterable[str]) -> dict[str, Folder]:
        """The folders with some names, by these names; missing ones are left out.

        Raises:
            Unknown: Git fails.
        """
        names = dict.fromkeys(names)
        found = {name: self._folders[name] for name in names if name in self._folders}
        for name, tree in self.repository.objects(names.keys() - found.keys(), "tree").items():
            if tree.hash not in self._folders:
                self._folders[tree.hash] = Folder(_entries(tree), sourceless=self.sourceless)
            found[name] = self._folders[tree.hash]
        return found


def read_trees(
    objects: ObjectCache, commits: Sequence[str], locations: Iterable[str], held: Iterable[bytes]
) -> dict[str, Tree]:
    """Read some version locations of commits, with two calls of Git.

    Each level of folders below the locations takes one more call.

    Args:
        objects: the objects of their repository; those that are read are added.
        commits: their hashes, or other names.
        locations: the names of the version locations in Git, without a trailing slash.
        held: contents that need not be read again.

    Returns:
        The trees by name, without those that Git does not have completely.

    Raises:
        Unknown: Git fails.
    """
    places = set(locations)
    above = {"", *(place[: slash.start()] for place in places for slash in re.finditer("/", place))}
    asked = (f"{ref}:{folder}" for ref in commits for folder in (*above, *places - above))
    found = objects.folders(asked)
    folders: dict[str, dict[str, Folder]] = {ref: {} for ref in commits if f"{ref}:" in found}
    # Only its parent shows whether a folder did not exist or Git does not have it.
    level = [(ref, "", found[f"{ref}:"], "" in places) for ref in folders]
    while level:
        children = [
            (ref, path, entry.blob, is_inside or path in places)
            for ref, folder, tree, is_inside in level
            for name, entry in tree.folders.items()
            for path in [f"{folder}/{name}" if folder else name]
            if is_inside or path in places or path in above
        ]
        for ref, folder, tree, is_inside in level:
            if is_inside and ref in folders:
                folders[ref][folder] = tree
        found = objects.folders(hash_ for *_, hash_, _ in children)
        for ref, _, hash_, _ in children:
            if hash_ not in found:
                folders.pop(ref, None)
        level = [
            (ref, path, found[hash_], is_inside)
            for ref, path, hash_, is_inside in children
            if ref in folders
        ]
    trees = {ref: Tree(objects, each) for ref, each in folders.items()}
    return filled(objects, trees, held)


def filled(
    objects: ObjectCache, trees: Mapping[str, Tree], held: Iterable[bytes]
) -> dict[str, Tree]:
    """Read the contents of trees, with one call of Git.

    Args:
        objects: as in ``read_trees``.
        trees: the trees, by any names.
        held: contents that need not be read again.

    Returns:
        The trees that Git has completely.

    Raises:
        Unknown: Git fails.
    """
    wanted = set[str]().union(*(tree.blobs for tree in trees.values()))
    contents = objects.contents
    contents |= _named(held, wanted.difference(contents))
    contents |= objects.repository.contents(wanted.difference(contents))
    return {name: each for name, each in trees.items() if each.blobs.issubset(contents)}


def _entries(tree: GitObject) -> dict[str, TreeEntry]:
    """The entries of a tree in Git's format: mode, name and binary hash of each."""
    return dict(starmap(_entry, _entries_with(len(tree.hash) // 2).findall(tree.data)))


@cache
def _entries_with(width: int) -> re.Pattern[bytes]:
    """The pattern of a tree's entries with hashes of this length in bytes."""
    return re.compile(rb"(\d+) ([^\0]+)\0(.{%d})" % width, re.DOTALL)


@lru_cache(maxsize=1 << 16)  # most commits have the same content as the one before
def _entry(mode: bytes, name: bytes, hash_: bytes) -> tuple[str, TreeEntry]:
    return os.fsdecode(name), TreeEntry(mode.decode(), hash_.hex())


def _named(contents: Iterable[bytes], blobs: set[str]) -> Iterator[tuple[str, bytes]]:
    """The blobs whose content is in ``contents``, perhaps with the line ends of a checkout."""
    if not blobs:
        return
    from hashlib import sha1, sha256

    new = sha256 if any(len(blob) == 64 for blob in blobs) else sha1
    for content in contents:
        forms = [content, content.replace(b"\r\n", b"\n")] if b"\r" in content else [content]
        for form in forms:
            hashed = new(b"blob %d\0" % len(form), usedforsecurity=False)
            hashed.update(form)
            name = hashed.hexdigest()
            if name in blobs:
                yield name, content
