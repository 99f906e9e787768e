"""One list of hostile strings, and as many of their mixtures as are wanted."""

from __future__ import annotations

import os
import random

WANTED = int(os.environ.get("FIXCHAIN_HOSTILE", "0"))
"""How many strings a thorough run takes; 0 for the usual one."""

CANARY = "fixchain_canary"
"""A file that appears, or a table that goes, where a string is obeyed."""

_LINE_ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029")
_ORDERS = (
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x1b]52;c;Y2FuYXJ5\x07",
    "\x9b1m",
    "\x00",
    "\x08",
    "\x7f",
    "\u200e",
    "\u200f",
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
    "\u061c",
    "\ufeff",
    "\U000e0041",
    "\udc80",
)
_SQL = (
    f"'; DROP TABLE {CANARY}; --",
    f"\\'; DROP TABLE {CANARY}; --",
    f'"; DROP TABLE {CANARY}; --',
    f"`; DROP TABLE {CANARY}; --",
    f"*/ DROP TABLE {CANARY}; /*",
    f"$fixchain$; DROP TABLE {CANARY}; --",
    f"\nDROP TABLE {CANARY}; --",
    f"\rDROP TABLE {CANARY}; --",
    f"\n\\! touch {CANARY}",
    f"\n.shell touch {CANARY}",
    "\nDELIMITER //",
    "%s %(x)s :x ?",
)
_SHELL = (
    f"; touch {CANARY}",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"' ; touch {CANARY} ; '",
    f'" ; touch {CANARY} ; "',
    f"\ntouch {CANARY}\n",
    f"| touch {CANARY}",
    f"&& touch {CANARY}",
    f"> {CANARY}",
    f"<(touch {CANARY})",
    "!!",
    "~root",
    "{a,b}",
    "*",
    "$HOME",
    "=ls",
    "#",
    "\\",
    "it's",
)
_OPTIONS = ("-", "--", "--yes", "-rf", "--help", "--output=x", "-c")
_PLACEHOLDERS = ("{fixchain}", "{alembic}", "{databases}", "{named}", "{0}", "{", "%(here)s")
_MARKUP = (
    "[bold]loud[/bold]",
    ":smile:",
    "::error::owned",
    "::set-output name=x::y",
    "##[error]owned",
    "%0A::error::owned",
    "${{ secrets.TOKEN }}",
    "]]>",
    "<script>",
    "&amp;",
    '"',
    ": #",
    "- x",
    "!!python/object",
    "@x",
    "*anchor",
)
HOSTILE = (*_LINE_ENDS, *_ORDERS, *_SQL, *_SHELL, *_OPTIONS, *_PLACEHOLDERS, *_MARKUP)


def strings(number: int) -> list[str]:
    """The list, and mixtures of it up to a number; the same each time."""
    rng = random.Random(20)
    mixtures = dict.fromkeys(HOSTILE)
    while len(mixtures) < number:
        parts = rng.choices((*HOSTILE, "a", "é", " ", "1"), k=rng.randint(2, 5))
        mixtures["".join(parts)] = None
    return list(mixtures)


def alone_or_together(number: int) -> list[str]:
    """The strings: in a thorough run each alone, in the usual one all in a few."""
    if WANTED:
        return strings(WANTED)
    return ["".join(HOSTILE[at::number]) for at in range(number)]
