"""check: what is wrong with the chain, and what a repair would make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.progress import Progress, unseen
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.applied.lost import distance
from flask_chainfix.databases.survey import NO_DATABASE_NAMED, noticed_missing, survey
from flask_chainfix.databases.targets import configured_urls
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.rules import Family
from flask_chainfix.diagnosis.rules.against_others import changes
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.git.past import read_shared
from flask_chainfix.git.work_tree import checked_out
from flask_chainfix.model.databases import DatabaseState, DatabaseWishes
from flask_chainfix.model.history import Published
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.diagnosed import (
    diagnosed,
    in_doubt,
    judged,
    noticed_interruption,
    refuse_empty,
    to_mend,
    with_databases,
    with_schema,
    with_ways_that_work,
)
from flask_chainfix.planning.plan import planned
from flask_chainfix.planning.row_moving import with_moves


@dataclass(frozen=True)
class Against:
    """What the files are compared with.

    Attributes:
        ref: the Git revision that others have.
        allowed: revisions that may change all the same.
    """

    ref: str
    allowed: frozenset[str] = frozenset()


def with_gate(report: Report, against: Against | None) -> Report:
    """The report with whether the lock is in step, and what was changed that others have.

    The lock is not judged while the chain itself is in doubt: nobody can tell its heads, and a
    repair writes the lock as well.

    Raises:
        CannotReadGit: Git cannot tell what others have.
    """
    lock = () if in_doubt(report.findings) else (Family.LOCK,)
    if against is None:
        return judged(report, *lock) if lock else report
    assert report.before is not None
    shared, absent = read_shared(against.ref, report.before)
    published = Published(against.ref, shared.files, against.allowed)
    snapshot = replace(report.before, published=published)
    notices = _notices(snapshot, against, listing(map(str, absent)))
    report = replace(report, before=snapshot, notices=(*report.notices, *notices))
    return judged(report, *lock, Family.PUBLISHED)


def _notices(snapshot: Snapshot, against: Against, absent: str) -> Iterator[str]:
    if absent:
        yield f"{absent} was not there at {against.ref}: its migrations count as new"
    changed = {revision for revision, _ in changes(snapshot)}
    for revision in sorted(against.allowed - changed):
        yield (
            f"--allow {revision} is not needed: {against.ref} has no such revision, or it is as it"
            " was"
        )


# --- One short composition for each command: read -> diagnose -> plan -> change -> report --------


NO_DATABASES = DatabaseWishes()


_PLANNED_WITHOUT_AGAINST = (
    "what a repair would make of missing revisions is shown by check without --against"
)


_ASKED_BY_REPAIR = (
    "a repair also asks the database of the configuration, and may come to another plan, which"
    " `{}` shows"
)


def check(  # noqa: PLR0913  (what users can ask of it)
    runtime: Runtime,
    tools: Tools,
    *,
    strict: bool,
    schema: bool = False,
    databases: DatabaseWishes = NO_DATABASES,
    against: Against | None = None,
    progress: Progress = unseen,
) -> Report:
    """Diagnose the chain, and show what a repair would make of it.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        strict: whether warnings count like errors.
        schema: whether to look at the schema also where there is nothing to repair.
        databases: which databases to ask where they stand; none if it names none.
        against: what the files are compared with; ``None`` for nothing.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        NoMigrations: there is nothing to check.
        CannotReadGit: Git cannot tell what they are to be compared with.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    runtime = replace(runtime, own_template=False)
    report = diagnosed(runtime, "check", tools, strict=strict, may_be_empty=True)
    if schema or to_mend(report):
        report = with_schema(report)
    assert report.before is not None
    missing = report.before.graph.missing
    if databases.any:
        looked_at = survey(runtime, report.before, databases, progress, also=missing)
        report = with_databases(report, looked_at)
        if not (looked_at.databases.standings or looked_at.databases.notices):
            report = replace(report, notices=(*report.notices, NO_DATABASE_NAMED))
    assert report.before is not None
    refuse_empty(report.before)
    report = with_gate(report, against)
    report = replace(report, notices=report.notices + noticed_interruption(runtime, tools))
    behind = _behind(report) if strict else ()
    report = replace(report, notices=report.notices + behind)
    if report.counting or behind:
        report = replace(report, exit_code=1)
    assert report.before is not None
    # Two long questions for Git are one too many.
    if against is not None and (missing or report.before.databases.sought):
        return replace(report, notices=(*report.notices, _PLANNED_WITHOUT_AGAINST))
    return _with_commit(with_ways_that_work(_foreseen(runtime, report, databases)))


def _behind(report: Report) -> tuple[str, ...]:
    """The stamped databases that an upgrade would bring further, as notices."""
    assert report.before is not None
    found = {
        standing.name: distance(report.before, standing)
        for standing in report.before.databases.standings
        if standing.state is DatabaseState.STAMPED
    }
    return tuple(
        f"{name} is {count(each.behind, 'revision')} behind, which counts with --strict:"
        f" `{report.tools.alembic} upgrade` runs them"
        for name, each in found.items()
        if each is not None and each.behind
    )


def _foreseen(runtime: Runtime, report: Report, databases: DatabaseWishes) -> Report:
    """The report with what a repair would make of the chain."""
    report = with_moves(planned(runtime, report, Wishes(strict=report.strict)))
    if report.plan is None or report.before is None:
        return report
    if not databases.any and not report.tools.own and configured_urls(runtime):
        notice = _ASKED_BY_REPAIR.format(f"{report.tools.fixchain} check --database")
        return replace(report, notices=(*report.notices, notice))
    notices = noticed_missing(report.before, databases)
    own = [each for each in report.before.databases.standings if each.own]
    if notices and all(each.state is DatabaseState.MISSING for each in own):
        tools = report.tools
        report = replace(report, tools=replace(tools, databases=f" --no-database{tools.named}"))
    return replace(report, notices=(*report.notices, *notices))


def _with_commit(report: Report) -> Report:
    """The report with the commit that has the chain as it was, for the time after the repair."""
    if report.plan is None or report.before is None:
        return report
    return replace(report, commit=checked_out(report.before.environment.directory, report.edits))
