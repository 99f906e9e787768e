"""The results of commands about databases: their rows, and what has run there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import MoveResult
from flask_chainfix.report.results import BackedUp, Judged, Result

if TYPE_CHECKING:
    from flask_chainfix.databases.applied.by_schema import TracedDatabase
    from flask_chainfix.rehearsal.schemas.drift import ExactComparison
    from flask_chainfix.rehearsal.schemas.unfinished import Unfinished
    from flask_chainfix.rehearsal.unwinding import Unwinding


@dataclass(frozen=True, kw_only=True)
class FinishPlan(Judged):
    """The plan of catch-up --finish; nothing has changed yet.

    Attributes:
        databases: the databases in which to finish the revision, and how far it has run there.
    """

    command: str = "catch-up"
    databases: tuple[Unfinished, ...]


@dataclass(frozen=True, kw_only=True)
class Finished(FinishPlan):
    """catch-up --finish that has run the remaining statements.

    Attributes:
        moves: the moves of the version rows of each database.
        backup: the backups that were made first.
    """

    done: ClassVar[str] = "what was left has run as far as it could"

    moves: tuple[MoveResult, ...]
    backup: BackedUp | None = None


@dataclass(frozen=True, kw_only=True)
class UnwindPlan(Judged):
    """The plan of unwind; nothing has changed yet.

    Attributes:
        databases: the databases that are ahead, and what to downgrade there.
        whole: the chain with the files of the lost revisions.
        moves: the moves of their version rows, planned or made.
    """

    command: str = "unwind"
    databases: tuple[Unwinding, ...]
    whole: Facts
    moves: tuple[MoveResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnwindOffer(Result):
    """unwind --offer.

    Attributes:
        ahead: how many revisions databases are ahead of this code, by name.
        main: the main branch, if it has all of these; otherwise ``""``.
    """

    command: str = "unwind"
    ahead: Mapping[str, int]
    main: str = ""


@dataclass(frozen=True, kw_only=True)
class Unwound(UnwindPlan):
    """unwind that has run its plan, or a part of it.

    Attributes:
        backup: the backups that were made first.
    """

    done: ClassVar[str] = "the revisions were downgraded as far as possible"

    backup: BackedUp | None = None


@dataclass(frozen=True, kw_only=True)
class RestampPlan(Judged):
    """The plan of restamp; nothing has changed yet.

    Attributes:
        moves: the rows that each database is to have.
    """

    command: str = "restamp"
    moves: tuple[MoveResult, ...]


@dataclass(frozen=True, kw_only=True)
class RestampScript(RestampPlan):
    """The plan of restamp as SQL for an operator.

    Attributes:
        scripts: the statements for each database, by its name.
    """

    scripts: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Restamped(RestampPlan):
    """restamp that has moved rows; ``moves`` has the results."""

    done: ClassVar[str] = "the stamps were moved as far as they could be"


@dataclass(frozen=True, kw_only=True)
class Traced(Result):
    """trace: what each database has really run.

    Attributes:
        snapshot: the chain.
        databases: the trace of each database.
        exact: how each differs from what the chain makes, by identity; empty without ``--exact``.
    """

    command: str = "trace"
    snapshot: Facts
    databases: tuple[TracedDatabase, ...]
    exact: Mapping[str, ExactComparison] = field(default_factory=dict)
