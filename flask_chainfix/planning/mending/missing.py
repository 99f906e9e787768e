"""FC103 and FC107: parents and dependencies without a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import ref_word, word
from flask_chainfix.common.remedies import Remedy, repairing, way
from flask_chainfix.common.wording import close_ids, listing
from flask_chainfix.databases.applied.contents import made_by
from flask_chainfix.databases.applied.has_run import applied_by_rows
from flask_chainfix.databases.applied.lost import is_noop, lost_footprint, survivors
from flask_chainfix.databases.applied.rows import counting_as
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import choices
from flask_chainfix.diagnosis.rules.references import (
    Lookalikes,
    missing_dependencies,
    missing_parents,
)
from flask_chainfix.git.in_progress import operation
from flask_chainfix.model.databases import LostRevision
from flask_chainfix.model.files import Edit
from flask_chainfix.model.plans import GUESS, Mend, NewRevision, Part, Reason
from flask_chainfix.planning.mending.case import Case
from flask_chainfix.planning.mending.merge_points import (
    NewParents,
    head_for,
    heads_joined,
    says_that_it_merges,
)
from flask_chainfix.schema.footprint import Key


class _Meant(NamedTuple):
    """The revision that a missing name stands for."""

    revision: str
    why: Reason
    certain: bool


def parents_that_are_meant(case: Case) -> Iterator[Mend]:
    """Replace each missing parent with the intended one, restore it, or drop it."""
    yield from _mends(case, Part.PARENTS, missing_parents(case.snapshot))


def dependencies_that_are_meant(case: Case) -> Iterator[Mend]:
    """Replace or restore missing dependencies; none is dropped: another package may have it."""
    yield from _mends(case, Part.DEPENDENCIES, missing_dependencies(case.snapshot))


def _mends(case: Case, part: Part, missing: Mapping[str, tuple[str, ...]]) -> Iterator[Mend]:
    lookalikes = Lookalikes(case.snapshot)
    back: dict[str, Mend] = {}
    for revision, names in missing.items():
        for mend in _mends_of(case, part, lookalikes, revision, names):
            if mend.new is None:
                yield mend
            elif mend.revision not in back:  # report only the first of several that name it
                back[mend.revision] = mend
    yield from back.values()


def _mends_of(
    case: Case, part: Part, lookalikes: Lookalikes, revision: str, missing: tuple[str, ...]
) -> Iterator[Mend]:
    header, parents = case.snapshot.header(revision), part is Part.PARENTS
    code, named = ("FC103", header.down_revision) if parents else ("FC107", header.depends_on)
    ids = dict.fromkeys(named or ())
    reasons: list[Reason] = []
    left: list[str] = []
    others = Remedy()
    for name in dict.fromkeys(missing):
        meant = _meant(case, part, lookalikes, revision, name)
        if meant is not None:
            ids = dict.fromkeys(meant.revision if id_ == name else id_ for id_ in ids)
            reasons.append(meant.why)
            if not meant.certain:
                guess = f"{name!r}, which {revision} names, is taken for {meant.revision}"
                reasons.append(Reason(GUESS, guess))
        else:
            left.append(name)
    joined = _new_parents_of_merge_point(case, revision, left, ids) if parents and left else None
    if joined is not None:
        if any(each.kind == GUESS for each in joined.why):
            others = _bringing_back(case, left)
        ids, left = dict.fromkeys(joined.parents), []
        reasons.extend(joined.why)
    for name in left:
        back = _bring_back(case, code, revision, name)
        if back is not None:
            yield back
        elif parents:
            del ids[name]
            reasons.extend(_reasons_to_leave_out(case, revision, name))
    if reasons:
        file = case.snapshot.file(revision)
        mend = case.rewritten(code, part, file, tuple(ids), *reasons)
        choices = others | (_using_similar_id(case, revision, left) if parents else Remedy())
        alternatives = (Reason("choice", each.text) for each in choices.ways)
        yield replace(mend, why=(*mend.why, *alternatives), choices=choices)


def _new_parents_of_merge_point(
    case: Case, revision: str, lost: Sequence[str], named: Collection[str]
) -> NewParents | None:
    """New parents for a merge point whose own are missing; no file is restored for it.

    An empty merge point does not need them. Any other must name several parents, all missing.
    """
    file = case.snapshot.file(revision)
    kept = tuple(name for name in named if name not in lost)
    empty = source.does_nothing(file.data)
    if not (empty and says_that_it_merges(file)) and (len(named) < 2 or (kept and not empty)):
        return None
    joined = heads_joined(case, revision, kept, lost)
    known = all(name in case.snapshot.databases.lost for name in lost)
    if joined is None or (joined.parents == kept and not known):
        return None
    if known and any(_is_wanted(case.snapshot, [revision], name) for name in lost):
        return None
    removed = [name for name in lost if joined.parents == kept and _was_removed(case, name)]
    if empty and not removed:
        return joined
    if empty:
        detail = f"the chain is to do without {listing(removed)}, which {revision} joined"
    else:
        detail = f"{revision} loses its parent {listing(lost)}, though it is not empty"
    guess = Reason(GUESS, detail)
    return joined._replace(why=(*joined.why, guess))


def _was_removed(case: Case, name: str) -> bool:
    """Whether a lost revision did something, and no other branch still has it."""
    return not case.snapshot.databases.lost[name].branch and not is_noop(case.snapshot, name)


def _is_wanted(snapshot: Facts, waiting: Collection[str], name: str) -> bool:
    """Whether only a lost revision made what a database has or a later migration uses.

    Args:
        snapshot: the chain.
        waiting: the revisions that name it as their parent.
        name: the lost revision.
    """
    gone = [each for each in survivors(snapshot, name).between if not is_noop(snapshot, each)]
    evidence, above = snapshot.evidence, snapshot.graph.descendants(waiting)
    made = _made(snapshot, gone)
    lacking = made.difference(evidence.creators)
    if not gone or (made and not lacking):
        return False
    return any(not each.revisions.isdisjoint(waiting) for each in applied_by_rows(snapshot)) or any(
        touch.revision in above
        for key in lacking
        for touch in (*evidence.users.get(key, ()), *evidence.droppers.get(key, ()))
    )


def _made(snapshot: Facts, lost: Iterable[str]) -> set[Key]:
    """The tables and columns that lost revisions made."""
    footprints = filter(None, (lost_footprint(snapshot, each) for each in lost))
    return {key for footprint in footprints for key in made_by(footprint)}


def _replacement(snapshot: Facts, revision: str, name: str) -> Iterator[_Meant]:
    """The head of the rest, if it and what is below it make all that lost revisions made."""
    known, left = snapshot.databases.lost, survivors(snapshot, name)
    if left.unknown or any(known[each].branch for each in left.between):
        return
    made, head = _made(snapshot, left.between), head_for(snapshot, [revision], name)
    creators = snapshot.evidence.creators
    makers = [{touch.revision for touch in creators.get(key, ())} for key in made]
    below = snapshot.graph.required([head]) if head is not None else set()
    if head is not None and makers and all(not each.isdisjoint(below) for each in makers):
        detail = f"{head} and what is below it make all that {listing(left.between)} made"
        yield _Meant(head, Reason("schema", detail), certain=False)


def _bringing_back(case: Case, names: Sequence[str]) -> Remedy:
    """The remedy of restoring lost revisions, with the lost ones below them."""
    ways = [survivors(case.snapshot, name) for name in names]
    if any(each.unknown for each in ways):
        return Remedy()
    gone = (revision for each in ways for revision in each.between)
    back = tuple(dict.fromkeys((*case.wishes.bring_back, *gone)))
    again = replace(case.wishes, bring_back=back)
    return way(f"bring {listing(names)} back", repairing(again.typed))


def _meant(
    case: Case, part: Part, lookalikes: Lookalikes, revision: str, name: str
) -> _Meant | None:
    """The revision that a missing name stands for; a guess if the evidence is contradictory."""
    graph = case.snapshot.graph
    above = graph.descendants([revision])
    signs = [
        sign
        for sign in _signs(case, part, lookalikes, revision, name)
        if sign.revision in graph and sign.revision not in above
    ]
    if not signs:
        return None
    first = signs[0]
    other = next((sign for sign in signs if sign.revision != first.revision), None)
    if other is None:
        return next((sign for sign in signs if sign.certain), first)
    detail = f"{first.why.detail}; but {other.why.detail}"
    return _Meant(first.revision, Reason(first.why.kind, detail), certain=False)


def _signs(
    case: Case, part: Part, lookalikes: Lookalikes, revision: str, name: str
) -> Iterator[_Meant]:
    """The evidence for intended revisions, the most certain first."""
    snapshot = case.snapshot
    lost = snapshot.databases.lost.get(name)
    for likeness in lookalikes.all(name):
        if likeness.kind != "label":
            known = lost is not None and lost.renamed != likeness.revision
            is_id = "was one" if known else "is no id"
            why = Reason(likeness.kind, f"{name!r} {is_id}: {likeness.detail}")
            yield _Meant(likeness.revision, why, likeness.certain and not known)
    header = snapshot.header(revision)
    if part is Part.PARENTS and header.revises is not None:
        stated = source.stated_parents(header.revises)
        named = header.down_revision or ()
        new = [id_ for id_ in stated if id_ in snapshot.graph and id_ not in named]
        if len(new) == 1 and name not in stated:
            why = Reason("docstring", f"its docstring says “Revises: {header.revises}”")
            yield _Meant(new[0], why, certain=lost is None)
    if lost is not None and lost.renamed is not None:
        edited = ", and has been edited" if lost.edited else ""
        detail = f"the migration {name} has the id {lost.renamed} since commit {lost.commit}"
        yield _Meant(lost.renamed, Reason("git", f"{detail}{edited}"), not lost.edited)
    elif lost is not None and part is Part.PARENTS:
        yield from _replacement(snapshot, revision, name)
    elif part is Part.PARENTS and case.landing(snapshot.file(revision)) is not None:
        had, reasons = case.earlier_parents(revision)
        if len(had) == 1:
            yield _Meant(had[0], reasons[0], certain=False)


def _bring_back(case: Case, code: str, revision: str, name: str) -> Mend | None:
    """Restore the file of a missing revision from Git; that is a guess."""
    snapshot = case.snapshot
    lost = snapshot.databases.lost.get(name)
    if lost is None or lost.renamed in snapshot.graph or not _ancestors_are_known(snapshot, lost):
        return None
    try:
        new, edit = brought_back(snapshot, name)
    except CannotPlan:
        return None
    guess = Reason(GUESS, f"{name!r}, which {revision} names, comes back from Git")
    choices = _other_ways(case, lost)
    alternatives = (Reason("choice", each.text) for each in choices.ways)
    new = replace(new, why=(*new.why, guess, *alternatives))
    ids = (), (name,)
    return Mend(code, Part.FILE, name, edit.path, *ids, new.why, (edit,), new, choices=choices)


def _ancestors_are_known(snapshot: Facts, lost: LostRevision) -> bool:
    """Whether everything that a revision requires is here or can be restored with it."""
    pending, seen = [lost], {lost.revision}
    while pending:
        each = pending.pop()
        for name in each.requirements:
            if name in snapshot.graph or name in snapshot.graph.labelled or name in seen:
                continue
            below = snapshot.databases.lost.get(name)
            if below is None or below.renamed in snapshot.graph:
                return not lost.branch
            seen.add(name)
            pending.append(below)
    return True


def _other_ways(case: Case, lost: LostRevision) -> Remedy:
    """The alternatives for a revision whose file is missing."""
    name, ways = lost.revision, Remedy()
    waiting = [each for each, ids in case.snapshot.graph.missing_parents.items() if name in ids]
    if not case.snapshot.databases.lost.keys().isdisjoint(waiting):
        return ways  # they are restored themselves, with alternatives of their own
    head = head_for(case.snapshot, waiting, name) if waiting else None
    has_run = any(name in status.rows for status in case.snapshot.databases.statuses)
    if head is not None and not has_run and not _is_wanted(case.snapshot, waiting, name):
        attached = dict.fromkeys(waiting, head)
        ways |= way(f"leave {name} out", _attaching(case, attached))
    if lost.stashed:
        ways |= way(f"take {name} out of the stash", "git stash pop")
    elif lost.branch and lost.kept and not operation(case.snapshot):  # Git merges during none
        ref = lost.main or lost.branch
        ways |= way(f"merge {ref}, which has {name}", f"git merge --no-edit {ref_word(ref)}")
    return ways


def _attaching(case: Case, attached: Mapping[str, str]) -> str:
    """The command that makes the same plan with some parents attached."""
    wishes = replace(case.wishes, attach={**case.wishes.attach, **attached})
    return repairing(wishes.typed)


def _reasons_to_leave_out(case: Case, revision: str, name: str) -> Iterator[Reason]:
    snapshot = case.snapshot
    lost = snapshot.databases.lost.get(name)
    if lost is None:
        yield Reason("missing", f"no file, no docstring and no commit shows what {name!r} was")
    elif lost.renamed is not None:
        detail = f"{name!r} is {lost.renamed} since commit {lost.commit}, which is above {revision}"
        yield Reason("git", detail)
    else:
        where = f" of {lost.branch}" if lost.branch else ""
        detail = f"commit {lost.commit}{where} has {name!r}, and not all that it needs is known"
        yield Reason("git", detail)
    yield Reason(
        GUESS, f"{revision} is placed by what is known of itself, as if it had no {name!r}"
    )


def _using_similar_id(case: Case, revision: str, names: Collection[str]) -> Remedy:
    """The remedy of using an id that is spelled like the missing one."""
    above = case.snapshot.graph.descendants([revision])
    for name in names:
        for id_ in close_ids(name, case.snapshot.graph):
            if id_ not in above:
                pin = word(f"{revision}={id_}")
                text = f"put {revision} on {id_}, if that is meant, with --attach {pin}"
                return way(text, _attaching(case, {revision: id_}))
    return Remedy()


# --- Files of lost revisions from Git ------------------------------------------------------------


def brought_back(snapshot: Facts, revision: str) -> tuple[NewRevision, Edit]:
    """The file of a lost revision from Git.

    Raises:
        CannotPlan: Git has no such file, or it cannot be restored unchanged.
    """
    lost = snapshot.databases.lost.get(revision)
    if lost is None:
        raise CannotPlan(
            f"Git knows nothing of {revision!r}, so its file cannot be brought back",
            choices(snapshot, revision),
        )
    if lost.renamed in snapshot.graph and not lost.edited:
        raise CannotPlan(
            f"{revision} is not gone: the same migration is {lost.renamed} now and would run twice",
            way("move the stamp to its new id", counting_as(lost.renamed or "", revision)),
        )
    path = _path_for(snapshot, lost)
    branch = f" of {lost.branch}" if lost.branch else ""
    commit = f"before commit {lost.commit}{branch or ' that removed it'}"
    which = f"as commit {lost.commit}{branch} has it" if lost.kept else f"as it was {commit}"
    why = Reason("git", f"{which}, by {lost.author}")
    new = NewRevision(revision, path, path.parent, "", lost.parents, (why,))
    return new, Edit(path, None, lost.data)


def _path_for(snapshot: Facts, lost: LostRevision) -> Path:
    """The old path of its file; in the first version location if its own is gone."""
    path = lost.path
    if not snapshot.environment.covers(path.parent):
        path = snapshot.environment.version_locations[0] / path.name
    if any(file.path == path for file in snapshot.files):
        raise CannotPlan(
            f"another migration now has the file name of {lost.revision}: {path.name}",
            f"rename {path.name}",
        )
    return path
