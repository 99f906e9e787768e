"""lock: a file on which branches collide in Git, what it says, and who keeps it up to date."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix import disk
from flask_chainfix.chain.heads_file import edit_for, expected_lines
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.disk import writing
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.files import ChainLock, Edit
from tests.commands import Done, fixchain, flask, on_terminal
from tests.disk import environment, tree
from tests.repositories import Repository, needs_git
from tests.support import Rev, chain, migration, rev

LABELLED = ("a", "b <- a", "p @payments", "q <- p")


def lines(snapshot: Facts) -> list[str]:
    """What the lock of a chain says."""
    edit = edit_for(replace(snapshot, lock=None), create=True)
    assert edit is not None
    assert edit.after is not None
    return body(edit.after)


def body(data: bytes) -> list[str]:
    text = data.decode().splitlines()
    return [line for line in text if line and not line.startswith("#")]


def locked(snapshot: Facts, data: bytes | None, problem: str = "") -> Facts:
    lock = ChainLock(snapshot.environment.lock_path, data, problem)
    return replace(snapshot, lock=lock)


def in_step(snapshot: Facts) -> Facts:
    edit = edit_for(replace(snapshot, lock=None), create=True)
    assert edit is not None
    return snapshot.after([edit])


def drift(snapshot: Facts) -> list[str]:
    return [each.message for each in diagnose(snapshot, Family.LOCK)]


# --- What it says --------------------------------------------------------------------------------


def test_one_line_for_each_lineage() -> None:
    assert lines(chain("a", "b <- a", "c <- b")) == ["a: c"]
    assert lines(chain(*LABELLED)) == ["a: b", "p: q"]
    assert lines(chain("a", "x <- a @x", "y <- a @y", "z <- y")) == ["x: x", "y: z"]
    apart = Settings(intended_bases=frozenset({"p"}))
    assert lines(chain("a", "b <- a", "p", settings=apart)) == ["a: b", "p: p"]


def test_what_a_line_begins_with_outlasts_new_migrations() -> None:
    """The larger of two labelled bases counts as the main one, which may change."""
    small = chain("a @x", "p @y", "q <- p")
    large = chain("a @x", "b <- a", "c <- b", "p @y", "q <- p")
    assert lines(small) == ["a: a", "p: q"]
    assert lines(large) == ["a: c", "p: q"]


@pytest.mark.parametrize(
    "snapshot",
    [
        chain("a", "b <- a", "c <- a"),
        chain("a", "b"),
        chain("a <- b", "b <- a"),
        chain(),
        chain("a", extra={"x.py": b"("}),
    ],
)
def test_a_chain_without_a_head_of_its_own_has_no_lock(snapshot: Facts) -> None:
    assert expected_lines(snapshot) is None
    assert edit_for(snapshot, create=True) is None
    assert edit_for(locked(snapshot, b"a: a\n")) is None


def test_ids_of_any_kind_have_a_line() -> None:
    odd = [Rev("a b"), Rev("ü\n# x", ("a b",), upgrade=(), downgrade=())]
    (line,) = lines(chain(*odd))
    assert line == r"a b: '\xfc\n# x'"
    assert drift(in_step(chain(*odd))) == []


def test_a_lock_is_only_kept_up_to_date_where_there_is_one() -> None:
    snapshot = chain("a", "b <- a")
    assert edit_for(snapshot) is None
    assert edit_for(locked(snapshot, None, "is a directory")) is None
    edit = edit_for(locked(snapshot, b"a: a\r\n"))
    assert edit is not None
    assert edit.after is not None
    assert edit.after.count(b"\r\n") == edit.after.count(b"\n") > 1


@pytest.mark.parametrize(
    "data", [b"a: b", b"# mine\n\na: b\n", b"  a: b  \r\n\r\n", b"\na: b\n# behind it\n"]
)
def test_comments_blanks_and_line_ends_do_not_matter(data: bytes) -> None:
    snapshot = locked(chain("a", "b <- a"), data)
    assert drift(snapshot) == []
    assert edit_for(snapshot) is None


# --- FC502 ---------------------------------------------------------------------------------------


def test_no_lock_is_no_fault() -> None:
    assert drift(chain("a")) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: a\n\np: q\n", "chain.lock names 'a', but the head is b"),
        (b"p: q\n", "chain.lock does not name the head b"),
        (b"", "chain.lock does not name the head b"),
        (b"\x00\xff", "chain.lock does not name the head b"),
        (b"a: b\n\np: q\n\nx: y\n", "chain.lock names 'x: y', which is not a head of this chain"),
        (b"a: b\na: c\np: q\n", "chain.lock has several lines for a"),
        (b"a: b\na: b\np: q\n", "chain.lock has several lines for a"),
        (
            b"<<<<<<< HEAD\na: b\n=======\na: c\n>>>>>>> x\np: q\n",
            "chain.lock holds Git conflict markers: both sides have added a migration",
        ),
    ],
)
def test_a_lock_out_of_step(data: bytes, message: str) -> None:
    snapshot = locked(chain(*LABELLED), data)
    assert drift(snapshot) == [message]
    edit = edit_for(snapshot)
    assert edit is not None
    assert drift(snapshot.after([edit])) == []


def test_a_lock_that_cannot_be_read() -> None:
    snapshot = locked(chain("a"), None, "is not a regular file")
    assert drift(snapshot) == ["chain.lock is not a regular file"]


def test_several_heads_are_reported_and_not_their_echo() -> None:
    two = chain("a", "b <- a", "c <- a")
    assert drift(locked(two, b"a: b\n")) == []
    assert drift(locked(two, b"=======\n")) != []


@given(
    st.lists(st.sampled_from(["a: b", "p: q", "a: a", "", "# x", "=======", "\ufeff"]), max_size=6)
)
def test_whatever_a_lock_holds_it_is_in_step_or_has_a_finding(parts: list[str]) -> None:
    snapshot = locked(chain(*LABELLED), "\n".join(parts).encode())
    said = sorted(part for part in parts if part and not part.startswith("#"))
    assert (drift(snapshot) == []) == (said == ["a: b", "p: q"])


# --- The command ---------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a healthy chain, a < b < c."""
    monkeypatch.chdir(tmp_path)
    return environment(tmp_path / "migrations", "a", "b <- a", "c <- b")


