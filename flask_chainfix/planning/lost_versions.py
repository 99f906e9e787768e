"""The files of all lost revisions that have run in databases, in the version that has run.

If Git has several versions whose ``downgrade()`` differs, the evidence decides: the schema of the
databases, what branches have now, and which branch has all the lost revisions. Otherwise the user
must choose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from flask_chainfix.chain.source import never_goes_back, same_function
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.quoting import option, ref_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contents import absent, contradicts
from flask_chainfix.databases.applied.contradictions import by_revision, in_words
from flask_chainfix.databases.applied.lost import survivors, under_its_new_id
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import with_lost
from flask_chainfix.diagnosis.diagnosis import in_doubt
from flask_chainfix.diagnosis.lost_revisions import choices, taking_down_there
from flask_chainfix.diagnosis.merge_steps import going_on
from flask_chainfix.diagnosis.numbering import can_have_file
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.git.lost_files import FileVersion, find_versions
from flask_chainfix.git.past import read_at, version_roots
from flask_chainfix.git.repositories import repositories_of
from flask_chainfix.model.databases import DatabaseStatus, LostRevision
from flask_chainfix.model.files import Edit, Header

_NAMED = 3
_Group = tuple[FileVersion, ...]  # versions with an equivalent downgrade()


def with_lost_files(now: Facts, revisions: Iterable[str]) -> Facts:
    """The chain with the files of lost revisions, under their old names."""
    taken = {file.path for file in now.files}
    edits = []
    for revision in revisions:
        lost = now.databases.lost[revision]
        path = lost.path
        if path in taken:  # another migration now has the name
            path = path.with_name(f"{path.stem}_{lost.commit}{path.suffix}")
        taken.add(path)
        edits.append(Edit(path, None, lost.data))
    return now.after(edits)


def lost_in(now: Facts, status: DatabaseStatus) -> tuple[str, ...]:
    """The lost revisions that have run in a database, judged by its rows."""
    rows = (row for row in status.rows if row not in now.graph)
    return tuple(dict.fromkeys(each for row in rows for each in survivors(now, row).between))


def having_run(now: Facts, status: DatabaseStatus) -> frozenset[str]:
    """The revisions with a file that have run in a database."""
    below = (row for row in status.rows if row not in now.graph)
    rows = (*status.rows, *(each for row in below for each in survivors(now, row).rows))
    return stood_for(now.graph, rows)


def with_versions_that_ran(
    now: Facts, ahead: Sequence[DatabaseStatus], source: str | None
) -> Facts:
    """The chain with the file of each lost revision that has run, in the version that has run.

    Args:
        now: the chain, with what is known about the rows of its databases.
        ahead: the databases with rows that have no file.
        source: the Git revision whose files to use, if the user named one.

    Raises:
        CannotPlan: Git does not have a file, it is unclear which version has run, or a row stands
            for a revision that is not lost.
        CannotReadGit: the Git revision cannot be read.
    """
    said: set[str] = set()
    if source is not None:
        now, said = _with_files_of(source, now)
    now = _all_known(now, ahead)
    revisions = {name for each in ahead for name in lost_in(now, each)}
    chosen = _decided(now, find_versions(sorted(revisions - said), now), ahead)
    # The parents of another version may be lost as well.
    return now if chosen is now else _all_known(chosen, ahead)


def _decided(
    now: Facts, versions: Mapping[str, Sequence[FileVersion]], statuses: Sequence[DatabaseStatus]
) -> Facts:
    """The chain with the versions of lost files that have run.

    Args:
        now: the chain, with some version of each lost revision.
        versions: all versions in Git, by revision.
        statuses: the databases that have run them.
    """
    everywhere = _refs_with_all(versions)
    for revision, found in versions.items():
        kinds = _grouped_by_downgrade(found)
        if len(kinds) > 1:
            kinds = _fitting(now, revision, kinds, statuses) or kinds
        if len(kinds) > 1:
            kinds = [each for each in kinds if _refs(each)] or kinds
        if len(kinds) > 1:
            kinds = [each for each in kinds if _refs(each) & everywhere] or kinds
        if len(kinds) > 1:
            raise _ambiguous(revision, kinds)
        if kinds and all(each.lost.data != now.databases.lost[revision].data for each in kinds[0]):
            chosen = max(kinds[0], key=lambda each: bool(each.refs))
            lost = chosen.lost
            for ref in chosen.refs[:1]:
                lost = replace(lost, branch=ref, checkout=ref, kept=True)
            now = _with_lost(now, lost)
    return now


def _with_lost(now: Facts, lost: LostRevision) -> Facts:
    known = {**now.databases.lost, lost.revision: lost}
    return replace(now, databases=replace(now.databases, lost=known))


def _grouped_by_downgrade(versions: Sequence[FileVersion]) -> list[_Group]:
    """The versions, grouped by equivalent ``downgrade()`` and place in the chain."""
    kinds: list[_Group] = []
    for each in versions:
        for number, kind in enumerate(kinds):
            one, other = kind[0].lost, each.lost
            if one.requirements == other.requirements and same_function(
                one.data, other.data, "downgrade"
            ):
                kinds[number] = (*kind, each)
                break
        else:
            kinds.append((each,))
    return kinds


def _refs(kind: _Group) -> set[str]:
    return {ref for each in kind for ref in each.refs}


def _refs_with_all(versions: Mapping[str, Sequence[FileVersion]]) -> set[str]:
    """The branches that have some version of every lost revision."""
    having = [{ref for each in found for ref in each.refs} for found in versions.values()]
    return set.intersection(*having) if having else set()


def _fitting(
    now: Facts, revision: str, kinds: Sequence[_Group], statuses: Sequence[DatabaseStatus]
) -> list[_Group]:
    """The groups that agree with every database that has run the revision."""
    return [
        kind
        for kind in kinds
        if not any(
            _contradicts(_with_lost(now, each.lost), status)
            for status in statuses
            if revision in lost_in(now, status)
            for each in kind[:1]
        )
    ]


def _contradicts(now: Facts, status: DatabaseStatus) -> bool:
    lost = lost_in(now, status)
    if any(each not in now.databases.lost for each in lost):
        return False
    run = having_run(now, status).union(lost)
    return contradicts(with_lost_files(now, lost), status, run)


def doubts(now: Facts, whole: Facts, status: DatabaseStatus) -> tuple[str, ...]:
    """Notices about objects of lost revisions that a database lacks.

    Args:
        now: the chain.
        whole: the chain with the lost files.
        status: the database.
    """
    run = having_run(now, status).union(lost_in(now, status))
    missing = by_revision(absent(whole, status, run))
    lost = {revision: names for revision, names in missing.items() if revision not in now.graph}
    if not lost:
        return ()
    return (f"{status.name} lacks {in_words(lost)}: another version may have run there",)


def _ambiguous(revision: str, kinds: Sequence[_Group]) -> CannotPlan:
    shown = list(_shown(kinds))
    remedy = Remedy()
    for name, ref in shown:
        remedy |= way(
            f"take that of {name}", f"{{fixchain}} unwind {option('--from', ref)}{{databases}}"
        )
    names = " and ".join(name for name, _ in shown)
    return CannotPlan(
        f"Git has {len(kinds)} versions of {revision} whose downgrade() differs, and nothing shows"
        f" which of them has run: those of {names}",
        remedy,
    )


def _shown(kinds: Sequence[_Group]) -> Iterator[tuple[str, str]]:
    """Descriptions of versions, and a Git revision of each."""
    for kind in kinds[:_NAMED]:
        lost = kind[0].lost
        refs = sorted(_refs(kind))
        ref = refs[0] if refs else lost.checkout or lost.commit
        yield (ref if refs else f"before commit {lost.commit}"), ref


# --- The files of lost revisions -----------------------------------------------------------------
def _all_known(now: Facts, ahead: Sequence[DatabaseStatus]) -> Facts:
    """The chain with all lost revisions that have run, including lost ancestors."""
    for status in ahead:
        for row in set(status.rows).difference(now.graph):
            _refuse_found(now, row)
            while True:
                unknown = survivors(now, row).unknown
                if now.databases.asked_git_about.issuperset(unknown):
                    break
                now = with_lost(now, unknown)
            if unknown:
                raise _without_file(now, status, row, unknown)
    return now


def _with_files_of(ref: str, now: Facts) -> tuple[Facts, set[str]]:
    """The chain with a Git revision's files of lost revisions, and which of them it has."""
    there: dict[str, LostRevision] = {}
    for file, header in read_at(ref, now.environment).readable:
        revision = header.revision
        if revision is None or revision in now.graph:
            continue
        found = now.databases.lost.get(revision) or LostRevision(
            revision, ref, "", datetime.fromtimestamp(0, timezone.utc), file.path, b"", ()
        )
        there[revision] = replace(
            found,
            path=file.path,
            data=file.data,
            parents=header.down_revision or (),
            depends_on=header.depends_on or (),
            branch=ref,
            kept=True,
            checkout=ref,
        )
    known = replace(now.databases, lost={**now.databases.lost, **there})
    return replace(now, databases=known), set(there)


