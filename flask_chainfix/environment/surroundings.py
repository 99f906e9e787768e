"""What lies around a migration environment: other ones, configuration files, its own ``env.py``."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.environment.configuration import resource_path, script_locations
from flask_chainfix.environment.env_py import CANNOT_READ, EnvPy, uses_flask_app
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.project import environments_near, project_of
from flask_chainfix.model.environment import Environment, OtherEnvironment, Pointer, Surroundings
from flask_chainfix.model.findings import Location
from flask_chainfix.source.reader import is_loaded

_SETS_LOCATIONS = re.compile(rb"^\s*version_locations\s*=", re.MULTILINE)


def read_surroundings(runtime: Runtime) -> Surroundings:
    """Look beside the environment and at the top of its project.

    What cannot be read there is as if it were not.

    Args:
        runtime: the environment; if it is an app's, this runs inside that app.
    """
    active = runtime.environment.directory
    project, here = project_of(active), Path.cwd()
    known = {os.path.realpath(active): active}
    for near in environments_near(active):
        known.setdefault(os.path.realpath(near), near)
    files = _configuration(dict.fromkeys((project, active.parent, *known.values())))
    pointers = (
        *_given(runtime),
        *(each for file, data in files.items() for each in _pointers(file, data, project, known)),
    )
    return Surroundings(
        here if here in active.parents else project,
        _named_by_app(runtime),
        tuple(_others(runtime.environment, known.values(), files, pointers)),
        pointers,
        _no_metadata(active / "env.py"),
    )


def _configuration(directories: Iterable[Path]) -> dict[Path, bytes]:
    """The configuration files in these directories that say something of environments."""
    files = [place / name for place in directories for name in ("alembic.ini", "pyproject.toml")]
    return {file: data for file in files if b"_location" in (data := _bytes_of(file))}


def _bytes_of(file: Path) -> bytes:
    try:
        return read_regular(file, LARGEST_CODE)
    except OSError:
        return b""


def _given(runtime: Runtime) -> Iterator[Pointer]:
    """The file by which the active environment was found, whatever and wherever it is."""
    file = runtime.reopen.get("config")
    if file is not None:
        location = Location(Path(os.path.abspath(file)), None)
        yield Pointer(location, "alembic", runtime.environment.directory)


def _pointers(
    file: Path, data: bytes, project: Path, known: Mapping[str, Path]
) -> Iterator[Pointer]:
    """The environments that a file names; not what may be found once a package is imported."""
    # Alembic counts from the working directory, which is not known here.
    bases = (file.parent, project, project / "src", Path.cwd())
    for section, written in script_locations(file).items():
        path = resource_path(written)
        found = [base / path for base in bases if (base / path / "env.py").is_file()]
        location = Location(file, _line_of(data, section))
        if found:
            target = os.path.realpath(found[0])
            yield Pointer(location, section, known.get(target, Path(target)))


def _line_of(data: bytes, section: str) -> int | None:
    """The line of ``script_location`` in a section of an ini or TOML file."""
    inside = False
    for number, line in enumerate(data.splitlines(), 1):
        if line.startswith(b"["):
            inside = line.startswith(f"[{section}]".encode())
        elif inside and line.lstrip().startswith(b"script_location"):
            return number
    return None


def _others(
    active: Environment,
    known: Iterable[Path],
    files: Mapping[Path, bytes],
    pointers: Iterable[Pointer],
) -> Iterator[OtherEnvironment]:
    """The other environments, but not those that work on the same migrations."""
    setting = {file for file, data in files.items() if _SETS_LOCATIONS.search(data)}
    elsewhere = {file.parent for file in setting}
    elsewhere |= {each.target for each in pointers if each.location.path in setting}
    ours = {os.path.realpath(location) for location in active.version_locations}
    for directory in known:
        if directory != active.directory and os.path.realpath(directory / "versions") not in ours:
            migrations = None if directory in elsewhere else _migrations(directory)
            yield OtherEnvironment(directory, migrations, uses_flask_app(directory / "env.py"))


def _migrations(environment: Path) -> frozenset[str]:
    """The names of the files in its ``versions/`` that Alembic would load."""
    try:
        names = os.listdir(environment / "versions")
    except OSError:
        return frozenset()
    return frozenset(name for name in names if is_loaded(name, names.__contains__))


def _named_by_app(runtime: Runtime) -> bool:
    if not runtime.has_app:
        return False
    from flask import current_app

    named: str = current_app.extensions["migrate"].directory
    return os.path.realpath(named) == os.path.realpath(runtime.environment.directory)


def _no_metadata(env_py: Path) -> tuple[Location, ...]:
    """Where it says ``None`` for what autogenerate compares the database with."""
    try:
        read = EnvPy(env_py)
    except CANNOT_READ:
        return ()
    if read.mentions("target_metadata"):  # something hands it over in another way as well
        return ()
    given = [
        read.origin(options["target_metadata"])
        for options in read.calls("configure")
        if "target_metadata" in options and not _is_offline(options)
    ]
    if not all(isinstance(node, ast.Constant) and node.value is None for node in given):
        return ()
    return tuple(Location(env_py, line) for line in sorted({node.lineno for node in given}))


def _is_offline(options: Mapping[str | None, ast.expr]) -> bool:
    """Whether a call of ``context.configure`` is for SQL scripts, where nothing is compared."""
    return "connection" not in options and not {"url", "dialect_name"}.isdisjoint(options)
