"""What is wrong anyway, or ignored by the settings, and stands in the way of no plan."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.commands import fixchain
from tests.disk import environment, migrations
from tests.in_process import as_a_process
from tests.support import Rev, rev

MAKE, USE = "op.create_table('t')", "op.execute('SELECT 1 FROM t')"
TWO_HEADS = ("a", "b <- a", "c <- a")
LEFTOVER, UNFINISHED = "X = 1\n", "revision = 'z'\ndef (\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(project: Path, *specs: str | Rev, ignore: str = "", **files: str) -> Path:
    """A project with these revisions, settings and other files."""
    place = environment(project / "migrations", *specs)
    if ignore:
        (place / "alembic.ini").write_text(f"[alembic]\n[fixchain]\nignore = {ignore}\n")
    for name, text in files.items():
        (place / "versions" / f"{name}.py").write_text(text)
    return place


def heads(place: Path) -> str:
    """What Alembic's own ``heads`` says; nothing where it stops."""
    config = Config()
    config.set_main_option("script_location", str(place))
    with as_a_process(env=os.environ):
        warnings.simplefilter("ignore")  # of parents that are missing
        try:
            return " ".join(sorted(ScriptDirectory.from_config(config).get_heads()))
        except (ImportError, KeyError):
            return ""


@pytest.mark.parametrize(
    ("specs", "ignore", "files", "links"),
    [
        (TWO_HEADS, "", {"utils": LEFTOVER}, {"c": ["b"]}),
        (TWO_HEADS, "FC106", {"zz": UNFINISHED}, {"c": ["b"]}),
        ((*TWO_HEADS, "x"), "FC101", {}, {"c": ["b"]}),
        ((*TWO_HEADS, "x"), "FC102", {}, {"x": ["c"]}),
        ((*TWO_HEADS, "x <- gone", "y <- x"), "FC103", {}, {"c": ["b"]}),
        (("a", "b <- a", "c <- a +gone"), "FC107", {}, {"c": ["b"]}),
        (
            (
                "a",
                rev("x <- a").doing(USE),
                rev("y <- a").doing(MAKE),
                "m <- y, x",
                "n <- m",
                "o <- m",
            ),
            "FC201",
            {},
            {"o": ["n"]},
        ),
    ],
)
def test_what_is_passed_over_moves_nothing_and_blocks_nothing(
    project: Path,
    specs: tuple[str | Rev, ...],
    ignore: str,
    files: dict[str, str],
    links: dict[str, list[str]],
) -> None:
    place = made(project, *specs, ignore=ignore, **files)
    done = fixchain("repair", "--yes", "--format", "json")
    if "utils" in files:  # which keeps Alembic from loading what was repaired
        assert done.exit_code == 3
        assert "the repair is made, but Alembic still cannot" in done.document["error"]["message"]
    else:
        assert done.exit_code == 0, done.document["error"]
    plan = done.document["plan"]
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == links
    assert not plan["mends"]
    assert not plan["new_revisions"]
    again = fixchain("check", "--format", "json").document
    assert [each["code"] for each in again["findings"]] == (["FC106"] if "utils" in files else [])
    for name in files:  # what is in the way of Alembic is moved, and then it sees what was promised
        (place / "versions" / f"{name}.py").unlink()
    if ignore not in ("FC103", "FC107"):
        assert heads(place) == " ".join(done.document["verified"]["heads"])


@pytest.mark.parametrize("ignore", ["FC101", "FC102"])
def test_what_is_ignored_is_nothing_to_repair(project: Path, ignore: str) -> None:
    place = made(
        project, *(("a", "b <- a", "x") if ignore == "FC101" else TWO_HEADS), ignore=ignore
    )
    before = migrations(place)
    assert fixchain("check").exit_code == 0
    assert fixchain("repair", "--yes").exit_code == 0
    assert migrations(place) == before


def test_heads_that_are_ignored_are_joined_on_request(project: Path) -> None:
    made(project, *TWO_HEADS, "x", ignore="FC102")
    plan = fixchain("repair", "--dry-run", "--strategy", "linear", "--format", "json").document[
        "plan"
    ]
    assert {each["revision"]: each["after"] for each in plan["relinks"]} == {"c": ["b"], "x": ["c"]}


