"""The corpus: small broken projects, what check finds in each, and what a repair makes of it.

A directory of ``tests/corpus`` is a migration environment, or a project with one in ``migrations``.
``expected.json`` beside its files says in ``why`` what it shows, in ``findings`` what ``check``
finds there, and in these keys what else there is in the project, and what is done with it:

    settings     what its ``[fixchain]`` section says
    databases    SQLite files by name, each with its ``rows`` of alembic_version and its other
                 ``tables``, with columns where these matter; or the URL of a server that does not
                 answer, with nothing
    stamps       rows that are told with ``--stamp``
    carried_out  the wishes of a repair that was made before, looking at no database
    rehearsed    whether ``rehearse --stairway`` finds it, and not ``check``
    against      the Git revision that ``check`` compares with, and ``allow``, what may differ
    checked_out  the commit that is checked out, where that is not the last
    repair, rebase, lock, restamp, undo
                 what is asked of that command: for repair the fields of ``Wishes``, for rebase
                 ``onto``, for restamp ``old`` and ``taken``

In ``commits/1``, ``commits/2``, … lies the whole directory as it was committed to Git, day by day;
the files beside ``expected.json`` are those of the work tree.

``repair.txt``, ``rebase.txt`` and so on say what a command makes of it: what is guessed, how the
rows of databases move, and the diff; or why it is refused. What FC1.. and FC201 find is repaired,
and what FC502 finds is locked, also where no key asks for it. ``FIXCHAIN_WRITE_GOLDENS=1`` writes
these files anew; look at what they say then.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flask_chainfix.commands.check import Against, check
from flask_chainfix.commands.lock import plan_lock
from flask_chainfix.commands.move import plan_move
from flask_chainfix.commands.rebase import plan_rebase
from flask_chainfix.commands.rehearse import rehearse
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.restamp import RestampWishes, plan_restamp
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.environment.locate import Runtime, open_directory
from flask_chainfix.model.databases import DatabaseWishes, MoveState
from flask_chainfix.model.plans import Wishes
from flask_chainfix.model.rehearsal import RehearsalRequest
from flask_chainfix.planning.edits import edits_between
from flask_chainfix.planning.relocation import MoveWishes
from flask_chainfix.report.display import unified_diff
from flask_chainfix.report.results import Checked, Rehearsed
from tests.disk import ENV_PY, SCRIPT_MAKO
from tests.rehearsals import PLAIN_ENV
from tests.repositories import Repository, needs_git
from tests.results import Outcome, carried_out
from tests.stamped import sql, stamp

CORPUS = Path(__file__).parent / "corpus"
SPECIMENS = sorted(path.name for path in CORPUS.iterdir())

_IMPLIED = {"FC1": "repair", "FC201": "repair", "FC502": "lock"}
_NOT_IN_THE_PROJECT = shutil.ignore_patterns("commits", "expected.json", "*.txt")


@dataclass(frozen=True)
class Specimen:
    """A directory of the corpus."""

    directory: Path
    expected: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def is_files_alone(self) -> bool:
        """Whether what is wrong shows without Git, databases and what was done before."""
        more = {"databases", "stamps", "carried_out", "against", "rehearsed"}.intersection(
            self.expected
        )
        return not more and not (self.directory / "commits").is_dir()

    def asked_of(self, command: str) -> dict[str, Any] | None:
        """What is asked of a command; ``None`` where it is not used here."""
        implied = any(
            self.name.startswith(code) for code, other in _IMPLIED.items() if other == command
        )
        asked: dict[str, Any] | None = self.expected.get(command, {} if implied else None)
        return asked


def specimen(name: str) -> Specimen:
    """The directory of this name."""
    text = (CORPUS / name / "expected.json").read_text("utf-8")
    return Specimen(CORPUS / name, json.loads(text))


def every_name() -> list[Any]:
    """Parameters: every directory."""
    return [pytest.param(name, marks=_needs(name)) for name in SPECIMENS]


def every_command() -> list[Any]:
    """Parameters: every command in every directory in which it is used."""
    return [
        pytest.param(command, name, marks=_needs(name))
        for command in COMMANDS
        for name in SPECIMENS
        if specimen(name).asked_of(command) is not None
    ]


def _needs(name: str) -> list[pytest.MarkDecorator]:
    return [needs_git] if (CORPUS / name / "commits").is_dir() else []


# --- On the disk ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Project:
    """A specimen in the directory ``m`` of the working directory."""

    specimen: Specimen
    runtime: Runtime
    databases: DatabaseWishes

    @property
    def session(self) -> Session:
        """The environment with its databases."""
        return Session(self.runtime, databases=self.databases)

    def checked(self) -> Checked | Rehearsed:
        """What check says of it, or a rehearsal."""
        expected = self.specimen.expected
        if "rehearsed" in expected:
            return rehearse(self.session, RehearsalRequest(stairway=True))
        against = None
        if "against" in expected:
            against = Against(expected["against"], frozenset(expected.get("allow", ())))
        return check(self.session, strict=False, against=against)

    def does(self, command: str) -> Outcome:
        """What a command, asked as ``expected.json`` says, plans or does."""
        asked = self.specimen.asked_of(command)
        assert asked is not None
        try:
            return _COMMANDS[command](self, asked)
        except ChainFixError as error:
            return Outcome(error=error)


def project(specimen: Specimen, top: Path) -> Project:
    """Make the project of a specimen in ``top``, which is the working directory."""
    place = top / "m"
    for number in range(1, 1 + len(list((specimen.directory / "commits").glob("*")))):
        _fill(place, specimen.directory / "commits" / str(number))
        Repository(top).commit(number)
    if "checked_out" in specimen.expected:
        Repository(top).git("checkout", "-q", "--detach", specimen.expected["checked_out"])
    _fill(place, specimen.directory)
    models = "from sqlalchemy import MetaData\ntarget_metadata = MetaData()"
    runs = PLAIN_ENV.format(models=models)
    (place / "env.py").write_text(runs if "rehearsed" in specimen.expected else ENV_PY)
    (place / "script.py.mako").write_text(SCRIPT_MAKO)
    runtime = open_directory("m")
    if "carried_out" in specimen.expected:
        report = plan_repair(Session(runtime), Wishes(**specimen.expected["carried_out"]))
        carried_out(runtime, report)
    return Project(specimen, runtime, _databases(specimen.expected))


def _fill(place: Path, source: Path) -> None:
    """Have the same in a directory as in another one, and nothing else."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place, ignore=_NOT_IN_THE_PROJECT)


