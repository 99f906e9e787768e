"""The repositories around directories, what they hold, and what is checked out of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.remedies import way
from flask_chainfix.git.program import HEADER, Unknown, run
from flask_chainfix.model.files import Edit

_PLACE = re.compile(
    r"(?P<directory>.*?)\n(?P<shallow>true|false)\n(?P<top>.*?)\n(?:true|false)\n(?P<store>.*)\n",
    re.DOTALL,
)
_WHERE = ("--absolute-git-dir", "--is-shallow-repository", "--show-toplevel")
# Paths may hold newlines, so they are told apart by what stands between them.
_ASKED_WHERE = ("rev-parse", *_WHERE, "--is-shallow-repository", "--git-path", "objects")
_NO_REPOSITORY = "no Git repository was found"

# ssh://user@host/path, or user@host:path
_HOST = re.compile(
    r"^\S+\t(?:\w+://(?:[^@/\s]*@)?|(?:[^@/\s]+@)?(?=[^/\s]+:))([^/:\s]+)", re.MULTILINE
)
_ABBREVIATED = 12
# A file system monitor is a program that the repository's configuration names.
LIST = ("-c", "core.fsmonitor=false", "ls-files")


class Object(NamedTuple):
    """What Git has under a name: the object's own name, its kind and its content."""

    hash: str
    kind: str
    data: bytes


class Repository(NamedTuple):
    """A repository.

    Attributes:
        top: the real path of its work tree, which ends in a slash.
        directory: the path of the Git directory of that work tree.
        shallow: whether its oldest commits have parents that are not here.
        inherited: whether only the variables and directory of this process lead to it.
        store: the path of the directory with its objects.
        batch: what answers the input of ``git cat-file --batch``, where one is running; else a new
            one does.
    """

    top: str
    directory: str
    shallow: bool
    inherited: bool
    store: str
    batch: Callable[[bytes], bytes] | None = None

    def git(self, *arguments: str, sent: bytes = b"", index: str | None = None) -> bytes:
        """What Git answers in it; ``sent`` and ``index`` are as in ``run``.

        Raises:
            Unknown: it is not there, fails, or takes too long.
        """
        return run(None if self.inherited else self.top, *arguments, sent=sent, index=index)

    def name(self, path: str) -> str:
        """What Git calls a real path in it."""
        return path[len(self.top) :].replace(os.sep, "/")

    def contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """The bytes of blobs, by the names given; those that are not here are left out.

        Raises:
            Unknown: they cannot be read.
        """
        # A branch may be named like an abbreviation: what it leads to is no blob.
        return {name: found.data for name, found in self.objects(blobs, "blob").items()}

    def objects(self, names: Iterable[str], kind: str = "") -> dict[str, Object]:
        """The objects of one kind, or of any, that names lead to; those not here are left out.

        Raises:
            Unknown: they cannot be read.
        """
        # What is asked for on stdin cannot be taken for an option, whatever it begins with.
        asked = [name for name in names if _can_be_sent(name)]
        # What ends in a path can have nothing behind it.
        ends = ("" if ":" in name or not kind else f"^{{{kind}}}" for name in asked)
        lines = (f"{name}{end}\n" for name, end in zip(asked, ends, strict=True))
        sent = os.fsencode("".join(lines))
        if not asked:
            return {}
        output = self.batch(sent) if self.batch else self.git("cat-file", "--batch", sent=sent)
        return dict(_objects(asked, kind, output))


def _can_be_sent(name: str) -> bool:
    try:
        return not set(os.fsencode(name)) & set(b"\n\0")
    except UnicodeEncodeError:
        return False


def _objects(names: Iterable[str], kind: str, output: bytes) -> Iterator[tuple[str, Object]]:
    at = 0
    for name in names:
        end = output.index(b"\n", at)
        found = HEADER.fullmatch(output, at, end)
        at = end + 1
        if found:  # else the line says that there is none
            data = output[at : at + int(found[3])]
            at += int(found[3]) + 1
            its_kind = found[2].decode()
            if kind in ("", its_kind):
                yield name, Object(found[1].decode(), its_kind, data)


def real_directory(directory: Path | str) -> str:
    """The real path of a directory, which ends in a slash."""
    return os.path.join(os.path.realpath(directory), "")


def literal(name: str) -> str:
    """The pathspec for one file or directory, by the name that Git has for it."""
    return f":(top,literal){name}"


