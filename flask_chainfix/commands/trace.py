"""trace: what each database has really run, by what its schema holds."""

from __future__ import annotations

from flask_chainfix.commands.beginning import read_and_judge, refuse_empty
from flask_chainfix.common.errors import BadDatabase, DatabaseUnreachable
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.databases.survey import NO_DATABASE_NAMED, survey, targets_for
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report.results import Traced


def trace(runtime: Runtime, tools: Tools, databases: DatabaseWishes, progress: Progress) -> Traced:
    """Compare the schema of each database with what the migrations leave behind.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        databases: which databases.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        What each database shows; with exit code 1 where one contradicts its stamp.

    Raises:
        NoMigrations: there is nothing to compare with.
        BadConfiguration, BadDatabase: there is no telling which databases are meant.
        DatabaseUnreachable: none of them can be read.
    """
    from flask_chainfix.databases.live_schema import trace_databases

    diagnosis = read_and_judge(runtime, tools)
    now = survey(runtime, diagnosis.snapshot, databases, progress)
    refuse_empty(now)
    if not now.databases.standings:
        raise BadDatabase(NO_DATABASE_NAMED, way("name one", "{fixchain} trace --database URL"))
    found, notices = trace_databases(now, targets_for(runtime, databases), progress)
    unread = [each for each in found if each.trace is None]
    if len(unread) == len(found):
        raise DatabaseUnreachable(
            f"{unread[0].standing.name} could not be read: {unread[0].problem}",
            Remedy.of(unread[0].standing.remedy or "make sure that it can be reached from here"),
        )
    return Traced(
        tools=tools,
        snapshot=now,
        databases=found,
        notices=(*diagnosis.notices, *now.databases.notices, *notices),
        exit_code=1 if unread or any(each.differs for each in found) else 0,
    )
