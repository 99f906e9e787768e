"""SQL text -> what it does to tables.

``script`` is the way in. ``statements`` reads one after the other by their first words, ``tables``
and ``rows`` read the trees that sqlglot makes of them, ``parsing`` bounds the time that this takes.
"""
