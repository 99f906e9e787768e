"""What databases and Python say, short, and without the passwords in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

# The password of a URL, also of one that SQLAlchemy cannot read.
_IN_URL = re.compile(r"(//[^\s:/@]*:)\S*@")
_WITHOUT_SCHEME = re.compile(r"((?:^|(?<=[\s'\"]))[^\s:/@'\"]+:)(?!//)\S*@")
_IN_QUERY = re.compile(r"(?i)((?:^|[?&;\s])[a-z_]*pass(?:word|wd)?=)[^&;\s]*")
_BLANK = "\0"
_LONG_ENOUGH = 4


def masked(text: str, passwords: Iterable[str] = ()) -> str:
    """Text without passwords: those inside URLs, and those that are given."""
    text = _WITHOUT_SCHEME.sub(r"\1***@", _IN_URL.sub(r"\1***@", text))
    text = _IN_QUERY.sub(r"\1***", text)
    for password in passwords:
        for form in sorted({password, quote(password, safe=""), quote_plus(password)}):
            if len(form) >= _LONG_ENOUGH:
                text = text.replace(form, "***")
            elif form:  # a short one is a part of other words
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "***", text)
    return text


def masked_url(written: str) -> str:
    """What a user has written for a URL, be it one or not, without the passwords in it."""
    # In a text a blank ends the URL; here it may be one of the password's.
    return masked(masked(written.replace(" ", _BLANK)).replace(_BLANK, " "))


def shown_url(url: URL) -> str:
    """A URL without the passwords in it, in whatever part of it they are."""
    return masked(url.render_as_string())


def said(error: BaseException) -> str:
    """The first line of what an exception says: the database's own words, where it has some."""
    orig = getattr(error, "orig", None)  # SQLAlchemy adds the SQL and a link
    if orig is not None:
        return _of_driver(orig)
    name = type(error).__name__
    # What click and Alembic raise for users has no need of its name.
    text = str(getattr(error, "message", "") or error)
    first = _first_line(text)
    if name in ("CommandError", "NoAppException", "UsageError"):
        return first or name
    return f"{name}: {first}" if first else name


def _of_driver(error: BaseException) -> str:
    """Drivers of MySQL raise a number and a text, all others a text."""
    if len(error.args) > 1 and isinstance(error.args[0], int) and isinstance(error.args[1], str):
        return _first_line(error.args[1]) or type(error).__name__
    return _first_line(str(error)) or type(error).__name__


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
