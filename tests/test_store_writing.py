"""Changing files on the disk, and putting them back: all or none, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import py_compile
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from flask_chainfix import disk
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.common.errors import CannotRead, CannotWrite, ChainFixError, StaleSnapshot
from flask_chainfix.environment.locate import Runtime, open_directory
from flask_chainfix.model.databases import Move
from flask_chainfix.model.files import Edit
from flask_chainfix.model.plans import Wishes
from flask_chainfix.report.results import Planning
from tests.disk import (
    all_journals,
    document_of,
    environment,
    latest,
    migrations,
    sign,
    tree,
)
from tests.forks import Commands
from tests.in_process import as_a_process
from tests.results import carried_out, plan_of
from tests.support import chain, graph, migration, rev, write
from tests.test_store import as_somebody_else

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and POSIX modes")

# As in a shell: the interpreter may write bytecode.
WITH_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}


@pytest.fixture(scope="module")
def run() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return environment(tmp_path / "migrations")


def planned(place: Path) -> tuple[Runtime, Planning]:
    runtime = open_directory(str(place))
    report = plan_repair(Session(runtime), Wishes())
    plan_of(report)
    return runtime, report


# --- What is changed -----------------------------------------------------------------------------


def relinked(data: bytes, parent: bytes) -> bytes:
    """A base behind ``parent``, done by hand."""
    assert data.count(b"down_revision = None") == 1
    return data.replace(b"down_revision = None", b"down_revision = '%s'" % parent).replace(
        b"Revises: ", b"Revises: " + parent
    )


def test_a_repair_changes_these_bytes_and_nothing_else(run: Commands, tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", "a", "b", "c", "d", "e", "f", "g")
    versions = place / "versions"
    paths = {id_: versions / f"{id_}_add_{id_}.py" for id_ in "abcdefg"}
    text = {id_: paths[id_].read_bytes() for id_ in "abcdefg"}
    paths["b"].write_bytes(text["b"].replace(b"\n", b"\r\n"))
    paths["c"].write_bytes(b"\xef\xbb\xbf" + text["c"].replace(b"add c", "füg c".encode()))
    paths["d"].write_bytes(b"# coding: latin-1\n" + text["d"].replace(b"add d", b"f\xfcg d"))
    paths["e"].write_bytes(text["e"].rstrip(b"\n") + b"\n\x0c\n# \ttrailing  \n#no newline")
    (tmp_path / "elsewhere").mkdir()
    target = paths["f"].rename(tmp_path / "elsewhere" / "f_target.py")
    paths["f"].symlink_to("../../elsewhere/f_target.py")
    os.link(paths["g"], tmp_path / "second name of g")
    for path in tmp_path.rglob("*.py"):
        os.utime(path, (1_700_000_000, 1_700_000_000))

    before = tree(tmp_path)
    assert run("-d", place, "repair", "--yes", environment=WITH_BYTECODE).exit_code == 0
    after = tree(tmp_path)

    changed = {name for name in before if before[name] != after[name]}
    assert changed == {str(paths[id_].relative_to(tmp_path)) for id_ in "bcdeg"} | {
        str(target.relative_to(tmp_path))
    }
    assert {name for name in after.keys() - before.keys() if ".fixchain" not in name} == set()
    for name in changed:
        content = before[name].content
        assert isinstance(content, bytes)
        parent = bytes([Path(name).name.encode()[0] - 1])
        assert after[name].content == relinked(content, parent)
        assert after[name].mode == before[name].mode
    # A second name of the same file keeps the old content: that file was replaced, not written.
    assert (tmp_path / "second name of g").read_bytes() == text["g"]

    assert run("-d", place, "undo", "--yes", environment=WITH_BYTECODE).exit_code == 0
    undone = tree(tmp_path)
    for name, node in before.items():
        assert undone[name][:2] == node[:2]
        assert (undone[name].mtime_ns == node.mtime_ns) == (name not in changed)


@pytest.mark.parametrize("mode", [0o600, 0o604, 0o755, 0o646, 0o2750, 0o200])
def test_modes_and_owners_stay(run: Commands, tmp_path: Path, mode: int) -> None:
    if mode == 0o200 and os.getuid() != 0:
        pytest.skip("only root can read this file")
    place = environment(tmp_path / "migrations", "a", "b")
    path = place / "versions" / "b_add_b.py"
    if os.getuid() == 0:
        os.chown(path, 12345, 54321)
    path.chmod(mode)
    before = path.stat()
    for command in "repair", "undo":
        assert run("-d", place, command, "--yes").exit_code == 0
        now = path.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (
            before.st_mode,
            before.st_uid,
            before.st_gid,
        )


def test_a_disk_that_takes_little_at_a_time(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before, after = place / "versions" / "a_add_a.py", b"", bytes(range(256)) * 10
    path.write_bytes(before)
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda number, data: real_write(number, bytes(data[:100])))
    with disk.locked(place), disk.changed_files(place, [Edit(path, before, after)]):
        assert path.read_bytes() == after


def test_a_link_stays_a_link(place: Path) -> None:
    path, link = place / "versions" / "a_add_a.py", place / "versions" / "link.py"
    link.symlink_to(path.name)
    before = path.read_bytes()
    with disk.locked(place), disk.changed_files(place, [Edit(link, before, b"new")]):
        pass
    assert (os.readlink(link), path.read_bytes()) == (path.name, b"new")


# --- What is refused -----------------------------------------------------------------------------


def test_a_read_only_file(run: Commands, place: Path) -> None:
    (place / "versions" / "e_add_e.py").chmod(0o444)
    before = tree(place / "versions")
    ended = run("-d", place, "repair", "--yes")
    assert ended.exit_code == 3
    assert "e_add_e.py is read-only" in ended.output
    assert tree(place / "versions") == before


@pytest.mark.parametrize("change", ["edited", "deleted", "now a directory"])
def test_a_file_that_changed_since_it_was_read(place: Path, change: str) -> None:
    runtime, report = planned(place)
    path = place / "versions" / "e_add_e.py"
    if change == "edited":
        path.write_bytes(path.read_bytes() + b"# by hand\n")
    else:
        path.unlink()
    if change == "now a directory":
        path.mkdir()
    before = tree(place / "versions")
    with pytest.raises(ChainFixError) as caught:
        carried_out(runtime, report)
    assert "e_add_e.py" in caught.value.message
    assert isinstance(caught.value, CannotWrite if change == "now a directory" else StaleSnapshot)
    assert tree(place / "versions") == before
    assert latest(place) is None


def test_a_new_file_that_is_there_already(place: Path) -> None:
    path = place / "versions" / "merge.py"
    path.write_bytes(b"# by hand\n")
    with pytest.raises(StaleSnapshot), disk.changed_files(place, [Edit(path, None, b"new")]):
        pass
    assert path.read_bytes() == b"# by hand\n"


@pytest.mark.parametrize("closed", ["", "versions"])
def test_a_directory_that_cannot_be_written(closed: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        place = environment(Path(directory) / "migrations")
        for path in (place, *place.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        (place / closed).chmod(0o555)
        before = tree(place / "versions")
        runtime, report = planned(place)
        with as_somebody_else(), pytest.raises(CannotWrite, match="Permission denied"):
            carried_out(runtime, report)
        assert tree(place / "versions") == before
        assert latest(place) is None


# --- Undo ----------------------------------------------------------------------------------------


def test_undo_of_a_merge_deletes_the_new_file(run: Commands, place: Path) -> None:
    before = migrations(place)
    assert run("-d", place, "repair", "--yes", "--strategy", "merge").exit_code == 0
    assert migrations(place).keys() > before.keys()
    assert run("-d", place, "undo", "--yes").exit_code == 0
    assert migrations(place) == before


def test_a_second_undo_goes_one_repair_further_back(run: Commands, place: Path) -> None:
    versions = place / "versions"
    states = [migrations(place)]
    for id_ in "xy":
        assert run("-d", place, "repair", "--yes").exit_code == 0
        (versions / f"{id_}.py").write_bytes(migration(rev(f"{id_} <- a")))
        states.append(migrations(place))
    assert run("-d", place, "repair", "--yes").exit_code == 0
    for state in reversed(states):
        assert run("-d", place, "undo", "--yes").exit_code == 0
        assert state.items() <= migrations(place).items()
    ended = run("-d", place, "undo", "--yes")
    assert ended.exit_code == 3
    assert "there is no repair to undo" in ended.output


@pytest.mark.parametrize("change", ["edited", "deleted", "new file edited"])
def test_undo_refuses_to_lose_a_later_change(run: Commands, place: Path, change: str) -> None:
    known = migrations(place)
    strategy = "merge" if change == "new file edited" else "linear"
    assert run("-d", place, "repair", "--yes", "--strategy", strategy).exit_code == 0
    (name,) = migrations(place).keys() - known.keys() or {"e_add_e.py"}
    path = place / "versions" / name
    if change == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"# by hand\n")
    before = tree(place)
    ended = run("-d", place, "undo", "--yes")
    assert ended.exit_code == 3
    assert "has been changed since the repair" in " ".join(ended.output.split())
    assert tree(place) == before


@pytest.mark.parametrize("spec", ["late <- {}", "late <- a, {}", "late <- a +{}"])
@pytest.mark.parametrize("planned_before", [False, True])
def test_undo_refuses_to_delete_what_others_build_on(
    place: Path, spec: str, planned_before: bool
) -> None:
    runtime = open_directory(str(place))
    repair = plan_repair(Session(runtime), Wishes(strategy="merge"))
    carried_out(runtime, repair)
    undo = plan_undo(Session(runtime)) if planned_before else None
    (new,) = plan_of(repair).plan.new_revisions
    late = place / "versions" / "late.py"
    late.write_bytes(migration(rev(spec.format(new.revision))))
    before = migrations(place)
    with pytest.raises(StaleSnapshot) as refusal:
        carry_out_undo(Session(runtime), undo or plan_undo(Session(runtime)))
    assert f"{late} builds on {new.revision}, and undo would delete" in refusal.value.message
    assert migrations(place) == before
    late.unlink()
    carry_out_undo(Session(runtime), plan_undo(Session(runtime)))


def test_undo_may_delete_what_only_its_own_files_build_on(place: Path) -> None:
    """A merge revision that the same repair relinks others to."""
    versions = place / "versions"
    merged, child = migration(rev("m <- a, c")), versions / "e_add_e.py"
    edits = (
        Edit(versions / "m.py", None, merged),
        Edit(child, child.read_bytes(), migration(rev("e <- m"))),
    )
    before = migrations(place)
    with disk.locked(place), disk.changed_files(place, edits):
        pass
    runtime = open_directory(str(place))
    carry_out_undo(Session(runtime), plan_undo(Session(runtime)))
    assert migrations(place) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("path", 5),
        ("path", None),
        ("path", ["x.py"]),
        ("missing_directories", 1e999),
        ("missing_directories", "x"),
        ("before", 5),
    ],
)
def test_a_journal_with_values_of_other_types(
    run: Commands, place: Path, key: str, value: object
) -> None:
    assert run("-d", place, "repair", "--yes").exit_code == 0
    (journal,) = (place / ".fixchain").glob("*.json")
    document = document_of(journal)
    document["files"][0][key] = value
    sign(journal, json.dumps(document).encode())
    ended = run("-d", place, "undo", "--yes")
    assert ended.exit_code == 3
    assert f"{journal.name} is ignored: it cannot be read" in ended.output


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"files": 1}', b'{"files": [{}]}', b"\xff\xfe", "truncated", "base64"],
)
def test_a_damaged_journal(run: Commands, place: Path, damage: bytes | str) -> None:
    assert run("-d", place, "repair", "--yes").exit_code == 0
    (journal,) = (place / ".fixchain").glob("*.json")
    document = document_of(journal)
    if damage == "truncated":
        damage = json.dumps(document).encode()[:-20]
    elif damage == "base64":
        document["files"][0]["before"] = "*no base64*"
        damage = json.dumps(document).encode()
    assert isinstance(damage, bytes)
    sign(journal, damage)
    before = tree(place)
    ended = run("-d", place, "undo", "--yes")
    assert ended.exit_code == 3
    assert f"{journal.name} is ignored: it cannot be read" in ended.output
    assert "\nremed" in ended.output
    assert tree(place) == before


def test_the_journal_keeps_out_of_version_control(place: Path, run: Commands) -> None:
    assert run("-d", place, "repair", "--yes").exit_code == 0
    assert (place / ".fixchain" / ".gitignore").read_text() == "*\n"


def test_the_last_twenty_journals_stay_and_only_they_are_read(place: Path) -> None:
    path = place / "versions" / "new.py"
    journals = []
    for number in range(25):
        edits = [Edit(path, None, b"new")]
        with (
            disk.locked(place),
            disk.changed_files(place, edits) as journal,
            disk.RowLog(place, journal, graph()) as log,
        ):
            log.record(Move("a database", "identity", ("a",), ("b",)))
        path.unlink()
        journals.append(journal.path)
        kept = journals[-20:]
        assert sorted((place / ".fixchain").glob("*.json")) == kept, number
    assert sorted((place / ".fixchain").glob("*.rows")) == [
        each.rows_path for each in all_journals(place)
    ]
    others = place / ".fixchain" / "999999-20000101T000000Z.json"
    others.write_text("not a journal")
    assert [journal.path for journal in all_journals(place)] == kept
    with disk.RowLog(place, None, graph()) as log:
        log.record(Move("a database", "identity", ("b",), ("a",)))
    assert not kept[0].exists()
    assert others.exists()


# --- New directories -----------------------------------------------------------------------------


def test_a_new_file_in_new_directories(place: Path) -> None:
    before = tree(place / "versions")
    new = place / "versions" / "2024" / "01" / "merge.py"
    with disk.locked(place), disk.changed_files(place, [Edit(new, None, b"new")]) as journal:
        assert new.read_bytes() == b"new"
        py_compile.compile(str(new), doraise=True)
    disk.undo(journal, [place / "versions"])
    assert tree(place / "versions") == before
    assert latest(place) is None


def test_new_directories_go_when_the_repair_fails(place: Path) -> None:
    before = tree(place / "versions")
    new = place / "versions" / "2024" / "01" / "merge.py"
    with (
        pytest.raises(CannotWrite),
        disk.locked(place),
        disk.changed_files(place, [Edit(new, None, b"new")]),
    ):
        raise OSError
    assert tree(place / "versions") == before
    assert latest(place) is None


@pytest.mark.parametrize("removed", [True, False])
def test_undo_spares_directories_that_are_used_or_gone(place: Path, removed: bool) -> None:
    new = place / "versions" / "2024" / "01" / "merge.py"
    with disk.locked(place), disk.changed_files(place, [Edit(new, None, b"new")]):
        pass
    other = place / "versions" / "2024" / "notes.txt"
    if removed:
        shutil.rmtree(place / "versions" / "2024")
    else:
        other.write_bytes(b"by hand")
    journal = latest(place)
    assert journal is not None
    disk.undo(journal, [place / "versions"])
    assert other.exists() == (not removed)
    assert not new.parent.exists()
    assert latest(place) is None


# --- Names beside the files ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["new", "old"])
def test_a_directory_at_a_name_beside_a_file(place: Path, kind: str) -> None:
    runtime, report = planned(place)
    name = f".{plan_of(report).edits[-1].path.name}.fixchain-{kind}"
    (place / "versions" / name).mkdir()
    before = tree(place / "versions")
    with pytest.raises(CannotWrite, match="is a directory"):
        carried_out(runtime, report)
    assert tree(place / "versions") == before
    assert latest(place) is None
    (place / "versions" / name).rmdir()
    carried_out(runtime, report)

    (place / "versions" / name).mkdir()
    repaired = tree(place / "versions")
    with pytest.raises(CannotWrite, match="is a directory"):
        carry_out_undo(Session(runtime), plan_undo(Session(runtime)))
    assert tree(place / "versions") == repaired


@pytest.mark.parametrize("kind", ["new", "old"])
def test_a_leftover_that_cannot_be_deleted_keeps_up_no_journal(
    place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As where the directory appears after the repair has looked for it."""
    runtime, report = planned(place)
    path = place / "versions" / f".{plan_of(report).edits[-1].path.name}.fixchain-{kind}"
    path.mkdir()
    before = tree(place / "versions")
    monkeypatch.setattr("flask_chainfix.disk.writing._refuse_directories", lambda _: None)
    with pytest.raises(CannotWrite, match="could not be written"):
        carried_out(runtime, report)
    after = tree(place / "versions")
    assert {name: node[:2] for name, node in after.items()} == {
        name: node[:2] for name, node in before.items()
    }
    assert latest(place) is None


