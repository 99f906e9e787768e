"""What an expression of a migration is worth, and what working it out does to the schema."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from flask_chainfix.schema.footprint import Action, Kind
from flask_chainfix.schema.python.calls import call, defines
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Clause,
    DataType,
    Handle,
    Imported,
    Local,
    Method,
    Operations,
    Partial,
    TableValue,
    elements,
    is_constant,
    is_plain,
    uses,
)

# Values that hold nothing worth a look.
_SMALL = frozenset({DataType, Handle, Imported, Operations, bool, int, type(None), type(UNKNOWN)})
_IN_PLACE = frozenset({"clear", "pop", "popitem", "setdefault", "update"})
_STRING_METHODS = frozenset({"join", "lower", "replace", "strip", "upper"})
# What is put into strings as it is.
_MARKER = re.compile(r"%[%sd]")
_FIELD = re.compile(r"\{\{|\}\}|\{\w*\}")
_LOOKING = frozenset({"copy", "count", "index"})
_OTHER_HANDLES = frozenset({"bind", "connection", "engine", "session"})


def evaluate(run: Run, node: ast.expr) -> object:
    """The value of an expression; calls in it are followed.

    Raises:
        TooMuch: the steps for the file have been spent.
    """
    value = _EVALUATORS.get(type(node), _combined)(run, node)
    if type(value) in _SMALL:
        run.budget.spend()
    else:
        run.budget.look_into((value,))
    return value


def _constant(run: Run, node: ast.Constant) -> object:
    return node.value


def _name(run: Run, node: ast.Name) -> object:
    return run.lookup(node.id)


def _attribute(run: Run, node: ast.Attribute) -> object:
    owner, name = evaluate(run, node.value), node.attr
    if isinstance(owner, Imported):
        return imported(f"{owner.name}.{name}")
    if isinstance(owner, Handle) and name in _OTHER_HANDLES:
        return owner
    if isinstance(owner, TableValue) and name == "columns":
        return Method(owner, "c")
    if isinstance(owner, Clause) and name == "query":
        run.doubt("a query of a model", node.lineno, Action.USE)
    return _column(owner, name) or Method(owner, name)


def _column(owner: object, name: str) -> Clause | None:
    """The column of a table, where ``owner`` is its ``c``."""
    if not isinstance(owner, Method) or owner.name != "c":
        return None
    table = owner.owner.table if isinstance(owner.owner, TableValue) else None
    return Clause((table.part(Kind.COLUMN, name),)) if table is not None else None


@lru_cache(maxsize=4096)
def imported(name: str) -> object:
    """What an import gives, by its dotted name."""
    if name == "alembic.op":
        return Operations()
    return Handle() if name.endswith(".session") else Imported(name)


def _call(run: Run, node: ast.Call) -> object:
    run.budget.call()
    function = evaluate(run, node.func)
    defining = run.defining
    run.defining = defining or defines(function)
    arguments = _arguments(run, node)
    run.defining = defining
    owner = function.owner if isinstance(function, Method) else None
    if not isinstance(function, Method) or not isinstance(owner, (str, tuple, dict)):
        return call(run, function, arguments)
    if isinstance(owner, str) or (isinstance(owner, dict) and function.name not in _IN_PLACE):
        return _call_of_constant(run, owner, function.name, arguments)
    if function.name not in _LOOKING:
        run.outdate(owner)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            run.names[node.func.value.id] = UNKNOWN
    return UNKNOWN


def _arguments(run: Run, node: ast.Call) -> Arguments:
    positional: list[object] = []
    named: dict[str, object] = {}
    complete = True
    for argument in node.args:
        values = _spread(run, argument)
        complete = complete and values is not None
        positional.extend(values or ())
    for keyword in node.keywords:
        value = evaluate(run, keyword.value)
        if keyword.arg is not None:
            named[keyword.arg] = value
        elif isinstance(value, dict):
            named.update((str(key), held) for key, held in value.items())
        else:
            complete = False
    return Arguments(positional, named, node.lineno, complete)


def _spread(run: Run, node: ast.expr) -> Sequence[object] | None:
    """What an element of a list, or an argument, adds to it; ``None`` where that is not known."""
    if not isinstance(node, ast.Starred):
        return (evaluate(run, node),)
    values = elements(evaluate(run, node.value))
    run.budget.copy(values or ())
    return values


def _tuple(run: Run, node: ast.Tuple | ast.List | ast.Set) -> object:
    values: list[object] = []
    for element in node.elts:
        inner = _spread(run, element)
        if inner is None:
            return UNKNOWN
        values.extend(inner)
    return tuple(values)


def _dict(run: Run, node: ast.Dict) -> object:
    items: dict[object, object] = {}
    known = True
    for key, value in zip(node.keys, node.values, strict=True):
        held = evaluate(run, value)
        name = evaluate(run, key) if key is not None else UNKNOWN
        known = known and is_constant(name)
        if known:
            items[name] = held
    return items if known else UNKNOWN


def _joined(run: Run, node: ast.JoinedStr) -> object:
    return Partial.joined([evaluate(run, part) for part in node.values])


def _formatted(run: Run, node: ast.FormattedValue) -> object:
    value = evaluate(run, node.value)
    return value if node.conversion == -1 and node.format_spec is None else UNKNOWN


def _binary(run: Run, node: ast.BinOp) -> object:
    left, right = evaluate(run, node.left), evaluate(run, node.right)
    if isinstance(node.op, ast.Mod) and isinstance(left, str):
        return _inserted(run, left, right)
    if isinstance(node.op, ast.Add) and isinstance(left, (str, Partial)):
        return Partial.joined((left, right))
    if isinstance(node.op, ast.Add) and type(left) is tuple and type(right) is tuple:
        run.budget.copy(left, right)
        return left + right
    return _clause_of(run, (left, right))


def _inserted(run: Run, pattern: str, values: object) -> object:
    """What ``%`` gives."""
    given = values if type(values) is tuple else (values,)
    run.budget.look_into(given)
    if "%" in _MARKER.sub("", pattern):
        return UNKNOWN
    if not all(map(is_plain, given)):
        return Partial.joined((pattern, UNKNOWN, *given))
    try:
        return pattern % given
    except Exception:  # which the migration will notice itself
        return UNKNOWN


def _formatted_by(run: Run, pattern: str, arguments: Arguments) -> object:
    """What ``str.format`` gives."""
    given = arguments.values
    run.budget.look_into(given)
    fields = _FIELD.sub("", pattern)
    if "{" in fields or "}" in fields:
        return UNKNOWN
    if not arguments.complete or not all(map(is_plain, given)):
        return Partial.joined((pattern, UNKNOWN, *given))
    run.budget.copy(range(pattern.count("{") * sum(len(str(value)) for value in given)))
    try:
        return pattern.format(*arguments.positional, **arguments.named)
    except Exception:  # which the migration will notice itself
        return UNKNOWN


def _call_of_constant(
    run: Run, owner: str | dict[object, object], name: str, arguments: Arguments
) -> object:
    """What a method of a string or a dictionary gives that changes neither."""
    values = arguments.values
    if isinstance(owner, dict):
        views = {"items": owner.items, "keys": owner.keys, "values": owner.values}
        return tuple(views[name]()) if name in views and not values else UNKNOWN
    if name == "format":
        return _formatted_by(run, owner, arguments)
    if name not in _STRING_METHODS or not all(map(is_constant, values)):
        return UNKNOWN
    added = sum(len(repr(value)) for value in values) * (1 + len(owner))
    run.budget.copy(owner, range(added))
    try:
        return getattr(owner, name)(*arguments.positional, **arguments.named)
    except Exception:  # wrong arguments, which the migration will notice itself
        return UNKNOWN


def _subscript(run: Run, node: ast.Subscript) -> object:
    owner, key = evaluate(run, node.value), evaluate(run, node.slice)
    if isinstance(key, str) and (column := _column(owner, key)) is not None:
        return column
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
