"""What is tried of many cases for every change; ``.ci/nightly`` tries all of them.

``FIXCHAIN_TIMES`` sets how many times as many random examples are tried.
"""

from __future__ import annotations

import os
from binascii import crc32
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pytest

from tests.databases import KINDS

_T = TypeVar("_T")

TIMES = int(os.environ.get("FIXCHAIN_TIMES", "1"))


def examples(by_day: int) -> int:
    """How many random examples to try of a property."""
    return by_day * TIMES


def some_of(
    steps: Iterable[_T], kind: Callable[[_T], object] = lambda _: None, *, every: int = 6
) -> list[_T]:
    """Every sixth of many steps, and the first and last of each kind; at night all of them."""
    all_steps = list(steps)
    last = {kind(each): at for at, each in enumerate(all_steps)}
    first = {kind(each): at for at, each in reversed([*enumerate(all_steps)])}
    kept = {*first.values(), *last.values(), *range(0, len(all_steps), 1 if TIMES > 1 else every)}
    return [all_steps[at] for at in sorted(kept)]


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


def by_day_on(kind: str, *, of: Sequence[str] = KINDS) -> list[Any]:
    """Values for ``database_url`` or ``server_url``: this kind by day, the others at night.

    For tests of what does not depend on the server, and of what one of them shows best.
    """
    return first_of([kind, *(each for each in of if each != kind)])


def on_one_database(tests: Iterable[pytest.Item]) -> None:
    """Leave all kinds of databases but one to the night: by day each test runs on one of its own.

    Which it is depends on the name alone, so that all kinds take part. What is left to the night
    already is not chosen.
    """
    of_each: dict[str, list[pytest.Item]] = {}
    for test in tests:
        parts = test.nodeid.rstrip("]").replace("[", "-").split("-")
        if not set(KINDS).isdisjoint(parts) and test.get_closest_marker("nightly") is None:
            name = "-".join(each for each in parts if each not in KINDS)
            of_each.setdefault(name, []).append(test)
    for name, alike in of_each.items():
        chosen = alike[crc32(name.encode()) % len(alike)]
        for test in alike:
            if test is not chosen:
                test.add_marker(pytest.mark.nightly)


def _later(case: Any) -> Any:
    if hasattr(case, "marks"):
        return pytest.param(*case.values, marks=(*case.marks, pytest.mark.nightly), id=case.id)
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.nightly)
