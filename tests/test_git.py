"""Git: when migrations landed, read from real repositories."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from flask_chainfix.git import program as running
from flask_chainfix.git.landings import read_history
from flask_chainfix.model.history import GitHistory
from tests.repositories import DISTURBING, FIRST_DAY, VERSIONS, Repository, needs_git, script
from tests.support import migration, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

ALONE = "only Create Date and file names decide"
SHALLOW = (
    "the clone is shallow: which of the older migrations landed first is not known until"
    " `git fetch --unshallow`"
)
PARTIAL = (
    "Git cannot compare the content of older files: a migration that one commit renamed and edited"
    " counts from that commit"
)


def read(*locations: Path) -> GitHistory:
    """The history of every file below these version locations."""
    return read_history(files_in(locations), locations)


def files_in(locations: Iterable[Path]) -> list[Path]:
    return [path for location in locations for path in sorted(location.rglob("*.py"))]


def order(history: GitHistory) -> list[str]:
    """What landed, oldest first; what landed together is one string."""
    together: dict[int, list[str]] = {}
    for path, landing in history.landings.items():
        together.setdefault(landing.position, []).append(path.stem)
    return [" ".join(sorted(names)) for _, names in sorted(together.items())]


def days(history: GitHistory) -> dict[str, int]:
    return {
        path.stem: (landing.date - FIRST_DAY).days for path, landing in history.landings.items()
    }


def landed(repository: Repository, location: str = VERSIONS) -> list[str]:
    """The order, where Git has nothing to remark."""
    history = read(repository.top / location)
    assert history.notices == ()
    return order(history)


# --- Order and dates -----------------------------------------------------------------------------


def test_a_landing_is_the_commit_that_added_the_file(repository: Repository) -> None:
    first = repository.add("b", day=1)
    second = repository.add("a", day=2)
    history = read(repository.top / VERSIONS)
    a, b = (history.landings[repository.path(name)] for name in "ab")
    assert (b.commit, a.commit) == (first, second)
    assert (b.date, a.date) == (FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2))
    assert b.date.tzinfo is not None
    assert b.position < a.position
    assert history.notices == ()


def test_later_edits_do_not_count(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    repository.add("a", day=3, parent="q")
    assert landed(repository) == ["a", "b"]


def test_files_of_one_commit_tie(repository: Repository) -> None:
    repository.add("c", day=1)
    repository.add("a", "b", day=2)
    repository.add("d", day=3)
    assert landed(repository) == ["c", "a b", "d"]


def test_dates_order_what_landed_on_branches(repository: Repository) -> None:
    repository.add("base", day=0)
    repository.branch("feature")
    repository.add("a", day=1)
    repository.add("c", day=3)
    repository.switch("main")
    repository.add("b", day=2)
    repository.add("d", day=4)
    repository.merge("feature", day=5)
    assert landed(repository) == ["base", "a", "b", "c", "d"]


def test_no_commit_comes_before_its_parents_whatever_the_clock_said(repository: Repository) -> None:
    repository.add("parent", day=9)
    repository.branch("feature")
    repository.add("child", day=1)
    repository.switch("main")
    repository.add("other", day=10)
    repository.merge("feature", day=11)
    assert landed(repository) == ["parent", "child", "other"]


def test_the_committer_date_counts(repository: Repository) -> None:
    repository.put("a")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "x", "--date", "2001-02-03T04:05:06", day=7)
    assert days(read(repository.top / VERSIONS)) == {"a": 7}


@pytest.mark.parametrize("date", ["", "x", "99999999999999999999 +0000"])
def test_a_damaged_date_is_no_crash(repository: Repository, date: str) -> None:
    repository.put("a")
    repository.git("add", "-A")
    tree = repository.git("write-tree")
    text = f"tree {tree}\nauthor a <a> 1 +0000\ncommitter a <a> {date}\n\nx\n"
    commit = repository.git(
        "hash-object", "-t", "commit", "-w", "--stdin", "--literally", answer=text.encode()
    )
    repository.git("update-ref", "refs/heads/main", commit)
    assert landed(repository) == ["a"]


# --- Renames -------------------------------------------------------------------------------------


def test_a_renamed_and_relinked_file_keeps_its_landing(repository: Repository) -> None:
    first = repository.add("a", day=1)
    repository.add("b", day=2)
    repository.move("a", "a_renamed")
    path = repository.path("a_renamed")
    path.write_bytes(
        path.read_bytes().replace(b"'p'", b"'b'").replace(b"Revises: p", b"Revises: b")
    )
    repository.commit(3)
    history = read(repository.top / VERSIONS)
    assert order(history) == ["a_renamed", "b"]
    assert history.landings[path].commit == first


def test_the_innermost_of_nested_locations_is_the_one_that_moved(repository: Repository) -> None:
    repository.add("old/tenants/a.py", day=1)
    repository.add("b", day=2)
    repository.move("old/tenants/a.py", f"{VERSIONS}/tenants/a.py")
    repository.commit(3)
    outer = repository.top / VERSIONS
    history = read_history(files_in([outer]), [outer, outer / "tenants"])
    assert order(history) == ["a", "b"]


def test_a_migration_generated_anew_in_place_of_another_lands_anew(repository: Repository) -> None:
    repository.add("b", day=1)
    repository.path("a").write_text(GENERATED.format("3f2b1c9d8e7a", "'b'", "2024-01-02 10:11:12"))
    repository.commit(2)
    repository.add("c", day=3)
    repository.path("a").unlink()
    repository.path("d").write_text(GENERATED.format("aabbccddeeff", "'c'", "2024-01-04 08:09:10"))
    repository.commit(4)
    assert landed(repository) == ["b", "c", "d"]


GENERATED = """\
\"\"\"add users

