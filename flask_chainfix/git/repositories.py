"""The repositories around directories, their objects, and their work trees."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.quoting import git_program, ref_word
from flask_chainfix.common.remedies import way
from flask_chainfix.git.program import HEADER, Unknown, remedy_for, run
from flask_chainfix.model.files import Edit

_PLACE = re.compile(
    r"(?P<directory>.*?)\n(?P<shallow>true|false)\n(?P<top>.*?)\n(?:true|false)\n(?P<store>.*)\n",
    re.DOTALL,
)
_WHERE = ("--absolute-git-dir", "--is-shallow-repository", "--show-toplevel")
# Paths may contain newlines, so they are split at a separator.
_ASKED_WHERE = ("rev-parse", *_WHERE, "--is-shallow-repository", "--git-path", "objects")
_NO_REPOSITORY = "no Git repository was found"

# ssh://user@host/path, or user@host:path
_HOST = re.compile(
    r"^\S+\t(?:\w+://(?:[^@/\s]*@)?|(?:[^@/\s]+@)?(?=[^/\s]+:))([^/:\s]+)", re.MULTILINE
)
ABBREVIATED = 12  # the length of a hash for users
# A file system monitor is a program that the repository's configuration names.
LIST = ("-c", "core.fsmonitor=false", "ls-files")


class GitObject(NamedTuple):
    """An object of Git: its name, its kind and its content."""

    hash: str
    kind: str
    data: bytes


class Repository(NamedTuple):
    """A repository.

    Attributes:
        top: the real path of its work tree, which ends in a slash.
        directory: the path of the Git directory of that work tree.
        shallow: whether the parents of its oldest commits are missing.
        inherited: whether only the variables and directory of this process lead to it.
        store: the path of the directory with its objects.
        batch: the running ``git cat-file --batch``; without one, each call starts its own.
    """

    top: str
    directory: str
    shallow: bool
    inherited: bool
    store: str
    batch: Callable[[bytes], bytes] | None = None

    def git(self, *arguments: str, sent: bytes = b"", index: str | None = None) -> bytes:
        """Git's output in the repository; ``sent`` and ``index`` are as in ``run``.

        Raises:
            Unknown: Git is missing, fails, or takes too long.
        """
        return run(None if self.inherited else self.top, *arguments, sent=sent, index=index)

    @property
    def program(self) -> str:
        """The beginning of a printed command of Git that runs in the repository."""
        return git_program(self.top)

    def name(self, path: str) -> str:
        """The name in Git of a real path in the repository."""
        return path[len(self.top) :].replace(os.sep, "/")

    def folder(self, root: str) -> str:
        """The name in Git of a real directory, without the slash in which its path ends."""
        return self.name(root).rstrip("/")

    def name_of(self, path: str) -> str | None:
        """The name in Git of a real path; ``None`` if it is outside."""
        return self.name(path) if path.startswith(self.top) else None

    def contents(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """The bytes of blobs, by the names given; missing ones are left out.

        Raises:
            Unknown: they cannot be read.
        """
        # A branch may have the name of an abbreviated hash; it leads to a commit, not a blob.
        return {name: found.data for name, found in self.objects(blobs, "blob").items()}

    def objects(self, names: Iterable[str], kind: str = "") -> dict[str, GitObject]:
        """The objects of one kind, or of any, by name; missing ones are left out.

        Raises:
            Unknown: they cannot be read.
        """
        # Names on stdin cannot be mistaken for options.
        asked = [name for name in names if _can_be_sent(name)]
        # Nothing can follow a name that ends in a path.
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


def _objects(names: Iterable[str], kind: str, output: bytes) -> Iterator[tuple[str, GitObject]]:
    at = 0
    for name in names:
        end = output.index(b"\n", at)
        found = HEADER.fullmatch(output, at, end)
        at = end + 1
        if found:  # otherwise the line says that it is missing
            data = output[at : at + int(found[3])]
            at += int(found[3]) + 1
            its_kind = found[2].decode()
            if kind in ("", its_kind):
                yield name, GitObject(found[1].decode(), its_kind, data)


def real_directory(directory: Path | str) -> str:
    """The real path of a directory, which ends in a slash."""
    return os.path.join(os.path.realpath(directory), "")


def literal(name: str) -> str:
    """The pathspec for one file or directory, from its name in Git."""
    return f":(top,literal){name}"


def repositories_of(
    roots: Iterable[str],
) -> tuple[dict[Repository, list[str]], dict[str, list[str]]]:
    """Find the repository around each directory.

    Args:
        roots: real paths that end in a slash.

    Returns:
        The directories by repository, and those without one with the reason.
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
    """The repository around a directory, or the one that a hook's variables name."""
    # Git keeps no empty directories, so the last migration's directory is gone with it.
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


