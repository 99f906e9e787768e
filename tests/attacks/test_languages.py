"""Each language's own reader gets back what was quoted, and nothing else happens."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as Xml

import pytest
import yaml
from markdown_it.token import Token
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from flask_chainfix.common import quoting as languages
from flask_chainfix.common.quoting import Unspeakable
from tests.attacks.channels import judge_markdown, markdown_tokens
from tests.attacks.strings import WANTED, strings

ALL = strings(max(WANTED, 200))


def controls(output: str) -> set[str]:
    """The characters of an output that a terminal may obey, but for line ends."""
    return {char for char in output if not char.isprintable()} - {"\n"}


def speakable(given: str) -> bool:
    """Whether a database and a shell can hold a string at all."""
    return "\0" not in given and "\udc80" not in given


# --- Shells ---------------------------------------------------------------------------------------


def read_by(shell: str, command: str, directory: Path) -> list[bytes]:
    """The words that a shell makes of a command's arguments."""
    done = subprocess.run(
        [shell, "-c", f"printf '%s\\0' {command}"],
        cwd=directory,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert list(directory.iterdir()) == []
    return done.stdout.split(b"\0")[:-1]


def test_a_typed_word_is_one_word(tmp_path: Path) -> None:
    given = [each for each in ALL if "\0" not in each]
    command = languages.words(given)
    assert controls(command) == set()
    assert "\n" not in command
    assert read_by("bash", command, tmp_path) == [os.fsencode(each) for each in given]


def test_a_word_that_is_printable_is_read_alike_by_other_tools() -> None:
    for given in filter(str.isprintable, ALL):
        assert shlex.split(languages.word(given)) == [given]


def test_a_nul_does_not_make_a_word_another_one(tmp_path: Path) -> None:
    (found,) = read_by("bash", languages.word("a\0b"), tmp_path)
    assert found.decode() == "a\ufffdb"


def test_a_word_in_a_script_is_one_word_for_any_shell(tmp_path: Path) -> None:
    given = [each for each in ALL if speakable(each)]
    found = read_by("sh", languages.script_words(*given), tmp_path)
    assert found == [each.encode() for each in given]


def test_no_operand_path_or_ref_begins_an_option() -> None:
    for given in filter(str.isprintable, ALL):
        first, *others = shlex.split(languages.operand(given))
        assert [first, *others] in ([given], ["--", given])
        assert first == "--" or not first.startswith("-")
        for quote, bare in (
            (languages.path_word, os.path.normpath),
            (languages.typed_path, os.path.abspath),
            (languages.git_word, os.path.abspath),
            (languages.ref_word, _short),
        ):
            (found,) = shlex.split(quote(given))
            assert not found.startswith("-")
            assert bare(found) == bare(given)


def test_a_typed_path_leads_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [each for each in ALL if "\0" not in each]
    for paths in (given, [os.path.join("/elsewhere", each) for each in given]):
        command = " ".join(map(languages.typed_path, paths))
        assert controls(command) == set()
        found = read_by("bash", command, tmp_path)
        meant = [os.fsencode(os.path.abspath(each)) for each in paths]
        assert [*map(os.path.abspath, found)] == meant
        for_git = languages.git_words(map(Path, paths))
        assert controls(for_git) == set()
        assert {*map(os.path.abspath, read_by("bash", for_git, tmp_path))} <= {*meant}
    assert languages.typed_path(tmp_path / "a b") == "'a b'"


def test_git_starts_in_the_same_work_tree_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, empty = tmp_path / "work", tmp_path / "empty"
    work.mkdir()
    empty.mkdir()
    monkeypatch.chdir(work)
    for given in ALL:
        name = given.replace("/", "_")
        if "\0" in given or name in ("", ".", "..") or len(os.fsencode(name)) > 200:
            continue
        os.makedirs(os.path.join(name, ".git"))
        command = f"{languages.git_program(name)} show {languages.git_version('v', f'{name}/a/b')}"
        assert controls(command) == set()
        program, option, top, show, version = read_by("bash", command, empty)
        assert (program, option, show) == (b"git", b"-C", b"show")
        assert os.path.abspath(top) == os.fsencode(work / name)
        assert version == b"v:./a/b"
        monkeypatch.chdir(name)
        assert languages.git_program("a") == "git"
        monkeypatch.chdir(work)


def test_a_value_of_an_option_begins_none() -> None:
    for given in filter(str.isprintable, ALL):
        words = shlex.split(languages.option("--lost", given))
        assert words in ([f"--lost={given}"], ["--lost", given])
        assert not words[-1].startswith("-") or words == [f"--lost={given}"]


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")


def test_a_word_holds_no_placeholder() -> None:
    for given in ALL:
        assert languages.PLACEHOLDER.search(languages.word(given)) is None


_PLAIN = ("", "a", "it's", "'; DROP TABLE a; --", "$fixchain$", '"', "%s :x", "/*!1*/ #")


# --- SQL ------------------------------------------------------------------------------------------


def literals() -> Iterator[tuple[str, str]]:
    """Each string that has a literal, with it; every other is refused."""
    for given in (*ALL, *_PLAIN):
        if given.isascii() and given.isprintable() and "\\" not in given:
            yield given, languages.sql_literal(given)
        else:
            with pytest.raises(Unspeakable):
                languages.sql_literal(given)


def test_literals_of_sqlite() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA encoding = 'UTF-16le'")
    for given, written in literals():
        assert connection.execute(f"SELECT {written}").fetchone() == (given,)


@pytest.mark.parametrize("settings", ["", "standard_conforming_strings", "escape_string_warning"])
def test_literals_of_postgresql(postgresql: str, settings: str) -> None:
    engine = create_engine(postgresql, poolclass=NullPool)
    with engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        if settings:
            cursor.execute(f"SET {settings} = off")
        given, written = zip(*literals(), strict=True)
        cursor.execute(f"SELECT ARRAY[{', '.join(written)}]")
        assert cursor.fetchone() == ([*given],)


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
@pytest.mark.parametrize("characters", ["utf8mb4", "latin1"])
def test_literals_of_mysql(mariadb: str, mode: str, characters: str) -> None:
    engine = create_engine(make_url(mariadb), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SET SESSION sql_mode = :mode"), {"mode": mode})
        connection.execute(text(f"SET character_set_client = {characters}"))
        cursor: Any = connection.connection.cursor()
        for given, written in literals():
            cursor.execute(f"SELECT CAST(CONVERT({written} USING utf8mb4) AS BINARY)")
            assert cursor.fetchone() == (given.encode(),)


def test_a_comment_is_one_line() -> None:
    for given in ALL:
        comment = languages.sql_comment(given)
        assert comment.startswith("--")
        assert comment.isprintable()


def test_a_name_that_has_no_safe_form_is_refused() -> None:
    assert languages.sql_identifier("`é'`") == "`é'`"
    for name in ("a\nb", "a\x1b[m", "a\u202e", "a\0", "a\ud800"):
        with pytest.raises(Unspeakable):
            languages.sql_identifier(f"`{name}`")


# --- Documents ------------------------------------------------------------------------------------


def test_json_is_ascii_and_says_the_same() -> None:
    document = languages.json_document({"all": ALL})
    assert document.isascii()
    assert controls(document) == set()
    assert json.loads(document) == {"all": ALL}


def test_a_yaml_scalar_says_the_same() -> None:
    for given in ALL:
        scalar = languages.yaml_string(given)
        assert scalar.isprintable()
        if "\udc80" not in given:
            assert yaml.safe_load(f"[{scalar}]") == [given]


def test_an_annotation_is_one_line() -> None:
    for given in ALL:
        for quote in (languages.annotation, languages.annotation_property):
            assert quote(given).isprintable()
            if given.isprintable():
                assert unquote(quote(given)) == given
        assert {":", ","}.isdisjoint(languages.annotation_property(given))


def test_no_line_of_a_log_is_a_workflow_command() -> None:
    for given in ALL:
        log = languages.log_text(f"{given}\n  {given}::x\n")
        assert not re.search(r"^\s*::|##\[", log, re.MULTILINE)
        assert re.sub(r"[ ]", "", log) == f"{given}\n{given}::x\n".replace(" ", "")


def test_text_for_people_is_one_line_and_nothing_is_lost() -> None:
    for given in ALL:
        shown = languages.printable(given)
        assert shown.isprintable()
        assert shown == given or not given.isprintable()
        assert "{" not in languages.sarif_text(given).replace("{{", "")
    assert languages.printable("a\nb\x1b\u202e\U000e0041\udc80") == (
        "a\\nb\\x1b\\u202e\\U000e0041\\udc80"
    )
    assert languages.plain_ascii("“a” → b…") == '"a" -> b...'


# --- Markdown -------------------------------------------------------------------------------------

_REFERENCES = (
    "@octocat",
    "x @org/team, @octocat's",
    "a@b.example",
    "#12 GH-12 gh-3 !4 $5 %6 &7 ~bug ^8 *iteration:9",
    "o/r#12 o/r@0123456789abcdef0123456789abcdef01234567 0123abc4",
    "https://x.example http://x ftp://x mailto:a@b.example www.x.example :smile: x:tada:",
    "[a](b) ![a](b) [a]: b <https://x.example> <b>x</b> <!-- x --> &lt;i&gt;",
    "1. a",
    "12) a",
    "- a",
    "+ a",
    "# a",
    "> a",
    "=== a",
    "--- a",
    "    a",
    "/close",
    "| a | b |",
    "[^1] [ ] $x$ `a` ``b`` ``` *a* _a_ **a** ~~a~~ a\\",
    "`",
    "``",
    "\\",
    "a | `",
)


def test_a_sentence_stays_one_for_readers_of_markdown() -> None:
    for given in (*ALL, *_REFERENCES):
        shown = languages.printable(given).strip()
        for written in (languages.markdown(given), languages.markdown_code(given)):
            table = f"| {written} | b |\n| --- | --- |\n| {written} | b |\n"
            for document in (f"{written}\n", f"- {written}\n", f"x `a` {written} `b`\n", table):
                judge_markdown(document)
            found = _text_of(markdown_tokens(f"{written}\n"))
            assert found == shown
            cells = [token for token in markdown_tokens(table) if token.type == "inline"]
            assert [_text_of(each.children or []) for each in cells] == [shown, "b"] * 2


def _text_of(tokens: Sequence[Token]) -> str:
    return "".join(
        token.content for token in tokens if token.type in ("text", "code_inline", "text_special")
    ).replace("\u200b", "")


def test_no_line_ends_its_code() -> None:
    for given in (*ALL, *_REFERENCES, "```", "~~~", "````sh", "/lgtm"):
        for indent in ("", "  "):
            lines = [f"{indent}{line}" for line in languages.markdown_fence([given, given], "sql")]
            begin = "- x\n" if indent else ""
            document = begin + "\n".join(lines) + "\n\nafter\n"
            judge_markdown(document)
            (fence,) = [t for t in markdown_tokens(document) if t.type == "fence"]
            shown = languages.printable(f" {given}" if given.startswith("/") else given)
            assert fence.content == f"{shown}\n" * 2


# --- Pictures -------------------------------------------------------------------------------------


def test_markup_is_text_for_html_and_xml() -> None:
    for given in ALL:
        shown = languages.printable(given)
        written = languages.markup(given)
        assert written.isascii()
        assert html.unescape(written) == shown
        element = Xml.fromstring(f'<a b="{written}">{written}</a>')
        assert (element.attrib["b"], element.text or "") == (shown, shown)


def test_no_document_ends_its_script_element() -> None:
    for given in ALL:
        written = languages.json_in_html({"a": given})
        assert written.isascii()
        assert not {"<", ">", "&"} & set(written)
        assert json.loads(written) == {"a": given}


def test_a_label_ends_where_its_quote_is() -> None:
    for given in ALL:
        shown = languages.printable(given)
        mermaid = languages.mermaid_string([given, given])
        assert html.unescape(re.sub("#([0-9]+);", r"&#\1;", mermaid)) == f'"{shown}<br>{shown}"'
        dot = languages.dot_string([given, given])
        assert html.unescape(dot) == f'"{shown}\\n{shown}"'
        for label in (mermaid, dot):
            assert label.isascii()
            assert label.count('"') == 2


def test_every_language_is_attacked() -> None:
    """A function for another language has to be tried here, too."""
    here: Callable[..., object] = test_every_language_is_attacked
    source = Path(here.__code__.co_filename).read_text("utf-8")
    known = {
        name
        for name, function in getmembers(languages, isfunction)
        if function.__module__ == languages.__name__ and not name.startswith("_")
    }
    assert {name for name in known if f"languages.{name}" not in source} == set()
