"""Options -> command -> output; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask_chainfix.cli.groups import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    """The console script's group for other programs; imported late, as signals come first."""
    if name == "main":
        from flask_chainfix.cli.groups import main

        return main
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
