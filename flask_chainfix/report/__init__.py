"""Results as text for people, JSON for scripts, or in the formats of CI systems."""

from __future__ import annotations

from importlib import import_module

from flask_chainfix.report.advice import about_masks, remedy_lines
from flask_chainfix.report.display import Detail, Style
from flask_chainfix.report.results import Analysed, Drawn, Result

__all__ = [
    "Detail",
    "Style",
    "about_masks",
    "format_names",
    "picture_names",
    "remedy_lines",
    "render",
    "report_names",
]

# The formats, and the modules that write them, which are imported on demand.
_MODULES = {
    "json": "json",
    "text": "text.result_text",
    "markdown": "documents.markdown",
    "github": "ci",
    "junit": "ci",
    "sarif": "ci",
}

# The picture formats, which only one command has.
_PICTURES = {
    "mermaid": "pictures.diagrams",
    "dot": "pictures.diagrams",
    "svg": "pictures.svg",
    "html": "documents.html",
}


def format_names() -> tuple[str, ...]:
    """Every format for findings."""
    return tuple(_MODULES)


def picture_names() -> tuple[str, ...]:
    """Every picture format."""
    return ("text", *_PICTURES)


def report_names() -> tuple[str, ...]:
    """Every format for a written analysis."""
    return ("markdown", "html")


def render(name: str, result: Result, style: Style) -> str:
    """Render a result in a named format; it ends with a newline unless it is empty."""
    if name in _PICTURES and not isinstance(result, Drawn | Analysed):
        return ""  # what stopped the command has no picture
    module = import_module(f"flask_chainfix.report.{(_MODULES | _PICTURES)[name]}")
    written: str = getattr(module, f"to_{name}")(result, style)
    return written
