"""Git: the commit in which each migration file landed, renames followed.

One ``git log`` for each repository, walked from the newest commit to the oldest. What Git cannot
tell is said once, in the notices, and the next rank of the ordering serves.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.model import History, Landing

_TIME_LIMIT = 30  # seconds, for each call
_LATEST = 2**37  # seconds since 1970
_NO_REPOSITORY = "no Git repository was found"
_NO_EVIDENCE = "Create Date and file names decide alone"

# Git sets others for its hooks; they name one repository, which need not be the migrations' own.
_KEPT = (
    "GIT_CONFIG",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)
_PLACING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
# Two messages are recognized. Nothing is fetched, as a partial clone would.
_ADDED = {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
# ``-c`` shows what a merge itself adds. ``--sparse`` spares comparing each commit twice, and ``-l``
# a commit that renames and edits thousands of files minutes of comparing each with each. The last
# line takes back what the user's configuration may say.
_LOG = (  # noqa: SIM905 - a line for each would say less
    "log -z --format=commit,%h,%ct,%p --name-status --diff-filter=ADR"
    " --date-order --full-history --sparse -c --combined-all-paths -l1000"
    " --encoding=UTF-8 --root -O/dev/null --no-relative --no-show-signature"
).split()
# A small migration that was renamed and relinked is still the same to about 85 %, and another
# one with the same operations, generated anew, to about 65 %.
_SIMILAR, _SAME = "-M75%", "-M100%"


class _Unknown(Exception):
    """The history cannot be read; the text says why."""


class _Repository(NamedTuple):
    top: str
    shallow: bool
    inherited: bool  # only the variables and directory of this process lead to it


class _Commit(NamedTuple):
    age: int  # 0 for the newest
    name: str
    date: datetime
    parents: int


class _Reading(NamedTuple):
    landed: Mapping[Path, _Commit]
    pending: int  # files that no commit holds
    notices: Sequence[str]


_Changes = list[tuple[str, str]]  # names before and after; "" where there is no file


def read_history(files: Iterable[Path], directories: Sequence[Path]) -> History:
    """Ask Git when migration files landed.

    A file that was deleted and later added again counts from then; one that was added on several
    branches, from the first. Between repositories, the dates decide.

    Args:
        files: the absolute paths of the files, as they were read.
        directories: the version locations.
    """
    located = _located(files, directories)
    unknown: dict[str, list[str]] = {}
    repositories: dict[_Repository, list[str]] = {}
    for root in located:
        try:
            repositories.setdefault(_find(root), []).append(root)
        except _Unknown as reason:  # noqa: PERF203 - there are few
            unknown.setdefault(str(reason), []).append(root)
    readings = []
    for repository, roots in repositories.items():
        try:
            readings.append(_read(repository, {root: located[root] for root in roots}))
        except _Unknown as reason:  # noqa: PERF203 - there are few
            unknown.setdefault(str(reason), []).extend(roots)
    landed = {path: commit for reading in readings for path, commit in reading.landed.items()}
    # Each repository keeps its own order.
    commits = (sorted(set(reading.landed.values()), reverse=True) for reading in readings)
    in_order = merge(*commits, key=lambda commit: commit.date)
    positions = {commit: position for position, commit in enumerate(in_order)}
    landings = {
        path: Landing(positions[commit], commit.name, commit.date)
        for path, commit in landed.items()
    }
    notices = _notices(readings, unknown, ranked=bool(landings))
    return History(landings, tuple(dict.fromkeys(notices)))


def _notices(
    readings: Sequence[_Reading], unknown: Mapping[str, list[str]], *, ranked: bool
) -> Iterator[str]:
    for reason, roots in unknown.items():
        places = ", ".join(str(Path(root)) for root in roots)
        latest = f"the migrations in {places} count as the latest"
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

    @cache
    def real(directory: str) -> str:
        return os.path.join(os.path.realpath(directory), "")

    locations = sorted({real(str(directory)) for directory in directories}, key=len)
    located: dict[str, dict[Path, str]] = {}
    for file in files:
        directory, name = os.path.split(file)
        folder = real(directory)
        root = next(filter(folder.startswith, locations), folder)
        located.setdefault(root, {})[file] = folder + name
    return located


def _find(root: str) -> _Repository:
    """The repository around a directory, else the one that a hook's variables put around it."""
    try:
        return _ask_where(root, root)
    except _Unknown:
        if "GIT_DIR" in os.environ:
            with suppress(_Unknown):
                return _ask_where(root, None)
        raise


def _ask_where(root: str, start: str | None) -> _Repository:
    try:
        # The path comes last: it may hold newlines.
        answer = _git(start, "rev-parse", "--is-shallow-repository", "--show-toplevel")
    except _Unknown as reason:
        if "not a git repository" in str(reason):
            raise _Unknown(_NO_REPOSITORY) from None
        raise
    shallow, _, top = os.fsdecode(answer).partition("\n")
    top = os.path.join(os.path.realpath(top[:-1]), "")
    if not root.startswith(top):
        raise _Unknown(_NO_REPOSITORY)
    return _Repository(top, shallow == "true", start is None)


