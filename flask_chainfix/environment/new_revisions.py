"""New revision files: Alembic's template and its post-write hooks."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from configparser import ConfigParser, Error
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic import util
from alembic.script.revision import tuple_rev_as_scalar

from flask_chainfix import source
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.common.quoting import script_words
from flask_chainfix.common.regular_files import LARGEST_CODE, read_regular
from flask_chainfix.common.remedies import LINE, Remedy, Way, way
from flask_chainfix.environment.configuration import read_toml
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.files import Edit, Header, Unreadable
from flask_chainfix.model.plans import NewRevision

_LINE = way("link them into one chain, which needs no new file", LINE)


_DEFAULT_NAME = "%(rev)s_%(slug)s"


_WIDE = re.compile(r"%(\([^()%]{0,99}\))?[-#0 +]*\d*\.?\d{4}")


def render(runtime: Runtime, new: NewRevision, stem: str | None = None) -> tuple[NewRevision, Edit]:
    """Write the text of a new revision, as ``flask db merge`` would, without loading the chain.

    The template is code of the project, which runs here unless ``runtime`` says otherwise.

    Args:
        runtime: the environment.
        new: the revision.
        stem: the name of its file, without the suffix, where ``file_template`` says nothing;
            ``None`` for Alembic's default.

    Returns:
        The new revision with its path, and the edit that creates the file.

    Raises:
        CannotPlan: the template cannot be rendered, or makes no migration that Alembic would find.
    """
    script = runtime.script
    if _WIDE.search(script.file_template):
        raise CannotPlan(
            "file_template pads a name to more than 999 characters",
            _LINE | "correct file_template",
        )
    try:
        # Alembic offers its naming and dating only together with loading every migration.
        create_date = script._generate_create_date()
        path = Path(script._rev_path(str(new.location), new.revision, new.message, create_date))
        if stem is not None and script.file_template == _DEFAULT_NAME:
            path = path.with_name(f"{stem}.py")
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "revision"
            util.template_to_file(
                str(_template(runtime)),
                str(target),
                script.output_encoding,
                up_revision=new.revision,
                down_revision=tuple_rev_as_scalar(new.down_revision),
                branch_labels=None,
                depends_on=None,
                create_date=create_date,
                comma=util.format_as_comma,
                message=new.message,
                config=runtime.config,
            )
            data = target.read_bytes()
    except Exception as error:  # a template is code and can raise anything
        raise CannotPlan(
            f"script.py.mako cannot be rendered: {error}",
            _LINE | "if the template uses the app, use flask db fixchain",
        ) from error
    _require_searched(runtime, path)
    _require_header(new, source.read(data, path.name))
    return replace(new, path=path), Edit(path, None, data)


def _template(runtime: Runtime) -> Path:
    own = runtime.environment.directory / "script.py.mako"
    if runtime.own_template or not own.is_file():
        return own
    return Path(runtime.config.get_template_directory(), "generic", own.name)


def _require_searched(runtime: Runtime, path: Path) -> None:
    """Stop where Alembic would not find the file."""
    locations = runtime.environment.version_locations
    folder = Path(os.path.abspath(path.parent))
    below = any(folder.is_relative_to(location) for location in locations)
    if folder not in locations and not (runtime.environment.recursive and below):
        raise CannotPlan(
            f"the new revision would be {path}, where Alembic does not look for migrations",
            _LINE | "correct file_template, or set recursive_version_locations = true",
        )


def _require_header(new: NewRevision, reading: Header | Unreadable) -> None:
    """Stop where the template does not write the header that it was given."""
    if isinstance(reading, Unreadable):
        fault = f"writes a migration that {reading.reason}"
    elif (reading.revision, reading.down_revision) != (new.revision, new.down_revision):
        fault = "does not write the revision and down_revision that it is given"
    else:
        return
    raise CannotPlan(
        f"script.py.mako {fault}",
        "have the template write `revision = ${repr(up_revision)}` and `down_revision ="
        " ${repr(down_revision)}`" | _LINE,
    )


# --- Alembic's post-write hooks: what has the chain lock follow each new migration ---------------


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_SECTION, _NAME = "post_write_hooks", "fixchain"


_ADD_BY_HAND = "add these lines by hand (behind hooks that are there):"


_LINES = re.compile(r"[^\n]*\n|[^\n]+")


_HEADER = re.compile(r"\[([^\r\n]+)\]")


_HOOKS = re.compile(r"(hooks[ \t]*[=:][ \t]*)(.*?)([ \t]*\r?\n?)", re.IGNORECASE)


_SEPARATORS = re.compile(r"[,\s]+")  # between the names of hooks


def hook_edit(runtime: Runtime) -> Edit | None:
    """The change of Alembic's configuration by which the lock follows each new migration.

    Hooks that are there stay, and run first; outside of what is added not one byte changes.

    Returns:
        ``None`` where there is a hook of that name already.

    Raises:
        CannotRewrite: there is no file to change, or it cannot be changed with certainty.
    """
    path = _file(runtime)
    hook = _hook(os.path.relpath(runtime.environment.directory, path.absolute().parent))
    if not path.is_file():
        raise _by_hand(path, hook, "is not there")
    data = read_regular(path, LARGEST_CODE)
    # One character for each byte, whatever the encoding: all that matters here is ASCII.
    text = data.decode("latin-1")
    try:
        changed = (_in_toml if path.suffix == ".toml" else _in_ini)(text, hook)
    except (Error, ValueError, _Unsure) as error:
        raise _by_hand(path, hook, f"cannot be changed with certainty: {error}") from error
    return None if changed == text else Edit(path, data, changed.encode("latin-1"))


class _Unsure(Exception):
    """It is not certain how to change a file; the text says why."""


def _file(runtime: Runtime) -> Path:
    """The file in which Alembic looks for hooks."""
    config = runtime.config
    # Alembic before 1.16 knows no other file than an ini; it goes before pyproject.toml.
    toml = getattr(config, "toml_file_name", None)
    if toml is not None and not config.file_config.has_section(_SECTION):
        path = Path(toml)
        if path.is_file() and "alembic" in read_toml(path).get("tool", {}):
            return path
    return Path(config.config_file_name or runtime.environment.directory / "alembic.ini")


def _hook(directory: str) -> dict[str, str]:
    """The options of the hook; it runs beside the file, wherever Alembic is run.

    Args:
        directory: the environment's directory, as seen from there.
    """
    place = script_words(directory).replace("%", "%%")
    return {
        "type": "console_scripts",
        "entrypoint": "fixchain",
        "cwd": "%(here)s",
        "options": f"-d {place} lock --yes REVISION_SCRIPT_FILENAME",
    }


def _in_ini(text: str, hook: Mapping[str, str]) -> str:
    """The text of an ``alembic.ini`` with the hook, behind those that are there."""
    before = _sections(text)
    present = before.get(_SECTION, {})
    names = [name for name in _SEPARATORS.split(present.get("hooks", "")) if name]
    if _NAME in names:
        return text
    options = {f"{_NAME}.{key}": value for key, value in hook.items()}
    if not options.keys().isdisjoint(present):
        raise _Unsure(f"[{_SECTION}] has options of a hook {_NAME}, which is not in hooks")
    hooks = ", ".join((*([present["hooks"]] if names else []), _NAME))
    changed = _with_hook(text, hooks, options, known="hooks" in present)
    if _sections(changed) != {**before, _SECTION: {**present, "hooks": hooks, **options}}:
        raise _Unsure(f"[{_SECTION}] is written in an unusual way")
    return changed


def _with_hook(text: str, hooks: str, options: Mapping[str, str], *, known: bool) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    added = "".join(f"{key} = {value}{end}" for key, value in options.items())
    lines = _LINES.findall(text)
    headers = [_HEADER.match(line) for line in lines]
    section = [header is not None and header[1] == _SECTION for header in headers]
    if True not in section:
        ended = "" if not text or text.endswith("\n") else end
        return f"{text}{ended}{end}[{_SECTION}]{end}hooks = {hooks}{end}{added}"
    at = section.index(True)
    if known:
        found = ((number, _HOOKS.fullmatch(lines[number])) for number in range(at, len(lines)))
        at, written = next(((number, match) for number, match in found if match), (at, None))
        if written is None:
            raise _Unsure("hooks is written in an unusual way")
        lines[at] = f"{written[1]}{hooks}{written[3]}"
    if not lines[at].endswith("\n"):
        lines[at] += end
    lines[at] += added if known else f"hooks = {hooks}{end}{added}"
    return "".join(lines)


def _sections(text: str) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    return {name: dict(section) for name, section in parser.items()}


def _in_toml(text: str, hook: Mapping[str, str]) -> str:
    """The text of a ``pyproject.toml`` with the hook, behind those that are there."""
    before = _table(text)
    present = before["tool"]["alembic"].setdefault(_SECTION, [])
    if any(each.get("name") == _NAME for each in present):
        return text
    added = {"name": _NAME, **hook}
    end = "\r\n" if "\r\n" in text else "\n"
    lines = (f'{key} = "{_escaped(value)}"' for key, value in added.items())
    ended = "" if text.endswith("\n") else end
    changed = f"{text}{ended}{end}[[tool.alembic.{_SECTION}]]{end}{end.join(lines)}{end}"
    present.append(added)
    if _table(changed) != before:
        raise _Unsure(f"{_SECTION} is written in an unusual way")
    return changed


def _table(text: str) -> dict[str, Any]:
    return tomllib.loads(text.encode("latin-1").decode())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _by_hand(path: Path, hook: Mapping[str, str], why: str) -> CannotRewrite:
    if path.suffix == ".toml":
        lines = [f"[[tool.alembic.{_SECTION}]]", f'name = "{_NAME}"']
        lines += [f'{key} = "{_escaped(value)}"' for key, value in hook.items()]
    else:
        lines = [f"[{_SECTION}]", f"hooks = {_NAME}"]
        lines += [f"{_NAME}.{key} = {value}" for key, value in hook.items()]
    return CannotRewrite(
        f"{path} {why}",
        Remedy((Way(_ADD_BY_HAND, lines=tuple(lines)),)),
        unchanged=True,
    )
