"""The command ``rebase`` in real repositories."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flask_chainfix.chain.ancestry import impassable
from flask_chainfix.disk.version_locations import read_snapshot
from flask_chainfix.environment.locate import open_directory
from tests.commands import Done, fixchain
from tests.disk import SCRIPT_MAKO, migrations
from tests.repositories import VERSIONS, Repository, needs_git
from tests.stamped import sql, stamp
from tests.support import Rev, alembic_loads, migration, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

JSON = ("--format", "json")


class Clone(Repository):
    """Somebody's clone, in which migrations are written in the notation of ``support``."""

    def write(self, *specs: str, name: str = "{}", extra: str = "") -> None:
        for spec in specs:
            item = rev(spec)
            path = self.top / VERSIONS / f"{name.format(item.revision)}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(migration(item) + extra.encode())

    def commit_new(self, *specs: str, day: int = 5) -> None:
        self.write(*specs)
        self.commit(day)

    def pull(self) -> None:
        self.git("fetch", "-q")

    @property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """The chain on the disk."""
        environment = open_directory(str(self.top / "migrations")).environment
        return dict(read_snapshot(environment)[0].graph.named_parents)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repositories, made once: that which others push to, and my clone."""
    place = tmp_path_factory.mktemp("made")
    others = Clone(place / "others")
    (others.top / "migrations").mkdir()
    (others.top / "migrations/env.py").write_text("")
    (others.top / "models.py").write_text("one\n")
    others.commit_new("a", "b <- a", day=1)
    others.git("clone", "-q", ".", place / "mine")
    me = Clone(place / "mine")
    me.git("remote", "set-url", "origin", "../others")
    me.branch("feature")
    (me.top / "models.py").write_text("mine\n")
    me.commit_new("m1 <- b", "m2 <- m1", day=2)
    (others.top / "models.py").write_text("theirs\n")
    others.commit_new("c <- b", "d <- c", day=3)
    me.pull()
    return place


@pytest.fixture
def others(made: Path, tmp_path: Path) -> Clone:
    """The repository that others push to."""
    shutil.copytree(made / "others", tmp_path / "others")
    return Clone(tmp_path / "others")


@pytest.fixture
def me(made: Path, others: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """My clone, on a branch with two migrations, of what has two more by now."""
    shutil.copytree(made / "mine", tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.setenv("COLUMNS", "1000")
    return Clone(tmp_path / "mine")


def stuck(me: Clone, *command: str) -> None:
    """Run Git into a conflict."""
    with pytest.raises(AssertionError):
        me.git(*command)


def advised(said: str, begin: str) -> list[str]:
    """The one command in a message that begins so, as a shell would take it apart."""
    lines = (line.strip() for line in said.splitlines())
    (command,) = (line for line in lines if line.startswith(begin))
    return shlex.split(command)


def rebase(*args: str) -> Done:
    return fixchain("rebase", *args)


def planned(*args: str) -> dict[str, tuple[str, ...]]:
    """The parents that a plan changes."""
    document = fixchain("rebase", "--dry-run", *JSON, *args).document
    assert document["error"] is None, document["error"]
    return {each["revision"]: tuple(each["after"]) for each in document["plan"]["relinks"]}


def refused(*args: str) -> Done:
    before = migrations(Path("migrations"))
    done = rebase("--yes", *args)
    assert done.exit_code == 3, done.stdout
    assert migrations(Path("migrations")) == before
    return done


M1_ON_D = {"m1": ("d",)}
MOVED = {"a": (), "b": ("a",), "c": ("b",), "d": ("c",), "m1": ("d",), "m2": ("m1",)}


# --- The daily case ------------------------------------------------------------------------------


def test_behind_it_says_how_to_catch_up(me: Clone) -> None:
    said = refused().stderr
    assert "origin/main has 2 revisions that are not here: c, d" in said
    again = "     fixchain rebase --onto origin/main\n"
    assert f"     git merge --no-commit origin/main\n{again}" in said
    assert f"     git rebase origin/main\n{again}" in said


def test_what_a_sparse_checkout_leaves_out_is_checked_out(me: Clone) -> None:
    me.git("checkout", "-q", "--detach", "origin/main")
    me.git("sparse-checkout", "set", "--no-cone", "/*", f"!{VERSIONS}/d.py")
    me.write("n <- c")
    said = refused().stderr
    assert "git merge" not in said
    me.git(*advised(said, "git ")[1:])
    done = fixchain(*advised(said, "fixchain")[1:], "--yes")
    assert done.exit_code == 0, done
    assert me.parents["n"] == ("d",)


def test_after_a_merge(me: Clone) -> None:
    me.git("merge", "-q", "-s", "ours", "origin/main")
    me.git("checkout", "origin/main", "--", VERSIONS)
    me.commit(4)
    before = migrations(Path("migrations"))
    done = rebase("--yes")
    assert done.exit_code == 0, done.stderr
    assert me.parents == MOVED
    now = migrations(Path("migrations"))
    assert {name for name in now if now[name] != before[name]} == {"m1.py"}
    assert "Rebased onto origin/main: strategy rebase, 1 file rewritten." in done.stdout
    assert "git commit -m 'Put migrations on top of origin/main'" in done.stdout
    assert fixchain("undo", "--yes").exit_code == 0
    assert migrations(Path("migrations")) == before


@pytest.mark.parametrize(
    ("command", "goes_on"),
    [
        (("merge", "origin/main"), "git commit --no-edit"),
        (("rebase", "origin/main"), "GIT_EDITOR=true git rebase --continue"),
        (("rebase", "--apply", "origin/main"), "GIT_EDITOR=true git rebase --continue"),
        (("cherry-pick", "origin/main"), "GIT_EDITOR=true git cherry-pick --continue"),
    ],
)
def test_in_the_middle_of_a_conflict(me: Clone, command: tuple[str, ...], goes_on: str) -> None:
    stuck(me, *command)
    assert "<<<<<<<" in (me.top / "models.py").read_text()
    done = rebase("--yes")
    assert done.exit_code == 0, done.stderr
    assert me.parents == MOVED
    assert "git add migrations" in done.stdout
    assert goes_on in done.stdout
    (me.top / "models.py").write_text("both\n")
    me.git("add", "-A")
    me.type(goes_on)
    assert me.parents == MOVED
    assert rebase().exit_code == 0


def joined(me: Clone) -> None:
    """Bring what others have, and join it with a merge revision."""
    me.git("merge", "-q", "-s", "ours", "origin/main")
    me.git("checkout", "origin/main", "--", VERSIONS)
    me.path("j").write_bytes(migration(Rev("j", ("d", "m2"), upgrade=(), downgrade=())))
    me.commit(4)


def leaving_out(*args: str) -> list[list[str]]:
    """The commands that leave out a merge revision, as a shell would take them apart."""
    choices = rebase("--dry-run", *JSON, *args).document["plan"]["choices"]
    found = [each["commands"] for each in choices if "joins nothing any more" in each["text"]]
    return [shlex.split(command) for commands in found for command in commands]


def test_a_merge_revision_that_joins_nothing_any_more_can_be_left_out(me: Clone) -> None:
    joined(me)
    assert planned() == {**M1_ON_D, "j": ("m2",)}
    remove, again = leaving_out()
    assert remove == ["rm", "--", "migrations/versions/j.py"]
    subprocess.run(remove, check=True)
    assert fixchain(*again[1:], "--yes").exit_code == 0
    assert me.parents == MOVED


@pytest.mark.parametrize("extra", ["m3 <- j", ""])
def test_a_merge_revision_that_is_needed_is_not_left_out(me: Clone, extra: str) -> None:
    joined(me)
    if extra:
        me.write(extra)
    else:
        me.write("j <- d, m2")
    assert planned()["j"] == ("m2",)
    assert leaving_out() == []


def test_a_merge_revision_that_a_database_has_run_is_not_left_out(me: Clone) -> None:
    joined(me)
    assert leaving_out("--stamp", "d,m2")
    assert leaving_out("--stamp", "j") == []


def test_behind_in_the_middle_of_a_revert(me: Clone) -> None:
    stuck(me, "revert", "--edit", "origin/main")
    said = refused().stderr
    assert "merge them, after the end of the revert that Git is in" in said
    (me.top / "models.py").write_text("reverted\n")
    me.git("add", "-A")
    ways = [line.strip() for line in said.splitlines() if "revert --continue" in line]
    assert len(set(ways)) == 1
    me.type(ways[0])
    assert not (me.top / ".git/REVERT_HEAD").exists()
    assert me.git("status", "--porcelain") == ""


@pytest.mark.parametrize("options", [("--strategy", "merge"), ("--strategy", "linear")])
def test_a_repair_in_the_middle_of_a_conflict(me: Clone, options: tuple[str, ...]) -> None:
    stuck(me, "merge", "origin/main")
    (me.top / "migrations/script.py.mako").write_text(SCRIPT_MAKO)
    done = fixchain("repair", *options, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "git add migrations" in done.stdout
    assert "git commit --no-edit" in done.stdout
    assert "git commit -m" not in done.stdout


def test_a_conflict_in_the_chain_lock_is_no_matter(others: Clone, me: Clone) -> None:
    for each, day in ((others, 6), (me, 6)):
        assert fixchain("-d", each.top / "migrations", "lock", "--yes").exit_code == 0
        each.commit(day)
    me.pull()
    stuck(me, "merge", "origin/main")
    lock = me.top / "migrations/chain.lock"
    assert "<<<<<<<" in lock.read_text()
    assert rebase("--yes").exit_code == 0
    assert "<<<<<<<" not in lock.read_text()
    assert "m2" in lock.read_text()
    assert fixchain("check").exit_code == 0


def test_main_that_merges_mine(others: Clone, me: Clone) -> None:
    me.git("checkout", "-q", "main")
    me.git("merge", "-q", "origin/main")
    stuck(me, "merge", "feature")
    for onto in ((), ("--onto", "HEAD"), ("--onto", "main")):
        assert rebase("--dry-run", *onto).exit_code == 1
    assert planned() == M1_ON_D


def test_the_side_that_is_being_merged_can_be_named(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.git("update-ref", "-d", "refs/remotes/origin/main")
    me.git("remote", "remove", "origin")
    assert planned("--onto", "MERGE_HEAD") == M1_ON_D


def test_migrations_that_are_not_committed(me: Clone) -> None:
    me.git("checkout", "-q", "-b", "other", "origin/main")
    me.write("n1 <- b", "n2 <- n1", "k <- a")
    assert rebase("--yes").exit_code == 0
    assert alembic_loads(read_snapshot(open_directory("migrations").environment)[0]).heads == (
        "n2",
    )
    assert me.parents["k"] == ("d",)
    assert me.parents["n1"] == ("k",)


def test_several_heads_of_mine_and_ten_revisions_of_others(others: Clone, me: Clone) -> None:
    others.commit_new(
        *(f"e{number} <- {f'e{number - 1}' if number else 'd'}" for number in range(9))
    )
    me.write("x <- m1", "y <- a")
    me.pull()
    stuck(me, "merge", "origin/main")
    document = rebase("--dry-run", *JSON).document
    assert document["exit_code"] == 1
    assert len(document["plan"]["relinks"]) == 3
    assert {each["revision"] for each in document["plan"]["relinks"]} <= {"m1", "m2", "x", "y"}


@pytest.mark.parametrize("is_committed", [True, False])
def test_an_undo_of_what_was_committed_is_to_be_committed(me: Clone, is_committed: bool) -> None:
    stuck(me, "merge", "origin/main")
    me.git("checkout", "--theirs", "models.py")
    me.commit(4)
    before = me.git("rev-parse", "HEAD:migrations")
    assert rebase("--yes").exit_code == 0
    if is_committed:
        me.git("add", "-A")
        me.commit(5)
    done = fixchain("undo", "--yes")
    assert done.exit_code == 0, done
    commands = [line.strip() for line in done.stdout.splitlines() if "  git " in line]
    assert bool(commands) == is_committed
    for command in commands:
        me.type(command)
    assert me.git("status", "--porcelain") == ""
    assert me.git("rev-parse", "HEAD:migrations") == before
    if is_committed:
        assert me.git("log", "-1", "--format=%s") == "Undo the rebase"


def test_dry_run_and_a_missing_yes_change_nothing(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    before = migrations(Path("migrations"))
    assert rebase("--dry-run").exit_code == 1
    asked = rebase()
    assert (asked.exit_code, migrations(Path("migrations"))) == (3, before)
    assert "--yes" in asked.stderr


def test_nothing_to_do(me: Clone) -> None:
    me.git("checkout", "-q", "origin/main")
    done = rebase("--yes")
    assert done.exit_code == 0
    said = "nothing to do: origin/main has every revision that is here, as this clone knows it\n"
    assert said in done.stdout
    me.write("n <- d")
    done = rebase("--yes")
    assert done.exit_code == 0
    assert "nothing to do: 1 revision of yours stands on top of what origin/main" in done.stdout


def test_what_the_parent_of_a_fork_has_is_not_mine(me: Clone) -> None:
    """The remote ``origin`` is the fork, whose main branch is behind."""
    me.git("update-ref", "refs/remotes/upstream/main", "origin/main")
    me.git("update-ref", "refs/remotes/origin/main", "main")
    for number in range(3):  # they have no more than that
        me.git("tag", f"v1.{number}", "upstream/main")
    me.git("checkout", "-q", "--detach", "upstream/main")
    said = "nothing to do: origin/main, upstream/main have every revision that is here, as this"
    assert said in rebase("--yes").stdout
    me.git("checkout", "-q", "feature")
    stuck(me, "merge", "upstream/main")
    below = "on top of what origin/main, upstream/main have"
    assert f"onto: 2 revisions of yours, {below}\n" in rebase("--dry-run").stdout
    assert rebase("--yes").exit_code == 0
    assert me.parents == MOVED
    assert f"nothing to do: 2 revisions of yours stand {below}, as this" in rebase("--yes").stdout


@pytest.mark.parametrize("command", ["merge", "rebase"])
def test_what_is_only_on_the_local_main_branch_is_mine(me: Clone, command: str) -> None:
    me.git("checkout", "-q", "-B", "main")
    stuck(me, command, "origin/main")
    said = "onto: 2 revisions of yours, on top of what origin/main has\n"
    assert said in rebase("--dry-run").stdout


def test_what_moves_though_a_release_has_all_of_it_is_counted(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.git("checkout", "--theirs", "models.py")
    me.commit(7)
    me.git("tag", "v1")
    said = "onto: 2 revisions, on top of what origin/main has\n"
    assert said in rebase("--dry-run").stdout


@pytest.mark.parametrize("name", ["feature", "main"])
def test_nothing_to_do_on_what_may_not_be_the_main_branch(me: Clone, name: str) -> None:
    """Whoever clones a work tree gets its checked-out branch as the default."""
    me.git("update-ref", "-d", "refs/remotes/origin/main")
    me.git("update-ref", f"refs/remotes/origin/{name}", "feature")
    me.git("remote", "set-head", "origin", name)
    more = "; if others build on another branch, name it with --onto"
    for new in ((), ("n <- m2",)):
        me.write(*new)
        said = rebase("--yes").stdout
        assert f"origin/{name}" in said
        assert (more in said) == (name == "feature")
        assert more not in rebase("--yes", "--onto", f"origin/{name}").stdout


# --- What is not clear ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["merge", "rebase"])
def test_a_conflict_in_a_migration_of_others(others: Clone, me: Clone, command: str) -> None:
    others.write("c <- b", extra="# theirs\n")
    others.commit(6)
    me.pull()
    me.git("reset", "-q", "--soft", "main")
    me.write("c <- b", extra="# mine\n")
    me.commit(6)
    stuck(me, command, "origin/main")
    said = refused().stderr
    assert "c.py holds Git conflict markers, and it is a migration that origin/main has" in said
    subprocess.run(advised(said, "git checkout"), check=True, capture_output=True)
    assert planned() == M1_ON_D
    assert b"# theirs" in me.path("c").read_bytes()


def test_a_conflict_in_a_migration_of_mine(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.path("m2").write_text("<<<<<<< HEAD\n")
    said = refused().stderr
    assert "m2.py holds Git conflict markers, and it is one of yours" in said


def test_a_revision_of_others_that_was_put_on_mine(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.write("c <- m2")
    said = refused().stderr
    assert "c is on m2 here, and on b at origin/main" in said
    subprocess.run(advised(said, "git checkout"), check=True, capture_output=True)
    assert planned() == M1_ON_D


def test_an_edited_migration_of_others_is_no_matter(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.write("c <- b", extra="# edited\n")
    assert planned() == M1_ON_D


def test_what_others_lack_themselves_is_not_mine(others: Clone, me: Clone) -> None:
    others.commit_new("e <- lost", day=6)
    me.pull()
    stuck(me, "merge", "origin/main")
    assert "no migration has" in refused().stderr
    me.write("lost <- d")
    assert planned() == {"m1": ("e",)}


def test_an_id_of_mine_that_stands_twice(me: Clone) -> None:
    """Of ids that the main branch has as well ``test_same_ids`` tells."""
    stuck(me, "merge", "origin/main")
    me.write("m2 <- m1", name="again")
    assert "2 files have the id m2" in refused().stderr


def test_a_copy_of_what_others_have_goes(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.write("c <- b", name="again")
    assert rebase("--yes").exit_code == 0
    assert not me.path("again").exists()
    assert me.parents == MOVED


def test_others_with_several_heads(others: Clone, me: Clone) -> None:
    others.commit_new("x <- b", day=6)
    me.pull()
    stuck(me, "merge", "origin/main")
    assert "origin/main itself has several heads" in refused().stderr


# --- Which branch others build on ----------------------------------------------------------------


def test_the_setting(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    me.git("branch", "trunk", "origin/main")
    me.git("remote", "remove", "origin")
    me.git("branch", "-D", "main")
    said = refused().stderr
    assert "name it as main_branch in the settings of fixchain, or with --onto" in said
    assert "git " not in said  # there is nothing to fetch it from
    (me.top / "migrations/alembic.ini").write_text("[fixchain]\nmain_branch = trunk\n")
    assert "onto trunk" in rebase("--yes").stdout
    assert me.parents == MOVED


@pytest.mark.parametrize(
    ("refs", "default", "found"),
    [
        (["origin/main", "origin/trunk"], "origin/trunk", "origin/trunk"),
        (["origin/main"], "", "origin/main"),
        (["origin/master", "up/main"], "", "origin/master"),
        (["up/main", "up/trunk"], "up/trunk", "up/trunk"),
        (["up/master"], "", "up/master"),
        (["origin/main", "origin/master"], "", ""),
        (["origin/develop"], "", "origin/develop"),
        (["origin/develop", "origin/main"], "", ""),
        (["origin/develop", "origin/main"], "origin/develop", "origin/develop"),
        (["origin/main"], "origin/gone", "origin/main"),
        (["team/core/main"], "team/core/main", "team/core/main"),
        (["team/core/main", "team/core/trunk"], "team/core/trunk", "team/core/trunk"),
        (["origin/main", "team/core/main"], "team/core/main", "team/core/main"),
        (["origin/main", "origin/core/main"], "origin/main", "origin/main"),
        ([], "", "main"),
    ],
)
def test_the_default_branch(me: Clone, refs: list[str], default: str, found: str) -> None:
    stuck(me, "merge", "origin/main")
    theirs = me.git("rev-parse", "origin/main")
    me.git("remote", "remove", "origin")
    me.git("update-ref", "refs/heads/main", theirs)
    for ref in refs:
        me.git("update-ref", f"refs/remotes/{ref}", theirs)
    if default:
        remote = default.rpartition("/")[0]
        me.git("symbolic-ref", f"refs/remotes/{remote}/HEAD", f"refs/remotes/{default}")
    done = rebase("--dry-run")
    if found:
        assert f"on top of what {found} has" in done.stdout
    else:
        assert "the branch that others build on is not known" in done.stderr


def test_which_of_two_branches_others_build_on(others: Clone, me: Clone) -> None:
    """The remote knows it; without one, the user does."""
    others.git("branch", "develop", "main")
    me.pull()
    me.git("remote", "set-head", "origin", "--delete")
    stuck(me, "merge", "origin/main")
    said = refused().stderr
    assert "it may be origin/main or origin/develop" in said
    assert "     fixchain rebase --onto origin/develop\n" in said
    me.git(*advised(said, "git remote")[1:])
    assert planned() == M1_ON_D
    me.git("branch", "develop", "origin/main")
    me.git("update-ref", "refs/heads/main", "origin/main")
    me.git("remote", "remove", "origin")
    said = refused().stderr
    assert "git " not in said
    assert planned(*advised(said, "fixchain rebase --onto main")[2:]) == M1_ON_D


@pytest.mark.parametrize("where", ["origin", "here"])
@pytest.mark.parametrize(
    ("stale", "current"), [("develop", "main"), ("main", "develop"), ("master", "develop")]
)
@pytest.mark.parametrize("command", ["merge", "rebase", "merged", "apart"])
def test_the_branch_from_which_mine_comes(
    others: Clone, me: Clone, where: str, stale: str, current: str, command: str
) -> None:
    """Mine has commits of that branch which the other one does not have."""
    others.git("branch", "old", "main~1")
    if command == "apart":  # a release that was not merged back
        others.git("checkout", "-q", "old")
        (others.top / "models.py").write_text("released\n")
        others.commit(6)
    me.pull()
    tips = {stale: me.git("rev-parse", "origin/old"), current: me.git("rev-parse", "origin/main")}
    me.git("remote", "remove", "origin")
    me.git("branch", "-D", "main")
    for name, tip in tips.items():
        place = "heads" if where == "here" else "remotes/origin"
        me.git("update-ref", f"refs/{place}/{name}", tip)
    stuck(me, "rebase" if command == "rebase" else "merge", tips[current])
    if command == "merged":
        me.git("checkout", "--theirs", "models.py")
        me.commit(7)
    done = rebase("--dry-run")
    name = current if where == "here" else f"origin/{current}"
    assert f"on top of what {name} has" in done.stdout, done


@pytest.mark.parametrize("command", ["fork", "both", "checked out"])
def test_the_branch_from_which_mine_comes_may_be_unknown(me: Clone, command: str) -> None:
    me.git("update-ref", "refs/heads/main", "origin/main")
    me.git("update-ref", "refs/heads/develop", "origin/main~1")
    me.git("remote", "remove", "origin")
    if command != "fork":
        me.git("checkout", "-q", "--detach", "develop")
        me.commit_new("e <- b", day=6)
        me.git("branch", "-f", "develop")
        me.git("checkout", "-q", "develop" if command == "checked out" else "feature")
    if command == "both":
        me.git("merge", "-q", "develop")
        stuck(me, "merge", "main")
    assert "it may be main or develop" in refused().stderr


def test_a_name_that_is_none(me: Clone) -> None:
    assert "'nowhere' is not a revision" in refused("--onto", "nowhere").stderr
    assert "is not a revision" in refused("--onto", "a\nb").stderr


def test_a_clone_of_one_branch_with_an_unusual_name(
    me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the main branch, or any other."""
    url = f"file://{me.top}"
    me.git("branch", "trunk", "origin/main")
    me.git("clone", "-q", "--single-branch", "-b", "trunk", url, tmp_path / "one")
    monkeypatch.chdir(tmp_path / "one")
    assert rebase(*advised(refused().stderr, "fixchain rebase --onto")[2:]).exit_code == 0


