"""What a command learned or did, as data; ``formats`` render it and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.remedies import Tools
from flask_chainfix.model.databases import Backup, MoveResult
from flask_chainfix.model.files import Edit
from flask_chainfix.model.findings import Explanation, Finding, Severity
from flask_chainfix.model.history import Upstream
from flask_chainfix.model.hook_files import HookFile
from flask_chainfix.model.plans import Confirmation, Plan
from flask_chainfix.model.rehearsal import Rehearsal


@dataclass(frozen=True)
class Report:
    """The result of a command.

    Attributes:
        command: its name, ``check`` for example.
        exit_code: what the process exits with.
        tools: how to spell out commands for the user.
        strict: whether warnings count like errors.
        before: the chain as it was found.
        findings: what is wrong with it, errors first.
        judged: the codes of the rules that have had their say; what the settings ignore is among
            them, and is never found.
        plan: the repair, if there is one to make.
        start: the chain that the plan relinks: as it was found, and with what is brought back.
        after: the chain as the plan leaves it.
        edits: the plan as changes of files.
        confirmation: what Alembic said of the result.
        journal: where the old contents of changed files are kept.
        restored: the files that an undo puts back.
        deleted: the files that an undo deletes, because the repair made them.
        obstacle: why there is no plan although there is something to repair.
        error: what stopped the command.
        notices: what else the user should know.
        done: whether the plan was carried out.
        rehearsal: what came of running the chain on a scratch database.
        ways: the same for the way of each database that stands elsewhere.
        moves: what is to become, or has become, of the version rows of each database.
        sql: statements that make these moves, with the name of the database; ``None`` where nobody
            has asked for them.
        backups: the copies of databases that were made.
        explained: what was asked about: all kinds of findings, or one of them.
        hook_files: the hooks, jobs and checklists of the project.
        upstream: what the plan puts revisions on top of.
        commit: the commit that is checked out, before the repair; ``""`` where there is none yet,
            and ``None`` without Git, or where the repair leaves nothing to commit.
    """

    command: str
    exit_code: int = 0
    tools: Tools = field(default_factory=Tools)
    strict: bool = False
    before: Snapshot | None = None
    findings: tuple[Finding, ...] = ()
    judged: frozenset[str] = frozenset()
    plan: Plan | None = None
    start: Snapshot | None = None
    after: Snapshot | None = None
    edits: tuple[Edit, ...] = ()
    confirmation: Confirmation | None = None
    journal: Path | None = None
    restored: tuple[Path, ...] = ()
    deleted: tuple[Path, ...] = ()
    obstacle: ChainFixError | None = None
    error: ChainFixError | None = None
    notices: tuple[str, ...] = ()
    done: bool = False
    rehearsal: Rehearsal | None = None
    ways: tuple[Rehearsal, ...] = ()
    moves: tuple[MoveResult, ...] = ()
    sql: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    backups: tuple[Backup, ...] = ()
    explained: tuple[Explanation, ...] = ()
    hook_files: tuple[HookFile, ...] = ()
    upstream: Upstream | None = None
    commit: str | None = None

    @property
    def planner(self) -> str:
        """The command that makes such a plan."""
        return "rebase" if self.command == "rebase" else "repair"

    @property
    def counting(self) -> tuple[Finding, ...]:
        """The findings that decide: errors, and warnings if they count like errors."""
        severities = {Severity.ERROR, Severity.WARNING} if self.strict else {Severity.ERROR}
        return tuple(finding for finding in self.findings if finding.severity in severities)
