"""One short composition for each command: read -> diagnose -> plan -> change -> report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask_chainfix import runtime as alembic
from flask_chainfix import store
from flask_chainfix.errors import (
    CannotPlan,
    CannotRead,
    CannotRewrite,
    NoMigrations,
    NothingToUndo,
    RepairInterrupted,
    RepairRunning,
)
from flask_chainfix.git import read_history
from flask_chainfix.model import Finding, Severity, Wishes
from flask_chainfix.report import Report, Tools
from flask_chainfix.rules import Family, all_rules, by_severity, diagnose
from flask_chainfix.rules.remarks import heads_in_doubt, remarks_on_heads
from flask_chainfix.rules.wording import count, listing
from flask_chainfix.runtime import Runtime
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.strategies import edits_for, make_plan


def check(runtime: Runtime, tools: Tools, *, strict: bool, schema: bool = False) -> Report:
    """Diagnose the chain, and show what a repair would make of it.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        strict: whether warnings count like errors.
        schema: whether to look at the schema also where there is nothing to repair.

    Raises:
        NoMigrations: there is nothing to check.
    """
    report = _diagnosed(runtime, "check", tools, strict)
    if schema or _to_mend(report):
        report = _with_schema(report)
    report = replace(report, notices=report.notices + _noticed_interruption(runtime, tools))
    if report.counting:
        report = replace(report, exit_code=1)
    return _planned(runtime, report, Wishes(strict=strict))


def examine(runtime: Runtime, tools: Tools) -> Report:
    """Find out what is wrong with the chain, for a rehearsal of it.

    Raises:
        NoMigrations: there is nothing to rehearse.
    """
    return _with_schema(_diagnosed(runtime, "rehearse", tools, strict=False))


def plan_repair(runtime: Runtime, tools: Tools, wishes: Wishes) -> Report:
    """Work out a repair without changing anything.

    Returns:
        A report with a plan and its edits; without a plan where there is nothing to repair; with
        an error where a plan is refused.

    Raises:
        NoMigrations: there is nothing to repair.
        RepairInterrupted, RepairRunning: an earlier repair is not at its end.
    """
    _refuse_interrupted(runtime, tools)
    report = _diagnosed(runtime, "repair", tools, wishes.strict)
    report = _planned(runtime, _with_schema(report), wishes)
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
        StaleSnapshot: a migration that has come since builds on one that undo would delete.
    """
    journal = store.latest(runtime.environment.directory)
    if journal is None:
        raise NothingToUndo("there is no repair to undo", "use version control for older changes")
    store.refuse_orphans(journal, runtime.environment)
    return Report(
        "undo",
        tools=tools,
        journal=journal.path,
        restored=tuple(entry.path for entry in journal.entries if entry.before is not None),
        deleted=tuple(entry.path for entry in journal.entries if entry.before is None),
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
        store.refuse_orphans(journal, runtime.environment)
        store.undo(journal, runtime.environment.version_locations)
    snapshot, notices = store.read_snapshot(runtime.environment)
    return replace(report, before=snapshot, findings=diagnose(snapshot), notices=notices, done=True)


def _diagnosed(runtime: Runtime, command: str, tools: Tools, strict: bool) -> Report:
    snapshot, notices = store.read_snapshot(runtime.environment)
    if not snapshot.files:
        places = ", ".join(str(place) for place in runtime.environment.version_locations)
        raise NoMigrations(
            f"there are no migrations in {places}",
            f"check that this is the right directory; `{tools.alembic} migrate` or `{tools.alembic}"
            " revision` writes the first one",
        )
    findings = diagnose(snapshot)
    unknown = runtime.environment.settings.intended_bases.difference(snapshot.graph.bases)
    if unknown:
        names = ", ".join(sorted(unknown))
        notices += (f"intended_bases in the settings names {names}, which is not a base",)
    remarks = remarks_on_heads(snapshot, findings)
    notices += tuple(remark.replace("{alembic}", tools.alembic) for remark in remarks)
    return Report(
        command, tools=tools, strict=strict, before=snapshot, findings=findings, notices=notices
    )


def _with_schema(report: Report) -> Report:
    """The report with what the migrations do to the schema judged as well.

    Not while the chain itself is in doubt: what is missing there would look like faults here.
    """
    snapshot = report.before
    assert snapshot is not None
    if not all(finding.repairable for finding in _errors(report.findings)):
        notice = "what the migrations do to the schema is judged once the chain itself is known"
        return replace(report, notices=(*report.notices, notice))
    findings = by_severity((*report.findings, *diagnose(snapshot, Family.SCHEMA)))
    return replace(report, findings=findings, notices=report.notices + _opaque(snapshot))


def _opaque(snapshot: Snapshot) -> tuple[str, ...]:
    """What there is to say about migrations that do what their source does not tell."""
    places = [
        f"{snapshot.file(revision).name}:{doubts[0].line} ({doubts[0].detail})"
        for revision, doubts in snapshot.evidence.opaque.items()
    ]
    if not places:
        return ()
    return (
        f"what {count(len(places), 'migration')} may do cannot be known from the source, so nothing"
        f" is proven about that: {listing(places, 3)}",
    )


def _errors(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def _planned(runtime: Runtime, report: Report, wishes: Wishes) -> Report:
    """The report with a plan that our own rules and Alembic's graph have both accepted.

    Without a plan where nothing needs one; with an obstacle where none can be made.
    """
    before = report.before
    assert before is not None
    if not (_to_mend(report) or wishes.asks_for_links or heads_in_doubt(before)):
        return report
    try:
        _refuse_unrepairable(report)
        history = read_history(
            [file.path for file in before.files], before.environment.version_locations
        )
        report = replace(report, notices=report.notices + history.notices)
        plan = make_plan(before, wishes, history)
        rendered = [alembic.render(runtime, new) for new in plan.new_revisions]
        plan = replace(plan, new_revisions=tuple(new for new, _ in rendered))
        edits = edits_for(before, plan) + tuple(edit for _, edit in rendered)
        after = before.after(edits)
        expected = replace(report, before=after, findings=diagnose(after, *Family))
        _refuse_unhealthy(expected, wishes)
        alembic.foresee(after)
    except (CannotPlan, CannotRewrite) as error:
        return replace(report, obstacle=error)
    if not edits:  # what the user wants is so already
        return report
    return replace(report, plan=plan, edits=edits, after=after)


def _to_mend(report: Report) -> tuple[Finding, ...]:
    """The findings that a repair mends, or is refused for."""
    return tuple(
        finding
        for finding in report.counting
        if finding.repairable or finding.severity is Severity.ERROR
    )


def _refuse_unrepairable(report: Report) -> None:
    assert report.before is not None
    ignored = _errors(diagnose(report.before, ignored=True))
    if ignored:
        raise CannotPlan(
            f"the settings ignore {_codes(ignored)}, and what is ignored cannot be planned around",
            "take it out of ignore; bases that are meant to stand apart go into intended_bases",
        )
    chain = {rule.code for rule in all_rules() if rule.family is Family.CHAIN}
    blocking = [
        finding for finding in _to_mend(report) if not finding.repairable and finding.code in chain
    ]
    if blocking:
        raise CannotPlan(
            f"the chain cannot be relinked while it has {_codes(blocking)}",
            f"correct what the findings say, then run `{report.tools.fixchain} repair` again",
        )


def _refuse_unhealthy(expected: Report, wishes: Wishes) -> None:
    left = _to_mend(expected)
    if not left:
        return
    fault = left[0]
    remedy = "say with --attach REVISION=PARENT where the pieces belong"
    if fault.code == "FC203":
        remedy = fault.hint
    elif fault.code == "FC201" and wishes.strategy == "merge":
        remedy = f"use --strategy linear, which puts one behind the other; or {remedy}"
    if fault.code in {rule.code for rule in all_rules() if rule.family is Family.SCHEMA}:
        remedy += f"; if it is not as it looks, list {fault.code} under ignore in the settings"
    raise CannotPlan(f"the planned chain would still have a fault: {fault.message}", remedy)


def _codes(findings: Sequence[Finding]) -> str:
    return ", ".join(sorted({f"{finding.code} {finding.name}" for finding in findings}))


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


def _noticed_interruption(runtime: Runtime, tools: Tools) -> tuple[str, ...]:
    """The same for ``check``, which a damaged journal does not stop."""
    try:
        return _interruption(runtime, tools)
    except CannotRead as error:
        return (error.message,)
