"""Only what this user has written on this machine is obeyed, and nothing is followed elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from flask_chainfix import disk
from flask_chainfix.disk.safe_files import Seal, key_path, own_key
from flask_chainfix.model.files import Edit
from tests.commands import Done, fixchain
from tests.disk import all_journals, environment, migrations, sign, tree
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql, stamp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")

VICTIM = b"KNOWN = 1\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A broken environment in the working directory, and a file outside the migrations."""
    top = tmp_path / "project"
    (top / "home").mkdir(parents=True)
    (top / "home" / "known.py").write_bytes(VICTIM)
    monkeypatch.chdir(top)
    return environment(top / "migrations")


def said(done: Done) -> str:
    return " ".join((done.stdout + done.stderr).split())


def repaired(place: Path) -> Path:
    """The journal of a repair that has just been made."""
    assert fixchain("repair", "--yes").exit_code == 0
    return all_journals(place)[-1].path


def planted(path: str = "../home/known.py") -> bytes:
    """What would have ``undo`` write to a file outside."""
    entry = {
        "path": path,
        "before": base64.b64encode(b"print('hello')\n").decode(),
        "after_sha256": hashlib.sha256(VICTIM).hexdigest(),
        "missing_directories": 0,
    }
    return json.dumps({"version": 2, "files": [entry]}).encode()


# --- Journals of others --------------------------------------------------------------------------


def unsigned(path: Path) -> None:
    path.write_bytes(planted())
    path.chmod(0o600)


def signed_by_another(path: Path) -> None:
    path.write_bytes(Seal(b"x" * 32, f"journal {path.stem}").signed(planted()))
    path.chmod(0o600)


def signed_under_another_name(path: Path) -> None:
    path.write_bytes(Seal(own_key(), "journal 000001-x").signed(planted()))
    path.chmod(0o600)


def readable_by_all(path: Path) -> None:
    sign(path, planted())
    path.chmod(0o644)


def linked(path: Path) -> None:
    sign(path.with_name("elsewhere"), planted())
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("suffix", ["json", "unfinished"])
@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (unsigned, "it is not signed (earlier versions did not sign)"),
        (signed_by_another, "it was not signed by this user on this machine"),
        (signed_under_another_name, "it was not signed by this user on this machine"),
        (readable_by_all, "other users may read or write it"),
        (linked, "it is a symbolic link"),
    ],
)
def test_a_journal_of_somebody_else_is_named_and_not_obeyed(
    place: Path, plant: Callable[[Path], None], why: str, suffix: str
) -> None:
    (place / "versions" / "link.py").symlink_to("../../home/known.py")
    (place / ".fixchain").mkdir()
    plant(place / ".fixchain" / f"000007-20200101T000000Z.{suffix}")
    before = tree(place.parent)
    for command, exit_code in ((["check"], 1), (["repair", "--dry-run"], 1), (["undo"], 3)):
        done = fixchain(*command, *["--yes"] * (command == ["undo"]))
        assert done.exit_code == exit_code
        assert why in said(done)
        assert said(done).count("000007") == (2 if command == ["undo"] else 1)  # and rm -- there
        assert "killed" not in said(done)
    assert {name: node[:2] for name, node in tree(place.parent).items()} == {
        name: node[:2] for name, node in before.items()
    }


def test_a_repair_and_its_undo_go_on_beside_it(place: Path) -> None:
    before = migrations(place)
    (place / ".fixchain").mkdir()
    unsigned(place / ".fixchain" / "999999-29991231T000000Z.unfinished")
    assert repaired(place).name.startswith("000001-")
    assert migrations(place) != before
    done = fixchain("undo", "--yes")
    assert done.exit_code == 0, done
    assert "is not yours and is ignored: it is not signed" in said(done)
    assert migrations(place) == before


