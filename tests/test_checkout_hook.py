"""``hook --post-checkout``: one line where a checkout leaves a database ahead, else nothing."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

import pytest

from tests import commands
from tests.commands import SCRIPTS, Done, fixchain, run
from tests.rehearsals import add, plain, upgrade
from tests.repositories import Repository, needs_git, script
from tests.stamped import silent_server

pytestmark = [needs_git, pytest.mark.usefixtures("own_git", "warm_programs")]

_INI = "[alembic]\nscript_location = migrations\nsqlalchemy.url = {}\n"
INSTALL = ("hook", "--install", "--post-checkout", "--yes")


@pytest.fixture
def project(top: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that ``feature`` has upgraded, with ``feature`` checked out and the tool found."""
    plain(top, "a")
    url = f"sqlite:///{top / 'app.db'}"
    (top / "alembic.ini").write_text(_INI.format(url))
    (top / ".gitignore").write_text("*.db\n__pycache__\n.fixchain\nbin\n")
    repository = Repository(top)
    repository.commit(1)
    repository.branch("feature")
    add(top, "b <- a")
    repository.commit(2)
    upgrade(top, url, "b")
    return top


def checkout(project: Path, *arguments: str) -> Done:
    return run("git", "checkout", "-q", *arguments, cwd=project)


def stand_in(project: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    """Have something else be the tool, whatever environment the hook was written in."""
    hook = project / ".git/hooks/post-checkout"
    tool = script(project.parent / "bin/fixchain", f"#!/bin/sh\n{text}\n")
    hook.write_text(hook.read_text().replace(f"PATH={SCRIPTS}:", f"PATH={tool.parent}:"))
    return tool


def test_one_line_after_a_checkout_that_leaves_it_ahead(project: Path) -> None:
    assert fixchain(*INSTALL).exit_code == 0
    assert os.access(project / ".git/hooks/post-checkout", os.X_OK)
    back = checkout(project, "main")
    assert (back.exit_code, back.stdout) == (0, "")
    url = f"sqlite:///{project / 'app.db'}"
    assert back.stderr == f"fixchain: {url} is 1 revision ahead of this code: fixchain unwind\n"
    assert checkout(project, "feature") == Done(0, "", "")
    done = fixchain("unwind", "--yes", "--no-backup")
    assert (done.exit_code, "nothing to downgrade" in done.stdout) == (0, True)


def test_the_hook_finds_the_program_by_its_path_variable(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed names the program where it is; the hook may be that of others, too."""
    monkeypatch.setenv("PATH", os.environ["PATH"].replace(str(SCRIPTS), "/nowhere"))
    monkeypatch.delenv("CI", raising=False)
    done = run(SCRIPTS / "fixchain", *INSTALL, cwd=project)
    assert done.exit_code == 0, done
    hook = (project / ".git/hooks/post-checkout").read_text()
    assert f"PATH={SCRIPTS}:" in hook
    assert " fixchain unwind --offer\n" in hook


def test_a_merge_is_offered_where_main_has_what_the_database_has_run(project: Path) -> None:
    repository = Repository(project)
    repository.git("branch", "-f", "main", "feature")
    repository.branch("older", "main~1")
    said = fixchain("unwind", "--offer").stdout
    assert said.endswith(
        "is 1 revision ahead of this code: git merge --no-edit main, or fixchain unwind\n"
    )


def test_nobody_looks_where_no_migration_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixchain(*INSTALL)
    stand_in(project, monkeypatch, "echo looked; exit 1")
    assert checkout(project, "-b", "same").stderr == ""
    assert checkout(project, "main", "--", ".").stderr == ""  # of files, not of a branch
    checkout(project, "-f", "feature")
    assert "looked" in checkout(project, "main").stderr


def test_the_usual_environments_are_looked_into(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixchain(*INSTALL)
    hook = project / ".git/hooks/post-checkout"
    hook.write_text(hook.read_text().replace(f"PATH={SCRIPTS}:", "PATH="))
    monkeypatch.setenv("PATH", os.defpath)
    script(project / "env/bin/fixchain", "#!/bin/sh\necho found\n")
    assert checkout(project, "main").stderr == "found\n"


@pytest.mark.parametrize("text", ["echo broken >&2; exit 3", "kill -9 $$", "exec cat"])
def test_a_checkout_never_fails(project: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    fixchain(*INSTALL)
    tool = stand_in(project, monkeypatch, text)
    assert checkout(project, "main") == Done(0, "", "")
    tool.unlink()
    assert checkout(project, "feature").exit_code == 0


def test_somebodys_own_hook_is_left_alone(project: Path) -> None:
    hook = script(project / ".git/hooks/post-checkout", "#!/bin/sh\nset -e\necho mine\n")
    before = hook.read_bytes()
    done = fixchain(*INSTALL)
    assert done.exit_code == 3, done
    assert "hook --print --post-checkout" in done.stderr
    assert hook.read_bytes() == before
    lines = done.stdout[done.stdout.index("# fixchain: begin") :]
    assert lines.rstrip().endswith("# fixchain: end")
    assert f"PATH={SCRIPTS}:" in lines
    lines = lines.replace(f"PATH={SCRIPTS}:", f"PATH={commands.place}:")
    hook.write_text(before.decode().replace("set -e\n", f"set -e\n{lines}"))
    said = checkout(project, "main").stderr.splitlines()
    assert [len(said), said[-1], "fixchain unwind" in said[0]] == [2, "mine", True]
    again = fixchain(*INSTALL)
    assert (again.exit_code, "already there" in again.stdout) == (0, True)


def test_it_is_typed_where_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the top of the work tree, under names that a shell would take apart."""
    repository = Repository(tmp_path / "re $(touch owned); 'po")
    inside = repository.top / '-b ack"end'
    plain(inside, "a")
    repository.commit(1)
    repository.branch("feature")
    add(inside, "b <- a")
    repository.commit(2)
    monkeypatch.chdir(inside)
    refused = fixchain("-d", "migrations", *INSTALL)  # what would it look at?
    assert (refused.exit_code, "names a database" in refused.stderr) == (3, True)
    (inside / "migrations/alembic.ini").write_text(_INI.format("sqlite:///app.db"))
    assert fixchain("-d", "migrations", *INSTALL).exit_code == 0
    stand_in(repository.top, monkeypatch, 'pwd; printf "%s\\n" "$*"')
    said = checkout(repository.top, "main").stderr.splitlines()
    assert said == [str(inside), "-d migrations unwind --offer"]
    assert not list(tmp_path.rglob("owned"))


def test_it_is_silent_about_what_it_cannot_reach(project: Path) -> None:
    checkout(project, "main")
    ini = project / "alembic.ini"
    with silent_server() as port:
        url = f"postgresql+psycopg2://x:s3cret@127.0.0.1:{port}/x"
        ini.write_text(_INI.format(url))
        started = monotonic()
        assert fixchain("unwind", "--offer") == Done(0, "", "")
        assert monotonic() - started < 30  # the server never answers


def test_scripts_get_it_as_json(project: Path) -> None:
    checkout(project, "main")
    (ahead,) = fixchain("unwind", "--offer", "--format", "json").document["unwinding"]
    assert ahead == {"name": f"sqlite:///{project / 'app.db'}", "ahead": 1}
