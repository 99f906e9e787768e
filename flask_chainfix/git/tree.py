"""The files of version locations as commits have them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.git.repositories import Object, Repository

LINK, _FOLDER, _SUBMODULE = "120000", "40000", b"160000"
_ENTRIES = {  # by the number of bytes of a hash
    width: re.compile(rb"(\d+) ([^\0]+)\0(.{%d})" % width, re.DOTALL) for width in (20, 32)
}
_RAW = {width: re.compile(rb"\d+ [^\0]+\0.{%d}" % width, re.DOTALL) for width in (20, 32)}
_MOST_LINKS = 40  # that lead from one to the next


class Entry(NamedTuple):
    """A file in a tree: what kind of file, and the hash of its content."""

    mode: str
    blob: str


class Tree:
    """What a commit has in some version locations.

    Args:
        entries: the files there, by the path that Git has for them.
        sourceless: whether compiled migrations count.
        also: more contents that have to be known.

    Attributes:
        blobs: the contents that have to be known.
        contents: those that are, by their hash.
    """

    def __init__(
        self, entries: Mapping[str, Entry], *, sourceless: bool, also: Iterable[str] = ()
    ) -> None:
        self._sourceless = sourceless
        self._entries = entries
        self._folders: dict[str, list[str]] = {}
        for path in entries:
            folder, _, name = path.rpartition("/")
            self._folders.setdefault(folder, []).append(name)
        self.contents: Mapping[str, bytes] = {}
        self._loaded = {path for path in entries if self._would_load(path)}
        self.blobs = {
            entry.blob
            for path, entry in entries.items()
            if path in self._loaded or entry.mode == LINK
        }.union(also)

    def folders(self, location: str, *, recursive: bool) -> Iterator[str]:
        """The folders of a location that Alembic looks into, in its order."""
        below = f"{location}/" if location else ""
        for folder in sorted(self._folders, key=lambda folder: folder.split("/")):
            if folder == location or (
                recursive and folder.startswith(below) and not folder.endswith("__pycache__")
            ):
                yield folder

    def files(self, folder: str) -> Iterator[tuple[str, str, bytes | None]]:
        """The files of a folder that Alembic loads.

        Yields:
            The path and that of what it leads to, which are the same unless it is a link; and
            the content, ``None`` where a link leads to nothing in the version locations.
        """
        below = f"{folder}/" if folder else ""
        for name in sorted(self._folders[folder]):
            path = below + name
            target = self._follow(path)
            is_loaded = target in self._loaded or self._would_load(target)
            if is_loaded and target not in self._folders:
                entry = self._entries.get(target)
                is_file = entry is not None and entry.mode != LINK
                yield path, target, self.contents[entry.blob] if entry and is_file else None

    def _follow(self, path: str) -> str:
        for _ in range(_MOST_LINKS):
            entry = self._entries.get(path)
            if entry is None or entry.mode != LINK:
                break
            link = os.fsdecode(self.contents[entry.blob])
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        return path

    def _would_load(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        if name.endswith(".py"):
            return _is_source(name)
        folder = path[: -len(name)]
        return source.is_loaded(
            name, lambda other: folder + other in self._entries, sourceless=self._sourceless
        )


@lru_cache(maxsize=1 << 16)  # most commits have what the one before had
def _is_source(name: str) -> bool:
    return source.is_loaded(name, lambda _: False)


def read_trees(  # noqa: PLR0913  (what is known by name)
    repository: Repository,
    commits: Sequence[str],
    locations: Iterable[str],
    held: Iterable[bytes],
    *,
    sourceless: bool,
    known: dict[str, bytes] | None = None,
) -> dict[str, Tree]:
    """Read what commits have in some version locations, with two questions for Git.

    Folders below the locations take one more for each level.

    Args:
        repository: where the commits are.
        commits: their hashes, or other names.
        locations: what Git calls the version locations, without a slash at the end.
        held: contents that need not be read again where a commit has them.
        sourceless: whether compiled migrations count.
        known: contents by their hash, which need neither be read nor hashed; those of these
            commits are added.

    Returns:
        The trees, by the names; of those only that Git has completely.

    Raises:
        Unknown: Git cannot tell.
    """
    places = set(locations)
    above = {"", *(place[: slash.start()] for place in places for slash in re.finditer("/", place))}
    asked = (f"{ref}:{folder}" for ref in commits for folder in (*above, *places - above))
    found = repository.objects(asked, "tree")
    entries: dict[str, dict[str, Entry]] = {ref: {} for ref in commits if f"{ref}:" in found}
    listed: dict[str, tuple[tuple[str, Entry], ...]] = {}
    _list(found, listed)
    # Only what lies above tells a folder that was not there from one that Git does not have.
    level = [(ref, "", found[f"{ref}:"].hash, "" in places) for ref in entries]
    while level:
        _list(
            repository.objects({tree for *_, tree, _ in level}.difference(listed), "tree"), listed
        )
        below = []
        for ref, folder, tree, is_inside in level:
            if tree not in listed:
                entries.pop(ref, None)
            start = f"{folder}/" if folder else ""
            for child, entry in listed[tree] if ref in entries else ():
                path = start + child
                if entry.mode == _FOLDER and (is_inside or path in places or path in above):
                    below.append((ref, path, entry.blob, is_inside or path in places))
                elif entry.mode != _FOLDER and is_inside:
                    entries[ref][path] = entry
        level = below
    trees = {ref: Tree(each, sourceless=sourceless) for ref, each in entries.items()}
    return filled(repository, trees, held, known)


def filled(
    repository: Repository,
    trees: Mapping[str, Tree],
    held: Iterable[bytes],
    known: dict[str, bytes] | None = None,
) -> dict[str, Tree]:
    """Read the contents of trees, all with one question for Git.

    Args:
        repository: where they are.
        trees: the trees, by any names.
        held: contents that need not be read again.
        known: contents by their hash, as in ``read_trees``.

    Returns:
        Those that Git has completely.

    Raises:
        Unknown: Git cannot tell.
    """
    wanted = set[str]().union(*(tree.blobs for tree in trees.values()))
    contents = {} if known is None else known
    contents |= _named(held, wanted.difference(contents))
    contents |= repository.contents(wanted.difference(contents))
    for each in trees.values():
        each.contents = contents
    return {name: each for name, each in trees.items() if each.blobs.issubset(contents)}


def _list(trees: Mapping[str, Object], listed: dict[str, tuple[tuple[str, Entry], ...]]) -> None:
    for tree in trees.values():
        if tree.hash not in listed:
            listed[tree.hash] = tuple(_children(tree))


def raw_entries(tree: Object) -> frozenset[bytes] | None:
    """What a tree holds, each as Git stores it; ``None`` where there may be links among it."""
    if b"120000 " in tree.data:
        return None
    return frozenset(_RAW[len(tree.hash) // 2].findall(tree.data))


def _children(tree: Object) -> Iterator[tuple[str, Entry]]:
    """What a tree holds, as Git stores it: mode, name and binary hash of each; no submodules."""
    for mode, name, blob in _ENTRIES[len(tree.hash) // 2].findall(tree.data):
        if mode != _SUBMODULE:
            yield os.fsdecode(name), Entry(mode.decode(), blob.hex())


def _named(contents: Iterable[bytes], blobs: set[str]) -> Iterator[tuple[str, bytes]]:
    """Those of the blobs whose content is here; their line ends may be those of a checkout."""
    if not blobs:
        return
    from hashlib import sha1, sha256

    new = sha256 if any(len(blob) == 64 for blob in blobs) else sha1
    for content in contents:
        for form in {content, content.replace(b"\r\n", b"\n")}:
            hashed = new(b"blob %d\0" % len(form), usedforsecurity=False)
            hashed.update(form)
            name = hashed.hexdigest()
            if name in blobs:
                yield name, content
