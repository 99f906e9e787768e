"""The formats of CI systems: annotations for GitHub, JUnit XML, SARIF."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import (
    annotation,
    annotation_property,
    json_document,
    printable,
    sarif_text,
)
from flask_chainfix.common.remedies import Tools
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.diagnosis.rules import Rule, all_rules, explanations
from flask_chainfix.model.findings import Explanation, Finding, Location, Severity
from flask_chainfix.report.advice import plain, remedy_lines, remedy_text
from flask_chainfix.report.display import Style, path_in_repository
from flask_chainfix.report.phrases import verdict
from flask_chainfix.report.results import Checked, Result, notices_of

# --- Annotations in GitHub's workflow logs, shown at the lines of a pull request -----------------


_GITHUB_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def to_github(result: Result, style: Style) -> str:
    """One workflow command for each place of each finding and each notice, then the verdict."""
    if not isinstance(result, Checked):
        return ""
    diagnosis = result.diagnosis
    lines = [
        _annotation(finding, place, result.tools)
        for finding in diagnosis.findings
        for place in [each for each in finding.locations if not each.ref] or (None,)
    ]
    notices = [f"::notice title=fixchain::{annotation(notice)}" for notice in notices_of(result)]
    return "\n".join([*lines, *notices, verdict(diagnosis)]) + "\n"


def _annotation(finding: Finding, place: Location | None, tools: Tools) -> str:
    properties = {"title": f"{finding.code} {finding.name}"}
    if place is not None:
        properties = {"file": path_in_repository(place.path), **properties}
        if place.line is not None:
            properties["line"] = str(place.line)
    written = ",".join(f"{key}={annotation_property(value)}" for key, value in properties.items())
    message = "\n".join((f"{finding.message}.", *remedy_lines(finding.hint, tools)))
    return f"::{_GITHUB_LEVELS[finding.severity]} {written}::{annotation(message)}"


# --- JUnit XML for the test reports of CI systems: each rule is a test ---------------------------


_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def to_junit(result: Result, style: Style) -> str:
    """One suite with a test for each rule that ran, in ASCII so that any encoding fits."""
    suite = Xml.Element("testsuite", name="fixchain")
    if isinstance(result, Checked):
        diagnosis = result.diagnosis
        asked = diagnosis.judged.union(finding.code for finding in diagnosis.findings)
        rules = (rule for rule in all_rules() if rule.code in asked)
        suite.extend(_case(diagnosis, rule, result.tools) for rule in rules)
    if result.error is not None:
        suite.append(_stopped(result, result.error))
    results = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for name, kind in results.items():
        suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))
    if isinstance(result, Checked):
        said = (verdict(diagnosis), *(f"note: {notice}" for notice in notices_of(result)))
        Xml.SubElement(suite, "system-out").text = "\n".join(printable(line) for line in said)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    document: bytes = Xml.tostring(root, "us-ascii")
    return f"{_DECLARATION}{document.decode()}\n"


def _case(diagnosis: Diagnosis, rule: Rule, tools: Tools) -> Xml.Element:
    environment = diagnosis.snapshot.environment
    # The names distinguish it from tests of other environments in the same pipeline.
    place = printable(path_in_repository(environment.directory)).strip("/").replace("/", ".")
    case = _test(f"{rule.code} {rule.name}", place)
    found = [finding for finding in diagnosis.findings if finding.code == rule.code]
    if found:
        # A warning is no failure, but GitLab shows no text for a passed test. GitLab and Jenkins do
        # show the text of a skipped test. GitLab reads only one such element per test.
        kind = "skipped" if set(found).isdisjoint(diagnosis.counting) else "failure"
        message = printable(found[0].message)
        entry = Xml.SubElement(case, kind, type=found[0].severity.value, message=message)
        entry.text = "\n\n".join(plain(finding, tools) for finding in found)
    elif rule.code in environment.settings.ignore:
        Xml.SubElement(case, "skipped", message="ignored by the settings")
    first = next((each for finding in found for each in finding.locations), None)
    if first is not None:
        case.set("file", printable(path_in_repository(first.path)))
        if first.line is not None:
            case.set("line", str(first.line))
    return case


def _stopped(result: Result, error: ChainFixError) -> Xml.Element:
    case = _test(result.command)
    message = printable(error.message)
    entry = Xml.SubElement(case, "error", type=type(error).__name__, message=message)
    lines = (*error.lines, *remedy_lines(error.remedy, result.tools))
    entry.text = "\n".join((message, *map(printable, lines)))
    return case


def _test(name: str, *place: str) -> Xml.Element:
    return Xml.Element("testcase", classname=".".join(("fixchain", *place)), name=name)


# --- SARIF 2.1.0 for code scanning ---------------------------------------------------------------


_SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"


def to_sarif(result: Result, style: Style) -> str:
    """One log with one run, in ASCII so that any encoding can carry it."""
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [_run(result)]}
    return json_document(log)


def _run(result: Result) -> dict[str, Any]:
    from importlib.metadata import version  # the other formats do not need it

    driver = {
        "name": "flask-chainfix",
        "version": version("flask-chainfix"),
        "rules": [_rule(rule, result.tools) for rule in explanations()],
    }
    # Without its URI: readers do not need this machine's path to the project.
    root = {"description": {"text": "The top of the repository, or else the working directory."}}
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "invocations": [_invocation(result)],
        "originalUriBaseIds": {_ROOT: root},
    }
    if isinstance(result, Checked):  # an empty list would mean a healthy chain
        run["results"] = _results(result.diagnosis, result.tools)
    return run


def _results(diagnosis: Diagnosis, tools: Tools) -> list[dict[str, Any]]:
    findings, directory = diagnosis.findings, diagnosis.snapshot.environment.directory
    indexes = {rule.code: index for index, rule in enumerate(all_rules())}
    return [
        {
            "ruleId": finding.code,
            "ruleIndex": indexes[finding.code],
            "level": _SARIF_LEVELS[finding.severity],
            "message": _message(finding.message, remedy_text(finding.hint, tools)),
            **_places(finding, directory),
            # Not primaryLocationLineHash, which GitHub's own action computes from the lines.
            "partialFingerprints": {"fixchain/v1": fingerprint},
        }
        for finding, fingerprint in zip(findings, _fingerprints(findings, directory), strict=True)
    ]


def _rule(rule: Explanation, tools: Tools) -> dict[str, Any]:
    help_ = tools.spell_out(
        f"{rule.meaning}\n\nHow it happens: {rule.origin}\n\nHow to repair it: {rule.repair}"
    )
    breaks = tools.spell_out(rule.breaks)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} What breaks: {breaks}."},
        "help": {"text": help_, "markdown": help_},
        "defaultConfiguration": {"level": _SARIF_LEVELS[rule.severity]},
    }


def _invocation(result: Result) -> dict[str, Any]:
    notices = [{"level": "note", "message": _message(each)} for each in notices_of(result)]
    errors = [_stop(result.error, result.tools)] if result.error is not None else []
    return {
        "executionSuccessful": result.error is None,
        "exitCode": result.exit_code,
        "toolExecutionNotifications": notices + errors,
    }


def _stop(error: ChainFixError, tools: Tools) -> dict[str, Any]:
    return {
        "descriptor": {"id": type(error).__name__},
        "level": "error",
        "message": _message(
            " ".join((error.message, *error.lines)), remedy_text(error.remedy, tools)
        ),
    }


def _message(what: str, remedy: str = "") -> dict[str, str]:
    """A message with terminal control characters and SARIF placeholders escaped."""
    text = f"{what}. {remedy[:1].upper()}{remedy[1:]}." if remedy else f"{what}."
    return {"text": sarif_text(text)}


def _places(finding: Finding, directory: Path) -> dict[str, Any]:
    """The first place as the location, and the others as related locations.

    Findings about databases have no file, but GitHub rejects results without one: they point to
    ``env.py``, which names the databases.
    """
    env_py = Location(directory / "env.py", None)
    first, *others = finding.locations or (env_py,)
    places: dict[str, Any] = {"locations": [_place(first)]}
    if others:
        places["relatedLocations"] = [_place(place) for place in others]
    return places


def _place(place: Location) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(place.path)}
    if place.line is not None:
        physical["region"] = {"startLine": place.line}
    where = {"message": _message(f"as {place.ref} has it")} if place.ref else {}
    return {"physicalLocation": physical, **where}


def _artifact(path: Path) -> dict[str, str]:
    from urllib.parse import quote

    shown = path_in_repository(path)
    if Path(shown).is_absolute():
        return {"uri": Path(shown).as_uri()}
    return {"uri": quote(os.fsencode(shown)), "uriBaseId": _ROOT}


def _fingerprints(findings: Sequence[Finding], directory: Path) -> list[str]:
    """A fingerprint for each finding, the same in every run and on every machine.

    Findings of one rule about the same revisions are numbered in the order of their texts.
    """

    def text(index: int) -> tuple[str, list[tuple[str, int, str, str]]]:
        message, places = findings[index].message, findings[index].locations
        return message, [(str(path), line or 0, ref, commit) for path, line, ref, commit in places]

    numbers: Counter[str] = Counter()
    fingerprints = [""] * len(findings)
    for index in sorted(range(len(findings)), key=text):
        identity = _identity(findings[index], directory)
        numbers[identity] += 1
        fingerprints[index] = f"{identity}:{numbers[identity]}"
    return fingerprints


def _identity(finding: Finding, directory: Path) -> str:
    """A hash of the code and the revisions, or of the files if there is no revision."""
    from hashlib import sha256

    files = {Path(os.path.relpath(place.path, directory)).as_posix() for place in finding.locations}
    about = [finding.code, *(finding.revisions or sorted(files))]
    return sha256(json.dumps(about).encode()).hexdigest()[:32]
