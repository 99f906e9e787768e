"""At which revisions Alembic's own upgrade of databases stops."""

from __future__ import annotations

from flask_chainfix.evidence import Ancestry, upgrade_order
from flask_chainfix.graph import impassable, stuck_at
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps.writers import applied_in, published_in


def stuck_revisions(snapshot: Snapshot) -> frozenset[str]:
    """The revisions at which ``upgrade heads`` stops because of what they name in vain.

    It is looked at from a new database, from one that has run all that such a revision requires,
    and from those that are known. Where Alembic has no fixed order, it can stop at all of them.
    """
    graph = snapshot.graph
    tied = frozenset(impassable(graph))
    if not tied:
        return tied
    runs_before = Ancestry(graph)
    places = {frozenset[str]()}
    places |= {frozenset(graph.required([revision]) - {revision}) for revision in tied}
    for applied in (*applied_in(snapshot), *published_in(snapshot)):
        places.add(frozenset(graph.required(applied.revisions.intersection(graph))))
    stuck: set[str] = set()
    for done in places:
        order = upgrade_order(graph, runs_before, done)
        if order is None:
            return tied
        stuck |= stuck_at(graph, done, sorted(order, key=order.__getitem__))
    return frozenset(stuck)
