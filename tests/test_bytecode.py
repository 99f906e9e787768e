"""Compiled migrations: read like their source, and any damage to them survived."""

from __future__ import annotations

import dis
import json
import marshal
import string
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.model.files import Header, Unreadable
from flask_chainfix.source import marshalled
from flask_chainfix.source.bytecode import read_bytecode
from flask_chainfix.source.literals import Computed
from flask_chainfix.source.reader import read

SAMPLE = sorted((Path(__file__).parent.parent / "sample_app/migrations/versions").glob("*.py"))
PREFIX = MAGIC_NUMBER + bytes(12)
MODULE = marshal.dumps(compile("revision = 'a'\ndown_revision = None\n", "m.py", "exec"))

single = st.one_of(
    st.none(),
    st.booleans(),
    st.just(...),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.binary(),
    st.text(st.characters(), max_size=300),
)
constants = st.recursive(single, lambda parts: st.lists(parts, max_size=300).map(tuple))


def compiled(text: str) -> bytes:
    return PREFIX + marshal.dumps(compile(text, "m.py", "exec"))


# --- The format ----------------------------------------------------------------------------------


@given(constants)
def test_constants_are_read_as_python_reads_them(value: Any) -> None:
    read_again = marshalled.loads(marshal.dumps(value))
    assert read_again == value
    assert repr(read_again) == repr(value)  # 1 is not True, nor 0.0


@pytest.mark.parametrize("value", [2**31, -(2**100), frozenset({"a", 1})])
def test_what_no_header_holds_is_stepped_over(value: Any) -> None:
    found = marshalled.loads(marshal.dumps((value, "after")))
    assert isinstance(found, tuple)
    assert isinstance(found[0], Computed)
    assert found[1:] == ("after",)


@pytest.mark.parametrize("module", [json, string, pytest], ids=lambda module: module.__name__)
def test_code_is_read_as_python_reads_it(module: ModuleType) -> None:
    text = Path(str(module.__file__)).read_text()
    code = marshal.loads(marshal.dumps(compile(text, "m.py", "exec")))
    assert_same(marshalled.loads(marshal.dumps(code)), code)


def assert_same(found: object, code: CodeType) -> None:
    assert isinstance(found, marshalled.Code)
    assert (found.instructions, found.names) == (code.co_code, code.co_names)
    for one, other in zip(found.constants, code.co_consts, strict=True):
        if isinstance(other, CodeType):
            assert_same(one, other)
        elif not isinstance(one, Computed):
            assert one == other


# --- Headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.stem)
def test_bytecode_says_what_its_source_says(path: Path) -> None:
    source = read(path.read_bytes(), path.name)
    assert isinstance(source, Header)
    assert read_bytecode(compiled(path.read_text())) == source._replace(spans={})


@pytest.mark.parametrize(
    ("value", "parents"), [("5", None), ("('a', 5)", None), ("('a',)", ("a",)), ("None", ())]
)
def test_parents_in_bytecode(value: str, parents: tuple[str, ...] | None) -> None:
    reading = read_bytecode(compiled(f"revision = 'b'\ndown_revision = {value}\n"))
    assert isinstance(reading, Header)
    assert reading.down_revision == parents
    assert bool(reading.problems) == (parents is None)


def test_values_behind_many_others_and_in_loops() -> None:
    many = "".join(f"x{number} = 'value {number}'\n" for number in range(700))
    reading = read_bytecode(compiled(f"{many}revision = 'b'\ndown_revision = 'a'\n"))
    assert isinstance(reading, Header)
    assert (reading.revision, reading.down_revision) == ("b", ("a",))
    reading = read_bytecode(compiled(f"{many}for revision in 'xy': pass\ndown_revision = 'a'"))
    assert isinstance(reading, Header)
    assert reading.revision is None


# --- Damage --------------------------------------------------------------------------------------


def assert_damaged(reading: Header | Unreadable) -> None:
    assert isinstance(reading, Unreadable)
    assert reading.reason == "is damaged bytecode"


def test_names_that_are_not_there_are_damage() -> None:
    code = compile("revision = 'a'\ndown_revision = None\n", "m.py", "exec")
    assert_damaged(read_bytecode(PREFIX + marshal.dumps(code.replace(co_names=()))))


def test_what_is_cut_short_is_damaged() -> None:
    for size in range(len(MODULE)):
        assert_damaged(read_bytecode(PREFIX + MODULE[:size]))


@pytest.mark.parametrize(
    "data",
    [b")\x01" * 100_000, b"(" + b"\xff" * 4, b"s" + b"\xff" * 4, b"l\0\0\0\x80", b"r\0\0\0\0"],
)
def test_sizes_that_cannot_be_are_damage(data: bytes) -> None:
    assert_damaged(read_bytecode(PREFIX + data))


def test_an_argument_of_any_size_is_damage() -> None:
    code = compile("revision = 'a'\ndown_revision = None\n", "m.py", "exec")
    longer = bytes([dis.EXTENDED_ARG, 1]) * 4 + code.co_code
    assert_damaged(read_bytecode(PREFIX + marshal.dumps(code.replace(co_code=longer))))


def test_any_wrong_byte_is_survived() -> None:
    for place in range(len(MODULE)):
        for value in range(256):
            read_bytecode(PREFIX + MODULE[:place] + bytes([value]) + MODULE[place + 1 :])


@given(st.binary())
def test_anything_is_survived(data: bytes) -> None:
    read_bytecode(PREFIX + data)
    read_bytecode(PREFIX + b"\xe3" + data)


def test_a_value_that_would_fill_the_memory_is_named_shortly() -> None:
    depth = 60  # each time twice the one before
    nested = b"".join(b"\xa9\x02" for _ in range(depth)) + b"\xa9\x00"
    nested += b"".join(b"r" + bytes([number, 0, 0, 0]) for number in range(depth, 0, -1))
    code = compile("revision = 'a'\ndown_revision = None\n", "m.py", "exec")
    numbers = 5 if sys.version_info >= (3, 11) else 6
    parts = marshal.dumps(code.co_code, 2), b")\x02", marshal.dumps("a", 2), nested
    rest = marshal.dumps(code.co_names, 2), b"N" * 5, bytes(4), b"NN"
    reading = read_bytecode(PREFIX + b"c" + bytes(4 * numbers) + b"".join(parts + rest))
    assert isinstance(reading, Header)
    assert reading.down_revision is None
    assert len(reading.problems[0].detail) < 1000
