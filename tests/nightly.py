"""What is tried of many cases for every change; ``.ci/nightly`` tries all of them.

``FIXCHAIN_TIMES`` sets how many times as many random examples are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

_T = TypeVar("_T")

TIMES = int(os.environ.get("FIXCHAIN_TIMES", "1"))


def examples(by_day: int) -> int:
    """How many random examples to try of a property."""
    return by_day * TIMES


def some_of(steps: Iterable[_T]) -> list[_T]:
    """Every third of many steps, with the first and the last; at night all of them."""
    every = list(steps)
    return every if TIMES > 1 else [*every[:-1:3], *every[-1:]]


def first_of_each(cases: Iterable[Any], kind: Callable[[Any], object]) -> list[Any]:
    """Leave all cases but the first of each kind to the night."""
    seen: set[object] = set()
    chosen = []
    for case in cases:
        values = getattr(case, "values", case)
        again = kind(values) in seen
        seen.add(kind(values))
        chosen.append(_later(case) if again else case)
    return chosen


def first_of(cases: Iterable[Any]) -> list[Any]:
    """Leave all cases but the first to the night."""
    return first_of_each(cases, lambda _: None)


def _later(case: Any) -> Any:
    if hasattr(case, "marks"):
        return pytest.param(*case.values, marks=(*case.marks, pytest.mark.nightly), id=case.id)
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.nightly)
