"""What the commands make of the schema: when it is looked at, what is said, what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.commands import fixchain
from tests.disk import environment, migrations
from tests.stamped import build, sqlite_url
from tests.support import rev

MAKE, USE = "op.create_table('t')", "op.execute('SELECT 1 FROM t')"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codes(*arguments: str) -> list[str]:
    """The codes that a check finds."""
    document = fixchain("check", *arguments, "--format", "json").document
    return [finding["code"] for finding in document["findings"]]


def test_a_healthy_chain_is_looked_into_only_on_request(project: Path) -> None:
    environment(project / "migrations", rev("a").doing(USE), rev("b <- a").doing(MAKE))
    assert codes() == []
    assert codes("--schema") == ["FC201"]
    assert fixchain("check").exit_code == 0
    assert fixchain("check", "--schema").exit_code == 1


def test_what_is_plainly_created_twice_needs_no_request(project: Path) -> None:
    environment(project / "migrations", rev("a").doing(MAKE), "b <- a", rev("c <- b").doing(MAKE))
    assert codes() == ["FC203"]
    checked = fixchain("check")
    assert checked.exit_code == 1
    assert "a and c both create table t" in checked.stdout


def test_a_compared_database_is_reason_enough_to_judge_what_migrations_do(project: Path) -> None:
    """To compare it, they are read in full, also what no glance sees."""
    by_sql = "op.execute('CREATE TABLE t (id INTEGER)')"
    environment(project / "migrations", rev("a").doing(MAKE), rev("b <- a").doing(by_sql))
    assert codes() == []
    url = sqlite_url(project)
    build(url)
    assert codes("--database", url) == ["FC203"]
    assert codes("--database", url, "--schema") == ["FC203"]


def test_a_chain_that_needs_repair_is_looked_into(project: Path) -> None:
    environment(project / "migrations", rev("a").doing(USE), rev("b").doing(MAKE))
    assert codes() == ["FC101", "FC102", "FC201"]


def test_two_branches_that_add_the_same_column_are_told_before_and_after(project: Path) -> None:
    add = "op.add_column('t', sa.Column('c', sa.Integer()))"
    in_batch = f"with op.batch_alter_table('t') as op_:\n    {add.replace('op.', 'op_.', 1)}"
    environment(
        project / "migrations",
        rev("a").doing(MAKE),
        rev("x <- a").doing(add),
        rev("y <- a").doing(in_batch.replace("'t', sa", "sa")),
    )
    assert codes() == ["FC102", "FC205"]
    done = fixchain("repair", "--yes")
    assert done.exit_code == 3
    assert "x and y both create column t.c" in done.stderr
    assert fixchain("repair", "--yes", "--accept", "FC205").exit_code == 0
    assert codes("--schema") == ["FC205"]
    assert fixchain("check", "--schema").exit_code == 1


def test_the_schema_is_judged_once_the_chain_is_known(project: Path) -> None:
    environment(project / "migrations", rev("a").doing(MAKE), rev("b <- gone").doing(USE))
    assert codes("--schema") == ["FC103"]
    text = " ".join(fixchain("check", "--schema").stdout.split())
    assert "checked once the chain can be read" in text


def test_what_cannot_be_known_is_named_once(project: Path) -> None:
    revisions = [rev("a", date="2024-01-01").doing("helper()", "other()"), rev("b").doing(MAKE)]
    environment(project / "migrations", *revisions)
    document = fixchain("check", "--format", "json").document
    (notice,) = [text for text in document["notices"] if "cannot be known" in text]
    assert "1 migration may do" in notice
    assert "a_add_a.py:20 (a call of something that is computed)" in notice


def test_merge_points_do_not_keep_a_disorder(project: Path) -> None:
    place = environment(
        project / "migrations",
        "a",
        rev("x <- a").doing(USE),
        rev("y <- a").doing(MAKE),
        "m <- y, x",
    )
    done = fixchain("repair", "--yes", "--format", "json")
    assert done.exit_code == 0
    changed = {item["revision"]: item["after"] for item in done.document["plan"]["relinks"]}
    assert changed == {"x": ["y"], "m": ["x"]}
    assert codes("--schema") == []
    assert fixchain("repair", "--dry-run").exit_code == 0
    assert place.is_dir()


DROP = "op.drop_table('t')"
COLLIDING = [
    (("a", (MAKE,)), ("b", (MAKE,))),
    (("a", (MAKE,)), ("x <- a", (DROP,)), ("y <- a", (DROP,))),
]


@pytest.mark.parametrize("specs", COLLIDING)
def test_what_no_order_can_run_is_refused_with_both_sides(
    project: Path, specs: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    place = environment(project / "migrations", *(rev(spec).doing(*deed) for spec, deed in specs))
    before = migrations(place)
    (first, _), (second, _) = specs[-2:]
    for strategy in ("auto", "linear", "merge"):
        done = fixchain("repair", "--yes", "--strategy", strategy, "--format", "json")
        assert done.exit_code == 3
        message = done.document["error"]["message"]
        assert {first[0], second[0], "t"} <= set(message.replace(",", "").split()), message
    assert migrations(place) == before


def test_a_collision_can_be_accepted_for_once(project: Path) -> None:
    place = environment(project / "migrations", rev("a").doing(MAKE), rev("b").doing(MAKE))
    refused = fixchain("repair", "--yes")
    assert refused.exit_code == 3
    assert "repair --accept FC203" in refused.stderr
    assert fixchain("repair", "--yes", "--accept", "FC203").exit_code == 0
    assert codes("--schema") == ["FC203"]
    # Nothing is left that a repair could do, and the fault is still told.
    again = fixchain("repair", "--yes")
    assert again.exit_code == 3
    assert "a and b both create table t" in again.stderr
    (place / "alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC203\n")
    assert fixchain("repair", "--yes").exit_code == 0


def test_an_old_fault_stops_no_repair_and_is_told_beside_it(project: Path) -> None:
    revisions = rev("a").doing(MAKE), rev("b <- a").doing(MAKE), "x <- b", "y <- b"
    environment(project / "migrations", *revisions)
    done = fixchain("repair", "--yes", "--format", "json")
    assert done.exit_code == 0
    assert done.document["verified"]["heads"] == ["y"]
    assert any("FC203" in notice for notice in done.document["notices"])
    assert codes("--schema") == ["FC203"]


def test_the_order_of_commits_decides_before_the_dates(project: Path) -> None:
    place = environment(project / "migrations", "a")
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run([*git, "init", "--quiet"], cwd=project, check=True)
    for name, day in (("x", "2024-05-01"), ("y", "2024-04-01")):
        environment(project / name, "a", rev(f"{name} <- a", date=day))
        (file,) = (project / name / "versions").glob(f"{name}_*.py")
        file.rename(place / "versions" / file.name)
        subprocess.run([*git, "add", "migrations"], cwd=project, check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", name], cwd=project, check=True)
    plan = fixchain("repair", "--dry-run", "--format", "json").document["plan"]
    assert plan["order"] == ["a", "x", "y"]
    assert plan["relinks"][0]["why"][-1]["kind"] == "git"
