"""Markdown, read by a parser that is not ours: what it shows, that it fits, and that it is safe."""

from __future__ import annotations

import re
import socket
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import alembic
import pytest
from markdown_it.token import Token

from flask_chainfix.cli.groups import main
from flask_chainfix.report.documents.document import (
    Chapter,
    CodeBlock,
    Document,
    ItemList,
    ListItem,
    Table,
)
from flask_chainfix.report.documents.markdown import LIMIT, written
from tests.attacks.channels import judge_markdown, markdown_tokens
from tests.browsers import mermaid_script
from tests.commands import Done, fixchain, flask, run
from tests.disk import environment
from tests.nightly import first_of
from tests.rehearsals import add, plain
from tests.repositories import Repository
from tests.stamped import sql
from tests.support import migration, rev
from tests.test_repair_properties import without_fresh_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FORK = ("a", "b <- a", "c <- b", "d <- b")


def read(done: Done) -> list[Token]:
    """The Markdown that a command has printed, judged and parsed."""
    judge_markdown(done.stdout)
    return markdown_tokens(done.stdout)


def fences(tokens: list[Token], language: str) -> list[str]:
    """The contents of the code blocks of a language."""
    return [each.content for each in tokens if each.type == "fence" and each.info == language]


def headings(tokens: list[Token]) -> list[str]:
    """The headings, first the title."""
    return inside(tokens, "heading_open")


def inside(tokens: list[Token], kind: str) -> list[str]:
    """The sources of what follows tokens of a kind."""
    return [text.content for opened, text in pairwise(tokens) if opened.type == kind]


# --- What is shown -------------------------------------------------------------------------------


def test_check_shows_what_the_other_formats_do(sample: Path) -> None:
    options = ("db", "fixchain", "check", "--no-database", "--no-git")
    tokens = read(flask(*options, "--format", "markdown", cwd=sample))
    document = flask(*options, "--format", "json", cwd=sample).document
    assert headings(tokens)[0].startswith("The migration chain is broken: 3 bases, 5 heads")
    assert [each.split(" (")[0] for each in headings(tokens)[1:]] == [
        "Current state",
        "Expected state",
        "Findings",
        "What to do",
    ]
    now, then = fences(tokens, "mermaid")
    assert "(head, FC102)<br>Add performance indexes" in now
    assert "(was on dc4e5affd5bc)" in then
    typed = set("".join(fences(tokens, "sh")).splitlines())
    told = {
        command
        for finding in document["findings"]
        for remedy in finding["remedies"]
        for command in remedy["commands"]
    }
    assert told
    assert told <= typed
    said = {each.content for each in tokens if each.type == "code_inline"}
    for finding in document["findings"]:
        assert f"{finding['code']} {finding['name']}" in said
        for place in finding["locations"]:
            assert any(each.startswith(place["path"]) for each in said)


