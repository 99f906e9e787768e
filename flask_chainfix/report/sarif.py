"""SARIF 2.1.0 for code scanning."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import json_document, sarif_text
from flask_chainfix.common.remedies import Tools
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.diagnosis.rules import all_rules, explanations
from flask_chainfix.model.findings import Explanation, Finding, Location, Severity
from flask_chainfix.report.advice import remedy_text
from flask_chainfix.report.display import Style, shown_path
from flask_chainfix.report.results import Checked, Result, notices_of

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"


def to_sarif(result: Result, style: Style) -> str:
    """One log with one run, in ASCII so that any encoding can carry it."""
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(result)]}
    return json_document(log)


def _run(result: Result) -> dict[str, Any]:
    from importlib.metadata import version  # no other format needs it

    driver = {
        "name": "flask-chainfix",
        "version": version("flask-chainfix"),
        "rules": [_rule(rule, result.tools) for rule in explanations()],
    }
    # Without its URI: readers do not need this machine's path to the project.
    root = {"description": {"text": "The directory in which the command was run."}}
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
            "level": _LEVELS[finding.severity],
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
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
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


# --- Places --------------------------------------------------------------------------------------
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
    shown = shown_path(path)
    if Path(shown).is_absolute():
        return {"uri": Path(shown).as_uri()}
    return {"uri": quote(os.fsencode(shown)), "uriBaseId": _ROOT}


# --- Fingerprints --------------------------------------------------------------------------------
def _fingerprints(findings: Sequence[Finding], directory: Path) -> list[str]:
    """A fingerprint for each finding, the same in every run and on every machine.

    Findings of one rule about the same revisions are numbered in the order of their texts.
    """

    def text(index: int) -> tuple[str, list[tuple[str, int, str, str]]]:
        finding = findings[index]
        places = finding.locations
        return finding.message, [(str(at.path), at.line or 0, at.ref, at.commit) for at in places]

    numbers: Counter[str] = Counter()
    fingerprints = [""] * len(findings)
    for index in sorted(range(len(findings)), key=text):
        identity = _identity(findings[index], directory)
        numbers[identity] += 1
        fingerprints[index] = f"{identity}:{numbers[identity]}"
    return fingerprints


def _identity(finding: Finding, directory: Path) -> str:
    """A hash of the code and the revisions, or of the files if there is no revision."""
    files = {Path(os.path.relpath(place.path, directory)).as_posix() for place in finding.locations}
    about = [finding.code, *(finding.revisions or sorted(files))]
    return sha256(json.dumps(about).encode()).hexdigest()[:32]
