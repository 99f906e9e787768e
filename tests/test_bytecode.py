"""Compiled migrations without a source: not read, not run, and not taken for missing."""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path

import pytest

from tests.commands import Done, fixchain
from tests.disk import environment, tree
from tests.support import migration, rev

NOT_READ = "compiled migration without a source was not read: "


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of an environment whose compiled ones count: a healthy chain of two."""
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", "a", "b <- a")
    (place / "alembic.ini").write_text("[alembic]\nsourceless = true\n")
    return place / "versions"


def compile_alone(versions: Path, spec: str, *, cached: bool = False) -> Path:
    """A migration whose source is gone, and that fails when it is run."""
    name = rev(spec).revision
    source = versions / f"{name}.py"
    source.write_bytes(migration(rev(spec)) + b"\nraise SystemExit('run')\n")
    tag = f"__pycache__/{name}.{sys.implementation.cache_tag}.pyc"
    compiled = versions / (tag if cached else f"{name}.pyc")
    py_compile.compile(str(source), cfile=str(compiled), doraise=True)
    source.unlink()
    return compiled


def check() -> Done:
    return fixchain("check", "--format", "json")


@pytest.mark.parametrize("cached", [False, True], ids=["beside", "cached"])
@pytest.mark.parametrize("spec", ["c <- b", "c <- a", "c", "c <- b, y", "b <- a"])
def test_it_is_not_read_and_judged_as_little(versions: Path, spec: str, cached: bool) -> None:
    if spec == "b <- a":
        (versions / "b_add_b.py").unlink()
    if spec == "c <- b, y":
        (versions / "y.py").write_bytes(migration(rev("y <- a")))
    name = compile_alone(versions, spec, cached=cached).name
    done = check()
    assert done.exit_code == 0
    assert done.document["findings"] == []
    assert f"1 {NOT_READ}{name}" in done.document["notices"]
    assert "checked only in part" in fixchain("check").stdout


@pytest.mark.parametrize("cached", [False, True], ids=["beside", "cached"])
def test_it_is_not_missing(versions: Path, cached: bool) -> None:
    """What it has is no missing parent, and a repair neither mends nor bends the chain there."""
    compile_alone(versions, "c <- b", cached=cached)
    (versions / "d.py").write_bytes(migration(rev("d <- c")))
    before = tree(versions)
    done = check()
    assert (done.exit_code, done.document["findings"]) == (0, [])
    refused = fixchain("repair", "--yes")
    assert refused.exit_code == 3
    assert "compiled migrations are not read" in refused.stderr
    assert tree(versions) == before


@pytest.mark.parametrize(
    "command",
    [("repair", "--yes"), ("repair", "--yes", "--accept-guesses"), ("lock", "--yes")],
    ids=" ".join,
)
def test_a_broken_chain_is_left_alone(versions: Path, command: tuple[str, ...]) -> None:
    compile_alone(versions, "c <- b")
    (versions / "x.py").write_bytes(migration(rev("x <- gone, lost")))
    (versions / "y.py").write_bytes(migration(rev("y <- a")))
    before = tree(versions)
    assert {each["code"] for each in check().document["findings"]} == {"FC103"}
    refused = fixchain(*command)
    assert refused.exit_code == 3
    assert tree(versions) == before


def test_a_lock_is_not_written_for_heads_that_nobody_knows(versions: Path) -> None:
    compile_alone(versions, "c <- b")
    assert fixchain("lock", "--yes").exit_code == 3
    assert not (versions.parent / "chain.lock").exists()


def test_a_database_may_be_stamped_with_it(versions: Path) -> None:
    compile_alone(versions, "c <- b")
    done = fixchain("check", "--stamp", "c", "--format", "json")
    (finding,) = done.document["findings"]
    assert finding["code"] == "FC301"
    assert (
        "which c.pyc may have, but that file is compiled, and so is not read" in finding["message"]
    )


def test_what_alembic_does_not_load_is_nothing(versions: Path) -> None:
    (versions.parent / "alembic.ini").unlink()
    compile_alone(versions, "c <- gone")
    compile_alone(versions, "d <- gone", cached=True)
    done = check()
    assert (done.exit_code, done.document["findings"], done.document["revisions"]) == (0, [], 2)
    assert not any("compiled" in each for each in done.document["notices"] or ())


@pytest.mark.parametrize("data", [b"", b"\0\xff", b"revision = 'c'\n"])
def test_whatever_it_holds(versions: Path, data: bytes) -> None:
    (versions / "c.pyc").write_bytes(data)
    done = check()
    assert (done.exit_code, done.document["findings"]) == (0, [])
