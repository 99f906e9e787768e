"""How far something has come, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]


def unseen(done: int, total: int, what: str) -> None:
    """Progress that nobody looks at."""
