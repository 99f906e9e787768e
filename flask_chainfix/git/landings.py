"""Git's log of migration files, and the commit in which each file landed, across renames.

Runs one ``git log`` per repository, from the newest commit to the oldest. If Git does not know, a
notice says so once, and the ordering uses its next criterion.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.git.program import Unknown
from flask_chainfix.git.repositories import Repository, literal, real_directory, repositories_of
from flask_chainfix.model.history import Arrival, GitHistory, Landing

LOCAL, REMOTES, TAGS = REFS = ("refs/heads/", "refs/remotes/", "refs/tags/")
_LATEST = 2**37  # seconds since 1970

# ``--sparse`` avoids comparing each commit twice, and ``-l`` avoids minutes of comparing each file
# with each in a commit that renames and edits thousands. The last line, and the references that
# decorate, override the user's configuration.
_LOG = (  # noqa: SIM905 - one string is easier to read
    "-c log.diffMerges=separate log -z --format=commit%x09%h%x09%ct%x09%p%x09%S%x09%D%x09%an"
    " --raw --date-order --full-history --sparse -l1000 --decorate-refs=HEAD"
    " --encoding=UTF-8 --root -O/dev/null --no-relative --no-show-signature"
).split()

# The differences of a merge from all parents; ``-m`` lists each parent, which is much longer.
_MERGED, EACH = ("-c", "--combined-all-paths"), "-m"

# A small migration stays about 85 % similar when it is renamed and relinked, and another
# one with the same operations, generated again, is about 65 % similar.
_SIMILAR, _SAME = "-M75%", "-M100%"


class Commit(NamedTuple):
    """A commit.

    Attributes:
        age: its position in the log, 0 for the newest.
        name: its abbreviated hash.
        date: the committer date, timezone-aware.
        parents: the abbreviated hashes of its parents.
        ref: the requested reference through which the log reached it; ``""`` for the reflog.
        author: its author.
        is_head: whether it is ``HEAD``.
    """

    age: int
    name: str
    date: datetime
    parents: tuple[str, ...]
    ref: str
    author: str
    is_head: bool


class NamedBlob(NamedTuple):
    """A version of a file: its name in Git, and the abbreviated hash of its content."""

    name: str
    blob: str


class FileChange(NamedTuple):
    """The change of one file in a commit.

    Attributes:
        statuses: Git's status letter, for each parent.
        names: the file's name in each parent, then the current one.
        before: its version in each parent that has it.
        after: its new version; ``None`` if it was deleted.
    """

    statuses: str
    names: tuple[str, ...]
    before: tuple[NamedBlob, ...]
    after: NamedBlob | None


Entry = tuple[Commit, list[FileChange]]


def places(repository: Repository, roots: Iterable[str]) -> list[str]:
    """Pathspecs for version locations, and for where they probably were before they moved."""
    # The directory of a moved version location is unknown, but its name usually stays.
    names = {"versions"} | {Path(root).name for root in roots}
    escaped = (re.sub(r"([*?\[\\])", r"\\\1", name) for name in names if name)
    # Git tries the last one first, and literal ones are fast.
    return [f":(top,glob)**/{name}/**" for name in escaped] + [
        literal(repository.name(root)) for root in roots
    ]


def read_log(repository: Repository, paths: Iterable[str], *asked: str) -> tuple[list[Entry], bool]:
    """Read all commits that lead to some revisions.

    Args:
        repository: the repository.
        paths: pathspecs.
        asked: further options of ``git log``, then revisions; none of these is ``HEAD``.

    Returns:
        The commits, and whether contents could be compared; if not, a file that was renamed and
        edited counts as a new one.

    Raises:
        Unknown: Git cannot read them.
    """
    merges = () if EACH in asked else _MERGED
    among = (*asked, "--", *paths)
    try:
        return _parse(repository.git(*_LOG, *merges, _SIMILAR, *among)), True
    except Unknown as reason:
        if "does not have any commits yet" in str(reason):
            return [], True
    # A partial clone has names and checksums even without the content.
    return _parse(repository.git(*_LOG, *merges, _SAME, *among)), False


def _parse(output: bytes) -> list[Entry]:
    entries: list[Entry] = []
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        text = token.strip().decode(errors="replace")
        if text.startswith("commit\t"):
            text = token.decode(errors="replace")
            _, name, seconds, parents, ref, head, author = text.split("\t", 6)
            # A damaged commit can have no date, or an impossible one.
            date = datetime.fromtimestamp(min(int(seconds or 0), _LATEST), timezone.utc)
            below = tuple(parents.split())
            commit = Commit(len(entries), name, date, below, ref, author, bool(head))
            entries.append((commit, []))
        elif text:
            entries[-1][1].append(_change(text, tokens))
    return entries


def _change(text: str, tokens: Iterator[bytes]) -> FileChange:
    fields = text.lstrip(":")
    parents = len(text) - len(fields)
    *numbers, statuses = fields.split()  # the modes, the hashes and a letter for each parent
    statuses = statuses.rstrip("0123456789")
    count = parents + 1 if parents > 1 or statuses == "R" else 1
    names = [os.fsdecode(next(tokens)) for _ in range(count)]
    blobs = numbers[parents + 1 :]
    *before, after = map(NamedBlob, names if count > 1 else names * 2, blobs)
    return FileChange(
        statuses,
        tuple(names),
        tuple(version for version in before if version.blob.strip("0")),
        after if after.blob.strip("0") else None,
    )


# --- The commit in which each migration file landed, renames followed ----------------------------


_ADDED = "--diff-filter=ADR"
_NO_EVIDENCE = "only Create Date and file names decide"
_NOT_COMPARED = (
    "Git cannot compare the content of older files: a migration that one commit renamed and edited"
    " counts from that commit"
)


class _Place(NamedTuple):
    """Where a file landed.

    Attributes:
        arrived: the commit that brought it to the main branch, by first parents; ``None`` if the
            main branch does not have it.
        landed: the commit that brought it into the history of ``HEAD``; ``None`` during a merge
            that brings it. It is the same for all files that a shallow clone has from its
            beginning.
        commit: the commit that first added it; one of the two is always known.
    """

    arrived: Commit | None
    landed: Commit | None
    commit: Commit

    @property
    def order(self) -> tuple[bool, int, bool, int]:
        """Files on the main branch come first, in the order in which they arrived."""
        arrived, landed, _ = self
        return (
            arrived is None,
            -arrived.age if arrived is not None else 0,
            landed is None,
            -landed.age if landed is not None else 0,
        )


class _Reading(NamedTuple):
    places: Mapping[Path, _Place]
    pending: int  # files that no commit has
    notices: Sequence[str]
    cut_off: Sequence[Path] = ()  # files that the oldest commits of a shallow clone have


def read_history(
    files: Iterable[Path], directories: Sequence[Path], main: Sequence[str] = ()
) -> GitHistory:
    """Ask Git when migration files landed.

    A file that was deleted and added again counts from the second time; one that was added on
    several branches, from the first. Dates decide between repositories.

    Args:
        files: the absolute paths of the files, as they were read.
        directories: the version locations.
        main: the main branch, and a local one that may be ahead of it; their files come first, in
            the order in which they arrived.
    """
    located = _located(files, directories)
    repositories, unknown = repositories_of(located)
    readings = []
    for repository, roots in repositories.items():
        try:
            readings.append(_read(repository, {root: located[root] for root in roots}, main))
        except Unknown as reason:  # noqa: PERF203 - there are few
            unknown.setdefault(str(reason), []).extend(roots)
    places_of_files = {
        path: place for reading in readings for path, place in reading.places.items()
    }
    # Each repository keeps its own order.
    apart = (sorted(set(each.places.values()), key=lambda place: place.order) for each in readings)
    in_order = merge(*apart, key=lambda place: (place.arrived or place.commit).date)
    together = dict.fromkeys(place[:2] for place in in_order)
    positions = {place: position for position, place in enumerate(together)}
    landings = {}
    for path, place in places_of_files.items():
        came = Arrival(place.arrived.name, place.arrived.date) if place.arrived else None
        position, commit = positions[place[:2]], place.commit
        landings[path] = Landing(position, commit.name, commit.date, came, commit.author)
    notices = _notices(readings, unknown, ranked=bool(landings))
    cut_off = frozenset(path for reading in readings for path in reading.cut_off)
    return GitHistory(landings, tuple(dict.fromkeys(notices)), cut_off=cut_off)


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
    """The real path of each file, by the innermost version location around it."""
    real = cache(real_directory)
    roots = {real(str(directory)) for directory in directories}
    innermost_first = sorted(roots, key=len, reverse=True)
    located: dict[str, dict[Path, str]] = {}
    for file in files:
        directory, name = os.path.split(file)
        folder = real(directory)
        root = next(filter(folder.startswith, innermost_first), folder)
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
    entries, compared = read_log(repository, pathspecs, _ADDED)
    landed = _trace(entries, names)
    arrived: Mapping[str, Commit] = {}
    if main:
        with suppress(Unknown):  # it does not exist
            # A merge counts as the commit of everything that it brought.
            asked = (EACH, "--first-parent", _ADDED, *main)
            arrived = _trace(read_log(repository, pathspecs, *asked)[0], names)
    notices = [] if compared else [_NOT_COMPARED]
    # The oldest commits of a shallow clone seem to have no parents and to add all their files.
    oldest = {
        name: commit for name, commit in landed.items() if repository.shallow and not commit.parents
    }
    if len(oldest) > 1:
        notices.append(
            "the clone is shallow: which of the older migrations landed first is not known until"
            f" `{repository.program} fetch --unshallow`"
        )
    first = {**arrived, **landed}
    # There may be several such commits, and their dates are not those of their files.
    tied = dict.fromkeys(oldest, max(oldest.values(), default=None))
    by_file = {
        file: _Place(arrived.get(name), tied.get(name) or landed.get(name), commit)
        for name, commit in first.items()
        for file in names[name]
    }
    cut_off = [file for name in oldest for file in names[name]]
    return _Reading(by_file, len(names) - len(first), notices, cut_off)


def _trace(entries: Iterable[Entry], names: Iterable[str]) -> dict[str, Commit]:
    """The commit that first added each file, by the file's current name."""
    known_as = {name: [name] for name in names}
    landed: dict[str, Commit] = {}
    for commit, changes in entries:
        for old, new in map(_names, changes):
            if not old:
                landed.update(dict.fromkeys(known_as.get(new, ()), commit))
                continue
            # A landed file is not the file that had its name before. A file
            # that has not landed still exists on another branch.
            earlier = [name for name in known_as.get(old, ()) if name not in landed]
            known_as[old] = earlier + known_as.pop(new, [])
    return landed


