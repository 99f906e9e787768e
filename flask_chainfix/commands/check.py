"""check: what is wrong with the chain, and what a repair would make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.session import Session, refuse_empty
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import UNKNOWN_STAMP, Diagnosis, in_doubt
from flask_chainfix.diagnosis.narrowing import idle_comments
from flask_chainfix.diagnosis.narrowing import since as new_since
from flask_chainfix.diagnosis.rules import Family
from flask_chainfix.model.databases import DatabaseState
from flask_chainfix.model.files import Header
from flask_chainfix.model.history import Queue, ReferenceChain
from flask_chainfix.model.plans import Wishes
from flask_chainfix.model.rehearsal import RevisionSql
from flask_chainfix.planning.proposal import Proposal, needs_plan, with_moves, with_ways_that_work
from flask_chainfix.report.results import Checked

_PLANNED_WITHOUT_AGAINST = (
    "check without --against shows what a repair would do about missing revisions"
)
_NONE_STAGED = "no migration is staged, so there is nothing to judge"
_PLANNED_WITHOUT_STAGED = (
    "check without --staged shows what a repair would do with the files on the disk"
)
_ASKED_BY_REPAIR = (
    "a repair also reads the database of the configuration, and may plan differently: `{}` shows"
    " that plan"
)


@dataclass(frozen=True)
class Against:
    """What to compare the files with.

    Attributes:
        ref: the Git revision that others have.
        allowed: revisions that may change nevertheless.
        others: Git revisions that have not landed yet, to be compared with each other as well.
    """

    ref: str
    allowed: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()


def check(  # noqa: PLR0913  (what users can ask of it)
    session: Session,
    *,
    strict: bool,
    schema: bool = False,
    staged: bool = False,
    against: Against | None = None,
    since: str | None = None,
    sql: bool = False,
) -> Checked:
    """Diagnose the chain, and show what a repair would make of it.

    Args:
        session: what the command works with.
        strict: whether warnings count like errors.
        schema: whether to check the schema even if there is nothing to repair.
        staged: whether to check the files staged in Git, not those on disk.
        against: what to compare the files with; ``None`` for nothing.
        since: the Git revision whose existing findings are left out; ``None`` for none.
        sql: whether to run the migrations that others do not have, for their SQL only.

    Raises:
        NoMigrations: there is nothing to check.
        CannotReadGit: Git cannot read the index, or the revision to compare with.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    session = replace(session, runtime=replace(session.runtime, own_template=False))
    session.progress(0, 0, "the migrations")
    index = None
    if staged:
        from flask_chainfix.git.staged import read_staged

        index = read_staged(session.snapshot())
    unstaged = () if index is None else index.differing
    diagnosis = _diagnosed(session, index and index.snapshot, strict=strict, schema=schema)
    if not staged:
        refuse_empty(diagnosis.snapshot)
    elif not diagnosis.snapshot.files:
        diagnosis = diagnosis.noticing(_NONE_STAGED)
    session.progress(0, 0, "what others have" if against else "the plan")
    diagnosis = _compared(diagnosis, against).noticing(*session.noticed_interruption())
    facts = diagnosis.snapshot
    behind = _behind(facts, session.tools) if strict else ()
    diagnosis = diagnosis.noticing(*behind, *idle_comments(diagnosis))
    checked = Checked(
        tools=session.tools,
        proposal=Proposal(diagnosis),
        exit_code=1 if diagnosis.counting or behind else 0,
        queue=_queue(facts, against),
        staged=staged,
        unstaged=unstaged,
        sql=_sql(session, facts) if sql else None,
    )
    if unstaged:
        names = listing([path.name for path in unstaged], 3)
        differ = f"{count(len(unstaged), 'file')} {'differs' if len(unstaged) == 1 else 'differ'}"
        checked = checked.noticing(f"what is staged was judged; on the disk, {differ}: {names}")
        if checked.exit_code:
            checked = checked.noticing(_PLANNED_WITHOUT_STAGED)
    elif against is not None and (facts.graph.missing or facts.databases.asked_git_about):
        # After the comparison, a second slow Git query for the plan would take too long.
        checked = checked.noticing(_PLANNED_WITHOUT_AGAINST)
    else:
        checked = _with_repair(session, checked)
    return checked if since is None else _narrowed(checked, since, behind=bool(behind))


def _diagnosed(
    session: Session, instead: Snapshot | None, *, strict: bool, schema: bool
) -> Diagnosis:
    """The diagnosis of the files on disk, or of other files instead, with its databases."""
    diagnosis = session.read_and_judge(strict=strict, may_be_empty=True, instead=instead)
    if schema or diagnosis.to_mend:
        session.progress(0, 0, "what the migrations do to the schema")
        diagnosis = diagnosis.with_schema()
    else:
        diagnosis = diagnosis.with_schema_errors(at_a_glance=True)
    if not session.databases.any:
        return diagnosis
    from flask_chainfix.databases.survey import NO_DATABASE_NAMED

    before = diagnosis.snapshot
    looked_at = session.survey(before, also=before.graph.missing)
    diagnosis = diagnosis.with_databases(looked_at)
    if looked_at.schemas:  # to compare them, the migrations were read in full
        diagnosis = diagnosis.with_schema_errors()
    if not (looked_at.databases.statuses or looked_at.databases.notices):
        diagnosis = diagnosis.noticing(NO_DATABASE_NAMED)
    return diagnosis


