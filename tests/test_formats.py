"""What the formats make of reports: goldens, widths, colours, encodings, hostile text.

``FIXCHAIN_WRITE_GOLDENS=1 pytest tests/test_formats.py`` writes ``tests/goldens`` anew; look at the
difference before you commit it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from flask_chainfix.commands.check import check as check_chain
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.diagnosis.rules import Family, all_rules
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.proposal import Proposal
from flask_chainfix.report import Detail, Style, render
from flask_chainfix.report.display import unified_diff
from flask_chainfix.report.results import Checked, Planning, Repaired, Result
from tests.commands import fixchain, on_terminal, run
from tests.disk import environment
from tests.nightly import first_of_each
from tests.results import carried_out, checked, plan_of
from tests.support import Rev, migration, rev

GOLDENS = Path(__file__).parent / "goldens"
TEXT = Style(width=80)
FULL = Style(width=80, detail=Detail.FULL)
ASCII = Style(width=80, ascii_only=True)

# One chain with every kind of finding.
_FAULTS = (
    "first",
    "main <- first",
    "other_first",
    "second_head <- first",
    "hangs <- gone",
    "round_1 <- round_2",
    "round_2 <- round_1",
    "needs <- main  +missing",
    "bad@id <- main",
    "an_id_that_is_longer_than_thirty_two <- main",
    "labelled_1 <- main  @twice",
    "labelled_2 <- main  @twice",
    "redundant <- first, main",
    rev("copied <- main"),
    rev("copied <- main", file="copied_again.py"),
)
_EXTRA = {
    "computed.py": b'from other import parent\n\nrevision = "computed"\ndown_revision = parent\n',
    "conflict.py": b'revision = "conflict"\n<<<<<<< HEAD\ndown_revision = None\n>>>>>>> theirs\n',
    "stale.py": migration(Rev("stale", ("main",))).replace(b"Revises: main", b"Revises: other"),
}
_ENV_PY = "from alembic import context\n\ncontext.configure(target_metadata=None)\n"


@pytest.fixture
def project(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the sample app and a chain with every fault in ``faults``."""
    place = environment(sample / "faults", *_FAULTS)
    for name, data in _EXTRA.items():
        (place / "versions" / name).write_bytes(data)
    (place / "env.py").write_text(_ENV_PY)
    (sample / "left_over").mkdir()
    (sample / "left_over/env.py").write_text("context.run_migrations()\n")
    monkeypatch.chdir(sample)
    return sample


def check(directory: str, *, strict: bool = False) -> Checked:
    return check_chain(Session(open_directory(directory)), strict=strict)


def dry_run(directory: str, **wishes: Any) -> Planning:
    return plan_repair(Session(open_directory(directory)), Wishes(**wishes))


def repaired(directory: str) -> Repaired:
    """A repair, without what differs from run to run."""
    runtime = open_directory(directory)
    report = carried_out(runtime, plan_repair(Session(runtime), Wishes()))
    return replace(
        report,
        confirmation=replace(report.confirmation, by="alembic 1.2.3"),
        journal=report.journal.with_name("20240102T030405.678900Z.json"),
    )