def _refuse_found(now: Facts, row: str) -> None:
    """Refuse a row whose revision is here, under another id or in an unreadable file."""
    known, unread = now.databases, now.possible_file(row)
    if unread is not None:
        file, problem = unread
        raise CannotPlan(
            f"{file.name} may have {row}, but that file {problem.reason}", problem.remedy
        )
    other = known.renamed.get(row) or known.squashed.get(row)
    lost = known.lost.get(row)
    if other is not None:
        raise CannotPlan(
            f"{row} is not gone: since a repair it is {other}",
            way("move the stamp to its new id", "{fixchain} restamp{databases}"),
        )
    if lost is not None and lost.arriving:
        raise CannotPlan(
            f"{row} is not gone: the {lost.arriving} that has stopped is still to bring it",
            going_on(now.environment, lost),
        )
    if lost is not None and lost.renamed in now.graph and not lost.edited:
        raise CannotPlan(
            f"{row} is not gone: the same migration is {lost.renamed} now",
            under_its_new_id(now, lost),
        )


def _without_file(
    now: Facts, status: DatabaseStatus, row: str, unknown: Sequence[str]
) -> CannotPlan:
    are, it = ("is", "it") if len(unknown) == 1 else ("are", "them")
    where, in_git = "here", Remedy()
    if repositories_of(version_roots(now))[0]:
        where = "in Git"
        in_git = way(
            "fetch what others have, and look again",
            "git fetch --all",
            "{fixchain} unwind{databases}",
        ) | way(
            "if you know a commit that has it, name that in place of COMMIT",
            "{fixchain} unwind --from COMMIT{databases}",
        )
    return CannotPlan(
        f"{listing(unknown, _NAMED)} {are} nowhere {where}, and {status.name} has run {it}",
        in_git | choices(now, row),
        now.databases.notices,  # for example, that the clone is shallow
    )


