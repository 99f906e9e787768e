"""The page of ``graph`` in a browser: how long until its rows are there, and until it switches."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_TIMES = 5
_READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
# When the first row is there, or all of a page that has none.
_WATCH = """new MutationObserver((_, observer) => {
    if (!document.querySelector(".row")) return;
    window.rowsAt = performance.now();
    observer.disconnect();
}).observe(document, {childList: true, subtree: true});"""
_SWITCH = """(mode) => new Promise((done) => {
    const start = performance.now();
    document.querySelector(`#modes [data-mode="${mode}"]`).click();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""


def draw_page(environment: str, file: str) -> dict[str, float]:
    """Our ``graph --format html``, from the first file to the text; and how long that is."""
    from flask_chainfix.commands.graph import graph
    from flask_chainfix.commands.session import Session
    from flask_chainfix.environment.locate import open_directory
    from flask_chainfix.report import Style, render

    runtime = open_directory(environment)
    start = process_time()
    drawn = graph(Session(runtime), against=None, in_detail=True)
    text = render("html", drawn, Style())
    seconds = process_time() - start
    Path(file).write_text(text, "ascii")
    return {"seconds": seconds, "bytes": len(text)}


def browse(file: str) -> dict[str, float]:
    """Open a page with two states, and an empty one in turns; medians of seconds on the clock."""
    from tests.browsers import chromium

    empty = Path(file).with_name("empty.html")
    empty.write_text("<!doctype html><title>empty</title><p>empty", "ascii")
    opened: dict[str, list[float]] = {"empty": [], "rows": [], "switch": []}
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 820})
        page.add_init_script(_WATCH)
        for _ in range(_TIMES):
            opened["empty"].append(_opened(page, empty))
            opened["rows"].append(_opened(page, Path(file)))
            opened["switch"] += [page.evaluate(_SWITCH, mode) for mode in ("0", "1", "both")]
    return {name: median(each) / 1_000 for name, each in opened.items()}


def _opened(page: Page, file: Path) -> float:
    page.goto(file.as_uri())
    milliseconds: float = page.evaluate(f"window.rowsAt || {_READY}")
    return milliseconds
