"""How much is told: the verdict, what is needed to go on, or everything; links and bars."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from flask_chainfix.cli import output, running, streams
from flask_chainfix.common.wording import Progress
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.report import Detail
from flask_chainfix.report.database_results import Restamped, RestampPlan
from flask_chainfix.report.lines import Line, link_to
from sample_app.demo import STEPS
from tests.commands import fixchain, flask, on_terminal
from tests.disk import environment
from tests.support import chain, rev

SCREEN = 50  # lines
LINK = re.compile(r"\x1b]8;;([^\x1b]*)\x1b\\(.*?)\x1b]8;;\x1b\\")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a chain of 200 revisions and two heads."""
    monkeypatch.chdir(tmp_path)
    specs = [f"r{number} <- r{number - 1}" for number in range(1, 199)]
    environment(tmp_path / "migrations", "r0", *specs, "other <- r120")
    (tmp_path / "migrations/env.py").write_text("target_metadata = db.metadata\n")
    return tmp_path


def test_a_fault_in_200_revisions_fits_a_screen_and_comes_before_the_picture(project: Path) -> None:
    done = fixchain("check")
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert len(lines) <= 40, done.stdout
    assert lines[0] == "The migration chain is broken: 2 heads."
    assert done.stdout.index("FC102") < done.stdout.index("Current state")
    assert "revisions …" in done.stdout


def test_the_demo_fits_two_screens(sample: Path) -> None:
    lines: list[str] = []
    for command, expected in STEPS:
        done = flask(*command.split()[1:], cwd=sample, env={"COLUMNS": "80"})
        assert done.exit_code == expected, done
        lines += ["", f"$ {command}", *done.stdout.splitlines(), *done.stderr.splitlines()]
    assert "-> push_notifications" in lines[-1]
    assert len(lines[1:]) <= 2 * SCREEN, "\n".join(lines)


def test_a_repair_does_not_repeat_what_check_has_said(sample: Path) -> None:
    checked, planned = (
        flask("db", "fixchain", *command, "--no-database", cwd=sample).stdout.splitlines()
        for command in (["check"], ["repair", "--dry-run"])
    )
    twice = {line for line in set(checked) & set(planned) if line}
    assert {line for line in twice if not line.startswith("note: ")} == {checked[0]}


def test_a_remedy_for_several_faults_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make = ("op.create_table('t', sa.Column('id', sa.Integer()))",)
    both = (rev(spec).doing(*make) for spec in ("b <- a", "c <- a +c"))
    environment(tmp_path / "migrations", "a", *both)
    told = fixchain("check").stdout
    assert ("FC102" in told, "FC105" in told) == (True, True), told
    assert told.count("fixchain repair --accept FC203") == 1
    assert "remedies: those above\n    or: correct down_revision" in told
    assert fixchain("check", "--verbose").stdout.count("fixchain repair --accept FC203") > 1


def test_what_does_not_count_is_only_named_beside_what_does(sample: Path) -> None:
    """A warning is told in full once nothing is broken, or where it counts like an error."""
    check = ("db", "fixchain", "check", "--no-database")
    broken, strict = (flask(*check, *more, cwd=sample).stdout for more in ((), ("--strict",)))
    assert "1 warning (FC401 second-environment)" in broken
    assert "looks unused" not in broken
    assert "looks unused" in strict
    flask("db", "fixchain", "repair", "--yes", "--no-database", cwd=sample)
    assert "looks unused" in flask(*check, cwd=sample).stdout


@pytest.mark.parametrize(
    ("options", "shown"), [(("--dry-run",), True), (("--yes",), False), (("--yes", "-v"), True)]
)
def test_who_has_agreed_beforehand_is_shown_the_plan_without_the_diff(
    project: Path, options: tuple[str, ...], shown: bool
) -> None:
    done = fixchain("repair", *options)
    assert "other  r120 → r198" in done.stdout
    assert ("+down_revision = 'r198'" in done.stdout) is shown, done.stdout


def test_verbose_tells_everything(sample: Path) -> None:
    done = flask("db", "fixchain", "repair", "-v", "--yes", "--no-database", cwd=sample)
    assert done.exit_code == 0, done.stderr
    for part in ("breaks: ", "remedies, the best first:", "branch: ", "@@ ", "Current state"):
        assert part in done.stdout
    for part in ("Expected state", "What Alembic says", "-> push_notifications (head)"):
        assert part in done.stdout


