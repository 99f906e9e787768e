"""A repair that moves rows, a restamp or an undo that fails, or is killed, at any of its steps."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.databases import KINDS
from tests.disk import environment, migrations
from tests.forks import KILL, ONCE, STOP, Commands, Ended
from tests.nightly import first_of, some_of
from tests.stamped import Again, rows_of, sql, stamp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and POSIX signals")

# The chain is one of three, of which two files are rewritten; the database has run two of them.
OLD_ROWS, NEW_ROWS = ["b", "d"], ["d"]
FAULTS = pytest.mark.parametrize("fault", [KILL, ONCE])

Files = dict[str, tuple[bytes | str | None, int]]


@pytest.fixture(scope="module")
def run() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


@pytest.fixture(scope="module")
def repaired(run: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment whose files are repaired, and kept as they were in a directory beside it."""
    place = tmp_path_factory.mktemp("repaired") / "migrations"
    environment(place)
    shutil.copytree(place, place.with_name("broken"))
    assert run("-d", place, "repair", "--yes").exit_code == 0
    return place


@pytest.fixture(params=KINDS)
def place(
    request: pytest.FixtureRequest, run: Commands, again: Again, repaired: Path, tmp_path: Path
) -> Place:
    """On a database of each kind in turn: the files are new, the rows old."""
    url = again.url(request.param, tmp_path)
    stamp(url, *OLD_ROWS)
    sql(url, *(f"CREATE TABLE t_{name} (id INTEGER)" for name in "abcd"))
    return Place(run, repaired, tmp_path / "migrations", url)


def loaded(directory: Path) -> Files:
    """The migrations, without what Alembic does not load."""
    return {name: node for name, node in migrations(directory).items() if name.endswith(".py")}


class Place:
    """An environment and a database that has run it, to which things happen again and again."""

    def __init__(self, run: Commands, repaired: Path, directory: Path, url: str) -> None:
        self._run, self._url = run, url
        self.in_file = url.startswith("sqlite")
        self.directory = directory
        self.old, self.new = loaded(repaired.with_name("broken")), loaded(repaired)
        self._kept, self._rows = repaired, OLD_ROWS
        self.come_back()

    def __call__(self, command: str, fault: str = "", at: int = 0) -> Ended:
        """Run a command that names the database."""
        options = ("--yes", "--database", self._url)
        return self._run("-d", self.directory, command, *options, fault=fault, at=at)

    @property
    def rows(self) -> list[str]:
        return rows_of(self._url)

    def keep(self) -> None:
        """Keep files and rows as they are, to come back to them."""
        self._kept, self._rows = self.directory.with_name("kept"), self.rows
        shutil.copytree(self.directory, self._kept)

    def come_back(self) -> None:
        """Have files and rows as they were when they were kept."""
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(self._kept, self.directory)
        values = ", ".join(f"('{row}')" for row in self._rows)
        sql(
            self._url,
            "DELETE FROM alembic_version",
            f"INSERT INTO alembic_version VALUES {values}",
        )


class Seen(NamedTuple):
    """How things are after a fault."""

    files: str
    rows: str


def seen(place: Place) -> Seen:
    """Every file and all rows are the old or the new ones, and no file is older than a row."""
    files = loaded(place.directory)
    assert files.keys() == place.new.keys()
    states = {
        "old" if node == place.old[name] else "new" if node == place.new[name] else "torn"
        for name, node in files.items()
        if place.old[name] != place.new[name]
    }
    assert "torn" not in states
    state = "mixed" if len(states) == 2 else states.pop()
    rows = {tuple(OLD_ROWS): "old", tuple(NEW_ROWS): "new"}[tuple(place.rows)]
    assert rows == "old" or state == "new", "a file is older than a row"
    return Seen(state, rows)


def assert_ended(ended: Ended, fault: str) -> None:
    """Killed; or it failed and said so, unless what failed was not needed."""
    assert "Traceback" not in ended.output, ended
    if fault == KILL:
        assert ended.exit_code == -signal.SIGKILL, ended
    elif ended.exit_code:
        assert ended.exit_code == 3, ended
        assert "\nremed" in ended.output


def restamp_ends(place: Place) -> None:
    ended = place("restamp")
    assert ended.exit_code == 0, ended
    assert seen(place) == Seen("new", "new")


