"""How formats are registered and called."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask_chainfix.report import Report


@dataclass(frozen=True)
class Style:
    """What the place that the output goes to can show.

    Attributes:
        width: columns.
        color: whether it understands ANSI colours.
        ascii_only: whether it can only show ASCII.
    """

    width: int = 80
    color: bool = False
    ascii_only: bool = False


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


def shown_path(path: Path) -> str:
    """A path as users are to see it: relative to where they are, if it lies there; with ``/``."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        real = Path(os.path.realpath(path.parent), path.name)
        here = Path(os.path.realpath(Path.cwd()))
        return real.relative_to(here).as_posix() if here in real.parents else path.as_posix()


def printable(text: str) -> str:
    """Text without what a terminal would obey: migration files are other people's words."""
    return "".join(char if char.isprintable() else "?" for char in text)
