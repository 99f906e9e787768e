"""The result of each command: one frozen class each; required parts are not optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import Backup, Move, MoveResult
from flask_chainfix.model.files import Edit, HookFile
from flask_chainfix.model.findings import Explanation, Finding
from flask_chainfix.model.history import Queue, ReferenceChain
from flask_chainfix.model.plans import CarryOver, Confirmation, Proof
from flask_chainfix.schema.footprint import SchemaObject

if TYPE_CHECKING:  # each command imports the types of its own result
    from flask_chainfix.diagnosis.diagnosis import Diagnosis
    from flask_chainfix.model.rehearsal import Rehearsal, RevisionSql
    from flask_chainfix.planning.proposal import Planned, Proposal
    from flask_chainfix.rehearsal.schemas.catching_up import Lacking

_R = TypeVar("_R", bound="Result")


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of any command.

    Attributes:
        command: its name, ``check`` for example.
        tools: how to spell out commands for the user.
        notices: notices for the user.
        error: what stopped the command, or what is wrong with its outcome.
        exit_code: the exit code of the process.
        done: what has been changed, in words; ``""`` if nothing has.
    """

    done: ClassVar[str] = ""

    command: str
    tools: Tools = field(default_factory=Tools)
    notices: tuple[str, ...] = ()
    error: ChainFixError | None = None
    exit_code: int = 0

    @property
    def is_done(self) -> bool:
        """Whether something has been changed."""
        return bool(self.done)

    def noticing(self: _R, *notices: str) -> _R:
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *notices))

    def stopped_by(self: _R, error: ChainFixError) -> _R:
        """The same with an error."""
        return replace(self, error=error, exit_code=error.exit_code)


@dataclass(frozen=True, kw_only=True)
class Failed(Result):
    """A command that was stopped before it had a result."""

    error: ChainFixError = field()


@dataclass(frozen=True, kw_only=True)
class Judged(Result):
    """The result of a command that first judges the chain.

    Attributes:
        diagnosis: the chain, and where the databases stand.
    """

    diagnosis: Diagnosis


@dataclass(frozen=True, kw_only=True)
class Proposed(Result):
    """The findings, and what to do about them.

    Attributes:
        proposal: the findings, and a plan or an obstacle.
    """

    proposal: Proposal

    @property
    def diagnosis(self) -> Diagnosis:
        """What is wrong with the chain."""
        return self.proposal.diagnosis


def notices_of(result: Result) -> tuple[str, ...]:
    """All notices of a result, including those of its diagnosis."""
    known = result.diagnosis.notices if isinstance(result, Judged | Proposed) else ()
    return (*known, *result.notices)


