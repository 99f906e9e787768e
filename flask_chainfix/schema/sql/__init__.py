"""SQL text -> what it does to tables.

``script`` is the way in: statement by statement, by its words or by the tree that sqlglot makes of
it. ``trees`` reads trees; ``parsing`` keeps sqlglot within bounds.
"""