@pytest.mark.parametrize(
    ("specs", "ignore", "files", "told"),
    [
        (TWO_HEADS, "", {"zz": UNFINISHED}, "zz.py is not valid Python"),
        ((*TWO_HEADS, "c <- a"), "FC104", {}, "2 files have the id c"),
        ((*TWO_HEADS, "x <- y", "y <- x"), "FC105", {}, "x, y form a cycle"),
        # It may be what is missing.
        ((*TWO_HEADS, "x <- z"), "FC106", {"zz": UNFINISHED}, "zz.py is not valid Python"),
    ],
)
def test_what_alembic_cannot_load_is_told_before_all_else(
    project: Path,
    specs: tuple[str, ...],
    ignore: str,
    files: dict[str, str],
    told: str,
) -> None:
    place = made(project, *specs, ignore=ignore, **files)
    before = migrations(place)
    done = fixchain("repair", "--yes", "--accept-guesses", "--format", "json")
    assert done.exit_code == 3
    assert told in done.document["error"]["message"]
    assert migrations(place) == before


def test_a_leftover_alone_is_nothing_that_an_order_mends(project: Path) -> None:
    made(project, "a", "b <- a", utils=LEFTOVER)
    done = fixchain("repair", "--yes")
    assert done.exit_code == 3
    assert "utils.py assigns no revision" in done.stderr


def test_only_old_collisions_are_left_to_themselves(project: Path) -> None:
    old = rev("a").doing(MAKE), rev("b <- a").doing(MAKE)
    new = (rev(f"{name} <- b").doing("op.create_table('n')") for name in "xy")
    place = made(project, *old, *new)
    before = migrations(place)
    done = fixchain("repair", "--yes", "--format", "json")
    assert done.exit_code == 3
    assert "x and y both create table n" in done.document["error"]["message"]
    assert "a and b" not in done.document["error"]["message"]
    assert migrations(place) == before


# --- What Alembic sees, and the files do not tell ------------------------------------------------

COMPUTED = "revision = str('x')\ndown_revision = str({parent!r})\n"
FAILS = "import nothing_of_that_name\nrevision = 'x'\ndown_revision = 'b'\n"


@pytest.mark.parametrize("options", [(), ("--docstrings",), ("--shorten-ids", "--stamp", "b")])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (COMPUTED.format(parent="gone"), "KeyError: 'gone'"),
        (FAILS, "No module named 'nothing_of_that_name'"),
    ],
)
def test_no_repair_ends_well_where_alembic_cannot_load_the_chain(
    project: Path, text: str, told: str, options: tuple[str, ...]
) -> None:
    place = made(project, "a", "b <- a", x=text)
    assert heads(place) == ""
    assert fixchain("check").exit_code == 0  # which imports nothing
    done = fixchain("repair", "--yes", *options)
    assert done.exit_code == 3
    said = " ".join(done.stderr.split())
    assert "Alembic could not load the chain" in said
    assert told in said
    assert "Nothing was changed." in said
    assert "fix that error" in said


def test_a_plan_alone_imports_nothing(project: Path) -> None:
    made(project, "a", "b <- a", x=FAILS)
    assert fixchain("repair", "--dry-run").exit_code == 0


def test_a_computed_header_that_alembic_can_use_keeps_nothing_from_being_well(
    project: Path,
) -> None:
    place = made(project, "a", "b <- a", x=COMPUTED.format(parent="b"))
    assert heads(place) == "x"
    done = fixchain("repair", "--yes", "--format", "json")
    assert done.exit_code == 0, done.document["error"]
    assert done.document["verified"]["heads"] == ["x"]


@pytest.mark.parametrize("options", [("--docstrings",), ("--shorten-ids", "--stamp", "a")])
@pytest.mark.parametrize("computed", ["x", "y"])
def test_what_is_asked_for_a_second_time_is_done(
    project: Path, options: tuple[str, ...], computed: str
) -> None:
    """A header that is computed, in its parents (x) or all of it (y), keeps nothing from it."""
    long, text = "l" * 40, COMPUTED.format(parent="c")
    if computed == "x":
        text = f'"""x\n\nRevises: c\n"""\n{text.replace("str(", "", 1).replace(")", "", 1)}'
    place = made(project, "a", "b <- a", rev(f"{long} <- b"), f"c <- {long}", x=text)
    for file in (place / "versions").glob("b*.py"):
        file.write_text(file.read_text().replace("Revises: a", "Revises: z"))
    for _ in range(2):
        done = fixchain("repair", "--yes", *options)
        assert done.exit_code == 0, done
    assert heads(place) == "x"
    codes = {each["code"] for each in fixchain("check", "--format", "json").document["findings"]}
    assert ("FC111" if "--docstrings" in options else "FC109") not in codes
