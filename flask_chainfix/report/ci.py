"""Annotations for GitHub, and JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import annotation, annotation_property, printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.diagnosis.rules import Rule, all_rules
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.report.advice import plain, remedy_lines
from flask_chainfix.report.display import Style, shown_path
from flask_chainfix.report.phrases import verdict
from flask_chainfix.report.results import Checked, Result, notices_of

# --- Annotations in GitHub's workflow logs, shown at the lines of a pull request -----------------


_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


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
        properties = {"file": shown_path(place.path), **properties}
        if place.line is not None:
            properties["line"] = str(place.line)
    written = ",".join(f"{key}={annotation_property(value)}" for key, value in properties.items())
    message = "\n".join((f"{finding.message}.", *remedy_lines(finding.hint, tools)))
    return f"::{_LEVELS[finding.severity]} {written}::{annotation(message)}"


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
    place = printable(shown_path(environment.directory)).strip("/").replace("/", ".")
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
        case.set("file", printable(shown_path(first.path)))
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
