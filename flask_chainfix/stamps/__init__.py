"""What databases have run, and how their version rows follow a chain that has changed."""

from flask_chainfix.stamps.lost import Survivors, is_noop, lost_footprint, survivors
from flask_chainfix.stamps.moves import move_for
from flask_chainfix.stamps.rows import gaps, overlaps, tops
from flask_chainfix.stamps.shared import (
    catching_up,
    misread,
    telling_which_ran,
    told_anew,
    told_apart,
    untold,
    with_own_tables,
)
from flask_chainfix.stamps.tables import absent_tables, contradicts
from flask_chainfix.stamps.writers import (
    Applied,
    applied_in,
    possibilities,
    published_in,
    unexplained,
)

__all__ = [
    "Applied",
    "Survivors",
    "absent_tables",
    "applied_in",
    "catching_up",
    "contradicts",
    "gaps",
    "is_noop",
    "lost_footprint",
    "misread",
    "move_for",
    "overlaps",
    "possibilities",
    "published_in",
    "survivors",
    "telling_which_ran",
    "told_anew",
    "told_apart",
    "tops",
    "unexplained",
    "untold",
    "with_own_tables",
]