def repositories_of(
    roots: Iterable[str],
) -> tuple[dict[Repository, list[str]], dict[str, list[str]]]:
    """Find the repository around each directory.

    Args:
        roots: real paths that end in a slash.

    Returns:
        The directories by repository, and those without one by what keeps it from being found.
    """
    found: dict[Repository, list[str]] = {}
    unknown: dict[str, list[str]] = {}
    for root in roots:
        try:
            found.setdefault(_find(root), []).append(root)
        except Unknown as reason:  # noqa: PERF203 - there are few
            unknown.setdefault(str(reason), []).append(root)
    return found, unknown


def _find(root: str) -> Repository:
    """The repository around a directory, else the one that a hook's variables put around it."""
    # Git keeps no empty directories: that of the migrations went with the last of them.
    existing = next(
        place for place in (root, *map(str, Path(root).parents)) if os.path.isdir(place)
    )
    try:
        return _around(root, existing)
    except Unknown:
        if "GIT_DIR" in os.environ:
            with suppress(Unknown):
                return _ask_where(root, None)
        raise


@lru_cache(maxsize=64)  # several questions of one command are about the same repository
def _around(root: str, existing: str) -> Repository:
    return _ask_where(root, existing)


def _ask_where(root: str, start: str | None) -> Repository:
    try:
        answer = run(start, *_ASKED_WHERE)
    except Unknown as reason:
        if "not a git repository" in str(reason):
            raise Unknown(_NO_REPOSITORY) from None
        raise
    found = _PLACE.fullmatch(os.fsdecode(answer))
    top = real_directory(found["top"]) if found else ""
    if not found or not root.startswith(top):
        raise Unknown(_NO_REPOSITORY)
    store = os.path.realpath(os.path.join(start or os.getcwd(), found["store"]))
    return Repository(top, found["directory"], found["shallow"] == "true", start is None, store)


# --- The work tree around a directory: what is checked out, its hooks, and its remotes -----------


class WorkTree(NamedTuple):
    """A work tree.

    Attributes:
        top: its real path.
        hooks: the real path of the directory in which Git looks for hooks.
        own_hooks: whether that directory lies in this repository.
        configuration: the real path of the file with the configuration of this repository.
        hosts: the names of the hosts of its remotes, in small letters.
    """

    top: Path
    hooks: Path
    own_hooks: bool
    configuration: Path
    hosts: frozenset[str]


def find_work_tree(directory: Path) -> WorkTree:
    """Find the work tree around a directory.

    Raises:
        CannotReadGit: there is none, or Git cannot tell.
    """
    found, unknown = repositories_of([real_directory(directory)])
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
    return WorkTree(top, hooks, own, common / "config", frozenset(_HOST.findall(remotes.lower())))


def _path(repository: Repository, *question: str) -> Path:
    answer = os.fsdecode(repository.git("rev-parse", *question))[:-1]
    start = os.getcwd() if repository.inherited else repository.top
    return Path(os.path.realpath(os.path.join(start, answer)))


def checked_out(directory: Path, edits: Sequence[Edit]) -> str | None:
    """The commit that is checked out around a directory, abbreviated.

    Args:
        directory: any one in the work tree.
        edits: changes that are to be committed on top of it.

    Returns:
        ``""`` where there is no commit yet; ``None`` where Git cannot tell, or the changes only
        bring files back to what the commit has.
    """
    found, _ = repositories_of([real_directory(directory)])
    for repository in found:
        names = {f"HEAD:{repository.name(os.path.realpath(edit.path))}": edit for edit in edits}
        with suppress(Unknown):
            there = repository.objects(["HEAD", *names])
            if "HEAD" in there:
                datas = {name: there[name].data if name in there else None for name in names}
                changed = any(datas[name] != edit.after for name, edit in names.items())
                return there["HEAD"].hash[:_ABBREVIATED] if changed or not edits else None
        return ""
    return None


def tracked_below(directory: Path) -> frozenset[str]:
    """The real paths of the files below a directory that Git tracks; none where it cannot tell."""
    root = real_directory(directory)
    found, _ = repositories_of([root])
    for repository in found:
        with suppress(Unknown):
            answer = repository.git(*LIST, "-z", "--", literal(repository.name(root)))
            names = os.fsdecode(answer).split("\0")[:-1]
            return frozenset(os.path.join(repository.top, name) for name in names)
    return frozenset()
