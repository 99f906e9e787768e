"""What a migration does to tables, read from its Python code without running it.

``footprint_reader`` is the entry point, and ``interpreter`` keeps the results. ``statements``
follows statements, ``expressions`` evaluates what is in them, and ``calls``, ``operations`` and
``definitions`` handle what is called.
"""