def test_a_journal_that_cannot_be_finished_is_answered_by_renames(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = migrations(place)
    path = place / "versions" / "e_add_e.py"
    names: list[str] = []

    def fail(_: object) -> None:
        names.extend(migrations(place))
        raise OSError

    monkeypatch.setattr("flask_chainfix.disk.journal.Journal.finish", fail)
    with (
        pytest.raises(CannotWrite),
        disk.locked(place),
        disk.changed_files(place, [Edit(path, path.read_bytes(), b"new")]),
    ):
        pass
    assert ".e_add_e.py.fixchain-old" in names
    assert migrations(place) == before
    assert latest(place) is None


# --- Where a journal may lead --------------------------------------------------------------------


@pytest.mark.parametrize("copied", [True, False])
def test_a_journal_belongs_to_its_copy_of_the_project(
    run: Commands, place: Path, tmp_path: Path, copied: bool
) -> None:
    before = migrations(place)
    assert run("-d", place, "repair", "--yes").exit_code == 0
    other = tmp_path / "deeper" / "project"
    if copied:
        shutil.copytree(place, other)
    else:
        other.parent.mkdir()
        place.rename(other)
    repaired = tree(place)
    ended = run("-d", other, "undo", "--yes")
    assert ended.exit_code == 0, ended
    assert migrations(other) == before
    assert tree(place) == repaired


def journal_of(run: Commands, place: Path) -> Path:
    assert run("-d", place, "repair", "--yes").exit_code == 0
    (path,) = (place / ".fixchain").glob("*.json")
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../victim.py",
        "versions/../env.py",
        "versions/linked/victim.py",
        "absolute",
        "versions/notes.txt",
        "versions/a\0.py",
        "versions",
    ],
)
def test_a_journal_that_leads_elsewhere(
    run: Commands, place: Path, tmp_path: Path, name: str
) -> None:
    """It would delete the file: its content is the one that the repair is said to have made."""
    journal = journal_of(run, place)
    victim = tmp_path / "victim.py"
    for path in (victim, place / "env.py", place / "versions" / "notes.txt"):
        path.write_bytes(b"new")
    (place / "versions" / "linked").symlink_to(tmp_path)
    document = document_of(journal)
    document["files"] = [
        {
            "path": str(victim) if name == "absolute" else name,
            "before": None,
            "after_sha256": hashlib.sha256(b"new").hexdigest(),
            "missing_directories": 0,
        }
    ]
    sign(journal, json.dumps(document).encode())
    before = tree(tmp_path)
    ended = run("-d", place, "undo", "--yes")
    assert ended.exit_code == 3
    assert "not a migration" in " ".join(ended.output.split())
    assert "\nremed" in ended.output
    assert tree(tmp_path) == before


