"""How strategies are registered and called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask_chainfix.graph import Graph
from flask_chainfix.lineage import Lineages
from flask_chainfix.model import Plan
from flask_chainfix.ordering import Moved, Ordering, Proof
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import Applied


@dataclass(frozen=True)
class Task:
    """What a strategy has to do.

    Attributes:
        original: the chain as it is on the disk.
        snapshot: the chain with the parents that the user has pinned.
        lineages: which bases and heads of ``snapshot`` belong together.
        proof: what the schema proves about the order.
        before: for each revision those that must run before it, though no header says so.
        graph: the chain of ``snapshot``, in which a revision also requires what is ``before`` it.
        ordering: what decides where nothing is proven.
        bases_to_link: the bases that are to get a parent.
        root_is_wish: whether the user chose the base that stays.
        databases: what has run where, of which nothing must come to be above what has not.
        moved: the order that this asks of one line.
        heads_stay: whether several heads are left as they are, and only bases are linked.
    """

    original: Snapshot
    snapshot: Snapshot
    lineages: Lineages
    proof: Proof
    before: Mapping[str, tuple[str, ...]]
    graph: Graph
    ordering: Ordering
    bases_to_link: frozenset[str]
    root_is_wish: bool
    databases: tuple[Applied, ...] = ()
    moved: tuple[Moved, ...] = ()
    heads_stay: bool = False

    @property
    def links_something(self) -> bool:
        """Whether there are bases or heads to link; else the order alone is at fault."""
        of_heads = [self.lineages.by_revision[head] for head in self.snapshot.graph.heads]
        return bool(self.bases_to_link) or len(set(of_heads)) < len(of_heads)


_Strategy = Callable[[Task], Plan]
_STRATEGIES: dict[str, _Strategy] = {}


def strategy(name: str) -> Callable[[_Strategy], _Strategy]:
    """Register a function as the strategy of this name."""

    def register(function: _Strategy) -> _Strategy:
        _STRATEGIES[name] = function
        return function

    return register


def strategy_names() -> tuple[str, ...]:
    """Every strategy, the default first."""
    return tuple(_STRATEGIES)


def run_strategy(name: str, task: Task) -> Plan:
    """Plan a repair.

    Raises:
        CannotPlan: what the user wants, or the chain, leaves no way.
    """
    return _STRATEGIES[name](task)
