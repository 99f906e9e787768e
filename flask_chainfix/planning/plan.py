"""From a diagnosis to a plan that passes our own rules and Alembic's graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from flask_chainfix.common.errors import (
    CannotPlan,
    CannotReadGit,
    CannotRewrite,
    UnsafeForDatabases,
)
from flask_chainfix.common.quoting import words
from flask_chainfix.common.remedies import PLAIN_REPAIRS, Remedy
from flask_chainfix.databases.applied.has_run import with_new_ids
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import with_lost
from flask_chainfix.diagnosis.diagnosis import (
    Diagnosis,
    heads_in_doubt,
    in_doubt,
    remarks_on_links,
    to_mend,
)
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.environment.new_revisions import render
from flask_chainfix.git.landings import read_history
from flask_chainfix.git.past import last_change, read_before, read_branch
from flask_chainfix.git.repositories import Repository
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.history import PublishedChain
from flask_chainfix.model.plans import AUTO, Mend, Plan, Wishes
from flask_chainfix.planning.edits import edits_between, edits_for, summed_up, with_lock
from flask_chainfix.planning.linking.faults import refuse_faults, with_places
from flask_chainfix.planning.linking.safety import refuse_doubted, refuse_unproven
from flask_chainfix.planning.linking.strategies import check_wishes, make_plan, refuse_compiled
from flask_chainfix.planning.mending import mend, mend_impassable
from flask_chainfix.planning.mending.case import Case
from flask_chainfix.planning.mending.names import shortened
from flask_chainfix.planning.mending.parents import placed
from flask_chainfix.planning.on_top import as_rebase
from flask_chainfix.planning.proposal import Planned, Proposal, needs_plan, refuse_unknown_rows
from flask_chainfix.planning.restored_revisions import refuse_early_tables, restore_lost
from flask_chainfix.rehearsal.confirm import foresee


def propose(runtime: Runtime, diagnosis: Diagnosis, wishes: Wishes) -> Proposal:
    """Make a plan, unless none is needed.

    First single migrations are fixed, then bases and heads are linked.
    """
    if not needs_plan(diagnosis, wishes):
        return Proposal(diagnosis)
    diagnosis = knowing_lost(_with_git(diagnosis))
    try:
        return _proposed(runtime, diagnosis, wishes)
    except (CannotPlan, CannotRewrite) as error:
        return Proposal(diagnosis, obstacle=error)


def knowing_lost(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with what Git knows about missing parents, for their remedies."""
    snapshot = diagnosis.snapshot
    if not snapshot.graph.missing:
        return diagnosis
    return diagnosis.judge_again(with_lost(snapshot, snapshot.graph.missing), "FC103")


def _upstream(diagnosis: Diagnosis, plan: Plan) -> PublishedChain | None:
    """What a plan puts revisions on top of, if a rebase would make the same plan."""
    onto = any(reason.kind == "onto" for reason in plan.why)
    faults = {each.code for each in plan.mends}.union(
        finding.code for finding in in_doubt(diagnosis.findings)
    )
    main = diagnosis.snapshot.main_branch
    return main if onto and faults <= {"FC104"} else None


