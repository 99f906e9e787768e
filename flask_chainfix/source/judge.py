"""The certain way to read a header: from the syntax tree, as the interpreter would run it.

A module is followed statement by statement, the way it runs at import: what is assigned
unconditionally at the top level from literals (and from names that hold literals) is known;
everything else is *computed*, with the reason. The last assignment wins.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from flask_chainfix.model import Header, Problem, ProblemKind, Span, Unreadable
from flask_chainfix.source.docstring import Docstring, parse_docstring
from flask_chainfix.source.literals import Computed, evaluate
from flask_chainfix.source.positions import Positions
from flask_chainfix.source.scopes import (
    functions_with_back_doors,
    names_bound,
    opens_back_door,
    uses_any,
)

HEADER_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")
# The rule by which Alembic itself takes the id of a file without `revision` from its name.
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")


class Binding(NamedTuple):
    """What a module-level name holds.

    Attributes:
        value: a literal value, or ``Computed``.
        node: where the name was bound.
        literal: the expression that can be replaced to change this name and no other;
            ``None`` where there is none.
    """

    value: object
    node: ast.stmt
    literal: ast.expr | None = None


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
    bindings = _follow(tree)
    legacy = _LEGACY_NAME.match(filename)
    for name in ("revision", "down_revision"):
        if name not in bindings and not (name == "revision" and legacy):
            return Unreadable(
                f"assigns no {name}", f"add the line {name} = …, or move the file elsewhere"
            )
    ids: dict[str, tuple[str, ...] | None] = {}
    problems: list[Problem] = []
    spans: dict[str, Span] = {}
    for name in HEADER_NAMES:
        binding = bindings.get(name)
        if binding is None:
            ids[name] = (legacy[1],) if legacy and name == "revision" else ()
            continue
        ids[name] = header_ids(name, binding.value)
        offset = positions.offset(binding.literal or binding.node)
        problems.extend(header_problems(name, binding.value, offset))
        if binding.literal is not None:
            spans[name] = positions.span(binding.literal)
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


def _follow(tree: ast.Module) -> dict[str, Binding]:
    """The module's names as they are after the last statement."""
    bindings: dict[str, Binding] = {}
    risky_functions = functions_with_back_doors(tree)
    local_names: set[str] = set()

    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            local_names.add(statement.name)
        changed = dict(_bound_by(statement, bindings))
        bindings.update(changed)
        if isinstance(statement, ast.Delete):
            for name in names_bound(statement):
                bindings.pop(name, None)
        if "*" in changed or opens_back_door(statement):
            _doubt_everything(bindings, statement, "may be changed by this statement")
        elif risky_functions and uses_any(statement, local_names):
            _doubt_everything(bindings, statement, "may be changed by a function called here")
    if "__getattr__" in bindings:
        for name in HEADER_NAMES:
            computed = Computed("is computed by the module's __getattr__")
            bindings.setdefault(name, Binding(computed, bindings["__getattr__"].node))
    return bindings


def _doubt_everything(bindings: dict[str, Binding], statement: ast.stmt, reason: str) -> None:
    for name in {*bindings, *HEADER_NAMES}:
        bindings[name] = Binding(Computed(reason), statement)


def _bound_by(statement: ast.stmt, bindings: dict[str, Binding]) -> Iterator[tuple[str, Binding]]:
    """The names that a statement binds, with what they hold then."""
    plain: dict[str, Binding] = {}
    if isinstance(statement, ast.Assign):
        alone = len(statement.targets) == 1
        for target in statement.targets:
            plain.update(_assigned(target, statement.value, statement, bindings, alone))
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        plain.update(_assigned(statement.target, statement.value, statement, bindings, True))
    elif isinstance(statement, ast.AnnAssign):
        return  # an annotation without a value binds nothing
    for name in names_bound(statement):
        yield name, plain.get(name) or Binding(Computed(_why_unknown(statement)), statement)


def _assigned(
    target: ast.expr,
    value: ast.expr,
    statement: ast.stmt,
    bindings: dict[str, Binding],
    alone: bool,
) -> Iterator[tuple[str, Binding]]:
    def lookup(name: str) -> object:
        known = bindings.get(name)
        return known.value if known is not None else Computed(f"is computed ({name})")

    if isinstance(target, ast.Name):
        literal = value if alone else None
        yield target.id, Binding(evaluate(value, lookup), statement, literal)
        return
    if not isinstance(target, (ast.Tuple, ast.List)):
        return
    if any(isinstance(element, ast.Starred) for element in target.elts):
        return
    if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
        for element, part in zip(target.elts, value.elts, strict=True):
            yield from _assigned(element, part, statement, bindings, alone)
        return
    whole = evaluate(value, lookup)
    if isinstance(whole, tuple) and len(whole) == len(target.elts):
        for element, item in zip(target.elts, whole, strict=True):
            if isinstance(element, ast.Name):
                yield element.id, Binding(item, statement)


def _why_unknown(statement: ast.stmt) -> str:
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return f"is imported ({ast.unparse(statement)[:60]})"
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)):
        return f"is computed ({ast.unparse(statement)[:60]})"
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return "is the name of a function or class"
    return f"is assigned inside `{type(statement).__name__.lower()}`"


def header_ids(name: str, value: object) -> tuple[str, ...] | None:
    """What Alembic makes of a header value: always a tuple; ``None`` where it is computed."""
    if isinstance(value, Computed):
        return None
    if isinstance(value, str):
        # Alembic takes an empty string for "none" here, and nowhere else.
        return () if name == "depends_on" and not value else (value,)
    if name != "revision" and isinstance(value, tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def header_problems(name: str, value: object, offset: int) -> Iterator[Problem]:
    """What keeps a header value from being read in full."""
    if isinstance(value, Computed):
        yield Problem(name, ProblemKind.COMPUTED, value.reason, offset)
        return
    if name == "revision":
        items: tuple[object, ...] = (value,)
    elif value is None:
        items = ()
    else:
        items = value if isinstance(value, tuple) else (value,)
    for item in items:
        if not isinstance(item, str):
            detail = f"is {item!r}" if item is value else f"holds {item!r}"
            yield Problem(name, ProblemKind.NOT_A_STRING, f"{detail}, which is no string", offset)


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
    text = str(node.value)
    docstring, _ = parse_docstring(text)
    whole = positions.span(node)
    raw = positions.decode(whole)
    in_source, raw_spans = parse_docstring(raw)
    for name, (begin, end) in raw_spans.items():
        if name != "message" and getattr(in_source, name) == getattr(docstring, name):
            start = whole.start + len(positions.encode(raw[:begin]))
            spans[name] = Span(start, start + len(positions.encode(raw[begin:end])))
    begin = raw.find(docstring.message)
    if docstring.message and begin >= 0:
        start = whole.start + len(positions.encode(raw[:begin]))
        spans["message"] = Span(start, start + len(positions.encode(docstring.message)))
    return docstring