def on_main(now: Facts, revisions: Iterable[str]) -> Iterator[str]:
    """Notices about lost revisions that merging the main branch would bring."""
    by_main: dict[str, list[str]] = {}
    for each in revisions:
        by_main.setdefault(now.databases.lost[each].main, []).append(each)
    for main, names in by_main.items():
        if main:
            yield (
                f"{main} has {listing(names, _NAMED)}: `git merge --no-edit {ref_word(main)}`"
                f" brings {'it' if len(names) == 1 else 'them'}, and nothing is downgraded"
            )


def refuse_unusable_files(now: Facts, whole: Facts, revisions: Collection[str]) -> None:
    """Refuse a lost file that cannot run, or that Alembic would load differently.

    Args:
        now: the chain.
        whole: the chain with the lost files.
        revisions: the lost revisions.

    Raises:
        CannotPlan: a file cannot run.
    """
    for revision in revisions:
        if not can_have_file(revision):
            raise CannotPlan(
                f"{revision!r} is not run: Alembic puts ids into its SQL as they are, and only"
                " letters, digits, underscores and dots are safe there",
                choices(now, revision),
            )
        lost = now.databases.lost[revision]
        if never_goes_back(lost.data):
            raise CannotPlan(
                f"{revision} cannot be downgraded: downgrade() in {lost.path.name} only raises",
                choices(now, revision).instead_of(("{fixchain} unwind{databases}",), Remedy()),
            )
        for why in _why_unusable(whole, revision):
            raise CannotPlan(
                f"{lost.path.name}, which has {revision}, {why}",
                taking_down_there(now, revision),
            )
    if broken := in_doubt(diagnose(whole, Family.CHAIN)):
        raise CannotPlan(
            f"together with the lost files the chain would be broken: {broken[0].message}",
            taking_down_there(now, next(iter(revisions))),
        )


def _why_unusable(whole: Facts, revision: str) -> Iterator[str]:
    file = whole.file(revision) if revision in whole.graph else None
    if file is None or not file.data:
        yield "cannot be read"
    elif isinstance(file.reading, Header) and file.reading.problems:
        problem = file.reading.problems[0]
        yield f"does not show what it is built on: {problem.name} {problem.detail}"
