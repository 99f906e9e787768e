"""``source.rewrite``: it changes the parents and nothing else, or it refuses.

Every shape of ``shapes.SHAPES``, with plain and with awkward new parents, and random files.
"""

from __future__ import annotations

import ast
import py_compile
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotRewrite
from flask_chainfix.model.files import Header, Unreadable
from tests.nightly import TIMES, some_of
from tests.shapes import (
    MANY_EXAMPLES,
    PARENT,
    REBINDING_ENDINGS,
    SHAPES,
    Failed,
    Kind,
    Loaded,
    Shape,
    alembic_reading,
    damaged,
    every,
    files,
    migration,
    parsed,
)

Parents = tuple[str, ...]

PLAIN: dict[str, Parents] = {
    "none": (),
    "one": ("eeeeeeeeeeee",),
    "two": ("eeeeeeeeeeee", "dddddddddddd"),
}

AWKWARD: dict[str, Parents] = {
    "both quotes": ('it\'s "x"',),
    "triple quotes": ('a"""b', "a'''b"),
    "quote at the end": ('x"',),
    "single quote at the end": ("x'",),
    "backslash": ("a\\b",),
    "backslash at the end": ("a\\",),
    "looks like an escape": ("\\x41\\N{BULLET}",),
    "non-ASCII": ("été", "日本語 😀"),
    "newline": ("a\nb",),
    "carriage return": ("a\rb",),
    "line separators": ("a\x0bb\x0cc\x85d\u2028e",),
    "tab": ("a\tb",),
    "spaces around": (" a ",),
    "comma": ("a, b",),
    "hash": ("a#b",),
    "braces": ("{x}",),
    "percent": ("%s",),
    "regular expression": ("\\g<0>\\1$",),
    "named None": ("None",),
    "empty": ("",),
    "surrogate": ("a\udc80",),
    "NUL": ("a\0b",),
    "same twice": ("eeee", "eeee"),
    "decoy": ("Revises: x", "down_revision = 'y'"),
    "long": ("e" * 5000,),
}

MAY_REFUSE = {
    "chained-": "the value is another variable's as well",
    "constant-": "the value is not written where down_revision is",
    "doc_hard-": "the text of the Revises line is not written as it reads",
    "down-comparison_decoy": "the module itself uses down_revision",
    "end-comparison_lines": "the module itself uses down_revision",
    "end-list_comprehension": "the module itself uses down_revision",
    "down-tuple_comments": "the value holds comments, which would be lost",
    "down-implicit_concatenation_lines": "the value holds a comment, which would be lost",
    "crlf-tuple": "the value holds a comment, which would be lost",
    "cr-tuple": "the value holds a comment, which would be lost",
}
"""By the beginning of the name: certain shapes that ``rewrite`` need not change, and why."""


WRITTEN_DIFFERENTLY = [
    shape
    for shape in SHAPES
    if shape.kind is Kind.CERTAIN
    and shape.name.startswith(("down-", "unpacked-", "doc", "revises-", "encoded-", "cr"))
]
"""The shapes in which the text that a rewrite changes is out of the ordinary."""


# --- What a rewrite must do ----------------------------------------------------------------------


def rewritten(data: bytes, filename: str, parents: Parents) -> bytes | None:
    """The rewritten file; ``None`` if that was refused, with a reason and a remedy."""
    try:
        return source.rewrite(data, filename, parents)
    except CannotRewrite as error:
        refusal = error
    assert refusal.message
    assert refusal.remedy
    return None


def assert_rewritten(before: bytes, after: bytes, filename: str, parents: Parents) -> None:
    """``after`` is ``before`` with these parents, and nothing else is different."""
    old = source.read(before, filename)
    new = source.read(after, filename)
    assert isinstance(old, Header), "what cannot be read cannot be rewritten"
    assert old.down_revision is not None, "what is computed cannot be rewritten"
    assert isinstance(new, Header), new
    assert new.down_revision == parents
    if after != before:
        assert_docstring_agrees(new, parents)
    assert rest_of(new) == rest_of(old)
    assert outside_of(after, new) == outside_of(before, old)
    assert skeleton(after) == skeleton(before)
    assert_alembic_agrees(before, after, filename, parents)


