"""What kinds of findings there are, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask_chainfix.common.remedies import Tools
from flask_chainfix.model.findings import Explanation
from flask_chainfix.report.page import Row, Section


def sections(explanation: Explanation, tools: Tools) -> Iterator[Section]:
    """All that there is to say of one kind of finding, below what it is."""
    breaks = f"{explanation.breaks[:1].upper()}{explanation.breaks[1:]}."
    for title, text in (
        ("What it means", explanation.meaning),
        ("What breaks", breaks),
        ("How it comes about", explanation.origin),
        ("How it is repaired", explanation.repair),
    ):
        yield Section(title, "", tuple(_paragraphs(tools.spell_out(text))))
    lines = tools.spell_out(explanation.example).splitlines()
    yield Section("Example", "", tuple(Row(line, _style(line), wrapped=False) for line in lines))


def _paragraphs(text: str) -> Iterator[Row]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield Row("")
        yield Row(paragraph)


def _style(line: str) -> str:
    return {"#": "cyan", "$": "bold"}.get(line[:1], "")


def as_json(explanations: Iterable[Explanation], tools: Tools) -> list[dict[str, Any]] | None:
    """The value in the JSON document."""
    spell_out = tools.spell_out
    return [
        {
            "code": each.code,
            "name": each.name,
            "severity": each.severity.value,
            "summary": each.summary,
            "meaning": spell_out(each.meaning),
            "breaks": spell_out(each.breaks),
            "origin": spell_out(each.origin),
            "repair": spell_out(each.repair),
            "example": spell_out(each.example),
        }
        for each in explanations
    ] or None