def test_a_damaged_journal_stops_undo_alone(run: Commands, place: Path) -> None:
    journal = journal_of(run, place)
    sign(journal, b"[" * 100_000)
    for command, exit_code in (("check", 0), ("repair", 0), ("undo", 3)):
        ended = run("-d", place, command, *["--yes"] * (command != "check"))
        assert ended.exit_code == exit_code, ended
        assert "it cannot be read" in " ".join(ended.output.split())


@pytest.mark.parametrize("name", ["z.json", "z.unfinished"])
def test_directories_among_the_journals(run: Commands, place: Path, name: str) -> None:
    before = migrations(place)
    (place / ".fixchain" / name).mkdir(parents=True)
    for command in ("repair", "check", "undo"):
        ended = run("-d", place, command, *["--yes"] * (command != "check"))
        assert ended.exit_code == 0, ended
    assert migrations(place) == before


def test_an_undo_that_cannot_read_a_file(run: Commands, place: Path) -> None:
    path = place / "versions" / "e_add_e.py"
    with disk.locked(place), disk.changed_files(place, [Edit(path, path.read_bytes(), b"")]):
        pass
    path.unlink()
    path.mkdir()
    journal = latest(place)
    assert journal is not None
    with pytest.raises(CannotRead, match="cannot be read"):
        disk.undo(journal, [place / "versions"])


