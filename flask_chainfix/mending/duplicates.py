"""FC104: several files with one id, which do different things: all but one get another id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.mending.case import Case
from flask_chainfix.mending.heirs import Heir, heir_of
from flask_chainfix.mending.renaming import Child, children_of, followed, new_id_for, renamed
from flask_chainfix.mending.side_by_side import side_by_side
from flask_chainfix.model import GUESS, Mend, MigrationFile, Reason
from flask_chainfix.stamps import Applied, applied_in, with_what_they_make


def ids_of_their_own(case: Case) -> Iterator[Mend]:
    """Of files with different content the one that others have keeps the id.

    That is the one of the main branch, else the one that has run in a database, else the earliest.
    One id at a time: a file can be concerned by several.

    Raises:
        CannotPlan: nothing tells which of them its children are on.
    """
    graph = case.snapshot.graph
    for revision in (each for each in graph.order if each in graph.duplicates):
        files = sorted(case.snapshot.files_by_revision[revision], key=case.rank)
        _refuse_same_deeds(case, revision, files)
        ran = list(_which_ran(case, revision, files))
        kept = _kept(case, files, ran)
        heirs = [(child, _heir(case, child, files, ran)) for child in children_of(case, revision)]
        undecided = [child.revision for child, heir in heirs if heir is None]
        if undecided:
            raise CannotPlan(
                f"{revision} is the id of several migrations, and nothing tells which of them"
                f" {', '.join(undecided)} is on:",
                "give one of them another id by hand, and put its children on it",
                side_by_side(case, files),
            )
        others = [file for file in files if file is not kept.file]
        new_ids = {file.path: new_id_for(case, file) for file in others}
        for child, heir in heirs:
            if heir is not None and heir.file is not kept.file:
                mend = followed(case, child, revision, new_ids[heir.file.path], heir.why)
                case = replace(case, snapshot=case.snapshot.after(mend.edits))
                yield mend
        for file in others:
            why = (kept.why,) if kept.why is not None else _why_later(case, file, kept.file)
            yield renamed(case, revision, new_ids[file.path], file, why)
        return


def _refuse_same_deeds(case: Case, revision: str, files: Sequence[MigrationFile]) -> None:
    """Stop where two of the files would do the same, one after the other.

    Raises:
        CannotPlan: only one of them can be meant.
    """
    for one, other in combinations(files, 2):
        if source.same_upgrade(one.data, other.data) and not source.does_nothing(one.data):
            raise CannotPlan(
                f"{revision} is the id of two migrations that do the same in upgrade(), and differ"
                " elsewhere:",
                "delete the one that is not meant",
                side_by_side(case, (one, other)),
            )


class _Ran(NamedTuple):
    """A database, and the file that has run there under the id."""

    database: Applied
    file: MigrationFile


def _which_ran(case: Case, revision: str, files: Sequence[MigrationFile]) -> Iterator[_Ran]:
    """The databases that have run the id and whose tables tell which of the files that was."""
    for applied in applied_in(case.snapshot):
        if revision in applied.revisions:
            ran = with_what_they_make(case.snapshot, files, applied.standing)
            if len(ran) == 1:
                yield _Ran(applied, files[ran[0]])


class _Kept(NamedTuple):
    """The file that keeps the id, and why; ``None`` where the others are merely later."""

    file: MigrationFile
    why: Reason | None


def _kept(case: Case, files: Sequence[MigrationFile], ran: Sequence[_Ran]) -> _Kept:
    publishers = {file.path: case.publisher(file) for file in files}
    published = [file for file in files if publishers[file.path]]
    main = next((each.short for each in case.snapshot.published_chains if each.is_main), "")
    on_main = [file for file in published if publishers[file.path] == main]
    for found in (on_main, published):
        if len(found) == 1:
            file = found[0]
            why = f"{publishers[file.path]} has {file.name} under this id"
            return _Kept(file, Reason("published", why))
    proven = [each for each in ran if each.file in published or not published]
    if len({each.file.path for each in proven}) == 1:
        database, file = proven[0]
        why = f"{database.name} has run {file.name} under this id"
        return _Kept(file, Reason("database", why))
    return _Kept((published or files)[0], None)


def _heir(
    case: Case, child: Child, files: Sequence[MigrationFile], ran: Sequence[_Ran]
) -> Heir | None:
    """The file that a child is on: where a database has run the child, the one that ran there."""
    known = {each.file.path: each for each in ran if child.revision in each.database.revisions}
    told = len(known) == 1 and child.revision not in case.snapshot.graph.duplicates
    if not told or case.publisher(child.file):
        return heir_of(case, child, files)
    ((database, file),) = known.values()
    why = f"{database.name} has run {child.revision} and {file.name}"
    return Heir(file, Reason("database", why))


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