@dataclass(frozen=True, kw_only=True)
class Checked(Proposed):
    """check: what is wrong, and what a repair would make of it.

    Attributes:
        queue: how waiting branches can land; ``None`` if not asked for.
        staged: whether the index was judged, not the files on disk.
        unstaged: with ``staged``, the files that differ on disk from the index.
        sql: the SQL of the revisions that others do not have; ``None`` if not asked for.
    """

    command: str = "check"
    queue: Queue | None = None
    staged: bool = False
    unstaged: tuple[Path, ...] = ()
    sql: tuple[RevisionSql, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Drawn(Result):
    """graph: the chain as it is, and as a repair would leave it.

    Attributes:
        checked: what is wrong with it, and the plan.
        theirs: the migrations of the Git revision to compare with; ``None`` for none.
        in_detail: whether what the migrations do to the schema has been read.
    """

    command: str = "graph"
    checked: Checked
    theirs: ReferenceChain | None = None
    in_detail: bool = False

    @property
    def snapshot(self) -> Facts:
        """The chain as it is."""
        return self.checked.proposal.snapshot


@dataclass(frozen=True, kw_only=True)
class BackedUp(Result):
    """backup.

    Attributes:
        backups: the backups that were made.
    """

    done: ClassVar[str] = "the copies were made"

    command: str = "backup"
    backups: tuple[Backup, ...]


@dataclass(frozen=True, kw_only=True)
class Planning(Proposed):
    """The plan of repair, rebase or move, a refusal, or nothing to do; nothing has changed yet.

    Attributes:
        confirmation: Alembic's confirmation of a chain that needs no repair.
        rehearsal: the rehearsal of the planned chain on a scratch database.
        ways: the rehearsals from the stamps of known databases.
        backup: the backups that were made before any change.
        asks: whether the user will be asked, and so must see each changed line.
    """

    command: str = "repair"
    confirmation: Confirmation | None = None
    rehearsal: Rehearsal | None = None
    ways: tuple[Rehearsal, ...] = ()
    backup: BackedUp | None = None
    asks: bool = True


@dataclass(frozen=True, kw_only=True)
class SquashPlan(Planning):
    """The plan of squash, and its proof; nothing has changed yet.

    Attributes:
        replaced: the revisions to replace, base first; the last one keeps its id.
        proofs: for each server, the proof that the old and the new chain make the same schema.
        carry_over: operations of the replaced migrations that no schema shows.
    """

    command: str = "squash"
    replaced: tuple[str, ...]
    proofs: tuple[Proof, ...]
    carry_over: tuple[CarryOver, ...]


@dataclass(frozen=True, kw_only=True)
class CatchUpPlan(Planning):
    """The plan of catch-up, empty if no database lacks anything; nothing has changed yet.

    Attributes:
        databases: what each database lacks, and other differences.
        left: the differences that no migration is written for, and why.
        states: the number of different database states from which the migration was run.
    """

    command: str = "catch-up"
    databases: tuple[Lacking, ...]
    left: Mapping[SchemaObject, str] = field(default_factory=dict)
    states: int = 0


@dataclass(frozen=True, kw_only=True)
class PlanRehearsed(Result):
    """The rehearsal of a plan, shown below the plan."""

    command: str = "rehearse"
    planning: Planning
    rehearsal: Rehearsal


@dataclass(frozen=True, kw_only=True)
class Repaired(Result):
    """repair, rebase, move or squash that has changed the files.

    Attributes:
        planning: the outcome of planning.
        planned: its plan.
        snapshot: the old chain, with the current state of the databases.
        confirmation: Alembic's confirmation of the result.
        journal: the journal with the old contents of changed files.
        moves: the moves of the version rows of each database.
    """

    done: ClassVar[str] = "the repair was made"

    planning: Planning
    planned: Planned
    snapshot: Facts
    confirmation: Confirmation
    journal: Path
    moves: tuple[MoveResult, ...]


@dataclass(frozen=True, kw_only=True)
class UndoPlan(Result):
    """The plan of undo; nothing has changed yet.

    Attributes:
        snapshot: the current chain, and where the databases stand.
        journal: the record of the repair to undo.
        undoes: the command that made the repair.
        moves: the rows to restore.
        restored: the files to restore.
        deleted: the files to delete, because the repair created them.
    """

    command: str = "undo"
    snapshot: Facts
    journal: Path
    undoes: str
    moves: tuple[MoveResult, ...]
    restored: tuple[Path, ...]
    deleted: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Undone(UndoPlan):
    """undo that has restored files and rows; ``snapshot`` is the restored chain.

    Attributes:
        findings: the findings about the restored chain.
        was_committed: whether the checked-out commit has the files as they were before undo.
        operation: Git's current operation; ``""`` if there is none.
    """

    done: ClassVar[str] = "everything was put back"

    findings: tuple[Finding, ...]
    was_committed: bool = False
    operation: str = ""


@dataclass(frozen=True, kw_only=True)
class LockPlan(Judged):
    """The plan of lock; nothing has changed yet.

    Attributes:
        edits: the files to write; none if everything is up to date.
        commit: as in ``Planned``.
        operation: Git's current operation; ``""`` if there is none.
    """

    command: str = "lock"
    edits: tuple[Edit, ...]
    commit: str | None = None
    operation: str = ""


@dataclass(frozen=True, kw_only=True)
class Locked(LockPlan):
    """lock that has written its files."""

    done: ClassVar[str] = "the files were written"


@dataclass(frozen=True, kw_only=True)
class Rehearsed(Judged):
    """rehearse.

    Attributes:
        rehearsal: the rehearsal of the chain.
    """

    command: str = "rehearse"
    rehearsal: Rehearsal


@dataclass(frozen=True, kw_only=True)
class Explained(Result):
    """explain.

    Attributes:
        explanations: the explanations of one or all kinds of findings.
    """

    command: str = "explain"
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True, kw_only=True)
class HookPlan(Result):
    """The plan of hook; nothing has changed yet.

    Attributes:
        files: the hooks, jobs and checklists of the project.
        has_lock: whether the chain has a ``chain.lock``.
    """

    command: str = "hook"
    files: tuple[HookFile, ...]
    has_lock: bool = True


@dataclass(frozen=True, kw_only=True)
class Hooked(HookPlan):
    """hook that has written its files."""

    done: ClassVar[str] = "the files were written"


class LastChange(NamedTuple):
    """The last repair, rebase or similar, from its journal.

    Attributes:
        command: the command, ``rebase`` for example.
        journal: the record.
        edits: the files, before and after.
        moves: the moves of version rows that belong to it.
    """

    command: str
    journal: Path
    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True)
class Analysed(Result):
    """report: the result of graph, with the rest of an analysis.

    Attributes:
        drawn: the chain as it is and as a repair would leave it.
        change: the last change; ``None`` if there was none.
        hooks: the hooks and CI jobs, existing and possible.
        versions: the installed packages and their versions.
    """

    command: str = "report"
    drawn: Drawn
    change: LastChange | None
    hooks: tuple[HookFile, ...]
    versions: tuple[tuple[str, str], ...]

    @property
    def snapshot(self) -> Facts:
        """The chain as it is."""
        return self.drawn.snapshot
