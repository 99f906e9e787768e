"""FC104: several files with the same id: copies are deleted, others get a new id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, zip_longest

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contents import with_what_they_make
from flask_chainfix.databases.applied.has_run import Applied, applied_in
from flask_chainfix.model.files import Edit, MigrationFile
from flask_chainfix.model.plans import GUESS, Mend, Part, Reason
from flask_chainfix.planning.linking.ranking import Rank
from flask_chainfix.planning.mending.case import Case, header_of, reason_before
from flask_chainfix.planning.mending.names import Child, children_of, followed, new_id_for, renamed

_SHOWN = 4  # operations of a migration

_Ran = tuple[Applied, MigrationFile]  # a database, and the file with the id that has run there


def side_by_side(case: Case, files: Sequence[MigrationFile]) -> list[str]:
    """The files side by side: parents, date, commit, and what each does."""
    columns = [[printable(fact) for fact in _description(case, file)] for file in files]
    widths = [max(map(len, column)) for column in columns]
    rows = zip_longest(*columns, fillvalue="")
    lines = (
        "  ".join(fact.ljust(width) for fact, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [f"  {line.rstrip()}" for line in lines]


def _description(case: Case, file: MigrationFile) -> Iterator[str]:
    header, landing = header_of(file), case.landing(file)
    yield file.name
    yield f"on {listing(header.down_revision or ()) or 'nothing'}"
    yield f"created {header.create_date or 'at an unknown time'}"
    yield f"landed {landing.date:%Y-%m-%d} ({landing.commit})" if landing else "not committed"
    effects = case.snapshot.footprint(file).effects
    operations = dict.fromkeys(
        f"{each.action.value} {each.object.kind.value} {each.object.spelled}" for each in effects
    )
    yield from list(operations)[:_SHOWN]


# --- Which of several files with the same id is the parent of a child ----------------------------


def _parent_of(
    case: Case, child: Child, files: Sequence[MigrationFile], ran: Sequence[_Ran]
) -> tuple[MigrationFile, tuple[Reason, ...]] | None:
    """The parent file of a child, and why; ``None`` if the evidence leaves several.

    A date alone is a guess, and does not say what a database has run.

    Raises:
        CannotPlan: only a link that the publisher does not have excludes a published file.
    """
    publisher = case.publisher(child.file)
    known = {each[1].path: each for each in ran if child.revision in each[0].revisions}
    if len(known) == 1 and child.revision not in case.snapshot.graph.duplicates and not publisher:
        ((database, file),) = known.values()
        why = f"{database.name} has run {child.revision} and {file.name}"
        return (file, (Reason("database", why),))
    published = [file for file in files if publisher and case.publisher(file) == publisher]
    if len(published) == 1:
        return (published[0], (Reason("published", f"{publisher} has {child.revision} on it"),))
    needed = {
        file.path: (file, (reason,))
        for file in files
        if (reason := reason_before(case, file, child.file, "schema"))
    }
    if len(needed) == 1:
        return next(iter(needed.values()))
    left = list(files)
    for kind in ("chain", "branch", "published", "git", "date"):
        excluded = {file.path: why for file in left for why in _excluded(case, child, file, kind)}
        remaining = [file for file in left if file.path not in excluded]
        if len(remaining) == 1 and kind == "date":
            guess = f"only dates show that {child.revision} follows {remaining[0].name}"
            has_run = any(child.revision in each.revisions for each in applied_in(case.snapshot))
            why_not = next(iter(excluded.values()))
            return None if has_run else (remaining[0], (why_not, Reason(GUESS, guess)))
        if len(remaining) == 1:
            return (remaining[0], (next(iter(excluded.values())),))
        left = remaining or left
    return None


def _excluded(case: Case, child: Child, file: MigrationFile, kind: str) -> Iterator[Reason]:
    """Why a file cannot be the parent of a child, by one kind of evidence."""
    if kind == "chain":
        graph, named = case.snapshot.graph, file.requirements
        if child.revision in graph.required(name for name in named if name in graph):
            _refuse_changed_link(case, file)
            yield Reason(kind, f"{file.name} is itself above {child.revision}")
    elif kind == "published":
        publisher = case.publisher(file)
        if publisher and not case.publisher(child.file):
            yield Reason(kind, f"{publisher} has {file.name}, and not {child.revision}")
    elif why := reason_before(case, child.file, file, kind):
        yield why


def _refuse_changed_link(case: Case, file: MigrationFile) -> None:
    """Refuse to conclude anything from a link that a published file does not have."""
    published = case.published(file)
    if published is None or published[1].requirements == file.requirements:
        return
    here, there = (listing(each.requirements) or "nothing" for each in (file, published[1]))
    raise CannotPlan(
        f"{header_of(file).revision} is the id of several migrations, and {file.name} is on {here}"
        f" here, and on {there} on {published[0].short}",
        f"give {file.name} the down_revision and depends_on that it has on"
        f" {published[0].short}, by hand",
    )


# --- FC104: equivalent files, of which one is kept -----------------------------------------------


def copies(case: Case) -> Iterator[Mend]:
    """Delete all but one of the files that are copies of each other.

    Raises:
        CannotRewrite: several are outside the version locations, where others may need them.
    """
    for revision in case.snapshot.graph.duplicates:
        kept: list[MigrationFile] = []
        for file in sorted(
            case.snapshot.files_by_revision[revision], key=partial(_original_first, case)
        ):
            alike = (each for each in kept if header_of(each)[:4] == header_of(file)[:4])
            same = (each for each in alike if source.same_body(file.data, each.data))
            original = next(same, None)
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


def _original_first(case: Case, file: MigrationFile) -> tuple[bool, bool, Rank, bool, int, str]:
    """Sort key: linked files first, then published and earlier ones, non-copies, short names."""
    ours, new = not case.snapshot.is_elsewhere(file.path), not case.publisher(file)
    rank = replace(case.rank(file), file_name="")
    return ours, new, rank, "copy" in file.name.lower(), len(file.name), file.name


def _deleted(revision: str, file: MigrationFile, original: MigrationFile) -> Mend:
    same = file.data == original.data
    what = "the same content" if same else "the same code, though comments or layout differ"
    names = [file.name, original.name]
    if file.name == original.name:
        names = [f"{each.directory.name}/{each.name}" for each in (file, original)]
    why = [Reason("copy", f"{names[0]} and {names[1]} have the same id and {what}")]
    if not same:
        why.append(Reason(GUESS, f"{file.name} is a copy of {original.name} and can be deleted"))
    edit = Edit(file.path, file.data, None)
    return Mend("FC104", Part.FILE, revision, file.path, (revision,), (), tuple(why), (edit,))


# --- FC104: different files with the same id, of which all but one get a new id ------------------


def ids_of_their_own(case: Case) -> Iterator[Mend]:
    """Give all but one of several different files with the same id a new id.

    The id stays with the main branch's file, else the one that has run in a database, else the
    earliest. One id is handled at a time, because several can affect the same file.

    Raises:
        CannotPlan: it is unclear which file is the parent of a child.
    """
    graph = case.snapshot.graph
    for revision in (each for each in graph.order if each in graph.duplicates):
        files = sorted(case.snapshot.files_by_revision[revision], key=case.rank)
        _refuse_same_upgrade(case, revision, files)
        ran = list(_which_ran(case, revision, files))
        kept, why_kept = _kept(case, files, ran)
        children = list(children_of(case, revision))
        parents = [(child, _parent_of(case, child, files, ran)) for child in children]
        undecided = [child.revision for child, parent in parents if parent is None]
        if undecided:
            raise CannotPlan(
                f"{revision} is the id of several migrations, and nothing shows which of them is"
                f" the parent of {', '.join(undecided)}:",
                "give one of them another id by hand, also in its children",
                side_by_side(case, files),
            )
        others = [file for file in files if file is not kept]
        new_ids = {file.path: new_id_for(case, file) for file in others}
        for child, parent in parents:
            if parent is not None and parent[0] is not kept:
                mend = followed(case, child, revision, new_ids[parent[0].path], *parent[1])
                case = replace(case, snapshot=case.snapshot.after(mend.edits))
                yield mend
        stay = [parent[1] for _, parent in parents if parent is not None and parent[0] is kept]
        guesses = tuple(why for whys in stay for why in whys if why.kind == GUESS)
        for file in others:
            why = (why_kept,) if why_kept else (*_why_later(case, file, kept),)
            yield renamed(case, revision, new_ids[file.path], file, (*why, *guesses))
        return


def _refuse_same_upgrade(case: Case, revision: str, files: Sequence[MigrationFile]) -> None:
    """Refuse if two of the files would do the same, one after the other."""
    for one, other in combinations(files, 2):
        if source.same_function(one.data, other.data, "upgrade") and not source.does_nothing(
            one.data
        ):
            raise CannotPlan(
                f"{revision} is the id of two migrations that do the same in upgrade(), and differ"
                " elsewhere:",
                "delete the wrong one",
                side_by_side(case, (one, other)),
            )


def _which_ran(case: Case, revision: str, files: Sequence[MigrationFile]) -> Iterator[_Ran]:
    """The databases that have run the id and whose tables show which file it was."""
    for applied in applied_in(case.snapshot):
        if revision in applied.revisions:
            ran = with_what_they_make(case.snapshot, files, applied.status)
            if len(ran) == 1:
                yield (applied, files[ran[0]])


def _kept(
    case: Case, files: Sequence[MigrationFile], ran: Sequence[_Ran]
) -> tuple[MigrationFile, Reason | None]:
    """The file that keeps the id, and why; no reason if it is merely the earliest."""
    publishers = {file.path: case.publisher(file) for file in files}
    published = [file for file in files if publishers[file.path]]
    main = case.snapshot.main_branch
    on_main = [file for file in published if main and publishers[file.path] == main.short]
    for found in (on_main, published):
        if len(found) == 1:
            file = found[0]
            why = f"{publishers[file.path]} has {file.name} under this id"
            return (file, Reason("published", why))
    proven = [each for each in ran if each[1] in published or not published]
    if len({file.path for _, file in proven}) == 1:
        database, file = proven[0]
        why = f"{database.name} has run {file.name} under this id"
        return (file, Reason("database", why))
    return ((published or files)[0], None)


def _why_later(case: Case, file: MigrationFile, kept: MigrationFile) -> Iterator[Reason]:
    rank, other = case.rank(file), case.rank(kept)
    yield rank.why_later(other, kept.name)
    if replace(rank, file_name="") == replace(other, file_name=""):
        yield Reason(GUESS, f"{kept.name} keeps the id, as its name comes first")
