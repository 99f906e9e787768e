"""Rows, the sets of revisions that they stand for, and Alembic's commands to change them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.quoting import operand, option
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.model.databases import DatabaseStatus, Move, MoveResult, MoveState


@lru_cache(maxsize=256)  # most databases of a project have the same few stamps
def stood_for(graph: Graph, rows: tuple[str, ...]) -> frozenset[str]:
    """What has run in a database with these rows: their revisions and all that these require."""
    return frozenset(graph.required(row for row in rows if row in graph))


def overlaps(graph: Graph, rows: Iterable[str]) -> tuple[str, ...]:
    """The rows that another row already stands for; Alembic refuses to upgrade from these."""
    numbers = Counter(row for row in rows if row in graph)
    lower = _lower(graph, numbers, graph.requirements, graph.required)
    return tuple(row for row, number in numbers.items() if number > 1 or row in lower)


@lru_cache(maxsize=256)
def can_stand(graph: Graph, rows: tuple[str, ...]) -> bool:
    """Whether a chain can have written rows: it has them all, and none is an ancestor of another.

    Bugs in Alembic can leave the same row several times, and a row beside one that depends on it;
    such rows are taken literally.
    """
    if any(row not in graph for row in rows):
        return False
    return not _lower(graph, set(rows), graph.parents.__getitem__, graph.ancestors)


def _lower(
    graph: Graph,
    rows: Collection[str],
    required: Callable[[str], tuple[str, ...]],
    reach: Callable[[Iterable[str]], set[str]],
) -> set[str]:
    """Those of some revisions that are below another of them."""
    lower = reach(below for row in rows for below in required(row)).intersection(rows)
    if graph.cycles:  # whose members are below themselves
        return {each for each in lower if any(each in reach([row]) for row in rows if row != each)}
    return lower


def gaps(graph: Graph, revisions: Iterable[str]) -> tuple[str, ...]:
    """What must run before these revisions and is missing from them, in the order of the chain."""
    have = set(revisions)
    missing = graph.required(have) - have
    return tuple(revision for revision in graph.order if revision in missing) if missing else ()


def newly_skipped(now: Graph, after: Graph, run: Collection[str]) -> tuple[str, ...]:
    """The gaps that a changed chain would make among applied revisions, in its order."""
    have = [each for each in run if each in after]
    missing = gaps(after, have)
    already = gaps(now, have) if missing else ()
    return tuple(each for each in missing if each not in already)


def tops(graph: Graph, revisions: Collection[str]) -> tuple[str, ...]:
    """The rows that stand for a set without gaps: its maximal elements, sorted."""
    below = {required for revision in revisions for required in graph.requirements(revision)}
    return tuple(sorted(revision for revision in revisions if revision not in below))


def stamp_commands(graph: Graph, before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Alembic's commands that turn rows into others.

    Alembic's ``stamp`` replaces the rows above and below a revision, and keeps parallel ones. So
    the commands may first stamp a common ancestor. Rows that overlap it only takes away together.
    """
    if overlaps(graph, before):
        return _stamps(("base", *after))
    beside = [row for row in before if not any(_in_line(graph, row, other) for other in after)]
    if not beside and after:
        return _stamps(row for row in after if row not in before)
    common = stood_for(graph, tuple(before)) & stood_for(graph, tuple(after))
    over = tops(graph, common)
    if any(not any(_in_line(graph, row, lower) for lower in over) for row in beside):
        over = ()
    return _stamps(over or ["base"]) + _stamps(row for row in after if row not in over)


def counting_as(other: str, *lost: str) -> str:
    """The command that counts lost revisions as another one in the databases."""
    taken = " ".join(option("--lost", f"{revision}={other}") for revision in lost)
    return f"{{fixchain}} restamp {taken}{{databases}}"


def catching_up(graph: Graph, run: Collection[str], rows: Sequence[str]) -> Remedy:
    """The commands that make Alembic run skipped revisions.

    Args:
        graph: the chain.
        run: the revisions that have run.
        rows: the stamp.
    """
    skipped = gaps(graph, run)
    below = graph.required(skipped).difference(skipped)
    return way(
        f"have Alembic run {', '.join(skipped)} there, and put the stamp back",
        *stamp_commands(graph, rows, tops(graph, below)),
        *(f"{{alembic}} upgrade {operand(top)}" for top in tops(graph, skipped)),
        *_stamps(tops(graph, {*run, *skipped})),
    )


def taking_down(graph: Graph, run: Collection[str], apart: Collection[str]) -> tuple[str, ...]:
    """Alembic's commands that downgrade revisions and their descendants, and nothing else."""
    targets: dict[str, list[str]] = {}
    for revision in graph.order:
        parents = graph.parents[revision]
        if revision in run and revision in apart and not any(each in apart for each in parents):
            targets.setdefault(parents[0] if parents else "base", []).append(revision)
    names: list[str] = []
    for target, revisions in targets.items():
        beside = graph.bases if target == "base" else graph.children[target]
        parted = any(each in run and each not in apart for each in beside)
        names += [f"{each}@{target}" for each in revisions] if parted else [target]
    return tuple(f"{{alembic}} downgrade {operand(name)}" for name in names)


def are_tied(graph: Graph, revisions: Collection[str]) -> bool:
    """Whether ``depends_on`` connects one of the revisions with another."""
    tied = {name for names in graph.dependencies.values() for name in names}
    return any(name in tied or graph.dependencies.get(name) for name in revisions)


def _in_line(graph: Graph, one: str, other: str) -> bool:
    return one in stood_for(graph, (other,)) or other in stood_for(graph, (one,))


def _stamps(rows: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{{alembic}} stamp {operand(row)}" for row in rows)


def since(graph: Graph, revision: str) -> str:
    """The range with which Alembic's offline mode runs one revision; all for a base or a merge."""
    parents = graph.parents[revision]
    start = f"{parents[0]}:" if len(parents) == 1 else ""
    return operand(f"{start}{revision}")


def refused(status: DatabaseStatus, detail: str, remedy: str | Remedy) -> MoveResult:
    """A database whose rows stay as they are."""
    stay = Move(status.name, status.identity, status.rows, status.rows)
    remedy = Remedy.of(remedy).placed(here=status.own)
    return MoveResult(stay, MoveState.REFUSED, detail, remedy)
