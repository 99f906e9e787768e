"""The work tree around a directory: what is checked out, its hooks, and its remotes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.remedies import way
from flask_chainfix.git.repositories import (
    Repository,
    Unknown,
    literal,
    real_directory,
    repositories_of,
)
from flask_chainfix.model.files import Edit

# ssh://user@host/path, or user@host:path
_HOST = re.compile(
    r"^\S+\t(?:\w+://(?:[^@/\s]*@)?|(?:[^@/\s]+@)?(?=[^/\s]+:))([^/:\s]+)", re.MULTILINE
)


_ABBREVIATED = 12


class WorkTree(NamedTuple):
    """A work tree.

    Attributes:
        top: its real path.
        hooks: the real path of the directory in which Git looks for hooks.
        own_hooks: whether that directory lies in this repository.
        hosts: the names of the hosts of its remotes, in small letters.
    """

    top: Path
    hooks: Path
    own_hooks: bool
    hosts: frozenset[str]


def find_work_tree(directory: Path) -> WorkTree:
    """Find the work tree around a directory.

    Raises:
        CannotReadGit: there is none, or Git cannot tell.
    """
    found, unknown = repositories_of([real_directory(str(directory))])
    try:
        for reason in unknown:
            raise Unknown(reason)
        (repository,) = found
        hooks = _path(repository, "--git-path", "hooks")
        common = _path(repository, "--git-common-dir")
        remotes = os.fsdecode(repository.git("remote", "-v"))
    except Unknown as reason:
        raise CannotReadGit(
            f"there is no place for hooks around {directory}: {reason}",
            "run the command in a Git work tree" | way("make one", "git init"),
            unchanged=True,
        ) from reason
    top = Path(repository.top)
    own = any(place in hooks.parents for place in (top, common))
    return WorkTree(top, hooks, own, frozenset(_HOST.findall(remotes.lower())))


def checked_out(directory: Path, edits: Sequence[Edit]) -> str | None:
    """The commit that is checked out around a directory, abbreviated.

    Args:
        directory: any one in the work tree.
        edits: changes that are to be committed on top of it.

    Returns:
        ``""`` where there is no commit yet; ``None`` where Git cannot tell, or the changes only
        bring files back to what the commit has.
    """
    found, _ = repositories_of([real_directory(str(directory))])
    if not found:
        return None
    (repository,) = found
    names = {f"HEAD:{repository.name(os.path.realpath(edit.path))}": edit for edit in edits}
    with suppress(Unknown):
        there = repository.objects(["HEAD", *names])
        if "HEAD" in there:
            datas = {name: there[name].data if name in there else None for name in names}
            changed = any(datas[name] != edit.after for name, edit in names.items())
            return there["HEAD"].hash[:_ABBREVIATED] if changed or not edits else None
    return ""


def tracked_below(directory: Path) -> frozenset[str]:
    """The real paths of the files below a directory that Git tracks; none where it cannot tell."""
    root = real_directory(str(directory))
    found, _ = repositories_of([root])
    for repository in found:
        with suppress(Unknown):
            # A file system monitor is a program that the repository's configuration names.
            quiet = ("-c", "core.fsmonitor=false", "ls-files", "-z", "--")
            answer = repository.git(*quiet, literal(repository.name(root)))
            names = os.fsdecode(answer).split("\0")[:-1]
            return frozenset(os.path.join(repository.top, name) for name in names)
    return frozenset()


def _path(repository: Repository, *question: str) -> Path:
    answer = os.fsdecode(repository.git("rev-parse", *question))[:-1]
    start = os.getcwd() if repository.inherited else repository.top
    return Path(os.path.realpath(os.path.join(start, answer)))
