"""Follow the statements of a migration in the order in which they run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from flask_chainfix.chain.source import names_bound
from flask_chainfix.schema.python.expressions import assign, evaluate, imports, table_of_class
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.values import (
    SUPPRESS,
    UNKNOWN,
    Arguments,
    Handle,
    Local,
    Operations,
    elements,
    is_constant,
)

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
        suppressed = False
        for item in node.items:
            value = evaluate(run, item.context_expr)
            suppressed = suppressed or value == SUPPRESS
            if item.optional_vars is not None:
                known = isinstance(value, (Operations, Handle))
                assign(run, item.optional_vars, value if known else UNKNOWN)
        with run.perhaps() if suppressed else nullcontext():
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
