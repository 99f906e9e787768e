"""What databases lack and what adds it, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask_chainfix.common.wording import count, listing
from flask_chainfix.model.rehearsal import SentStatement
from flask_chainfix.report.database_results import Finished, FinishPlan
from flask_chainfix.report.display import Row, Section
from flask_chainfix.report.results import CatchUpPlan
from flask_chainfix.report.text.page import Page, write, write_databases
from flask_chainfix.report.text.plan_text import write_plan

if TYPE_CHECKING:
    from flask_chainfix.rehearsal.schemas.catching_up import Lacking

_SHOWN = 20
_STAYS = "it stays as it is"
_LATER = ", which the next upgrade makes"


@write.register
def _(result: CatchUpPlan, page: Page) -> None:
    planned = result.proposal.planned
    page.beginning(_verdict(result), result, "bold green")
    page.sections(_sections(result))
    if planned is not None:
        write_plan(page, planned.plan)
        page.changes(planned.edits)
        page.line("")
        page.line(_proof(result), style="green")


def _verdict(result: CatchUpPlan) -> str:
    """The verdict on one line."""
    total = len(result.databases)
    number = sum(bool(each.missing) for each in result.databases)
    if not number:
        return "No database lacks anything that the chain makes: there is nothing to do."
    if not any(each.wanted for each in result.databases):
        which = "The database lacks" if total == 1 else "Databases lack"
        return f"{which} only what the next upgrade makes: there is nothing to write."
    if total == 1:
        return "The database lacks something that the chain makes."
    verb = "lacks" if number == 1 else "lack"
    return f"{number:,} of {total:,} databases {verb} something that the chain makes."


def _proof(result: CatchUpPlan) -> str:
    """The sentence about where the new migration was run."""
    states = f"{result.states} different states" if result.states > 1 else "the state"
    return (
        f"It was run on scratch databases, from the base and from {states} of the databases: each"
        " then had what the chain makes."
    )


def _sections(result: CatchUpPlan) -> Iterator[Section]:
    """What each database lacks, and what the migration does not add."""
    for each in result.databases:
        if each.missing or each.others:
            stamped = f"stamped at {listing(each.status.rows)}"
            yield Section(each.status.name, stamped, tuple(_rows(each)))
    if result.left:
        left = result.left.items()
        rows = tuple(Row(f"{thing.kind.value} {thing.spelled}: {why}") for thing, why in left)
        yield Section("Left out", "write a migration for these by hand", rows)


def _rows(found: Lacking) -> Iterator[Row]:
    missing = [each for each in found.compared.differences if each.is_missing]
    for each in missing[:_SHOWN]:
        yield Row(f"lacks {each.named}{_LATER if each.object in found.later else ''}")
    if len(missing) > _SHOWN:
        yield Row(f"and {len(missing) - _SHOWN:,} more", "dim")
    for each in found.others[:_SHOWN]:
        if each.is_extra:
            yield Row(f"has {each.named}, which no migration makes; {_STAYS}", "dim")
        else:
            aspect = f", {each.aspect}" if each.aspect else ""
            found_, expected = each.found or "nothing", each.expected or "nothing"
            yield Row(f"{each.named}{aspect}: {found_}, not {expected}; {_STAYS}", "dim")
    if len(found.others) > _SHOWN:
        yield Row(f"and {count(len(found.others) - _SHOWN, 'more difference')}", "dim")


# --- Unfinished revisions ------------------------------------------------------------------------
@write.register
def _(result: FinishPlan, page: Page) -> None:
    page.beginning(_verdict_on_finish(result), result, "bold green")
    page.sections(_finish_sections(result))
    if result.databases:
        page.line("")


@write.register
def _(result: Finished, page: Page) -> None:
    page.line(_verdict_on_finish(result), style="bold green")
    write_databases(page, result)


def _verdict_on_finish(result: FinishPlan) -> str:
    """The verdict on one line."""
    if not result.databases:
        return "Nothing is left to run."
    revision = result.databases[0].revision
    if isinstance(result, Finished):
        return f"Finished: {revision} has run in {count(len(result.databases), 'database')}."
    return f"{revision} is not finished in {count(len(result.databases), 'database')}."


def _finish_sections(result: FinishPlan) -> Iterator[Section]:
    """The remaining statements for each database."""
    for each in result.databases:
        total, left = len(each.statements), len(each.left)
        stamped = f"stamped at {listing(each.status.rows) or 'nothing'}"
        rows = [Row(f"{each.done} of {count(total, 'statement')} of {each.revision} have run")]
        rows += [row for statement in each.left for row in _statement_rows(statement)]
        then = f"then it is stamped at {each.revision}"
        rows.append(Row(then if left else f"only the stamp is left: {then}"))
        yield Section(each.status.name, stamped, tuple(rows))


def _statement_rows(statement: SentStatement) -> Iterator[Row]:
    lines = [line for line in statement.sql.strip().splitlines() if line.strip()]
    for number, line in enumerate(lines):
        end = ";" if number == len(lines) - 1 else ""
        yield Row(f"{line.expandtabs(4)}{end}", "cyan", wrapped=False, indent=2)
    if statement.parameters:
        yield Row(f"with {json.dumps(statement.parameters)}", "dim", indent=2)
