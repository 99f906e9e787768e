"""What each command comes to: one frozen class for each, with what must be there not optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.remedies import Tools

if TYPE_CHECKING:  # a command imports what its own result is made of
    from flask_chainfix.databases.facts import Facts
    from flask_chainfix.diagnosis.diagnosis import Diagnosis
    from flask_chainfix.model.databases import Backup, Move, MoveResult
    from flask_chainfix.model.files import Edit
    from flask_chainfix.model.findings import Explanation, Finding
    from flask_chainfix.model.history import Published, Queue
    from flask_chainfix.model.hook_files import HookFile
    from flask_chainfix.model.plans import CarryOver, Confirmation, Proof
    from flask_chainfix.model.rehearsal import Rehearsal, RevisionSql
    from flask_chainfix.planning.proposal import Planned, Proposal
    from flask_chainfix.rehearsal.schemas.catching_up import Lacking
    from flask_chainfix.schema.footprint import SchemaObject

_R = TypeVar("_R", bound="Result")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What every command comes to.

    Attributes:
        command: its name, ``check`` for example.
        tools: how to spell out commands for the user.
        notices: what the user should know beside what the parts of the result say.
        error: what stopped it, or what is wrong with its outcome.
        exit_code: what the process exits with.
    """

    is_done: ClassVar[bool] = False

    command: str
    tools: Tools = field(default_factory=Tools)
    notices: tuple[str, ...] = ()
    error: ChainFixError | None = None
    exit_code: int = 0

    def noticing(self: _R, *notices: str) -> _R:
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *notices))

    def stopped_by(self: _R, error: ChainFixError) -> _R:
        """The same with an error."""
        return replace(self, error=error, exit_code=error.exit_code)


@dataclass(frozen=True, kw_only=True)
class Failed(Result):
    """A command that was stopped before it knew anything."""

    error: ChainFixError = field()


@dataclass(frozen=True, kw_only=True)
class Proposed(Result):
    """What is wrong, and what is to be done about it.

    Attributes:
        proposal: the findings, and a plan or what keeps it from being made.
        commit: the commit that is checked out; ``""`` where there is none yet, and ``None`` without
            Git, or where a repair leaves nothing to commit.
    """

    proposal: Proposal
    commit: str | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """What is wrong with the chain."""
        return self.proposal.diagnosis


@dataclass(frozen=True, kw_only=True)
class Checked(Proposed):
    """check: what is wrong, and what a repair would make of it.

    Attributes:
        queue: how branches can land that have not yet; ``None`` if not asked for.
        staged: whether the index was judged, not what lies on the disk.
        unstaged: the files that lie otherwise on the disk than in the index, which was judged.
        sql: what the revisions that others do not have would run; ``None`` if not asked for.
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
        theirs: the migrations that a Git revision has, which is compared; ``None`` for none.
        in_detail: whether what the migrations do to the schema has been read.
    """

    command: str = "graph"
    checked: Checked
    theirs: Published | None = None
    in_detail: bool = False

    @property
    def snapshot(self) -> Facts:
        """The chain as it is."""
        return self.checked.proposal.snapshot


def notices_of(result: Result) -> tuple[str, ...]:
    """All notices of a check, or of what stopped it."""
    known = result.diagnosis.notices if isinstance(result, Checked) else ()
    return (*known, *result.notices)


@dataclass(frozen=True, kw_only=True)
class BackedUp(Result):
    """backup.

    Attributes:
        backups: the copies that were made.
    """

    command: str = "backup"
    backups: tuple[Backup, ...]


@dataclass(frozen=True, kw_only=True)
class Planning(Proposed):
    """repair, rebase or move that has changed nothing: a plan, a refusal, or nothing to do.

    Attributes:
        confirmation: what Alembic says of a chain that needs no repair.
        rehearsal: what came of running the planned chain on a scratch database.
        ways: the same for the way of each database that stands elsewhere.
        backup: the copies of databases that were made before anything is changed.
        asks: whether somebody decides about it, who has to see each line that would change.
    """

    command: str = "repair"
    confirmation: Confirmation | None = None
    rehearsal: Rehearsal | None = None
    ways: tuple[Rehearsal, ...] = ()
    backup: BackedUp | None = None
    asks: bool = True


