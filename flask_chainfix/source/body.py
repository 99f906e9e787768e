"""What a migration file does, apart from what it says of itself."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

from flask_chainfix.source.judge import docstring_node
from flask_chainfix.source.limits import excess
from flask_chainfix.source.module import HEADER_NAMES
from flask_chainfix.source.scopes import names_bound

_CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def same_body(one: bytes, other: bytes) -> bool:
    """Whether two migration files have the same code.

    Their docstrings, comments and layout do not count, nor do the statements that assign header
    variables alone. Files that cannot be parsed are the same only byte for byte.
    """
    body = _dumped(one)
    return one == other or (body is not None and body == _dumped(other))


def does_nothing(data: bytes) -> bool:
    """Whether the code of a file calls nothing, as that of a merge point, or cannot be parsed."""
    return not any(isinstance(node, ast.Call) for node in _nodes(data))


def words_in(data: bytes) -> frozenset[bytes]:
    """The strings that the code of a file holds as they are.

    A quick look whether another file has them too spares comparing most files that differ; only
    a file that writes one of them in several parts is passed over.
    """
    strings = {
        node.value
        for node in _nodes(data)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    words = {string.encode() for string in strings if string.isascii()}
    return frozenset(word for word in words if word in data)


@lru_cache(maxsize=2)  # one file is often compared with many
def _dumped(data: bytes) -> str | None:
    try:
        body = code_of(data)
        return None if body is None else ast.dump(body)
    except RecursionError:
        return None


def _nodes(data: bytes) -> list[ast.AST]:
    body = code_of(data)
    return [] if body is None else list(ast.walk(body))


def code_of(data: bytes) -> ast.Module | None:
    """The tree of a file without docstring and header; ``None`` where it cannot be parsed."""
    if excess(data) is not None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a migration's own SyntaxWarnings are not ours
            tree = ast.parse(data)
    except _CANNOT_PARSE:
        return None
    start = 0 if docstring_node(tree) is None else 1
    tree.body = [statement for statement in tree.body[start:] if not _is_header(statement)]
    return tree


def _is_header(statement: ast.stmt) -> bool:
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return False
    bound = set(names_bound(statement))
    return bool(bound) and bound.issubset(HEADER_NAMES)