def test_the_journal_of_an_earlier_version(place: Path) -> None:
    journal = repaired(place)
    document = journal.read_bytes().partition(b" ")[2]
    journal.unlink()
    journal.with_name("20200101T000000.000000Z.json").write_bytes(document)
    journal.with_name("20200101T000000.000000Z.json").chmod(0o600)
    done = fixchain("undo", "--yes")
    assert done.exit_code == 3
    assert "is ignored: it is not signed (earlier versions did not sign)" in said(done)
    assert "rm -- migrations/.fixchain/20200101T000000.000000Z.json" in said(done)


@needs_git
def test_a_journal_that_git_tracks(place: Path, own_git: None) -> None:
    repository = Repository(place.parent)
    repaired(place)
    repository.git("add", "-A", "-f")
    done = fixchain("undo", "--yes")
    assert done.exit_code == 3
    assert "is ignored: Git tracks it" in said(done)
    repository.git("rm", "-r", "-q", "--cached", "migrations/.fixchain")
    assert fixchain("undo", "--yes").exit_code == 0


def test_without_the_key_nobody_obeys_a_journal(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repaired(place)
    after = migrations(place)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    done = fixchain("undo", "--yes")
    assert done.exit_code == 3
    assert "there is no key on this machine to check it" in said(done)
    assert migrations(place) == after
    assert fixchain("check").exit_code == 0


def test_rows_that_somebody_else_wrote(place: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    stamp(url, "b", "d")
    sql(url, *(f"CREATE TABLE t_{name} (id INTEGER)" for name in "abcd"))
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0
    assert rows_of(url) == ["d"]
    (journal,) = all_journals(place)
    line = journal.rows_path.read_bytes().partition(b" ")[2]
    assert line.count(b'["b", "d"]') == 1
    with journal.rows_path.open("ab") as file:
        file.write(b"0" * 64 + b" " + line.replace(b'["b", "d"]', b'["evil"]'))
    done = fixchain("undo", "--yes", "--database", url)
    assert done.exit_code == 3
    assert "was not signed by this user on this machine" in said(done)
    assert rows_of(url) == ["d"]


# --- The key -------------------------------------------------------------------------------------


def test_the_key_is_made_on_first_use_for_this_user_alone(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert fixchain("check").exit_code == 1
    assert not (tmp_path / "state").exists()
    repaired(place)
    key = key_path()
    assert key == tmp_path / "state/flask-chainfix/journal.key"
    assert [path.name for path in key.parent.iterdir()] == ["journal.key"]
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert fixchain("undo", "--yes").exit_code == 0


@pytest.mark.parametrize("state", ["", "relative"])
def test_without_a_directory_for_state_it_is_in_the_home(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    repaired(place)
    assert (tmp_path / "home/.local/state/flask-chainfix/journal.key").is_file()


def in_the_way(key: Path) -> None:
    key.parent.write_bytes(b"")


def short(key: Path) -> None:
    key.parent.mkdir()
    key.write_bytes(b"x")
    key.chmod(0o600)


def known_to_others(key: Path) -> None:
    key.parent.mkdir()
    key.write_bytes(b"x" * 32)
    key.chmod(0o644)


def a_link(key: Path) -> None:
    key.parent.mkdir()
    key.symlink_to("nowhere")


@pytest.mark.parametrize("spoil", [in_the_way, short, known_to_others, a_link])
def test_where_no_key_can_be_kept_nothing_is_changed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    key = key_path()
    assert key is not None
    spoil(key)
    before = migrations(place)
    done = fixchain("repair", "--yes")
    assert done.exit_code == 3
    assert "the key that signs the journal cannot be stored" in said(done)
    assert "set XDG_STATE_HOME" in said(done)
    assert migrations(place) == before
    assert all_journals(place) == []


# --- Links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (".fixchain", "../home"),
        (".fixchain/lock", "../../home/made"),
        (".fixchain/lock", "../../home/known.py"),
        ("versions/__pycache__", "../../home"),
    ],
)
def test_no_link_is_followed_out_of_the_project(place: Path, link: str, target: str) -> None:
    home = place.parent / "home"
    (home / "e_add_e.cpython-311.pyc").write_bytes(b"")
    (home / "draft").write_bytes(b"my novel")
    (place / link).parent.mkdir(exist_ok=True)
    (place / link).symlink_to(target)
    before, outside = migrations(place), tree(home)
    done = fixchain("repair", "--yes")
    assert done.exit_code == 3
    assert "symbolic link" in said(done)
    assert (migrations(place), tree(home)) == (before, outside)
    (place / link).unlink()
    assert fixchain("repair", "--yes").exit_code == 0


def test_a_rule_for_git_that_leads_elsewhere_is_left_alone(place: Path) -> None:
    (place / ".fixchain").mkdir()
    (place / ".fixchain/.gitignore").symlink_to("../../home/made")
    repaired(place)
    assert not (place.parent / "home/made").exists()


def test_a_cache_that_has_become_a_link_keeps_undo_from_clearing_it(place: Path) -> None:
    repaired(place)
    cache, home = place / "versions/__pycache__", place.parent / "home"
    shutil.rmtree(cache, ignore_errors=True)
    (home / "e_add_e.cpython-311.pyc").write_bytes(b"")
    cache.symlink_to("../../home")
    after, outside = migrations(place), tree(home)
    done = fixchain("undo", "--yes")
    assert done.exit_code == 3
    assert f"rm -- {cache}" in said(done)
    assert (migrations(place), tree(home)) == (after, outside)


def test_a_migration_that_has_become_a_link_is_not_written_through(place: Path) -> None:
    repaired(place)
    path, elsewhere = place / "versions/e_add_e.py", place.parent / "home/e_add_e.py"
    path.rename(elsewhere)
    path.symlink_to("../../home/e_add_e.py")
    after = elsewhere.read_bytes()
    done = fixchain("undo", "--yes")
    assert done.exit_code == 3
    assert "is not a migration of this environment" in said(done)
    assert elsewhere.read_bytes() == after


# --- Their order ---------------------------------------------------------------------------------


def test_the_order_of_journals_does_not_hang_on_the_clock(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        year_now = 2030

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            cls.year_now -= 1
            return cls(cls.year_now, 1, 1, tzinfo=tz)

    monkeypatch.setattr("flask_chainfix.disk.journal.datetime", Clock)
    path = place / "versions/new.py"
    for before, after in ((None, b"1"), (b"1", b"2"), (b"2", b"3")):
        with disk.locked(place), disk.changed_files(place, [Edit(path, before, after)]):
            pass
    journals = all_journals(place)
    assert [each.path.name[:7] for each in journals] == ["000001-", "000002-", "000003-"]
    assert [each.entries[0].before for each in journals] == [None, b"1", b"2"]
    assert "2027" in journals[-1].path.name


# --- An undo that does not come to its end -------------------------------------------------------


@pytest.mark.parametrize("which", [0, -1])
def test_a_half_undone_repair_is_named_and_undo_goes_on(place: Path, which: int) -> None:
    """Be it that an undo was killed, or that somebody has put a file back."""
    before = migrations(place)
    journal = repaired(place)
    entry = all_journals(place)[0].entries[which]
    assert entry.before is not None
    entry.path.write_bytes(entry.before)
    done = fixchain("check")
    assert "an undo was killed half-way" in said(done)
    half = migrations(place)
    done = fixchain("repair", "--yes")
    assert done.exit_code == 3
    assert "an undo was killed half-way" in said(done)
    assert f"rm -- {os.path.relpath(journal)}" in said(done)
    assert migrations(place) == half
    assert fixchain("undo", "--yes").exit_code == 0
    assert migrations(place) == before
    assert "an undo was killed" not in said(fixchain("check"))


def test_a_file_of_a_repair_that_is_gone_is_no_undo_that_was_killed(place: Path) -> None:
    """An undo deletes what the repair made when it has put back what the repair rewrote."""
    assert fixchain("repair", "--yes", "--strategy", "merge").exit_code == 0
    (made,) = (each for each in all_journals(place)[0].entries if each.before is None)
    assert len(all_journals(place)[0].entries) > 1
    made.path.unlink()
    assert "an undo was killed" not in said(fixchain("check"))


def test_rows_that_went_back_before_the_files_stay_where_they_are(
    place: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    stamp(url, "b", "d")
    sql(url, *(f"CREATE TABLE t_{name} (id INTEGER)" for name in "abcd"))
    before = migrations(place)
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0
    first, *_ = all_journals(place)[0].entries
    assert first.before is not None
    first.path.write_bytes(first.before)
    sql(url, "INSERT INTO alembic_version VALUES ('b')")
    done = fixchain("undo", "--yes", "--database", url)
    assert done.exit_code == 0, done
    assert (migrations(place), rows_of(url)) == (before, ["b", "d"])


def test_a_repair_of_which_a_later_one_took_back_a_part_is_none(place: Path) -> None:
    repaired(place)
    first, second, *_ = all_journals(place)[0].entries
    edits = [
        Edit(first.path, first.path.read_bytes(), first.before),
        Edit(second.path, data := second.path.read_bytes(), data + b"# more\n"),
    ]
    with disk.locked(place), disk.changed_files(place, edits):
        pass
    assert "an undo was killed" not in said(fixchain("check"))


def test_a_journal_that_cannot_be_deleted_counts_for_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that takes files and no longer lets names go."""
    before = migrations(place)
    repaired(place)

    def fail(_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("flask_chainfix.disk.journal.Journal.discard", fail)
        done = fixchain("undo", "--yes")
    assert done.exit_code == 0, done
    assert "every file is as it was before, but its journal cannot be cleared away" in said(done)
    assert "could not all be put back" not in said(done)
    assert migrations(place) == before
    assert "these files hold none of the repairs in the journal" in said(fixchain("undo", "--yes"))


class FullDisk:
    """From its beginning on nothing new can be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flask_chainfix.disk.writing.write_synced", self.write)

    def write(self, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")


@pytest.fixture
def moved(place: Path, tmp_path: Path) -> str:
    """The URL of a database whose rows were moved with a repair."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    stamp(url, "b", "d")
    sql(url, *(f"CREATE TABLE t_{name} (id INTEGER)" for name in "abcd"))
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0
    assert rows_of(url) == ["d"]
    return url


def test_an_undo_on_a_full_disk_changes_neither_rows_nor_files(
    place: Path, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = migrations(place)
    with monkeypatch.context() as patched:
        FullDisk(patched)
        done = fixchain("undo", "--yes", "--database", moved)
    assert done.exit_code == 3
    assert "the old files cannot be written" in said(done)
    assert "no file and no stamp was changed" in said(done)
    assert (migrations(place), rows_of(moved)) == (after, ["d"])
    assert fixchain("undo", "--yes", "--database", moved).exit_code == 0
    assert rows_of(moved) == ["b", "d"]


@pytest.mark.parametrize("at", [1, 2])
def test_an_undo_whose_files_cannot_be_put_back_tells_the_truth_about_rows(
    place: Path, moved: str, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At the first file the rows become the new ones again, behind it they stay the old ones."""
    replaced = os.replace
    calls = iter(range(1, 10))

    def fail(source: Path, target: Path) -> None:
        if next(calls) >= at:
            raise OSError(5, "Input/output error")
        replaced(source, target)

    with monkeypatch.context() as patched:
        patched.setattr("flask_chainfix.disk.writing.os.replace", fail)
        done = fixchain("undo", "--yes", "--database", moved)
    assert done.exit_code == 3
    assert rows_of(moved) == (["d"] if at == 1 else ["b", "d"])
    assert ("every stamp is back as it was" in said(done)) == (at == 2)
    assert fixchain("undo", "--yes", "--database", moved).exit_code == 0
    assert rows_of(moved) == ["b", "d"]
