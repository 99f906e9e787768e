"""Bytes of a migration file <-> its header. Pure: nothing is imported or run.

``read`` uses the fast ``scan`` for the layout of Alembic's own templates, and the syntax tree
(``judge``) for everything else. ``rewrite`` changes one value and proves that nothing else changed.
"""

from flask_chainfix.chain.source.bindings import names_bound
from flask_chainfix.chain.source.body import (
    does_nothing,
    line_of_upgrade,
    never_goes_back,
    same_body,
    same_function,
    words_in,
)
from flask_chainfix.chain.source.header import excess, is_loaded, read
from flask_chainfix.chain.source.literals import CANNOT_COMPILE, line_of, parse
from flask_chainfix.chain.source.prose import ignores, stated_parents, states
from flask_chainfix.chain.source.rewriter import restate, rewrite

__all__ = [
    "CANNOT_COMPILE",
    "does_nothing",
    "excess",
    "ignores",
    "is_loaded",
    "line_of",
    "line_of_upgrade",
    "names_bound",
    "never_goes_back",
    "parse",
    "read",
    "restate",
    "rewrite",
    "same_body",
    "same_function",
    "stated_parents",
    "states",
    "words_in",
]
