"""Reading the disk: exactly the files that Alembic would load, whatever else lies there."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from flask_chainfix.common.errors import CannotRead
from flask_chainfix.disk.version_locations import read_snapshot, unconfigured_migrations
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import Header, Unreadable
from tests.disk import environment
from tests.support import migration, rev

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs links, pipes or users")
VERSIONS = ("versions",)


@pytest.fixture(autouse=True)
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory).resolve()


def put(path: Path, revision: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(migration(rev(revision)))
    return path


def described(
    place: Path, locations: tuple[str, ...], *, recursive: bool = False, sourceless: bool = False
) -> Environment:
    return Environment(place, tuple(place / name for name in locations), recursive, sourceless)


def what_we_read(described: Environment) -> list[tuple[str, str | None]]:
    """Real path and id of each file, in the order of reading."""
    files = read_snapshot(described)[0].files
    return [
        (os.path.realpath(file.path), file.reading.revision)
        for file in files
        if isinstance(file.reading, Header)
    ]


def what_alembic_loads(described: Environment) -> list[tuple[str, str | None]]:
    config = Config()
    config.set_main_option("script_location", str(described.directory))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_path_separator", "os")
    locations = os.pathsep.join(str(location) for location in described.version_locations)
    config.set_main_option("version_locations", locations)
    config.set_main_option("recursive_version_locations", str(described.recursive).lower())
    config.set_main_option("sourceless", str(described.sourceless).lower())
    script = ScriptDirectory.from_config(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a file is loaded twice
        return [(str(Path(item.path)), item.revision) for item in script._load_revisions()]


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Root may read everything; these lines run as a user who may not."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- Which files ---------------------------------------------------------------------------------

LOADED = [
    "plain.py",
    "b copy.py",
    "with [brackets] and *.py",
    "-rf.py",
    ".hidden.py",
    "naïve ü 漢.py",
    "twice.py.py",
    "quo'te\".py",
]
NOT_LOADED = [
    "x.py.orig",
    "x.py~",
    ".#x.py",
    "__init__.py",
    "__init__more.py",
    "x.pyc",
    "X.PY",
    "line\nend.py",
    "x.pyi",
    "README",
    ".x.py.fixchain-new",
]


@posix
@pytest.mark.parametrize("sourceless", [False, True])
@pytest.mark.parametrize("recursive", [False, True])
def test_names(place: Path, recursive: bool, sourceless: bool) -> None:
    for number, name in enumerate(LOADED):
        put(place / "versions" / name, f"r{number}")
    for number, name in enumerate(NOT_LOADED):
        put(place / "versions" / name, f"n{number}")
    (place / "versions" / "x.pyc").unlink()
    (place / "versions" / "directory.py").mkdir()
    put(place / "versions" / "directory.py" / "inside.py", "inside")
    put(place / "versions" / "2024" / "01" / "nested.py", "nested")
    put(place / "versions" / "2024" / "__pycache__" / "cached.py", "cached")
    this = described(place, VERSIONS, recursive=recursive, sourceless=sourceless)
    read = what_we_read(this)
    assert read == what_alembic_loads(this)
    names = {os.path.basename(path) for path, _ in read}
    assert names >= set(LOADED)
    assert names.isdisjoint(NOT_LOADED)
    assert ("nested.py" in names, "inside.py" in names) == (recursive, recursive)


def compiled(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    py_compile.compile(str(source), cfile=str(target), doraise=True)


@pytest.mark.parametrize("recursive", [False, True])
def test_sourceless(place: Path, recursive: bool) -> None:
    versions = place / "versions"
    tag = sys.implementation.cache_tag
    for name in ("alone", "both", "cached", "source", "dotted.name"):
        source = put(versions / f"{name}.py", f"{name}")
        if name == "cached":
            compiled(source, versions / "__pycache__" / f"{name}.{tag}.pyc")
        elif name != "source":
            compiled(source, versions / f"{name}.pyc")
            compiled(source, versions / "__pycache__" / f"{name}.{tag}.pyc")
        if name not in ("source", "both"):
            source.unlink()
    this = described(place, VERSIONS, sourceless=True, recursive=recursive)
    loaded = what_alembic_loads(this)
    assert {revision for _, revision in loaded} == {
        "alone",
        "both",
        "cached",
        "source",
        "dotted.name",
    }
    # Those without a source are known, and not read.
    assert what_we_read(this) == [
        (path, revision if path.endswith(".py") else None) for path, revision in loaded
    ]
    without = described(place, VERSIONS, recursive=recursive)
    assert {revision for _, revision in what_we_read(without)} == {"both", "source"}


@posix
def test_links(place: Path) -> None:
    put(place / "elsewhere" / "real.py", "a")
    put(place / "elsewhere" / "no migration by name", "b")
    put(place / "versions" / "c.py", "c")
    (place / "versions" / "link.py").symlink_to(place / "elsewhere" / "real.py")
    (place / "versions" / "again.py").symlink_to("../elsewhere/real.py")
    (place / "versions" / "other.py").symlink_to("../elsewhere/no migration by name")
    (place / "versions" / "no name").symlink_to("c.py")
    (place / "linked").symlink_to("versions")
    for locations in (VERSIONS, ("linked",), ("linked", "versions")):
        this = described(place, locations)
        assert what_we_read(this) == what_alembic_loads(this)
        assert sorted(str(revision) for _, revision in what_we_read(this)) == ["a", "c"]


@posix
def test_links_to_directories_are_not_followed(place: Path) -> None:
    put(place / "elsewhere" / "a.py", "a")
    put(place / "versions" / "b.py", "b")
    (place / "versions" / "linked").symlink_to("../elsewhere")
    (place / "versions" / "round").symlink_to(".")
    this = described(place, VERSIONS, recursive=True)
    assert what_we_read(this) == what_alembic_loads(this)
    assert [revision for _, revision in what_we_read(this)] == ["b"]


def test_the_same_directory_in_two_version_locations(place: Path) -> None:
    put(place / "versions" / "a.py", "a")
    put(place / "versions" / "b.py", "b")
    put(place / "more" / "c.py", "c")
    this = described(place, ("versions", "more", "versions/../versions"))
    snapshot, notices = read_snapshot(this)
    assert what_we_read(this) == what_alembic_loads(this)
    assert len(snapshot.files) == 3
    (notice,) = notices
    assert "2 of the files are also in another version location" in notice


@pytest.mark.parametrize("recursive", [False, True])
def test_a_version_location_that_is_not_there(place: Path, recursive: bool) -> None:
    put(place / "versions" / "a.py", "a")
    this = described(place, ("versions", "gone"), recursive=recursive)
    notices = read_snapshot(this)[1]
    assert what_we_read(this) == what_alembic_loads(this)
    assert [f"the version location {place / 'gone'} does not exist"] == list(notices)


# --- Files that cannot be read -------------------------------------------------------------------


def only_reason(place: Path) -> str:
    """Why the one file besides ``good.py`` cannot be read; the good one is read all the same."""
    put(place / "versions" / "good.py", "good")
    files = read_snapshot(described(place, VERSIONS))[0].files
    assert [file.reading.revision for file in files if isinstance(file.reading, Header)] == ["good"]
    (unreadable,) = (file.reading for file in files if isinstance(file.reading, Unreadable))
    assert "restore the file or its permissions" in unreadable.remedy
    return unreadable.reason


@posix
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.symlink_to("gone.py"), "is a link to a file that is not there"),
        (lambda path: path.symlink_to("bad.py"), "is a link that points back to itself"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/null.py"), "is a link to a file that is not there"),
    ],
)
def test_no_file_at_all(place: Path, make: Callable[[Path], None], reason: str) -> None:
    (place / "versions").mkdir()
    make(place / "versions" / "bad.py")
    assert only_reason(place) == reason


@posix
def test_a_link_that_leads_nowhere_is_named_itself(place: Path) -> None:
    (place / "versions").mkdir()
    (place / "versions" / "z.py").symlink_to("../elsewhere/nope.py")
    (file,) = read_snapshot(described(place, VERSIONS))[0].files
    assert file.path == place / "versions" / "z.py"
    # What is no migration by the name of what it leads to is passed over, as Alembic does it.
    (place / "versions" / "z.py").unlink()
    (place / "versions" / "z.py").symlink_to("nope")
    assert read_snapshot(described(place, VERSIONS))[0].files == ()


@posix
def test_a_circle_of_links(place: Path) -> None:
    (place / "versions").mkdir()
    (place / "versions" / "bad.py").symlink_to("round")
    (place / "versions" / "round").symlink_to("bad.py")
    assert only_reason(place) == "is a link that points back to itself"


@posix
def test_permissions(place: Path) -> None:
    put(place / "versions" / "bad.py", "bad").chmod(0)
    put(place / "versions" / "good.py", "good").chmod(0o644)
    with as_somebody_else():
        files = read_snapshot(described(place, VERSIONS))[0].files
    assert {file.name: file.reading[0] for file in files} == {
        "bad.py": "cannot be read: Permission denied",
        "good.py": "good",
    }


@posix
@pytest.mark.parametrize("recursive", [False, True])
def test_a_directory_that_cannot_be_listed(place: Path, recursive: bool) -> None:
    put(place / "versions" / "a.py", "a")
    (place / "versions").chmod(0o300)
    with as_somebody_else(), pytest.raises(CannotRead, match="cannot be listed: Permission denied"):
        read_snapshot(described(place, VERSIONS, recursive=recursive))


@posix
def test_what_cannot_be_read_beside_the_locations_hides_none_of_the_others(place: Path) -> None:
    kept = [put(place / name / "x.py", name) for name in ("mysql", "sqlite")]
    kept.append(put(place / "mysql" / "z.py", "z"))
    put(place / "mysql" / "y.py", "y").chmod(0)
    (place / "mysql" / "directory.py").mkdir()
    put(place / "closed" / "x.py", "closed")
    (place / "closed").chmod(0)
    (place / "versions").mkdir()
    with as_somebody_else():
        found = list(unconfigured_migrations(described(place, VERSIONS)))
    (place / "closed").chmod(0o755)
    assert found == sorted(kept)


def test_vanished_between_listing_and_reading(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = put(place / "versions" / "bad.py", "bad")
    real_open = os.open

    def open_too_late(path: Any, *args: Any, **keywords: Any) -> int:
        if path == str(bad):
            bad.unlink()
        return real_open(path, *args, **keywords)

    monkeypatch.setattr(os, "open", open_too_late)
    assert only_reason(place) == "cannot be read: No such file or directory"


def test_growing_while_it_is_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = put(place / "versions" / "a.py", "a")
    real_read, written = os.read, growing.read_bytes()

    def read(descriptor: int, size: int) -> bytes:
        data = real_read(descriptor, size)
        if data == written:
            growing.write_bytes(written + b"# more\n")
        return data

    monkeypatch.setattr(os, "read", read)
    (file,) = read_snapshot(described(place, VERSIONS))[0].files
    assert file.data in (written, written + b"# more\n")


# --- Bytecode as a witness -----------------------------------------------------------------------

BROKEN_BODY = b"def broken(:\n"


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """An environment of one migration that Alembic has compiled."""
    place = environment(tmp_path / "migrations", "a")
    source = place / "versions" / "a_add_a.py"
    source.write_bytes(source.read_bytes() + b"#" * len(BROKEN_BODY))
    os.utime(source, (1_700_000_000, 1_700_000_000))
    py_compile.compile(str(source), doraise=True)
    return source


def reading(source: Path) -> Header | Unreadable:
    (file,) = read_snapshot(described(source.parent.parent, VERSIONS))[0].files
    return file.reading


def replace_body(source: Path, body: bytes = BROKEN_BODY) -> None:
    source.write_bytes(source.read_bytes().rstrip(b"#") + body)


def test_bytecode_changes_no_result(cached: Path) -> None:
    with_bytecode = reading(cached)
    Path(importlib.util.cache_from_source(str(cached))).unlink()
    assert reading(cached) == with_bytecode
    assert isinstance(with_bytecode, Header)


def test_bytecode_of_the_file_as_it_is_spares_compiling_it(cached: Path) -> None:
    # What the interpreter itself takes for unchanged: it would not look at the source either.
    replace_body(cached)
    os.utime(cached, (1_700_000_000, 1_700_000_000))
    assert isinstance(reading(cached), Header)
    assert what_alembic_loads(described(cached.parent.parent, VERSIONS))[0][1] == "a"


def test_the_header_never_comes_from_bytecode(cached: Path) -> None:
    cached.write_bytes(cached.read_bytes().replace(b"revision = 'a'", b"revision = 'z'", 1))
    os.utime(cached, (1_700_000_000, 1_700_000_000))
    header = reading(cached)
    assert isinstance(header, Header)
    assert header.revision == "z"


@pytest.mark.parametrize("change", ["time", "size", "magic", "hash", "truncated", "unreadable"])
def test_other_bytecode_proves_nothing(cached: Path, change: str) -> None:
    replace_body(cached, BROKEN_BODY + b"#" * (change == "size"))
    time = 1_700_000_000 + (change == "time")
    os.utime(cached, (time, time))
    bytecode = Path(importlib.util.cache_from_source(str(cached)))
    data = bytecode.read_bytes()
    if change == "magic":
        bytecode.write_bytes(b"\0\0\r\n" + data[4:])
    elif change == "hash":
        bytecode.write_bytes(data[:4] + b"\1\0\0\0" + data[8:])
    elif change == "truncated":
        bytecode.write_bytes(data[:15])
    elif change == "unreadable":
        bytecode.unlink()
        bytecode.mkdir()
    unreadable = reading(cached)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason.startswith("is not valid Python")