def test_only_the_user_can_read_the_journal(run: Commands, place: Path) -> None:
    journal = journal_of(run, place)
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.parent.stat().st_mode) == 0o700


# --- Stale bytecode ------------------------------------------------------------------------------


def alembic_heads(place: Path) -> set[str]:
    """What Alembic says as in a fresh process, which may use bytecode."""
    kept = {name: each for name, each in os.environ.items() if name not in WITH_BYTECODE}
    with as_a_process(env=kept):
        return set(ScriptDirectory(str(place)).get_heads())


@pytest.mark.parametrize("undone", [False, True])
def test_alembic_never_sees_stale_bytecode(tmp_path: Path, undone: bool) -> None:
    """As if all happened within one second; the new file is as long as the old one."""
    place = environment(tmp_path / "migrations", "a", "b <- a", "c <- a")
    path = place / "versions" / "c_add_c.py"
    before = path.read_bytes()
    edit = Edit(path, before, before.replace(b"down_revision = 'a'", b"down_revision = 'b'"))
    assert len(edit.after or b"") == len(before)
    assert edit.after != before

    def at_that_second() -> None:
        os.utime(path, (1_700_000_000, 1_700_000_000))

    at_that_second()
    assert alembic_heads(place) == {"b", "c"}
    assert len(list(place.rglob("*.pyc"))) == 3
    with disk.locked(place), disk.changed_files(place, [edit]) as journal:
        pass
    at_that_second()
    if undone:
        py_compile.compile(str(path), doraise=True)
        disk.undo(journal, [place / "versions"])
        at_that_second()
    assert path.read_bytes() == (before if undone else edit.after)
    assert alembic_heads(place) == ({"b", "c"} if undone else {"c"})


