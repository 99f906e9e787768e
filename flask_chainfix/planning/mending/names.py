"""Ids, numbers, labels and docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import LONGEST_ID
from flask_chainfix.diagnosis.rules.headers import ILLEGAL, NO_LABELS, stale_docstrings
from flask_chainfix.model.files import Edit, MigrationFile
from flask_chainfix.model.plans import Mend, Part, Reason
from flask_chainfix.planning.mending.case import Case, header_of


class Child(NamedTuple):
    """A file that names an id.

    Attributes:
        revision: its own id.
        file: the file.
        part: whether it names the id as a parent or as a dependency.
    """

    revision: str
    file: MigrationFile
    part: Part


def children_of(case: Case, revision: str) -> Iterator[Child]:
    """The files that name an id as a parent or dependency."""
    for file, header in case.snapshot.readable:
        if header.revision is not None:
            if revision in (header.down_revision or ()):
                yield Child(header.revision, file, Part.PARENTS)
            if revision in (header.depends_on or ()):
                yield Child(header.revision, file, Part.DEPENDENCIES)


def new_id_for(case: Case, file: MigrationFile) -> str:
    """An unused id for a file that has one already."""
    header = header_of(file)
    return case.new_ids.next(file.data, header.message, str(header.revision))


def renamed(
    case: Case, revision: str, new_id: str, file: MigrationFile, why: tuple[Reason, ...]
) -> Mend:
    """Give a file a new id, also in its name if that contains the id."""
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


def followed(case: Case, child: Child, revision: str, new_id: str, *why: Reason) -> Mend:
    """Make a child name the new id instead of the old one."""
    file = next(each for each in case.snapshot.files if each.path == child.file.path)
    header = header_of(file)
    named = header.down_revision if child.part is Part.PARENTS else header.depends_on
    ids = tuple(new_id if name == revision else name for name in named or ())
    return case.rewritten("FC104", child.part, file, ids, *why)


# --- FC109: ids that are too long for the version table are shortened ----------------------------


def shortened(snapshot: Facts) -> tuple[Mend, ...]:
    """Shorten every id that is too long.

    Returns:
        The mends that write the new ids in every file that uses them.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    graph = snapshot.graph
    taken = {*graph, *graph.labelled}
    new_ids: dict[str, str] = {}
    for revision in graph:
        if len(revision) > LONGEST_ID:
            new_ids[revision] = next(id_ for id_ in _shorter(revision) if id_ and id_ not in taken)
            taken.add(new_ids[revision])
    return tuple(_shortening_mends(snapshot, new_ids)) if new_ids else ()


def _shorter(revision: str) -> Iterator[str]:
    """The start of an id; then, in case that is taken, the same with a number at the end."""
    yield revision[:LONGEST_ID].rstrip("_. ")
    number = 2
    while True:
        end = f"_{number}"
        yield revision[: LONGEST_ID - len(end)].rstrip("_. ") + end
        number += 1


def _shortening_mends(snapshot: Facts, new_ids: Mapping[str, str]) -> Iterator[Mend]:
    for file, header in snapshot.readable:
        old = header.revision
        if old is None:
            continue
        parents, dependencies = (
            tuple(new_ids.get(name, name) for name in names or ())
            for names in (header.down_revision, header.depends_on)
        )
        data = source.rewrite(
            file.data,
            file.name,
            parents if parents != header.down_revision else None,
            revision=new_ids.get(old),
            depends_on=dependencies if dependencies != header.depends_on else None,
        )
        if data == file.data:
            continue
        edit = Edit(file.path, file.data, data)
        if old in new_ids:
            why = Reason("length", f"{len(old)} characters, and {LONGEST_ID} fit")
            ids = (old,), (new_ids[old],)
            yield Mend("FC109", Part.ID, old, file.path, *ids, (why,), (edit,), frees_id=True)
        else:
            why = Reason("length", "what it names has a shorter id now")
            before, after, part = header.down_revision or (), parents, Part.PARENTS
            if before == after:
                before, after, part = header.depends_on or (), dependencies, Part.DEPENDENCIES
            yield Mend("FC109", part, old, file.path, before, after, (why,), (edit,))


# --- Numbered revisions: mine are renumbered to be unique and ascending --------------------------


