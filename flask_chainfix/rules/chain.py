"""Faults of the chain as a whole: several bases, several heads, cycles, redundant parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flask_chainfix.lineage import Lineage, find_lineages
from flask_chainfix.model import Severity
from flask_chainfix.rules.registry import Fault, rule
from flask_chainfix.rules.wording import count, listing
from flask_chainfix.snapshot import Snapshot


@rule(
    "FC101",
    "multiple-bases",
    Severity.ERROR,
    noun="base",
    breaks="a new database gets the bases in an order of Alembic's own, and can stop half-way",
    repairable=True,
)
def multiple_bases(snapshot: Snapshot) -> Iterator[Fault]:
    """Several migrations say `down_revision = None`, so the chain has several beginnings.

    It happens when `migrations/` is created anew beside an old chain, when a migration is
    written by hand or by a tool that does not know the others, and when files are copied from
    another project. Nothing says which beginning comes first, so Alembic runs them in an order of
    its own: one that uses a table of another may run before it.

    Where merge points already join the bases into one head, Alembic can use the chain: then this
    is a warning. Bases that are meant to stand apart are not counted: those with a branch label,
    alone in a version location of their own, tied to the others by `depends_on`, or listed as
    `intended_bases` in the settings.
    """
    lineages = find_lineages(snapshot)
    bases = lineages.bases
    if len(bases) < 2:
        return
    locations = [place for base in bases for place in snapshot.locations(base, "down_revision")]
    if lineages.joined:
        yield Fault(
            f"{count(len(bases), 'base')}, joined by merge points: {listing(bases)}",
            "nothing needs to be done; repair --strict links them into one chain",
            bases,
            locations,
            len(bases),
            Severity.WARNING,
            "nothing by itself: Alembic can use the chain, in an order of its own",
        )
    else:
        yield Fault(
            f"{count(len(bases), 'base')} where there should be one: {listing(bases)}",
            "repair links the others after the base that stays; bases that are meant to stand"
            " apart get a branch label, or are listed as intended_bases",
            bases,
            locations,
            len(bases),
        )


@rule(
    "FC102",
    "multiple-heads",
    Severity.ERROR,
    noun="head",
    breaks="“{alembic} upgrade” stops with “Multiple head revisions are present for given"
    " argument 'head'”, and no new migration can be made",
    repairable=True,
)
def multiple_heads(snapshot: Snapshot) -> Iterator[Fault]:
    """The chain ends in several heads, so "upgrade to the head" has no single meaning.

    It happens most often when two people write a migration at the same time, each on top of the
    same revision, and both are merged. Heads that are meant to stand apart are not counted:
    those of branches that each begin with a branch label, and those of lineages whose base is
    meant to stand apart.
    """
    heads = snapshot.graph.heads
    if len(heads) < 2:
        return
    for group in _groups(heads, find_lineages(snapshot).by_revision):
        unexplained = _heads_of_their_own(snapshot, group)
        if len(unexplained) > 1:
            yield Fault(
                f"{count(len(unexplained), 'head')} where there should be one:"
                f" {listing(unexplained)}",
                "repair links them into one chain, or joins them with a merge revision"
                " (--strategy merge); branches that are meant to stand apart each get a label",
                unexplained,
                [place for head in unexplained for place in snapshot.locations(head, "revision")],
                len(unexplained),
            )


def _groups(heads: Iterable[str], by_revision: Mapping[str, Lineage]) -> Iterator[list[str]]:
    """The heads that should be one: of one lineage, or of one and the branches apart from it."""
    groups: dict[Lineage, list[str]] = {}
    for head in heads:
        groups.setdefault(by_revision[head], []).append(head)
    for lineage in list(groups):
        below = lineage.parent
        while below is not None and below not in groups:
            below = below.parent
        if below is not None:
            groups[below].extend(groups[lineage])
    yield from groups.values()


def _heads_of_their_own(snapshot: Snapshot, heads: list[str]) -> list[str]:
    """The heads that are not merely the echo of a fault further down.

    Where a parent is missing, computed or in a cycle, everything above it hangs in the air: that
    makes one head, and one more where it was cut off.
    """
    graph = snapshot.graph
    if len(heads) < 2:
        return heads
    bases = set(graph.bases)
    sound: list[str] = []
    hanging: list[str] = []
    wanted = set(heads)
    for piece in graph.pieces:
        own = [revision for revision in piece if revision in wanted]
        if not bases.isdisjoint(piece):
            sound.extend(own)
        elif len(own) > 1:
            hanging.extend(own)
    return (sound if len(sound) > 1 else []) + hanging


@rule(
    "FC105",
    "cycle",
    Severity.ERROR,
    noun="cycle",
    breaks="every “{alembic}” command stops with a traceback (CycleDetected)",
)
def cycle(snapshot: Snapshot) -> Iterator[Fault]:
    """Revisions run after each other in a circle, so none of them can run at all.

    It comes from editing `down_revision` by hand, and from resolving a merge conflict in it. The
    finding names exactly the members of the cycle; Alembic's own message also lists everything
    above it.
    """
    for members in snapshot.graph.cycles:
        if not snapshot.graph.duplicates.keys().isdisjoint(members):
            continue  # which of the files is meant decides whether there is a cycle at all
        only_parents = all(
            any(parent in members for parent in snapshot.graph.parents[member])
            for member in members
        )
        names = "down_revision" if only_parents else "down_revision or depends_on"
        yield Fault(
            f"{listing(members)} {'runs after itself' if len(members) == 1 else 'form a cycle'}",
            f"correct {names} of one of them, so that the circle is open",
            members,
            [place for member in members for place in snapshot.locations(member, "down_revision")],
        )


@rule(
    "FC112",
    "redundant-parent",
    Severity.WARNING,
    noun="redundant parent",
    breaks="nothing by itself: Alembic runs the chain, but shows a branch that is none",
)
def redundant_parent(snapshot: Snapshot) -> Iterator[Fault]:
    """A merge point names a parent that is an ancestor of another of its parents.

    The merge adds nothing there: whoever reaches the higher parent has passed the lower one. It
    comes from merging twice, and from relinking a branch without looking at the merges above it.
    """
    graph = snapshot.graph
    unsure = {*graph.duplicates, *(member for members in graph.cycles for member in members)}
    for revision, parents in graph.parents.items():
        if len(parents) < 2 or revision in unsure:
            continue
        known = [parent for parent in parents if parent not in unsure]
        redundant = [
            parent
            for index, parent in enumerate(known)
            if parent in known[:index]
            or any(other != parent and graph.is_ancestor(parent, other) for other in known)
        ]
        if redundant:
            yield Fault(
                f"{revision} names {listing(redundant)} as a parent, which another of its"
                " parents already builds on",
                f"take {listing(redundant)} out of its down_revision",
                (revision, *redundant),
                snapshot.locations(revision, "down_revision"),
            )
