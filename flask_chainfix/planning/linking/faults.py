"""Faults that a planned chain would have: which of them stop a plan, and the remedies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import git_words, words
from flask_chainfix.common.remedies import LINE, REPAIR, Remedy, repairing, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contradictions import left_out
from flask_chainfix.databases.applied.has_run import Applied, applied_in, published_in
from flask_chainfix.databases.applied.rows import are_tied, counting_as, taking_down
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.diagnosis.lost_revisions import losses_in_words
from flask_chainfix.diagnosis.rules import Family, codes_of, diagnose
from flask_chainfix.diagnosis.rules.schema_order import GUARD, spots
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Wishes
from flask_chainfix.schema.footprint import Action, key_of

# The faults that relinking must remove.
_OF_THE_ORDER = frozenset({"FC101", "FC102"})
_LINK = "then link the chain"


def refuse_faults(
    before: Facts,
    left: Sequence[Finding],
    wishes: Wishes,
    again: str = REPAIR,
    instead: Mapping[str, Remedy] = MappingProxyType({}),
) -> None:
    """Refuse a plan that would leave a fault.

    Args:
        before: the chain before the plan.
        left: the faults that the plan would leave.
        wishes: what the user asked for.
        again: the command to plan again.
        instead: the alternatives to files that the plan adds, by revision.

    Raises:
        CannotPlan: the fault does not already stop every upgrade, and the user does not accept it.
    """
    old = _old_faults(before, left)
    for fault in left:
        if fault.code not in wishes.accept and fault.about not in old:
            ways = _ways_out(before, fault, wishes, again)
            for revision in fault.revisions:
                ways = instead.get(revision, Remedy()) | ways
            message = f"the planned chain would have a fault: {with_places(fault)}"
            refusal = CannotPlan(message, ways)
            refusal.about = fault.about
            raise refusal


def _old_faults(before: Facts, left: Iterable[Finding]) -> set[tuple[str, tuple[str, ...]]]:
    """The faults that an upgrade of the current chain hits: their codes and revisions."""
    joined = {
        fault.about
        for fault in left
        if fault.code not in _OF_THE_ORDER
        and all(revision in before.graph for revision in fault.revisions)
        and before.evidence.joined(*fault.revisions)
    }
    if not joined:
        return joined
    found = errors_of(diagnose(before, Family.CHAIN, Family.SCHEMA))
    return joined.intersection(fault.about for fault in found)


def new_faults(before: Facts, after: Facts) -> list[Finding]:
    """The errors of links and schema that a chain would newly have."""
    old, new = (diagnose(each, Family.CHAIN, Family.SCHEMA) for each in (before, after))
    known = {fault.about for fault in old}
    return [fault for fault in errors_of(new) if fault.about not in known]


def with_places(fault: Finding) -> str:
    """What is wrong, and where."""
    places = [f"{place.path.name}:{place.line}" for place in fault.locations if place.line]
    return f"{fault.message} ({', '.join(places)})" if places else fault.message


# --- Remedies for two revisions that make or drop the same object ---------------------------------
def _ways_out(snapshot: Facts, fault: Finding, wishes: Wishes, again: str) -> Remedy:
    """The remedy for a fault of a planned chain; ``again`` is the command to plan again."""
    if fault.code not in codes_of(Family.SCHEMA):
        text = "say where the revisions belong; the help lists the options"
        return way(text, "{fixchain} repair --help")
    accepted = replace(wishes, accept=tuple(sorted({*wishes.accept, fault.code})))
    accepting = repairing(accepted.typed)
    two_sides = len(fault.revisions) > 1 and all(each in snapshot.graph for each in fault.revisions)
    if fault.code != "FC201" and two_sides:
        return _ways_to_keep_both(snapshot, fault, again) | _accepting(snapshot, fault, accepting)
    if fault.code == "FC201" and wishes.strategy == "merge":
        first = way("put one branch on top of the other", LINE)
    else:
        first = Remedy.of(fault.hint)
    return first | way(f"if the finding is mistaken, plan anyway; {fault.code} stays", accepting)


def _ways_to_keep_both(snapshot: Facts, fault: Finding, again: str) -> Remedy:
    """The remedy of keeping both sides: published and already applied revisions stay."""
    sides, then = fault.revisions, (again, "{alembic} upgrade head")
    others = _having_one(published_in(snapshot), sides)
    known = _having_one(applied_in(snapshot), sides)
    places = {name: _place_of(snapshot, fault, name) for name in sides}
    guarded = f"put what both do in {' and '.join(places.values())} under {GUARD}; {_LINK}"
    guarding = (REPAIR, "{alembic} upgrade head")
    mine = [name for name in sides if not others[name]]
    free = mine if len(mine) == 1 else [name for name in mine if not known[name]]
    if not free:
        return way(f"as each of them has run without the other, {guarded}", *guarding)
    side = free[-1]
    (other,) = (name for name in sides if name != side)
    instead = _deleting_what_it_replaces(snapshot, side, other) if others[other] else Remedy()
    why = next((f"as {each.name} has run {other}, " for each in known[other]), "")
    why = next((f"as {each.name} has {other}, " for each in others[other]), why)
    edit = f"remove what both do from {places[side]}, and its counterpart from downgrade(); {_LINK}"
    if not known[side]:
        keeping = way(f"keep it in {places[side]}, under {GUARD}; {_LINK}", *then)
        return instead | way(f"{why}{edit}", *then) | keeping
    database, graph = known[side][0], snapshot.graph
    apart = {*graph.required([side]), *graph.descendants([side])} - graph.required([other])
    down = [name for name in graph.order if name in apart & database.revisions]
    if snapshot.databases.planned_ids or are_tied(graph, down):
        # With dependencies, Alembic downgrades more, or leaves wrong rows.
        first = way(f"{why}downgrade {listing(down)} in {database.name}, then {edit}")
    else:
        files, bind = map(snapshot.file, down), database.status.bind
        losses = losses_in_words([snapshot.footprint_down(file, bind) for file in files])
        first = way(
            f"{why}first downgrade {listing(down)} in {database.name}, which has not run {other}"
            f" ({losses}); next {edit}",
            *taking_down(graph, database.revisions, apart),
            *then,
        )
    return instead | first | way(f"to keep what {database.name} has, {guarded}", *guarding)


def _deleting_what_it_replaces(snapshot: Facts, side: str, other: str) -> Remedy:
    """How to delete revisions from a side on if the other one makes just what they make.

    That is how a branch goes on after a squash merge; its databases have run these revisions.
    """
    graph, left = snapshot.graph, _only_makes(snapshot, other)
    run: dict[str, None] = {}
    for name in graph.order:
        made = _only_makes(snapshot, name)
        on_it = name == side or not run.keys().isdisjoint(graph.requirements(name))
        if on_it and made and made <= left:
            run[name], left = None, left - made
    above = [each for name in run for each in graph.children.get(name, ()) if each not in run]
    needed = {name for names in graph.dependencies.values() for name in names}
    tied = not needed.isdisjoint(run) or any(len(graph.requirements(each)) > 1 for each in above)
    # What else is below the other one would be skipped where these have run.
    is_level = graph.required(run) - run.keys() == graph.required([other]) - {other}
    if left or tied or not (run and is_level):
        return Remedy()
    last = [*run][-1]
    there = [each for each in snapshot.databases.statuses if not run.keys().isdisjoint(each.rows)]
    # What these have run is not known until the chain is whole, and restamp moves no others.
    repair = left_out(snapshot, [each.name for each in there]) if there else REPAIR
    if not repair or any(each.rows != (last,) for each in there):
        return Remedy()
    attached = [f"{repair} {words(f'--attach={each}={other}' for each in above)}"] if above else []
    moved = [counting_as(other, last)] if there or not above else []
    what = f"delete {listing(run)}, as {other} makes all of that, and put what is above on {other}"
    paths = git_words(snapshot.file(name).path for name in run)
    # Git refuses to delete what it could not bring back.
    return way(what, f"git rm --quiet -- {paths}", *attached, *moved)


def _only_makes(snapshot: Facts, revision: str) -> frozenset[tuple[object, ...]]:
    """What a revision makes, with its properties; empty if it does, or may do, anything else."""
    file = snapshot.file(revision)
    does = snapshot.footprint(file)
    # GRANT, CREATE FUNCTION and the like have no effect on tables.
    opaque = does.opaque or does.rows or b"execute" in file.data
    changes = [each for each in does.effects if each.action is not Action.USE or each.properties]
    is_pure = all(each.certain and each.action is Action.CREATE for each in changes)
    made = [(key_of(each.object), each.properties) for each in changes if is_pure]
    unnamed = [(key_of(each.part), each.sort) for each in does.unnamed if is_pure]
    return frozenset(() if opaque else [*made, *unnamed])


def _having_one(known: Iterable[Applied], sides: Collection[str]) -> dict[str, list[Applied]]:
    """For each side, the databases that have it without the other."""
    alone: dict[str, list[Applied]] = {side: [] for side in sides}
    for each in known:
        have = each.revisions.intersection(sides)
        if len(have) == 1:
            alone[min(have)].append(each)
    return alone


def _place_of(snapshot: Facts, fault: Finding, revision: str) -> str:
    paths = {file.path for file in snapshot.files_by_revision[revision]}
    own = [each for each in fault.locations if each.path in paths]
    return spots(own) or snapshot.file(revision).name


def _accepting(snapshot: Facts, fault: Finding, command: str) -> Remedy:
    """The remedy of accepting the fault; an upgrade that runs both sides still stops there."""
    known = [each.revisions for each in applied_in(snapshot) if each.revisions]
    if not all(revisions.issuperset(fault.revisions) for revisions in known):
        return Remedy()
    first, second = fault.revisions
    have = "the databases here have" if known else "all your databases have"
    return way(
        f"if {have} run both {first} and {second}, link the chain as it is: {fault.code} stays, and"
        " “{alembic} upgrade” of a database that has not run both still stops there",
        command,
    )
