"""Faults of the chain as a whole: several bases, several heads, cycles, redundant parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask_chainfix.chain.ancestry import impassable, redundant_parents
from flask_chainfix.chain.lineages import Lineage, find_lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import REPAIR, Remedy, joined, linked, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Fault, rule
from flask_chainfix.model.findings import Severity

_STRICT = "{fixchain} repair --strict{databases}"


@rule("FC101", "multiple-bases", Severity.ERROR, "base", repairable=True)
def multiple_bases(snapshot: Facts) -> Iterator[Fault]:
    """Several migrations have `down_revision = None`, so the chain has several bases.

    The chain does not say which base comes first, so a base that uses a table of another one may
    run before it. If merge points already join the bases into one head, this is a warning.
    Independent bases are not counted: those with a branch label, alone in a version location of
    their own, connected to the others by `depends_on`, or listed as `intended_bases` in the
    settings.

    What breaks:
        “{alembic} upgrade” of an empty database runs the bases in an arbitrary order, and can
        stop half-way

    How it happens:
        `migrations/` was created again beside an old chain, a migration was written without regard
        to the others, or files were copied from another project.

    How to repair it:
        `{fixchain} repair` keeps one base and links the others after it, in the order that the
        schema, Git and dates show. It relinks bases that merge points join only with `{fixchain}
        repair --strict`. If the bases are meant to be independent, give each a branch label.

    Example:
        users
        orders

        $ {fixchain} repair
    """
    lineages = find_lineages(snapshot)
    bases = lineages.bases
    if len(bases) < 2 or snapshot.compiled:  # which may join them
        return
    if lineages.joined:
        yield Fault(
            f"{count(len(bases), 'base')}, joined by merge points: {listing(bases)}",
            way("nothing needs to be done; to link them into one chain", _STRICT),
            bases,
            "down_revision",
            len(bases),
            Severity.WARNING,
            "nothing by itself: Alembic can use the chain, in an order of its own",
        )
    else:
        yield Fault(
            f"{count(len(bases), 'base')} where there should be one: {listing(bases)}",
            way("link the others after the base that stays", REPAIR)
            | "if a base is meant to be independent, give it a branch label, or list it under"
            " intended_bases in the settings",
            bases,
            "down_revision",
            len(bases),
        )


@rule("FC102", "multiple-heads", Severity.ERROR, "head", repairable=True)
def multiple_heads(snapshot: Facts) -> Iterator[Fault]:
    """The chain ends in several heads, so "upgrade to the head" is ambiguous.

    A head is a migration that no other one builds on. Independent heads are not counted: those of
    branches that each begin with a branch label, and those whose base is meant to be independent.
    One head without a label beside labelled branches is a warning, because it may be the trunk or
    an accident.

    What breaks:
        “{alembic} upgrade” stops with “Multiple head revisions are present for given argument
        'head'”, and no new migration can be made

    How it happens:
        Two people each add a migration on top of the same revision, and both are merged. Git sees
        two new files and no conflict.

    How to repair it:
        `{fixchain} repair` puts one branch on top of the other if that is safe for every known
        database. Otherwise, or with `{fixchain} repair --strategy merge`, it joins them with a
        merge revision. Before your branch is merged, `{fixchain} rebase` moves its migrations on
        top of those of the main branch. If the branches are meant to be independent, give each a
        label.

    Example:
        users
        orders <- users
        payments <- users

        $ {fixchain} repair
    """
    heads = snapshot.graph.heads
    if len(heads) < 2 or snapshot.compiled:  # which may join them
        return
    groups = find_lineages(snapshot).grouped(heads)
    for lineage, group in groups.items():
        unexplained = _heads_of_their_own(snapshot, group)
        if len(unexplained) < 2:
            yield from _unlabelled(snapshot, groups, lineage)
        else:
            yield Fault(
                f"{count(len(unexplained), 'head')} where there should be one:"
                f" {listing(unexplained)}",
                linked()
                | joined()
                | "if the branches are meant to be independent, give each a branch label",
                unexplained,
                "revision",
                len(unexplained),
            )


def _unlabelled(
    snapshot: Facts, groups: Mapping[Lineage, list[str]], lineage: Lineage
) -> Iterator[Fault]:
    """A head without a label beside labelled branches: the trunk, or an accident."""
    labelled = [head for other in groups if _is_above(other, lineage) for head in groups[other]]
    heads = _heads_of_their_own(snapshot, groups[lineage] + labelled)
    trunk = [head for head in heads if head not in labelled]
    if not trunk or len(heads) < 2:
        return
    start = _first_above_branch_point(snapshot.graph, trunk[0])
    pair = word(f"{start}={labelled[0]}")
    onto = way(f"put it on {labelled[0]}", f"{REPAIR} --attach {pair}") if start else Remedy()
    yield Fault(
        f"{trunk[0]} is a head without a branch label, beside branches that have one:"
        f" {listing(labelled)}",
        way("if its branch is meant to be independent, give it a label, too") | onto,
        heads,
        snapshot.locations(trunk[0], "revision"),
        severity=Severity.WARNING,
        breaks="nothing by itself: “{alembic} upgrade heads” goes to all of them",
        repairable=False,
    )


def _is_above(lineage: Lineage, below: Lineage) -> bool:
    while lineage.parent is not None:
        lineage = lineage.parent
        if lineage is below:
            return True
    return False


def _first_above_branch_point(graph: Graph, head: str) -> str:
    """The first revision above the branch point below a head; ``""`` if there is none."""
    revision = head
    while len(graph.parents[revision]) == 1:
        (parent,) = graph.parents[revision]
        if len(graph.children[parent]) > 1:
            return revision
        revision = parent
    return ""


def _heads_of_their_own(snapshot: Facts, heads: list[str]) -> list[str]:
    """The heads that another fault does not already explain.

    Revisions above a missing or computed parent or above a cycle are cut off from the chain. That
    makes one more head, and one at the place where they were cut off.
    """
    graph = snapshot.graph
    if len(heads) < 2:
        return heads
    bases, wanted = set(graph.bases), set(heads)
    sound: list[str] = []
    hanging: list[str] = []
    for component in graph.components:
        own = [revision for revision in component if revision in wanted]
        if not bases.isdisjoint(component):
            sound.extend(own)
        elif len(own) > 1:
            hanging.extend(own)
    return (sound if len(sound) > 1 else []) + hanging


# Tested with Alembic 1.10 and 1.20.
_UNSEEN_CYCLE = (
    "Alembic does not notice this cycle, because a path leads around it: “{alembic} heads” works,"
    " but “{alembic} upgrade” runs the members in an order of its own or never ends, and"
    " “{alembic} downgrade” leaves a row in the version table"
)


@rule("FC105", "cycle", Severity.ERROR, "cycle", repairable=True)
def cycle(snapshot: Facts) -> Iterator[Fault]:
    """Revisions require each other in a circle, so none of them can run first.

    The finding names only the members of the cycle; Alembic's own message also lists every revision
    above it. Both `down_revision` and `depends_on` can close a cycle.

    What breaks:
        every “{alembic}” command stops: a cycle “is detected in revisions”

    How it happens:
        `down_revision` was edited by hand, or a merge conflict in it was resolved wrongly.

    How to repair it:
        `{fixchain} repair` removes the link that the schema, the docstring's `Revises:`, Git or
        dates contradict. Without such evidence it removes none: `--root REVISION` makes one member
        the base, `--attach REVISION=PARENT` links one to a parent outside the cycle, or correct a
        link by hand.

    Example:
        # users.py
        '''Create users

        Revises: <base>
        '''
        revision = "users"
        down_revision = "orders"

        # orders.py
        '''Create orders

        Revises: users
        '''
        revision = "orders"
        down_revision = "users"

        $ {fixchain} repair
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
            way("remove the link that the evidence shows to be wrong", REPAIR)
            | f"correct {names} of one of them by hand",
            members,
            "down_revision",
            breaks=None if _alembic_sees(snapshot.graph, members) else _UNSEEN_CYCLE,
        )


