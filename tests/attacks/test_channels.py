"""The commands, in projects that are full of hostile words, over every channel."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import count
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from flask_chainfix.cli.groups import main
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.environment import Environment, Settings
from flask_chainfix.model.files import Header
from flask_chainfix.model.history import PublishedChain
from flask_chainfix.report import format_names, report_names
from tests.attacks.channels import (
    CHANNELS,
    PICTURES,
    commands,
    harmless,
    judge_markdown,
    judge_sql,
    obeyed_by_no_runner,
)
from tests.attacks.projects import SECRET, SOURCES, Attacked, Words, words_of
from tests.attacks.strings import CANARY, HOSTILE, alone_or_together
from tests.commands import Done, command_of, fixchain
from tests.test_repair_properties import without_fresh_process

_PROGRAMS = ("fixchain", "alembic", "flask", "git", "pip", "rm", "cp")
_STUB = '#!/bin/sh\nprintf "%s\\0" "$#" "${0##*/}" "$@"\n'
_GROUP = 8  # strings in one project


def groups() -> list[list[str]]:
    """The strings by projects: in the usual run many in each word, in a thorough one each alone."""
    each = alone_or_together(2 * _GROUP)
    return [each[at : at + _GROUP] for at in range(0, len(each), _GROUP)]


@pytest.fixture(params=range(len(groups())))
def words(request: pytest.FixtureRequest) -> Words:
    """The words of each project in turn."""
    return words_of(groups()[request.param])


@pytest.fixture(params=["sound", "broken"])
def attacked(
    request: pytest.FixtureRequest, words: Words, top: Path, monkeypatch: pytest.MonkeyPatch
) -> Attacked:
    """Each project: with two heads that a repair can join, and with more that it cannot."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    return Attacked(top, words, sound=request.param == "sound")


def told(attacked: Attacked, *arguments: str) -> Done:
    """Run a command, and see that neither stream harms anybody."""
    done = fixchain("-d", attacked.directory, *arguments)
    assert done.exit_code in (0, 1, 2, 3), done
    harmless(done.stdout)
    harmless(done.stderr)
    obeyed_by_no_runner(done.stderr)
    assert "Traceback" not in done.stderr
    return done


def test_every_format_of_check(attacked: Attacked) -> None:
    databases = ("--database", attacked.database, "--database", attacked.words.url)
    named = ("--no-database", "--against", attacked.words.ref, "--strict", "--schema", *databases)
    for name, judge in CHANNELS.items():
        done = told(attacked, "check", "--format", name, *named)
        assert done.exit_code == 1
        judge(done.stdout)
    assert not (attacked.top / CANARY).exists()


def test_every_format_of_graph(attacked: Attacked) -> None:
    named = ("--no-database", "--against", attacked.words.ref, "--database", attacked.database)
    for name, judge in {**PICTURES, "markdown": judge_markdown}.items():
        done = told(attacked, "graph", "--format", name, *named)
        assert done.exit_code == 0
        judge(done.stdout)
    assert not (attacked.top / CANARY).exists()


def test_every_format_of_report(attacked: Attacked) -> None:
    named = ("--no-database", "--against", attacked.words.ref, "--database", attacked.database)
    for name in report_names():
        done = told(attacked, "report", "--format", name, *named)
        assert done.exit_code == 0
        {**CHANNELS, **PICTURES}[name](done.stdout)
    assert not (attacked.top / CANARY).exists()


