"""A real Chromium for the page of the command ``graph``, one for all tests of a process.

``CHROMIUM`` names its executable; without it, the usual names are looked for. One that is missing
skips the test, and fails it where ``CI=true``. So does Mermaid, which lies in ``node_modules``
once ``npm install --no-save mermaid`` has been there; ``.ci/run`` brings both.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:  # most tests go without
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ROOT = Path(__file__).parent.parent


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless browser, and end it."""
    named = os.environ.get("CHROMIUM")
    executable = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        missing(f"no browser: CHROMIUM names none, and none of {', '.join(_NAMES)} is there")
    from playwright.sync_api import sync_playwright

    # It refuses to start in its sandbox for root, as whom containers run.
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=options)
        yield browser
        browser.close()


class Watched:
    """A page that notes what it complains of, and what it asks for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path) -> Page:
        """Show a file."""
        self.page.goto(path.as_uri())
        return self.page


def mermaid_script() -> Path:
    """Mermaid itself, for browsers."""
    script = _ROOT / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
    if not script.is_file():
        missing(f"no Mermaid: {script} is missing; npm install --no-save mermaid brings it")
    return script


def axe_script() -> Path:
    """axe-core, for browsers."""
    package = find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name("axe.min.js")
