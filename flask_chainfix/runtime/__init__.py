"""Alembic and Flask-Migrate: where migrations lie, and what Alembic itself says of a chain."""

from flask_chainfix.runtime.configuration import script_locations
from flask_chainfix.runtime.confirm import confirm, foresee
from flask_chainfix.runtime.databases import (
    Target,
    configured_urls,
    guarded_sql,
    in_schemas,
    listed_urls,
    move_rows,
    own_targets,
    read_in_passing,
    read_standings,
    targets_from,
    unreached_target,
    with_columns,
)
from flask_chainfix.runtime.environment import Runtime, open_app, open_config, open_directory
from flask_chainfix.runtime.post_write import hook_edit
from flask_chainfix.runtime.rehearsing import (
    OWN_SERVER,
    Chains,
    Progress,
    RehearsalRequest,
    rehearse,
)
from flask_chainfix.runtime.surroundings import read_surroundings
from flask_chainfix.runtime.template import render

__all__ = [
    "OWN_SERVER",
    "Chains",
    "Progress",
    "RehearsalRequest",
    "Runtime",
    "Target",
    "configured_urls",
    "confirm",
    "foresee",
    "guarded_sql",
    "hook_edit",
    "in_schemas",
    "listed_urls",
    "move_rows",
    "open_app",
    "open_config",
    "open_directory",
    "own_targets",
    "read_in_passing",
    "read_standings",
    "read_surroundings",
    "rehearse",
    "render",
    "script_locations",
    "targets_from",
    "unreached_target",
    "with_columns",
]
