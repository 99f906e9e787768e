"""``dataclass`` of the standard library, put off until a class has its first instance.

To compile the methods of one takes as long as to import a small module. There are about a hundred
here, and most commands need a few of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(**options: bool) -> Callable[[type[_C]], type[_C]]:
        """A decorator with the options of the standard library's; ``slots`` cannot be put off."""

        def decorate(new: type[_C]) -> type[_C]:
            new.__dataclass_fields__ = _Unmade(new, dataclasses.dataclass(**options))
            new.__init__ = _make_first
            return new

        return decorate


_C = TypeVar("_C")
_making = RLock()


class _Unmade:
    """Stands for the fields of a class until somebody asks for them: ``dataclasses`` does."""

    def __init__(self, new: Any, make: Callable[[Any], Any]) -> None:
        self._new, self._make = new, make

    def __get__(self, instance: Any, owner: Any) -> Any:
        with _making:
            if vars(self._new)["__dataclass_fields__"] is self:
                del self._new.__init__
                self._make(self._new)
        return self._new.__dataclass_fields__


def _make_first(self: Any, *args: Any, **kwargs: Any) -> None:
    with _making:
        dataclasses.fields(self)
    self.__init__(*args, **kwargs)
