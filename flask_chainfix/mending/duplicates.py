"""FC104: several files with one id, which do different things: all but one get another id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.mending.case import Case
from flask_chainfix.mending.has_run import which_ran
from flask_chainfix.mending.heirs import Child, Heir, heir_of
from flask_chainfix.mending.side_by_side import side_by_side
from flask_chainfix.model import (
    GUESS,
    Edit,
    Header,
    Mend,
    MigrationFile,
    Part,
    Reason,
)
from flask_chainfix.stamps import Applied


def ids_of_their_own(case: Case) -> Iterator[Mend]:
    """Of files with different content the earliest keeps the id, or the one that has run.

    One id at a time: a file can be concerned by several.

    Raises:
        CannotPlan: nothing tells which of them has run, or which of them its children are on.
    """
    for revision in case.snapshot.graph.duplicates:
        files = sorted(case.snapshot.files_by_revision[revision], key=case.rank)
        _refuse_same_deeds(case, revision, files)
        ran = which_ran(case.snapshot, revision, files)
        kept = files[ran[0][1]] if ran else files[0]
        heirs = [(child, _heir(case, child, files, ran)) for child in _children(case, revision)]
        undecided = [child.revision for child, heir in heirs if heir is None]
        if undecided:
            raise CannotPlan(
                f"{revision} is the id of several migrations, and nothing tells which of them"
                f" {', '.join(undecided)} is on:\n{side_by_side(case, files)}",
                "give one of them another id by hand, and put its children on it",
            )
        new_ids = {
            file.path: case.new_ids.next(file.data, _message(file), revision)
            for file in files
            if file is not kept
        }
        followers = [(child, heir) for child, heir in heirs if heir and heir.file is not kept]
        for child, heir in followers:
            mend = _followed(case, child, revision, new_ids[heir.file.path], heir.why)
            case = replace(case, snapshot=case.snapshot.after(mend.edits))
            yield mend
        for file in files:
            if file is not kept:
                why = (_why_kept(ran[0][0], kept),) if ran else _why_later(case, file, kept)
                yield _renamed(case, revision, new_ids[file.path], file, why)
        return


def _why_kept(applied: Applied, kept: MigrationFile) -> Reason:
    kind = "published" if applied.published else "database"
    return Reason(kind, f"{applied.name} {applied.has} {kept.name} under this id")


def _message(file: MigrationFile) -> str:
    assert isinstance(file.reading, Header)
    return file.reading.message


def _refuse_same_deeds(case: Case, revision: str, files: Sequence[MigrationFile]) -> None:
    """Stop where two of the files would do the same, one after the other.

    Raises:
        CannotPlan: only one of them can be meant.
    """
    for one, other in combinations(files, 2):
        if source.same_upgrade(one.data, other.data) and not source.does_nothing(one.data):
            raise CannotPlan(
                f"{revision} is the id of two migrations that do the same in upgrade(), and differ"
                f" elsewhere:\n{side_by_side(case, (one, other))}",
                "delete the one that is not meant",
            )


def _heir(
    case: Case, child: Child, files: Sequence[MigrationFile], ran: Sequence[tuple[Applied, int]]
) -> Heir | None:
    """The file that a child is on: where a database has run the child, the one that ran there."""
    known = {index: each for each, index in ran if child.revision in each.revisions}
    if not known:
        return heir_of(case, child, files)
    if len(known) > 1:
        return None
    ((index, applied),) = known.items()
    why = f"{applied.name} {applied.has} {child.revision} and {files[index].name}"
    return Heir(files[index], Reason("database", why))


def _children(case: Case, revision: str) -> Iterator[Child]:
    """Where an id is named as a parent or dependency, once for each file that does so."""
    for file in case.snapshot.files:
        header = file.reading
        if not isinstance(header, Header) or header.revision is None:
            continue
        for part, names in (
            (Part.PARENTS, header.down_revision),
            (Part.DEPENDENCIES, header.depends_on),
        ):
            if revision in (names or ()):
                yield Child(header.revision, file, part)


def _why_later(case: Case, file: MigrationFile, kept: MigrationFile) -> tuple[Reason, ...]:
    """Why a file counts as the later one."""
    rank, other = case.rank(file), case.rank(kept)
    landing = case.history.landing(file.path)
    if rank.landed != other.landed:
        when = f"in commit {landing.commit}" if landing else "in no commit yet"
        return (Reason("git", f"{file.name} landed {when}, later than {kept.name}"),)
    if (rank.undated, rank.date) != (other.undated, other.date):
        said = "has no Create Date" if rank.undated else "has the later Create Date"
        return (Reason("date", f"{file.name} {said}, and {kept.name} keeps the id"),)
    names = Reason("rank", f"no date decides; file names {kept.name} < {file.name}")
    return names, Reason(GUESS, f"{kept.name} keeps the id, as its name comes first")


def _renamed(
    case: Case, revision: str, new_id: str, file: MigrationFile, why: tuple[Reason, ...]
) -> Mend:
    """A file with an id of its own, also in its name where that carries the id."""
    file = next(each for each in case.snapshot.files if each.path == file.path)
    mend = case.rewritten("FC104", Part.ID, file, (new_id,), *why)
    if case.snapshot.is_elsewhere(file.path):  # a link leads to that name
        return mend
    word = rf"(?<![^\W_]){re.escape(revision)}(?![^\W_])"
    path = file.path.with_name(re.sub(word, lambda _: new_id, file.name, count=1))
    if path == file.path or any(other.path == path for other in case.snapshot.files):
        return mend
    (edit,) = mend.edits
    return replace(mend, edits=(replace(edit, after=None), Edit(path, None, edit.after)))


def _followed(case: Case, child: Child, revision: str, new_id: str, why: Reason) -> Mend:
    """A child that names the new id in place of the old one."""
    file = next(each for each in case.snapshot.files if each.path == child.file.path)
    header = file.reading
    assert isinstance(header, Header)
    named = header.down_revision if child.part is Part.PARENTS else header.depends_on
    ids = tuple(new_id if name == revision else name for name in named or ())
    return case.rewritten("FC104", child.part, file, ids, why)
