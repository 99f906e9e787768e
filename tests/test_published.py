"""check --against: what may not be changed of what others have, with real repositories."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, fixchain
from tests.disk import environment, tree
from tests.repositories import VERSIONS, Repository, edit, file_of, needs_git, put, script
from tests.support import Rev, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

CHAIN = ("a", "b <- a", "c <- b")


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with three revisions on ``main``, and a branch of it checked out."""
    environment(repository.top / "migrations", *CHAIN)
    repository.commit(1)
    repository.branch("feature")
    monkeypatch.chdir(repository.top)
    return repository


def check(*options: str, against: str = "main") -> Done:
    return fixchain("check", "--format", "json", "--against", against, *options)


def changed(*options: str, against: str = "main") -> dict[str, str]:
    """What FC501 says of each revision; there may be no other error."""
    done = check(*options, against=against)
    findings = [each for each in done.document["findings"] if each["severity"] == "error"]
    assert {finding["code"] for finding in findings} <= {"FC501"}
    assert done.exit_code == (1 if findings else 0)
    return {finding["revisions"][0]: finding["message"] for finding in findings}


# --- What is found, and what is not --------------------------------------------------------------


def test_new_revisions_on_top_are_welcome(project: Repository) -> None:
    assert changed() == {}
    put("d <- c", "e <- d")
    assert changed() == {}
    project.commit(2)
    assert changed() == {}


def test_a_deleted_revision(project: Repository) -> None:
    file_of("c").unlink()
    assert changed() == {"c": "c, which main has, was deleted"}
    project.commit(2)
    assert changed() == {"c": "c, which main has, was deleted"}


def test_a_renamed_revision(project: Repository) -> None:
    edit("c", "revision = 'c'", "revision = 'x'")
    said = "c, which main has, was renamed: its id is x now (c_add_c.py)"
    assert changed() == {"c": said}
    file_of("c").rename(file_of("x"))
    assert changed() == {"c": said.replace("c_add_c", "x_add_x")}


def test_an_id_that_is_computed_now(project: Repository) -> None:
    edit("c", "revision = 'c'", "revision = make()")
    finding = check().document["findings"][0]
    assert finding["code"] == "FC501"
    assert "has a computed id now" in finding["message"]


def test_a_reparented_revision(project: Repository) -> None:
    put("n <- b")
    edit("c", "down_revision = 'b'", "down_revision = 'n'")
    assert changed() == {"c": "c, which main has, now builds on n instead of b"}
    (place,) = check().document["findings"][0]["locations"]
    assert place == {"path": str(file_of("c")), "line": 14}


def test_a_base_that_is_none_any_more_and_a_changed_dependency(project: Repository) -> None:
    put("n", Rev("a", ("n",), depends_on=("n",)))
    assert (
        "now builds on n instead of nothing, and depends on n instead of nothing" in changed()["a"]
    )


def test_a_revision_that_does_something_else(project: Repository) -> None:
    edit("b", "create_table('t_b'", "create_table('t_other'")
    assert changed() == {"b": "b, which main has, does something else in upgrade()"}
    document = check().document
    (place,) = document["findings"][0]["locations"]
    lines = file_of("b").read_text().splitlines()
    assert lines[place["line"] - 1] == "def upgrade():"
    assert (
        f"git checkout main -- {os.path.relpath(file_of('b'))}" in document["findings"][0]["hint"]
    )
    assert "--allow b" in document["findings"][0]["hint"]
    assert "restamp --old main" in document["findings"][0]["hint"]


def test_a_changed_revision_in_another_file(project: Repository) -> None:
    edit("b", "create_table('t_b'", "create_table('t_other'")
    old, new = file_of("b"), file_of("b").with_name("b_moved.py")
    old.rename(new)
    remedy = check().document["findings"][0]["remedies"][0]
    assert f"delete {os.path.relpath(new)}" in remedy["text"]
    assert remedy["commands"] == [f"git checkout main -- {os.path.relpath(old)}"]


def test_each_revision_is_one_finding(project: Repository) -> None:
    put("n", rev("b <- n", date="2024-01-02"))
    edit("b", "t_b", "t_x")
    file_of("c").unlink()
    findings = check().document["findings"]
    assert [each["revisions"] for each in findings if each["code"] == "FC501"] == [["b"], ["c"]]


