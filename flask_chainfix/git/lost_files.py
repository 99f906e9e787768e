"""What became of revisions that no file has any more."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from flask_chainfix import source
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.git.archive import MOST, Archive, Trace
from flask_chainfix.git.repositories import Unknown, real_directory, repositories_of
from flask_chainfix.model.databases import LostRevision
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import Header

_NOT_KNOWN = "what became of lost revisions is not known"


_GENERATIONS = 10  # of lost ancestors of lost revisions


def find_lost(
    ids: Collection[str], environment: Environment, now: Snapshot
) -> tuple[Mapping[str, LostRevision], tuple[str, ...]]:
    """Ask Git what became of lost revisions, and of their lost ancestors.

    Args:
        ids: those that are looked for; what a file has now is not lost.
        environment: where the files would be.
        now: the files that there are.

    Returns:
        What is known of them, by id, and notices about what keeps the rest from being known.
    """
    wanted = [id_ for id_ in dict.fromkeys(ids) if id_ not in now.files_by_revision]
    if not wanted:
        return {}, ()
    locations = {real_directory(str(place)): place for place in environment.version_locations}
    repositories, unknown = repositories_of(locations)
    found: dict[str, LostRevision] = {}
    notices = [f"{reason}: {_NOT_KNOWN}" for reason in unknown]
    for repository, roots in repositories.items():
        try:
            archive = Archive(repository, roots)
            search = _Search(archive, {root: locations[root] for root in roots}, now)
            for id_, lost in search.all_of(wanted):
                found[id_] = min(found.get(id_, lost), lost, key=_distance)
        except Unknown as reason:
            notices.append(f"{reason}: {_NOT_KNOWN}")
            continue
        notices.extend(_limits(archive))
    return found, tuple(dict.fromkeys(notices)) if len(found) < len(wanted) else ()


def _distance(lost: LostRevision) -> tuple[bool, float]:
    """Sorts what was removed here before what is elsewhere, and the newest first."""
    return bool(lost.branch), -lost.date.timestamp()


def _limits(archive: Archive) -> Iterator[str]:
    if archive.repository.shallow:
        yield f"the clone is shallow: {_NOT_KNOWN} before `git fetch --unshallow`"
    if archive.partial:
        yield f"Git does not have the content of all older files: {_NOT_KNOWN}"
    if archive.cut:
        yield f"only the {MOST:,} newest versions of migrations were searched: {_NOT_KNOWN}"


class _Search:
    """Tells what became of revisions of one repository.

    Args:
        archive: what the repository holds.
        locations: the version locations in it, by their real paths.
        now: the files that there are.
    """

    def __init__(self, archive: Archive, locations: Mapping[str, Path], now: Snapshot) -> None:
        self._archive = archive
        self._locations = locations
        self._now = now

    def all_of(self, ids: Collection[str]) -> Iterator[tuple[str, LostRevision]]:
        """What is known of revisions, and of the lost ones below them."""
        there = self._now.files_by_revision.keys() | self._now.graph.labelled.keys()
        seen: set[str] = set()
        wanted = list(ids)
        for _ in range(_GENERATIONS):
            seen.update(wanted)
            found = self._archive.traces(wanted)
            described = {id_: self.describe(id_, trace) for id_, trace in found.items()}
            yield from described.items()
            below = (name for lost in described.values() for name in lost.requirements)
            wanted = [name for name in dict.fromkeys(below) if name not in there | seen]
            if not wanted:
                break

    def describe(self, id_: str, trace: Trace) -> LostRevision:
        """All that is known of a revision."""
        header = self._archive.header(trace.version)
        assert header is not None
        data = self._archive.data(trace.version)
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
            self._archive.checkout(trace),
            tuple(self._removed_above(id_, trace)),
        )

    def _removed_above(self, id_: str, trace: Trace) -> Iterator[str]:
        for header in () if trace.kept else self._archive.removed_with(trace):
            above = header.revision
            if id_ in (header.down_revision or ()) and above not in self._now.files_by_revision:
                yield above or ""

    def _followed(self, trace: Trace) -> str | None:
        """The id that the same file has now, whatever ids it had in between."""
        passed: set[str] = set()
        following: Trace | None = trace
        while following is not None:
            id_ = self._next(following)
            if id_ is None or id_ in passed or id_ in self._now.files_by_revision:
                return None if id_ in passed else id_
            passed.add(id_)
            following = self._archive.trace(id_)
        return None

    def _next(self, trace: Trace) -> str | None:
        """The id that the file of a revision had next."""
        if trace.kept and trace.branch:
            return None
        if trace.kept:
            path = self._path(trace.version.name)
            header = next((file.reading for file in self._now.files if file.path == path), None)
        else:
            header = self._archive.header(trace.after) if trace.after is not None else None
        return header.revision if isinstance(header, Header) else None

    def _same(self, header: Header, data: bytes) -> Iterator[str]:
        """The ids of files with the same code; of empty ones, those with the same parents."""
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
        """Where a file is, or was, by the name that Git has for it."""
        real = self._archive.repository.top + name.replace("/", os.sep)
        root = max(filter(real.startswith, self._locations), key=len, default="")
        return self._locations[root] / real[len(root) :] if root else Path(real)