def numbers_of_their_own(case: Case) -> Iterator[Mend]:
    """Renumber one revision of mine that has the number of a published one (``0033_x``).

    The mender runs again for the next one.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    counting, graph = case.new_ids.counting, case.snapshot.graph
    if counting is None or not counting.separator:
        return
    taken: dict[str, str] = {}
    for chain in case.snapshot.published_chains:
        for name in chain.revisions:
            number = counting.number(name)
            if number is not None and name in graph:
                taken[number] = name
    for revision in graph.order if taken else ():
        other = taken.get(counting.number(revision) or "")
        if other is None or other == revision or case.publisher(case.snapshot.file(revision)):
            continue
        if other in graph.required([revision]) or revision in graph.required([other]):
            continue
        why = Reason("number", f"{other} has the same number, and is published")
        yield from _renumbered(case, revision, why)
        return


def numbers_that_rise(case: Case) -> Iterator[Mend]:
    """Renumber one revision of mine whose number is now lower than its parent's.

    The mender runs again for the next one.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    counting, made = case.new_ids.counting, case.new_ids.made
    if counting is None or not made or not case.snapshot.published_chains:
        return
    graph = case.snapshot.graph
    for revision in graph.order:
        parent = next((each for each in graph.parents[revision] if each in made), None)
        if parent is None or revision in made or not counting.is_before(revision, parent):
            continue
        (file, *others) = case.snapshot.files_by_revision[revision]
        if others or case.publisher(file):
            continue
        why = Reason("number", f"{revision} follows {parent}, and continues its numbers")
        yield from _renumbered(case, revision, why)
        return


def _renumbered(case: Case, revision: str, why: Reason) -> Iterator[Mend]:
    file = case.snapshot.file(revision)
    new_id = new_id_for(case, file)
    for child in children_of(case, revision):
        mend = followed(case, child, revision, new_id, why)
        case = replace(case, snapshot=case.snapshot.after(mend.edits))
        yield mend
    yield replace(renamed(case, revision, new_id, file, (why,)), frees_id=True)


# --- FC113: duplicate branch labels are replaced as the user chooses -----------------------------


def labels_of_choice(case: Case) -> Iterator[Mend]:
    """Apply ``--relabel``: give a revision the labels that the user names.

    Raises:
        CannotPlan: there is no such revision.
        CannotRewrite: a file cannot be changed with certainty.
    """
    for revision, labels in case.wishes.relabel.items():
        if revision not in case.snapshot.graph:
            raise CannotPlan(
                f"there is no revision {revision!r} in this chain",
                "give --relabel the full id of an existing revision",
            )
        for label in labels:
            if label in case.snapshot.graph or label in NO_LABELS or ILLEGAL.intersection(label):
                raise CannotPlan(
                    f"{label!r} cannot be a branch label: it is a revision's id, or means something"
                    " to Alembic",
                    "choose another word for --relabel, without @, -, + and :",
                )
        if case.snapshot.header(revision).branch_labels != labels:
            why = Reason("pin", f"--relabel {revision}={','.join(labels)}")
            yield case.rewritten("FC113", Part.LABELS, case.snapshot.file(revision), labels, why)


# --- FC111: the docstring's `Revises:` line must match `down_revision` ---------------------------


def docstrings_in_step(case: Case) -> Iterator[Mend]:
    """Correct ``Revises:`` lines, only with ``--docstrings`` or ``--strict``: Alembic ignores them.

    Raises:
        CannotRewrite: a line cannot be changed with certainty, and ``--docstrings`` asks for it.
    """
    ignored = "FC111" in case.snapshot.environment.settings.ignore
    if not (case.wishes.docstrings or (case.wishes.strict and not ignored)):
        return
    for file, revision, revises, parents in stale_docstrings(case.snapshot):
        try:
            edit = Edit(file.path, file.data, source.restate(file.data, file.name))
        except CannotRewrite:
            if case.wishes.docstrings:
                raise
            continue  # the rest of the repair is still useful
        why = Reason("docstring", "Alembic goes by down_revision alone")
        said = source.stated_parents(revises)
        yield Mend("FC111", Part.DOCSTRING, revision, file.path, said, parents, (why,), (edit,))
