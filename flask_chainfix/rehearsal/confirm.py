"""Have Alembic check a chain: in memory before a change, in a fresh process afterwards."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flask_chainfix.chain.ancestry import impassable
from flask_chainfix.common.errors import CannotPlan, NotConfirmed
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.has_run import stuck_revisions
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.files import Header
from flask_chainfix.model.plans import Confirmation
from flask_chainfix.model.rehearsal import ON_PATH_BY_ENV_PY
from flask_chainfix.rehearsal import fresh_process as fresh

if TYPE_CHECKING:
    from alembic.script.revision import Revision, RevisionMap

Rows = tuple[str, ...]

_PLAIN_ID = re.compile(r"(?!(base|heads?|current)$)\w+")
_REPORT = way("please report this, with what this prints", "{fixchain} check")


# --- In memory -----------------------------------------------------------------------------------
def foresee(snapshot: Facts, places: Iterable[Rows] = (), before: Facts | None = None) -> None:
    """Check the planned chain with Alembic's own ``RevisionMap``.

    A linear chain is not checked, since Alembic could find nothing new: importing Alembic takes
    longer than the rest of a check.

    Args:
        snapshot: the planned chain.
        places: the version rows of databases to upgrade, in addition to a new database.
        before: the current chain; faults that stop Alembic there and remain are not judged.

    Raises:
        CannotPlan: Alembic would not load the chain, sees other bases or heads, or could not
            upgrade one of the databases.
    """
    places, graph = tuple(places), snapshot.graph
    if not places and _is_plain(snapshot):
        return
    from alembic.script.revision import RevisionMap

    headers = [header for header in snapshot.headers if header.revision is not None]
    if not impassable(graph):  # otherwise it depends on the file order, so keep that
        # Alembic takes time that grows with the square of the number where children come before
        # their parents.
        headers.sort(key=lambda header: graph.position.get(header.revision or "", -1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stand_ins = [_revision(name) for name in sorted(snapshot.stand_ins)]
            planned = [_revision(each.revision or "", each) for each in headers]
            revisions = RevisionMap(lambda: [*stand_ins, *planned])
            bases = set(revisions.bases) - snapshot.stand_ins
            heads = set(revisions.heads) - snapshot.stand_ins
    except Exception as error:  # Alembic answers a broken chain with KeyError, TypeError, …
        raise CannotPlan(
            f"Alembic would not load the planned chain: {type(error).__name__}: {error}", _REPORT
        ) from error
    if (bases, heads) != (set(graph.bases), set(graph.heads)):
        raise CannotPlan("Alembic reads the planned chain differently", _REPORT)
    for rows, fault in upgrade_faults(revisions, _judged(snapshot, places, before)).items():
        raise CannotPlan(f"Alembic could not upgrade {_at(rows)} then: {fault}", _REPORT)


def _is_plain(snapshot: Facts) -> bool:
    """Whether each migration has at most one parent, and no other links."""
    graph = snapshot.graph
    if graph.missing or graph.cycles or graph.duplicates or snapshot.unplaced:
        return False
    return not any(
        len(header.down_revision or ()) > 1
        or header.depends_on
        or header.branch_labels
        or not _PLAIN_ID.fullmatch(header.revision or "")
        for header in snapshot.headers
    )


def _revision(name: str, header: Header | None = None) -> Revision:
    """An Alembic revision without a file; without a header, it is a base."""
    from alembic.script.revision import Revision

    class Planned(Revision):
        module = SimpleNamespace(upgrade=None, downgrade=None)

    if header is None:
        return Planned(name, None)
    return Planned(
        name,
        header.down_revision or None,
        dependencies=header.depends_on or None,
        branch_labels=header.branch_labels or None,
    )


def _judged(after: Facts, places: Iterable[Rows], before: Facts | None) -> tuple[Rows, ...]:
    """The places from which to judge upgrades: none if an old fault stops them and remains."""
    stays = before is not None and stuck_revisions(after) & stuck_revisions(before)
    return () if stays else ((), *places)


def _at(rows: Iterable[str]) -> str:
    return f"a database at {', '.join(rows)}" if rows else "a new database"


def upgrade_faults(revisions: RevisionMap, places: Iterable[Rows]) -> dict[Rows, str]:
    """What would stop ``upgrade heads`` on databases, apart from the migrations themselves.

    Returns one line for each exception, by the rows of the version table; ``()`` is a new database.
    """
    return {rows: fault for rows in dict.fromkeys(places) if (fault := _fault(revisions, rows))}


def _fault(revisions: RevisionMap, rows: Rows) -> str:
    from alembic.runtime.migration import HeadMaintainer, RevisionStep
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError
    from sqlalchemy import column, table

    # HeadMaintainer asks the MigrationContext for this, which would otherwise write the rows.
    context: Any = SimpleNamespace(
        as_sql=True,
        impl=SimpleNamespace(_exec=lambda _: None),
        _version=table("alembic_version", column("version_num")),
    )
    try:
        needed = list(revisions.iterate_revisions("heads", rows, implicit_base=True))
        kept = HeadMaintainer(context, rows)
        for revision in reversed(needed):
            kept.update_to_step(RevisionStep(revisions, revision, True))  # type: ignore[arg-type]
    except (KeyError, AssertionError, RevisionError, CommandError) as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    except Exception:  # an Alembic whose internals differ from 1.10 to 1.20
        return ""
    return ""


# --- On disk -------------------------------------------------------------------------------------
def confirm(
    runtime: Runtime, expected: Facts, places: Iterable[Rows] = (), before: Facts | None = None
) -> Confirmation:
    """Run Alembic's ``heads`` and ``history`` in a fresh process, and compare the results.

    Old faults that keep Alembic from loading the chain are worked around: files that are no
    migrations are left out, and revisions that the settings declare missing get a stand-in. If a
    header is computed, Alembic decides about that migration, and so about bases and heads.

    Args:
        runtime: the environment.
        expected: the chain that should be on disk.
        places: the version rows from which Alembic must be able to upgrade, in addition to a new
            database. The upgrades are computed, but not run.
        before: the old chain, as in ``foresee``; the same chain if nothing was changed.

    Raises:
        NotConfirmed: Alembic fails, or sees a chain other than ``expected``.
    """
    repaired = before is not expected

    def refusal(
        message: str, advice: str, more: str | Remedy = "", lines: Iterable[str] = ()
    ) -> NotConfirmed:
        put_back = "every file was put back as it was; " if repaired else ""
        remedy = Remedy.of(put_back + advice) | more
        return NotConfirmed(message, remedy, lines, unchanged=not repaired)

    answer = _ask_fresh_process(runtime, expected, _judged(expected, places, before))
    if "error" in answer:
        message = f"Alembic could not load the {'repaired ' if repaired else ''}chain:"
        message, more = f"{message} {answer['error']}", Remedy()
        if runtime.loses_app:
            message += "; the app could not be loaded in the fresh process, because it comes from a"
            message += " callback"
            more = way(
                "if a migration needs the app, name the module and the factory that make it",
                "flask --app MODULE:FACTORY {group} fixchain repair",
            )
        if answer["error"].startswith(ModuleNotFoundError.__name__):
            more |= ON_PATH_BY_ENV_PY
        raise refusal(message, "fix that error, then repair again", more)
    bases: set[str] = set(answer["bases"]) - expected.stand_ins
    heads: set[str] = set(answer["heads"]) - expected.stand_ins
    ends = set(expected.graph.bases), set(expected.graph.heads)
    if not _has_promised_links(answer, expected) or (
        (bases, heads) != ends and not expected.unplaced
    ):
        since = "the plan was made" if repaired else "the files were read"
        for what, names in _new_and_gone(answer, expected):
            message = f"{what} since {since}: {listing(names)}"
            raise refusal(message, "run the command again")
        promise = "the plan promised" if repaired else "the files describe"
        raise refusal(
            f"Alembic sees another chain than {promise}:",
            "please report this",
            lines=answer["heads_output"].splitlines(),
        )
    for rows, fault in answer["upgrade_faults"]:
        raise refusal(f"Alembic could not upgrade {_at(rows)}: {fault}", "please report this")
    import alembic

    return Confirmation(
        by=f"alembic {alembic.__version__}",
        bases=tuple(sorted(bases)),
        heads=tuple(sorted(heads)),
        heads_output=answer["heads_output"],
        history_output=answer["history_output"],
    )


def _ask_fresh_process(runtime: Runtime, expected: Facts, places: Iterable[Rows]) -> dict[str, Any]:
    """The answer of ``main``; an ``error`` if Alembic fails."""
    request = {
        **fresh.request(runtime),
        "locations": [str(place) for place in runtime.environment.version_locations],
        "places": list(places),
        "leftovers": [os.path.realpath(file.path) for file in expected.leftovers],
        "stand_ins": sorted(expected.stand_ins),
    }
    return fresh.answer_of(__name__, request)


def _has_promised_links(answer: dict[str, Any], expected: Facts) -> bool:
    """Whether Alembic sees the same parents as the files, for headers that are not computed."""
    unplaced = {os.path.realpath(file.path): file.reading for file in expected.unplaced}
    computed = {each.revision for each in unplaced.values() if isinstance(each, Header)}
    known = {
        revision: sorted(parents)
        for revision, parents in answer["parents"].items()
        if revision not in expected.stand_ins
        and os.path.realpath(answer["files"][revision]) not in unplaced
    }
    return known == {
        revision: sorted(parents)
        for revision, parents in expected.graph.named_parents.items()
        if revision not in computed
    }


def _new_and_gone(answer: dict[str, Any], expected: Facts) -> Iterator[tuple[str, list[str]]]:
    """The files that were added or removed while the user was being asked."""
    known = {os.path.realpath(file.path) for file in expected.files}
    new = [
        f"{os.path.basename(path)} ({revision})"
        for revision, path in answer["files"].items()
        if os.path.realpath(path) not in known
    ]
    gone = [
        f"{file.name} ({revision})"
        for revision, (file, *_) in expected.files_by_revision.items()
        if not file.path.exists()
    ]
    yield from ((what, names) for what, names in (("new", new), ("gone", gone)) if names)


# --- In the fresh process ------------------------------------------------------------------------
def main() -> None:
    """Have Alembic load the migrations."""
    import alembic.command  # noqa: F401  (a directory of the project may have this name, too)

    with fresh.answering() as (request, stream):
        try:
            with fresh.entered(request), tempfile.TemporaryDirectory() as scratch:
                answer = _ask_alembic(fresh.reopen(request), Path(scratch), request)
        except (Exception, SystemExit) as error:  # apps and migrations can raise anything
            answer = {"error": _failure(error, request["locations"])}
        json.dump(answer, stream)


def _ask_alembic(runtime: Runtime, scratch: Path, request: dict[str, Any]) -> dict[str, Any]:
    from alembic import command
    from alembic.script import ScriptDirectory

    if request["leftovers"] or request["stand_ins"]:
        _look_elsewhere(runtime, scratch, request)
    # Otherwise ``history`` runs env.py, which needs a database.
    runtime.config.set_main_option("revision_environment", "false")
    script = ScriptDirectory.from_config(runtime.config)
    revisions = list(script.walk_revisions())
    places = map(tuple, request["places"])
    return {
        "files": {each.revision: str(each.path) for each in revisions},
        "heads": list(script.get_heads()),
        "bases": list(script.get_bases()),
        "parents": {each.revision: list(each._versioned_down_revisions) for each in revisions},
        "heads_output": _output_of(command.heads, runtime),
        "history_output": _output_of(command.history, runtime),
        "upgrade_faults": list(upgrade_faults(script.revision_map, places).items()),
    }


def _look_elsewhere(runtime: Runtime, scratch: Path, request: dict[str, Any]) -> None:
    """Point Alembic at links to the migrations, without files that are no migrations."""
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
    except OSError:  # not every user may create links
        shutil.copyfile(path, link)


def _output_of(command: Callable[[Any], object], runtime: Runtime) -> str:
    runtime.config.stdout = output = io.StringIO()
    command(runtime.config)
    return output.getvalue()


def _failure(error: BaseException, locations: list[str]) -> str:
    """The essence of a traceback: the exception, and its place in the migrations."""
    lines = str(error).strip().splitlines()
    said = ": ".join((type(error).__name__, *lines[:1]))
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    for file, line in reversed(places):
        path, here = Path(os.path.abspath(file)), Path.cwd()
        if any(path.is_relative_to(location) for location in locations):
            shown = path.relative_to(here) if path.is_relative_to(here) else path
            return f"{said} ({shown}, line {line})"
    return said
