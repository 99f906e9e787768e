"""The command ``rebase``: my revisions on top of the chain that the main branch has."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

from flask_chainfix.chain import heads_file
from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.numbering import NewIds
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan, CannotRewrite, UnsafeForDatabases
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import MERGE, Remedy, Tools, way
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.applied.rows import are_tied, gaps, taking_down
from flask_chainfix.databases.applied.shared_ids import told_anew
from flask_chainfix.databases.applied.writers import Applied, applied_in, published_in
from flask_chainfix.databases.survey import (
    NO_DATABASE_TOLD,
    noticed_missing,
    refuse_unreachable,
    survey,
)
from flask_chainfix.diagnosis.lost_revisions import told_losses
from flask_chainfix.diagnosis.outcome import Report
from flask_chainfix.diagnosis.remarks import remarks_on_links
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.git.history import read_history
from flask_chainfix.git.upstream import operation, read_upstream
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.history import History
from flask_chainfix.model.plans import Mend, Plan, Reason, Wishes
from flask_chainfix.planning.diagnosed import (
    diagnosed,
    errors_of,
    in_doubt,
    knowing_lost,
    refuse_interrupted,
    with_databases,
)
from flask_chainfix.planning.edits import edits_between, edits_for, summed_up
from flask_chainfix.planning.mending.case import Case, is_same_migration
from flask_chainfix.planning.mending.mend import told_apart, untie
from flask_chainfix.planning.on_top import excerpt, put_on_top
from flask_chainfix.planning.plan import case_for, refuse_faults
from flask_chainfix.planning.row_moving import refuse_unknown_rows, with_moves
from flask_chainfix.rehearsal.confirm import foresee

_NAMED = 3  # revisions that a sentence names


@without_garbage_collection()
def plan_rebase(
    runtime: Runtime,
    tools: Tools,
    onto: str | None,
    databases: DatabaseWishes,
    progress: Progress,
) -> Report:
    """Work out how my revisions come to stand on top of all others, without changing anything.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        onto: the Git revision that has the others; without one, the setting ``main_branch``, else
            the remote's default branch.
        databases: which databases the new order has to be safe for.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        A report with a plan, its edits, and the rows that each database is to have; without a plan
        where there is nothing to do; with an error where there can be none.

    Raises:
        NoMigrations: there is nothing to move.
        RepairInterrupted, RepairRunning: an earlier repair is not at its end.
        CannotReadGit: there is no such Git revision, or Git cannot tell.
        DatabaseUnreachable: a database cannot be asked where it stands.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
    """
    refuse_interrupted(runtime, tools)
    report = knowing_lost(runtime, diagnosed(runtime, "rebase", tools, strict=False))
    now = report.before
    assert now is not None
    upstream, there, published = read_upstream(
        onto if onto is not None else now.environment.settings.main_branch or None, now
    )
    now = replace(now, published_chains=published)
    report = replace(report, upstream=upstream, before=now)
    try:
        _require_all(report, there)
        start, mends = _told_apart(report, there)
        findings = diagnose(start, Family.CHAIN) if mends else report.findings
        mine = _mine(replace(report, before=start, findings=findings), there)
        plan = put_on_top(start, mine, upstream.ref)
        if not plan.relinks:
            return replace(report, notices=(*report.notices, _nothing_to_do(report, mine)))
        if databases.any:
            now = survey(runtime, now, databases, progress)
            refuse_unreachable(now, "rebase")
            report = with_databases(report, now)
            start = told_anew(replace(start, databases=now.databases, old=now.old), mends)
            refuse_unknown_rows(replace(report, before=start))
            plan = put_on_top(start, mine, upstream.ref)
        report = with_moves(_checked(replace(report, start=start), plan, mends, mine))
        if report.obstacle is not None:
            raise report.obstacle
    except (CannotPlan, CannotRewrite) as error:
        return replace(report, exit_code=error.exit_code, obstacle=error, error=error)
    looked = bool(now.databases.standings)
    notices = noticed_missing(now, databases) if looked else (NO_DATABASE_TOLD,)
    upstream = replace(upstream, operation=operation(now))
    notices = (*report.notices, *notices)
    return replace(report, exit_code=1, notices=notices, upstream=upstream)


def _told_apart(report: Report, there: Snapshot) -> tuple[Snapshot, tuple[Mend, ...]]:
    """The chain in which mine have ids of their own, where the main branch has the same."""
    now = report.before
    assert now is not None
    if not there.graph.named_parents.keys() >= now.graph.duplicates.keys():
        return now, ()
    history = History()
    if now.graph.duplicates:
        files = [file.path for file in now.files]
        history = read_history(files, now.environment.version_locations)
    onto = replace(now, published_chains=now.published_chains[:1])
    start, mends = told_apart(case_for(onto, history, Wishes()))
    return (replace(start, published_chains=now.published_chains), mends) if mends else (now, ())


def _checked(report: Report, plan: Plan, mends: Sequence[Mend], mine: Collection[str]) -> Report:
    """The report with a plan that our own rules, Alembic's graph and all databases accept."""
    before, now = report.before, report.start
    assert before is not None
    assert now is not None
    after = now.after(edits_for(now, plan))
    after, untied = untie(Case(after, History(), Wishes(), NewIds(after)), movable=mine)
    plan = summed_up(before, after, plan, (*mends, *untied), ())
    edits = edits_between(before, after)
    moved = excerpt(after, mine)  # nothing else changes
    for fault in in_doubt(diagnose(moved)):
        raise CannotPlan(f"the planned chain would have a fault: {fault.message}", fault.hint)
    _refuse_collisions(report, after, frozenset(mine))
    foresee(moved, before=before)
    _refuse_unsafe(report, after.graph, mine)
    notices = report.notices + remarks_on_links(before, edits)
    lock = heads_file.edit_for(after)
    if lock is not None:
        edits, after = (*edits, lock), after.after([lock])
    why = Reason("onto", f"{_so_many(mine)} of yours, on top of what {_ref(report)} has")
    plan = replace(plan, order=after.graph.order, why=(why,))
    renamed = {**now.databases.renamed, **plan.renamed}
    start = replace(now, databases=replace(now.databases, renamed=renamed))
    return replace(report, plan=plan, start=start, edits=edits, after=after, notices=notices)


