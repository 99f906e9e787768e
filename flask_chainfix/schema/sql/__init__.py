"""SQL text -> what it does to tables.

``script`` is the entry point: it reads statement by statement, by words or by sqlglot's tree.
``queries`` and ``trees`` read trees; ``parsing`` limits the effort of sqlglot.
"""