def test_mine_is_marked(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(repository.top / "migrations", "a", "b <- a")
    repository.commit(day=1)
    repository.branch("mine")
    (repository.top / "migrations/versions/c.py").write_bytes(migration(rev("c <- b")))
    monkeypatch.chdir(repository.top)
    tokens = read(fixchain("check", "--against", "main", "--format", "markdown"))
    (picture,) = fences(tokens, "mermaid")
    assert picture.count("mine") == 1
    assert "c<br>(head, mine)" in picture


def test_a_plan_is_a_table_and_a_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", *_FORK)
    monkeypatch.chdir(tmp_path)
    options = ("repair", "--dry-run", "--no-git", "--no-database")
    done = fixchain(*options, "--format", "markdown")
    tokens = read(done)
    assert done.exit_code == 1
    assert inside(tokens, "td_open")[:2] == ["`d`", "`b` → `c`"]
    (diff,) = fences(tokens, "diff")
    text = fixchain(*options, "--verbose").stdout
    assert diff == text[text.index("--- a/migrations") : text.index("\nExpected state")]
    assert "<details><summary>Changes of files</summary>" in done.stdout


def test_a_repair_says_how_to_take_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", *_FORK)
    monkeypatch.chdir(tmp_path)
    without_fresh_process(monkeypatch)
    done = fixchain("repair", "--yes", "--no-git", "--no-database", "--format", "markdown")
    tokens = read(done)
    assert headings(tokens)[0].startswith("Written, and confirmed by")
    assert any("fixchain undo" in each for each in fences(tokens, "sh"))
    assert fixchain("check", "--no-git").exit_code == 0


def test_a_rehearsal_marks_where_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = plain(tmp_path, "a", "b <- a")
    add(project, "c <- b", up="op.drop_table('gone')")
    monkeypatch.chdir(project)
    done = fixchain("rehearse", "--format", "markdown")
    tokens = read(done)
    assert done.exit_code == 3
    assert headings(tokens)[0] == "The rehearsal of the chain failed at c (up)."
    (picture,) = fences(tokens, "mermaid")
    assert re.search(r'"c<br>\(head.*, failed\).*:::broken', picture)
    assert any("no such table" in each.content for each in tokens if each.type == "inline")


def test_a_trace_has_a_picture_of_each_database_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(tmp_path, "a", "b <- a")
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    sql(url, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    sql(url, "INSERT INTO alembic_version VALUES ('b')")
    sql(url, "CREATE TABLE a (id INTEGER PRIMARY KEY)")
    done = fixchain("trace", "--database", url, "--format", "markdown")
    tokens = read(done)
    assert done.exit_code == 1
    (picture,) = fences(tokens, "mermaid")
    assert "b<br>(stamp, has not run)" in picture
    assert any("restamp --from-schema" in each for each in fences(tokens, "sh"))


def test_a_masked_password_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", *_FORK)
    monkeypatch.chdir(tmp_path)
    url = "postgresql+psycopg2://u:s3cretword@127.0.0.1:1/x"
    done = fixchain("check", "--no-git", "--database", url, "--format", "markdown")
    read(done)
    assert "s3cretword" not in done.stdout
    assert done.stdout.count("stands for a password, which is never printed") == 1


@pytest.mark.parametrize("command", ["lock --yes", "undo", "explain", "explain FC102"])
def test_other_commands_say_what_the_terminal_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    environment(tmp_path / "migrations", "a", "b <- a")
    monkeypatch.chdir(tmp_path)
    done = fixchain(*command.split(), "--format", "markdown")
    assert done.exit_code == (3 if command == "undo" else 0), done
    assert headings(read(done))


def test_an_error_is_a_document(tmp_path: Path) -> None:
    done = fixchain("-d", tmp_path / "<b>@none", "check", "--format", "markdown")
    assert done.exit_code == 3
    assert "@none" in headings(read(done))[0].replace("\\", "").replace("&#8203;", "")


# --- That it fits --------------------------------------------------------------------------------


def test_however_much_there_is_it_fits_into_a_comment() -> None:
    entries = ItemList(tuple(ListItem(f"finding {n} {'@word ' * 300}") for n in range(1_000)))
    table = Table(("a", "b"), tuple((f"{n}", "| " * 300) for n in range(1_000)))
    lines = CodeBlock(tuple(f"line {n}" for n in range(20_000)), "diff", "Changes of files")
    chapters = tuple(Chapter(f"part {n}", (entries, table, lines)) for n in range(5))
    document = written(Document("title " * 1_000, chapters), "check")
    judge_markdown(document)
    assert LIMIT / 2 < len(document) <= LIMIT
    shown = document.count("\n- finding ")
    left = re.findall(r"^- … ([\d,]+) more$", document, re.MULTILINE)
    assert shown + sum(int(each.replace(",", "")) for each in left) == 1_000 * len(left)
    assert re.search(r"^… [\d,]+ more lines$", document, re.MULTILINE)
    assert re.search(
        r"^… \d+ more parts, for which there is no room here\.$", document, re.MULTILINE
    )


@pytest.mark.nightly
def test_a_thousand_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "a", *(f"h{n} <- a" for n in range(300)))
    monkeypatch.chdir(tmp_path)
    done = fixchain("check", "--no-git", "--format", "markdown")
    tokens = read(done)
    assert not fences(tokens, "mermaid")
    assert "301 revisions, too many for a picture here:" in done.stdout


def test_a_long_healthy_run_is_one_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "r0", *(f"r{n} <- r{n - 1}" for n in range(1, 300)))
    monkeypatch.chdir(tmp_path)
    (picture,) = fences(read(fixchain("check", "--no-git", "--format", "markdown")), "mermaid")
    assert re.findall(r'\["(.*?)<br>', picture) == ["r0", "r1", "r2 #8230; r297", "r298", "r299"]
    assert re.findall(r"(n\d+) --> g0(n\d+)", picture) == [
        ("n0", "n1"),
        ("n1", "n2"),
        ("n2", "n3"),
        ("n3", "n4"),
    ]