def _refuse_collisions(report: Report, after: Snapshot, mine: frozenset[str]) -> None:
    """Stop where mine do to the schema what one of those does that come to be below.

    Raises:
        CannotPlan: with both places, and the ways out.
    """
    now = report.start
    assert now is not None
    above = (mine | after.graph.required(mine)) - (now.graph.required(mine) - mine)
    if errors_of(diagnose(excerpt(after, above), Family.SCHEMA)):  # else the rest goes unread
        found = errors_of(diagnose(after, Family.SCHEMA))
        found = [each for each in found if mine.intersection(each.revisions)]
        refuse_faults(now, found, Wishes(), _rebase(report))


# --- Which revisions are mine --------------------------------------------------------------------
def _require_all(report: Report, there: Snapshot) -> None:
    """Stop where not all is here that the main branch has.

    Raises:
        CannotPlan: a revision is not here, or a file cannot be read.
    """
    now = report.before
    assert now is not None
    for file, _ in now.unreadable:
        raise _unreadable(report, file, there)
    missing = [
        revision
        for revision, files in there.files_by_revision.items()
        if not any(
            is_same_migration(file, other)
            for file in files
            for other in now.files_by_revision.get(revision, ())
        )
    ]
    if missing:
        raise _behind(report, there, missing)


def _mine(report: Report, there: Snapshot) -> frozenset[str]:
    """The revisions that the main branch has not, and that nothing needs which it has.

    Raises:
        CannotPlan: something of the main branch is linked to what is mine; or the chain has faults
            that leave in doubt what it is.
    """
    now = report.before
    assert now is not None
    _refuse_other_order(report, there)
    for fault in in_doubt((*report.findings, *diagnose(now, ignored=True))):
        raise CannotPlan(f"the chain cannot be relinked yet: {fault.message}", fault.hint)
    lacking = (*there.graph.missing_parents, *there.graph.missing_dependencies)
    return frozenset(now.graph).difference(there.graph, now.graph.required(lacking))


def _unreadable(report: Report, file: MigrationFile, there: Snapshot) -> CannotPlan:
    """What to do about a file that cannot be read, most often in the middle of a conflict."""
    now = report.before
    assert now is not None
    reading = next(reading for each, reading in now.unreadable if each is file)
    what = f"{file.name} {reading.reason}"
    if any(each.path == file.path and isinstance(each.reading, Header) for each in there.files):
        return CannotPlan(
            f"{what}, and it is a migration that {_ref(report)} has",
            way("take it as it is there", _take(report, file), _rebase(report)),
        )
    return CannotPlan(f"{what}, and it is one of yours", reading.remedy)


