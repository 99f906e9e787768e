"""The one line that says it all."""

from __future__ import annotations

from collections import Counter

from flask_chainfix.model import Severity
from flask_chainfix.report import Report
from flask_chainfix.rules.wording import count

_IN_SHORT = {
    "FC103": "missing parent",
    "FC104": "duplicate id",
    "FC105": "cycle",
    "FC106": "unreadable file",
    "FC107": "missing dependency",
    "FC108": "invalid id",
    "FC113": "duplicate label",
}


def verdict(report: Report) -> str:
    """Whether the chain is healthy, and if not, what is wrong with it."""
    assert report.before is not None
    graph = report.before.graph
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    warnings = [finding for finding in report.findings if finding.severity is Severity.WARNING]
    if errors:
        parts = [
            f"{len(finding.revisions)} {'bases' if finding.code == 'FC101' else 'heads'}"
            for finding in errors
            if finding.code in ("FC101", "FC102")
        ]
        kinds = Counter(_IN_SHORT[f.code] for f in errors if f.code in _IN_SHORT)
        parts += [count(number, kind) for kind, number in kinds.items()]
        return f"The migration chain is broken: {', '.join(parts)}."
    healthy = (
        f"{count(len(graph), 'revision')}, {count(len(graph.bases), 'base')},"
        f" {count(len(graph.heads), 'head')}"
    )
    if warnings:
        return f"The migration chain works, with {count(len(warnings), 'warning')}: {healthy}."
    return f"The migration chain is healthy: {healthy}."
