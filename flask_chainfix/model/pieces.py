"""What calls ``check`` in hooks, CI jobs and reviews, and where it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.quoting import script_words
from flask_chainfix.model.files import Edit


class Call(NamedTuple):
    """How the console script is called at the top of a work tree.

    Attributes:
        place: the migrations directory, or the configuration file, as seen from there.
        options: what names it to the console script; none for the directory that is the default.
        requirement: what pip installs the console script by.
        programs: the directory that holds it in the virtual environment in use, as seen from the
            top; ``""`` where there is none, or others would come to read of it.
    """

    place: str
    options: tuple[str, ...]
    requirement: str
    programs: str = ""

    def shell(self, *arguments: str) -> str:
        """A command line for a POSIX shell."""
        return script_words("fixchain", *self.options, *arguments)


class PieceState(Enum):
    """What has become of a piece, or is to become of it."""

    SHOWN = "shown"
    PLANNED = "planned"
    WRITTEN = "written"
    THERE = "there"
    REFUSED = "refused"


@dataclass(frozen=True)
class Piece:
    """A hook, a job or a checklist.

    Attributes:
        name: what it is, for people.
        path: the file that it belongs into.
        text: what belongs there, as somebody would copy it.
        state: what has become of it.
        edit: the change that puts it there, if it is to be made.
        detail: why it is refused, or what is to be known of what is there.
    """

    name: str
    path: Path
    text: str
    state: PieceState
    edit: Edit | None = None
    detail: str = ""
