"""The commit in which each migration file landed, renames followed.

One ``git log`` for each repository, walked from the newest commit to the oldest. What Git cannot
tell is said once, in the notices, and the next rank of the ordering serves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.git.log import Change, Commit, Entry, read_log
from flask_chainfix.git.repositories import Repository, places, real_directory, repositories_of
from flask_chainfix.git.running import Unknown
from flask_chainfix.model import Arrival, History, Landing

_NO_EVIDENCE = "Create Date and file names decide alone"
_NOT_COMPARED = (
    "Git cannot compare the content of older files: a migration that one commit renamed and edited"
    " counts from that commit"
)


class _Place(NamedTuple):
    """Where a file came: to the main branch, by its first parents, and into the history at all.

    One of the two is always known. In the middle of a merge, what is being merged is in no commit
    of the history yet.
    """

    arrived: Commit | None
    landed: Commit | None

    @property
    def order(self) -> tuple[bool, int, bool, int]:
        """What to sort by: what the main branch has comes first, in the order in which it came."""
        arrived, landed = self
        return (
            arrived is None,
            -arrived.age if arrived is not None else 0,
            landed is None,
            -landed.age if landed is not None else 0,
        )

    @property
    def commit(self) -> Commit:
        """The commit that first added the file."""
        commit = self.landed or self.arrived
        assert commit is not None
        return commit

    @property
    def date(self) -> datetime:
        """When it came."""
        return (self.arrived or self.commit).date


class _Reading(NamedTuple):
    places: Mapping[Path, _Place]
    pending: int  # files that no commit holds
    notices: Sequence[str]


def read_history(
    files: Iterable[Path], directories: Sequence[Path], main: Sequence[str] = ()
) -> History:
    """Ask Git when migration files landed.

    A file that was deleted and later added again counts from then; one that was added on several
    branches, from the first. Between repositories, the dates decide.

    Args:
        files: the absolute paths of the files, as they were read.
        directories: the version locations.
        main: the main branch, and where it may be ahead; what that has comes first, in the order
            in which it got it.
    """
    located = _located(files, directories)
    repositories, unknown = repositories_of(located)
    readings = []
    for repository, roots in repositories.items():
        try:
            readings.append(_read(repository, {root: located[root] for root in roots}, main))
        except Unknown as reason:  # noqa: PERF203 - there are few
            unknown.setdefault(str(reason), []).extend(roots)
    places = {path: place for reading in readings for path, place in reading.places.items()}
    # Each repository keeps its own order.
    apart = (sorted(set(each.places.values()), key=_order) for each in readings)
    in_order = merge(*apart, key=_date)
    positions = {place: position for position, place in enumerate(in_order)}
    landings = {
        path: Landing(positions[place], place.commit.name, place.commit.date, _arrival(place))
        for path, place in places.items()
    }
    notices = _notices(readings, unknown, ranked=bool(landings))
    return History(landings, tuple(dict.fromkeys(notices)))


def _order(place: _Place) -> tuple[bool, int, bool, int]:
    return place.order


def _date(place: _Place) -> datetime:
    return place.date


def _arrival(place: _Place) -> Arrival | None:
    return Arrival(place.arrived.name, place.arrived.date) if place.arrived is not None else None


def _notices(
    readings: Sequence[_Reading], unknown: Mapping[str, list[str]], *, ranked: bool
) -> Iterator[str]:
    for reason, roots in unknown.items():
        where = ", ".join(str(Path(root)) for root in roots)
        latest = f"the migrations in {where} count as the latest"
        yield f"{reason}: {latest if ranked else _NO_EVIDENCE}"
    pending = sum(reading.pending for reading in readings)
    if pending and not ranked:
        yield f"none of the migrations is committed yet: {_NO_EVIDENCE}"
    elif pending == 1:
        yield "1 migration is not committed yet: it counts as the latest"
    elif pending:
        yield f"{pending} migrations are not committed yet: they count as the latest"
    for reading in readings:
        yield from reading.notices


def _located(files: Iterable[Path], directories: Sequence[Path]) -> dict[str, dict[Path, str]]:
    """The real path of each file, by the version location around it, which ends in a slash."""
    real = cache(real_directory)
    locations = sorted({real(str(directory)) for directory in directories}, key=len)
    located: dict[str, dict[Path, str]] = {}
    for file in files:
        directory, name = os.path.split(file)
        folder = real(directory)
        root = next(filter(folder.startswith, locations), folder)
        located.setdefault(root, {})[file] = folder + name
    return located


def _read(
    repository: Repository, located: Mapping[str, Mapping[Path, str]], main: Sequence[str]
) -> _Reading:
    names: dict[str, list[Path]] = {}
    for real_paths in located.values():
        for file, path in real_paths.items():
            names.setdefault(repository.name(path), []).append(file)
    pathspecs = places(repository, located)
    entries, compared = read_log(repository, pathspecs, "ADR")
    landed = _trace(entries, names)
    arrived = _arrived(repository, pathspecs, names, main)
    notices = [] if compared else [_NOT_COMPARED]
    # The oldest commits of a shallow clone seem to have no parents and to add all their files.
    if repository.shallow and sum(not commit.parents for commit in landed.values()) > 1:
        notices.append(
            "the clone is shallow: which of the older migrations landed first is not known until"
            " `git fetch --unshallow`"
        )
    by_file = {
        file: _Place(arrived.get(name), landed.get(name))
        for name in (*landed, *(name for name in arrived if name not in landed))
        for file in names[name]
    }
    return _Reading(by_file, len(names) - len({*landed, *arrived}), notices)


def _arrived(
    repository: Repository, pathspecs: Sequence[str], names: Iterable[str], main: Sequence[str]
) -> Mapping[str, Commit]:
    """The commits of the main branch that brought files to it; none where it is not there."""
    if not main:
        return {}
    with suppress(Unknown):
        entries, _ = read_log(repository, pathspecs, "ADR", *main, first_parents=True)
        return _trace(entries, names)
    return {}


def _trace(entries: Iterable[Entry], names: Iterable[str]) -> dict[str, Commit]:
    """The commit that first added each file, by the name that the file has now."""
    known_as = {name: [name] for name in names}
    landed: dict[str, Commit] = {}
    for commit, changes in entries:
        for old, new in map(_names, changes):
            if not old:
                landed.update(dict.fromkeys(known_as.get(new, ()), commit))
                continue
            # What has landed since is another file than the one that had the name before. A file
            # that has not is still there through another branch.
            earlier = [name for name in known_as.get(old, ()) if name not in landed]
            known_as[old] = earlier + known_as.pop(new, [])
    return landed


def _names(change: Change) -> tuple[str, str]:
    """What a change called a file before and after; ``""`` where there was or is none."""
    if "R" in change.statuses:
        return change.names[change.statuses.index("R")], change.names[-1]
    return ("", change.names[-1]) if "A" in change.statuses else (change.names[-1], "")
