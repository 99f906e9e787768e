"""Migration chains as they were at a Git revision; nothing is checked out for that."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flask_chainfix import source
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.git.repositories import (
    Repository,
    Unknown,
    literal,
    real_directory,
    repositories_of,
)
from flask_chainfix.git.tree import Tree, find_commits, merge_base, read_tree, read_trees
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import MigrationFile, Unreadable

_OUTSIDE = Unreadable(
    "is a link to a file that is in no version location",
    "name another Git revision, at which it is a file",
)


_RECENT = 50  # commits


_Find = Callable[[Repository, str, bool], str]


_Known = dict[str, dict[str, list[MigrationFile]]]  # by directory and by name


def read_at(ref: str, environment: Environment) -> Snapshot:
    """Read the migrations as they were at a Git revision.

    Args:
        ref: a branch, a tag, a commit, or what else Git takes for one; where the version
            locations lie in several repositories, each must have it.
        environment: where the files lie; they must have lain there then.

    Returns:
        The files that Alembic would have loaded.

    Raises:
        CannotReadGit: there is no such revision, a version location was not there, or Git
            cannot tell.
    """
    snapshot, absent = _read(ref, environment, _commit)
    for place in absent:
        raise CannotReadGit(
            f"{place} was not there at {ref!r}, or held no file",
            "name a Git revision at which the migrations were in that directory",
        )
    return snapshot


def read_branch(ref: str, now: Snapshot, *, full: bool = False) -> Snapshot:
    """Read the migrations as a branch has them; in a location that is not there it has none.

    Args:
        ref: as in ``read_at``.
        now: the files as they are, most of which will be the same.
        full: whether it is the full name of a branch that every repository has.

    Raises:
        CannotReadGit: there is no such revision, or Git cannot tell.
    """
    snapshot, _ = _read(ref, now.environment, _itself if full else _commit, now.files)
    return snapshot


def read_shared(ref: str, now: Snapshot) -> tuple[Snapshot, tuple[Path, ...]]:
    """Read the migrations as they were where a Git revision and the checked-out commit part.

    That is their merge base; in the middle of a merge, what is being merged counts as checked out.
    Where they have no history in common, it is the revision itself.

    Args:
        ref: as in ``read_at``.
        now: the files as they are, most of which will be the same.

    Returns:
        The files that Alembic would have loaded, and the version locations that were not there.

    Raises:
        CannotReadGit: there is no such revision, the clone is too shallow to know where they part,
            or Git cannot tell.
    """
    return _read(ref, now.environment, _shared_commit, now.files)


def read_chains(repository: Repository, refs: Sequence[str], now: Snapshot) -> dict[str, Snapshot]:
    """Read the migrations as several commits have them, all of them with two questions for Git.

    Args:
        repository: the one that holds all version locations.
        refs: names of the commits.
        now: the files as they are, most of which will be the same.

    Returns:
        The chains, by the names; without those of which Git does not have everything.

    Raises:
        Unknown: Git cannot tell.
    """
    environment = now.environment
    roots = {place: real_directory(str(place)) for place in environment.version_locations}
    with without_garbage_collection():
        known = _by_place(now.files)
        trees = read_trees(
            repository,
            refs,
            list(dict.fromkeys(_name(repository, root) for root in roots.values())),
            recursive=environment.recursive,
            sourceless=environment.sourceless,
            held=[file.data for file in now.files],
        )
        chains = {}
        for ref, tree in trees.items():
            past = dict.fromkeys(roots.values(), (repository, tree))
            chains[ref], _ = _collected(environment, roots, past, known)
            for file in chains[ref].files:  # most commits have what the one before had
                here = known.setdefault(str(file.directory), {}).setdefault(file.name, [])
                if not any(file is each for each in here):
                    here.append(file)
    return chains


def read_recent(now: Snapshot) -> dict[str, Snapshot]:
    """Read the chains of the commits that changed migrations last, with three questions for Git.

    Args:
        now: the files as they are, most of which will be the same.

    Returns:
        The chains by abbreviated names of commits, the newest first; none where the migrations lie
        in no repository, or in several, and where Git cannot tell.
    """
    roots = [real_directory(str(place)) for place in now.environment.version_locations]
    repositories, _ = repositories_of(list(dict.fromkeys(roots)))
    if len(repositories) != 1:
        return {}
    (repository,) = repositories
    paths = [literal(_name(repository, root)) for root in roots]
    try:
        asked = ("log", f"--max-count={_RECENT}", "--format=%h", "HEAD", "--", *paths)
        commits = repository.git(*asked).decode().split()
        return read_chains(repository, commits, now)
    except Unknown:
        return {}


def _read(
    ref: str, environment: Environment, find: _Find, held: Sequence[MigrationFile] = ()
) -> tuple[Snapshot, tuple[Path, ...]]:
    """The files at the commit that is found, and the locations that were not there.

    Args:
        ref: what the user named.
        environment: where the files lie.
        find: from a repository and the name to the commit.
        held: files that need not be read again where they were the same.
    """
    roots = {place: real_directory(str(place)) for place in environment.version_locations}
    with without_garbage_collection():
        contents = [file.data for file in held]
        past = _trees(ref, list(dict.fromkeys(roots.values())), environment, find, contents)
        return _collected(environment, roots, past, _by_place(held))


def _by_place(files: Iterable[MigrationFile]) -> _Known:
    known: _Known = {}
    for file in files:
        known.setdefault(str(file.directory), {}).setdefault(file.name, []).append(file)
    return known


def _collected(
    environment: Environment,
    roots: Mapping[Path, str],
    past: Mapping[str, tuple[Repository, Tree]],
    known: _Known,
) -> tuple[Snapshot, tuple[Path, ...]]:
    """The files of all version locations, and the locations that were not there."""
    files: dict[str, MigrationFile] = {}
    absent = []
    for place, root in roots.items():
        repository, tree = past[root]
        location = _name(repository, root)
        if not tree.has(location):
            absent.append(place)
        for folder in tree.folders(location, recursive=environment.recursive):
            directory = place / folder[len(location) :].lstrip("/")
            here = known.get(str(directory), {})
            for real, file in _files(repository, tree, folder, directory, here):
                files.setdefault(real, file)
    return Snapshot(environment, tuple(files.values())), tuple(absent)


def _trees(
    ref: str,
    roots: Sequence[str],
    environment: Environment,
    find: _Find,
    held: Sequence[bytes],
) -> dict[str, tuple[Repository, Tree]]:
    """What each version location's repository had."""
    repositories, unknown = repositories_of(roots)
    for reason, without in unknown.items():
        raise _cannot_read(ref, without, reason)
    found: dict[str, tuple[Repository, Tree]] = {}
    for repository, within in repositories.items():
        try:
            commit = find(repository, ref, len(repositories) > 1)
            names = [_name(repository, root) for root in within]
            tree = read_tree(
                repository, commit, names, sourceless=environment.sourceless, held=held
            )
        except Unknown as reason:
            raise _cannot_read(ref, within, str(reason)) from reason
        found.update(dict.fromkeys(within, (repository, tree)))
    return found


