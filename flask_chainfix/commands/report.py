"""report: a written analysis of a chain, with the last change and the checks that protect it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from flask_chainfix import disk
from flask_chainfix.commands.graph import graph
from flask_chainfix.common.errors import BadConfiguration, CannotRead, CannotReadGit
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import targets_for
from flask_chainfix.disk.journals import journals_of
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.files import Edit, HookFile
from flask_chainfix.report.results import Analysed, LastChange

_PACKAGES = ("flask-chainfix", "alembic", "sqlalchemy", "flask", "flask-migrate")


def analyse(
    runtime: Runtime,
    tools: Tools,
    *,
    databases: DatabaseWishes,
    against: str | None,
    progress: Progress,
) -> Analysed:
    """Check the chain and its schema, and collect what else an analysis contains.

    Args:
        runtime: the environment.
        tools: how the user would type commands.
        databases: which databases to read; may be none.
        against: the Git revision to compare with; ``None`` for none.
        progress: called with the databases done, the databases in all, and the last one's name.

    Raises:
        NoMigrations: there is nothing to analyse.
        CannotReadGit: the Git revision cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    drawn = graph(
        runtime,
        tools,
        databases=databases,
        against=against,
        in_detail=True,
        progress=progress,
    )
    drawn = replace(drawn, command="report")
    return Analysed(
        tools=drawn.tools,
        drawn=drawn,
        change=_last_change(runtime, drawn.snapshot),
        hooks=_hooks(runtime, tools),
        versions=tuple(_versions(runtime, databases)),
    )


def _last_change(runtime: Runtime, now: Facts) -> LastChange | None:
    """The newest change that is still in the files; ``None`` if there is none or it is unclear."""
    with suppress(CannotRead):
        journal = disk.latest_repair(now, journals_of(runtime.environment))
        if journal is not None:
            there = {os.path.realpath(file.path): file for file in now.files}
            edits = []
            for entry in journal.migrations:
                file = there.get(str(entry.path))
                path = entry.path if file is None else file.path
                edits.append(Edit(path, entry.before, None if file is None else file.data))
            moves = tuple(move for move in disk.recorded_moves(journal) if not move.stays)
            return LastChange(journal.command, journal.path, tuple(edits), moves)
    return None


def _hooks(runtime: Runtime, tools: Tools) -> tuple[HookFile, ...]:
    """The hooks and CI jobs of this project, existing and possible; none without Git."""
    if not runtime.environment.asks_git:
        return ()
    from flask_chainfix.commands.hook import plan_hooks

    with suppress(CannotReadGit, BadConfiguration):
        return plan_hooks(runtime, tools).files
    return ()


def _versions(runtime: Runtime, databases: DatabaseWishes) -> Iterator[tuple[str, str]]:
    """The installed versions, read without importing, and the kinds of databases."""
    yield "Python", platform.python_version()
    yield "system", f"{platform.system()} {platform.machine()}"
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)
    targets = targets_for(runtime, databases).values()
    kinds = {target.url.get_backend_name() for target in targets}
    if runtime.environment.dialect is not None:
        kinds.add(runtime.environment.dialect)
    yield "database", ", ".join(sorted(kinds)) or "not known"
