"""The branch that others build on, its chain, and what Git is in the middle of."""

from __future__ import annotations

import os
from contextlib import suppress

from flask_chainfix.errors import CannotReadGit
from flask_chainfix.git.past import read_branch
from flask_chainfix.git.repositories import Repository, real_directory, repositories_of
from flask_chainfix.git.running import Unknown
from flask_chainfix.model import Upstream
from flask_chainfix.snapshot import Snapshot

_REMOTES, _LOCAL = "refs/remotes/", "refs/heads/"
_NAMES = ("main", "master")
_ASKED = (
    f"{_REMOTES}*/HEAD",
    *(f"{_REMOTES}*/{name}" for name in _NAMES),
    *(f"{_LOCAL}{name}" for name in _NAMES),
)
# What lies in the Git directory meanwhile. A rebase may hold the marks of a merge as well.
_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply/rebasing": "rebase",
    "rebase-apply/applying": "am",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}


def read_upstream(ref: str | None, now: Snapshot) -> tuple[Upstream, Snapshot]:
    """Read the chain of the branch that others build on.

    Nothing is fetched: of a remote's branch it is the state of the last fetch.

    Args:
        ref: what Git takes for a revision; ``None`` for the remote's default branch, or, without a
            remote, for the local ``main`` or ``master``.
        now: the migrations as they are.

    Raises:
        CannotReadGit: there is no such branch, or Git cannot tell.
    """
    repositories, unknown = repositories_of(_roots(now))
    for reason in unknown:
        raise CannotReadGit(
            f"which migrations are on the main branch cannot be told: {reason}",
            "run this in a clone of the project; without Git, the command repair orders the"
            " migrations by what they do, and by dates and names",
        )
    first = next(iter(repositories))
    try:
        name = ref if ref is not None else _default_branch(first)
    except Unknown as reason:
        raise CannotReadGit(
            f"the repository {first.top} cannot be read: {reason}",
            "make sure that `git status` works there",
        ) from reason
    if name.startswith("-"):
        raise CannotReadGit(
            f"{name!r} begins with a dash, and would be an option for Git",
            "give its hash, or its full name: refs/heads/…",
        )
    full = ref is None and len(repositories) == 1
    return Upstream(_short(name)), read_branch(name, now, full=full)


def operation(now: Snapshot) -> str:
    """What Git is in the middle of, as it is called on its command line; ``""`` for nothing."""
    repositories, _ = repositories_of(_roots(now))
    for repository in repositories:
        with suppress(Unknown):
            # A worktree has a Git directory of its own.
            answer = os.fsdecode(repository.git("rev-parse", "--absolute-git-dir"))
            directory = answer.removesuffix("\n")
            for mark, name in _OPERATIONS.items():
                if os.path.exists(os.path.join(directory, mark)):
                    return name
    return ""


def _roots(now: Snapshot) -> list[str]:
    return [real_directory(str(place)) for place in now.environment.version_locations]


def _short(name: str) -> str:
    return name.removeprefix(_REMOTES).removeprefix(_LOCAL)


def _default_branch(repository: Repository) -> str:
    """The full name of the branch that others most likely build on.

    Raises:
        CannotReadGit: there is none, or several are as likely.
    """
    for candidates in _candidates(repository):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            break
    raise CannotReadGit(
        "which branch others build on cannot be told: no remote says which is its default, and"
        " there is no main or master, or both",
        "name it with --onto REF, or for good with main_branch = REF in the fixchain settings; a"
        " clone with one branch only gets it with `git fetch origin"
        " main:refs/remotes/origin/main`",
    )


def _candidates(repository: Repository) -> list[list[str]]:
    """Branches that are as likely as each other, the most likely ones first."""
    answer = repository.git("for-each-ref", "--format=%(refname) %(symref)", *_ASKED)
    found = dict(line.split(" ") for line in os.fsdecode(answer).split("\n")[:-1])
    defaults = {name: found[name] or name for name in found if name.endswith("/HEAD")}
    branches = [name for name in found if name not in defaults]
    return [
        [defaults[name] for name in defaults if name == f"{_REMOTES}origin/HEAD"],
        list(defaults.values()),
        [name for name in branches if name.startswith(f"{_REMOTES}origin/")],
        [name for name in branches if name.startswith(_REMOTES)],
        [name for name in branches if name.startswith(_LOCAL)],
    ]