def _with_git(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with Git's knowledge: what is published, and when migrations landed."""
    before = diagnosis.snapshot
    if not before.environment.asks_git:
        return diagnosis
    chains, notices = read_published(before)
    main = [chain.ref for chain in chains if chain.is_line]
    files = [file.path for file in before.files]
    history = read_history(files, before.environment.version_locations, main)
    now = replace(before, published_chains=chains, git_history=history)
    return replace(diagnosis, snapshot=now).noticing(*notices, *history.notices)


def _proposed(runtime: Runtime, diagnosis: Diagnosis, wishes: Wishes) -> Proposal:
    """Mend and link the chain, and check the result with our rules and Alembic's graph."""
    before = diagnosis.snapshot
    start, mends, notices = _prepared(runtime, diagnosis, wishes)
    wishes = _without_obeyed(wishes, mends)
    restored = (each.revision for each in mends if each.new)  # as bases, if they were
    orphaned = frozenset(start.graph.bases).difference(placed(before)[0].graph.bases, restored)
    plan = _linked(start, wishes, orphaned, mends)
    rendered = [render(runtime, new) for new in plan.new_revisions]
    after = start.after([*edits_for(start, plan.parents), *(edit for _, edit in rendered)])
    after, untied = mend_impassable(after, strict=wishes.strict)
    mends = (*mends, *untied)
    if wishes.shorten_ids:
        shorter = shortened(after)
        mends, after = (*mends, *shorter), after.after(e for each in shorter for e in each.edits)
    # Keep those that have nothing to do with the plan.
    left = to_mend(diagnose(after, Family.CHAIN, Family.SCHEMA), strict=diagnosis.strict)
    left = tuple(fault for fault in left if fault.code != "FC111")
    refuse_faults(before, left, wishes, instead=_instead(mends))
    _refuse_computed_headers(diagnosis, after)
    foresee(after, before=before)
    edits = edits_between(before, after)
    if not edits:  # the chain already is as the user wants it
        if left:
            unmended = f"no order of the revisions mends this: {with_places(left[0])}"
            raise CannotPlan(unmended, left[0].hint)
        return Proposal(diagnosis)
    plan = summed_up(before, after, plan, mends, [new for new, _ in rendered])
    renamed = {**start.databases.renamed, **plan.renamed}
    start = replace(start, databases=replace(start.databases, renamed=renamed))
    notices += tuple(f"not fixed by this plan: {each.code}, {each.message}" for each in left)
    diagnosis = diagnosis.noticing(*notices, *remarks_on_links(before, edits))
    edits, after = with_lock(edits, after)
    if in_doubt(diagnosis.findings) or any(each.new for each in mends):
        # A rebase would still be refused, or would not see files that are not there yet.
        plan = replace(plan, choices=plan.choices.without("{fixchain} rebase"))
    planned = Planned(plan, start, after, edits, _upstream(diagnosis, plan))
    return Proposal(diagnosis, planned.in_git())


def _linked(start: Facts, wishes: Wishes, orphaned: frozenset[str], mends: Sequence[Mend]) -> Plan:
    """A plan for one line or a merge that keeps the links of files from another branch."""
    lost = start.databases.lost
    restored = {each.revision: each for each in mends if each.new and each.revision in lost}
    strategies = ("merge",) if wishes.strategy == AUTO else ()
    for strategy in (wishes.strategy, *strategies):
        asked = replace(wishes, strategy=strategy)
        plan = make_plan(start, asked, orphaned)
        plan = as_rebase(start, plan, asked) or plan
        relinked = {relink.revision for relink in plan.relinks}
        changed = [name for name in restored if name in relinked and lost[name].branch]
        if not changed:
            return plan
    raise CannotPlan(
        f"{changed[0]} of {lost[changed[0]].branch} would get other parents here, and its id would"
        " mean two things",
        restored[changed[0]].choices or "bring that branch here with Git",
    )


def _refuse_computed_headers(diagnosis: Diagnosis, after: Facts) -> None:
    """Refuse if the files alone would not show that the planned chain is healthy."""
    before = diagnosis.snapshot
    if not before.unplaced:
        return
    seen = before.after(edits_between(before, after))
    mended = to_mend(diagnose(seen), strict=diagnosis.strict)
    left = [each for each in mended if each.repairable]
    if left:
        raise CannotPlan(
            f"the header of {seen.unplaced[0].name} is computed, and so the repaired chain would"
            f" still look as if it had a fault: {left[0].message}",
            "write revision and down_revision of that file as plain values",
        )


def _prepared(
    runtime: Runtime, diagnosis: Diagnosis, wishes: Wishes
) -> tuple[Facts, tuple[Mend, ...], tuple[str, ...]]:
    """The chain with no faults except several bases or heads, and the mends for that."""
    before = diagnosis.snapshot
    refuse_compiled(before)
    known = with_lost(before, before.graph.missing)
    notices = tuple(each for each in known.databases.notices if each not in diagnosis.notices)
    if diagnosis.to_mend or heads_in_doubt(before):
        known, taken = placed(known)
        notices += taken
    restored = restore_lost(runtime, known, wishes)
    snapshot = known.after(edit for each in restored for edit in each.edits)
    check_wishes(snapshot, replace(wishes, root=None))
    case = case_for(snapshot, wishes)
    start, mends = mend(case)
    start = with_new_ids(start, mends)
    if any(each.code == "FC101" for each in mends):  # Alembic can load this fault
        start = replace(start, old=(before.graph, *start.old))
    refuse_early_tables(known, start, wishes)
    refuse_unproven(before, start, mends)
    refuse_doubted(start, wishes.attach)
    _refuse_unrepairable(start, diagnose(start, Family.CHAIN, Family.DATABASE), known, wishes)
    return start, (*restored, *mends), notices


def case_for(snapshot: Facts, wishes: Wishes) -> Case:
    """The input for menders, who may ask for the chains of older commits."""

    @cache
    def chain_at(commit: str) -> Facts | None:
        with suppress(CannotReadGit):
            return Facts.around(read_branch(commit, snapshot))
        return None

    @cache
    def chains_around(repository: Repository, commit: str) -> list[Facts]:
        return [Facts.around(each) for each in read_before(repository, commit, snapshot)]

    def chains_before(path: Path) -> list[Facts]:
        change = last_change(path) if snapshot.environment.asks_git else None
        return chains_around(*change) if change is not None else []

    return Case(snapshot, wishes, NewIds(snapshot), chain_at, chains_before)


def _without_obeyed(wishes: Wishes, mends: Sequence[Mend]) -> Wishes:
    """The wishes without ``--attach`` parents that merge points have already been given."""
    obeyed = {
        mend.revision
        for mend in mends
        if len(mend.after) > 1 and any(reason.kind == "pin" for reason in mend.why)
    }
    left = {name: parent for name, parent in wishes.attach.items() if name not in obeyed}
    return replace(wishes, attach=left)


def _refuse_unrepairable(
    start: Facts, findings: Sequence[Finding], on_disk: Facts, wishes: Wishes
) -> None:
    """Refuse if a remaining fault prevents relinking."""
    leftovers = {file.path for file in start.leftovers}
    ignored = [
        fault
        for fault in in_doubt(diagnose(start, ignored=True))
        if fault.code not in ("FC103", "FC107")
    ]
    blocking = [
        fault
        for fault in (*ignored, *in_doubt(findings))
        if fault.code != "FC106" or leftovers.isdisjoint(each.path for each in fault.locations)
    ]
    if blocking:
        codes = ", ".join(sorted({f"{each.code} {each.name}" for each in blocking}))
        # After mends there can be a fault that had no finding before.
        which = "" if "," in codes else f": {blocking[0].message}"
        ways = blocking[0].hint.instead_of(PLAIN_REPAIRS, Remedy())
        raise CannotPlan(
            f"the chain cannot be relinked while it has {codes}{which}",
            ways or "correct the file by hand",
        )
    try:
        refuse_unknown_rows(start, findings, on_disk=on_disk)
    except UnsafeForDatabases as refusal:
        if asked := words(wishes.typed):  # the ways out would be refused without it
            refusal.remedy = Remedy.of(refusal.remedy).repairing_also(asked)
        raise


def _instead(mends: Sequence[Mend]) -> dict[str, Remedy]:
    """The alternatives to each restored revision: its own, and those of the ones that need it."""
    instead = {each.revision: each.choices for each in mends if each.new}
    for each in mends:  # a revision comes before those that are restored for it
        for parent in each.new.down_revision if each.new else ():
            if parent in instead:
                instead[parent] |= instead[each.revision]
    return instead
