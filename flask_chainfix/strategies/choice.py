"""Which strategy: the one that was asked for, or the first that is safe for every database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from flask_chainfix.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.graph import Graph
from flask_chainfix.model import Plan, Reason
from flask_chainfix.ordering import Branches, Moved, disagreement, moved_pairs, refuse_unsafe
from flask_chainfix.strategies.registry import Task, run_strategy

AUTO = "auto"
_UPGRADE_FIRST = (
    "bring one of them to where the other is, with the chain as it is, then repair; or leave one"
    " out with --no-database if it need not be kept"
)


def choose(strategy: str, task: Task) -> Plan:
    """Plan a repair that is safe for every known database.

    Args:
        strategy: the name of a strategy; ``auto`` for one line where that is safe, else branches
            joined by a merge revision.
        task: what to do.

    Raises:
        CannotPlan: what the user wants, or the chain, leaves no way.
        UnsafeForDatabases: any way would make a known database skip revisions.
    """
    if strategy == "merge":
        return _safe("merge", task)
    try:
        return _in_one_line(task)
    except CannotPlan as refusal:
        if strategy != AUTO or not task.databases:
            raise
        return _beside_each_other(task, refusal)


def _in_one_line(task: Task) -> Plan:
    """A line in which all that has run anywhere comes before what has not."""
    moved = moved_pairs(task.snapshot.graph, _branches(task), task.databases)
    before = _together(task.before, moved)
    ordered = Graph(task.snapshot.headers, before)
    if not ordered.cycles:
        return _safe("linear", replace(task, before=before, graph=ordered, moved=moved))
    try:  # what a merge point has joined beside other branches need not be put in order
        return _safe("linear", task)
    except UnsafeForDatabases as error:
        told = _disagreement(task)
        if not told:
            raise
        remedy = f"use --strategy merge, which keeps them beside each other; or {_UPGRADE_FIRST}"
        raise UnsafeForDatabases(f"no single line fits every database: {told}", remedy) from error


def _beside_each_other(task: Task, refusal: CannotPlan) -> Plan:
    """The way out where a line is not safe; where there is none, the line's refusal counts."""
    try:
        plan = _safe("merge", task)
    except UnsafeForDatabases:
        raise
    except CannotPlan:
        raise refusal from None
    told = _disagreement(task)
    if told:
        why = f"merge, because {told}: in one line, one of them would skip what it has not run"
    else:
        why = f"merge, because a line is refused: {refusal.message}"
    return replace(plan, why=(Reason("database", why),))


def _safe(strategy: str, task: Task) -> Plan:
    plan = run_strategy(strategy, task)
    changed = {relink.revision: relink.after for relink in plan.relinks}
    headers = (
        header._replace(down_revision=changed.get(header.revision or "", header.down_revision))
        for header in task.original.headers
    )
    refuse_unsafe(Graph(headers), task.original.graph, task.databases)
    if not task.databases:
        return plan
    number = len(task.snapshot.databases.standings)
    known = "the known database" if number == 1 else f"all {number:,} known databases"
    return replace(plan, why=(Reason("database", f"{strategy} is safe for {known}"),))


def _disagreement(task: Task) -> str:
    return disagreement(task.snapshot.graph, _branches(task), task.databases)


def _branches(task: Task) -> Branches:
    return Branches(task.snapshot.graph, task.lineages.by_revision)


def _together(
    before: Mapping[str, tuple[str, ...]], moved: Iterable[Moved]
) -> Mapping[str, tuple[str, ...]]:
    earlier = {revision: dict.fromkeys(names) for revision, names in before.items()}
    for pair in moved:
        earlier.setdefault(pair.after, {})[pair.before] = None
    return {revision: tuple(names) for revision, names in earlier.items()}