def _itself(repository: Repository, ref: str, several: bool) -> str:
    return ref


def _commit(repository: Repository, ref: str, several: bool) -> str:
    (commit,) = find_commits(repository, ref)
    if commit is None:
        raise _no_revision(ref, repository, several=several)
    return commit


def _shared_commit(repository: Repository, ref: str, several: bool) -> str:
    if _is_plain(repository, ref):  # then one question will mostly do
        with suppress(Unknown):
            plain = merge_base(repository, [ref, "HEAD"])
            if plain is not None:
                return plain
    commit, *ours = find_commits(repository, ref, "HEAD", "MERGE_HEAD")
    if commit is None:
        raise _no_revision(ref, repository, several=several)
    checked_out = [each for each in ours if each is not None]
    shared = merge_base(repository, [commit, *checked_out]) if checked_out else None
    if shared is None and repository.shallow:
        raise CannotReadGit(
            f"where {ref!r} and the checked-out commit part is not known, as the clone is shallow",
            way("fetch the rest", "git fetch --unshallow")
            | "check out with fetch-depth: 0 (GitHub Actions) or GIT_DEPTH: 0 (GitLab) in a CI job",
        )
    return shared or commit


def _is_plain(repository: Repository, ref: str) -> bool:
    """Whether a name can stand on a command line, and certainly no merge is going on."""
    own = os.path.join(repository.top, ".git")
    merging = not os.path.isdir(own) or os.path.exists(os.path.join(own, "MERGE_HEAD"))
    return bool(re.fullmatch(r"\w[\w./@~^-]*", ref)) and not merging


def _name(repository: Repository, root: str) -> str:
    return repository.name(root).rstrip("/")


def _files(
    repository: Repository,
    tree: Tree,
    folder: str,
    directory: Path,
    known: Mapping[str, Sequence[MigrationFile]],
) -> Iterator[tuple[str, MigrationFile]]:
    """The files of a folder, each with the real path that it would have."""
    for path, target, data in tree.files(folder):
        real = f"{repository.top}{target}"
        name = path.rpartition("/")[2]
        if data is None:
            yield real, MigrationFile(directory, name, b"", _OUTSIDE)
            continue
        same = next((file for file in known.get(name, ()) if file.data == data), None)
        if same is not None:
            yield real, same
            continue
        place = directory
        if path != target:  # a link stands for the file that it leads to
            place, name = Path(real).parent, Path(real).name
        reading = source.read(data, name)
        yield real, MigrationFile(place, name, data, reading)


def _no_revision(ref: str, repository: Repository, *, several: bool) -> CannotReadGit:
    text = "name a branch, a tag or a commit that is in it (a remote's branch: origin/main)"
    if several:
        text += ": the version locations lie in several repositories, and each must have it"
    remedy = Remedy.of(text)
    if repository.shallow:
        text = "the clone is shallow: fetch the rest (in a CI job: fetch-depth: 0)"
        remedy |= way(text, "git fetch --unshallow")
    place = Path(repository.top)
    return CannotReadGit(f"{ref!r} is not a revision in the Git repository {place}", remedy)


def _cannot_read(ref: str, roots: Iterable[str], reason: str) -> CannotReadGit:
    places = ", ".join(str(Path(root)) for root in roots)
    return CannotReadGit(
        f"the migrations in {places} cannot be read as they were at {ref!r}: {reason}",
        way("see what Git says there; the clone may not be complete", "git fsck"),
    )
