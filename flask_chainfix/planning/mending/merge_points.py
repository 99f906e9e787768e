"""Merge points: the parents that they lost, and those that they name needlessly (FC112)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.chain.ancestry import impassable, is_redundant, redundant_parents
from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.has_run import stuck_revisions
from flask_chainfix.databases.applied.lost import survivors
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.plans import GUESS, Mend, Part, Reason
from flask_chainfix.planning.mending.case import Case, header_of, reason_before

_MERGES = re.compile(r"(?<![^\W_])merg(?:e|es|ed|ing)(?![^\W_])", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_PART_OF_ID = 4  # characters


class NewParents(NamedTuple):
    """The parents for a merge point, and why."""

    parents: tuple[str, ...]
    why: tuple[Reason, ...]


def merges_on_nothing(case: Case) -> Iterator[Mend]:
    """FC101: an empty base that calls itself a merge gets the heads as parents.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    graph = case.snapshot.graph
    for revision in graph.bases if len(graph.bases) > 1 else ():
        file = case.snapshot.file(revision)
        if says_that_it_merges(file) and source.does_nothing(file.data):
            joined = heads_joined(case, revision)
            if joined is not None and joined.parents:
                yield case.rewritten("FC101", Part.PARENTS, file, joined.parents, *joined.why)
                return


def says_that_it_merges(file: MigrationFile) -> bool:
    """Whether a migration is a merge point by its message or name."""
    return any(_MERGES.search(text) for text in (header_of(file).message, file.name))


def heads_joined(
    case: Case, revision: str, kept: tuple[str, ...] = (), lost: Collection[str] = ()
) -> NewParents | None:
    """The heads that a merge point was made to join.

    Returns:
        The parents; ``None`` if they are unknown.
    """
    file = case.snapshot.file(revision)
    if stated := _parents_in_text(case.snapshot, revision, kept):
        return stated
    earlier = NewParents(*case.earlier_parents(revision, least=2))
    if earlier.parents:
        return earlier
    anchors = [row for name in lost for row in survivors(case.snapshot, name).rows]
    rest = _main_lineage_without(case.snapshot, [revision])
    later = {name: _came_later(case, file, name) for name in rest}
    graph = case.snapshot.graph
    heads = graph.heads_among([name for name in rest if not later[name]])
    heads = [head for head in heads if head not in graph.ancestors(kept) | graph.descendants(kept)]
    if anchors:
        above = graph.descendants(anchors)
        heads = [head for head in heads if head in above] or heads
    if not heads and not kept:
        return None
    parents = (*kept, *heads)
    what = f"{listing(heads)}: the {'head' if len(heads) == 1 else 'heads'} that it joins"
    why = [Reason("merge", what if heads else "there is no other head for it to join")]
    by_date = [each for each in graph.heads_among(rest) if later[each] == "date"]
    if by_date:
        detail = f"{revision} joins {listing(heads)}, as only dates show that {by_date[0]} is later"
        why.append(Reason(GUESS, detail))
    return NewParents(parents, tuple(why))


def head_for(snapshot: Facts, revisions: Collection[str], lost: str) -> str | None:
    """The head that revisions would follow if the lost revision below them were left out.

    Returns:
        The head; ``None`` if it is unclear which, or the lost one began a lineage of its own.
    """
    rest = _main_lineage_without(snapshot, revisions)
    anchors = [row for row in survivors(snapshot, lost).rows if row in rest]
    if not anchors and _began_lineage(snapshot, lost, rest):
        return None
    heads = snapshot.graph.heads_among(rest)
    above = snapshot.graph.descendants(anchors)
    on_them = [head for head in heads if head in above] if anchors else heads
    found = on_them if len(on_them) == 1 else anchors
    return found[0] if len(found) == 1 else None


def _began_lineage(snapshot: Facts, lost: str, rest: Collection[str]) -> bool:
    """Whether a lost revision, or one below it, had a label, or a version location of its own."""
    known = snapshot.databases.lost
    gone = [known[name] for name in survivors(snapshot, lost).between if name in known]
    headers = (source.read(each.data, each.path.name) for each in gone)
    if any(isinstance(each, Header) and each.branch_labels for each in headers):
        return True
    places = {snapshot.version_location(snapshot.file(name).path) for name in rest}
    paths = (each.path for each in gone if snapshot.environment.covers(each.path.parent))
    return any(snapshot.version_location(path) not in places for path in paths)


def _parents_in_text(snapshot: Facts, revision: str, kept: tuple[str, ...]) -> NewParents | None:
    """The parents that the docstring or the message names, if all of them exist."""
    header = snapshot.header(revision)
    above = snapshot.graph.descendants([revision])
    stated = source.stated_parents(header.revises or "")
    if len(stated) > 1 and all(name in snapshot.graph and name not in above for name in stated):
        why = Reason("docstring", f"its docstring says “Revises: {header.revises}”")
        return NewParents(tuple(dict.fromkeys((*kept, *stated))), (why,))
    ids = []
    for word in _WORD.findall(header.message):
        meant = [word] if word in snapshot.graph else []
        if not meant and len(word) >= _PART_OF_ID:
            meant = [name for name in snapshot.graph if name.startswith(word)]
        ids += meant if len(meant) == 1 else []
    found = tuple(dict.fromkeys((*kept, *(id_ for id_ in ids if id_ not in above))))
    if len(found) > 1 and len(found) > len(kept):
        return NewParents(found, (Reason("message", f"its message says “{header.message}”"),))
    return None