def _names(change: FileChange) -> tuple[str, str]:
    """The name of a file before and after a change; ``""`` if it did not or does not exist."""
    if "R" in change.statuses:
        return change.names[change.statuses.index("R")], change.names[-1]
    return ("", change.names[-1]) if "A" in change.statuses else (change.names[-1], "")


# --- The references that lead to commits ---------------------------------------------------------


def commits_below(entries: Iterable[Entry], tip: str | None = None) -> set[str]:
    """A commit with all its ancestors; ``HEAD`` if none is named."""
    below: set[str] = set()
    for commit, _ in entries:  # no commit comes before one that it is a parent of
        is_tip = commit.is_head if tip is None else tip.startswith(commit.name)
        if is_tip or commit.name in below:
            below.update((commit.name, *commit.parents))
    return below


def commits_with_refs(entries: Iterable[Entry]) -> set[str]:
    """The commits that references lead to; to the others, only the reflog does."""
    named: set[str] = set()
    for commit, _ in entries:  # no commit comes before one that it is a parent of
        if commit.ref or commit.name in named:
            named.update((commit.name, *commit.parents))
    return named


def leading_ref(commit: Commit, entries: Iterable[Entry]) -> str:
    """The reference that leads to a commit; a branch above it is preferred to a tag on it.

    If only the reflog leads to it, it is the name of the last commit above it.
    """
    leading: dict[str, str] = {}
    ref = commit.ref
    for newer, _ in entries:  # no commit comes before one that it is a parent of
        own = newer.ref or leading.get(newer.name, newer.name)
        ref = min(own, leading.get(newer.name, own), key=rank_of_ref)
        if newer.name == commit.name:
            break
        for parent in newer.parents:
            leading[parent] = min(ref, leading.get(parent, ref), key=rank_of_ref)
    return short_ref(ref)


def short_ref(ref: str) -> str:
    """A reference without ``refs/heads/`` and the like."""
    return ref[len(next(filter(ref.startswith, REFS), "")) :]


def rank_of_ref(ref: str) -> int:
    """A sort key: local branches, then branches of remotes, then tags."""
    return next((rank for rank, prefix in enumerate(REFS) if ref.startswith(prefix)), len(REFS))
