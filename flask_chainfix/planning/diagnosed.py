"""What is wrong with a chain, and whether an earlier repair of it has come to its end."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotRead, NoMigrations, RepairInterrupted, RepairRunning
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import PLAIN_REPAIRS, Remedy, Tools, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.survey import with_lost
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.remarks import remarks_on_heads
from flask_chainfix.diagnosis.rules import Family, by_severity, codes_of, diagnose, diagnose_by
from flask_chainfix.disk.journals import journals_of, noticed_strangers
from flask_chainfix.disk.previous import Journals
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.surroundings import read_surroundings
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.planning.strategies import AUTO, ways_to_one_head

LONG_ID = "FC109"


def diagnosed(
    runtime: Runtime, command: str, tools: Tools, *, strict: bool, may_be_empty: bool = False
) -> Report:
    """Read the chain, and say what is wrong with it.

    Args:
        runtime: the environment.
        command: the one that asks.
        tools: how the user would type commands.
        strict: whether warnings count like errors.
        may_be_empty: whether the command has something to do where there is no migration.

    Raises:
        NoMigrations: there is none.
    """
    snapshot, notices = disk.read_snapshot(runtime.environment)
    if not may_be_empty:
        refuse_empty(snapshot)
    notices += _noticed_unread(runtime.environment) + _noticed_strangers(runtime.environment)
    snapshot = replace(snapshot, surroundings=read_surroundings(runtime))
    report = Report(command, tools=tools, strict=strict, before=snapshot)
    report = judged(report, Family.CHAIN, Family.ENVIRONMENT)
    unknown = runtime.environment.settings.intended_bases.difference(snapshot.graph.bases)
    if unknown:
        names = ", ".join(sorted(unknown))
        notices += (f"intended_bases in the settings names {names}, which is not a base",)
    remarks = remarks_on_heads(snapshot, report.findings)
    notices += tuple(tools.spell_out(remark) for remark in remarks)
    return replace(report, notices=notices)


def _noticed_unread(environment: Environment) -> tuple[str, ...]:
    """What there is to say of migrations where Alembic's configuration does not look."""
    files = [os.path.relpath(path) for path in disk.unread(environment)]
    if not files:
        return ()
    return (
        f"{count(len(files), 'migration')} that the configuration does not lead to"
        f" {'was' if len(files) == 1 else 'were'} not read: {listing(files, 3)}",
    )


def refuse_empty(snapshot: Snapshot) -> None:
    """Stop where there is nothing to work on: no migration, and no database that has run one.

    Raises:
        NoMigrations: so it is.
    """
    if snapshot.files or any(each.rows for each in snapshot.databases.standings):
        return
    places = ", ".join(str(place) for place in snapshot.environment.version_locations)
    elsewhere = _noticed_unread(snapshot.environment)
    raise NoMigrations(
        "; ".join((f"there are no migrations in {places}", *elsewhere)),
        Remedy.of(
            "name the directory that is meant as version_locations in the configuration"
            if elsewhere
            else "check that this is the right directory"
        )
        | way("write the first one", "{alembic} revision -m MESSAGE"),
    )


def judged(report: Report, *families: Family) -> Report:
    """The report with what the rules of some families find in its chain."""
    assert report.before is not None
    findings = by_severity((*report.findings, *diagnose(report.before, *families)))
    return replace(report, findings=findings, judged=report.judged | codes_of(*families))


def with_schema(report: Report) -> Report:
    """The report with what the migrations do to the schema judged as well.

    Not while the chain itself is in doubt: what is missing there would look like faults here.
    """
    snapshot = report.before
    assert snapshot is not None
    if in_doubt(report.findings):
        notice = "what the migrations do to the schema is judged once the chain itself is known"
        return replace(report, notices=(*report.notices, notice))
    report = judged(report, Family.SCHEMA)
    return replace(report, notices=report.notices + _opaque(snapshot))


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


def with_databases(report: Report, snapshot: Snapshot) -> Report:
    """The report with where the databases of a snapshot stand, and what is wrong with that."""
    report = found_anew(report, snapshot, LONG_ID)  # how long an id may be depends on them
    report = judged(report, Family.DATABASE)
    return replace(report, notices=report.notices + snapshot.databases.notices)


def found_anew(report: Report, snapshot: Snapshot, code: str) -> Report:
    """The report with a snapshot of which more is known, and what one rule of chains finds in it.

    Its findings are where they always are.
    """
    first = (finding for finding in report.findings if finding.code < code)
    last = (finding for finding in report.findings if finding.code > code)
    findings = by_severity((*first, *diagnose_by(code, snapshot), *last))
    return replace(report, before=snapshot, findings=findings)


