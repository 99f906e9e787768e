"""Change the header of one file, and prove that nothing else changed."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask_chainfix.chain.source.bindings import uses_any
from flask_chainfix.chain.source.header import JudgedHeader, docstring_node, judge
from flask_chainfix.chain.source.literals import CANNOT_COMPILE
from flask_chainfix.chain.source.prose import states
from flask_chainfix.common.errors import CannotRewrite
from flask_chainfix.model.files import Header, Span, Unreadable

# The parts of the docstring that repeat the header, by variable.
_REPEATED = {"revision": "revision_id", "down_revision": "revises"}
_IN_DOCSTRING = {"revision_id": "Revision ID:", "revises": "Revises:"}


def rewrite(  # noqa: PLR0913  (a header has four variables)
    data: bytes,
    filename: str,
    down_revision: tuple[str, ...] | None = None,
    *,
    revision: str | None = None,
    branch_labels: tuple[str, ...] | None = None,
    depends_on: tuple[str, ...] | None = None,
) -> bytes:
    """Set variables of the header, with the docstring's copies of id and parents.

    Only the bytes of these values change. The result is read again: its syntax tree must equal the
    old one except for the values.

    Args:
        data: the file's bytes.
        filename: its name, for messages and for ids that Alembic takes from it.
        down_revision: the new parents; ``()`` makes the revision a base.
        revision: the new id.
        branch_labels: the new labels.
        depends_on: the new dependencies; ids or labels.

    Returns:
        The new bytes; ``data`` itself if the values are the same.

    Raises:
        CannotRewrite: a value is computed or shared with another variable, or the result would not
            certainly be as intended.
    """
    wishes = {
        "revision": None if revision is None else (revision,),
        "down_revision": down_revision,
        "branch_labels": branch_labels,
        "depends_on": depends_on,
    }
    with _refusing(filename):
        old = _judge(data, filename)
        values = {
            name: ids
            for name, ids in wishes.items()
            if ids is not None and (_ids(old.header, name) != ids or _problem(old.header, name))
        }
        # The lines of the docstring to update, if they exist.
        repeated = {
            _REPEATED[name]: ids
            for name, ids in values.items()
            if name in _REPEATED and getattr(old.header, _REPEATED[name]) is not None
        }
        return _changed(data, filename, old, values, repeated)


def restate(data: bytes, filename: str) -> bytes:
    """Make the docstring's ``Revises:`` line match ``down_revision``.

    Returns:
        The new bytes; ``data`` itself if there is no such line, or the parents are unknown.

    Raises:
        CannotRewrite: the line cannot be changed with certainty.
    """
    with _refusing(filename):
        old = _judge(data, filename)
        parents = old.header.down_revision
        if old.header.revises is None or parents is None:
            return data
        if not states(_stated(old.header.revises, parents).strip(), parents):
            names = ", ".join(map(repr, parents))
            raise _refusal(filename, "the docstring", f"no docstring can name {names}")
        return _changed(data, filename, old, {}, {"revises": parents})


@contextmanager
def _refusing(filename: str) -> Iterator[None]:
    """Refuse what cannot be parsed; a migration's own warnings are not shown."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CANNOT_COMPILE as error:
        remedy = "set its header by hand, then run the command again"
        raise CannotRewrite(f"{filename} cannot be rewritten ({error})", remedy) from error


_Values = Mapping[str, tuple[str, ...]]


def _changed(
    data: bytes, filename: str, old: JudgedHeader, values: _Values, repeated: _Values
) -> bytes:
    """The file with new values of variables, and new lines of the docstring, verified."""
    changes = [
        *(_change(data, filename, old, name, ids) for name, ids in values.items()),
        *_docstring_changes(data, filename, old, repeated),
    ]
    if not changes:
        return data
    new = data
    for span, text in sorted(changes, reverse=True):
        new = new[: span.start] + text + new[span.end :]
    _prove(old, _judge(new, filename), filename, values, repeated)
    return new


def _judge(data: bytes, filename: str) -> JudgedHeader:
    judged = judge(data, filename)
    if isinstance(judged, Unreadable):
        raise CannotRewrite(f"{filename} {judged.reason}", judged.remedy)
    return judged


def _ids(header: Header, name: str) -> tuple[str, ...] | None:
    """The value of a header variable, always as a tuple; ``None`` if it is unknown."""
    value: str | tuple[str, ...] | None = getattr(header, name)
    return (value,) if isinstance(value, str) else value


