"""Where a repair has nothing to write: what is wrong all the same."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix import runtime as alembic
from flask_chainfix.diagnosis import errors_of
from flask_chainfix.errors import CannotPlan, ChainFixError, NotConfirmed, RowsNotMoved
from flask_chainfix.model import MoveState
from flask_chainfix.report import Report
from flask_chainfix.row_moves import planned_moves
from flask_chainfix.rules import Family, codes_of
from flask_chainfix.runtime import Runtime
from flask_chainfix.snapshot import Snapshot


def misfit(report: Report) -> ChainFixError | None:
    """What is wrong, and is left as it is: a database that does not fit healthy files, say."""
    assert report.before is not None
    of_databases = codes_of(Family.DATABASE)
    wrong = sorted(errors_of(report.findings), key=lambda each: each.code not in of_databases)
    if not wrong:
        return _doubt(report.before)
    if wrong[0].code in of_databases:
        message = f"the files need no repair, and a database does: {wrong[0].message}"
        return CannotPlan(message, wrong[0].hint)
    return CannotPlan(f"no repair mends this: {wrong[0].message}", wrong[0].hint)


def _doubt(snapshot: Snapshot) -> ChainFixError | None:
    """What is said where nobody knows which chain has stamped a database."""
    doubtful = (MoveState.DOUBTFUL, MoveState.REFUSED)
    for each in planned_moves(snapshot, snapshot):
        if each.state in doubtful:
            return RowsNotMoved(
                f"the files need no repair, and the stamp of {each.move.name} is in doubt:"
                f" {each.detail}",
                each.remedy,
            )
    return None


def confirmed(runtime: Runtime, report: Report) -> Report:
    """The report of a repair with nothing to write; with an error if Alembic sees it differently.

    Args:
        runtime: the environment.
        report: without a plan and without an error.
    """
    now = report.before
    assert now is not None
    places = [each.rows for each in now.databases.standings if each.is_known]
    try:
        return replace(report, confirmation=alembic.confirm(runtime, now, places, now))
    except NotConfirmed as error:
        return replace(report, exit_code=error.exit_code, error=error)


def with_what_is_left(report: Report) -> Report:
    """The report of a repair; with an error if Alembic cannot load the chain for another reason."""
    left = [finding for finding in report.findings if finding.code == "FC106"]
    if report.error is not None or not left:
        return report
    error = CannotPlan(
        f"the repair is made, and Alembic still cannot load the chain: {left[0].message}",
        left[0].hint,
    )
    return replace(report, exit_code=error.exit_code, error=error)
