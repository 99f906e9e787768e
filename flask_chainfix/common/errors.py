"""The few exceptional stops: what ends a command before it could do its work.

Something wrong with the chain is a ``Finding``; something that stops the command is a
``ChainFixError``. It carries what a person needs (a message and a remedy) and what a script
needs (a type name and an exit code); ``cli`` turns it into output in one place.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask_chainfix.common.remedies import Remedy


class ChainFixError(Exception):
    """Base of every error that ends a command.

    Args:
        message: what happened, one sentence without a final full stop where possible. A line end
            in it is one of other people's words, and does not end a line of the output.
        remedy: what the user can do about it.
        lines: what belongs below the message.
        unchanged: whether a person should be told that nothing was changed.

    Attributes:
        about: the code and the revisions of the finding that it comes from, if it is one.
    """

    exit_code = 3
    about: tuple[str, tuple[str, ...]] = ("", ())

    def __init__(
        self,
        message: str,
        remedy: str | Remedy,
        lines: Iterable[str] = (),
        *,
        unchanged: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = Remedy.of(remedy)
        self.lines = tuple(lines)
        self.unchanged = unchanged


class WrongUsage(ChainFixError):
    """A command was called in a way that there is not."""

    exit_code = 2


class NoEnvironment(ChainFixError):
    """There is no migration environment where one was looked for."""


class NoMigrations(ChainFixError):
    """The environment holds no migration at all."""


class BadConfiguration(ChainFixError):
    """The configuration (``alembic.ini``, ``pyproject.toml``, the app) cannot be used."""


class CannotRead(ChainFixError):
    """A directory or file of the environment could not be read at all."""


class CannotReadGit(ChainFixError):
    """Git cannot show the migrations as they were."""


class CannotPlan(ChainFixError):
    """No repair can be planned with certainty."""


class UnsafeForDatabases(CannotPlan):
    """A plan would make a known database skip revisions."""


class CannotRewrite(ChainFixError):
    """A file cannot be changed with certainty, so it is not changed."""


class StaleSnapshot(ChainFixError):
    """What is on the disk is not what the plan was made from."""


class CannotWrite(ChainFixError):
    """Something could not be written; the message says what that means for the files."""


class CannotMerge(ChainFixError):
    """Nothing can be added to a file with certainty, so it is not changed."""


class RepairRunning(ChainFixError):
    """Another process is changing this environment at this moment."""


class RepairInterrupted(ChainFixError):
    """An earlier repair was killed half-way and has not been undone."""


class NotConfirmed(ChainFixError):
    """Alembic does not see what the plan promised; every file was put back."""


class CannotRehearse(ChainFixError):
    """A rehearsal cannot start: for want of the app, or because of what the app does itself."""


class NoScratchDatabase(ChainFixError):
    """No scratch database could be made; none is left behind."""


class ScratchLeftBehind(ChainFixError):
    """A scratch database is still there, because it could not be dropped."""


class BadDatabase(ChainFixError):
    """What was given as a database is none, or it cannot be found out which ones are meant."""


class CannotBackUp(ChainFixError):
    """A database could not be copied; no part of a copy is left."""


class RehearsalFailed(ChainFixError):
    """The chain does not run on a scratch database as it should; no file was changed."""


class NeedsConsent(ChainFixError):
    """Files would change, there is no terminal to ask on, and ``--yes`` was not given."""


class Interrupted(ChainFixError):
    """The user stopped the command."""


class NothingToUndo(ChainFixError):
    """The journal holds no repair that could be undone."""


class StrangeJournal(ChainFixError):
    """The only journals are none that this user has made on this machine."""


class StatementFailed(ChainFixError):
    """A statement of a migration has failed in a database; the message says what has run."""


class DowngradeFailed(ChainFixError):
    """A database could not go down and up again; the message says how it and the files are."""


class RowsNotMoved(ChainFixError):
    """The version rows of a database could not be moved; those of others may have been."""


class RowsNotPutBack(ChainFixError):
    """The version rows of a database are not what they were before; no file was changed."""


class DatabaseUnreachable(ChainFixError):
    """A database that a plan has to be safe for cannot be asked where it stands."""


class DatabaseMissing(ChainFixError):
    """A database that a plan has to be safe for does not exist."""


class Declined(ChainFixError):
    """The user said no at the prompt."""

    exit_code = 1
