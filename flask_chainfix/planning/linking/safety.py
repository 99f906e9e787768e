"""Refuse plans that would make a known database skip a revision, or run one again.

The main branch and releases count like databases that cannot be read from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flask_chainfix.chain import source
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import UnsafeForDatabases
from flask_chainfix.common.quoting import operand, option
from flask_chainfix.common.remedies import MERGE, REPAIR, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contents import (
    absent,
    contradicts,
    proves,
    reading_its_schema,
)
from flask_chainfix.databases.applied.contradictions import leaving_out
from flask_chainfix.databases.applied.has_run import (
    Applied,
    applied_by_rows,
    applied_in,
    published_in,
)
from flask_chainfix.databases.applied.rows import newly_skipped
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import can_have_file
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.model.plans import Mend, Part

_UPGRADE_FIRST = way(
    "upgrade that database with the chain as it is, if that works, and repair then",
    "{alembic} upgrade heads",
    REPAIR,
)


def _ways_to_repair(database: Applied, now: Graph, above: str) -> Remedy:
    merged = way("join the branches with a merge revision", MERGE)
    if database.published:
        return merged
    below = now.parents[above]
    if len(below) != 1 or database.status.by_user:
        return merged | _UPGRADE_FIRST
    return (
        merged
        | _UPGRADE_FIRST
        | way(
            f"or downgrade it to {below[0]} with the chain as it is, which can drop data, repair,"
            " and upgrade it again",
            f"{{alembic}} downgrade {operand(below[0])}",
            REPAIR,
            "{alembic} upgrade heads",
        )
    )


def refuse_unsafe(
    graph: Graph,
    now: Graph,
    databases: Sequence[Applied],
    ways: Callable[[Applied], Remedy] | None = None,
) -> None:
    """Refuse a chain that would make databases newly skip revisions.

    Args:
        graph: the planned chain.
        now: the current chain.
        databases: what has run in each database.
        ways: returns the remedy for a database; ``None`` for those of a repair.

    Raises:
        UnsafeForDatabases: a revision that a database has not run would end up below one that it
            has run.
    """
    for database in databases:
        skipped = newly_skipped(now, graph, database.revisions)
        if skipped:
            above = next(
                revision
                for revision in graph.order
                if revision in database.revisions and skipped[0] in graph.required([revision])
            )
            raise UnsafeForDatabases(
                f"{database.name} {database.has} {above} and not {skipped[0]}, which would come"
                " before it: Alembic would treat it as done there and never run it",
                ways(database) if ways else _ways_to_repair(database, now, above),
            )


# --- Revisions that a mend would mark as run -----------------------------------------------------
# If a parent is missing, or links form a cycle, it is unknown what a database that has run the
# revision has run below it. A mend that gives the revision a parent marks that parent as run; if it
# has not run, Alembic would never run it.


def refuse_unproven(before: Facts, after: Facts, mends: Sequence[Mend]) -> None:
    """Refuse mends that put a revision below an applied one unless it has certainly run as well.

    The tables that a revision makes prove that it has run. The user's word (``--attach``) counts
    unless a table contradicts it.

    Raises:
        UnsafeForDatabases: a database might skip a revision, or run one again.
    """
    links = [mend for mend in mends if mend.part in (Part.PARENTS, Part.DEPENDENCIES)]
    links = [mend for mend in links if mend.code in ("FC103", "FC105", "FC107")]
    if not links:
        return
    known = _certain_links(before)
    for applied in applied_by_rows(after):
        have = known.required(row for row in applied.status.rows if row in known)
        for mend in links:
            if mend.revision in applied.revisions | have:
                _refuse_unproven_link(after, applied, mend, have)
            if mend.code == "FC105" and "date" in {reason.kind for reason in mend.why}:
                _refuse_repeated(before, after, applied, mend)
    for landed in published_in(after):
        for mend in links:
            if mend.revision in landed.revisions and not _is_decided(mend):
                _refuse_unlanded(landed, mend)


def refuse_doubted(snapshot: Facts, placed: Collection[str]) -> None:
    """Refuse if a docstring says that a database has run more than the links say.

    Then somebody has changed a link by hand but not the ``Revises:`` line, and it is unknown
    whether the database ran the revision before or after that. Revisions that the link now leaves
    out would run there, perhaps again.

    Args:
        snapshot: the chain without faults in single migrations, and where its databases stand.
        placed: the revisions that the user has placed.

    Raises:
        UnsafeForDatabases: no table shows that they have not run.
    """
    graph = snapshot.graph
    named = {
        header.revision: source.stated_parents(header.revises) or ()
        for header in snapshot.headers
        if header.revision is not None and header.revision not in placed and header.revises
    }
    for applied in applied_in(snapshot):
        for revision in sorted(applied.revisions.intersection(named)):
            for parent in named[revision]:
                if parent not in graph or parent in {*applied.revisions, *graph.parents[revision]}:
                    continue
                if not absent(snapshot, applied.status, frozenset({parent})):
                    raise _doubted(snapshot, applied, revision, graph.parents[revision], parent)


def _doubted(
    snapshot: Facts, applied: Applied, revision: str, parents: Sequence[str], named: str
) -> UnsafeForDatabases:
    linked = f"{revision}, which is on {', '.join(parents) or 'nothing'}"
    name = applied.name
    return UnsafeForDatabases(
        f"{name} has run {linked}, and by its docstring on {named}: whether {named} has run there,"
        " too, is not known, and if so it would run again",
        reading_its_schema(snapshot, applied.status)
        | f"if {named} has run in {name}, make it the down_revision of {revision} again, by hand"
        | f"if not, correct the line “Revises:” in the docstring of {revision}"
        | leaving_out(snapshot, [name]),
    )


def _certain_links(snapshot: Facts) -> Graph:
    """The chain without the links of cycles, one of which is wrong."""
    members = {each for cycle in snapshot.graph.cycles for each in cycle}
    return Graph(
        header._replace(down_revision=(), depends_on=()) if header.revision in members else header
        for header in snapshot.headers
    )


def _refuse_unproven_link(after: Facts, applied: Applied, mend: Mend, have: set[str]) -> None:
    status = applied.status
    if status.tables is not None and contradicts(after, status, applied.revisions):
        on = f"on {', '.join(mend.after)}" if mend.after else "without a parent"
        raise UnsafeForDatabases(
            f"the tables of {status.name} show that something else has run there than"
            f" {mend.revision} {on} would mean",
            _ways_to_place(after, status, mend) | leaving_out(after, [status.name]),
        )
    if _is_decided(mend):
        return
    if mend.after:
        new = [name for name in mend.after if name not in mend.before and name not in have]
    else:  # a new base may have had any of them as its parent
        new = sorted(applied.revisions.intersection(after.graph).difference(status.rows, have))
    unproven = [name for name in new if not proves(after, status, name)]
    is_only_base = mend.code == "FC105" and set(after.graph.bases) == {mend.revision}
    if not unproven and (mend.after or is_only_base):
        return
    what = ", ".join(unproven) or "what was below it"
    raise UnsafeForDatabases(
        f"{status.name} has run {mend.revision}, and it is not known whether {what} has run"
        " there, too: if it has not, Alembic would never run it",
        reading_its_schema(after, status)
        | _way_to_confirm(after, status, mend, unproven)
        | leaving_out(after, [status.name]),
    )


def _refuse_unlanded(landed: Applied, mend: Mend) -> None:
    new = set(mend.after).difference(mend.before, landed.revisions)
    if new:
        what = listing(sorted(new))
        raise UnsafeForDatabases(
            f"{landed.name} has {mend.revision}, and not {what}: a database that stands there would"
            f" never run {what}",
            _way_past_main(mend, sorted(new))
            | f"correct down_revision or depends_on of {mend.revision} by hand",
        )


def _way_past_main(mend: Mend, new: Sequence[str]) -> Remedy:
    """The remedy if a squash does what a published revision was on: the user says so."""
    if mend.part is not Part.PARENTS or "schema" not in {each.kind for each in mend.why}:
        return Remedy()
    text = f"if such databases have all that {new[0]} makes, put {mend.revision} on it"
    return _attaching(text, mend.revision, new[0])


def _attaching(text: str, revision: str, parent: str) -> Remedy:
    return way(text, f"{REPAIR} {option('--attach', f'{revision}={parent}')}")


def _is_decided(mend: Mend) -> bool:
    """Whether the user or the main branch decides a link, or it is the same under another id."""
    reasons = {reason.kind for reason in mend.why}
    same_revision = mend.code != "FC105" and reasons == {"git"}
    return "pin" in reasons or reasons == {"published"} or same_revision


def _refuse_repeated(before: Facts, after: Facts, applied: Applied, mend: Mend) -> None:
    """Refuse if a cycle was opened by dates, and a revision now above may have run below."""
    graph, status = before.graph, applied.status
    members = next((set(each) for each in graph.cycles if mend.revision in each), set())
    required = graph.required(row for row in status.rows if row in graph)
    above = members.intersection(required).difference(applied.revisions)
    missing = {name for name, *_ in absent(after, status, frozenset(above))}
    run = sorted(above - missing)
    if run:
        raise UnsafeForDatabases(
            f"only dates show where to open the cycle of {mend.revision}, and it is not"
            f" known whether {', '.join(run)} has run in {status.name}: if it has, Alembic would"
            " run it again",
            reading_its_schema(after, status)
            | f"correct down_revision or depends_on of {listing(sorted(members))} by hand"
            | leaving_out(after, [status.name]),
        )


def _way_to_confirm(
    after: Facts, status: DatabaseStatus, mend: Mend, unproven: Sequence[str]
) -> Remedy:
    """The remedy: the user confirms that the revisions have run."""
    if mend.after:
        parent = (*unproven, *mend.after)[0]
        text = f"if {parent} has run there, put {mend.revision} on it"
        return _attaching(text, mend.revision, parent)
    if mend.code == "FC105":
        root = option("--root", mend.revision)
        return way(f"if {mend.revision} is the first revision", f"{REPAIR} {root}")
    return _ways_to_place(after, status, mend)


def _ways_to_place(after: Facts, status: DatabaseStatus, mend: Mend) -> Remedy:
    """The remedies for a revision with an unknown parent: to put it on the head of the rest."""
    graph, revision = after.graph, mend.revision
    heads = graph.heads_among(set(graph).difference(graph.descendants([revision])))
    below = frozenset(graph.required(heads))
    if mend.code == "FC107" or mend.after or len(heads) != 1 or absent(after, status, below):
        return Remedy.of(f"say with repair --attach what {revision} is on")
    (head,) = heads
    is_proven = proves(after, status, head)
    when = f"which {status.name} has run" if is_proven else f"if {head} has run there"
    remedy = _attaching(f"put {revision} on {head}, {when}", revision, head)
    gone = [name for name in mend.before if name not in graph and can_have_file(name)]
    for name in gone if len(mend.before) == 1 else ():
        tombstone = option("--tombstone", f"{name}={head}")
        remedy |= way(f"put a no-op revision in place of {name}", f"{REPAIR} {tombstone}")
    return remedy
