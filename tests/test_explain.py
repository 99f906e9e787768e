"""The command ``explain``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from flask_chainfix.common.remedies import Tools
from flask_chainfix.diagnosis.rules import all_rules, explanations
from flask_chainfix.model.findings import Explanation
from flask_chainfix.report import Style, render
from flask_chainfix.report.results import Explained
from tests.commands import fixchain, flask, run

EACH = pytest.mark.parametrize("explanation", explanations(), ids=lambda each: each.code)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with no migrations, no configuration and no app."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- The command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["FC102", "fc102", "multiple-heads", "Multiple-HEADS", " Fc102 "])
def test_a_code_or_a_name_in_any_case(nowhere: Path, word: str) -> None:
    done = fixchain("explain", word)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("error  FC102 multiple-heads  The chain ends in several heads,")
    assert done == fixchain("explain", "FC102")
    assert list(nowhere.iterdir()) == []


@EACH
def test_all_that_a_rule_says_of_itself_is_shown(nowhere: Path, explanation: Explanation) -> None:
    shown = " ".join(fixchain("explain", explanation.code).stdout.split())
    tools = Tools("alembic", "fixchain")
    texts = {
        **vars(explanation),
        "severity": explanation.severity.value,
        "breaks": explanation.breaks[1:],  # it begins a sentence
    }
    for text in texts.values():
        assert " ".join(tools.spell_out(text).split()) in shown


def test_without_a_code_all_are_listed(nowhere: Path) -> None:
    done = fixchain("explain")
    assert (done.exit_code, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    for each in explanations():
        assert f"{each.severity.value} {each.code} {each.name} {each.summary}" in shown


def test_json(nowhere: Path) -> None:
    done = fixchain("explain", "unknown-stamp", "--format", "json")
    document = done.document
    assert (document["schema_version"], document["command"]) == (1, "explain")
    assert (document["exit_code"], document["error"]) == (0, None)
    (rule,) = document["rules"]
    assert rule.keys() == vars(explanations()[0]).keys()
    assert (rule["code"], rule["name"], rule["severity"]) == ("FC301", "unknown-stamp", "error")
    assert "`fixchain repair --bring-back REVISION`" in rule["repair"]
    assert rule["example"].splitlines()[-1] == "$ fixchain repair --bring-back orders"
    everything = fixchain("explain", "--format", "json").document
    assert [each["code"] for each in everything["rules"]] == [rule.code for rule in all_rules()]
    assert "{" not in json.dumps(everything["rules"]).replace('{"code"', "")


@pytest.mark.parametrize(
    ("word", "close"),
    [
        ("FC1O2", "'FC1O2'; similar: FC112, FC102."),
        ("multiple-head", "'multiple-head'; similar: multiple-heads."),
        ("stale", "'stale'; similar: stale-docstring."),
        ("nonsense", "'nonsense'. 'fixchain explain' without one lists them all."),
        ("", "''. 'fixchain explain' without one lists them all."),
        ("\x1b[31m", r"'\x1b[31m'. "),
    ],
)
def test_what_is_unknown_is_wrong_usage(nowhere: Path, word: str, close: str) -> None:
    done = fixchain("explain", word)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: fixchain explain [OPTIONS] [CODE]\n")
    assert f"no finding has the code or name {close}" in done.stderr


def test_in_an_app_the_commands_are_its_own(nowhere: Path) -> None:
    (nowhere / "app.py").write_text(
        "from flask import Flask\n"
        "from flask_migrate import Migrate\n"
        "from flask_sqlalchemy import SQLAlchemy\n"
        "from flask_chainfix import ChainFix\n"
        "app = Flask(__name__)\n"
        "app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:////nowhere/at/all.db'\n"
        "Migrate(app, SQLAlchemy(app), command='database')\n"
        "ChainFix(app)\n"
    )
    done = flask("database", "fixchain", "explain", "fc102", cwd=nowhere, env={"FLASK_APP": "app"})
    assert (done.exit_code, done.stderr) == (0, "")
    assert "“flask database upgrade” stops with" in " ".join(done.stdout.split())
    assert done.stdout.endswith("\n  $ flask database fixchain repair\n")
    assert {path.name for path in nowhere.iterdir()} <= {"app.py", "__pycache__"}


def test_the_options_that_name_an_environment_do_not_matter(nowhere: Path) -> None:
    assert fixchain("-d", "missing", "explain", "FC102") == fixchain("explain", "FC102")
    assert fixchain("-c", "missing.ini", "explain", "FC102") == fixchain("explain", "FC102")


@pytest.mark.parametrize("words", [("explain", "FC103"), ("check", "--help"), ("--help",)])
def test_what_is_said_does_not_depend_on_optimization(words: tuple[str, ...]) -> None:
    plain, optimized = (
        subprocess.run(
            [sys.executable, *flags, "-m", "flask_chainfix", *words],
            capture_output=True,
            check=True,
        ).stdout
        for flags in ((), ("-OO",))
    )
    assert plain == optimized


# --- Terminals -----------------------------------------------------------------------------------


def shown(style: Style, *explained: Explanation) -> str:
    return render("text", Explained(explanations=explained or explanations()), style)


@EACH
def test_text_fits_its_place(explanation: Explanation) -> None:
    for width in (60, 80, 120):
        for text in (shown(Style(width), explanation), shown(Style(width))):
            examples = Tools().spell_out(explanation.example).splitlines()
            prose = [line for line in text.splitlines() if line[2:] not in examples]
            assert max(map(cell_len, prose)) <= width
            assert not any(line.endswith(" ") for line in text.splitlines())
    for style in (Style(ascii_only=True), Style(ascii_only=True, color=True)):
        assert shown(style, explanation).isascii()


def test_colours_are_only_colours() -> None:
    for explained in ((), explanations()[:1]):
        colored = shown(Style(color=True), *explained)
        assert "\x1b[" in colored
        assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == shown(Style(), *explained)


def test_a_terminal_of_ascii_alone(nowhere: Path) -> None:
    done = run("fixchain", "explain", "FC102", cwd=nowhere, env={"PYTHONIOENCODING": "ascii"})
    assert done.exit_code == 0, done.stderr
    assert '"alembic upgrade" stops' in " ".join(done.stdout.split())
