"""A report as text for people, JSON for scripts, or in the formats of CI systems."""

from flask_chainfix.report.advice import about_masks, remedy_lines
from flask_chainfix.report.page import Style
from flask_chainfix.report.registry import format_names, render

__all__ = [
    "Style",
    "about_masks",
    "format_names",
    "remedy_lines",
    "render",
]
