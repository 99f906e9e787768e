"""rebase: put my revisions on top of the main branch's chain."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace

from flask_chainfix.chain import source
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.session import Session
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, CannotRewrite, UnsafeForDatabases
from flask_chainfix.common.quoting import git_word, path_word
from flask_chainfix.common.remedies import MERGE, Remedy, concluding, way
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.common.wording import count, have, listing
from flask_chainfix.databases.applied.has_run import applied_anywhere, with_new_ids
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import no_database
from flask_chainfix.diagnosis.diagnosis import Diagnosis, errors_of, in_doubt, remarks_on_links
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.git.in_progress import operation
from flask_chainfix.git.landings import read_history
from flask_chainfix.git.repositories import is_left_out
from flask_chainfix.git.upstream import deepening, is_usual, read_upstream
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.history import PublishedChain, unpublished
from flask_chainfix.model.plans import Mend, Plan, Reason, Wishes
from flask_chainfix.planning.downgrades import RebaseEffect, after_downgrades, from_current_rows
from flask_chainfix.planning.edits import edits_between, edits_for, summed_up, with_lock
from flask_chainfix.planning.linking.faults import refuse_faults
from flask_chainfix.planning.mending import mend_ids, mend_impassable
from flask_chainfix.planning.mending.case import is_same_migration
from flask_chainfix.planning.on_top import excerpt, put_on_top
from flask_chainfix.planning.plan import case_for, knowing_lost, propose
from flask_chainfix.planning.proposal import Planned, Proposal, refuse_unknown_rows, with_moves
from flask_chainfix.rehearsal.confirm import foresee
from flask_chainfix.report.results import Planning

_NAMED = 3  # revisions named in one sentence


@dataclass(frozen=True)
class _Rebase:
    """The state of a rebase.

    Attributes:
        diagnosis: the current chain, with the main branch's as the first of the published ones.
        there: the chain of the main branch.
        start: the chain to relink, in which mine have new ids if main uses the same ones.
        mends: the changes that give them new ids.
        downgrade: whether to downgrade and upgrade databases that would otherwise skip a revision.
        is_named: whether the user or the settings name the main branch.
    """

    diagnosis: Diagnosis
    there: Snapshot
    start: Facts
    mends: tuple[Mend, ...] = ()
    downgrade: bool = False
    is_named: bool = False

    @property
    def now(self) -> Facts:
        """The current chain."""
        return self.diagnosis.snapshot

    @property
    def upstream(self) -> PublishedChain:
        """What the revisions go on top of."""
        return self.now.published_chains[0]

    @property
    def command(self) -> str:
        """The command that was typed."""
        downgrade = " --downgrade" if self.downgrade else ""
        return f"{{fixchain}} rebase{downgrade} --onto {self.upstream.typed}{{databases}}"

    def take(self, *files: MigrationFile) -> str:
        """The command that takes the main branch's version of files."""
        paths = " ".join(git_word(file.path) for file in files)
        return f"git checkout {self.upstream.typed} -- {paths}"


@without_garbage_collection()
def plan_rebase(session: Session, onto: str | None, *, downgrade: bool = False) -> Planning:
    """Plan to put my revisions on top of all others, without changing anything.

    Args:
        session: what the command works with.
        onto: the Git revision that has the others; without one, the setting ``main_branch``, else
            the remote's default branch.
        downgrade: whether to downgrade and upgrade databases that would otherwise skip a revision.

    Returns:
        A plan with its edits, and the rows that each database is to have; no plan if there is
        nothing to do; an error if no plan is possible.

    Raises:
        NoMigrations: there is nothing to move.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        CannotReadGit: there is no such Git revision, or it cannot be read.
        DatabaseUnreachable: a database cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant, or there is
            none to downgrade.
    """
    diagnosis = session.begin()
    if downgrade and session.databases.schemas is not None:
        raise CannotPlan(
            "env.py decides which schema it migrates, so schemas are not downgraded here",
            "leave out --downgrade, and see what to type by hand",
        )
    diagnosis = knowing_lost(diagnosis)
    now = diagnosis.snapshot
    named = onto if onto is not None else now.environment.settings.main_branch or None
    there, published = read_upstream(named, now)
    now = replace(now, published_chains=published)
    known = replace(diagnosis, snapshot=now)
    rebase = _Rebase(known, there, now, downgrade=downgrade, is_named=named is not None)
    planning = session.planning("rebase", _proposed(session, rebase))
    if downgrade and planning.proposal.planned is not None:
        _refuse_downgrade(session, planning.proposal.snapshot, planning.proposal.planned)
    return planning


