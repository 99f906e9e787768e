"""What a migration does to tables: read from its Python, without running it.

``footprint_reader`` is the way in, and ``interpreter`` keeps what has been found. ``statements``
follows statements, ``expressions`` what they are made of, ``calls``, ``operations`` and
``definitions`` what is called in them.
"""
