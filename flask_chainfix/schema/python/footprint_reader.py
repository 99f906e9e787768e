"""From the bytes of a migration to its footprint."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from flask_chainfix.chain.source import CANNOT_COMPILE, excess, names_bound, parse
from flask_chainfix.schema.footprint import Footprint, Opaque
from flask_chainfix.schema.python.expressions import assign, evaluate, imports, table_of_class
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Budget,
    Handle,
    Imported,
    Local,
    Operations,
    TooMuch,
    elements,
    is_constant,
)


def read_footprint(
    data: bytes,
    *,
    dialect: str | None = None,
    local: Collection[str] = (),
    direction: str = "upgrade",
    bind: str | None = None,
) -> Footprint:
    """Find out what a migration does to the schema, without running it.

    The function's statements are followed as they would run: constants are evaluated, loops over
    literals unrolled, helper functions of the same file entered. Whatever depends on anything else
    is either uncertain (it may or may not happen) or opaque (it cannot be known).

    Args:
        data: the file's bytes.
        dialect: SQLAlchemy's name of the database's dialect, for SQL; ``None`` if unknown.
        local: the top-level modules of the migration's own project, which may do anything, whatever
            their names.
        direction: ``upgrade`` or ``downgrade``.
        bind: the database that it runs on, in a multi-database environment; ``None`` for each.
    """
    if (too_much := excess(data)) is not None:
        return _all_opaque(f"a file that {too_much.reason}")
    try:
        module = Module(parse(data), data)
    except CANNOT_COMPILE:
        return _all_opaque("a file that is no valid Python for this interpreter")
    function = module.functions.get(direction)
    if function is None:
        return _all_opaque(f"{direction}() is not defined in the file itself")
    parts = {"": function}
    if function.args.args:  # as Flask-Migrate's template for several databases writes them
        prefix = f"{direction}_"
        binds = [name for name in module.functions if name.startswith(prefix)]
        parts = {name[len(prefix) :]: module.functions[name] for name in binds} or parts
        if bind is not None and binds:
            parts = {bind: parts[bind]} if bind in parts else {}
    found = Footprint()
    for database, part in parts.items():
        run = Run(module, follow, dialect, database, local)
        try:
            run.call(Local(part), Arguments([], {}, part.lineno))
        except (TooMuch, RecursionError, ValueError):
            run.doubt("too much to be followed", part.lineno)
        more, before = run.footprint, len(found.effects)
        found = Footprint(
            found.effects + more.effects,
            (*found.opaque, *(one._replace(place=one.place + before) for one in more.opaque)),
            (*found.unnamed, *(one._replace(place=one.place + before) for one in more.unnamed)),
            found.rows + more.rows,
        )
    return found


def _all_opaque(detail: str) -> Footprint:
    return Footprint((), (Opaque(detail, 1),))


# --- What the module-level names hold --------------------------------------------------------
_BUILTINS = frozenset(dir(builtins))


class Module:
    """The names of a module, evaluated on demand, for each run by itself.

    Args:
        tree: the module.
        data: its bytes, to skip searching the tree for words that are not in them.

    Attributes:
        budget: the steps that are left for the file.
        known: the values that do not depend on a run.
        functions: the functions at module level.
        shared: the names that functions set for others; their values are known only at runtime.
        may_yield: whether a function may be a generator.
    """

    def __init__(self, tree: ast.Module, data: bytes) -> None:
        self.budget = Budget()
        self.known: dict[str, object] = {}
        self._assignments: dict[str, ast.Assign | ast.AnnAssign] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        for statement in tree.body:
            self._bind(statement)
        yields = (isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(tree))
        self.may_yield = b"yield" in data and any(yields)
        self.shared: frozenset[str] = frozenset()
        if b"global" in data or b"nonlocal" in data:
            self.shared = frozenset(
                name
                for node in ast.walk(tree)
                if isinstance(node, (ast.Global, ast.Nonlocal))
                for name in node.names
            )
        self._doubt(iter(self.shared))

    def _bind(self, statement: ast.stmt) -> None:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            self.known.update(imports(statement))
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.functions[statement.name] = statement
            # What a decorator returns is known only at runtime.
            self.known[statement.name] = UNKNOWN if statement.decorator_list else Local(statement)
        elif isinstance(statement, ast.ClassDef):
            self._classes[statement.name] = statement
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            for name in names_bound(statement):
                self.known.pop(name, None)
                self._assignments[name] = statement
            if not isinstance(statement.value, ast.Constant):
                self._doubt(_changed_in_place(statement))
        elif isinstance(statement, ast.Expr):
            self._doubt(_changed_in_place(statement))
        else:
            self._doubt(names_bound(statement))

    def _doubt(self, names: Iterator[str]) -> None:
        self.known.update(dict.fromkeys(names, UNKNOWN))

    def value(self, run: Run, name: str) -> object:
        """The value of a name; built-in functions are in ``builtins``."""
        if name not in run.globals:
            # Until it is known, because a name may depend on itself.
            run.globals[name] = UNKNOWN
            run.globals[name] = self._work_out(run, name)
        return run.globals[name]

    def _work_out(self, run: Run, name: str) -> object:
        assignment = self._assignments.get(name)
        if assignment is not None and assignment.value is not None:
            single = [assignment.target] if isinstance(assignment, ast.AnnAssign) else None
            with run.elsewhere():
                value = evaluate(run, assignment.value)
                for target in single or assignment.targets:  # type: ignore[union-attr]
                    assign(run, target, value)
                return run.names.get(name, UNKNOWN)
        if name in self._classes:
            return table_of_class(run, self._classes[name])
        return Imported(f"builtins.{name}") if name in _BUILTINS else UNKNOWN


def _changed_in_place(statement: ast.stmt) -> Iterator[str]:
    """The names whose lists or dictionaries a module-level statement may change."""
    for node in ast.walk(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            called = isinstance(node, ast.Attribute) and isinstance(statement, ast.Expr)
            if called or isinstance(node.ctx, ast.Store):
                yield node.value.id


# --- Statements, in the order in which they run ---------------------------------------------------
_RETURNED = "return"  # not a Python name, so no name of the migration


def follow(run: Run, function: Local, arguments: Arguments) -> object:
    """Run a function of the file with arguments.

    Returns:
        Its return value; unknown if it depends on what only running shows.
    """
    node = function.node
    run.names.pop(_RETURNED, None)
    names = _parameters(node.args)
    run.names.update(dict.fromkeys(names, UNKNOWN))
    _defaults(run, node.args)
    run.names.update(zip(names, arguments.positional, strict=False))
    run.names.update((name, value) for name, value in arguments.named.items() if name in names)
    if node.args.vararg is not None:
        rest = tuple(arguments.positional[len(node.args.posonlyargs) + len(node.args.args) :])
        run.names[node.args.vararg.arg] = rest if arguments.complete else UNKNOWN
    if isinstance(node, ast.Lambda):
        return evaluate(run, node.body)
    block(run, node.body)
    return run.names.get(_RETURNED)


def _parameters(arguments: ast.arguments) -> list[str]:
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in plain] + (
        [arguments.kwarg.arg] if arguments.kwarg is not None else []
    )


def _defaults(run: Run, arguments: ast.arguments) -> None:
    plain = [*arguments.posonlyargs, *arguments.args]
    for argument, default in zip(reversed(plain), reversed(arguments.defaults), strict=False):
        run.names[argument.arg] = evaluate(run, default)
    for argument, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword is not None:
            run.names[argument.arg] = evaluate(run, keyword)


def block(run: Run, statements: Sequence[ast.stmt]) -> bool:
    """Run statements in order.

    Returns:
        Whether the block may be left early, so that what follows may not happen.
    """
    left = False
    for statement in statements:
        if _STATEMENTS.get(type(statement), _other)(run, statement):
            left = True
            run.certain = False
        if isinstance(statement, _LEAVING):
            break
    return left


def _expression(run: Run, node: ast.Expr | ast.Assert) -> None:
    evaluate(run, node.test if isinstance(node, ast.Assert) else node.value)


def _assignment(run: Run, node: ast.Assign) -> None:
    value = evaluate(run, node.value)
    for target in node.targets:
        assign(run, target, value)


def _annotated(run: Run, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(run, node.target, evaluate(run, node.value))


def _augmented(run: Run, node: ast.AugAssign) -> None:
    target = node.target
    old = ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else target
    assign(run, target, evaluate(run, ast.BinOp(old, node.op, node.value)))


def _choice(run: Run, node: ast.If) -> bool:
    test = evaluate(run, node.test)
    if is_constant(test):
        return block(run, node.body if test else node.orelse)
    run.budget.copy(run.names)
    certain, before = run.certain, dict(run.names)
    run.certain = False
    left = block(run, node.body)
    one, run.names = run.names, before
    left = block(run, node.orelse) or left
    run.certain, run.names = certain, run.merged(one, run.names)
    return left


def _loop(run: Run, node: ast.For) -> bool:
    items = elements(evaluate(run, node.iter))
    run.budget.copy(items or ())
    certain = run.certain
    if items is None:
        with run.perhaps():
            assign(run, node.target, UNKNOWN)
            left = block(run, node.body)
        left = _leaves_function(run, node.body) and left
    else:
        left = False
        for item in items:
            run.budget.call()
            assign(run, node.target, item)
            block(run, node.body)
        left = _leaves_function(run, node.body)
        run.certain = certain
    return block(run, node.orelse) or left


def _leaves_function(run: Run, body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(inner, ast.Return) for inner in run.walk(body))


def _while(run: Run, node: ast.While) -> bool:
    evaluate(run, node.test)
    with run.perhaps():
        block(run, node.body)
    return _leaves_function(run, node.body)


def _with(run: Run, node: ast.With) -> bool:
    with run.batch():
        all_known = True
        for item in node.items:
            value = evaluate(run, item.context_expr)
            known = isinstance(value, (Operations, Handle))
            all_known = all_known and known
            if item.optional_vars is not None:
                assign(run, item.optional_vars, value if known else UNKNOWN)
        # Any other context manager may let operations fail.
        with nullcontext() if all_known else run.perhaps():
            return block(run, node.body)


def _try(run: Run, node: ast.Try) -> bool:
    with run.perhaps():
        left = block(run, node.body)
        for handler in node.handlers:
            if handler.name is not None:
                run.names[handler.name] = UNKNOWN
            left = block(run, handler.body) or left
        left = block(run, node.orelse) or left
    return block(run, node.finalbody) or left


def _return(run: Run, node: ast.Return) -> bool:
    value = evaluate(run, node.value) if node.value is not None else None
    run.names[_RETURNED] = value if run.certain else UNKNOWN
    return True


def _import(run: Run, node: ast.Import | ast.ImportFrom) -> None:
    run.names.update(imports(node))


def _function(run: Run, node: ast.FunctionDef) -> None:
    if node.decorator_list:  # what a decorator returns, and does, is known only at runtime
        run.doubt("a decorated function", node.lineno)
    run.names[node.name] = UNKNOWN if node.decorator_list else Local(node, run.names)


def _class(run: Run, node: ast.ClassDef) -> None:
    run.names[node.name] = table_of_class(run, node)


def _other(run: Run, node: ast.stmt) -> bool:
    run.doubt("a statement that is not followed", node.lineno)
    run.names.update(dict.fromkeys(names_bound(node), UNKNOWN))
    return True


_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
# Each returns whether it may leave the block.
_STATEMENTS: dict[type[ast.stmt], Callable[[Run, Any], bool | None]] = {
    ast.Assert: _expression,
    ast.Expr: _expression,
    ast.Assign: _assignment,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _choice,
    ast.For: _loop,
    ast.While: _while,
    ast.With: _with,
    ast.Try: _try,
    ast.Return: _return,
    ast.Continue: lambda *_: True,
    ast.Break: lambda *_: True,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.FunctionDef: _function,
    ast.ClassDef: _class,
    # A migration that raises has not run, so what follows happens in every completed run.
    **dict.fromkeys((ast.Pass, ast.Raise, ast.Global, ast.Nonlocal), lambda *_: None),
}
