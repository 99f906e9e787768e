"""What happened to revisions that no file has now, from every version of their files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.git.in_progress import bringing
from flask_chainfix.git.landings import (
    EACH,
    REFS,
    Commit,
    Entry,
    NamedBlob,
    commits_below,
    commits_with_refs,
    leading_ref,
    places,
    rank_of_ref,
    read_log,
    short_ref,
)
from flask_chainfix.git.program import Unknown
from flask_chainfix.git.repositories import Repository, literal, real_directory, repositories_of
from flask_chainfix.git.upstream import main_lines
from flask_chainfix.model.databases import LostRevision
from flask_chainfix.model.files import Header

_MOST = 50_000  # the number of contents to read
_GENERATIONS = 10  # generations of lost ancestors
_NOT_KNOWN = "what became of lost revisions is not known"


def find_lost(
    ids: Collection[str], now: Snapshot
) -> tuple[Mapping[str, LostRevision], tuple[str, ...]]:
    """Ask Git what happened to lost revisions, and to their lost ancestors.

    Args:
        ids: the ids; those that a file has now are not lost.
        now: the current files.

    Returns:
        What is known about them, by id, and notices about what is unknown and why.
    """
    wanted = [id_ for id_ in dict.fromkeys(ids) if id_ not in now.files_by_revision]
    if not wanted:
        return {}, ()
    locations = {real_directory(place): place for place in now.environment.version_locations}
    repositories, unknown = repositories_of(locations)
    found: dict[str, LostRevision] = {}
    notices = [f"{reason}: {_NOT_KNOWN}" for reason in unknown]
    for repository, roots in repositories.items():
        try:
            archive = _Archive(repository, {root: locations[root] for root in roots}, now)
            for id_, lost in archive.all_of(wanted):
                found[id_] = min(found.get(id_, lost), lost, key=_distance)
        except Unknown as reason:
            notices.append(f"{reason}: {_NOT_KNOWN}")
            continue
        notices.extend(f"{limit}: {_NOT_KNOWN}" for limit in archive.limits)
        if repository.shallow:
            deeper = f"`{repository.program} fetch --unshallow`"
            notices.append(f"the clone is shallow: {_NOT_KNOWN} before {deeper}")
    return found, tuple(dict.fromkeys(notices)) if len(found) < len(wanted) else ()


class FileVersion(NamedTuple):
    """One of the contents that the file of a revision has had.

    Attributes:
        lost: what is known about the revision, with this content.
        refs: the branches and tags that have it now.
    """

    lost: LostRevision
    refs: tuple[str, ...]


def find_versions(ids: Collection[str], now: Snapshot) -> Mapping[str, tuple[FileVersion, ...]]:
    """Ask Git for every content that the files of some revisions have had, the newest first.

    Args:
        ids: lost revisions that ``find_lost`` has found.
        now: the current files.
    """
    locations = {real_directory(place): place for place in now.environment.version_locations}
    found: dict[str, tuple[FileVersion, ...]] = {}
    for repository, roots in repositories_of(locations)[0].items():
        with suppress(Unknown):
            archive = _Archive(repository, {root: locations[root] for root in roots}, now)
            for id_ in ids:
                found[id_] = (*found.get(id_, ()), *archive.versions_of(id_))
    return found


def _distance(lost: LostRevision) -> tuple[bool, float]:
    """A sort key: revisions removed here before those elsewhere, and the newest first."""
    return bool(lost.branch), -lost.date.timestamp()


class _Trace(NamedTuple):
    """The newest commit that touched a revision.

    Attributes:
        commit: that commit.
        version: the file of the revision: before the commit, or after it if it is ``kept``.
        after: the file after the commit; ``None`` if the commit removed it.
        kept: whether the revision still exists after the commit.
        branch: the reference that leads to the commit, if ``HEAD`` does not.
    """

    commit: Commit
    version: NamedBlob
    after: NamedBlob | None
    kept: bool = False
    branch: str = ""


class _Archive:
    """The log of a repository, with the contents of its files.

    Args:
        repository: the repository.
        locations: its version locations, by their real paths.
        now: the current files.

    Attributes:
        limits: why some contents are unknown.

    Raises:
        Unknown: Git cannot read it.
    """

    def __init__(
        self, repository: Repository, locations: Mapping[str, Path], now: Snapshot
    ) -> None:
        self._repository = repository
        self._locations = locations
        self._now = now
        entries, _ = read_log(repository, places(repository, locations), "--all", "--reflog")
        self._entries, self._names = entries, {commit.name for commit, _ in entries}
        below = commits_below(entries)
        self._here = [entry for entry in entries if entry[0].name in below]
        named = commits_with_refs(entries)
        self._elsewhere = [entry for entry in entries if entry[0].name in named - below]
        self._dropped = [entry for entry in entries if entry[0].name not in named | below]
        self._kept = set(_versions(chain(self._here, self._elsewhere)))
        versions = dict.fromkeys(_versions(chain(self._here, self._elsewhere, self._dropped)))
        blobs = list(dict.fromkeys(version.blob for version in versions))
        self._contents = repository.contents(blobs[:_MOST])
        self._versions = [version for version in versions if version.blob in self._contents]
        self._headers: dict[NamedBlob, Header | None] = {}
        self.limits: list[str] = []
        if len(self._contents) < len(blobs[:_MOST]):
            self.limits.append("Git does not have the content of all older files")
        if len(blobs) > _MOST:
            self.limits.append(f"only the {_MOST:,} newest versions of migrations were searched")

    def all_of(self, ids: Collection[str]) -> Iterator[tuple[str, LostRevision]]:
        """What is known about revisions, and about their lost ancestors."""
        there = self._now.files_by_revision.keys() | self._now.graph.labelled.keys()
        seen: set[str] = set()
        wanted = list(ids)
        for _ in range(_GENERATIONS):
            seen.update(wanted)
            traces = self._traces(wanted)
            described = {id_: self._describe(id_, trace) for id_, trace in traces.items()}
            yield from described.items()
            below = (name for lost in described.values() for name in lost.requirements)
            wanted = [name for name in dict.fromkeys(below) if name not in there | seen]
            if not wanted:
                break

    # --- The newest commit that touched a revision -----------------------------------------------

    def _traces(self, ids: Iterable[str]) -> dict[str, _Trace]:
        """The traces of revisions, including those that only a merge has removed."""
        found = {id_: trace for id_ in ids if (trace := self._trace(id_)) is not None}
        kept = {trace.version.name for trace in found.values() if trace.kept and not trace.branch}
        gone = kept - self._at_head if kept else kept
        if gone:  # a merge dropped the file, because one side did not have it
            asked = (EACH, "--diff-filter=D")
            entries, _ = read_log(self._repository, map(literal, gone), *asked)
            dropped: dict[str, Commit] = {}
            for commit, changes in entries:
                for change in changes:
                    dropped.setdefault(change.names[-1], commit)
            for id_, trace in found.items():
                if trace.version.name in dropped and not trace.branch:
                    found[id_] = _Trace(dropped[trace.version.name], trace.version, None)
        return found

    def versions_of(self, id_: str) -> Iterator[FileVersion]:
        """Every content of the file of a revision, with the references that have it now."""
        places: dict[str, list[NamedBlob]] = {}
        for version in filter(self._kept.__contains__, self._holding(id_)):
            places.setdefault(version.blob, []).append(version)
        names = {version.name for alike in places.values() for version in alike}
        asked = {f"{tip}:{name}": ref for tip, _, ref in self._tips for name in names}
        there = self._repository.objects(asked, "blob")
        for blob, alike in places.items():
            refs = {asked[place] for place, each in there.items() if each.hash.startswith(blob)}
            trace = self._trace(id_, alike)
            if trace is not None:
                shown = tuple(map(short_ref, sorted(refs, key=lambda ref: (rank_of_ref(ref), ref))))
                yield FileVersion(self._describe(id_, trace), shown)

    def _trace(self, id_: str, among: Iterable[NamedBlob] | None = None) -> _Trace | None:
        """The trace; commits below ``HEAD`` and current version locations are preferred."""
        holding = frozenset(self._holding(id_) if among is None else among)
        roots = tuple(map(self._repository.name, self._locations))
        own = frozenset(version for version in holding if version.name.startswith(roots))
        for entries in (self._here, self._elsewhere, self._dropped):
            for versions in filter(None, (own, holding)):
                trace = _newest(entries, versions)
                if trace is not None and entries is not self._here:
                    return trace._replace(branch=leading_ref(trace.commit, entries))
                if trace is not None:
                    return trace
        return None

    def _holding(self, id_: str) -> Iterator[NamedBlob]:
        """The versions that have an id; only a few of them need to be parsed."""
        plain = id_.isascii() and id_.isprintable() and not {"'", '"', "\\"} & set(id_)
        forms = (f"'{id_}'".encode(), f'"{id_}"'.encode()) if plain else ()
        for version in self._versions:
            name = version.name.rpartition("/")[2]
            data = self._contents[version.blob]
            if not forms or any(form in data for form in forms) or name.startswith(id_):
                header = self._header(version)
                if header is not None and header.revision == id_:
                    yield version

    def _header(self, version: NamedBlob) -> Header | None:
        if version not in self._headers:
            name = version.name.rpartition("/")[2]
            reading = source.read(self._contents.get(version.blob, b""), name)
            self._headers[version] = reading if isinstance(reading, Header) else None
        return self._headers[version]

    @cached_property
    def _at_head(self) -> set[str]:
        """The files that ``HEAD`` has in all directories that have ever had migrations."""
        directories = {version.name.rpartition("/")[0] for version in self._versions}
        paths = map(literal, directories) if all(directories) else ()
        asked = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD", "--", *paths)
        return set(os.fsdecode(self._repository.git(*asked)).split("\0"))

    # --- What users want to know about it ---------------------------------------------------------

    def _describe(self, id_: str, trace: _Trace) -> LostRevision:
        header = self._header(trace.version)
        assert header is not None
        data = self._contents[trace.version.blob]
        renamed = self._followed(trace)
        same = list(self._same(header, data))
        if renamed not in same and len(same) == 1:
            renamed = same[0]
        return LostRevision(
            id_,
            trace.commit.name,
            trace.commit.author,
            trace.commit.date,
            self._path(trace.version.name),
            data,
            header.down_revision or (),
            renamed,
            renamed is not None and renamed not in same,
            trace.branch,
            trace.kept,
            header.depends_on or (),
            self._checkout(trace),
            tuple(self._removed_above(id_, trace)),
            self._main(trace),
            trace.branch in self._names,
            bringing(self._repository, trace.commit.name) if trace.kept else "",
        )

    def _main(self, trace: _Trace) -> str:
        """The main branch, if merging it restores the file of a trace; otherwise ``""``."""
        if not (trace.kept and trace.branch):
            return ""
        return next((ref for ref, below in self._lines if trace.commit.name in below), "")

    @cached_property
    def _lines(self) -> list[tuple[str, set[str]]]:
        """The main branch and the local one of that name, each with its commits."""
        refs = {ref: leads_to for _, leads_to, ref in self._tips}
        lines = main_lines(self._now.environment.settings, refs)
        return [
            (short_ref(ref), commits_below(self._entries, tip))
            for tip, _, ref in self._tips
            if ref in lines
        ]

    def _removed_above(self, id_: str, trace: _Trace) -> Iterator[str]:
        """The ids of a revision's children that were removed or changed in the same commit."""
        for commit, changes in () if trace.kept else self._entries:
            if commit.name == trace.commit.name:
                versions = (version for change in changes for version in change.before)
                for header in filter(None, map(self._header, versions)):
                    above = header.revision
                    is_on_it = id_ in (header.down_revision or ())
                    if is_on_it and above not in self._now.files_by_revision:
                        yield above or ""

    def _followed(self, trace: _Trace) -> str | None:
        """The current id of the same file, across any ids in between."""
        passed: set[str] = set()
        following: _Trace | None = trace
        while following is not None:
            id_ = self._next(following)
            if id_ is None or id_ in passed or id_ in self._now.files_by_revision:
                return None if id_ in passed else id_
            passed.add(id_)
            following = self._trace(id_)
        return None

    def _next(self, trace: _Trace) -> str | None:
        """The id that the file of a revision had next."""
        if trace.kept and trace.branch:
            return None
        if trace.kept:
            path = self._path(trace.version.name)
            header = next((file.reading for file in self._now.files if file.path == path), None)
        else:
            header = self._header(trace.after) if trace.after is not None else None
        return header.revision if isinstance(header, Header) else None

    def _same(self, header: Header, data: bytes) -> Iterator[str]:
        """The ids of files with the same code; for empty ones, with the same parents."""
        words = source.words_in(data)
        nothing = source.does_nothing(data)
        for file in self._now.files:
            reading = file.reading
            if (
                isinstance(reading, Header)
                and reading.revision is not None
                and not (nothing and reading.down_revision != header.down_revision)
                and all(word in file.data for word in words)
                and source.same_body(data, file.data)
            ):
                yield reading.revision

    def _path(self, name: str) -> Path:
        """The current or former path of a file, from its name in Git."""
        real = self._repository.top + name.replace("/", os.sep)
        root = max(filter(real.startswith, self._locations), key=len, default="")
        return self._locations[root] / real[len(root) :] if root else Path(real)

    def _checkout(self, trace: _Trace) -> str:
        """A branch, a tag or a commit that has the file of a trace; ``""`` if none is known."""
        if trace.kept:  # a stash has the untracked files in one commit, and the others in another
            return trace.commit.name if trace.branch == "refs/stash" else trace.branch
        parents = trace.commit.parents
        for parent in parents:
            has_it = len(parents) == 1 or f"{parent}:{trace.version.name}" in (
                self._repository.objects([f"{parent}:{trace.version.name}"])
            )
            if parent in self._names and has_it:
                names = (ref for tip, _, ref in self._tips if tip.startswith(parent))
                return short_ref(min(names, key=rank_of_ref, default=parent))
        return ""

    @cached_property
    def _tips(self) -> list[tuple[str, str, str]]:
        """Each reference, the commit that it leads to, and the reference that it points to."""
        tip = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
        asked = ("for-each-ref", f"--format={tip} %(symref) %(refname)", *REFS)
        lines = os.fsdecode(self._repository.git(*asked)).split("\n")[:-1]
        return [(tip, leads_to, ref) for tip, leads_to, ref in map(str.split, lines, repeat(" "))]


def _versions(entries: Iterable[Entry]) -> Iterator[NamedBlob]:
    for _, changes in entries:
        for change in changes:
            for version in (change.after, *change.before):
                if version is not None and version.name.endswith(".py"):
                    yield version


def _newest(entries: Iterable[Entry], holding: Collection[NamedBlob]) -> _Trace | None:
    for commit, changes in entries:
        for change in changes:
            if change.after is not None and change.after in holding:
                return _Trace(commit, change.after, change.after, kept=True)
        for change in changes:
            for version in change.before:
                if version in holding:
                    return _Trace(commit, version, change.after)
    return None
