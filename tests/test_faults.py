"""A repair or an undo that fails, or is killed, at any of its steps."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import pytest

from tests.disk import environment, migrations
from tests.forks import FULL, KILL, NEEDS_SPACE, ONCE, Commands, Ended
from tests.nightly import TIMES, some_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and POSIX signals")

STRATEGIES = pytest.mark.parametrize("strategy", ["linear", "merge"])
EVERYTHING = "merge"  # it rewrites files, as linear does, and adds one
START_OF_ALEMBIC = "subprocess.Popen"
# Without hard links the old file is copied; the directory is there; and this is no fault.
HARMLESS = {"os.link", "os.mkdir", START_OF_ALEMBIC}
EVERY_KIND_OF_STEP = {
    "open",
    "write",
    "fsync",
    "fsync-directory",
    "close",
    "os.chmod",
    "os.link",
    "os.rename",
    "os.remove",
    START_OF_ALEMBIC,
}

# A migration that runs the file that a test names; only the final check with Alembic imports it.
HOOK = b"""
import os, runpy
if "TEST_HOOK" in os.environ:
    runpy.run_path(os.environ["TEST_HOOK"])
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A broken environment with a lock and a copy that goes.

    One of its files has a mode of its own, and one runs a hook.
    """
    environment(tmp_path / "migrations")
    versions = tmp_path / "migrations" / "versions"
    shutil.copy(versions / "e_add_e.py", versions / "e_add_e copy.py")
    (tmp_path / "migrations" / "chain.lock").write_text("a: b\n")
    (versions / "c_add_c.py").chmod(0o604)
    with (versions / "d_add_d.py").open("ab") as file:
        file.write(HOOK)
    return tmp_path / "migrations"


def steps_of_repair(run: Commands, place: Path, strategy: str = "linear") -> list[str]:
    """The steps of a repair that succeeds, which is then undone."""
    for _ in "first the journal's directory is made", "then it is there":
        ended = run("-d", place, "repair", "--yes", "--strategy", strategy)
        assert ended.exit_code == 0, ended
        assert run("-d", place, "undo", "--yes").exit_code == 0
    assert set(ended.steps) - {"os.mkdir", "os.rmdir"} == EVERY_KIND_OF_STEP
    return ended.steps


def assert_stopped(ended: Ended, message: str) -> None:
    """The command was refused or failed, and said why and what to do."""
    assert ended.exit_code == 3, ended
    assert f"error: {message}" in " ".join(ended.output.split())
    assert "\nremed" in ended.output
    assert "Traceback" not in ended.output


def assert_repaired(run: Commands, place: Path, ended: Ended, *, cleared: bool = True) -> None:
    """One chain, and nothing but migrations in the version location if all was ``cleared``."""
    assert ended.exit_code == 0, ended
    assert run("-d", place, "check").exit_code == 0
    others = [name for name in migrations(place) if name.startswith((".", "__"))]
    assert [name for name in others if cleared or not name.endswith(".fixchain-old")] == []


# --- A step that fails ---------------------------------------------------------------------------


def test_a_step_that_fails_puts_everything_back(run: Commands, place: Path) -> None:
    before = migrations(place)
    repair = ("-d", place, "repair", "--yes", "--strategy", EVERYTHING)
    steps = steps_of_repair(run, place, EVERYTHING)
    journal_finished = len(steps) - steps[::-1].index("os.rename")
    for at, name in some_of(enumerate(steps, 1), itemgetter(1)):
        ended = run(*repair, fault=ONCE, at=at)
        if ended.exit_code == 0:
            clearing = name == "os.remove" and at > journal_finished
            assert name in HARMLESS or clearing or at == len(steps)  # the last lets go of the lock
            assert_repaired(run, place, ended, cleared=not clearing)
            assert run("-d", place, "undo", "--yes").exit_code == 0
        else:
            assert_stopped(ended, "")
            assert "No space left on device" in ended.output
        assert migrations(place) == before, (at, name)
    assert_repaired(run, place, run(*repair))


@STRATEGIES
def test_a_disk_that_fills_up_puts_everything_back(
    run: Commands, place: Path, strategy: str
) -> None:
    before = migrations(place)
    repair = ("-d", place, "repair", "--yes", "--strategy", strategy)
    steps = enumerate(steps_of_repair(run, place, strategy), 1)
    for at, name in some_of(step for step in steps if step[1] in NEEDS_SPACE):
        assert_stopped(run(*repair, fault=FULL, at=at), "")
        assert migrations(place) == before, (at, name)
    assert_repaired(run, place, run(*repair))


@pytest.mark.parametrize("fault", [ONCE, FULL, KILL])
def test_the_first_repair_of_all(run: Commands, tmp_path: Path, fault: str) -> None:
    steps = run("-d", environment(tmp_path / "unharmed"), "repair", "--yes").steps
    first = steps.index("os.mkdir") + 1  # before that Git is asked, without which a repair goes on
    for at in range(first, first + 6):
        place = environment(tmp_path / str(at))
        before = migrations(place)
        ended = run("-d", place, "repair", "--yes", fault=fault, at=at)
        assert ended.exit_code == (-signal.SIGKILL if fault == KILL else 3)
        assert migrations(place) == before
        assert run("-d", place, "repair", "--dry-run").exit_code == 1
    assert_repaired(run, place, run("-d", place, "repair", "--yes"))


# --- Killed --------------------------------------------------------------------------------------


def test_killed_at_any_step_of_a_repair(run: Commands, place: Path) -> None:
    before = migrations(place)
    repair = ("-d", place, "repair", "--yes", "--strategy", EVERYTHING)
    steps = steps_of_repair(run, place, EVERYTHING)
    assert run(*repair).exit_code == 0
    after = migrations(place)
    assert run("-d", place, "undo", "--yes").exit_code == 0

    interrupted = []
    for at, name in some_of(enumerate(steps, 1), itemgetter(1), every=4):
        assert run(*repair, fault=KILL, at=at).exit_code == -signal.SIGKILL
        for path, found in migrations(place).items():
            if path.endswith(".py") and path in before:
                assert found in (before[path], after.get(path)), "a file is torn"
        check = run("-d", place, "check")
        if "an earlier repair was killed half-way" in " ".join(check.output.split()):
            if name not in interrupted or TIMES > 1:
                killed = migrations(place)
                assert_stopped(run(*repair), "an earlier repair was killed half-way; ")
                assert migrations(place) == killed
            interrupted.append(name)
        elif check.exit_code == 1:
            assert migrations(place) == before
            continue
        else:  # killed when all was done
            assert_repaired(run, place, check, cleared=False)
        assert run("-d", place, "undo", "--yes").exit_code == 0
        assert migrations(place) == before, (at, name)
    assert set(interrupted) >= EVERY_KIND_OF_STEP
    assert_repaired(run, place, run(*repair))


@pytest.mark.parametrize("fault", [ONCE, KILL])
def test_an_undo_that_does_not_end_can_be_run_again(
    run: Commands, place: Path, tmp_path: Path, fault: str
) -> None:
    before = migrations(place)
    assert run("-d", place, "repair", "--yes").exit_code == 0
    after = migrations(place)
    shutil.copytree(place, tmp_path / "repaired")
    steps = run("-d", place, "undo", "--yes").steps
    for at, name in some_of(enumerate(steps, 1)):
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "repaired", place)
        ended = run("-d", place, "undo", "--yes", fault=fault, at=at)
        for path, found in migrations(place).items():
            assert path.startswith(".") or found in (before[path], after.get(path)), (at, name)
        if fault == KILL:
            assert ended.exit_code == -signal.SIGKILL
        elif ended.exit_code == 0:  # clearing away may fail, for Alembic does not look at it
            # At the end every file is back: the journal is gone, and the lock is let go of.
            assert name in {"os.mkdir", "os.remove", START_OF_ALEMBIC} or at >= len(steps) - 1
        else:
            assert_stopped(ended, "")
            assert "No space left on device" in ended.output
        again = run("-d", place, "undo", "--yes")
        if again.exit_code != 0:
            assert_stopped(again, "")
            assert re.search("no repair|none of the repairs", again.output)
        assert migrations(place) == before, (at, name)
        assert (place / "chain.lock").read_text() == "a: b\n", (at, name)


# --- While Alembic looks at the result -----------------------------------------------------------

SIGNAL_THE_REPAIR = "import os, signal, time; os.kill(os.getppid(), signal.{}); time.sleep(3600)"
WAIT_FOR_THE_TEST = """
import pathlib, time
here = pathlib.Path(__file__).parent
(here / "started").touch()
while not (here / "go on").exists():
    time.sleep(0.01)
