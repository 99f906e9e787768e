"""Lost revisions, which databases have and no file has: where they are, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from flask_chainfix.common.quoting import git_word, operand, option, ref_word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import close_ids, in_rows, listing
from flask_chainfix.databases.applied.contents import (
    Fit,
    absent,
    fit,
    made_by,
    makes_all,
    reading_its_schema,
)
from flask_chainfix.databases.applied.contradictions import is_broken
from flask_chainfix.databases.applied.has_run import possibilities
from flask_chainfix.databases.applied.lost import (
    Survivors,
    early_on_return,
    finishing_there,
    is_noop,
    left_behind,
    lost_footprint,
    replaced,
    squash_of,
    survivors,
    under_its_new_id,
)
from flask_chainfix.databases.applied.rows import counting_as, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.merge_steps import (
    environment_with,
    going_on,
    in_its_environment,
    is_on_main,
    merge_with,
    merging,
    moving_here,
)
from flask_chainfix.diagnosis.numbering import can_have_file
from flask_chainfix.model.databases import DatabaseStatus, LostRevision
from flask_chainfix.schema.footprint import Action, Effect, Footprint, Kind

_NEWER_CODE = (
    "look for newer code that has it, another branch, clone or release: it can take the database"
    " back with a downgrade, or be merged here"
)
_SHOWN_DEEDS = 4
_SHOWN_HEADS = 2


def whereabouts(snapshot: Facts, revision: str) -> str:
    """What happened to a lost revision, according to Git."""
    lost = snapshot.databases.lost.get(revision)
    if lost is None:
        if whole := snapshot.graph.begun_by(revision):
            return f"Alembic takes it for {whole}, the only id that begins with it"
        close = listing(close_ids(revision, snapshot.graph))
        return "Git knows nothing of it" + (close and f"; a similar id is {close}")
    if other := environment_with(snapshot, lost):
        what = f"it belongs to another environment, {other}"
    elif lost.arriving:
        what = f"the {lost.arriving} that has stopped is still to bring it"
    elif lost.stashed:
        what = "it is in Git's stash"
    elif lost.dropped:
        what = "no branch has it any more, but Git still knows the commit"
    elif lost.branch and lost.kept:
        merge = merge_with(snapshot, lost)
        on = merge.theirs.ref if merge else lost.main or f"the branch {lost.branch}"
        what = f"it is on {on}, which is not merged here"
    elif lost.kept:
        covered = snapshot.environment.covers(lost.path.parent)
        what = f"its file is in Git, but not {'on disk' if covered else 'in a version location'}"
    elif lost.renamed in snapshot.graph:
        what = f"the same migration is {lost.renamed} now{', edited since' if lost.edited else ''}"
    else:
        what = "its file was removed"
    commit = f"commit {lost.commit} of {lost.author}, {lost.date:%Y-%m-%d}"
    return f"{what} ({lost.path.name}, {commit})"


def choices(snapshot: Facts, revision: str) -> Remedy:
    """The remedies for a lost revision, the best first."""
    lost = snapshot.databases.lost.get(revision)
    remedy = in_its_environment(snapshot, lost) if lost else Remedy()
    remedy |= _choices(snapshot, revision)
    if not is_broken(snapshot.graph):
        return remedy
    remedy = remedy.without("{fixchain} restamp").without("{fixchain} unwind")  # refused till then
    return remedy or way("repair the files first", REPAIR)


def _choices(snapshot: Facts, revision: str) -> Remedy:
    statuses = [each for each in snapshot.databases.statuses if revision in each.rows]
    lost, remedy = snapshot.databases.lost.get(revision), Remedy()
    if lost is not None and lost.arriving:
        return going_on(snapshot.environment, lost)
    if lost is not None and lost.renamed in snapshot.graph:
        remedy |= under_its_new_id(snapshot, lost)
        if not lost.edited:
            return remedy
    left = survivors(snapshot, revision)
    if lost is not None and is_on_main(snapshot, lost):
        remedy |= merging(snapshot, lost)
    if lost is not None and not snapshot.files:
        place, ref = lost.path.parent, lost.checkout or ("HEAD" if lost.kept else "")
        if ref and place in snapshot.environment.version_locations:
            command = f"git checkout {ref_word(ref)} -- {git_word(place)}"
            remedy |= way("bring the migrations back from Git", command)
    squashed = _squashed_into(snapshot, revision)
    if moved := "" if squashed is None else counting_as(squashed, revision):
        remedy |= way(f"move the stamp to {squashed}, as all that it makes is there", moved)
    if lost is None:
        others = _without_git(snapshot, revision, statuses)
        return remedy | (others.without(moved) if moved else others)
    back, again = _ways_back(snapshot, lost, left, statuses), _is_made_again(snapshot, left)
    if squashed is None and (again or not back):  # what is finished need not be taken down
        back = (finishing_there(snapshot, revision) | back) or replaced(snapshot, revision)
    return remedy | back


def _squashed_into(snapshot: Facts, revision: str) -> str | None:
    """The revision that creates all that a database holds, if nothing was above the lost one."""
    lost, top = snapshot.databases.lost.get(revision), squash_of(snapshot, revision)
    if top is None or lost is not None:
        return None if lost is not None and lost.above else top
    statuses = [each for each in snapshot.databases.statuses if revision in each.rows]
    # Its parents are unknown: the current chain may be below it.
    return top if top in snapshot.graph.bases and makes_all(snapshot, statuses) else None


def _without_git(snapshot: Facts, revision: str, statuses: Sequence[DatabaseStatus]) -> Remedy:
    """The remedies for a revision that Git does not know."""
    close, others = close_ids(revision, snapshot.graph), placeholder(snapshot, revision, statuses)
    run, remedy = frozenset(snapshot.graph.required(close[:1])), Remedy()
    if close and not any(absent(snapshot, each, run) for each in statuses):
        moved = counting_as(close[0], revision)
        if snapshot.graph.begun_by(revision):
            if all(each.by_user for each in statuses):
                return Remedy.of(f"give the whole id, {close[0]}, to --stamp")
            return way("move the stamp to the whole id", moved)
        remedy, others = way(f"move the stamp, if it is {close[0]}", moved), others.without(moved)
    return remedy | _NEWER_CODE | others


def placeholder(snapshot: Facts, revision: str, statuses: Sequence[DatabaseStatus] = ()) -> Remedy:
    """How to put a no-op revision in place of a lost one with unknown parents.

    The tables of ``statuses``, the databases that have run it, may show its parent.
    """
    graph, rows = snapshot.graph, {row for each in statuses for row in each.rows}
    beside, lost = rows.intersection(graph), snapshot.databases.lost
    # A command for one of several such rows would be refused because of the others.
    together = sorted({revision, *(row for row in rows if row not in graph and row not in lost)})
    has_file = all(map(can_have_file, together))
    if beside:
        return _placeholder_beside(snapshot, together, beside, has_file=has_file)
    ends = graph.heads[:_SHOWN_HEADS]
    found, *others = {fit(snapshot, status) for status in statuses} or [None]
    if found is not None and not others and len(found.rows) == len(found.highest) == 1:
        if has_file:
            return _placeholder_on(together, found)
        ends = tuple(dict.fromkeys(found.highest + found.rows))
    remedy = Remedy()
    for head in ends:
        moved = way(f"move the stamp, if it counts for {head}", counting_as(head, *together))
        remedy |= _tombstone(together, head, f", if it was on {head}") if has_file else moved
    return remedy


def _placeholder_beside(
    snapshot: Facts, lost: Sequence[str], beside: Collection[str], *, has_file: bool
) -> Remedy:
    """On a parent of the other rows: Alembic writes no row beside one that it is above."""
    graph, row = snapshot.graph, min(beside)
    below = tops(graph, graph.required(beside) - graph.descendants(beside))
    remedy = _tombstone(lost, below[0]) if has_file and below else Remedy()
    what = f"take it out of the stamp, which keeps {row}, if what it did is not there any more"
    return remedy | way(what, counting_as(row, *lost))


def _placeholder_on(lost: Sequence[str], found: Fit) -> Remedy:
    """On top of what has certainly run; on revisions without tables only if the user confirms."""
    (parent,), (highest,) = found.rows, found.highest
    if parent == highest:
        return _tombstone(lost, parent)
    silent = listing(found.silent, _SHOWN_DEEDS)
    each, have = ("", "has") if len(found.silent) == 1 else ("each of ", "have")
    higher = _tombstone(lost, highest, f", if {each}{silent} has run there")
    return higher | _tombstone(lost, parent, f", if {silent} {have} not")


def _tombstone(lost: Sequence[str], parent: str = "", condition: str = "") -> Remedy:
    on, place = parent and f"={parent}", "its place" if len(lost) == 1 else "the place of each"
    said = " ".join(option("--tombstone", f"{each}{on}") for each in lost)
    what = f"put a no-op revision in {place}{condition}"
    return way(what, f"{{fixchain}} repair {said}{{databases}}")


def _ways_back(
    snapshot: Facts, lost: LostRevision, left: Survivors, statuses: Sequence[DatabaseStatus]
) -> Remedy:
    nothing_lost = all(is_noop(snapshot, each) for each in left.between)
    between = listing(left.between)
    condition = f"as {between} did nothing"
    if there := listing(left_behind(snapshot, left.between, statuses), _SHOWN_DEEDS):
        condition = f"once {there}, which {between} made, is gone"
    elif not nothing_lost:
        condition = f"if what {between} did is no longer there"
    to_ancestor = Remedy()
    for row in left.rows if len(left.rows) == 1 else ():
        what = f"move the stamp to {row}, the nearest ancestor that is left, {condition}"
        to_ancestor = way(what, counting_as(row, lost.revision))
    downwards = to_ancestor if nothing_lost else _unwinding(snapshot, lost, left, statuses)
    at_head = lost.kept and not lost.branch  # it may be gone from the disk by mistake
    remedy = Remedy()
    for status in statuses[:1] if _is_made_again(snapshot, left) else ():
        remedy |= reading_its_schema(snapshot, status)
    remedy |= Remedy() if at_head else downwards
    if not is_on_main(snapshot, lost):
        remedy |= merging(snapshot, lost)
    fits = not left.unknown and not any(
        early_on_return(snapshot, status, lost.revision) for status in statuses
    )
    moving = moving_here(snapshot, lost) if len(left.between) == 1 else Remedy()
    remedy |= moving
    if fits and not moving:
        back = " ".join(option("--bring-back", each) for each in left.between)
        others = f" and those of {listing(left.between[1:])}, which it is built on,"
        what = f"bring its file{others if len(left.between) > 1 else ''} back from Git"
        remedy |= way(what, f"{{fixchain}} repair {back}{{databases}}")
    remedy |= (downwards if at_head else Remedy()) | (Remedy() if nothing_lost else to_ancestor)
    if left.unknown:
        return remedy | placeholder(snapshot, lost.revision, statuses)
    if fits and snapshot.files and can_have_file(lost.revision):
        alone = there and f"; {there} then stays without a migration"
        remedy |= _tombstone([lost.revision], "", alone)
    return remedy


def _is_made_again(snapshot: Facts, left: Survivors) -> bool:
    """Whether the chain makes what lost revisions made, so that these should not come back."""
    below = snapshot.graph.required(left.rows)
    found = filter(None, (lost_footprint(snapshot, each) for each in left.between))
    made = {key for each in found for key in made_by(each)}
    files = map(snapshot.file, set(snapshot.graph).difference(below))
    return any(not made.isdisjoint(made_by(snapshot.footprint(each))) for each in files)


def _unwinding(
    snapshot: Facts, lost: LostRevision, left: Survivors, statuses: Sequence[DatabaseStatus]
) -> Remedy:
    """How to downgrade databases that are ahead, if other code has what they have run."""
    out_of_reach = all(status.by_user for status in statuses)
    has_code = lost.checkout or (lost.kept and not lost.branch)
    if not (left.rows and has_code and all(map(can_have_file, left.between))) or out_of_reach:
        return Remedy()
    drops = losses_in_words(_downgrades(snapshot, left, statuses))
    which = f"with downgrade() of {listing(left.between, _SHOWN_DEEDS)} from Git"
    text = f"downgrade the database to what this code has, {which}; {drops}"
    return way(text, "{fixchain} unwind{databases}")


def taking_down_there(snapshot: Facts, revision: str) -> Remedy:
    """How to downgrade a lost revision with the code that has it; empty if that is unknown.

    The target downgrades all lost revisions and nothing else. If parallel revisions have run, it is
    ``LOWEST@BELOW``, a single branch. There is none if the lost revisions have several parents.
    """
    lost, left = snapshot.databases.lost.get(revision), survivors(snapshot, revision)
    if lost is None or left.unknown or not lost.checkout:
        return Remedy()
    statuses = [each for each in snapshot.databases.statuses if revision in each.rows]
    known = [snapshot.databases.lost[each] for each in left.between]
    lowest = [each for each in known if all(name in snapshot.graph for name in each.requirements)]
    if len(lowest) != 1 or len(lowest[0].requirements) != 1:
        return Remedy()
    (target,) = lowest[0].requirements
    alone = all(status.rows == (lost.revision,) for status in statuses)
    if not alone or any(len(each.requirements) != 1 for each in known):
        target = f"{lowest[0].revision}@{target}"
    drops = losses_in_words(_downgrades(snapshot, left, statuses))
    return way(
        f"check out the code that has it, downgrade the database, and come back; {drops}",
        f"git checkout {ref_word(lost.checkout)}",
        f"{{alembic}} downgrade {operand(target)}",
        "git checkout -",
    )


def _downgrades(
    snapshot: Facts, left: Survivors, statuses: Sequence[DatabaseStatus]
) -> list[Footprint | None]:
    """What ``downgrade()`` of lost revisions does in databases."""
    binds = dict.fromkeys(status.bind for status in statuses)
    return [
        lost_footprint(snapshot, each, "downgrade", bind) for each in left.between for bind in binds
    ]


def losses_in_words(footprints: Sequence[Footprint | None]) -> str:
    """What a downgrade drops, in words; a footprint is ``None`` if there is no file."""
    lost = listing(losses(footprints), _SHOWN_DEEDS)
    return f"this drops {lost}, with the data in it" if lost else "this drops nothing"


def losses(footprints: Sequence[Footprint | None]) -> tuple[str, ...]:
    """The objects that downgrades drop."""
    effects = [effect for each in footprints if each is not None for effect in each.effects]
    dropped = [effect for effect in effects if effect.action is Action.DROP]
    names = [*dict.fromkeys(text.removeprefix("drops ") for text in _in_words(dropped))]
    if any(each is None or each.opaque for each in footprints):
        names.append("what its source does not show")
    return tuple(names)


# --- Lost revisions that count as others ---------------------------------------------------------
def notes_on_taken(snapshot: Facts, taken: Mapping[str, str]) -> tuple[str, ...]:
    """Notes on lost revisions (the keys) that users count as other revisions (the values)."""
    ran = {
        revision
        for status in snapshot.databases.statuses
        for each in possibilities(snapshot, status)
        for revision in each.revisions.union(each.unknown)
    }
    notes = []
    for revision, other in taken.items():
        if revision in ran or revision in snapshot.databases.shared:
            notes.append(_note(snapshot, revision, other))
        else:
            option_ = option("--lost", f"{revision}={other}")
            notes.append(f"no database has run {revision}, so {option_} changes nothing")
    return tuple(notes)


def _note(snapshot: Facts, revision: str, other: str) -> str:
    lost = snapshot.databases.lost.get(revision)
    counts = f"{in_rows([revision])} counts as {other}"
    if lost is not None and lost.renamed == other:
        if not lost.edited:
            return f"{counts}: Git shows that it is the same migration under a new id"
        return (
            f"{counts}: that is its new id, but {lost.path.name} has been edited since commit"
            f" {lost.commit}; what was added there will never run on these databases"
        )
    left = survivors(snapshot, revision)
    if squash_of(snapshot, revision) == other:
        return f"{counts}: all tables that {other} and those below it make are there"
    if left.unknown:
        return (
            f"{counts}: what {in_rows(left.unknown)} did, and whether {other} ran, cannot be"
            f" checked, as Git has no file of {'it' if len(left.unknown) == 1 else 'them'}"
        )
    return "; ".join((f"{counts}: {_between(snapshot, left)}", *_gaps(snapshot, left, other)))


def _between(snapshot: Facts, left: Survivors) -> str:
    if all(is_noop(snapshot, each) for each in left.between):
        verb = "is" if len(left.between) == 1 else "are"
        return f"{listing(left.between)} {verb} proven to do nothing, so nothing is lost"
    what = ", ".join(f"{each} {_what_it_did(snapshot, each)}" for each in left.between)
    stays = "whatever of that is in the database stays there, and no migration accounts for it"
    return f"{what}; {stays}"


def _gaps(snapshot: Facts, left: Survivors, other: str) -> Iterator[str]:
    """Where Git and the user disagree about what the databases have run."""
    graph = snapshot.graph
    by_git, by_user = graph.required(left.rows), graph.required([other])
    again = [revision for revision in graph.order if revision in by_git - by_user]
    never = [revision for revision in graph.order if revision in by_user - by_git]
    if again:
        yield f"{listing(again)} ran there as far as Git knows, and will run again"
    if never:
        yield f"nothing shows that {listing(never)} ran there, and it never will"


def _what_it_did(snapshot: Facts, revision: str) -> str:
    """What a lost revision did, in a few words."""
    footprint = lost_footprint(snapshot, revision)
    if is_noop(snapshot, revision) or footprint is None:
        return "does nothing"
    words = [*dict.fromkeys(_in_words(footprint.effects))]
    if footprint.opaque:
        words.append("does more than its source shows" if words else "does not show what it does")
    return listing(words, _SHOWN_DEEDS) or "does nothing to tables, and perhaps something else"


def _in_words(effects: Sequence[Effect]) -> Iterator[str]:
    """Changes, without the parts of objects that are created or dropped; or else uses."""
    changes = [effect for effect in effects if effect.action is not Action.USE]
    whole = {effect.object.name for effect in changes if effect.object.kind is Kind.TABLE}
    for effect in changes or effects:
        thing = effect.object
        if thing.table not in whole and (changes or thing.kind is Kind.TABLE):
            yield f"{effect.action.value} {thing.kind.value} {thing.spelled}"
