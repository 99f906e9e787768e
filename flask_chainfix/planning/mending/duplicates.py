"""FC104: several files with one id, which do different things: all but one get another id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, zip_longest
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.shared_ids import with_what_they_make
from flask_chainfix.databases.applied.writers import Applied, applied_in
from flask_chainfix.evidence.touches import key_of
from flask_chainfix.model.files import Edit, Header, MigrationFile
from flask_chainfix.model.plans import GUESS, Mend, Part, Reason
from flask_chainfix.model.schema import Action
from flask_chainfix.planning.mending.case import Case, is_same_file
from flask_chainfix.planning.mending.names import Child, children_of, followed, new_id_for, renamed
from flask_chainfix.planning.ranking import Rank

_SHOWN = 4  # of what a migration does


def side_by_side(case: Case, files: Sequence[MigrationFile]) -> list[str]:
    """Lines that say of each file what distinguishes it: place, date, commit, deeds."""
    columns = [[printable(fact) for fact in _facts(case, file)] for file in files]
    widths = [max(map(len, column)) for column in columns]
    rows = zip_longest(*columns, fillvalue="")
    lines = (
        "  ".join(fact.ljust(width) for fact, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [f"  {line.rstrip()}" for line in lines]


def _facts(case: Case, file: MigrationFile) -> Iterator[str]:
    header, landing = file.reading, case.history.landing(file.path)
    assert isinstance(header, Header)
    yield file.name
    yield f"on {listing(header.down_revision or ()) or 'nothing'}"
    yield f"created {header.create_date or 'at an unknown time'}"
    yield f"landed {landing.date:%Y-%m-%d} ({landing.commit})" if landing else "not committed"
    effects = case.snapshot.footprint(file).effects
    deeds = dict.fromkeys(
        f"{each.action.value} {each.object.kind.value} {each.object.spelled}" for each in effects
    )
    yield from list(deeds)[:_SHOWN]


# --- Which of several files with one id a child of that id is on ---------------------------------


class Heir(NamedTuple):
    """The file that a child is on, and why."""

    file: MigrationFile
    why: Reason


_Excludes = Callable[[Case, Child, MigrationFile], str]


def heir_of(case: Case, child: Child, files: Sequence[MigrationFile]) -> Heir | None:
    """Find the file that a child is on: the only one that evidence leaves.

    Args:
        case: the chain and what is known of it.
        child: what names the id.
        files: those that have it.

    Returns:
        ``None`` where evidence leaves several.
    """
    publisher = case.publisher(child.file)
    published = [file for file in files if publisher and case.publisher(file) == publisher]
    if len(published) == 1:
        return Heir(published[0], Reason("published", f"{publisher} has {child.revision} on it"))
    needed = [file for file in files if _makes_what_is_used(case, child, file)]
    if len(needed) == 1:
        why = f"{child.revision} uses what {needed[0].name} makes"
        return Heir(needed[0], Reason("schema", why))
    left = list(files)
    for kind, excludes in _EVIDENCE.items():
        said = {file.path: excludes(case, child, file) for file in left}
        remaining = [file for file in left if not said[file.path]]
        if len(remaining) == 1:
            return Heir(remaining[0], Reason(kind, next(filter(None, said.values()))))
        left = remaining or left
    return None


def _makes_what_is_used(case: Case, child: Child, file: MigrationFile) -> bool:
    effects = case.snapshot.footprint(file).effects
    made = {key_of(each.object) for each in effects if each.action is Action.CREATE}
    return any(
        key_of(each.object) in made
        for each in case.snapshot.footprint(child.file).effects
        if each.action is not Action.CREATE
    )


def _is_below(case: Case, child: Child, file: MigrationFile) -> str:
    """A file that is itself on the child cannot be below it."""
    assert isinstance(file.reading, Header)
    graph = case.snapshot.graph
    named = (*(file.reading.down_revision or ()), *(file.reading.depends_on or ()))
    below = graph.required(name for name in named if name in graph)
    return f"{file.name} is itself above {child.revision}" if child.revision in below else ""


def _was_not_there(case: Case, child: Child, file: MigrationFile) -> str:
    """What was not on the branch on which the child landed."""
    landing = case.history.landing(child.file.path)
    assert isinstance(file.reading, Header)
    if landing is None or case.chain_at is None or (then := case.chain_at(landing.commit)) is None:
        return ""
    there = then.files_by_revision.get(str(file.reading.revision), ())
    if not there or any(is_same_file(each, file) for each in there):
        return ""
    return f"commit {landing.commit}, which added {child.revision}, has no {file.name}"


def _is_of_others(case: Case, child: Child, file: MigrationFile) -> str:
    """What is published, below a child that is not."""
    publisher = case.publisher(file)
    if case.publisher(child.file) or not publisher:
        return ""
    return f"{publisher} has {file.name}, and not {child.revision}"


def _had_not_landed(case: Case, child: Child, file: MigrationFile) -> str:
    landing = case.landed_before(child.file, file)
    if landing is None:
        return ""
    return f"{child.revision} landed in commit {landing.commit}, and {file.name} had not by then"


def _was_not_created(case: Case, child: Child, file: MigrationFile) -> str:
    if not case.created_before(child.file, file):
        return ""
    return f"{child.revision} has an older Create Date than {file.name}"


_EVIDENCE: dict[str, _Excludes] = {
    "chain": _is_below,
    "branch": _was_not_there,
    "published": _is_of_others,
    "git": _had_not_landed,
    "date": _was_not_created,
}


# --- FC104: of files that do and say the same one is left ----------------------------------------


def copies(case: Case) -> Iterator[Mend]:
    """Of files that do and say the same one is left.

    Raises:
        CannotRewrite: several of them lie elsewhere, where others may need them.
    """
    for revision in case.snapshot.graph.duplicates:
        kept: list[MigrationFile] = []
        for file in sorted(
            case.snapshot.files_by_revision[revision], key=partial(_original_first, case)
        ):
            original = next((other for other in kept if _is_copy(file, other)), None)
            if original is None:
                kept.append(file)
            elif case.snapshot.is_elsewhere(file.path):
                raise CannotRewrite(
                    f"{file.path} and {original.path} have the same id and the same content, and"
                    " both lie outside of the version locations, where others may need them",
                    "remove the link to one of them",
                )
            else:
                yield _deleted(revision, file, original)


def _named(file: MigrationFile, other: MigrationFile) -> str:
    """The name of a file, with its directory where another one has the same."""
    return file.name if file.name != other.name else f"{file.directory.name}/{file.name}"


def _original_first(case: Case, file: MigrationFile) -> tuple[bool, bool, Rank, bool, int, str]:
    """What is not ours to delete, what came first, what is not called a copy, has a shorter name.

    The first of these that tells decides.
    """
    ours, new = not case.snapshot.is_elsewhere(file.path), not case.publisher(file)
    rank = case.rank(file)._replace(file_name="")
    return ours, new, rank, "copy" in file.name.lower(), len(file.name), file.name


def _is_copy(file: MigrationFile, other: MigrationFile) -> bool:
    assert isinstance(file.reading, Header)
    assert isinstance(other.reading, Header)
    same_header = file.reading[:4] == other.reading[:4]
    return same_header and source.same_body(file.data, other.data)


def _deleted(revision: str, file: MigrationFile, original: MigrationFile) -> Mend:
    same = file.data == original.data
    what = "the same content" if same else "the same code, though comments or layout differ"
    names = f"{_named(file, original)} and {_named(original, file)}"
    why = [Reason("copy", f"{names} have the same id and {what}")]
    if not same:
        why.append(Reason(GUESS, f"{file.name} is a copy of {original.name} and can go"))
    edit = Edit(file.path, file.data, None)
    return Mend("FC104", Part.FILE, revision, file.path, (revision,), (), tuple(why), (edit,))


# --- FC104: several files with one id, which do different things: all but one get another id -----


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
