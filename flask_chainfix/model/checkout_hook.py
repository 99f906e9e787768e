"""Git's hook for after a checkout: one line where that has left a database ahead of the code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flask_chainfix.common.quoting import script_words
from flask_chainfix.model.hook_files import USUAL, Call, Kind

_LONGEST = 10  # seconds that a checkout may be kept by an app that hangs


def post_checkout(command: str, app: str | None, directory: str, places: Sequence[str]) -> Kind:
    """The hook of one environment.

    Args:
        command: what runs our commands, as it would be typed.
        app: what ``FLASK_APP`` is to be; ``None`` for what it is.
        directory: where it is typed, as seen from the top of the work tree.
        places: pathspecs of the migrations; where no commit has changed them, nobody looks.
    """
    text = partial(_text, command, app, directory, tuple(places))
    return Kind(
        "Git hook after a checkout",
        text,
        "below its first line, if it is a shell script",
        "#!/bin/sh\n",
    )


def _text(command: str, app: str | None, directory: str, places: Sequence[str], call: Call) -> str:
    """Lines that are silent but for that one, and whose status is 0 whatever happens."""
    ours = [call.programs] if call.programs else []
    first, last = (":".join(map(_absolute, each)) for each in (ours, USUAL))
    path = f"{first}{':' if first else ''}$PATH:{last}"
    named = f"        export FLASK_APP={script_words(app)}\n" if app else ""
    return f"""\
# fixchain: begin (after a checkout that leaves a database ahead of the code, one line says so)
if [ "$3" = 1 ] &&
    ! git diff --quiet --no-ext-diff "$1" "$2" -- {script_words(*places)}
then
    (
        PATH={path}
{named}\
        cd -- {script_words(directory)} &&
            $(command -v timeout >/dev/null && echo timeout {_LONGEST}) {command} unwind --offer
    )
fi </dev/null 2>/dev/null || :
# fixchain: end
"""


def _absolute(place: str) -> str:
    return script_words(place) if place.startswith("/") else f'"$PWD"/{script_words(place)}'
