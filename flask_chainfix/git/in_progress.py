"""Git's current operation: a merge, a rebase and the like that has stopped."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.git.past import version_roots
from flask_chainfix.git.repositories import Repository, repositories_of

# Files in the Git directory during an operation. A rebase may also have those of a merge.
_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply/rebasing": "rebase",
    "rebase-apply/applying": "am",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
_TODO = ("rebase-merge/git-rebase-todo", "sequencer/todo")
_PICKED = re.compile(
    rb"^(?:pick|reword|edit|squash|fixup|merge|[presfm])(?: -[cC])? ([0-9a-f]{7,64})\b",
    re.MULTILINE,
)
_PATCH = re.compile(rb"\AFrom ([0-9a-f]{40,64}) ")


def operation(now: Snapshot) -> str:
    """Git's current operation, for example ``rebase``; ``""`` if there is none."""
    if not now.environment.asks_git:
        return ""
    repositories, _ = repositories_of(version_roots(now))
    return next(filter(None, map(operation_in, repositories)), "")


def bringing(repository: Repository, commit: str) -> str:
    """Git's current operation, if it is still to apply a commit; otherwise ``""``."""
    left = _to_apply(Path(repository.directory))
    is_left = any(each.startswith(commit) or commit.startswith(each) for each in left)
    return operation_in(repository) if is_left else ""


def operation_in(repository: Repository) -> str:
    """Git's current operation in a repository; ``""`` if there is none."""
    marks = {os.path.join(repository.directory, mark): mark for mark in _OPERATIONS}
    return next((_OPERATIONS[mark] for path, mark in marks.items() if os.path.exists(path)), "")


def _to_apply(directory: Path) -> set[str]:
    """The commits that the current operation has not applied yet, perhaps abbreviated."""
    found: list[bytes] = []
    for name in _TODO:
        with suppress(OSError):
            found += _PICKED.findall(read_regular(directory / name))
    patches = directory / "rebase-apply"
    with suppress(OSError, ValueError):
        following = int(read_regular(patches / "next"))
        for patch in patches.iterdir():
            if patch.name.isdecimal() and int(patch.name) >= following:
                found += _PATCH.findall(read_regular(patch))
    return {commit.decode() for commit in found}
