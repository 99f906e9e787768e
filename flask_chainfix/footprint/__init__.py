"""What a migration does to the schema of a database: read from its source, without running it.

``reader`` is the way in. ``walker`` follows statements, ``evaluator`` expressions, ``calls`` and
``operations`` what is called in them, and ``sql`` reads SQL texts.
"""

from flask_chainfix.footprint.reader import read_footprint

__all__ = ["read_footprint"]