"""


def hook(tmp_path: Path, code: str) -> dict[str, str]:
    (tmp_path / "hook.py").write_text(code)
    return {"TEST_HOOK": str(tmp_path / "hook.py")}


def test_killed_while_alembic_looks(run: Commands, place: Path, tmp_path: Path) -> None:
    before = migrations(place)
    environment = hook(tmp_path, SIGNAL_THE_REPAIR.format("SIGKILL").replace("3600", "0"))
    killed = run("-d", place, "repair", "--yes", environment=environment)
    assert killed.exit_code == -signal.SIGKILL
    assert migrations(place) != before
    assert "was killed half-way" in " ".join(run("-d", place, "check").output.split())
    assert_stopped(run("-d", place, "repair", "--yes"), "an earlier repair was killed half-way")
    assert run("-d", place, "undo", "--yes").exit_code == 0
    assert migrations(place) == before
    assert_repaired(run, place, run("-d", place, "repair", "--yes"))


def test_ctrl_c_while_alembic_looks(run: Commands, place: Path, tmp_path: Path) -> None:
    before = migrations(place)
    environment = hook(tmp_path, SIGNAL_THE_REPAIR.format("SIGINT"))
    started = time.monotonic()
    stopped = run("-d", place, "repair", "--yes", environment=environment)
    assert stopped.exit_code != 0
    assert "Traceback" not in stopped.output
    assert time.monotonic() - started < 600
    assert migrations(place) == before
    assert_repaired(run, place, run("-d", place, "repair", "--yes"))


def test_two_repairs_at_once(run: Commands, place: Path, tmp_path: Path) -> None:
    environment = hook(tmp_path, WAIT_FOR_THE_TEST)
    ended: list[Ended] = []
    with Commands() as other:
        first = threading.Thread(
            target=lambda: ended.append(
                other("-d", place, "repair", "--yes", environment=environment)
            )
        )
        first.start()
        try:
            while not (tmp_path / "started").exists():
                assert first.is_alive()
                time.sleep(0.01)
            during = migrations(place)
            for command in (["repair", "--yes"], ["repair", "--dry-run"], ["undo", "--yes"]):
                refused = run("-d", place, *command)
                assert_stopped(refused, "another repair of this environment is running")
            check = run("-d", place, "check")
            assert "another repair of this environment is running" in check.output
            assert migrations(place) == during
        finally:
            (tmp_path / "go on").touch()
            first.join()
    assert_repaired(run, place, ended[0])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import does_not_exist", "No module named 'does_not_exist'"),
        ("raise RuntimeError('set THE_KEY first')", "set THE_KEY first"),
        ("import os; os._exit(1)", "Alembic could not load the repaired chain"),
        ("print('{}')\nraise SystemExit", "Alembic could not load the repaired chain"),
    ],
)
def test_alembic_cannot_load_the_result(
    run: Commands, place: Path, tmp_path: Path, code: str, said: str
) -> None:
    before = migrations(place)
    ended = run("-d", place, "repair", "--yes", environment=hook(tmp_path, code))
    assert_stopped(ended, "Alembic could not load the repaired chain")
    assert said in ended.output
    assert migrations(place) == before
    assert_stopped(run("-d", place, "undo", "--yes"), "there is no repair to undo")


def test_alembic_sees_another_chain(run: Commands, place: Path, tmp_path: Path) -> None:
    before = migrations(place)
    # No reader that does not run the migration can know what this makes of its parent.
    code = """
import sys
frame = sys._getframe()
while frame.f_globals.get("revision") != "d":
    frame = frame.f_back
frame.f_globals["down_revision"] = None
"""
    ended = run("-d", place, "repair", "--yes", environment=hook(tmp_path, code))
    assert_stopped(ended, "Alembic sees another chain than the plan promised")
    assert migrations(place) == before
