"""The value of an expression in a migration, and its effects on the schema."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from flask_chainfix.chain.source import names_bound
from flask_chainfix.schema.footprint import Action, Kind
from flask_chainfix.schema.python.calls import call, defines
from flask_chainfix.schema.python.interpreter import Run
from flask_chainfix.schema.python.values import (
    UNKNOWN,
    Arguments,
    Clause,
    Foreign,
    Handle,
    Imported,
    Local,
    Method,
    Operations,
    Partial,
    elements,
    held_by,
    is_constant,
    uses,
)

_IN_PLACE = frozenset({"clear", "pop", "popitem", "setdefault", "update"})
_LOOKING = frozenset({"copy", "count", "index"})
_OTHER_HANDLES = frozenset({"bind", "connection", "engine", "session"})


def evaluate(run: Run, node: ast.expr) -> object:
    """The value of an expression; calls in it are followed.

    Raises:
        TooMuch: the steps for the file have been spent.
    """
    value = _EVALUATORS.get(type(node), _combined)(run, node)
    run.budget.look_into((value,))
    return value


def _attribute(run: Run, node: ast.Attribute) -> object:
    owner, name = evaluate(run, node.value), node.attr
    if isinstance(owner, Imported):
        return _imported(f"{owner.name}.{name}")
    if isinstance(owner, Handle) and name in _OTHER_HANDLES:
        return owner
    if isinstance(owner, Clause) and name == "query":
        run.doubt("a query of a model", node.lineno, Action.USE)
    return _column(owner, name) or Method(owner, name)


def _column(owner: object, name: str) -> Clause | None:
    """The column of a table, if ``owner`` is its ``c``."""
    if not isinstance(owner, Method) or owner.name not in ("c", "columns"):
        return None
    table = owner.owner
    if not isinstance(table, Clause) or not table.is_table:
        return None
    return Clause((table.uses[0].part(Kind.COLUMN, name),))


@lru_cache(maxsize=4096)
def _imported(name: str) -> object:
    """The value of an import, by its dotted name."""
    if name == "alembic.op":
        return Operations()
    return Handle() if name.endswith(".session") else Imported(name)


def imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, object]]:
    """The names that an import binds, with what they hold."""
    for alias in statement.names:
        name = alias.name
        if isinstance(statement, ast.ImportFrom):
            name = f"{'.' * statement.level}{statement.module or ''}.{name}"
        elif alias.asname is None:
            name = name.partition(".")[0]
        yield alias.asname or name.rpartition(".")[2], _imported(name)


def table_of_class(run: Run, node: ast.ClassDef) -> object:
    """The table of a mapped class, which SQL made of the class uses; for others, just a class."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and "__tablename__" in names_bound(statement):
            name = evaluate(run, statement.value)
            return Clause((run.table(name),) if isinstance(name, str) else ())
    return Foreign(node.name)


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
        return _call_of_constant(owner, function.name, arguments)
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
    """What an element adds to a list or to arguments; ``None`` if unknown."""
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
        given = held_by(right) if type(right) is tuple or isinstance(right, dict) else (right,)
        return Partial.joined((left, UNKNOWN, *given))
    if isinstance(node.op, ast.Add) and isinstance(left, (str, Partial)):
        return Partial.joined((left, right))
    if isinstance(node.op, ast.Add) and type(left) is tuple and type(right) is tuple:
        run.budget.copy(left, right)
        return left + right
    return _clause_of(run, (left, right))


def _call_of_constant(owner: str | dict[object, object], name: str, arguments: Arguments) -> object:
    """The result of a method that does not change its string or dictionary."""
    if isinstance(owner, dict):
        views = {"items": owner.items, "keys": owner.keys, "values": owner.values}
        return tuple(views[name]()) if name in views and not arguments.values else UNKNOWN
    return Partial.joined((owner, UNKNOWN, *arguments.values)) if name == "format" else UNKNOWN


def _subscript(run: Run, node: ast.Subscript) -> object:
    owner, key = evaluate(run, node.value), evaluate(run, node.slice)
    if isinstance(key, str) and (column := _column(owner, key)) is not None:
        return column
    if type(owner) is tuple and isinstance(key, int):
        return owner[key] if -len(owner) <= key < len(owner) else UNKNOWN
    if isinstance(owner, dict) and is_constant(key):
        return owner.get(key, UNKNOWN)
    return Method(owner, "[]") if isinstance(owner, Imported) else _clause_of(run, (owner, key))


def _comprehension(
    run: Run, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
) -> object:
    """A comprehension: its value is unknown, and what is done in it may or may not happen."""
    first, *others = node.generators
    evaluate(run, first.iter)
    with run.perhaps():
        for target in run.walk(loop.target for loop in node.generators):
            if isinstance(target, ast.Name):
                run.names[target.id] = UNKNOWN
        parts = [loop.iter for loop in others]
        parts += [test for loop in node.generators for test in loop.ifs]
        parts += (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        for part in parts:
            evaluate(run, part)
    return UNKNOWN


def assign(run: Run, target: ast.expr, value: object) -> None:
    """Bind the names of an assignment's target to the value."""
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
    # The contents of a list or dictionary that is changed in place are unknown.
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
    """Any other expression: it uses all that its parts use."""
    parts = ast.iter_child_nodes(node)
    return _clause_of(run, [evaluate(run, part) for part in parts if isinstance(part, ast.expr)])


def _clause_of(run: Run, values: Sequence[object]) -> object:
    used = uses(values)
    return Clause(used) if used else UNKNOWN


_EVALUATORS: dict[type[ast.AST], Callable[[Run, Any], object]] = {
    ast.Constant: lambda _, node: node.value,
    ast.Name: lambda run, node: run.lookup(node.id),
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
    ast.Lambda: lambda run, node: Local(node, run.names),
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.NamedExpr: _named,
    ast.IfExp: _choice,
    ast.BoolOp: _short_circuit,
}
