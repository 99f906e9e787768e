"""A written document before it has a format: chapters of sentences, tables, lists and pictures."""

from __future__ import annotations

from typing import NamedTuple

from flask_chainfix.report.pictures.chain_picture import Picture


class Typed(str):
    """What somebody types or looks for: an id, a path, a command. It is shown as code."""

    __slots__ = ()


# A sentence, or its parts.
Words = str | tuple[str, ...]


class Paragraph(NamedTuple):
    """A sentence or two."""

    words: Words


class Entry(NamedTuple):
    """One entry of a list.

    Attributes:
        words: what it says.
        commands: what is to be typed for it, below.
        below: what belongs to it.
    """

    words: Words
    commands: tuple[str, ...] = ()
    below: tuple[Entry, ...] = ()


class Entries(NamedTuple):
    """A list.

    Attributes:
        entries: what is in it.
        mark: ``-`` for bullets, ``1.`` for numbers, ``- [ ]`` for boxes to be ticked.
    """

    entries: tuple[Entry, ...]
    mark: str = "-"


class Table(NamedTuple):
    """A table.

    Attributes:
        head: what its columns are called.
        rows: its rows.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]


class Lines(NamedTuple):
    """Lines that stay as they are.

    Attributes:
        lines: text of any kind.
        language: which language it is; ``""`` for none.
        summary: what is shown in its place until somebody opens it; ``""`` where it is open.
    """

    lines: tuple[str, ...]
    language: str = ""
    summary: str = ""


class Drawing(NamedTuple):
    """A picture of the chain.

    Attributes:
        picture: what it shows.
        larger: the command that draws the same with room for all of it.
    """

    picture: Picture
    larger: str


Block = Paragraph | Entries | Table | Lines | Drawing


class Chapter(NamedTuple):
    """A part of a document.

    Attributes:
        title: its heading; ``""`` for what comes first.
        aside: what stands beside that.
        blocks: what it holds.
    """

    title: str
    blocks: tuple[Block, ...]
    aside: str = ""


class Document(NamedTuple):
    """A whole document.

    Attributes:
        title: what it comes to, in one sentence.
        chapters: its parts; one that holds nothing is left out.
    """

    title: str
    chapters: tuple[Chapter, ...]
