"""Remedies for people and for scripts: a command stands alone on its line, and is never wrapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_chainfix.formats.sections import Row
from flask_chainfix.remedies import Remedy, Way
from flask_chainfix.report import Tools

_STEP = 2
_STYLE = "bold"


def remedy_rows(advice: str | Remedy, tools: Tools) -> Iterator[Row]:
    """A remedy line by line; several ways are a numbered list, the best first."""
    remedy = _spelled(advice, tools)
    if len(remedy.ways) == 1:
        (way,) = remedy.ways
        yield Row(f"remedy: {_introduced(way)}")
        yield from _commands(way, _STEP)
    elif remedy:
        yield Row("remedies, the best first:")
        for number, way in enumerate(remedy.ways, 1):
            yield Row(f"{number}. {_introduced(way)}", indent=_STEP, hanging=_STEP + 1)
            yield from _commands(way, 2 * _STEP + 1)


def remedy_lines(advice: str | Remedy, tools: Tools) -> Iterator[str]:
    """The same as lines that nobody wraps."""
    return (f"{' ' * row.indent}{row.text}" for row in remedy_rows(advice, tools))


def remedy_text(advice: str | Remedy, tools: Tools) -> str:
    """A remedy on one line, commands between backticks."""
    return str(_spelled(advice, tools))


def remedies_as_json(advice: str | Remedy, tools: Tools) -> list[dict[str, Any]]:
    """Each way with its commands, for scripts."""
    return [
        {"text": way.text, "commands": list(way.commands)} for way in _spelled(advice, tools).ways
    ]


def _spelled(advice: str | Remedy, tools: Tools) -> Remedy:
    return Remedy.of(advice).spelled(tools.spell_out)


def _introduced(way: Way) -> str:
    return f"{way.text}:" if way.commands else way.text


def _commands(way: Way, indent: int) -> Iterator[Row]:
    for command in way.commands:
        yield Row(command, _STYLE, wrapped=False, indent=indent)
