"""Everything that was read from one migration environment, without judgement."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import cache, cached_property
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any, TypeVar

from flask_chainfix.chain import source
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.files import ChainLock, Edit, Header, Ignore, MigrationFile, Unreadable
from flask_chainfix.model.findings import Location

_COMPILED = Unreadable("is compiled, and so is not read", "put its source beside it")
_COMPUTED = Unreadable("computes its id", "write revision of that file as a plain value")
_S = TypeVar("_S", bound="Snapshot")
_R = TypeVar("_R")


class KnownResults:
    """What ``Snapshot.once`` computed: kept for every copy of a snapshot with the same ``files``.

    Attributes:
        files: the files; results for other files are not reused.
        results: by what each depends on besides the files.
    """

    def __init__(self, files: tuple[MigrationFile, ...] = ()) -> None:
        self.files = files
        self.results: dict[Hashable, Any] = {}


@dataclass(frozen=True)
class Snapshot:
    """The files of an environment at one moment.

    Attributes:
        environment: the environment and its settings.
        files: every file that Alembic would load, in Alembic's order.
        lock: the chain lock; ``None`` if there is none.
    """

    environment: Environment
    files: tuple[MigrationFile, ...]
    lock: ChainLock | None = None
    _known: KnownResults = field(default_factory=KnownResults, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._known.files is not self.files:
            object.__setattr__(self, "_known", KnownResults(self.files))

    def once(self, about: Hashable, work_out: Callable[[], _R]) -> _R:
        """The result of a computation on these migrations, kept until a copy has other files.

        Args:
            about: everything that it depends on besides the migrations.
            work_out: computes it.
        """
        results = self._known.results
        if about not in results:
            results[about] = work_out()
        found: _R = results[about]
        return found

    @property
    def graph(self) -> Graph:
        """The chain of the readable files."""
        return self.once(Graph, lambda: Graph(self.headers))

    @property
    def headers(self) -> Iterator[Header]:
        """The header of each readable file."""
        return (file.reading for file in self.files if isinstance(file.reading, Header))

    @property
    def readable(self) -> Iterator[tuple[MigrationFile, Header]]:
        """The readable files, each with its header."""
        return ((file, file.reading) for file in self.files if isinstance(file.reading, Header))

    @cached_property
    def files_by_revision(self) -> Mapping[str, tuple[MigrationFile, ...]]:
        """The files of each id; several for a duplicate id."""
        found: dict[str, tuple[MigrationFile, ...]] = {}
        for file, header in self.readable:
            id_ = header.revision
            if id_ is not None:
                found[id_] = (*found[id_], file) if id_ in found else (file,)
        return found

    @cached_property
    def unreadable(self) -> tuple[tuple[MigrationFile, Unreadable], ...]:
        """The files that Alembic would try to load, and fail."""
        return tuple(
            (file, file.reading) for file in self.files if isinstance(file.reading, Unreadable)
        )

    def possible_file(self, revision: str) -> tuple[MigrationFile, Unreadable] | None:
        """The unread file that may have an id, because the id is in its name or its text."""
        text = revision.encode("utf-8", "surrogatepass")
        compiled = ((file, _COMPILED) for file in self.compiled)
        computed = ((file, _COMPUTED) for file in self.anonymous)
        for file, problem in (*self.unreadable, *compiled, *computed):
            if revision not in file.requirements and (revision in file.name or text in file.data):
                return file, problem
        return None

    @cached_property
    def compiled(self) -> tuple[MigrationFile, ...]:
        """The compiled migrations without a source, which are not read."""
        return tuple(file for file in self.files if file.is_compiled)

    @cached_property
    def leftovers(self) -> tuple[MigrationFile, ...]:
        """The files that Alembic cannot load and that have no place in the chain.

        Empty if something is missing, which one of them may be.
        """
        ignored = self.environment.settings.ignore
        if self.graph.missing.difference(self.stand_ins) or self.anonymous:
            return ()
        return tuple(
            file for file, problem in self.unreadable if problem.stray or "FC106" in ignored
        )

    @cached_property
    def stand_ins(self) -> frozenset[str]:
        """The missing revisions that the settings allow."""
        graph, ignored = self.graph, self.environment.settings.ignore
        parents = graph.missing_parents.values() if "FC103" in ignored else ()
        dependencies = graph.missing_dependencies.values() if "FC107" in ignored else ()
        return frozenset().union(*parents, *dependencies)

    @cached_property
    def anonymous(self) -> tuple[MigrationFile, ...]:
        """The files whose id is computed, or not a string."""
        return tuple(file for file in self.unplaced if file.reading[0] is None)

    @cached_property
    def unplaced(self) -> tuple[MigrationFile, ...]:
        """The files whose id or parents, and so their place in the chain, are unknown."""
        return tuple(
            file
            for file in self.files
            if isinstance(file.reading, Header) and None in file.reading[:2]
        )

    @cached_property
    def ignores(self) -> Mapping[Path, tuple[Ignore, ...]]:
        """The comments that hide findings, in the files that have any."""
        found = ((each, source.ignores(each.data)) for each in self.files if not each.is_compiled)
        return {file.path: comments for file, comments in found if comments}

    def file(self, revision: str) -> MigrationFile:
        """The first file of a revision."""
        return self.files_by_revision[revision][0]

    def header(self, revision: str) -> Header:
        """The header of the first file of a revision."""
        reading = self.file(revision).reading
        assert isinstance(reading, Header)
        return reading

    def relinked(self, parents: Mapping[str, tuple[str, ...]]) -> Graph:
        """The chain if these revisions had these parents."""
        return Graph(
            header._replace(down_revision=parents.get(str(header.revision), header.down_revision))
            for header in self.headers
        )

    def locations(self, revision: str, name: str) -> tuple[Location, ...]:
        """The places of a header attribute in the files of a revision."""
        return tuple(location(file, name) for file in self.files_by_revision[revision])

    def version_location(self, path: Path) -> Path:
        """The version location of a file; if they are nested, the innermost."""
        around = [place for place in self.environment.version_locations if place in path.parents]
        return max(around, key=lambda place: len(place.parts), default=path.parent)

    def is_elsewhere(self, path: Path) -> bool:
        """Whether a file is outside the version locations, and a link in them leads to it."""
        return not any(place in path.parents for place in self.environment.version_locations)

    def after(self: _S, edits: Iterable[Edit]) -> _S:
        """The snapshot as it would be after some edits; nothing is written."""
        changed = {(edit.path.parent, edit.path.name): edit.after for edit in edits}
        if not changed:
            return self
        lock, path = self.lock, self.environment.lock_path
        if (path.parent, path.name) in changed:
            lock = ChainLock(path, changed.pop((path.parent, path.name)))
        files = {(file.directory, file.name): file for file in self.files}
        for place, data in changed.items():
            if data is None:
                files.pop(place, None)
            else:
                files[place] = MigrationFile(*place, data, source.read(data, place[1]))
        return replace(self, files=tuple(files.values()), lock=lock)


def location(file: MigrationFile, name: str) -> Location:
    """The place of a header attribute in a file, if it has one."""
    span = file.reading.spans.get(name) if isinstance(file.reading, Header) else None
    return Location(file.path, source.line_of(file.data, span.start) if span else None)


class Trunk:
    """What several chains have in common, to reduce each of them to what is linked to it.

    Twenty branches have two hundred pairs to compare. Their common part is sound and checked once;
    only its revisions that something new is linked to are kept.

    Args:
        shared: the common migrations, which must be sound.
    """

    def __init__(self, shared: Snapshot) -> None:
        self._shared, self._graph = shared, shared.graph
        self._files = frozenset(map(id, shared.files))
        self._is_below = cache(self._graph.is_ancestor)  # most branches build on the same few
        graph = self._graph
        odd = graph.labelled or graph.dependencies or graph.duplicates or graph.missing
        self._is_plain = (
            not (odd or shared.unplaced or shared.unreadable)
            and len(graph.bases) == len(graph.heads) == 1
        )

    def shorten(self, files: Iterable[MigrationFile]) -> tuple[MigrationFile, ...] | None:
        """A chain with only a little of the common part, and as broken as the full one.

        Returns:
            ``None`` if it cannot be shortened with certainty.
        """
        files, graph = tuple(files), self._graph
        new = [file for file in files if id(file) not in self._files]
        if not self._is_plain or len(files) - len(new) != len(self._files):
            return None
        kept = {*graph.bases, *graph.heads}
        own = {each.reading.revision for each in new if isinstance(each.reading, Header)}
        for file in new:
            header = file.reading
            if not isinstance(header, Header) or header.branch_labels != ():
                return None
            if None in (header.revision, header.down_revision, header.depends_on):
                return None
            named = {*(header.down_revision or ()), *(header.depends_on or ())}
            if not all(name in graph or name in own for name in named):
                return None
            kept.update(name for name in (*named, header.revision or "") if name in graph)
        order = sorted(kept, key=graph.position.__getitem__)
        if not all(starmap(self._is_below, pairwise(order))):
            return None
        below: tuple[str, ...] = ()
        short = []
        for name in order:
            header = self._shared.header(name)._replace(down_revision=below)
            short.append(self._shared.file(name)._replace(reading=header))
            below = (name,)
        return (*short, *new)