def _read(repository: _Repository, located: Mapping[str, Mapping[Path, str]]) -> _Reading:
    names: dict[str, list[Path]] = {}
    for real_paths in located.values():
        for file, path in real_paths.items():
            names.setdefault(_name(path, repository), []).append(file)
    output, notices = _log(repository, located)
    landed = _trace(_parse(output), names)
    # The oldest commits of a shallow clone seem to have no parents and to add all their files.
    if repository.shallow and sum(not commit.parents for commit in landed.values()) > 1:
        notices.append(
            "the clone is shallow: which of the older migrations landed first is not known until"
            " `git fetch --unshallow`"
        )
    by_file = {file: commit for name, commit in landed.items() for file in names[name]}
    return _Reading(by_file, len(names) - len(landed), notices)


def _name(path: str, repository: _Repository) -> str:
    return path[len(repository.top) :].replace(os.sep, "/")


def _log(repository: _Repository, roots: Iterable[str]) -> tuple[bytes, list[str]]:
    # Where a version location was before a move is not known; what it was called mostly is.
    names = {"versions"} | {Path(root).name for root in roots}
    escaped = (re.sub(r"([*?\[\\])", r"\\\1", name) for name in names if name)
    places = [f":(top,glob)**/{name}/**" for name in escaped]
    # Git tries the last one first, and these are quick to try.
    places += [f":(top,literal){_name(root, repository)}" for root in roots]
    start = None if repository.inherited else repository.top
    try:
        return _git(start, *_LOG, _SIMILAR, "--", *places), []
    except _Unknown as reason:
        if "does not have any commits yet" in str(reason):
            return b"", []
    # Names and checksums are there also where content is not, as in a partial clone.
    return _git(start, *_LOG, _SAME, "--", *places), [
        "Git cannot compare the content of older files: a migration that one commit renamed and"
        " edited counts from that commit"
    ]


def _parse(output: bytes) -> list[tuple[_Commit, _Changes]]:
    """The commits with their changes, newest first."""
    commits: list[tuple[_Commit, _Changes]] = []
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        entry = token.strip().decode()
        if entry.startswith("commit,"):
            _, name, seconds, parents = entry.split(",")
            # A damaged commit can have no date, or one beyond all calendars.
            date = datetime.fromtimestamp(min(int(seconds or 0), _LATEST), timezone.utc)
            commit = _Commit(len(commits), name, date, len(parents.split()))
            commits.append((commit, []))
        elif entry:
            commit, changes = commits[-1]
            statuses = entry.rstrip("0123456789")  # one letter for each parent
            count = commit.parents + 1 if commit.parents > 1 or statuses == "R" else 1
            paths = [os.fsdecode(next(tokens)) for _ in range(count)]
            if "R" in statuses:
                changes.append((paths[statuses.index("R")], paths[-1]))
            else:
                changes.append(("", paths[-1]) if "A" in statuses else (paths[-1], ""))
    return commits


def _trace(commits: Iterable[tuple[_Commit, _Changes]], names: Iterable[str]) -> dict[str, _Commit]:
    """The commit that first added each file, by the name that the file has now."""
    known_as = {name: [name] for name in names}
    landed: dict[str, _Commit] = {}
    for commit, changes in commits:
        for old, new in changes:
            if not old:
                landed.update(dict.fromkeys(known_as.get(new, ()), commit))
                continue
            # What has landed since is another file than the one that had the name before. A file
            # that has not is still there through another branch.
            earlier = [name for name in known_as.get(old, ()) if name not in landed]
            known_as[old] = earlier + known_as.pop(new, [])
    return landed


def _git(start: str | None, *arguments: str) -> bytes:
    """Run Git in a directory; without one, where the variables of this process place it."""
    program = shutil.which("git")
    if program is None:
        raise _Unknown("the git command was not found")
    kept = _KEPT if start is not None else _KEPT + _PLACING
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(kept) or not name.startswith("GIT_")
    }
    place = [] if start is None else ["-C", start]
    try:
        done = subprocess.run(
            [program, *place, *arguments],
            env=variables | _ADDED,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise _Unknown(f"git did not answer within {_TIME_LIMIT} seconds") from None
    except OSError as error:
        raise _Unknown(f"git cannot be run ({error.strerror})") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        fatal = re.search(r"^fatal: (.*)", said, re.MULTILINE)  # advice may follow it
        last = said.rpartition("\n")[2] or f"exit code {done.returncode}"
        raise _Unknown(f"git failed ({fatal[1] if fatal else last})")
    return done.stdout
