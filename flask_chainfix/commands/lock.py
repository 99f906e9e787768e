"""lock: write the heads to a file, so that new heads conflict in Git."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from configparser import ConfigParser, Error
from json import dumps
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from flask_chainfix import disk
from flask_chainfix.chain import heads_file
from flask_chainfix.commands.session import Session, carried_out
from flask_chainfix.common.errors import CannotPlan, CannotRewrite, CannotWrite
from flask_chainfix.common.quoting import script_words
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.common.remedies import Remedy, Way, way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of, in_doubt
from flask_chainfix.environment.configuration import read_toml
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.git.in_progress import operation
from flask_chainfix.git.repositories import checked_out
from flask_chainfix.model.files import Edit
from flask_chainfix.report.results import Locked, LockPlan


def plan_lock(session: Session, *, install: bool = False, written: str | None = None) -> LockPlan:
    """Work out the contents of the lock, without writing it.

    Args:
        session: what the command works with.
        install: whether Alembic should also keep it up to date.
        written: the migration that Alembic's hook has just written, which must be in the chain.

    Returns:
        The edits; none if everything is up to date.

    Raises:
        NoMigrations: there is no migration.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        CannotPlan: the heads of the chain are in doubt, or ``written`` is none of its files.
        CannotWrite: the lock's path is not a replaceable file.
        CannotRewrite: Alembic's configuration cannot be changed with certainty.
    """
    diagnosis = session.begin()
    now = diagnosis.snapshot
    _refuse_stranger(now, written)
    if in_doubt(diagnosis.findings) or heads_file.expected_lines(now) is None:
        faults = errors_of(diagnosis.findings)
        fault = faults[0].message if faults else "a lineage has several heads"
        raise CannotPlan(
            f"a broken chain has no head to write down: {fault}",
            way("see what is wrong; a repair writes the lock as well", "{fixchain} check"),
            unchanged=True,
        )
    lock = now.lock
    if lock is not None and lock.data is None:
        raise CannotWrite(
            f"{lock.path} {lock.problem}",
            way("remove it, and write the lock again", "{fixchain} lock"),
            unchanged=True,
        )
    edits = [heads_file.edit_for(now, create=True)]
    if install:
        edits.append(_hook_edit(session.runtime))
    written_anew = tuple(edit for edit in edits if edit is not None)
    return LockPlan(
        tools=session.tools,
        diagnosis=diagnosis,
        edits=written_anew,
        commit=checked_out(session.environment.directory, written_anew),
        operation=operation(now),
    )


def _refuse_stranger(snapshot: Facts, written: str | None) -> None:
    files = {os.path.realpath(file.path) for file in snapshot.files}
    if written is not None and os.path.realpath(written) not in files:
        raise CannotPlan(
            f"{Path(written).name} is no migration of {snapshot.environment.directory}",
            "leave the file name out, it is for Alembic's hook",
            unchanged=True,
        )


def carry_out_lock(session: Session, plan: LockPlan) -> Locked:
    """Write the files as planned.

    Raises:
        RepairRunning: a repair is running.
        StaleSnapshot, CannotWrite: a file has changed since, or cannot be written.
    """
    with disk.locked(session.environment.directory):
        disk.add_together(plan.edits)
    return carried_out(Locked, plan)


# --- Alembic's post-write hooks, which update the chain lock -------------------------------------
_SECTION, _NAME = "post_write_hooks", "fixchain"
_SEPARATORS = re.compile(r"[,\s]+")  # between the names of hooks
_HEAD = re.compile(rb"^\[post_write_hooks\].*\n?", re.MULTILINE)  # of the section in an ini


def _hook_edit(runtime: Runtime) -> Edit | None:
    """The edit that adds a hook to Alembic's configuration, to update the lock with each migration.

    The hook is added at the end of the file, or at the top of a section without hooks, such as that
    of Alembic's template. ``None`` if there is a hook of that name already.

    Raises:
        CannotRewrite: there is no file, or its hooks are written in a way that only a person can
            extend.
    """
    path = _file(runtime)
    toml = path.suffix == ".toml"
    directory = os.path.relpath(runtime.environment.directory, path.absolute().parent)
    place = script_words(directory).replace("%", "%%")
    hook = {
        "type": "console_scripts",
        "entrypoint": "fixchain",
        "cwd": "%(here)s",  # relative to the file, wherever Alembic runs
        "options": f"-d {place} lock --yes REVISION_SCRIPT_FILENAME",
    }
    if toml:
        lines = [f"[[tool.alembic.{_SECTION}]]", f'name = "{_NAME}"']
        lines += [f"{key} = {dumps(value, ensure_ascii=False)}" for key, value in hook.items()]
    else:
        lines = [f"[{_SECTION}]", f"hooks = {_NAME}"]
        lines += [f"{_NAME}.{key} = {value}" for key, value in hook.items()]
    if not path.is_file():
        raise _by_hand(path, lines, "is not there")
    data = read_regular(path, LARGEST_CODE)
    read = _hooks_of_toml if toml else _hooks_of_ini
    try:
        hooks = read(data)
        if _NAME in hooks:
            return None
        if hooks and not toml:
            named = f"hooks = {', '.join((*hooks, _NAME))}"
            raise _by_hand(
                path,
                [named, *lines[2:]],
                "has hooks already",
                f"put these lines into [{_SECTION}], the first in place of its `hooks`:",
            )
        after = _added(data, lines, None if toml else _HEAD.search(data))
        if read(after) != {**hooks, _NAME: hook}:
            raise ValueError(f"{_SECTION} is written in an unusual way")
    except (Error, ValueError, TypeError, AttributeError) as error:  # or it is no table of tables
        raise _by_hand(path, lines, f"is left as it is: {error}") from error
    return Edit(path, data, after)


def _added(data: bytes, lines: Sequence[str], head: re.Match[bytes] | None) -> bytes:
    """A configuration with these lines at its end, or below the header of their section."""
    end = "\r\n" if b"\r\n" in data else "\n"
    before, behind = (data[: head.end()], data[head.end() :]) if head else (data, b"")
    gap = "" if not before or before.endswith(b"\n") else end
    added = lines[1:] if head else ["", *lines]
    return before + f"{gap}{end.join(added)}{end}".encode() + behind


def _file(runtime: Runtime) -> Path:
    """The file in which Alembic looks for hooks."""
    config = runtime.config
    # Alembic before 1.16 reads only an ini file, which takes precedence over pyproject.toml.
    toml = getattr(config, "toml_file_name", None)
    if toml is not None and not config.file_config.has_section(_SECTION):
        path = Path(toml)
        if path.is_file() and "alembic" in read_toml(path).get("tool", {}):
            return path
    return Path(config.config_file_name or runtime.environment.directory / "alembic.ini")


def _hooks_of_ini(data: bytes) -> dict[str, dict[str, str]]:
    """The options of each hook, by name."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(data.decode())
    section = dict(parser[_SECTION]) if parser.has_section(_SECTION) else {}
    hooks: dict[str, dict[str, str]] = {
        name: {} for name in _SEPARATORS.split(section.get("hooks", "")) if name
    }
    for key, value in section.items():
        name, _, option = key.partition(".")
        if option and name in hooks:
            hooks[name][option] = value
    return hooks


def _hooks_of_toml(data: bytes) -> dict[str, dict[str, str]]:
    hooks = tomllib.loads(data.decode())["tool"]["alembic"].get(_SECTION, [])
    return {
        hook.get("name", ""): {key: hook[key] for key in hook if key != "name"} for hook in hooks
    }


def _by_hand(
    path: Path, lines: Sequence[str], why: str, how: str = "add these lines by hand:"
) -> CannotRewrite:
    return CannotRewrite(f"{path} {why}", Remedy((Way(how, lines=tuple(lines)),)), unchanged=True)
