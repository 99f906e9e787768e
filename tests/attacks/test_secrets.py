"""Secrets: only what is known to be harmless is shown, whoever says it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.messages import (
    NO_URL,
    masked,
    masked_url,
    message_of,
    secrets_of,
    shown_url,
)
from tests.attacks.projects import SECRET
from tests.commands import fixchain
from tests.disk import environment

_URLS = (
    f"postgresql://u:{SECRET}@h/x",
    f"postgresql://u:{SECRET}@p@h/x",
    f"postgresql://u:a?{SECRET}@h/x",
    f"postgresql://h/x?password={SECRET}",
    f"postgresql://h/x?PASSWORD={SECRET}&sslmode=require",
    f"postgresql://h/x?sslpassword={SECRET}",
    f"postgresql://h/x?options=-c%20app.key%3D{SECRET}",
    f"postgresql://h/x?invented={SECRET}",
    f"postgresql://h/x?a%20b={SECRET}",
    f"postgresql+psycopg2:///?dsn=host%3Dh%20password%3D{SECRET}",
    f"mysql+pymysql://u@h/x?passwd={SECRET}",
    f"mysql+pymysql://u@h/x?ssl_key_password={SECRET}",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3DODBC%3BPWD%3D{SECRET}",
    f"mssql+pyodbc://u:{SECRET}@h/x?driver=ODBC+Driver+18",
    f"oracle://scott/{SECRET}@h:1521/orcl",
    f"oracle+oracledb://u:{SECRET}@h/?service_name=x",
    f"snowflake://u:{SECRET}@account/db?warehouse=w&token={SECRET}",
    f"bigquery://project/set?credentials_base64={SECRET}",
    f"databricks://token:{SECRET}@h?http_path=/x&access_token={SECRET}",
    f"redshift+psycopg2://u:{SECRET}@h/x",
    f"sqlite+pysqlcipher://:{SECRET}@/x.db?cipher=aes",
)
_NO_URLS = (
    f"password: {SECRET}",
    f'{{"url": "postgresql://u:{SECRET}@h/x"}}',
    f"host=h user=u password={SECRET}",
    f"Server=h;Uid=u;Pwd={SECRET};",
    f"u:{SECRET}@h/x",
    f"postgresql:/u:{SECRET}@h/x",
    f"jdbc:postgresql:h?password={SECRET}",
    f"scott/{SECRET}@h:1521/orcl",
    SECRET,
)
_SAID = (
    f"could not connect to postgresql://u:{SECRET}@h/x",
    f"invalid dsn: host=h password={SECRET} user=u",
    f"invalid dsn: password='{SECRET} word'",
    f"DRIVER=ODBC;UID=u;PWD={SECRET};x",
    f"PWD={{{SECRET};}}",
    f'{{"password": "{SECRET}"}}',
    f"api_key={SECRET}&x=1",
    f"auth_token={SECRET}",
    f"db_password: {SECRET}",
)


@pytest.mark.parametrize("url", _URLS)
def test_a_url_shows_nothing_that_may_be_a_secret(url: str) -> None:
    for shown in (masked_url(url), shown_url(make_url(url)), masked(f"at {url} now")):
        assert SECRET not in shown
        assert "***" in shown
    for secret in secrets_of(make_url(url)):  # whoever repeats it
        assert secret not in masked(f"said: {secret}", secrets_of(make_url(url)))


@pytest.mark.parametrize("text", _NO_URLS)
def test_what_is_no_url_is_not_repeated(text: str) -> None:
    assert masked_url(text) == "***"


@pytest.mark.parametrize("text", _SAID)
def test_what_stands_behind_the_name_of_a_secret_is_masked(text: str) -> None:
    assert SECRET not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "no such column: password",
        'unrecognized token: "@"',
        "Access denied for user 'u'@'h' (using password: YES)",
        'password authentication failed for user "u"',
        "see https://host/a@b",
        "postgresql+psycopg2://u@h:5432/x?sslmode=require&application_name=app",
        "sqlite:////home/me@work/x.db?mode=ro&uri=true",
        "mssql+pyodbc://h/x?driver=ODBC+Driver+18",
    ],
)
def test_what_is_harmless_stays(text: str) -> None:
    assert masked(text) == text


def test_what_sqlalchemy_could_not_parse_is_not_repeated() -> None:
    for words in ("Could not parse rfc1738 URL from string", "Could not parse SQLAlchemy URL from"):
        assert message_of(ArgumentError(f"{words} '{SECRET}'")) == NO_URL


def test_no_command_repeats_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", "a", "b")
    Path("list").write_text(f"\n{SECRET}\n")
    for arguments in (
        ("check", f"postgresql://u:{SECRET}@h/x"),
        ("check", "--databases", "list"),
        ("backup", "--databases", "list"),
        *(("check", "--database", text) for text in _NO_URLS),
        *(("rehearse", "--database", text) for text in _NO_URLS),
        *(("backup", "--database", text) for text in _NO_URLS),
    ):
        monkeypatch.setattr(sys, "argv", ["fixchain", *arguments])
        for output_format in ("text", "json"):
            done = fixchain(*arguments, "--format", output_format)
            assert done.exit_code in (2, 3)
            assert SECRET not in f"{done.stdout}{done.stderr}"


def test_the_journal_knows_a_database_without_its_password() -> None:
    # SQLAlchemy ends the password at its first @, and takes the rest of it for a host.
    for url in _URLS[:2]:
        told = Target("x", make_url(url.replace(SECRET, f"pw@{SECRET}"))).identity
        assert told == "postgresql://u@h:5432/x#.alembic_version"
