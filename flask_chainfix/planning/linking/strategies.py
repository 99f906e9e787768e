"""From a chain in several pieces and the user's wishes to a plan for one chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from flask_chainfix.chain.lineages import Lineages, find_lineages
from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.quoting import option
from flask_chainfix.common.remedies import LINE, MERGE, REPAIR, Remedy, Way, joined, linked, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contradictions import leaving_out
from flask_chainfix.databases.applied.has_run import applied_anywhere
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import AUTO, Plan, Reason, Wishes
from flask_chainfix.planning.edits import edits_for
from flask_chainfix.planning.linking.draft import DecidedPair, Task
from flask_chainfix.planning.linking.linear import linear
from flask_chainfix.planning.linking.merge import merge
from flask_chainfix.planning.linking.proof import prove
from flask_chainfix.planning.linking.ranking import base_that_stays, rank_of, without_placeholders

_STRATEGIES: dict[str, Callable[[Task], Plan]] = {"linear": linear, "merge": merge}


def strategy_names() -> tuple[str, ...]:
    """Every strategy, the default first."""
    return tuple(_STRATEGIES)


def make_plan(snapshot: Facts, wishes: Wishes, orphaned: frozenset[str] = frozenset()) -> Plan:
    """Plan a repair of a chain that has no faults but several bases or heads.

    Returns:
        A plan with which no known database skips a revision, nor one at the heads of the main
        branch or a release.

    Raises:
        CannotPlan: the user's wishes, or the chain, leave no possible plan.
        UnsafeForDatabases: every plan would make a known database skip revisions.
        CannotRewrite: a file that would have to change cannot be changed with certainty.
    """
    if max(len(snapshot.graph.bases), len(snapshot.graph.heads)) > 1:
        require_known_headers(snapshot)
    check_wishes(snapshot, wishes)
    attached = _with_attached(snapshot, wishes.attach)
    lineages = find_lineages(attached)
    _refuse_cut_off(attached, lineages, orphaned)
    proof = prove(snapshot, attached, lineages, wishes)
    known = applied_anywhere(snapshot)
    different = {(each.revisions, each.published): each for each in known[::-1]}
    databases = tuple(different.values())[::-1]

    ranks = {name: rank_of(attached.file(name), snapshot.git_history) for name in attached.graph}
    proven = attached.graph.with_evidence(proof.before)
    root = wishes.root or base_that_stays(lineages, proven, ranks, databases, orphaned)

    def task_with(root: str | None) -> Task:
        valid = without_placeholders(ranks, root)
        return Task(snapshot, attached, wishes, lineages, proof, root, valid, databases)

    task = task_with(root)
    try:
        return choose(wishes.strategy, task)
    except UnsafeForDatabases as refusal:
        for root in _other_roots(task):
            with suppress(UnsafeForDatabases):
                return choose(wishes.strategy, task_with(root))
        raise refusal from None


def check_wishes(snapshot: Facts, wishes: Wishes) -> None:
    """Check the user's wishes against the chain.

    Raises:
        CannotPlan: they name unknown revisions, or contradict the chain or each other.
    """
    root, attach = wishes.root, wishes.attach
    graph = snapshot.graph
    for revision in (root, *attach, *attach.values()):
        if revision is not None and revision not in graph:
            raise CannotPlan(
                f"there is no revision {revision!r} in this chain",
                "give --root and --attach the full ids of existing revisions",
            )
    if root is not None and root in attach:
        raise CannotPlan(
            f"--root {root} and --attach {root}={attach[root]} contradict each other",
            "leave out one of the two",
        )
    if root is not None and root not in graph.bases:
        raise CannotPlan(
            f"--root {root} is not a base: it has a down_revision",
            f"choose one of the bases: {', '.join(sorted(graph.bases))}",
        )
    for revision, parent in attach.items():
        if parent == revision:
            raise CannotPlan(
                f"--attach {revision}={parent} would make a cycle of one",
                "attach it to another revision",
            )


def _refuse_cut_off(snapshot: Facts, lineages: Lineages, orphaned: Collection[str]) -> None:
    """Refuse if all other lineages of a base that lost its parent are intentionally separate."""
    here = [base for base in lineages.bases if base in orphaned]
    others = set(snapshot.graph.bases).difference(here)
    if here and others and not others.intersection(lineages.bases):
        raise CannotPlan(
            f"nothing shows where {here[0]} belongs: {', '.join(sorted(others))} and what is"
            " above are kept apart on purpose",
            f"say which revision it is on: {option('--attach', f'{here[0]}=REVISION')}",
        )


def _other_roots(task: Task) -> Iterator[str]:
    """The bases that could be kept instead, one of each connected part of the chain."""
    if task.wishes.root is None:
        for component in task.snapshot.graph.components:
            here = [base for base in task.lineages.bases if base in component]
            if here and task.root not in component:
                yield here[0]


def _with_attached(snapshot: Facts, attach: Mapping[str, str]) -> Facts:
    if not attach:
        return snapshot
    parents = {child: (parent,) for child, parent in attach.items()}
    attached = snapshot.after(edits_for(snapshot, parents))
    if attached.graph.cycles:
        raise CannotPlan(
            "what --attach asks for would make a cycle of " + ", ".join(attached.graph.cycles[0]),
            "attach these revisions so that none of them runs before itself",
        )
    return attached


def require_known_headers(snapshot: Facts) -> None:
    """Refuse if the place of a revision is unknown.

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
    """Refuse compiled migrations without a source.

    Raises:
        CannotPlan: the chain has such migrations.
    """
    if snapshot.compiled:
        compiled = [file.name for file in snapshot.compiled]
        raise CannotPlan(
            "compiled migrations are not read, so their places in the chain are unknown:"
            f" {listing(compiled, 3)}",
            "put their sources beside them",
        )


