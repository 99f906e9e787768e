"""How formats are registered and called."""

from __future__ import annotations

from collections.abc import Callable

from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.report.page import Style

_Format = Callable[[Report, Style], str]


_FORMATS: dict[str, _Format] = {}


def format_(name: str) -> Callable[[_Format], _Format]:
    """Register a function as the format of this name."""

    def register(function: _Format) -> _Format:
        _FORMATS[name] = function
        return function

    return register


def format_names() -> tuple[str, ...]:
    """Every format."""
    return tuple(_FORMATS)


def render(name: str, report: Report, style: Style) -> str:
    """A report in the format of this name, with a line end at its end unless it is empty."""
    return _FORMATS[name](report, style)
