"""The values of a module's names after it was imported, if certain.

The statements are followed in the order in which they run: names that are assigned unconditionally
at the top level from literals (and from names with literal values) are known; everything else is
*computed*, with the reason. The last assignment wins.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple, TypeGuard

from flask_chainfix.chain.source.literals import Computed, evaluate

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

# Indirect ways to the module's namespace: through modules,
# functions and frames, and built-in functions.
_IMPORT = "import_module"
_ATTRIBUTES = frozenset(
    {"__builtins__", "__dict__", "__globals__", "__import__", "_getframe", "builtins"}
    | {"f_globals", "f_locals", _IMPORT, "modules"}
)
BACK_DOORS = _ATTRIBUTES | {"eval", "exec", "globals", "locals", "vars"}
_WORDS = re.compile(rf"\b(?:global|{'|'.join(sorted(BACK_DOORS))})\b".encode())


def names_in(node: ast.AST) -> Iterator[ast.Name]:
    """Every name at or below a node."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _names_read(node: ast.AST) -> Iterator[str]:
    return (name.id for name in names_in(node) if isinstance(name.ctx, ast.Load))


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


def _opens_back_door(statement: ast.stmt) -> bool:
    """Whether running the statement may write to the module's names through ``exec`` or the like.

    The body of a class runs with its statement, and a lambda's may run.
    """
    nodes = list(_in_scope(statement))
    if _any_back_door(nodes):
        return True
    for node in nodes:
        if isinstance(node, ast.ClassDef) and any(map(_opens_back_door, node.body)):
            return True
        if isinstance(node, ast.Lambda) and _holds_back_door(node):
            return True
    return False


def _risky_definitions(tree: ast.Module) -> frozenset[str]:
    """The functions, classes and other names that could change module-level names when used.

    A function or class is risky if it holds a back door, assigns to a global name, or uses a risky
    name; another name is risky if it may stand for a back door, as in ``run = exec``.
    """
    definitions = [node for node in ast.walk(tree) if isinstance(node, (*_FUNCTIONS, ast.ClassDef))]
    pending = [node.name for node in definitions if _holds_back_door(node)]
    pending += (
        name
        for statement in tree.body
        if _opens_back_door(statement)
        for name in names_bound(statement)
    )
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
        for outer in _in_scope(statement)
        for node in (ast.walk(outer) if isinstance(outer, ast.ClassDef) else (outer,))
    )


def _holds_back_door(scope: ast.AST) -> bool:
    return _any_back_door(list(ast.walk(scope)))


def _any_back_door(nodes: Collection[ast.AST]) -> bool:
    imports = {id(node.func) for node in nodes if _imports_by_name(node)}
    return any(
        isinstance(node, ast.Global) or (id(node) not in imports and _is_back_door(node))
        for node in nodes
    )


def _imports_by_name(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether a call is like an import statement: ``import_module("other.module")``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, (ast.Name, ast.Attribute))
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) == _IMPORT
        and bool(node.args)
        and isinstance(name := node.args[0], ast.Constant)
        and isinstance(name.value, str)
        and BACK_DOORS.isdisjoint(name.value.split("."))
    )


def _is_back_door(node: ast.AST) -> bool:
    if isinstance(node, ast.alias):
        # Without a new name, each use of `import_module` is looked at by itself.
        harmless = {_IMPORT} if node.asname is None else set()
        return not BACK_DOORS.isdisjoint({*node.name.split(".")} - harmless)
    if isinstance(node, ast.Attribute):
        return node.attr in _ATTRIBUTES
    return isinstance(node, ast.Name) and node.id in BACK_DOORS


