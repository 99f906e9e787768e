"""A plan for people: what changes in which file, and why."""

from __future__ import annotations

from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import count
from flask_chainfix.model.plans import GUESS, Mend, Part, Plan, Reason
from flask_chainfix.report.lines import Line
from flask_chainfix.report.page import INDENT, Page


def mended(mend: Mend) -> str:
    """What a mend changes."""
    before, after = (printable(", ".join(ids)) or "None" for ids in (mend.before, mend.after))
    if mend.part is Part.FILE:
        return f"{printable(mend.path.name)} is deleted"
    # While an id stands twice, it does not tell which file is meant.
    where = f" in {printable(mend.path.name)}" if mend.part is Part.ID else ""
    return f"{mend.part.value}{where}: {before} → {after}"


def write_plan(page: Page, plan: Plan) -> None:
    """What changes, file by file, and why."""
    page.heading("Plan", size(plan))
    _why(page, plan.why, INDENT)
    for mend in plan.mends:
        change = Line(printable(mend.revision), "bold")
        change.append(f"  {mended(mend)}")
        page.line(change, INDENT)
        _why(page, mend.why)
    for relink in plan.relinks:
        change = Line(printable(relink.revision), "bold")
        change.append(f"  {_parents(relink.before)} → {_parents(relink.after)}")
        page.line(change, INDENT)
        _why(page, relink.why)
    for new in plan.new_revisions:
        change = Line(f"{new.revision}  new, on {_parents(new.down_revision)}", "bold")
        page.line(change, INDENT)
        _why(page, new.why)


def _why(page: Page, reasons: tuple[Reason, ...], indent: int = 2 * INDENT) -> None:
    for reason in reasons:
        if reason.kind == "choice":  # stands below the plan, with its commands
            continue
        style = "yellow" if reason.kind == GUESS else "dim"
        page.line(f"{reason.kind}: {reason.detail}", indent, style)


def _parents(parents: tuple[str, ...]) -> str:
    return printable(", ".join(parents)) or "None"


def size(plan: Plan) -> str:
    """The strategy of a plan, and how many files it changes."""
    rewritten = {relink.path for relink in plan.relinks}
    rewritten.update(mend.edits[-1].path for mend in plan.mends if mend.part is not Part.FILE)
    deleted = {mend.path for mend in plan.mends if mend.part is Part.FILE}
    parts = [
        f"{count(number, 'file')} {what}"
        for number, what in (
            (len(rewritten), "rewritten"),
            (len(plan.new_revisions), "added"),
            (len(deleted), "deleted"),
        )
        if number
    ]
    return f"strategy {plan.strategy}, {', '.join(parts)}"
