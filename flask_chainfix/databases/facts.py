"""A chain and its surroundings: databases, published revisions, what migrations do."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.chain.snapshot import KnownResults, Snapshot
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.common.wording import listing
from flask_chainfix.model.databases import Databases
from flask_chainfix.model.environment import Surroundings
from flask_chainfix.model.files import ChainLock, Edit, MigrationFile
from flask_chainfix.model.history import GitHistory, Merge, PublishedChain, ReferenceChain
from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Action, Footprint, Key
from flask_chainfix.schema.object_history import History, histories_of

if TYPE_CHECKING:
    from flask_chainfix.model.rehearsal import DowngradeGap
    from flask_chainfix.schema.live import Live

_Footprints = dict[tuple[Path, str], Footprint]  # by directory and name


class Uncompared(NamedTuple):
    """Why the schema of a database is not compared with what the migrations make.

    Attributes:
        problem: what hinders it.
        remedy: what to do about that.
    """

    problem: str
    remedy: str | Remedy


@dataclass(frozen=True)
class Facts(Snapshot):
    """A snapshot with what is known around it, without any judgement.

    Attributes:
        databases: the stamps of the databases that were read.
        surroundings: the files around the environment; ``None`` if they were not read.
        old: older chains that may have stamped the databases, the latest first.
        reference: the chain to compare with; ``None`` if none was read.
        published_chains: the chains of the main branch and of releases; empty if not read.
        downgrade_gaps: what downgrades do not undo; empty without a rehearsal.
        merges: the results of merges with other branches; empty if not computed.
        git_history: when the files landed in version control, as far as that was read.
        schemas: what each database holds, or why that is not known, by ``DatabaseStatus.seen``.
    """

    databases: Databases = field(default_factory=Databases)
    surroundings: Surroundings = field(default_factory=Surroundings)
    old: tuple[Graph, ...] = field(default=(), compare=False)
    reference: ReferenceChain | None = field(default=None, compare=False)
    published_chains: tuple[PublishedChain, ...] = field(default=(), compare=False)
    downgrade_gaps: tuple[DowngradeGap, ...] = field(default=(), compare=False)
    merges: tuple[Merge, ...] = field(default=(), compare=False)
    git_history: GitHistory = field(default_factory=GitHistory, compare=False)
    schemas: Mapping[Hashable, Live | Uncompared] = field(default_factory=dict, compare=False)
    _footprints: _Footprints = field(default_factory=dict, repr=False, compare=False)

    @property
    def main_branch(self) -> PublishedChain | None:
        """The chain of the main branch; ``None`` if there is none or it was not read."""
        return next((each for each in self.published_chains if each.is_main), None)

    @classmethod
    def around(cls, snapshot: Snapshot, **known: Any) -> Facts:
        """The facts of a snapshot; the other arguments are attributes of ``Facts``."""
        parts = {each.name: getattr(snapshot, each.name) for each in fields(snapshot)}
        return cls(**{**parts, **known})

    def read_for(self, dialect: str) -> Facts:
        """The same, with migrations read as they run in databases of one dialect."""
        known = self.environment.dialect
        if dialect == ("mysql" if known == "mariadb" else known):
            return self
        environment = replace(self.environment, dialect=dialect)
        return replace(self, environment=environment, _known=KnownResults(), _footprints={})

    def running_on(self, dialect: str) -> Facts:
        """The migrations as they run in databases of one dialect, read once.

        What it says about anything else may be out of date. ``""`` is the dialect that the
        migrations are read for anyway.
        """
        if not dialect:
            return self
        return self.once(("running on", dialect), lambda: self.read_for(dialect))

    def uncompared(self) -> Iterator[str]:
        """What is not compared of databases that were read, and why, in words."""
        names: dict[str, list[str]] = {}
        for status in self.databases.statuses:
            live = self.schemas.get(status.seen)
            problems: tuple[str, ...] = ()
            if isinstance(live, Uncompared):
                problems = (live.problem,) if status.is_known else ()
            elif live is not None:
                problems = live.left_out
            for problem in problems:
                names.setdefault(problem, []).append(status.name)
        for problem, each in names.items():
            yield f"{listing(each, 3)}: not compared with what the migrations make: {problem}"

    @property
    def evidence(self) -> Evidence:
        """What the migrations do to the schema; slow, as it reads every migration."""
        return self.once(Evidence, lambda: self.evidence_about([b""]))

    def evidence_about(self, words: Collection[bytes]) -> Evidence:
        """The evidence of those migrations that have one of some words in their text."""
        with without_garbage_collection():
            unplaced = set(map(id, self.unplaced))
            footprints = {
                revision: self.footprint(files[0])
                for revision, files in self.files_by_revision.items()
                if id(files[0]) not in unplaced and any(word in files[0].data for word in words)
            }
            elsewhere = [self.footprint(file) for file in self.unplaced]
            return Evidence(self.graph, footprints, elsewhere, self.environment.dialect)

    @property
    def histories(self) -> Mapping[Key, History]:
        """The changes to each object of the schema along the chain."""
        return self.once(History, self._histories)

    def _histories(self) -> Mapping[Key, History]:
        with without_garbage_collection():
            doubles = {
                revision: [self.footprint(file) for file in files]
                for revision, files in self.files_by_revision.items()
                if len(files) > 1
            }
            return histories_of(self.evidence, doubles)

    @property
    def named_schemas(self) -> frozenset[str]:
        """The schemas that migrations name, in lower case."""
        return frozenset(key.schema for key in self.evidence.mentioned if key.schema)

    @property
    def tables_without_schema(self) -> frozenset[str]:
        """The tables that migrations make without naming a schema, in lower case."""
        made = (key for action, key in self.evidence.table_changes if action is Action.CREATE)
        return frozenset(key.name for key in made if not key.schema)

    def footprint(self, file: MigrationFile) -> Footprint:
        """What a file's ``upgrade()`` does to the schema."""
        # not needed for healthy chains
        from flask_chainfix.schema.python.footprint_reader import read_footprint

        place = (file.directory, file.name)
        if place not in self._footprints:
            around = self.environment
            self._footprints[place] = read_footprint(
                file.data, dialect=around.dialect, local=around.local_modules or ()
            )
        return self._footprints[place]

    def footprint_down(self, file: MigrationFile, bind: str | None = None) -> Footprint:
        """What a file's ``downgrade()`` does to the schema, for one bind if it is given."""
        from flask_chainfix.schema.python.footprint_reader import read_footprint

        dialect = self.environment.dialect
        return read_footprint(file.data, dialect=dialect, direction="downgrade", bind=bind)

    def of_others(self, files: tuple[MigrationFile, ...], lock: ChainLock | None = None) -> Facts:
        """The facts of other migrations of this environment, without databases and the like."""
        known = self._footprints
        kept = {
            place: known[place]
            for file in (files if known else ())
            for place in [(file.directory, file.name)]
            if id(file) in self._own and place in known
        }
        return Facts(self.environment, files, lock, _footprints=kept)

    @cached_property
    def _own(self) -> frozenset[int]:
        return frozenset(map(id, self.files))

    def after(self, edits: Iterable[Edit]) -> Facts:
        """The facts as they would be after some edits; nothing is written."""
        edits = tuple(edits)
        changed = {(edit.path.parent, edit.path.name) for edit in edits}
        kept = {place: each for place, each in self._footprints.items() if place not in changed}
        return replace(super().after(edits), _footprints=kept)
