"""A report as text for people, JSON for scripts, or annotations for GitHub."""

from flask_chainfix.formats import github, json, text  # noqa: F401  (they register formats)
from flask_chainfix.formats.progress import progress_bar
from flask_chainfix.formats.registry import format_names, render
from flask_chainfix.formats.style import Style, printable

__all__ = ["Style", "format_names", "printable", "progress_bar", "render"]
