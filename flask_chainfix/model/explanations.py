"""What there is to know of a kind of finding."""

from __future__ import annotations

from dataclasses import dataclass

from flask_chainfix.model.findings import Severity


@dataclass(frozen=True)
class Explanation:
    """What one code means, whatever was found.

    The texts are paragraphs with a blank line between them, each on one line, but for the example;
    ``{alembic}`` and ``{fixchain}`` in them stand for what runs the commands.

    Attributes:
        code: ``FC102`` for example.
        name: ``multiple-heads`` for example.
        severity: how bad such a finding usually is.
        summary: what it is, one sentence.
        meaning: what that means.
        breaks: what stops working because of it, as findings have it.
        origin: how it comes about.
        repair: how it is repaired.
        example: files with their names in comments, and what to type, line by line.
    """

    code: str
    name: str
    severity: Severity
    summary: str
    meaning: str
    breaks: str
    origin: str
    repair: str
    example: str