@pytest.mark.parametrize("remote", ["up", "team/core", "team"])
def test_a_branch_of_a_remote_that_was_not_fetched(me: Clone, remote: str) -> None:
    me.git("remote", "rename", "origin", remote)
    if remote == "team":  # Git refuses to add it beside this one, but it may be configured
        me.git("config", "remote.t.url", "elsewhere")
    said = refused("--onto", f"{remote}/new/branch").stderr
    assert f"git fetch {remote} new/branch:refs/remotes/{remote}/new/branch\n" in said


@pytest.mark.parametrize("name", ["--output=x", "-rf"])
def test_a_name_that_would_be_an_option(me: Clone, name: str) -> None:
    me.git("update-ref", f"refs/heads/{name}", "origin/main")
    assert "begins with a dash" in refused(f"--onto={name}").stderr
    stuck(me, "merge", "origin/main")
    assert planned("--onto", f"refs/heads/{name}") == M1_ON_D


def test_a_hostile_name_is_quoted(me: Clone) -> None:
    name = "x;touch${IFS}pwned&$(touch${IFS}pwned)"
    me.git("update-ref", f"refs/heads/{name}", "origin/main")
    said = refused("--onto", name).stderr
    assert f"     git merge --no-commit '{name}'\n" in said
    stuck(me, "merge", "origin/main")
    assert rebase("--yes", "--onto", name).exit_code == 0
    assert not list(me.top.rglob("pwned"))


