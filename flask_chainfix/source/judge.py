"""The certain way to read a header: from the syntax tree, as the interpreter would run it.

``module`` follows the file's statements; here it is decided what its names say as a header.
"""

from __future__ import annotations

import ast
import re
import reprlib
from collections.abc import Iterator
from typing import NamedTuple

from flask_chainfix.model.files import Header, Problem, ProblemKind, Span, Unreadable
from flask_chainfix.source.docstring import Docstring, parse_docstring
from flask_chainfix.source.limits import MOST_IDS, too_many_ids
from flask_chainfix.source.literals import Computed, Positions
from flask_chainfix.source.module import HEADER_NAMES, Binding, follow

# The rule by which Alembic itself takes the id of a file without `revision` from its name.
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")
_OPENING_QUOTES = re.compile(r"""[rRuU]?(?:\"{3}|'{3}|"|')""")


class Judged(NamedTuple):
    """A header together with what it was read from."""

    header: Header
    tree: ast.Module
    positions: Positions
    bindings: dict[str, Binding]


def judge(data: bytes, filename: str) -> Judged | Unreadable:
    """Read a header from the syntax tree.

    Args:
        data: the file's bytes.
        filename: its name without directories.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError, OverflowError: it does not compile.
    """
    tree = ast.parse(data)
    # Some errors (a return outside a function, say) only come up behind the parser.
    compile(tree, filename, "exec", dont_inherit=True)
    positions = Positions(data)
    bindings = follow(tree)
    legacy = _LEGACY_NAME.match(filename)
    for name in ("revision", "down_revision"):
        if name not in bindings and not (name == "revision" and legacy):
            return Unreadable(
                f"assigns no {name}",
                f"add the line {name} = …, or move the file elsewhere",
                stray=name == "revision" and "down_revision" not in bindings,
            )
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
            return too_many_ids(name)
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
    return Judged(header, tree, positions, bindings)


def _ids(name: str, value: object) -> tuple[str, ...] | None:
    """What Alembic makes of a header value: always a tuple.

    Returns:
        The ids or labels; ``None`` where they are computed, and for parents that are no strings:
        where such a migration stands is not known.
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
    """What Alembic keeps of a header value."""
    if name not in ("down_revision", "depends_on"):
        return value
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    # Here, and nowhere else, an empty string and the like are taken for "none".
    return value or None if name == "depends_on" else value


def _problems(name: str, value: object, offset: int) -> Iterator[Problem]:
    """What keeps a header value from being read in full."""
    if isinstance(value, Computed):
        yield Problem(name, ProblemKind.COMPUTED, value.reason, offset)
        return
    value = _kept(name, value)
    if name == "revision":
        items: tuple[object, ...] = (value,)
    elif value is None:
        items = ()
    else:
        items = value if isinstance(value, tuple) else (value,)
    for item in items:
        if not isinstance(item, str):
            shown = reprlib.repr(item)
            detail = f"is {shown}" if item is value else f"holds {shown}"
            yield Problem(
                name, ProblemKind.NOT_A_STRING, f"{detail}, which is not a string", offset
            )


def docstring_node(tree: ast.Module) -> ast.Constant | None:
    """The expression that becomes the module's docstring."""
    first = tree.body[0] if tree.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None


def _docstring(tree: ast.Module, positions: Positions, spans: dict[str, Span]) -> Docstring:
    """Read the docstring, and add to ``spans`` those of its parts that stand there unescaped."""
    node = docstring_node(tree)
    if node is None:
        return Docstring()
    docstring, _ = parse_docstring(str(node.value))
    whole = positions.span(node)
    source = positions.decode(whole)
    # Without the quotes, so that what stands beside them is found like on any other line.
    quotes = _OPENING_QUOTES.match(source)
    opening = quotes[0] if quotes else ""
    closing = opening.lstrip("rRuU")
    raw = source[len(opening) : len(source) - len(closing)]
    in_source, raw_spans = parse_docstring(raw)
    for name, (begin, end) in raw_spans.items():
        if getattr(in_source, name) == getattr(docstring, name):
            start = whole.start + len(positions.encode(opening + raw[:begin]))
            spans[name] = Span(start, start + len(positions.encode(raw[begin:end])))
    return docstring