def _alembic_sees(graph: Graph, members: tuple[str, ...]) -> bool:
    """Whether Alembic reports a cycle: it checks only what no head or no base leads to."""
    if any(member in graph.requirements(member) for member in members):
        return True
    wanted = set(members)
    if not wanted <= graph.ancestors(graph.heads) & graph.descendants(graph.bases):
        return True
    required = {name for revision in graph for name in graph.requirements(revision)}
    last = [revision for revision in graph if revision not in required]
    first = (not graph.requirements(name) for name in graph.required(members))
    return not wanted <= graph.required(last) or not any(first)


_IMPASSABLE = (
    "“{alembic} upgrade” stops at this revision with a traceback (KeyError), for new databases and"
    " for those that stand below it; “{alembic} heads” and “{alembic} history” do not show that"
)
_PASSED_BY_ORDER = (
    "“{alembic} upgrade” to this revision stops with a traceback (KeyError); “{alembic} upgrade"
    " heads” does not, as Alembic runs another branch before it"
)


@rule("FC112", "redundant-parent", Severity.WARNING, "redundant parent", repairable=True)
def redundant_parent(snapshot: Facts) -> Iterator[Fault]:
    """A merge point names a parent that is an ancestor of another of its parents.

    A database that has run the higher parent has also run the lower one. With two parents this is a
    warning. With three or more it is an error: Alembic looks in the version table for the row of
    the lower parent, which the higher one has replaced, and cannot upgrade over the merge point.
    The same holds for `depends_on`.

    What breaks:
        nothing by itself; but Alembic shows a branch that does not exist

    How it happens:
        A merge named more revisions than the heads, branches were merged twice, or a branch was
        relinked without a look at the merge points above it.

    How to repair it:
        `{fixchain} repair` removes the lower parent from `down_revision`, or the dependency from
        `depends_on`. If it is a warning, use `{fixchain} repair --strict`.

    Example:
        users
        orders <- users
        payments <- users
        merge <- users, orders, payments

        $ {fixchain} repair
    """
    graph = snapshot.graph
    tied, stuck = impassable(graph), frozenset[str]()
    if tied:  # most chains need no more
        from flask_chainfix.databases.applied.has_run import stuck_revisions

        stuck = stuck_revisions(snapshot)
    for revision, lower in tied.items():
        stops, names = revision in stuck, listing(lower)
        is_parent = not set(lower).isdisjoint(graph.parents[revision])
        yield Fault(
            f"Alembic cannot upgrade to {revision}{'' if stops else ' alone'}: it names"
            f" {names} beside revisions that already require {'it' if len(lower) == 1 else 'them'}",
            way(f"take {names} out of what it names", REPAIR if stops else _STRICT),
            (revision, *lower),
            snapshot.locations(revision, "down_revision" if is_parent else "depends_on"),
            severity=Severity.ERROR if stops else None,
            breaks=_IMPASSABLE if stops else _PASSED_BY_ORDER,
        )
    for revision, redundant in redundant_parents(graph).items():
        if revision not in tied:
            names, named = listing(redundant), graph.parents[revision]
            said = f"names {names} as a parent, which another of its parents already builds on"
            what = f"take {names} out of its down_revision"
            if all(named.count(each) > 1 for each in redundant):
                said = f"names {names} twice as a parent"
                what = f"name {names} once in its down_revision"
            yield Fault(
                f"{revision} {said}",
                way(what, _STRICT),
                (revision, *redundant),
                snapshot.locations(revision, "down_revision"),
            )