Revision ID: {0}
Revises: {1}
Create Date: {2}.123456

\"\"\"
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '{0}'
down_revision = {1}
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('users', sa.Column('email', sa.String(120)))


def downgrade():
    op.drop_column('users', 'email')
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("migrations/versions", "app/migrations/versions"),
        ("app/migrations/versions", "versions"),
        ("migrations/versions", "db/revisions"),
        ("plugins/billing", "src/plugins/billing"),
        ("migrations/versions", "migrations/versions/2024"),
    ],
)
def test_a_moved_directory_keeps_its_landings(repository: Repository, old: str, new: str) -> None:
    repository.add(f"{old}/b.py", day=1)
    repository.add(f"{old}/a.py", day=2)
    repository.add("docs/x.py", day=3)
    for name in ("a", "b"):
        repository.move(f"{old}/{name}.py", f"{new}/{name}.py")
    repository.commit(4)
    repository.add(f"{new}/c.py", day=5)
    assert landed(repository, new) == ["b", "a", "c"]


def test_a_moved_directory_with_directories_in_it(repository: Repository) -> None:
    repository.add("old/versions/2023/b.py", day=1)
    repository.add("old/versions/a.py", day=2)
    (repository.top / "new").mkdir()
    (repository.top / "old/versions").rename(repository.top / "new/versions")
    repository.commit(3)
    assert landed(repository, "new/versions") == ["b", "a"]