def _refuse_downgrade(session: Session, now: Facts, planned: Planned) -> None:
    """Refuse to downgrade without a database, or one with an unknown bind.

    Raises:
        BadDatabase, CannotPlan: there is none, or env.py would not reach it.
    """
    from flask_chainfix.rehearsal.app_databases import refuse_unknown_binds

    statuses, command = now.databases.statuses, "rebase --downgrade"
    if not statuses:
        raise no_database(session.databases, command)
    down = {each.identity for each in planned.downgrades}
    refuse_unknown_binds(
        session.runtime, [each for each in statuses if each.identity in down], command
    )


def _proposed(session: Session, rebase: _Rebase) -> Proposal:
    """The plan, the obstacle, or neither if mine are on top already.

    Raises:
        DatabaseUnreachable, BadConfiguration, BadDatabase: as ``plan_rebase``.
    """
    try:
        _require_all(rebase)
        rebase = _with_own_ids(rebase)
        mine = _mine(rebase)
        plan = put_on_top(rebase.start, mine, rebase.upstream.short)
    except (CannotPlan, CannotRewrite) as error:
        return Proposal(rebase.diagnosis, obstacle=error)
    if not plan.relinks:
        return Proposal(rebase.diagnosis.noticing(_nothing_to_do(rebase, mine)))
    if session.databases.any:
        now = session.survey(rebase.now, "rebase")
        start = replace(rebase.start, databases=now.databases, schemas=now.schemas, old=now.old)
        diagnosis = rebase.diagnosis.with_databases(now)
        rebase = replace(rebase, diagnosis=diagnosis, start=with_new_ids(start, rebase.mends))
    try:
        if session.databases.any:
            refuse_unknown_rows(rebase.start, rebase.diagnosis.findings, "rebase")
            plan = put_on_top(rebase.start, mine, rebase.upstream.short)
        return from_current_rows(with_moves(_checked(rebase, plan, mine), "rebase"))
    except UnsafeForDatabases as error:
        return Proposal(rebase.diagnosis, obstacle=_without_merge_remedy(session, rebase, error))
    except (CannotPlan, CannotRewrite) as error:
        return Proposal(rebase.diagnosis, obstacle=error)


def _without_merge_remedy(
    session: Session, rebase: _Rebase, error: UnsafeForDatabases
) -> UnsafeForDatabases:
    """The error without the advice to merge if a merge would be refused as well."""
    left = error.remedy.without(MERGE)
    if left == error.remedy or not left:
        return error
    merged = propose(session.runtime, rebase.diagnosis, Wishes(strategy="merge"))
    return error if merged.planned else UnsafeForDatabases(error.message, left, error.lines)


def lined_up(now: Facts, ref: str, there: Snapshot) -> Facts:
    """The chain with mine on top of a Git revision's, as a rebase links it.

    Neither databases nor schema conflicts are checked.

    Args:
        now: the chain with both sides.
        ref: the Git revision, as the user names it.
        there: the chain of that revision.

    Raises:
        CannotPlan, CannotRewrite: a rebase would be refused.
    """
    onto = PublishedChain(ref, ref, ref, there.files, is_main=True)
    now = replace(now, published_chains=(onto,))
    diagnosis = Diagnosis(now).judge(Family.CHAIN)
    rebase = _Rebase(diagnosis, there, now)
    _require_all(rebase)
    rebase = _with_own_ids(rebase, asks_git=False)
    plan = put_on_top(rebase.start, _mine(rebase), ref)
    return rebase.start.after(edits_for(rebase.start, plan.parents))


