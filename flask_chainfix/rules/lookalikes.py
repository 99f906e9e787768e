"""Which revision is meant where a name is named that no file has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from flask_chainfix.model import Header, MigrationFile
from flask_chainfix.snapshot import Snapshot

_TELLING = 6  # characters; a shorter part of a file's name says nothing


class Likeness(NamedTuple):
    """What a missing name looks like.

    Attributes:
        kind: ``file-name``, ``case``, ``prefix`` or ``label``.
        revision: the id that is meant; of a label, that of the revision which declares it.
        detail: why, in words that begin a sentence.
        certain: whether it can mean nothing else.
    """

    kind: str
    revision: str
    detail: str
    certain: bool = True


class Lookalikes:
    """Finds what a missing id may have been meant to be.

    Args:
        snapshot: the chain.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def find(self, missing: str) -> Likeness | None:
        """What the id looks like; ``None`` where it looks like nothing that is there."""
        owners = self._snapshot.graph.labelled.get(missing)
        if owners:
            detail = f"it is a branch label, of {owners[0]}"
            return Likeness("label", owners[0], detail, certain=False)
        same = self._folded_ids.get(_fold(missing), [])
        if len(same) == 1:
            return Likeness("case", same[0], f"it differs only in case or spaces from {same[0]!r}")
        stem = missing[:-3] if missing.endswith(".py") else missing
        file = self._files_by_stem.get(stem) or self._only_file_with(stem)
        if file is not None and isinstance(file.reading, Header) and file.reading.revision:
            id_ = file.reading.revision
            detail = f"there is a file {file.name}, whose id is {id_!r}"
            return Likeness("file-name", id_, detail, certain=file.name.startswith(stem))
        longer = self._ids_that_begin_with(missing)
        if len(longer) == 1:
            return Likeness("prefix", longer[0], f"it is the beginning of {longer[0]!r}")
        return None

    @cached_property
    def _sorted_ids(self) -> list[str]:
        return sorted(self._snapshot.graph)

    @cached_property
    def _folded_ids(self) -> dict[str, list[str]]:
        folded: dict[str, list[str]] = {}
        for id_ in self._snapshot.graph:
            folded.setdefault(_fold(id_), []).append(id_)
        return folded

    @cached_property
    def _files_by_stem(self) -> dict[str, MigrationFile]:
        return {file.name.rpartition(".")[0]: file for file in self._snapshot.files}

    @cached_property
    def _all_stems(self) -> str:
        return "\n".join(("", *self._files_by_stem, ""))

    def _only_file_with(self, text: str) -> MigrationFile | None:
        """The one file whose name holds the text."""
        if len(text) < _TELLING or self._all_stems.count(text) != 1:
            return None
        at = self._all_stems.index(text)
        start = self._all_stems.rindex("\n", 0, at) + 1
        return self._files_by_stem[self._all_stems[start : self._all_stems.index("\n", at)]]

    def _ids_that_begin_with(self, prefix: str) -> list[str]:
        if not prefix:
            return []
        start = bisect_left(self._sorted_ids, prefix)
        return [id_ for id_ in self._sorted_ids[start : start + 2] if id_.startswith(prefix)]


def missing_parents(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """The parents that no file has, by the revision that names them."""
    return _unexplained(snapshot, snapshot.graph.missing_parents)


def missing_dependencies(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """The same for ``depends_on``; none at all while some labels are computed."""
    if any(
        file.reading.branch_labels is None
        for file in snapshot.files
        if isinstance(file.reading, Header)
    ):
        return {}
    return _unexplained(snapshot, snapshot.graph.missing_dependencies)


def _unexplained(
    snapshot: Snapshot, named: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    if not named:
        return {}
    explained = _ids_that_may_exist(snapshot)
    missing = {
        revision: tuple(name for name in names if name not in explained)
        for revision, names in named.items()
    }
    return {revision: names for revision, names in missing.items() if names}


def _ids_that_may_exist(snapshot: Snapshot) -> frozenset[str]:
    """Missing ids that a file which could not be read may well have: no fault of their own."""
    graph = snapshot.graph
    if not snapshot.unreadable and not snapshot.anonymous:
        return frozenset()
    missing = {name for names in graph.missing_parents.values() for name in names}
    missing.update(name for names in graph.missing_dependencies.values() for name in names)
    explained = {
        name for name in missing if any(_mentions(file, name) for file, _ in snapshot.unreadable)
    }
    if len(missing - explained) <= len(snapshot.anonymous):
        return frozenset(missing)
    return frozenset(explained)


def _mentions(file: MigrationFile, revision: str) -> bool:
    return revision in file.name or revision.encode("utf-8", "surrogatepass") in file.data


def _fold(revision: str) -> str:
    return "".join(revision.split()).casefold()
