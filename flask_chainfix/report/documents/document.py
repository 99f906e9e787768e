"""A written document before it has a format: chapters of sentences, tables, lists and pictures."""

from __future__ import annotations

from typing import NamedTuple

from flask_chainfix.report.pictures.chain_picture import Picture


class Typed(str):
    """A text to type or search for (an id, a path, a command), shown as code."""

    __slots__ = ()


# A sentence, or its parts.
Words = str | tuple[str, ...]


class Paragraph(NamedTuple):
    """A sentence or two."""

    words: Words


class ListItem(NamedTuple):
    """One item of a list.

    Attributes:
        words: its text.
        commands: the commands below it.
        below: the blocks below it.
    """

    words: Words
    commands: tuple[str, ...] = ()
    below: tuple[ListItem, ...] = ()


class ItemList(NamedTuple):
    """A list.

    Attributes:
        items: what is in it.
        mark: ``-`` for bullets, ``1.`` for numbers, ``- [ ]`` for boxes to be ticked.
    """

    items: tuple[ListItem, ...]
    mark: str = "-"


class Table(NamedTuple):
    """A table.

    Attributes:
        head: the titles of its columns.
        rows: its rows.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]


class CodeBlock(NamedTuple):
    """Lines that stay as they are.

    Attributes:
        lines: text of any kind.
        language: its language; ``""`` for none.
        summary: the text of the collapsed block; ``""`` if it is not collapsed.
    """

    lines: tuple[str, ...]
    language: str = ""
    summary: str = ""


class Drawing(NamedTuple):
    """A picture of the chain.

    Attributes:
        picture: the picture.
        larger: the command that draws it in full size.
    """

    picture: Picture
    larger: str


Block = Paragraph | ItemList | Table | CodeBlock | Drawing


class Chapter(NamedTuple):
    """A part of a document.

    Attributes:
        title: its heading; ``""`` for the first chapter.
        aside: the text beside the heading.
        blocks: its contents.
    """

    title: str
    blocks: tuple[Block, ...]
    aside: str = ""


class Document(NamedTuple):
    """A whole document.

    Attributes:
        title: the verdict, in one sentence.
        chapters: its chapters; empty ones are left out.
    """

    title: str
    chapters: tuple[Chapter, ...]
