"""``--output FILE`` of every command, and the summary of a job on GitHub."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flask_chainfix.cli.groups import main
from tests.commands import command_of, fixchain
from tests.disk import environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain with two heads."""
    environment(tmp_path / "migrations", "a", "b <- a", "c <- a")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def test_every_command_with_formats_writes_files() -> None:
    for command in map(command_of, main.commands):
        options = {name for parameter in command.params for name in parameter.opts}
        assert ("--format" in options) == ("--output" in options), command.name
        for parameter in command.params:
            if parameter.name == "output_format":
                assert "markdown" in parameter.type.choices, command.name  # type: ignore[attr-defined]


@pytest.mark.parametrize("output_format", ["text", "json", "markdown", "github", "sarif", "junit"])
def test_a_file_has_what_stdout_would_have_and_is_written_anew(
    project: Path, output_format: str
) -> None:
    plain = fixchain("check", "--no-git", "--format", output_format).stdout
    for _ in range(2):  # an earlier output is replaced
        done = fixchain("check", "--no-git", "--format", output_format, "--output", "out")
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", "written to out\n")
        written = (project / "out").read_text()
        if output_format == "text":
            assert written.startswith("$ fixchain check\nThe migration chain is broken: 2 heads.")
        else:
            assert written == plain
    to_stdout = fixchain("check", "--no-git", "--format", output_format, "--output", "-")
    assert to_stdout.stdout == plain


def test_also_a_healthy_verdict_is_written_anew(project: Path) -> None:
    (project / "migrations/versions/c_add_c.py").unlink()
    for _ in range(2):
        done = fixchain("check", "--no-git", "--format", "github", "--output", "out")
        assert (done.exit_code, done.stderr) == (0, "written to out\n")


@pytest.mark.parametrize(
    "text",
    ["# App\n", '{"name": "app"}', "flask\n", "<svg><path/></svg>", "The migration chain\nis ours"],
)
def test_nothing_else_is_replaced(project: Path, text: str) -> None:
    (project / "out").write_text(text)
    for output_format in ("text", "json", "markdown", "sarif"):
        done = fixchain("check", "--format", output_format, "--output", "out")
        assert (done.exit_code, done.stdout) == (3, "")
        assert "out cannot be written: it exists, and is not an earlier output" in done.stderr
        assert (project / "out").read_text() == text


def test_what_cannot_be_written_stops_a_repair_before_it_begins(project: Path) -> None:
    (project / "README.md").write_text("# App")
    before = {path: path.read_bytes() for path in project.rglob("*.py")}
    done = fixchain("repair", "--yes", "--format", "markdown", "--output", "README.md")
    assert done.exit_code == 3
    assert "Nothing was changed." in done.stderr
    assert {path: path.read_bytes() for path in project.rglob("*.py")} == before


def test_a_plan_and_what_came_of_it_are_in_one_file(project: Path) -> None:
    done = fixchain("repair", "--yes", "--no-git", "--output", "out")
    assert (done.exit_code, done.stdout) == (0, ""), done
    written = (project / "out").read_text()
    assert written.index("Plan  strategy linear") < written.index("Repaired: strategy linear")


def test_an_error_is_in_the_file_where_the_format_can_tell_it(tmp_path: Path) -> None:
    for output_format, told in (
        ("json", True),
        ("junit", True),
        ("markdown", True),
        ("text", False),
    ):
        done = fixchain(
            "-d",
            tmp_path / "none",
            "check",
            "--format",
            output_format,
            "--output",
            tmp_path / "out",
        )
        assert (done.exit_code, done.stdout) == (3, "")
        assert (tmp_path / "out").exists() == told
        if output_format == "json":
            assert json.loads((tmp_path / "out").read_text())["error"]["type"] == "NoEnvironment"
        elif output_format == "junit":
            root = ElementTree.fromstring((tmp_path / "out").read_text())
            assert root.find(".//error") is not None
        elif output_format == "markdown":
            assert "fixchain check -->\n\n### " in (tmp_path / "out").read_text()
        (tmp_path / "out").unlink(missing_ok=True)


def test_sql_for_an_operator_can_be_run_from_its_file(project: Path) -> None:
    environment(project / "one/migrations", "a", "b <- a")
    options = ("restamp", "--sql", "--stamp", "a", "--current", "--no-database")
    done = fixchain("-d", project / "one/migrations", *options, "--output", "move.sql")
    assert done.exit_code == 0, done.stderr
    with sqlite3.connect(":memory:") as connection:
        connection.executescript((project / "move.sql").read_text())
    connection.close()


# --- The summary of a job ------------------------------------------------------------------------


@pytest.mark.parametrize("output_format", ["markdown", "github", "text", "json"])
def test_a_job_on_github_gets_a_summary(
    project: Path, monkeypatch: pytest.MonkeyPatch, output_format: str
) -> None:
    summary = project / "summary"
    summary.write_text("from an earlier command\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    markdown = fixchain("check", "--no-git", "--format", "markdown").stdout
    summary.write_text("from an earlier command\n")
    done = fixchain("check", "--no-git", "--format", output_format, "--output", "out")
    assert done.exit_code == 1
    expected = f"{markdown}\n" if output_format in ("markdown", "github") else ""
    assert summary.read_text() == f"from an earlier command\n{expected}"


def test_a_summary_that_github_would_refuse_is_left_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = project / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setattr("flask_chainfix.cli.output._SUMMARY_HOLDS", 100)
    done = fixchain("report", "--no-git")
    assert done.exit_code == 0
    assert "the summary of the job is left out" in done.stderr
    assert not summary.exists()


def test_a_summary_that_cannot_be_written_is_a_note(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "missing/summary"))
    done = fixchain("check", "--no-git", "--format", "markdown")
    assert done.exit_code == 1
    assert done.stdout.startswith("<!-- fixchain check -->")
    assert done.stderr == (
        "note: the summary of the job cannot be written: No such file or directory\n"
    )
