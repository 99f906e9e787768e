"""What a migration does to tables, read from its Python code without running it.

``footprint_reader`` is the entry point and follows statements, and ``interpreter`` keeps the
results. ``expressions`` evaluates what is in statements, and ``calls``, ``operations`` and
``definitions`` handle what is called.
"""
