"""What the place that output goes to can show, and paths as users are to see them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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


def shown_path(path: Path) -> str:
    """A path as users are to see it: relative to where they are, if it lies there; with ``/``."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        real = Path(os.path.realpath(path.parent), path.name)
        here = Path(os.path.realpath(Path.cwd()))
        return real.relative_to(here).as_posix() if here in real.parents else path.as_posix()
