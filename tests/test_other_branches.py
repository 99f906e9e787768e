"""Parents that lie on another branch, and merge points without theirs, in real repositories."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands import fixchain
from tests.disk import migrations
from tests.rehearsals import plain
from tests.repositories import VERSIONS, needs_git
from tests.stamped import rows_of
from tests.support import migration, rev
from tests.test_same_ids import Project

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

YES = ("--yes",)
JSON = ("--format", "json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A release with a and b; main has x on b, and y on x, which a release gets alone."""
    project = Project(tmp_path / "project")
    plain(project.top, models="target_metadata = None")
    (project.top / ".gitignore").write_text("__pycache__/\n.fixchain/\n")
    monkeypatch.chdir(project.top)
    monkeypatch.setenv("COLUMNS", "1000")
    project.write("a", "a")
    project.write("b <- a", "b")
    project.commit(1)
    project.alembic("upgrade", "production", "head")
    return project


def on_main(project: Project, *specs: str, day: int = 2) -> None:
    for number, spec in enumerate(specs):
        revision = spec.partition(" ")[0]
        project.write(spec, revision, name="{id}")
        project.commit(day + number)


def picked(project: Project, *names: str) -> None:
    """A branch without what is on main, but for these files."""
    project.branch("hotfix", project.git("rev-list", "--max-parents=0", "main"))
    project.git("checkout", "main", "--", *(f"{VERSIONS}/{name}.py" for name in names))
    project.commit(9)


def empty(project: Project, spec: str, message: str) -> None:
    item = replace(rev(spec, date="2024-01-20"), upgrade=(), downgrade=())
    data = migration(item).replace(f"add {item.revision}".encode(), message.encode(), 1)
    (project.top / VERSIONS / f"{item.revision}.py").write_bytes(data)


def test_the_other_way_is_typed_and_leaves_it_out(project: Project) -> None:
    on_main(project, "x <- b", "y <- x")
    picked(project, "y")
    before = migrations(project.top / "migrations")

    refused = fixchain("repair", *YES)
    assert refused.exit_code == 3
    assert migrations(project.top / "migrations") == before
    lines = [line.strip() for line in refused.stderr.splitlines()]
    (leave,) = (line for line in lines if "--attach" in line and line.startswith("fixchain"))
    assert leave == "fixchain repair --attach y=b"
    assert "git merge --no-edit main" in lines

    assert fixchain(*shlex.split(leave)[1:], *YES).exit_code == 0
    assert project.chain == {"a": (), "b": ("a",), "y": ("b",)}
    project.alembic("upgrade", "production", "head")
    assert project.tables("production") == ["a", "b", "y"]


def test_nothing_is_merged_while_git_is_at_work(project: Project) -> None:
    """Git merges only once the cherry-pick has ended."""
    on_main(project, "x <- b", "y <- x")
    (project.top / "notes").write_text("main's\n")
    project.git("add", "notes")
    project.git("commit", "-q", "--amend", "--no-edit")
    project.branch("hotfix", project.git("rev-list", "--max-parents=0", "main"))
    (project.top / "notes").write_text("the hotfix's\n")
    project.commit(9)
    with pytest.raises(AssertionError, match="cherry-pick"):
        project.git("cherry-pick", "main")
    refused = fixchain("repair", *YES)
    assert "--attach y=b" in refused.stderr
    assert "git merge" not in refused.stderr


def test_what_is_brought_back_to_stay_as_it_is_is_given_no_other_parent(project: Project) -> None:
    """Several revisions come back; the way out is to leave out the one that a file names."""
    on_main(project, "x <- b", "y <- x", "z <- y")
    picked(project, "z")
    refused = fixchain("repair", *YES)
    lines = [line.strip() for line in refused.stderr.splitlines()]
    assert [line for line in lines if "--attach" in line] == ["fixchain repair --attach z=b"]
    assert lines.count("git merge --no-edit main") == 1


def test_a_second_one_that_needs_a_parent_is_named_with_the_first(project: Project) -> None:
    on_main(project, "x <- b", "y <- x", "z <- b", "w <- z")
    picked(project, "y", "w")
    refused = fixchain("repair", *YES, "--attach", "y=b")
    assert refused.exit_code == 3
    lines = [line.strip() for line in refused.stderr.splitlines()]
    (leave,) = (line for line in lines if line.startswith("fixchain") and "w=" in line)
    assert leave == "fixchain repair --attach y=b --attach w=y"
    assert fixchain(*shlex.split(leave)[1:], *YES).exit_code == 0
    assert set(project.chain) == {"a", "b", "y", "w"}


