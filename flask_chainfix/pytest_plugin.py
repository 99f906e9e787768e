"""``pytest --fixchain``: one test for each rule, without an app.

Wherever flask-chainfix is installed, every pytest run loads this module. So it imports nothing else
of the package until the option is given.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask_chainfix.common.remedies import Tools
    from flask_chainfix.diagnosis.diagnosis import Diagnosis
    from flask_chainfix.diagnosis.rules import Rule

_WHERE = (
    "pytest looks where --fixchain-directory points, or fixchain_directory in its configuration"
)


class ChainWarning(UserWarning):
    """A finding that is a warning."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--fixchain``, and the one that names the migrations."""
    group = parser.getgroup("fixchain", "the migration chain")
    group.addoption(
        "--fixchain",
        action="store_true",
        help="Add a test for each rule that a migration chain can break.",
    )
    group.addoption(
        "--fixchain-directory",
        metavar="DIR",
        help="Directory with env.py and versions/, or an alembic.ini or pyproject.toml instead."
        " Default: what fixchain_directory says.",
    )
    parser.addini(
        "fixchain_directory",
        "The same, seen from this file. Default: migrations, or what an alembic.ini or"
        " pyproject.toml beside it names.",
        default="",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, None]:
    """Add the tests to the session; they belong to no file that pytest collects."""
    collected = yield
    if isinstance(collector, pytest.Session) and collector.config.getoption("fixchain"):
        if AsWritten not in sys.meta_path:
            sys.meta_path.insert(0, AsWritten)
        from flask_chainfix.common.signals import without_garbage_collection

        with without_garbage_collection():  # imports create no garbage
            collected.get_result().result.extend(_items(collector, _place(collector.config)))


class AsWritten:
    """Finds our modules before pytest does, which would rewrite their asserts."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _: object = None) -> ModuleSpec | None:
        """Find a module as Python does; ``None`` if it is none of ours."""
        return PathFinder.find_spec(name, path) if name.startswith("flask_chainfix.") else None


def _place(config: pytest.Config) -> Path:
    """The configured directory or file."""
    here = config.invocation_params.dir
    given: str | None = config.getoption("fixchain_directory")
    if given is not None:
        return here / given
    configured: str = config.getini("fixchain_directory")
    top = config.inipath.parent if config.inipath is not None else here
    if configured:
        return top / configured
    from flask_chainfix.cli.opening import config_in

    return config_in(top) or top / "migrations"


def _items(session: pytest.Session, place: Path) -> list[ChainItem]:
    """A test for each rule about files."""
    from flask_chainfix.diagnosis.rules import Family, rules_of

    # The rules of other families need more than the files.
    rules = rules_of(Family.CHAIN, Family.SCHEMA, Family.ENVIRONMENT, Family.LOCK)
    return [_item(session, place, f"{rule.code} {rule.name}", rule=rule) for rule in rules]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Decide the tests once ``-k`` has selected them; it may have selected none."""
    wanted = [item for item in items if isinstance(item, ChainItem)]
    if wanted:
        at = items.index(wanted[0])
        others = [item for item in items if not isinstance(item, ChainItem)]
        from flask_chainfix.common.signals import without_garbage_collection

        with without_garbage_collection():
            items[:] = [*others[:at], *_decided(session, wanted), *others[at:]]


def _decided(session: pytest.Session, items: list[ChainItem]) -> list[ChainItem]:
    """The tests with their outcomes; or a single test that fails with what stops a check."""
    from flask_chainfix.cli.opening import open_from_files
    from flask_chainfix.commands.check import check
    from flask_chainfix.commands.session import Session
    from flask_chainfix.common.errors import ChainFixError
    from flask_chainfix.common.remedies import Tools
    from flask_chainfix.diagnosis.rules import Family

    place = _place(session.config)
    named = os.path.relpath(place)
    tools = Tools()
    schema = any(item.rule is not None and item.rule.family is Family.SCHEMA for item in items)
    try:
        opened = open_from_files(None, named) if place.is_file() else open_from_files(named, None)
        tools = opened[1]
        result = check(Session(*opened), strict=False, schema=schema)
    except (ChainFixError, OSError) as error:
        from flask_chainfix.cli.running import unreadable
        from flask_chainfix.cli.streams import error_text

        stop = unreadable(error) if isinstance(error, OSError) else error
        return [_item(session, place, "check", fault=f"{error_text(stop, tools)}{_WHERE}")]
    for item in items:
        item.decide(result.diagnosis, result.tools)
    return items


def _item(session: pytest.Session, place: Path, title: str, **said: Any) -> ChainItem:
    name = title.replace(" ", "-")
    from flask_chainfix.common.quoting import printable

    below = printable(Path(os.path.relpath(place, session.config.rootpath)).as_posix())
    item: ChainItem = ChainItem.from_parent(
        session, name=name, nodeid=f"{below}::{name}", title=title, place=place, **said
    )
    return item


class ChainItem(pytest.Item):
    """A test that is decided when the chain is read.

    Args:
        title: its name in a failure report.
        place: the environment's directory or configuration file.
        rule: the rule that decides it; ``None`` for an error that stops a check.
        fault: the text to fail with; without one, the test passes.
        node: as in ``pytest.Item``.
    """

    def __init__(
        self,
        *,
        title: str,
        place: Path,
        rule: Rule | None = None,
        fault: str = "",
        **node: Any,
    ) -> None:
        super().__init__(**node)
        self.rule = rule
        self._title = title
        self._fault = fault
        self._warnings: list[str] = []
        self._place: tuple[Path, int | None] = (place, None)

    def decide(self, diagnosis: Diagnosis, tools: Tools) -> None:
        """Take over what a check found with the rule."""
        assert self.rule is not None
        code = self.rule.code
        counting = set(diagnosis.counting)
        found = [finding for finding in diagnosis.findings if finding.code == code]
        if found:
            from flask_chainfix.report.advice import plain

            texts = [(each in counting, plain(each, tools)) for each in found]
            self._fault = "\n\n".join(text for counts, text in texts if counts)
            self._warnings = [text for counts, text in texts if not counts]
        places = ((place.path, place.line) for finding in found for place in finding.locations)
        self._place = next(places, self._place)
        if code in diagnosis.snapshot.environment.settings.ignore:
            self.add_marker(pytest.mark.skip(reason="ignored by the settings"))
        elif code not in diagnosis.judged:
            self.add_marker(pytest.mark.skip(reason="judged only once the chain itself is known"))

    def reportinfo(self) -> tuple[Path, int, str]:
        """The first place and the title; pytest counts lines from 0."""
        path, line = self._place
        return path, (line or 1) - 1, self._title

    def runtest(self) -> None:
        """Fail with the fault, or warn."""
        if self._fault:
            pytest.fail(self._fault, pytrace=False)
        try:
            for text in self._warnings:
                self.warn(ChainWarning(text))
        except ChainWarning as warning:  # where warnings are errors
            pytest.fail(str(warning), pytrace=False)
