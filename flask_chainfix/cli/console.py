"""The console script ``fixchain``: it hears signals before anything that takes time is imported."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence

from flask_chainfix.common import signals


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: what was typed behind ``fixchain``; ``None`` for ``sys.argv``.
    """
    signals.listen()
    gc.set_threshold(50_000)  # of what imports make nothing becomes garbage
    atexit.register(gc.freeze)  # the interpreter looks for garbage once more before it ends
    from flask_chainfix.cli.groups import main as command

    command(arguments)
