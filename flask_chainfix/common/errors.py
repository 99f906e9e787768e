"""The errors that end a command before it has done its work.

Something wrong with the chain is a ``Finding``; something that stops the command is a
``ChainFixError``. It has a message and a remedy for people, and a type name and an exit code for
scripts; ``cli`` turns it into output in one place.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask_chainfix.common.remedies import Remedy


class ChainFixError(Exception):
    """Base of every error that ends a command.

    Args:
        message: what happened, one sentence, if possible without a full stop. A line end in it
            comes from other people's text, and does not end a line of the output.
        remedy: what the user can do about it.
        lines: lines below the message.
        unchanged: whether to tell people that nothing was changed.

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
    """A command was called with invalid arguments."""

    exit_code = 2


class NoEnvironment(ChainFixError):
    """There is no migration environment in the given place."""


class NoMigrations(ChainFixError):
    """The environment has no migrations."""


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
    """The files on the disk have changed since the plan was made."""


class CannotWrite(ChainFixError):
    """Something could not be written; the message says what that means for the files."""


class CannotMerge(ChainFixError):
    """Nothing can be added to a file with certainty, so it is not changed."""


class RepairRunning(ChainFixError):
    """Another process is changing this environment right now."""


class RepairInterrupted(ChainFixError):
    """An earlier repair was killed half-way and has not been undone."""


class NotConfirmed(ChainFixError):
    """Alembic does not confirm the plan; every file was restored."""


class CannotRehearse(ChainFixError):
    """A rehearsal cannot start, because there is no app, or because of what the app does."""


class NoScratchDatabase(ChainFixError):
    """No scratch database could be created; none is left behind."""


class ScratchLeftBehind(ChainFixError):
    """A scratch database could not be dropped."""


class BadDatabase(ChainFixError):
    """A given database is invalid, or it is unknown which databases are meant."""


class CannotBackUp(ChainFixError):
    """A database could not be copied; no part of a copy is left."""


class RehearsalFailed(ChainFixError):
    """The chain does not run as it should on a scratch database; no file was changed."""


class NeedsConsent(ChainFixError):
    """Files would change, there is no terminal for the question, and ``--yes`` was not given."""


class Interrupted(ChainFixError):
    """The user stopped the command."""


class NothingToUndo(ChainFixError):
    """The journal has no repair that can be undone."""


class StrangeJournal(ChainFixError):
    """This user has made none of the journals on this machine."""


class StatementFailed(ChainFixError):
    """A statement of a migration failed in a database; the message says what has run."""


class DowngradeFailed(ChainFixError):
    """A database could not be downgraded and upgraded; the message gives the final state."""


class RowsNotMoved(ChainFixError):
    """The version rows of a database could not be moved; those of others may have been."""


class RowsNotPutBack(ChainFixError):
    """The version rows of a database could not be restored; no file was changed."""


class DatabaseUnreachable(ChainFixError):
    """The stamp of a database cannot be read, and a plan must suit it."""


class DatabaseMissing(ChainFixError):
    """A database does not exist, and a plan must suit it."""


class Declined(ChainFixError):
    """The user said no at the prompt."""

    exit_code = 1
