"""Where a repair has nothing to write: what is wrong all the same."""

from __future__ import annotations

from flask_chainfix.diagnosis import errors_of
from flask_chainfix.errors import CannotPlan, ChainFixError, RowsNotMoved
from flask_chainfix.model import MoveState
from flask_chainfix.report import Report
from flask_chainfix.row_moves import planned_moves
from flask_chainfix.rules import Family, codes_of
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
