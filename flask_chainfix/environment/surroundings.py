"""The surroundings of an environment: its project, with other environments in it."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flask_chainfix.chain.source.header import is_loaded
from flask_chainfix.chain.source.literals import parse
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.environment.configuration import (
    configuration_errors,
    knows_toml,
    open_files,
    resource_path,
)
from flask_chainfix.environment.env_py import CANNOT_READ, EnvPy, uses_flask_app
from flask_chainfix.model.environment import Environment, OtherEnvironment, Pointer, Surroundings
from flask_chainfix.model.findings import Location

if TYPE_CHECKING:
    from flask_chainfix.environment.locate import Runtime

_SETS_LOCATIONS = re.compile(rb"^\s*version_locations\s*=", re.MULTILINE)
_TEMPLATES = re.compile(r"template|cookiecutter|skeleton|example|[{<$]", re.IGNORECASE)
_OF_TESTS = re.compile(r"tests?\b|test_|conftest")
_MARKS = (".git", "pyproject.toml", "setup.py", "alembic.ini")  # at the top of a project


def _project_of(environment: Path) -> Path:
    """The nearest directory upwards that looks like a project; otherwise the parent."""
    for directory in (environment, *environment.parents[:4]):
        # Flask-Migrate puts an alembic.ini into the environment itself.
        marks = _MARKS if directory != environment else _MARKS[:-1]
        if any((directory / mark).exists() for mark in marks):
            return directory
    return environment.parent


def local_modules(environment: Path) -> frozenset[str]:
    """The top-level modules that a migration can import from its own project.

    They are in the directories from the environment up to the project, in its ``src`` and in the
    working directory.
    """
    project = _project_of(environment)
    here = environment / "versions"
    around = [each for each in (here, *here.parents) if project in (each, *each.parents)]
    names: set[str] = set()
    for directory in (*around, project / "src", project / "lib", Path.cwd()):
        files, directories = _listing(directory)
        names.update(directories)
        names.update(name.removesuffix(".py") for name in files if name.endswith(".py"))
    return frozenset(names)


def environments_near(environment: Path) -> Iterator[Path]:
    """The other environments beside one, and at the top of its project, without templates."""
    for directory in dict.fromkeys((environment.parent, _project_of(environment))):
        if directory == directory.parent:  # the root of the file system is no project
            continue
        for name in _listing(directory)[1]:
            near = directory / name
            hidden = name.startswith(".") or _TEMPLATES.search(name)
            if near != environment and not hidden and _runs_migrations(near):
                yield near


def app_to_name() -> str | None:
    """What ``flask --app`` has to name here, as far as the source shows.

    Returns:
        A module or package; ``""`` if Flask finds the app itself; ``None`` if that is unknown.
    """
    dotenv = (_bytes_of(Path(name)) for name in (".env", ".flaskenv"))
    if os.environ.get("FLASK_APP") or any(b"FLASK_APP" in data for data in dotenv):
        return ""
    files, directories = _listing(Path())
    if not {"wsgi.py", "app.py"}.isdisjoint(files):
        return ""
    modules = {name.removesuffix(".py"): Path(name) for name in files if name.endswith(".py")}
    places = [*directories, *(f"src/{name}" for name in _listing(Path("src"))[1])]
    modules.update((name, Path(name, "__init__.py")) for name in places)
    found: dict[bool, list[str]] = {True: [], False: []}
    for name, file in modules.items():
        data = _bytes_of(file)
        if not _OF_TESTS.match(file.name) and (b"Flask(" in data or b"create_app(" in data):
            for is_app in _apps_in(data):
                found[is_app].append(name)
    likely = found[True] or found[False]
    return likely[0] if len(set(likely)) == 1 else None


def _apps_in(data: bytes) -> Iterator[bool]:
    """Whether each app that Flask would find in a module is one, or a function that makes it."""
    with suppress(*CANNOT_READ):
        for node in parse(data).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                names = {each.id for each in node.targets if isinstance(each, ast.Name)}
                if names & {"app", "application"}:
                    yield True
            elif (
                isinstance(node, ast.FunctionDef)
                and node.name in ("create_app", "make_app")
                and len(node.args.args) == len(node.args.defaults)
            ):
                yield False


def _listing(directory: Path) -> tuple[list[str], list[str]]:
    """The names of the files and of the directories in it, sorted; none if it cannot be listed."""
    files: list[str] = []
    directories: list[str] = []
    with suppress(OSError), os.scandir(directory) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif entry.is_file():
                files.append(entry.name)
    return sorted(files), sorted(directories)


def _runs_migrations(directory: Path) -> bool:
    """Whether the directory's ``env.py`` is one of Alembic's, and no template of one."""
    data = _bytes_of(directory / "env.py")
    is_template = b"{{" in data or b"{%" in data or (directory / "alembic.ini.mako").exists()
    return b"run_migrations" in data and not is_template


def _bytes_of(file: Path) -> bytes:
    try:
        return read_regular(file, LARGEST_CODE)
    except OSError:
        return b""


def read_surroundings(runtime: Runtime) -> Surroundings:
    """Read what is beside the environment and at the top of its project.

    Unreadable files are ignored. An app's environment is read inside that app.
    """
    directory, here = runtime.environment.directory, Path.cwd()
    project = _project_of(directory)
    known = {os.path.realpath(directory): directory}
    for near in environments_near(directory):
        known.setdefault(os.path.realpath(near), near)
    places = dict.fromkeys((project, directory.parent, *known.values()))
    files = {
        file: data
        for file in (place / name for place in places for name in ("alembic.ini", "pyproject.toml"))
        if b"_location" in (data := _bytes_of(file))
    }
    pointers = [
        pointer for file, data in files.items() for pointer in _pointers(file, data, project, known)
    ]
    if (config := runtime.reopen.get("config")) is not None:  # whatever and wherever it is
        location = Location(Path(os.path.abspath(config)), None)
        pointers.insert(0, Pointer(location, "alembic", directory))
    named_by_app = False
    if runtime.has_app:
        from flask import current_app

        named = current_app.extensions["migrate"].directory
        named_by_app = os.path.realpath(named) == os.path.realpath(directory)
    return Surroundings(
        here if here in directory.parents else project,
        named_by_app,
        tuple(_others(runtime.environment, known.values(), files, pointers)),
        tuple(pointers),
        _no_metadata(directory / "env.py"),
    )


def script_locations(file: Path) -> dict[str, str]:
    """The ``script_location`` of each section of an ini file or a ``pyproject.toml``.

    Empty if Alembic could not use the file.
    """
    with suppress(ChainFixError), configuration_errors(str(file)):
        if file.suffix != ".toml":
            parser = open_files(file).parser
            sections = [each for each in parser.sections() if "script_location" in parser[each]]
            return {section: parser.get(section, "script_location") for section in sections}
        if knows_toml():
            written = open_files(None, file).get("script_location")
            return {"tool.alembic": written} if isinstance(written, str) else {}
    return {}


def _pointers(
    file: Path, data: bytes, project: Path, known: Mapping[str, Path]
) -> Iterator[Pointer]:
    """The environments that a file names, except for those in a package that must be imported."""
    # Alembic's paths are relative to the working directory, which is unknown here.
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
    """The other environments, except for those with the same migrations."""
    setting = {file for file, data in files.items() if _SETS_LOCATIONS.search(data)}
    elsewhere = {file.parent for file in setting}
    elsewhere |= {each.target for each in pointers if each.location.path in setting}
    ours = set(map(os.path.realpath, active.version_locations))
    for directory in known:
        if directory != active.directory and os.path.realpath(directory / "versions") not in ours:
            migrations = None
            if directory not in elsewhere:
                names = {name for listed in _listing(directory / "versions") for name in listed}
                loaded = (name for name in names if is_loaded(name, names.__contains__))
                migrations = frozenset(loaded)
            yield OtherEnvironment(directory, migrations, uses_flask_app(directory / "env.py"))


def _no_metadata(env_py: Path) -> tuple[Location, ...]:
    """The places where the metadata for autogenerate is ``None``."""
    try:
        read = EnvPy(env_py)
    except CANNOT_READ:
        return ()
    if read.mentions("target_metadata"):  # it is also passed in another way
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
    """Whether a call of ``context.configure`` is for offline mode, which compares nothing."""
    return "connection" not in options and not {"url", "dialect_name"}.isdisjoint(options)


def is_sparse(directory: Path) -> bool:
    """Whether a sparse checkout may have left out version locations."""
    return any((place / ".git/info/sparse-checkout").exists() for place in directory.parents)
