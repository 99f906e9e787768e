"""Two revisions that make or drop the same thing: how both come into one chain that runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from flask_chainfix.common.remedies import LINE, REPAIR, Remedy, repairing, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.has_run import Applied, applied_in, published_in
from flask_chainfix.databases.applied.rows import are_tied, taking_down
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import told_losses
from flask_chainfix.diagnosis.registry import Family, codes_of
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Wishes

_GUARD = "an if on sa.inspect(op.get_bind()), so that it runs only where it is still needed"


def ways_out(snapshot: Facts, fault: Finding, wishes: Wishes, again: str) -> Remedy:
    """What to do about a fault that a planned chain would have.

    Where two revisions do the same, what others have stays as it is, and so does what a database
    has run without the other.

    Args:
        snapshot: the chain as it is, where its databases stand, and what is published.
        fault: what is wrong with the planned one.
        wishes: what the user has asked of the plan.
        again: the command that plans again.
    """
    if fault.code not in codes_of(Family.SCHEMA):
        text = "say where the revisions belong; the help lists the options"
        return way(text, "{fixchain} repair --help")
    accepted = replace(wishes, accept=tuple(sorted({*wishes.accept, fault.code})))
    accepting = repairing(accepted.typed)
    two_sides = len(fault.revisions) > 1 and all(each in snapshot.graph for each in fault.revisions)
    if fault.code != "FC201" and two_sides:
        return _Collision(snapshot, fault, again).ways() | _accepting(snapshot, fault, accepting)
    if fault.code == "FC201" and wishes.strategy == "merge":
        first = way("put one branch behind the other", LINE)
    else:
        first = Remedy.of(fault.hint)
    return first | way(f"if the finding is mistaken, plan anyway; {fault.code} stays", accepting)


class _Collision:
    def __init__(self, snapshot: Facts, fault: Finding, again: str) -> None:
        self._snapshot = snapshot
        self._fault = fault
        self._then = (again, "{alembic} upgrade head")
        published, known, sides = published_in(snapshot), applied_in(snapshot), fault.revisions
        self._others = {name: [*_alone(published, name, sides)] for name in sides}
        self._known = {name: [*_alone(known, name, sides)] for name in sides}

    def ways(self) -> Remedy:
        """The ways out, the best first."""
        side = self._to_edit()
        if side is None:
            return self._guarding_all("as each of them has run without the other")
        place, alone = self._places(side), self._known[side]
        why = self._why_not(side)
        if not alone:
            out = way(
                f"{why}remove what both do from {place}, and its counterpart from downgrade(); then"
                " link the chain",
                *self._then,
            )
            return out | way(
                f"keep it in {place}, under {_GUARD}; then link the chain", *self._then
            )
        return self._taking_down(side, alone[0], why) | self._guarding_all(
            f"to keep what {alone[0].name} has"
        )

    def _to_edit(self) -> str | None:
        """The side that can change: not what others have, nor what has run alone."""
        mine = [name for name in self._fault.revisions if not self._others[name]]
        if len(mine) == 1:
            return mine[0]
        free = [name for name in mine if not self._known[name]]
        return free[-1] if free else None

    def _why_not(self, side: str) -> str:
        for name, others in self._others.items():
            if name != side and others:
                return f"{others[0].name} has {name}, so "
        for name, known in self._known.items():
            if name != side and known:
                return f"{known[0].name} has run {name}, so "
        return ""

    def _taking_down(self, side: str, database: Applied, why: str) -> Remedy:
        snapshot, graph = self._snapshot, self._snapshot.graph
        (other,) = (name for name in self._fault.revisions if name != side)
        apart = {*graph.required([side]), *graph.descendants([side])} - graph.required([other])
        down = [name for name in graph.order if name in apart & database.revisions]
        edit = (
            f"remove what both do from {self._places(side)}, and its counterpart from downgrade();"
            " then link the chain"
        )
        if snapshot.databases.anew or are_tied(graph, down):
            # Of what depends on others, Alembic's downgrade takes down more, or leaves odd rows.
            return Remedy.of(f"{why}downgrade {listing(down)} in {database.name}, then {edit}")
        losses = told_losses([snapshot.footprint_down(snapshot.file(name)) for name in down])
        return way(
            f"{why}first downgrade {listing(down)} in {database.name}, which has not run {other}"
            f" ({losses}); next {edit}",
            *taking_down(graph, database.revisions, apart),
            *self._then,
        )

    def _guarding_all(self, why: str) -> Remedy:
        places = " and ".join(self._places(name) for name in self._fault.revisions)
        return way(
            f"{why}, put what both do in {places} under {_GUARD}; then link the chain",
            REPAIR,
            "{alembic} upgrade head",
        )

    def _places(self, revision: str) -> str:
        paths = {file.path for file in self._snapshot.files_by_revision[revision]}
        places = (each for each in self._fault.locations if each.path in paths)
        names = dict.fromkeys(f"{each.path.name}:{each.line}" for each in places)
        return " and ".join(names) or self._snapshot.file(revision).name


def _accepting(snapshot: Facts, fault: Finding, command: str) -> Remedy:
    """To have the chain as it is; an upgrade that runs both stops there all the same."""
    known = [each for each in applied_in(snapshot) if each.revisions]
    if not all(each.revisions.issuperset(fault.revisions) for each in known):
        return Remedy()
    first, second = fault.revisions
    have = "the databases here have" if known else "all your databases have"
    return way(
        f"if {have} run both {first} and {second}, link the chain as it is: {fault.code} stays, and"
        " “{alembic} upgrade” of a database that has not run both still stops there",
        command,
    )


def _alone(known: Iterable[Applied], side: str, sides: Collection[str]) -> Iterator[Applied]:
    """Those that have one side without the other."""
    return (each for each in known if each.revisions.intersection(sides) == {side})
