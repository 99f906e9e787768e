"""A revision gets another id: in its header and docstring, in its name, and where it is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from flask_chainfix.mending.case import Case
from flask_chainfix.model import Edit, Header, Mend, MigrationFile, Part, Reason


class Child(NamedTuple):
    """A file that names an id.

    Attributes:
        revision: its own id.
        file: the file.
        part: whether it names it as a parent or as a dependency.
    """

    revision: str
    file: MigrationFile
    part: Part


def children_of(case: Case, revision: str) -> Iterator[Child]:
    """Where an id is named as a parent or dependency, once for each file that does so."""
    for file in case.snapshot.files:
        header = file.reading
        if not isinstance(header, Header) or header.revision is None:
            continue
        for part, names in (
            (Part.PARENTS, header.down_revision),
            (Part.DEPENDENCIES, header.depends_on),
        ):
            if revision in (names or ()):
                yield Child(header.revision, file, part)


def new_id_for(case: Case, file: MigrationFile) -> str:
    """An id that no revision has, for a file that has one already."""
    header = file.reading
    assert isinstance(header, Header)
    return case.new_ids.next(file.data, header.message, str(header.revision))


def renamed(
    case: Case, revision: str, new_id: str, file: MigrationFile, why: tuple[Reason, ...]
) -> Mend:
    """A file with an id of its own, also in its name where that carries the id."""
    file = next(each for each in case.snapshot.files if each.path == file.path)
    mend = case.rewritten("FC104", Part.ID, file, (new_id,), *why)
    if case.snapshot.is_elsewhere(file.path):  # a link leads to that name
        return mend
    word = rf"(?<![^\W_]){re.escape(revision)}(?![^\W_])"
    path = file.path.with_name(re.sub(word, lambda _: new_id, file.name, count=1))
    if path == file.path or any(other.path == path for other in case.snapshot.files):
        return mend
    (edit,) = mend.edits
    return replace(mend, edits=(replace(edit, after=None), Edit(path, None, edit.after)))


def followed(case: Case, child: Child, revision: str, new_id: str, why: Reason) -> Mend:
    """A child that names the new id in place of the old one."""
    file = next(each for each in case.snapshot.files if each.path == child.file.path)
    header = file.reading
    assert isinstance(header, Header)
    named = header.down_revision if child.part is Part.PARENTS else header.depends_on
    ids = tuple(new_id if name == revision else name for name in named or ())
    return case.rewritten("FC104", child.part, file, ids, why)
