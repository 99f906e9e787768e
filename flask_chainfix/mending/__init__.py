"""Faults of single migrations, put right one by one before the chain is linked.

A mender is a function ``Case -> Iterator[Mend]`` for one fault. They run in the order that ``run``
lists, each on what the ones before have left, and again until it finds nothing more. What evidence
does not tell is refused, or marked as a guess.
"""

from flask_chainfix.mending.case import Case, is_same_migration
from flask_chainfix.mending.databases import refuse_doubted, refuse_unproven
from flask_chainfix.mending.ids import shortened
from flask_chainfix.mending.lost import brought_back
from flask_chainfix.mending.placing import placed
from flask_chainfix.mending.run import mend, told_apart, untie

__all__ = [
    "Case",
    "brought_back",
    "is_same_migration",
    "mend",
    "placed",
    "refuse_doubted",
    "refuse_unproven",
    "shortened",
    "told_apart",
    "untie",
]
