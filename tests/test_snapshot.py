"""What was read, and how it would look after changes."""

from __future__ import annotations

from flask_chainfix.chain.snapshot import Snapshot, location
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import Edit, Header, Unreadable
from tests.support import MIGRATIONS, Rev, chain, migration, path_of, rev

BROKEN = b"revision = 'x'\n<<<<<<< HEAD\n"
COMPUTED = b"revision = make_id()\ndown_revision = 'a'\n"


def test_files_by_revision() -> None:
    snapshot = chain("a", "b <- a", rev("b <- a", file="copy.py"), extra={"x.py": BROKEN})
    names = {
        revision: sorted(file.path.name for file in files)
        for revision, files in snapshot.files_by_revision.items()
    }
    assert names == {"a": ["a_add_a.py"], "b": ["b_add_b.py", "copy.py"]}
    assert snapshot.file("b").path == path_of("b")
    assert snapshot.header("b").down_revision == ("a",)


def test_unreadable_and_anonymous_files_are_no_part_of_the_graph() -> None:
    snapshot = chain("a", extra={"x.py": BROKEN, "y.py": COMPUTED})
    assert [file.path.name for file, _ in snapshot.unreadable] == ["x.py"]
    assert [file.path.name for file in snapshot.anonymous] == ["y.py"]
    assert list(snapshot.graph) == ["a"]


def test_locations_are_lines_of_every_file_of_a_revision() -> None:
    snapshot = chain("a", "b <- a", rev("b <- a :2024-01-01", file="copy.py"))
    places = snapshot.locations("b", "down_revision")
    assert sorted((place.path.name, place.line) for place in places) == [
        ("b_add_b.py", 14),
        ("copy.py", 14),
    ]


def test_what_a_file_does_not_say_has_no_line() -> None:
    snapshot = chain(extra={"x.py": b"revision = 'x'\ndown_revision = None\n", "y.py": BROKEN})
    readable, unreadable = snapshot.files
    assert location(readable, "revision").line == 1
    assert location(readable, "create_date").line is None
    assert location(unreadable, "revision").line is None


def test_the_version_location_of_a_file() -> None:
    snapshot = chain("a", "p /plugin")
    assert snapshot.version_location(path_of("p", "plugin")) == MIGRATIONS / "plugin"
    below = MIGRATIONS / "plugin" / "2024" / "p.py"
    assert snapshot.version_location(below) == MIGRATIONS / "plugin"


# --- after ---------------------------------------------------------------------------------------


def edit(snapshot: Snapshot, revision: str, after: bytes) -> Edit:
    """A change of one file."""
    file = snapshot.file(revision)
    return Edit(file.path, file.data, after)


def test_after_a_change_the_new_bytes_are_read() -> None:
    snapshot = chain("a", "b <- a", "c <- a")
    changed = snapshot.after([edit(snapshot, "c", migration(Rev("c", ("b",))))])
    assert changed.graph.parents["c"] == ("b",)
    assert changed.graph.heads == ("c",)
    assert changed.file("b") is snapshot.file("b")


def test_the_snapshot_itself_stays_as_it_was() -> None:
    snapshot = chain("a", "b <- a")
    snapshot.after([edit(snapshot, "b", migration(Rev("b")))])
    assert snapshot.graph.parents["b"] == ("a",)


def test_after_a_file_was_added() -> None:
    snapshot = chain("a", "b <- a")
    changed = snapshot.after([Edit(path_of("c"), None, migration(Rev("c", ("a",))))])
    assert list(changed.graph) == ["a", "b", "c"]
    assert changed.file("c").path == path_of("c")


def test_after_a_change_a_file_may_be_unreadable() -> None:
    snapshot = chain("a", "b <- a")
    changed = snapshot.after([edit(snapshot, "b", BROKEN)])
    assert [type(file.reading) for file in changed.files] == [Header, Unreadable]


def test_after_nothing_everything_is_the_same() -> None:
    snapshot = chain("a", "b <- a", extra={"x.py": BROKEN})
    assert snapshot.after([]) == snapshot


def test_an_empty_snapshot() -> None:
    snapshot = Snapshot(Environment(MIGRATIONS, (MIGRATIONS / "versions",)), ())
    assert len(snapshot.graph) == 0
    assert not snapshot.unreadable
    assert not snapshot.files_by_revision