def undo_ends(place: Place) -> None:
    ended = place("undo")
    nothing_left = re.search("no repair|none of the repairs", ended.output)
    assert ended.exit_code == 0 or nothing_left, ended
    assert seen(place) == Seen("old", "old")


def final_step(ended: Ended) -> int:
    """The one that makes the rows final."""
    return len(ended.steps) - ended.steps[::-1].index("commit")


def steps_of(place: Place, ended: Ended, fault: str) -> Iterator[int]:
    """Where to let the fault happen.

    What comes before the lock has only read. On servers, the disk is no other than beside SQLite:
    it fails there only, and once the rows are final, it is left behind there only.
    """
    assert ended.exit_code == 0, ended
    locked = ended.steps.index("os.mkdir") + 1
    final = final_step(ended)
    for at, name in enumerate(ended.steps[locked - 1 :], locked):
        of_database = name in ("execute", "commit")
        if place.in_file or of_database or (fault == KILL and at <= final + 1):
            yield at


@FAULTS
def test_any_step_of_a_restamp(place: Place, fault: str) -> None:
    whole = place("restamp")
    assert {"execute", "commit", "write", "fsync"} < set(whole.steps)
    states = []
    for at in some_of(steps_of(place, whole, fault)):
        # On servers, by turns.
        for finish in (restamp_ends, undo_ends)[:: 1 if place.in_file else (-1) ** at * 2]:
            place.come_back()
            ended = place("restamp", fault, at)
            assert_ended(ended, fault)
            states.append(seen(place))
            assert states[-1].files == "new"
            assert states[-1].rows == "new" or ended.exit_code
            finish(place)
    assert Seen("new", "old") in states
    assert Seen("new", "new") in states or fault == ONCE


@pytest.mark.parametrize("place", first_of(KINDS), indirect=True)
@pytest.mark.parametrize("fault", first_of([KILL, ONCE]))
def test_any_step_of_an_undo(place: Place, fault: str) -> None:
    assert place("restamp").exit_code == 0
    place.keep()
    whole = place("undo")
    assert {"execute", "commit", "os.rename"} < set(whole.steps)
    states = []
    for at in some_of(steps_of(place, whole, fault), lambda at: whole.steps[at - 1]):
        place.come_back()
        ended = place("undo", fault, at)
        assert_ended(ended, fault)
        states.append(seen(place))
        assert states[-1] == Seen("old", "old") or ended.exit_code
        finish = restamp_ends if states[-1].files == "new" and at % 2 else undo_ends
        finish(place)
    assert Seen("new", "new") in states
    if fault == KILL:
        assert Seen("new", "old") in states
        assert Seen("mixed", "old") in states or not place.in_file


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("command", "rows"), [("restamp", "new"), ("undo", "old")])
def test_stopped_at_any_step(place: Place, command: str, rows: str) -> None:
    if command == "undo":
        assert place("restamp").exit_code == 0
    place.keep()
    whole = place(command)
    said = 0
    for at in some_of(steps_of(place, whole, KILL)):
        place.come_back()
        ended = place(command, STOP, at)
        assert_ended(ended, STOP)
        state = seen(place)
        assert ended.exit_code or state.rows == rows
        said += "every stamp is either the old one or the new one" in " ".join(ended.output.split())
        undo_ends(place)
    assert said > 3


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_killed_at_any_step_of_a_repair(place: Place) -> None:
    undo_ends(place)
    shutil.rmtree(place.directory / ".fixchain")
    place.keep()
    whole = place("repair")
    first, offer = (at for at, name in enumerate(whole.steps, 1) if name == "os.mkdir")
    final = final_step(whole)
    states = []
    repairing = (*range(first, offer + 1), final, final + 1)  # between them: a restamp
    for at in some_of(repairing, every=4):
        place.come_back()
        assert_ended(place("repair", KILL, at), KILL)
        states.append(seen(place))
        undo_ends(place)
    assert set(states) == {
        Seen("old", "old"),
        Seen("mixed", "old"),
        Seen("new", "old"),
        Seen("new", "new"),
    }
    assert place("repair").exit_code == 0
    assert seen(place) == Seen("new", "new")
