"""A report as text for people, JSON for scripts, or in the formats of CI systems."""

from flask_chainfix.formats import (  # noqa: F401  (they register formats)
    github,
    json,
    junit,
    sarif,
    text,
)
from flask_chainfix.formats.plain import plain
from flask_chainfix.formats.progress import progress_bar
from flask_chainfix.formats.registry import format_names, render
from flask_chainfix.formats.remedies import about_masks, remedy_lines
from flask_chainfix.formats.style import Style

__all__ = [
    "Style",
    "about_masks",
    "format_names",
    "plain",
    "progress_bar",
    "remedy_lines",
    "render",
]