# --- The choice between the strategies ------------------------------------------------------------


def choose(strategy: str, task: Task) -> Plan:
    """Plan a repair that is safe for every known database, and for published chains.

    Raises:
        CannotPlan: the user's wishes, or the chain, leave no possible plan.
        UnsafeForDatabases: every plan would make a known database skip revisions.
    """
    if strategy == "merge":
        return _merged(task)
    if strategy == AUTO and "FC102" in task.snapshot.environment.settings.ignore:
        return _merged(replace(task, heads_stay=True))
    decided = task.decided_pairs()
    try:
        return _in_one_line(task, decided)
    except CannotPlan as refusal:
        asked = any(not each.published for each in task.databases)
        if strategy != AUTO or not (asked or decided):
            raise
        return _merged_instead(task, refusal)


def ways_to_one_head(plan: Plan, asked: str) -> Remedy:
    """How to get one head: the plan's strategy first, then the other one if it may work."""
    plain = asked == AUTO
    if plan.strategy == "linear":
        return linked(REPAIR if plain else LINE) | joined()
    line = Remedy() if plain else linked(LINE)  # a plain repair merges only where a line is refused
    return joined(REPAIR if plain else MERGE) | line


def _in_one_line(task: Task, decided: tuple[DecidedPair, ...]) -> Plan:
    """One line in which revisions that have run anywhere come before those that have not."""
    in_order = replace(task, decided=decided)
    if not in_order.graph.cycles:
        return _safe("linear", in_order)
    try:  # branches merged beside others do not have to be ordered
        return _safe("linear", task)
    except UnsafeForDatabases as error:
        pairs = task.disagreement()
        if not pairs:
            raise
        text = "keep them beside each other, and join them with a merge revision"
        remedy = way(text, MERGE)
        remedy |= "bring a database to where the other one is, with the chain as it is, then repair"
        remedy |= _leaving_one_out(task.snapshot, pairs)
        both = ", and ".join(map(str, pairs))
        raise UnsafeForDatabases(f"no single line fits every database: {both}", remedy) from error


def _leaving_one_out(snapshot: Facts, pairs: Iterable[DecidedPair]) -> Remedy:
    ways: list[Way] = []
    for database in (pair.database for pair in pairs):
        name = "the app's own databases" if database.status.own else database.name
        text = f"leave {name} out, if that need not be kept"
        ways += leaving_out(snapshot, [database.name], text=text).ways
    return Remedy(tuple(dict.fromkeys(ways)))


def _merged_instead(task: Task, refusal: CannotPlan) -> Plan:
    """A merge instead of an unsafe line; if that fails as well, raise the line's refusal."""
    try:
        plan = _merged(task)
    except UnsafeForDatabases:
        raise
    except CannotPlan:
        raise refusal from None
    pairs = task.disagreement()
    if pairs:
        both = ", and ".join(map(str, pairs))
        why = f"merge, because {both}: in one line, one of them would skip what it has not run"
    else:
        why = f"merge, because a line is refused: {refusal.message}"
    return replace(_with_other_way(plan, task, pairs), why=(Reason("database", why),))


def _with_other_way(plan: Plan, task: Task, pairs: Iterable[DecidedPair]) -> Plan:
    """Add how to get one line if a database has run my revisions without those of main."""
    if task.snapshot.databases.planned_ids:  # Alembic no longer finds the files to downgrade
        return plan
    main = task.snapshot.main_branch
    names = {pair.database.name for pair in pairs}
    if main is None or main.name not in names or not main.revisions.issubset(task.original.graph):
        return plan
    text = (
        f"to have one line instead, with yours on top of what {main.short} has, see what has to be"
        " downgraded first"
    )
    return replace(plan, choices=way(text, "{fixchain} rebase{databases} --dry-run"))


def _merged(task: Task) -> Plan:
    """A merge; its refusal does not suggest merging."""
    try:
        return _safe("merge", task)
    except UnsafeForDatabases as error:
        remedy = error.remedy.without(MERGE) or Remedy.of(
            "change one of the migrations so that it does not need the other"
        )
        raise UnsafeForDatabases(error.message, remedy, error.lines) from error


def _safe(strategy: str, task: Task) -> Plan:
    plan = _STRATEGIES[strategy](task)
    number = sum(status.is_known for status in task.snapshot.databases.statuses)
    if not number:
        return plan
    known = "the known database" if number == 1 else f"all {number:,} known databases"
    return replace(plan, why=(Reason("database", f"{strategy} is safe for {known}"),))
