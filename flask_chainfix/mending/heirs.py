"""Which of several files with one id a child of that id is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask_chainfix.evidence import key_of
from flask_chainfix.mending.case import Case, is_same_file
from flask_chainfix.mending.renaming import Child
from flask_chainfix.model import Action, Header, MigrationFile, Reason


class Heir(NamedTuple):
    """The file that a child is on, and why."""

    file: MigrationFile
    why: Reason


_Excludes = Callable[[Case, Child, MigrationFile], str]


def heir_of(case: Case, child: Child, files: Sequence[MigrationFile]) -> Heir | None:
    """Find the file that a child is on: the only one that evidence leaves.

    Args:
        case: the chain and what is known of it.
        child: what names the id.
        files: those that have it.

    Returns:
        ``None`` where evidence leaves several.
    """
    publisher = case.publisher(child.file)
    published = [file for file in files if publisher and case.publisher(file) == publisher]
    if len(published) == 1:
        return Heir(published[0], Reason("published", f"{publisher} has {child.revision} on it"))
    needed = [file for file in files if _makes_what_is_used(case, child, file)]
    if len(needed) == 1:
        why = f"{child.revision} uses what {needed[0].name} makes"
        return Heir(needed[0], Reason("schema", why))
    left = list(files)
    for kind, excludes in _EVIDENCE.items():
        said = {file.path: excludes(case, child, file) for file in left}
        remaining = [file for file in left if not said[file.path]]
        if len(remaining) == 1:
            return Heir(remaining[0], Reason(kind, next(filter(None, said.values()))))
        left = remaining or left
    return None


def _makes_what_is_used(case: Case, child: Child, file: MigrationFile) -> bool:
    effects = case.snapshot.footprint(file).effects
    made = {key_of(each.object) for each in effects if each.action is Action.CREATE}
    return any(
        key_of(each.object) in made
        for each in case.snapshot.footprint(child.file).effects
        if each.action is not Action.CREATE
    )


def _is_below(case: Case, child: Child, file: MigrationFile) -> str:
    """A file that is itself on the child cannot be below it."""
    assert isinstance(file.reading, Header)
    graph = case.snapshot.graph
    named = (*(file.reading.down_revision or ()), *(file.reading.depends_on or ()))
    below = graph.required(name for name in named if name in graph)
    return f"{file.name} is itself above {child.revision}" if child.revision in below else ""


def _was_not_there(case: Case, child: Child, file: MigrationFile) -> str:
    """What was not on the branch on which the child landed."""
    landing = case.history.landing(child.file.path)
    assert isinstance(file.reading, Header)
    if landing is None or case.chain_at is None or (then := case.chain_at(landing.commit)) is None:
        return ""
    there = then.files_by_revision.get(str(file.reading.revision), ())
    if not there or any(is_same_file(each, file) for each in there):
        return ""
    return f"commit {landing.commit}, which added {child.revision}, has no {file.name}"


def _is_of_others(case: Case, child: Child, file: MigrationFile) -> str:
    """What is published, below a child that is not."""
    publisher = case.publisher(file)
    if case.publisher(child.file) or not publisher:
        return ""
    return f"{publisher} has {file.name}, and not {child.revision}"


def _had_not_landed(case: Case, child: Child, file: MigrationFile) -> str:
    landing = case.landed_before(child.file, file)
    if landing is None:
        return ""
    return f"{child.revision} landed in commit {landing.commit}, and {file.name} had not by then"


def _was_not_created(case: Case, child: Child, file: MigrationFile) -> str:
    if not case.created_before(child.file, file):
        return ""
    return f"{child.revision} has an older Create Date than {file.name}"


_EVIDENCE: dict[str, _Excludes] = {
    "chain": _is_below,
    "branch": _was_not_there,
    "published": _is_of_others,
    "git": _had_not_landed,
    "date": _was_not_created,
}
