"""Every command that writes, ended at any of its steps: nothing is torn, and there is a way on.

Steps are counted, never waited for. The usual run takes a few; ``FIXCHAIN_KILLS`` in the
environment says how many there are to be in all, spread over all commands and databases (nightly:
1,000).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.disk import environment, migrations
from tests.forks import KILL, STOP, TERM, Commands, Ended
from tests.nightly import first_of
from tests.repositories import Repository, needs_git
from tests.stamped import Again, rows_of, sql, stamp

pytestmark = [
    needs_git,
    pytest.mark.skipif(sys.platform == "win32", reason="forks and POSIX signals"),
    pytest.mark.usefixtures("own_git"),
]

KILLS = int(os.environ.get("FIXCHAIN_KILLS", "0"))
FAULTS = (KILL, STOP, TERM)
NAMED = ("--database", "URL")  # the test's own takes its place
REPAIR = ("repair", "--yes", *NAMED)
FILES_ONLY = ("repair", "--yes", "--no-database")
UNDO = ("undo", "--yes", *NAMED)
FORKED = ("a", "b <- a", "c", "d <- c", "e")


@dataclass(frozen=True)
class Case:
    """A command that writes.

    Attributes:
        command: what is typed.
        finish: what is typed after it was ended.
        before: what is typed first.
        chain: the migrations.
        late: those of them that no commit has.
        gone: those of them that only a commit has.
        rows: where the database stands.
        ran: what has run there.
    """

    command: tuple[str, ...]
    finish: tuple[str, ...] = UNDO
    before: tuple[str, ...] = ()
    chain: tuple[str, ...] = FORKED
    late: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    rows: tuple[str, ...] = ("b", "d")
    ran: str = "abcd"


RESTAMP = ("restamp", "--yes", *NAMED)
BACKUP = ("backup", "--to", "copies", *NAMED)
LOCK = ("lock", "--yes")
CASES = {
    "repair": Case(REPAIR),
    "merge": Case((*REPAIR, "--strategy", "merge"), rows=("b",), ran="ab"),
    "tombstone": Case((*REPAIR, "--tombstone", "x=a"), chain=("a", "b <- x"), rows=("a",), ran="a"),
    "bring back": Case(
        (*REPAIR, "--bring-back", "x"),
        chain=("a", "x <- a", "b <- x"),
        gone=("x",),
        rows=("a",),
        ran="a",
    ),
    "rebase": Case(
        ("rebase", "--yes", "--onto", "main", *NAMED),
        chain=("a", "b <- a", "c <- b", "m <- a"),
        late=("m",),
        rows=("a",),
        ran="a",
    ),
    "restamp": Case(RESTAMP, finish=RESTAMP, before=FILES_ONLY),
    "undo": Case(UNDO, before=REPAIR),
    "backup": Case(BACKUP, finish=BACKUP),
    "lock": Case(LOCK, finish=LOCK, chain=("a", "b <- a"), rows=("b",), ran="ab"),
}
USUAL = [
    ("merge", "sqlite"),
    ("rebase", "sqlite"),
    ("undo", "sqlite"),
    ("backup", "sqlite"),
    ("restamp", "postgresql"),
]
ALL = [(name, kind) for name in CASES for kind in ("sqlite", "postgresql")]
EACH = -(-KILLS // len(ALL)) or len(FAULTS)


@pytest.fixture(scope="module")
def run() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


Files = dict[str, bytes | str | None]


class Project:
    """A project and a database to which things happen again and again."""

    def __init__(self, run: Commands, case: Case, top: Path, url: str) -> None:
        self._run, self._url, self._top = run, url, top
        self._kept = top.with_name("kept")
        repository = Repository(top)
        environment(self.place, *case.chain)
        (top / ".gitignore").write_text(".fixchain/\ncopies/\n")
        repository.git("add", "-A")
        for name in case.late:
            repository.git("rm", "-q", "--cached", f"migrations/versions/{name}_add_{name}.py")
        repository.git("commit", "-q", "-m", "x")
        for name in case.gone:
            (self.place / "versions" / f"{name}_add_{name}.py").unlink()
        stamp(url, *case.rows)
        sql(url, *(f"CREATE TABLE t_{name} (id INTEGER)" for name in case.ran))
        if case.before:
            assert self(case.before).exit_code == 0
        shutil.copytree(top, self._kept)
        self._rows = self.rows

    @property
    def place(self) -> Path:
        return self._top / "migrations"

    @property
    def copies(self) -> list[str]:
        there = self._top / "copies"
        return sorted(path.name for path in there.iterdir()) if there.is_dir() else []

    def __call__(self, command: tuple[str, ...], fault: str = "", at: int = 0) -> Ended:
        words = [{"URL": self._url, "copies": str(self._top / "copies")}.get(w, w) for w in command]
        return self._run("-d", self.place, *words, fault=fault, at=at)

    @property
    def files(self) -> Files:
        """What Alembic loads, and the lock."""
        found = {name: _undated(node[0]) for name, node in migrations(self.place).items()}
        lock = self.place / "chain.lock"
        found["chain.lock"] = lock.read_bytes() if lock.exists() else None
        return {name: data for name, data in found.items() if not name.startswith(".")}

    @property
    def rows(self) -> list[str]:
        return rows_of(self._url)

    def come_back(self) -> None:
        shutil.rmtree(self._top)
        shutil.copytree(self._kept, self._top)
        values = ", ".join(f"('{row}')" for row in self._rows)
        sql(
            self._url,
            "DELETE FROM alembic_version",
            f"INSERT INTO alembic_version VALUES {values}",
        )


def _undated(data: bytes | str | None) -> bytes | str | None:
    return re.sub(rb"Create Date: .*", b"", data) if isinstance(data, bytes) else data


@dataclass(frozen=True)
class Sides:
    """Files and rows before a command and after it."""

    files: tuple[Files, Files]
    rows: tuple[list[str], list[str]]

    def state(self, project: Project) -> tuple[str, bool]:
        """Whether the files are the old ones, the new ones or some of each; if the rows are new."""
        files, (old, new) = project.files, self.files
        changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        sides = set()
        for name in files.keys() | old.keys() | new.keys():
            assert files.get(name) in (old.get(name), new.get(name)), f"{name} is torn"
            if name in changed:
                sides.add("new" if files.get(name) == new.get(name) else "old")
        assert project.rows in self.rows
        state = "mixed" if len(sides) > 1 else "".join(sides) or "old"
        return state, project.rows == self.rows[1] != self.rows[0]


def assert_ended(ended: Ended, fault: str) -> None:
    assert "Traceback" not in ended.output, ended
    if fault == KILL:
        assert ended.exit_code == -signal.SIGKILL, ended
    else:  # 0 where all was done
        assert ended.exit_code in (0, 3), ended
        assert ended.exit_code == 0 or "interrupted" in ended.output, ended


def assert_promise(project: Project, case: Case, sides: Sides, ended: Ended, fault: str) -> None:
    state, rows_are_new = sides.state(project)
    if case.command[0] == "undo":  # its new rows are the old ones
        assert state == "old" or rows_are_new, "a file is older than a row"
    elif case.command[0] != "restamp":
        assert state == "new" or not rows_are_new, "a file is older than a row"
    if fault != KILL:
        assert state != "mixed"
        if "nothing was changed" in " ".join(ended.output.split()):
            assert (state, rows_are_new, project.copies) == ("old", False, [])
        beside = [name for name in migrations(project.place) if ".fixchain-" in name]
        assert ended.exit_code == 0 or beside == []
        assert bool(project.copies) == (case.command == BACKUP and ended.exit_code == 0)
    check = project(("check", *NAMED))
    assert check.exit_code in (0, 1), check
    if state == "mixed":
        assert "killed half-way" in " ".join(check.output.split())


def places(case: Case, whole: Ended, name: str) -> list[tuple[str, int]]:
    """Where to end it: behind the lock, as everything before it only reads."""
    assert whole.exit_code == 0, whole
    first = whole.steps.index("os.mkdir") + 1
    chosen = random.Random(name)
    steps = range(first, len(whole.steps) + 1)
    if not KILLS:
        return [(fault, chosen.choice(steps)) for fault in FAULTS]
    every = [(fault, at) for fault in FAULTS for at in steps]
    return chosen.sample(every, min(EACH, len(every)))


@pytest.mark.parametrize(("name", "kind"), ALL if KILLS else USUAL)
def test_ended_at_any_step(
    run: Commands, again: Again, tmp_path: Path, name: str, kind: str
) -> None:
    case = CASES[name]
    project = Project(run, case, tmp_path / "project", again.url(kind, tmp_path))
    files, rows = project.files, project.rows
    whole = project(case.command)
    sides = Sides((files, project.files), (rows, project.rows))
    for fault, at in places(case, whole, f"{name} {kind}"):
        project.come_back()
        ended = project(case.command, fault, at)
        assert_ended(ended, fault)
        assert_promise(project, case, sides, ended, fault)
        finish = project(case.finish)
        assert finish.exit_code == 0 or re.search("no(ne of the)? repair", finish.output), (
            fault,
            at,
            finish,
        )
        side = int(case.command in (case.finish, UNDO))
        assert (project.files, project.rows) == (sides.files[side], sides.rows[side]), (fault, at)


@pytest.mark.parametrize(
    "case",
    first_of(
        pytest.param(case, id=case.command[0])
        for case in (Case(FILES_ONLY), Case(LOCK, chain=("a", "b <- a"), rows=("b",), ran="ab"))
    ),
)
def test_what_is_said_of_a_stop_is_so_to_the_last_step(
    run: Commands, tmp_path: Path, case: Case
) -> None:
    project = Project(run, case, tmp_path / "project", f"sqlite:///{tmp_path}/a.db")
    files, rows = project.files, project.rows
    whole = project(case.command)
    sides = Sides((files, project.files), (rows, project.rows))
    said = set()
    for at in range(len(whole.steps) - 7, len(whole.steps) + 1):
        project.come_back()
        ended = project(case.command, STOP, at)
        assert_ended(ended, STOP)
        assert_promise(project, case, sides, ended, STOP)
        said.add("nothing was changed" in " ".join(ended.output.split()))
    assert said == {True, False}


def test_a_stop_says_that_finished_backups_stay(run: Commands, tmp_path: Path) -> None:
    project = Project(run, Case(BACKUP), tmp_path / "project", f"sqlite:///{tmp_path}/a.db")
    other = f"sqlite:///{tmp_path}/other.db"
    stamp(other, "b")
    command = (*BACKUP, "--database", other)
    whole = project(command)
    project.come_back()
    ended = project(command, STOP, len(whole.steps))
    assert ended.exit_code == 3
    assert "finished backups stay, and nothing else was changed" in ended.output
    assert [name[:2] for name in project.copies if name.endswith(".db")] == ["a-"]
