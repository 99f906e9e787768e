"""What an expression of a migration is worth, and what working it out does to the schema."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from flask_chainfix.footprint.calls import call, defines
from flask_chainfix.footprint.run import Run
from flask_chainfix.footprint.strings import call_of_constant, inserted
from flask_chainfix.footprint.values import (
    UNKNOWN,
    Arguments,
    Clause,
    ColumnsOf,
    Handle,
    Imported,
    Local,
    Method,
    Operations,
    Partial,
    TableValue,
    elements,
    is_constant,
    uses,
)
from flask_chainfix.model.schema import Kind, SchemaObject

_IN_PLACE = frozenset({"clear", "pop", "popitem", "setdefault", "update"})
_LOOKING = frozenset({"copy", "count", "index"})
_OTHER_HANDLES = frozenset({"bind", "connection", "engine", "session"})


def evaluate(run: Run, node: ast.expr) -> object:
    """The value of an expression; calls in it are followed.

    Raises:
        TooMuch: the steps for the file have been spent.
    """
    run.budget.spend()
    return _EVALUATORS.get(type(node), _combined)(run, node)


def _constant(run: Run, node: ast.Constant) -> object:
    return node.value


def _name(run: Run, node: ast.Name) -> object:
    return run.lookup(node.id)


def _attribute(run: Run, node: ast.Attribute) -> object:
    return attribute(evaluate(run, node.value), node.attr)


def attribute(owner: object, name: str) -> object:
    """An attribute of a value."""
    if isinstance(owner, Imported):
        return imported(f"{owner.name}.{name}")
    if isinstance(owner, Handle) and name in _OTHER_HANDLES:
        return owner
    if isinstance(owner, ColumnsOf):
        return _column(owner.table, name)
    if isinstance(owner, TableValue):
        if name in ("c", "columns"):
            return ColumnsOf(owner.table)
        if name == "__table__":
            return TableValue(owner.table)
    return Method(owner, name)


@lru_cache(maxsize=4096)
def imported(name: str) -> object:
    """What an import gives, by its dotted name."""
    if name == "alembic.op":
        return Operations()
    return Handle() if name.endswith(".session") else Imported(name)


def _column(table: SchemaObject | None, name: str) -> object:
    if table is None:
        return UNKNOWN
    return Clause((SchemaObject(Kind.COLUMN, name, table.name, table.schema, table.database),))


def _call(run: Run, node: ast.Call) -> object:
    run.budget.call()
    function = evaluate(run, node.func)
    defining = run.defining
    run.defining = defining or defines(function)
    arguments = _arguments(run, node)
    arguments.dropped = run.statement is node
    run.defining = defining
    if isinstance(function, Method) and isinstance(node.func, ast.Attribute):
        if isinstance(function.owner, (str, dict)) and function.name not in _IN_PLACE:
            return call_of_constant(run, function.owner, function.name, arguments)
        if type(function.owner) is tuple or isinstance(function.owner, dict):
            changed = _changed_in_place(run, function.owner, function.name, arguments)
            if changed is not function.owner:
                run.outdate(function.owner)
                assign(run, node.func.value, changed)
            return UNKNOWN
        run.budget.look_into((function.owner,))
    run.budget.look_into(arguments.values)
    return call(run, function, arguments)


def _arguments(run: Run, node: ast.Call) -> Arguments:
    positional: list[object] = []
    named: dict[str, object] = {}
    complete = True
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            values = elements(evaluate(run, argument.value))
            run.budget.copy(values or ())
            complete = complete and values is not None
            positional.extend(values or ())
        else:
            positional.append(evaluate(run, argument))
    for keyword in node.keywords:
        value = evaluate(run, keyword.value)
        if keyword.arg is not None:
            named[keyword.arg] = value
        elif isinstance(value, dict):
            run.budget.look_into(value)
            named.update((str(key), held) for key, held in value.items())
        else:
            complete = False
    return Arguments(positional, named, node.lineno, complete)


def _changed_in_place(run: Run, owner: object, name: str, arguments: Arguments) -> object:
    """What a list holds once a method has been called; unknown for most methods."""
    if type(owner) is tuple and len(arguments.positional) == 1:
        (given,) = arguments.positional
        more = elements(given) if name == "extend" else (given,)
        if name in ("append", "extend") and more is not None:
            run.budget.copy(owner, more)
            return owner + more
    return owner if name in _LOOKING else UNKNOWN


def _tuple(run: Run, node: ast.Tuple | ast.List | ast.Set) -> object:
    values: list[object] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = elements(evaluate(run, element.value))
            if inner is None:
                return UNKNOWN
            run.budget.copy(inner)
            values.extend(inner)
        else:
            values.append(evaluate(run, element))
    return tuple(values)


def _dict(run: Run, node: ast.Dict) -> object:
    items: dict[object, object] = {}
    known = True
    for key, value in zip(node.keys, node.values, strict=True):
        held = evaluate(run, value)
        name = evaluate(run, key) if key is not None else UNKNOWN
        run.budget.look_into((name,))
        known = known and is_constant(name)
        if known:
            items[name] = held
    return items if known else UNKNOWN


def _joined(run: Run, node: ast.JoinedStr) -> object:
    return run.joined([evaluate(run, part) for part in node.values])


def _formatted(run: Run, node: ast.FormattedValue) -> object:
    value = evaluate(run, node.value)
    return value if node.conversion == -1 and node.format_spec is None else UNKNOWN


def _binary(run: Run, node: ast.BinOp) -> object:
    left, right = evaluate(run, node.left), evaluate(run, node.right)
    if isinstance(node.op, ast.Add):
        return _sum(run, left, right)
    if isinstance(node.op, ast.Mod) and isinstance(left, str):
        return inserted(run, left, right)
    return _clause_of(run, (left, right))


def _sum(run: Run, left: object, right: object) -> object:
    if isinstance(left, (str, Partial)):
        return run.joined((left, right))
    if type(left) is tuple and type(right) is tuple:
        run.budget.copy(left, right)
        return left + right
    return _clause_of(run, (left, right))


def _subscript(run: Run, node: ast.Subscript) -> object:
    owner, key = evaluate(run, node.value), evaluate(run, node.slice)
    run.budget.look_into((key,))
    if isinstance(owner, ColumnsOf) and isinstance(key, str):
        return _column(owner.table, key)
    if type(owner) is tuple and isinstance(key, int):
        return owner[key] if -len(owner) <= key < len(owner) else UNKNOWN
    if isinstance(owner, dict) and is_constant(key):
        return owner.get(key, UNKNOWN)
    return Method(owner, "[]") if isinstance(owner, Imported) else _clause_of(run, (owner, key))


def _lambda(run: Run, node: ast.Lambda) -> object:
    return Local(node, run.names)


def _comprehension(run: Run, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> object:
    loop = node.generators[0]
    items = elements(evaluate(run, loop.iter))
    plain = len(node.generators) == 1 and not loop.ifs
    run.budget.copy(run.names, items or ())
    before = dict(run.names)
    try:
        if items is not None and plain:
            values = []
            for item in items:
                run.budget.call()
                assign(run, loop.target, item)
                values.append(evaluate(run, node.elt))
            return tuple(values)
        with run.perhaps():
            for target in run.walk(loop.target for loop in node.generators):
                if isinstance(target, ast.Name):
                    run.names[target.id] = UNKNOWN
            evaluate(run, node.elt)
        return UNKNOWN
    finally:
        run.names = before


def assign(run: Run, target: ast.expr, value: object) -> None:
    """Give the names of an assignment's target what they hold from now on."""
    if isinstance(target, ast.Name):
        run.names[target.id] = value
    elif isinstance(target, (ast.Tuple, ast.List)):
        known = elements(value)
        run.budget.copy(known or ())
        parts = known if known is not None and len(known) == len(target.elts) else None
        for index, element in enumerate(target.elts):
            assign(run, element, UNKNOWN if parts is None else parts[index])
    elif isinstance(target, ast.Starred):
        assign(run, target.value, UNKNOWN)
    # A list or dictionary that is changed in place holds what nobody knows.
    elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        run.outdate(run.lookup(target.value.id))
        run.names[target.value.id] = UNKNOWN


