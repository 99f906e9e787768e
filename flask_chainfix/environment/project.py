"""The project that a migration environment belongs to: its top, its modules, its environments."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular

# What a project has at its top.
_MARKS = (".git", "pyproject.toml", "setup.py", "alembic.ini")


_TEMPLATES = re.compile(r"template|cookiecutter|skeleton|example|[{<$]", re.IGNORECASE)


_LEVELS_UP = 4


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


def environments_near(environment: Path) -> Iterator[Path]:
    """The other migration environments beside one, and at the top of its project; no templates."""
    project = project_of(environment)
    for directory in dict.fromkeys((environment.parent, project)):
        if directory == directory.parent:  # the whole file system is no project
            continue
        for name in _listing(directory)[1]:
            near = directory / name
            hidden = name.startswith(".") or _TEMPLATES.search(name)
            if near != environment and not hidden and _runs_migrations(near):
                yield near


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


def _runs_migrations(directory: Path) -> bool:
    """Whether its ``env.py`` is one of Alembic's, and no template of one."""
    try:
        if not (directory / "env.py").is_file() or (directory / "alembic.ini.mako").exists():
            return False
        data = read_regular(directory / "env.py", LARGEST_CODE)
    except OSError:
        return False
    return b"run_migrations" in data and b"{{" not in data and b"{%" not in data
