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
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import BadConfiguration, CannotRead, CannotReadGit
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Edit, HookFile
from flask_chainfix.report.results import Analysed, LastChange

_PACKAGES = ("flask-chainfix", "alembic", "sqlalchemy", "flask", "flask-migrate")


def analyse(session: Session, *, against: str | None) -> Analysed:
    """Check the chain and its schema, and collect what else an analysis contains.

    ``against`` is the Git revision to compare with, if any.

    Raises:
        NoMigrations: there is nothing to analyse.
        CannotReadGit: the Git revision cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    drawn = replace(graph(session, against=against, in_detail=True), command="report")
    return Analysed(
        tools=drawn.tools,
        drawn=drawn,
        change=_last_change(session, drawn.snapshot),
        hooks=_hooks(session),
        versions=tuple(_versions(session, drawn.snapshot)),
    )


def _last_change(session: Session, now: Facts) -> LastChange | None:
    """The newest change that is still in the files; ``None`` if there is none or it is unclear."""
    with suppress(CannotRead):
        journal = disk.latest_repair(now, session.journals)
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


def _hooks(session: Session) -> tuple[HookFile, ...]:
    """The hooks and CI jobs of this project, existing and possible; none without Git."""
    if not session.environment.asks_git:
        return ()
    from flask_chainfix.commands.hook import plan_hooks

    with suppress(CannotReadGit, BadConfiguration):
        return plan_hooks(session).files
    return ()


def _versions(session: Session, now: Facts) -> Iterator[tuple[str, str]]:
    """The installed versions, read without importing, and the kinds of databases."""
    yield "Python", platform.python_version()
    yield "system", f"{platform.system()} {platform.machine()}"
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)
    targets = session.targets(now).values()
    kinds = {target.url.get_backend_name() for target in targets}
    if session.environment.dialect is not None:
        kinds.add(session.environment.dialect)
    yield "database", ", ".join(sorted(kinds)) or "not known"
