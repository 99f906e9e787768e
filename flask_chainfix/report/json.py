"""The JSON of the contract; its keys and their meaning change only with the schema version."""

from __future__ import annotations

from typing import Any

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import json_document, printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Confirmation, Mend, Part, Plan, Reason
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.report import backup_text as backup
from flask_chainfix.report import database_text as databases
from flask_chainfix.report import explanation_text as explanation
from flask_chainfix.report import hook_text as hooks
from flask_chainfix.report.advice import remedies_as_json, remedy_text
from flask_chainfix.report.page import Style, shown_path
from flask_chainfix.report.registry import format_
from flask_chainfix.report.rehearsal_text import as_json


def mended(mend: Mend) -> str:
    """What a mend changes."""
    before, after = (printable(", ".join(ids)) or "None" for ids in (mend.before, mend.after))
    if mend.part is Part.FILE:
        return f"{printable(mend.path.name)} is deleted"
    # While an id stands twice, it does not tell which file is meant.
    where = f" in {printable(mend.path.name)}" if mend.part is Part.ID else ""
    return f"{mend.part.value}{where}: {before} → {after}"


def mends_as_json(mends: tuple[Mend, ...]) -> list[dict[str, Any]]:
    """The value of the plan's key ``mends``."""
    return [
        {
            "code": mend.code,
            "part": mend.part.value,
            "revision": mend.revision,
            "path": shown_path(mend.path),
            "before": list(mend.before),
            "after": list(mend.after),
            "why": [{"kind": reason.kind, "detail": reason.detail} for reason in mend.why],
        }
        for mend in mends
    ]


# --- The JSON of the contract; its keys and their meaning change only with the schema version ----


SCHEMA_VERSION = 1


@format_("json")
def to_json(report: Report, style: Style) -> str:
    """One JSON document, in ASCII so that any encoding can carry it."""
    return json_document(_document(report))


def _document(report: Report) -> dict[str, Any]:
    snapshot = report.before
    graph = snapshot.graph if snapshot is not None else None
    return {
        "schema_version": SCHEMA_VERSION,
        "command": report.command,
        "exit_code": report.exit_code,
        "directory": shown_path(snapshot.environment.directory) if snapshot is not None else None,
        "revisions": len(graph) if graph is not None else None,
        "bases": sorted(graph.bases) if graph is not None else None,
        "heads": sorted(graph.heads) if graph is not None else None,
        "findings": [_finding(finding, report.tools) for finding in report.findings]
        if snapshot is not None
        else None,
        "plan": _plan(report.plan, report.tools) if report.plan else None,
        "verified": _confirmation(report.confirmation) if report.confirmation else None,
        "edits": [shown_path(edit.path) for edit in report.edits] or None,
        "restored": [shown_path(path) for path in report.restored] or None,
        "deleted": [shown_path(path) for path in report.deleted] or None,
        "journal": shown_path(report.journal) if report.journal else None,
        "notices": list(report.notices),
        **as_json(report.rehearsal, report.tools),
        "rehearsal_ways": [_way(way, report.tools) for way in report.ways] or None,
        **databases.as_json(report),
        "backups": backup.as_json(report.backups),
        "rules": explanation.as_json(report),
        "pieces": hooks.as_json(report.hook_files),
        "error": _error(report.error, report.tools) if report.error else None,
    }


def _way(way: Rehearsal, tools: Tools) -> dict[str, Any]:
    return {"databases": list(way.way_of), "rows": list(way.start), **as_json(way, tools)}


def _finding(finding: Finding, tools: Tools) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        "breaks": tools.spell_out(finding.breaks),
        "hint": remedy_text(finding.hint, tools),
        "remedies": remedies_as_json(finding.hint, tools),
        "revisions": list(finding.revisions),
        "locations": [
            {"path": shown_path(place.path), "line": place.line} for place in finding.locations
        ],
        "repairable": finding.repairable,
    }


def _plan(plan: Plan, tools: Tools) -> dict[str, Any]:
    return {
        "strategy": plan.strategy,
        "relinks": [
            {
                "revision": relink.revision,
                "path": shown_path(relink.path),
                "before": list(relink.before),
                "after": list(relink.after),
                "why": _reasons(relink.why),
            }
            for relink in plan.relinks
        ],
        "new_revisions": [
            {
                "revision": new.revision,
                "path": shown_path(new.path) if new.path else None,
                "down_revision": list(new.down_revision),
                "why": _reasons(new.why),
            }
            for new in plan.new_revisions
        ],
        "mends": mends_as_json(plan.mends),
        "order": list(plan.order),
        "choices": remedies_as_json(plan.choices, tools),
        "why": _reasons(plan.why),
    }


def _reasons(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    return [{"kind": reason.kind, "detail": reason.detail} for reason in reasons]


def _confirmation(confirmation: Confirmation) -> dict[str, Any]:
    return {
        "by": confirmation.by,
        "bases": list(confirmation.bases),
        "heads": list(confirmation.heads),
    }


def _error(error: ChainFixError, tools: Tools) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": "\n".join((error.message, *error.lines)),
        "remedy": remedy_text(error.remedy, tools),
        "remedies": remedies_as_json(error.remedy, tools),
    }