# --- Goldens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("golden", "style"),
    [
        ("sample_check.txt", TEXT),
        ("sample_check_ascii.txt", ASCII),
        ("sample_check_color.txt", Style(width=80, color=True)),
        ("sample_check_narrow.txt", Style(width=40)),
        ("sample_check_verbose.txt", FULL),
        ("sample_check_quiet.txt", Style(width=80, detail=Detail.VERDICT)),
        ("sample_check.json", TEXT),
        ("sample_check.github", TEXT),
        ("sample_check.junit", TEXT),
        ("sample_check.markdown", TEXT),
        ("sample_repair.txt", TEXT),
        ("sample_repair_verbose.txt", FULL),
        ("sample_repair.json", TEXT),
        ("sample_repair.markdown", TEXT),
        ("sample_repaired.txt", TEXT),
        ("sample_repaired_verbose.txt", FULL),
        ("sample_repaired.json", TEXT),
        ("faults_check.txt", TEXT),
        ("faults_check_ascii.txt", ASCII),
        ("faults_check.json", TEXT),
        ("faults_check.github", TEXT),
        ("faults_repair.json", TEXT),
    ],
)
def test_output_is_as_in_the_golden(project: Path, golden: str, style: Style) -> None:
    place, command = golden.partition(".")[0].split("_")[:2]
    directory = "faults" if place == "faults" else "sample_app/migrations"
    work: dict[str, Callable[[str], Result]]
    work = {"check": check, "repair": dry_run, "repaired": repaired}
    report = work[command](directory)
    suffix = golden.partition(".")[2]
    output = render({"txt": "text"}.get(suffix, suffix), report, style)
    path = GOLDENS / golden
    if os.environ.get("FIXCHAIN_WRITE_GOLDENS"):
        path.write_text(output, "utf-8", newline="\n")
    assert output == path.read_bytes().decode()


def test_the_goldens_hold_every_finding(project: Path) -> None:
    """A new rule that needs no database and no schema has to be shown in the goldens."""
    found = {finding.code for finding in check("faults").diagnosis.findings}
    families = (Family.CHAIN, Family.ENVIRONMENT)
    assert found == {rule.code for rule in all_rules() if rule.family in families}


def test_ascii_says_the_same(project: Path) -> None:
    text, plain = (render("text", check("sample_app/migrations"), style) for style in (TEXT, ASCII))
    assert set(re.findall(r"\w+", text)) <= set(re.findall(r"\w+", plain))
    assert plain.isascii()
    assert render("text", check("faults"), ASCII).isascii()


@pytest.mark.parametrize("value", ["5", "('a', 5)"])
def test_what_is_no_string_is_not_called_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", "a")
    (place / "versions/b.py").write_text(f"revision = 'b'\ndown_revision = {value}\n")
    (place / "versions/c.py").write_text('"""c, by hand"""\nrevision = 5\ndown_revision = "a"\n')
    (place / "versions/d.py").write_text("revision = 'd'\ndown_revision = make()\n")
    text = render("text", check("migrations"), TEXT)
    assert "b (head, parent is not a string)" in text
    assert "✗ c.py (id is not a string)  c, by hand" in text
    assert "d (head, parent computed)" in text
    (place / "alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC108\n")
    ignored = " ".join(render("text", check("migrations"), TEXT).split())
    assert "checked only in part, as the place of 3 migrations is not known" in ignored


# --- Width ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_only_what_is_to_be_copied_is_wider_than_the_terminal(
    project: Path, width: int, ascii_only: bool
) -> None:
    style = Style(width, ascii_only=ascii_only, detail=Detail.FULL)
    place = environment(project / "/".join(["directory"] * 9), "a", "b <- a", "c <- a")
    path = place.relative_to(project).as_posix()
    tools = Tools("program --with-options 'and values' " * 3, f"fixchain -d {path}")
    runtime = open_directory(str(place))
    dry = plan_repair(Session(runtime, tools), Wishes())
    done = replace(repaired(str(place)), tools=tools)
    done = replace(done, planned=replace(done.planned, commit="0123abc"))
    checked = replace(check("faults", strict=True), tools=tools)
    journal = done.journal.relative_to(project).as_posix()
    name = "an_id_that_is_longer_than_thirty_two"
    long_path = f"faults/versions/{name}_add_{name}.py:13"
    for report, copied in (
        (dry, {*unified_diff(plan_of(dry).edits)}),
        (done, {journal, f"{tools.fixchain} undo", f"git add {path}"}),
        (checked, {long_path}),
    ):
        lines = render("text", report, style).splitlines()
        assert copied - {line.strip() for line in lines} - set(lines) == set()
        for line in lines:
            fits = cell_len(line) <= width
            to_be_copied = copied & {line, line.strip()} or _is_to_be_copied(line.strip(), tools)
            assert fits or to_be_copied, line


