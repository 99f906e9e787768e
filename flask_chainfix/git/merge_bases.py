"""Merge bases of many pairs of commits, and the pairs that have only added files since.

Two hundred merges of long chains are slow in Git. If both sides have only added files, the result
is obvious, and one running process is enough to find that out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from flask_chainfix.git.repositories import Repository
from flask_chainfix.git.tree import Folder, ObjectCache, TreeEntry

_MOST_COMMITS = 100  # the number of commits to walk, for each tip
_AT_ONCE = 16  # the length of a line of first parents
_DATE = re.compile(rb"^committer .*> (\d+)", re.MULTILINE)
_PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)

Pair = tuple[str, str]


def parents_of(commit: bytes) -> list[str]:
    """The parents of a commit, from its content."""
    return [each.decode() for each in _PARENT.findall(commit.partition(b"\n\n")[0])]


class MergeBases:
    """The merge bases of commits.

    Args:
        repository: their repository.
        tips: their hashes.

    Raises:
        Unknown: Git cannot read them.
    """

    def __init__(self, repository: Repository, tips: Iterable[str]) -> None:
        self._repository = repository
        self._bits = {tip: 1 << number for number, tip in enumerate(dict.fromkeys(tips))}
        self._commits: dict[str, tuple[float, list[str]]] = {}
        self._reached: dict[str, int] = {}  # the tips from which a commit is reached
        self._walk()

    def _walk(self) -> None:
        """Walk down from all tips, the latest commit first, until each is reached from all."""
        every = (1 << len(self._bits)) - 1
        self._read(self._bits)
        queue = [(-inf, tip) for tip in self._bits]  # the files on the disk have no date
        self._reached |= self._bits
        while any(self._reached[commit] != every for _, commit in queue):
            if len(self._reached) > _MOST_COMMITS * len(self._bits):
                self._reached.clear()
                return
            _, commit = heappop(queue)
            for parent in self._parents(commit):
                reached = self._reached.get(parent, 0) | self._reached[commit]
                if reached != self._reached.get(parent):
                    self._reached[parent] = reached
                    self._read([parent])
                    heappush(queue, (-self._commits[parent][0], parent))

    def _read(self, commits: Iterable[str]) -> None:
        """Read commits, and some of their ancestors."""
        new = [each for each in commits if each not in self._commits]
        asked = [f"{each}~{number}" for each in new for number in range(_AT_ONCE)]
        for found in self._repository.objects(asked, "commit").values():
            date = _DATE.search(found.data)
            seconds = -inf if date is None else float(date[1])
            self._commits[found.hash] = seconds, parents_of(found.data)
        for each in new:
            self._commits.setdefault(each, (-inf, []))

    def _parents(self, commit: str) -> list[str]:
        return self._commits[commit][1]

    def of(self, one: str, other: str) -> str | None:
        """The only merge base of two commits; ``None`` if there are several, or it is unknown."""
        if one not in self._bits or other not in self._bits:
            return None
        both = self._bits[one] | self._bits[other]
        shared = {commit for commit, tips in self._reached.items() if tips & both == both}
        below = {parent for commit in shared for parent in self._parents(commit)}
        best = shared - below
        return min(best) if len(best) == 1 else None


class Added(NamedTuple):
    """What a commit has in addition to an older one.

    Attributes:
        entries: the new files of one folder, by name.
        touched: the paths of everything new or changed, in any folder; for a new folder, its path.
    """

    entries: Mapping[str, TreeEntry]
    touched: frozenset[str]

    def agrees(self, other: Added) -> bool:
        """Whether the files that both have added to the folder are the same."""
        return all(other.entries.get(name, entry) == entry for name, entry in self.entries.items())


def additions(objects: ObjectCache, folder: str, pairs: Iterable[Pair]) -> Mapping[Pair, Added]:
    """What commits have added since others, by pair of the older and the newer one.

    Pairs are left out if a file was deleted or renamed anywhere, or changed in the folder that
    counts, and if there are links in it.

    Args:
        objects: the objects of their repository that were read.
        folder: the name in Git of the folder that counts.
        pairs: the commits.

    Raises:
        Unknown: Git cannot read them.
    """
    counts = f"{folder}/" if folder else ""
    found = {pair: Added({}, frozenset()) for pair in pairs}
    level = [(pair, "", f"{pair[0]}:", f"{pair[1]}:") for pair in found]
    while level:
        trees = objects.folders(tree for *_, old, new in level for tree in (old, new))
        below = []
        for pair, path, older, newer in level:
            before, after = trees.get(older), trees.get(newer)
            if before is None or after is None or not _only_adds(before, after, path, counts):
                found.pop(pair, None)
                continue
            new = dict(after.entries.items() - before.entries.items())
            if pair in found:
                entries = new if path == counts else found[pair].entries
                touched = (f"{path}{name}" for name in new if name not in before.folders)
                found[pair] = Added(entries, found[pair].touched.union(touched))
            for name in new.keys() & before.folders.keys():
                old_tree, new_tree = before.folders[name].blob, new[name].blob
                below.append((pair, f"{path}{name}/", old_tree, new_tree))
        level = [each for each in below if each[0] in found]
    return found


def _only_adds(before: Folder, after: Folder, path: str, counts: str) -> bool:
    """Whether nothing was removed from a folder, nor changed in the one that counts."""
    if not before.folders.keys() <= after.folders.keys():
        return False
    if not before.others.keys() <= after.others.keys():
        return False
    if path == counts:
        return not after.links and before.others.items() <= after.others.items()
    return not counts.startswith(path) or counts[len(path) :].partition("/")[0] in before.entries