def test_renames_are_followed_one_after_the_other(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("x", day=2)
    repository.move("a", "b")
    repository.commit(3)
    repository.move("b", "old/versions/c.py")
    repository.commit(4)
    repository.add("y", day=5)
    repository.move("old/versions/c.py", "a")
    repository.commit(6)
    assert landed(repository) == ["a", "x", "y"]


def test_a_name_that_a_renamed_file_left_is_free(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.move("a", "b")
    repository.commit(2)
    repository.add("a", day=3, parent="other")
    assert landed(repository) == ["b", "a"]
    assert days(read(repository.top / VERSIONS)) == {"b": 1, "a": 3}


def test_a_name_that_another_file_had_before(repository: Repository) -> None:
    repository.add("b", day=1)
    repository.add("a", day=2, parent="other")
    repository.remove("b", day=3)
    repository.move("a", "b")
    repository.commit(4)
    assert days(read(repository.top / VERSIONS)) == {"b": 2}


def test_a_file_added_again_counts_from_then(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    repository.remove("a", day=3)
    repository.add("a", day=4)
    assert landed(repository) == ["b", "a"]


def test_renames_on_two_branches(repository: Repository) -> None:
    """Both move the directory, as after a cherry-pick."""
    repository.add("old/versions/a.py", day=1)
    repository.add("old/versions/b.py", day=2)
    for branch, day in (("one", 3), ("two", 4)):
        repository.branch(branch, "main")
        for name in "ab":
            repository.move(f"old/versions/{name}.py", name)
        repository.commit(day)
    repository.add("c", day=5)
    repository.merge("one", day=6)
    assert landed(repository) == ["a", "b", "c"]


# --- Merges --------------------------------------------------------------------------------------


def test_a_file_added_on_two_branches_counts_from_the_first(repository: Repository) -> None:
    repository.add("base", day=0)
    repository.branch("feature")
    added = repository.add("a", day=1)
    repository.add("a", day=2, parent="base")
    repository.switch("main")
    repository.add("b", day=3)
    repository.git("cherry-pick", added, day=4)
    repository.git("merge", "-q", "-X", "theirs", "-m", "merge", "feature", day=5)
    assert days(read(repository.top / VERSIONS)) == {"base": 0, "a": 1, "b": 3}


def test_a_branch_that_deleted_the_file_does_not_count(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.branch("feature")
    repository.remove("a", day=2)
    repository.switch("main")
    repository.add("b", day=3)
    repository.git("merge", "-q", "-s", "ours", "-m", "merge", "feature", day=4)
    assert landed(repository) == ["a", "b"]


def test_what_a_merge_itself_adds(repository: Repository) -> None:
    repository.add("base", day=0)
    repository.branch("feature")
    repository.add("b", day=1)
    repository.switch("main")
    repository.add("a", day=2)
    repository.git("merge", "-q", "--no-commit", "--no-ff", "feature")
    repository.add("merged", day=3)
    assert landed(repository) == ["base", "b", "a", "merged"]


def test_what_a_merge_puts_into_a_directory_moved_meanwhile(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.branch("feature")
    repository.add("b", day=2)
    repository.switch("main")
    repository.move("a", "app/versions/a.py")
    repository.commit(3)
    repository.add("app/versions/c.py", day=4)
    repository.git("merge", "-q", "--no-commit", "--no-ff", "-s", "ours", "feature")
    repository.git("checkout", "feature", "--", f"{VERSIONS}/b.py")
    repository.move("b", "app/versions/b.py")
    repository.commit(5)
    assert landed(repository, "app/versions") == ["a", "b", "c"]


# --- What Git does not know ----------------------------------------------------------------------


def test_in_a_shallow_clone_the_oldest_tie(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, name in enumerate("dcba"):
        repository.add(name, day=day)
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "2", f"file://{repository.top}", clone)
    monkeypatch.chdir(clone)
    history = read(clone / VERSIONS)
    assert order(history) == ["b c d", "a"]
    assert history.notices == (SHALLOW,)
    second = tmp_path / "second"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.top}", second)
    there = SHALLOW.replace("`git", "`git -C ../second")
    assert read(clone / VERSIONS, second / VERSIONS).notices == (SHALLOW, there)


def test_in_a_shallow_clone_of_a_merge_the_oldest_tie(
    repository: Repository, tmp_path: Path
) -> None:
    """As CI checks out a pull request: its parents seem to add all that they have."""
    repository.add("a", day=1)
    repository.git("checkout", "-q", "-b", "feature")
    repository.add("b", day=2)
    repository.git("checkout", "-q", "main")
    repository.add("c", day=3)
    repository.git("merge", "-q", "--no-edit", "feature", day=4)
    repository.add("d", day=5)
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "3", f"file://{repository.top}", clone)
    history = read(clone / VERSIONS)
    assert order(history) == ["a b c", "d"]
    assert {path.name for path in history.cut_off} == {"a.py", "b.py", "c.py"}


def test_a_shallow_clone_that_is_deep_enough(repository: Repository, tmp_path: Path) -> None:
    for day, name in enumerate("xcba"):
        repository.add("docs/x.py" if name == "x" else name, day=day)
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "3", f"file://{repository.top}", clone)
    history = read(clone / VERSIONS)
    assert order(history) == ["c", "b", "a"]
    assert history.notices == ()


def test_a_partial_clone_fetches_nothing(repository: Repository, tmp_path: Path) -> None:
    repository.add("old/versions/a.py", "old/versions/b.py", day=1)
    repository.add("c", day=2)
    repository.move("old/versions/a.py", "a")
    repository.move("old/versions/b.py", "b")
    repository.put("b", parent="q")
    repository.commit(3)
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--filter=blob:none", f"file://{repository.top}", clone)
    objects = sorted((clone / ".git/objects").rglob("*"))
    history = read(clone / VERSIONS)
    assert order(history) == ["a", "c", "b"]
    assert history.notices == (PARTIAL,)
    assert sorted((clone / ".git/objects").rglob("*")) == objects


def test_files_not_committed_yet(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.put("b")
    history = read(repository.top / VERSIONS)
    assert order(history) == ["a"]
    assert history.notices == ("1 migration is not committed yet: it counts as the latest",)
    repository.put("c")
    repository.git("add", "-A")
    history = read(repository.top / VERSIONS)
    assert order(history) == ["a"]
    assert history.notices == ("2 migrations are not committed yet: they count as the latest",)


@pytest.mark.parametrize("commits", [0, 1])
def test_nothing_committed_yet(repository: Repository, commits: int) -> None:
    repository.put("a", "b")
    for day in range(commits):
        repository.git("commit", "-q", "--allow-empty", "-m", "x", day=day)
    assert read(repository.top / VERSIONS) == GitHistory(
        {}, (f"none of the migrations is committed yet: {ALONE}",)
    )


def test_an_ignored_directory(repository: Repository) -> None:
    (repository.top / ".gitignore").write_text("migrations\n")
    repository.add("a", day=1)
    assert read(repository.top / VERSIONS).notices == (
        f"none of the migrations is committed yet: {ALONE}",
    )


def test_a_file_that_git_forgot_is_still_on_disk(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    repository.git("rm", "-q", "--cached", f"{VERSIONS}/a.py")
    repository.git("commit", "-q", "-m", "x", day=3)
    assert landed(repository) == ["a", "b"]


def put_outside(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "a.py").write_bytes(migration(rev("a")))
    return directory


def test_not_in_a_repository(tmp_path: Path) -> None:
    expected = GitHistory({}, (f"no Git repository was found: {ALONE}",))
    assert read(put_outside(tmp_path / "a"), put_outside(tmp_path / "b")) == expected


def test_no_git(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.add("a", day=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read(repository.top / VERSIONS) == GitHistory(
        {}, (f"the git command was not found: {ALONE}",)
    )


def test_nothing_to_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_history([], [tmp_path]) == GitHistory()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\nexec sleep 30\n", "git did not answer within 0.2 seconds"),
        ("no program", "git cannot be run (Exec format error)"),
        ("#!/bin/sh\nexit 7\n", "git failed (exit code 7)"),
        ("#!/bin/sh\necho advice >&2\necho dead >&2\nexit 7\n", "git failed (dead)"),
        ("#!/bin/sh\necho fatal: $LC_ALL >&2\nexit 7\n", "git failed (C)"),
        ("#!/bin/sh\nkill -9 $$\n", "git failed (exit code -9)"),
    ],
)
def test_a_git_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    script(tmp_path / "bin/git", text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setattr(running, "_TIME_LIMIT", 0.2 if "sleep" in text else 30)
    assert read(put_outside(tmp_path / "a")) == GitHistory({}, (f"{reason}: {ALONE}",))


def test_a_git_that_hangs_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    script(tmp_path / "bin/git", f"#!/bin/sh\necho call >>{calls}\nexec sleep 30\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(running, "_TIME_LIMIT", 0.2)
    for name in "abc":
        (notice,) = read(put_outside(tmp_path / name)).notices
        assert notice.startswith("git did not answer within 0.2 seconds")
    assert calls.read_text() == "call\n"


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root gives away")
def test_a_repository_of_somebody_else(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("a", day=1)
    for path in (repository.top, repository.top / ".git"):
        os.chown(path, 12345, 12345)
    assert read(repository.top / VERSIONS) == GitHistory(
        {},
        (f"git failed (detected dubious ownership in repository at '{repository.top}'): {ALONE}",),
    )
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(repository.top))
    assert landed(repository) == ["a"]


def test_where_git_may_not_look(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.add("a", day=1)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.top))
    assert read(repository.top / VERSIONS).notices == (f"no Git repository was found: {ALONE}",)


def test_a_bare_repository(repository: Repository) -> None:
    repository.git("config", "core.bare", "true")
    assert read(put_outside(repository.top / ".git/versions")).notices == (
        f"git failed (this operation must be run in a work tree): {ALONE}",
    )


@pytest.mark.parametrize("lost", ["HEAD~1", "HEAD", "HEAD^{tree}", f"HEAD~1:{VERSIONS}"])
@pytest.mark.parametrize("damage", ["gone", "garbage", "empty"])
def test_a_corrupted_repository(repository: Repository, lost: str, damage: str) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    name = repository.git("rev-parse", lost)
    path = repository.top / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else b"garbage")
    history = read(repository.top / VERSIONS)
    assert history.landings == {}
    (notice,) = history.notices
    assert notice.startswith("git failed (")
    assert notice.endswith(f"): {ALONE}")
    assert "\n" not in notice


@pytest.mark.parametrize("file", ["HEAD", "config", "packed-refs", "refs/heads/main", "shallow"])
def test_damaged_administration(repository: Repository, file: str) -> None:
    repository.add("a", day=1)
    repository.git("pack-refs", "--all")
    path = repository.top / ".git" / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\xffgarbage\n[")
    history = read(repository.top / VERSIONS)
    assert history.landings == {}
    assert len(history.notices) == 1


# --- Names ---------------------------------------------------------------------------------------

NOT_UNICODE = pytest.param(
    "\udcff", marks=pytest.mark.skipif(sys.platform != "linux", reason="no such names there")
)
ODD = ["with space", "quo'te\"", "ünï 漢", "[a-z]*?", "back\\slash", ":(top)", "-M", "li\nne", "~"]


@pytest.mark.parametrize("name", [*ODD, "a%h", "commit,a,b,c", "A", NOT_UNICODE])
@pytest.mark.parametrize("moved", [False, True])
def test_any_path(repository: Repository, name: str, moved: bool) -> None:
    old, new = f"old {name}/{name}", f"{name}/new/{name}"
    repository.add(f"{old if moved else new}/{name}.py", day=1)
    repository.add(f"{old if moved else new}/b.py", day=2)
    if moved:
        shutil.copytree(repository.top / old, repository.top / new)
        shutil.rmtree(repository.top / old)
        repository.commit(3)
    assert landed(repository, new) == [name, "b"]


def test_a_repository_of_any_name(tmp_path: Path) -> None:
    for name in ODD:
        repository = Repository(tmp_path / name / "\n")
        repository.add("a", day=1)
        repository.add("b", day=2)
        assert landed(repository) == ["a", "b"]


def test_the_location_is_the_repository(repository: Repository) -> None:
    repository.add("x/../a.py", day=1)
    repository.add("x/../b.py", day=2)
    assert landed(repository, ".") == ["a", "b"]


# --- Configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", DISTURBING)
def test_the_user_s_configuration_does_not_disturb(repository: Repository, setting: str) -> None:
    gpg = script(repository.top / "gpg", FAKE_GPG)
    repository.git("config", "gpg.program", gpg)
    repository.git("config", "commit.gpgSign", "true")
    (repository.top / "attributes").write_text("*.py diff=x\n")
    repository.git("config", "diff.x.textconv", "false")
    repository.add("old/versions/a.py", "old/versions/b.py", day=1)
    repository.add("c", day=2)
    repository.git("notes", "add", "-m", "note")
    for name in "ab":
        repository.path(f"old/versions/{name}.py").unlink()
        repository.path(f"{name}2").write_bytes(migration(rev(f"{name} <- q")))
    repository.commit(3)
    key, _, value = setting.partition("=")
    repository.git("config", key, value)
    assert landed(repository) == ["a2 b2", "c"]


FAKE_GPG = """\
#!/bin/sh
case "$*" in
    *--verify*) echo "gpg: noise" >&2; echo "[GNUPG:] GOODSIG a a" ;;
    *) cat >/dev/null; echo "[GNUPG:] SIG_CREATED a" >&2
       printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nx\\n-----END PGP SIGNATURE-----\\n' ;;
esac
"""


@pytest.mark.parametrize(
    "variable",
    [
        "GIT_EXTERNAL_DIFF",
        "GIT_GLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_TRACE",
    ],
)
def test_the_user_s_variables_do_not_disturb(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    repository.add("old/versions/a.py", day=1)
    repository.add("b", day=2)
    repository.move("old/versions/a.py", "a")
    repository.commit(3)
    monkeypatch.setenv(variable, "1")
    assert landed(repository) == ["a", "b"]


# --- Layouts -------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> Repository:
    """Another repository, which hooks run for."""
    other = Repository(tmp_path / "other")
    other.add("x", day=1)
    return other


def test_variables_of_a_hook(
    repository: Repository, other: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    for directory in (repository.top / ".git", other.top / ".git", Path(".git")):
        monkeypatch.chdir(other.top)
        monkeypatch.setenv("GIT_DIR", str(directory))
        monkeypatch.setenv("GIT_WORK_TREE", str(other.top))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other.top / ".git/index"))
        monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.top / ".git/objects"))
        monkeypatch.setenv("GIT_PREFIX", "sub/")
        assert landed(repository) == ["a", "b"]


def test_in_a_real_hook(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    tree = tmp_path / "tree"
    repository.git("worktree", "add", "-q", tree)
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from flask_chainfix.git.landings import read_history\n"
        f"location = Path({str(tree / VERSIONS)!r})\n"
        "history = read_history(location.iterdir(), [location])\n"
        "landed = {path.stem: landing.position for path, landing in history.landings.items()}\n"
        f"Path({str(tmp_path / 'answer')!r}).write_text(json.dumps([landed, history.notices]))\n"
    )
    (tmp_path / "hook.py").write_text(program)
    script(
        repository.top / ".git/hooks/pre-commit",
        f'#!/bin/sh\ntest -n "$GIT_DIR" && PYTHONPATH={Path.cwd()} {sys.executable}'
        f" {tmp_path / 'hook.py'}\n",
    )
    Repository(tree).add("c", day=3)
    pending = "1 migration is not committed yet: it counts as the latest"
    assert json.loads((tmp_path / "answer").read_text()) == [{"a": 0, "b": 1}, [pending]]


@pytest.mark.parametrize("start", [".", "..", "sub"])
@pytest.mark.parametrize("location", [VERSIONS, "."])
def test_a_work_tree_that_only_variables_tell_of(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    location: str,
) -> None:
    repository.add("./root.py", "sub/versions/x.py", day=0)
    repository.add("old/versions/a.py", day=1)
    repository.add("b", day=2)
    repository.remove("sub/versions/x.py", day=2)
    repository.move("old/versions/a.py", "a")
    repository.commit(3)
    repository.git("config", "diff.relative", "true")
    (repository.top / ".git").rename(tmp_path / "elsewhere")
    outside = put_outside(tmp_path / "outside")
    (repository.top / "sub").mkdir(exist_ok=True)
    monkeypatch.chdir(repository.top / start)
    monkeypatch.setenv("GIT_DIR", os.path.relpath(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", os.path.relpath(repository.top))
    assert landed(repository, location) == ["root"] * (location == ".") + ["a", "b"]
    assert read(outside).notices == (f"no Git repository was found: {ALONE}",)


def test_a_linked_directory(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    link = tmp_path / "link"
    link.symlink_to(repository.top / VERSIONS)
    history = read_history([link / "a.py", link / "b.py"], [link])
    assert set(history.landings) == {link / "a.py", link / "b.py"}
    assert order(history) == ["a", "b"]
    both = read_history([link / "a.py", repository.path("a")], [link])
    assert len(both.landings) == 2
    assert order(both) == ["a a"]


def test_a_file_outside_of_the_locations(repository: Repository) -> None:
    """The target of a link in one."""
    repository.add("shared/a.py", day=1)
    repository.add("b", day=2)
    history = read_history(
        [repository.path("b"), repository.path("shared/a.py")], [repository.top / VERSIONS]
    )
    assert order(history) == ["a", "b"]
    assert history.notices == ()


def test_a_worktree_and_a_submodule(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    tree = tmp_path / "tree"
    repository.git("worktree", "add", "-q", "--detach", tree, "HEAD")
    assert landed(Repository(tree)) == ["a", "b"]
    around = Repository(tmp_path / "around")
    around.add("versions/x.py", day=3)
    around.git("submodule", "--quiet", "add", f"file://{repository.top}", "module")
    around.commit(4)
    assert landed(around, f"module/{VERSIONS}") == ["a", "b"]


def test_directories_below_a_location(repository: Repository) -> None:
    for day, name in enumerate(["2023/b.py", "a.py", "2022/deep/c.py"]):
        repository.add(f"{VERSIONS}/{name}", day=day)
    assert landed(repository) == ["b", "a", "c"]


def test_dates_order_what_two_repositories_hold(repository: Repository, tmp_path: Path) -> None:
    second = Repository(tmp_path / "second")
    repository.add("a", day=1)
    second.add("b", day=2)
    repository.add("d", day=4)
    repository.add("c", day=3)
    second.add("e", day=5)
    history = read(repository.top / VERSIONS, second.top / VERSIONS)
    assert order(history) == ["a", "b", "d", "c", "e"]
    assert history.notices == ()


def test_one_of_two_locations_is_in_a_repository(repository: Repository, tmp_path: Path) -> None:
    repository.add("x", day=1)
    outside = put_outside(tmp_path / "outside")
    history = read(outside, repository.top / VERSIONS)
    assert order(history) == ["x"]
    assert history.notices == (
        f"no Git repository was found: the migrations in {outside} count as the latest",
    )


def test_git_is_asked_once_for_each_repository(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locations = ["one/versions", "two/versions", "two/versions/below"]
    for day, location in enumerate(locations):
        repository.add(f"{location}/{day}.py", day=day)
    calls = tmp_path / "calls"
    real = shutil.which("git")
    script(tmp_path / "bin/git", f'#!/bin/sh\necho " $*" >>{calls}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    paths: Sequence[Path] = [repository.top / location for location in locations]
    assert order(read_history(files_in(paths[:2]), paths)) == ["0", "1", "2"]
    assert calls.read_text().count(" log ") == 1
    assert calls.read_text().count(" rev-parse ") == len(locations)
