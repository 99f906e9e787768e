"""From a chain and what the user wants to a plan, and from a plan to changes of files."""

from __future__ import annotations

from collections.abc import Mapping

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.evidence import Lives
from flask_chainfix.graph import Graph
from flask_chainfix.lineage import Lineages, find_lineages
from flask_chainfix.model import Edit, History, Plan, Wishes
from flask_chainfix.ordering import arrange, check_wishes, prove
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.strategies.registry import Task, run_strategy

_NO_HISTORY = History()


def make_plan(snapshot: Snapshot, wishes: Wishes, history: History = _NO_HISTORY) -> Plan:
    """Plan a repair of a chain that has no faults but several bases or heads.

    Args:
        snapshot: the chain.
        wishes: what the user asks of the plan.
        history: when its files landed in version control.

    Raises:
        CannotPlan: what the user wants, or the chain, leaves no way.
        CannotRewrite: a file that would have to change cannot be changed with certainty.
    """
    _require_known_headers(snapshot)
    check_wishes(snapshot, wishes)
    pinned = _with_pins(snapshot, wishes.attach)
    lineages = find_lineages(pinned)
    proof = prove(pinned, lineages, wishes)
    graph = Graph(pinned.headers, proof.before)
    ignore = snapshot.environment.settings.ignore
    ordering = arrange(pinned, lineages, graph, history, wishes)
    task = Task(
        original=snapshot,
        snapshot=pinned,
        lineages=lineages,
        proof=proof,
        lives=Lives(pinned.evidence, ignored=not ignore.isdisjoint({"FC201", "FC203"})),
        graph=graph,
        ordering=ordering,
        bases_to_link=_bases_to_link(pinned, lineages, ordering.root, wishes.strict),
        root_is_wish=wishes.root is not None,
    )
    return run_strategy(wishes.strategy, task)


def edits_for(snapshot: Snapshot, plan: Plan) -> tuple[Edit, ...]:
    """The changes of existing files that a plan means.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    return tuple(_edit(snapshot, relink.revision, relink.after) for relink in plan.relinks)


def _edit(snapshot: Snapshot, revision: str, parents: tuple[str, ...]) -> Edit:
    file = snapshot.file(revision)
    return Edit(file.path, file.data, source.rewrite(file.data, file.name, parents))


def _with_pins(snapshot: Snapshot, pins: Mapping[str, str]) -> Snapshot:
    if not pins:
        return snapshot
    pinned = snapshot.after(_edit(snapshot, child, (parent,)) for child, parent in pins.items())
    if pinned.graph.cycles:
        raise CannotPlan(
            "what --attach asks for would make a cycle of " + ", ".join(pinned.graph.cycles[0]),
            "attach these revisions so that none of them runs before itself",
        )
    return pinned


def _bases_to_link(
    snapshot: Snapshot, lineages: Lineages, root: str | None, strict: bool
) -> frozenset[str]:
    """The extra bases; those that merge points join to the base that stays only if ``strict``."""
    extra = frozenset(lineages.bases) - {root}
    if strict or not extra:
        return extra
    home = next(piece for piece in snapshot.graph.pieces if root in piece)
    return extra.difference(home)


def _require_known_headers(snapshot: Snapshot) -> None:
    if snapshot.unplaced:
        name = snapshot.unplaced[0].name
        raise CannotPlan(
            f"the header of {name} is computed, so its place in the chain is unknown",
            "write revision and down_revision of that file as plain values",
        )
