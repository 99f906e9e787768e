"""From a diagnosis to a plan that our own rules and Alembic's graph have both accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask_chainfix import runtime as alembic
from flask_chainfix.diagnosis import errors_of, to_mend
from flask_chainfix.errors import CannotPlan, CannotRewrite, UnsafeForDatabases
from flask_chainfix.git import read_history
from flask_chainfix.model import Edit, Finding, Severity, Wishes
from flask_chainfix.report import Report
from flask_chainfix.revivals import revive
from flask_chainfix.rules import Family, codes_of, diagnose
from flask_chainfix.rules.remarks import heads_in_doubt
from flask_chainfix.runtime import Runtime
from flask_chainfix.stamps import unexplained
from flask_chainfix.strategies import edits_for, make_plan


def planned(runtime: Runtime, report: Report, wishes: Wishes) -> Report:
    """The report with a plan; without one where nothing needs it.

    Args:
        runtime: the environment.
        report: what is wrong with its chain, and where its databases stand.
        wishes: what the user asks of the plan.

    Returns:
        The report with an obstacle where there can be no plan.
    """
    before = report.before
    assert before is not None
    if not (to_mend(report) or wishes.asks_for_change or heads_in_doubt(before)):
        return report
    try:
        revived = revive(runtime, before, wishes)
        start = before.after(edit for _, edit in revived)
        now = report
        if revived:
            now = replace(report, before=start, findings=diagnose(start, *Family))
        _refuse_unrepairable(now)
        history = read_history(
            [file.path for file in before.files], before.environment.version_locations
        )
        report = replace(report, notices=report.notices + history.notices)
        plan = make_plan(start, wishes, history)
        rendered = [alembic.render(runtime, new) for new in plan.new_revisions]
        new_revisions = tuple(new for new, _ in (*revived, *rendered))
        plan = replace(plan, new_revisions=new_revisions)
        new_files = [edit for _, edit in (*revived, *rendered)]
        edits = _together(edits_for(start, plan), new_files)
        after = before.after(edits)
        expected = replace(
            report, before=after, findings=diagnose(after, Family.CHAIN, Family.SCHEMA)
        )
        _refuse_unhealthy(expected, wishes)
        alembic.foresee(after)
    except (CannotPlan, CannotRewrite) as error:
        return replace(report, obstacle=error)
    if not edits:  # what the user wants is so already
        return report
    return replace(report, plan=plan, start=start, edits=edits, after=after)


def _together(changed: Sequence[Edit], new: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits as seen from the disk: of a new file that was changed as well there is one."""
    paths = {edit.path for edit in new}
    links = {edit.path: edit.after for edit in changed if edit.path in paths}
    written = (replace(edit, after=links.get(edit.path, edit.after)) for edit in new)
    return (*(edit for edit in changed if edit.path not in paths), *written)


def _refuse_unrepairable(report: Report) -> None:
    assert report.before is not None
    ignored = errors_of(diagnose(report.before, ignored=True))
    if ignored:
        raise CannotPlan(
            f"the settings ignore {_codes(ignored)}, and what is ignored cannot be planned around",
            "take it out of ignore; bases that are meant to stand apart go into intended_bases",
        )
    chain = codes_of(Family.CHAIN)
    blocking = [
        finding for finding in to_mend(report) if not finding.repairable and finding.code in chain
    ]
    if blocking:
        raise CannotPlan(
            f"the chain cannot be relinked while it has {_codes(blocking)}",
            f"correct what the findings say, then run `{report.tools.fixchain} repair` again",
        )
    # Ignoring such a finding makes it no less true that a plan could strand a revision.
    of_databases = (*report.findings, *diagnose(report.before, Family.DATABASE, ignored=True))
    for finding in of_databases:
        if finding.code in ("FC301", "FC302") and finding.severity is Severity.ERROR:
            raise UnsafeForDatabases(
                f"no plan is safe while it is not known what a database has run: {finding.message}",
                f"{finding.hint}; or leave the database out (--no-database)",
            )
    for standing in unexplained(report.before):
        raise UnsafeForDatabases(
            f"no known chain can have written the rows of {standing.name}"
            f" ({', '.join(standing.rows)}), so what has run there is not known",
            "move its stamp first (restamp --old REF, a Git revision with the chain that has"
            " written them); or leave the database out (--no-database)",
        )


def _refuse_unhealthy(expected: Report, wishes: Wishes) -> None:
    left = to_mend(expected)
    if not left:
        return
    fault = left[0]
    remedy = "say with --attach REVISION=PARENT where the pieces belong"
    if fault.code == "FC203":
        remedy = fault.hint
    elif fault.code == "FC201" and wishes.strategy == "merge":
        remedy = f"use --strategy linear, which puts one behind the other; or {remedy}"
    if fault.code in codes_of(Family.SCHEMA):
        remedy += f"; if it is not as it looks, list {fault.code} under ignore in the settings"
    raise CannotPlan(f"the planned chain would still have a fault: {fault.message}", remedy)


def _codes(findings: Sequence[Finding]) -> str:
    return ", ".join(sorted({f"{finding.code} {finding.name}" for finding in findings}))
