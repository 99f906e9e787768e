"""A little of what the nightly run tries for ten minutes, the same each time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fuzzing import PROPERTIES, run


@pytest.mark.parametrize("tested", PROPERTIES, ids=lambda tested: str(tested.__name__))
def test_whatever_is_read_comes_to_something(tested: Callable[..., None]) -> None:
    run(tested, 60, derandomize=True)
