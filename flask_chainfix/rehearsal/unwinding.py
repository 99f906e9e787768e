"""Downgrade databases with the revisions' own ``downgrade()`` and the current ``env.py``.

The fresh process gets the files of lost revisions as bytes, under their old names: nothing is
written into the work tree, and helpers beside them are those of the work tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common import signals
from flask_chainfix.common.errors import CannotRehearse, StaleSnapshot
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.restamping import move_rows
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.databases import DatabaseStatus, Move, MoveState
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.model.rehearsal import RehearsalFailure, RehearsalStep, Route
from flask_chainfix.rehearsal.app_databases import binds_of, inside_app, refuse_unknown_binds
from flask_chainfix.rehearsal.round_trip import Place, as_sent
from flask_chainfix.rehearsal.scratch import Scratch


class Unwinding(NamedTuple):
    """A database to downgrade.

    Attributes:
        target: the database.
        status: its status, with its stamp.
        revisions: the revisions to downgrade, in order.
        after: the rows of its version table afterwards, sorted.
    """

    target: Target
    status: DatabaseStatus
    revisions: tuple[str, ...]
    after: tuple[str, ...]

    def settled(self, status: DatabaseStatus, graph: Graph, progress: Progress) -> DatabaseStatus:
        """The status of the database once redundant rows are removed.

        A bug in Alembic leaves such rows if a revision depends on an ancestor of its parent; no
        upgrade would start from them.

        Args:
            status: the status of the database after the downgrade.
            graph: the chain.
            progress: called with the databases done, the databases in all, and the last one's name.
        """
        rows = status.rows
        means_it = all(row in graph for row in rows) and (
            stood_for(graph, rows) == graph.required(self.after)
        )
        if not means_it or rows == self.after:
            return status
        move = Move(status.name, status.identity, rows, self.after)
        (result,) = move_rows({move.identity: self.target}, [move], lambda _: None, progress)
        moved = result.state is MoveState.MOVED
        return replace(status, rows=self.after) if moved else status


class EnvPyRun(NamedTuple):
    """One run of ``env.py``.

    Attributes:
        place: the environment for a fresh process, and the databases by bind.
        own: whether these are the databases that ``env.py`` finds by itself.
        databases: the databases to downgrade, by bind.
        statuses: the status of each database, by bind.
    """

    place: Place
    own: bool
    databases: Mapping[str, Unwinding]
    statuses: Mapping[str, DatabaseStatus]

    def take_back(
        self, files: Iterable[MigrationFile], progress: Progress
    ) -> tuple[Sequence[RehearsalStep], RehearsalFailure | None]:
        """Run the ``downgrade()`` of each revision; see ``_walk``."""
        return self._walk(Route.DOWN, files, progress)

    def bring_up(
        self, files: Iterable[MigrationFile], progress: Progress
    ) -> tuple[Sequence[RehearsalStep], RehearsalFailure | None]:
        """Run the ``upgrade()`` of each revision; see ``_walk``."""
        return self._walk(Route.UP, files, progress)

    def _walk(
        self, route: Route, files: Iterable[MigrationFile], progress: Progress
    ) -> tuple[Sequence[RehearsalStep], RehearsalFailure | None]:
        """Run the revisions.

        Args:
            route: down or up.
            files: the chain down to its base, lost revisions included.
            progress: called with the steps done, the steps in all, and what is running.

        Returns:
            The steps that have run, and the failure that ended them early. If ``env.py`` runs all
            of them in one transaction, a failure rolls them back.

        Raises:
            StaleSnapshot: the stamp of a database has changed; nothing has run.
        """
        asked = {
            "chain": [as_sent(file) for file in files],
            "phases": [(route.value, 1, "base")],
            "copied": True,
            "replaced": not self.own,
            "named": {
                bind: (
                    status.rows,
                    self.databases[bind].revisions if bind in self.databases else (),
                )
                for bind, status in self.statuses.items()
            },
        }
        try:
            steps, failure, _ = self.place.run(asked, progress)
        except CannotRehearse as error:
            raise StaleSnapshot(error.message, error.remedy, unchanged=True) from error
        return steps, failure


@contextmanager
def runs_for(
    runtime: Runtime,
    databases: Sequence[Unwinding],
    known: Mapping[str, tuple[Target, DatabaseStatus]],
    command: str = "unwind",
) -> Iterator[tuple[EnvPyRun, ...]]:
    """The runs of ``env.py``: one for all of the app's own databases, one for each other database.

    Args:
        runtime: the environment.
        databases: the databases to downgrade.
        known: all databases that were read, by identity.
        command: the command that the user typed.

    Raises:
        CannotPlan: it is unclear which of several databases a URL means.
        CannotRehearse: the app cannot be loaded.
    """
    refuse_unknown_binds(runtime, [each.status for each in databases], command)
    with inside_app(runtime, command) as opened, signals.listening():
        binds = binds_of(opened)
        runs = []
        mine = {each.target.bind: each for each in databases if each.target.own}
        if mine:
            own = {target.bind: each for each in known.values() if (target := each[0]).own}
            runs.append(_run(opened, own, mine, own=True))
        for each in databases:
            if each.target.own:
                continue
            there = {binds[0]: (each.target, each.status)}
            runs.append(_run(opened, there, {binds[0]: each}, own=False))
        yield tuple(runs)


def _run(
    opened: Runtime,
    there: Mapping[str, tuple[Target, DatabaseStatus]],
    databases: Mapping[str, Unwinding],
    *,
    own: bool,
) -> EnvPyRun:
    urls = {bind: _absolute(target) for bind, (target, _) in there.items()}
    shown = ", ".join(target.name for target, _ in there.values())
    dialect = next(iter(urls.values())).get_backend_name()
    place = Place(opened, Scratch(urls, shown, dialect), {})
    return EnvPyRun(place, own, databases, {bind: each[1] for bind, each in there.items()})


def _absolute(target: Target) -> URL:
    """The URL with an absolute path, so that it works in any directory."""
    file = target.file
    if file is None or (target.url.database or "").startswith("file:"):
        return target.url
    return target.url.set(database=str(Path(file)))
