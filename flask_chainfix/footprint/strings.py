"""What the methods and operators of strings give in a migration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask_chainfix.footprint.run import Run
from flask_chainfix.footprint.values import UNKNOWN, Arguments, Partial, is_constant

# What plain insertion is made of; of any other, only the beginning is known.
_FIELDS = re.compile(r"\{\{|\}\}|\{\w*\}|[^{}]+")
_MARKERS = re.compile(r"%[%sdr]|[^%]+")
_STRING_METHODS = frozenset(
    {"capitalize", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rstrip", "strip"}
    | {"title", "upper", "join", "format", "split"}
)
_MANY_DIGITS = 9


def call_of_constant(
    run: Run, owner: str | dict[object, object], name: str, arguments: Arguments
) -> object:
    """What a method of a string or a dictionary gives that changes neither.

    Raises:
        TooMuch: the steps for the file have been spent.
    """
    values = [*arguments.positional, *arguments.named.values()]
    run.budget.look_into(values)
    if isinstance(owner, dict):
        run.budget.copy(owner)
        views = {"items": owner.items, "keys": owner.keys, "values": owner.values}
        return tuple(views[name]()) if name in views and not values else UNKNOWN
    if name not in _STRING_METHODS:
        return UNKNOWN
    if name == "format":
        return _filled_in(run, owner, arguments)
    if not all(map(is_constant, values)):
        return UNKNOWN
    run.budget.copy(owner, *_growth(owner, name, values))
    try:
        result = getattr(owner, name)(*arguments.positional, **arguments.named)
    except Exception:  # wrong arguments, which the migration will notice itself
        return UNKNOWN
    return tuple(result) if isinstance(result, list) else result


def _growth(owner: str, name: str, values: list[object]) -> Iterator[str | range]:
    """What a method of a string adds to it, as things of that length."""
    if name == "join" and values and isinstance(values[0], (str, tuple)):
        yield range(len(owner) * len(values[0]))
        yield from (part for part in values[0] if isinstance(part, str))
    elif name == "replace" and len(values) > 1:
        old, new = values[:2]
        if isinstance(old, str) and isinstance(new, str):
            yield range(owner.count(old) * len(new))
    elif name == "split":
        yield range(16 * len(owner))  # each part is a value of its own


def _pieces(pattern: re.Pattern[str], text: str) -> list[str] | None:
    """The pieces of a text; ``None`` where something stands between them."""
    found: list[str] = pattern.findall(text)
    return found if sum(map(len, found)) == len(text) else None


def _filled_in(run: Run, pattern: str, arguments: Arguments) -> object:
    """What ``str.format`` gives, as far as that is known."""
    fields = _pieces(_FIELDS, pattern)
    if fields is None:
        return Partial(pattern.partition("{")[0])
    given = iter(arguments.positional)

    def filled(field: str) -> object:
        if field in ("{{", "}}"):
            return field[0]
        if not field.startswith("{"):
            return field
        name = field[1:-1]
        if name.isdecimal() and len(name) < _MANY_DIGITS:
            return arguments.get(int(name))
        return arguments.named.get(name) if name else next(given, None)

    parts = [*map(filled, fields)]
    run.budget.look_into(parts)
    if all(map(is_constant, arguments.values)):
        try:
            return pattern.format(*arguments.positional, **arguments.named)
        except Exception:  # wrong arguments, which the migration will notice itself
            return UNKNOWN
    return Partial.joined(parts)


def inserted(run: Run, pattern: str, values: object) -> object:
    """What ``%`` gives, as far as that is known.

    Raises:
        TooMuch: the steps for the file have been spent.
    """
    pieces = _pieces(_MARKERS, pattern)
    if pieces is None:
        return Partial(pattern.partition("%")[0])
    run.budget.look_into((pattern, values))
    if is_constant(values):
        try:
            return pattern % values
        except (TypeError, ValueError):
            return UNKNOWN
    given = iter(values if type(values) is tuple else (values,))

    def filled(part: str) -> object:
        if part == "%%" or not part.startswith("%"):
            return part[:1] if part == "%%" else part
        value = next(given, None)
        return value if part != "%r" else None

    return Partial.joined(map(filled, pieces))