def assert_docstring_agrees(header: Header, parents: Parents) -> None:
    """The ``Revises:`` line, where there is one, names these parents.

    A file that has these parents already stays as it is, even if its docstring is out of step.
    """
    if header.revises is not None:
        expected = {", ".join(parents).strip(" \t")} if parents else {"", "None"}
        assert header.revises in expected


def assert_alembic_agrees(before: bytes, after: bytes, filename: str, parents: Parents) -> None:
    """Alembic sees the new parents, and otherwise what it saw before."""
    old = alembic_reading(before, filename)
    new = alembic_reading(after, filename)
    if isinstance(old, Failed):
        return
    assert isinstance(new, Loaded), f"Alembic cannot load it any more: {new.error!r}"
    assert new.down_revision == parents
    assert (new.revision, new.branch_labels) == (old.revision, old.branch_labels)
    assert new.depends_on == old.depends_on or "depends_on" in old.unordered
    assert without_revises(new.longdoc) == without_revises(old.longdoc)


def without_revises(docstring: str) -> str:
    """The docstring without the text of its ``Revises:`` lines."""
    return re.sub(r"(Revises:)[^\n]*", r"\1", docstring).strip()


def rest_of(header: Header) -> object:
    """All of the header that a rewrite must not change."""
    return (
        header.revision,
        header.branch_labels,
        header.depends_on,
        without_revises(header.message),
        header.revision_id,
        header.create_date,
        [(name, kind) for name, kind, *_ in header.problems if name != "down_revision"],
    )


def outside_of(data: bytes, header: Header) -> bytes:
    """The bytes that a rewrite must not change; space after ``Revises:`` belongs to its text."""
    spans = [header.spans[name] for name in ("down_revision", "revises") if name in header.spans]
    for start, end in sorted(spans, reverse=True):
        data = data[:start] + data[end:]
    return re.sub(rb"(Revises:)[ \t]*", rb"\1", data)


def skeleton(data: bytes) -> str:
    """The syntax tree without the last value of down_revision and the text of ``Revises:``."""
    tree = parsed(data)
    match tree.body[0]:
        case ast.Expr(value=ast.Constant(value=str() as docstring) as constant):
            constant.value = without_revises(docstring)
    for statement in reversed(tree.body):
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        else:
            continue
        assert statement.value is not None
        value = statement.value
        for target in targets:
            value = _hidden(target, value)
        if value is not statement.value:
            statement.value = value
            break
    return ast.dump(tree)


def _hidden(target: ast.expr, value: ast.expr) -> ast.expr:
    """``value`` without what ``target`` gives to down_revision; the same object if nothing."""
    if isinstance(target, ast.Name) and target.id == "down_revision":
        return ast.Constant("hidden")
    if not (isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List))):
        return value
    if len(target.elts) != len(value.elts):
        return value
    elements = [_hidden(*pair) for pair in zip(target.elts, value.elts, strict=True)]
    if all(new is old for new, old in zip(elements, value.elts, strict=True)):
        return value
    return type(value)(elements, value.ctx)


def check(data: bytes, filename: str, parents: Parents) -> bool:
    """Rewrite, hold the result against everything above; ``False`` if it was refused."""
    after = rewritten(data, filename, parents)
    if after is None:
        return False
    assert_rewritten(data, after, filename, parents)
    assert source.rewrite(after, filename, parents) == after, "not idempotent"
    return True


# --- The table -----------------------------------------------------------------------------------


@every()
def test_only_the_parents_change(shape: Shape) -> None:
    for parents in some_of(PLAIN.values()):
        check(shape.data, shape.filename, parents)


def test_awkward_parents_are_written_or_refused() -> None:
    """Some of them for each shape, in turn: what is awkward about one is so in all."""
    step = 3 if TIMES > 1 else 9
    for number, shape in enumerate(WRITTEN_DIFFERENTLY):
        for parents in [*AWKWARD.values()][number % step :: step]:
            check(shape.data, shape.filename, parents)


