"""How formats are registered and called."""

from __future__ import annotations

from collections.abc import Callable

from flask_chainfix.report.page import Style
from flask_chainfix.report.results import Result

_Format = Callable[[Result, Style], str]

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


def render(name: str, result: Result, style: Style) -> str:
    """A result in the format of this name, with a line end at its end unless it is empty."""
    return _FORMATS[name](result, style)
