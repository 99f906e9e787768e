"""From a chain and what the user wants to a plan, and from a plan to changes of files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flask_chainfix import source
from flask_chainfix.chain import heads_file
from flask_chainfix.chain.lineages import Lineages, find_lineages
from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.quoting import option
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.has_run import applied_in, published_in
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Edit, Header, MigrationFile
from flask_chainfix.model.history import History
from flask_chainfix.model.plans import Mend, NewRevision, Part, Plan, Reason, Relink, Wishes
from flask_chainfix.planning.draft import Task
from flask_chainfix.planning.proof import prove
from flask_chainfix.planning.ranking import arrange, check_wishes
from flask_chainfix.planning.strategies import choose


def edits_between(before: Facts, after: Facts) -> tuple[Edit, ...]:
    """The changes of files that lead from one snapshot to another.

    Those that go come first; the others in the order of the later chain.
    """
    old = {file.path: file.data for file in before.files}
    new = {file.path: file.data for file in after.files}
    gone = [path for path in old if path not in new]
    in_order = [file.path for name in after.graph.order for file in after.files_by_revision[name]]
    return tuple(
        Edit(path, old.get(path), new.get(path))
        for path in dict.fromkeys((*gone, *in_order, *new))
        if old.get(path) != new.get(path)
    )


def with_lock(edits: tuple[Edit, ...], after: Facts) -> tuple[tuple[Edit, ...], Facts]:
    """The changes of files, and the chain after them, with the chain lock kept in step."""
    lock = heads_file.edit_for(after)
    return (edits, after) if lock is None else ((*edits, lock), after.after([lock]))


def summed_up(
    before: Facts,
    after: Facts,
    plan: Plan,
    mends: Sequence[Mend],
    new_revisions: Sequence[NewRevision],
) -> Plan:
    """One plan of what was mended and what was linked."""
    renamed = replace(plan, mends=tuple(mends)).renamed
    ways = dict.fromkeys(way for mend in mends for way in mend.choices.ways)
    return replace(
        plan,
        choices=plan.choices | Remedy(tuple(ways)),
        relinks=tuple(_relinks(before, after, plan, mends)),
        new_revisions=(*(mend.new for mend in mends if mend.new is not None), *new_revisions),
        order=tuple(renamed.get(revision, revision) for revision in plan.order),
        mends=tuple(mend for mend in mends if mend.new is None and mend.part is not Part.PARENTS),
    )


def _relinks(before: Facts, after: Facts, plan: Plan, mends: Sequence[Mend]) -> Iterator[Relink]:
    """The migrations whose parents are others than before, with all the reasons."""
    files = {file.path: file for file in before.files}
    reasons: dict[Path, list[Reason]] = {}
    linked = {relink.path for relink in plan.relinks}
    for mend in mends:
        first, last = mend.edits[0], mend.edits[-1]
        if last.path != first.path:  # it has another name now
            files[last.path] = files[first.path]
        if mend.part is Part.PARENTS and not (mend.code == "FC109" and last.path in linked):
            reasons.setdefault(last.path, []).extend(mend.why)
    for relink in plan.relinks:
        reasons.setdefault(relink.path, []).extend(relink.why)
    for revision in after.graph.order:
        file = after.file(revision)
        old, now = _parents(files.get(file.path)), _parents(file)
        if file.path in reasons and old is not None and now is not None and old != now:
            yield Relink(revision, file.path, old, now, tuple(reasons[file.path]))


def _parents(file: MigrationFile | None) -> tuple[str, ...] | None:
    reading = file.reading if file is not None else None
    return reading.down_revision if isinstance(reading, Header) else None


_NO_HISTORY = History()


def make_plan(
    snapshot: Facts,
    wishes: Wishes,
    history: History = _NO_HISTORY,
    once_linked: frozenset[str] = frozenset(),
) -> Plan:
    """Plan a repair of a chain that has no faults but several bases or heads.

    Returns:
        A plan that makes no known database skip a revision, nor one that stands where the main
        branch or a release does.

    Raises:
        CannotPlan: what the user wants, or the chain, leaves no way.
        UnsafeForDatabases: any way would make a known database skip revisions.
        CannotRewrite: a file that would have to change cannot be changed with certainty.
    """
    if max(len(snapshot.graph.bases), len(snapshot.graph.heads)) > 1:
        require_known_headers(snapshot)
    check_wishes(snapshot, wishes)
    attached = _with_attached(snapshot, wishes.attach)
    lineages = find_lineages(attached)
    _refuse_cut_off(attached, lineages, once_linked)
    proof = prove(snapshot, attached, lineages, wishes)
    known = (*applied_in(snapshot), *published_in(snapshot))
    different = {(each.revisions, each.published): each for each in known[::-1]}
    databases = tuple(different.values())[::-1]

    def task_with(root: str | None) -> Task:
        rooted = replace(wishes, root=root)
        ordering = arrange(
            attached,
            lineages,
            proof.graph,
            history,
            rooted,
            databases=databases,
            once_linked=once_linked,
        )
        return Task(
            original=snapshot,
            snapshot=attached,
            lineages=lineages,
            proof=proof,
            graph=proof.graph,
            ordering=ordering,
            bases_to_link=_bases_to_link(attached, lineages, ordering.root, wishes.strict),
            root_is_wish=wishes.root is not None,
            databases=databases,
        )

    task = task_with(wishes.root)
    try:
        return choose(wishes.strategy, task)
    except UnsafeForDatabases as refusal:
        for root in _other_roots(task):
            with suppress(UnsafeForDatabases):
                return choose(wishes.strategy, task_with(root))
        raise refusal from None


def _refuse_cut_off(snapshot: Facts, lineages: Lineages, once_linked: Collection[str]) -> None:
    """Stop where a base that lost its parent has only intended lineages beside it."""
    here = [base for base in lineages.bases if base in once_linked]
    others = set(snapshot.graph.bases).difference(here)
    if here and others and not others.intersection(lineages.bases):
        raise CannotPlan(
            f"nothing tells where {here[0]} belongs: {', '.join(sorted(others))} and what is"
            " above are kept apart on purpose",
            f"say which revision it is on: {option('--attach', f'{here[0]}=REVISION')}",
        )


def _other_roots(task: Task) -> Iterator[str]:
    """The bases that could stay instead, one of each connected part of the chain."""
    if not task.root_is_wish:
        for piece in task.snapshot.graph.pieces:
            here = [base for base in task.lineages.bases if base in piece]
            if here and task.ordering.root not in piece:
                yield here[0]


def edits_for(snapshot: Facts, plan: Plan) -> tuple[Edit, ...]:
    """The changes of existing files that a plan means.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    return _rewritten(snapshot, plan.parents)