@every(Kind.CERTAIN, Kind.ONLY_RUNNING)
def test_certain_can_be_rewritten(shape: Shape) -> None:
    for parents in some_of(PLAIN.values()):
        if not shape.name.startswith(tuple(MAY_REFUSE)):
            source.rewrite(shape.data, shape.filename, parents)


@every(Kind.CERTAIN, Kind.UNCERTAIN, Kind.ONLY_RUNNING)
def test_there_and_back(shape: Shape) -> None:
    header = source.read(shape.data, shape.filename)
    if isinstance(header, Unreadable) or header.down_revision is None:
        return
    for parents in PLAIN.values() if TIMES > 1 else [PLAIN["two"]]:
        there = rewritten(shape.data, shape.filename, parents)
        if there is not None:
            back = rewritten(there, shape.filename, header.down_revision)
            if back is None:
                plain = "".join(header.down_revision).isprintable()
                assert not plain or "\\" in header.down_revision[0], "only that is a reason"
                continue
            assert_rewritten(shape.data, back, shape.filename, header.down_revision)


@every(Kind.CERTAIN, Kind.UNCERTAIN, Kind.ONLY_RUNNING)
def test_what_is_there_already_stays_as_it_is_written(shape: Shape) -> None:
    header = source.read(shape.data, shape.filename)
    if not isinstance(header, Header) or header.down_revision is None:
        return
    if any(problem.name == "down_revision" for problem in header.problems):
        return
    after = rewritten(shape.data, shape.filename, header.down_revision)
    if after is None or after == shape.data:
        return
    assert header.revises not in (", ".join(header.down_revision), None), "nothing was to be done"
    changed = source.read(after, shape.filename)
    assert isinstance(changed, Header)
    assert value_of(after, changed) == value_of(shape.data, header)


def value_of(data: bytes, header: Header) -> bytes:
    """How down_revision is written."""
    start, end = header.spans["down_revision"]
    return data[start:end]


@every()
def test_computed_and_unreadable_are_refused(shape: Shape) -> None:
    reading = source.read(shape.data, shape.filename)
    if isinstance(reading, Unreadable) or reading.down_revision is None:
        assert rewritten(shape.data, shape.filename, ("eeeeeeeeeeee",)) is None


