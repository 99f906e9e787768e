"""What the command ``report`` comes to: what ``graph`` draws, and what an analysis adds to that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.report.results import Drawn, Result

if TYPE_CHECKING:
    from flask_chainfix.databases.facts import Facts
    from flask_chainfix.model.databases import Move
    from flask_chainfix.model.files import Edit
    from flask_chainfix.model.hook_files import HookFile


class LastChange(NamedTuple):
    """What the last repair, rebase or the like has changed, as its journal tells.

    Attributes:
        command: what it was, ``rebase`` for example.
        journal: the record.
        edits: the files, as they were and as they are.
        moves: the rows of databases that were moved with it.
    """

    command: str
    journal: Path
    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True)
class Analysed(Result):
    """report: what graph draws, with what an analysis tells besides.

    Attributes:
        drawn: the chain as it is and as a repair would leave it.
        change: what was changed last; ``None`` where nothing was.
        hooks: what checks commits and requests to merge, or could.
        versions: what is installed, each with its version.
    """

    command: str = "report"
    drawn: Drawn
    change: LastChange | None
    hooks: tuple[HookFile, ...]
    versions: tuple[tuple[str, str], ...]

    @property
    def snapshot(self) -> Facts:
        """The chain as it is."""
        return self.drawn.snapshot