def _is_to_be_copied(line: str, tools: Tools) -> bool:
    """Whether it is one command, one place in a file, or a line that Alembic printed."""
    commands = (tools.alembic, tools.fixchain, f"$ {tools.alembic}", "git commit -m ", "git add ")
    alembic = re.fullmatch(r"\w+ (\(head\)|-> \w+.*)", line) is not None
    return line.startswith(commands) or alembic or re.fullmatch(r"\S+\.py(:\d+)?", line) is not None


# --- Hostile text --------------------------------------------------------------------------------

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 [bold]loud[/bold] :smile: \x9b1m \r\b\x00 \u202e %0A ::error::"
)


def hostile_report(project: Path) -> Checked:
    finding = Finding(
        "FC103",
        "missing-down-revision",
        "missing parent",
        1,
        Severity.ERROR,
        f"message {HOSTILE}",
        f"breaks {HOSTILE}",
        Remedy.of(f"hint {HOSTILE}"),
        ("a",),
        (Location(project / f"{HOSTILE}.py".replace("\x00", ""), 3),),
        repairable=False,
    )
    report = check("sample_app/migrations")
    error = CannotPlan(f"obstacle {HOSTILE}", f"remedy {HOSTILE}")
    notices = (f"notice {HOSTILE}",)
    known = replace(report.diagnosis, findings=(finding,), notices=notices)
    return replace(report, proposal=Proposal(known, obstacle=error))


@pytest.mark.parametrize("output_format", ["text", "github", "json", "junit", "markdown", "sarif"])
@pytest.mark.parametrize("color", [False, True])
def test_nothing_that_a_terminal_would_obey_is_passed_on(
    project: Path, output_format: str, color: bool
) -> None:
    output = render(output_format, hostile_report(project), Style(width=80, color=color))
    assert "[bold]loud[/bold]" in output.replace("\n", " ")
    ours = re.sub(r"\x1b\[[0-9;]*m", "", output) if color and output_format == "text" else output
    odd = {char for char in ours if not char.isprintable() and char != "\n"}
    assert odd == set()
    # Every colour that is switched on is one of ours: all are switched off at the line's end.
    for line in output.splitlines():
        if color and output_format == "text" and "\x1b[" in line:
            assert line.rindex("\x1b[0m") == line.rindex("\x1b[")


def test_hostile_files_and_names_reach_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", "a", "b <- a")
    header = 'revision = "c\\x1b[31m"\ndown_revision = "gone\\x1b[31m"\n'
    docstring = '"""\\x1b[31mred\n\nRevision ID: x\nRevises: \\x1b]0;title\\x07\n"""\n'
    (place / "versions/c.py").write_text(docstring + header)
    (place / "versions/\x1b[31mname.py").write_text("revision = (\n")
    for arguments in (["check"], ["check", "--format", "github"], ["repair"], ["repair", "--yes"]):
        done = fixchain(*arguments)
        assert done.exit_code in (1, 3)
        assert not {c for c in done.stdout + done.stderr if not c.isprintable()} - {"\n"}
    done = fixchain("-d", "\x1b[31mnowhere", "check")
    assert "\x1b" not in done.stderr
    assert "nowhere" in done.stderr


def test_what_alembic_prints_is_made_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = environment(tmp_path / "migrations", "a", "b")
    file = place / "versions/a_add_a.py"
    file.write_bytes(file.read_bytes().replace(b'"""add a', b'"""\\x1b[31mred'))
    done = fixchain("repair", "--yes", "--verbose")
    assert done.exit_code == 0
    assert "[31mred" in done.stdout
    assert "\x1b" not in done.stdout


