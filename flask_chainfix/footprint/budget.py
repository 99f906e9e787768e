"""How much is done to follow one migration, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sized

from flask_chainfix.footprint.sql.effort import Allowance
from flask_chainfix.footprint.values import held_by

# A step takes a microsecond or two. Ordinary migrations take a thousand; loops multiply them.
MOST_STEPS = 1_000_000
_CALL = 20
_AT_ONCE = 16  # characters or elements that are copied in the time of a step


class TooMuch(Exception):
    """The migration does more than can be followed in reasonable time and memory."""


class Budget:
    """The steps that are left for one file.

    Every expression is a step. What puts values together pays for the whole of the new value
    before it is there, and what looks into values pays for everything that they hold: so both the
    time that is spent and the memory that values take are bounded, by whatever they grow.

    Args:
        steps: how many there are.

    Attributes:
        sql: how much of its SQL may still be read.
    """

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self._left = steps
        self.sql = Allowance()

    def spend(self, steps: int = 1) -> None:
        """Pay for steps.

        Raises:
            TooMuch: there are not that many left.
        """
        self._left -= steps
        if self._left < 0:
            raise TooMuch

    def call(self) -> None:
        """Pay for a call, or for a round of a loop.

        Raises:
            TooMuch: there are not enough steps left.
        """
        self.spend(_CALL)

    def copy(self, *values: Sized) -> None:
        """Pay for one value that is as long as these together.

        Raises:
            TooMuch: there are not enough steps left.
        """
        self.spend(len(values) + sum(map(len, values)) // _AT_ONCE)

    def look_into(self, values: Iterable[object]) -> None:
        """Pay for a look at everything that values hold, once for each time that they hold it.

        Raises:
            TooMuch: there are not enough steps left.
        """
        pending = [*values]
        while pending:
            value = pending.pop()
            if isinstance(value, (str, bytes)):
                self.copy(value)
            else:
                self.spend()
                pending.extend(held_by(value))
