"""A long chain that many others have in common, cut down to what they are linked to.

Whether twenty branches go together two by two is asked two hundred times. What all of them have is
sound and looked at once; of it, only the revisions that something new is linked to stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise, starmap

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.model.files import Header, MigrationFile


class Trunk:
    """What several chains have in common.

    Args:
        shared: those migrations; nothing may be wrong with them.
    """

    def __init__(self, shared: Snapshot) -> None:
        self._graph = graph = shared.graph
        self._shared = shared
        self._files = frozenset(map(id, shared.files))
        self._is_below = cache(graph.is_ancestor)  # branches are put on the same few revisions
        self._rank = {name: number for number, name in enumerate(graph.order)}
        odd = graph.labelled or graph.dependencies or graph.duplicates or graph.missing
        self._is_plain = (
            not (odd or shared.unplaced or shared.unreadable)
            and len(graph.bases) == len(graph.heads) == 1
        )

    def shorten(self, files: Iterable[MigrationFile]) -> tuple[MigrationFile, ...] | None:
        """A chain with little in it of what all have, and as broken as it is in full.

        Returns:
            ``None`` where it cannot be shortened without a doubt.
        """
        files = tuple(files)
        new = [file for file in files if id(file) not in self._files]
        if not self._is_plain or len(files) - len(new) != len(self._files):
            return None
        kept = {*self._graph.bases, *self._graph.heads}
        for file in new:
            header = file.reading
            if not isinstance(header, Header) or header.branch_labels != ():
                return None
            named = (header.down_revision, header.depends_on, (header.revision,))
            if any(names is None or None in names for names in named):
                return None
            kept.update(name for names in named for name in names or () if name in self._rank)
        if not all(self._resolves(file, new) for file in new):
            return None
        order = sorted(kept, key=self._rank.__getitem__)
        if not all(starmap(self._is_below, pairwise(order))):
            return None
        below: tuple[str, ...] = ()
        short = []
        for name in order:
            file = self._shared.file(name)
            header = self._shared.header(name)._replace(down_revision=below)
            short.append(file._replace(reading=header))
            below = (name,)
        return (*short, *new)

    def _resolves(self, file: MigrationFile, new: Iterable[MigrationFile]) -> bool:
        """Whether all that a header names is there by its full name."""
        header = file.reading
        assert isinstance(header, Header)
        ids = {each.reading.revision for each in new if isinstance(each.reading, Header)}
        names = (*(header.down_revision or ()), *(header.depends_on or ()))
        return all(name in self._rank or name in ids for name in names)