def _named(run: Run, node: ast.NamedExpr) -> object:
    value = evaluate(run, node.value)
    assign(run, node.target, value)
    return value


def _choice(run: Run, node: ast.IfExp) -> object:
    test = evaluate(run, node.test)
    run.budget.look_into((test,))
    if is_constant(test):
        return evaluate(run, node.body if test else node.orelse)
    with run.perhaps():
        values = [evaluate(run, node.body), evaluate(run, node.orelse)]
    return _clause_of(run, values)


def _short_circuit(run: Run, node: ast.BoolOp) -> object:
    values = [evaluate(run, node.values[0])]
    with run.perhaps():
        values.extend(evaluate(run, value) for value in node.values[1:])
    return _clause_of(run, values)


def _combined(run: Run, node: ast.AST) -> object:
    """Any other expression: what it uses is all that its parts use."""
    parts = ast.iter_child_nodes(node)
    return _clause_of(run, [evaluate(run, part) for part in parts if isinstance(part, ast.expr)])


def _clause_of(run: Run, values: Sequence[object]) -> object:
    run.budget.look_into(values)
    used = uses(values)
    return Clause(used) if used else UNKNOWN


_EVALUATORS: dict[type[ast.AST], Callable[[Run, Any], object]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Tuple: _tuple,
    ast.List: _tuple,
    ast.Set: _tuple,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.BinOp: _binary,
    ast.Subscript: _subscript,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.NamedExpr: _named,
    ast.IfExp: _choice,
    ast.BoolOp: _short_circuit,
}