def found() -> list[str]:
    """The codes of the errors that a check finds."""
    document = fixchain("check", "--format", "json").document
    return [each["code"] for each in document["findings"] if each["severity"] == "error"]


def lock(*options: str) -> Done:
    return fixchain("lock", *options)


def add(place: Path, *specs: str) -> None:
    for spec in specs:
        item = rev(spec, date="2024-02-02")
        path = place / f"versions/{item.revision}_add_{item.revision}.py"
        path.write_bytes(migration(item))


def test_it_is_shown_written_and_compared(project: Path) -> None:
    before = tree(project)
    refused = lock()
    assert refused.exit_code == 3
    assert "+a: c" in refused.stdout
    assert tree(project) == before
    done = lock("--yes")
    assert done.exit_code == 0
    assert "migrations/chain.lock" in done.stdout
    assert "git" not in done.stdout
    assert body((project / "chain.lock").read_bytes()) == ["a: c"]
    assert found() == []
    again = lock()
    assert again.exit_code == 0
    assert "up to date" in again.stdout
    add(project, "d <- c")
    assert found() == ["FC502"]
    assert "names 'c', but the head is d" in " ".join(fixchain("check").stdout.split())
    assert lock("--yes").exit_code == 0
    assert found() == []


@pytest.fixture
def cloned(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with a healthy chain, a < b < c, which is the working directory."""
    monkeypatch.chdir(repository.top)
    environment(repository.top / "migrations", "a", "b <- a", "c <- b")
    return repository


@needs_git
def test_it_says_how_to_commit_what_it_wrote(cloned: Repository) -> None:
    (cloned.top / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    done = fixchain("-c", "alembic.ini", "lock", "--install", "--yes")
    for command in printed(done):
        cloned.git(*command)
    assert cloned.git("status", "--porcelain") == ""


@needs_git
def test_in_the_middle_of_a_merge_it_says_how_to_go_on(cloned: Repository) -> None:
    other = cloned.top / "other.txt"
    assert lock("--yes").exit_code == 0
    other.write_text("base\n")
    cloned.commit(1)
    cloned.branch("mine")
    other.write_text("mine\n")
    add(cloned.top / "migrations", "d <- c")
    cloned.commit(2)
    cloned.switch("main")
    other.write_text("theirs\n")
    cloned.commit(3)
    with pytest.raises(AssertionError):
        cloned.git("merge", "mine")
    other.write_text("both\n")
    cloned.git("add", "other.txt")
    for command in printed(lock("--yes")):
        cloned.git(*command)
    assert cloned.git("status", "--porcelain") == ""
    assert not (cloned.top / ".git/MERGE_HEAD").exists()
    assert found() == []


def printed(done: Done) -> list[list[str]]:
    """The commands of Git that were printed, without the program."""
    lines = (line.strip() for line in done.stdout.splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("git ")]


@pytest.mark.parametrize(
    ("env", "typed"),
    [("", "fixchain"), ("from flask import current_app\n", "flask db fixchain")],
)
def test_it_names_commands_as_the_project_types_them(project: Path, env: str, typed: str) -> None:
    (project / "env.py").write_text(env)
    assert lock("--yes").exit_code == 0
    text = (project / "chain.lock").read_text()
    assert re.findall(r"`(.*?)`", text) == [
        f"{typed} {each}" for each in ("rebase", "repair", "lock")
    ]


@pytest.mark.usefixtures("warm_programs")
def test_it_can_be_declined(project: Path) -> None:
    done = on_terminal("fixchain", "lock", cwd=project.parent, answer="n\n")
    assert done.exit_code == 1
    assert not (project / "chain.lock").exists()
    assert on_terminal("fixchain", "lock", cwd=project.parent, answer="y\n").exit_code == 0
    assert body((project / "chain.lock").read_bytes()) == ["a: c"]


def test_json_is_one_document(project: Path) -> None:
    assert lock("--format", "json").document["error"]["type"] == "NeedsConsent"
    document = lock("--yes", "--format", "json").document
    assert document["edits"] == ["migrations/chain.lock"]
    assert lock("--format", "json").document["edits"] is None


def test_a_broken_chain_is_not_locked(project: Path) -> None:
    add(project, "d <- b")
    done = lock("--yes")
    assert done.exit_code == 3
    assert "2 heads where there should be one" in done.stderr
    assert not (project / "chain.lock").exists()
    (project / "alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC102\n")
    assert "several heads" in lock("--yes").stderr


def test_a_lock_out_of_step_does_not_stand_in_its_own_way(project: Path) -> None:
    (project / "chain.lock").write_bytes(b"<<<<<<< HEAD\n")
    assert found() == ["FC502"]
    assert lock("--yes").exit_code == 0
    assert found() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_links_are_not_followed(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("a: a\n")
    (project / "chain.lock").symlink_to(outside)
    assert found() == ["FC502"]
    done = lock("--yes")
    assert done.exit_code == 3
    assert "symbolic link" in done.stderr
    assert outside.read_text() == "a: a\n"
    (project / "chain.lock").unlink()
    (project / "chain.lock").symlink_to("nowhere")
    assert found() == ["FC502"]


def test_a_directory_in_its_place(project: Path) -> None:
    (project / "chain.lock").mkdir()
    assert found() == ["FC502"]
    assert "not a regular file" in lock("--yes").stderr


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all")
def test_a_lock_that_nobody_may_read(project: Path) -> None:
    (project / "chain.lock").touch(0)
    assert found() == ["FC502"]


def test_what_alembic_passes_must_be_a_migration(project: Path) -> None:
    assert "no migration" in lock("--yes", "migrations/env.py").stderr
    done = lock("--yes", "migrations/versions/c_add_c.py")
    assert done.exit_code == 0
    assert "+++" not in done.stdout


def test_nothing_is_written_while_a_repair_is_at_work(project: Path) -> None:
    with disk.locked(project):
        assert lock("--yes").exit_code == 3
    assert not (project / "chain.lock").exists()


# --- repair and undo -----------------------------------------------------------------------------


def test_a_repair_takes_it_along_and_undo_brings_it_back(project: Path) -> None:
    lock("--yes")
    add(project, "d <- b")
    before = tree(project)
    dry = fixchain("repair", "--dry-run")
    assert "-a: c" in dry.stdout
    assert "+a: d" in dry.stdout
    assert fixchain("repair", "--yes").exit_code == 0
    assert body((project / "chain.lock").read_bytes()) == ["a: d"]
    assert found() == []
    done = fixchain("undo", "--yes")
    assert done.exit_code == 0
    assert "migrations/chain.lock" in done.stdout
    after = tree(project)
    assert {name: after[name].content for name in before} == {
        name: node.content for name, node in before.items()
    }


def test_a_merge_revision_is_the_new_head(project: Path) -> None:
    lock("--yes")
    add(project, "d <- b")
    assert fixchain("repair", "--strategy", "merge", "--yes").exit_code == 0
    assert found() == []


def test_what_was_locked_since_does_not_hold_up_an_undo(project: Path) -> None:
    lock("--yes")
    before = (project / "versions/b_add_b.py").read_bytes()
    add(project, "d <- b")
    assert fixchain("repair", "--yes").exit_code == 0
    add(project, "e <- d")
    lock("--yes")
    (project / "versions/c_add_c.py").unlink()  # so that one head is left after the undo
    done = fixchain("undo", "--yes")
    assert done.exit_code == 0, done.stderr
    assert (project / "versions/b_add_b.py").read_bytes() == before
    assert body((project / "chain.lock").read_bytes()) == ["a: e"]
    assert found() == []


def test_undo_of_a_killed_repair_brings_it_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock("--yes")
    add(project, "d <- b")
    old = (project / "chain.lock").read_bytes()
    edit = Edit(project / "chain.lock", old, b"a: d\n")
    with monkeypatch.context() as patch:
        patch.setattr(writing, "put_back", lambda journal: None)
        with pytest.raises(KeyboardInterrupt), disk.changed_files(project, [edit]):
            raise KeyboardInterrupt
    assert (project / "chain.lock").read_bytes() != old
    assert lock("--yes").exit_code == 3
    assert fixchain("undo", "--yes").exit_code == 0
    assert (project / "chain.lock").read_bytes() == old


# --- Git -----------------------------------------------------------------------------------------


@pytest.fixture
def two_lineages(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    place = environment(repository.top / "migrations", *LABELLED)
    monkeypatch.chdir(repository.top)
    assert lock("--yes").exit_code == 0
    (place / ".gitignore").write_text("__pycache__\n")
    repository.commit(1)
    return repository


def branch_with(repository: Repository, name: str, spec: str, day: int) -> None:
    repository.git("checkout", "-q", "-b", name, "main")
    add(repository.top / "migrations", spec)
    assert lock("--yes").exit_code == 0
    repository.commit(day)


def merges(repository: Repository, branch: str) -> bool:
    try:
        repository.merge(branch, day=9)
    except AssertionError:
        return False
    return True


@needs_git
@pytest.mark.parametrize(
    ("one", "other", "clean"),
    [
        ("c <- b", "d <- b", False),
        ("r <- q", "s <- q", False),
        ("c <- b", "r <- q", True),
        ("r <- q", "c <- b", True),
        ("c <- b", "z @new", True),
        ("r <- q", "z @new", True),
        ("c <- b", "m @new", True),
        ("c <- b", "0 @new", True),
    ],
)
def test_branches_collide_in_git_exactly_where_their_heads_would(
    two_lineages: Repository, one: str, other: str, clean: bool
) -> None:
    branch_with(two_lineages, "one", one, 2)
    branch_with(two_lineages, "other", other, 3)
    assert merges(two_lineages, "one") is clean
    assert Path("migrations/chain.lock").read_text().count("<<<<<<<") == (not clean)
    assert found() == ([] if clean else ["FC102", "FC502"])


@needs_git
def test_lineages_that_both_sides_add_to_are_one_conflict(two_lineages: Repository) -> None:
    for name, one, other in (("one", "c <- b", "r <- q"), ("other", "d <- b", "s <- q")):
        branch_with(two_lineages, name, one, 2)
        add(two_lineages.top / "migrations", other)
        assert lock("--yes").exit_code == 0
        two_lineages.commit(3)
    assert not merges(two_lineages, "one")
    assert Path("migrations/chain.lock").read_text().count("<<<<<<<") == 1


@needs_git
def test_the_way_out_of_a_conflict(two_lineages: Repository) -> None:
    branch_with(two_lineages, "one", "c <- b", 2)
    branch_with(two_lineages, "other", "d <- b", 3)
    assert not merges(two_lineages, "one")
    assert fixchain("repair", "--yes").exit_code == 0
    assert found() == []
    two_lineages.git("add", "migrations")
    two_lineages.git("commit", "-q", "-m", "merged")


@needs_git
def test_a_side_that_was_taken_blindly_is_found(two_lineages: Repository) -> None:
    branch_with(two_lineages, "one", "c <- b", 2)
    branch_with(two_lineages, "other", "d <- b", 3)
    assert not merges(two_lineages, "one")
    two_lineages.git("checkout", "-q", "--ours", "migrations/chain.lock")
    add(Path("migrations"), "c <- d")
    assert found() == ["FC502"]


@pytest.mark.parametrize(
    ("specs", "code", "lockable"),
    [
        (("a", "b <- c", "c <- b"), "FC105", False),
        (("a", "b <- a, gone"), "FC103", False),
        (("a", "b <- a", "c <- a", "m <- a, b, c"), "FC112", True),
    ],
)
def test_a_lock_is_out_of_step_where_lock_can_write_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    specs: tuple[str, ...],
    code: str,
    lockable: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", *specs)
    (place / "chain.lock").write_text("a: x\n")
    assert found() == ([code, "FC502"] if lockable else [code])
    assert (lock("--yes").exit_code == 0) is lockable
    assert fixchain("repair", "--yes", "--accept-guesses").exit_code == 0
    assert found() == []


# --- The hook ------------------------------------------------------------------------------------

HOOK = """\
[post_write_hooks]
hooks = fixchain
fixchain.type = console_scripts
fixchain.entrypoint = fixchain
fixchain.cwd = %(here)s
fixchain.options = -d . lock --yes REVISION_SCRIPT_FILENAME
"""


def installed(project: Path, before: str | None, name: str = "alembic.ini") -> str:
    """What becomes of a configuration file; it may not change twice."""
    path = project / name
    if before is not None:
        path.write_bytes(before.encode())
    done = lock("--install", "--yes")
    assert done.exit_code == 0, done.stderr
    after = path.read_bytes()
    again = lock("--install", "--yes")
    assert "up to date" in again.stdout
    assert path.read_bytes() == after
    return after.decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[alembic]\n", f"[alembic]\n\n{HOOK}"),
        ("[alembic]", f"[alembic]\n\n{HOOK}"),
        ("[alembic]\n# 100 %% ünï\nx=%%(y)s\n", f"[alembic]\n# 100 %% ünï\nx=%%(y)s\n\n{HOOK}"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_hook_is_added_at_the_end(project: Path, before: str, after: str, end: str) -> None:
    ends = end if "\n" in before else "\n"
    assert installed(project, before.replace("\n", end)) == after.replace("\n", ends)


def test_a_hook_of_that_name_is_left_alone(project: Path) -> None:
    own = "[post_write_hooks]\nhooks = black fixchain\nfixchain.type = exec\n"
    assert installed(project, own) == own


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_section_without_hooks_gets_the_hook_at_its_top(project: Path, end: str) -> None:
    """As it is in the template of ``alembic init``."""
    before = "[alembic]\nx = y\n\n[post_write_hooks]\n# hooks = black\n\n[loggers]\nkeys = root\n"
    after = before.replace("[post_write_hooks]\n", HOOK)
    assert installed(project, before.replace("\n", end)) == after.replace("\n", end)


def test_a_section_at_the_end_of_the_line_gets_the_hook(project: Path) -> None:
    assert installed(project, "[post_write_hooks]") == HOOK


@pytest.mark.parametrize(
    ("before", "named"),
    [
        ("[post_write_hooks]\nhooks = black\n", "hooks = black, fixchain\n"),
        ("[DEFAULT]\nhooks = black\n[post_write_hooks]\n", "hooks = black, fixchain\n"),
        ("[post_write_hooks]\nhooks =\n", HOOK),
        ("[post_write_hooks]\nfixchain.type = exec\n", HOOK),
    ],
)
def test_hooks_that_are_there_are_left_to_the_user(project: Path, before: str, named: str) -> None:
    (project / "alembic.ini").write_text(before)
    done = lock("--install", "--yes")
    assert done.exit_code == 3
    assert named in done.stderr
    assert HOOK.partition("hooks = fixchain\n")[2] in done.stderr
    assert (project / "alembic.ini").read_text() == before
    assert not (project / "chain.lock").exists()


def test_without_a_configuration_the_lines_are_named(project: Path) -> None:
    done = lock("--install", "--yes")
    assert done.exit_code == 3
    assert HOOK in done.stderr


def test_the_diff_of_the_configuration_is_shown_first(project: Path) -> None:
    (project / "alembic.ini").write_text("[alembic]\n")
    done = lock("--install")
    assert done.exit_code == 3
    assert "+hooks = fixchain" in done.stdout
    assert (project / "alembic.ini").read_text() == "[alembic]\n"


TOML = """\
[project]
name = "x"  # ü

[tool.alembic]
script_location = "%(here)s/migrations"
"""
TOML_HOOK = """
[[tool.alembic.post_write_hooks]]
name = "fixchain"
type = "console_scripts"
entrypoint = "fixchain"
cwd = "%(here)s"
options = "-d migrations lock --yes REVISION_SCRIPT_FILENAME"
"""


def test_pyproject(project: Path) -> None:
    pytest.importorskip("alembic", "1.16")
    path = project.parent / "pyproject.toml"
    black = '\n[[tool.alembic.post_write_hooks]]\nname = "black"\ntype = "exec"\n'
    for before in (TOML, TOML + black):
        path.write_bytes(before.encode())
        assert lock("--install", "--yes").exit_code == 0
        assert path.read_bytes().decode() == before + TOML_HOOK
        assert "up to date" in lock("--install", "--yes").stdout
    fixed = TOML + 'post_write_hooks = [{name = "black", type = "exec"}]\n'
    path.write_bytes(fixed.encode())
    done = lock("--install", "--yes")
    assert done.exit_code == 3
    assert TOML_HOOK in done.stderr
    assert path.read_bytes().decode() == fixed


RunFlask = Callable[..., Done]


@pytest.fixture
def app(sample: Path) -> RunFlask:
    """A copy of the sample app with a repaired chain, and its lock kept up to date by Alembic."""

    def run(*arguments: str) -> Done:
        done = flask("db", *arguments, cwd=sample)
        assert done.exit_code == 0, done.stderr
        return done

    for command in (["repair"], ["lock", "--install"]):
        assert fixchain("-d", sample / "sample_app/migrations", *command, "--yes").exit_code == 0
    return run


def test_flask_migrate_writes_it_with_every_migration(app: RunFlask, sample: Path) -> None:
    path = sample / "sample_app/migrations/chain.lock"

    def head() -> str:
        (line,) = body(path.read_bytes())
        return line.partition(": ")[2]

    app("revision", "-m", "by hand", "--rev-id", "by_hand")
    assert head() == "by_hand"
    app("upgrade")
    models = sample / "sample_app/models.py"
    table = "\n\nclass Extra(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    models.write_text(models.read_text() + table)
    app("migrate", "-m", "generated", "--rev-id", "generated")
    assert head() == "generated"
    app("revision", "-m", "beside", "--rev-id", "beside", "--head", "by_hand", "--splice")
    assert head() == "generated"  # while there are two heads there is no right one
    app("merge", "heads", "-m", "both", "--rev-id", "both")
    assert head() == "both"
    assert fixchain("-d", path.parent, "check").exit_code == 0
