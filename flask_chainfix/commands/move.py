"""move: put a revision after another one, as the user says."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix.commands.session import Session, refuse_broken
from flask_chainfix.common.errors import CannotPlan, CannotRewrite
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis, in_doubt, remarks_on_links
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.plans import Plan
from flask_chainfix.planning.edits import edits_between, edits_for, summed_up, with_lock
from flask_chainfix.planning.linking.faults import new_faults, with_places
from flask_chainfix.planning.linking.safety import refuse_doubted
from flask_chainfix.planning.linking.strategies import require_known_headers
from flask_chainfix.planning.mending import mend_impassable
from flask_chainfix.planning.proposal import Planned, Proposal, refuse_unknown_rows, with_moves
from flask_chainfix.planning.relocation import MoveWishes, refuse_unsafe_move, relocate
from flask_chainfix.rehearsal.confirm import foresee
from flask_chainfix.report.results import Planning

_NAMED = 3  # revisions named in one sentence


def plan_move(session: Session, wishes: MoveWishes) -> Planning:
    """Plan a move that is safe for every known database, without changing anything.

    Returns:
        A plan with its edits, and the rows that each database is to have; no plan if everything is
        in place already; an error if no plan is possible.

    Raises:
        NoMigrations: there is nothing to move.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        DatabaseUnreachable: a database cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    diagnosis = session.begin()
    proposal = _proposed(session, diagnosis, wishes)
    return session.planning("move", proposal)


def _proposed(session: Session, diagnosis: Diagnosis, wishes: MoveWishes) -> Proposal:
    """The plan, the obstacle, or neither if nothing has to move.

    Raises:
        DatabaseUnreachable, BadConfiguration, BadDatabase: as ``plan_move``.
    """
    try:
        _refuse_broken(diagnosis)
        plan = relocate(diagnosis.snapshot, wishes)
    except CannotPlan as error:
        return Proposal(diagnosis, obstacle=error)
    if not plan.relinks:
        return Proposal(
            diagnosis.noticing(f"nothing to do, as it is there already: {plan.why[0].detail}")
        )
    now, notices = diagnosis.snapshot, tuple[str, ...]()
    if now.environment.asks_git:
        chains, notices = read_published(now)
        now = replace(now, published_chains=chains)
    if session.databases.any:
        now = session.survey(now, wishes.typed())
    diagnosis = diagnosis.with_databases(now).noticing(*notices)
    try:
        refuse_doubted(now, {plan.relinks[0].revision: ""})
        refuse_unknown_rows(now, diagnosis.findings, wishes.typed())
        planned = _checked(now, plan, wishes)
    except (CannotPlan, CannotRewrite) as error:
        return Proposal(diagnosis, obstacle=error)
    remarks = (*remarks_on_links(now, planned.edits), *_remarks_on_published(now, planned.plan))
    return with_moves(Proposal(diagnosis.noticing(*remarks), planned), wishes.typed())


def _refuse_broken(diagnosis: Diagnosis) -> None:
    """Refuse a chain whose shape is in doubt; several heads or bases are fine.

    Raises:
        CannotPlan: a repair comes first.
    """
    now = diagnosis.snapshot
    refuse_broken(in_doubt((*diagnosis.findings, *diagnose(now, ignored=True))))
    require_known_headers(now)


def _checked(now: Facts, plan: Plan, wishes: MoveWishes) -> Planned:
    """The plan, checked by our rules and Alembic's graph; no database skips a revision.

    Raises:
        CannotPlan, UnsafeForDatabases, CannotRewrite: the plan is refused.
    """
    after = now.after(edits_for(now, plan.parents))
    movable = {relink.revision for relink in plan.relinks}
    after, untied = mend_impassable(after, movable)
    plan = summed_up(now, after, plan, untied, ())
    _refuse_faults(now, after, wishes)
    refuse_unsafe_move(now, after.graph, wishes)
    foresee(after, before=now)
    edits = edits_between(now, after)
    edits, after = with_lock(edits, after)
    plan = replace(plan, order=after.graph.order)
    return Planned(plan, now, after, edits).in_git()


def _refuse_faults(now: Facts, after: Facts, wishes: MoveWishes) -> None:
    """Refuse if the chain would get a new fault.

    Raises:
        CannotPlan: with both places.
    """
    for fault in new_faults(now, after):
        if fault.code not in ("FC101", "FC102", *wishes.accept):  # the plan adds no head or base
            accepting = way(
                f"if the finding is mistaken, move it anyway; {fault.code} stays",
                wishes.command(accept=(fault.code,)),
            )
            raise CannotPlan(
                f"the planned chain would have a fault: {with_places(fault)}",
                accepting if fault.code.startswith("FC2") else fault.hint,
            )


def _remarks_on_published(now: Facts, plan: Plan) -> tuple[str, ...]:
    """Notices about revisions that others have in a different order."""
    relinked = [relink.revision for relink in plan.relinks]
    return tuple(
        f"{chain.name} has {listing(known, _NAMED)} in the order as it is: until this has landed"
        " there, check --against reports FC501"
        for chain in now.published_chains
        if chain.is_main and (known := [each for each in relinked if each in chain.revisions])
    )
