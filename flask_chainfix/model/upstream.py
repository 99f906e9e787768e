"""What others build on and have installed, as the repository around the migrations knows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from flask_chainfix.languages import ref_word
from flask_chainfix.model.files import Header, MigrationFile


@dataclass(frozen=True)
class Upstream:
    """A Git revision with a chain on which others build.

    Attributes:
        ref: its name, as users know it.
        operation: what Git is in the middle of, as it is called on its command line (``merge``,
            ``rebase``, …); ``""`` for nothing.
    """

    ref: str
    operation: str = ""

    @property
    def typed(self) -> str:
        """Its name for a shell."""
        return ref_word(self.ref)


@dataclass(frozen=True)
class PublishedChain:
    """A chain that databases run which nobody here can ask: the main branch's, or a release's.

    Attributes:
        name: how users know it: ``the main branch (origin/main)``, ``the release v1.2``.
        ref: what Git calls it.
        short: the same, as short as users type it.
        files: its migrations.
        is_main: whether it is that of the main branch.
        is_line: whether its first parents tell when something landed: those of the main branch, and
            of the local branch of that name, which may be ahead.
    """

    name: str
    ref: str
    short: str
    files: tuple[MigrationFile, ...]
    is_main: bool = False
    is_line: bool = False

    @cached_property
    def revisions(self) -> frozenset[str]:
        """The ids of its migrations."""
        readings = (file.reading for file in self.files)
        ids = (each.revision for each in readings if isinstance(each, Header))
        return frozenset(id_ for id_ in ids if id_ is not None)
