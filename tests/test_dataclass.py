"""``dataclass`` makes a class with its first instance, and the class is the standard library's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, field, fields, is_dataclass, replace
from dataclasses import dataclass as standard
from threading import Barrier, Event
from time import sleep

import pytest

from flask_chainfix.common.dataclass import dataclass


def test_a_class_and_its_base_are_made_with_the_first_instance() -> None:
    @dataclass(frozen=True)
    class Base:
        first: int = 1

    @dataclass(frozen=True, kw_only=True)
    class Derived(Base):
        second: list[int] = field(default_factory=list)

    assert "__eq__" not in vars(Base)
    assert replace(Derived(2), second=[3]) == Derived(2, second=[3]) != Derived(2)
    assert (Derived().second, Base()) == ([], Base(1))
    with pytest.raises(FrozenInstanceError):
        Base().first = 2  # type: ignore[misc]


def test_the_fields_are_known_before() -> None:
    @dataclass(frozen=True)
    class Point:
        x: int
        y: int = 0

    assert is_dataclass(Point)
    assert [each.name for each in fields(Point)] == ["x", "y"]
    assert Point(1) == Point(1, 0)


def test_a_class_that_is_ordered() -> None:
    @dataclass(frozen=True, order=True)
    class Rank:
        number: int

    assert sorted([Rank(2), Rank(1)]) == [Rank(1), Rank(2)]


def test_several_threads_make_it_once() -> None:
    @dataclass(frozen=True)
    class Point:
        x: int

    barrier = Barrier(8)

    def make(x: int) -> Point:
        barrier.wait()
        return Point(x)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(8))) == [Point(x) for x in range(8)]


class Slow:
    """A default that takes its time."""

    def __init__(self) -> None:
        self.asked = Event()

    def __get__(self, instance: object, owner: type) -> int:
        self.asked.set()
        sleep(0.05)
        return 1


def test_nobody_gets_a_class_that_is_being_made() -> None:
    slow = Slow()

    @dataclass(frozen=True)
    class Point:
        x: int
        y: int = slow  # type: ignore[assignment]

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Point, 1)
        slow.asked.wait()
        points = [Point(x) for x in range(20)]
        assert first.result() == points[1]
    with pytest.raises(FrozenInstanceError):
        points[0].z = 1  # type: ignore[attr-defined]


def test_instances_look_and_compare_as_those_of_the_standard_library() -> None:
    @dataclass(frozen=True)
    class Point:
        x: int
        y: int = 0
        hidden: int = field(default=0, repr=False, compare=False)

    @dataclass(frozen=True)
    class Other(Point):
        pass

    @standard(frozen=True)
    class Twin:
        x: int
        y: int = 0
        hidden: int = field(default=0, repr=False, compare=False)

    Twin.__qualname__ = Point.__qualname__
    assert repr(Point(1)) == repr(Twin(1))
    assert Point(1, 2, 3) == Point(1, 2)
    assert hash(Point(1, 2, 3)) == hash(Twin(1, 2))
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
