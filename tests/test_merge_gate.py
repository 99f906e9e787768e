"""check --against as a gate: what is said of merges, and what is typed then, in repositories."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_chainfix.git import program, scratch_repository
from tests.commands import Done, fixchain
from tests.disk import environment
from tests.repositories import VERSIONS, Repository, edit, file_of, needs_git, put, script
from tests.support import Rev, migration, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

USERS = "op.create_table('users', sa.Column('id', sa.Integer()), sa.Column('old', sa.Integer()))"
EMAIL = "op.add_column('users', sa.Column('email', sa.String(40)))"
MOST_CALLS = 5


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with three revisions on ``main``, and a branch of it checked out."""
    environment(repository.top / "migrations", "a", rev("b <- a").doing(USERS), "c <- b")
    (repository.top / ".gitignore").write_text("__pycache__/\n.fixchain/\n*.db\n")
    repository.commit(1)
    repository.branch("feature")
    monkeypatch.chdir(repository.top)
    monkeypatch.setenv("COLUMNS", "1000")
    return repository


def on(project: Repository, branch: str, day: int, *specs: str | Rev, at: str = "main") -> None:
    """Commit revisions on a branch, which is made if need be, and come back."""
    known = project.git("branch", "--list", "--", branch)
    project.git("checkout", "-q", *([branch] if known else ["-b", branch, at]))
    put(*specs)
    project.commit(day)
    project.switch("feature")


def check(*options: str, against: str = "main") -> Done:
    return fixchain("check", "--format", "json", f"--against={against}", *options)


def found(*options: str, against: str = "main") -> dict[str, dict[str, Any]]:
    """The errors by code; there is one of each at most."""
    done = check(*options, against=against)
    errors = [each for each in done.document["findings"] if each["severity"] == "error"]
    codes = {each["code"]: each for each in errors}
    assert len(codes) == len(errors), errors
    assert done.exit_code == (1 if errors else 0), done
    return codes


