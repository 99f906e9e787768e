"""Remedies as text and rows, with their commands spelled out for a project."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import Remedy, Tools, Way
from flask_chainfix.model.findings import Finding
from flask_chainfix.report.display import Row, shown_place

_STEP = 2
_MASKED = re.compile(r"--(?:database|server)[ =]\S*\*\*\*")

_ABOUT_MASKS = (
    "*** stands for a password, which is never printed: type it in its place, or set an environment"
    " variable to the URL and type its name there"
)

_STYLE = "bold"


def remedy_rows(advice: str | Remedy, tools: Tools) -> Iterator[Row]:
    """The lines of a remedy; several ways form a numbered list, the best first."""
    remedy = spelled(advice, tools)
    if len(remedy.ways) == 1:
        (way,) = remedy.ways
        yield from _rows("remedy: ", way, _STEP)
    elif remedy:
        yield Row("remedies, the best first:")
        for number, way in enumerate(remedy.ways, 1):
            for row in _rows(f"{number}. ", way, _STEP + 1):
                yield row._replace(indent=row.indent + _STEP)


def choice_rows(choices: Remedy, tools: Tools) -> Iterator[Row]:
    """The lines of the alternatives to a plan."""
    for way in spelled(choices, tools).ways:
        yield from _rows("or: ", way, _STEP)


def plain(finding: Finding, tools: Tools) -> str:
    """A finding on one line each: message, impact, places, remedy; without a final newline."""
    lines = (
        f"{finding.severity.value}: {finding.message}",
        f"breaks: {tools.spell_out(finding.breaks)}",
        *map(shown_place, finding.locations),
        *remedy_lines(finding.hint, tools),
    )
    return "\n".join(printable(line) for line in lines)


def remedy_lines(advice: str | Remedy, tools: Tools) -> Iterator[str]:
    """The lines of a remedy, unwrapped."""
    return (f"{' ' * row.indent}{row.text}" for row in remedy_rows(advice, tools))


def about_masks(printed: str) -> str:
    """The note below commands with a masked password; ``""`` if there is none."""
    return _ABOUT_MASKS if _MASKED.search(printed) else ""


def remedy_text(advice: str | Remedy, tools: Tools) -> str:
    """A remedy on one line, with commands in backticks."""
    return str(spelled(advice, tools))


def spelled(advice: str | Remedy, tools: Tools) -> Remedy:
    """A remedy with this project's commands."""
    return Remedy.of(advice).spelled(tools)


def _rows(label: str, way: Way, indent: int) -> Iterator[Row]:
    """A way after its label; quoted lines of a file stay unchanged."""
    colon = ":" if way.commands else ""
    yield Row(f"{label}{way.text.rstrip()}{colon}", hanging=indent)
    yield from (Row(line, wrapped=False) for line in way.lines)
    yield from (Row(each, _STYLE, wrapped=False, indent=indent) for each in way.commands)
