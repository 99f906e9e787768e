"""A squash for people: what it replaces, the proof, and what is left to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask_chainfix.common.wording import count
from flask_chainfix.model.files import Edit
from flask_chainfix.model.plans import Proof
from flask_chainfix.model.rehearsal import SERVERS
from flask_chainfix.report.page import Row, Section, shown_path
from flask_chainfix.report.results import SquashPlan


def verdict(plan: SquashPlan, *, done: bool = False) -> str:
    """The one line that says it all."""
    number = count(len(plan.replaced), "revision")
    if done:
        return f"Squashed: {number} into one, which makes the same schema."
    return f"{number} can become one, which makes the same schema."


def sections(plan: SquashPlan) -> Iterator[Section]:
    """What is replaced, where that was proved, and what no schema shows."""
    top = plan.replaced[-1]
    gone = ", ".join(plan.replaced)
    yield Section(
        "Plan",
        "",
        (
            Row(f"replaced, base first: {gone}", hanging=2),
            Row(
                f"{top} stays the id of the one: databases that are stamped with it, and revisions"
                " on it, need no change"
            ),
        ),
    )
    yield Section("Proof", "old chain and new, compared exactly", tuple(map(_proof, plan.proofs)))
    rows = (*_carried(plan), *_lost_rows(plan.proofs))
    if rows:
        yield Section("To look at", "no schema shows it: carry over what new databases need", rows)


def _proof(proof: Proof) -> Row:
    kind = SERVERS.get(proof.dialect, "SQLite")
    return Row(f"{kind}: equal in {count(proof.compared, 'object')}")


def _carried(plan: SquashPlan) -> Iterator[Row]:
    for each in plan.carry_over:
        yield Row(f"{shown_path(each.path)}:{each.line}", "cyan", wrapped=False)
        yield Row(each.detail, indent=2)


def _lost_rows(proofs: Iterable[Proof]) -> Iterator[Row]:
    """The rows that a new database has no longer."""
    rows = {table: number for proof in proofs for table, number in proof.rows.items()}
    if rows:
        told = ", ".join(f"{table} ({number:,})" for table, number in sorted(rows.items()))
        yield Row(f"rows that a new database had, and will not have: {told}")


def shown(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits that a diff is shown of: of files that only go, the plan tells."""
    return tuple(edit for edit in edits if edit.after is not None)