def _behind(report: Report, there: Snapshot, missing: list[str]) -> CannotPlan:
    upstream = report.upstream
    assert upstream is not None
    now = report.before
    assert now is not None
    doing, ref = operation(now), upstream.typed
    ended = (f"git {doing} --continue",) if doing else ()
    after = f", after the end of the {doing} that Git is in" if doing else ""
    stops = "; where Git stops at the app's own files, resolve those before you rebase"
    remedy = way(f"merge them{after}{stops}", *ended, f"git merge {ref}", _rebase(report))
    remedy |= way(f"put your commits on top{after}", *ended, f"git rebase {ref}", _rebase(report))
    if now.lock is not None and not doing:
        aside = f"git checkout -- {path_word(os.path.relpath(now.lock.path))}"
        text = "if the chain lock stops Git, set it aside first: it is written anew"
        remedy |= way(text, aside, f"git merge {ref}", _rebase(report))
    deleted = _take(report, *(there.file(name) for name in missing))
    remedy |= way("bring back what was deleted here", deleted, _rebase(report))
    verb = "is" if len(missing) == 1 else "are"
    return CannotPlan(
        f"{upstream.ref} has {_so_many(missing)} that {verb} not here: {listing(missing, _NAMED)}",
        remedy,
    )


def _refuse_other_order(report: Report, there: Snapshot) -> None:
    """Stop where a revision of others has lost what it is on there, or is on what is mine."""
    now = report.before
    assert now is not None
    graph, theirs = now.graph, there.graph
    for revision, parents in theirs.named_parents.items():
        needs, needed = graph.dependencies.get(revision), theirs.dependencies.get(revision)
        as_it_was = graph.named_parents[revision] == parents and needs == needed
        if as_it_was:
            continue
        below = graph.required([revision])
        if below.issuperset(theirs.requirements(revision)) and below.issubset(theirs):
            continue
        here, then = (
            ", ".join(each.requirements(revision)) or "nothing" for each in (graph, theirs)
        )
        raise CannotPlan(
            f"{revision} is on {here} here, and on {then} at {_ref(report)}: what others have"
            " already stays in its order",
            way("take it as it is there", _take(report, now.file(revision)), _rebase(report)),
        )


def _nothing_to_do(report: Report, mine: Collection[str]) -> str:
    ref = _ref(report)
    if not mine:
        return f"nothing to do: {ref}, as this clone knows it, has every revision that is here"
    verb = "stands" if len(mine) == 1 else "stand"
    return (
        f"nothing to do: {_so_many(mine)} of yours {verb} on top of what {ref} has, as this clone"
        " knows it"
    )


# --- What databases have run ---------------------------------------------------------------------
def _refuse_unsafe(report: Report, after: Graph, mine: Collection[str]) -> None:
    """Stop where a database has run what is mine and not all that it is to stand on.

    Raises:
        UnsafeForDatabases: with the ways out.
    """
    now = report.start
    assert now is not None
    for database in (*applied_in(now), *published_in(now)):
        have = database.revisions.intersection(after)
        already = gaps(now.graph, have)
        skipped = [revision for revision in gaps(after, have) if revision not in already]
        if skipped:
            run = listing(sorted(have.intersection(mine)), _NAMED)
            raise UnsafeForDatabases(
                f"{database.name} {database.has} {run} of yours, and not"
                f" {listing(skipped, _NAMED)}, which would come below: Alembic would treat"
                " that as done there and never run it",
                _ways_out(report, database, mine),
            )


def _ways_out(report: Report, database: Applied, mine: Collection[str]) -> Remedy:
    now = report.before
    assert now is not None
    assert report.upstream is not None
    joined = way("keep the order, and join both with a merge revision", MERGE)
    run = [name for name in now.graph.order if name in mine and name in database.revisions]
    renamed = report.start is not None and report.start.databases.anew
    if database.published or renamed or are_tied(now.graph, run):
        # Of what depends on others, Alembic's downgrade takes down more, or leaves odd rows.
        return joined
    losses = told_losses([now.footprint_down(now.file(name)) for name in run])
    return joined | way(
        f"downgrade yours there before you rebase; {losses}",
        *taking_down(now.graph, database.revisions, mine),
        _rebase(report),
        "{alembic} upgrade head",
    )


# --- Words ---------------------------------------------------------------------------------------
def _ref(report: Report) -> str:
    assert report.upstream is not None
    return report.upstream.ref


def _take(report: Report, *files: MigrationFile) -> str:
    assert report.upstream is not None
    paths = " ".join(path_word(os.path.relpath(file.path)) for file in files)
    return f"git checkout {report.upstream.typed} -- {paths}"


def _rebase(report: Report) -> str:
    """The command that was typed."""
    assert report.upstream is not None
    return f"{{fixchain}} rebase --onto {report.upstream.typed}{{databases}}"


def _so_many(revisions: Collection[str]) -> str:
    return count(len(revisions), "revision")
