"""The page of ``graph --format html`` as people use it: in a real Chromium, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flask_chainfix.report import Style, render
from flask_chainfix.report.results import Drawn
from tests.browsers import Watched, axe_script
from tests.commands import fixchain, flask
from tests.disk import environment
from tests.nightly import first_of
from tests.repositories import Repository, needs_git
from tests.results import checked
from tests.stamped import sql
from tests.support import chain
from tests.test_graph_command import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

_RUN = tuple(f"r{number} <- r{number - 1}" for number in range(1, 40))


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 820}, offline=True)
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a chain with a long run, two heads, a label and a database."""
    place = tmp_path_factory.mktemp("page")
    environment(place / "migrations", "r0  @trunk", *_RUN, "left <- r39", "right <- r39")
    url = f"sqlite:///{place / 'one.db'}"
    sql(url, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    sql(url, "INSERT INTO alembic_version VALUES ('left')")
    sql(url, *(f"CREATE TABLE t_{name} (id INTEGER)" for name in ("left", *_names())))
    file = place / "chain.html"
    options = ("graph", "--format", "html", "--database", url, "--output", file)
    done = fixchain("-d", place / "migrations", *options)
    assert done.exit_code == 0, done
    return file


def _names() -> list[str]:
    return [f"r{number}" for number in range(40)]


@pytest.fixture(scope="module")
def tab(context: BrowserContext) -> Iterator[Watched]:
    """One for all tests that open the page: a new one takes half a second."""
    seen = Watched(context.new_page())
    yield seen
    seen.page.close()


@pytest.fixture
def watched(tab: Watched, written: Path) -> Iterator[Watched]:
    """The page, which neither complains nor asks anybody for anything."""
    tab.complaints.clear()
    tab.requests.clear()
    tab.page.set_viewport_size({"width": 1440, "height": 820})
    tab.page.emulate_media(media="null", color_scheme="null")
    tab.open(written)
    yield tab
    assert tab.complaints == []
    assert tab.requests == [written.as_uri()]


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def _rows(page: Page, pane: int = 0) -> list[str]:
    return page.locator(".pane").nth(pane).locator(".row .key").all_inner_texts()


def _selected(page: Page) -> set[str]:
    return set(page.locator(".row[aria-selected=true] .key").all_inner_texts())


# --- What one sees and does ----------------------------------------------------------------------


def test_before_and_after_stand_beside_each_other(page: Page) -> None:
    assert page.locator("h1").inner_text() == "The migration chain is broken: 2 heads."
    assert page.locator(".pane:visible h2").all_inner_texts() == [
        "Current state 42 revisions",
        "Expected state strategy linear, 1 file rewritten",
    ]
    assert page.locator(".row.broken .key").all_inner_texts() == ["right", "left"]
    assert page.locator(".row.changed .key").all_inner_texts() == ["right"]
    assert page.locator(".row.fold").first.inner_text().startswith("37 revisions")
    page.click("text=Expected >> nth=0")
    assert page.locator(".pane:visible").count() == 1
    page.keyboard.press("s")
    assert page.locator(".pane:visible h2").inner_text().startswith("Current state")
    page.keyboard.press("s")
    assert page.locator(".pane:visible h2").inner_text().startswith("Expected state")


def test_a_revision_is_clicked(page: Page) -> None:
    page.click(".pane >> nth=1 >> .row.changed")
    assert _selected(page) == {"right"}
    assert page.locator(".row[aria-selected=true]").count() == 2  # in both states
    told = page.locator("#details").inner_text()
    assert "down_revision: r39 → left" in told
    assert "branch r39 branches here, and a linear chain does not" in told
    assert "right_add_right.py:13" in told
    assert "creates table t_right (1 column)" in told
    assert "Revision ID: right" in told
    assert "FC102 multiple-heads" in told
    page.click("#details button.revision:text-is('r39')")
    assert _selected(page) == {"r39"}
    assert page.locator("#details h2").inner_text() == "r39"
    children = page.locator("#details h3:text-is('Children') + p button").all_inner_texts()
    assert set(children) == {"left", "right"}
    page.click("#back")
    assert page.locator("#overview").is_visible()
    assert _selected(page) == set()


def test_a_revision_in_a_fold_is_shown(page: Page) -> None:
    page.click(".pane >> nth=0 >> .row.fold")
    assert "r20" in _rows(page)
    page.keyboard.press("f")
    page.keyboard.press("f")
    assert "r20" not in _rows(page)


_SEARCHED = {"ADD r2": ["r29", "r20", "r2"], "t_r20": ["r20"], "@trunk": ["r0"], "nothing": []}


def test_search(page: Page) -> None:
    page.keyboard.press("/")
    for query, found in _SEARCHED.items():
        page.keyboard.type(query)
        page.keyboard.press("Enter")
        bright = page.locator(".pane >> nth=0 >> .row:not(.dim) .key").all_inner_texts()
        assert set(found) <= set(bright)
        assert "r1" not in bright
        assert page.locator("#count").inner_text().endswith("of 42")
        assert _selected(page) == set(found[:1])
        page.keyboard.press("Escape")
        assert page.locator("#count").inner_text() == ""
        page.keyboard.press("Escape")
        assert _selected(page) == set()


@needs_git
def test_search_by_author(context: BrowserContext, repository: Repository) -> None:
    place = environment(repository.top / "migrations", "a", "b <- a", "c <- b")
    authors = {"a": "Ada Lovelace", "b": "Grace Hopper", "c": "Ada Lovelace"}
    for day, (name, author) in enumerate(authors.items(), 1):
        repository.git("add", f"migrations/versions/{name}_add_{name}.py")
        repository.git("commit", "-qm", name, f"--author={author} <x@example.org>", day=day)
    file = repository.top / "chain.html"
    assert fixchain("-d", place, "graph", "--format", "html", "--output", file).exit_code == 0
    page = context.new_page()
    page.goto(file.as_uri())
    page.fill("#search", "lovelace")
    assert page.locator("#count").inner_text() == "2 of 3"
    assert page.locator(".row:not(.dim) .key").all_inner_texts() == ["c", "a"]
    page.press("#search", "Enter")
    assert "by Ada Lovelace" in page.locator("#details").inner_text()
    page.close()


def test_filters(page: Page) -> None:
    page.click("[data-filter=databases]")
    assert page.locator("#count").inner_text() == "1 of 42"
    assert page.locator(".pane >> nth=0 >> .row:not(.dim) .key").all_inner_texts() == ["left"]
    page.click("[data-filter=findings]")
    assert page.locator("#count").inner_text() == "1 of 42"
    page.click("[data-filter=databases]")
    assert page.locator("#count").inner_text() == "2 of 42"
    assert page.locator("[data-filter=mine]").count() == 0  # nothing is compared


def test_the_keyboard_alone(page: Page) -> None:
    page.focus(".scroller")
    page.keyboard.press("Home")
    assert _selected(page) == {"right"}
    page.keyboard.press("ArrowDown")
    assert _selected(page) == {"left"}
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    active = page.locator(".scroller >> nth=0").get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").inner_text().startswith("37 revisions")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    assert _selected(page) == {"r37"}
    page.keyboard.press("End")
    assert _selected(page) == {"r0"}
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "details"
    page.keyboard.press("Escape")
    assert page.locator("#overview").is_visible()


def test_a_remedy_is_copied(page: Page) -> None:
    button = page.locator(".finding .copy").first
    wanted = button.get_attribute("data-copy")
    button.click()
    page.wait_for_selector("text=Copied >> nth=0")
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    page.locator(".steps .copy").first.click()  # by the older way
    page.wait_for_selector(".steps .copy:text-is('Copied')")


def test_zoom(page: Page) -> None:
    row = page.locator(".row.broken").first
    before = row.bounding_box()
    page.click("#larger")
    after = row.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] == pytest.approx(before["height"] * 1.15, rel=0.02)


