"""What the rules' docstrings say, part by part."""

from __future__ import annotations

import re
from textwrap import dedent

from flask_chainfix.model import Explanation
from flask_chainfix.rules.registry import Rule, all_rules

_HEADING = re.compile(r"^(\S.*):\n(?= )", re.MULTILINE)


def explanations() -> tuple[Explanation, ...]:
    """What each rule says of itself, by code."""
    return tuple(map(explain, all_rules()))


def explain(rule: Rule) -> Explanation:
    """Take a rule's docstring apart.

    Args:
        rule: its docstring has the shape that the package's own docstring tells; a part that is
            missing is ``""``.
    """
    introduction, *parts = _HEADING.split(rule.explanation)
    summary, _, meaning = introduction.partition("\n\n")
    sections = dict(zip(parts[::2], map(dedent, parts[1::2]), strict=True))
    return Explanation(
        rule.code,
        rule.name,
        rule.severity,
        _unwrapped(summary),
        _unwrapped(meaning),
        rule.breaks,
        _unwrapped(sections.get("How it comes about", "")),
        _unwrapped(sections.get("How it is repaired", "")),
        sections.get("Example", "").strip("\n"),
    )


def _unwrapped(text: str) -> str:
    """Paragraphs, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
