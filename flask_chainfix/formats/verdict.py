"""The one line that says it all."""

from __future__ import annotations

from collections import Counter

from flask_chainfix.model import Severity
from flask_chainfix.report import Report
from flask_chainfix.rules import Family, codes_of
from flask_chainfix.rules.wording import count


def only(report: Report, *families: Family) -> bool:
    """Whether all that is wrong was found by the rules of these families."""
    codes = codes_of(*families)
    return all(finding.code in codes for finding in report.counting)


def verdict(report: Report) -> str:
    """Whether the chain is healthy, and if not, what is wrong with it."""
    assert report.before is not None
    graph, unplaced = report.before.graph, report.before.unplaced
    numbers: Counter[str] = Counter()
    for finding in report.findings:
        if finding.severity is Severity.ERROR:
            numbers[finding.noun] += finding.number
    if numbers:
        faults = ", ".join(count(number, noun) for noun, number in numbers.items())
        if only(report, Family.DATABASE):
            return f"The databases do not fit the migration chain: {faults}."
        if only(report, Family.LOCK, Family.PUBLISHED):
            return f"The migration chain works, but does not pass the gate: {faults}."
        return f"The migration chain is broken: {faults}."
    size = (
        f"{count(len(graph), 'revision')}, {count(len(graph.bases), 'base')},"
        f" {count(len(graph.heads), 'head')}"
    )
    if unplaced:
        unknown = f"the place of {count(len(unplaced), 'migration')} is not known"
        return f"The migration chain could be judged in part only, as {unknown}: {size}."
    warnings = sum(finding.severity is Severity.WARNING for finding in report.findings)
    if warnings:
        return f"The migration chain works, with {count(warnings, 'warning')}: {size}."
    return f"The migration chain is healthy: {size}."
