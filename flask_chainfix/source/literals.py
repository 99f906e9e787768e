"""What an expression is worth, where that is certain without running anything."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple


class Computed(NamedTuple):
    """A value that only running the file would show.

    Attributes:
        reason: why, in words that complete "``down_revision`` …".
    """

    reason: str


def evaluate(node: ast.expr, lookup: Callable[[str], object]) -> object:
    """The value of an expression made of literals and of names that hold literals.

    Args:
        node: the expression.
        lookup: gives the value of a module-level name, or ``Computed``.

    Returns:
        A constant; a tuple for a tuple, list or set; or ``Computed``.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return lookup(node.id)
    if isinstance(node, (ast.Tuple, ast.List)):
        return _elements(node.elts, lookup)
    if isinstance(node, ast.Set):
        members = _elements(node.elts, lookup)
        return tuple(dict.fromkeys(members)) if type(members) is tuple else members
    if isinstance(node, ast.JoinedStr):
        return _joined(node, lookup)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = evaluate(node.left, lookup), evaluate(node.right, lookup)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if isinstance(left, tuple) and isinstance(right, tuple):
            return left + right
    return Computed(f"is computed ({ast.unparse(node)[:60]})")


def _elements(nodes: list[ast.expr], lookup: Callable[[str], object]) -> object:
    values: list[object] = []
    for node in nodes:
        starred = isinstance(node, ast.Starred)
        value = evaluate(node.value if isinstance(node, ast.Starred) else node, lookup)
        if isinstance(value, Computed):
            return value
        if not starred:
            values.append(value)
        elif isinstance(value, tuple):
            values.extend(value)
        else:
            return Computed(f"is computed ({ast.unparse(node)[:60]})")
    return tuple(values)


def _joined(node: ast.JoinedStr, lookup: Callable[[str], object]) -> object:
    text = ""
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.conversion == -1 and part.format_spec is None
            value = evaluate(part.value, lookup) if plain else None
        else:
            value = evaluate(part, lookup)
        if not isinstance(value, str):
            return Computed(f"is computed ({ast.unparse(node)[:60]})")
        text += value
    return text
