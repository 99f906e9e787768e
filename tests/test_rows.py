"""The rows of databases in the journal: taken down before they are moved, and read back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from flask_chainfix.common.errors import CannotRead, CannotWrite, ChainFixError
from flask_chainfix.databases.restamping import move_rows
from flask_chainfix.databases.targets import Target
from flask_chainfix.disk.journal import Journal
from flask_chainfix.disk.recorded_rows import RowLog, recorded_moves
from flask_chainfix.disk.safe_files import locked
from flask_chainfix.disk.writing import changed_files
from flask_chainfix.model.databases import Move
from flask_chainfix.model.files import Edit
from tests.disk import all_journals, latest
from tests.stamped import rows_of, stamp
from tests.support import graph


def move(name: str, before: str, after: str) -> Move:
    return Move(name, f"server/{name}", tuple(before.split()), tuple(after.split()))


GRAPH = graph("a", "b <- a", "c <- b")
ONE = move("one", "b c", "c")
TWO = move("two", "b", "b a")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Of a repair that has come to its end."""
    file = tmp_path / "versions/a.py"
    file.parent.mkdir()
    file.write_bytes(b"old")
    with locked(tmp_path), changed_files(tmp_path, [Edit(file, b"old", b"new")]):
        pass
    made = latest(tmp_path)
    assert made is not None
    return made


def record(place: Path, journal: Journal | None, *moves: Move) -> None:
    with locked(place), RowLog(place, journal, GRAPH) as log:
        for each in moves:
            log.record(each)


def refused(journal: Journal) -> ChainFixError:
    with pytest.raises(CannotRead) as caught:
        recorded_moves(journal)
    assert str(journal.rows_path) in caught.value.message
    assert "move the file elsewhere" in caught.value.remedy
    return caught.value


# --- What is taken down --------------------------------------------------------------------------


def test_what_was_recorded_is_read_back(tmp_path: Path, journal: Journal) -> None:
    assert recorded_moves(journal) == ()
    odd = Move('a "name", ü, \n', "id\\n\0", ("\udcff", "ü"), ())
    record(tmp_path, journal, ONE, odd)
    assert recorded_moves(journal) == (ONE, odd)


def test_of_each_database_the_first_rows_and_the_last_count(
    tmp_path: Path, journal: Journal
) -> None:
    record(tmp_path, journal, ONE, TWO)
    record(tmp_path, journal, move("one", "c", "d"))
    assert recorded_moves(journal) == (move("one", "b c", "d"), TWO)


def test_rows_that_were_upgraded_between_two_moves_go_back_to_where_they_were_then(
    tmp_path: Path, journal: Journal
) -> None:
    record(tmp_path, journal, move("one", "a", "a"))
    record(tmp_path, journal, move("one", "c c", "c"))
    assert recorded_moves(journal) == (move("one", "c c", "c"),)


def test_many_are_seen_to_the_disk_together(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RowLog(tmp_path, journal, GRAPH) as log:
        log.record(ONE)
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        log.record(*(move(f"tenant {number}", "b", "b") for number in range(100)))
    assert len(synced) == 1
    assert len(recorded_moves(journal)) == 101


def test_only_the_owner_can_read_it(tmp_path: Path, journal: Journal) -> None:
    record(tmp_path, journal, ONE)
    assert journal.rows_path.stat().st_mode & 0o777 == 0o600


def test_it_is_on_the_disk_before_the_caller_goes_on(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        if journal.rows_path.exists():
            synced.append(journal.rows_path.read_bytes())

    monkeypatch.setattr(os, "fsync", note)
    with RowLog(tmp_path, journal, GRAPH) as log:
        log.record(ONE)
        assert synced[-1] == journal.rows_path.read_bytes() != b""


def test_without_a_repair_it_gets_a_journal_of_its_own(tmp_path: Path, journal: Journal) -> None:
    record(tmp_path, None, ONE, TWO)
    own = latest(tmp_path)
    assert own is not None
    assert own.path > journal.path
    assert (own.finished, own.entries) == (True, ())
    assert recorded_moves(own) == (ONE, TWO)
    assert recorded_moves(journal) == ()
    assert all_journals(tmp_path) == [journal, own]


def test_where_nothing_is_recorded_there_is_no_journal(tmp_path: Path) -> None:
    record(tmp_path, None)
    assert latest(tmp_path) is None


def test_what_is_discarded_is_gone(tmp_path: Path, journal: Journal) -> None:
    record(tmp_path, journal, ONE)
    journal.discard()
    assert recorded_moves(journal) == ()
    assert latest(tmp_path) is None
    names = {path.name for path in (tmp_path / ".fixchain").iterdir()}
    assert names == {".gitignore", "lock"}


# --- What a crash or somebody's hand leaves ------------------------------------------------------


def test_half_a_line_counts_for_nothing(tmp_path: Path, journal: Journal) -> None:
    record(tmp_path, journal, ONE, TWO)
    whole = journal.rows_path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        journal.rows_path.write_bytes(whole[:end])
        assert recorded_moves(journal) == (ONE,)
        record(tmp_path, journal, TWO)
        assert journal.rows_path.read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"3",
        b"\xff",
        b'["id", "name", ["b"]]',
        b'["id", "name", "b", ["c"]]',
        b'["id", "name", ["b"], [3]]',
        b'["id", "name", ["b"], ["c"], 1]',
    ],
)
def test_a_damaged_line_is_no_record(tmp_path: Path, journal: Journal, line: bytes) -> None:
    record(tmp_path, journal, ONE)
    with journal.rows_path.open("ab") as file:
        file.write(line + b"\n")
    refused(journal)


def test_a_record_that_cannot_be_read(journal: Journal) -> None:
    journal.rows_path.mkdir()
    refused(journal)


# --- What cannot be written ----------------------------------------------------------------------


def test_where_it_cannot_be_written_the_database_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / ".fixchain").write_text("in the way")
    url = f"sqlite:///{tmp_path / 'app.db'}"
    stamp(url, "b", "c")
    target = Target("app", make_url(url))
    wanted = Move("app", target.identity, ("b", "c"), ("c",))
    with (
        pytest.raises(CannotWrite, match="the journal cannot be written") as caught,
        RowLog(tmp_path, None, GRAPH) as log,
    ):
        move_rows({target.identity: target}, [wanted], log.record, lambda *_: None)
    assert "no further row was moved" in caught.value.remedy
    assert rows_of(url) == ["b", "c"]


class FullDisk:
    """Takes a few bytes of the first line that is written, and all of the next ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self._write, self._room = os.write, room
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        if self._room == 0:
            self._room = -1
            raise OSError(28, "No space left on device")
        if self._room < 0:
            return self._write(descriptor, data)
        done = self._write(descriptor, bytes(data[: self._room]))
        self._room = 0
        return done


@pytest.mark.parametrize("room", [1, 20])
def test_half_a_line_does_not_spoil_what_another_thread_writes(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    FullDisk(monkeypatch, room)
    with RowLog(tmp_path, journal, GRAPH) as log:
        with pytest.raises(CannotWrite, match="No space left"):
            log.record(ONE)
        log.record(TWO)  # it had begun when the first one failed
    assert recorded_moves(journal) == (TWO,)


def test_a_journal_that_cannot_be_made_does_not_stand_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fail)
        with pytest.raises(CannotWrite):
            record(tmp_path, None, ONE)
    assert latest(tmp_path) is None
    record(tmp_path, None, TWO)
    own = latest(tmp_path)
    assert own is not None
    assert recorded_moves(own) == (TWO,)
