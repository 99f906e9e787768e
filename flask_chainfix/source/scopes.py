"""Which module-level names a statement can bind, and how else a module can change itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Ways to write to the module's namespace other than binding a name.
_BACK_DOORS = frozenset(
    {
        "__builtins__",
        "__dict__",
        "__globals__",
        "_getframe",
        "builtins",
        "delattr",
        "eval",
        "exec",
        "f_globals",
        "f_locals",
        "globals",
        "locals",
        "modules",
        "setattr",
        "vars",
    }
)


def names_in(node: ast.AST) -> Iterator[ast.Name]:
    """Every name that occurs below a node."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))


def names_bound(statement: ast.stmt) -> Iterator[str]:
    """Every name that running the statement may bind or unbind in its own scope.

    ``*`` stands for a star import, which may bind any.
    """
    for node in _in_scope(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            if node.name is not None:
                yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            yield node.rest


def opens_back_door(statement: ast.stmt) -> bool:
    """Whether running the statement may write to the module's names by way of ``exec`` & co.

    The body of a class runs with its statement, and that of a lambda may.
    """
    for node in _in_scope(statement):
        if _is_back_door(node) or isinstance(node, ast.Global):
            return True
        if isinstance(node, ast.ClassDef) and any(map(opens_back_door, node.body)):
            return True
        if isinstance(node, ast.Lambda) and _holds_back_door(node):
            return True
    return False


def functions_with_back_doors(tree: ast.Module) -> bool:
    """Whether a function or class of the file could change module-level names when used."""
    return any(
        _holds_back_door(node)
        for node in ast.walk(tree)
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda))
    )


def uses_any(statement: ast.stmt, names: Iterable[str]) -> bool:
    """Whether running the statement reads one of the names."""
    wanted = frozenset(names)
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in wanted
        for scope_node in _in_scope(statement)
        for node in (
            ast.walk(scope_node) if isinstance(scope_node, ast.ClassDef) else (scope_node,)
        )
    )


def _holds_back_door(scope: ast.AST) -> bool:
    return any(_is_back_door(node) or isinstance(node, ast.Global) for node in ast.walk(scope))


def _is_back_door(node: ast.AST) -> bool:
    if isinstance(node, ast.alias):
        return not _BACK_DOORS.isdisjoint(node.name.split("."))
    return (isinstance(node, ast.Name) and node.id in _BACK_DOORS) or (
        isinstance(node, ast.Attribute) and node.attr in _BACK_DOORS
    )


def _in_scope(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that run in the statement's own scope: not the bodies of functions and classes.

    Decorators, default values, base classes and walrus targets in comprehensions do.
    """
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, _COMPREHENSIONS):
            # Their loop variables are their own; whatever else they do is done out here.
            own = {id(name) for loop in node.generators for name in ast.walk(loop.target)}
            yield from (inner for inner in ast.walk(node) if id(inner) not in own)
            continue
        yield node
        if isinstance(node, _FUNCTIONS):
            # Arguments hold defaults and annotations, which are worked out here and now.
            pending.extend([*node.decorator_list, node.args])
            pending.extend([node.returns] if node.returns is not None else [])
        elif isinstance(node, ast.Lambda):
            pending.append(node.args)
        elif isinstance(node, ast.ClassDef):
            pending.extend([*node.decorator_list, *node.bases])
            pending.extend(keyword.value for keyword in node.keywords)
        else:
            pending.extend(ast.iter_child_nodes(node))