def _rewritten(snapshot: Facts, parents: Mapping[str, tuple[str, ...]]) -> tuple[Edit, ...]:
    files = ((snapshot.file(revision), names) for revision, names in parents.items())
    return tuple(
        Edit(file.path, file.data, source.rewrite(file.data, file.name, names))
        for file, names in files
    )


def _with_attached(snapshot: Facts, attach: Mapping[str, str]) -> Facts:
    if not attach:
        return snapshot
    parents = {child: (parent,) for child, parent in attach.items()}
    attached = snapshot.after(_rewritten(snapshot, parents))
    if attached.graph.cycles:
        raise CannotPlan(
            "what --attach asks for would make a cycle of " + ", ".join(attached.graph.cycles[0]),
            "attach these revisions so that none of them runs before itself",
        )
    return attached


def _bases_to_link(
    snapshot: Facts, lineages: Lineages, root: str | None, strict: bool
) -> frozenset[str]:
    """The extra bases; those joined by merge points count only if ``strict``."""
    extra = frozenset(lineages.bases) - {root}
    if strict or not extra:
        return extra
    home = next(piece for piece in snapshot.graph.pieces if root in piece)
    return extra.difference(home)


def require_known_headers(snapshot: Facts) -> None:
    """Stop where nobody knows the place of every revision.

    Raises:
        CannotPlan: a header is computed, or a migration is compiled.
    """
    refuse_compiled(snapshot)
    if snapshot.unplaced:
        name = snapshot.unplaced[0].name
        raise CannotPlan(
            f"the header of {name} is computed, so its place in the chain is unknown",
            "write revision and down_revision of that file as plain values",
        )


def refuse_compiled(snapshot: Facts) -> None:
    """Stop where the chain holds migrations that are compiled and have no source.

    Raises:
        CannotPlan: so it is.
    """
    if snapshot.compiled:
        compiled = [file.name for file in snapshot.compiled]
        raise CannotPlan(
            "compiled migrations are not read, so their places in the chain are unknown:"
            f" {listing(compiled, 3)}",
            "put their sources beside them",
        )
