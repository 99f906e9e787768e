"""FC104: several files with one id: copies go, and others get an id of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.mending.case import Case
from flask_chainfix.mending.heirs import Child, Heir, heir_of
from flask_chainfix.mending.side_by_side import side_by_side
from flask_chainfix.model import (
    GUESS,
    Action,
    Edit,
    Header,
    Kind,
    Mend,
    MigrationFile,
    Part,
    Reason,
)
from flask_chainfix.ordering import Rank
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import Applied, applied_in


def copies(case: Case) -> Iterator[Mend]:
    """Of files that do and say the same one is left."""
    for revision in case.snapshot.graph.duplicates:
        kept: list[MigrationFile] = []
        for file in sorted(
            case.snapshot.files_by_revision[revision], key=partial(_original_first, case)
        ):
            original = next((other for other in kept if _is_copy(file, other)), None)
            if original is None:
                kept.append(file)
            else:
                yield _deleted(revision, file, original)


def _original_first(case: Case, file: MigrationFile) -> tuple[Rank, bool, int, str]:
    """What came first; else what is not called a copy, and has the shorter name."""
    rank = case.rank(file)._replace(file_name="")
    return rank, "copy" in file.name.lower(), len(file.name), file.name


def _is_copy(file: MigrationFile, other: MigrationFile) -> bool:
    assert isinstance(file.reading, Header)
    assert isinstance(other.reading, Header)
    same_header = file.reading[:4] == other.reading[:4]
    return same_header and source.same_body(file.data, other.data)


def _deleted(revision: str, file: MigrationFile, original: MigrationFile) -> Mend:
    same = file.data == original.data
    what = "the same content" if same else "the same code, though comments or layout differ"
    why = [Reason("copy", f"{file.name} and {original.name} have the same id and {what}")]
    if not same:
        why.append(Reason(GUESS, f"{file.name} is a copy of {original.name} and can go"))
    edit = Edit(file.path, file.data, None)
    return Mend("FC104", Part.FILE, revision, file.path, (revision,), (), tuple(why), (edit,))


def ids_of_their_own(case: Case) -> Iterator[Mend]:
    """Of files with different content the earliest keeps the id, or the one that has run.

    One id at a time: a file can be concerned by several.

    Raises:
        CannotPlan: nothing tells which of them has run, or which of them its children are on.
    """
    for revision in case.snapshot.graph.duplicates:
        files = sorted(case.snapshot.files_by_revision[revision], key=case.rank)
        ran = _which_ran(case.snapshot, revision, files)
        kept = files[ran[0][1]] if ran else files[0]
        heirs = [(child, _heir(case, child, files, ran)) for child in _children(case, revision)]
        undecided = [child.revision for child, heir in heirs if heir is None]
        if undecided:
            raise CannotPlan(
                f"{revision} is the id of several migrations, and nothing tells which of them"
                f" {', '.join(undecided)} is on:\n{side_by_side(case, files)}",
                "give one of them another id by hand, and put its children on it",
            )
        new_ids = {file.path: case.new_id() for file in files if file is not kept}
        followers = [(child, heir) for child, heir in heirs if heir and heir.file is not kept]
        for child, heir in followers:
            mend = _followed(case, child, revision, new_ids[heir.file.path], heir.why)
            case = replace(case, snapshot=case.snapshot.after(mend.edits))
            yield mend
        for file in files:
            if file is not kept:
                name = ran[0][0].name if ran else ""
                why = (
                    (Reason("database", f"{name} has run {kept.name} under this id"),)
                    if ran
                    else _why_later(case, file, kept)
                )
                yield _renamed(case, revision, new_ids[file.path], file, why)
        return


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
    why = f"{applied.name} has run {child.revision} and {files[index].name}"
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


def _which_ran(
    snapshot: Snapshot, revision: str, files: Sequence[MigrationFile]
) -> list[tuple[Applied, int]]:
    """The databases that have run an id, each with the number of the file that ran there.

    Raises:
        CannotPlan: different ones have run, or nothing tells which.
    """
    found: list[tuple[Applied, int]] = []
    for applied in applied_in(snapshot):
        if revision in applied.revisions:
            ran = _ran(files, snapshot, applied)
            if len(ran) != 1:
                raise CannotPlan(
                    f"{applied.name} has run {revision}, and its tables do not tell which of"
                    f" {', '.join(file.name for file in files)} that was",
                    "give the migration that has not run there another id by hand; or leave that"
                    " database out (--no-database)",
                )
            found.append((applied, ran[0]))
    if len({index for _, index in found}) > 1:
        told = "; ".join(f"{each.name} has run {files[index].name}" for each, index in found)
        raise CannotPlan(
            f"different migrations have run under the id {revision}: {told}",
            "one of these databases has to be stamped anew once the files have ids of their own;"
            " leave it out here (--no-database), and move its stamp by hand",
        )
    return found


def _ran(files: Sequence[MigrationFile], snapshot: Snapshot, applied: Applied) -> list[int]:
    """The files of which the database has all tables that only they are certain to make."""
    there = {table.lower() for table in applied.standing.tables or ()}
    made = [_tables_made(snapshot, file) for file in files]
    own = [tables.difference(*(other for other in made if other is not tables)) for tables in made]
    return [index for index, tables in enumerate(own) if tables and tables <= there]


def _tables_made(snapshot: Snapshot, file: MigrationFile) -> frozenset[str]:
    return frozenset(
        effect.object.name.lower()
        for effect in snapshot.footprint(file).effects
        if effect.certain and effect.action is Action.CREATE and effect.object.kind is Kind.TABLE
    )


def _why_later(case: Case, file: MigrationFile, kept: MigrationFile) -> tuple[Reason, ...]:
    """Why a file counts as the later one."""
    rank, other = case.rank(file), case.rank(kept)
    landing = case.history.landings.get(file.path)
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