def _main_lineage_without(snapshot: Facts, revisions: Collection[str]) -> list[str]:
    """The main lineage without these revisions, missing ones, and everything above either."""
    graph = snapshot.graph
    hanging = graph.descendants([*revisions, *graph.missing_parents])
    lineages = find_lineages(snapshot)
    apart = {name for name, each in lineages.by_revision.items() if each is not lineages.main}
    rest = [name for name in graph.order if name not in hanging]
    return [name for name in rest if name not in apart] or rest


def _came_later(case: Case, file: MigrationFile, revision: str) -> str:
    """The evidence that a revision came after a file: ``git``, ``date``, or ``""``."""
    other = case.snapshot.file(revision)
    if case.chain_when_added(file) is not None:
        return "git" if reason_before(case, file, other, "branch") else ""
    if reason_before(case, file, other, "git"):
        return "git"
    mine, its = case.landing(file), case.landing(other)
    differ = mine is not None and its is not None and mine.position != its.position
    return "date" if not differ and reason_before(case, file, other, "date") else ""


# --- FC112: redundant parents and dependencies are removed ---------------------------------------


def parents_that_say_nothing(case: Case) -> Iterator[Mend]:
    """Remove redundant parents, only with ``--strict``: Alembic can use such a chain."""
    if not case.wishes.strict:
        return
    snapshot = case.snapshot
    for revision, redundant in redundant_parents(snapshot.graph).items():
        # A parent that is named twice is redundant once.
        parents = dict.fromkeys(snapshot.graph.parents[revision])
        lower = [name for name in redundant if is_redundant(snapshot.graph, revision, name)]
        kept = (name for name in parents if name not in lower)
        yield _with_parents(case, revision, kept, redundant)


def ties_that_stop_alembic(case: Case) -> Iterator[Mend]:
    """Remove parents and dependencies that another one of the same revision requires anyway."""
    graph, stuck = case.snapshot.graph, stuck_revisions(case.snapshot)
    for revision, lower in impassable(graph).items():
        if revision not in stuck and not case.wishes.strict:
            continue
        parents = graph.parents[revision]
        needless = [name for name in lower if name not in parents]
        dropped = [name for name in lower if is_redundant(graph, revision, name)]
        if needless:
            why = f"another revision that it names requires {listing(needless)}"
            yield case.without_dependencies("FC112", revision, needless, Reason("redundant", why))
        elif dropped:
            kept = dict.fromkeys(name for name in parents if name not in dropped)
            yield _with_parents(case, revision, kept, dropped)
        else:
            yield _tied_by_parents(case, revision, lower[0])


def _tied_by_parents(case: Case, revision: str, lower: str) -> Mend:
    """Turn the dependency from a merge point to one of its parents into a parent.

    For Alembic the two are equivalent, except that nothing else has it as a parent: removed only
    from the merge point, it would become a head, or be cut off from the rest.
    """
    graph = case.snapshot.graph
    dependent, needed = _dependency_on_the_way(graph, revision, lower)
    why = Reason("tie", f"it depends on {needed}, and {revision} could not name {lower} beside it")
    below = graph.ancestors([needed])
    parents = *(each for each in graph.parents[dependent] if each not in below), needed
    return case.rewritten("FC112", Part.PARENTS, case.snapshot.file(dependent), parents, why)


def _dependency_on_the_way(graph: Graph, revision: str, lower: str) -> tuple[str, str]:
    """The topmost dependency between a revision and a parent that another of its names requires.

    Of all ways between them it is on one with the fewest dependencies. So it cannot become a
    redundant parent, which another mend would remove again.
    """
    came: dict[str, str] = {}
    pending = deque([(revision, "")])
    while lower not in came:
        at, above = pending.popleft()
        if at in came:
            continue
        came[at] = above
        for name in graph.requirements(at):
            if name not in graph.parents[at]:
                pending.append((name, at))
            elif (at, name) != (revision, lower):
                pending.appendleft((name, at))
    way = [lower]
    while way[-1] != revision:
        way.append(came[way[-1]])
    links = zip(way[:0:-1], way[-2::-1], strict=True)
    return next((at, name) for at, name in links if name not in graph.parents[at])


def _with_parents(
    case: Case, revision: str, parents: Iterable[str], dropped: Collection[str]
) -> Mend:
    names, kept = ", ".join(dropped), tuple(parents)
    twice = set(dropped).issubset(kept)
    what = f"it names {names} twice" if twice else f"another of its parents builds on {names}"
    why, file = Reason("redundant", what), case.snapshot.file(revision)
    return case.rewritten("FC112", Part.PARENTS, file, kept, why)
