"""One migration file: whether Alembic loads it, and its header, or why it is unreadable.

``scan`` reads the layout of Alembic's templates. For all others ``judge`` uses the syntax tree;
``bindings`` follows its statements as the interpreter would run them.
"""

from __future__ import annotations

import ast
import re
import reprlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from flask_chainfix.chain.source.bindings import HEADER_NAMES, Binding, follow
from flask_chainfix.chain.source.literals import CANNOT_COMPILE, Computed, Positions
from flask_chainfix.chain.source.prose import Docstring, parse_docstring
from flask_chainfix.chain.source.scan import scan
from flask_chainfix.model.files import COMPILED, Header, Problem, ProblemKind, Span, Unreadable

# Alembic's patterns for files to load, and for the id in the name of a file without `revision`.
_SOURCE = re.compile(r"(?!\.\#|__init__)(.*\.py)$")
_SOURCE_OR_COMPILED = re.compile(r"(?!\.\#|__init__)(.*\.py)(c|o)?$")
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")

_OPENING_QUOTES = re.compile(r"""[rRuU]?(?:\"{3}|'{3}|"|')""")
_CONFLICT = re.compile(rb"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_OF_COMPILED = Header(None, None, None, None, "", None, None, None, {})


def is_loaded(name: str, exists: Callable[[str], bool], *, sourceless: bool = False) -> bool:
    """Whether Alembic loads a file.

    Args:
        name: its name without directories.
        exists: tells whether a file with another name is beside it.
        sourceless: whether compiled files count if there is no source.
    """
    match = (_SOURCE_OR_COMPILED if sourceless else _SOURCE).match(name)
    if match is None or match.lastindex != 2:
        return match is not None
    return not (exists(match[1]) or (match[2] == "o" and exists(f"{match[1]}c")))


def read(data: bytes, filename: str, *, compiles: bool = False) -> Header | Unreadable:
    """Read the header of a migration file without running it.

    A compiled file is not read: all of its header is unknown.

    Args:
        data: the file's bytes.
        filename: its name without directories; Alembic takes the id of very old files from it.
        compiles: whether the bytes are known to compile (from the interpreter's bytecode cache),
            which saves compiling them.

    Returns:
        The header; or why Alembic cannot load the file. Errors that only running the file would
        show (a failing import, a ``NameError``) are not found.
    """
    if filename.endswith(COMPILED):
        return _OF_COMPILED
    header = scan(data)
    if header is not None and compiles:
        return header
    if (too_much := excess(data)) is not None:
        return too_much
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a migration's own SyntaxWarnings are not ours
            if header is not None:
                compile(data, filename, "exec", dont_inherit=True)
                return header
            judged = judge(data, filename)
            return judged if isinstance(judged, Unreadable) else judged.header
    except CANNOT_COMPILE as error:
        return _unreadable(data, error)


def _unreadable(data: bytes, error: BaseException) -> Unreadable:
    conflict = _CONFLICT.search(data)
    if conflict is not None:
        line = 1 + data.count(b"\n", 0, conflict.start())
        return Unreadable(
            "holds Git conflict markers", "resolve the conflict in the file, then try again", line
        )
    if data.startswith(_UTF16_MARKS):
        return Unreadable("is UTF-16, which Python cannot read", "save the file as UTF-8")
    if b"\x00" in data:
        line = 1 + data.count(b"\n", 0, data.index(b"\x00"))
        return Unreadable(
            "holds NUL bytes", "restore the file, for example from version control", line
        )
    if isinstance(error, SyntaxError):
        remedy = "correct the file, then try again"
        return Unreadable(f"is not valid Python: {error.msg}", remedy, error.lineno or None)
    return Unreadable(
        f"cannot be compiled: {type(error).__name__}",
        "simplify the file: Python itself cannot compile it",
    )


# --- From the syntax tree ------------------------------------------------------------------------


class JudgedHeader(NamedTuple):
    """A header with the syntax tree that it was read from."""

    header: Header
    tree: ast.Module
    positions: Positions
    bindings: dict[str, Binding]


def judge(data: bytes, filename: str) -> JudgedHeader | Unreadable:
    """Read a header from the syntax tree.

    Args:
        data: the file's bytes.
        filename: its name without directories.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError, OverflowError: it does not compile.
    """
    tree = ast.parse(data)
    # Some errors (such as a return outside a function) only appear after parsing.
    compile(tree, filename, "exec", dont_inherit=True)
    positions, bindings = Positions(data), follow(tree, data)
    legacy = _LEGACY_NAME.match(filename)
    for name in ("revision", "down_revision"):
        if name not in bindings and not (name == "revision" and legacy):
            stray = name == "revision" and "down_revision" not in bindings
            remedy = f"add the line {name} = …, or move the file elsewhere"
            return Unreadable(f"assigns no {name}", remedy, stray=stray)
    ids: dict[str, tuple[str, ...] | None] = {}
    problems: list[Problem] = []
    spans: dict[str, Span] = {}
    for name in HEADER_NAMES:
        binding = bindings.get(name)
        if binding is None:
            ids[name] = (legacy[1],) if legacy and name == "revision" else ()
            continue
        ids[name] = _ids(name, binding.value)
        if len(ids[name] or ()) > MOST_IDS:
            return _too_much(f"{MOST_IDS:,} ids in {name}")
        offset = positions.offset(binding.expression or binding.node)
        problems.extend(_problems(name, binding.value, offset))
        if binding.expression is not None:
            spans[name] = positions.span(binding.expression)
    docstring = _docstring(tree, positions, spans)
    revision = ids["revision"][0] if ids["revision"] else None
    header = Header(
        revision,
        ids["down_revision"],
        ids["branch_labels"],
        ids["depends_on"],
        *docstring,
        spans,
        tuple(sorted(problems, key=lambda problem: problem.offset)),
    )
    return JudgedHeader(header, tree, positions, bindings)


def _ids(name: str, value: object) -> tuple[str, ...] | None:
    """Alembic's reading of a header value, always as a tuple.

    ``None`` if the ids or labels are computed, and for parents that are not strings: such a
    migration has an unknown place.
    """
    if isinstance(value, Computed):
        return None
    value = _kept(name, value)
    if isinstance(value, str):
        return (value,)
    if name != "revision" and isinstance(value, tuple):
        ids = tuple(item for item in value if isinstance(item, str))
        return None if name == "down_revision" and len(ids) < len(value) else ids
    return None if name == "down_revision" and value is not None else ()


def _kept(name: str, value: object) -> object:
    """The value that Alembic keeps of a header variable."""
    if name not in ("down_revision", "depends_on"):
        return value
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    # Only here, Alembic takes an empty string and the like as "none".
    return value or None if name == "depends_on" else value


def _problems(name: str, value: object, offset: int) -> Iterator[Problem]:
    """The reasons why a header value cannot be read completely."""
    if isinstance(value, Computed):
        yield Problem(name, ProblemKind.COMPUTED, value.reason, offset)
        return
    value = _kept(name, value)
    items = value if isinstance(value, tuple) and name != "revision" else (value,)
    for item in items if value is not None or name == "revision" else ():
        if not isinstance(item, str):
            verb = "is" if item is value else "holds"
            detail = f"{verb} {reprlib.repr(item)}, which is not a string"
            yield Problem(name, ProblemKind.NOT_A_STRING, detail, offset)


def docstring_node(tree: ast.Module) -> ast.Constant | None:
    """The expression that becomes the module's docstring."""
    first = tree.body[0] if tree.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None


def _docstring(tree: ast.Module, positions: Positions, spans: dict[str, Span]) -> Docstring:
    """Read the docstring, and add the spans of its unescaped parts to ``spans``."""
    node = docstring_node(tree)
    if node is None:
        return Docstring()
    docstring, _ = parse_docstring(str(node.value))
    whole = positions.span(node)
    source = positions.decode(whole)
    # Without the quotes, so that text beside them is found like on any other line.
    quotes = _OPENING_QUOTES.match(source)
    opening = quotes[0] if quotes else ""
    raw = source[len(opening) : len(source) - len(opening.lstrip("rRuU"))]
    in_source, raw_spans = parse_docstring(raw)
    for name, (begin, end) in raw_spans.items():
        if getattr(in_source, name) == getattr(docstring, name):
            start = whole.start + len(positions.encode(opening + raw[:begin]))
            spans[name] = Span(start, start + len(positions.encode(raw[begin:end])))
    return docstring


# --- Files that are too large to be parsed, and larger than any real migration -------------------

MOST_IDS = 10_000  # the most values of one header variable
_MOST_TOKENS = 200_000  # words, signs and lines; Python takes up to a kilobyte for each
# Functions and comprehensions. CPython compares each with all others of its name
# (``merge_consts_recursive`` in ``compile.c``).
_MOST_SCOPES = 4_000
_MOST_LONG_NUMBERS = 10_000  # integers of many digits: their hashes may all be one
_MOST_PARTS = 100  # names that one import joins; CPython keeps each prefix of them in memory
_FEW_BYTES = 32 * 1024  # so few hold too few of either

_WORDS = (  # patterns for rare tokens are compiled only if needed
    rb"(?P<scope>\b(?:class|def|for|lambda|type)\b)|(?P<number>\b\d\w{15,})|\w+|[^\w \t\f]"
)

# Strings and comments count as one token each, whatever their contents.
_TOKENS = (
    rb'(?s)#[^\n]*|(?:"""(?:[^"\\]|\\.|"(?!""))*"""'
    rb"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    rb'|"(?:[^"\\\n]|\\.)*"'
    rb"|'(?:[^'\\\n]|\\.)*')|" + _WORDS
)


_IMPORT = rb"\b(?:import|from)\b(?:[\w. \t\f]|\\\r?\n)*"

# The first contain code. With the second, bytes may have another meaning.
_STRINGS_OF_CODE = rb"(?i)\b[rt]?[ft][rt]?['\"]"


_COOKIE = rb"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*coding[:=][ \t]*(?!utf-8|latin-1|ascii)"


def excess(data: bytes) -> Unreadable | None:
    """The reason why a file is too large to be parsed; ``None`` for all real migrations.

    Every file whose syntax tree would take too much time or memory is found. In a file with strings
    of code (``f"…"``), all strings are counted as code.
    """
    if len(data) <= _FEW_BYTES:
        return None
    found: Counter[str | None] = Counter()
    tokens = 0
    if re.match(_COOKIE, data):
        tokens = len(data)
    else:
        pattern = _WORDS if re.search(_STRINGS_OF_CODE, data) else _TOKENS
        for match in re.finditer(pattern, data):
            tokens += 1
            found[match.lastgroup] += 1
            if tokens > _MOST_TOKENS:
                break
    if tokens > _MOST_TOKENS:
        return _too_much(f"{_MOST_TOKENS:,} words and signs")
    if found["scope"] > _MOST_SCOPES:
        return _too_much(f"{_MOST_SCOPES:,} functions and loops")
    if found["number"] > _MOST_LONG_NUMBERS:
        return _too_much(f"{_MOST_LONG_NUMBERS:,} numbers of many digits")
    if any(match[0].count(b".") > _MOST_PARTS for match in re.finditer(_IMPORT, data)):
        return _too_much(f"{_MOST_PARTS} names in one import")
    return None


def _too_much(what: str) -> Unreadable:
    return Unreadable(
        f"has more than {what}, which is more than is read from one migration",
        "move what is not part of the migration, such as data, into a file of its own",
    )
