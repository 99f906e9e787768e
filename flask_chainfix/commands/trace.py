"""trace: what each database has really run, judged by its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import DatabaseUnreachable
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.databases.applied.by_schema import trace_databases
from flask_chainfix.databases.survey import no_database
from flask_chainfix.report.database_results import Traced

if TYPE_CHECKING:
    from flask_chainfix.rehearsal.schemas.drift import ExactComparison


def trace(session: Session, *, exact: bool = False, server: str | None = None) -> Traced:
    """Compare the schema of each database with what the migrations leave behind.

    Args:
        session: what the command works with.
        exact: whether to compare each database also with a scratch database of the same kind on
            which the chain runs.
        server: the URL of the server for it, or ``OWN_SERVER``; ``None`` if none is named.

    Returns:
        The trace of each database; with exit code 1 if one contradicts its stamp, or differs from
        what the chain makes.

    Raises:
        NoMigrations: there is nothing to compare with.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
        DatabaseUnreachable: no database can be read.
    """
    diagnosis = session.read_and_judge()
    now = session.survey(diagnosis.snapshot)
    if not now.databases.statuses:
        raise no_database(session.databases, "trace")
    found, notices = trace_databases(now)
    unread = [each for each in found if each.trace is None]
    if len(unread) == len(found):
        raise DatabaseUnreachable(
            f"{unread[0].status.name} could not be read: {unread[0].problem}",
            Remedy.of(unread[0].remedy or "make sure that it can be reached from here"),
        )
    compared: Mapping[str, ExactComparison] = {}
    if exact:
        from flask_chainfix.rehearsal.app_databases import ScratchServer
        from flask_chainfix.rehearsal.schemas.drift import compare_exactly

        place = ScratchServer(server)
        targets = session.targets(now)
        compared = compare_exactly(session.runtime, now, targets, place, session.progress)
    differing = any(each.problem or each.differences for each in compared.values())
    return Traced(
        tools=session.tools,
        snapshot=now,
        databases=found,
        exact=compared,
        notices=(*diagnosis.notices, *now.databases.notices, *notices),
        exit_code=1 if unread or differing or any(each.differs for each in found) else 0,
    )
