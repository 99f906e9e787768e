"""Change the parents that one file names, and prove that nothing else changed."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings

from flask_chainfix.errors import CannotRewrite
from flask_chainfix.model import Header, Span, Unreadable
from flask_chainfix.source.judge import Judged, docstring_node, judge
from flask_chainfix.source.scopes import uses_any

_REMEDY = "set down_revision in that file by hand, then run the command again"


def rewrite(data: bytes, filename: str, down_revision: tuple[str, ...]) -> bytes:
    """Set ``down_revision``, and the docstring's ``Revises:`` where there is one.

    Only the bytes of these two values change. The result is read again: its syntax tree must
    equal the old one but for the two values.

    Args:
        data: the file's bytes.
        filename: its name, for messages and for ids that Alembic takes from it.
        down_revision: the new parents; ``()`` makes the revision a base.

    Returns:
        The new bytes; ``data`` itself where the parents are already these.

    Raises:
        CannotRewrite: the value is computed, shared with another variable, or the result would
            not be certain to be what was meant.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old = _judge(data, filename)
            if old.header.down_revision == down_revision and not _problem(old.header):
                return data
            new_data = _splice(data, _changes(data, filename, old, down_revision))
            _prove(old, _judge(new_data, filename), filename, down_revision)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CannotRewrite(f"{filename} cannot be rewritten ({error})", _REMEDY) from error
    return new_data


def _judge(data: bytes, filename: str) -> Judged:
    judged = judge(data, filename)
    if isinstance(judged, Unreadable):
        raise CannotRewrite(f"{filename} {judged.reason}", judged.remedy)
    return judged


def _changes(
    data: bytes, filename: str, old: Judged, down_revision: tuple[str, ...]
) -> list[tuple[Span, bytes]]:
    header, positions = old.header, old.positions
    span = header.spans.get("down_revision")
    shared = old.bindings["down_revision"].shared
    if span is None or header.down_revision is None or shared:
        why = _problem(header) or "the value of down_revision is shared with another variable"
        raise CannotRewrite(f"{filename}: {why}", _REMEDY)
    if any(uses_any(statement, ["down_revision"]) for statement in old.tree.body):
        raise CannotRewrite(f"{filename}: the module itself uses down_revision", _REMEDY)
    if _holds_comment(positions.decode(span)):
        why = "the value of down_revision holds a comment, which would be lost"
        raise CannotRewrite(f"{filename}: {why}", _REMEDY)
    quote = _quote_used(data, span, header.spans.get("revision"))
    changes = [(span, positions.encode(_literal(down_revision, quote)))]
    revises = header.spans.get("revises")
    if revises is None and header.revises is not None:
        why = "its docstring says “Revises:” in a way that cannot be changed with certainty"
        raise CannotRewrite(f"{filename}: {why}", _REMEDY)
    if revises is not None:
        text = _revises(str(header.revises), down_revision)
        if text and data[revises.start - 1 : revises.start] == b":":
            text = " " + text
        changes.append((revises, positions.encode(text)))
    return changes


def _holds_comment(expression: str) -> bool:
    """Whether a comment stands inside an expression that can go over several lines."""
    if "#" not in expression:
        return False
    lines = io.StringIO(f"({expression}\n)", newline=None)
    tokens = tokenize.generate_tokens(lines.readline)
    return any(token.type == tokenize.COMMENT for token in tokens)


def _problem(header: Header) -> str:
    """What is the matter with ``down_revision``; ``""`` where it could be read."""
    details = [problem.detail for problem in header.problems if problem.name == "down_revision"]
    return f"down_revision {details[0]}" if details else ""


def _revises(old: str, down_revision: tuple[str, ...]) -> str:
    """What the docstring says of the parents; of none, in the way in which it did before."""
    if down_revision:
        return ", ".join(down_revision)
    return "None" if old == "None" else ""


def _quote_used(data: bytes, *spans: Span | None) -> str:
    """The quotation mark that this file prefers, so that the new value looks like the old."""
    for span in spans:
        if span is not None:
            text = data[span.start : span.end]
            if (b"'" in text) != (b'"' in text):
                return "'" if b"'" in text else '"'
    return '"'


def _literal(ids: tuple[str, ...], quote: str) -> str:
    if not ids:
        return "None"
    strings = [
        f"{quote}{id_}{quote}"
        if id_.isprintable() and not {"'", '"', "\\"} & set(id_)
        else ascii(id_)
        for id_ in ids
    ]
    return strings[0] if len(strings) == 1 else f"({', '.join(strings)})"


def _splice(data: bytes, changes: list[tuple[Span, bytes]]) -> bytes:
    for span, new in sorted(changes, reverse=True):
        data = data[: span.start] + new + data[span.end :]
    return data


def _prove(old: Judged, new: Judged, filename: str, down_revision: tuple[str, ...]) -> None:
    revises = old.header.revises
    if revises is not None:
        revises = _revises(revises, down_revision).strip(" \t")
    expected = old.header._replace(
        down_revision=down_revision,
        revises=revises,
        message=new.header.message,
        spans={},
        problems=(),
    )
    if new.header._replace(spans={}, problems=()) != expected or not _same_but_for(old, new):
        raise CannotRewrite(f"{filename}: changing down_revision would change more", _REMEDY)


def _same_but_for(old: Judged, new: Judged) -> bool:
    """Whether two trees are equal but for the parents and the docstring's ``Revises:`` line."""
    old_lines, new_lines = (_docstring(judged).splitlines() for judged in (old, new))
    if len(old_lines) != len(new_lines):
        return False
    if sum(old != new for old, new in zip(old_lines, new_lines, strict=True)) > 1:
        return False
    return ast.dump(_without_values(old)) == ast.dump(_without_values(new))


def _docstring(judged: Judged) -> str:
    node = docstring_node(judged.tree)
    return str(node.value) if node is not None else ""


def _without_values(judged: Judged) -> ast.Module:
    """The tree with nothing where the docstring and the parents were."""
    hidden = (docstring_node(judged.tree), judged.bindings["down_revision"].expression)

    class Hide(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if any(node is value for value in hidden):
                return ast.Constant(None)
            return self.generic_visit(node)

    tree = Hide().visit(judged.tree)
    assert isinstance(tree, ast.Module)
    return tree