# --- Repositories of every kind ------------------------------------------------------------------


def test_without_git(me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine/migrations").rename(tmp_path / "migrations")
    monkeypatch.chdir(tmp_path)
    assert "no Git repository was found" in refused().stderr
    monkeypatch.setenv("PATH", "")
    assert "the git command was not found" in refused().stderr


def test_a_repository_without_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = Clone(tmp_path / "new")
    new.write("a", "b <- a")
    (new.top / "migrations/env.py").write_text("")
    monkeypatch.chdir(new.top)
    assert "the branch that others build on is not known" in refused().stderr
    assert "'main' is not a revision" in refused("--onto", "main").stderr


def test_others_without_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = Clone(tmp_path / "new")
    new.commit(1)
    new.write("a", "b <- a")
    (new.top / "migrations/env.py").write_text("")
    monkeypatch.chdir(new.top)
    assert rebase("--yes").exit_code == 0
    assert new.parents == {"a": (), "b": ("a",)}


def test_a_worktree(me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me.git("worktree", "add", "-q", "-b", "there", tmp_path / "work tree", "feature")
    there = Clone(tmp_path / "work tree")
    stuck(there, "merge", "origin/main")
    monkeypatch.chdir(there.top)
    done = rebase("--yes")
    assert done.exit_code == 0
    assert "git commit --no-edit" in done.stdout
    assert there.parents == MOVED
    assert "m1" in me.parents
    assert me.parents["m1"] == ("b",)


def test_a_shallow_clone(
    others: Clone, me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me.git("push", "-q", "origin", "feature")
    url = others.top.as_uri()
    me.git("clone", "-q", "--depth", "1", "-b", "feature", url, tmp_path / "shallow")
    shallow = Clone(tmp_path / "shallow")
    monkeypatch.chdir(shallow.top)
    said = refused().stderr
    shallow.git(*advised(said, "git fetch")[1:])
    assert shallow.git("merge-base", "origin/main", "HEAD")
    assert "origin/main has 2 revisions that are not here" in refused().stderr
    shallow.git("checkout", "origin/main", "--", VERSIONS)
    assert planned() == M1_ON_D


def test_a_clone_that_is_too_shallow_to_merge(
    me: Clone, others: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me.git("push", "-q", "origin", "feature")
    url = others.top.as_uri()
    me.git("clone", "-q", "--depth", "1", "--no-single-branch", url, tmp_path / "shallow")
    shallow = Clone(tmp_path / "shallow")
    shallow.git("checkout", "-q", "feature")
    monkeypatch.chdir(shallow.top)
    way = refused("--format", "json").document["error"]["remedies"][0]["commands"]
    deepening, merging, again = map(shlex.split, way)
    shallow.git(*deepening[1:])
    stuck(shallow, *merging[1:])
    assert fixchain(*again[1:], "--yes").exit_code == 0
    assert shallow.parents == MOVED


def test_a_submodule(me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = Clone(tmp_path / "outer")
    outer.commit(1)
    outer.git("submodule", "--quiet", "add", me.top, "inner")
    inner = Clone(outer.top / "inner")
    inner.git("fetch", "-q", tmp_path / "others", "main:refs/remotes/origin/main", "--force")
    inner.git("remote", "set-head", "origin", "main")
    stuck(inner, "merge", "origin/main")
    monkeypatch.chdir(outer.top)
    done = fixchain("-d", "inner/migrations", "rebase", "--yes")
    assert done.exit_code == 0, done.stderr
    assert inner.parents == MOVED
    assert "git -C inner commit --no-edit" in done.stdout


def test_line_ends_of_a_checkout(me: Clone) -> None:
    stuck(me, "merge", "origin/main")
    for path in (me.top / VERSIONS).iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert rebase("--yes").exit_code == 0
    assert me.parents == MOVED
    assert b"\r\n" in me.path("m1").read_bytes().replace(b"down_revision = 'd'\r\n", b"")


@pytest.mark.parametrize("name", ["with space", "-x", "--force", "ünï 漢", "[a]*?"])
def test_odd_file_names(others: Clone, me: Clone, name: str) -> None:
    others.write("e <- d", name=f"{name} e")
    others.commit(6)
    me.pull()
    me.write("n <- b", name=f"{name} n")
    me.commit(6)
    stuck(me, "merge", "origin/main")
    assert planned() in ({"m1": ("e",), "n": ("m2",)}, {"n": ("e",), "m1": ("n",)})
    me.write("e <- n", name=f"{name} e")
    subprocess.run(advised(refused().stderr, "git checkout"), check=True, capture_output=True)
    assert me.parents["e"] == ("d",)


def test_an_odd_directory(me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "-o new\nline ü $(x) ' [a]*"
    monkeypatch.chdir(tmp_path)
    me.top.rename(odd)
    there = Clone(odd)
    stuck(there, "merge", "origin/main")
    monkeypatch.chdir(odd)
    done = rebase("--yes")
    assert done.exit_code == 0
    assert there.parents == MOVED
    assert "git commit --no-edit" in done.stdout


def test_a_migration_that_others_have_renamed(others: Clone, me: Clone) -> None:
    others.move("b", "b_renamed")
    others.commit(6)
    me.pull()
    stuck(me, "merge", "origin/main")
    assert planned() == M1_ON_D


@pytest.mark.parametrize("row", ["a", "gone"])
def test_at_most_seven_questions_to_git(
    me: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    me.commit_new("gone <- b")
    me.remove("gone", day=6)
    stuck(me, "merge", "origin/main")
    me.write("c <- b", extra="# edited, so that its content is asked for\n")
    url = f"sqlite:///{tmp_path / 'app.db'}"
    stamp(url, row)
    sql(url, "CREATE TABLE t_a (id INTEGER)")
    asked = []
    real = subprocess.run

    def counted(command: list[str], **options: Any) -> Any:
        if Path(command[0]).name == "git":
            asked.append(command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    assert rebase("--yes", "--database", url).exit_code == (0 if row == "a" else 3)
    assert 3 <= len(asked) <= 7, asked


def test_an_empty_name_is_not_the_default(me: Clone) -> None:
    before = migrations(me.top / "migrations")
    refused = rebase("--yes", "--onto", "")
    assert refused.exit_code == 3
    assert "'' is not a revision" in refused.stderr
    assert migrations(me.top / "migrations") == before


# --- Merge points of mine that Alembic cannot upgrade to -----------------------------------------


@pytest.mark.parametrize(
    ("merge", "parents", "needs"),
    [("n <- b, n1, n2", ("n1", "n2"), ()), ("n <- n1, n2 +b", ("n1", "n2"), ())],
)
def test_what_a_merge_names_in_vain_is_left_out(
    me: Clone, merge: str, parents: tuple[str, ...], needs: tuple[str, ...]
) -> None:
    me.commit_new("n1 <- m2", "n2 <- m2", merge)
    me.git("merge", "-q", "-s", "ours", "origin/main")
    me.git("checkout", "origin/main", "--", VERSIONS)
    assert rebase("--yes").exit_code == 0
    environment = open_directory("migrations").environment
    snapshot = read_snapshot(environment)[0]
    assert snapshot.graph.parents["m1"] == ("d",)
    assert (snapshot.graph.parents["n"], snapshot.header("n").depends_on) == (parents, needs)
    assert not impassable(snapshot.graph)


def test_what_main_names_in_vain_is_left_as_it_is(others: Clone, me: Clone) -> None:
    others.commit_new("x <- d", "y <- d", "z <- d, x, y", day=6)
    me.pull()
    me.git("merge", "-q", "-s", "ours", "origin/main")
    me.git("checkout", "origin/main", "--", VERSIONS)
    assert rebase("--yes").exit_code == 0
    assert (me.parents["m1"], me.parents["z"]) == (("z",), ("d", "x", "y"))
