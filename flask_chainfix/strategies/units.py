"""Pieces of branches that can stay whole in any order worth finding.

A run of revisions, each the only child of the one before it, stays whole as long as at most one of
them has to do with other branches: moving the others beside that one never costs a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from flask_chainfix.graph import Graph


class Unit(NamedTuple):
    """Revisions that stay together.

    Attributes:
        revisions: parents first. All but the first follow each other, or branch off and merge
            again among themselves.
        parent: the revision that the first one follows now; ``None`` for a base.
    """

    revisions: tuple[str, ...]
    parent: str | None


def divide(graph: Graph, moving: Collection[str], apart: Collection[str]) -> list[Unit] | None:
    """Divide branches into units.

    Args:
        graph: the chain.
        moving: the revisions of the branches, with all that are below them.
        apart: those that have to do with other branches: each gets a unit of its own, unless it
            lies below a merge point.

    Returns:
        The units, each behind the one that it follows; ``None`` where branches that are to be
        linked have merged in part, so that no line can be made of them.
    """
    units: list[Unit] = []
    for piece in graph.pieces:
        revisions = [revision for revision in piece if revision in moving]
        merges = [revision for revision in revisions if len(graph.parents[revision]) > 1]
        stem = graph.ancestors(merges[-1:])
        branches = [revision for revision in revisions if revision not in stem]
        if not _grows_from(graph, stem, branches, merges):
            return None
        if stem:
            units.append(Unit(tuple(name for name in revisions if name in stem), None))
        units.extend(_runs(graph, branches, apart))
    return units


def _grows_from(
    graph: Graph, stem: Collection[str], branches: list[str], merges: list[str]
) -> bool:
    """Whether all branches begin at the last merge point, and the stem at one base."""
    if not stem:
        return True
    top = merges[-1]
    bases = sum(not graph.parents[revision] for revision in stem)
    return bases == 1 and all(
        len(graph.parents[revision]) == 1
        and (graph.parents[revision][0] == top or graph.parents[revision][0] not in stem)
        for revision in branches
    )


def _runs(graph: Graph, branches: list[str], apart: Collection[str]) -> Iterator[Unit]:
    done: set[str] = set()
    for start in branches:
        if start in done:
            continue
        run = [start]
        has_apart = start in apart
        while True:
            done.add(run[-1])
            children = graph.children.get(run[-1], ())
            if len(children) != 1 or (has_apart and children[0] in apart):
                break
            run.append(children[0])
            has_apart = has_apart or children[0] in apart
        parents = graph.parents[start]
        yield Unit(tuple(run), parents[0] if parents else None)
