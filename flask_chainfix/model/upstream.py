"""The branch that others build on, as the repository around the migrations knows it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


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
        return shlex.quote(self.ref)