def knowing_lost(runtime: Runtime, report: Report) -> Report:
    """The report with what Git knows of missing parents, which is among their ways out."""
    assert report.before is not None
    known = with_lost(runtime, report.before, report.before.graph.missing)
    return found_anew(report, known, "FC103")


def errors_of(findings: Sequence[Finding]) -> list[Finding]:
    """Those of severity error."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def in_doubt(findings: Sequence[Finding]) -> list[Finding]:
    """The errors for which it is not known what the chain is: not those of a known one."""
    doubtful = codes_of(Family.CHAIN) - {"FC101", "FC102", "FC112", LONG_ID}
    return [finding for finding in errors_of(findings) if finding.code in doubtful]


def to_mend(report: Report) -> tuple[Finding, ...]:
    """The findings that a repair of the files mends, or is refused for."""
    of_files = codes_of(Family.CHAIN, Family.SCHEMA) - {LONG_ID}  # that is mended when asked for
    return tuple(
        finding
        for finding in report.counting
        if finding.code in of_files and (finding.repairable or finding.severity is Severity.ERROR)
    )


def with_ways_that_work(report: Report, strategy: str = AUTO) -> Report:
    """The report whose findings say of a repair what it does, or what keeps it from being planned.

    Args:
        report: with a plan, or with what keeps it from being made.
        strategy: the one that was asked for.
    """
    if report.plan is not None:
        return _hinting(report, ways_to_one_head(report.plan, strategy), {"FC102"})
    if report.obstacle is None:
        return report
    ways, codes = report.obstacle.remedy, {each.code for each in report.findings}
    for each in report.findings:
        if (each.code, each.revisions) == report.obstacle.about:
            there = replace(each, hint=ways)
            findings = tuple(there if one is each else one for one in report.findings)
            to_it = Remedy.of(f"fix {each.code} first")
            return _hinting(replace(report, findings=findings), to_it, codes - {each.code})
        if each.hint and set(each.hint.ways).issubset(ways.ways):  # listed there
            return _hinting(report, Remedy.of(f"fix {each.code} first"), codes - {each.code})
    return _hinting(report, ways, codes)


def _hinting(report: Report, ways: Remedy, codes: Collection[str]) -> Report:
    """The report in which findings of some kinds name other ways than a plain repair."""
    findings = tuple(
        replace(each, hint=each.hint.instead_of(PLAIN_REPAIRS, ways))
        if each.code in codes
        else each
        for each in report.findings
    )
    return replace(report, findings=findings)


def refuse_interrupted(runtime: Runtime, tools: Tools) -> None:
    """Stop while an earlier repair or undo has not come to its end.

    Raises:
        RepairInterrupted, RepairRunning: it was killed half-way, or is at work.
    """
    journals = journals_of(runtime.environment)
    for interruption in _interruption(runtime, tools, journals):
        if disk.is_locked(runtime.environment.directory):
            raise RepairRunning(interruption, "wait until it has ended", unchanged=True)
        remedy = way("put the files back first", f"{tools.fixchain} undo{tools.databases}")
        if journals.unfinished is None:
            remedy |= _kept(journals)
        raise RepairInterrupted(interruption, remedy)


def _kept(journals: Journals) -> Remedy:
    assert journals.latest is not None
    path = path_word(os.path.relpath(journals.latest.file))
    return way("keep the files as they are, and forget how they were", f"rm -- {path}")


def _interruption(runtime: Runtime, tools: Tools, journals: Journals) -> tuple[str, ...]:
    """What there is to say about a repair or an undo that has not come to its end."""
    half = None if journals.unfinished else disk.half_undone(journals)
    if journals.unfinished is None and half is None:
        return ()
    if disk.is_locked(runtime.environment.directory):
        return ("another repair of this environment is running",)
    undo = f"`{tools.fixchain} undo`"
    if half is None:
        return (f"an earlier repair was killed half-way; {undo} puts its files back",)
    return (
        "an undo was killed half-way, or files were put back by hand: some are as they were before"
        f" the last repair, and others are not; {undo} puts back the rest",
    )


def noticed_interruption(runtime: Runtime, tools: Tools) -> tuple[str, ...]:
    """The same for ``check``, which is not stopped by it."""
    try:
        return _interruption(runtime, tools, journals_of(runtime.environment))
    except CannotRead:
        return ()


def _noticed_strangers(environment: Environment) -> tuple[str, ...]:
    """What there is to say of journals that nobody obeys, or can read."""
    try:
        return noticed_strangers(journals_of(environment))
    except CannotRead as error:
        return (error.message,)
