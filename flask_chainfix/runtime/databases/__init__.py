"""Real databases: where they stand in a chain, and how their version rows are moved.

Everything is bounded in time, and nothing but the rows of Alembic's version table is changed.
"""

from flask_chainfix.runtime.databases.given import listed_urls, targets_from
from flask_chainfix.runtime.databases.guards import guarded_sql
from flask_chainfix.runtime.databases.moving import move_rows
from flask_chainfix.runtime.databases.reading import read_in_passing, read_standings, with_columns
from flask_chainfix.runtime.databases.schemas import in_schemas
from flask_chainfix.runtime.databases.targets import Target, configured_urls, own_targets
from flask_chainfix.runtime.databases.unreached import unreached_target

__all__ = [
    "Target",
    "configured_urls",
    "guarded_sql",
    "in_schemas",
    "listed_urls",
    "move_rows",
    "own_targets",
    "read_in_passing",
    "read_standings",
    "targets_from",
    "unreached_target",
    "with_columns",
]