def _with_own_ids(rebase: _Rebase, *, asks_git: bool = True) -> _Rebase:
    """The rebase with new ids for mine if the main branch uses the same ids."""
    now = rebase.now
    if not rebase.there.graph.named_parents.keys() >= now.graph.duplicates.keys():
        return rebase
    onto = replace(now, published_chains=now.published_chains[:1])
    if now.graph.duplicates and asks_git:
        files = [file.path for file in now.files]
        landed = read_history(files, now.environment.version_locations)
        onto = replace(onto, git_history=landed)
    start, mends = mend_ids(case_for(onto, Wishes()))
    if not mends:
        return rebase
    start = replace(start, published_chains=now.published_chains)
    return replace(rebase, start=start, mends=tuple(mends))


def _checked(rebase: _Rebase, plan: Plan, mine: Collection[str]) -> Proposal:
    """The plan, checked by our rules and Alembic's graph; no database skips a revision."""
    before, start = rebase.now, rebase.start
    after = start.after(edits_for(start, plan.parents))
    after, untied = mend_impassable(after, mine)
    plan = summed_up(before, after, plan, (*rebase.mends, *untied), ())
    edits = edits_between(before, after)
    moved = excerpt(after, mine)  # nothing else changes
    for fault in in_doubt(diagnose(moved)):
        raise CannotPlan(f"the planned chain would have a fault: {fault.message}", fault.hint)
    _refuse_collisions(rebase, after, frozenset(mine))
    foresee(moved, before=before)
    effect = RebaseEffect(start, after.graph, mine, rebase.command)
    downgrades = effect.downgrades() if rebase.downgrade else ()
    start = after_downgrades(start, downgrades)
    replace(effect, now=start).refuse_skipping()
    remarks = remarks_on_links(before, edits)
    edits, after = with_lock(edits, after)
    own, below = unpublished(mine, start.published_chains)
    what = f"{_counted(own)} of yours" if own else _counted(mine)
    on = have(each.short for each in (below if own else below[:1]))
    why = Reason("onto", f"{what}, on top of what {on}")
    plan = replace(plan, order=after.graph.order, why=(why,))
    plan = replace(plan, choices=plan.choices | _without_needless(rebase, after, plan))
    renamed = {**start.databases.renamed, **plan.renamed}
    start = replace(start, databases=replace(start.databases, renamed=renamed))
    planned = Planned(plan, start, after, edits, rebase.upstream, downgrades)
    return Proposal(rebase.diagnosis.noticing(*remarks), planned.in_git())


def _without_needless(rebase: _Rebase, after: Facts, plan: Plan) -> Remedy:
    """How to leave out merge revisions of mine that would be heads and join nothing any more.

    They stay unless the user says so, as a database that nobody named may have run them.
    """
    run = {revision for each in applied_anywhere(rebase.start) for revision in each.revisions}
    needless = [
        each
        for each in plan.relinks
        if len(each.before) > len(each.after) == 1
        and each.revision not in after.graph.children
        and each.revision not in run
        and source.does_nothing(after.file(each.revision).data)
    ]
    if not needless:
        return Remedy()
    paths = " ".join(path_word(os.path.relpath(each.path)) for each in needless)
    names = ", ".join(each.revision for each in needless)
    what = f"leave out {names}, which joins nothing any more, if no database has run it"
    return way(what, f"rm -- {paths}", rebase.command)


def _refuse_collisions(rebase: _Rebase, after: Facts, mine: frozenset[str]) -> None:
    """Refuse if mine conflict in the schema with revisions that end up below them.

    Raises:
        CannotPlan: with both places, and the ways out.
    """
    now = rebase.start
    above = (mine | after.graph.required(mine)) - (now.graph.required(mine) - mine)
    if errors_of(diagnose(excerpt(after, above), Family.SCHEMA)):  # otherwise skip reading the rest
        found = errors_of(diagnose(after, Family.SCHEMA))
        found = [each for each in found if mine.intersection(each.revisions)]
        refuse_faults(now, found, Wishes(), rebase.command)


# --- Which revisions are mine --------------------------------------------------------------------
def _require_all(rebase: _Rebase) -> None:
    """Refuse unless every revision of the main branch is here.

    Raises:
        CannotPlan: a revision is missing, or a file cannot be read.
    """
    now, there = rebase.now, rebase.there
    for file, _ in now.unreadable:
        raise _unreadable(rebase, file)
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
        raise _behind(rebase, missing)


