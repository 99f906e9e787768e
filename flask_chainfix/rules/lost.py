"""What there is to say of revisions that databases have and files have not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from flask_chainfix.model import Action, Effect, Kind, LostRevision
from flask_chainfix.rules.spelling import close_ids
from flask_chainfix.rules.wording import listing
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import (
    Survivors,
    is_noop,
    lost_footprint,
    possibilities,
    survivors,
)

_PLAIN = re.compile(r"\w[\w. ]*")  # what stands in a file's name and text as it is
_LONGEST = 100
_SYMBOLS = frozenset({"base", "head", "heads"})
_SHOWN_DEEDS = 4


def can_have_file(revision: str) -> bool:
    """Whether a file can be written for an id: some would be a path, code, or nothing to Alembic.

    Databases can hold any text.
    """
    return (
        _PLAIN.fullmatch(revision) is not None
        and len(revision) <= _LONGEST
        and revision not in _SYMBOLS
    )


def whereabouts(snapshot: Snapshot, revision: str) -> str:
    """Where a lost revision went, as far as anybody knows."""
    lost = snapshot.databases.lost.get(revision)
    if lost is None:
        close = close_ids(revision, snapshot.graph)
        unknown = "Git knows nothing of it"
        return f"{unknown}; it is close to {listing(close)}" if close else unknown
    place = f"{lost.path.name}, commit {lost.commit} of {lost.author}, {lost.date:%Y-%m-%d}"
    if lost.branch and lost.kept:
        return f"it is on the branch {lost.branch}, which is not merged here ({place})"
    if lost.kept:
        return f"its file is in Git, and not where migrations are looked for ({place})"
    if lost.renamed in snapshot.graph:
        edited = ", edited since" if lost.edited else ""
        return f"the same migration is {lost.renamed} now{edited} ({place})"
    return f"its file was removed ({place})"


def choices(snapshot: Snapshot, revision: str) -> Iterator[str]:
    """What can be done about a lost revision, the best first."""
    lost = snapshot.databases.lost.get(revision)
    id_ = shlex.quote(revision)
    if lost is None:
        close = close_ids(revision, snapshot.graph)
        if close:
            yield f"if it is {close[0]}, move the stamp: restamp --lost {_pair(revision, close[0])}"
        if can_have_file(revision):
            yield f"put a no-op revision in its place: repair --tombstone {id_}=PARENT"
        yield "look for the checkout that has run it"
        return
    if lost.renamed in snapshot.graph:
        assert lost.renamed is not None
        compare = ", if what was edited does not matter there" if lost.edited else ""
        pair = _pair(revision, lost.renamed)
        yield f"move the stamp to its new id{compare}: restamp --lost {pair}"
    if lost.renamed not in snapshot.graph or lost.edited:
        yield from _ways_back(snapshot, lost)


def _ways_back(snapshot: Snapshot, lost: LostRevision) -> Iterator[str]:
    way = survivors(snapshot, lost.revision)
    if lost.branch and lost.kept:
        yield f"merge the branch {lost.branch}, then repair"
    if not way.unknown:
        back = " ".join(f"--bring-back {shlex.quote(each)}" for each in way.between)
        yield f"bring {_files(way)} back from Git: repair {back}"
    if len(way.rows) == 1:
        deeds = f"if what {listing(way.between)} did is no longer there"
        if all(is_noop(snapshot, each) for each in way.between):
            deeds = f"as {listing(way.between)} did nothing"
        yield (
            f"move the stamp to {way.rows[0]}, the nearest ancestor that is left, {deeds}:"
            f" restamp --lost {_pair(lost.revision, way.rows[0])}"
        )
    if can_have_file(lost.revision):
        parent = "=PARENT" if way.unknown else ""
        id_ = shlex.quote(lost.revision)
        yield f"put a no-op revision in its place: repair --tombstone {id_}{parent}"


def _files(way: Survivors) -> str:
    if len(way.between) == 1:
        return "its file"
    return f"its file and those of {listing(way.between[1:])}, which it is built on,"


def _pair(revision: str, other: str) -> str:
    return shlex.quote(f"{revision}={other}")


# --- Lost revisions that are taken for others ----------------------------------------------------


def notes_on_taken(snapshot: Snapshot, taken: Mapping[str, str]) -> tuple[str, ...]:
    """What a user should know who has lost revisions counted for others.

    Args:
        snapshot: the chain, and what is known of its databases and lost revisions.
        taken: lost revisions, and those that the user takes them for.
    """
    ran = {
        revision
        for standing in snapshot.databases.standings
        for each in possibilities(snapshot, standing)
        for revision in each.revisions.union(each.unknown)
    }
    return tuple(
        _note(snapshot, revision, other)
        if revision in ran or revision in snapshot.databases.shared
        else f"no database has run {revision}, so --lost {_pair(revision, other)} changes nothing"
        for revision, other in taken.items()
    )


def _note(snapshot: Snapshot, revision: str, other: str) -> str:
    lost = snapshot.databases.lost.get(revision)
    counts = f"{revision} is to count for {other}"
    if lost is not None and lost.renamed == other:
        if not lost.edited:
            return f"{counts}: Git shows that it is the same migration under a new id"
        return (
            f"{counts}: that is its new id, but {lost.path.name} has been edited since commit"
            f" {lost.commit}; what was added there will never run on these databases"
        )
    way = survivors(snapshot, revision)
    if way.unknown:
        return (
            f"{counts}: what {listing(way.unknown)} did, and whether {other} ran, cannot be"
            f" checked, as Git has no file of {'it' if len(way.unknown) == 1 else 'them'}"
        )
    return "; ".join((f"{counts}: {_between(snapshot, way)}", *_gaps(snapshot, way, other)))


def _between(snapshot: Snapshot, way: Survivors) -> str:
    if all(is_noop(snapshot, each) for each in way.between):
        verb = "is" if len(way.between) == 1 else "are"
        return f"{listing(way.between)} {verb} proven to do nothing, so nothing is lost"
    told = ", ".join(f"{each} {_deeds(snapshot, each)}" for each in way.between)
    return f"{told}; whatever of that is in the database stays there, and no file tells of it"


def _gaps(snapshot: Snapshot, way: Survivors, other: str) -> Iterator[str]:
    """What the databases have run by Git and not by the user, and the other way round."""
    graph = snapshot.graph
    by_git, by_user = graph.required(way.rows), graph.required([other])
    again = [revision for revision in graph.order if revision in by_git - by_user]
    never = [revision for revision in graph.order if revision in by_user - by_git]
    if again:
        yield f"{listing(again)} ran there by what Git knows, and will run again"
    if never:
        yield f"nothing shows that {listing(never)} ran there, and it never will"


def _deeds(snapshot: Snapshot, revision: str) -> str:
    """What a lost revision did, in a few words."""
    footprint = lost_footprint(snapshot, revision)
    if is_noop(snapshot, revision) or footprint is None:
        return "does nothing"
    words = [*dict.fromkeys(_told(footprint.effects))]
    if footprint.opaque:
        words.append("does more than its source tells" if words else "does not tell what it does")
    return listing(words, _SHOWN_DEEDS) or "does nothing to tables, and perhaps something else"


def _told(effects: Sequence[Effect]) -> Iterator[str]:
    """Changes without the parts of what is made or dropped as a whole; else what is used."""
    changes = [effect for effect in effects if effect.action is not Action.USE]
    whole = {effect.object.name for effect in changes if effect.object.kind is Kind.TABLE}
    for effect in changes or effects:
        thing = effect.object
        if thing.table not in whole and (changes or thing.kind is Kind.TABLE):
            yield f"{effect.action.value} {thing.kind.value} {thing.spelled}"
