"""Every version that migration files had in one repository, and what became of revisions."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.git.history import Commit, Entry, Version, read_log
from flask_chainfix.git.repositories import Repository, literal, places
from flask_chainfix.model.files import Header

MOST = 50_000  # contents that are read


_REFS = ("refs/heads/", "refs/remotes/", "refs/tags/")


class Trace(NamedTuple):
    """The newest commit that had to do with a revision.

    Attributes:
        commit: that commit.
        version: the file of the revision: before the commit, or after it if it is ``kept``.
        after: what the commit made of that file; ``None`` where it removed it.
        kept: whether the revision is still there after the commit.
        branch: the reference that leads to the commit, where ``HEAD`` does not.
    """

    commit: Commit
    version: Version
    after: Version | None
    kept: bool = False
    branch: str = ""


class Archive:
    """The log of a repository, with the contents that it tells of.

    Args:
        repository: where to ask.
        roots: the real paths of the version locations in it.

    Attributes:
        repository: where it is.
        cut: whether only the newest contents were read.
        partial: whether some of the contents are not there.

    Raises:
        Unknown: Git cannot tell.
    """

    def __init__(self, repository: Repository, roots: Sequence[str]) -> None:
        self.repository = repository
        self._own = tuple(map(repository.name, roots))
        paths = places(repository, roots)
        entries, _ = read_log(repository, paths, "", "--all")
        here = _below_head(entries)
        self._here = [entry for entry in entries if entry[0].name in here]
        self._elsewhere = [entry for entry in entries if entry[0].name not in here]
        versions = dict.fromkeys(_versions(chain(self._here, self._elsewhere)))
        blobs = list(dict.fromkeys(version.blob for version in versions))
        self._contents = repository.contents(blobs[:MOST])
        self.cut = len(blobs) > MOST
        self.partial = len(self._contents) < len(blobs[:MOST])
        self._versions = [version for version in versions if version.blob in self._contents]
        self._headers: dict[Version, Header | None] = {}

    def data(self, version: Version) -> bytes:
        """The content of a version that has a header."""
        return self._contents[version.blob]

    def header(self, version: Version) -> Header | None:
        """The header of a version; ``None`` where it cannot be read."""
        if version not in self._headers:
            name = version.name.rpartition("/")[2]
            reading = source.read(self._contents.get(version.blob, b""), name)
            self._headers[version] = reading if isinstance(reading, Header) else None
        return self._headers[version]

    def trace(self, id_: str) -> Trace | None:
        """The newest commit that had to do with a revision; one below ``HEAD`` is preferred."""
        holding = frozenset(self._holding(id_))
        own = frozenset(version for version in holding if version.name.startswith(self._own))
        for versions in filter(None, (own, holding)):
            trace = _newest(self._here, versions)
            if trace is not None:
                return trace
        for versions in filter(None, (own, holding)):
            trace = _newest(self._elsewhere, versions)
            if trace is not None:
                return trace._replace(branch=_branch(trace.commit, self._elsewhere))
        return None

    def removed_with(self, trace: Trace) -> Iterator[Header]:
        """What the files said that the commit of a trace removed or changed."""
        for commit, changes in chain(self._here, self._elsewhere):
            if commit.name == trace.commit.name:
                versions = (version for change in changes for version in change.before)
                headers = (self.header(version) for version in versions)
                yield from (header for header in headers if header is not None)

    def checkout(self, trace: Trace) -> str:
        """A branch, a tag or a commit that has the file of a trace; ``""`` where none is known."""
        if trace.kept:
            return trace.branch
        known = {commit.name for commit, _ in chain(self._here, self._elsewhere)}
        parents = trace.commit.parents
        for parent in parents:
            has_it = len(parents) == 1 or self._has(parent, trace.version.name)
            if parent in known and has_it:
                names = (ref for tip, ref in self._tips if tip.startswith(parent))
                return _short(min(names, key=_rank, default=parent))
        return ""

    def _has(self, commit: str, name: str) -> bool:
        path = literal(name)
        return bool(self.repository.git("ls-tree", "--full-tree", "--name-only", commit, path))

    @cached_property
    def _tips(self) -> list[tuple[str, str]]:
        """The commits that references lead to, and the references."""
        form = (
            "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)"
        )
        output = os.fsdecode(self.repository.git("for-each-ref", form, *_REFS))
        return [(tip, ref) for tip, _, ref in (line.partition(" ") for line in output.split("\n"))]

    def traces(self, ids: Iterable[str]) -> dict[str, Trace]:
        """The traces of revisions, those included that only a merge has removed.

        Raises:
            Unknown: Git cannot tell.
        """
        found = {id_: trace for id_ in ids if (trace := self.trace(id_)) is not None}
        doubtful = {
            trace.version.name for trace in found.values() if trace.kept and not trace.branch
        }
        if not doubtful:
            return found
        gone = doubtful - self._at_head
        dropped = self._dropped(gone) if gone else {}
        for id_, trace in list(found.items()):
            commit = dropped.get(trace.version.name)
            if commit is not None and not trace.branch:
                found[id_] = Trace(commit, trace.version, None)
        return found

    def _holding(self, id_: str) -> Iterator[Version]:
        """The versions that have an id: contents decide, but few of them have to be parsed."""
        forms = _quoted(id_)
        for version in self._versions:
            name = version.name.rpartition("/")[2]
            data = self._contents[version.blob]
            if not forms or any(form in data for form in forms) or name.startswith(id_):
                header = self.header(version)
                if header is not None and header.revision == id_:
                    yield version

    @cached_property
    def _at_head(self) -> set[str]:
        """The files that ``HEAD`` has in all directories where migrations ever were."""
        directories = {version.name.rpartition("/")[0] for version in self._versions}
        paths = map(literal, directories) if all(directories) else ()
        output = self.repository.git(
            "ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD", "--", *paths
        )
        return set(os.fsdecode(output).split("\0"))

    def _dropped(self, names: Collection[str]) -> dict[str, Commit]:
        """The merges that dropped a file, as one side did not have it."""
        entries, _ = read_log(self.repository, map(literal, names), "D", each=True)
        dropped: dict[str, Commit] = {}
        for commit, changes in entries:
            for change in changes:
                dropped.setdefault(change.names[-1], commit)
        return dropped


def _below_head(entries: Iterable[Entry]) -> set[str]:
    """The commits that ``HEAD`` has; none before the first."""
    below: set[str] = set()
    for commit, _ in entries:  # no commit comes before one that it is a parent of
        if commit.is_head or commit.name in below:
            below.update((commit.name, *commit.parents))
    return below


def _versions(entries: Iterable[Entry]) -> Iterator[Version]:
    for _, changes in entries:
        for change in changes:
            for version in (change.after, *change.before):
                if version is not None and version.name.endswith(".py"):
                    yield version


def _newest(entries: Iterable[Entry], holding: Collection[Version]) -> Trace | None:
    for commit, changes in entries:
        for change in changes:
            if change.after is not None and change.after in holding:
                return Trace(commit, change.after, change.after, kept=True)
        for change in changes:
            for version in change.before:
                if version in holding:
                    return Trace(commit, version, change.after)
    return None


def _quoted(id_: str) -> tuple[bytes, ...]:
    """The ways to write an id; none where there are too many."""
    if id_.isascii() and id_.isprintable() and not {"'", '"', "\\"} & set(id_):
        return f"'{id_}'".encode(), f'"{id_}"'.encode()
    return ()


def _branch(commit: Commit, entries: Iterable[Entry]) -> str:
    """The reference that leads to a commit: rather a branch above it than a tag on it."""
    leading: dict[str, str] = {}
    for newer, _ in entries:  # no commit comes before one that it is a parent of
        ref = min(newer.ref, leading.get(newer.name, newer.ref), key=_rank)
        if newer.name == commit.name:
            return _short(ref)
        for parent in newer.parents:
            leading[parent] = min(ref, leading.get(parent, ref), key=_rank)
    return commit.ref


def _short(ref: str) -> str:
    return ref[len(next(filter(ref.startswith, _REFS), "")) :]


def _rank(ref: str) -> int:
    return next((rank for rank, prefix in enumerate(_REFS) if ref.startswith(prefix)), len(_REFS))
