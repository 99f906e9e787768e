"""Only regular files are read: a pipe in place of one keeps nobody waiting."""

from __future__ import annotations

import faulthandler
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_chainfix.common.regular_files import read_beginning, read_regular
from tests.commands import fixchain
from tests.disk import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes among files")

ROOT = Path(__file__).parent.parent


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/zero")


def run(*args: str, cwd: Path) -> str:
    """What a command says that ends by itself, with an exit code of ours."""
    faulthandler.dump_traceback_later(300, exit=True)
    try:
        done = fixchain(*args, cwd=cwd)
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert done.exit_code in (0, 1, 3), done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    environment(tmp_path / "migrations")
    return tmp_path


# Where it lies, the arguments, and what is said of it; "" where it is as if it were not there.
PLACES = {
    "its own ini": ("migrations/alembic.ini", ("check",), "it is not a regular file"),
    "the ini that is named": ("a.ini", ("-c", "a.ini", "check"), "it is not a regular file"),
    "the TOML that is named": ("a.toml", ("-c", "a.toml", "check"), "it is not a regular file"),
    "the ini beside it": ("alembic.ini", ("check",), ""),
    "the TOML beside it": ("pyproject.toml", ("check",), ""),
    "list of databases": ("list", ("check", "--databases", "list"), "it is not a regular file"),
    "database": ("app.db", ("check", "--database", "sqlite:///app.db"), "it is not a regular file"),
    "database that is restamped": (
        "app.db", ("restamp", "--dry-run", "--database", "sqlite:///app.db"), "not a regular file",
    ),
    "database that is backed up": (
        "app.db", ("backup", "--database", "sqlite:///app.db"), "no file"
    ),
    "migration": ("migrations/versions/z.py", ("check",), ""),
    "chain lock": ("migrations/chain.lock", ("check",), "chain.lock is "),
    "other environment": ("other/env.py", ("check",), ""),
    "other configuration": ("other/alembic.ini", ("check",), ""),
    "template": ("migrations/script.py.mako", ("check",), ""),
    "journal": ("migrations/.fixchain/20240101T000000Z.json", ("undo", "--yes"), ""),
    "hook": (".pre-commit-config.yaml", ("hook", "--print"), ""),
    "file beside": ("anything.cfg", ("check",), ""),
}  # fmt: skip


@pytest.mark.parametrize("make", [pipe, endless])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_regular_file_is_not_waited_for(
    project: Path, place: str, make: Callable[[Path], None]
) -> None:
    path, args, said = PLACES[place]
    make(project / path)
    assert said in " ".join(run(*args, cwd=project).split())


@pytest.mark.parametrize("make", [pipe, endless])
def test_bytecode_that_is_a_pipe_proves_nothing(
    project: Path, make: Callable[[Path], None]
) -> None:
    (source, *_) = sorted((project / "migrations/versions").glob("*.py"))
    compiled = project / "migrations/versions/__pycache__"
    make(compiled / f"{source.stem}.{sys.implementation.cache_tag}.pyc")
    run("check", cwd=project)


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    assert read_beginning(path, 3) == b"xxx"
    with pytest.raises(OSError, match="it has more than 99 bytes"):
        read_regular(path, 99)


def test_a_sparse_file_takes_no_memory(project: Path) -> None:
    for name in ("alembic.ini", "versions/z.py"):
        with (project / "migrations" / name).open("wb") as file:
            file.truncate(10**13)
    assert "it has more than 1,048,576 bytes" in run("check", cwd=project)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no file without a size")
def test_what_the_kernel_makes_up_has_no_size_and_is_read() -> None:
    assert b"\n" in read_regular("/proc/self/maps")


def test_no_module_opens_files_of_others_by_itself() -> None:
    own = re.compile(r"\.read_(?:bytes|text)\(|(?<!\w)open\([^)]*\"rb?\"\)")
    allowed = {
        "backup/__init__.py",
        "backup/servers.py",
        "backup/sqlite.py",
        "environment/configuration.py",  # Alembic's own version
        "pictures/svg.py",  # what this package brings along
    }
    for path in (ROOT / "flask_chainfix").rglob("*.py"):
        if f"{path.parent.name}/{path.name}" not in allowed:
            found = own.search(path.read_text("utf-8"))
            assert found is None or path.name == "new_revisions.py", f"{path}: {found}"