def typed(finding: dict[str, Any]) -> None:
    """Type all commands of a finding's first remedy, in their order."""
    people = {
        f"GIT_{role}_{what}": "a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    around = {**os.environ, **people, "GIT_ALLOW_PROTOCOL": "file"}
    for command in finding["remedies"][0]["commands"]:
        if command.startswith("git "):
            done = subprocess.run(command, shell=True, env=around, capture_output=True, check=False)
            stops = command.startswith("git merge") and b"CONFLICT" in done.stdout
            assert done.returncode == 0 or stops, (command, done)
        else:
            agreed = ["--accept-guesses"] if "repair" in command else []
            said = fixchain(*shlex.split(command)[1:], *agreed, "--yes")
            assert said.exit_code == 0, (command, said)


def edit_on_both(project: Repository, old: str, mine: str, theirs: str) -> None:
    """Change c on the feature branch, and in another way on main."""
    edit("c", old, mine)
    project.commit(2)
    project.switch("main")
    edit("c", old, theirs)
    project.commit(3)
    project.switch("feature")


def assert_settled(project: Repository) -> None:
    """All is committed, and the chain is healthy with what main has."""
    assert project.git("status", "--porcelain") == ""
    assert found() == {}
    assert project.git("merge-base", "main", "HEAD") == project.git("rev-parse", "main")


# --- What is foreseen, and what is typed then ----------------------------------------------------


def test_two_heads(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    before = project.git("rev-parse", "HEAD", "main")
    finding = found()["FC503"]
    assert finding["message"].startswith(
        "a merge of main gives FC102 multiple-heads: 2 heads where there should be one:"
        " mine, theirs; theirs came with commit "
    )
    assert finding["message"].endswith(" by a, 2024-01-04")
    mine, theirs = finding["locations"]
    assert mine == {"path": str(file_of("mine")), "line": 13}
    commit = project.git("rev-parse", "main")[:12]
    assert theirs == {"path": str(file_of("theirs")), "line": 13, "ref": "main", "commit": commit}
    assert project.git("rev-parse", "HEAD", "main") == before
    typed(finding)
    assert_settled(project)


@pytest.mark.parametrize("where", ["outside", "submodule", "below"])
def test_the_commands_of_git_can_be_typed_elsewhere(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    put("mine <- c")
    on_main = Path("elsewhere")
    project.git("worktree", "add", "-q", on_main, "main")
    (on_main / file_of("theirs")).write_bytes(migration(rev("theirs <- c")))
    Repository(on_main.absolute()).commit(3)
    project.git("worktree", "remove", on_main)
    if where == "below":  # a repository in that of the migrations
        Repository(project.top / "tools")
        (project.top / ".git/info/exclude").write_text("tools\n")
        monkeypatch.chdir("tools")
    elif where == "submodule":
        Repository(tmp_path).git("submodule", "--quiet", "add", "./repository")
    if where != "below":
        monkeypatch.chdir(tmp_path)
    place = os.path.relpath(project.top / "migrations")
    done = fixchain("-d", place, "check", "--against", "main", "--format", "json")
    (finding,) = (each for each in done.document["findings"] if each["code"] == "FC503")
    typed(finding)
    monkeypatch.chdir(project.top)
    assert_settled(project)
    monkeypatch.chdir(project.top / "tools" if where == "below" else tmp_path)
    Path(place, "chain.lock").unlink(missing_ok=True)
    done = fixchain("-d", place, "lock", "--yes")
    commands = [line.strip() for line in done.stdout.splitlines() if " git " in f" {line}"]
    for command in commands[-2:]:
        project.type(f"cd {shlex.quote(os.getcwd())} && {command}")
    assert project.git("status", "--porcelain") == ""
    assert project.git("log", "-1", "--format=%s") == "Lock the migration chain"


def test_two_heads_that_are_not_committed(project: Repository) -> None:
    put("mine <- c")
    on_main = Path("elsewhere")
    project.git("worktree", "add", "-q", on_main, "main")
    (on_main / file_of("theirs")).write_bytes(migration(rev("theirs <- c")))
    Repository(on_main.absolute()).commit(3)
    project.git("worktree", "remove", on_main)
    finding = found()["FC503"]
    assert finding["remedies"][0]["commands"][0] == f"git add -- {file_of('mine')}"
    typed(finding)
    assert_settled(project)


def test_a_remote_that_has_moved_on(project: Repository, tmp_path: Path) -> None:
    project.git("clone", "-q", "--bare", project.top, tmp_path / "bare.git")
    project.git("remote", "add", "origin", tmp_path / "bare.git")
    put("mine <- c")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    project.git("push", "-q", "origin", "main")
    on(project, "main", 4, "later <- theirs")
    project.git("push", "-q", "origin", "main:main")
    project.git("update-ref", "refs/remotes/origin/main", "main~1")
    finding = found(against="origin/main")["FC503"]
    assert finding["remedies"][0]["commands"][:2] == [
        "git fetch origin",
        "git merge --no-commit origin/main",
    ]
    typed(finding)
    assert_settled(project)


@pytest.mark.parametrize(
    ("refspec", "more"),
    [
        ("+refs/heads/feature:refs/remotes/origin/feature", " +main:refs/remotes/origin/main"),
        ("+refs/heads/m*:refs/remotes/origin/m*", ""),
        ("", " +main:refs/remotes/origin/main"),
    ],
)
def test_a_clone_of_a_single_branch(
    project: Repository, tmp_path: Path, refspec: str, more: str
) -> None:
    project.git("clone", "-q", "--bare", project.top, tmp_path / "bare.git")
    project.git("remote", "add", "origin", tmp_path / "bare.git")
    project.git("config", "--unset", "remote.origin.fetch")
    if refspec:
        project.git("config", "remote.origin.fetch", refspec)
    project.git("update-ref", "refs/remotes/origin/main", "main")
    put("mine <- c")
    project.commit(2)
    if refspec.endswith("feature"):  # as `git clone --single-branch` leaves it
        project.git("update-ref", "refs/remotes/origin/feature", "feature")
        project.git("remote", "set-head", "origin", "feature")
    on(project, "main", 3, "theirs <- c")
    project.git("push", "-q", "origin", "main")
    project.git("update-ref", "refs/remotes/origin/main", "main")
    on(project, "main", 4, "later <- theirs")
    project.git("push", "-q", "origin", "main:main")
    project.git("update-ref", "refs/remotes/origin/main", "main~1")
    finding = found(against="origin/main")["FC503"]
    assert finding["remedies"][0]["commands"][0] == f"git fetch origin{more}"
    typed(finding)
    assert_settled(project)
    assert file_of("later").exists()


def test_a_branch_of_a_remote_that_is_gone_is_not_fetched(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    project.git("update-ref", "refs/remotes/origin/main", "main")
    finding = found(against="origin/main")["FC503"]
    assert finding["remedies"][0]["commands"][0] == "git merge --no-commit origin/main"
    typed(finding)
    assert_settled(project)


def test_an_id_that_both_have_taken(project: Repository) -> None:
    put(rev("new <- c").doing("op.create_table('mine', sa.Column('id', sa.Integer()))"))
    file_of("new").rename(Path(VERSIONS, "mine.py"))
    project.commit(2)
    on(project, "main", 3, "new <- c")
    finding = found()["FC503"]
    assert "gives FC104 duplicate-revision" in finding["message"]
    typed(finding)
    assert_settled(project)


def test_a_parent_that_the_other_side_deletes(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    file_of("c").unlink()
    project.commit(3)
    project.switch("feature")
    finding = found()["FC503"]
    assert "gives FC103 missing-down-revision" in finding["message"]
    typed(finding)
    assert_settled(project)


def test_numbers_that_both_have_taken(project: Repository) -> None:
    put("0001 <- c", "0002 <- 0001", "0003_mine <- 0002")
    for name in ("0001", "0002"):
        file_of(name).rename(Path(VERSIONS, f"{name}.py"))
    project.switch("main")
    shutil.move(file_of("0003_mine"), "mine.py")
    project.commit(2)
    project.git("rm", "-q", "--cached", "mine.py")
    project.commit(2)
    project.git("checkout", "-q", "-B", "feature", "main")
    on(project, "main", 3, "0003_theirs <- 0002")
    put("0003_mine <- 0002")
    Path("mine.py").unlink(missing_ok=True)
    project.commit(3)
    finding = found()["FC503"]
    assert "0003_mine and 0003_theirs take the same number" in finding["message"]
    typed(finding)
    assert_settled(project)


def test_a_migration_that_both_have_changed(project: Repository) -> None:
    edit_on_both(project, "add c", "mine", "theirs")
    finding = found()["FC503"]
    said = f"a merge of main stops at {file_of('c')}: both sides have changed it"
    assert finding["message"] == said
    typed(finding)
    assert_settled(project)


def lock(project: Repository, day: int, *specs: str) -> None:
    put(*specs)
    assert fixchain("lock", "--yes").exit_code == 0
    project.commit(day)


@pytest.mark.parametrize("driver", ["", "true"])  # with one, Git itself finishes the merge
def test_the_chain_lock_is_in_the_way_as_it_should_be(project: Repository, driver: str) -> None:
    project.switch("main")
    if driver:
        project.git("config", "merge.fixchain.driver", driver)
        Path("migrations/.gitattributes").write_text("chain.lock merge=fixchain\n")
    lock(project, 2)
    project.git("checkout", "-q", "-B", "feature", "main")
    lock(project, 3, "mine <- c")
    project.switch("main")
    lock(project, 4, "theirs <- c")
    project.switch("feature")
    finding = found()["FC503"]
    assert "FC102" in finding["message"]
    typed(finding)
    assert_settled(project)


@pytest.mark.parametrize("typed_first", [(), ("FC502",)])
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_chain_lock_that_has_to_be_written_first_is_committed(
    project: Repository, is_committed: bool, typed_first: tuple[str, ...]
) -> None:
    """Git does not merge over a lock that is written and not committed."""
    project.switch("main")
    lock(project, 2)
    project.git("checkout", "-q", "-B", "feature")
    project.switch("main")
    lock(project, 3, "theirs <- c")
    project.switch("feature")
    put("mine <- c")
    if is_committed:
        project.commit(4)
    errors = found()
    for code in (*typed_first, "FC503"):
        typed(errors[code])
    assert_settled(project)
    subjects = project.git("log", "--format=%s", "main..")
    assert ("Update the chain lock" if is_committed else "Add migrations") in subjects.splitlines()


def test_a_chain_lock_without_known_heads_is_not_written_first(project: Repository) -> None:
    """A commit was picked whose parent is on main."""
    project.switch("main")
    lock(project, 2)
    project.git("checkout", "-q", "-B", "feature")
    project.switch("main")
    lock(project, 3, "d <- c")
    lock(project, 4, "e <- d")
    project.switch("feature")
    lock(project, 5, "mine <- c")
    with pytest.raises(AssertionError):
        project.git("cherry-pick", "main")
    typed(found()["FC503"])
    assert_settled(project)


def test_only_the_chain_lock_stops_git(project: Repository) -> None:
    project.switch("main")
    lock(project, 2)
    project.git("checkout", "-q", "-B", "feature", "main")
    lock(project, 3, "d <- c")
    project.switch("main")
    lock(project, 4, "d <- c")
    lock(project, 5, "e <- d")
    project.switch("feature")
    finding = found()["FC503"]
    assert "FC502" in finding["message"]
    typed(finding)
    assert_settled(project)


def test_files_of_the_app_that_stop_git(project: Repository) -> None:
    Path("app.py").write_text("one\n")
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    Path("app.py").write_text("two\n")
    put("theirs <- c")
    project.commit(3)
    project.switch("feature")
    finding = found()["FC503"]
    (way,) = finding["remedies"]
    assert "Git also stops at 1 other file" in way["text"]


def test_what_both_create(project: Repository) -> None:
    put(rev("mine <- c").doing(EMAIL, "op.add_column('users', sa.Column('x', sa.Integer()))"))
    project.commit(2)
    on(project, "main", 3, rev("theirs <- c").doing(EMAIL))
    codes = found()
    finding = codes["FC504"]
    assert set(codes) == {"FC503", "FC504"}
    assert finding["message"].startswith("theirs and mine both create column users.email; ")
    assert (
        f"mine is yours (commit {project.git('rev-parse', 'HEAD')[:12]} by a, 2024-01-03)"
        in (finding["message"])
    )
    assert "theirs is from main (" in finding["message"]
    assert [place.get("ref") for place in finding["locations"]] == [None, "main"]
    assert codes["FC503"]["remedies"] == finding["remedies"]
    edit("mine", f"    {EMAIL}\n", "")
    assert set(found()) == {"FC503"}
    typed(finding)
    assert_settled(project)


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (
            "op.alter_column('users', 'old', nullable=False)",
            "op.drop_column('users', 'old')",
            "uses column users.old, which theirs has dropped before",
        ),
        (
            "op.drop_column('users', 'old')",
            "op.alter_column('users', 'old', new_column_name='new')",
            "both drop or rename column users.old",
        ),
        (
            "op.add_column('users', sa.Column('x', sa.Integer()))",
            "op.rename_table('users', 'people')",
            "mine uses table users, which theirs has renamed to people before",
        ),
        (
            "op.create_index('ix', 'users', ['id'])",
            "op.create_index('ix', 'users', ['old'])",
            "both create index",
        ),
        (
            "op.drop_column('users', 'old')",
            "op.create_index('ix', 'users', ['old'])",
            "drops column users.old, on which theirs builds index",
        ),
        (
            "op.alter_column('users', 'old', type_=sa.Text(), nullable=False)",
            "op.alter_column('users', 'old', type_=sa.String(9), nullable=True)",
            "mine changes column users.old to TEXT, NOT NULL, which theirs has changed to"
            " VARCHAR(9), nullable before; mine is yours (commit ",
        ),
        (
            "op.alter_column('users', 'old', server_default='{}')",
            "op.alter_column('users', 'old', server_default=sa.text('now()'))",
            "mine changes column users.old to default '{}', which theirs has changed to default"
            " 'now()' before",
        ),
    ],
)
def test_what_does_not_go_together(project: Repository, mine: str, theirs: str, said: str) -> None:
    put(rev("mine <- c").doing(mine))
    project.commit(2)
    on(project, "main", 3, rev("theirs <- c").doing(theirs))
    assert said in found()["FC504"]["message"]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("op.drop_column('users', 'old')", "op.execute('UPDATE users SET old = 1')"),
        (
            "op.alter_column('users', 'old', nullable=False)",
            "op.alter_column('users', 'old', type_=sa.Text(), server_default='1')",
        ),
        (  # a default for the time of the change, as both do it
            "op.alter_column('users', 'old', server_default='1');"
            " op.alter_column('users', 'old', server_default=None)",
            "op.alter_column('users', 'old', server_default='2');"
            " op.alter_column('users', 'old', server_default=None)",
        ),
    ],
)
def test_what_goes_together_in_this_order(project: Repository, mine: str, theirs: str) -> None:
    put(rev("mine <- c").doing(mine))
    project.commit(2)
    on(project, "main", 3, rev("theirs <- c").doing(theirs))
    assert set(found()) == {"FC503"}


# --- What there is nothing to say of -------------------------------------------------------------


@pytest.mark.parametrize("side", ["mine", "theirs", "neither", "merged"])
def test_only_one_side_has_something_new(project: Repository, side: str) -> None:
    if side in ("mine", "merged"):
        put("mine <- c")
        project.commit(2)
    if side == "theirs":
        on(project, "main", 3, "theirs <- c")
    if side == "merged":
        project.git("branch", "-f", "main")
        put("more <- mine")
    assert found() == {}
    said = fixchain("check", "--against", "main").stdout.partition("\n")[0]
    assert said.startswith("The migration chain is healthy, also with main merged: ")


def test_lineages_that_are_kept_apart(project: Repository) -> None:
    put("mine @apart")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    assert found() == {}


# --- Other branches ------------------------------------------------------------------------------


def test_which_branches_can_land_together_and_in_which_order(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    on(project, "one", 3, rev("one <- c").doing("op.drop_column('users', 'old')"))
    on(project, "two", 3, rev("two <- c").doing("op.execute('UPDATE users SET old = 1')"))
    on(project, "same", 3)
    options = ("--with=one", "--with=two", "--with=same")
    done = check(*options)
    assert done.exit_code == 0, done
    queue = done.document["queue"]
    fits = {(each["one"], each["other"]): each["fit"] for each in queue["pairs"]}
    assert fits == {
        ("yours", "main"): "fits",
        ("yours", "one"): "needs a rebase",
        ("yours", "two"): "needs a rebase",
        ("yours", "same"): "fits",
        ("one", "main"): "fits",
        ("two", "main"): "fits",
        ("same", "main"): "fits",
        ("one", "two"): "one order only",
        ("one", "same"): "fits",
        ("two", "same"): "fits",
    }
    assert sorted(queue["order"]) == ["one", "same", "two", "yours"]
    assert queue["order"].index("two") < queue["order"].index("one")
    text = fixchain("check", "--against=main", *options).stdout
    assert (
        "one + two    one order only: two must land before one; otherwise two uses column users.old"
        in text
    )
    assert "an order in which all can land, each rebased: " in text
    # What waits is not said to merge well: that is what the queue is for.
    assert "also with main merged: " in text


def test_branches_that_cannot_land_together(project: Repository) -> None:
    on(project, "one", 3, rev("one <- c").doing(EMAIL))
    on(project, "two", 3, rev("two <- c").doing(EMAIL))
    done = check("--with=one", "--with=two")
    assert done.exit_code == 1
    (finding,) = done.document["findings"]
    assert finding["code"] == "FC504"
    assert {place["ref"] for place in finding["locations"]} == {"one", "two"}
    assert done.document["queue"]["order"] is None
    text = fixchain("check", "--against=main", "--with=one", "--with=two").stdout
    assert "one + two  cannot land together: two and one both create column users.email" in text
    assert "there is no order in which all can land" in text


def test_with_needs_against(project: Repository) -> None:
    assert fixchain("check", "--with", "main").exit_code == 2


# --- Git is asked at most five times -------------------------------------------------------------


def test_git_is_asked_at_most_five_times(
    project: Repository, calls: Callable[[], list[str]]
) -> None:
    on(project, "main", 3, rev("theirs <- c").doing(EMAIL), "more <- theirs")
    put(
        rev("mine <- c").doing(EMAIL),
        *(f"u{number} <- {parent}" for number, parent in enumerate(["mine", "u0", "u1"])),
    )
    for number in range(4):
        on_side = f"side{number}"
        project.git("branch", on_side, "main")
    calls()
    assert {"FC504"} <= {each["code"] for each in check().document["findings"]}
    asked = calls()
    assert len(asked) <= MOST_CALLS, asked
    check(*(f"--with=side{number}" for number in range(4)))
    more = calls()
    assert len(more) <= MOST_CALLS, more


def test_remotes_are_not_asked_about_if_nothing_is_to_be_merged(
    project: Repository, tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    project.git("clone", "-q", "--bare", project.top, tmp_path / "bare.git")
    project.git("remote", "add", "origin", tmp_path / "bare.git")
    project.git("fetch", "-q", "origin")
    put("mine <- c")
    asked = {}
    check()  # what is asked once is known from now on
    for against in ("main", "origin/main"):
        calls()
        assert found(against=against) == {}
        asked[against] = len(calls())
    assert asked["origin/main"] == asked["main"]


# --- Clones and repositories of all kinds --------------------------------------------------------


def diverged(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")


def test_a_shallow_clone_says_how_much_more_it_needs(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged(project)
    for depth, enough in ((1, False), (2, True)):
        clone = tmp_path / f"clone{depth}"
        words = ("-q", f"--depth={depth}", "--no-single-branch", "--branch=feature")
        project.git("clone", *words, f"file://{project.top}", clone)
        monkeypatch.chdir(clone)
        if enough:
            assert set(found(against="origin/main")) == {"FC503"}
            continue
        done = check(against="origin/main")
        assert done.exit_code == 3
        error = done.document["error"]
        assert (
            "the clone is too shallow: it has 1 commit of the one and 1 commit of the other"
            in (error["message"])
        )
        assert [way["commands"] for way in error["remedies"]] == [
            ["git fetch --unshallow"],
            ["git fetch --deepen=50"],
            [],
        ]
        subprocess.run(["git", "fetch", "-q", "--deepen=50"], check=True)
        assert set(found(against="origin/main")) == {"FC503"}


def test_detached_heads_and_linked_work_trees(
    project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged(project)
    project.git("checkout", "-q", "--detach")
    assert set(found()) == {"FC503"}
    project.git("worktree", "add", "-q", "linked", "feature")
    monkeypatch.chdir(project.top / "linked")
    assert set(found()) == {"FC503"}


def test_alternates(project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverged(project)
    odd = tmp_path / 'odd "name": x\ny'
    project.git("clone", "-q", "--shared", "--no-local", "-s", project.top, tmp_path / "first")
    project.git("clone", "-q", "--shared", tmp_path / "first", odd)
    monkeypatch.chdir(odd)
    subprocess.run(["git", "checkout", "-q", "feature"], check=True)
    subprocess.run(["git", "fetch", "-q", str(project.top), "main:main"], check=True)
    assert set(found()) == {"FC503"}


def test_a_submodule(project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverged(project)
    outer = Repository(tmp_path / "outer")
    outer.git("submodule", "add", "-q", project.top, "inner")
    outer.commit(1)
    monkeypatch.chdir(outer.top / "inner")
    assert set(found(against="origin/main")) == {"FC503"}
    monkeypatch.chdir(outer.top)
    done = fixchain("-d", "inner/migrations", "check", "--format=json", "--against=origin/main")
    assert [each["code"] for each in done.document["findings"]] == ["FC503"]


def test_a_fork_without_a_common_beginning(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.git("checkout", "-q", "--orphan", "other")
    file_of("mine").unlink()
    put("theirs <- c")
    project.commit(3)
    project.switch("feature")
    done = check(against="other")
    assert [each["code"] for each in done.document["findings"]] == ["FC501", "FC503"]
    assert "have no commit in common" in " ".join(done.document["notices"])


def test_a_partial_clone_fetches_nothing(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged(project)
    project.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    words = ("-q", "--filter=blob:none", "--branch=feature")
    project.git("clone", *words, f"file://{project.top}", clone)
    monkeypatch.chdir(clone)
    done = check(against="origin/main")
    assert done.exit_code == 0, done
    notice = next(each for each in done.document["notices"] if "partial clone" in each)
    command = notice.partition("`")[2].partition("`")[0]
    subprocess.run([*shlex.split(command), "-q"], check=True)
    assert set(found(against="origin/main")) == {"FC503"}


@pytest.mark.parametrize(
    "name", ["-x", "--help", "a'b", "ü/ä", "$(touch${IFS}x)", "a;b", "{fixchain}", "x`y", "@"]
)
def test_hostile_names_of_branches(project: Repository, name: str) -> None:
    diverged(project)
    project.git("update-ref", f"refs/heads/{name}", "main")
    if name == "@":  # which is HEAD
        assert found(against=name) == {}
        return
    finding = found(against=name if not name.startswith("-") else f"refs/heads/{name}")["FC503"]
    assert name in finding["message"]
    project.git("branch", "-q", "-f", "main", f"refs/heads/{name}")
    typed(finding)
    assert_settled(project)
    assert not Path("x").exists()


@pytest.mark.parametrize(
    "name", ["gone", "", " ", "a\nb", "a\x1b[31m", "\ud800", "main:", "main..x"]
)
def test_refs_that_are_none(project: Repository, name: str) -> None:
    done = check(against=name)
    assert done.exit_code == 3
    assert done.document["error"]["type"] == "CannotReadGit"
    done = check(f"--with={name}")
    assert done.exit_code == 3
    assert done.document["error"]["type"] == "CannotReadGit"


def test_nothing_that_the_configuration_names_is_run(
    project: Repository, tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    spy = script(tmp_path / "spy", f"#!/bin/sh\necho run >>{tmp_path / 'spied'}\ncat\n")
    (project.top / ".gitattributes").write_text("*.py merge=spy filter=spy diff=spy\n")
    edit("c", "add c", "mine")
    diverged(project)
    project.switch("main")
    edit("c", "add c", "theirs")
    project.commit(4)
    project.switch("feature")
    for name, value in {
        "merge.spy.driver": f"{spy} %A %O %B",
        "filter.spy.clean": str(spy),
        "filter.spy.smudge": str(spy),
        "diff.spy.textconv": str(spy),
        "diff.external": str(spy),
        "core.fsmonitor": str(spy),
        "core.hooksPath": str(tmp_path),
        "core.pager": str(spy),
        "alias.merge-tree": f"!{spy}",
    }.items():
        project.git("config", name, value)
    (tmp_path / "spied").unlink(missing_ok=True)
    check()
    assert calls()
    assert not (tmp_path / "spied").exists()


def test_attributes_tell_how_files_merge(project: Repository) -> None:
    project.switch("main")
    (project.top / ".gitattributes").write_text("*.py merge=union\n")
    project.commit(2)
    project.git("checkout", "-q", "-B", "feature", "main")
    edit("c", "import sqlalchemy as sa\n", "import sqlalchemy as sa\nmine = 1\n")
    project.commit(3)
    project.switch("main")
    edit("c", "import sqlalchemy as sa\n", "import sqlalchemy as sa\ntheirs = 1\n")
    project.commit(3)
    project.switch("feature")
    assert found() == {}
    project.merge("main", day=4)


def test_an_old_git_is_told_plainly(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged(project)
    put("later <- mine")  # without it, it would be plain what the merge is
    real = shutil.which("git")
    text = (
        '#!/bin/sh\ncase " $* " in *" merge-tree "*) echo "usage: git merge-tree" >&2; exit 129;;\n'
        '*" version "*) echo "git version 2.30.2";; '
        f'*) exec {real} "$@";; esac\n'
    )
    script(tmp_path / "old/git", text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:{os.environ['PATH']}")
    done = check()
    assert done.exit_code == 0, done
    assert (
        "what a merge would be is only known with Git 2.39 or newer, and this is 2.30.2: only what"
        " was changed of what others have is judged"
    ) in done.document["notices"]
    assert "merged" not in fixchain("check", "--against=main").stdout.partition("\n")[0]


def test_a_link_out_of_the_version_location(project: Repository) -> None:
    on(project, "main", 3, "theirs <- c")
    put("mine <- c")
    Path("other").mkdir()
    file_of("mine").rename("other/mine.py")
    file_of("mine").symlink_to("../../other/mine.py")
    done = check()
    assert done.exit_code == 0
    assert "mine.py lies behind a link that is not committed" in " ".join(done.document["notices"])


def test_a_link_in_the_version_location(project: Repository) -> None:
    put("mine <- c")
    file_of("mine").rename(Path(VERSIONS, "real.py"))
    file_of("mine").symlink_to("real.py")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    put("more <- mine")
    finding = found()["FC503"]
    assert finding["revisions"] == ["more", "theirs"]
    typed(finding)
    assert_settled(project)


@pytest.fixture(params=["migrations", VERSIONS])
def behind_a_link(project: Repository, request: pytest.FixtureRequest) -> Repository:
    """The project with a directory that is a link to another."""
    project.switch("main")
    Path("db").mkdir()
    Path(request.param).rename("db/real")
    Path(request.param).symlink_to(os.path.relpath("db/real", Path(request.param).parent))
    project.commit(2)
    project.git("checkout", "-q", "-B", "feature", "main")
    return project


def test_a_directory_behind_a_link(behind_a_link: Repository) -> None:
    project = behind_a_link
    put("mine <- c")
    project.commit(3)
    project.switch("main")
    put("theirs <- c")
    project.commit(4)
    project.switch("feature")
    typed(found()["FC503"])
    assert_settled(project)


def test_a_changed_migration_behind_a_link(behind_a_link: Repository) -> None:
    project = behind_a_link
    edit("b", "'old'", "'older'")
    project.commit(3)
    on(project, "main", 4, rev("b <- a").doing(EMAIL))
    typed(found()["FC503"])
    assert_settled(project)


def test_a_published_migration_behind_a_link(behind_a_link: Repository) -> None:
    edit("b", "'old'", "'older'")
    behind_a_link.commit(3)
    typed(found()["FC501"])
    assert "FC501" not in found()


def test_migrations_that_the_other_side_has_moved_are_not_judged(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    Path("migrations").rename("db")
    project.commit(3)
    project.switch("feature")
    done = check()
    why = "main has moved the migrations to db/versions; merge it, and check there"
    assert any(why in each for each in done.document["notices"])
    said = fixchain("check", "--against", "main").stdout.partition("\n")[0]
    assert "with main merged" not in said
    edit("b", "'old'", "'older'")
    typed(found()["FC501"])
    assert found() == {}


def test_a_migration_that_git_puts_where_the_others_are_now_is_not_removed(
    project: Repository,
) -> None:
    """Git stops the merge, but nobody has changed the file."""
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    Path("migrations").rename("db")
    project.commit(3)
    done = fixchain("-d", "db", "check", "--against", "feature", "--format", "json")
    assert (done.exit_code, done.document["findings"]) == (0, [])
    Path("db/versions/theirs.py").write_bytes(migration(rev("theirs <- c")))
    done = fixchain("-d", "db", "check", "--against", "feature", "--format", "json")
    (finding,) = done.document["findings"]
    assert "FC102" in finding["message"]
    typed(finding)
    assert project.git("status", "--porcelain") == ""
    assert Path("db/versions/mine_add_mine.py").exists()
    assert fixchain("-d", "db", "check").exit_code == 0


def moved_and_rewritten(project: Repository, day: int) -> None:
    """Move the environment so that Git takes none of its migrations for a renamed one."""
    Path("migrations").rename("db")
    for file in Path("db/versions").glob("*.py"):
        file.write_text("# rewritten\n" * 99 + file.read_text())
    project.commit(day)


def test_no_command_is_named_for_a_place_that_the_merge_takes_away(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    moved_and_rewritten(project, 3)
    project.switch("feature")
    remedies = found()["FC503"]["remedies"]
    assert [each["commands"] for each in remedies] == [["git merge --no-edit main"]]
    assert "merge main, which has no migrations in migrations/versions" in remedies[0]["text"]


def test_a_branch_that_has_moved_its_migrations_is_in_no_order(project: Repository) -> None:
    on(project, "other", 2, "other <- c")
    put("mine <- c")
    project.commit(3)
    project.git("checkout", "-q", "-b", "away", "main")
    moved_and_rewritten(project, 4)
    project.switch("feature")
    for theirs in ((), ("theirs <- c",)):
        on(project, "main", 5, *theirs)
        document = check("--with=away", "--with=other").document
        assert sorted(document["queue"]["order"]) == ["other", "yours"]
        assert any(
            "a merge with away would be is not known" in each for each in document["notices"]
        )


def test_two_new_ids_of_a_published_revision(project: Repository) -> None:
    edit_on_both(project, "revision = 'c'", "revision = 'c8'", "revision = 'c9'")
    changed = [each for each in check().document["findings"] if each["code"] == "FC501"]
    assert [each["revisions"] for each in changed] == [["c"]]
    project.git("checkout", "-q", "main", "--", "migrations")
    assert "FC501" not in found()


def test_another_branch_without_migrations_leaves_the_gate_as_it_is(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    project.git("checkout", "-q", "-b", "other", "main~1")
    Path("migrations").rename("db")
    project.commit(4)
    project.switch("feature")
    assert "FC503" in found("--with", "other")
    notices = check("--with", "other").document["notices"]
    assert any("a merge with other would be is not known" in each for each in notices)


def test_a_merge_with_a_branch_that_dropped_what_is_below_mine(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    for file in Path(VERSIONS).glob("*.py"):
        file.unlink()
    Path(VERSIONS, ".gitkeep").touch()
    project.commit(3)
    project.switch("feature")
    assert "FC103" in found()["FC503"]["message"]


def test_a_parent_that_the_other_side_has_squashed_under_a_new_id(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    for name in "abc":
        file_of(name).unlink()
    put(rev("first").doing(USERS))
    project.commit(3)
    project.switch("feature")
    assert "FC103" in found()["FC503"]["message"]
    project.merge("main", day=4)
    refused = fixchain("repair", "--accept-guesses", "--yes", "--format", "json")
    assert refused.exit_code == 3
    (command,) = refused.document["error"]["remedies"][0]["commands"]
    assert command == "fixchain repair --attach mine=first"
    assert fixchain(*shlex.split(command)[1:], "--yes").exit_code == 0
    assert fixchain("check").exit_code == 0


def test_only_the_restored_revision_in_the_fault_is_left_out(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    for name in "abc":
        file_of(name).unlink()
    put(rev("first").doing(USERS), "ax <- first", "ay <- ax")
    project.commit(3)
    project.switch("feature")
    project.merge("main", day=4)
    file_of("ax").unlink()
    project.commit(5)
    refused = fixchain("repair", "--accept-guesses", "--yes", "--format", "json")
    ways = [way["commands"] for way in refused.document["error"]["remedies"]]
    assert ways[0] == ["fixchain repair --attach mine=first"]
    assert not any("ay=" in command for commands in ways for command in commands)


def test_sha256(project: Repository) -> None:
    shutil.rmtree(".git")
    project.git("init", "-q", "-b", "main", "--object-format=sha256")
    project.commit(1)
    project.branch("feature")
    diverged(project)
    put("more <- mine")
    typed(found()["FC503"])
    assert_settled(project)


def test_a_merge_queue(project: Repository) -> None:
    """What GitHub checks out for ``merge_group``: a merge of main, and then of each branch."""
    diverged(project)
    project.git("checkout", "-q", "--detach", "main")
    project.merge("feature", day=4)
    assert set(found()) == {"FC102"}  # by itself: a merge with main brings nothing new
    put("joined <- mine,theirs")
    queued = project.commit(5)
    assert found() == {}
    project.switch("main")
    put("later <- theirs")
    project.commit(6)
    project.git("checkout", "-q", "--detach", queued)
    assert found()["FC503"]["revisions"] == ["joined", "later"]


def test_a_branch_that_was_pushed_by_force(project: Repository, tmp_path: Path) -> None:
    on(project, "main", 2, "gone <- c", "amended <- gone")
    project.git("clone", "-q", "--bare", project.top, tmp_path / "bare.git")
    project.git("remote", "add", "origin", tmp_path / "bare.git")
    project.git("fetch", "-q", "origin")
    project.git("checkout", "-q", "-B", "feature", "main")
    put("mine <- amended")
    project.commit(3)
    on(project, "rewritten", 4, rev("amended <- c").doing(EMAIL), at="main~1")
    project.git("push", "-q", "-f", "origin", "rewritten:main")
    # Where both part now, neither has them.
    errors = check(against="origin/main").document["findings"]
    assert {each["code"] for each in errors} == {"FC503"}
    stop = f"a merge of origin/main stops at {file_of('amended')}: both sides have changed it"
    assert stop in [each["message"] for each in errors]
    typed(errors[0])
    assert found(against="origin/main") == {}


@pytest.mark.parametrize("kept", [("--cone", "migrations"), ("--no-cone", "/*", "!docs")])
def test_sparse_checkouts(project: Repository, kept: tuple[str, ...]) -> None:
    put("mine <- c")
    (project.top / "docs").mkdir()
    (project.top / "docs/page.md").write_text("a page\n")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    project.git("sparse-checkout", "set", *kept)
    assert not Path("docs").exists()
    typed(found()["FC503"])
    assert_settled(project)


def test_a_migration_that_a_sparse_checkout_leaves_out_is_not_deleted(project: Repository) -> None:
    project.git("sparse-checkout", "set", "--no-cone", "/*", f"!{file_of('c')}")
    assert not file_of("c").exists()
    assert found() == {}
    (notice,) = check().document["notices"]
    assert notice.startswith("the sparse checkout leaves out 1 migration: c_add_c.py")
    project.git(*shlex.split(notice.split("`")[1])[1:])
    assert file_of("c").exists()
    assert found() == {}
    assert check().document["notices"] == []


@pytest.mark.parametrize("sparse", ["set", "disable"])
def test_what_is_deleted_in_a_sparse_checkout_is_gone(project: Repository, sparse: str) -> None:
    put("mine <- c")
    project.commit(2)
    on(project, "main", 3, "theirs <- c")
    project.git("sparse-checkout", "set", "--cone", "migrations")
    if sparse == "disable":
        project.git("sparse-checkout", "disable")
    file_of("mine").unlink()
    assert found() == {}


def test_large_files_are_not_read(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 1 << 20  # for the sake of this test's time
    monkeypatch.setattr(program, "LARGEST", largest)
    monkeypatch.setattr(scratch_repository, "LARGEST", largest)
    diverged(project)
    project.switch("main")
    for name in ("data.sql", "large.py"):
        (project.top / VERSIONS / name).write_bytes(bytes(largest + 1))
        project.commit(4)
    project.switch("feature")
    assert set(found(against="main~1")) == {"FC503"}
    done = check()
    assert done.exit_code == 0
    assert (
        "what a merge with main would be is not known: some of its files have more than"
        f" {largest:,} bytes"
    ) in done.document["notices"]


def test_other_formats_carry_it(project: Repository) -> None:
    diverged(project)
    for name, text in {
        "github": f"::error file={file_of('mine')},title=FC503 merge-would-break,line=13::",
        "junit": 'name="FC503 merge-would-break"',
        "sarif": '"ruleId": "FC503"',
    }.items():
        assert text in fixchain("check", "--against=main", f"--format={name}").stdout


def test_in_the_middle_of_a_merge(project: Repository) -> None:
    diverged(project)
    on(project, "third", 4, "third <- c", at="main~1")
    project.git("merge", "-q", "--no-commit", "--no-ff", "third")
    put("joined <- mine,third")
    assert set(found()) == {"FC503"}
    assert found()["FC503"]["revisions"] == ["joined", "theirs"]


def test_in_the_middle_of_a_merge_other_branches_are_held_against_it(project: Repository) -> None:
    on(project, "other", 2, "other <- c")
    put("mine <- c")
    project.commit(3)
    project.switch("main")
    (project.top / "README").write_text("theirs")
    project.commit(4)
    project.switch("feature")
    project.git("merge", "-q", "--no-commit", "--no-ff", "main")  # migrations stay as they are
    pairs = check("--with=other").document["queue"]["pairs"]
    assert {"yours", "other"} in [{each["one"], each["other"]} for each in pairs]


def test_git_is_not_asked_for_what_is_plain(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged(project)
    (project.top / "README").write_text("mine")
    project.commit(4)
    real, log = shutil.which("git"), tmp_path / "log"
    script(tmp_path / "noted/git", f'#!/bin/sh\necho "$*" >> {log}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'noted'}:{os.environ['PATH']}")
    assert set(found()) == {"FC503"}
    assert "merge-tree" not in log.read_text()
