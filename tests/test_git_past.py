"""Git: chains as they were at a revision, read from real repositories."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.disk.version_locations import read_snapshot
from flask_chainfix.git.past import read_at
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import Header, Unreadable
from tests.disk import tree
from tests.repositories import VERSIONS, Repository, needs_git, script

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]


def environment(repository: Repository, *locations: str, recursive: bool = False) -> Environment:
    places = tuple(repository.top / location for location in locations or (VERSIONS,))
    return Environment(repository.top / "migrations", places, recursive=recursive)


def ids(snapshot: Snapshot) -> list[str | None]:
    return [header.revision for header in snapshot.headers]


def refused(ref: str, where: Environment) -> CannotReadGit:
    with pytest.raises(CannotReadGit) as caught:
        read_at(ref, where)
    assert caught.value.remedy
    assert "\n" not in caught.value.message
    return caught.value


# --- What was there ------------------------------------------------------------------------------


def test_what_is_read_is_what_the_disk_held(repository: Repository) -> None:
    where = environment(repository)
    repository.put("b", "a", parent="q")
    repository.path("c").write_bytes(b"revision = down_revision = None\r\n")
    repository.path("d").write_bytes(b"<<<<<<< ours\n")
    repository.path(f"{VERSIONS}/README").write_text("no migration")
    commit = repository.commit(1)
    then = read_snapshot(where)[0]
    repository.add("b", "e", day=2)
    repository.remove("a", day=3)
    snapshot = read_at(commit, where)
    assert snapshot == then
    assert [file.path for file in snapshot.files] == [repository.path(name) for name in "abcd"]
    assert read_at("HEAD", where) == read_snapshot(where)[0] != then


@pytest.mark.parametrize("ref", ["HEAD~1", "main~1", "v1", "side", ":/first", "main@{1}", "short"])
def test_all_that_git_takes_for_a_revision(repository: Repository, ref: str) -> None:
    repository.put("a")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "first", day=1)
    repository.git("tag", "-a", "-m", "a tag of its own", "v1")
    repository.git("branch", "side")
    short = repository.git("rev-parse", "--short", "HEAD")
    repository.add("b", day=2)
    assert ids(read_at(short if ref == "short" else ref, environment(repository))) == ["a"]


def test_nothing_is_written(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    repository.put("a", parent="changed")
    before = tree(repository.top)
    assert ids(read_at("HEAD~1", environment(repository))) == ["a"]
    assert tree(repository.top) == before


@pytest.mark.parametrize("recursive", [False, True])
def test_directories_below_a_location(repository: Repository, recursive: bool) -> None:
    names = ["b", "2023/z", "2023/deep/a", "2023.x/c", "2022/y", "__pycache__/n", "x/__init__"]
    repository.add(*(f"{VERSIONS}/{name}.py" for name in names), day=1)
    where = environment(repository, recursive=recursive)
    expected = read_snapshot(where)[0]
    shutil.rmtree(repository.top / VERSIONS)
    repository.add("new", day=2)
    snapshot = read_at("HEAD~1", where)
    assert snapshot == expected
    assert ids(snapshot) == (["b", "y", "z", "a", "c"] if recursive else ["b"])


def test_locations_in_each_other(repository: Repository) -> None:
    repository.add("a", f"{VERSIONS}/below/b.py", "plugin/c.py", day=1)
    where = environment(repository, VERSIONS, f"{VERSIONS}/below", "plugin", recursive=True)
    assert read_at("HEAD", where) == read_snapshot(where)[0]
    assert ids(read_at("HEAD", where)) == ["a", "b", "c"]


def test_the_location_is_the_repository(repository: Repository) -> None:
    repository.add("./b.py", "./a.py", "x/c.py", day=1)
    assert ids(read_at("HEAD", environment(repository, "."))) == ["a", "b"]
    both = environment(repository, ".", "x")
    assert ids(read_at("HEAD", both)) == ["a", "b", "c"]


def test_compiled_migrations(repository: Repository) -> None:
    repository.add("a", "b", day=1)
    for name in ("a.pyc", "c.pyc", "c.pyo", "d.pyo"):
        repository.path(f"{VERSIONS}/{name}").write_bytes(b"not for this interpreter")
    repository.commit(2)
    where = replace(environment(repository), sourceless=True)
    assert read_at("HEAD", where) == read_snapshot(where)[0]
    names = [file.name for file in read_at("HEAD", where).files]
    assert names == ["a.py", "b.py", "c.pyc", "d.pyo"]


def test_a_location_that_is_gone(repository: Repository) -> None:
    repository.add("a", day=1)
    shutil.rmtree(repository.top / "migrations")
    repository.commit(2)
    assert ids(read_at("HEAD~1", environment(repository))) == ["a"]


def test_links(repository: Repository) -> None:
    repository.add("a", "shared/b.py", f"{VERSIONS}/below/c.py", day=1)
    links = {
        "again.py": "a.py",
        "outside.py": "../../shared/b.py",
        "inside.py": "below/c.py",
        "no_suffix": "below/c.py",
        "loop.py": "loop.py",
        "directory.py": "below",
        "absolute.py": "/nowhere/x.py",
        "other": "below/README",
    }
    for name, target in links.items():
        (repository.top / VERSIONS / name).symlink_to(target)
    repository.commit(2)
    files = read_at("HEAD", environment(repository)).files
    read = {file.path: type(file.reading) for file in files}
    assert read == {
        repository.path("a"): Header,
        repository.path(f"{VERSIONS}/below/c.py"): Header,
        **{repository.path(name): Unreadable for name in ("outside", "loop", "absolute")},
    }


@pytest.mark.parametrize(
    "name", ["with space", "ünï 漢", ":(top)", "-x", "[a]*?", "li\nne", "\udcff"]
)
def test_any_path(repository: Repository, name: str) -> None:
    repository.add(f"{name}/{name}/{name}.py", f"{name}/{name}/b.py", "[a]*?x/y.py", day=1)
    where = environment(repository, f"{name}/{name}")
    snapshot = read_at("HEAD", where)
    assert snapshot == read_snapshot(where)[0]
    assert len(snapshot.files) == (1 if "\n" in name else 2)


def test_a_linked_directory(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", day=1)
    (tmp_path / "link").symlink_to(repository.top / VERSIONS)
    snapshot = read_at("HEAD", Environment(tmp_path, (tmp_path / "link",)))
    assert [file.path for file in snapshot.files] == [tmp_path / "link/a.py"]


def test_git_is_asked_a_few_times(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add(*(f"r{number}" for number in range(50)), day=1)
    calls = tmp_path / "calls"
    real = shutil.which("git")
    script(tmp_path / "bin/git", f'#!/bin/sh\necho " $*" >>{calls}\nexec {real} "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert len(read_at("HEAD", environment(repository)).files) == 50
    assert len(calls.read_text().splitlines()) == 4


# --- Several repositories ------------------------------------------------------------------------


@pytest.fixture
def both(repository: Repository, tmp_path: Path) -> Environment:
    second = Repository(tmp_path / "second")
    repository.add("a", day=1)
    second.add("b", day=1)
    repository.git("tag", "v1")
    repository.git("tag", "only-here")
    second.git("tag", "v1")
    repository.remove("a", day=2)
    second.add("c", day=2)
    locations = (second.top / VERSIONS, repository.top / VERSIONS)
    return Environment(repository.top, locations)


def test_a_revision_of_each_of_several_repositories(both: Environment) -> None:
    assert ids(read_at("v1", both)) == ["b", "a"]


def test_a_revision_of_only_one_of_several_repositories(both: Environment) -> None:
    error = refused("only-here", both)
    assert "second" in error.message
    assert "each must have it" in error.remedy


# --- What cannot be read -------------------------------------------------------------------------

HOSTILE = [
    "",
    " ",
    "-",
    "--",
    "--upload-pack=x",
    "--output=x",
    "-h",
    "HEAD; rm -rf x",
    "HEAD\nHEAD",
    "HEAD\n",
    "HEAD\0",
    "HEAD HEAD",
    "HEAD..HEAD",
    "^HEAD",
    "$(touch x)",
    "never",
    "HEAD~99",
    "HEAD:migrations",
    "HEAD^{tree}",
    "main@{upstream}",
    "0" * 40,
    "ünï 漢",
    "\udcff",
    "\ud800",
    "x" * 5000,
]


def test_what_is_no_revision(repository: Repository) -> None:
    repository.add("a", day=1)
    where = environment(repository)
    before = tree(repository.top)
    for ref in HOSTILE:
        refused(ref, where)
    assert tree(repository.top) == before
    error = refused("never", where)
    assert error.message == f"'never' is not a revision in the Git repository {repository.top}"


@pytest.mark.parametrize("depth", [(), ("--depth", "1")], ids=["whole", "shallow"])
def test_a_branch_that_a_clone_was_made_without_is_fetched(
    repository: Repository, tmp_path: Path, depth: tuple[str, ...]
) -> None:
    repository.add("a", day=1)
    repository.branch("mine")
    repository.add("b", day=2)
    clone = tmp_path / "clone"
    url = f"file://{repository.top}"
    repository.git("clone", "-q", "--single-branch", "-b", "mine", *depth, url, clone)
    job = Repository(clone)
    error = refused("origin/main", environment(job))
    fetching = error.remedy.ways[0].commands[0].split()
    assert fetching[:2] == ["git", "fetch"]
    job.git(*fetching[1:])
    assert ids(read_at("origin/main", environment(job))) == ["a"]
    assert job.git("merge-base", "origin/main", "HEAD")
    assert "git fetch" not in refused("other/main", environment(repository)).remedy


def test_names_like_options_are_names(repository: Repository) -> None:
    repository.add("a", day=1)
    repository.git("update-ref", "refs/heads/--upload-pack=x", "HEAD")
    repository.add("b", day=2)
    assert ids(read_at("--upload-pack=x", environment(repository))) == ["a"]


def test_a_location_that_was_not_there(repository: Repository) -> None:
    repository.add("old/versions/a.py", "migrations/versions.py", day=1)
    repository.add("a", day=2)
    error = refused("HEAD~1", environment(repository))
    assert str(repository.top / VERSIONS) in error.message
    assert "HEAD~1" in error.message
    both = environment(repository, "old/versions", VERSIONS)
    assert str(repository.top / VERSIONS) in refused("HEAD~1", both).message


def test_a_location_without_migrations(repository: Repository) -> None:
    repository.path(f"{VERSIONS}/.gitkeep").parent.mkdir(parents=True)
    repository.path(f"{VERSIONS}/.gitkeep").touch()
    repository.commit(1)
    assert read_at("HEAD", environment(repository)).files == ()


def test_a_shallow_clone(repository: Repository, tmp_path: Path) -> None:
    first = repository.add("a", day=1)
    repository.add("b", day=2)
    repository.add("c", day=3)
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--depth", "2", f"file://{repository.top}", clone)
    where = environment(Repository(clone))
    assert ids(read_at("HEAD~1", where)) == ["a", "b"]
    assert "git fetch --unshallow" in refused(first, where).remedy


def test_a_partial_clone_fetches_nothing(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", day=1)
    repository.remove("a", day=2)
    repository.add("b", day=3)
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--filter=blob:none", f"file://{repository.top}", clone)
    before = tree(clone)
    where = environment(Repository(clone))
    assert "HEAD~2" in refused("HEAD~2", where).message
    assert tree(clone) == before
    assert ids(read_at("HEAD", where)) == ["b"]


def test_not_in_a_repository(tmp_path: Path) -> None:
    where = Environment(tmp_path, (tmp_path / "versions",))
    assert refused("HEAD", where).message.endswith("no Git repository was found")


def test_no_git(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.add("a", day=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    where = environment(repository)
    assert refused("HEAD", where).message.endswith("the git command was not found")


def test_nothing_is_committed(repository: Repository) -> None:
    repository.put("a")
    refused("HEAD", environment(repository))
    refused("main", environment(repository))


@pytest.mark.parametrize(
    "lost",
    ["HEAD", "HEAD^{tree}", "HEAD:migrations", f"HEAD:{VERSIONS}", f"HEAD:{VERSIONS}/a.py"],
)
@pytest.mark.parametrize("damage", ["gone", "garbage", "empty"])
def test_a_corrupted_repository(repository: Repository, lost: str, damage: str) -> None:
    repository.add("a", day=1)
    name = repository.git("rev-parse", lost)
    path = repository.top / ".git/objects" / name[:2] / name[2:]
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else b"garbage")
    refused("HEAD", environment(repository))


def test_the_migrations_of_a_submodule(repository: Repository, tmp_path: Path) -> None:
    repository.add("a", day=1)
    repository.add("b", day=2)
    around = Repository(tmp_path / "around")
    around.git("submodule", "--quiet", "add", f"file://{repository.top}", "module")
    around.commit(3)
    where = environment(around, f"module/{VERSIONS}")
    assert ids(read_at("HEAD~1", where)) == ["a"]


def test_variables_of_a_hook(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    other.add("x", day=1)
    repository.add("a", day=1)
    monkeypatch.chdir(other.top)
    monkeypatch.setenv("GIT_DIR", str(other.top / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.top))
    assert ids(read_at("HEAD", environment(repository))) == ["a"]
