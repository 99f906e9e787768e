"""What a merge would break, found before anybody merges."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator

from flask_chainfix.chain.snapshot import Trunk
from flask_chainfix.common.quoting import ref_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.diagnosis.merge_steps import merge_steps
from flask_chainfix.diagnosis.numbering import same_numbers
from flask_chainfix.diagnosis.rules import Family, Fault, diagnose, rule
from flask_chainfix.model.files import MigrationFile
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.model.history import AfterMerge, Conflict, Merge, Side, shared_by
from flask_chainfix.schema.side_by_side import Branch, Doings, can_collide, collisions, doings

_NAMED = 3
_KEEP_ONE = "remove it, or keep it if its result is the intended one, because it runs last"
_FIT = (
    "remove what is done there already, with its counterpart in downgrade(), or do not use what is"
    " gone there"
)
_STOPS = {
    "contents": "both sides have changed it",
    "modify/delete": "one side has changed it, and the other has deleted it",
    "rename/delete": "one side has renamed it, and the other has deleted it",
    "rename/rename": "both sides have renamed it",
}


@rule("FC503", "merge-would-break", Severity.ERROR, "breaking merge", Family.MERGE)
def merge_would_break(snapshot: Facts) -> Iterator[Fault]:
    """A merge would break the chain, although each side is sound by itself.

    The check asks Git for the result of the merge, including files that were renamed, deleted or
    changed on both sides. It does not merge anything. It reports what only the result has: several
    heads or bases, an id that both sides have taken, a parent that the other side has deleted, a
    cycle, and migrations in which Git would report a conflict.

    What breaks:
        after the merge, “{alembic} upgrade” stops, for example with “Multiple head revisions are
        present for given argument 'head'”

    How it happens:
        Two branches from the same commit each add a migration. Each branch has one head, and Git
        sees no conflict, because the files have different names.

    How to repair it:
        `git merge REF`, then `{fixchain} rebase --onto REF`, which moves the migrations of this
        branch on top of the others, before you push.

    Example:
        users
        orders on origin/main <- users
        payments here <- users

        $ {fixchain} check --against origin/main
    """
    for merge in snapshot.merges:
        if merge.is_gate and not merge.mine.ref:
            for finding in breaking(snapshot, merge):
                yield _broken(snapshot, merge, finding)
            for conflict in merge.conflicts:
                if conflict.path != snapshot.environment.lock_path:
                    yield _stopped(snapshot, merge, conflict)


def breaking(snapshot: Facts, merge: Merge) -> tuple[Finding, ...]:
    """The errors that the chain has only after the merge."""
    about = (breaking, merge.mine.ref, merge.theirs.ref)
    return snapshot.once(about, lambda: tuple(_breaking(snapshot, merge)))


def _breaking(snapshot: Facts, merge: Merge) -> Iterator[Finding]:
    gate = merge.is_gate and not merge.mine.ref
    short = _trunk(snapshot).shorten(merge.files)
    found = errors_of(diagnose(snapshot.of_others(short or merge.files)))
    if not found and gate:  # otherwise its lock is not reliable
        after = snapshot.of_others(merge.files, merge.lock)
        found = errors_of(diagnose(after, Family.LOCK))
    if not found:
        return
    known: set[object] | None = None
    stopped = {conflict.path for conflict in merge.conflicts}
    for finding in found:
        if finding.code == "FC106" and all(each.path in stopped for each in finding.locations):
            continue  # it is reported as a place at which Git stops
        if known is None and not _is_of_both(merge, finding):
            sides = (merge.mine, merge.theirs)
            known = {_identity(each) for side in sides for each in _errors(snapshot, side)}
        if known is None or _identity(finding) not in known:
            yield finding


def _trunk(snapshot: Facts) -> Trunk:
    """What all sides of all merges have in common."""

    def work_out() -> Trunk:
        shared = shared_by(side for each in snapshot.merges for side in (each.mine, each.theirs))
        files = tuple(file for file in snapshot.files if id(file) in shared)
        return Trunk(snapshot.of_others(files))

    names = tuple((each.mine.ref, each.theirs.ref) for each in snapshot.merges)
    return snapshot.once((_trunk, names), work_out)


def _is_of_both(merge: Merge, finding: Finding) -> bool:
    """Whether a finding is about migrations of both sides."""
    sides = (merge.mine.ids - merge.theirs.ids, merge.theirs.ids - merge.mine.ids)
    return not any(ids.isdisjoint(finding.revisions) for ids in sides)


def _errors(snapshot: Facts, side: Side) -> list[Finding]:
    there = snapshot.of_others(side.files, side.lock)
    return errors_of(diagnose(there, Family.CHAIN, Family.LOCK))


def _identity(finding: Finding) -> tuple[str, object]:
    """What identifies a finding in another chain, where its files may have other paths."""
    return finding.code, finding.revisions or finding.message


def _broken(snapshot: Facts, merge: Merge, finding: Finding) -> Fault:
    ref = merge.theirs.ref
    new = merge.theirs.ids_only_here(merge.mine)
    came = [
        f"{each} came with {merge.changes[each]}"
        for each in finding.revisions
        if each in new and each in merge.changes
    ]
    numbers = []
    if finding.code == "FC102":
        pairs = same_numbers(
            snapshot.of_others(merge.files), merge.mine.ids_only_here(merge.theirs), new
        )
        numbers = [f"{one} and {other} take the same number" for one, other in pairs]
    more = "".join(f"; {each}" for each in (*numbers[:_NAMED], *came[:_NAMED]))
    return Fault(
        f"a merge of {ref} gives {finding.code} {finding.name}: {finding.message}{more}",
        _way_out(snapshot, merge),
        finding.revisions,
        _places(merge, finding.locations),
    )


def _places(merge: Merge, locations: Iterable[Location] | str) -> list[Location]:
    """The places, each with the side that has it; places on the disk first."""
    places = [place for place in locations if isinstance(place, Location)]
    names = {place.path.name for place in places}
    sides = {
        file.path: side
        for side in (merge.theirs, merge.mine)
        for file in side.files
        if file.name in names
    }
    with_sides = (
        place._replace(ref=sides[place.path].ref, commit=sides[place.path].commit)
        if place.path in sides
        else place
        for place in places
    )
    return sorted(with_sides, key=lambda place: place.ref != "")


def _stopped(snapshot: Facts, merge: Merge, conflict: Conflict) -> Fault:
    ref, name = merge.theirs.ref, os.path.relpath(conflict.path)
    why = _STOPS.get(conflict.kind, f"both sides are in conflict ({conflict.kind})")
    steps = merge_steps(snapshot.environment, merge)
    return Fault(
        f"a merge of {ref} stops at {name}: {why}",
        way(
            f"take the file from {ref_word(ref)}, and put your change into a new migration",
            *steps,
        ),
        locations=[Location(conflict.path, None)],
    )


# --- Commands to type ----------------------------------------------------------------------------
def _way_out(snapshot: Facts, merge: Merge) -> Remedy:
    clashing = clashes(snapshot, merge)
    if clashing:  # a rebase is refused until this is changed
        return _change(snapshot, merge, clashing[0])
    text = "merge, and put your migrations on top, before others see both"
    if merge.takes_away:
        places = listing(map(os.path.relpath, snapshot.environment.version_locations))
        text = (
            f"merge {merge.theirs.ref}, which has no migrations in {places}, then put yours where"
            " its own are now, and check there"
        )
    elif merge.after_merge is AfterMerge.REPAIR:
        text = "merge, and repair the chain, before others see both"
    elif merge.after_merge is AfterMerge.LOCK:
        text = "merge, and write the heads of the merged chain to chain.lock"
    if merge.others:
        what = count(merge.others, "other file")
        text += f"; Git also stops at {what}: resolve and add them before you finish the merge"
    return way(text, *merge_steps(snapshot.environment, merge))


# --- What both sides do to the schema ------------------------------------------------------------
@rule("FC504", "merge-would-conflict", Severity.ERROR, "conflicting change", Family.MERGE)
def merge_would_conflict(snapshot: Facts) -> Iterator[Fault]:
    """Migrations of two branches make conflicting changes to the schema, in any order.

    The check judges the chain that `rebase` would make after a merge: the migrations of this branch
    on top of the others. Both branches create, or both drop, the same table, column, index or
    constraint; or this branch uses something that the other one drops or renames; or both change
    the type, nullability or default of one column to different values.

    What breaks:
        after the merge, “{alembic} upgrade” stops, for example with “already exists” or “no
        such”; of two changes of a column, only the last one takes effect

    How it happens:
        Two people solve the same problem, or one removes what the other one uses. The files do not
        conflict, so Git reports nothing.

    How to repair it:
        By hand: in the migration that nobody else has yet, remove the operation and its counterpart
        in `downgrade()`, or change it to suit the other branch. Then `git merge REF` and
        `{fixchain} rebase --onto REF`.

    Example:
        users: op.create_table("users", sa.Column("id", sa.Integer()))
        emails on origin/main <- users: op.add_column("users", sa.Column("email", sa.String()))
        contacts here <- users: op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} check --against origin/main
    """
    for merge in snapshot.merges:
        for fault in clashes(snapshot, merge):
            yield _clash(snapshot, merge, fault)


def clashes(snapshot: Facts, merge: Merge) -> tuple[Fault, ...]:
    """The conflicts between both sides of a merge; none if one order of the sides works."""
    orders = [clashes_in(snapshot, merge, index) for index in range(len(merge.rebased))]
    return orders[0] if orders and all(orders) else ()


def clashes_in(snapshot: Facts, merge: Merge, index: int) -> tuple[Fault, ...]:
    """The conflicts between both sides of a merge in one order."""
    about = (clashes_in, merge.mine.ref, merge.theirs.ref, index)
    return snapshot.once(about, lambda: tuple(_clashes(snapshot, merge, index)))


def _clashes(snapshot: Facts, merge: Merge, index: int) -> Iterator[Fault]:
    """The conflicts between a migration of one side and one of the other."""
    rebased = snapshot.of_others(merge.rebased[index].files)
    sides = (merge.theirs, merge.mine)
    below, above = sides if merge.rebased[index].above == merge.mine.ref else sides[::-1]
    # If both sides have taken an id, the side on top has a new one.
    top, lower = frozenset(rebased.graph).difference(below.ids), below.ids_only_here(above)
    reported = set()
    for finding in errors_of(diagnose(rebased, Family.SCHEMA)):
        involved = frozenset(finding.revisions)
        if involved & top and involved & lower:
            reported.add(involved)
            where = finding.locations
            yield Fault(finding.message, _FIT, finding.revisions, where, finding.number)
    for each in collisions(_branch(rebased, lower), _branch(rebased, top)):
        touches = (each.second, each.first)
        involved = frozenset(touch.revision for touch in touches)
        if each.fails and involved in reported:
            continue
        reported.add(involved)
        places = [Location(rebased.file(touch.revision).path, touch.line) for touch in touches]
        hint = _FIT if each.fails else _KEEP_ONE
        yield Fault(each.sentence, hint, sorted(involved), places)


def may_clash(snapshot: Facts, merge: Merge) -> bool:
    """Whether both sides change the schema, so that the changes must be compared."""
    branches = [
        [_doings(snapshot, file) for file in side.files_only_here(other)]
        for side, other in ((merge.mine, merge.theirs), (merge.theirs, merge.mine))
    ]
    return can_collide(*branches)


def _doings(snapshot: Facts, file: MigrationFile) -> Doings:
    """What a migration of either side does to each object."""
    about = (_doings, file.name, file.data)
    return snapshot.once(about, lambda: doings(snapshot.of_others((file,)).footprint(file)))


def _branch(chain: Facts, revisions: Collection[str]) -> Branch:
    """What some revisions do, in the order of the chain."""
    order = (name for name in chain.graph.order if name in revisions)
    return [(name, chain.footprint(chain.file(name))) for name in order]


def _clash(snapshot: Facts, merge: Merge, fault: Fault) -> Fault:
    mine, theirs = merge.mine.ids_only_here(merge.theirs), merge.theirs.ids_only_here(merge.mine)
    names = {
        **dict.fromkeys(theirs, merge.theirs.name),
        **dict.fromkeys(mine, merge.mine.name),
    }
    whose = listing(
        f"{each} is {'yours' if names[each] == 'yours' else f'from {names[each]}'}"
        + (f" ({merge.changes[each]})" if each in merge.changes else "")
        for each in fault.revisions
        if each in names
    )
    places = _places(merge, fault.locations)
    return Fault(
        f"{fault.message}; {whose}",
        _change(snapshot, merge, fault),
        fault.revisions,
        places,
        fault.number,
    )


def _change(snapshot: Facts, merge: Merge, fault: Fault) -> Remedy:
    """What to change, and the commands to run after that."""
    mine, theirs = ref_word(merge.mine.ref), ref_word(merge.theirs.ref)
    spots = [each for each in _places(merge, fault.locations) if each.ref == merge.mine.ref]
    where = listing(dict.fromkeys(f"{each.path.name}:{each.line}" for each in spots), _NAMED)
    if not merge.is_gate:
        whose = f"yours, at {where}," if not merge.mine.ref else f"{where} of {mine}"
        return Remedy.of(
            f"let one of the two land, and change the other to suit it: {whose} or what"
            f" {theirs} does"
        )
    if merge.mine.ref:
        return Remedy.of(f"before {mine} lands, change {where} there to suit what {theirs} does")
    text = f"change yours, at {where}, to suit what {theirs} does: {fault.hint}"
    return way(f"{text}; then merge", *merge_steps(snapshot.environment, merge))
