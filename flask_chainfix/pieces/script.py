"""The plain Git hook, a part of a shell script."""

from __future__ import annotations

import re

from flask_chainfix.common.errors import CannotMerge
from flask_chainfix.common.quoting import path_word, script_words
from flask_chainfix.model.pieces import Call

_BEGIN = "# fixchain: begin"


# Where virtual environments have their programs, from the top of a work tree.
_USUAL = (".venv/bin", "venv/bin", "env/bin", ".venv/Scripts", "venv/Scripts")


_SHEBANG = re.compile(rb"#! *(?:/\S*/env +)?(?:/\S*/)?(?:ba|da|k|z)?sh(?: +-[a-z]+)*\n")


_OTHER_LANGUAGE = re.compile(rb"\bexec\b.*\$\{?(?:0|BASH_SOURCE)\b")


def text(call: Call, data: bytes) -> str:
    """The lines, which are silent while nothing is wrong.

    Hooks are no part of a commit, and branches without the migrations have to pass.
    """
    place = script_words(call.place)
    return (
        f"{_BEGIN} (a commit that breaks the migration chain is refused)\n"
        f"if [ -e {place} ]; then\n"
        f"{_without_tool(call)}"
        f"    fixchain_said=$({call.shell('check')}) ||"
        " { printf '%s\\n' \"$fixchain_said\" >&2; exit 1; }\n"
        "fi\n"
        "# fixchain: end\n"
    )


def _without_tool(call: Call) -> str:
    """What to say where the tool is not found: editors commit without an active environment."""
    known = dict.fromkeys((*([call.programs] if call.programs else []), *_USUAL))
    ways = "".join(map(_activation, known))
    return f"""\
    command -v fixchain >/dev/null || {{
        echo "fixchain is not on the PATH, so the migration chain was not checked."
        echo "Activate the virtual environment that has it, then commit again."
{ways}\
        echo "Or install it:"
        echo "    pip install flask-chainfix"
        echo "Or commit without the check:"
        echo "    git commit --no-verify"
        exit 1
    }} >&2
"""


def _activation(programs: str) -> str:
    """What tells of an environment, where it is there; the path is quoted for whoever types it."""
    line = f"    . {path_word(f'{programs}/activate')}"
    there = script_words(f"{programs}/fixchain")
    return f"        [ ! -x {there} ] || printf '%s\\n' {script_words(line)}\n"


def is_there(data: bytes) -> bool:
    """Whether a script has these lines already."""
    return _BEGIN.encode() in data


def merged(data: bytes, text: str) -> bytes:
    """The script with the lines behind its first one, where nothing can have ended it yet.

    Raises:
        CannotMerge: it is no shell script.
    """
    if not data:
        return f"#!/bin/sh\n{text}".encode()
    first = _SHEBANG.match(data)
    if first is None or b"\0" in data:
        raise CannotMerge("it is no script that names a POSIX shell in its first line")
    if _OTHER_LANGUAGE.search(data):
        raise CannotMerge("it seems to be a program of another language as well")
    return data[: first.end()] + text.encode() + data[first.end() :]
