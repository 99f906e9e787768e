"""What a migration file does, apart from what it says of itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from flask_chainfix.source.bindings import BACK_DOORS, HEADER_NAMES, names_bound, names_in
from flask_chainfix.source.header import docstring_node, excess
from flask_chainfix.source.literals import CANNOT_COMPILE, line_of, parse


def same_body(one: bytes, other: bytes) -> bool:
    """Whether two migration files have the same code.

    Their docstrings, comments and layout do not count, nor do the statements that assign header
    variables alone. Files that cannot be parsed are the same only byte for byte.
    """
    body = _dumped(one)
    return one == other or (body is not None and body == _dumped(other))


def does_nothing(data: bytes) -> bool:
    """Whether the code of a file calls nothing, like that of a merge point, or cannot be parsed."""
    return not any(isinstance(node, ast.Call) for node in _nodes(data))


def never_goes_back(data: bytes) -> bool:
    """Whether ``downgrade()`` of a file does nothing but raise."""
    tree = _code_of(data)
    for node in () if tree is None else tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            statements = [each for each in node.body if _Plain().visit(each) is not None]
            return bool(statements) and isinstance(statements[0], ast.Raise)
    return False


def words_in(data: bytes) -> frozenset[bytes]:
    """The strings that the code of a file holds as they are.

    A quick look whether another file has them too spares comparing most files that differ; only
    a file that writes one of them in several parts is passed over.
    """
    constants = {node.value for node in _nodes(data) if isinstance(node, ast.Constant)}
    strings = (each for each in constants if isinstance(each, str) and each.isascii())
    return frozenset(word for word in map(str.encode, strings) if word in data)


@lru_cache(maxsize=2)  # one file is often compared with many
def _dumped(data: bytes) -> str | None:
    try:
        body = _code_of(data)
        return None if body is None else ast.dump(body)
    except RecursionError:
        return None


def _nodes(data: bytes) -> list[ast.AST]:
    body = _code_of(data)
    return [] if body is None else list(ast.walk(body))


def _code_of(data: bytes) -> ast.Module | None:
    """The tree of a file without docstring and header; ``None`` where it cannot be parsed."""
    if excess(data) is not None:
        return None
    try:
        tree = parse(data)
    except CANNOT_COMPILE:
        return None
    start = 0 if docstring_node(tree) is None else 1
    tree.body = [statement for statement in tree.body[start:] if not _is_header(statement)]
    return tree


def _is_header(statement: ast.stmt) -> bool:
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return False
    bound = set(names_bound(statement))
    return bool(bound) and bound.issubset(HEADER_NAMES)


# --- What running one of the two functions comes to -----------------------------------------------

_IMPORTS = (ast.Import, ast.ImportFrom)
# What does nothing but bind names, and so matters only to those who use the names.
_DEFINITIONS = (*_IMPORTS, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)
_UPGRADE = re.compile(rb"^(?:async[ \t]+)?def[ \t]+upgrade\b", re.MULTILINE)


def same_function(one: bytes, other: bytes, name: str) -> bool:
    """Whether ``upgrade()``, or ``downgrade()``, of two migration files does the same.

    What it uses of its module counts as well: helper functions, constants, imports. The header,
    the other function, docstrings, comments, annotations, layout and the order of imports do not.
    Files that cannot be parsed are the same only byte for byte.
    """
    essence = None if one == other else _essence(one, name)
    return one == other or (essence is not None and essence == _essence(other, name))


def line_of_upgrade(data: bytes) -> int | None:
    """The 1-based line at which ``upgrade()`` begins; ``None`` where it is not plain to see."""
    match = _UPGRADE.search(data)
    return line_of(data, match.start()) if match else None


class _Part(NamedTuple):
    """A statement of a module, or one name of an import; ``names`` is empty if it always counts."""

    node: ast.stmt
    names: frozenset[str]


def _essence(data: bytes, function: str) -> tuple[frozenset[str], tuple[str, ...]] | None:
    """What decides on what a function does: the imports, and the other parts in their order."""
    try:
        tree = _code_of(data)
        if tree is None:
            return None
        parts = [part for node in tree.body for part in _parts(_Plain().visit(node))]
        needed = _needed(parts, function)
        imports = frozenset(ast.dump(node) for node in needed if isinstance(node, _IMPORTS))
        others = tuple(ast.dump(node) for node in needed if not isinstance(node, _IMPORTS))
        return imports, others
    except RecursionError:
        return None


def _parts(node: ast.stmt | None) -> Iterator[_Part]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            single = ast.Import([alias])
            yield _Part(single, frozenset(names_bound(single)))
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            part = ast.ImportFrom(node.module, [alias], node.level)
            yield _Part(part, frozenset(names_bound(part)) - {"*"})
    elif node is not None:
        binds = names_bound(node) if isinstance(node, _DEFINITIONS) else ()
        yield _Part(node, frozenset(binds))


def _needed(parts: list[_Part], function: str) -> list[ast.stmt]:
    """The parts that a function uses, straight or by way of others, in their order."""
    wanted = {function}
    needed: set[int] = set()
    while True:
        found = {
            number
            for number, part in enumerate(parts)
            if number not in needed
            and (not part.names or not wanted.isdisjoint(part.names | BACK_DOORS))
        }
        if not found:
            return [parts[number].node for number in sorted(needed)]
        needed |= found
        wanted.update(name.id for number in found for name in names_in(parts[number].node))


class _Plain(ast.NodeTransformer):
    """Takes away what makes no difference when the code runs."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Pass(self, _: ast.Pass) -> None:
        return None

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        node.kind = None
        return node
