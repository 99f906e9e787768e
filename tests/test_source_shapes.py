"""``source.read`` against Alembic: what it says of a file is what Alembic makes of that file.

Every shape of ``shapes.SHAPES``, random combinations of their parts, and random damage.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.chain import source
from flask_chainfix.model.files import Header, ProblemKind, Span, Unreadable
from tests.nightly import examples
from tests.shapes import (
    MANY_EXAMPLES,
    PARENT,
    REBINDING_ENDINGS,
    REVISES,
    REVISION,
    SHAPES,
    VARIABLES,
    Failed,
    Kind,
    Loaded,
    Shape,
    alembic_reading,
    compile_error,
    damaged,
    each_of,
    every,
    files,
    migration,
    parsed,
)

DOCSTRING_FIELDS = ("message", "revises", "revision_id", "create_date")


# --- What it means to agree ----------------------------------------------------------------------


def assert_agrees(reading: Header | Unreadable, loaded: Loaded | Failed) -> None:
    """Nothing in the reading is a guess: it is what Alembic has, or it says that it is unsure."""
    if isinstance(reading, Unreadable):
        return
    if isinstance(loaded, Failed):
        assert reading.problems, f"nothing wrong was seen, but Alembic fails: {loaded.error!r}"
        return
    for name in VARIABLES:
        assert_field_agrees(reading, loaded, name)


def assert_field_agrees(header: Header, loaded: Loaded, name: str) -> None:
    """One variable: the same strings, in the same order; a Problem for whatever is left out."""
    ours = getattr(header, name)
    theirs = getattr(loaded, name)
    values = theirs if isinstance(theirs, tuple) and name != "revision" else (theirs,)
    strings = [value for value in values if isinstance(value, str)]
    kinds = {problem.kind for problem in header.problems if problem.name == name}
    if ours is None:
        assert kinds, f"{name} is None without a Problem"
        assert len(strings) < len(values) or ProblemKind.COMPUTED in kinds
        return
    if name == "revision":
        assert ours == theirs
    elif name in loaded.unordered:
        assert Counter(ours) == Counter(strings)
    else:
        assert list(ours) == strings
    if len(strings) < len(values):
        assert ProblemKind.NOT_A_STRING in kinds, f"{name} is not only strings, and nothing says so"


def assert_certain(reading: Header | Unreadable) -> None:
    """The file was read in full."""
    assert isinstance(reading, Header), reading
    assert reading.problems == ()
    assert None not in [getattr(reading, name) for name in VARIABLES]


def assert_well_formed(reading: Header | Unreadable, data: bytes) -> None:
    """What holds for the reading of any file."""
    if isinstance(reading, Unreadable):
        assert reading.reason
        assert reading.remedy
        assert reading.line is None or 1 <= reading.line <= source.line_of(data, len(data))
        return
    for problem in reading.problems:
        assert problem.name in VARIABLES
        assert problem.detail
        assert 0 <= problem.offset <= len(data)
    offsets = [problem.offset for problem in reading.problems]
    assert offsets == sorted(offsets), "problems are in the order of the file"
    for name, (start, end) in reading.spans.items():
        assert name in Header._fields
        assert 0 <= start <= end <= len(data)


# --- The table -----------------------------------------------------------------------------------


def test_names_are_unique() -> None:
    assert [name for name, n in Counter(shape.name for shape in SHAPES).items() if n > 1] == []


@every(Kind.CERTAIN, Kind.UNCERTAIN, Kind.BROKEN, Kind.ONLY_RUNNING)
def test_table_is_true(shape: Shape) -> None:
    loaded = alembic_reading(shape.data, shape.filename)

    assert isinstance(loaded, Loaded) == (shape.kind in (Kind.CERTAIN, Kind.UNCERTAIN)), loaded


@every(Kind.CERTAIN, Kind.UNCERTAIN, Kind.BROKEN, Kind.DEPENDS)
def test_reads_what_alembic_sees(shape: Shape) -> None:
    reading = source.read(shape.data, shape.filename)

    assert_well_formed(reading, shape.data)
    assert_agrees(reading, alembic_reading(shape.data, shape.filename))


@each_of(shape for shape in SHAPES if compile_error(shape.data) is None)
def test_proof_that_it_compiles_changes_nothing(shape: Shape) -> None:
    reading = source.read(shape.data, shape.filename, compiles=True)

    assert reading == source.read(shape.data, shape.filename)


@every(Kind.CERTAIN)
def test_certain_is_read_in_full(shape: Shape) -> None:
    assert_certain(source.read(shape.data, shape.filename))


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("frozenset(['a'])", "is computed (frozenset(['a']))"),
        ("(x for x in ['a'])", "is computed ((x for x in ['a']))"),
        ("['a']\ndown_revision.append('b')", "is a list or set that the module may change"),
        ("5", "is 5, which is not a string"),
        ("('a', 5)", "holds 5, which is not a string"),
    ],
)
def test_why_parents_are_not_known(value: str, detail: str) -> None:
    header = source.read(f"revision = 'b'\ndown_revision = {value}\n".encode(), "b.py")
    assert isinstance(header, Header)
    assert header.down_revision is None
    assert [problem.detail for problem in header.problems] == [detail]


@every(Kind.BROKEN)
def test_what_does_not_compile_is_unreadable(shape: Shape) -> None:
    if compile_error(shape.data) is not None:
        assert isinstance(source.read(shape.data, shape.filename), Unreadable)


@every(Kind.ONLY_RUNNING)
def test_what_fails_only_when_it_runs_is_read(shape: Shape) -> None:
    reading = source.read(shape.data, shape.filename)

    assert_certain(reading)
    assert isinstance(reading, Header)
    assert (reading.revision, reading.down_revision) == (REVISION, (PARENT,))
    assert (reading.branch_labels, reading.depends_on) == ((), ())


@every()
def test_warnings_change_nothing(shape: Shape) -> None:
    """``python -W error`` turns an invalid escape into a SyntaxError, here as anywhere."""
    readings = []
    for action in ("ignore", "error"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            readings.append(source.read(shape.data, shape.filename))

    assert readings[0] == readings[1]


@pytest.mark.parametrize("filename", ["\udcff.py", "x\ny.py", "a" * 300 + ".py", "ñ 日.py"])
def test_file_name_does_not_matter(filename: str) -> None:
    data = migration().encode()

    assert source.read(data, filename) == source.read(data, "shape.py")


def test_never_runs_the_file() -> None:
    companion = sys.modules["chainfix_companion"]
    end = "import chainfix_companion\nchainfix_companion.was_run = True"
    data = migration(end=end, down="down_revision = __import__('chainfix_companion').REV").encode()

    source.read(data, "shape.py")

    assert not hasattr(companion, "was_run")


# --- Spans ---------------------------------------------------------------------------------------


def text_of(data: bytes, span: Span) -> str:
    """The text at this place, with its newlines as Python sees them."""
    unix = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(unix).readline)
    text = data[span.start : span.end].decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


@every()
def test_spans_of_variables_are_expressions(shape: Shape) -> None:
    reading = source.read(shape.data, shape.filename)
    if isinstance(reading, Unreadable) or shape.name.startswith("depends-"):
        return
    for name in set(VARIABLES) & set(reading.spans):
        text = text_of(shape.data, reading.spans[name])
        assert text == text.strip()
        ast.parse(f"[{text}\n]", mode="eval")


@every(Kind.CERTAIN)
def test_spans_of_variables_hold_the_values(shape: Shape) -> None:
    header = source.read(shape.data, shape.filename)
    assert isinstance(header, Header)
    for name in VARIABLES:
        value = getattr(header, name)
        if name not in header.spans:
            legacy = name == "revision" and shape.name.startswith("name-legacy")
            assert legacy or (name in ("branch_labels", "depends_on") and value == ())
        elif shape.literal:
            # The brackets that let a value go over several lines are not a part of it.
            literal = ast.literal_eval(f"({text_of(shape.data, header.spans[name])})")
            ids = (literal,) if isinstance(literal, str) else literal or ()
            if name == "depends_on" and ids == ("",):  # Alembic's "none"
                ids = ()
            expected = (value,) if name == "revision" else value
            assert sorted(ids) == sorted(expected)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('down_revision = ("aaaa")', '"aaaa"'),
        ('down_revision = (  # x (\n    "aaaa" # )\n)  # )', '"aaaa"'),
        ('down_revision = (("aaaa",),)[0]', '(("aaaa",),)[0]'),
        ("down_revision = ( ( None ) )", "None"),
        ('down_revision = "aaaa", "cccc" # x', '"aaaa", "cccc"'),
        ('down_revision = "aaaa", # x', '"aaaa",'),
        ('down_revision = ("aa" # x\n  "aa")', '"aa" # x\n  "aa"'),
        ('down_revision: str = \\\n "aaaa" ; x = 1', '"aaaa"'),
        ('x = "é😀" ; down_revision = ["aaaa", ] ; y = 1', '["aaaa", ]'),
        ('x, down_revision = 1, ("aaaa")', '"aaaa"'),
        ('(x, down_revision) = (1, "aaaa")', '"aaaa"'),
        ('\x0cdown_revision = ("aaaa")', '"aaaa"'),
    ],
)
def test_span_is_the_whole_expression_and_no_brackets_around_it(line: str, value: str) -> None:
    data = migration(down=line).encode()

    reading = source.read(data, "shape.py")

    assert isinstance(reading, Header)
    assert text_of(data, reading.spans["down_revision"]) == value


# --- The docstring -------------------------------------------------------------------------------


@every(Kind.CERTAIN)
def test_message_is_the_first_paragraph(shape: Shape) -> None:
    header = source.read(shape.data, shape.filename)
    assert isinstance(header, Header)
    docstring = ast.get_docstring(parsed(shape.data), clean=False) or ""

    assert header.message == docstring.strip().split("\n\n")[0].rstrip()


@every(Kind.CERTAIN)
def test_docstring_lines(shape: Shape) -> None:
    header = source.read(shape.data, shape.filename)
    assert isinstance(header, Header)
    docstring = ast.get_docstring(parsed(shape.data), clean=False) or ""

    for name, label in [
        ("revises", "Revises"),
        ("revision_id", "Revision ID"),
        ("create_date", "Create Date"),
    ]:
        lines = re.findall(rf"^[ \t]*{label}:(.*)$", docstring, re.MULTILINE)
        value = getattr(header, name)
        assert value in [line.strip() for line in lines] if lines else value is None


@pytest.mark.parametrize("name", REVISES)
def test_revises_line(name: str) -> None:
    (shape,) = (shape for shape in SHAPES if shape.name == name)

    header = source.read(shape.data, shape.filename)

    assert isinstance(header, Header)
    assert header.revises == REVISES[name]


@every(Kind.CERTAIN)
def test_docstring_spans_give_the_text(shape: Shape) -> None:
    header = source.read(shape.data, shape.filename)
    assert isinstance(header, Header)
    for name in DOCSTRING_FIELDS:
        value = getattr(header, name)
        if name in header.spans:
            text = text_of(shape.data, header.spans[name])
            assert text == value or "\\" in text or shape.name.startswith("doc_hard-")
        elif b"\\" not in shape.data and not shape.name.startswith("doc_hard-"):
            # The interpreter turns CR LF into LF, so a message of several lines may stand nowhere.
            assert not value or "\n" in value, f"the file holds {name} and there is no span of it"


# --- Lines ---------------------------------------------------------------------------------------

_LINE_PIECES = ["a", "é", "😀", " ", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\n", "\r", "\r\n"]


@given(st.lists(st.sampled_from(_LINE_PIECES)).map("".join))
def test_line_of_counts_as_python_does(text: str) -> None:
    comments = re.sub("(\r\n|\r|\n)", r"\1#", f"#{text}")
    data = f"{comments}\nmark = 1".encode()
    (statement,) = ast.parse(data).body

    assert source.line_of(data, data.index(b"mark")) == statement.lineno


def test_line_of_at_the_edges() -> None:
    assert source.line_of(b"", 0) == 1
    assert source.line_of(b"a\r\nb", 1) == 1
    assert source.line_of(b"a\r\nb", 2) == 1
    assert source.line_of(b"a\r\nb", 3) == 2
    assert source.line_of(b"a\n", 2) == 2
    assert source.line_of(b"a\r", 2) == 2


@every(Kind.CERTAIN)
def test_line_of_a_span(shape: Shape) -> None:
    reading = source.read(shape.data, shape.filename)
    assert isinstance(reading, Header)
    statements = ast.walk(parsed(shape.data))
    lines = {node.lineno for node in statements if isinstance(node, (ast.expr, ast.stmt))}
    start = reading.spans["down_revision"].start
    if not shape.data[start:].startswith(b"("):
        assert source.line_of(shape.data, start) in lines


# --- Random files ---------------------------------------------------------------------------------


@MANY_EXAMPLES
@given(files(endings=[""]))
def test_any_combination_of_certain_parts_is_read_in_full(data: bytes) -> None:
    loaded = alembic_reading(data)
    reading = source.read(data, "shape.py")

    assert_well_formed(reading, data)
    assert_agrees(reading, loaded)
    if isinstance(loaded, Loaded):
        # A list whose name comes up again may have been changed.
        assert isinstance(reading, Header)
        if not any("list or set" in problem.detail for problem in reading.problems):
            assert_certain(reading)
        assert source.read(data, "shape.py", compiles=True) == reading


@MANY_EXAMPLES
@given(files(endings=REBINDING_ENDINGS))
def test_no_rebinding_is_overlooked(data: bytes) -> None:
    reading = source.read(data, "shape.py")

    assert_well_formed(reading, data)
    assert_agrees(reading, alembic_reading(data))


@settings(MANY_EXAMPLES, max_examples=examples(125))
@given(damaged())
def test_damage_never_leads_to_a_guess(file: tuple[bytes, str]) -> None:
    data, filename = file
    reading = source.read(data, filename)

    assert_well_formed(reading, data)
    if compile_error(data) is not None:
        assert isinstance(reading, Unreadable)
        return
    loaded = alembic_reading(data, filename)
    if isinstance(loaded, Loaded):
        assert_agrees(reading, loaded)


@MANY_EXAMPLES
@given(st.binary(), st.booleans())
def test_random_bytes_never_raise(data: bytes, compiles: bool) -> None:
    assert_well_formed(source.read(data, "shape.py", compiles=compiles), data)


@MANY_EXAMPLES
@given(damaged())
def test_a_false_proof_never_raises(file: tuple[bytes, str]) -> None:
    """``compiles=True`` for what does not compile may mislead, but not crash."""
    data, filename = file
    assert_well_formed(source.read(data, filename, compiles=True), data)
