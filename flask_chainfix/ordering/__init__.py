"""Evidence -> the base that stays, what must come before what, and a rank for what is free."""

from flask_chainfix.ordering.databases import (
    Branches,
    Moved,
    disagreement,
    moved_pairs,
    refuse_unsafe,
)
from flask_chainfix.ordering.proof import Proof, prove, reason_for
from flask_chainfix.ordering.ranking import (
    Ordering,
    Rank,
    arrange,
    check_wishes,
    parse_date,
    rank_of,
)

__all__ = [
    "Branches",
    "Moved",
    "Ordering",
    "Proof",
    "Rank",
    "arrange",
    "check_wishes",
    "disagreement",
    "moved_pairs",
    "parse_date",
    "prove",
    "rank_of",
    "reason_for",
    "refuse_unsafe",
]