def test_annotations_escape_what_githubs_runner_reads(project: Path) -> None:
    finding = Finding(
        "FC103",
        "a,b:c%d\ne",
        "missing parent",
        1,
        Severity.ERROR,
        "100 % of:\nthis, all",
        "breaks",
        Remedy.of("hint, too: 5 %\r\n"),
        (),
        (Location(project / "a,b:c%d.py", 7), Location(project / "x.py", None)),
        repairable=False,
    )
    report = checked(check("sample_app/migrations").diagnosis.snapshot, [finding])
    first, second, *_ = render("github", report, TEXT).splitlines()
    title = "title=FC103 a%2Cb%3Ac%25d%0Ae"
    message = "100 %25 of:%0Athis, all.%0Aremedy: hint, too: 5 %25"
    assert first == f"::error file=a%2Cb%3Ac%25d.py,{title},line=7::{message}"
    assert second == f"::error file=x.py,{title}::{message}"


@pytest.mark.parametrize(
    ("form", "before"), [("github", "file="), ("junit", 'file="'), ("sarif", '"uri": "')]
)
def test_ci_systems_find_files_from_the_top_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, before: str
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "services/users").mkdir(parents=True)
    environment(tmp_path / "services/users/migrations", "a", "b")
    monkeypatch.chdir(tmp_path / "services/users")
    said = fixchain("check", "--no-git", "--format", form).stdout
    assert f"{before}services/users/migrations/versions/a_add_a.py" in said


def test_notices_are_annotations_too(project: Path) -> None:
    snapshot = check("faults").diagnosis.snapshot
    report = checked(snapshot, notices=("100 %\n::error::hostile",))
    lines = render("github", report, TEXT).splitlines()
    assert lines[0] == "::notice title=fixchain::100 %25%0A::error::hostile"


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "notice")],
)
def test_annotations_have_githubs_levels(project: Path, severity: Severity, level: str) -> None:
    found = check("faults").diagnosis
    report = checked(found.snapshot, (replace(each, severity=severity) for each in found.findings))
    lines = render("github", report, TEXT).splitlines()[:-1]
    assert {line.split(" ")[0] for line in lines} == {f"::{level}"}


# --- Terminals and encodings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
@pytest.mark.usefixtures("warm_programs")
def test_colours_are_for_terminals_that_want_them(
    tmp_path: Path, env: dict[str, str], colored: bool
) -> None:
    environment(tmp_path / "migrations", "a", "b")
    done = on_terminal("fixchain", "check", cwd=tmp_path, answer="", env=env)
    assert "2 bases" in done.stdout
    assert ("\x1b[" in done.stdout) == colored


@pytest.mark.parametrize(
    "encoding", first_of_each(["ascii", "utf-8", "latin-1", "ascii:strict"], "utf-8".__eq__)
)
def test_a_stdout_of_any_encoding_takes_the_output(
    tmp_path: Path, encoding: str, request: pytest.FixtureRequest
) -> None:
    if encoding == "utf-8":  # as everywhere
        request.getfixturevalue("warm_programs")
    place = environment(tmp_path / "migrations", "a", "b")
    for revision in ("a", "b"):
        file = place / f"versions/{revision}_add_{revision}.py"
        file.write_bytes(file.read_bytes().replace(b"add ", "añadir 日本語 ".encode(), 1))
    env = {"PYTHONIOENCODING": encoding}
    done = run("fixchain", "repair", "--yes", "--verbose", cwd=tmp_path, env=env)
    assert done.exit_code == 0, done.stderr
    assert "Repaired" in done.stdout
    assert "\x1b" not in done.stdout
    assert ("日本語" in done.stdout) == (encoding == "utf-8")
    assert ("  ✗ b (base, head)" in done.stdout) == (encoding == "utf-8")
    assert ("  x b (base, head)" in done.stdout) == (encoding != "utf-8")
    assert (
        "a"
        in json.loads(run("fixchain", "check", "--format", "json", cwd=tmp_path, env=env).stdout)[
            "bases"
        ]
    )
