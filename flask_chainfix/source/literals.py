"""What an expression is worth, where that is certain without running anything."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import NamedTuple

# Characters and elements that a name holds which is a part of other values: each may be so in the
# next, and so double again and again.
_LONGEST = 500


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
        left, right = _part(node.left, lookup), _part(node.right, lookup)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if type(left) is tuple and type(right) is tuple:
            return left + right
    return Computed(f"is computed ({ast.unparse(node)[:60]})")


def _part(node: ast.expr, lookup: Callable[[str], object]) -> object:
    """What an expression adds to the value of another."""
    value = evaluate(node, lookup)
    if isinstance(node, ast.Name) and not _is_short(value):
        return Computed(f"is computed (with all of {node.id})")
    return value


def _is_short(value: object) -> bool:
    left, pending = _LONGEST, [value]
    while pending and left >= 0:
        part = pending.pop()
        left -= len(part) if isinstance(part, (bytes, str)) else 1
        if type(part) is tuple:
            pending += part
    return left >= 0


def _elements(nodes: list[ast.expr], lookup: Callable[[str], object]) -> object:
    values: list[object] = []
    for node in nodes:
        starred = isinstance(node, ast.Starred)
        value = _part(node.value if isinstance(node, ast.Starred) else node, lookup)
        if isinstance(value, Computed):
            return value
        if not starred:
            values.append(value)
        elif type(value) is tuple:
            values.extend(value)
        else:
            return Computed(f"is computed ({ast.unparse(node)[:60]})")
    return tuple(values)


def _joined(node: ast.JoinedStr, lookup: Callable[[str], object]) -> object:
    text: list[str] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            plain = part.conversion == -1 and part.format_spec is None
            value = _part(part.value, lookup) if plain else None
        else:
            value = evaluate(part, lookup)
        if not isinstance(value, str):
            return Computed(f"is computed ({ast.unparse(node)[:60]})")
        text.append(value)
    return "".join(text)
