"""Git: when migrations landed, what became of those that are gone, and chains as they once were.

Everything is only read: nothing is checked out, fetched or written.
"""

from flask_chainfix.git.history import read_history
from flask_chainfix.git.lost import find_lost
from flask_chainfix.git.past import read_at, read_branch, read_recent, read_shared
from flask_chainfix.git.upstream import operation, read_published, read_upstream
from flask_chainfix.git.work_tree import WorkTree, checked_out, find_work_tree, tracked_below

__all__ = [
    "WorkTree",
    "checked_out",
    "find_lost",
    "find_work_tree",
    "operation",
    "read_at",
    "read_branch",
    "read_history",
    "read_published",
    "read_recent",
    "read_shared",
    "read_upstream",
    "tracked_below",
]
