"""The project that a migration environment belongs to, as far as it is worth looking through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# What a project has at its top; below that, what another project has that lies in it.
_MARKS = (".git", "pyproject.toml", "setup.py", "alembic.ini")
_SKIPPED = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "test", "tests"}
)
# A check has to stay fast, whatever lies beside the migrations.
_LEVELS_UP, _LEVELS_DOWN, _MOST_ENTRIES = 4, 5, 20_000


class Place(NamedTuple):
    """A directory of the project.

    Attributes:
        directory: absolute.
        names: of the files in it.
        is_environment: whether it is a migration environment.
    """

    directory: Path
    names: tuple[str, ...]
    is_environment: bool


def project_of(environment: Path) -> Path:
    """The nearest directory upwards that looks like a project's; else that which it lies in."""
    for directory in (environment, *environment.parents[:_LEVELS_UP]):
        # Flask-Migrate puts an alembic.ini into the environment itself.
        marks = _MARKS if directory != environment else _MARKS[:-1]
        if any((directory / mark).exists() for mark in marks):
            return directory
    return environment.parent


def local_modules(environment: Path) -> frozenset[str]:
    """The top-level modules that a migration can import from its own project.

    What lies in the directories from the environment up to the project, in its ``src`` and in the
    working directory.
    """
    project = project_of(environment)
    here = environment / "versions"
    around = [each for each in (here, *here.parents) if project in (each, *each.parents)]
    names: set[str] = set()
    for directory in (*around, *(project / name for name in ("src", "lib")), Path.cwd()):
        files, directories = _listing(directory)
        names.update(directories)
        names.update(name.removesuffix(".py") for name in files if name.endswith(".py"))
    return frozenset(names)


def places(project: Path) -> Iterator[Place]:
    """The directories of a project, the upper ones first, each level by name.

    Without what is hidden, installed, built or only there for tests, without other projects that
    lie in it, and without what lies in migration environments. A project that is too large for a
    quick look is looked through in part, and the root of the file system not at all.
    """
    level = [project] if project != project.parent else []
    entries = 0
    for _ in range(_LEVELS_DOWN + 1):
        below: list[Path] = []
        for directory in level:
            files, directories = _listing(directory)
            entries += len(files) + len(directories)
            if entries > _MOST_ENTRIES:
                return
            place = Place(directory, files, _runs_migrations(directory, files))
            if "pyvenv.cfg" in files:
                continue
            yield place
            other_project = directory != project and not {*_MARKS}.isdisjoint(files + directories)
            if not (place.is_environment or other_project):
                below += [directory / name for name in directories if _counts(name)]
        level = below


def _counts(name: str) -> bool:
    return not name.startswith(".") and name not in _SKIPPED


def _listing(directory: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the files and of the directories in it, sorted; none if it cannot be listed."""
    files: list[str] = []
    directories: list[str] = []
    try:
        with os.scandir(directory) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    except OSError:
        return (), ()
    return tuple(sorted(files)), tuple(sorted(directories))


def _runs_migrations(directory: Path, files: tuple[str, ...]) -> bool:
    """Whether its ``env.py`` is one of Alembic's, and no template of one."""
    if "env.py" not in files or "alembic.ini.mako" in files:
        return False
    try:
        return b"run_migrations" in (directory / "env.py").read_bytes()
    except OSError:
        return False