def test_an_undo_that_is_killed_leaves_no_bytecode_of_the_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the last file is put back, no later undo finds anything to do."""
    place = environment(tmp_path / "migrations", "a", "b <- a", "c <- a")
    path = place / "versions" / "c_add_c.py"
    before = path.read_bytes()
    edit = Edit(path, before, before.replace(b"down_revision = 'a'", b"down_revision = 'b'"))
    with disk.locked(place), disk.changed_files(place, [edit]) as journal:
        pass
    os.utime(path, (1_700_000_000, 1_700_000_000))
    py_compile.compile(str(path), doraise=True)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flask_chainfix.disk.writing.sync_directory", killed)
    with pytest.raises(KeyboardInterrupt):
        disk.undo(journal, [place / "versions"])
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert path.read_bytes() == before
    assert alembic_heads(place) == {"b", "c"}


# --- Files that go -------------------------------------------------------------------------------


def test_a_file_that_goes_comes_back_with_its_mode(place: Path) -> None:
    path = place / "versions" / "e_add_e.py"
    path.chmod(0o606)
    before = migrations(place)
    with disk.locked(place), disk.changed_files(place, [Edit(path, path.read_bytes(), None)]):
        assert not path.exists()
    gone = migrations(place)
    assert gone == {name: node for name, node in before.items() if name != "e_add_e.py"}
    journal = latest(place)
    assert journal is not None
    assert journal.finished
    disk.undo(journal, [place / "versions"])
    assert migrations(place) == before


def test_a_file_that_goes_stays_if_the_repair_fails(place: Path) -> None:
    path = place / "versions" / "e_add_e.py"
    before = migrations(place)

    def change_and_fail() -> None:
        with disk.locked(place), disk.changed_files(place, [Edit(path, path.read_bytes(), None)]):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert migrations(place) == before


def test_undo_refuses_to_take_an_id_that_others_build_on(place: Path) -> None:
    path = place / "versions" / "e_add_e.py"
    old = path.read_bytes()
    with (
        disk.locked(place),
        disk.changed_files(place, [Edit(path, old, old.replace(b"'e'", b"'e2'"))]),
    ):
        pass
    write(chain("f <- e2"), place)
    journal = latest(place)
    assert journal is not None
    with pytest.raises(StaleSnapshot, match=r"undo would give e_add_e.py its old id back"):
        disk.refuse_orphans(journal, open_directory(str(place)).environment)
