"""In the rehearsing process: what a failure is to be blamed on."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from flask_chainfix.model import FailureKind, Trouble
from flask_chainfix.runtime.database_errors import trouble_of
from flask_chainfix.runtime.drivers import missing_driver
from flask_chainfix.runtime.rehearsing.engines import ForeignConnection

# Something is missing, or there already.
_OF_CHAIN = {
    *(Trouble.EXISTS, Trouble.NO_TABLE, Trouble.NO_COLUMN, Trouble.NO_OBJECT),
    *(Trouble.NO_FUNCTION, Trouble.FOREIGN_KEY, Trouble.ID_TOO_LONG),
}
_OF_SERVER = {
    *(Trouble.FULL, Trouble.LOST, Trouble.NO_RIGHTS, Trouble.READ_ONLY, Trouble.NO_EXTENSION),
    Trouble.TOO_SLOW,
}
_OF_SQLITE = {Trouble.NOT_KNOWN_THERE, Trouble.NO_FUNCTION, Trouble.LOCKED}


def kind_of(error: BaseException, direction: str, round_: int, dialect: str) -> FailureKind:
    """What an exception that a migration has raised is to be blamed on."""
    errors = list(causes(error))
    if any(isinstance(each, ForeignConnection) for each in errors):
        return FailureKind.CONNECTION
    if any(missing_driver(each) for each in errors):
        return FailureKind.DRIVER
    if any(isinstance(each, ModuleNotFoundError) for each in errors):
        return FailureKind.MODULE
    trouble = trouble_in(error)
    if trouble in _OF_SERVER:
        return FailureKind.DATABASE
    if dialect == "sqlite" and trouble in _OF_SQLITE:
        return FailureKind.SQLITE
    if direction == "down":
        return FailureKind.DOWNGRADE
    if trouble in _OF_CHAIN:
        # What has run once fails only for what a downgrade() has left behind or taken away.
        return FailureKind.CHAIN if round_ < 2 else FailureKind.DOWNGRADE
    return FailureKind.MIGRATION


def trouble_in(error: BaseException) -> Trouble | None:
    """What a database, or Alembic in its place, has said; ``None`` where neither has."""
    found = (_trouble(each) for each in causes(error))
    return next((trouble for trouble in found if trouble is not None), None)


def _trouble(error: BaseException) -> Trouble | None:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Trouble.LOST
    if isinstance(error, SQLAlchemyError | NotImplementedError):
        statement = error.statement if isinstance(error, StatementError) else None
        return trouble_of(error, statement or "")
    if isinstance(error, KeyError | ValueError) and _raised_by_batch_mode(error):
        return Trouble.NO_OBJECT  # batch mode looks into the table's columns and constraints
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those behind it, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _raised_by_batch_mode(error: BaseException) -> bool:
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
    return "alembic.operations.batch" in frames
