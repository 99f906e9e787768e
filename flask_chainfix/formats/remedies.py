"""Remedies for people and for scripts: a command stands alone on its line, and is never wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask_chainfix.formats.sections import Row
from flask_chainfix.remedies import Remedy, Way
from flask_chainfix.report import Tools

_STEP = 2
_MASKED = re.compile(r"--database[ =]\S*\*\*\*")
_ABOUT_MASKS = (
    "*** stands for a password, which is never printed: type it in its place, or set an environment"
    " variable to the URL and type --database with its name"
)
_STYLE = "bold"


def remedy_rows(advice: str | Remedy, tools: Tools) -> Iterator[Row]:
    """A remedy line by line; several ways are a numbered list, the best first."""
    remedy = _spelled(advice, tools)
    if len(remedy.ways) == 1:
        (way,) = remedy.ways
        yield from _rows("remedy: ", way, _STEP)
    elif remedy:
        yield Row("remedies, the best first:")
        for number, way in enumerate(remedy.ways, 1):
            for row in _rows(f"{number}. ", way, _STEP + 1):
                yield row._replace(indent=row.indent + _STEP)


def choice_rows(choices: Remedy, tools: Tools) -> Iterator[Row]:
    """Other ways than that of a plan, line by line."""
    for way in _spelled(choices, tools).ways:
        yield from _rows("or: ", way, _STEP)


def remedy_lines(advice: str | Remedy, tools: Tools) -> Iterator[str]:
    """The same as lines that nobody wraps."""
    return (f"{' ' * row.indent}{row.text}" for row in remedy_rows(advice, tools))


def about_masks(printed: str) -> str:
    """What to say below commands in which a password is masked; ``""`` where none is."""
    return _ABOUT_MASKS if _MASKED.search(printed) else ""


def remedy_text(advice: str | Remedy, tools: Tools) -> str:
    """A remedy on one line, commands between backticks."""
    return str(_spelled(advice, tools))


def remedies_as_json(advice: str | Remedy, tools: Tools) -> list[dict[str, Any]]:
    """Each way with its commands, for scripts."""
    return [
        {"text": way.whole, "commands": list(way.commands)} for way in _spelled(advice, tools).ways
    ]


def _spelled(advice: str | Remedy, tools: Tools) -> Remedy:
    return Remedy.of(advice).spelled(tools.spell_out)


def _rows(label: str, way: Way, indent: int) -> Iterator[Row]:
    """A way behind its label; lines of a file that it quotes stay as they are."""
    colon = ":" if way.commands else ""
    yield Row(f"{label}{way.text.rstrip()}{colon}", hanging=indent)
    yield from (Row(line, wrapped=False) for line in way.lines)
    yield from (Row(each, _STYLE, wrapped=False, indent=indent) for each in way.commands)
