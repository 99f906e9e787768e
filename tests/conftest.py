"""What tests share: copies of the sample app, and databases."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from flask_chainfix.databases import connecting
from flask_chainfix.disk.safe_files import own_key
from flask_chainfix.rehearsal import fresh_process, round_trip
from tests import commands, programs, rehearsing
from tests.browsers import chromium
from tests.commands import SCRIPTS, environment
from tests.databases import KINDS, SERVERS
from tests.in_process import asked
from tests.nightly import examples, on_one_database
from tests.repositories import Repository, script
from tests.stamped import Again

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAMPLE_APP = Path(__file__).parent.parent / "sample_app"

MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**31:
    # Whatever is written and synced stays in memory.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# As in an active environment: its programs go by their names.
os.environ["PATH"] = os.pathsep.join((str(SCRIPTS), os.environ["PATH"]))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and the processes that tests interrupt as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("flask-chainfix", deadline=None, max_examples=examples(25))
settings.load_profile("flask-chainfix")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose what is left to the night."""
    on_one_database(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores, as a third of the time they wait for databases."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Have thousands of tests and all modules left alone by the garbage collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50)


@pytest.fixture(autouse=True, scope="session")
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the key that signs journals out of the developer's home; it is there from the start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        own_key()
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_certificates() -> Iterator[None]:
    """Drivers of databases read all certificates anew for each connection; no test needs one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", os.devnull)
        yield


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away variables of the developer's shell that change what commands answer."""
    kept = environment()
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _confirms_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process are confirmed in it, too; executables are not."""
    monkeypatch.setattr(fresh_process, "ask", asked)


@pytest.fixture(autouse=True)
def _rehearses_in_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process rehearse in forks of a warm one, where there are any."""
    if sys.platform == "linux":
        monkeypatch.setattr(round_trip, "running", rehearsing.running)


@pytest.fixture
def warm_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``fixchain``, ``alembic`` and ``flask`` be forks of a warm interpreter."""
    if sys.platform == "linux":
        place = programs.directory()
        monkeypatch.setattr(commands, "place", place)
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")


@pytest.fixture
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the developer's shell and configuration say about Git; no editor opens."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_EDITOR", "false")  # it has precedence over all others


@pytest.fixture
def repository(tmp_path: Path, own_git: None) -> Repository:
    """An empty repository."""
    return Repository(tmp_path / "repository")


@pytest.fixture
def top(tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which is the working directory."""
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A directory with a copy of the broken sample app, in which commands can be run."""
    ignored = shutil.ignore_patterns("instance", "__pycache__", ".fixchain")
    shutil.copytree(SAMPLE_APP, tmp_path / "sample_app", ignore=ignored)
    return tmp_path


@pytest.fixture(scope="session")
def again() -> Iterator[Again]:
    """Databases that are made once."""
    with ExitStack() as made:
        yield Again(made)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, again: Again, tmp_path: Path) -> str:
    """The URL of an empty database of each kind in turn."""
    return again.url(request.param, tmp_path)


@pytest.fixture(params=SERVERS)
def server_url(request: pytest.FixtureRequest, again: Again, tmp_path: Path) -> str:
    """The URL of an empty database on each server in turn."""
    return again.url(request.param, tmp_path)


@pytest.fixture
def postgresql(again: Again, tmp_path: Path) -> str:
    """The URL of an empty database on PostgreSQL."""
    return again.url("postgresql", tmp_path)


@pytest.fixture
def mariadb(again: Again, tmp_path: Path) -> str:
    """The URL of an empty database on MariaDB."""
    return again.url("mariadb", tmp_path)


@pytest.fixture
def waits_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As short as servers can be told."""
    monkeypatch.setattr(connecting, "WAITING", 1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for what does answer."""
    monkeypatch.setattr(connecting, "SILENCE", 2)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium, started when the first test asks for it."""
    with chromium() as started:
        yield started


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Gives the calls of Git since it was last asked."""
    log, real = tmp_path / "calls", shutil.which("git")
    script(tmp_path / "bin/git", f'#!/bin/sh\necho " $*" >>{log}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def since() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    return since
