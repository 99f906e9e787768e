"""What the commands come to that are about databases: their rows, and what has run there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.report.results import BackedUp, Result

if TYPE_CHECKING:
    from flask_chainfix.databases.applied.by_schema import TracedDatabase
    from flask_chainfix.databases.facts import Facts
    from flask_chainfix.diagnosis.diagnosis import Diagnosis
    from flask_chainfix.model.databases import MoveResult
    from flask_chainfix.rehearsal.schemas.drift import ExactComparison
    from flask_chainfix.rehearsal.schemas.unfinished import Unfinished
    from flask_chainfix.rehearsal.unwinding import Unwinding


@dataclass(frozen=True, kw_only=True)
class FinishPlan(Result):
    """catch-up --finish that has changed nothing.

    Attributes:
        diagnosis: the chain, and where the databases stand.
        databases: those in which the revision is to be finished, and how far it has come there.
    """

    command: str = "catch-up"
    diagnosis: Diagnosis
    databases: tuple[Unfinished, ...]


@dataclass(frozen=True, kw_only=True)
class Finished(FinishPlan):
    """catch-up --finish that has run what was left.

    Attributes:
        moves: what has become of the version rows of each database.
        backup: the copies that were made before.
    """

    is_done: ClassVar[bool] = True

    moves: tuple[MoveResult, ...]
    backup: BackedUp | None = None


@dataclass(frozen=True, kw_only=True)
class UnwindPlan(Result):
    """unwind that has changed nothing.

    Attributes:
        diagnosis: the chain, and where the databases stand.
        databases: those that are ahead, and what is to be taken back there.
        whole: the chain with the files of the lost revisions.
        moves: what is to become, or has become, of their version rows.
    """

    command: str = "unwind"
    diagnosis: Diagnosis
    databases: tuple[Unwinding, ...]
    whole: Facts
    moves: tuple[MoveResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnwindOffer(Result):
    """unwind --offer.

    Attributes:
        ahead: how many revisions databases are ahead of this code, by name.
        main: the main branch, where it has all of these; else ``""``.
    """

    command: str = "unwind"
    ahead: Mapping[str, int]
    main: str = ""


@dataclass(frozen=True, kw_only=True)
class Unwound(UnwindPlan):
    """unwind that has run what it planned, or a part of it.

    Attributes:
        backup: the copies that were made before.
    """

    is_done: ClassVar[bool] = True

    backup: BackedUp | None = None


@dataclass(frozen=True, kw_only=True)
class RestampPlan(Result):
    """restamp that has changed nothing.

    Attributes:
        diagnosis: the chain, and where the databases stand.
        moves: the rows that each database is to have.
    """

    command: str = "restamp"
    diagnosis: Diagnosis
    moves: tuple[MoveResult, ...]


@dataclass(frozen=True, kw_only=True)
class RestampScript(RestampPlan):
    """The same as SQL for an operator.

    Attributes:
        scripts: the statements for each database, by its name.
    """

    scripts: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Restamped(RestampPlan):
    """restamp that has moved rows; ``moves`` says what has become of them."""

    is_done: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Traced(Result):
    """trace: what each database has really run.

    Attributes:
        snapshot: the chain.
        databases: what each of them shows.
        exact: how each differs from what the chain makes, by identity; empty where nobody has run
            it.
    """

    command: str = "trace"
    snapshot: Facts
    databases: tuple[TracedDatabase, ...]
    exact: Mapping[str, ExactComparison] = field(default_factory=dict)
