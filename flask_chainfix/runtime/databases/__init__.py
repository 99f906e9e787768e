"""Real databases: where they stand in a chain, and how their version rows are moved.

Everything is bounded in time, and nothing but the rows of Alembic's version table is changed.
"""

from flask_chainfix.runtime.databases.given import targets_from
from flask_chainfix.runtime.databases.guards import guarded_sql
from flask_chainfix.runtime.databases.moving import move_rows
from flask_chainfix.runtime.databases.reading import read_standings
from flask_chainfix.runtime.databases.schemas import in_schemas
from flask_chainfix.runtime.databases.targets import Target, own_targets
from flask_chainfix.runtime.databases.unreached import unreached_target

__all__ = [
    "Target",
    "guarded_sql",
    "in_schemas",
    "move_rows",
    "own_targets",
    "read_standings",
    "targets_from",
    "unreached_target",
]
