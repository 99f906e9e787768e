"""The kinds of pieces."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from flask_chainfix.model.pieces import Call
from flask_chainfix.pieces import checklist, github, gitlab, precommit, script

_CALLS_CHECK = re.compile(rb"^(?![ \t]*#).*\bfixchain\b.*\bcheck\b", re.MULTILINE)


class Kind(NamedTuple):
    """A kind of piece.

    Attributes:
        name: what it is, for people.
        text: what belongs into the file, for a call and for what the file holds.
        merged: what the file holds with that text in it; raises ``CannotMerge``.
        there: tells a file that has such a piece already.
    """

    name: str
    text: Callable[[Call, bytes], str]
    merged: Callable[[bytes, str], bytes]
    there: Callable[[bytes], bool]


def _calls_check(data: bytes) -> bool:
    return _CALLS_CHECK.search(data) is not None


PRE_COMMIT = Kind("pre-commit hook", precommit.text, precommit.merged, precommit.is_there)


GIT_HOOK = Kind(
    "Git hook",
    script.text,
    script.merged,
    lambda data: script.is_there(data) or _calls_check(data),
)


WORKFLOW = Kind("GitHub workflow", github.text, github.merged, _calls_check)


JOB = Kind("GitLab job", gitlab.text, gitlab.merged, _calls_check)


CHECKLIST = Kind("review checklist", checklist.text, checklist.merged, checklist.is_there)
