"""Markdown for comments on pull requests, summaries of jobs and documents.

Text from files stays text or code: it cannot create a link, image, mention or HTML. The document
fits into a comment; what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch

from flask_chainfix.common.quoting import markdown, markdown_code, markdown_fence, plain_ascii
from flask_chainfix.common.wording import beginning_of, count
from flask_chainfix.report.advice import about_masks
from flask_chainfix.report.display import Style
from flask_chainfix.report.documents.analysis import analysis
from flask_chainfix.report.documents.chapters import document
from flask_chainfix.report.documents.document import (
    Block,
    CodeBlock,
    Document,
    Drawing,
    ItemList,
    ListItem,
    Paragraph,
    Table,
    Typed,
    Words,
)
from flask_chainfix.report.pictures.diagrams import mermaid
from flask_chainfix.report.results import Analysed, Result

LIMIT = 65_000
"""Characters; a comment on GitHub takes 65,536."""

_UNLIMITED = 10_000_000  # in effect
_ROOM = 12_000  # characters of one list, table or piece of code
_LONGEST = 600  # of one sentence, and of one line of code
_MOST_NODES = 60  # in a picture that is still readable in a comment
_REST = 200  # reserved for the count of what is left out


def to_markdown(result: Result, style: Style) -> str:
    """The document of a result, after a mark by which bots find its comment."""
    if isinstance(result, Analysed):  # a file, not a comment
        text = written(analysis(result), result.command, limit=_UNLIMITED, level="#")
    else:
        text = written(document(result), result.command)
    note = about_masks(text)
    text += f"\n{markdown(note)}\n" if note else ""
    return plain_ascii(text) if style.ascii_only else text


def written(found: Document, command: str, *, limit: int = LIMIT, level: str = "###") -> str:
    """A document as Markdown.

    Args:
        found: the document.
        command: the command that it comes from.
        limit: the maximum number of characters.
        level: the prefix of its title.
    """
    parts = [f"<!-- fixchain {command} -->", f"{level} {_said(found.title)}"]
    room = limit - _REST - sum(map(len, parts))
    most = _ROOM if limit == LIMIT else limit
    dropped = 0
    for chapter in found.chapters:
        aside = f" ({_said(chapter.aside)})" if chapter.aside else ""
        heading = [f"{level}# {_said(chapter.title)}{aside}"] if chapter.title else []
        for block in chapter.blocks:
            spare = room - sum(len(each) + 2 for each in heading)
            text = "\n".join(_lines(block, min(spare, most)))
            if len(text) + 2 > spare:
                dropped += 1
            elif text:
                parts += [*heading, text]
                room, heading = spare - len(text) - 2, []
    if dropped:
        parts.append(f"… {count(dropped, 'more part')}, for which there is no room here.")
    return "\n\n".join(parts) + "\n"


@singledispatch
def _lines(block: Block, room: int) -> list[str]:
    """The lines of a block, as many as fit, and the number of the rest."""
    raise TypeError(block)


@_lines.register
def _(block: Paragraph, room: int) -> list[str]:
    return [_said(block.words)]


@_lines.register
def _(block: ItemList, room: int) -> list[str]:
    items = [list(_item(each, block.mark, "")) for each in block.items]
    return _cut(items, room, "- … {} more")


@_lines.register
def _(block: Table, room: int) -> list[str]:
    if not block.rows:
        return []
    head = [_row(block.head), _row(["---"] * len(block.head))]
    rows = [[_row(map(_said, row))] for row in block.rows]
    return _cut([head, *rows], room, "\n… {} more")


@_lines.register
def _(block: CodeBlock, room: int) -> list[str]:
    lines = [beginning_of(each, _LONGEST) for each in block.lines]
    shown = _cut([[each] for each in lines], room - _REST, "… {} more lines")
    code = markdown_fence(shown, block.language) if lines else []
    if not block.summary or not code:
        return code
    return [f"<details><summary>{block.summary}</summary>", "", *code, "", "</details>"]


@_lines.register
def _(block: Drawing, room: int) -> list[str]:
    lines = mermaid(block.picture, _MOST_NODES)
    if not lines or sum(len(each) + 1 for each in lines) > room - _REST:
        number = count(len(block.picture.nodes), "revision")
        return [f"{number}, too many for a picture here:", *markdown_fence([block.larger], "sh")]
    return markdown_fence(lines, "mermaid")


def _item(entry: ListItem, mark: str, indent: str) -> Iterator[str]:
    yield f"{indent}{mark} {_said(entry.words)}"
    inner = f"{indent}{' ' * (3 if mark == '1.' else 2)}"
    if entry.commands:
        yield from (f"{inner}{line}" for line in markdown_fence(entry.commands, "sh"))
    for each in entry.below:
        yield from _item(each, "-", inner)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _said(words: Words) -> str:
    """A sentence on one line, with ``Typed`` parts as code."""
    parts = (words,) if isinstance(words, str) else words
    return "".join(
        markdown_code(part) if isinstance(part, Typed) else _sentence(part, begins=not at)
        for at, part in enumerate(parts)
    )


def _sentence(text: str, *, begins: bool) -> str:
    shown = beginning_of(text, _LONGEST)
    inner = shown.strip(" ")
    if not inner:
        return shown
    # Keep spaces at the ends, which separate parts.
    before, after = shown.split(inner, 1)
    return f"{before}{markdown(inner, begins=begins)}{after}"


def _cut(items: Sequence[list[str]], room: int, rest: str) -> list[str]:
    """The lines of as many items as fit, and the number of the rest."""
    lines: list[str] = []
    for number, item in enumerate(items):
        room -= sum(len(line) + 1 for line in item)
        if room < len(rest):
            return [*lines, rest.format(f"{len(items) - number:,}")]
        lines += item
    return lines
