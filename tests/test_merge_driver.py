"""merge-lock: what Git makes of two chain locks with our driver, which never says a false thing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flask_chainfix import disk
from flask_chainfix.common.errors import StaleSnapshot
from tests import commands
from tests.commands import Done, fixchain, run
from tests.disk import environment
from tests.repositories import Repository, file_of, needs_git, put, script
from tests.support import Rev, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git", "warm_programs")]

LOCK = Path("migrations/chain.lock")
INSTALL = ("hook", "--install", "--merge-driver", "--yes")
MARKS = ("<<<<<<<", "=======", ">>>>>>>")
USERS = "op.create_table('users', sa.Column('id', sa.Integer()))"


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with a locked chain on ``main``."""
    environment(repository.top / "migrations", "a", "b <- a")
    (repository.top / ".gitignore").write_text("__pycache__/\n.fixchain/\n")
    (repository.top / "migrations/.gitattributes").write_text("chain.lock merge=fixchain\n")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a")
    monkeypatch.chdir(repository.top)
    commit(repository, day=1)
    return repository


def commit(project: Repository, *specs: str | Rev, day: int) -> str:
    """Add revisions, lock the chain, and commit."""
    put(*specs)
    assert fixchain("lock", "--yes").exit_code == 0
    return project.commit(day)


def lines() -> list[str]:
    text = LOCK.read_text().splitlines()
    return [line for line in text if line and not line.startswith("#")]


def merged(
    project: Repository, one: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[str]]:
    """What the driver makes of a merge of ``other`` into ``one``, in this process."""
    project.switch(one)
    sides = [project.git("merge-base", one, other), one, other]
    names = ("base", "ours", "theirs")
    for name, side in zip(names, sides, strict=True):
        shown = ["git", "cat-file", "blob", f"{side}:{LOCK}"]
        done = subprocess.run(shown, cwd=project.top, capture_output=True, check=False)
        (project.top / f".{name}").write_bytes(done.stdout)
    monkeypatch.setenv(f"GITHEAD_{project.git('rev-parse', other)}", other)
    files = [f".{name}" for name in names]
    exit_code = fixchain("merge-lock", "--", *files, "7", LOCK.as_posix()).exit_code
    text = (project.top / ".ours").read_text().splitlines()
    return exit_code, [line for line in text if line and not line.startswith("#")]


# --- With Git ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "typed"),
    [
        ("", "fixchain"),
        ("from flask import current_app\n", "flask --app APP db fixchain"),
    ],
)
def test_git_settles_it_and_rebase_makes_it_true(project: Repository, env: str, typed: str) -> None:
    (project.top / "migrations/env.py").write_text(env)
    project.commit(1)
    assert fixchain(*INSTALL).exit_code == 0
    project.branch("feature")
    commit(project, "mine <- b", day=2)
    project.switch("main")
    commit(project, "theirs <- b", day=3)
    project.switch("feature")
    done = run("git", "merge", "-q", "-m", "x", "main", cwd=project.top)
    assert "CONFLICT" not in done.stdout
    assert done.exit_code == 1, done.stdout + done.stderr  # the hook says what is to be run first
    assert f"migrations/chain.lock names mine, as `{typed} rebase` will put yours" in done.stderr
    assert lines() == ["a: mine"]
    before = LOCK.read_bytes()
    assert "FC102" in fixchain("check", "--format", "github").stdout  # nobody overlooks it
    assert fixchain("rebase", "--yes").exit_code == 0
    assert LOCK.read_bytes() == before
    assert fixchain("check", "--strict").exit_code == 0
    project.git("add", "migrations")
    project.git("commit", "-q", "--no-edit")
    assert project.git("status", "--porcelain") == ""
    assert project.git("rev-list", "--count", "--merges", "HEAD") == "1"


def test_git_rebase_goes_through_all_commits(project: Repository) -> None:
    assert fixchain(*INSTALL).exit_code == 0
    project.branch("feature")
    commit(project, "mine <- b", day=2)
    commit(project, "more <- mine", day=3)
    project.switch("main")
    commit(project, "theirs <- b", day=4)
    project.switch("feature")
    done = run("git", "rebase", "-q", "main", cwd=project.top)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert lines() == ["a: more"]
    assert fixchain("rebase", "--yes").exit_code == 0
    assert lines() == ["a: more"]
    assert fixchain("check", "--strict").exit_code == 0


