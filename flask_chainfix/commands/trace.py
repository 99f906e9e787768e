"""trace: what each database has really run, by what its schema holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_chainfix.chain.graph import Graph
from flask_chainfix.commands.beginning import read_and_judge, refuse_empty
from flask_chainfix.common.errors import BadDatabase, DatabaseUnreachable
from flask_chainfix.common.progress import Progress
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.applied.trace import trace as compare
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import NO_DATABASE_NAMED, survey, targets_for
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.databases import DatabaseState, DatabaseWishes, Standing
from flask_chainfix.model.files import Header
from flask_chainfix.report.results import Traced, TracedDatabase
from flask_chainfix.schema.live import Live


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
    from flask_chainfix.databases.live_schema import read_schemas

    diagnosis = read_and_judge(runtime, tools)
    now = survey(runtime, diagnosis.snapshot, databases, progress)
    refuse_empty(now)
    if not now.databases.standings:
        raise BadDatabase(NO_DATABASE_NAMED, way("name one", "{fixchain} trace --database URL"))
    published, notices = read_published(now) if now.environment.asks_git else ((), ())
    # A chain that others have may have built them, with other revisions below.
    chains = [
        *now.old,
        *(
            Graph(file.reading for file in chain.files if isinstance(file.reading, Header))
            for chain in published
        ),
    ]
    targets = targets_for(runtime, databases)
    lives = read_schemas(tuple(targets.values()), now.named_schemas, progress)
    found = tuple(_traced(now, each, lives, chains) for each in now.databases.standings)
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


def _traced(
    now: Facts, standing: Standing, lives: Mapping[str, Live | str], chains: Sequence[Graph]
) -> TracedDatabase:
    claimed = stood_for(now.graph, standing.rows)
    live = lives.get(standing.identity, "it was not looked at")
    if standing.state in (DatabaseState.UNREACHABLE, DatabaseState.MISSING) or standing.by_user:
        live = standing.problem or "it cannot be reached from here"
    if isinstance(live, str):
        return TracedDatabase(standing, claimed, None, live)
    return TracedDatabase(standing, claimed, compare(now, live, claimed, chains))
