"""Why one migration must have come before another: asked wherever the links are in doubt.

The signs are listed by strength: what a migration makes and the other one needs, what was there
when it was committed, which of them came into Git first, which was created first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.evidence.order import Precedence
from flask_chainfix.evidence.touches import Touch, key_of
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.plans import Reason
from flask_chainfix.model.schema import Action
from flask_chainfix.planning.mending.case import Case, is_same_file

_DEEDS = {"use": ("uses", "creates"), "drop": ("drops", "uses")}

_Sign = Callable[[Case, MigrationFile, MigrationFile], str]


def reasons_before(
    case: Case, first: MigrationFile, second: MigrationFile, *kinds: str
) -> Iterator[Reason]:
    """Why one migration must have come before another, the strongest reason first.

    Args:
        case: the chain and what is known of it.
        first: the one that came before, if anything says so.
        second: the other one.
        kinds: the kinds of reasons that count; all of ``SIGNS`` where none is given.
    """
    for kind in kinds or SIGNS:
        why = SIGNS[kind](case, first, second)
        if why:
            yield Reason(kind, why)


def schema_reason(snapshot: Snapshot, precedence: Precedence) -> Reason:
    """Why one revision goes after another by what they do, with both places."""
    before, after, ending = precedence
    first, second = (_place(snapshot, touch) for touch in (before, after))
    what = f"{before.object.kind.value} {before.object.spelled}"
    deed, other = _DEEDS[ending]
    text = f"{after.revision} {deed} {what} ({second}), which {before.revision} {other} ({first})"
    return Reason("schema", text)


def _place(snapshot: Snapshot, touch: Touch) -> str:
    return f"{snapshot.file(touch.revision).name}:{touch.line}"


def _makes_what_it_needs(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    made = {
        key_of(each.object): each.object
        for each in case.snapshot.footprint(first).effects
        if each.action is Action.CREATE and each.certain
    }
    for each in case.snapshot.footprint(second).effects:
        thing = made.get(key_of(each.object))
        if each.action is Action.CREATE or thing is None or not each.certain:
            continue
        makers = case.snapshot.evidence.creators.get(key_of(thing), ())
        if all(maker.revision == _id(first) for maker in makers):
            what = f"{thing.kind.value} {thing.spelled}"
            return f"{_called(case, second)} uses {what}, which {_called(case, first)} creates"
    return ""


def _was_not_there(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    """The chain of the commit that added the first is without the second."""
    landing, then = case.history.landing(first.path), case.chain_when_added(first)
    if landing is None or then is None:
        return ""
    there = then.files_by_revision.get(_id(second), ())
    if _id(second) in case.snapshot.graph.duplicates:
        there = tuple(each for each in there if is_same_file(each, second))
    if there:
        return ""
    added = f"which added {_called(case, first)}"
    return f"commit {landing.commit}, {added}, has no {_called(case, second)}"


def _landed_first(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    landing, later = (case.history.landing(file.path) for file in (first, second))
    if landing is None or (later is not None and later.position <= landing.position):
        return ""
    names = _called(case, first), _called(case, second)
    return f"{names[0]} landed in commit {landing.commit}, and {names[1]} had not by then"


def _was_created_first(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    rank, later = case.rank(first), case.rank(second)
    if rank.undated or later.undated or rank.date >= later.date:
        return ""
    return f"{_called(case, first)} has an older Create Date than {_called(case, second)}"


SIGNS: Mapping[str, _Sign] = {
    "schema": _makes_what_it_needs,
    "branch": _was_not_there,
    "git": _landed_first,
    "date": _was_created_first,
}


def _id(file: MigrationFile) -> str:
    return str(file.reading.revision) if isinstance(file.reading, Header) else ""


def _called(case: Case, file: MigrationFile) -> str:
    """The id of a migration; where it stands twice, the name of the file."""
    return file.name if _id(file) in case.snapshot.graph.duplicates else _id(file)
