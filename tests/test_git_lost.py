"""Git: what became of revisions that no file has any more, read from real repositories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from flask_chainfix.disk.version_locations import read_snapshot
from flask_chainfix.git import lost_files
from flask_chainfix.git.lost_files import find_lost
from flask_chainfix.model.databases import LostRevision
from flask_chainfix.model.environment import Environment
from tests.repositories import DISTURBING, FIRST_DAY, VERSIONS, Repository, needs_git, script
from tests.support import Rev, migration, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

NOT_KNOWN = "what became of lost revisions is not known"
SHALLOW = f"the clone is shallow: {NOT_KNOWN} before `git fetch --unshallow`"


def environment(*locations: Path) -> Environment:
    return Environment(locations[0].parent, locations)


Answer = tuple[Mapping[str, LostRevision], tuple[str, ...]]


def ask(*ids: str, at: Repository | Path | Environment) -> Answer:
    if isinstance(at, Repository):
        at = at.top / VERSIONS
    where = at if isinstance(at, Environment) else environment(at)
    return find_lost(ids, read_snapshot(where)[0])


def lost(id_: str, at: Repository | Path | Environment) -> LostRevision:
    """What there is to know of one revision, where Git has nothing to remark."""
    found, notices = ask(id_, at=at)
    assert notices == ()
    assert list(found) == [id_]
    assert found[id_].revision == id_
    return found[id_]


def write(repository: Repository, name: str, revision: str, *statements: str) -> None:
    """Write a migration whose body does not depend on its id."""
    path = repository.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(migration(Rev(revision, ("p",), upgrade=statements or MAKES, downgrade=DROPS)))


MAKES = ("op.create_table('users', sa.Column('id', sa.Integer(), primary_key=True))",)
DROPS = ("op.drop_table('users')",)
OTHER = ("op.add_column('orders', sa.Column('total', sa.Numeric(10, 2), nullable=True))",)


# --- Removed -------------------------------------------------------------------------------------


def test_a_deleted_file(repository: Repository) -> None:
    repository.add("a", day=1)
    before = repository.add("b", day=2)
    data = repository.path("b").read_bytes()
    commit = repository.remove("b", day=3)
    repository.add("c", day=4)
    assert lost("b", repository) == LostRevision(
        "b",
        commit,
        "a",
        FIRST_DAY + timedelta(days=3),
        repository.path("b"),
        data,
        ("p",),
        checkout=before,
    )


def test_what_can_be_checked_out_has_a_name_if_it_can(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    repository.git("tag", "-a", "-m", "x", "v1")
    repository.remove("b", day=3)
    assert lost("b", repository).checkout == "v1"


def test_what_stood_on_it_and_went_with_it(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", "c", day=2, parent="a")
    repository.add("d", day=3, parent="b")
    repository.path("a").unlink()
    repository.path("b").unlink()
    repository.commit(8)
    repository.remove("d", day=9)
    found, _ = ask("a", "b", "d", at=repository)
    assert {name: each.above for name, each in found.items()} == {"a": ("b",), "b": (), "d": ()}


def test_what_the_content_says_counts_and_not_the_name(repository: Repository) -> None:
    write(repository, "wanted_by_name", "something")
    write(repository, "other", "wanted", *OTHER)
    repository.path("third").write_bytes(migration(rev("third <- wanted")))
    repository.commit(1)
    commit = repository.remove("other", day=2)
    repository.remove("wanted_by_name", day=3)
    repository.remove("third", day=4)
    assert lost("wanted", repository).commit == commit
    assert lost("wanted", repository).path == repository.path("other")


def test_an_id_that_a_very_old_file_has_only_in_its_name(repository: Repository) -> None:
    path = repository.path("1abc")
    path.parent.mkdir(parents=True)
    path.write_text("down_revision = None\n")
    repository.commit(1)
    repository.remove("1abc", day=2)
    repository.add("a", day=3)
    assert lost("1abc", repository).parents == ()


def test_the_last_removal_counts(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.remove("a", day=2)
    repository.add("a", day=3, parent="q")
    commit = repository.remove("a", day=4)
    repository.add("b", day=5)
    found = lost("a", repository)
    assert (found.commit, found.parents) == (commit, ("q",))


def test_a_deletion_before_the_directory_moved(repository: Repository) -> None:
    repository.add("old/versions/a.py", "old/versions/b.py", day=1)
    commit = repository.remove("old/versions/a.py", day=2)
    repository.move("old/versions/b.py", "b")
    repository.commit(3)
    found = lost("a", repository)
    assert (found.commit, found.path) == (commit, repository.path("old/versions/a.py"))


def test_a_moved_directory_loses_nothing(repository: Repository) -> None:
    repository.add("old/versions/a.py", day=1)
    repository.move("old/versions/a.py", "a")
    repository.commit(2)
    repository.add("b", day=3)
    commit = repository.remove("a", day=4)
    assert lost("a", repository).commit == commit


def test_the_own_version_location_counts_before_others(repository: Repository) -> None:
    """Numbers as ids are the same in every application of a repository."""
    repository.add("a", "other/versions/a.py", "b", day=1)
    commit = repository.remove("a", day=2)
    repository.remove("other/versions/a.py", day=3)
    assert lost("a", repository).commit == commit


def test_a_file_moved_out_of_the_version_location(repository: Repository) -> None:
    repository.add("a", "b", day=1)
    repository.move("a", "attic/versions/a.py")
    commit = repository.commit(2)
    found = lost("a", repository)
    assert (found.commit, found.path) == (commit, repository.path("a"))
    assert found.renamed is None


def test_all_migrations_are_gone(repository: Repository) -> None:
    """And so is the directory: Git keeps no empty ones."""
    repository.add("a", day=1)
    repository.add("docs/x.py", day=2)
    repository.path("a").unlink()
    repository.path("a").parent.rmdir()
    commit = repository.commit(3)
    assert lost("a", repository).commit == commit


def test_a_file_deleted_on_a_merged_branch(repository: Repository) -> None:
    repository.add("a", "b", day=1)
    repository.branch("feature")
    commit = repository.remove("b", day=2)
    repository.switch("main")
    repository.add("c", day=3)
    repository.merge("feature", day=4)
    assert lost("b", repository).commit == commit
    assert lost("b", repository).branch == ""


def test_a_file_that_a_merge_itself_deleted(repository: Repository) -> None:
    repository.add("a", "b", day=1)
    repository.branch("feature")
    repository.add("c", day=2)
    repository.switch("main")
    repository.add("d", day=3)
    repository.git("merge", "-q", "--no-commit", "--no-ff", "feature")
    commit = repository.remove("b", day=4)
    assert lost("b", repository).commit == commit


def test_a_file_that_a_merge_did_not_take_over(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.branch("feature")
    repository.add("b", day=2)
    repository.switch("main")
    repository.add("c", day=3)
    repository.git("merge", "-q", "-s", "ours", "-m", "merge", "feature", day=4)
    commit = repository.git("rev-parse", "--short", "HEAD")
    repository.add("d", day=5)
    found = lost("b", repository)
    assert (found.commit, found.kept, found.branch) == (commit, False, "")
    assert found.path == repository.path("b")


# --- Still there ---------------------------------------------------------------------------------


def test_a_deletion_that_is_not_committed(repository: Repository) -> None:
    repository.add("b", day=1)
    commit = repository.add("a", day=2)
    repository.add("c", day=3)
    repository.path("a").unlink()
    found = lost("a", repository)
    assert (found.commit, found.kept, found.branch) == (commit, True, "")
    assert found.data == migration(rev("a <- p"))


def test_a_file_on_another_branch(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.branch("feature/x")
    repository.add("b", day=2)
    commit = repository.add("b", day=3, parent="a")
    repository.git("tag", "a-tag")
    repository.add("docs/x.txt", day=4)
    repository.switch("main")
    found = lost("b", repository)
    assert (found.commit, found.kept, found.branch) == (commit, True, "feature/x")
    assert (found.path, found.parents) == (repository.path("b"), ("a",))


def test_a_file_on_a_branch_that_was_deleted(repository: Repository) -> None:
    """Only the reflog leads to it; a branch that has it comes first."""
    repository.add("a", day=1)
    repository.branch("feature")
    commit = repository.add("b", day=2)
    tip = repository.add("c", day=3)
    repository.switch("main")
    assert lost("b", repository).branch == "feature"
    repository.git("branch", "-D", "feature")
    found = lost("b", repository)
    assert (found.commit, found.branch, found.checkout) == (commit, tip, tip)
    assert (found.kept, found.dropped) == (True, True)


def test_a_file_removed_on_another_branch(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.branch("feature")
    repository.add("b", day=2)
    commit = repository.remove("b", day=3)
    repository.switch("main")
    found = lost("b", repository)
    assert (found.commit, found.kept, found.branch) == (commit, False, "feature")


def test_a_file_on_a_remote_branch_and_one_that_only_a_tag_leads_to(
    repository: Repository, tmp_path: Path
) -> None:
    repository.add("a", day=1)
    repository.branch("feature")
    repository.add("b", day=2)
    repository.git("checkout", "-q", "--detach", "main")
    repository.add("c", day=3)
    repository.git("tag", "v1")
    repository.switch("main")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", f"file://{repository.top}", clone)
    found, notices = ask("b", "c", at=Repository(clone))
    assert {id_: one.branch for id_, one in found.items()} == {"b": "origin/feature", "c": "v1"}
    assert notices == ()


def test_the_own_history_counts_before_other_branches(repository: Repository) -> None:
    repository.add("a", "b", day=1)
    repository.branch("feature")
    repository.add("b", day=3, parent="q")
    repository.switch("main")
    commit = repository.remove("b", day=2)
    assert lost("b", repository).commit == commit


def test_another_branch_where_nothing_is_committed(repository: Repository) -> None:
    repository.add("b", day=1)
    repository.git("checkout", "-q", "--orphan", "new")
    repository.git("rm", "-q", "-r", "-f", ".")
    repository.put("a")
    assert lost("b", repository).branch == "main"


# --- Renamed -------------------------------------------------------------------------------------


def renamed(id_: str, repository: Repository) -> tuple[str | None, bool]:
    found = lost(id_, repository)
    return found.renamed, found.edited


def test_an_id_changed_in_place(repository: Repository) -> None:
    write(repository, "x", "old")
    write(repository, "y", "y", *OTHER)
    repository.commit(1)
    write(repository, "x", "new")
    commit = repository.commit(2)
    assert lost("old", repository).commit == commit
    assert renamed("old", repository) == ("new", False)


def test_an_id_changed_again_and_again(repository: Repository) -> None:
    for day, id_ in enumerate(["old", "older", "new"]):
        write(repository, "x", id_, *(OTHER if id_ == "new" else MAKES))
        repository.commit(day)
    assert renamed("old", repository) == ("new", True)
    write(repository, "x", "newest", *OTHER)
    assert renamed("old", repository) == ("newest", True)


def test_an_id_changed_to_and_fro_is_nowhere(repository: Repository) -> None:
    for day, id_ in enumerate(["one", "two", "one", "two"]):
        write(repository, "x", id_)
        repository.commit(day)
    repository.remove("x", day=9)
    repository.add("a", day=10)
    assert renamed("one", repository) == (None, False)


def test_an_id_changed_and_not_committed(repository: Repository) -> None:
    write(repository, "x", "old")
    repository.commit(1)
    write(repository, "x", "new", *OTHER)
    found = lost("old", repository)
    assert (found.kept, found.renamed, found.edited) == (True, "new", True)


def test_another_file_of_the_same_name_on_another_branch(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.branch("feature")
    write(repository, "x", "there")
    repository.commit(2)
    repository.switch("main")
    write(repository, "x", "here", *OTHER)
    repository.commit(3)
    assert renamed("there", repository) == (None, False)


def test_a_file_renamed_with_a_new_id(repository: Repository) -> None:
    write(repository, "old_users", "old")
    write(repository, "other", "other", *OTHER)
    repository.commit(1)
    repository.path("old_users").unlink()
    write(repository, "new_users", "new")
    repository.commit(2)
    assert renamed("old", repository) == ("new", False)
    write(repository, "new_users", "new", *MAKES, "op.execute('SELECT 1')")
    repository.commit(3)
    assert renamed("old", repository) == ("new", True)


def test_a_file_with_the_same_body_that_git_takes_for_another(repository: Repository) -> None:
    write(repository, "old", "old")
    repository.commit(1)
    repository.remove("old", day=2)
    write(repository, "other", "other", *OTHER)
    write(repository, "new", "new")
    text = repository.path("new").read_text()
    repository.path("new").write_text(f"# {'comment ' * 200}\n{text}")
    repository.commit(3)
    assert renamed("old", repository) == ("new", False)


def test_several_files_with_the_same_body_are_none(repository: Repository) -> None:
    write(repository, "old", "old")
    repository.commit(1)
    repository.remove("old", day=2)
    write(repository, "one", "one")
    write(repository, "two", "two")
    repository.commit(3)
    assert renamed("old", repository) == (None, False)


@pytest.mark.parametrize(("parents", "found"), [(("b", "a"), None), (("a", "b"), "new")])
def test_merge_points_are_alike_only_for_the_same_parents(
    repository: Repository, parents: tuple[str, ...], found: str | None
) -> None:
    def put(id_: str, *parents: str) -> None:
        rev_ = Rev(id_, parents, upgrade=(), downgrade=())
        repository.path(id_).write_bytes(migration(rev_))

    repository.add("a", "b", "c", day=1)
    put("old", "a", "b")
    repository.commit(1)
    repository.remove("old", day=2)
    put("new", *parents)
    repository.commit(3)
    assert renamed("old", repository) == (found, False)


# --- What Git does not know ----------------------------------------------------------------------


def test_an_id_that_was_never_here(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.remove("a", day=2)
    repository.add("b", day=3)
    assert ask("never", "b", at=repository) == ({}, ())


def test_a_part_of_an_id_is_another_one(repository: Repository) -> None:
    repository.add("abcdef", "x", day=1)
    repository.remove("abcdef", day=2)
    assert ask("abc", "ABCDEF", "abcdef ", at=repository) == ({}, ())


def test_a_shallow_clone(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("a", "b", "c", day=1)
    repository.remove("a", day=2)
    repository.add("x", day=3)
    repository.remove("b", day=4)
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "2", f"file://{repository.top}", clone)
    found, notices = ask("a", "b", at=Repository(clone))
    assert list(found) == ["b"]
    assert notices == (SHALLOW.replace("`git", f"`git -C {os.path.relpath(clone)}"),)
    monkeypatch.chdir(clone)
    assert ask("a", "b", at=Repository(clone))[1] == (SHALLOW,)
    assert ask("b", at=Repository(clone))[1] == ()


def test_a_partial_clone_fetches_nothing(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", "b", day=1)
    repository.remove("a", day=2)
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--filter=blob:none", f"file://{repository.top}", clone)
    objects = sorted((clone / ".git/objects").rglob("*"))
    found, (notice,) = ask("a", at=Repository(clone))
    assert found == {}
    assert notice == f"Git does not have the content of all older files: {NOT_KNOWN}"
    assert sorted((clone / ".git/objects").rglob("*")) == objects


def test_nothing_is_committed(repository: Repository) -> None:
    repository.put("a")
    assert ask("b", at=repository) == ({}, ())


def test_not_in_a_repository(tmp_path: Path) -> None:
    expected: Answer = ({}, (f"no Git repository was found: {NOT_KNOWN}",))
    assert ask("a", at=environment(tmp_path / "x", tmp_path / "y")) == expected


def test_no_git(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.add("b", day=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    expected: Answer = ({}, (f"the git command was not found: {NOT_KNOWN}",))
    assert ask("a", at=repository) == expected
    assert ask("b", at=repository) == ({}, ())


def test_a_corrupted_repository(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    name = repository.git("rev-parse", "HEAD~1")
    (repository.top / ".git/objects" / name[:2] / name[2:]).unlink()
    found, (notice,) = ask("x", at=repository)
    assert found == {}
    assert notice.startswith("git failed (")


def test_more_versions_than_are_read(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("a", day=1)
    repository.remove("a", day=2)
    repository.add("b", day=3)
    commit = repository.remove("b", day=4)
    repository.add("c", day=5)
    monkeypatch.setattr(lost_files, "_MOST", 2)
    found, notices = ask("a", "b", at=repository)
    assert {id_: one.commit for id_, one in found.items()} == {"b": commit}
    assert len(notices) == 1


def test_the_user_s_configuration_does_not_disturb(repository: Repository) -> None:
    repository.add("a", "old", day=1)
    repository.branch("feature")
    repository.add("b", day=2)
    repository.switch("main")
    write(repository, "old", "new")
    repository.commit(3)
    repository.git("merge", "-q", "-s", "ours", "-m", "merge", "feature", day=4)
    repository.branch("other")
    repository.add("c", day=5)
    repository.switch("main")

    def answer() -> list[tuple[str, str | None, str]]:
        found, notices = ask("b", "c", "old", at=repository)
        assert notices == ()
        return [(one.revision, one.renamed, one.branch) for one in found.values()]

    expected = [("b", None, ""), ("c", None, "other"), ("old", "new", "")]
    for setting in DISTURBING:
        key, _, value = setting.partition("=")
        repository.git("config", key, value)
        assert answer() == expected, setting
        repository.git("config", "--unset", key)


# --- Any name ------------------------------------------------------------------------------------

ODD = ["-x", "--help", "with space", "quo'te\"", "ünï 漢", "back\\slash", "li\nne", "%h", "[a]*?"]


def test_any_id_and_any_file_name(repository: Repository) -> None:
    repository.add("x", day=0)
    for id_ in ODD:
        path = repository.top / VERSIONS / f"{id_}.py"
        path.write_bytes(migration(Rev(id_, upgrade=(), downgrade=())))
    repository.commit(1)
    for id_ in ODD:
        (repository.top / VERSIONS / f"{id_}.py").unlink()
    commit = repository.commit(2)
    found, notices = ask(*ODD, "", at=repository)
    assert {id_: (one.commit, one.path.stem) for id_, one in found.items()} == {
        id_: (commit, id_) for id_ in ODD
    }
    assert notices == ()


@pytest.mark.parametrize("name", ["-x", "with space", "ünï 漢", ":(top)", "li\nne", "[a-z]*?"])
def test_any_branch_and_any_directory(repository: Repository, name: str) -> None:
    location = f"{name}/migrations {name}"
    repository.add(f"{location}/a.py", f"{location}/c.py", day=1)
    branch = "".join(letter for letter in name if letter.isalnum())
    repository.branch(f"{branch}-ü")
    repository.add(f"{location}/b.py", day=2)
    repository.switch("main")
    (repository.top / location / "a.py").unlink()
    found, notices = ask("a", "b", at=repository.top / location)
    assert {id_: (one.branch, one.path) for id_, one in found.items()} == {
        "a": ("", repository.top / location / "a.py"),
        "b": (f"{branch}-ü", repository.top / location / "b.py"),
    }
    assert notices == ()


def test_a_branch_named_like_the_content_of_a_file(repository: Repository) -> None:
    repository.add("a", "b", "c", day=1)
    blob = repository.git("rev-parse", "--short", f"HEAD:{VERSIONS}/a.py")
    repository.path("a").unlink()
    repository.remove("b", day=2)
    repository.git("branch", blob)
    assert list(ask("a", "b", at=repository)[0]) == ["b"]


def test_any_author(repository: Repository) -> None:
    repository.add("a", "b", day=1)
    repository.path("a").unlink()
    repository.git("add", "-A")
    author = "Zoë\t, 漢 <x"
    repository.git("commit", "-q", "-m", "x", "--author", f"{author.replace('<', '')} <a@b>")
    assert lost("a", repository).author == author.replace("<", "")[:-2] + " x"


def test_a_linked_directory(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", "b", day=1)
    repository.remove("a", day=2)
    link = tmp_path / "link"
    link.symlink_to(repository.top / VERSIONS)
    assert lost("a", link).path == link / "a.py"


# --- Several -------------------------------------------------------------------------------------


def test_two_repositories(repository: Repository, tmp_path: Path) -> None:
    second = Repository(tmp_path / "second")
    repository.add("a", "x", day=1)
    second.add("a", "b", "y", day=1)
    repository.remove("a", day=2)
    newest = second.remove("a", day=3)
    second.remove("b", day=4)
    both = environment(repository.top / VERSIONS, second.top / VERSIONS)
    found, notices = ask("a", "b", at=both)
    assert notices == ()
    assert found["a"].commit == newest
    assert found["b"].path == second.path("b")


def test_one_of_two_locations_is_in_a_repository(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", "x", day=1)
    repository.remove("a", day=2)
    both = environment(tmp_path / "outside", repository.top / VERSIONS)
    assert lost("a", both).path == repository.path("a")
    assert ask("a", "never", at=both)[1] == (f"no Git repository was found: {NOT_KNOWN}",)


def test_git_is_asked_a_few_times_for_any_number_of_ids(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"r{number:02}" for number in range(30)]
    repository.add("x", *names, day=0)
    repository.branch("feature")
    repository.add("elsewhere", day=1)
    repository.switch("main")
    for name in names[:10]:
        repository.path(name).unlink()
    for name in names[10:20]:
        repository.path(name).write_bytes(migration(Rev(f"{name}_new")))
    repository.commit(2)
    calls = tmp_path / "calls"
    real = shutil.which("git")
    script(tmp_path / "bin/git", f'#!/bin/sh\necho " $*" >>{calls}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert len(ask(*names, "elsewhere", "never", at=repository)[0]) == 21
    assert len(calls.read_text().splitlines()) == 4
    repository.path(names[20]).unlink()
    repository.path(names[21]).unlink()
    calls.unlink()
    found, _ = ask(*names, at=repository)
    assert [id_ for id_, one in found.items() if one.kept] == names[20:22]
    assert len(calls.read_text().splitlines()) == 4  # where the repository is, is known by now