def _databases(expected: Mapping[str, Any]) -> DatabaseWishes:
    urls = []
    for name, holds in expected.get("databases", {}).items():
        url = name if holds is None else f"sqlite:///{name}"
        urls.append(url)
        if holds is not None:
            stamp(url, *holds["rows"])
            tables = (
                table if "(" in table else f"{table} (id INTEGER)" for table in holds["tables"]
            )
            sql(url, *(f"CREATE TABLE {table}" for table in tables))
    stamps = tuple(tuple(rows) for rows in expected.get("stamps", ()))
    return DatabaseWishes(urls=tuple(urls), stamps=stamps)


# --- Commands ------------------------------------------------------------------------------------


def _unseen(done: int, total: int, what: str) -> None:
    """Progress that nobody looks at."""


def _repair(project: Project, asked: dict[str, Any]) -> Outcome:
    relabel = {name: tuple(labels) for name, labels in asked.get("relabel", {}).items()}
    wishes = Wishes(**{**asked, "relabel": relabel})
    return Outcome.of(plan_repair(project.session, wishes))


def _rebase(project: Project, asked: dict[str, Any]) -> Outcome:
    onto = asked["onto"]
    return Outcome.of(plan_rebase(project.session, onto))


def _move(project: Project, asked: dict[str, Any]) -> Outcome:
    wishes = MoveWishes(**asked)
    return Outcome.of(plan_move(project.session, wishes))


def _lock(project: Project, asked: dict[str, Any]) -> Outcome:
    return Outcome(edits=plan_lock(project.session, **asked).edits)


def _restamp(project: Project, asked: dict[str, Any]) -> Outcome:
    wishes = RestampWishes(**asked)
    plan = plan_restamp(project.session, wishes)
    return Outcome(error=plan.error, moves=plan.moves)


def _undo(project: Project, asked: dict[str, Any]) -> Outcome:
    planned = plan_undo(project.session)
    done = carry_out_undo(project.session, planned)
    edits = edits_between(planned.snapshot, done.snapshot)
    return Outcome(edits=edits, moves=done.moves, after=done.snapshot)


_COMMANDS: dict[str, Callable[[Project, dict[str, Any]], Outcome]] = {
    "repair": _repair,
    "rebase": _rebase,
    "move": _move,
    "lock": _lock,
    "restamp": _restamp,
    "undo": _undo,
}
COMMANDS = tuple(_COMMANDS)


def told(command: str, report: Outcome) -> str:
    """What a golden says of a command."""
    if report.error is not None:
        return "\n".join((f"refused: {report.error.message}", *report.error.lines, ""))
    guesses = report.plan.guesses if report.plan is not None else ()
    lines = [
        *(f"guess: {guess}" for guess in guesses),
        *(
            f"rows of {result.move.name}: {', '.join(result.move.before)} -> "
            + ", ".join(result.move.after)
            for result in report.moves
            if result.state in (MoveState.PLANNED, MoveState.MOVED)
        ),
        *unified_diff(report.edits),
    ]
    return "".join(f"{line}\n" for line in lines) or f"nothing to {command}\n"
