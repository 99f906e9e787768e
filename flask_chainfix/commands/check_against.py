"""Simulate merges, with everything that is needed to judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of, in_doubt
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.diagnosis.rules.merging import breaking, clashes, clashes_in, may_clash
from flask_chainfix.git.simulated_merges import Merges, Merging, merging
from flask_chainfix.model.history import (
    AfterMerge,
    BranchPair,
    Fit,
    Merge,
    Queue,
    Rebased,
    Side,
    id_of,
)


def foresee_merges(snapshot: Facts, ref: str, others: Sequence[str] = ()) -> Merges:
    """Simulate a merge of REF and of other Git revisions.

    Nothing in the repository is merged. The first merge is that of REF with the files on disk.

    Raises:
        CannotReadGit: there is no such revision, or Git cannot read it.
    """
    with merging(ref, snapshot) as git:
        read = git.read(ref, others)
        snapshot = replace(snapshot, merges=read.merges)  # shared files are read once
        merges = tuple(
            _with_changes(git, snapshot, with_remedies(snapshot, each)) for each in read.merges
        )
    return read._replace(merges=merges)


def with_remedies(snapshot: Facts, merge: Merge) -> Merge:
    """A merge with the commands that make it healthy, or with both sides of a conflict."""
    if not (merge.is_new or merge.conflicts):
        return merge
    gate = merge.is_gate and not merge.mine.ref
    broken = gate and (breaking(snapshot, merge) or merge.conflicts)
    clashing = may_clash(snapshot, merge)
    if not broken and not clashing:
        return merge
    resolved = snapshot.of_others(merge.resolved)
    plain = _has_only_more_heads(snapshot, merge)
    mine = _on_top(resolved, merge.theirs) if clashing or not plain else None
    rebased = []
    if clashing and mine is not None:
        rebased.append(Rebased(merge.mine.ref, mine.files))
    if clashing and not merge.is_gate:
        theirs = _on_top(resolved, merge.mine)
        rebased += [Rebased(merge.theirs.ref, theirs.files)] if theirs is not None else []
    after_merge = AfterMerge.NOTHING
    if merge.takes_away:
        broken = False
    if broken and (not merge.conflicts or errors_of(diagnose(resolved))):
        can_rebase = merge.theirs.files and (plain or mine is not None)
        after_merge = AfterMerge.REBASE if can_rebase else AfterMerge.REPAIR
    elif broken and any(each.path == snapshot.environment.lock_path for each in merge.conflicts):
        after_merge = AfterMerge.LOCK
    lock_first = bool(broken and _can_write_lock(snapshot))
    return replace(merge, after_merge=after_merge, rebased=tuple(rebased), lock_first=lock_first)


def _can_write_lock(snapshot: Facts) -> bool:
    """Whether the chain lock is outdated, and the heads are known that it should have."""
    outdated = errors_of(diagnose(snapshot, Family.LOCK))
    return bool(outdated) and not in_doubt(diagnose(snapshot, Family.CHAIN))


def _has_only_more_heads(snapshot: Facts, merge: Merge) -> bool:
    """Whether their revisions are unchanged, and the only faults are those that a rebase fixes."""
    held = frozenset(map(id, merge.files))
    broken = {each.code for each in breaking(snapshot, merge)}
    return broken == {"FC102"} and not merge.conflicts and merge.theirs.held <= held


def _on_top(chain: Facts, below: Side) -> Facts | None:
    """The chain with everything else on top of one side; ``None`` if that is impossible."""
    from flask_chainfix.commands.rebase import lined_up  # healthy merges do not need it

    there = Snapshot(chain.environment, below.files)
    try:
        return lined_up(chain, below.ref, there)
    except (CannotPlan, CannotRewrite):
        return None


def _with_changes(git: Merging, snapshot: Facts, merge: Merge) -> Merge:
    """A merge with the last commits of the migrations that its findings name."""
    concerned = {name for fault in clashes(snapshot, merge) for name in fault.revisions}
    if merge.is_gate and not merge.mine.ref and merge.is_new:
        concerned.update(name for each in breaking(snapshot, merge) for name in each.revisions)
    changes = {
        revision: change
        for side, other in ((merge.mine, merge.theirs), (merge.theirs, merge.mine))
        for file in side.files_only_here(other)
        for revision in concerned.intersection([id_of(file)])
        for change in [git.last_commit(side.ref, file.path)]
        if change is not None
    }
    return replace(merge, changes=changes) if changes else merge


def queue(snapshot: Facts, ref: str) -> Queue:
    """How the branches of these merges can land on REF, judged pair by pair.

    One whose merge with REF is unknown is in no order.
    """
    pairs, after = [], TopologicalSorter[str]()
    for merge in snapshot.merges:
        pair, order = _pair(snapshot, merge)
        pairs.append(pair)
        for name in (merge.mine.name, merge.theirs.name):
            after.add(name)
        if order is not None:
            after.add(*order)
    possible = all(pair.fit is not Fit.CONFLICT for pair in pairs)
    known = {name for pair in pairs for name in pair[:2] if ref in pair[:2]} - {ref}
    try:
        names = [name for name in after.static_order() if name in known]
    except CycleError:
        possible = False
    return Queue(tuple(pairs), tuple(names) if possible else None)


def _pair(snapshot: Facts, merge: Merge) -> tuple[BranchPair, tuple[str, str] | None]:
    """How the two sides of a merge fit, and which has to land first, if it matters."""
    one, other = merge.mine.name, merge.theirs.name
    if not merge.is_new:
        return BranchPair(one, other, Fit.WELL), None
    found = [clashes_in(snapshot, merge, index) for index in range(len(merge.rebased))]
    if found and all(found):
        return BranchPair(one, other, Fit.CONFLICT, found[0][0].message), None
    for rebased, faults in zip(merge.rebased, found, strict=True):
        if faults:
            first = one if rebased.above == merge.mine.ref else other
            then = other if first == one else one
            detail = f"{first} must land before {then}; otherwise {faults[0].message}"
            return BranchPair(one, other, Fit.ORDER, detail), (then, first)
    stops = [conflict.path.name for conflict in merge.conflicts if conflict.path.suffix == ".py"]
    if stops:
        return BranchPair(one, other, Fit.STOPS, f"both have changed {listing(stops)}"), None
    fit = Fit.REBASE if breaking(snapshot, merge) else Fit.WELL
    return BranchPair(one, other, fit), None
