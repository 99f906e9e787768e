"""The console script ``fixchain``: handles signals before it imports anything slow."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence

from flask_chainfix.common import signals


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: the arguments after ``fixchain``; ``None`` for those in ``sys.argv``.
    """
    signals.listen()
    gc.set_threshold(50_000)  # imports create no garbage
    atexit.register(gc.freeze)  # the interpreter collects garbage once more at exit
    from flask_chainfix.cli.groups import main as command

    command(arguments)
