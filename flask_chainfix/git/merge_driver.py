"""Merge drivers: the commits that Git is merging, merging by lines, and Git's settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.errors import CannotWrite
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.git.program import Unknown, run
from flask_chainfix.git.repositories import real_directory, repositories_of

_NAMED = re.compile(r"GITHEAD_([0-9a-f]{40,64})")  # by `git merge` and `git pull`
_MOST_CONFLICTS = 127  # the highest count in the exit code of `git merge-file`
_PICK = re.compile(rb"^\w+ ([0-9a-f]{4,64})\b[^\n]*\n?\Z", re.MULTILINE)  # by `git rebase`


class DriverFiles(NamedTuple):
    """The files that Git gives to a merge driver.

    Attributes:
        base: the common ancestor; empty if there is none.
        ours: the version that is checked out; the result is written to it.
        theirs: the version that is merged.
        marker_size: the length of conflict markers.
    """

    base: Path
    ours: Path
    theirs: Path
    marker_size: int


def being_merged(directory: Path) -> Iterator[str]:
    """The commits that Git may be merging into the checked-out one while it runs a driver."""
    yield from (found[1] for found in map(_NAMED.fullmatch, os.environ) if found)
    repositories, _ = repositories_of([real_directory(directory)])
    for repository in repositories:
        done = Path(repository.directory, "rebase-merge/done")
        found = _PICK.search(read_regular(done)) if done.is_file() else None
        if found is not None:
            yield found[1].decode()


def merge_lines(versions: DriverFiles) -> bool:
    """Merge the files as Git does without a driver, with conflict markers.

    Returns:
        Whether there was no conflict.

    Raises:
        Unknown: Git cannot merge them.
    """
    names = [os.path.abspath(each) for each in (versions.ours, versions.base, versions.theirs)]
    labels = [word for name in ("ours", "base", "theirs") for word in ("-L", name)]
    size = f"--marker-size={versions.marker_size}"
    try:
        run(os.path.dirname(names[0]), "merge-file", "--quiet", size, *labels, "--", *names)
    except Unknown as reason:
        if reason.exit_code not in range(1, _MOST_CONFLICTS + 1):
            raise
        return False
    return True


def read_git_settings(file: Path, names: Iterable[str]) -> dict[str, str]:
    """The values of some names in a configuration file."""
    found = {}
    for name in names:
        try:
            found[name] = _configure(file, "--null", "--get", name).removesuffix("\0")
        except Unknown:  # noqa: PERF203 - there are few
            continue
    return found


def write_git_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Set values that a configuration file does not have yet: all or none.

    Raises:
        CannotWrite: Git refuses.
    """
    written = []
    try:
        for name, value in settings.items():
            written.append(name)
            _configure(file, name, value)
    except BaseException as reason:
        remove_git_settings(file, written)
        if not isinstance(reason, Unknown):
            raise
        raise CannotWrite(
            f"{file} cannot be changed: {reason}",
            "make sure that it can be written, then run the command again",
        ) from None


def remove_git_settings(file: Path, names: Iterable[str]) -> None:
    """Remove settings; those that do not exist, or that Git cannot remove, are skipped."""
    for name in names:
        with suppress(Unknown):
            _configure(file, "--unset-all", name)


def _configure(file: Path, *arguments: str) -> str:
    return os.fsdecode(run(str(file.parent), "config", "--file", str(file), *arguments))
