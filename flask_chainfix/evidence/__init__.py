"""What the footprints of a chain prove about its order: who makes what, who needs it, who ends it.

``record`` collects what the revisions do with each object, ``order`` says what must run before
what, and ``gaps`` finds what no order can mend. Of indexes, constraints and types only that is
judged which is made or dropped twice: many have names that databases choose.
"""

from flask_chainfix.evidence.ancestry import Ancestry, start_of_branch, upgrade_order
from flask_chainfix.evidence.gaps import dropped_twice, made_twice, never_made
from flask_chainfix.evidence.order import Precedence, disorders, is_disorder, precedences
from flask_chainfix.evidence.record import Evidence
from flask_chainfix.evidence.touches import Touch, key_of

__all__ = [
    "Ancestry",
    "Evidence",
    "Precedence",
    "Touch",
    "disorders",
    "dropped_twice",
    "is_disorder",
    "key_of",
    "made_twice",
    "never_made",
    "precedences",
    "start_of_branch",
    "upgrade_order",
]