def _narrowed(checked: Checked, since: str, *, behind: bool) -> Checked:
    """The result without the findings that a Git revision already had.

    Raises:
        CannotReadGit: the Git revision cannot be read.
    """
    from flask_chainfix.git.past import read_branch

    snapshot = checked.diagnosis.snapshot
    diagnosis = new_since(
        checked.diagnosis, ReferenceChain(since, read_branch(since, snapshot).files)
    )
    proposal = replace(checked.proposal, diagnosis=diagnosis)
    if not diagnosis.to_mend:
        proposal = Proposal(diagnosis)
    exit_code = 1 if diagnosis.counting or behind else 0
    return replace(checked, proposal=proposal, exit_code=exit_code)


def _compared(diagnosis: Diagnosis, against: Against | None) -> Diagnosis:
    """The diagnosis, plus an outdated lock and changes to revisions that others have.

    The lock is not judged while the chain itself is in doubt: its heads are unknown, and a repair
    writes the lock as well.

    Raises:
        CannotReadGit: Git cannot read what others have.
    """
    lock = () if in_doubt(diagnosis.findings) else (Family.LOCK,)
    if against is None:
        return diagnosis.judge(*lock) if lock else diagnosis
    from flask_chainfix.commands.check_against import foresee_merges

    merges = foresee_merges(diagnosis.snapshot, against.ref, against.others)
    newer = merges.merges[0].theirs.files if merges.merges else None
    reference = ReferenceChain(
        against.ref, merges.base.files, against.allowed, merges.commit, newer
    )
    snapshot = replace(diagnosis.snapshot, reference=reference, merges=merges.merges)
    notices = _notices(snapshot, against, listing(map(str, merges.absent)))
    known = replace(diagnosis, snapshot=snapshot).noticing(*notices, *merges.notices)
    if snapshot.databases.lost and merges.merges:
        known = known.judge_again(snapshot, UNKNOWN_STAMP)  # a merge may bring lost revisions
    return known.judge(*lock, Family.PUBLISHED, *([Family.MERGE] if merges.merges else []))


def _queue(snapshot: Facts, against: Against | None) -> Queue | None:
    """How waiting branches can land, if that was asked for and is known."""
    if against is None or not against.others or not snapshot.merges:
        return None
    from flask_chainfix.commands.check_against import queue

    return queue(snapshot, against.ref)


def _sql(session: Session, snapshot: Facts) -> tuple[RevisionSql, ...]:
    """The SQL of the revisions that others do not have, which run in offline mode for this."""
    from flask_chainfix.rehearsal.offline import sql_of

    files = snapshot.reference.files if snapshot.reference is not None else ()
    known = {file.reading.revision for file in files if isinstance(file.reading, Header)}
    return sql_of(
        session.runtime, snapshot, [each for each in snapshot.graph.order if each not in known]
    )


def _notices(snapshot: Facts, against: Against, absent: str) -> Iterator[str]:
    if absent:
        yield f"{absent} was not there at {against.ref}: its migrations count as new"
    from flask_chainfix.diagnosis.rules.published import changes

    changed = {change.revision for change in changes(snapshot)}
    for revision in sorted(against.allowed - changed):
        yield (
            f"--allow {revision} is not needed: {against.ref} has no such revision, or it is as it"
            " was"
        )


def _behind(snapshot: Facts, tools: Tools) -> tuple[str, ...]:
    """Notices about stamped databases that are behind."""
    from flask_chainfix.databases.applied.lost import distance

    found = {
        status.name: distance(snapshot, status)
        for status in snapshot.databases.statuses
        if status.state is DatabaseState.STAMPED
    }
    return tuple(
        f"{name} is {count(each.behind, 'revision')} behind, which counts with --strict:"
        f" `{tools.alembic} upgrade` runs them"
        for name, each in found.items()
        if each is not None and each.behind
    )


def _with_repair(session: Session, checked: Checked) -> Checked:
    """The result with the repair of the chain."""
    diagnosis, tools = checked.diagnosis, checked.tools
    wishes = Wishes(strict=diagnosis.strict)
    if not needs_plan(diagnosis, wishes):
        return checked
    from flask_chainfix.databases.survey import noticed_missing  # healthy chains do not need these
    from flask_chainfix.databases.targets import configured_urls
    from flask_chainfix.planning.plan import propose

    proposal = propose(session.runtime, diagnosis, wishes)
    proposal = with_ways_that_work(with_moves(proposal, "repair"))
    if proposal.planned is not None:
        if not session.databases.any and not tools.own and configured_urls(session.runtime):
            asking = f"{tools.fixchain} check --database"
            proposal = proposal.noticing(_ASKED_BY_REPAIR.format(asking))
        else:
            notices = noticed_missing(proposal.snapshot, session.databases)
            own = [each for each in proposal.snapshot.databases.statuses if each.own]
            if notices and own and all(each.state is DatabaseState.MISSING for each in own):
                tools = replace(tools, databases=f" --no-database{tools.named}")
            proposal = proposal.noticing(*notices)
    return replace(checked, tools=tools, proposal=proposal)
