"""A database that is only told of: enough to write SQL for it."""

from __future__ import annotations

from sqlalchemy.engine import URL

from flask_chainfix.errors import BadDatabase
from flask_chainfix.runtime.databases.targets import Target
from flask_chainfix.runtime.databases.version_table import version_table
from flask_chainfix.runtime.environment import Runtime


def unreached_target(runtime: Runtime, name: str) -> Target:
    """A target of the app's kind that leads nowhere.

    Args:
        runtime: the environment whose version table it has.
        name: how users know it.

    Raises:
        BadDatabase: the app's kind of database is not known.
    """
    if runtime.environment.dialect is None:
        raise BadDatabase(
            f"which kind of database {name} stands for is not known, so no SQL can be written",
            "run the command as `flask db fixchain restamp`, or set sqlalchemy.url in alembic.ini",
        )
    table = version_table(runtime)
    return Target(name, URL.create(runtime.environment.dialect), table.schema, table.name)
