"""Ways to make one chain of several pieces: ``Snapshot + Lineages + Ordering -> Plan``."""

from flask_chainfix.strategies import linear, merge  # noqa: F401  (they register strategies)
from flask_chainfix.strategies.choice import AUTO, ways_to_one_head
from flask_chainfix.strategies.on_top import excerpt, plan_repair, put_on_top
from flask_chainfix.strategies.planning import edits_for, make_plan
from flask_chainfix.strategies.registry import strategy_names

__all__ = [
    "AUTO",
    "edits_for",
    "excerpt",
    "make_plan",
    "plan_repair",
    "put_on_top",
    "strategy_names",
    "ways_to_one_head",
]
