"""Parents that need no guess, and migrations whose header is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from flask_chainfix import source
from flask_chainfix.chain.graph import Graph
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header, MigrationFile, ProblemKind
from flask_chainfix.model.plans import Mend, Part, Reason
from flask_chainfix.planning.mending.case import Case, header_of
from flask_chainfix.planning.mending.cycles import ways_out


def attached_parents(case: Case) -> Iterator[Mend]:
    """Apply ``--attach`` where parents are at fault; sound parents stay.

    Raises:
        CannotPlan: a revision would run after itself.
        CannotRewrite: a file cannot be changed with certainty.
    """
    snapshot = case.snapshot
    graph = snapshot.graph
    in_cycles = {member for members in graph.cycles for member in members}
    pinned: dict[str, tuple[str, ...]] = {}
    for revision, parent in case.wishes.attach.items():
        if revision not in graph or parent not in graph:
            continue  # which is told when the wishes are compared with the chain
        sound = _sound_parents(graph, revision, in_cycles)
        if len(sound) == len(graph.named_parents[revision]):
            continue
        kept = [name for name in sound if not graph.is_ancestor(name, parent)]
        kept += [parent] if not any(graph.is_ancestor(parent, name) for name in kept) else []
        pinned[revision] = tuple(dict.fromkeys(kept))
    _refuse_cycles(case, pinned)
    for revision, parents in pinned.items():
        code = "FC105" if revision in in_cycles else "FC103"
        why = Reason("pin", f"--attach {revision}={case.wishes.attach[revision]}")
        yield case.rewritten(code, Part.PARENTS, snapshot.file(revision), parents, why)


def published_parents(case: Case) -> Iterator[Mend]:
    """Put published revisions back on the parents that they have where they are published.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    snapshot = case.snapshot
    graph = snapshot.graph
    in_cycles = {member for members in graph.cycles for member in members}
    for revision in dict.fromkeys((*graph.missing_parents, *in_cycles)):
        file = snapshot.file(revision)
        published = case.published(file)
        if published is None:
            continue
        chain, then = published
        parents = snapshot.header(revision).down_revision
        meant = header_of(then).down_revision
        if meant is not None and meant != parents and all(name in graph for name in meant):
            code = "FC105" if revision in in_cycles else "FC103"
            why = Reason("published", f"{chain.short} has it on {listing(meant) or 'nothing'}")
            yield case.rewritten(code, Part.PARENTS, file, meant, why)


def _refuse_cycles(case: Case, pinned: Mapping[str, tuple[str, ...]]) -> None:
    """Stop where ``--attach`` would put a revision on one that runs after it.

    Raises:
        CannotPlan: with the members of the cycle.
    """
    graph, attach = case.snapshot.graph, case.wishes.attach
    to_be = {**{name: (parent,) for name, parent in attach.items()}, **pinned}
    if not to_be:
        return
    planned = Graph(
        header._replace(down_revision=to_be.get(str(header.revision), header.down_revision))
        for header in case.snapshot.headers
    )
    for members in planned.cycles:
        for revision in members:
            if revision not in pinned or attach[revision] not in members:
                continue
            others = {name: parent for name, parent in attach.items() if name != revision}
            without = replace(case, wishes=replace(case.wishes, attach=others))
            now = next((each for each in graph.cycles if revision in each), None)
            remedy = Remedy.of("attach it to a revision that does not run after it")
            raise CannotPlan(
                f"--attach {revision}={attach[revision]} would put it into a cycle of"
                f" {listing(members)}",
                ways_out(without, now) if now else remedy,
            )


def _sound_parents(graph: Graph, revision: str, in_cycles: set[str]) -> list[str]:
    """The parents that exist and are not in a cycle with the revision."""
    return [
        name
        for name in graph.parents[revision]
        if not (revision in in_cycles and name in in_cycles)
    ]


# --- FC110: migrations whose header is computed, planned around where their place is clear -------


def placed(snapshot: Facts) -> tuple[Facts, tuple[str, ...]]:
    """The chain with computed headers replaced by what the rest of the chain says of them.

    Returns:
        That chain, and what was taken for what, for the user.
    """
    taken = dict(_taken(snapshot))
    if not taken:
        return snapshot, ()
    files = tuple(
        file._replace(reading=taken[file.path]) if file.path in taken else file
        for file in snapshot.files
    )
    return replace(snapshot, files=files), tuple(
        f"the header of {path.name} is computed; it is taken for {header.revision} on"
        f" {', '.join(header.down_revision or ()) or 'nothing'}, and Alembic will check that"
        for path, header in taken.items()
    )


def _taken(snapshot: Facts) -> Iterator[tuple[Path, Header]]:
    missing = {name for names in snapshot.graph.missing_parents.values() for name in names}
    for file in snapshot.unplaced:
        header = header_of(file)
        if any(problem.kind is ProblemKind.NOT_A_STRING for problem in header.problems):
            continue  # what it says is known, and Alembic refuses it
        if header.revision is None:
            if len(snapshot.anonymous) != 1 or len(missing) != 1 or snapshot.unreadable:
                continue
            header = header._replace(revision=next(iter(missing)))
        if header.down_revision is None:
            parents = _stated(snapshot, file)
            if parents is None:
                continue
            header = header._replace(down_revision=parents)
        problems = tuple(
            problem
            for problem in header.problems
            if problem.name not in ("revision", "down_revision")
        )
        yield file.path, header._replace(problems=problems)


def _stated(snapshot: Facts, file: MigrationFile) -> tuple[str, ...] | None:
    """The parents that the docstring names, if there are such revisions."""
    revises = header_of(file).revises
    if revises is None:
        return None
    stated = source.stated_parents(revises)
    return stated if all(name in snapshot.graph for name in stated) else None
