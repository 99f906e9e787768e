"""JUnit: each rule is a test, whatever the texts hold, and a stop is an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.common.errors import CannotRead
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.diagnosis.rules import Family, Rule, all_rules
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.report import Style, render
from flask_chainfix.report.advice import plain
from tests.commands import Done, fixchain
from tests.disk import environment
from tests.results import checked
from tests.support import chain

ALWAYS = (Family.CHAIN, Family.ENVIRONMENT, Family.LOCK)
HEALTHY = ("a", "b <- a")
BROKEN = ("a", "b <- a", "c <- a", "d <- gone", "a_name_that_is_longer_than_the_column <- b")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a broken chain in ``broken`` and one of one piece in ``healthy``."""
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "broken", *BROKEN)
    environment(tmp_path / "healthy", *HEALTHY)
    return tmp_path


def suite(document: str) -> Xml.Element:
    """The one suite, whose numbers are those of its tests."""
    assert document.isascii()
    root = Xml.fromstring(document)
    (found,) = root
    assert (root.tag, found.tag, found.get("name")) == ("testsuites", "testsuite", "fixchain")
    kinds = {"tests": "", "failures": "/failure", "errors": "/error", "skipped": "/skipped"}
    for name, kind in kinds.items():
        assert found.get(name) == str(len(found.findall(f"testcase{kind}")))
    return found


def check(*arguments: str) -> tuple[Done, dict[str, Xml.Element]]:
    """How a check ended, and its tests by name."""
    done = fixchain(*arguments, "--format", "junit")
    cases = suite(done.stdout).findall("testcase")
    tests = {str(case.get("name")): case for case in cases}
    assert len(tests) == len(cases)
    return done, tests


def names_of(*families: Family) -> set[str]:
    return {f"{rule.code} {rule.name}" for rule in all_rules() if rule.family in families}


def result_of(case: Xml.Element) -> Xml.Element:
    """The one element that says how a test ended."""
    (result,) = case
    return result


# --- Tests and results ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "families"),
    [
        ("-d healthy check", ALWAYS),
        ("-d healthy check --schema", (*ALWAYS, Family.SCHEMA)),
        ("-d healthy check --stamp b", (*ALWAYS, Family.DATABASE)),
    ],
)
def test_each_rule_that_was_asked_is_a_test_that_passes(
    project: Path, arguments: str, families: tuple[Family, ...]
) -> None:
    done, tests = check(*arguments.split())
    assert (done.exit_code, done.stderr) == (0, "")
    assert set(tests) == names_of(*families)
    for case in tests.values():
        assert list(case) == []
        assert case.keys() == ["classname", "name"]
        assert case.get("classname") == "fixchain.healthy"


def test_errors_are_failures_and_warnings_skipped_tests_with_a_text(project: Path) -> None:
    done, tests = check("-d", "broken", "check")
    assert done.exit_code == 1
    # The schema and the lock wait for the missing parent.
    assert set(tests) == names_of(*ALWAYS) - {"FC502 chain-lock-drift"}
    ended = {name[:5]: result_of(case) for name, case in tests.items() if list(case)}
    assert {code: (result.tag, result.get("type")) for code, result in ended.items()} == {
        "FC102": ("failure", "error"),
        "FC103": ("failure", "error"),
        "FC109": ("skipped", "warning"),
    }
    missing = tests["FC103 missing-down-revision"]
    assert missing.get("file") == "broken/versions/d_add_d.py"
    assert missing.get("line") == "14"
    message = "d names 'gone' as its down_revision, but no migration has that id"
    assert result_of(missing).get("message") == message
    lines = str(result_of(missing).text).splitlines()
    assert lines[:4] == [
        f"error: {message}",
        "breaks: every “alembic” command stops with a traceback (KeyError)",
        "broken/versions/d_add_d.py:14",
        "remedies, the best first:",
    ]
    assert "     fixchain -d broken repair" in lines
    warning = result_of(tests["FC109 revision-id-too-long"])
    assert "\nremedies, the best first:\n" in str(warning.text)


