"""From plans and mends to file edits, and to one plan of all changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from flask_chainfix.chain import heads_file, source
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.files import Edit, Header, MigrationFile
from flask_chainfix.model.plans import GUESS, Mend, NewRevision, Part, Plan, Reason, Relink

_CUT_OFF = Reason(GUESS, "dates or names decide, as the clone is shallow: Git may know better")
_UNSHALLOW = way("fetch what decides, and plan again", "git fetch --unshallow", REPAIR)


def edits_between(before: Facts, after: Facts) -> tuple[Edit, ...]:
    """The file edits that lead from one snapshot to another.

    Deletions come first; the others follow in the order of the later chain.
    """
    same = _kept(before, after)
    old = {file.path: file.data for file in before.files if id(file) not in same}
    new = {file.path: file.data for file in after.files if id(file) not in same}
    gone = [path for path in old if path not in new]
    files = (file for name in after.graph.order for file in after.files_by_revision[name])
    in_order = [file.path for file in files if id(file) not in same]
    return tuple(
        Edit(path, old.get(path), new.get(path))
        for path in dict.fromkeys((*gone, *in_order, *new))
        if old.get(path) != new.get(path)
    )


def _kept(before: Facts, after: Facts) -> set[int]:
    """The identities of the files that both snapshots have, usually almost all."""
    return set(map(id, before.files)).intersection(map(id, after.files))


def with_lock(edits: tuple[Edit, ...], after: Facts) -> tuple[tuple[Edit, ...], Facts]:
    """The file edits plus the update of the chain lock, and the resulting chain."""
    lock = heads_file.edit_for(after)
    return (edits, after) if lock is None else ((*edits, lock), after.after([lock]))


def summed_up(
    before: Facts,
    after: Facts,
    plan: Plan,
    mends: Sequence[Mend],
    new_revisions: Sequence[NewRevision],
) -> Plan:
    """One plan of all mends and relinks."""
    renamed = replace(plan, mends=tuple(mends)).renamed
    ways = dict.fromkeys(way for mend in mends for way in mend.choices.ways)
    relinks = tuple(_relinks(before, after, plan, mends))
    deeper = _UNSHALLOW if any(_CUT_OFF in each.why for each in relinks) else Remedy()
    return replace(
        plan,
        choices=deeper | plan.choices | Remedy(tuple(ways)),
        relinks=relinks,
        new_revisions=(*(mend.new for mend in mends if mend.new is not None), *new_revisions),
        order=tuple(renamed.get(revision, revision) for revision in plan.order),
        mends=tuple(mend for mend in mends if mend.new is None and mend.part is not Part.PARENTS),
    )


def _relinks(before: Facts, after: Facts, plan: Plan, mends: Sequence[Mend]) -> Iterator[Relink]:
    """The migrations with new parents, and all the reasons."""
    same = _kept(before, after)
    files = {file.path: file for file in before.files if id(file) not in same}
    reasons: dict[Path, list[Reason]] = {}
    linked = {relink.path for relink in plan.relinks}
    for mend in mends:
        first, last = mend.edits[0], mend.edits[-1]
        if last.path != first.path:  # the file was renamed
            files[last.path] = files[first.path]
        if mend.part is Part.PARENTS and not (mend.code == "FC109" and last.path in linked):
            reasons.setdefault(last.path, []).extend(mend.why)
    for relink in plan.relinks:
        reasons.setdefault(relink.path, []).extend(relink.why)
    for revision in after.graph.order:
        file = after.file(revision)
        if id(file) in same:
            continue
        old, now = _parents(files.get(file.path)), _parents(file)
        if file.path in reasons and old is not None and now is not None and old != now:
            why = reasons[file.path]
            if _only_ranked(why) and before.git_history.is_cut_off(file.path):
                why.append(_CUT_OFF)
            yield Relink(revision, file.path, old, now, tuple(why))


def _only_ranked(why: Sequence[Reason]) -> bool:
    """Whether dates or names alone decide an order."""
    kinds = {each.kind for each in why}
    return "rank" in kinds and kinds <= {"rank", "branch", "base"}


def _parents(file: MigrationFile | None) -> tuple[str, ...] | None:
    reading = file.reading if file is not None else None
    return reading.down_revision if isinstance(reading, Header) else None


def edits_for(snapshot: Facts, parents: Mapping[str, tuple[str, ...]]) -> tuple[Edit, ...]:
    """The edits of existing files that give revisions new parents.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    files = ((snapshot.file(revision), names) for revision, names in parents.items())
    return tuple(
        Edit(file.path, file.data, source.rewrite(file.data, file.name, names))
        for file, names in files
    )
