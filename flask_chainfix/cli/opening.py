"""Find the runtime that a command works on, and how users type commands for it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.quoting import git_program, path_word, word
from flask_chainfix.common.remedies import Tools

if TYPE_CHECKING:
    import click
    from flask.cli import ScriptInfo

    from flask_chainfix.environment.locate import Runtime


# Keys of a context's ``meta``: how to open the environment, and whether there is an app.
OPENER, IN_APP = "flask_chainfix.opener", "flask_chainfix.in_app"
_FOUND_BY_ALEMBIC = ("alembic.ini", "pyproject.toml")
# What runs a program in a project's environment, by a variable that it sets; {} is its value.
_RUNNERS = {
    "UV_RUN_RECURSION_DEPTH": "uv run",
    "PDM_RUN_CWD": "pdm run",
    "PIPENV_ACTIVE": "pipenv run",
    "HATCH_ENV_ACTIVE": "hatch -e {} run",
}


def enter_app(context: click.Context) -> None:
    """Do what ``flask.cli.with_appcontext`` does; the console script must not import Flask."""
    from flask import current_app
    from flask.cli import ScriptInfo

    if not current_app:
        app = context.ensure_object(ScriptInfo).load_app()
        context.with_resource(app.app_context())


def open_from_app(context: click.Context, directory: str | None) -> tuple[Runtime, Tools]:
    """Open the environment of the app in which the command runs."""
    from flask import g
    from flask.cli import ScriptInfo

    from flask_chainfix.environment.locate import open_app

    directory = directory or g.get("directory")
    script_info = context.find_object(ScriptInfo)
    reopen: dict[str, Any] = {}
    if script_info is not None and script_info.create_app is None:
        reopen = {"app": script_info.app_import_path, "x_arg": list(g.get("x_arg") or ())}
    return _placed(open_app(directory, reopen), _app_tools(context, script_info, directory))


def _placed(runtime: Runtime, tools: Tools) -> tuple[Runtime, Tools]:
    """The environment, and the commands with that of Git where its migrations are."""
    return runtime, replace(tools, git=git_program(runtime.environment.directory))


def _app_tools(
    context: click.Context, script_info: ScriptInfo | None, directory: str | None
) -> Tools:
    """The commands with the options that the user gave."""
    root = str(context.find_root().info_name)
    words, program = context.command_path[len(root) :].rpartition(" ")[0], as_found(root)
    app = script_info.app_import_path if script_info is not None else None
    if app is not None and app != os.environ.get("FLASK_APP"):
        words = f" --app {word(app)}{words}"
    named = words + _option("-d", directory)
    return Tools(
        f"{program}{named}",
        f"{program}{named} fixchain",
        program=f"{program}{words} fixchain",
        by_name=f"{root}{named} fixchain",
    )


def open_from_files(
    directory: str | None, config: str | None, section: str | None = None
) -> tuple[Runtime, Tools]:
    """Open the environment that the options of the console script name.

    Without options, open ``migrations``, else the environment that Alembic would find from here.

    Args:
        directory: holds ``env.py``.
        config: an ``alembic.ini`` or ``pyproject.toml`` instead.
        section: the section of the ini file to read.
    """
    from flask_chainfix.environment.locate import open_config, open_directory

    found = config or (None if directory else _config_here(section))
    runtime = open_config(found, section) if found else open_directory(directory or "migrations")
    if not runtime.environment.uses_flask:
        needed = config or _other_config_file(runtime)
        return _placed(runtime, tools_as_typed(directory, config, section, needed))
    from flask_chainfix.environment.surroundings import app_to_name

    used, app = runtime.environment.directory, app_to_name()
    alembic = as_found("flask") + (f" --app {path_word(app or 'APP')}" if app != "" else "") + " db"
    if used != Path("migrations").absolute():
        alembic += f" -d {path_word(os.path.relpath(used))}"
    tools = tools_as_typed(directory, config, section)
    return _placed(runtime, replace(tools, alembic=alembic))


def tools_as_typed(
    directory: str | None, config: str | None, section: str | None, needed: str | None = None
) -> Tools:
    """The commands of a project without an app, with the options that the user gave.

    ``needed`` is the configuration file to pass to Alembic, if not ``config``; the rest is as for
    ``open_from_files``.
    """
    chosen = f" -n {word(section)}" if section else ""
    ours = _option("-c", config) + _option("-d", directory) + chosen
    alembic = f"{as_found('alembic')}{_option('-c', config or needed)}{chosen}"
    program = as_found("fixchain")
    return Tools(alembic, f"{program}{ours}", program=program, by_name=f"fixchain{ours}")


def as_found(command: str) -> str:
    """A command with its program as the user's shell finds it: by name, by path or by a runner.

    A CI job's output is read on other machines, which do not have its paths.
    """
    name, *rest = command.split(" ")
    started = Path(sys.argv[0])
    if started.stem not in ("fixchain", "flask", "__main__") or os.environ.get("CI"):
        return command
    for variable, runner in _RUNNERS.items():
        if variable in os.environ and os.environ.get("VIRTUAL_ENV") == sys.prefix:
            return f"{runner.format(word(os.environ[variable]))} {command}"
    place = Path(sys.executable).parent if started.stem == "__main__" else started.parent
    own, found = which(name, path=str(place)), which(name)
    if own is None or (found and name not in (started.stem, "python")):
        return command
    if found and os.path.dirname(found) == str(place.absolute()) and "PRE_COMMIT" not in os.environ:
        return command  # pre-commit alone has its environments on the path
    if Path.cwd() in place.absolute().parents:
        own = str(Path(own).absolute().relative_to(Path.cwd()))
    return " ".join((path_word(own), *rest))


def _option(name: str, path: str | None) -> str:
    return f" {name} {path_word(path)}" if path else ""


def _config_here(section: str | None) -> str | None:
    if section:
        return _FOUND_BY_ALEMBIC[0]
    found = config_in(Path())
    return str(found) if found else None


def config_in(top: Path) -> Path | None:
    """The configuration that Alembic would find in a directory, if it is needed."""
    if (top / "migrations" / "env.py").is_file():
        return None
    from flask_chainfix.environment.surroundings import script_locations

    return next((top / name for name in _FOUND_BY_ALEMBIC if script_locations(top / name)), None)


def _other_config_file(runtime: Runtime) -> str:
    """The configuration file to pass to Alembic; ``""`` if Alembic finds it."""
    file = runtime.options.ini or runtime.options.toml
    if file is None or os.path.realpath(file) in map(os.path.realpath, _FOUND_BY_ALEMBIC):
        return ""
    return os.path.relpath(file)
