"""What the main branch and releases have stays where it is, in real repositories."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Done, fixchain, run
from tests.disk import tree
from tests.rehearsals import add, plain
from tests.repositories import Repository, needs_git
from tests.stamped import build

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]


class Project(Repository):
    """A repository with migrations that each make a table of their name."""

    def new(self, *specs: str, day: int) -> None:
        """Commit new migrations."""
        self.write(*specs)
        self.commit(day)

    def write(self, *specs: str) -> None:
        for spec in specs:
            add(self.top, spec)

    def configure(self, *lines: str) -> None:
        text = "\n".join(("[alembic]", "script_location = %(here)s", "[fixchain]", *lines, ""))
        (self.top / "migrations/alembic.ini").write_text(text)

    def run(self, *arguments: str) -> Done:
        return fixchain("-d", self.top / "migrations", *arguments)

    def planned(self, *arguments: str, command: str = "repair --dry-run") -> dict[str, Any]:
        """The plan, as JSON has it."""
        done = self.run(*command.split(), *arguments, "--format", "json")
        document = done.document
        assert document["plan"] is not None, document["error"]
        plan = document["plan"]
        assert isinstance(plan, dict)
        return plan

    def moved(self, *arguments: str, command: str = "repair --dry-run") -> dict[str, list[str]]:
        """The new parents of what moves."""
        plan = self.planned(*arguments, command=command)
        return {relink["revision"]: relink["after"] for relink in plan["relinks"]}


def reasons(plan: dict[str, Any]) -> str:
    whys = [plan["why"], *(part["why"] for part in plan["relinks"] + plan["new_revisions"])]
    return "\n".join(f"{why['kind']}: {why['detail']}" for each in whys for why in each)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """On a feature branch that has merged main, whose commit is older than that of main."""
    made = Project(tmp_path / "project")
    plain(made.top, "a")
    made.commit(1)
    made.branch("feature")
    made.new("mine <- a", day=2)
    made.switch("main")
    made.new("theirs <- a", day=1)  # so that dates would put mine below
    made.switch("feature")
    made.git("commit", "-q", "--amend", "--no-edit", day=0)
    return made


# --- What the main branch has --------------------------------------------------------------------


def _clone(project: Project, tmp_path: Path, *options: str) -> Project:
    """A clone of the feature branch alone, after it has merged main."""
    project.merge("main", day=3)
    url = f"file://{project.top}"
    project.git("clone", "-q", "--single-branch", "-b", "feature", *options, url, tmp_path / "one")
    return Project(tmp_path / "one")


def _fetch(told: str) -> None:
    """Type the command of a notice."""
    (command,) = re.findall(r"`(git [^`]*\bfetch [^`]*\borigin [^`]+)`", " ".join(told.split()))
    assert run("sh", "-c", command, cwd=Path.cwd()).exit_code == 0


@pytest.mark.parametrize("place", [".", "one", "one/migrations"])
def test_a_clone_of_one_branch_does_not_take_it_for_the_main_branch(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    clone = _clone(project, tmp_path)
    monkeypatch.chdir(tmp_path / place)
    done = clone.run("repair", "--dry-run")
    assert "build on feature, name it as main_branch" in " ".join(done.stdout.split())
    assert "main branch on" not in done.stdout, "as if main were known"
    assert "what the main branch has is not known" in " ".join(done.stdout.split())
    _fetch(done.stdout)
    assert clone.moved() == {"mine": ["theirs"]}
    assert "has one branch only" not in clone.run("repair", "--dry-run").stdout


def test_who_turns_the_main_branch_off_is_not_told_to_fetch_it(
    project: Project, tmp_path: Path
) -> None:
    clone = _clone(project, tmp_path)
    clone.configure("main_branch =")
    done = clone.run("repair", "--dry-run")
    assert (done.exit_code, "has one branch only" in done.stdout) == (1, False)


@pytest.mark.parametrize("depth", ["1", "2"])
def test_dates_do_not_decide_for_sure_where_a_shallow_clone_hides_what_would(
    project: Project, tmp_path: Path, depth: str
) -> None:
    clone = _clone(project, tmp_path, "--depth", depth)
    before = tree(clone.top / "migrations")
    refused = clone.run("repair", "--yes")
    assert (refused.exit_code, tree(clone.top / "migrations")) == (3, before)
    assert "as the clone is shallow" in refused.stderr
    assert re.search(r"\n +git( -C \S+one)? fetch --unshallow\n", refused.stderr)
    assert clone.run("repair", "--attach", "mine=theirs", "--dry-run").exit_code == 1
    assert "guess:" not in clone.run("repair", "--attach", "mine=theirs", "--dry-run").stdout
    _fetch(refused.stdout)
    assert clone.run("repair", "--yes").exit_code == 0
    clone.run("undo", "--yes")
    assert clone.moved() == {"mine": ["theirs"]}


def test_what_main_has_stays_and_mine_moves(project: Project) -> None:
    project.merge("main", day=3)
    plan = project.planned()
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == {"mine": ["theirs"]}
    assert "1 revision of yours, on top of what the main branch (main) has" in reasons(plan)
    assert project.moved("--no-git") == {"theirs": ["mine"]}  # by their names


@pytest.mark.parametrize("command", ["check", "rebase --dry-run", "repair --dry-run --strict"])
def test_every_command_plans_the_same(project: Project, command: str) -> None:
    project.merge("main", day=3)
    assert project.moved(command=command) == {"mine": ["theirs"]}


def test_check_names_the_rebase_first(project: Project) -> None:
    project.merge("main", day=3)
    steps = project.run("check").stdout.partition("What to do\n")[2]
    first = steps.partition("  2.")[0]
    assert "rebase --dry-run" in first
    assert "main" in first


def test_where_nothing_is_mine_no_step_is_a_rebase(project: Project) -> None:
    """What main has is at fault by itself: there is nothing that a rebase could move."""
    project.switch("main")
    project.new("other <- a", day=3)
    path = add(project.top, "joined", "pass", "pass")
    path.write_text(path.read_text().replace("add joined", "merge heads theirs and other"))
    project.commit(4)
    plan = project.planned()
    assert {each["revision"]: each["after"] for each in plan["relinks"] + plan["mends"]} == {
        "joined": ["theirs", "other"]
    }
    assert "onto:" not in reasons(plan)
    assert "rebase" not in project.run("check").stdout.partition("What to do\n")[2]


def test_a_rebase_refuses_what_a_repair_refuses_and_the_way_out_works(project: Project) -> None:
    """Mine does to the schema what one of theirs does that comes to be below."""
    for branch, name, day in (("main", "x", 4), ("feature", "y", 5)):
        project.switch(branch)
        parent = {"main": "theirs", "feature": "mine"}[branch]
        both = "op.add_column('a', sa.Column('email', sa.String(9)))"
        add(project.top, f"{name} <- {parent}", both, "op.drop_column('a', 'email')")
        project.commit(day)
    project.merge("main", day=6)
    for command in ("rebase", "repair"):
        refused = project.run(command, "--yes")
        assert refused.exit_code == 3
        assert "x and y both create column a.email" in refused.stderr
        assert "repair --accept FC205" in refused.stderr
    assert project.run("repair", "--accept", "FC205", "--yes").exit_code == 0
    assert project.run("rebase", "--dry-run").exit_code == 0


def test_a_rebase_heeds_no_fault_that_main_has_anyway(project: Project) -> None:
    project.switch("main")
    for name, parent in (("x", "theirs"), ("y", "x")):
        add(project.top, f"{name} <- {parent}", "op.add_column('a', sa.Column('n', sa.Integer()))")
    project.commit(4)
    project.switch("feature")
    project.merge("main", day=5)
    assert project.moved(command="rebase --dry-run") == {"mine": ["y"]}


def test_without_git_the_steps_are_so_too(project: Project) -> None:
    project.merge("main", day=3)
    steps = project.run("check", "--no-git").stdout.partition("What to do\n")[2]
    assert "repair --no-git --dry-run" in steps
    assert "rebase" not in steps
    assert project.run("check", "--no-git", "--against", "main").exit_code == 2


def with_remote(project: Project, place: Path) -> None:
    """A remote, to which main is pushed as it is."""
    project.git("clone", "-q", "--bare", ".", place / "origin")
    project.git("remote", "add", "origin", place / "origin")
    project.git("fetch", "-q")


def test_the_remotes_branch_counts_where_the_local_one_has_both(
    project: Project, tmp_path: Path
) -> None:
    with_remote(project, tmp_path)
    project.switch("main")
    project.merge("feature", day=4)  # not pushed, so nobody has it yet
    plan = project.planned()
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == {"mine": ["theirs"]}
    assert "on top of what the main branch (origin/main) has" in reasons(plan)


def test_the_local_branch_counts_where_it_is_ahead(project: Project, tmp_path: Path) -> None:
    project.git("branch", "-q", "pushed", "main~1")
    with_remote(project, tmp_path)
    project.git("update-ref", "refs/remotes/origin/main", "pushed")
    project.merge("main", day=3)
    plan = project.planned()
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == {"mine": ["theirs"]}
    assert "the branch main has theirs, and not mine" in reasons(plan)


def test_the_local_branch_does_not_count_where_it_went_another_way(
    project: Project, tmp_path: Path
) -> None:
    """Its own is not published, and theirs is."""
    with_remote(project, tmp_path)
    project.git("update-ref", "refs/remotes/origin/main", "main")
    project.git("update-ref", "refs/heads/main", "feature")
    project.merge("origin/main", day=3)
    project.git("update-ref", "refs/heads/main", "feature~1")
    assert project.moved() == {"mine": ["theirs"]}


def test_uncommitted_migrations_are_mine(project: Project) -> None:
    project.switch("main")
    project.write("ahead <- a")
    assert project.moved() == {"ahead": ["theirs"]}


@pytest.mark.parametrize("where", ["merge", "detached"])
def test_it_counts_wherever_git_is(project: Project, where: str) -> None:
    if where == "merge":
        project.git("merge", "-q", "--no-commit", "--no-ff", "main", day=3)
    else:
        project.merge("main", day=3)
        project.git("checkout", "-q", "--detach")
    assert project.moved() == {"mine": ["theirs"]}


def test_the_settings_name_the_main_branch(project: Project) -> None:
    """Others build on feature here, so what main has moves."""
    project.git("branch", "develop", "feature")
    project.branch("other", "main")
    project.merge("feature", day=3)
    project.configure("main_branch = develop")
    plan = project.planned()  # what is called main is what production has then
    assert not plan["relinks"]
    assert "the branch main has theirs and not mine" in reasons(plan)
    project.configure("main_branch = develop", "published =")
    assert project.moved() == {"theirs": ["mine"]}
    project.configure("main_branch =", "published =")  # which turns it off
    assert "main branch" not in reasons(project.planned())


def test_nothing_that_may_be_the_main_branch_is_rewritten(project: Project) -> None:
    """What is called main is old here: others build on develop, and no remote says so."""
    project.git("branch", "develop", "main")
    project.git("update-ref", "refs/heads/main", "main~1")
    project.merge("develop", day=3)
    assert project.moved() == {"mine": ["theirs"]}
    assert "the branch develop has theirs, and not mine" in reasons(project.planned())
    project.configure("main_branch =")
    assert project.moved() == {"theirs": ["mine"]}


@pytest.mark.parametrize("strategy", ["auto", "linear"])
def test_a_base_of_mine_does_not_become_the_root(project: Project, strategy: str) -> None:
    project.switch("main")
    project.branch("new")
    project.new("b0", "b1 <- b0", "b2 <- b1", "b3 <- b2", day=0)
    assert project.moved("--strategy", strategy) == {"b0": ["theirs"]}


def test_a_base_of_mine_is_merged_above_what_main_has(project: Project) -> None:
    project.switch("main")
    project.branch("new")
    project.new("b0", "b1 <- b0", "b2 <- b1", day=0)
    assert project.moved("--strategy", "merge") == {"b0": ["theirs"]}


def test_a_merge_point_of_mine_is_straightened_as_a_rebase_does(project: Project) -> None:
    project.merge("main", day=3)
    project.new("joined <- mine, theirs", "more <- joined", day=4)
    project.switch("main")
    project.new("later <- theirs", day=5)
    project.switch("feature")
    project.merge("main", day=6)
    moved = {"mine": ["later"], "joined": ["mine"]}
    assert project.moved() == moved == project.moved(command="rebase --dry-run")


def test_what_main_has_wrong_is_repaired_all_the_same(project: Project) -> None:
    """Its own heads by the order in which it got them; mine on top of both."""
    project.switch("main")
    project.branch("slow", "main~1")
    project.new("slow <- a", day=1)
    project.switch("main")
    project.merge("slow", day=6)
    project.switch("feature")
    project.merge("main", day=7)
    assert project.moved() == {"slow": ["theirs"], "mine": ["slow"]}


def test_a_cycle_is_opened_by_a_repair_and_not_by_a_rebase(project: Project) -> None:
    """Neither where all is committed to main, so that none is mine, nor where rebase would stop."""
    project.switch("main")
    for spec in ("b <- theirs", "c <- b"):
        project.new(spec, day=3)
    file = next((project.top / "migrations/versions").glob("b_*.py"))
    good = file.read_text("utf-8")
    file.write_text(good.replace("down_revision = 'theirs'", "down_revision = 'c'"), "utf-8")
    assert file.read_text("utf-8") != good
    steps = project.run("check").stdout.partition("What to do\n")[2]
    assert "rebase" not in steps
    done = project.run("repair", "--yes", "--accept-guesses")
    assert done.exit_code == 0, done.stderr
    assert "Rebased" not in done.stdout
    assert "Put migrations on top" not in done.stdout
    assert "of yours" not in done.stdout


def test_without_git_no_earlier_link_is_known(project: Project) -> None:
    project.new("b <- mine", day=3)
    (file,) = (project.top / "migrations/versions").glob("b_*.py")
    file.write_text(file.read_text("utf-8").replace("mine", "b"), "utf-8")
    assert "b was on mine before" in project.run("repair", "--dry-run").stdout
    assert "before that was changed" not in project.run("repair", "--dry-run", "--no-git").stdout


def test_links_that_one_commit_has_changed_are_read_with_as_many_calls_as_one(
    project: Project, calls: Callable[[], list[str]]
) -> None:
    project.new("b <- mine", "c <- b", "d <- c", day=3)
    project.git("commit", "-q", "--allow-empty", "-m", "edit")
    found = []
    for broken in ("b", "cd"):
        for name in broken:
            (file,) = (project.top / "migrations/versions").glob(f"{name}_*.py")
            text = re.sub(
                "down_revision = .*", f"down_revision = '{name}'", file.read_text("utf-8")
            )
            file.write_text(text, "utf-8")
        project.git("commit", "-q", "-a", "--amend", "--no-edit")
        calls()
        assert "before that was changed" in project.run("repair", "--dry-run").stdout
        found.append(sum("cat-file" in each for each in calls()))
    assert found[0] == found[1]


def test_a_database_that_has_run_mine_makes_it_a_merge(project: Project, tmp_path: Path) -> None:
    project.merge("main", day=3)
    mine = f"sqlite:///{tmp_path / 'mine.db'}"
    build(mine, "mine")
    plan = project.planned("--database", mine)
    assert not plan["relinks"]
    assert plan["new_revisions"][0]["down_revision"] == ["theirs", "mine"]
    assert "the main branch (main) has theirs and not mine" in reasons(plan)
    steps = project.run("check", "--database", mine).stdout.partition("What to do\n")[2]
    first = " ".join(steps.partition("  2.")[0].split())
    assert first.startswith("1. To have one line instead, with yours on top of what main has")
    assert f"rebase --database {mine} --dry-run" in first
    refused = project.run("repair", "--dry-run", "--strategy", "linear", "--database", mine)
    assert refused.exit_code == 3
    assert "no single line fits every database" in refused.stderr


# --- When it came to the main branch --------------------------------------------------------------


@pytest.mark.parametrize("remote", [False, True])
def test_what_came_to_main_later_moves_though_its_commit_is_older(
    tmp_path: Path, remote: bool
) -> None:
    project = Project(tmp_path / "project")
    plain(project.top, "a")
    project.commit(1)
    project.branch("slow")
    project.new("slow <- a", day=2)
    project.branch("quick", "main")
    project.new("quick <- a", day=5)
    project.switch("main")
    project.merge("quick", day=6)
    project.merge("slow", day=20)
    if remote:  # to which nothing of it has been pushed yet
        project.git("update-ref", "refs/remotes/origin/main", "main~2")
    plan = project.planned()
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == {"slow": ["quick"]}
    assert "it came to the main branch on 2024-01-2" in reasons(plan)
    assert "after quick on 2024-01-0" in reasons(plan)


def test_what_came_with_one_merge_is_ordered_by_its_commits(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    plain(project.top, "a")
    project.commit(1)
    project.branch("side")
    project.new("z <- a", day=2)
    project.new("b <- a", day=3)
    project.switch("main")
    project.merge("side", day=6)
    assert project.moved() == {"b": ["z"]}


# --- Releases ------------------------------------------------------------------------------------


@pytest.fixture
def released(tmp_path: Path) -> Project:
    """On main, into which a release was merged that has a fix of its own."""
    project = Project(tmp_path / "project")
    plain(project.top, "a")
    project.commit(1)
    project.branch("maintained")
    project.switch("main")
    project.new("dev <- a", day=2)
    project.switch("maintained")
    project.new("fix <- a", day=3)
    project.switch("main")
    project.merge("maintained", day=4)
    return project


@pytest.mark.parametrize(
    "name",
    [
        "heads/release_26",
        "heads/release/v0.12",
        "heads/1.2.x",
        "heads/stable/zed",
        "heads/4-2-stable",
        "heads/v3",
        "tags/v1.2.3",
        "tags/2024.05",
        "tags/app-1.2.0rc1",
        "tags/backend/v2.0",
        "remotes/origin/release-1.0",
    ],
)
def test_what_a_release_has_goes_below(released: Project, name: str) -> None:
    assert released.moved() == {"fix": ["dev"]}
    released.git("update-ref", f"refs/{name}", "maintained")
    plan = released.planned()
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == {"dev": ["fix"]}
    assert "has fix, and not dev" in reasons(plan)


def test_a_rebase_leaves_below_what_a_release_has(released: Project) -> None:
    """Its databases would pass over what came to be below."""
    onto = ("rebase", "--onto", "main~1")
    assert released.moved(command=" ".join((*onto, "--dry-run"))) == {"fix": ["dev"]}
    released.git("tag", "v1.2.3", "maintained")
    refused = released.run(*onto, "--yes")
    assert refused.exit_code == 3
    assert "the release v1.2.3 has fix of yours, and not dev, which" in refused.stderr
    assert "downgrade" not in refused.stderr  # nobody here can ask its databases
    assert "repair --strategy merge" in refused.stderr
    released.configure("published =")
    assert released.run(*onto, "--yes").exit_code == 0


@pytest.mark.parametrize(
    "name", ["heads/release-notes", "heads/v2-api", "heads/relations", "tags/before-merge"]
)
def test_what_is_merely_called_so_is_no_release(released: Project, name: str) -> None:
    released.git("update-ref", f"refs/{name}", "maintained")
    assert released.moved() == {"fix": ["dev"]}


def test_the_settings_say_what_a_release_is(released: Project) -> None:
    released.configure("published = maint*")
    assert released.moved() == {"dev": ["fix"]}
    released.git("tag", "v1", "maintained")
    released.configure("published = other/*")
    assert released.moved() == {"fix": ["dev"]}
    released.configure("published =")
    assert released.moved() == {"fix": ["dev"]}
    released.configure()
    assert released.moved() == {"dev": ["fix"]}
    assert released.moved("--no-git") == {"fix": ["dev"]}


def test_releases_that_went_different_ways_are_joined(released: Project) -> None:
    released.git("tag", "v1.0.1", "maintained")
    released.git("tag", "v1.1", "main~1")
    plan = released.planned()
    assert not plan["relinks"]
    assert "merge, because" in reasons(plan)


def test_the_latest_of_each_series_are_read(released: Project) -> None:
    for number in range(200):
        released.git("update-ref", f"refs/tags/web-{number}.0", "main~1")
    released.git("update-ref", "refs/tags/api-0.1", "maintained")
    assert not released.moved()  # both are known


def test_an_id_that_stands_twice_stays_with_what_main_has(project: Project) -> None:
    for name, branch, day in (("mine_2", "feature", 0), ("theirs_2", "main", 9)):
        project.switch(branch)
        path = add(project.top, "two <- a")
        text = path.read_text().replace("create_table('two'", f"create_table('{name}'")
        path.with_name(f"{name}.py").write_text(text)
        path.unlink()
        project.commit(day)
    project.switch("feature")
    project.merge("main", day=10)
    plan = project.planned()
    renamed = [mend["path"] for mend in plan["mends"] if mend["part"] == "revision"]
    assert [Path(path).name for path in renamed] == ["mine_2.py"]
    assert "main has theirs_2.py" in str(plan["mends"])


def test_what_main_has_is_not_tied_to_what_it_has_not(tmp_path: Path) -> None:
    """What is guessed of a name must not have main's databases claim a revision of mine."""
    made = Project(tmp_path / "project")
    plain(made.top, "a")
    made.commit(1)
    made.branch("feature")
    made.write("mine")
    first = made.top / "migrations/versions/a_add.py"
    first.write_text(first.read_text().replace("depends_on = None", "depends_on = 'mi'"))
    made.commit(2)
    done = made.run("repair", "--yes", "--accept-guesses")
    assert done.exit_code == 3
    assert "has a, and not mine" in done.stderr
    assert "depends_on of a by hand" in done.stderr
