"""FC105: a cycle is opened where the user or the evidence says; without either, not at all.

A link says that its parent runs first. What speaks against that: the child makes what the parent
uses; the child's docstring names another parent; the child landed in Git, or was created, before
the parent was there. The strongest kind of evidence that points to links decides, and the weaker
ones between several of them. What is published has its own links back by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.chain.graph import Graph
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import option, word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import GUESS, Mend, Part, Reason
from flask_chainfix.planning.evidence import reasons_before
from flask_chainfix.planning.mending.case import Case


def base_of_choice(graph: Graph, members: Sequence[str]) -> list[str]:
    """The members of a cycle that are bases once they are on no other member."""
    return [name for name in members if set(graph.named_parents[name]).issubset(members)]


def ways_out(case: Case, members: Sequence[str]) -> Remedy:
    """How to open a cycle: options that are sure to do it, then what to do by hand."""
    wishes = case.wishes
    said = "".join(
        f" {option('--attach', f'{name}={parent}')}" for name, parent in wishes.attach.items()
    )
    if wishes.root is not None:
        said = f" {option('--root', wishes.root)}{said}"
    remedy = Remedy()
    if wishes.root is None:
        bases = (name for name in base_of_choice(case.snapshot.graph, members))
        opening = (name for name in bases if _opens(case, name, members))
        for name in islice(opening, 1):
            remedy |= way(f"make {name} the base", f"{REPAIR} {option('--root', name)}{said}")
    for name, parent in islice(_attachable(case, members), 1):
        pair = word(f"{name}={parent}")
        remedy |= way(
            f"put {name} on {parent}, out of the cycle", f"{REPAIR}{said} --attach {pair}"
        )
    return remedy | "correct down_revision or depends_on of one of them by hand"


def _attachable(case: Case, members: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Members that are in the cycle by their parents alone, with a parent for each outside."""
    graph = case.snapshot.graph
    outside = graph.free_of_cycles
    for name in members:
        linked = not set(graph.dependencies.get(name, ())).isdisjoint(members)
        if outside and not linked and name != case.wishes.root and _opens(case, name, members):
            own = [parent for parent in graph.parents[name] if parent in outside]
            yield name, [*outside, *own][-1]


def _opens(case: Case, name: str, members: Sequence[str]) -> bool:
    """Whether no cycle is left once one of its members requires nothing."""
    headers = (case.snapshot.header(member) for member in members)
    return not Graph(
        header._replace(down_revision=(), depends_on=()) if header.revision == name else header
        for header in headers
    ).cycles


# --- FC105: a cycle is opened where the user or the evidence says; without either, not at all ----


class _Link(NamedTuple):
    child: str
    parent: str
    part: Part


def open_cycles(case: Case) -> Iterator[Mend]:
    """One link of the first cycle; the mender is asked again for the next.

    Raises:
        CannotPlan: neither the user nor evidence tells which link is wrong.
        CannotRewrite: a file cannot be changed with certainty.
    """
    graph = case.snapshot.graph
    if not graph.cycles:
        return
    root = case.wishes.root
    members = next((members for members in graph.cycles if root in members), graph.cycles[0])
    if root is not None and root in base_of_choice(graph, members):
        yield _made_base(case, root, members)
        return
    links = list(_links_within(case.snapshot, members))
    link, reasons = _contradicted(case, links)
    if link is None:
        raise CannotPlan(
            f"nothing tells where to open the cycle of {listing(members)}: neither the schema, a"
            " docstring, Git nor a date contradicts just one of its links",
            ways_out(case, members),
        )
    yield _cut(case, link, reasons)


def _links_within(snapshot: Facts, members: tuple[str, ...]) -> Iterator[_Link]:
    graph = snapshot.graph
    for child in members:
        for parent in graph.parents[child]:
            if parent in members:
                yield _Link(child, parent, Part.PARENTS)
        for name in graph.dependencies.get(child, ()):
            if name in members and name not in graph.parents[child]:
                yield _Link(child, name, Part.DEPENDENCIES)


def _contradicted(case: Case, links: list[_Link]) -> tuple[_Link | None, list[Reason]]:
    """The one link that evidence contradicts, and why; ``None`` where it does not tell."""
    said: list[dict[_Link, Reason]] = []
    for kind in ("itself", "schema", "docstring", "git", "date"):
        against = {link: why for link in links for why in _reasons_against(case, link, kind)}
        if against:
            said.append(against)
            links = list(against)
        if len(against) == 1:
            (link,) = against
            reasons = [whys[link] for whys in said]
            if kind == "date":
                text = f"{link.child} is taken off {link.parent}, as dates tell"
                reasons.append(Reason(GUESS, text))
            return link, reasons
    return None, []


def _reasons_against(case: Case, link: _Link, kind: str) -> Iterator[Reason]:
    snapshot = case.snapshot
    if kind == "itself":
        if link.child == link.parent:
            yield Reason(kind, f"{link.child} names itself")
    elif kind == "docstring":
        revises = snapshot.header(link.child).revises
        stated = source.stated_parents(revises or "")
        known = revises is not None and all(name in snapshot.graph for name in stated)
        if known and link.part is Part.PARENTS and link.parent not in stated:
            yield Reason(kind, f"the docstring of {link.child} says “Revises: {revises}”")
    else:
        files = snapshot.file(link.child), snapshot.file(link.parent)
        yield from reasons_before(case, *files, kind)


def _made_base(case: Case, root: str, members: tuple[str, ...]) -> Mend:
    """Make the user's base one: take out its parents, then its dependencies within the cycle."""
    why = Reason("pin", f"--root {root}")
    file = case.snapshot.file(root)
    if case.snapshot.graph.parents[root]:
        return case.rewritten("FC105", Part.PARENTS, file, (), why)
    names = case.snapshot.header(root).depends_on or ()
    owners = case.snapshot.graph.labelled
    kept = (name for name in names if {name, *owners.get(name, ())}.isdisjoint(members))
    return case.rewritten("FC105", Part.DEPENDENCIES, file, tuple(kept), why)


def _cut(case: Case, link: _Link, reasons: Iterable[Reason]) -> Mend:
    """Take the parent out; where the docstring names another one that fits, use that instead."""
    snapshot = case.snapshot
    file = snapshot.file(link.child)
    if link.part is Part.DEPENDENCIES:
        return case.rewritten(
            "FC105", link.part, file, _without_dependency(snapshot, link), *reasons
        )
    header = snapshot.header(link.child)
    above = snapshot.graph.descendants([link.child])
    stated = source.stated_parents(header.revises or "")
    fitting = [name for name in stated if name in snapshot.graph and name not in above]
    kept = [name for name in snapshot.graph.named_parents[link.child] if name != link.parent]
    parents = tuple(dict.fromkeys((*kept, *fitting)))
    return case.rewritten("FC105", link.part, file, parents, *reasons)


def _without_dependency(snapshot: Facts, link: _Link) -> tuple[str, ...]:
    """The dependencies without the one that leads to the parent, by id or by label."""
    owners = snapshot.graph.labelled
    named = snapshot.header(link.child).depends_on or ()
    return tuple(
        name for name in named if name != link.parent and link.parent not in owners.get(name, ())
    )
