"""Migration chains at a Git revision, without checking it out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from flask_chainfix.chain import source
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.quoting import ref_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.git.merge_bases import parents_of
from flask_chainfix.git.program import Unknown, remedy_for
from flask_chainfix.git.repositories import (
    ABBREVIATED,
    Repository,
    literal,
    real_directory,
    repositories_of,
)
from flask_chainfix.git.tree import ObjectCache, Tree, read_trees
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import MigrationFile, Unreadable
from flask_chainfix.model.history import LastCommit

OUTSIDE = Unreadable(
    "is a link to a file that is in no version location",
    "name another Git revision, at which it is a file",
)
_RECENT = 50  # commits
_MOST_CHANGES = 10_000  # the number of commits to walk for a file
_AUTHOR = re.compile(rb"^author (.*?) <[^>\n]*> (\d+)", re.MULTILINE)
_BRANCH = re.compile(r"\w[\w./-]*")
_ELSEWHERE = ("--branches", "--remotes", "--tags", "--not", "HEAD")


def read_at(ref: str, environment: Environment) -> Snapshot:
    """Read the migrations that Alembic would have loaded at a Git revision.

    Args:
        ref: a branch, a tag, a commit, or any other Git revision; if the version locations are in
            several repositories, each must have it.
        environment: the environment; its files must have been in the same place.

    Raises:
        CannotReadGit: there is no such revision, a version location did not exist, or Git cannot
            read it.
    """
    snapshot, absent = _read(ref, Snapshot(environment, ()))
    for place in absent:
        raise CannotReadGit(
            f"{place} was not there at {ref!r}, or held no file",
            "name a Git revision at which the migrations were in that directory",
        )
    return snapshot


def read_branch(ref: str, now: Snapshot) -> Snapshot:
    """Read the migrations on a branch; a version location that does not exist is empty.

    Args:
        ref: as in ``read_at``.
        now: the current files; those that are the same are not read again.

    Raises:
        CannotReadGit: there is no such revision, or Git cannot read it.
    """
    return _read(ref, now)[0]


def read_chains(repository: Repository, refs: Sequence[str], now: Snapshot) -> dict[str, Snapshot]:
    """Read the migrations of several commits, with two calls of Git.

    Returns:
        The chains by the names of the commits, without those that Git does not have completely.

    Raises:
        Unknown: Git cannot read them.
    """
    roots = version_roots(now)
    chains = {}
    with without_garbage_collection():
        reader = TreeReader(now)
        objects = ObjectCache(repository, sourceless=now.environment.sourceless)
        for ref, tree in trees_of(objects, refs, roots, now).items():
            chains[ref], _ = reader.snapshot(dict.fromkeys(roots, tree))
    return chains


def read_recent(now: Snapshot) -> dict[str, Snapshot]:
    """Read the chains of the commits that last changed migrations, with four calls of Git.

    Returns:
        The chains by abbreviated names of commits: first those below ``HEAD``, then those of other
        branches and tags, each the newest first. Empty if the migrations are in no repository, or
        in several, or if Git cannot read them.
    """
    roots = version_roots(now)
    repositories, _ = repositories_of(roots)
    if len(repositories) != 1:
        return {}
    (repository,) = repositories
    paths = [literal(repository.folder(root)) for root in roots]
    asked = ("log", f"--max-count={_RECENT}", "--format=%h")
    try:
        commits = repository.git(*asked, "HEAD", "--", *paths).decode().split()
        commits += repository.git(*asked, *_ELSEWHERE, "--", *paths).decode().split()
        return read_chains(repository, commits, now)
    except Unknown:
        return {}


def version_roots(now: Snapshot) -> list[str]:
    """The real paths of the version locations, each once, ending in a slash."""
    return list(dict.fromkeys(map(real_directory, now.environment.version_locations)))


def _read(ref: str, now: Snapshot) -> tuple[Snapshot, tuple[Path, ...]]:
    """The files at a commit, and the version locations that did not exist."""
    repositories, unknown = repositories_of(version_roots(now))
    for reason, without in unknown.items():
        raise cannot_read(ref, without, reason)
    trees: dict[str, Tree] = {}
    with without_garbage_collection():
        for repository, roots in repositories.items():
            try:
                found = repository.objects([ref], "commit")
                if ref not in found:
                    raise no_revision(ref, repository, several=len(repositories) > 1)
                objects = ObjectCache(repository, sourceless=now.environment.sourceless)
                for tree in trees_of(objects, [found[ref].hash], roots, now).values():
                    trees.update(dict.fromkeys(roots, tree))
            except Unknown as reason:
                raise cannot_read(ref, roots, str(reason)) from reason
            if roots[0] not in trees:
                raise cannot_read(ref, roots, "some of its files are not in the repository")
        return TreeReader(now).snapshot(trees)


def trees_of(
    objects: ObjectCache, commits: Sequence[str], roots: Iterable[str], now: Snapshot
) -> dict[str, Tree]:
    """The version locations in commits or trees, by the names given.

    Args:
        objects: the objects of their repository that were read.
        commits: their names.
        roots: the version locations.
        now: the current files, which are not read again.

    Raises:
        Unknown: Git cannot read them.
    """
    names = [objects.repository.folder(root) for root in roots]
    return read_trees(objects, commits, names, [file.data for file in now.files])


class TreeReader:
    """Reads migrations from trees; commits with the same content share them.

    Args:
        now: the files on the disk.
    """

    def __init__(self, now: Snapshot) -> None:
        self._environment = now.environment
        self._on_disk = {(str(file.directory), file.name): file for file in now.files}
        self._read: dict[str, dict[tuple[str, str, str | None], MigrationFile]] = {}

    def snapshot(self, trees: Mapping[str, Tree]) -> tuple[Snapshot, tuple[Path, ...]]:
        """The files of all version locations, and the locations that did not exist.

        Args:
            trees: the trees, by the real paths of the version locations.
        """
        files: dict[str, MigrationFile] = {}
        absent = []
        for place in self._environment.version_locations:
            root = real_directory(place)
            tree = trees[root]
            location = tree.repository.folder(root)
            if next(tree.folders(location, recursive=True), None) is None:
                absent.append(place)
            for folder in tree.folders(location, recursive=self._environment.recursive):
                directory = place / folder[len(location) :].lstrip("/")
                for target, file in self._files(tree, folder, directory):
                    files.setdefault(target, file)
        return Snapshot(self._environment, tuple(files.values())), tuple(absent)

    def _files(
        self, tree: Tree, folder: str, directory: Path
    ) -> Iterator[tuple[str, MigrationFile]]:
        """The files of a folder, each with the real path that it would have."""
        here = self._read.setdefault(str(directory), {})
        for found in tree.files(folder):
            file = here.get(found)
            if file is None:
                file = here[found] = self._file(tree, found, directory)
            yield f"{tree.repository.top}{found[1]}", file

    def _file(
        self, tree: Tree, found: tuple[str, str, str | None], directory: Path
    ) -> MigrationFile:
        path, target, blob = found
        name = path.rpartition("/")[2]
        if blob is None:
            return MigrationFile(directory, name, b"", OUTSIDE)
        data = tree.contents[blob]
        if path != target:  # a link counts as its target
            place = Path(f"{tree.repository.top}{target}")
            directory, name = place.parent, place.name
        same = self._on_disk.get((str(directory), name))
        if same is not None and same.data == data:
            return same
        return MigrationFile(directory, name, data, source.read(data, name))


def no_revision(ref: str, repository: Repository, *, several: bool) -> CannotReadGit:
    """The error for a name that is not a commit."""
    text = "name a branch, a tag or a commit that is in it (a remote's branch: origin/main)"
    if several:
        text += ": the version locations lie in several repositories, and each must have it"
    remedy = Remedy.of(text)
    remotes = sorted(remotes_of(repository), key=len)  # one may begin like another
    remote = next((each for each in reversed(remotes) if ref.startswith(f"{each}/")), "")
    branch = ref[len(remote) + 1 :]
    if remote and _BRANCH.fullmatch(branch):
        fetching = fetch_missing(repository, remote, branch)
        remedy = way("fetch it, as this clone may be of another branch only", fetching) | text
    elif repository.shallow:
        text = "the clone is shallow: fetch the rest (in a CI job: fetch-depth: 0)"
        remedy |= way(text, "git fetch --unshallow")
    place = Path(repository.top)
    return CannotReadGit(f"{ref!r} is not a revision in the Git repository {place}", remedy)


def fetch_missing(repository: Repository, remote: str, branch: str) -> str:
    """The command that fetches a remote's branch that this clone was made without."""
    deeper = "--unshallow " if repository.shallow else ""
    refspec = ref_word(f"{branch}:refs/remotes/{remote}/{branch}")
    return f"git fetch {deeper}{ref_word(remote)} {refspec}"


