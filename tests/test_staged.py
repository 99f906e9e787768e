"""check --staged: what the next commit would hold is judged, whatever lies on the disk."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from flask_chainfix.report import format_names
from tests.commands import Done, fixchain, run
from tests.disk import environment, tree
from tests.repositories import DISTURBING, VERSIONS, Repository, file_of, needs_git, put, script

pytestmark = [needs_git, pytest.mark.usefixtures("own_git", "warm_programs")]

MOST_CALLS = 3


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with a healthy chain, which is committed."""
    environment(repository.top / "migrations", "a", "b <- a")
    (repository.top / ".gitignore").write_text("__pycache__/\n.fixchain/\n")
    repository.commit(1)
    for role, what in product(("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")):
        monkeypatch.setenv(f"GIT_{role}_{what}", "a")
    monkeypatch.chdir(repository.top)
    return repository


def judged(*options: str) -> tuple[int, list[str]]:
    """The exit code, and the codes of the errors."""
    done = fixchain("check", "--staged", *options, "--format", "json")
    found = [each["code"] for each in done.document["findings"] if each["severity"] == "error"]
    return done.exit_code, found


HEALTHY: tuple[int, list[str]] = (0, [])
TWO_HEADS = (1, ["FC102"])


def stage(project: Repository) -> None:
    project.git("add", "-A")


# --- What is staged counts, and nothing else -----------------------------------------------------


def test_a_second_head_counts_once_it_is_staged(project: Repository) -> None:
    put("c <- a")
    assert judged() == HEALTHY
    assert fixchain("check").exit_code == 1
    stage(project)
    file_of("c").unlink()
    assert judged() == TWO_HEADS
    assert fixchain("check").exit_code == 0


def test_a_file_that_is_staged_in_part(project: Repository) -> None:
    """The index has another parent than the disk."""
    put("c <- a")
    stage(project)
    put("c <- b")
    assert judged() == TWO_HEADS
    stage(project)
    put("c <- a")
    assert judged() == HEALTHY


def test_a_file_that_is_only_meant_to_be_added(project: Repository) -> None:
    put("c <- a")
    project.git("add", "--intent-to-add", ".")
    assert judged() == HEALTHY
    file_of("c").write_bytes(b"")
    stage(project)
    assert judged() == (1, ["FC106"])


def test_a_deletion_and_a_rename(project: Repository) -> None:
    put("c <- b")
    project.commit(2)
    first = next(Path(VERSIONS).glob("a*.py"))
    project.git("mv", first, f"{VERSIONS}/other.py")
    assert judged() == HEALTHY
    project.git("rm", "-q", "--cached", next(Path(VERSIONS).glob("b*.py")))
    assert judged() == (1, ["FC103"])


def test_what_differs_on_the_disk_is_said_with_what_stages_it(project: Repository) -> None:
    put("c <- b", "d <- c")
    project.git("add", file_of("d"))
    done = fixchain("check", "--staged")
    assert done.exit_code == 1
    assert "note: what is staged was judged; on the disk, 1 file differs: c_add_c.py\n" in (
        done.stdout
    )
    steps = done.stdout.partition("What to do\n")[2].splitlines()
    add, again = (line.strip() for line in steps if line.startswith(" " * 7))
    assert run("sh", "-c", add, cwd=project.top).exit_code == 0
    assert again == "fixchain check --staged"
    assert judged() == HEALTHY


def test_what_is_repaired_on_the_disk_has_only_to_be_staged(project: Repository) -> None:
    put("c <- b", "d <- b")
    stage(project)
    assert fixchain("repair", "--yes").exit_code == 0
    shown = fixchain("check", "--staged").stdout
    assert "FC102" in shown
    assert "git add -- " in shown
    assert "fixchain repair" not in shown


def test_the_lock_as_it_is_staged(project: Repository) -> None:
    assert fixchain("lock", "--yes").exit_code == 0
    stage(project)
    assert judged() == HEALTHY
    put("c <- b")
    project.git("add", file_of("c"))
    assert fixchain("lock", "--yes").exit_code == 0
    assert judged() == (1, ["FC502"])
    stage(project)
    assert judged() == HEALTHY


@pytest.mark.parametrize("drafted", [False, True])
def test_what_is_printed_settles_a_lock_that_is_out_of_step(
    project: Repository, drafted: bool
) -> None:
    assert fixchain("lock", "--yes").exit_code == 0
    project.commit(2)
    put("c <- b")
    stage(project)
    if drafted:
        put("d <- c")
    done = fixchain("check", "--staged")
    assert "FC502" in done.stdout
    steps = done.stdout.partition("What to do\n")[2].splitlines()
    *typed, again = (line.strip() for line in steps if line.startswith(" " * 7))
    for command in typed:
        tool, *arguments = command.split()
        if tool == "git":
            project.git(*arguments)
        else:
            assert fixchain(*arguments, "--yes").exit_code == 0
    assert again == "fixchain check --staged"
    assert judged() == HEALTHY


