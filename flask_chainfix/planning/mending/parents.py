"""Attached and published parents, cycles, and computed headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import option, word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Header, ProblemKind
from flask_chainfix.model.plans import GUESS, Mend, Part, Reason
from flask_chainfix.planning.mending.case import Case, header_of, reason_before


def attached_parents(case: Case) -> Iterator[Mend]:
    """Apply ``--attach`` to faulty parents; healthy parents stay.

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
            continue  # reported when the wishes are checked against the chain
        in_it = in_cycles if revision in in_cycles else ()
        sound = [name for name in graph.parents[revision] if name not in in_it]
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
    """Give published revisions their published parents back.

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
    """Refuse an ``--attach`` that gives a revision a parent that runs after it."""
    graph, attach = case.snapshot.graph, case.wishes.attach
    to_be = {**{name: (parent,) for name, parent in attach.items()}, **pinned}
    if not to_be:
        return
    for members in case.snapshot.relinked(to_be).cycles:
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


# --- FC105: a cycle is opened where the user or the evidence says, otherwise not at all ----------
# A link says that its parent runs first. Evidence against a link: the child creates an object that
# the parent uses; the child's docstring names another parent; the child landed in Git, or was
# created, before the parent existed. The strongest kind of evidence decides; weaker kinds decide
# between several links. Published revisions already have their own links back.


def _base_of_choice(graph: Graph, members: Sequence[str]) -> list[str]:
    """The members of a cycle that would be bases without their links to other members."""
    return [name for name in members if set(graph.named_parents[name]).issubset(members)]


def ways_out(case: Case, members: Sequence[str]) -> Remedy:
    """The remedies for a cycle: options that certainly open it, then a change by hand."""
    wishes = case.wishes
    said = "".join(
        f" {option('--attach', f'{name}={parent}')}" for name, parent in wishes.attach.items()
    )
    if wishes.root is not None:
        said = f" {option('--root', wishes.root)}{said}"
    remedy = Remedy()
    if wishes.root is None:
        bases = (name for name in _base_of_choice(case.snapshot.graph, members))
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
    """Members that are in the cycle only by their parents, each with a parent outside."""
    graph = case.snapshot.graph
    outside = graph.free_of_cycles
    for name in members:
        linked = not set(graph.dependencies.get(name, ())).isdisjoint(members)
        if outside and not linked and name != case.wishes.root and _opens(case, name, members):
            own = [parent for parent in graph.parents[name] if parent in outside]
            yield name, [*outside, *own][-1]


def _opens(case: Case, name: str, members: Sequence[str]) -> bool:
    """Whether no cycle is left if one of its members requires nothing."""
    headers = (case.snapshot.header(member) for member in members)
    return not Graph(
        header._replace(down_revision=(), depends_on=()) if header.revision == name else header
        for header in headers
    ).cycles


class _Link(NamedTuple):
    child: str
    parent: str
    part: Part


def open_cycles(case: Case) -> Iterator[Mend]:
    """Remove one link of the first cycle; the mender runs again for the next one.

    Raises:
        CannotPlan: neither the user nor the evidence says which link is wrong.
        CannotRewrite: a file cannot be changed with certainty.
    """
    graph = case.snapshot.graph
    if not graph.cycles:
        return
    root = case.wishes.root
    members = next((members for members in graph.cycles if root in members), graph.cycles[0])
    if root is not None and root in _base_of_choice(graph, members):
        yield _as_base(case, root, members)
        return
    links = list(_links_within(case.snapshot, members))
    link, reasons = _contradicted(case, links)
    if link is None:
        raise CannotPlan(
            f"nothing shows where to open the cycle of {listing(members)}: neither the schema, a"
            " docstring, Git nor a date contradicts just one of its links",
            ways_out(case, members),
        )
    yield _without_link(case, link, reasons)


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
    """The one link that the evidence contradicts, and why; ``None`` if it is inconclusive."""
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
                text = f"only dates show that {link.child} does not follow {link.parent}"
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
    elif why := reason_before(case, snapshot.file(link.child), snapshot.file(link.parent), kind):
        yield why


def _as_base(case: Case, root: str, members: tuple[str, ...]) -> Mend:
    """Make the user's choice a base: remove its parents, then its dependencies in the cycle."""
    why = Reason("pin", f"--root {root}")
    if case.snapshot.graph.parents[root]:
        return case.rewritten("FC105", Part.PARENTS, case.snapshot.file(root), (), why)
    return case.without_dependencies("FC105", root, members, why)


def _without_link(case: Case, link: _Link, reasons: Iterable[Reason]) -> Mend:
    """Remove the parent, or replace it with a suitable one that the docstring names."""
    if link.part is Part.DEPENDENCIES:
        return case.without_dependencies("FC105", link.child, {link.parent}, *reasons)
    snapshot = case.snapshot
    above = snapshot.graph.descendants([link.child])
    stated = source.stated_parents(snapshot.header(link.child).revises or "")
    fitting = [name for name in stated if name in snapshot.graph and name not in above]
    kept = [name for name in snapshot.graph.named_parents[link.child] if name != link.parent]
    parents = tuple(dict.fromkeys((*kept, *fitting)))
    if not parents:
        parents, why = case.earlier_parents(link.child)
        reasons = (*why, *reasons)
    return case.rewritten("FC105", link.part, snapshot.file(link.child), parents, *reasons)


# --- FC110: computed headers, replaced in memory if their place is clear -------------------------


def placed(snapshot: Facts) -> tuple[Facts, tuple[str, ...]]:
    """The chain with computed headers replaced by what the rest of the chain implies.

    Returns:
        The chain, and notices about the assumptions.
    """
    taken = dict(_inferred_headers(snapshot))
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


def _inferred_headers(snapshot: Facts) -> Iterator[tuple[Path, Header]]:
    missing = {name for names in snapshot.graph.missing_parents.values() for name in names}
    for file in snapshot.unplaced:
        header = header_of(file)
        if any(problem.kind is ProblemKind.NOT_A_STRING for problem in header.problems):
            continue  # its value is known, and Alembic refuses it
        if header.revision is None:
            if len(snapshot.anonymous) != 1 or len(missing) != 1 or snapshot.unreadable:
                continue
            header = header._replace(revision=next(iter(missing)))
        if header.down_revision is None:
            stated = source.stated_parents(header.revises or "")
            if header.revises is None or not all(name in snapshot.graph for name in stated):
                continue
            header = header._replace(down_revision=stated)
        problems = tuple(
            problem
            for problem in header.problems
            if problem.name not in ("revision", "down_revision")
        )
        yield file.path, header._replace(problems=problems)
