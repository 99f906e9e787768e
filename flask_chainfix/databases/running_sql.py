"""Run the statements of a migration in a database, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from flask_chainfix.common.errors import StatementFailed
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.connecting import Obstacle, connected, obstacles_of, transaction
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.rehearsal import Statement

_PATIENCE = 24 * 60 * 60  # seconds that one may take: large tables are copied


def run_statement(connection: Connection, statement: Statement) -> None:
    """Run one statement just as a migration has sent it."""
    parameters: Any = statement.parameters
    several = map(_one, parameters) if statement.many else ()
    connection.exec_driver_sql(statement.sql, [*several] or _one(parameters))


def _one(parameters: Any) -> Any:
    """Parameters as drivers want them; JSON has lists for tuples."""
    return tuple(parameters) if isinstance(parameters, list) else parameters


def run_statements(target: Target, statements: Sequence[Statement], progress: Progress) -> None:
    """Run statements in one transaction; one that MySQL ends early stays where it has come to.

    Args:
        target: the database.
        statements: what to run.
        progress: called with those that have run, how many there are, and the database.

    Raises:
        StatementFailed: the database has refused one, or cannot be reached.
    """
    done = 0
    try:
        with (
            connected(target, writing=True, patience=_PATIENCE) as connection,
            transaction(connection, target, writing=True, patience=_PATIENCE) as begun,
            obstacles_of(target),
        ):
            for statement in statements:
                run_statement(connection, statement)
                done += 1
                progress(done, len(statements), target.name)
            begun.commit()
    except Obstacle as obstacle:
        stay = target.backend == "mysql" and done
        before = "; those before it have run" if stay else "; nothing was changed there"
        raise StatementFailed(
            f"statement {done + 1} of {len(statements)} has failed in {target.name}:"
            f" {obstacle.problem}{before}",
            obstacle.remedy,
        ) from obstacle
