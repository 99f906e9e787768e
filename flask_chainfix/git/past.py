"""Migration chains as they were at a Git revision; nothing is checked out for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from flask_chainfix import source
from flask_chainfix.errors import CannotReadGit
from flask_chainfix.garbage import without_garbage_collection
from flask_chainfix.git.repositories import Repository, real_directory, repositories_of
from flask_chainfix.git.running import Unknown
from flask_chainfix.git.tree import Tree, find_commit
from flask_chainfix.model import Environment, MigrationFile, Unreadable
from flask_chainfix.snapshot import Snapshot

_OUTSIDE = Unreadable(
    "is a link to a file that is in no version location",
    "name another Git revision, at which it is a file",
)


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
    roots = {place: real_directory(str(place)) for place in environment.version_locations}
    past = _trees(ref, list(dict.fromkeys(roots.values())), environment)
    files: dict[str, MigrationFile] = {}
    with without_garbage_collection():
        for place, root in roots.items():
            repository, tree = past[root]
            location = _name(repository, root)
            if not tree.has(location):
                raise CannotReadGit(
                    f"{place} was not there at {ref!r}, or held no file",
                    "name a Git revision at which the migrations were in that directory",
                )
            for folder in tree.folders(location, recursive=environment.recursive):
                directory = place / folder[len(location) :].lstrip("/")
                for real, file in _files(repository, tree, folder, directory):
                    files.setdefault(real, file)
    return Snapshot(environment, tuple(files.values()))


def _trees(
    ref: str, roots: Sequence[str], environment: Environment
) -> dict[str, tuple[Repository, Tree]]:
    """What each version location's repository had."""
    repositories, unknown = repositories_of(roots)
    for reason, without in unknown.items():
        raise _cannot_read(ref, without, reason)
    found: dict[str, tuple[Repository, Tree]] = {}
    for repository, within in repositories.items():
        try:
            commit = find_commit(repository, ref)
            if commit is None:
                raise _no_revision(ref, repository, several=len(repositories) > 1)
            names = [_name(repository, root) for root in within]
            tree = Tree(repository, commit, names, sourceless=environment.sourceless)
        except Unknown as reason:
            raise _cannot_read(ref, within, str(reason)) from reason
        found.update(dict.fromkeys(within, (repository, tree)))
    return found


def _name(repository: Repository, root: str) -> str:
    return repository.name(root).rstrip("/")


def _files(
    repository: Repository, tree: Tree, folder: str, directory: Path
) -> Iterator[tuple[str, MigrationFile]]:
    """The files of a folder, each with the real path that it would have."""
    for path, target, data in tree.files(folder):
        real = Path(repository.top, target)
        name = path.rpartition("/")[2]
        if data is None:
            yield str(real), MigrationFile(directory, name, b"", _OUTSIDE)
            continue
        place = directory
        if path != target:  # a link stands for the file that it leads to
            place, name = real.parent, real.name
        reading = source.read(data, name) if name.endswith(".py") else source.read_bytecode(data)
        yield str(real), MigrationFile(place, name, data, reading)


def _no_revision(ref: str, repository: Repository, *, several: bool) -> CannotReadGit:
    remedy = "name a branch, a tag or a commit that is in it"
    if several:
        remedy += ": the version locations lie in several repositories, and each must have it"
    if repository.shallow:
        remedy += "; the clone is shallow, and `git fetch --unshallow` brings the rest"
    place = Path(repository.top)
    return CannotReadGit(f"{ref!r} is no revision in the Git repository {place}", remedy)


def _cannot_read(ref: str, roots: Iterable[str], reason: str) -> CannotReadGit:
    places = ", ".join(str(Path(root)) for root in roots)
    return CannotReadGit(
        f"the migrations in {places} cannot be read as they were at {ref!r}: {reason}",
        "make sure that `git log` works there, and that the clone is complete",
    )
