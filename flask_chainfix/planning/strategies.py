"""Ways to make one chain of several pieces, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.remedies import LINE, MERGE, REPAIR, Remedy, joined, linked, way
from flask_chainfix.databases.applied.contradictions import leaving_out
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import AUTO, Plan, Reason
from flask_chainfix.planning.draft import Task
from flask_chainfix.planning.linear import linear
from flask_chainfix.planning.merge import merge
from flask_chainfix.planning.safety import (
    Branches,
    DecidedPair,
    decided_pairs,
    disagreement,
)

_STRATEGIES: dict[str, Callable[[Task], Plan]] = {"linear": linear, "merge": merge}


def strategy_names() -> tuple[str, ...]:
    """Every strategy, the default first."""
    return tuple(_STRATEGIES)


_HABIT = 0.08  # merge points among all revisions, from which on people mostly merge
_SHOWN_DATABASES = 3
_FEW = 2  # merge points that may be an accident


def choose(strategy: str, task: Task) -> Plan:
    """Plan a repair that is safe for every known database, and for what is published.

    Raises:
        CannotPlan: what the user wants, or the chain, leaves no way.
        UnsafeForDatabases: any way would make a known database skip revisions.
    """
    if strategy == "merge":
        return _merged(task)
    if strategy == AUTO and "FC102" in task.snapshot.environment.settings.ignore:
        return _merged(replace(task, heads_stay=True))
    usual = _by_habit(task) if strategy == AUTO else None
    if usual is not None:
        return usual
    branches = Branches(task.snapshot.graph, task.lineages.by_revision)
    decided = decided_pairs(task.snapshot.graph, branches, task.databases)
    try:
        return _in_one_line(task, decided)
    except CannotPlan as refusal:
        asked = any(not each.published for each in task.databases)
        if strategy != AUTO or not (asked or decided):
            raise
        return _beside_each_other(task, refusal)


def ways_to_one_head(plan: Plan, asked: str) -> Remedy:
    """How to get one head: the plan's strategy first, then the other one if it may work."""
    plain = asked == AUTO
    if plan.strategy == "linear":
        return linked(REPAIR if plain else LINE) | joined()
    by_habit = any(reason.kind == "habit" for reason in plan.why)
    line = linked(LINE) if by_habit or not plain else Remedy()  # else a line was refused
    return joined(REPAIR if plain else MERGE) | line


def _by_habit(task: Task) -> Plan | None:
    """Merge as this project usually does; ``None`` where it does not, or merging is harder."""
    graph = task.original.graph
    merges = sum(len(parents) > 1 for parents in graph.parents.values())
    if merges <= _FEW or merges < _HABIT * len(graph):
        return None
    try:
        plan = _safe("merge", task)
    except CannotPlan:
        return None
    if not plan.new_revisions or {each.revision for each in plan.relinks} - task.bases_to_link:
        return None
    why = (
        f"merge, because {merges:,} of {len(graph):,} revisions are merge points: branches are"
        " joined here rather than relinked, which --strategy linear does"
    )
    return replace(plan, why=(Reason("habit", why), *plan.why))


def _in_one_line(task: Task, decided: tuple[DecidedPair, ...]) -> Plan:
    """One line in which everything that has run anywhere comes before what has not."""
    in_order = replace(task, decided=decided)
    ordered = task.snapshot.graph.with_evidence(in_order.before)
    if not ordered.cycles:
        return _safe("linear", replace(in_order, graph=ordered))
    try:  # what a merge point has joined beside other branches need not be put in order
        return _safe("linear", task)
    except UnsafeForDatabases as error:
        told = _disagreement(task)
        if not told:
            raise
        text = "keep them beside each other, and join them with a merge revision"
        remedy = way(text, MERGE)
        remedy |= "bring a database to where the other one is, with the chain as it is, then repair"
        remedy |= _leaving_one_out(task.snapshot)
        raise UnsafeForDatabases(f"no single line fits every database: {told}", remedy) from error


def _leaving_one_out(snapshot: Facts) -> Remedy:
    """How to plan without one of the databases; the app's own are left out together."""
    ways = {}
    for status in snapshot.databases.statuses:
        name = "the app's own databases" if status.own else status.name
        text = f"leave {name} out, if that need not be kept"
        ways.update({way.commands: way for way in leaving_out(snapshot, status, text=text).ways})
    return Remedy(tuple(ways.values())[:_SHOWN_DATABASES])


def _beside_each_other(task: Task, refusal: CannotPlan) -> Plan:
    """A merge where one line is not safe; if that fails as well, the line's refusal counts."""
    try:
        plan = _merged(task)
    except UnsafeForDatabases:
        raise
    except CannotPlan:
        raise refusal from None
    told = _disagreement(task)
    if told:
        why = f"merge, because {told}: in one line, one of them would skip what it has not run"
    else:
        why = f"merge, because a line is refused: {refusal.message}"
    return replace(_with_other_way(plan, task, told), why=(Reason("database", why),))


def _with_other_way(plan: Plan, task: Task, told: str) -> Plan:
    """Add how to get one line, where a database has run mine and not what is on main."""
    if task.snapshot.databases.anew:  # Alembic finds no file any more for what it would take down
        return plan
    for chain in task.snapshot.published_chains:
        if chain.is_main and chain.name in told and chain.revisions.issubset(task.original.graph):
            text = (
                f"to have one line instead, with yours on top of what {chain.short} has, see what"
                " has to be downgraded first"
            )
            return replace(plan, choices=way(text, "{fixchain} rebase{databases} --dry-run"))
    return plan


def _merged(task: Task) -> Plan:
    """A merge; where it is refused, it is no way out of that itself.

    Raises:
        CannotPlan, UnsafeForDatabases: as ``choose``.
    """
    try:
        return _safe("merge", task)
    except UnsafeForDatabases as error:
        left = Remedy(tuple(each for each in error.remedy.ways if MERGE not in each.commands))
        remedy = left or Remedy.of(
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


def planned_graph(snapshot: Facts, plan: Plan) -> Graph:
    """The chain with the links that a plan changes; without the revisions that it adds."""
    changed = {relink.revision: relink.after for relink in plan.relinks}
    return Graph(
        header._replace(down_revision=changed.get(header.revision or "", header.down_revision))
        for header in snapshot.headers
    )


def _disagreement(task: Task) -> str:
    branches = Branches(task.snapshot.graph, task.lineages.by_revision)
    return disagreement(task.snapshot.graph, branches, task.databases)
