"""Evidence -> the base that stays, what must come before what, and a rank for what is free."""

from flask_chainfix.ordering.databases import (
    Branches,
    Moved,
    disagreement,
    moved_pairs,
    refuse_unsafe,
)
from flask_chainfix.ordering.proof import Proof, prove, reason_for
from flask_chainfix.ordering.ranking import Ordering, arrange, check_wishes, parse_date

__all__ = [
    "Branches",
    "Moved",
    "Ordering",
    "Proof",
    "arrange",
    "check_wishes",
    "disagreement",
    "moved_pairs",
    "parse_date",
    "prove",
    "reason_for",
    "refuse_unsafe",
    "spelled",
]