def test_line_ends_of_a_checkout_are_no_difference(project: Repository) -> None:
    project.git("config", "core.autocrlf", "true")
    for path in Path(VERSIONS).glob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    done = fixchain("check", "--staged")
    assert (done.exit_code, "on the disk" in done.stdout) == (0, False)


def test_no_migration_at_all(project: Repository) -> None:
    """A commit of something else passes."""
    project.git("rm", "-q", "-r", "--cached", VERSIONS)
    assert judged() == HEALTHY
    assert "no migration is staged" in fixchain("check", "--staged").stdout


def test_before_the_first_commit(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(repository.top / "migrations", "a", "b <- a", "c <- a")
    monkeypatch.chdir(repository.top)
    assert judged() == HEALTHY
    stage(repository)
    assert judged() == TWO_HEADS


def test_a_conflict_that_is_not_settled(project: Repository) -> None:
    put("c <- a")
    project.branch("other")
    project.commit(2)
    project.switch("main")
    put("c <- b")
    project.commit(3)
    assert run("git", "merge", "-q", "other", cwd=project.top).exit_code == 1
    done = fixchain("check", "--staged")
    assert done.exit_code == 3
    assert f"an unresolved conflict in {file_of('c')}" in done.stderr
    assert f"\n  git add -- {file_of('c')}\n" in done.stderr
    put("c <- b")
    stage(project)
    assert judged() == HEALTHY


def test_a_merge_of_what_is_staged_is_foreseen(project: Repository) -> None:
    project.branch("other")
    put("c <- b")
    project.commit(2)
    project.switch("main")
    put("d <- b")
    assert judged("--against", "other") == HEALTHY
    stage(project)
    file_of("d").unlink()
    assert judged("--against", "other") == (1, ["FC503"])


def test_a_branch_that_was_force_pushed_and_one_that_is_gone(project: Repository) -> None:
    """What it was before counts no more, and what is gone is said to be."""
    project.branch("other")
    put("c <- b")
    project.commit(2)
    project.switch("main")
    put("d <- b")
    stage(project)
    assert judged("--against", "other") == (1, ["FC503"])
    project.git("branch", "-q", "-f", "other", "main")
    assert judged("--against", "other") == HEALTHY
    project.git("branch", "-q", "-D", "other")
    done = fixchain("check", "--staged", "--against", "other")
    assert done.exit_code == 3
    assert "'other' is not a revision" in done.stderr


@pytest.mark.parametrize("name", format_names())
def test_every_format_carries_it(project: Repository, name: str) -> None:
    put("c <- a")
    stage(project)
    file_of("c").unlink()
    done = fixchain("check", "--staged", "--format", name)
    assert done.exit_code == 1
    assert "FC102" in done.stdout


def test_nothing_is_touched(project: Repository) -> None:
    put("c <- a")
    stage(project)
    before = tree(project.top)
    assert judged() == TWO_HEADS
    assert tree(project.top) == before


def test_git_is_asked_at_most_three_times(
    project: Repository, calls: Callable[[], list[str]]
) -> None:
    put(*(f"n{number} <- b" for number in range(20)))
    stage(project)
    calls()
    for path in Path(VERSIONS).glob("n*.py"):
        path.unlink()
    assert judged()[0] == 1
    assert len(calls()) <= MOST_CALLS


# --- Wherever the index is -----------------------------------------------------------------------


def hooked(project: Repository) -> None:
    """A hook that is silent unless what would be committed is broken."""
    command = 'said=$(fixchain check --staged 2>&1) || { echo "$said" >&2; exit 1; }\n'
    script(project.top / ".git/hooks/pre-commit", f"#!/bin/sh\n{command}")


def committed(project: Repository, *options: str | Path, **variables: str) -> Done:
    return run("git", "commit", "-q", "-m", "x", *options, cwd=project.top, env=variables)


def test_what_a_commit_takes_along(project: Repository, tmp_path: Path) -> None:
    """``--all``, files by name and an index elsewhere: Git makes an index for the commit."""
    hooked(project)
    put("c <- b")
    stage(project)
    put("c <- a")
    assert committed(project, "--all").exit_code == 1
    assert committed(project, file_of("c")).exit_code == 1
    (tmp_path / "elsewhere").mkdir()
    other = {"GIT_INDEX_FILE": str(tmp_path / "elsewhere/index")}
    run("git", "read-tree", "HEAD", cwd=project.top, env=other)
    assert committed(project, "--allow-empty", **other).exit_code == 0
    run("git", "add", "-A", cwd=project.top, env=other)
    assert committed(project, **other).exit_code == 1
    project.git("reset", "-q", "HEAD~1")
    put("c <- b")
    stage(project)
    assert committed(project).exit_code == 0


def test_a_linked_work_tree(project: Repository, tmp_path: Path) -> None:
    hooked(project)
    project.git("worktree", "add", "-q", tmp_path / "linked")
    linked = Repository(tmp_path / "linked")
    linked.put("c", parent="a")
    stage(linked)
    assert committed(linked).exit_code == 1


def test_a_submodule_has_an_index_of_its_own(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = Repository(tmp_path / "outer")
    outer.git("submodule", "--quiet", "add", project.top, "sub")
    inner = Repository(outer.top / "sub")
    inner.put("c", parent="a")
    stage(inner)
    monkeypatch.chdir(outer.top)
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    done = fixchain("-d", "sub/migrations", "check", "--staged", "--format", "json")
    assert [each["code"] for each in done.document["findings"]] == ["FC102"]


def test_sparse_checkouts(project: Repository) -> None:
    put("c <- b")
    project.commit(2)
    project.git("sparse-checkout", "set", "--no-cone", "/*", f"!/{VERSIONS}/c*")
    assert not file_of("c").exists()
    assert judged() == HEALTHY
    project.git("sparse-checkout", "set", "--no-cone", "/*", f"!/{VERSIONS}/")
    assert not Path(VERSIONS).exists()
    assert judged() == HEALTHY
    assert fixchain("check", "--staged", "--format", "json").document["heads"] == ["c"]


def test_links(project: Repository) -> None:
    """One to a file that is in no version location counts as it lies on the disk."""
    Path("shared").mkdir()
    put("c <- b")
    file_of("c").rename("shared/c.py")
    file_of("c").symlink_to(Path("../../shared/c.py"))
    stage(project)
    assert judged() == HEALTHY
    assert fixchain("check", "--staged", "--format", "json").document["heads"] == ["c"]


def test_sha256(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "long"
    run("git", "init", "-q", "--object-format=sha256", top, cwd=tmp_path)
    environment(top / "migrations", "a", "b <- a", "c <- a")
    monkeypatch.chdir(top)
    stage(Repository(top))
    assert judged() == TWO_HEADS


# --- Nothing that a repository says is run -------------------------------------------------------


def test_nothing_that_the_configuration_names_is_run(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("c <- a")
    stage(project)
    ran = tmp_path / "ran"
    program = str(script(tmp_path / "program", f"#!/bin/sh\ntouch {ran}\ncat\n"))
    hooks = tmp_path / "hooks"
    for name in ("fsmonitor-watchman", "post-index-change", "reference-transaction"):
        script(hooks / name, f"#!/bin/sh\ntouch {ran}\n")
    (project.top / ".gitattributes").write_text("*.py filter=evil diff=evil merge=evil\n")
    for setting in (
        f"core.fsmonitor={program}",
        f"core.hooksPath={hooks}",
        f"core.pager={program}",
        f"core.sshCommand={program}",
        f"diff.external={program}",
        f"diff.evil.textconv={program}",
        f"filter.evil.clean={program}",
        f"filter.evil.smudge={program}",
        f"filter.evil.process={program}",
        f"alias.ls-files=!{program}",
        f"alias.cat-file=!{program}",
        "submodule.recurse=true",
        "index.sparse=true",
        "core.untrackedCache=true",
        *DISTURBING,
    ):
        project.git("config", *setting.split("=", 1))
    file_of("c").touch()  # so that Git would look at it again
    assert judged() == TWO_HEADS
    assert not ran.exists()


@pytest.mark.parametrize("name", ["--output=x", "ä $(touch x)\x1b[31m", ":(exclude)*"])
def test_hostile_names_of_files(project: Repository, name: str) -> None:
    put("c <- a")
    file_of("c").rename(Path(VERSIONS, f"{name}.py"))
    stage(project)
    assert judged() == TWO_HEADS
    assert not any(place.exists() for place in (Path("x"), Path(VERSIONS, "x")))


@pytest.mark.parametrize("name", ["-x", "[a]*", "it's \n$(touch x)"])
def test_hostile_names_of_directories(project: Repository, name: str) -> None:
    project.git("mv", "migrations", f"./{name}")
    Path(name, "versions/c.py").write_bytes(next(Path(name, "versions").glob("b*")).read_bytes())
    stage(project)
    done = fixchain("-d", f"./{name}", "check", "--staged", "--format", "json")
    assert [each["code"] for each in done.document["findings"]] == ["FC104"]


# --- Wrong usage ---------------------------------------------------------------------------------


def test_outside_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", "a")
    monkeypatch.chdir(tmp_path)
    done = fixchain("check", "--staged")
    assert done.exit_code == 3
    assert "no Git repository was found" in done.stderr
    assert "leave --staged out" in done.stderr


def test_an_index_that_is_broken(project: Repository) -> None:
    (project.top / ".git/index").write_bytes(b"nonsense")
    done = fixchain("check", "--staged", "--format", "json")
    assert done.exit_code == 3
    assert done.document["error"]["type"] == "CannotReadGit"


def test_it_asks_git(project: Repository) -> None:
    done = fixchain("check", "--staged", "--no-git")
    assert done.exit_code == 2
    assert "--no-git and --staged contradict each other" in done.stderr
