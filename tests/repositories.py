"""Real Git repositories, for tests; the fixtures ``own_git`` and ``repository`` go with them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support import Rev, migration, rev

needs_git = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("git") is None, reason="needs git, links and scripts"
)

FIRST_DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)
VERSIONS = "migrations/versions"
# What a user may have configured.
DISTURBING = [
    "color.ui=always",
    "core.abbrev=40",
    "core.attributesFile=attributes",
    "core.pager=false",
    "core.quotePath=true",
    "diff.algorithm=patience",
    "diff.external=false",
    "diff.noPrefix=true",
    "diff.orderFile=missing",
    "diff.relative=true",
    "diff.renameLimit=1",
    "diff.renames=copies",
    "diff.renames=false",
    "diff.submodule=log",
    "format.pretty=fuller",
    "i18n.logOutputEncoding=UTF-16",
    "log.abbrevCommit=true",
    "log.date=relative",
    "log.decorate=full",
    "log.diffMerges=first-parent",
    "log.follow=true",
    "log.mailmap=true",
    "log.showRoot=false",
    "log.showSignature=true",
    "notes.displayRef=*",
]
_ROLES = ("AUTHOR", "COMMITTER")
# Nothing is tidied up after a commit: that is another process.
_OPTIONS = ("-c", "protocol.file.allow=always", "-c", "maintenance.auto=false")


class Repository:
    """A repository on the disk; migrations are given by path, or by name in ``VERSIONS``."""

    def __init__(self, top: Path) -> None:
        self.top = top
        if not (top / ".git").exists():
            top.mkdir(parents=True, exist_ok=True)
            self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str | Path, day: int = 0, answer: bytes = b"") -> str:
        return self._run(["git", *_OPTIONS, *map(str, arguments)], day, answer)

    def type(self, command: str, day: int = 0) -> str:
        """Let a shell run a command that was printed."""
        return self._run(["sh", "-c", command], day)

    def _run(self, words: list[str], day: int, answer: bytes = b"") -> str:
        date = f"{int((FIRST_DAY + timedelta(days=day)).timestamp())} +0200"
        people = {f"GIT_{role}_{what}": "a" for role in _ROLES for what in ("NAME", "EMAIL")}
        dates = {f"GIT_{role}_DATE": date for role in _ROLES}
        done = subprocess.run(
            words,
            cwd=self.top,
            env={**os.environ, **people, **dates},
            input=answer,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return os.fsdecode(done.stdout).strip()

    def path(self, name: str) -> Path:
        return self.top / (name if "/" in name else f"{VERSIONS}/{name}.py")

    def put(self, *names: str, parent: str = "p") -> None:
        for name in names:
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            revision = path.stem.encode("ascii", "replace").decode()
            path.write_bytes(migration(rev(f"{revision} <- {parent}")))

    def commit(self, day: int) -> str:
        """Commit all that is there."""
        self.git("add", "-A")
        said = self.git("commit", "--allow-empty", "-m", "x", day=day)
        found = re.search(r"([0-9a-f]+)\] x", said)
        assert found is not None, said
        return found[1]

    def add(self, *names: str, day: int, parent: str = "p") -> str:
        self.put(*names, parent=parent)
        return self.commit(day)

    def move(self, old: str, new: str) -> None:
        source, target = self.path(old), self.path(new)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def remove(self, name: str, *, day: int) -> str:
        self.path(name).unlink()
        return self.commit(day)

    def merge(self, branch: str, *, day: int) -> None:
        self.git("merge", "-q", "--no-ff", "-m", "merge", branch, day=day)

    def branch(self, name: str, at: str = "HEAD") -> None:
        self.git("checkout", "-q", "-b", name, at)

    def switch(self, name: str) -> None:
        self.git("checkout", "-q", name)


def imported(top: Path, branches: Mapping[str, Mapping[str, bytes]], head: str) -> None:
    """Make a repository in one go: each branch is a commit on the one before, with just its files.

    Args:
        top: where; the work tree stays as it is.
        branches: the contents by path, by branch.
        head: the branch that is checked out.
    """
    stream: list[str | bytes] = []
    before = ""
    for day, (branch, files) in enumerate(branches.items()):
        date = int((FIRST_DAY + timedelta(days=day)).timestamp())
        stream.append(f"commit refs/heads/{branch}\ncommitter a <a@b.c> {date} +0000\ndata 0\n")
        stream.append(f"from refs/heads/{before}\ndeleteall\n" if before else "deleteall\n")
        for path, data in files.items():
            stream += [f"M 100644 inline {path}\ndata {len(data)}\n", data, "\n"]
        before = branch
    sent = b"".join(each if isinstance(each, bytes) else each.encode() for each in stream)
    for command in (["init", "-q", "-b", head], ["fast-import", "--quiet"]):
        subprocess.run(["git", *command], cwd=top, input=sent, capture_output=True, check=True)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# --- The migrations of the work tree that the test is in ----------------------------------------
def file_of(revision: str) -> Path:
    return Path(VERSIONS, f"{revision}_add_{revision}.py")


def put(*specs: str | Rev) -> None:
    for spec in specs:
        item = spec if isinstance(spec, Rev) else rev(spec, date="2024-02-01")
        file_of(item.revision).write_bytes(migration(item))


def edit(revision: str, old: str, new: str) -> None:
    path = file_of(revision)
    data = path.read_bytes()
    assert old.encode() in data
    path.write_bytes(data.replace(old.encode(), new.encode()))
