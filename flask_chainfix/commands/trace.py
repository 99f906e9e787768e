"""trace: what each database has really run, judged by its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.commands.beginning import read_and_judge, refuse_empty
from flask_chainfix.common.errors import DatabaseUnreachable
from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.applied.by_schema import trace_databases
from flask_chainfix.databases.survey import no_database, survey, targets_for
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report.database_results import Traced

if TYPE_CHECKING:
    from flask_chainfix.rehearsal.schemas.drift import ExactComparison


class Exactly(NamedTuple):
    """The wish to compare databases also with a scratch database that the chain makes.

    Attributes:
        server: the URL of the server for it, or ``OWN_SERVER``; ``None`` if none is named.
    """

    server: str | None


def trace(
    runtime: Runtime,
    tools: Tools,
    databases: DatabaseWishes,
    progress: Progress,
    exactly: Exactly | None = None,
) -> Traced:
    """Compare the schema of each database with what the migrations leave behind.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        databases: which databases.
        progress: called with the databases done, the databases in all, and the last one's name.
        exactly: compare each database also with a scratch database of the same kind on which the
            chain runs; ``None`` for no.

    Returns:
        The trace of each database; with exit code 1 if one contradicts its stamp, or differs from
        what the chain makes.

    Raises:
        NoMigrations: there is nothing to compare with.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
        DatabaseUnreachable: no database can be read.
    """
    diagnosis = read_and_judge(runtime, tools)
    now = survey(runtime, diagnosis.snapshot, databases, progress)
    refuse_empty(now)
    if not now.databases.statuses:
        raise no_database(databases, "trace")
    found, notices = trace_databases(now)
    unread = [each for each in found if each.trace is None]
    if len(unread) == len(found):
        raise DatabaseUnreachable(
            f"{unread[0].status.name} could not be read: {unread[0].problem}",
            Remedy.of(unread[0].remedy or "make sure that it can be reached from here"),
        )
    exact: Mapping[str, ExactComparison] = {}
    if exactly is not None:
        from flask_chainfix.rehearsal.app_databases import ScratchServer
        from flask_chainfix.rehearsal.schemas.drift import compare_exactly

        targets = targets_for(runtime, databases)
        exact = compare_exactly(runtime, now, targets, ScratchServer(exactly.server), progress)
    differing = any(each.problem or each.differences for each in exact.values())
    return Traced(
        tools=tools,
        snapshot=now,
        databases=found,
        exact=exact,
        notices=(*diagnosis.notices, *now.databases.notices, *notices),
        exit_code=1 if unread or differing or any(each.differs for each in found) else 0,
    )
