"""The project that a migration environment belongs to, as far as it is worth looking through."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular

# What a project has at its top.
_MARKS = (".git", "pyproject.toml", "setup.py", "alembic.ini")


_SKIPPED = frozenset({".git", "__pycache__", "node_modules", "site-packages"})


# What is written for people or by programs names a directory without using it.
_TELLING = frozenset({".html", ".lock", ".log", ".md", ".po", ".rst", ".svg", ".txt"})


_TEMPLATES = re.compile(r"template|cookiecutter|skeleton|example|[{<$]", re.IGNORECASE)


# A check has to stay fast, whatever lies beside the migrations.
_LEVELS_UP, _MOST_ENTRIES, _MOST_BYTES = 4, 20_000, 64 * 1024 * 1024


_LARGEST = 1024 * 1024


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


def is_named(directory: Path, project: Path, exempt: Collection[Path]) -> bool:
    """Whether anything in a project names one of its directories, and so may use it.

    Args:
        directory: the directory.
        project: the project.
        exempt: files and directories that do not count.

    Returns:
        ``True`` also where the project is too large for a quick look.
    """
    wanted = _naming(directory.name)
    entries = size = 0
    for place, directories, files in os.walk(project):
        here = Path(place)
        directories[:] = sorted(
            name
            for name in directories
            if name not in _SKIPPED
            and here / name not in exempt
            and not (here / name / "pyvenv.cfg").exists()
        )
        entries += len(directories) + len(files)
        for name in files:
            data = b"" if here / name in exempt else _text(here / name)
            size += len(data)
            if wanted.search(data):
                return True
        if entries > _MOST_ENTRIES or size > _MOST_BYTES:
            return True
    return False


def _naming(name: str) -> re.Pattern[bytes]:
    """What names a directory as a path: in quotes, behind a slash, as a value, as an option."""
    word = re.escape(name.encode())
    return re.compile(
        rb"""["'/\\:]%s["'/\\]"""
        rb"""|^(?!\s*qualname)[^#\n]*[/\\:=]\s*%s\s*$"""
        rb"""|(?:-d|--directory)[ =]\s*%s(?:\s|$)""" % (word, word, word),
        re.MULTILINE,
    )


def _text(file: Path) -> bytes:
    """The contents of a file that may name directories; of any other, nothing."""
    try:
        if file.suffix in _TELLING or not file.is_file() or file.stat().st_size > _LARGEST:
            return b""
        data = read_regular(file)
    except OSError:
        return b""
    return b"" if b"\0" in data[:1024] else data


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