@dataclass(frozen=True, kw_only=True)
class SquashPlan(Planning):
    """squash that has changed nothing: what one migration would replace, and the proof.

    Attributes:
        replaced: the revisions that it replaces, base first; the last one keeps its id.
        proofs: that the old chain and the new one make the same schema, a server each.
        carry_over: what of the replaced migrations no schema shows.
    """

    command: str = "squash"
    replaced: tuple[str, ...]
    proofs: tuple[Proof, ...]
    carry_over: tuple[CarryOver, ...]


@dataclass(frozen=True, kw_only=True)
class CatchUpPlan(Planning):
    """catch-up that has changed nothing: a migration, or none where no database lacks anything.

    Attributes:
        databases: what each of them lacks, and in what else it differs.
        left: what no migration is written for, and why.
        states: from how many different states of databases the migration was run.
    """

    command: str = "catch-up"
    databases: tuple[Lacking, ...]
    left: Mapping[SchemaObject, str] = field(default_factory=dict)
    states: int = 0


@dataclass(frozen=True, kw_only=True)
class PlanRehearsed(Result):
    """What a rehearsal of a plan has come to, below the plan that has been shown."""

    command: str = "rehearse"
    planning: Planning
    rehearsal: Rehearsal


@dataclass(frozen=True, kw_only=True)
class Repaired(Result):
    """repair, rebase, move or squash that has changed the files.

    Attributes:
        planning: what was planned.
        planned: the plan.
        snapshot: the chain as it was, with where the databases stand by now.
        confirmation: what Alembic says of the result.
        journal: where the old contents of changed files are kept.
        moves: what has become of the version rows of each database.
    """

    is_done: ClassVar[bool] = True

    planning: Planning
    planned: Planned
    snapshot: Facts
    confirmation: Confirmation
    journal: Path
    moves: tuple[MoveResult, ...]


@dataclass(frozen=True, kw_only=True)
class UndoPlan(Result):
    """undo that has changed nothing.

    Attributes:
        snapshot: the chain as it is, and where the databases stand.
        journal: the record of the repair that is taken back.
        undoes: the command that has made it.
        moves: the rows that are put back.
        restored: the files that are put back.
        deleted: the files that are deleted, because the repair made them.
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
    """undo that has put back files and rows; ``snapshot`` is the chain as it is by now.

    Attributes:
        findings: what is wrong with that.
    """

    is_done: ClassVar[bool] = True

    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class LockPlan(Result):
    """lock that has changed nothing.

    Attributes:
        diagnosis: the chain.
        edits: the files to write; none where all is as it should be.
    """

    command: str = "lock"
    diagnosis: Diagnosis
    edits: tuple[Edit, ...]


@dataclass(frozen=True, kw_only=True)
class Locked(LockPlan):
    """lock that has written its files."""

    is_done: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Rehearsed(Result):
    """rehearse.

    Attributes:
        diagnosis: the chain that ran.
        rehearsal: what came of that.
    """

    command: str = "rehearse"
    diagnosis: Diagnosis
    rehearsal: Rehearsal


@dataclass(frozen=True, kw_only=True)
class Explained(Result):
    """explain.

    Attributes:
        explanations: of all kinds of findings, or of one of them.
    """

    command: str = "explain"
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True, kw_only=True)
class HookPlan(Result):
    """hook that has changed nothing.

    Attributes:
        files: the hooks, jobs and checklists of the project.
    """

    command: str = "hook"
    files: tuple[HookFile, ...]


@dataclass(frozen=True, kw_only=True)
class Hooked(HookPlan):
    """hook that has written its files."""

    is_done: ClassVar[bool] = True


class LastChange(NamedTuple):
    """What the last repair, rebase or the like has changed, as its journal tells.

    Attributes:
        command: what it was, ``rebase`` for example.
        journal: the record.
        edits: the files, as they were and as they are.
        moves: the rows of databases that were moved with it.
    """

    command: str
    journal: Path
    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, kw_only=True)
class Analysed(Result):
    """report: what graph draws, with what an analysis tells besides.

    Attributes:
        drawn: the chain as it is and as a repair would leave it.
        change: what was changed last; ``None`` where nothing was.
        hooks: what checks commits and requests to merge, or could.
        versions: what is installed, each with its version.
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
