"""The fresh process that lets Alembic load the migrations; ``confirm`` starts it.

Reads a request as JSON from stdin and answers with one JSON document on stdout. Whatever the app
or a migration prints goes to stderr instead.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory

from flask_chainfix.environment.locate import Runtime
from flask_chainfix.rehearsal.confirm import Rows, upgrade_faults
from flask_chainfix.rehearsal.fresh_process import entered, reopen, take_stdout


def main() -> None:
    """Answer one request."""
    with os.fdopen(take_stdout(), "w", encoding="utf-8") as answer_stream:
        request = json.load(sys.stdin)
        try:
            answer = _answer(request)
        except (Exception, SystemExit) as error:  # apps and migrations can raise anything
            answer = _failure(error, request["locations"])
        json.dump(answer, answer_stream)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    with entered(request), tempfile.TemporaryDirectory() as scratch:
        runtime = reopen(request)
        if request["leftovers"] or request["stand_ins"]:
            _look_elsewhere(runtime, Path(scratch), request)
        return _ask_alembic(runtime, [tuple(rows) for rows in request["places"]])


def _look_elsewhere(runtime: Runtime, scratch: Path, request: dict[str, Any]) -> None:
    """Have Alembic look at links to the migrations, without those that are no migrations."""
    for number, location in enumerate(request["locations"]):
        for directory, names, files in os.walk(location):
            if not runtime.environment.recursive:
                names[:] = [name for name in names if name == "__pycache__"]
            place = scratch / str(number) / os.path.relpath(directory, location)
            place.mkdir(parents=True)
            for file in files:
                path = os.path.realpath(os.path.join(directory, file))
                if path not in request["leftovers"]:
                    _link(path, place / file)
    (scratch / "stand-ins").mkdir()
    for number, revision in enumerate(request["stand_ins"]):
        text = f"revision = {revision!r}\ndown_revision = None\n"
        (scratch / "stand-ins" / f"{number}.py").write_text(text, "utf-8")
    for option, value in (
        ("version_locations", str(scratch).replace("%", "%%")),
        ("recursive_version_locations", "true"),
        ("path_separator", "os"),
        ("version_path_separator", "os"),
    ):
        runtime.config.set_main_option(option, value)


def _link(path: str, link: Path) -> None:
    try:
        link.symlink_to(path)
    except OSError:  # not everybody may make links
        shutil.copyfile(path, link)


def _ask_alembic(runtime: Runtime, places: list[Rows]) -> dict[str, Any]:
    # Otherwise ``history`` runs env.py, which wants a database.
    runtime.config.set_main_option("revision_environment", "false")
    script = ScriptDirectory.from_config(runtime.config)
    revisions = list(script.walk_revisions())
    parents = {
        revision.revision: list(revision._versioned_down_revisions) for revision in revisions
    }
    return {
        "files": {revision.revision: str(revision.path) for revision in revisions},
        "heads": list(script.get_heads()),
        "bases": list(script.get_bases()),
        "parents": parents,
        "heads_output": _output_of(command.heads, runtime),
        "history_output": _output_of(command.history, runtime),
        "upgrade_faults": list(upgrade_faults(script.revision_map, places).items()),
    }


def _output_of(alembic_command: Any, runtime: Runtime) -> str:
    runtime.config.stdout = io.StringIO()
    alembic_command(runtime.config)
    return runtime.config.stdout.getvalue()


def _failure(error: BaseException, locations: list[str]) -> dict[str, Any]:
    """What a person needs of a traceback: the exception, and where in the migrations it is."""
    said = str(error).strip().splitlines()
    name = type(error).__name__
    answer = {"error": f"{name}: {said[0]}" if said else name}
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    for file, line in reversed(places):
        path = Path(os.path.abspath(file))
        if any(path.is_relative_to(location) for location in locations):
            answer["place"] = f"{_short(path)}, line {line}"
            break
    return answer


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
