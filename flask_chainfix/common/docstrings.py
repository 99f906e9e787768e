"""Docstrings that users read: what a rule says of itself, and the help of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def docstring_of(function: Callable[..., Any] | None) -> str:
    """The docstring of a function, in plain indentation; also where ``python -OO`` leaves it out.

    Returns:
        ``""`` where there is none, or its source is not at hand.
    """
    text = getattr(function, "__doc__", None) or ""
    if not text and function is not None and sys.flags.optimize > 1:
        import ast  # most processes keep their docstrings
        from inspect import getsource
        from textwrap import dedent

        try:
            (definition,) = ast.parse(dedent(getsource(function))).body
        except (OSError, SyntaxError, ValueError):
            return ""
        if isinstance(definition, ast.FunctionDef):
            text = ast.get_docstring(definition, clean=False) or ""
    return text
