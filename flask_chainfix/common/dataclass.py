"""The standard library's ``dataclass``, deferred until a class has its first instance.

Compiling the methods of one takes as long as importing a small module. There are about a hundred
here, and most commands need a few of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from threading import RLock, active_count
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(**options: bool) -> Callable[[type[_C]], type[_C]]:
        """A decorator with the options of the standard library's; ``slots`` cannot be deferred."""

        def decorate(new: type[_C]) -> type[_C]:
            new.__dataclass_fields__ = _Unmade(new, options)
            new.__init__ = _make_first
            return new

        return decorate


_C = TypeVar("_C")
_making = RLock()

# The attributes that every class has.
_NOT_WRITTEN = frozenset({"__dict__", "__weakref__", "__init__", "__dataclass_fields__"})


class _Unmade:
    """A placeholder for the fields of a class until something, such as ``dataclasses``, needs them.

    One function for all classes replaces what the standard library compiles for each: ``repr``, and
    the comparison of frozen instances.
    """

    def __init__(self, new: Any, options: Mapping[str, bool]) -> None:
        self._new = new
        given = {"frozen": False, "eq": True, "order": False, **options}
        self._compares = given["frozen"] and given["eq"] and not given["order"]
        self._options = {**options, "repr": False, "eq": given["eq"] and not self._compares}
        if "__repr__" not in vars(new):
            new.__repr__ = _represented

    def __get__(self, instance: Any, owner: Any) -> Any:
        with _making:
            if vars(self._new)["__dataclass_fields__"] is self:
                self._make()
        return self._new.__dataclass_fields__

    def _make(self) -> None:
        """Complete the class; until it is complete, other threads find the placeholder and wait."""
        new, options = self._new, self._options
        if active_count() == 1:  # no other thread can see it; a copy would take half as long again
            del new.__init__
            dataclasses.dataclass(**options)(new)
            self._compare()
            return
        written = {name: value for name, value in vars(new).items() if name not in _NOT_WRITTEN}
        twin = type(new)(new.__name__, new.__bases__, written)
        dataclasses.dataclass(**{**options, "eq": False, "order": False})(twin)
        dataclasses.dataclass(**{**options, "init": False})(new)
        self._compare()
        new.__init__ = twin.__init__

    def _compare(self) -> None:
        """Compare instances by their fields, as the standard library does."""
        if self._compares:
            new = self._new
            values = _values([each.name for each in dataclasses.fields(new) if each.compare])
            new.__eq__ = lambda one, other: (
                values(one) == values(other) if other.__class__ is one.__class__ else NotImplemented
            )
            new.__hash__ = lambda one: hash(values(one))


def _make_first(self: Any, *args: Any, **kwargs: Any) -> None:
    with _making:
        dataclasses.fields(self)
    self.__init__(*args, **kwargs)


def _values(names: list[str]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda _: ()


def _represented(self: Any) -> str:
    """The expression that creates an instance, in the format of the standard library's."""
    shown = (each.name for each in dataclasses.fields(self) if each.repr)
    values = (f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({', '.join(values)})"
