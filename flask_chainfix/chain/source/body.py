"""The code of a migration file, without its header."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from flask_chainfix.chain.source.bindings import BACK_DOORS, HEADER_NAMES, names_bound, names_in
from flask_chainfix.chain.source.header import docstring_node, excess
from flask_chainfix.chain.source.literals import CANNOT_COMPILE, line_of, parse


def same_body(one: bytes, other: bytes) -> bool:
    """Whether two migration files have the same code.

    Docstrings, comments, layout, and statements that only assign header variables are ignored.
    Files that cannot be parsed are the same only if their bytes are equal.
    """
    body = _dumped(one)
    return one == other or (body is not None and body == _dumped(other))


def does_nothing(data: bytes) -> bool:
    """Whether the code of a file calls nothing, like a merge point's, or cannot be parsed."""
    return not any(isinstance(node, ast.Call) for node in _nodes(data))


def never_goes_back(data: bytes) -> bool:
    """Whether a file's ``downgrade()`` only raises an exception."""
    tree = _code_of(data)
    for node in () if tree is None else tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            statements = [each for each in node.body if _Plain().visit(each) is not None]
            return bool(statements) and isinstance(statements[0], ast.Raise)
    return False


def words_in(data: bytes) -> frozenset[bytes]:
    """The literal strings in the code of a file.

    Checking first whether another file has them avoids comparing most different files; it only
    misses a file that splits a string into several parts.
    """
    constants = {node.value for node in _nodes(data) if isinstance(node, ast.Constant)}
    strings = (each for each in constants if isinstance(each, str) and each.isascii())
    return frozenset(word for word in map(str.encode, strings) if word in data)


@lru_cache(maxsize=2)  # a file is often compared with many others
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
    """The tree of a file without docstring and header; ``None`` if it cannot be parsed."""
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


# --- The effect of running one of the two functions -----------------------------------------------

_IMPORTS = (ast.Import, ast.ImportFrom)
# Statements that only bind names matter only if the names are used.
_DEFINITIONS = (*_IMPORTS, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)
_UPGRADE = re.compile(rb"^(?:async[ \t]+)?def[ \t]+upgrade\b", re.MULTILINE)


def same_function(one: bytes, other: bytes, name: str) -> bool:
    """Whether ``upgrade()``, or ``downgrade()``, of two migration files does the same.

    Everything in the module that it uses counts: helper functions, constants, imports. The header,
    the other function, docstrings, comments, annotations, layout and the order of imports do not.
    Files that cannot be parsed are the same only if their bytes are equal.
    """
    essence = None if one == other else _essence(one, name)
    return one == other or (essence is not None and essence == _essence(other, name))


def line_of_upgrade(data: bytes) -> int | None:
    """The 1-based line at which ``upgrade()`` begins; ``None`` if it is not obvious."""
    match = _UPGRADE.search(data)
    return line_of(data, match.start()) if match else None


class _Part(NamedTuple):
    """A statement of a module, or one name of an import; without ``names`` it always counts."""

    node: ast.stmt
    names: frozenset[str]


def _essence(data: bytes, function: str) -> tuple[frozenset[str], tuple[str, ...]] | None:
    """The parts that decide what a function does: the imports, and the others in order."""
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
    """The parts that a function uses, directly or indirectly, in order."""
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
    """Removes what makes no difference when the code runs."""

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
