"""Which module-level names a statement can bind, and how else a module can change itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Ways to write to the module's namespace other than binding a name.
_BACK_DOORS = frozenset(
    {"exec", "eval", "globals", "locals", "vars", "setattr", "delattr", "__dict__", "modules"}
)


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
    """Whether running the statement may write to the module's names by way of ``exec`` & co."""
    return any(_is_back_door(node) for node in _in_scope(statement))


def functions_with_back_doors(tree: ast.Module) -> bool:
    """Whether a function or class of the file could change module-level names when used."""
    return any(
        _is_back_door(node) or isinstance(node, ast.Global)
        for function in ast.walk(tree)
        if isinstance(function, (*_FUNCTIONS, ast.ClassDef, ast.Lambda))
        for node in ast.walk(function)
    )


def uses_any(statement: ast.stmt, names: Iterable[str]) -> bool:
    """Whether running the statement reads one of the names."""
    wanted = frozenset(names)
    return any(isinstance(node, ast.Name) and node.id in wanted for node in _in_scope(statement))


def _is_back_door(node: ast.AST) -> bool:
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
            # Their loop variables are their own; a walrus inside binds out here.
            pending.extend(
                inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)
            )
            pending.extend(name for name in ast.walk(node) if _is_back_door(name))
            continue
        yield node
        if isinstance(node, _FUNCTIONS):
            pending.extend(node.decorator_list)
            pending.extend(default for default in node.args.defaults)
            pending.extend(default for default in node.args.kw_defaults if default is not None)
        elif isinstance(node, ast.Lambda):
            pending.extend(node.args.defaults)
            pending.extend(default for default in node.args.kw_defaults if default is not None)
        elif isinstance(node, ast.ClassDef):
            pending.extend([*node.decorator_list, *node.bases])
            pending.extend(keyword.value for keyword in node.keywords)
        else:
            pending.extend(ast.iter_child_nodes(node))
