"""Databases, traces, rehearsals and remedies as JSON: the parts that documents are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.databases.applied.lost import distance, lost_footprint
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import DatabaseStatus, Downgrade, MoveResult
from flask_chainfix.model.rehearsal import Rehearsal, RehearsalFailure
from flask_chainfix.report.advice import remedy_text, spelled
from flask_chainfix.report.database_results import FinishPlan, Traced, UnwindPlan
from flask_chainfix.report.display import shown_path
from flask_chainfix.report.results import CatchUpPlan
from flask_chainfix.schema.reflected import PropertyDifference

if TYPE_CHECKING:
    from flask_chainfix.databases.applied.by_schema import TracedDatabase
    from flask_chainfix.rehearsal.schemas.drift import ExactComparison
    from flask_chainfix.rehearsal.unwinding import Unwinding
    from flask_chainfix.schema.live import Sign

Parts = dict[str, Any]


def attributes(part: Any, *names: str) -> Parts:
    """Attributes as JSON values: shown paths, enum values, reasons as objects."""
    return {name: _value(getattr(part, name)) for name in names}


def _value(value: Any) -> Any:
    if isinstance(value, Path):
        return shown_path(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        fields: tuple[str, ...] | None = getattr(value, "_fields", None)
        return attributes(value, *fields) if fields else [_value(each) for each in value]
    return value


def remedies(advice: str | Remedy, tools: Tools) -> list[Parts]:
    """The ways of a remedy with their commands."""
    return [
        {"text": way.whole, "commands": list(way.commands)} for way in spelled(advice, tools).ways
    ]


# --- Databases and their stamps -------------------------------------------------------------------
def databases(snapshot: Facts, moves: Iterable[MoveResult]) -> list[Parts] | None:
    """The databases of a chain, and what becomes of their stamps."""
    statuses = snapshot.databases.statuses
    results = {result.move.identity: result for result in moves}
    known = {status.identity for status in statuses}
    found = [_database(snapshot, each, results.get(each.identity)) for each in statuses]
    found += [_moved(each) for identity, each in results.items() if identity not in known]
    return found or None


def _database(snapshot: Facts, status: DatabaseStatus, result: MoveResult | None) -> Parts:
    moved = _moved(result) if result is not None else {}
    found = distance(snapshot, status)
    return {
        "name": status.name,
        "own": status.own,
        "state": status.state.value,
        "rows": list(status.rows),
        "behind": None if found is None else found.behind,
        "ahead": None if found is None else found.ahead,
        "problem": status.problem or None,
        "rows_after": moved.get("rows_after"),
        "result": moved.get("result"),
        "detail": moved.get("detail"),
    }


def _moved(result: MoveResult) -> Parts:
    return {
        "name": result.move.name,
        "rows": list(result.move.before),
        "rows_after": list(result.move.after),
        "result": result.state.value,
        "detail": result.detail or None,
    }


def downgrades(planned: Sequence[Downgrade]) -> list[Parts] | None:
    """The databases that are downgraded and upgraded again."""
    names = ("name", "before", "below", "after", "down", "up", "drops")
    return [attributes(each, *names) for each in planned] or None


def unwinding(result: UnwindPlan) -> list[Parts] | None:
    """The databases that are downgraded with the files of lost revisions."""
    return [_unwound(result.diagnosis.snapshot, each) for each in result.databases] or None


def _unwound(now: Facts, each: Unwinding) -> Parts:
    return {
        "name": each.status.name,
        "stamp": list(each.status.rows),
        "stamp_after": list(each.after),
        "revisions": [_lost(now, revision, each.status.bind) for revision in each.revisions],
    }


def _lost(now: Facts, revision: str, bind: str | None) -> Parts:
    from flask_chainfix.diagnosis.lost_revisions import losses

    lost = now.databases.lost[revision]
    return {
        "revision": revision,
        "path": shown_path(lost.path),
        "commit": lost.commit,
        "branch": lost.branch or None,
        "drops": list(losses([lost_footprint(now, revision, "downgrade", bind)])),
    }


# --- Schemas of databases -------------------------------------------------------------------------
def traces(result: Traced) -> list[Parts]:
    """What each database has really run, by its schema."""
    return [
        _trace(each, result.snapshot, result.exact.get(each.status.identity))
        for each in result.databases
    ]


def _trace(found: TracedDatabase, snapshot: Facts, exact: ExactComparison | None) -> Parts:
    from flask_chainfix.databases.applied.by_schema import difference_in_words, named

    trace = found.trace
    revisions = [
        {
            "revision": name,
            "verdict": each.verdict.value,
            "because": each.because or None,
            "evidence": [_sign(sign, snapshot) for sign in each.signs],
        }
        for name, each in (trace.revisions.items() if trace else ())
    ]
    differences = [
        {
            "kind": each.kind,
            "object": named(each.object, each.is_view),
            "detail": difference_in_words(each, snapshot),
        }
        for each in (trace.differences if trace else ())
    ]
    return {
        "name": found.status.name,
        "stamp": list(found.status.rows),
        "fits": None if trace is None or trace.fits is None else list(trace.fits),
        "revisions": revisions,
        "differences": differences,
        "exact": None if exact is None else _exact(exact),
        "problem": found.problem or None,
    }


def _sign(sign: Sign, snapshot: Facts) -> Parts:
    from flask_chainfix.databases.applied.by_schema import sign_in_words

    return {
        "kind": sign.step.object.kind.value,
        "detail": sign_in_words(sign, snapshot),
        "path": shown_path(snapshot.file(sign.step.revision).path),
        "line": sign.step.line,
    }


def _exact(exact: ExactComparison) -> Parts:
    return {
        "differences": _differences(exact.differences),
        "not_compared": list(exact.unread),
        "note": exact.note or None,
        "problem": exact.problem or None,
    }


def _differences(found: Iterable[PropertyDifference]) -> list[Parts]:
    """What exact comparisons have shown."""
    return [
        {
            "kind": each.object.kind.value,
            "object": each.object.spelled,
            "property": each.aspect or None,
            "expected": each.expected or None,
            "found": each.found or None,
        }
        for each in found
    ]


def lacking(result: CatchUpPlan) -> list[Parts]:
    """What databases lack that the chain makes."""
    return [
        {
            "name": each.status.name,
            "stamp": list(each.status.rows),
            "missing": [
                {
                    "kind": thing.kind.value,
                    "object": thing.spelled,
                    "left": "the next upgrade makes it"
                    if thing in each.later
                    else result.left.get(thing),
                }
                for thing in each.missing
            ],
            "others": _differences(each.others),
        }
        for each in result.databases
    ]


def unfinished(result: FinishPlan) -> list[Parts]:
    """The remaining statements of a revision that stopped half-way."""
    return [
        {
            "name": each.status.name,
            "revision": each.revision,
            "done": each.done,
            "left": [attributes(statement, "sql", "parameters") for statement in each.left],
        }
        for each in result.databases
    ]


# --- Rehearsals -----------------------------------------------------------------------------------
def rehearsal(result: Rehearsal, tools: Tools) -> Parts:
    """The steps of a rehearsal, and what they have shown."""
    step_keys = ("revision", "direction", "round", "bind", "seconds")
    differences = result.differences
    return {
        "rehearsal": [
            {**attributes(step, *step_keys), "error": step.error or None} for step in result.steps
        ],
        "rehearsal_failure": _failure(result.failure, tools) if result.failure else None,
        "rehearsal_differences": None if differences is None else list(differences),
        "rehearsal_database": result.database,
        "rehearsal_kept": list(result.kept) or None,
        "rehearsal_rows": None if result.lost is None else _rows(result),
        "rehearsal_copies": _copies(result),
    }


def _rows(result: Rehearsal) -> Parts:
    lost = ("revision", "bind", "table", "rows")
    return {
        "lost": [attributes(each, *lost) for each in result.lost or ()],
        "empty": [attributes(each, "bind", "table", "why") for each in result.empty],
    }


def _copies(result: Rehearsal) -> list[Parts] | None:
    names = ("database", "bind", "size", "tables", "seconds", "stamp")
    return [attributes(each, *names) for each in result.copies] or None


def _failure(failure: RehearsalFailure, tools: Tools) -> Parts:
    return {
        **attributes(failure, "kind", "trouble", "message", "revision"),
        "direction": failure.direction or None,
        **attributes(failure, "path", "line"),
        "operation": failure.operation or None,
        "cause": failure.cause or None,
        "remedy": remedy_text(failure.remedy, tools),
        "remedies": remedies(failure.remedy, tools),
    }
