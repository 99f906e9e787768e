"""SQL text -> what it does to tables.

``script`` is the way in: statement by statement, by its words or by the tree that sqlglot makes of
it. ``queries`` and ``trees`` read trees; ``parsing`` keeps sqlglot within bounds.
"""
