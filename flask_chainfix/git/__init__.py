"""Git: when migrations landed, what became of those that are gone, and chains as they once were.

Everything is only read: nothing is checked out, fetched or written.
"""

from flask_chainfix.git.history import read_history

__all__ = ["read_history"]