def test_in_the_dark(page: Page) -> None:
    colors = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        script = "getComputedStyle(document.querySelector('.pane')).backgroundColor"
        colors.append(sum(map(int, re.findall(r"\d+", page.evaluate(script)))))
    assert colors[0] > 700 > 150 > colors[1]


@pytest.mark.parametrize("scheme", first_of(["light", "dark"]))
def test_axe_finds_nothing(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate(axe_script().read_text("utf-8"))  # a script element would be against the policy
    for step in ("", ".row.broken"):
        if step:
            page.click(step)
        found = page.evaluate("axe.run()")
        told = [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
        assert told == []


def test_print_shows_every_row(watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 1440, "height": 300})
    page.keyboard.press("f")
    assert len(_rows(page)) < 42
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(_rows(page)) == 42
    page.emulate_media(media="print")
    assert page.locator("#overview").is_visible()
    assert not page.locator("#bar").is_visible()
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2


def test_on_a_narrow_screen(context: BrowserContext, written: Path) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(written.as_uri())
    assert page.locator(".pane:visible").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.click(".row.broken >> nth=0")
    details = page.locator("#details").bounding_box()
    assert details is not None
    assert 0 <= details["y"] < 400
    page.close()


def test_without_scripts(browser: Browser, written: Path) -> None:
    page = browser.new_page(java_script_enabled=False, offline=True)
    page.goto(written.as_uri())
    assert page.locator(".still svg").count() == 2
    assert page.locator(".still svg >> nth=0").locator("text=right").first.is_visible()
    assert page.locator(".finding").first.is_visible()
    assert page.locator(".copy").first.is_hidden()
    page.close()


# --- What it must stand --------------------------------------------------------------------------


def test_hostile_contents(context: BrowserContext, tmp_path: Path) -> None:
    environment(tmp_path / "migrations", "a")
    versions = tmp_path / "migrations/versions"
    attack = f"{HOSTILE}<img src=x onerror=alert(1)>{{{{7*7}}}}<!--<script>"
    for number, text in enumerate((attack, "word " * 20_000)):
        source = f'{text!r}\nrevision = {f"{number}{attack[:70]}"!r}\ndown_revision = "a"\n'
        source += f"op.create_table({attack!r})\ndef upgrade():\n    op.create_table({attack!r})\n"
        (versions / f"x{number}.py").write_text(source, "utf-8")
    file = tmp_path / "chain.html"
    options = ("--format", "html", "--output", file)
    assert fixchain("-d", tmp_path / "migrations", "graph", *options).exit_code == 0
    seen = Watched(context.new_page())
    page = seen.open(file)
    for row in page.locator(".pane >> nth=0 >> .row").all():
        row.click()
    texts = page.locator(".pane >> nth=0 >> .row .text").all_inner_texts()
    assert any("<img src=x onerror=alert(1)>{{7*7}}" in text for text in texts)
    assert all("\u202e" not in text for text in texts)
    assert len(page.locator("#details").inner_text()) < 12_000
    assert page.locator("img, b:text('quoted')").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert (seen.complaints, seen.requests) == ([], [file.as_uri()])
    page.close()


@pytest.mark.parametrize("count", first_of([1_000, 5_000]))
def test_thousands_of_revisions(context: BrowserContext, tmp_path: Path, count: int) -> None:
    snapshot = chain("r0", *(f"r{number} <- r{number - 1}" for number in range(1, count)))
    file = tmp_path / "chain.html"
    file.write_text(render("html", Drawn(checked=checked(snapshot)), Style()))
    seen = Watched(context.new_page())
    page = seen.open(file)
    page.keyboard.press("f")
    page.focus(".scroller")
    page.keyboard.press("End")
    assert _selected(page) == {"r0"}
    assert page.locator(".row").count() < 120
    page.keyboard.press("/")
    page.keyboard.type(f"r{count // 2}")
    page.keyboard.press("Enter")
    assert _selected(page) == {f"r{count // 2}"}
    assert page.locator(".row[aria-selected=true]").is_visible()
    assert seen.complaints == []
    page.close()


def test_rows_do_not_wait_for_what_they_do_not_show(context: BrowserContext, written: Path) -> None:
    page = context.new_page()
    page.add_init_script("""new MutationObserver((_, observer) => {
        const row = document.querySelector(".row.broken");
        if (!row) return;
        observer.disconnect();
        window.before = !document.getElementById("more");
        row.click();
    }).observe(document, {childList: true, subtree: true});""")
    page.goto(written.as_uri())
    assert page.evaluate("window.before")
    assert "right_add_right.py:13" in page.locator("#details").inner_text()
    page.close()


def test_a_chain_without_findings(context: BrowserContext, tmp_path: Path) -> None:
    environment(tmp_path / "migrations", "a", "b <- a")
    (tmp_path / "migrations/env.py").write_text("target_metadata = db.metadata\n")
    file = tmp_path / "chain.html"
    options = ("--format", "html", "--output", file)
    assert fixchain("-d", tmp_path / "migrations", "graph", *options).exit_code == 0
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("#overview h2").first.inner_text() == "Findings none"
    assert page.locator("#overview").inner_text().index("Click a revision") > 0
    page.close()


def test_the_sample_app(context: BrowserContext, sample: Path) -> None:
    done = flask("db", "fixchain", "graph", "--format", "html", "--output", "c.html", cwd=sample)
    assert done.exit_code == 0, done
    seen = Watched(context.new_page())
    page = seen.open(sample / "c.html")
    assert page.locator(".row.broken").count() == 6
    page.click("aside button.revision:text-is('ptero_eggs_001')")
    assert "base: the base that stays" in page.locator("#details").inner_text().replace(
        "base the base", "base: the base"
    )
    assert seen.complaints == []
    page.close()