def _change(
    data: bytes, filename: str, old: JudgedHeader, name: str, ids: tuple[str, ...]
) -> tuple[Span, bytes]:
    header, positions = old.header, old.positions
    span = header.spans.get(name)
    shared = name in old.bindings and old.bindings[name].shared
    if span is None or _ids(header, name) is None or shared:
        unread = f"there is no line that assigns {name}"
        if name in old.bindings:
            unread = f"the value of {name} is shared with another variable"
        raise _refusal(filename, name, _problem(header, name) or unread, ids)
    if any(uses_any(statement, [name]) for statement in old.tree.body):
        raise _refusal(filename, name, f"the module itself uses {name}", ids)
    if _holds_comment(positions.decode(span)):
        why = f"the value of {name} holds a comment, which would be lost"
        raise _refusal(filename, name, why, ids)
    quote = _quote_used(data, span, header.spans.get("revision"))
    literal = _literal(ids, quote)
    if name == "branch_labels" and len(ids) == 1 and data[span.start : span.start + 1] == b"(":
        literal = f"({literal},)"  # the usual style of labels
    return span, positions.encode(literal)


def _docstring_changes(
    data: bytes, filename: str, old: JudgedHeader, repeated: _Values
) -> Iterator[tuple[Span, bytes]]:
    for name, ids in repeated.items():
        span = old.header.spans.get(name)
        if span is None:
            what = _IN_DOCSTRING[name]
            why = f"its docstring says “{what}” in a way that cannot be changed with certainty"
            raise _refusal(filename, "the docstring", why)
        text = _stated(getattr(old.header, name), ids)
        if text and data[span.start - 1 : span.start] == b":":
            text = " " + text
        yield span, old.positions.encode(text)


def _refusal(
    filename: str, name: str, why: str, ids: tuple[str, ...] | None = None
) -> CannotRewrite:
    what = name if ids is None else f"{name} = {_literal(ids, chr(39))}"
    remedy = f"set {what} in that file by hand, then run the command again"
    return CannotRewrite(f"{filename}: {why}", remedy)


def _holds_comment(expression: str) -> bool:
    """Whether an expression that can span several lines contains a comment."""
    if "#" not in expression:
        return False
    lines = io.StringIO(f"({expression}\n)", newline=None)
    tokens = tokenize.generate_tokens(lines.readline)
    return any(token.type == tokenize.COMMENT for token in tokens)


def _problem(header: Header, name: str) -> str:
    """The problem of a variable; ``""`` if it could be read."""
    details = [problem.detail for problem in header.problems if problem.name == name]
    return f"{name} {details[0]}" if details else ""


def _stated(old: str, ids: tuple[str, ...]) -> str:
    """The docstring's text for some ids; for none, in its previous style."""
    if ids:
        return ", ".join(ids)
    return "None" if old == "None" else ""


def _quote_used(data: bytes, *spans: Span | None) -> str:
    """The quotation mark that this file prefers, so that the new value looks like the old one."""
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


def _prove(
    old: JudgedHeader, new: JudgedHeader, filename: str, values: _Values, repeated: _Values
) -> None:
    """Refuse a result in which anything else has changed."""
    expected = old.header._replace(message=new.header.message, spans={}, problems=())
    for name, ids in values.items():
        value: object = ids[0] if name == "revision" else ids
        expected = expected._replace(**{name: value})  # type: ignore[arg-type]
    for name, ids in repeated.items():
        said = _stated(getattr(old.header, name), ids).strip(" \t")
        expected = expected._replace(**{name: said})  # type: ignore[arg-type]
    same = _same_but_for(old, new, values, lines=len(repeated))
    if new.header._replace(spans={}, problems=()) != expected or not same:
        what = " and ".join(values) or "the docstring"
        raise _refusal(filename, what, f"changing {what} would change more")


def _same_but_for(old: JudgedHeader, new: JudgedHeader, values: _Values, *, lines: int) -> bool:
    """Whether two trees are equal except for some values and lines of the docstring."""
    old_lines, new_lines = (_docstring(judged).splitlines() for judged in (old, new))
    if len(old_lines) != len(new_lines):
        return False
    if sum(old != new for old, new in zip(old_lines, new_lines, strict=True)) > lines:
        return False
    return ast.dump(_without(old, values)) == ast.dump(_without(new, values))


def _docstring(judged: JudgedHeader) -> str:
    node = docstring_node(judged.tree)
    return str(node.value) if node is not None else ""


def _without(judged: JudgedHeader, values: _Values) -> ast.Module:
    """The tree without the docstring and some values."""
    expressions = [judged.bindings[name].expression for name in values]
    hidden = (docstring_node(judged.tree), *expressions)

    class Hide(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if any(node is value for value in hidden):
                return ast.Constant(None)
            return self.generic_visit(node)

    tree = Hide().visit(judged.tree)
    assert isinstance(tree, ast.Module)
    return tree
