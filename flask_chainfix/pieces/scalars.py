"""Texts as YAML has them."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"fixchain [\w ./=<>$\"-]+", re.ASCII)


def quoted(text: str) -> str:
    """A text as a double-quoted scalar on one line, whatever it holds."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def command_scalar(command: str) -> str:
    """A command line of ours as a scalar, plain where it is harmless."""
    return command if _PLAIN.fullmatch(command) else quoted(command)
