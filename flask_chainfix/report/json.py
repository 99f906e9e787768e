"""The JSON of the contract; its keys and their meaning change only with the schema version."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import Any

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import json_document
from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Finding, Location
from flask_chainfix.model.history import Queue
from flask_chainfix.model.plans import Plan
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report import database_results, json_parts, results
from flask_chainfix.report.advice import remedy_text
from flask_chainfix.report.display import Style, shown_path
from flask_chainfix.report.json_parts import attributes
from flask_chainfix.report.results import BackedUp, Judged, Planning, Proposed, Result, notices_of

SCHEMA_VERSION = 1


def to_json(result: Result, style: Style) -> str:
    """One JSON document, in ASCII so that any encoding can carry it."""
    return json_document(_document(result))


_VERIFIED = ("by", "bases", "heads")

# The keys that only some commands have.
_PARTS = (
    *("directory", "revisions", "bases", "heads", "findings"),
    *("plan", "verified", "edits", "restored", "deleted", "journal"),
    *("notices",),
    *("rehearsal", "rehearsal_failure", "rehearsal_differences"),
    *("rehearsal_database", "rehearsal_kept", "rehearsal_ways"),
    *("rehearsal_rows", "rehearsal_copies"),
    *("databases", "sql", "backups", "rules", "pieces", "traces"),
    *("replaced", "proofs", "carry_over", "lacking", "unfinished", "queue", "since"),
    *("unwinding", "downgrades"),
)


def _document(result: Result) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "command": result.command,
        "exit_code": result.exit_code,
        **dict.fromkeys(_PARTS),
        "notices": list(result.notices),
        **_parts(result),
        "error": _error(result.error, result.tools) if result.error else None,
    }


@singledispatch
def _parts(result: Result) -> dict[str, Any]:
    """The parts of a result that not every command has."""
    return {}


@_parts.register
def _(result: results.Checked) -> dict[str, Any]:
    parts = _proposal(result)
    if result.sql is not None:
        parts["sql"] = [
            {"name": name, "statements": list(statements), "problem": problem or None}
            for name, statements, problem in result.sql
        ]
    since = result.diagnosis.since
    return {
        **parts,
        "queue": _queue(result.queue) if result.queue else None,
        "since": {"ref": since, "left_out": result.diagnosis.left_out} if since else None,
    }


def _queue(queue: Queue) -> dict[str, Any]:
    pairs = [attributes(pair, "one", "other", "fit", "detail") for pair in queue.pairs]
    return {"pairs": pairs, "order": None if queue.order is None else list(queue.order)}


@_parts.register
def _(result: database_results.Traced) -> dict[str, Any]:
    return {
        "directory": shown_path(result.snapshot.environment.directory),
        "traces": json_parts.traces(result),
    }


@_parts.register
def _(result: Planning) -> dict[str, Any]:
    planned = result.proposal.planned
    return {
        **_proposal(result),
        "verified": attributes(result.confirmation, *_VERIFIED) if result.confirmation else None,
        **(json_parts.rehearsal(result.rehearsal, result.tools) if result.rehearsal else {}),
        "rehearsal_ways": [_way(way, result.tools) for way in result.ways] or None,
        "backups": _backups(result.backup),
        "downgrades": json_parts.downgrades(planned.downgrades) if planned else None,
    }


@_parts.register
def _(result: results.SquashPlan) -> dict[str, Any]:
    return {
        **_parts.dispatch(Planning)(result),
        "replaced": list(result.replaced),
        "proofs": [attributes(each, *each._fields) for each in result.proofs],
        "carry_over": [attributes(each, *each._fields) for each in result.carry_over],
    }


@_parts.register
def _(result: results.CatchUpPlan) -> dict[str, Any]:
    return {**_parts.dispatch(Planning)(result), "lacking": json_parts.lacking(result)}


@_parts.register
def _(result: database_results.FinishPlan) -> dict[str, Any]:
    moves = result.moves if isinstance(result, database_results.Finished) else ()
    copies = result.backup if isinstance(result, database_results.Finished) else None
    return {
        **_diagnosis(result),
        "databases": json_parts.databases(result.diagnosis.snapshot, moves),
        "unfinished": json_parts.unfinished(result),
        "backups": _backups(copies),
    }


@_parts.register
def _(result: database_results.UnwindPlan) -> dict[str, Any]:
    copies = result.backup if isinstance(result, database_results.Unwound) else None
    order = result.diagnosis.snapshot.graph.order
    return {
        **_diagnosis(result),
        "plan": _plan(Plan("unwind", (), (), order), result.tools) if result.databases else None,
        "databases": json_parts.databases(result.diagnosis.snapshot, result.moves),
        "unwinding": json_parts.unwinding(result),
        "backups": _backups(copies),
    }


@_parts.register
def _(result: database_results.UnwindOffer) -> dict[str, Any]:
    ahead = [{"name": name, "ahead": number} for name, number in result.ahead.items()]
    return {"unwinding": ahead or None}


@_parts.register
def _(result: results.Repaired) -> dict[str, Any]:
    planning = result.planning
    copied = planning.backup.notices if planning.backup else ()
    return {
        **_parts(planning),
        "notices": [*notices_of(planning), *copied, *result.notices],
        "verified": attributes(result.confirmation, *_VERIFIED),
        "journal": shown_path(result.journal),
        "databases": json_parts.databases(result.snapshot, result.moves),
    }


@_parts.register
def _(result: database_results.RestampPlan) -> dict[str, Any]:
    return {
        **_diagnosis(result),
        "databases": json_parts.databases(result.diagnosis.snapshot, result.moves),
    }


@_parts.register
def _(result: database_results.RestampScript) -> dict[str, Any]:
    scripts = [{"name": name, "statements": list(each)} for name, each in result.scripts]
    return {**_parts.dispatch(database_results.RestampPlan)(result), "sql": scripts}


@_parts.register
def _(result: results.UndoPlan) -> dict[str, Any]:
    findings = result.findings if isinstance(result, results.Undone) else ()
    return {
        **_chain(result.snapshot, findings, result.tools),
        "restored": [shown_path(path) for path in result.restored] or None,
        "deleted": [shown_path(path) for path in result.deleted] or None,
        "journal": shown_path(result.journal),
        "databases": json_parts.databases(result.snapshot, result.moves),
    }


@_parts.register
def _(result: results.LockPlan) -> dict[str, Any]:
    return {**_diagnosis(result), "edits": _edits(result.edits)}


@_parts.register
def _(result: results.Rehearsed) -> dict[str, Any]:
    parts = json_parts.rehearsal(result.rehearsal, result.tools)
    return {**_diagnosis(result), **parts}


@_parts.register
def _(result: BackedUp) -> dict[str, Any]:
    return {"backups": _backups(result)}


@_parts.register
def _(result: results.Explained) -> dict[str, Any]:
    texts = ("meaning", "breaks", "origin", "repair", "example")
    rules = [
        {
            **attributes(each, "code", "name", "severity", "summary"),
            **{name: result.tools.spell_out(getattr(each, name)) for name in texts},
        }
        for each in result.explanations
    ]
    return {"rules": rules or None}


@_parts.register
def _(result: results.HookPlan) -> dict[str, Any]:
    names = ("name", "path", "state", "detail", "text")
    files = [attributes(file, *names) | {"detail": file.detail or None} for file in result.files]
    return {"pieces": files or None}


def _chain(snapshot: Facts, findings: Iterable[Finding], tools: Tools) -> dict[str, Any]:
    graph = snapshot.graph
    return {
        "directory": shown_path(snapshot.environment.directory),
        "revisions": len(graph),
        "bases": sorted(graph.bases),
        "heads": sorted(graph.heads),
        "findings": [_finding(finding, tools) for finding in findings],
    }


def _diagnosis(result: Judged | Proposed) -> dict[str, Any]:
    diagnosis = result.diagnosis
    return {
        **_chain(diagnosis.snapshot, diagnosis.findings, result.tools),
        "notices": list(notices_of(result)),
        "databases": json_parts.databases(diagnosis.snapshot, ()),
    }


def _proposal(result: Proposed) -> dict[str, Any]:
    proposal, planned = result.proposal, result.proposal.planned
    return {
        **_diagnosis(result),
        "plan": _plan(planned.plan, result.tools) if planned else None,
        "edits": _edits(planned.edits) if planned else None,
        "databases": json_parts.databases(proposal.snapshot, proposal.moves),
    }


def _edits(edits: Iterable[Edit]) -> list[str] | None:
    return [shown_path(edit.path) for edit in edits] or None


def _way(way: Rehearsal, tools: Tools) -> dict[str, Any]:
    return {
        "databases": list(way.for_databases),
        "rows": list(way.start),
        **json_parts.rehearsal(way, tools),
    }


def _finding(finding: Finding, tools: Tools) -> dict[str, Any]:
    return {
        **attributes(finding, "code", "name", "severity", "message"),
        "breaks": tools.spell_out(finding.breaks),
        "hint": remedy_text(finding.hint, tools),
        "remedies": json_parts.remedies(finding.hint, tools),
        **attributes(finding, "revisions"),
        "locations": [_place(place) for place in finding.locations],
        **attributes(finding, "repairable"),
    }


def _place(place: Location) -> dict[str, Any]:
    """A place; with the Git revision if only that has it."""
    return attributes(place, "path", "line", *(("ref", "commit") if place.ref else ()))


def _plan(plan: Plan, tools: Tools) -> dict[str, Any]:
    mend = ("code", "part", "revision", "path", "before", "after", "why")
    new = ("revision", "path", "down_revision", "why")
    return {
        "strategy": plan.strategy,
        "relinks": [
            attributes(each, "revision", "path", "before", "after", "why") for each in plan.relinks
        ],
        "new_revisions": [attributes(each, *new) for each in plan.new_revisions],
        "mends": [attributes(each, *mend) for each in plan.mends],
        "order": list(plan.order),
        "choices": json_parts.remedies(plan.choices, tools),
        **attributes(plan, "why"),
    }


def _backups(made: BackedUp | None) -> list[dict[str, Any]] | None:
    names = ("path", "size", "sha256", "tables", "seconds", "restore")
    backups = made.backups if made else ()
    return [{"database": each.name, **attributes(each, *names)} for each in backups] or None


def _error(error: ChainFixError, tools: Tools) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": "\n".join((error.message, *error.lines)),
        "remedy": remedy_text(error.remedy, tools),
        "remedies": json_parts.remedies(error.remedy, tools),
    }