def test_what_comes_from_another_branch_comes_as_it_is_there(project: Project) -> None:
    """With all that it needs; and beside what is here, which is joined with it."""
    on_main(project, "x <- b", "y <- x", "z <- y")
    picked(project, "z")
    project.write("here <- b", "here")
    project.commit(10)
    done = fixchain("repair", *YES, "--accept-guesses")
    assert done.exit_code == 0, done
    for name in ("x", "y", "z"):
        path = f"{VERSIONS}/{name}.py"
        assert project.git("show", f"main:{path}") == (project.top / path).read_text().strip()
    chain = project.chain
    assert {chain["x"], chain["y"], chain["z"]} == {("b",), ("x",), ("y",)}
    project.alembic("upgrade", "empty", "head")
    assert project.tables("empty") == ["a", "b", "here", "x", "y", "z"]


def test_a_merge_of_what_is_elsewhere_is_straightened(
    project: Project,
) -> None:
    on_main(project, "x <- b", "y <- b")
    empty(project, "m <- x, y", "merge x and y")
    project.commit(4)
    on_main(project, "n <- m", day=5)
    picked(project, "m", "n")
    project.write("here <- b", "here")
    project.commit(10)
    done = fixchain("repair", *YES)
    assert done.exit_code == 0, done
    assert project.chain == {"a": (), "b": ("a",), "m": ("b",), "n": ("m",), "here": ("n",)}
    project.alembic("upgrade", "production", "head")
    assert project.tables("production") == ["a", "b", "here", "n"]


# --- Merge points on nothing ---------------------------------------------------------------------


@pytest.mark.parametrize("rows", ["b, c, m", "m"])
def test_a_merge_gets_back_the_heads_that_were_there_when_it_landed(
    project: Project, rows: str
) -> None:
    """Another branch that is older by its commits came with a merge after it."""
    project.branch("late")
    project.write("late <- a", "late")
    project.commit(2)
    project.switch("main")
    project.write("c <- a", "c")
    project.commit(3)
    empty(project, "m", "merge heads")
    project.commit(4)
    project.write("d <- m", "d")
    project.commit(5)
    project.merge("late", day=6)
    before = migrations(project.top / "migrations")

    done = fixchain("repair", *YES, "--no-database")
    assert done.exit_code == 0, done
    chain = project.chain
    assert sorted(chain["m"]) == ["b", "c"]
    assert chain["late"] == ("d",)
    project.alembic("upgrade", "production", "head")
    assert project.tables("production") == ["a", "b", "c", "d", "late"]
    project.alembic("downgrade", "production", "base")
    assert project.tables("production") == []
    assert fixchain("undo", *YES).exit_code == 0
    assert migrations(project.top / "migrations") == before


def test_databases_of_the_chain_without_the_links_are_safe(project: Project) -> None:
    project.write("c <- a", "c")
    project.commit(3)
    empty(project, "m", "merge heads")
    project.commit(4)
    project.alembic("upgrade", "all", "heads")
    assert rows_of(project.database("all")) == ["b", "c", "m"]
    project.alembic("upgrade", "alone", "m")
    options = ("--database", project.database("all"))
    assert fixchain("repair", *YES, *options).exit_code == 0
    assert rows_of(project.database("all")) == ["m"]
    assert fixchain("undo", *YES, *options).exit_code == 0
    assert rows_of(project.database("all")) == ["b", "c", "m"]
    refused = fixchain("repair", *YES, "--database", project.database("alone"))
    assert refused.exit_code == 3
    assert "alone.db" in refused.stderr
    assert rows_of(project.database("alone")) == ["m"]


def test_a_database_that_ran_all_below_a_merge_before_it_lost_its_parents(project: Project) -> None:
    project.write("c <- a", "c")
    empty(project, "m <- b, c", "merge heads")
    project.alembic("upgrade", "before", "head")
    empty(project, "m", "merge heads")
    project.commit(4)
    options = ("--database", project.database("before"))
    done = fixchain("repair", *YES, *options)
    assert done.exit_code == 0, done
    assert rows_of(project.database("before")) == ["m"]
    assert sorted(project.chain["m"]) == ["b", "c"]
