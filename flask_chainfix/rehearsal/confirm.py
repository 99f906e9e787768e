"""Ask Alembic: in memory before anything is written, in a fresh process afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import warnings
from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flask_chainfix.chain.redundancy import impassable
from flask_chainfix.common.errors import CannotPlan, NotConfirmed
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.has_run import stuck_revisions
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.files import Header
from flask_chainfix.model.plans import Confirmation
from flask_chainfix.rehearsal import fresh_process as fresh

if TYPE_CHECKING:
    from alembic.script.revision import Revision, RevisionMap

Rows = tuple[str, ...]

_PLAIN_ID = re.compile(r"(?!(base|heads?|current)$)\w+")


class _NoTable:
    """A version table: SQL can be made about it, and comes to nothing."""

    def __getattr__(self, name: str) -> _NoTable:
        return self

    def __call__(self, *_: object, **__: object) -> _NoTable:
        return self

    def __eq__(self, _: object) -> _NoTable:  # type: ignore[override]
        return self

    __hash__ = None  # type: ignore[assignment]


# What HeadMaintainer, which keeps the rows in mind, asks of a MigrationContext, which writes them.
_NO_DATABASE = SimpleNamespace(
    as_sql=True, impl=SimpleNamespace(_exec=lambda _: None), _version=_NoTable()
)


def upgrade_faults(revisions: RevisionMap, places: Iterable[Rows]) -> dict[Rows, str]:
    """What would stop ``upgrade heads`` on databases, apart from what the migrations do.

    Args:
        revisions: the chain. Each of its revisions has a ``module`` with an ``upgrade``.
        places: the rows of their version tables; ``()`` is a new database.

    Returns:
        The exception by the place, on one line; only where there is one.
    """
    return {rows: fault for rows in dict.fromkeys(places) if (fault := _fault(revisions, rows))}


def _fault(revisions: RevisionMap, rows: Rows) -> str:
    from alembic.runtime.migration import HeadMaintainer, RevisionStep
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    try:
        needed = list(revisions.iterate_revisions("heads", rows, implicit_base=True))
        table = HeadMaintainer(_NO_DATABASE, rows)  # type: ignore[arg-type]
        for revision in reversed(needed):
            table.update_to_step(RevisionStep(revisions, revision, True))  # type: ignore[arg-type]
    except (KeyError, AssertionError, RevisionError, CommandError) as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    except Exception:  # an Alembic with another inside than 1.10 to 1.20 have: there is no telling
        return ""
    return ""


_REPORT = way("please report this, with what this prints", "{fixchain} check")


def foresee(snapshot: Facts, places: Iterable[Rows] = (), before: Facts | None = None) -> None:
    """Let Alembic's own ``RevisionMap`` take the future chain, in memory.

    It is not asked of a plain chain, of which it can say nothing new: to import it takes longer
    than all else that a check does.

    Args:
        snapshot: the future chain.
        places: the rows of databases that are to be upgraded, besides a new one.
        before: the chain as it is; what stops Alembic there and stays so is not judged.

    Raises:
        CannotPlan: Alembic would not load it, sees other bases or heads, or could not upgrade one
            of the databases.
    """
    places = tuple(places)
    if not places and _is_plain(snapshot):
        return
    from alembic.script.revision import RevisionMap

    headers = [header for header in snapshot.headers if header.revision is not None]
    if not impassable(snapshot.graph):  # else it takes luck, and that the order of the files
        # Alembic takes time that grows with the square of the number where children come before
        # their parents.
        position = snapshot.graph.position
        headers.sort(key=lambda header: position.get(header.revision or "", -1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stand_ins = [_revision(name, None) for name in sorted(snapshot.stand_ins)]
            planned = [_planned(header) for header in headers]
            revisions = RevisionMap(lambda: [*stand_ins, *planned])
            bases = set(revisions.bases) - snapshot.stand_ins
            heads = set(revisions.heads) - snapshot.stand_ins
    except Exception as error:  # Alembic answers a broken chain with KeyError, TypeError, …
        raise CannotPlan(
            f"Alembic would not load the planned chain: {type(error).__name__}: {error}", _REPORT
        ) from error
    if (bases, heads) != (set(snapshot.graph.bases), set(snapshot.graph.heads)):
        raise CannotPlan("Alembic reads the planned chain differently", _REPORT)
    for rows, fault in upgrade_faults(revisions, _judged(snapshot, places, before)).items():
        raise CannotPlan(f"Alembic could not upgrade {_at(rows)} then: {fault}", _REPORT)


def _is_plain(snapshot: Facts) -> bool:
    """Whether each migration has one parent at most, and nothing but that places it."""
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


def _judged(after: Facts, places: Iterable[Rows], before: Facts | None) -> tuple[Rows, ...]:
    """The places from which an upgrade counts: none, if what stops it was there and stays."""
    stays = before is not None and stuck_revisions(after) & stuck_revisions(before)
    return () if stays else ((), *places)


def _at(rows: Rows) -> str:
    return f"a database at {', '.join(rows)}" if rows else "a new database"


def _planned(header: Header) -> Revision:
    assert header.revision is not None
    return _revision(
        header.revision,
        header.down_revision or None,
        dependencies=header.depends_on or None,
        branch_labels=header.branch_labels or None,
    )


def _revision(*arguments: Any, **options: Any) -> Revision:
    """A revision without a file."""
    from alembic.script.revision import Revision

    class Planned(Revision):
        module = SimpleNamespace(upgrade=None, downgrade=None)

    return Planned(*arguments, **options)


def _ask_fresh_process(runtime: Runtime, expected: Facts, places: Iterable[Rows]) -> dict[str, Any]:
    """Let a fresh process load the migrations from the disk.

    Raises:
        _NotLoaded: Alembic fails there.
    """
    request = {
        **fresh.request(runtime),
        "locations": [str(place) for place in runtime.environment.version_locations],
        "places": list(places),
        "leftovers": [os.path.realpath(file.path) for file in expected.leftovers],
        "stand_ins": sorted(expected.stand_ins),
    }
    answer = _parse(fresh.ask("flask_chainfix.rehearsal.confirm_child", request))
    if "error" in answer:
        place = f" ({answer['place']})" if "place" in answer else ""
        raise _NotLoaded(answer["error"] + place)
    return answer


class _NotLoaded(Exception):
    """Alembic fails in the fresh process."""


def _parse(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        answer = json.loads(process.stdout)
    except ValueError:  # the process has ended before it could answer
        said = process.stderr.strip().splitlines()
        last_line = f"; the last line of its stderr: {said[-1]}" if said else ""
        how = f"exit code {process.returncode}"
        return {"error": f"the process ended without an answer ({how}){last_line}"}
    assert isinstance(answer, dict)
    return answer


def _not_loaded(runtime: Runtime, reason: str, *, repaired: bool) -> NotConfirmed:
    message = f"Alembic could not load the {'repaired ' if repaired else ''}chain: {reason}"
    remedy = Remedy.of(f"{_put_back(repaired)}correct what it says, then repair again")
    if runtime.loses_app:
        message += (
            "; the app could not be loaded in the fresh process, because it comes from a callback"
        )
        remedy |= way(
            "if a migration needs the app, name the module and the factory that make it",
            "flask --app MODULE:FACTORY db fixchain repair",
        )
    return NotConfirmed(message, remedy, unchanged=not repaired)


def _put_back(repaired: bool) -> str:
    return "every file was put back as it was; " if repaired else ""


def confirm(
    runtime: Runtime,
    expected: Facts,
    places: Iterable[Rows] = (),
    before: Facts | None = None,
) -> Confirmation:
    """Run Alembic's ``heads`` and ``history`` on the disk in a fresh process, and compare.

    What keeps Alembic from loading the chain, before as after, is left out of that: files that are
    no migrations; and for what is missing, as the settings say rightly, something stands in. Where
    a header is computed, Alembic has the last word on that migration, and so on bases and heads.

    Args:
        runtime: the environment.
        expected: the chain that the disk should hold.
        places: the rows of databases that Alembic has to be able to upgrade, besides a new one.
            How it would upgrade them is computed, and nothing is run.
        before: the chain as it was, as in ``foresee``; the same where nothing was changed.

    Raises:
        NotConfirmed: Alembic fails, or sees anything else than ``expected``.
    """
    repaired = before is not expected
    try:
        answer = _ask_fresh_process(runtime, expected, _judged(expected, places, before))
    except _NotLoaded as error:
        raise _not_loaded(runtime, str(error), repaired=repaired) from error
    bases: set[str] = set(answer["bases"]) - expected.stand_ins
    heads: set[str] = set(answer["heads"]) - expected.stand_ins
    ends_known = not expected.unplaced
    graph = expected.graph
    if _known_links(answer, expected) != _promised_links(expected) or (
        ends_known and (bases, heads) != (set(graph.bases), set(graph.heads))
    ):
        raise _another_chain(answer, expected, repaired=repaired)
    for rows, fault in answer["upgrade_faults"]:
        raise NotConfirmed(
            f"Alembic could not upgrade {_at(tuple(rows))}: {fault}",
            f"{_put_back(repaired)}please report this",
            unchanged=not repaired,
        )
    import alembic

    return Confirmation(
        by=f"alembic {alembic.__version__}",
        bases=tuple(sorted(bases)),
        heads=tuple(sorted(heads)),
        heads_output=answer["heads_output"],
        history_output=answer["history_output"],
    )


def _known_links(answer: dict[str, Any], expected: Facts) -> dict[str, list[str]]:
    """The parents of each revision as Alembic has them, without computed headers; sorted."""
    computed = {os.path.realpath(file.path) for file in expected.unplaced}
    return {
        revision: sorted(parents)
        for revision, parents in answer["parents"].items()
        if revision not in expected.stand_ins
        and os.path.realpath(answer["files"][revision]) not in computed
    }


def _promised_links(expected: Facts) -> dict[str, list[str]]:
    """The same as the files have them."""
    computed = {
        file.reading.revision for file in expected.unplaced if isinstance(file.reading, Header)
    }
    return {
        revision: sorted(parents)
        for revision, parents in expected.graph.named_parents.items()
        if revision not in computed
    }


def _another_chain(answer: dict[str, Any], expected: Facts, *, repaired: bool) -> NotConfirmed:
    """What is the matter: mostly, files that have come or gone while the user was being asked."""
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
    for names, what in ((new, "new"), (gone, "gone")):
        if names:
            since = "the plan was made" if repaired else "the files were read"
            message = f"{what} since {since}: {listing(names)}"
            remedy = f"{_put_back(repaired)}run the command again"
            return NotConfirmed(message, remedy, unchanged=not repaired)
    promise = "the plan promised" if repaired else "the files describe"
    return NotConfirmed(
        f"Alembic sees another chain than {promise}:",
        f"{_put_back(repaired)}please report this",
        answer["heads_output"].splitlines(),
        unchanged=not repaired,
    )
