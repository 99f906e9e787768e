"""A finding in plain lines, for whatever shows text as it is."""

from __future__ import annotations

from flask_chainfix.formats.remedies import remedy_lines
from flask_chainfix.formats.style import shown_path
from flask_chainfix.languages import printable
from flask_chainfix.model import Finding
from flask_chainfix.report import Tools


def plain(finding: Finding, tools: Tools) -> str:
    """What is wrong, what breaks, where, and what to do, a line each, without a line end."""
    places = (
        shown_path(place.path) + ("" if place.line is None else f":{place.line}")
        for place in finding.locations
    )
    lines = (
        f"{finding.severity.value}: {finding.message}",
        f"breaks: {tools.spell_out(finding.breaks)}",
        *places,
        *remedy_lines(finding.hint, tools),
    )
    return "\n".join(printable(line) for line in lines)
