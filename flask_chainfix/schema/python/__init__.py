"""What a migration does to tables: read from its Python, without running it.

``reader`` is the way in. ``statements`` follows statements, ``expressions`` what they are made of,
``calls``, ``operations`` and ``definitions`` what is called in them.
"""