def test_warnings_fail_where_they_count(project: Path) -> None:
    _, tests = check("-d", "broken", "check", "--strict")
    assert result_of(tests["FC109 revision-id-too-long"]).tag == "failure"


def test_all_findings_of_a_rule_are_in_one_failure(project: Path) -> None:
    environment(project / "hanging", "a <- gone", "b <- lost")
    _, tests = check("-d", "hanging", "check")
    result = result_of(tests["FC103 missing-down-revision"])
    texts = str(result.text).split("\n\n")
    assert [text.splitlines()[0][:14] for text in texts] == ["error: a names", "error: b names"]


def test_what_the_settings_ignore_is_skipped(project: Path) -> None:
    (project / "broken/alembic.ini").write_text("[fixchain]\nignore = FC103\n")
    _, tests = check("-d", "broken", "check")
    case = tests["FC103 missing-down-revision"]
    assert (result_of(case).tag, result_of(case).text) == ("skipped", None)
    assert result_of(case).get("message") == "ignored by the settings"
    assert case.get("file") is None


def test_tests_of_two_environments_have_different_names(project: Path) -> None:
    place = environment(project / "services/pay/migrations", *HEALTHY)
    _, tests = check("-d", str(place.relative_to(project)), "check")
    assert {case.get("classname") for case in tests.values()} == {
        "fixchain.services.pay.migrations"
    }


def test_the_suite_holds_the_verdict_and_the_notes(project: Path) -> None:
    found = suite(fixchain("-d", "broken", "check", "--format", "junit").stdout)
    said = str(found.findtext("system-out")).splitlines()
    assert said[0] == "The migration chain is broken: 2 heads, 1 missing parent."
    assert said[1].startswith("note: what the migrations do to the schema is checked once")


# --- Errors --------------------------------------------------------------------------------------


def test_a_stop_is_a_test_that_ends_with_an_error(project: Path) -> None:
    done, tests = check("-d", "nothing", "check")
    assert done.exit_code == 3
    (case,) = tests.values()
    assert (case.get("classname"), case.get("name")) == ("fixchain", "check")
    result = result_of(case)
    assert (result.tag, result.get("type")) == ("error", "NoEnvironment")
    assert done.stderr == f"error: {result.text}\n"
    assert str(result.text).startswith(f"{result.get('message')}\nremedies, the best first:\n")


def test_an_error_after_reading_does_not_hide_the_tests() -> None:
    report = checked(chain("a"), judged={"FC101"})
    found = suite(render("junit", replace(report, error=CannotRead("what", "do")), Style()))
    assert [case.get("name") for case in found.findall("testcase")] == [
        "FC101 multiple-bases",
        "check",
    ]


# --- Texts ---------------------------------------------------------------------------------------


def finding_of(rule: Rule, text: str) -> Finding:
    place = Location(Path("/project", f"{text}.py".replace("/", "_")), 3)
    return Finding(
        rule.code,
        rule.name,
        rule.noun,
        1,
        Severity.ERROR,
        text,
        text,
        Remedy.of(text),
        (),
        (place,),
        False,
    )


@given(st.text() | st.text("\x00\x08\x1b\ufffe\uffff\ud800\r\n\t<>&\"']]>", max_size=20))
def test_any_text_makes_a_document_that_can_be_read(text: str) -> None:
    finding = finding_of(all_rules()[0], text)
    report = checked(chain("a"), [finding], notices=(text,))
    found = suite(render("junit", report, Style()))
    (case,) = found.findall("testcase")
    assert result_of(case).get("message") == printable(text)
    assert result_of(case).text == plain(finding, Tools())
    assert case.get("file") == printable(str(finding.locations[0].path))
    assert str(found.findtext("system-out")).endswith(f"note: {printable(text)}")