def remotes_of(repository: Repository) -> list[str]:
    """The names of its remotes."""
    with suppress(Unknown):
        return os.fsdecode(repository.git("remote")).split("\n")[:-1]
    return []


def cannot_read(ref: str, roots: Iterable[str], reason: str) -> CannotReadGit:
    """The error for a commit that Git does not have completely."""
    places = ", ".join(str(Path(root)) for root in roots)
    return CannotReadGit(
        f"the migrations in {places} cannot be read as they were at {ref!r}: {reason}",
        remedy_for(reason)
        or way("see what Git says there; the clone may not be complete", "git fsck"),
    )


def last_change(path: Path) -> tuple[Repository, str] | None:
    """The repository of a file, and the last commit that changed it; ``None`` if unknown."""
    directory = real_directory(path.parent)
    for repository in repositories_of([directory])[0]:
        with suppress(Unknown):
            name = literal(repository.name(directory + path.name))
            return repository, repository.git("rev-list", "-1", "HEAD", "--", name).decode().strip()
    return None


def read_before(repository: Repository, commit: str, now: Snapshot) -> list[Snapshot]:
    """Read the checked-out migrations, and those before a commit, if there is one.

    This takes two calls of Git. Empty if Git cannot read them.
    """
    refs = ["HEAD", *([f"{commit}^"] if commit else [])]
    with suppress(Unknown):
        found = read_chains(repository, refs, now)
        return [found[ref] for ref in refs if ref in found]
    return []


def last_commit(repository: Repository, commit: str, name: str) -> LastCommit | None:
    """The last commit at or below this one that changed a file."""
    for _ in range(_MOST_CHANGES):
        there = repository.objects([commit, f"{commit}:{name}"])
        if f"{commit}:{name}" not in there:
            return None
        blob, data = there[f"{commit}:{name}"].hash, there[commit].data
        parents = parents_of(data)
        before = repository.objects(f"{parent}:{name}" for parent in parents)
        then = {key.partition(":")[0]: found.hash for key, found in before.items()}
        following = next((each for each in parents if then.get(each) == blob), None)
        if following is None:
            author = _AUTHOR.search(data.partition(b"\n\n")[0])
            if author is None:
                return None
            day = datetime.fromtimestamp(int(author[2]), timezone.utc).date().isoformat()
            return LastCommit(commit[:ABBREVIATED], author[1].decode(errors="replace"), day)
        commit = following
    return None