def test_where_the_tool_is_lost_git_merges_as_ever(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    assert fixchain(*INSTALL).exit_code == 0
    project.branch("feature")
    commit(project, "mine <- b", day=2)
    project.switch("main")
    commit(project, "theirs <- b", day=3)
    monkeypatch.setenv("PATH", os.defpath)
    done = run("git", "merge", "-q", "feature", cwd=project.top)
    assert done.exit_code == 1
    assert [line[:7] for line in lines()] == [MARKS[0], "a: thei", MARKS[1], "a: mine", MARKS[2]]


# --- What is settled, and what is not ------------------------------------------------------------


def test_a_chain_that_holds_the_other_is_settled(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was put on top of the other already, but by other commits."""
    project.branch("feature")
    commit(project, "mine <- b", day=2)
    project.branch("stacked", "main")
    commit(project, "mine <- b", day=3)
    commit(project, "more <- mine", day=4)
    assert merged(project, "feature", "stacked", monkeypatch) == (0, ["a: more"])
    assert merged(project, "stacked", "feature", monkeypatch) == (0, ["a: more"])


def test_lineages_that_both_sides_begin_are_settled(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git alone stops here, as both add lines in one place."""
    project.branch("feature")
    commit(project, "x @one", day=2)
    project.branch("other", "main")
    commit(project, "y @two", day=3)
    assert merged(project, "feature", "other", monkeypatch) == (0, ["a: b", "x: x", "y: y"])


def test_a_lock_that_both_sides_make_anew(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    LOCK.unlink()
    project.commit(2)
    project.branch("feature")
    commit(project, "mine <- b", day=3)
    project.switch("main")
    commit(project, "theirs <- b", day=4)
    assert merged(project, "feature", "main", monkeypatch) == (0, ["a: mine"])


def test_line_ends_stay(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    LOCK.write_bytes(LOCK.read_bytes().replace(b"\n", b"\r\n"))
    project.git("config", "core.autocrlf", "false")
    project.commit(2)
    project.branch("feature")
    commit(project, "x @one", day=3)
    project.branch("other", "main")
    commit(project, "y @two", day=4)
    assert merged(project, "feature", "other", monkeypatch)[0] == 0
    assert (project.top / ".ours").read_bytes().count(b"\r\n") > 5
    assert b"\n" not in (project.top / ".ours").read_bytes().replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (rev("mine <- b").doing(USERS), rev("theirs <- b").doing(USERS)),  # no order works
        (rev("mine <- b"), rev("theirs <- b, gone")),  # broken by itself
    ],
)
def test_what_rebase_would_refuse_is_a_conflict(
    project: Repository, monkeypatch: pytest.MonkeyPatch, mine: Rev, theirs: Rev
) -> None:
    project.branch("feature")
    commit(project, mine, day=2)
    project.switch("main")
    put(theirs)
    LOCK.write_text(LOCK.read_text().replace("a: b", "a: theirs"))
    project.commit(3)
    code, found = merged(project, "feature", "main", monkeypatch)
    assert code == 1
    assert [line[:7] for line in found] == [MARKS[0], "a: mine", MARKS[1], "a: thei", MARKS[2]]


def test_a_conflict_in_a_migration_is_one_in_the_lock(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.branch("feature")
    commit(project, rev("c <- b", date="2024-02-01"), "mine <- c", day=2)
    project.switch("main")
    commit(project, rev("c <- b", date="2024-02-02"), "theirs <- c", day=3)
    code, found = merged(project, "feature", "main", monkeypatch)
    assert (code, found[0][:7]) == (1, MARKS[0])


def test_without_a_main_branch_nobody_knows_what_goes_on_top(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.branch("feature")
    commit(project, "mine <- b", day=2)
    project.branch("other", "main")
    commit(project, "theirs <- b", day=3)
    project.git("branch", "-q", "-m", "main", "trunk")
    code, found = merged(project, "feature", "other", monkeypatch)
    assert (code, found[0][:7]) == (1, MARKS[0])


@pytest.mark.parametrize("path", ["elsewhere/chain.lock", "--help", "$(touch x)\n/chain.lock"])
def test_what_is_no_lock_of_ours_is_merged_by_lines(
    project: Repository, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = {"base": "1\n2\n3\n", "ours": "0\n2\n3\n", "theirs": "1\n2\n4\n"}
    for name, text in texts.items():
        Path(name).write_text(text)
    done = fixchain("merge-lock", "--", *texts, "7", path)
    assert done == Done(0, "", "")
    assert Path("ours").read_text() == "0\n2\n4\n"
    Path("theirs").write_text("5\n6\n7\n")
    assert fixchain("merge-lock", "--", *texts, "9", path).exit_code == 1
    assert "<<<<<<<<< ours\n" in Path("ours").read_text()
    assert not Path("x").exists()


def test_a_commit_that_has_other_locks_is_not_taken_for_theirs(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a merge of ancestors: only what Git gives counts."""
    project.branch("feature")
    commit(project, "mine <- b", day=2)
    project.switch("main")
    commit(project, "theirs <- b", day=3)
    monkeypatch.setenv(f"GITHEAD_{project.git('rev-parse', 'main')}", "main")
    project.switch("feature")
    for name, head in {"base": "b", "ours": "mine", "theirs": "other"}.items():
        Path(name).write_text(LOCK.read_text().replace("a: mine", f"a: {head}"))
    done = fixchain("merge-lock", "--", "base", "ours", "theirs", "7", LOCK.as_posix())
    assert done.exit_code == 1
    assert "<<<<<<<" in Path("ours").read_text()


def test_files_that_are_not_there(project: Repository) -> None:
    done = fixchain("merge-lock", "--", "no", "no", "no", "7", LOCK.as_posix())
    assert done.exit_code > 128  # for Git, the driver has failed
    assert "cannot be merged" in done.stderr


# --- How Git is told of it -----------------------------------------------------------------------


def test_a_chain_without_a_lock_gets_one_before_the_commit(project: Repository) -> None:
    (project.top / "migrations/.gitattributes").unlink()
    LOCK.unlink()
    steps = fixchain(*INSTALL).stdout.partition("What to do now\n")[2]
    first, _, rest = steps.partition("  2.")
    assert first.endswith(":\n       fixchain lock\n")
    assert "git commit" in rest


def test_it_is_shown_set_and_found_again(project: Repository) -> None:
    (project.top / "migrations/.gitattributes").unlink()
    config = project.top / ".git/config"
    before = config.read_bytes()
    shown = fixchain("hook", "--print", "--merge-driver")
    assert shown.exit_code == 0
    assert fixchain("hook", "--install", "--merge-driver").exit_code == 3  # nobody is there
    assert config.read_bytes() == before
    assert fixchain("hook", "--install", "--yes").exit_code == 0  # nobody has asked for it
    assert config.read_bytes() == before
    done = fixchain(*INSTALL)
    assert done.exit_code == 0, done.stderr
    assert (project.top / "migrations/.gitattributes").read_text() == "chain.lock merge=fixchain\n"
    set_by_us = project.git("config", "--local", "--get-regexp", r"^merge\.")
    again = fixchain(*INSTALL)
    assert "Nothing to do: everything is in place." in again.stdout
    assert "Write chain.lock" not in done.stdout
    config.write_bytes(before)
    for command in re.findall(r"^git config .*$", shown.stdout, re.MULTILINE):
        assert run("sh", "-c", command, cwd=project.top).exit_code == 0
    assert project.git("config", "--local", "--get-regexp", r"^merge\.") == set_by_us


def test_what_is_somebody_else_s_is_left_alone(project: Repository) -> None:
    attributes = project.top / "migrations/.gitattributes"
    attributes.write_text("*.py text\n")
    project.git("config", "merge.fixchain.driver", "mine")
    done = fixchain(*INSTALL)
    assert done.exit_code == 3
    assert "it has other values; set these by hand" in done.stdout
    assert "fixchain hook --print --merge-driver" in done.stderr
    assert "\nchain.lock merge=fixchain\n" in done.stdout
    assert attributes.read_text() == "*.py text\n"
    assert project.git("config", "--get", "merge.fixchain.driver") == "mine"


def test_where_a_file_cannot_be_written_nothing_is_set(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (project.top / ".git/config").read_bytes()

    def refuse(edits: object) -> None:
        raise StaleSnapshot("no", "nothing")

    monkeypatch.setattr("flask_chainfix.commands.hook.add_together", refuse)
    assert fixchain(*INSTALL).exit_code == 3
    assert b"driver" not in (project.top / ".git/config").read_bytes()
    assert before in (project.top / ".git/config").read_bytes()
    assert disk.is_locked(project.top / "migrations") is False


def test_where_git_refuses_a_setting_none_is_left(
    project: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = project.git("config", "--local", "--list")
    real = shutil.which("git")
    refuses = 'case " $* " in *" merge.fixchain.driver "*merge-lock*) exit 4;; esac'
    script(tmp_path / "refuses/git", f'#!/bin/sh\n{refuses}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'refuses'}:{os.environ['PATH']}")
    done = fixchain(*INSTALL)
    assert (done.exit_code, "cannot be changed" in done.stderr) == (3, True), done
    assert project.git("config", "--local", "--list") == before


def test_a_program_of_any_name_is_one_word_for_git(
    project: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "it's %A $(touch x)/bin"
    place.mkdir(parents=True)
    (place / "fixchain").symlink_to(commands.place / "fixchain")
    monkeypatch.setattr(sys, "prefix", str(place.parent))
    assert fixchain(*INSTALL).exit_code == 0
    monkeypatch.setenv("PATH", os.defpath)
    project.branch("feature")
    commit(project, "x @one", day=2)
    project.branch("other", "main")
    commit(project, "y @two", day=3)
    done = run("git", "merge", "-q", "-m", "x", "feature", cwd=project.top)
    assert done.exit_code == 0, done.stderr
    assert lines() == ["a: b", "x: x", "y: y"]
    assert not file_of("x").with_name("x").exists()