def test_quiet_tells_the_verdict(project: Path) -> None:
    for command, code, verdict in (
        ("check", 1, "The migration chain is broken: 2 heads.\n"),
        ("repair --dry-run", 1, "The migration chain is broken: 2 heads.\n"),
        ("repair --yes", 0, "Repaired: strategy linear, 1 file rewritten.\n"),
        ("repair --yes", 0, "The migration chain is healthy: 200 revisions, 1 base, 1 head.\n"),
    ):
        done = fixchain(*command.split(), "--quiet")
        assert (done.exit_code, done.stdout) == (code, verdict), command
    assert fixchain("check", "-q", "-v").exit_code == 2


def test_what_is_asked_about_is_shown_to_the_quiet_as_well(project: Path) -> None:
    refused = fixchain("repair", "--quiet")
    assert refused.exit_code == 3
    assert "down_revision" in refused.stdout
    assert "no terminal to ask on" in refused.stderr


def test_the_quiet_are_told_of_what_is_done_before_more_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    diagnosis = Diagnosis(chain("a"))
    with click.Context(click.Command("x")) as context:
        context.meta[streams.DETAIL] = Detail.VERDICT
        output.show(RestampPlan(diagnosis=diagnosis, moves=()), "text", "")
        assert capsys.readouterr().out == ""
        output.show(Restamped(diagnosis=diagnosis, moves=()), "text", "")
    assert capsys.readouterr().out == "No database was named, so there is no stamp to move.\n"


# --- Links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("no_color", ["", "1"])
@pytest.mark.usefixtures("warm_programs")
def test_a_terminal_that_knows_links_gets_them(project: Path, no_color: str) -> None:
    env = {"KONSOLE_VERSION": "220400", "NO_COLOR": no_color}
    done = on_terminal("fixchain", "check", cwd=project, answer="", env=env)
    (file,) = (project / "migrations/versions").glob("other_*.py")
    assert (file.as_uri(), f"migrations/versions/{file.name}:13") in [
        (url, re.sub(r"\x1b\[\d*m", "", text)) for url, text in LINK.findall(done.stdout)
    ]
    assert ("\x1b[" in done.stdout) == (not no_color)


@pytest.mark.usefixtures("warm_programs")
def test_nothing_else_gets_links(project: Path) -> None:
    unknown = {"TERM_PROGRAM": "else", "FORCE_HYPERLINK": ""}
    known = {"KONSOLE_VERSION": "220400", "FORCE_HYPERLINK": ""}
    for env in (unknown, {**known, "FORCE_HYPERLINK": "0"}, {**known, "TERM": "screen"}):
        done = on_terminal("fixchain", "check", cwd=project, answer="", env=env)
        assert "FC102" in done.stdout
        assert "\x1b]8" not in done.stdout
    piped = fixchain("check", cwd=project, env={**known, "FORCE_HYPERLINK": "1"})
    assert "\x1b" not in piped.stdout


def test_a_path_cannot_end_its_link(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b\\\x07;b c\n.py"
    shown = Line("x", link_to(file)).ansi(color=False, links=True)
    assert shown == f"\x1b]8;;{file.as_uri()}\x1b\\x\x1b]8;;\x1b\\"
    assert re.fullmatch(r"file:///[\w./%-]+", file.as_uri())


# --- Progress ------------------------------------------------------------------------------------


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_takes_its_time_has_a_bar_and_all_else_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    quick, slow, counted = _Terminal(), _Terminal(), _Terminal()
    with streams.progress_bar(quick) as progress:
        progress(1, 2, "quick")
    monkeypatch.setattr(streams, "PATIENCE", 0.0)
    with streams.progress_bar(slow) as progress:
        progress(0, 0, "nobody knows how long")
        until = time.monotonic() + 30
        while "nobody knows" not in slow.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    assert quick.getvalue() == ""
    assert "nobody knows how long" in slow.getvalue()
    assert "?" not in slow.getvalue().replace("\x1b[?25", "")  # which hides the cursor
    with streams.progress_bar(counted) as progress:
        progress(1, 2, "the first")
        while "the first" not in counted.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    assert "1/2 the first" in counted.getvalue()


def test_a_bar_runs_while_a_picture_is_drawn(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextmanager
    def watched(_: object, **__: object) -> Iterator[Progress]:
        yield lambda done, total, what: told.append(what)

    monkeypatch.setattr(running, "progress_bar", watched)
    assert fixchain("graph", "--format", "html", cwd=project).exit_code == 0
    assert told[-1] == "the picture"
