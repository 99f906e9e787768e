"""Which module-level names a statement can bind, and how else a module can change itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Ways to get at the module's namespace other than by its names: built-in functions, and what is
# reached through modules, functions and frames.
_FUNCTIONS_THAT_REACH_IT = frozenset({"eval", "exec", "globals", "locals", "vars"})
_ATTRIBUTES_THAT_REACH_IT = frozenset(
    {
        "__builtins__",
        "__dict__",
        "__globals__",
        "__import__",
        "_getframe",
        "builtins",
        "f_globals",
        "f_locals",
        "import_module",
        "modules",
    }
)
BACK_DOORS = _FUNCTIONS_THAT_REACH_IT | _ATTRIBUTES_THAT_REACH_IT


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


def risky_definitions(tree: ast.Module) -> frozenset[str]:
    """The functions and classes that could change module-level names when they are used.

    Those that hold a back door or assign to a global name, and those that use such a one.
    """
    definitions = [node for node in ast.walk(tree) if isinstance(node, (*_FUNCTIONS, ast.ClassDef))]
    pending = [node.name for node in definitions if _holds_back_door(node)]
    users: dict[str, set[str]] = {}
    for node in definitions if pending else ():
        for name in names_in(node):
            users.setdefault(name.id, set()).add(node.name)
    risky: set[str] = set()
    while pending:
        one = pending.pop()
        if one not in risky:
            risky.add(one)
            pending.extend(users.get(one, ()))
    return frozenset(risky)


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
        return not BACK_DOORS.isdisjoint(node.name.split("."))
    if isinstance(node, ast.Attribute):
        return node.attr in _ATTRIBUTES_THAT_REACH_IT
    return isinstance(node, ast.Name) and node.id in BACK_DOORS


def _in_scope(statement: ast.stmt | ast.expr) -> Iterator[ast.AST]:
    """The nodes that run in the scope of a statement: not the bodies of functions and classes.

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
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            pending.extend(node.decorator_list)
            yield from _worked_out_at(node)
        elif isinstance(node, ast.Lambda):
            pending.append(node.args)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _worked_out_at(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> Iterator[ast.AST]:
    """The nodes of a signature, which is worked out where the definition stands.

    Annotations and base classes see the definition's type parameters (PEP 695); defaults do not.
    """
    own = {parameter.name for parameter in getattr(node, "type_params", ())}
    generic: list[ast.expr | None]
    if isinstance(node, ast.ClassDef):
        generic = [*node.bases, *(keyword.value for keyword in node.keywords)]
    else:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        generic = [node.returns, *(argument.annotation for argument in every + starred)]
        for default in (*arguments.defaults, *arguments.kw_defaults):
            yield from _in_scope(default) if default is not None else ()
    for part in generic:
        inner = _in_scope(part) if part is not None else ()
        yield from (name for name in inner if not (isinstance(name, ast.Name) and name.id in own))