HARMLESS: dict[str, Callable[[str], str]] = {
    "a docstring": lambda text: text.replace("add c", "Adds a table.", 1),
    "Revises": lambda text: text.replace("Revises: b", "Revises: x"),
    "a comment": lambda text: text.replace("def upgrade", "# why\ndef upgrade"),
    "layout": lambda text: text.replace("('t_c', ", '(\n        "t_c",\n        '),
    "line ends": lambda text: text.replace("\n", "\r\n"),
    "annotations": lambda text: text.replace("upgrade():", "upgrade() -> None:").replace(
        "revision = 'c'", "revision: str = 'c'"
    ),
    "an inner docstring": lambda text: text.replace("upgrade():", 'upgrade():\n    """Up."""'),
    "downgrade": lambda text: text.replace("op.drop_table('t_c')", "pass"),
    "a helper of downgrade": lambda text: text.replace(
        "op.drop_table('t_c')", "clear()\n\ndef clear():\n    op.drop_table('t_c')"
    ),
    "order of imports": lambda text: text.replace(
        "from alembic import op\nimport sqlalchemy as sa\n",
        "import sqlalchemy as sa\nfrom alembic import op\n",
    ),
    "an unused import": lambda text: text.replace("import op\n", "import context, op\nimport os\n"),
    "a label": lambda text: text.replace("branch_labels = None", "branch_labels = ('x',)"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_may_change(project: Repository, name: str) -> None:
    text = file_of("c").read_bytes().decode()
    file_of("c").write_bytes(HARMLESS[name](text).encode())
    assert file_of("c").read_bytes().decode() != text
    assert "FC501" not in {each["code"] for each in check().document["findings"]}


def test_a_file_name_may_change(project: Repository) -> None:
    file_of("c").rename(f"{VERSIONS}/another name.py")
    project.commit(2)
    assert changed() == {}


USED = """
SIZE = 20
kinds = make(SIZE)


def helper():
    return sa.String(SIZE)


def upgrade():
    op.add_column('t_c', sa.Column('x', helper()))
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIZE = 20", "SIZE = 30"),
        ("return sa.String(SIZE)", "return sa.Text()"),
        ("import sqlalchemy as sa", "import other as sa"),
        ("from alembic import op\n", "from alembic import op\nop = wrapped(op)\n"),
        ("def upgrade():", "if True:\n    SIZE = 5\n\ndef upgrade():"),
        ("def upgrade():", "def upgrade(name):"),
    ],
)
def test_what_upgrade_uses_of_its_module_may_not(project: Repository, old: str, new: str) -> None:
    text = file_of("c").read_text()
    start, end = text.index("\ndef upgrade"), text.index("\ndef downgrade")
    file_of("c").write_text(text[:start] + USED + text[end:])
    project.commit(2)
    edit("c", "kinds = make(SIZE)", "kinds = make(SIZE, 1)")  # which upgrade() does not use
    assert changed(against="feature") == {}
    edit("c", old, new)
    assert set(changed(against="feature")) == {"c"}


def test_a_file_that_cannot_be_read_is_a_finding_of_its_own(project: Repository) -> None:
    file_of("c").write_bytes(b"<<<<<<< HEAD\n")
    assert [each["code"] for each in check().document["findings"]] == ["FC106"]


def test_a_copy_of_a_published_file_is_no_change_of_it(project: Repository) -> None:
    shutil.copy(file_of("c"), f"{VERSIONS}/c copy.py")
    assert [each["code"] for each in check().document["findings"]] == ["FC104"]


def test_the_rule_can_be_ignored_and_does_not_run_on_its_own(project: Repository) -> None:
    file_of("c").unlink()
    assert fixchain("check").exit_code == 0
    Path("migrations/alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC501\n")
    assert changed() == {}


def test_parents_in_another_order_are_the_same(project: Repository) -> None:
    put("x <- c", "y <- c", Rev("m", ("x", "y"), upgrade=()))
    project.commit(2)
    edit("m", "('x', 'y')", "('y', 'x')")
    assert changed(against="feature") == {}


# --- Deliberate repairs --------------------------------------------------------------------------


def test_what_is_allowed_may_change(project: Repository) -> None:
    edit("b", "t_b", "t_x")
    file_of("c").unlink()
    assert set(changed()) == {"b", "c"}
    assert set(changed("--allow", "b")) == {"c"}
    done = check("--allow", "b", "--allow", "c")
    assert done.exit_code == 0
    assert done.document["notices"] == []


def test_what_need_not_be_allowed_is_told(project: Repository) -> None:
    notices = check("--allow", "a", "--allow", "never").document["notices"]
    assert [notice.split(":")[0] for notice in notices] == [
        "--allow a is not needed",
        "--allow never is not needed",
    ]


def test_a_repair_passes_with_what_it_relinks_allowed(project: Repository) -> None:
    project.switch("main")
    put("x <- b")
    project.commit(2)
    project.branch("repair")
    assert fixchain("repair", "--yes").exit_code == 0
    (relinked,) = changed()
    assert changed("--allow", relinked) == {}


def test_an_allowance_needs_something_to_allow(project: Repository) -> None:
    done = fixchain("check", "--allow", "a")
    assert done.exit_code == 2
    assert "--against" in done.stderr


# --- What REF has --------------------------------------------------------------------------------


def test_a_branch_that_is_behind_has_deleted_nothing(project: Repository) -> None:
    project.switch("main")
    put("d <- c")
    edit("c", "t_c", "t_x")
    project.commit(2)
    project.switch("feature")
    assert changed() == {}


def test_what_main_has_changed_or_deleted_in_the_same_way_is_no_change(project: Repository) -> None:
    # The branch on which it was done was squashed when it landed.
    for branch in ("main", "feature"):
        project.switch(branch)
        Path("other").write_text(branch)
        edit("b", "t_b", "t_x")
        file_of("c").unlink()
        project.commit(2)
    assert changed() == {}
    edit("b", "t_x", "t_y")
    assert {each["code"] for each in check().document["findings"]} >= {"FC501", "FC503"}


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_what_main_has_no_more_at_its_place_comes_back_from_before(
    project: Repository, how: str
) -> None:
    project.switch("main")
    if how == "renamed":
        file_of("c").rename(file_of("x"))
    else:
        file_of("c").unlink()
    project.commit(2)
    project.switch("feature")
    edit("c", "t_c", "t_x")
    found = [each for each in check().document["findings"] if each["code"] == "FC501"]
    (command,) = found[0]["remedies"][0]["commands"]
    project.git(*shlex.split(command)[1:])
    assert changed() == {}


def test_in_the_middle_of_a_merge_what_is_merged_counts(project: Repository) -> None:
    put("mine <- c")
    Path("other").write_text("mine")
    project.commit(2)
    project.switch("main")
    put("theirs <- c")
    Path("other").write_text("theirs")
    project.commit(3)
    project.switch("feature")
    with pytest.raises(AssertionError):
        project.merge("main", day=4)
    assert (project.top / ".git/MERGE_HEAD").exists()
    edit("theirs", "down_revision = 'c'", "down_revision = 'mine'")
    assert changed() == {"theirs": "theirs, which main has, now builds on mine instead of c"}


def test_after_a_rebase_what_it_is_on_counts(project: Repository) -> None:
    put("mine <- c")
    project.commit(2)
    project.switch("main")
    put("theirs <- c")
    project.commit(3)
    project.git("checkout", "-q", "--detach", "feature")
    project.git("rebase", "-q", "main")
    edit("mine", "down_revision = 'c'", "down_revision = 'theirs'")
    assert changed() == {}
    edit("theirs", "t_theirs", "t_x")
    assert set(changed()) == {"theirs"}


def test_histories_that_have_nothing_in_common(project: Repository) -> None:
    project.git("checkout", "-q", "--orphan", "apart")
    assert changed() == {}  # before its first commit
    edit("c", "t_c", "t_x")
    project.commit(2)
    codes = {each["code"]: each["revisions"] for each in check().document["findings"]}
    assert codes == {"FC501": ["c"], "FC503": []}  # both have added the file


def test_a_place_without_migrations_is_all_new(project: Repository) -> None:
    shutil.move("migrations", "elsewhere")
    done = fixchain("-d", "elsewhere", "check", "--against", "main")
    assert done.exit_code == 0
    assert "was not there at main: its migrations count as new" in " ".join(done.stdout.split())


def test_a_worktree(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    project.git("worktree", "add", "-q", "-b", "side", project.top / "side")
    monkeypatch.chdir(project.top / "side")
    edit("c", "t_c", "t_x")
    assert set(changed()) == {"c"}


def test_a_checkout_with_other_line_ends_reads_nothing_twice(
    project: Repository, calls: Callable[[], list[str]]
) -> None:
    for path in Path(VERSIONS).iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    calls()
    assert changed() == {}
    assert sum(" --batch" in call for call in calls()) == 1  # for the folders, none for contents


def test_hashes_of_another_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Callable[[], list[str]]
) -> None:
    top = tmp_path / "sha256"
    environment(top / "migrations", *CHAIN)
    made = Repository.__new__(Repository)
    made.top = top
    made.git("init", "-q", "-b", "main", "--object-format=sha256")
    made.commit(1)
    monkeypatch.chdir(top)
    calls()
    assert changed() == {}
    assert len(calls()) == 2
    edit("c", "t_c", "t_x")
    assert set(changed()) == {"c"}


# --- What cannot be told -------------------------------------------------------------------------


def refused(against: str = "main") -> dict[str, str]:
    done = check(against=against)
    assert done.exit_code == 3
    error = done.document["error"]
    assert isinstance(error, dict)
    assert error["type"] == "CannotReadGit"
    return error


_OTHERS = """\
#!/bin/sh
echo "fatal: detected dubious ownership in repository at '/it is/ours'" >&2
echo "To add an exception for this directory, call:" >&2
exit 128
"""


@pytest.mark.parametrize("command", ["check --against main", "check --staged", "rebase", "hook"])
def test_a_repository_of_another_user(
    project: Repository, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """As in a container, where the clone was made outside."""
    program = script(project.top / "bin/git", _OTHERS)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.defpath}")
    words = [*command.split(), *(["--install"] if command == "hook" else [])]
    done = fixchain(*words, "--format", "json")
    assert done.exit_code == 3
    (way,) = done.document["error"]["remedies"]
    assert way["commands"] == ["git config --global --add safe.directory '/it is/ours'"]


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "migrations", *CHAIN)
    monkeypatch.chdir(tmp_path)
    assert "no Git repository was found" in refused()["message"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the git command was not found" in refused()["message"]


@pytest.mark.parametrize(
    "ref", ["never", "--all", "-h", "--output=x", "", "main\nmain", "$(touch x)", "main; touch x"]
)
def test_what_is_no_revision(project: Repository, ref: str) -> None:
    before = tree(project.top)
    assert "is not a revision in the Git repository" in refused(ref)["message"]
    assert tree(project.top) == before


def test_a_branch_that_looks_like_an_option(project: Repository) -> None:
    project.git("update-ref", "refs/heads/--all", "HEAD")
    edit("c", "t_c", "t_x")
    assert set(changed(against="--all")) == {"c"}


def test_a_shallow_clone(
    project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("other/x.py", day=2)
    project.switch("main")
    project.add("other/y.py", day=3)
    clone = tmp_path / "clone"
    project.git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{project.top}", clone)
    monkeypatch.chdir(clone)
    error = refused("origin/feature")
    assert "the clone is too shallow" in error["message"]
    assert "fetch-depth: 0" in error["remedy"]
    assert "git fetch --unshallow" in error["remedy"]
    assert "fetch-depth: 0" in refused("never")["remedy"]
    Repository(clone).git("fetch", "-q", "--unshallow")
    assert changed(against="origin/feature") == {}


# --- Few questions -------------------------------------------------------------------------------


def test_git_is_asked_at_most_nine_times(
    project: Repository, calls: Callable[[], list[str]]
) -> None:
    put(*(f"r{number} <- {f'r{number - 1}' if number else 'c'}" for number in range(30)))
    project.commit(2)
    calls()
    assert changed(against="feature") == {}
    assert len(calls()) == 2
    for number in range(30):
        edit(f"r{number}", f"t_r{number}", f"t_s{number}")
    put("x <- c")  # which makes a repair necessary, that looks at the history
    document = check(against="feature").document
    codes = [finding["code"] for finding in document["findings"]]
    assert codes.count("FC501") == 30
    assert document["plan"]
    assert len(calls()) <= 9
