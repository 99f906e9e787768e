"""The command ``move``: a revision after another one, alone or with all above it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.databases.facts import Facts
from flask_chainfix.planning.relocation import MoveWishes, relocate
from tests.commands import Done, fixchain
from tests.disk import tree
from tests.rehearsals import add, empty_project, plain, upgrade
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of
from tests.support import after, alembic_loads, chain

LINE = ("a", "b <- a", "c <- b", "d <- c", "e <- d")


def moved(snapshot: Facts, revision: str, behind: str | None, *, along: bool = False) -> Facts:
    """The chain after a move; Alembic loads it."""
    planned = after(snapshot, relocate(snapshot, MoveWishes(revision, behind, along)))
    alembic_loads(planned)
    return planned


def links(snapshot: Facts) -> dict[str, tuple[str, ...]]:
    return dict(snapshot.graph.parents)


def refusal(snapshot: Facts, revision: str, behind: str | None, *, along: bool = False) -> str:
    with pytest.raises(CannotPlan) as refused:
        relocate(snapshot, MoveWishes(revision, behind, along))
    return f"{refused.value.message} | {refused.value.remedy}"


# --- Links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("along", [False, True])
def test_a_line_stays_a_line_wherever_something_moves(along: bool) -> None:
    for revision, behind in permutations("abcde", 2):
        moving = [*"abcde"["abcde".index(revision) :]] if along else [revision]
        if behind in moving:
            assert "move with it" in refusal(chain(*LINE), revision, behind, along=along)
            continue
        left = [name for name in "abcde" if name not in moving]
        place = left.index(behind) + 1
        expected = [*left[:place], *moving, *left[place:]]
        planned = moved(chain(*LINE), revision, behind, along=along)
        assert [*planned.graph.order] == expected, (revision, behind)
        assert len(planned.graph.heads) == len(planned.graph.bases) == 1


def test_nothing_but_the_links_that_it_needs_changes() -> None:
    plan = relocate(chain(*LINE), MoveWishes("b", "c"))
    assert {each.revision: each.after for each in plan.relinks} == {
        "c": ("a",),
        "b": ("c",),
        "d": ("b",),
    }
    assert not relocate(chain(*LINE), MoveWishes("b", "a")).relinks
    assert not relocate(chain(*LINE), MoveWishes("e")).relinks


def test_to_the_top() -> None:
    assert [*moved(chain(*LINE), "b", None).graph.order] == [*"acdeb"]
    branched = chain("a", "b <- a", "c <- b", "m <- a")
    assert [*moved(branched, "m", None).graph.order] == [*"abcm"]
    assert [*moved(branched, "b", "m", along=True).graph.order] == [*"ambc"]


def test_several_heads_are_named_with_what_to_type() -> None:
    said = refusal(chain("a", "b <- a", "c <- b", "x <- a", "y <- a"), "b", None)
    assert "there are 3 heads: c, x, y" in said
    assert "`{fixchain} move b --after x{databases}`" in said


def test_heads_that_are_there_on_purpose_are_left_alone() -> None:
    labelled = chain("a", "b <- a", "c <- b @shop", "d <- b @blog", "e <- c", "f <- e")
    assert moved(labelled, "e", None).graph.parents["e"] == ("f",)
    planned = moved(labelled, "a", "b")
    assert links(planned) == {
        **links(labelled),
        "b": (),
        "a": ("b",),
        "c": ("a",),
        "d": ("a",),
    }
    planned = moved(labelled, "c", "a", along=True)
    assert links(planned) == {**links(labelled), "c": ("a",)}  # b does not go onto a branch


def test_a_branch_keeps_its_label() -> None:
    said = refusal(chain("a", "b <- a", "c <- b @shop", "d <- c", "x <- b @blog"), "c", "a")
    assert "c carries the label shop of the branch above it" in said
    assert "`{fixchain} move c --after a --with-descendants{databases}`" in said


def test_what_is_on_a_merge_point_comes_to_be_on_its_parents() -> None:
    merged = chain("a", "b <- a", "c <- a", "m <- b, c", "d <- m")
    planned = moved(merged, "m", "d")
    assert (links(planned)["d"], links(planned)["m"]) == (("b", "c"), ("d",))
    said = refusal(chain("a", "b <- a", "c <- a", "m <- b, c"), "m", "b")
    assert "the chain would split, with more heads than now: c; m joins b, c" in said


def test_a_merge_point_above_moves_along_and_keeps_its_other_parent() -> None:
    merged = chain("a", "b <- a", "c <- a", "m <- b, c")
    planned = moved(merged, "b", "c", along=True)
    assert (links(planned)["b"], links(planned)["m"]) == (("c",), ("b",))


def test_a_base() -> None:
    assert links(moved(chain("a", "b <- a", "c <- b"), "a", "b"))["b"] == ()
    assert "more bases than now: b, c" in refusal(chain("a", "b <- a", "c <- a"), "a", "b")
    assert links(moved(chain("a", "b <- a", "x", "y <- x"), "x", "b", along=True))["x"] == ("b",)


def test_against_depends_on() -> None:
    said = refusal(chain("a", "b <- a", "c <- b", "d <- c +b"), "d", "a")
    assert "d cannot run after a: by depends_on, b, d would each have to run before" in said
    assert "by depends_on" in refusal(chain("a", "b <- a", "c <- b +a"), "a", "c")


def test_several_heads_that_would_move_onto_a_line() -> None:
    said = refusal(chain("a", "b <- a", "x <- b", "y <- b", "c <- a"), "b", "a", along=True)
    assert "2 heads would move (x, y), and nothing shows on which of them c belongs" in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("1a", "2 revisions begin with 1a: 1a2, 1a3 | give more of its id"),
        ("f", "there is no revision 'f' in this chain"),
        ("", "there is no revision '' in this chain"),
        ("1a2", "1a2 cannot come after itself"),
    ],
)
def test_what_names_no_place(typed: str, said: str) -> None:
    assert said in refusal(chain("9", "1a2 <- 9", "1a3 <- 1a2"), "1a2", typed)


# --- The command ---------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The revisions a to d of a plain environment, each with a table."""
    return plain(empty_project(tmp_path, monkeypatch), "a <- ", "b <- a", "c <- b", "d <- c")


