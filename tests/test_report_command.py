"""``report``: the analysis that one hands in, read by parsers that are not ours."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from flask_chainfix import disk
from tests.browsers import axe_script
from tests.commands import fixchain, flask
from tests.disk import environment
from tests.repositories import Repository
from tests.test_markdown import fences, headings, inside, read

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_BROKEN = [
    "Summary",
    "What was found",
    "What it breaks",
    "Files",
    "The chain after the repair",
    "What the repair does, and why",
    "The order of the repaired chain",
    "Databases",
    "Workflow",
    "Prevention",
    "Environment",
]


def test_the_analysis_of_a_broken_chain(sample: Path) -> None:
    flask("db", "upgrade", "2ca607eff9c8", cwd=sample)
    done = flask("db", "fixchain", "report", cwd=sample)
    assert done.exit_code == 0, done
    tokens = read(done)
    title, *chapters = headings(tokens)
    assert title.startswith("The migration chain is broken: 3 bases, 5 heads")
    assert [each.split(" (")[0] for each in chapters] == _BROKEN
    document = flask("db", "fixchain", "check", "--schema", "--format", "json", cwd=sample).document
    cells = inside(tokens, "td_open")
    for finding in document["findings"]:
        row = cells.index(f"`{finding['code']}` {finding['name']}")
        assert cells[row - 1] == finding["severity"]
        assert cells[row + 2] == finding["breaks"]
    order = re.findall(r"^1\. `(\w+)`", done.stdout, re.MULTILINE)
    assert order == document["plan"]["order"]
    now, then = fences(tokens, "mermaid")
    assert "FC102" in now
    assert "was on dc4e5affd5bc" in then
    tasks = re.findall(r"^- \[ \] ", done.stdout, re.MULTILINE)
    assert len(tasks) >= 7
    typed = set("".join(fences(tokens, "sh")).splitlines())
    assert {"flask db fixchain repair", "flask db upgrade head", "flask db fixchain lock"} <= typed


def test_what_the_last_repair_changed(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(repository.top / "migrations", "a", "b <- a", "c <- a")
    repository.commit(day=1)
    monkeypatch.chdir(repository.top)
    before = headings(read(fixchain("report")))
    fixchain("repair", "--yes", "--no-database")
    fixchain("lock", "--yes")
    done = fixchain("report", "--against", "main")
    tokens = read(done)
    assert "What the last repair changed" not in before
    assert "What the last repair changed" in headings(tokens)
    assert "Workflow" not in headings(tokens)
    (diff,) = fences(tokens, "diff")
    assert "-down_revision = 'a'" in diff.replace('"', "'")
    assert "+down_revision = 'b'" in diff.replace('"', "'")
    cells = inside(tokens, "td_open")
    assert cells[cells.index("`migrations/versions/c_add_c.py`") + 1] == "rewritten"
    assert cells[cells.index("`migrations/chain.lock`") + 1] == "in place"
    assert cells[cells.index("`.git/hooks/pre-commit`") + 1] == "missing"
    typed = "".join(fences(tokens, "sh")).splitlines()
    assert {"fixchain undo", "fixchain hook --install", "fixchain check --against main"} <= {*typed}
    for command in ("undo --yes", "hook --install --yes"):
        assert fixchain(*command.split()).exit_code == 0
    cells = inside(read(fixchain("report")), "td_open")
    assert cells[cells.index("`.git/hooks/pre-commit`") + 1] == "in place"
    repository.git("config", "core.hooksPath", str(repository.top.parent / "for-all"))
    cells = inside(read(fixchain("report")), "td_open")
    assert cells[cells.index("Git hook") + 2] == "missing; add it by hand"


def test_the_last_change_is_called_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(tmp_path / "migrations", "a", "b <- a", "c <- b")
    monkeypatch.chdir(tmp_path)
    moved = fixchain("move", "c", "--after", "a", "--yes", "--no-git")
    assert moved.exit_code == 0, moved
    titles = headings(read(fixchain("report")))
    assert "What the last move changed" in titles
    assert "What the last repair changed" not in titles


def test_every_kind_of_database_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "a")
    monkeypatch.chdir(tmp_path)
    urls = "sqlite:///one.db", "postgresql+psycopg2://127.0.0.1:1/nobody"
    done = fixchain("report", *(f"--database={url}" for url in urls))
    cells = inside(read(done), "td_open")
    assert cells[cells.index("database") + 1] == "postgresql, sqlite", done


def test_what_cannot_be_planned_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "a", "b <- a", "c <- b")
    (tmp_path / "migrations/versions/x.py").write_text("revision = (")
    monkeypatch.chdir(tmp_path)
    done = fixchain("report")
    assert "No repair can be planned yet" in done.stdout
    assert "The repair" in headings(read(done))


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "a", "b <- a", "c <- a")
    monkeypatch.chdir(tmp_path)
    with patch.object(disk, "read_snapshot", wraps=disk.read_snapshot) as read:
        assert fixchain("report").exit_code == 0
    assert read.call_count == 1


# --- HTML ----------------------------------------------------------------------------------------


class _Text(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.found.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in self._open[-1:]:
            self.found[tag][-1] += data


def test_the_page_has_the_text_of_the_markdown(sample: Path) -> None:
    flask("db", "upgrade", "2ca607eff9c8", cwd=sample)
    done = flask("db", "fixchain", "report", "--format", "html", cwd=sample)
    assert done.exit_code == 0, done
    assert done.stdout.isascii()
    found = _Text(done.stdout).found
    assert [text.strip() for text in found["h2"]][-len(_BROKEN) :] == _BROKEN
    graph = flask("db", "fixchain", "graph", "--format", "html", cwd=sample).stdout
    assert 'class="report"' not in graph
    markdown = flask("db", "fixchain", "report", cwd=sample).stdout
    for command in re.findall(r"^ +(flask .*)$", markdown, re.MULTILINE):
        assert command in found["code"]
    assert len(found["input"]) == 1 + len(re.findall(r"^- \[ \] ", markdown, re.MULTILINE))


def test_the_page_works_in_a_browser(sample: Path, browser: Browser) -> None:
    target = sample / "report.html"
    done = flask("db", "fixchain", "report", "--format", "html", "--output", target, cwd=sample)
    assert done.exit_code == 0, done
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(target.as_uri())
    page.get_by_role("checkbox").first.check()
    assert page.locator(".pane .row").count() > 10
    assert page.locator(".report svg").count() == 2
    page.evaluate(axe_script().read_text("utf-8"))
    assert page.evaluate("axe.run()")["violations"] == []
    assert said == []
    page.close()