def _in_scope(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that run in the scope of a statement, without bodies of functions and classes.

    Decorators, signatures, base classes and walrus targets in comprehensions are included.
    """
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, _COMPREHENSIONS):
            # Their loop variables are their own; everything else happens in this scope.
            own = {id(name) for loop in node.generators for name in ast.walk(loop.target)}
            yield from (inner for inner in ast.walk(node) if id(inner) not in own)
            continue
        yield node
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            parts = ast.iter_child_nodes(node)
            pending += (part for part in parts if not isinstance(part, ast.stmt))
        elif isinstance(node, ast.Lambda):
            pending.append(node.args)
        else:
            pending.extend(ast.iter_child_nodes(node))


# --- The values of names -------------------------------------------------------------------------

HEADER_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")


class Binding(NamedTuple):
    """The value of a module-level name.

    Attributes:
        value: a literal value, or ``Computed``.
        node: the node that bound the name.
        expression: the value's own expression; ``None`` if there is none.
        shared: whether other names get their value from the same expression.
        mutable: whether the value is, or contains, a list or set.
    """

    value: object
    node: ast.stmt
    expression: ast.expr | None = None
    shared: bool = False
    mutable: bool = False


def follow(tree: ast.Module, source: bytes) -> dict[str, Binding]:
    """The module's names after the last statement.

    Args:
        tree: the module.
        source: its bytes.
    """
    bindings = _Bindings()
    # Names may also be written in letters that Python folds to ASCII, or in another encoding.
    may_open = not source.isascii() or b"coding" in source or _WORDS.search(source) is not None
    risky = _risky_definitions(tree) if may_open else frozenset()
    lists: list[set[str]] = []
    for statement in tree.body:
        changed = dict(_bound_by(statement, bindings))
        bindings.update(changed)
        named = {name for name, binding in changed.items() if binding.mutable}
        if named and isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value:
            lists.append(named.union(_names_read(statement.value)))
        if isinstance(statement, ast.Delete):
            for name in names_bound(statement):
                bindings.pop(name)
        if "*" in changed or (may_open and _opens_back_door(statement)):
            bindings.doubt_everything(statement, "may be changed by this statement")
        elif risky and uses_any(statement, risky):
            bindings.doubt_everything(statement, "may be changed by what is used here")
    held = bindings.held()
    if lists:
        _doubt_changed_lists(tree, lists, held)
    if "__getattr__" in held:
        for name in HEADER_NAMES:
            computed = Computed("is computed by the module's __getattr__")
            held.setdefault(name, Binding(computed, held["__getattr__"].node))
    return held


class _Bindings:
    """The values of names so far; making all of them doubtful takes constant time."""

    def __init__(self) -> None:
        self._certain: dict[str, Binding] = {}
        self._doubted: dict[str, None] = {}
        self._doubt: Binding | None = None

    def get(self, name: str) -> Binding | None:
        return self._doubt if name in self._doubted else self._certain.get(name)

    def update(self, changed: Mapping[str, Binding]) -> None:
        self._certain.update(changed)
        for name in changed:
            self._doubted.pop(name, None)

    def pop(self, name: str) -> None:
        self._certain.pop(name, None)
        self._doubted.pop(name, None)

    def doubt_everything(self, statement: ast.stmt, reason: str) -> None:
        self._doubt = Binding(Computed(reason), statement)
        self._doubted.update(dict.fromkeys((*self._certain, *HEADER_NAMES)))
        self._certain.clear()

    def held(self) -> dict[str, Binding]:
        doubted = {} if self._doubt is None else dict.fromkeys(self._doubted, self._doubt)
        return {**doubted, **self._certain}


def _doubt_changed_lists(
    tree: ast.Module, lists: list[set[str]], bindings: dict[str, Binding]
) -> None:
    """Mark lists in ``bindings`` that may be changed in place, so that their values are unknown.

    A list may be changed if any of its names is used, even to assign it to another name. ``lists``
    has the names in each statement that names a list, because they may share it.
    """
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign):
            used.update(name.id for name in names_in(node.target))
    used.update(_names_read(tree))
    for names in lists:
        for name in names.intersection(bindings) if names & used else ():
            if bindings[name].mutable and not isinstance(bindings[name].value, Computed):
                computed = Computed("is a list or set that the module may change")
                bindings[name] = Binding(computed, bindings[name].node)


def _bound_by(statement: ast.stmt, bindings: _Bindings) -> Iterator[tuple[str, Binding]]:
    """The names that a statement binds, with their values."""
    plain: dict[str, Binding] = {}
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return  # an annotation without a value binds nothing
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        worth = _worth(bindings)
        for target in targets:
            plain.update(_assigned(target, statement.value, statement, worth, len(targets) == 1))
    unknown: Binding | None = None
    for name in names_bound(statement):
        if name in plain:
            yield name, plain[name]
        else:
            unknown = unknown or Binding(Computed(_why_unknown(statement)), statement)
            yield name, unknown


def _worth(bindings: _Bindings) -> Callable[[ast.expr], tuple[object, bool]]:
    """A function for the value of an expression, and whether it is, or contains, a list or set."""

    def lookup(name: str) -> object:
        known = bindings.get(name)
        return known.value if known is not None else Computed(f"is computed ({name})")

    @cache  # many targets may share one value
    def worth(expression: ast.expr) -> tuple[object, bool]:
        held = (bindings.get(node.id) for node in names_in(expression))
        mutable = any(isinstance(node, (ast.List, ast.Set)) for node in ast.walk(expression))
        mutable = mutable or any(binding is not None and binding.mutable for binding in held)
        return evaluate(expression, lookup), mutable

    return worth


def _assigned(
    target: ast.expr,
    value: ast.expr,
    statement: ast.stmt,
    worth: Callable[[ast.expr], tuple[object, bool]],
    alone: bool,
) -> Iterator[tuple[str, Binding]]:
    if isinstance(target, ast.Name):
        known, mutable = worth(value)
        yield target.id, Binding(known, statement, value, not alone, mutable)
        return
    if not isinstance(target, (ast.Tuple, ast.List)):
        return
    if any(isinstance(element, ast.Starred) for element in target.elts):
        return
    if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
        for element, part in zip(target.elts, value.elts, strict=True):
            yield from _assigned(element, part, statement, worth, alone)
        return
    whole, mutable = worth(value)
    if isinstance(whole, tuple) and len(whole) == len(target.elts):
        for element, item in zip(target.elts, whole, strict=True):
            if isinstance(element, ast.Name):
                yield element.id, Binding(item, statement, mutable=mutable)


def _why_unknown(statement: ast.stmt) -> str:
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return f"is imported ({ast.unparse(statement)[:60]})"
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)):
        return f"is computed ({ast.unparse(statement)[:60]})"
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return "is the name of a function or class"
    return f"is assigned inside `{type(statement).__name__.lower()}`"
