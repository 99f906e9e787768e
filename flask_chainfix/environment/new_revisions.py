"""New revision files: Alembic's template and its post-write hooks."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from configparser import ConfigParser, Error
from dataclasses import replace
from json import dumps
from pathlib import Path
from textwrap import indent
from types import MappingProxyType
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.common.quoting import script_words
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.common.remedies import LINE, Remedy, Way, way
from flask_chainfix.environment.configuration import read_toml
from flask_chainfix.environment.locate import Runtime, script_directory
from flask_chainfix.model.files import Edit, Header, Unreadable
from flask_chainfix.model.plans import NewRevision

_LINE = way("link them into one chain, which needs no new file", LINE)
_DEFAULT_NAME = "%(rev)s_%(slug)s"
_WIDE = re.compile(r"%(\([^()%]{0,99}\))?[-#0 +]*\d*\.?\d{4}")


def operations(
    upgrades: Mapping[str, str], downgrades: Mapping[str, str], imports: Iterable[str] = ()
) -> dict[str, object]:
    """The variables of a template for a revision with operations.

    Args:
        upgrades: the lines of ``upgrade()`` by bind, not indented.
        downgrades: the lines of ``downgrade()`` by bind.
        imports: what they need besides ``op`` and ``sa``, one import each.
    """
    values: dict[str, object] = {"imports": "\n".join(dict.fromkeys(imports))}
    for name, codes in (("upgrades", upgrades), ("downgrades", downgrades)):
        for bind, code in codes.items():
            values[f"{bind}_{name}"] = indent(code, "    ").strip()
        if "" in codes:  # the name in the template for one database
            values[name] = values[f"_{name}"]
    return values


def render(
    runtime: Runtime,
    new: NewRevision,
    stem: str | None = None,
    given: Mapping[str, object] = MappingProxyType({}),
) -> tuple[NewRevision, Edit]:
    """Write the text of a new revision, as ``flask db merge`` would, without loading the chain.

    The template is code of the project, which runs here unless ``runtime`` says otherwise. ``stem``
    is the name of the file if ``file_template`` is not set; ``None`` is Alembic's default.
    ``given`` replaces or adds variables of the template. Without it the revision does nothing, and
    there is a way that needs no new file.

    Returns:
        The new revision with its path, and the edit that creates the file.

    Raises:
        CannotPlan: the template cannot be rendered, or its result is no migration that Alembic
            would find.
    """
    from alembic import util  # most plans need no new file
    from alembic.config import Config
    from alembic.script.revision import tuple_rev_as_scalar

    instead = Remedy() if given else _LINE
    script = script_directory(runtime.options)
    template = runtime.environment.directory / "script.py.mako"
    if not runtime.own_template and template.is_file():
        # Flask-Migrate's configuration names its own directory, which has no such template.
        template = Path(Config().get_template_directory(), "generic", template.name)
    if _WIDE.search(script.file_template):
        raise CannotPlan(
            "file_template pads a name to more than 999 characters",
            instead | "correct file_template",
        )
    try:
        # Alembic's naming and dating needs a loaded chain.
        create_date = script._generate_create_date()
        path = Path(script._rev_path(str(new.location), new.revision, new.message, create_date))
        if stem is not None and script.file_template == _DEFAULT_NAME:
            path = path.with_name(f"{stem}.py")
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "revision"
            values: dict[str, Any] = {
                "up_revision": new.revision,
                "down_revision": tuple_rev_as_scalar(new.down_revision),
                "branch_labels": None,
                "depends_on": None,
                "create_date": create_date,
                "comma": util.format_as_comma,
                "message": new.message,
                "config": runtime.config,
                **given,
            }
            util.template_to_file(str(template), str(target), script.output_encoding, **values)
            data = target.read_bytes()
    except Exception as error:  # a template is code that can raise anything
        raise CannotPlan(
            f"script.py.mako cannot be rendered: {error}",
            instead | "if the template uses the app, use flask db fixchain",
        ) from error
    locations, folder = runtime.environment.version_locations, Path(os.path.abspath(path.parent))
    below = any(folder.is_relative_to(location) for location in locations)
    if folder not in locations and not (runtime.environment.recursive and below):
        raise CannotPlan(
            f"the new revision would be {path}, where Alembic does not look for migrations",
            instead | "correct file_template, or set recursive_version_locations = true",
        )
    _require_header(new, source.read(data, path.name), instead)
    written = data.decode(script.output_encoding).replace("\r\n", "\n")
    upgrades = (str(code) for name, code in given.items() if name.endswith("upgrades"))
    if any(code.strip() not in written for code in upgrades):
        raise CannotPlan(
            "script.py.mako does not write the operations that it is given",
            'have the template write `${upgrades if upgrades else "pass"}` in upgrade()',
        )
    return replace(new, path=path), Edit(path, None, data)


def _require_header(new: NewRevision, reading: Header | Unreadable, instead: Remedy) -> None:
    """Stop if the template did not write the header that it was given."""
    fault = "does not write the revision and down_revision that it is given"
    if isinstance(reading, Unreadable):
        fault = f"writes a migration that {reading.reason}"
    elif (reading.revision, reading.down_revision) == (new.revision, new.down_revision):
        return
    raise CannotPlan(
        f"script.py.mako {fault}",
        "have the template write `revision = ${repr(up_revision)}` and `down_revision ="
        " ${repr(down_revision)}`" | instead,
    )


# --- Alembic's post-write hooks, which update the chain lock -------------------------------------
_SECTION, _NAME = "post_write_hooks", "fixchain"
_SEPARATORS = re.compile(r"[,\s]+")  # between the names of hooks
_HEAD = re.compile(rb"^\[post_write_hooks\].*\n?", re.MULTILINE)  # of the section in an ini


def hook_edit(runtime: Runtime) -> Edit | None:
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
                f"put these lines into [{_SECTION}], the first in the place of its `hooks`:",
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
