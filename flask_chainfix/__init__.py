"""flask-chainfix: see what is wrong with an Alembic migration chain, and relink it safely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask_chainfix.extension import ChainFix

__all__ = ["ChainFix"]


def __getattr__(name: str) -> Any:
    """The extension, once it is asked for: the console script hears signals before."""
    if name == "ChainFix":
        from flask_chainfix.extension import ChainFix

        return ChainFix
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
