"""One short composition for each command: read -> diagnose -> plan -> change -> report."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix import runtime as alembic
from flask_chainfix import store
from flask_chainfix.errors import (
    CannotPlan,
    CannotRewrite,
    NothingToUndo,
    RepairInterrupted,
    RepairRunning,
)
from flask_chainfix.model import Severity
from flask_chainfix.report import Report, Tools
from flask_chainfix.rules import diagnose
from flask_chainfix.runtime import Runtime
from flask_chainfix.strategies import Wishes, edits_for, make_plan


def check(runtime: Runtime, tools: Tools, *, strict: bool) -> Report:
    """Diagnose the chain, and show what a repair would make of it."""
    snapshot, notices = store.read_snapshot(runtime.environment)
    report = Report(
        "check",
        tools=tools,
        strict=strict,
        before=snapshot,
        findings=diagnose(snapshot),
        notices=notices + _interruption(runtime, tools),
    )
    if report.counting:
        report = replace(report, exit_code=1)
    return _planned(runtime, report, Wishes(strict=strict))


def plan_repair(runtime: Runtime, tools: Tools, wishes: Wishes) -> Report:
    """Work out a repair without changing anything.

    Returns:
        A report with a plan and its edits; without a plan where there is nothing to repair; with
        an error where a plan is refused.

    Raises:
        RepairInterrupted, RepairRunning: an earlier repair is not at its end.
    """
    _refuse_interrupted(runtime, tools)
    snapshot, notices = store.read_snapshot(runtime.environment)
    report = Report(
        "repair",
        tools=tools,
        strict=wishes.strict,
        before=snapshot,
        findings=diagnose(snapshot),
        notices=notices,
    )
    report = _planned(runtime, report, wishes)
    if report.plan is not None:
        report = replace(report, exit_code=1)
    if report.obstacle is not None:
        report = replace(report, exit_code=report.obstacle.exit_code, error=report.obstacle)
    return report


def carry_out(runtime: Runtime, report: Report) -> Report:
    """Make the changes of a planned report, and let Alembic confirm them.

    Raises:
        ChainFixError: it could not be done; every file is as it was.
    """
    assert report.after is not None
    directory = runtime.environment.directory
    with store.locked(directory), store.changed_files(directory, report.edits) as journal:
        confirmation = alembic.confirm(runtime, report.after)
    return replace(report, exit_code=0, confirmation=confirmation, journal=journal.path, done=True)


def plan_undo(runtime: Runtime, tools: Tools) -> Report:
    """Find the last repair, also one that was killed half-way, without changing anything.

    Raises:
        NothingToUndo: there is none.
    """
    journal = store.latest(runtime.environment.directory)
    if journal is None:
        raise NothingToUndo("there is no repair to undo", "use version control for older changes")
    return Report(
        "undo",
        tools=tools,
        journal=journal.path,
        restored=tuple(entry.path for entry in journal.entries),
    )


def carry_out_undo(runtime: Runtime, report: Report) -> Report:
    """Put back the files of the last repair.

    Raises:
        ChainFixError: a file has changed since, or cannot be written.
    """
    directory = runtime.environment.directory
    with store.locked(directory):
        journal = store.latest(directory)
        if journal is None or journal.path != report.journal:
            raise NothingToUndo(
                "the repair has been undone meanwhile", "run check to see the chain"
            )
        store.undo(journal)
    snapshot, notices = store.read_snapshot(runtime.environment)
    return replace(report, before=snapshot, findings=diagnose(snapshot), notices=notices, done=True)


def _planned(runtime: Runtime, report: Report, wishes: Wishes) -> Report:
    """The report with a plan that our own rules and Alembic's graph have both accepted.

    Without a plan where nothing needs one; with an obstacle where none can be made.
    """
    broken = any(
        finding.repairable or finding.severity is Severity.ERROR for finding in report.counting
    )
    if not broken and not wishes.attach and wishes.root is None:
        return report
    before = report.before
    assert before is not None
    try:
        _refuse_unrepairable(report)
        plan = make_plan(before, wishes)
        rendered = [alembic.render(runtime, new) for new in plan.new_revisions]
        plan = replace(plan, new_revisions=tuple(new for new, _ in rendered))
        edits = edits_for(before, plan) + tuple(edit for _, edit in rendered)
        after = before.after(edits)
        _refuse_unhealthy(replace(report, before=after, findings=diagnose(after)))
        alembic.foresee(after)
    except (CannotPlan, CannotRewrite) as error:
        return replace(report, obstacle=error)
    if not edits:  # what the user wants is so already
        return report
    return replace(report, plan=plan, edits=edits, after=after)


def _refuse_unrepairable(report: Report) -> None:
    blocking = [finding for finding in report.counting if not finding.repairable]
    errors = [finding for finding in blocking if finding.severity is Severity.ERROR]
    if errors:
        codes = ", ".join(sorted({f"{finding.code} {finding.name}" for finding in errors}))
        raise CannotPlan(
            f"the chain cannot be relinked while it has {codes}",
            f"correct what the findings say, then run `{report.tools.fixchain} repair` again",
        )


def _refuse_unhealthy(expected: Report) -> None:
    left = [finding for finding in expected.counting if finding.repairable]
    if left:
        raise CannotPlan(
            f"no plan was found that mends the chain: {left[0].message}",
            "say with --attach REVISION=PARENT where the pieces belong",
        )


def _refuse_interrupted(runtime: Runtime, tools: Tools) -> None:
    for notice in _interruption(runtime, tools):
        if store.is_locked(runtime.environment.directory):
            raise RepairRunning(notice, "nothing was changed; wait until it has ended")
        raise RepairInterrupted(notice, f"put the files back with `{tools.fixchain} undo` first")


def _interruption(runtime: Runtime, tools: Tools) -> tuple[str, ...]:
    """What there is to say about a repair that has not come to its end."""
    directory = runtime.environment.directory
    journal = store.latest(directory)
    if journal is None or journal.finished:
        return ()
    if store.is_locked(directory):
        return ("another repair of this environment is running",)
    return (f"an earlier repair was killed half-way; `{tools.fixchain} undo` puts its files back",)