@pytest.mark.nightly
def test_mermaid_reads_a_folded_picture(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = ("r0", *(f"r{n} <- r{n - 1}" for n in range(1, 40)), "x <- r20", "y  @own  +r9")
    environment(tmp_path / "migrations", *specs)
    monkeypatch.chdir(tmp_path)
    done = fixchain("check", "--no-git", "--format", "markdown")
    page = browser.new_page()
    page.add_script_tag(path=mermaid_script())
    for picture in fences(read(done), "mermaid"):
        labels = page.evaluate(
            """async (text) => {
                await mermaid.parse(text);
                const diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
                return diagram.db.getData().nodes.map((node) => node.label);
            }""",
            picture,
        )
        assert any("r9" in each for each in labels)
        assert len(labels) < 25
    page.close()


# --- The SQL of new revisions --------------------------------------------------------------------


_LOGGING = """
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
level = WARNING
handlers =
"""


@pytest.fixture
def gated(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain environment in Git, to which three revisions come."""
    place = plain(repository.top, "a")
    template = Path(alembic.__file__).parent / "templates/generic/env.py"
    (place / "migrations/env.py").write_bytes(template.read_bytes())
    ini = "[alembic]\nscript_location = migrations\nsqlalchemy.url = sqlite://\n"
    (place / "alembic.ini").write_text(f"{ini}{_LOGGING}")
    repository.commit(day=1)
    repository.branch("mine")
    monkeypatch.chdir(place)
    add(place, "b <- a")
    add(place, "c <- b", up="op.execute('INSERT INTO b VALUES (1)')\nop.drop_table('a')")
    up = "open('left', 'w').close()\nop.get_bind().execute(sa.text('SELECT 1')).fetchall()"
    add(place, "d <- c", up=up)
    return place


@pytest.mark.usefixtures("warm_programs")
def test_the_sql_is_that_of_alembics_offline_mode(gated: Path) -> None:
    before = sorted(gated.rglob("*"))
    options = ("check", "--against", "main", "--sql", "--no-database")
    done = run("fixchain", *options, "--format", "json", cwd=gated)
    assert done.exit_code == 0, done.stderr
    b, c, d = done.document["sql"]
    assert sorted(gated.rglob("*")) == before
    oracle = run("alembic", "upgrade", "a:c", "--sql", cwd=gated)
    sent = [each.strip() for each in re.sub(r"--.*\n", "", oracle.stdout).split(";")]
    own = [each for each in sent if each and not re.match("BEGIN|COMMIT|UPDATE alembic_", each)]
    assert [each.rstrip(";") for each in (*b["statements"], *c["statements"])] == own
    assert len(own) == 3
    assert (b["name"], b["problem"], d["name"]) == ("b", None, "d")
    assert d["problem"].startswith("stopped, AttributeError")


@pytest.mark.parametrize(
    ("connect", "place"),
    first_of(
        [
            ("sqlite3.connect('own.db')", "the SQLite database own.db"),
            ("socket.create_connection(('127.0.0.1', PORT))", "127.0.0.1:PORT"),
            ("pymysql.connect(host='127.0.0.1', port=PORT)", "127.0.0.1:PORT"),
            ("psycopg2.connect('host=127.0.0.1 port=PORT')", "a database"),
            ("sa.create_engine('sqlite:///own.db').connect()", "the SQLite database"),
        ]
    ),
)
@pytest.mark.usefixtures("warm_programs")
def test_sql_is_made_without_any_connection(gated: Path, connect: str, place: str) -> None:
    """A server listens there, and hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = str(server.getsockname()[1])
        module = connect.partition(".")[0]
        before = "" if module == "sa" else f"import {module}"
        add(gated, "e <- d", up=connect.replace("PORT", port), before=before)
        options = ("check", "--against", "main", "--sql", "--no-database", "--format", "json")
        done = run("fixchain", *options, cwd=gated)
        (problem,) = [each["problem"] for each in done.document["sql"] if each["name"] == "e"]
        assert f"it wants to connect to {place.replace('PORT', port)}" in problem
        assert "runs without a database" in problem
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not list(gated.rglob("own.db"))


@pytest.mark.usefixtures("warm_programs")
def test_sql_is_never_run_without_being_asked(gated: Path) -> None:
    add(gated, "e <- d", before="open('imported', 'w').close()")
    run("fixchain", "check", "--against", "main", "--format", "markdown", cwd=gated)
    assert not list(gated.rglob("imported"))
    assert fixchain("check", "--sql").exit_code == 2
    done = run("fixchain", "check", "--against", "main", "--sql", "--format", "markdown", cwd=gated)
    tokens = read(done)
    assert "ran in Alembic's offline mode, without a database" in done.stdout
    assert any("INSERT INTO b" in each for each in fences(tokens, "sql"))


def test_help_says_that_sql_runs_migrations() -> None:
    said = " ".join(fixchain("check", "--help").stdout.split())
    assert "runs these migrations in Alembic's offline mode, without a database" in said
    assert main.commands["check"]