def run(*args: str) -> Done:
    return fixchain("move", *args)


def order() -> str:
    """The chain on the disk as Alembic reads it, base first."""
    done = fixchain("check", "--format", "json").document
    assert (done["heads"], done["exit_code"]) == (done["heads"][:1], 0)
    return "".join(_walk(done["heads"][0]))


def _walk(head: str) -> list[str]:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "migrations")
    found = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    assert found[0] == head
    return found[::-1]


def test_moved_confirmed_and_undone(project: Path) -> None:
    before = tree(project / "migrations/versions")
    done = run("b", "--after", "c", "--yes", "--format", "json")
    assert (done.exit_code, done.document["command"], order()) == (0, "move", "acbd")
    assert done.document["plan"]["strategy"] == "move"
    assert done.document["verified"]["heads"] == ["d"]
    undone = fixchain("undo", "--yes")
    assert "Undoing the last move puts back:" in undone.stdout
    assert "The files are as they were before the move." in undone.stdout
    contents = {name: node.content for name, node in tree(project / "migrations/versions").items()}
    assert {name: contents[name] for name in before} == {
        name: node.content for name, node in before.items()
    }


def test_one_that_was_killed_is_named(project: Path) -> None:
    assert run("b", "--to-top", "--yes").exit_code == 0
    (journal,) = (project / "migrations/.fixchain").glob("*.json")
    journal.rename(journal.with_suffix(".unfinished"))
    done = run("c", "--to-top", "--yes")
    assert "an earlier move was killed half-way" in done.stderr
    assert (fixchain("undo", "--yes").exit_code, order()) == (0, "abcd")


def test_the_chain_lock_is_no_link(project: Path) -> None:
    assert fixchain("lock", "--yes").exit_code == 0
    assert "chain.lock is a link" not in run("b", "--to-top", "--dry-run").stdout


def test_nothing_is_written_without_consent(project: Path) -> None:
    before = tree(project)
    assert run("b", "--to-top", "--dry-run").exit_code == 1
    assert run("b", "--to-top").exit_code == 3
    assert run("b", "--after", "a", "--yes").exit_code == 0
    assert run("b").exit_code == run("b", "--to-top", "--after", "a").exit_code == 2
    assert tree(project) == before


def test_a_stamp_follows(project: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    upgrade(project, url, "d")
    done = run("b", "--to-top", "--yes", "--database", url)
    assert (done.exit_code, rows_of(url), order()) == (0, ["b"], "acdb")
    upgrade(project, url, "heads")
    assert fixchain("undo", "--yes", "--database", url).exit_code == 0
    assert (rows_of(url), order()) == (["d"], "abcd")


def test_a_database_that_would_skip_one(project: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    upgrade(project, url, "b")
    done = run("b", "--to-top", "--yes", "--database", url)
    assert done.exit_code == 3
    assert "has run b and not c, which would come before it" in done.stderr
    assert f"fixchain move b --to-top --database {url}" in done.stderr
    upgrade(project, url, "heads")
    assert run("b", "--to-top", "--yes", "--database", url).exit_code == 0


def test_an_order_that_cannot_run_is_refused_with_both_places(project: Path) -> None:
    add(project, "e <- d", "op.add_column('b', sa.Column('x', sa.Integer()))", "pass")
    done = run("e", "--after", "a", "--yes")
    assert done.exit_code == 3
    assert "b_add.py:" in done.stderr
    assert "e_add.py:" in done.stderr
    assert "move e --after a --accept FC201" in done.stderr
    assert run("e", "--after", "a", "--accept", "FC201", "--yes").exit_code == 0


def test_a_broken_chain_is_repaired_first(project: Path) -> None:
    add(project, "e <- nowhere")
    done = run("b", "--to-top", "--yes")
    assert (done.exit_code, "the chain is broken: e" in done.stderr) == (3, True)


def test_rehearsed_first(project: Path) -> None:
    add(project, "e <- d", "op.get_bind().exec_driver_sql('SELECT id FROM ' + chr(98))", "pass")
    done = run("b", "--to-top", "--yes", "--rehearse")
    assert (done.exit_code, order()) == (3, "abcde")
    assert "no such table: b" in done.stderr


@needs_git
@pytest.mark.usefixtures("own_git")
def test_what_the_main_branch_has(project: Path) -> None:
    repository = Repository(project)
    repository.commit(1)
    add(project, "e <- d")
    done = run("e", "--after", "a", "--yes")
    assert (done.exit_code, order()) == (3, "abcde")
    assert "the main branch (main) has b and not e, which would come before it" in done.stderr
    assert run("e", "--after", "a", "--yes", "--no-git").exit_code == 0
    fixchain("undo", "--yes")
    done = run("b", "--after", "c", "--yes")
    assert "the main branch (main) has c, b, d in the order as it is" in " ".join(
        done.stdout.split()
    )


def test_the_quiet_are_told_what_would_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(empty_project(tmp_path, monkeypatch), *LINE)
    done = fixchain("move", "b", "--after", "c", "--dry-run", "--quiet")
    assert (done.exit_code, done.stdout) == (
        1,
        "Planned: strategy move, 3 files rewritten: b after c.\n",
    )