# --- How it is written ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "parents", "after"),
    [
        ('down_revision = "aaaa"', (), "down_revision = None"),
        ('down_revision = "aaaa"  # x', ("eeee",), 'down_revision = "eeee"  # x'),
        ("down_revision='aaaa'", ("eeee",), "down_revision='eeee'"),
        ("down_revision = None", ("eeee",), "down_revision = 'eeee'"),
        ('down_revision: str | None = "aaaa"', (), "down_revision: str | None = None"),
        ('down_revision = "aaaa"', ("e", "f"), 'down_revision = ("e", "f")'),
        ('down_revision = ("aaaa", "cccc")', ("eeee",), 'down_revision = "eeee"'),
        ('x = "é😀"; down_revision = "a"; y = 1', (), 'x = "é😀"; down_revision = None; y = 1'),
        ('x, down_revision = 1, "a"', ("e", "f"), 'x, down_revision = 1, ("e", "f")'),
        ('\x0cdown_revision = "a"', (), "\x0cdown_revision = None"),
        (
            'down_revision = (  # x\n    "a"\n)  # y',
            (),
            "down_revision = (  # x\n    None\n)  # y",
        ),
        (
            'down_revision = "c"; down_revision = "a"',
            (),
            'down_revision = "c"; down_revision = None',
        ),
    ],
)
def test_how_the_value_is_written(before: str, parents: Parents, after: str) -> None:
    """Up to the style of the quotes, which is the rewriter's choice."""
    result = source.rewrite(migration(down=before, doc="").encode(), "shape.py", parents).decode()

    assert result.replace("'", '"') == migration(down=after, doc="").replace("'", '"')


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ('(\n    "aaaa",  # main\n    "cccc",\n)', True),
        ('(\n    # both\n    "aaaa", "cccc"\n)', True),
        ('[  # "aaaa"\n    "cccc",\n]', True),
        ('("aa"  # long\n    "aa")', True),
        ('("aa#aa", "#",)', False),
        ("(\"aa#aa\", '#')  # main", False),
        ('(  # main\n    "aa#aa"  # here\n)', False),
    ],
)
def test_no_comment_is_lost(value: str, refused: bool, newline: str) -> None:
    before = migration(down=f"down_revision = {value}").replace("\n", newline).encode()
    if refused:
        with pytest.raises(CannotRewrite, match="holds a comment, which would be lost"):
            source.rewrite(before, "shape.py", ("eeee",))
    else:
        after = source.rewrite(before, "shape.py", ("eeee",))
        assert [after.count(word) for word in (b"# main", b"# here")] == [
            before.count(word) for word in (b"# main", b"# here")
        ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_newlines_and_encoding_stay(newline: str, encoding: str) -> None:
    def file(parent: str) -> bytes:
        text = migration(
            top="# coding: latin-1\n" if encoding == "latin-1" else "",
            doc=f'"""Añadir\n\nRevises: {parent}\n"""',
            down=f'x = "é"; down_revision = "{parent}"  # é',
        )
        return text.replace("\n", newline).encode(encoding)

    result = source.rewrite(file("aaaa"), "shape.py", ("eeee",))

    assert result.replace(b"'", b'"') == file("eeee").replace(b"'", b'"')


def test_the_docstring_follows() -> None:
    before = migration(doc=f'"""Añadir\n\nRevises: {PARENT}  \nCreate Date: x\n"""').encode()

    for parents, text in [((), ""), (("eeee",), "eeee"), (("eeee", "ffff"), "eeee, ffff")]:
        header = source.read(source.rewrite(before, "shape.py", parents), "shape.py")
        assert isinstance(header, Header)
        assert header.revises == text
        assert header.create_date == "x"


def test_bytecode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shape.py"
    path.write_text(migration())
    compiled = py_compile.compile(str(path), cfile=str(tmp_path / "shape.pyc"))
    assert compiled is not None

    with pytest.raises(CannotRewrite):
        source.rewrite(Path(compiled).read_bytes(), "shape.pyc", ("eeee",))


# --- Random files --------------------------------------------------------------------------------

_PARENTS = st.lists(st.text(min_size=1, max_size=9), max_size=3, unique=True).map(tuple)
_HEX_PARENTS = st.lists(st.text("0123456789abcdef", min_size=4), max_size=3, unique=True).map(tuple)


@MANY_EXAMPLES
@given(st.sampled_from([shape for shape in SHAPES if shape.kind is Kind.CERTAIN]), _PARENTS)
def test_any_parents(shape: Shape, parents: Parents) -> None:
    check(shape.data, shape.filename, parents)


@MANY_EXAMPLES
@given(files(endings=[""]), _HEX_PARENTS)
@example(
    b"revision = 'a'\ndown_revision = ['b']\nf = lambda: (down_revision := 'c')\n\ndef g(): f()\n",
    ("d",),
)
def test_any_combination_of_certain_parts_can_be_rewritten(data: bytes, parents: Parents) -> None:
    if isinstance(alembic_reading(data), Loaded):
        # A module that uses down_revision itself would not be the same afterwards.
        # Nor one that would lose a comment.
        refusable = reads_down_revision(data) or has_comment_in_value(data)
        assert check(data, "shape.py", parents) or refusable


def has_comment_in_value(data: bytes) -> bool:
    header = source.read(data, "shape.py")
    return isinstance(header, Header) and b"#" in value_of(data, header)


def reads_down_revision(data: bytes) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == "down_revision" and isinstance(node.ctx, ast.Load)
        for node in ast.walk(parsed(data))
    )


@MANY_EXAMPLES
@given(files(endings=REBINDING_ENDINGS), _HEX_PARENTS)
def test_no_rebinding_is_overlooked(data: bytes, parents: Parents) -> None:
    check(data, "shape.py", parents)


@MANY_EXAMPLES
@given(damaged(), _HEX_PARENTS)
def test_damage_is_refused_or_survived(file: tuple[bytes, str], parents: Parents) -> None:
    check(*file, parents)


@MANY_EXAMPLES
@given(st.binary(), _PARENTS)
def test_random_bytes_are_refused(data: bytes, parents: Parents) -> None:
    assert rewritten(data, "shape.py", parents) is None
