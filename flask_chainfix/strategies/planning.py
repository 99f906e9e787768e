"""From a chain and what the user wants to a plan, and from a plan to changes of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.lineage import Lineages, find_lineages
from flask_chainfix.model import Edit, Header, Plan
from flask_chainfix.ordering import arrange, check_wishes
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.strategies.registry import Task, run_strategy


@dataclass(frozen=True)
class Wishes:
    """What the user asks of a plan.

    Attributes:
        strategy: one of ``strategy_names()``.
        root: the base that is to stay; ``None`` lets the chain decide.
        attach: parents that revisions are to get, by revision.
        strict: whether bases that merge points already join are linked as well.
    """

    strategy: str = "linear"
    root: str | None = None
    attach: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False


def make_plan(snapshot: Snapshot, wishes: Wishes) -> Plan:
    """Plan a repair of a chain that has no faults but several bases or heads.

    Raises:
        CannotPlan: what the user wants, or the chain, leaves no way.
        CannotRewrite: a file that would have to change cannot be changed with certainty.
    """
    _require_known_headers(snapshot)
    check_wishes(snapshot, wishes.root, wishes.attach)
    pinned = _with_pins(snapshot, wishes.attach)
    lineages = find_lineages(pinned)
    ordering = arrange(pinned, lineages, root=wishes.root, pins=wishes.attach)
    task = Task(
        original=snapshot,
        snapshot=pinned,
        lineages=lineages,
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
    pinned = snapshot.after(_edit(snapshot, child, (parent,)) for child, parent in pins.items())
    if pins and pinned.graph.cycles:
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
    for file in snapshot.files:
        if isinstance(file.reading, Header) and None in file.reading[:2]:
            raise CannotPlan(
                f"the header of {file.name} is computed, so its place in the chain is unknown",
                "write revision and down_revision of that file as plain values",
            )
