"""A chain with what is known around it: databases, what others have, what migrations do."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.model.databases import Databases
from flask_chainfix.model.environment import Surroundings
from flask_chainfix.model.files import Edit, MigrationFile
from flask_chainfix.model.history import ChainLock, Merge, Published, PublishedChain
from flask_chainfix.model.history import History as Landings
from flask_chainfix.model.rehearsal import DowngradeGap
from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Footprint
from flask_chainfix.schema.object_history import History, histories_of
from flask_chainfix.schema.objects import Key

if TYPE_CHECKING:
    from flask_chainfix.schema.live import Live

_R = TypeVar("_R")


class _Known:
    """What some migrations do, each (by directory and name) and together, kept with the facts."""

    def __init__(
        self,
        files: tuple[MigrationFile, ...] = (),
        footprints: dict[tuple[Path, str], Footprint] | None = None,
    ) -> None:
        self.files = files
        self.footprints = footprints or {}
        self.evidence: Evidence | None = None
        self.histories: Mapping[Key, History] | None = None
        self.results: dict[Hashable, Any] = {}


@dataclass(frozen=True)
class Facts(Snapshot):
    """A snapshot, and what is known around it; nothing judged.

    Attributes:
        databases: where the databases stand that somebody has looked at.
        surroundings: what lies around the environment, where somebody has looked.
        old: older chains, which may have stamped them, the latest first.
        published: what others have already; ``None`` where nobody has looked.
        published_chains: what the main branch and releases have; none where nobody has looked.
        downgrade_gaps: what downgrades do not undo, as a rehearsal has shown; none where nobody
            has looked.
        merges: what merges with others would be; none where nobody has looked.
        landed: when the files landed in version control; ``None`` where nobody has looked.
        schemas: what databases hold with all its parts, by identity, of those that were read.
    """

    databases: Databases = field(default_factory=Databases)
    surroundings: Surroundings = field(default_factory=Surroundings)
    old: tuple[Graph, ...] = field(default=(), compare=False)
    published: Published | None = field(default=None, compare=False)
    published_chains: tuple[PublishedChain, ...] = field(default=(), compare=False)
    downgrade_gaps: tuple[DowngradeGap, ...] = field(default=(), compare=False)
    merges: tuple[Merge, ...] = field(default=(), compare=False)
    landed: Landings | None = field(default=None, compare=False)
    schemas: Mapping[str, Live] = field(default_factory=dict, compare=False)
    _known: _Known = field(default_factory=_Known, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self._known.files is not self.files:
            known = _Known(self.files, self._known.footprints)
            object.__setattr__(self, "_known", known)

    @classmethod
    def around(cls, snapshot: Snapshot, **known: Any) -> Facts:
        """The facts of a snapshot; what is known around it goes by the names of the attributes."""
        parts = {each.name: getattr(snapshot, each.name) for each in fields(snapshot)}
        return cls(**{**parts, **known})

    def read_for(self, dialect: str) -> Facts:
        """The same, with what the migrations do in databases of one dialect."""
        if dialect == self.environment.dialect:
            return self
        environment = replace(self.environment, dialect=dialect)
        return replace(self, environment=environment, _known=_Known())

    @property
    def evidence(self) -> Evidence:
        """What the migrations do to the schema; reading that takes longer than all else."""
        if self._known.evidence is None:
            self._known.evidence = self._evidence()
        return self._known.evidence

    @property
    def histories(self) -> Mapping[Key, History]:
        """What becomes of each object of the schema along the chain."""
        if self._known.histories is None:
            with without_garbage_collection():
                doubles = {
                    revision: [self.footprint(file) for file in files]
                    for revision, files in self.files_by_revision.items()
                    if len(files) > 1
                }
                self._known.histories = histories_of(self.evidence, doubles)
        return self._known.histories

    def once(self, about: Hashable, work_out: Callable[[], _R]) -> _R:
        """What something about these migrations comes to, worked out the first time only.

        Args:
            about: all that it depends on beside the migrations.
            work_out: called the first time.
        """
        if about not in self._known.results:
            self._known.results[about] = work_out()
        found: _R = self._known.results[about]
        return found

    @property
    def named_schemas(self) -> frozenset[str]:
        """The schemas that migrations name, in lower case."""
        return frozenset(key.schema for key in self.evidence.mentioned if key.schema)

    def _evidence(self) -> Evidence:
        with without_garbage_collection():
            unplaced = {id(file) for file in self.unplaced}
            footprints = {
                revision: self.footprint(files[0])
                for revision, files in self.files_by_revision.items()
                if id(files[0]) not in unplaced
            }
            elsewhere = [self.footprint(file) for file in self.unplaced]
            return Evidence(self.graph, footprints, elsewhere, self.environment.dialect)

    def footprint(self, file: MigrationFile) -> Footprint:
        """What a file's ``upgrade()`` does to the schema."""
        # Healthy chains go without it.
        from flask_chainfix.schema.python.footprint_reader import read_footprint

        place = (file.directory, file.name)
        if place not in self._known.footprints:
            around = self.environment
            self._known.footprints[place] = read_footprint(
                file.data, dialect=around.dialect, local=around.local_modules or ()
            )
        return self._known.footprints[place]

    def footprint_down(self, file: MigrationFile) -> Footprint:
        """What a file's ``downgrade()`` does to the schema."""
        from flask_chainfix.schema.python.footprint_reader import read_footprint

        return read_footprint(file.data, dialect=self.environment.dialect, direction="downgrade")

    def of_others(self, files: tuple[MigrationFile, ...], lock: ChainLock | None = None) -> Facts:
        """The facts of other migrations of this environment, of which nothing else is known."""
        known = self._known.footprints
        kept = {
            place: known[place]
            for file in files
            for place in [(file.directory, file.name)]
            if id(file) in self._own and place in known
        }
        return Facts(self.environment, files, lock, _known=_Known((), kept))

    @cached_property
    def _own(self) -> frozenset[int]:
        return frozenset(map(id, self.files))

    def after(self, edits: Iterable[Edit]) -> Facts:
        """The facts as they would be once the edits were made; nothing is written."""
        edits = tuple(edits)
        changed = {(edit.path.parent, edit.path.name) for edit in edits}
        kept = {
            place: footprint
            for place, footprint in self._known.footprints.items()
            if place not in changed
        }
        return replace(super().after(edits), _known=_Known((), kept))