@lru_cache(maxsize=64)  # one command asks several questions about the same repository
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
        hooks: the real path of the directory with Git's hooks.
        own_hooks: whether that directory is in this repository.
        configuration: the real path of this repository's configuration file.
        hosts: the host names of its remotes, in lower case.
    """

    top: Path
    hooks: Path
    own_hooks: bool
    configuration: Path
    hosts: frozenset[str]


def find_work_tree(directory: Path) -> WorkTree:
    """Find the work tree around a directory.

    Raises:
        CannotReadGit: there is none, or Git fails.
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
            remedy_for(str(reason))
            or "run the command in a Git work tree" | way("make one", "git init"),
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
    """The abbreviated hash of the commit that is checked out around a directory.

    Args:
        directory: any directory in the work tree.
        edits: changes that are to be committed on top of it.

    Returns:
        ``""`` if there is no commit yet; ``None`` if Git fails, or if the changes only restore
        files of the commit.
    """
    found, _ = repositories_of([real_directory(directory)])
    for repository in found:
        names = {f"HEAD:{repository.name(os.path.realpath(edit.path))}": edit for edit in edits}
        with suppress(Unknown):
            there = repository.objects(["HEAD", *names])
            if "HEAD" in there:
                datas = {name: there[name].data if name in there else None for name in names}
                changed = any(datas[name] != edit.after for name, edit in names.items())
                return there["HEAD"].hash[:ABBREVIATED] if changed or not edits else None
        return ""
    return None


def fetch_of(repository: Repository, ref: str) -> str:
    """The command that updates a remote's branch, also in a clone of another branch only.

    Args:
        repository: the repository.
        ref: the full name of the branch.

    Returns:
        ``""`` if no remote has it.
    """
    with suppress(Unknown):  # there is no remote
        answer = os.fsdecode(repository.git("config", "--get-regexp", r"^remote\..*\.(url|fetch)$"))
        remotes = re.findall(r"^remote\.(.*)\.(?:url|fetch) (.*)$", answer, re.MULTILINE)
        for remote, refspec in remotes:
            begins, star, ends = refspec.rpartition(":")[2].partition("*")
            if ref == begins or (star and ref.startswith(begins) and ref.endswith(ends)):
                return f"git fetch {ref_word(remote)}"
        for remote, _ in remotes:
            branch = ref.removeprefix(f"refs/remotes/{remote}/")
            if branch != ref:
                return f"git fetch {ref_word(remote)} {ref_word(f'+{branch}:{ref}')}"
    return ""


def left_out_of(repository: Repository, names: Collection[str]) -> frozenset[str]:
    """Those of some files that a sparse checkout leaves out, and nobody has deleted.

    Args:
        repository: the repository.
        names: their names in Git; none of them is on the disk.

    Raises:
        Unknown: Git fails.
    """
    if not names:
        return frozenset()
    places = {os.path.dirname(name) for name in names}
    listed = repository.git(*LIST, "-t", "-z", "--", *map(literal, places))
    entries = os.fsdecode(listed).split("\0")
    return frozenset(entry[2:] for entry in entries if entry.startswith("S ")).intersection(names)


def is_left_out(paths: Collection[Path]) -> bool:
    """Whether a sparse checkout leaves out one of some files, which are not on the disk."""
    real = {real_directory(path.parent) + path.name for path in paths}
    roots = {os.path.join(os.path.dirname(each), "") for each in real}
    for repository, places in repositories_of(roots)[0].items():
        with suppress(Unknown):
            names = [repository.name(each) for each in real if each.startswith(tuple(places))]
            if left_out_of(repository, names):
                return True
    return False


def tracked_below(directory: Path) -> frozenset[str]:
    """The real paths of the files below a directory that Git tracks; empty if Git fails."""
    root = real_directory(directory)
    found, _ = repositories_of([root])
    for repository in found:
        with suppress(Unknown):
            answer = repository.git(*LIST, "-z", "--", literal(repository.name(root)))
            names = os.fsdecode(answer).split("\0")[:-1]
            return frozenset(os.path.join(repository.top, name) for name in names)
    return frozenset()