def test_what_changes_files_and_rows(
    attacked: Attacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command that changes something, the SQL for operators, and what is told to be typed."""
    named = ("--no-database", "--database", attacked.database)
    without_fresh_process(monkeypatch)
    documents: list[Any] = []
    changing: tuple[tuple[str, ...], ...] = (
        ("repair", "--yes", "--accept-guesses", "--no-database"),
        ("undo", "--yes", "--no-database"),
        ("hook", "--print"),
        ("hook", "--print", "--post-checkout"),
        ("lock", "--yes"),
    )
    for command in (
        ("check",),
        ("repair", "--dry-run"),
        ("restamp", "--dry-run"),
        ("restamp", "--lost", f"{attacked.lost}=start", "--dry-run"),
        ("move", "two", "--after", attacked.one, "--dry-run"),
        ("move", attacked.lost, "--to-top", "--dry-run"),
        ("rebase", "--downgrade", "--dry-run", "--onto", attacked.words.ref),
        ("unwind", "--dry-run"),
        ("unwind", "--dry-run", "--from", attacked.words.ref),
        ("unwind", "--offer"),
        ("backup",),
    ):
        documents.append(told(attacked, *command, *named, "--format", "json").document)
        told(attacked, *command, *named)
    judge_markdown(told(attacked, "repair", "--dry-run", *named, "--format", "markdown").stdout)
    for change in changing:
        documents.append(told(attacked, *change, "--format", "json").document)
        told(attacked, *change)
    typed = dict.fromkeys(each for document in documents for each in commands(document))
    _type(list(typed), tmp_path)


def _type(typed: list[str], place: Path) -> None:
    """Type commands into a shell whose programs only write down their arguments."""
    programs, here = place / "programs", place / "here"
    programs.mkdir()
    here.mkdir()
    for name in _PROGRAMS:
        (programs / name).write_text(_STUB)
        (programs / name).chmod(0o755)
    for command in typed:
        harmless(command)
        bash = shutil.which("bash")
        assert bash is not None
        done = subprocess.run(
            [bash, "-c", command],
            cwd=here,
            env={"PATH": str(programs), "HOME": str(here)},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), command
        ran = list(_ran(done.stdout))
        assert len(ran) == (2 if command.startswith("rm -f -- ") else 1), command
        for ours, *words in ran:
            assert ours in _PROGRAMS
            for word in words:
                assert not word.startswith("-") or _is_ours(word), command
        assert list(here.iterdir()) == [], command


def _ran(written: bytes) -> Iterator[list[str]]:
    """What the programs have written down: each its name and its arguments."""
    words = iter(os.fsdecode(written).split("\0")[:-1])
    for number in words:
        yield [next(words) for _ in range(int(number) + 1)]


def _is_ours(word: str) -> bool:
    """Whether a word is an option that our commands, Alembic's, Git's or pip's have.

    Its value may follow in the same word, and then begins none.
    """
    known = {name for each in main.commands for at in command_of(each).params for name in at.opts}
    others = {
        "-d",
        "-c",
        "-n",
        "-m",
        "-f",
        "-",
        "--",
        "--app",
        "--sql",
        "--continue",
        "--abort",
        "--all",
        "--no-commit",
        "--no-edit",
        "--unshallow",
    }
    name, equals, _ = word.partition("=")
    return word in known | others or bool(equals and name in known and name.startswith("--"))


@pytest.mark.parametrize("backend", ["postgresql", "mysql", "sqlite"])
def test_sql_for_operators(
    words: Words, top: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    without_fresh_process(monkeypatch)
    attacked = Attacked(top, words, sound=True)
    attacked.write_settings(backend)
    repaired = told(attacked, "repair", "--yes", "--accept-guesses", "--no-database")
    assert repaired.exit_code == 0, repaired
    row = re.sub("[,=\0\udc80]", "_", words.rows).strip() or "row"
    lost = ("--lost", f"{row}=start", "--lost", f"{attacked.lost}=start")
    stamps = ("--stamp", row, "--stamp", f"{attacked.one},two", "--stamp", attacked.lost)
    done = told(attacked, "restamp", "--no-database", *stamps, *lost, "--sql")
    judge_sql(done.stdout)
    ids = (row, attacked.one, attacked.lost)
    plain = [each.isascii() and each.isprintable() and "\\" not in each for each in ids]
    assert done.exit_code == (0 if all(plain) else 3), done
    if backend == "sqlite":
        with sqlite3.connect(":memory:") as connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (row,))
            connection.commit()
            connection.executescript(done.stdout)
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        connection.close()
        assert rows == [("start",) if plain[0] else (row,)]


def test_what_is_no_url_is_not_repeated(attacked: Attacked) -> None:
    for number, given in zip(count(), (f"password: {SECRET}", f'{{"token": "{SECRET}"}}')):
        for command in ("check", "backup", "rehearse"):
            told(attacked, command, "--database", f"{given}{attacked.words.urls}{number}")
    for url in (
        f"mssql+pyodbc:///?odbc_connect=PWD%3D{SECRET}",
        f"oracle://scott/{SECRET}@host:1521/x",
        f"bigquery://project?credentials_base64={SECRET}",
        f"{attacked.words.url}&token={SECRET}",
    ):
        for command in ("check", "backup", "rehearse"):
            told(attacked, command, "--database", url)
    told(attacked, "check", attacked.words.url)


def test_every_format_is_a_channel() -> None:
    assert set(CHANNELS) == set(format_names())
    for command in map(command_of, main.commands):
        for parameter in command.params:
            if parameter.name == "output_format":
                known = {**CHANNELS, **PICTURES}
                assert set(parameter.type.choices) <= set(known)  # type: ignore[attr-defined]


def test_every_field_with_words_of_others_has_a_source() -> None:
    """A new field of the model that holds text has to be filled with hostile words, too."""
    known = frozenset().union(*SOURCES.values()) | {
        # Ours, or nothing but names that are known.
        "Environment.dialect",
        "Environment.settings",
        "Environment.local_modules",
        "Header.spans",
        "Header.problems",
    }
    for kind in (Header, Settings, Environment, PublishedChain, DatabaseWishes):
        for name, hint in _fields(kind):
            if "str" in str(hint) or "Path" in str(hint):
                assert f"{kind.__name__}.{name}" in known


def _fields(kind: Any) -> list[tuple[str, Any]]:
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else kind._fields
    hints = get_type_hints(kind)
    return [(name, hints[name]) for name in names]


def test_every_string_of_the_list_is_used() -> None:
    everything = "".join(each for group in groups() for each in group)
    assert all(hostile in everything for hostile in HOSTILE)
    assert json.dumps(HOSTILE)
