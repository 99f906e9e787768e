"""The files of version locations as one commit has them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.git.repositories import Object, Repository, Unknown, literal

_FOUND = re.compile(rb"([0-9a-f]+) (?:commit|tag) \d+")


_LISTED = re.compile(r"(?<![^\0])(\d+) blob ([0-9a-f]+)\t([^\0]+)\0")  # and no submodules


_LINK, _FOLDER, _SUBMODULE = "120000", "40000", "160000"


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

    Attributes:
        blobs: the contents that have to be known.
        contents: those that are, by their hash.
    """

    def __init__(self, entries: Mapping[str, Entry], *, sourceless: bool) -> None:
        self._sourceless = sourceless
        self._entries = entries
        self._folders: dict[str, list[str]] = {}
        self._loaded: set[str] = set()
        self.blobs: set[str] = set()
        self.contents: Mapping[str, bytes] = {}
        for path, entry in self._entries.items():
            folder, _, name = path.rpartition("/")
            self._folders.setdefault(folder, []).append(name)
            if self._would_load(path):
                self._loaded.add(path)
            elif entry.mode != _LINK:
                continue
            self.blobs.add(entry.blob)

    def folders(self, location: str, *, recursive: bool) -> Iterator[str]:
        """The folders of a location that Alembic looks into, in its order."""
        below = f"{location}/" if location else ""
        for folder in sorted(self._folders, key=lambda folder: folder.split("/")):
            if folder == location or (
                recursive and folder.startswith(below) and not folder.endswith("__pycache__")
            ):
                yield folder

    def has(self, location: str) -> bool:
        """Whether there is a file in or below a location."""
        return any(self.folders(location, recursive=True))

    def files(self, folder: str) -> Iterator[tuple[str, str, bytes | None]]:
        """The files of a folder that Alembic loads.

        Yields:
            The path and that of what it leads to, which are the same unless it is a link; and
            the content, ``None`` where a link leads to nothing in the version locations.
        """
        for name in sorted(self._folders[folder]):
            path = f"{folder}/{name}" if folder else name
            entry = self._entries[path]
            if entry.mode != _LINK:
                if path in self._loaded:
                    yield path, path, self.contents[entry.blob]
                continue
            target = self._follow(path)
            if target in self._folders or not self._would_load(target):
                continue
            end = self._entries.get(target)
            if end is None or end.mode == _LINK:
                yield path, target, None
            else:
                yield path, target, self.contents[end.blob]

    def _follow(self, path: str) -> str:
        for _ in range(_MOST_LINKS):
            entry = self._entries.get(path)
            if entry is None or entry.mode != _LINK:
                break
            link = os.fsdecode(self.contents[entry.blob])
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        return path

    def _would_load(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        folder = path[: -len(name)]
        return source.is_loaded(
            name, lambda other: folder + other in self._entries, sourceless=self._sourceless
        )


def read_tree(
    repository: Repository,
    commit: str,
    locations: Sequence[str],
    *,
    sourceless: bool,
    held: Iterable[bytes] = (),
) -> Tree:
    """Read what a commit has in some version locations.

    Args:
        repository: where the commit is.
        commit: its hash, or that of a tag on it.
        locations: what Git calls the version locations, without a slash at the end.
        sourceless: whether compiled migrations count.
        held: contents that need not be read again where the commit has them.

    Raises:
        Unknown: Git cannot tell.
    """
    # Without a path it is the whole tree: that is what the top of the repository needs.
    paths = map(literal, locations) if all(locations) else ()
    output = repository.git("ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths)
    tree = Tree(dict(_parse(output)), sourceless=sourceless)
    tree.contents = _contents(repository, tree.blobs, held)
    if len(tree.contents) < len(tree.blobs):
        raise Unknown("some of its files are not in the repository")
    return tree


def read_trees(  # noqa: PLR0913  (what a look depends on)
    repository: Repository,
    refs: Sequence[str],
    locations: Sequence[str],
    *,
    recursive: bool,
    sourceless: bool,
    held: Iterable[bytes],
) -> dict[str, Tree]:
    """Read what several commits have in some version locations, with two questions for Git.

    Folders below the locations take one more for each level.

    Args:
        repository: where the commits are.
        refs: names of the commits.
        locations: what Git calls the version locations, without a slash at the end.
        recursive: whether the folders below them count.
        sourceless: whether compiled migrations count.
        held: contents that need not be read again where a commit has them.

    Returns:
        The trees, by the names; of those only that Git knows completely.

    Raises:
        Unknown: Git cannot tell.
    """
    entries: dict[str, dict[str, Entry]] = {ref: {} for ref in refs}
    listed: dict[str, tuple[tuple[str, Entry], ...]] = {}
    asked = {f"{ref}:{name}": [(ref, name)] for ref in refs for name in locations}
    while asked:
        below: dict[str, list[tuple[str, str]]] = {}
        for name, found in repository.objects(asked, "tree").items():
            if found.hash not in listed:
                listed[found.hash] = tuple(_children(found))
            for ref, folder in asked[name]:
                for child, entry in listed[found.hash]:
                    path = f"{folder}/{child}" if folder else child
                    if entry.mode != _FOLDER:
                        entries[ref][path] = entry
                    elif recursive:
                        below.setdefault(entry.blob, []).append((ref, path))
        asked = below
    trees = {ref: Tree(each, sourceless=sourceless) for ref, each in entries.items()}
    wanted = set[str]().union(*(tree.blobs for tree in trees.values()))
    contents = _contents(repository, wanted, held)
    for tree in trees.values():
        tree.contents = contents
    return {ref: tree for ref, tree in trees.items() if tree.blobs.issubset(contents)}


def _contents(
    repository: Repository, blobs: Collection[str], held: Iterable[bytes]
) -> dict[str, bytes]:
    """The contents of blobs, as far as Git has them; some are held already."""
    contents = dict(_named(held, blobs))
    return contents | repository.contents(blob for blob in blobs if blob not in contents)


def _children(tree: Object) -> Iterator[tuple[str, Entry]]:
    """What a tree holds, as Git stores it: mode, name and binary hash of each; no submodules."""
    data, width, at = tree.data, len(tree.hash) // 2, 0
    while at < len(data):
        blank, end = data.index(b" ", at), data.index(b"\0", at)
        mode, name = data[at:blank].decode(), os.fsdecode(data[blank + 1 : end])
        at = end + 1 + width
        if mode != _SUBMODULE:
            yield name, Entry(mode, data[end + 1 : at].hex())


def find_commits(repository: Repository, *refs: str) -> list[str | None]:
    """The hash of the commit, or of the tag, that each name stands for; ``None`` for no such name.

    Raises:
        Unknown: Git cannot tell.
    """
    # What is asked for on stdin cannot be taken for an option, whatever it begins with.
    sent = b"".join(_sent(ref) + b"\n" for ref in refs)
    lines = repository.git("cat-file", "--batch-check", sent=sent).split(b"\n")
    answers = map(_FOUND.fullmatch, lines[: len(refs)])
    return [answer[1].decode() if answer else None for answer in answers]


def _sent(ref: str) -> bytes:
    """A name as Git reads it; ``b""`` for one that cannot be written."""
    if "\n" in ref or "\0" in ref:
        return b""
    try:
        return os.fsencode(ref)
    except UnicodeEncodeError:
        return b""


def merge_base(repository: Repository, commits: Sequence[str]) -> str | None:
    """The newest commit that the first one and any of the others have in common, if there is one.

    Raises:
        Unknown: Git cannot tell.
    """
    try:
        return repository.git("merge-base", *commits).decode().strip()
    except Unknown as reason:
        if reason.silent:
            return None
        raise


def _named(contents: Iterable[bytes], blobs: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Those of the blobs whose content is here; their line ends may be those of a checkout."""
    from hashlib import sha1, sha256  # they take long to load

    new = sha256 if any(len(blob) == 64 for blob in blobs) else sha1
    for content in contents:
        forms = (content, content.replace(b"\r\n", b"\n")) if b"\r\n" in content else (content,)
        for form in forms:
            hashed = new(b"blob %d\0" % len(form), usedforsecurity=False)
            hashed.update(form)
            name = hashed.hexdigest()
            if name in blobs:
                yield name, content


def _parse(output: bytes) -> Iterator[tuple[str, Entry]]:
    for mode, blob, path in _LISTED.findall(os.fsdecode(output)):
        yield path, Entry(mode, blob)