def _mine(rebase: _Rebase) -> frozenset[str]:
    """The revisions that the main branch does not have, and on which none of its own depends.

    Raises:
        CannotPlan: a revision of the main branch is linked to one of mine; or the chain has faults
            that leave its shape in doubt.
    """
    now, there = rebase.start, rebase.there
    _refuse_other_order(rebase)
    found = diagnose(now) if rebase.mends else rebase.diagnosis.findings
    for fault in in_doubt((*found, *diagnose(now, ignored=True))):
        raise CannotPlan(f"the chain cannot be relinked yet: {fault.message}", fault.hint)
    lacking = (*there.graph.missing_parents, *there.graph.missing_dependencies)
    return frozenset(now.graph).difference(there.graph, now.graph.required(lacking))


def _unreadable(rebase: _Rebase, file: MigrationFile) -> CannotPlan:
    """The error for a file that cannot be read, usually because of a conflict."""
    reading = next(reading for each, reading in rebase.now.unreadable if each is file)
    what = f"{file.name} {reading.reason}"
    if any(
        each.path == file.path and isinstance(each.reading, Header) for each in rebase.there.files
    ):
        return CannotPlan(
            f"{what}, and it is a migration that {rebase.upstream.short} has",
            way("take it as it is there", rebase.take(file), rebase.command),
        )
    return CannotPlan(f"{what}, and it is one of yours", reading.remedy)


def _behind(rebase: _Rebase, missing: list[str]) -> CannotPlan:
    now, upstream, again = rebase.now, rebase.upstream, rebase.command
    files = [rebase.there.file(name) for name in missing]
    away = f"{_counted(missing)} that {'is' if len(missing) == 1 else 'are'} not here"
    what = f"{upstream.short} has {away}: {listing(missing, _NAMED)}"
    if is_left_out([file.path for file in files]):
        text = "check out what the sparse checkout leaves out"
        return CannotPlan(what, way(text, "git sparse-checkout disable", again))
    doing, ref = operation(now), upstream.typed
    ended = (concluding(doing),) if doing else deepening(now, upstream.ref)
    after = f", after the end of the {doing} that Git is in" if doing else ""
    stops = "; where Git stops at the app's own files, resolve those before you rebase"
    remedy = way(f"merge them{after}{stops}", *ended, f"git merge --no-commit {ref}", again)
    remedy |= way(f"put your commits on top{after}", *ended, f"git rebase {ref}", again)
    if now.lock is not None and not doing:
        aside = f"git checkout -- {git_word(now.lock.path)}"
        text = "if the chain lock stops Git, discard your version first: rebase writes it again"
        remedy |= way(text, aside, f"git merge --no-commit {ref}", again)
    remedy |= way("bring back what was deleted here", rebase.take(*files), again)
    return CannotPlan(what, remedy)


def _refuse_other_order(rebase: _Rebase) -> None:
    """Refuse if a revision of others has lost its parent there, or is on top of one of mine."""
    now = rebase.start
    graph, theirs = now.graph, rebase.there.graph
    for revision, parents in theirs.named_parents.items():
        needs, needed = graph.dependencies.get(revision), theirs.dependencies.get(revision)
        if graph.named_parents[revision] == parents and needs == needed:
            continue
        below = graph.required([revision])
        if below.issuperset(theirs.requirements(revision)) and below.issubset(theirs):
            continue
        here, then = (
            ", ".join(each.requirements(revision)) or "nothing" for each in (graph, theirs)
        )
        raise CannotPlan(
            f"{revision} is on {here} here, and on {then} at {rebase.upstream.short}: what others"
            " already have keeps its order",
            way("take it as it is there", rebase.take(now.file(revision)), rebase.command),
        )


def _nothing_to_do(rebase: _Rebase, mine: Collection[str]) -> str:
    own, below = unpublished(mine, rebase.now.published_chains)
    on = have(each.short for each in below)
    why = f"{_counted(own)} of yours {'stands' if len(own) == 1 else 'stand'} on top of what {on}"
    why = why if own else f"{on} every revision that is here"
    # A clone of one branch, or of somebody's work tree, calls any branch the default.
    is_doubtful = not (rebase.is_named or is_usual(rebase.upstream.ref))
    other = "; if others build on another branch, name it with --onto" if is_doubtful else ""
    return f"nothing to do: {why}, as this clone knows it{other}"


def _counted(revisions: Collection[str]) -> str:
    return count(len(revisions), "revision")
