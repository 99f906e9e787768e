"""What a missing id may have been meant to be."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header

_WORD = re.compile(r"\w+")  # as Alembic makes slugs
_CERTAIN = 4  # characters; a shorter beginning may well have been an id of its own
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

    def __init__(self, snapshot: Facts) -> None:
        self._snapshot = snapshot

    def find(self, missing: str) -> Likeness | None:
        """What the id looks like most; ``None`` where it looks like nothing that is there."""
        return next(self.all(missing), None)

    def all(self, missing: str) -> Iterator[Likeness]:
        """All that the id looks like, the most certain first."""
        stem = missing[:-3] if missing.endswith(".py") else missing
        for file, header in self._files_called(stem):
            id_ = str(header.revision)
            detail = f"there is a file {file}, whose id is {id_!r}"
            certain = _is_name_of(stem, file, header.message)
            yield Likeness("file-name", id_, detail, certain=certain)
        for id_ in self._folded_ids.get(_fold(missing), ()):
            yield Likeness("case", id_, f"it differs only in case or spaces from {id_!r}")
        longer = self._ids_that_begin_with(missing)
        if len(longer) == 1:
            detail = f"it is the beginning of {longer[0]!r}"
            certain = len(missing) >= _CERTAIN
            yield Likeness("prefix", longer[0], detail, certain=certain)
        for owner in self._snapshot.graph.labelled.get(missing, ()):
            yield Likeness("label", owner, f"it is a branch label, of {owner}", certain=False)

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
    def _files_by_stem(self) -> Mapping[str, list[tuple[str, Header]]]:
        files: dict[str, list[tuple[str, Header]]] = {}
        for file in self._snapshot.files:
            if isinstance(file.reading, Header) and file.reading.revision:
                named = file.name, file.reading
                files.setdefault(file.name.rpartition(".")[0], []).append(named)
        return files

    @cached_property
    def _all_stems(self) -> str:
        return "\n".join(("", *self._files_by_stem, ""))

    def _files_called(self, text: str) -> list[tuple[str, Header]]:
        """The files of that name, or else the one whose name holds the text."""
        if text in self._files_by_stem:
            return self._files_by_stem[text]
        if len(text) < _TELLING or self._all_stems.count(text) != 1:
            return []
        at = self._all_stems.index(text)
        start = self._all_stems.rindex("\n", 0, at) + 1
        return self._files_by_stem[self._all_stems[start : self._all_stems.index("\n", at)]]

    def _ids_that_begin_with(self, prefix: str) -> list[str]:
        if not prefix:
            return []
        start = bisect_left(self._sorted_ids, prefix)
        return [id_ for id_ in self._sorted_ids[start : start + 2] if id_.startswith(prefix)]


def _is_name_of(text: str, file: str, message: str) -> bool:
    """Whether a text is the whole name of a file, or all of it before the slug of its message."""
    name = file.rpartition(".")[0]
    slug = "_".join(_WORD.findall(message)).lower()
    rest = name.removeprefix(f"{text}_")
    # Alembic cuts a long slug short, after a word and with an underscore.
    cut = rest.endswith("_") and slug.startswith(rest)
    return name == text or (rest not in ("", name) and (rest == slug or cut))


def missing_parents(snapshot: Facts) -> Mapping[str, tuple[str, ...]]:
    """The parents that no file has, by the revision that names them."""
    return _unexplained(snapshot, snapshot.graph.missing_parents)


def missing_dependencies(snapshot: Facts) -> Mapping[str, tuple[str, ...]]:
    """The same for ``depends_on``; none at all while some labels are computed."""
    if any(
        file.reading.branch_labels is None
        for file in snapshot.files
        if isinstance(file.reading, Header)
    ):
        return {}
    return _unexplained(snapshot, snapshot.graph.missing_dependencies)


def _unexplained(
    snapshot: Facts, named: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    if not named:
        return {}
    explained = _ids_that_may_exist(snapshot)
    missing = {
        revision: tuple(name for name in names if name not in explained)
        for revision, names in named.items()
    }
    return {revision: names for revision, names in missing.items() if names}


def _ids_that_may_exist(snapshot: Facts) -> frozenset[str]:
    """Missing ids that an unreadable file may have: these are no faults of their own."""
    graph = snapshot.graph
    if not snapshot.unreadable and not snapshot.anonymous:
        return frozenset()
    missing = {name for names in graph.missing_parents.values() for name in names}
    missing.update(name for names in graph.missing_dependencies.values() for name in names)
    explained = {name for name in missing if snapshot.unread(name) is not None}
    if len(missing - explained) <= len(snapshot.anonymous):
        return frozenset(missing)
    return frozenset(explained)


def _fold(revision: str) -> str:
    return "".join(revision.split()).casefold()
