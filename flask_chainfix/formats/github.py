"""Annotations for GitHub's workflow logs, which show up beside the lines of a pull request."""

from __future__ import annotations

from flask_chainfix.formats.registry import format_
from flask_chainfix.formats.remedies import remedy_lines
from flask_chainfix.formats.style import Style, shown_path
from flask_chainfix.formats.verdict import verdict
from flask_chainfix.languages import annotation, annotation_property
from flask_chainfix.model import Finding, Location, Severity
from flask_chainfix.report import Report, Tools

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


@format_("github")
def to_github(report: Report, style: Style) -> str:
    """One workflow command for each place of each finding and each notice, then the verdict."""
    if report.before is None:
        return ""
    lines = [
        _annotation(finding, place, report.tools)
        for finding in report.findings
        for place in finding.locations or (None,)
    ]
    notices = [f"::notice title=fixchain::{annotation(notice)}" for notice in report.notices]
    return "\n".join([*lines, *notices, verdict(report)]) + "\n"


def _annotation(finding: Finding, place: Location | None, tools: Tools) -> str:
    properties = {"title": f"{finding.code} {finding.name}"}
    if place is not None:
        properties = {"file": shown_path(place.path), **properties}
        if place.line is not None:
            properties["line"] = str(place.line)
    written = ",".join(f"{key}={annotation_property(value)}" for key, value in properties.items())
    message = "\n".join((f"{finding.message}.", *remedy_lines(finding.hint, tools)))
    return f"::{_LEVELS[finding.severity]} {written}::{annotation(message)}"
