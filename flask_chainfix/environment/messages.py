"""Messages of databases and Python, shortened and without passwords."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_plus

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


NO_URL = "the value is not the URL of a database (it is not shown, as it may hold a secret)"
# Parameters of URLs whose values are not secret in any driver.
_HARMLESS = re.compile(
    r"""(?ix) application_name | autocommit | cache | channel_binding | charset | check_same_thread
    | client_encoding | collation | connect(ion)?_timeout | database | db | dbname | driver
    | encrypt | gssencmode | host | hostaddr | immutable | isolation_level
    | keepalives(_count|_idle|_interval)?
    | krbsrvname | local_infile | mode | nolock | port | read_timeout | requirepeer | role | schema
    | service(_name)? | ssl | ssl_(ca|capath|cert|check_hostname|cipher|key|verify_cert)
    | ssl_(max|min)_protocol_version | ssl(cert|compression|crl|key|mode|rootcert)
    | target_session_attrs | tcp_user_timeout | timeout | trustservercertificate | unix_sock(et)?
    | uri | use_unicode | user | username | vfs | warehouse | write_timeout"""
)
_OPTIONS = re.compile(r"(?:(?:-c ?|--)search_path=[\w,$]*\s*)*", re.ASCII)  # PostgreSQL's
_URL = re.compile(r"([A-Za-z][\w+.-]*)://(\S*)", re.ASCII)
# In a text a space ends a URL; in a single URL it may be part of the password.
_WHOLE = re.compile(r"([A-Za-z][\w+.-]*)://(.*)", re.ASCII | re.DOTALL)
_WHO = re.compile(r"(.*)(@|%40)(.*)", re.DOTALL)
_PARAMETER = re.compile(r"(\w+)=(.*)", re.ASCII | re.DOTALL)
# Schemes with paths, in which an @ does not end a password.
_OF_PATHS = ("sqlite", "file", "http", "https")
_WITHOUT_SCHEME = re.compile(r"((?:^|(?<=[\s'\"]))[^\s:/@'\"]+:)(?!//)\S*@")
_OF_NOTHING = re.compile(r"(//[^\s:/@]*:)\S*@")
_VALUE = r"(?!\*\*\*)(?:\"[^\"]*\"|'[^']*'|\{[^}]*\}|[^\s&;,'\"]+)"
_NAMED = re.compile(
    r"(?i)(\b[\w.-]*(?:pass|pwd|secret|token|credential|api_?key|private_?key|odbc_connect)[\w.-]*"
    rf" ?= ?|\b[\w.-]*(?:password|passwd|pwd|secret)[\"']?: ?)(?!YES\b|NO\b){_VALUE}"
)
_NOT_PARSED = re.compile(r"Could not parse .*\bURL\b")  # SQLAlchemy's
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # the name of one of the environment
_LONG_ENOUGH = 4
_HIDDEN = "***"


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Text without passwords: in URLs, after names such as ``password=``, and given ones."""
    text = _URL.sub(_shown, text)
    text = _WITHOUT_SCHEME.sub(rf"\1{_HIDDEN}@", _OF_NOTHING.sub(rf"\1{_HIDDEN}@", text))
    text = _NAMED.sub(rf"\1{_HIDDEN}", text)
    for secret in secrets:
        for form in sorted({secret, quote(secret, safe=""), quote_plus(secret)}):
            if len(form) >= _LONG_ENOUGH:
                text = text.replace(form, _HIDDEN)
            elif form:  # a short one may be part of other words
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", _HIDDEN, text)
    return text


def masked_url(written: str) -> str:
    """A URL that a user has written, without secrets; other text is not repeated."""
    found = _WHOLE.fullmatch(written)
    return _shown(found) if found else _HIDDEN


def as_typed(written: str) -> str:
    """A URL, or another word of a command, in a form that can be typed without showing a password.

    A URL with a password is replaced by the environment variable that holds it, or is masked.
    """
    shown = masked_url(written)
    if shown == written:
        return written
    names = sorted(name for name, value in os.environ.items() if value == written)
    return next(filter(VARIABLE.fullmatch, names), shown)


def shown_url(url: URL) -> str:
    """A URL without secrets, in whatever part of it they are."""
    return masked_url(url.render_as_string())


def secrets_of(url: URL) -> tuple[str, ...]:
    """The secrets in a URL, to be masked in messages of others."""
    given = ((name, each) for name, values in url.normalized_query.items() for each in values)
    hidden = (value for name, value in given if not _is_harmless(name, value))
    return (*([str(url.password)] if url.password else ()), *hidden)


def _shown(found: re.Match[str]) -> str:
    """A URL as it is written, with asterisks for possible secrets."""
    scheme, rest = found.groups()
    at = rest.find("?", rest.find("@") + 1)
    place, query = (rest[:at], rest[at + 1 :]) if at >= 0 else (rest, "")
    if "@" in query and not all(map(_PARAMETER.fullmatch, query.split("&"))):
        # The question mark is part of the password.
        who, _, where = rest.rpartition("@")
        where, _, query = where.partition("?")
        place = f"{who}@{where}"
    shown = f"?{'&'.join(map(_shown_parameter, query.split('&')))}" if query else ""
    return f"{scheme}://{_shown_place(scheme, place)}{shown}"


def _shown_place(scheme: str, place: str) -> str:
    found = _WHO.fullmatch(place)
    who, at, where = found.groups() if found else ("", "", place)
    user, colon, _ = who.partition(":")
    has_user = colon and "/" not in user
    if not at or (scheme.partition("+")[0] in _OF_PATHS and not has_user):
        return place
    if "/" in user:  # Oracle's form
        return f"{_HIDDEN}{at}{where}"
    return f"{user}:{_HIDDEN}{at}{where}" if colon else place


def _shown_parameter(written: str) -> str:
    found = _PARAMETER.fullmatch(written)
    if found is None:
        return _HIDDEN
    name, value = found.groups()
    return written if _is_harmless(name, unquote_plus(value)) else f"{name}={_HIDDEN}"


def _is_harmless(name: str, value: str) -> bool:
    if name.lower() == "options":
        return _OPTIONS.fullmatch(value) is not None
    return _HARMLESS.fullmatch(name) is not None


def message_of(error: BaseException) -> str:
    """The first line of an exception's message, in the database's own words if it has any."""
    orig = getattr(error, "orig", None)  # SQLAlchemy adds the SQL and a link
    if orig is not None:
        # Drivers of MySQL raise a number and a text, all others a text.
        match orig.args:
            case (int(), str(text), *_):
                return _first_line(text) or type(orig).__name__
        return _first_line(str(orig)) or type(orig).__name__
    name = type(error).__name__
    if _NOT_PARSED.match(str(error)):  # it may repeat all of it
        return NO_URL
    # Errors of click and Alembic for users need no class name.
    text = str(getattr(error, "message", "") or error)
    first = _first_line(text)
    if name in ("CommandError", "NoAppException", "UsageError"):
        return first or name
    return f"{name}: {first}" if first else name


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
