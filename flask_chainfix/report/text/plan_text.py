"""Text sections of single commands: plans, hooks, explanations, a queue, SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flask_chainfix.common.quoting import git_word, printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import count, listing
from flask_chainfix.model.files import HookFile, HookState
from flask_chainfix.model.findings import Explanation
from flask_chainfix.model.history import Fit, Queue
from flask_chainfix.model.plans import GUESS, Confirmation, Plan, Proof, Reason
from flask_chainfix.model.rehearsal import SERVERS, RevisionSql
from flask_chainfix.report.display import Row, Section, line_style, shown_path, unified_diff
from flask_chainfix.report.lines import Line, cells
from flask_chainfix.report.next_steps import NextStep
from flask_chainfix.report.phrases import about_sql, mended, parents_of, size
from flask_chainfix.report.results import Explained, HookPlan, SquashPlan
from flask_chainfix.report.text import database_text as databases
from flask_chainfix.report.text.page import INDENT, Page, title_of, write


def queue_section(queue: Queue) -> Section:
    """The verdict on each pair of branches, and an order in which they can land."""
    pairs = [pair for pair in queue.pairs if pair.fit is not Fit.WELL]
    width = max((cells(printable(f"{pair.one} + {pair.other}")) for pair in pairs), default=0)
    rows = []
    for pair in pairs:
        both = printable(f"{pair.one} + {pair.other}")
        detail = f": {printable(pair.detail)}" if pair.detail else ""
        text = f"{both}{' ' * (width - cells(both))}  {pair.fit.value}{detail}"
        rows.append(Row(text, hanging=width + 2))
    well = len(queue.pairs) - len(pairs)
    if well:
        fit = "fits as it is" if well == 1 else "fit as they are"
        rows.append(Row(f"{count(well, 'pair')} {fit}"))
    if queue.order is None:
        rows.append(Row("there is no order in which all can land"))
    else:
        names = map(printable, queue.order)
        rows.append(Row(f"an order in which all can land, each rebased: {', '.join(names)}"))
    return Section("Queue", "", tuple(rows))


def sql_sections(scripts: Sequence[RevisionSql] | None) -> Iterator[Section]:
    """The SQL of new revisions; nothing if it was not asked for."""
    if scripts is None:
        return
    rows = [Row(about_sql(scripts))]
    for script in scripts:
        problem = script.problem or ("" if script.statements else "sends nothing")
        rows.append(Row(f"{script.revision}: {problem}".rstrip(), "bold"))
        lines = (line for each in script.statements for line in each.split("\n"))
        rows += [Row(line, wrapped=False, indent=2) for line in lines]
    yield Section("SQL", "", tuple(rows))


# --- What a plan changes in which file, and why --------------------------------------------------


def write_plan(page: Page, plan: Plan) -> None:
    """Write each changed file and its reasons; only the deciding one unless in full."""
    page.heading("Plan", size(plan))
    _why(page, plan.why, INDENT, in_full=True)
    for revision, change, why in _changes(plan):
        page.line(Line(revision, "bold").append(f"  {change}"), INDENT)
        _why(page, why)


# Reasons that hold for any order, so they are left out if there is another reason.
_COMMON_REASONS = frozenset(("base", "branch"))


def _why(
    page: Page, reasons: tuple[Reason, ...], indent: int = 2 * INDENT, *, in_full: bool = False
) -> None:
    # Choices are shown below the plan, with their commands.
    shown = [reason for reason in reasons if reason.kind != "choice"]
    certain = [reason for reason in shown if reason.kind != GUESS]
    deciding = next((each for each in certain if each.kind not in _COMMON_REASONS), None)
    for reason in shown:
        is_needed = reason.kind == GUESS or reason is (deciding or certain[0])
        if in_full or page.in_full or is_needed:
            style = "yellow" if reason.kind == GUESS else "dim"
            page.line(f"{reason.kind}: {reason.detail}", indent, style)


# --- Alembic's confirmation ----------------------------------------------------------------------


def write_confirmation(page: Page, confirmation: Confirmation, tools: Tools) -> None:
    """Write Alembic's confirmation; in full with the heads and the history as it prints them."""
    if not page.in_full:
        heads = "the head is" if len(confirmation.heads) == 1 else "the heads are"
        page.line(f"{confirmation.by} agrees: {heads} {listing(confirmation.heads, 3)}.")
        return
    page.heading("What Alembic says", confirmation.by)
    for command, output in (
        ("heads", confirmation.heads_output),
        ("history", confirmation.history_output),
    ):
        page.command(f"$ {tools.alembic} {command}")
        for line in output.splitlines():
            page.verbatim(line, indent=INDENT)


# --- Hooks, jobs and checklists -------------------------------------------------------------------


@write.register
def _(plan: HookPlan, page: Page) -> None:
    page.line(_hook_verdict(plan), style="bold")
    page.notices(() if plan.is_done else plan.notices)  # then the plan told them
    sections = (
        Section(file.name, shown_path(file.path), tuple(_hook_rows(file, again=plan.is_done)))
        for file in plan.files
    )
    page.sections(sections, 0)  # lines to copy are not indented
    page.steps("What to do now", _hook_steps(plan))


def _hook_verdict(plan: HookPlan) -> str:
    """The verdict on one line."""
    states = [file.state for file in plan.files]
    if plan.is_done:
        return f"Written: {count(states.count(HookState.WRITTEN), 'file')}."
    if HookState.SHOWN in states:
        return "The files, and where they go; nothing is written."
    if HookState.PLANNED in states:
        return f"To be written: {count(states.count(HookState.PLANNED), 'file')}."
    if HookState.REFUSED in states:
        return "Nothing was written: add the lines below by hand."
    if any(file.detail for file in plan.files):
        return "Nothing was written: check whether the existing files do the same."
    return "Nothing to do: everything is in place."


def _hook_rows(file: HookFile, *, again: bool) -> Iterator[Row]:
    if file.state is HookState.PLANNED and file.edit is not None:
        for line in unified_diff([file.edit]):
            yield Row(line, line_style(line), wrapped=False)
    elif file.state is HookState.WRITTEN:
        yield Row("written", "green")
    elif file.state is HookState.THERE:
        yield Row("already there" + (f", {file.detail}; left alone" if file.detail else ""))
    elif file.state is HookState.REFUSED:
        yield Row(f"left alone: {file.detail}", "yellow")
    elif file.detail:
        yield Row(file.detail, "yellow")
    planned = file.state is HookState.PLANNED and file.edit is None
    if planned or file.state is HookState.SHOWN or (file.state is HookState.REFUSED and not again):
        for line in file.text.splitlines():
            yield Row(line, wrapped=False)


def _hook_steps(plan: HookPlan) -> list[NextStep]:
    """The remaining steps after the files are written."""
    if not plan.is_done:
        return []
    uses_pre_commit = plan.files[0].path.name == ".pre-commit-config.yaml"
    driver = any(file.settings for file in plan.files)
    ours = f"{plan.tools.fixchain} hook --install{' --merge-driver' if driver else ''}"
    if plan.files[0].path.name == "post-checkout":
        ours += " --post-checkout"
    install = [*(["pre-commit install"] if uses_pre_commit else [])]
    if driver or not uses_pre_commit:
        install.append(ours)
    committed = [
        git_word(file.path)
        for file in plan.files
        if file.state is HookState.WRITTEN and ".git" not in file.path.parts
    ]
    git = plan.tools.git
    commit = NextStep(
        "Look at the files, and commit them:",
        (f"{git} add {' '.join(committed)}", f'{git} commit -m "Check the migration chain"'),
    )
    again = NextStep("In every other clone, as Git copies no hooks, type once:", tuple(install))
    lock = NextStep("Write chain.lock, which Git then merges:", (f"{plan.tools.fixchain} lock",))
    return [
        *([lock] if driver and not plan.has_lock else []),
        *([commit] if committed else []),
        again,
    ]


# --- Kinds of findings ---------------------------------------------------------------------------


@write.register
def _(result: Explained, page: Page) -> None:
    several = len(result.explanations) > 1
    for each in result.explanations:
        page.line(title_of(each, each.summary), hanging=INDENT if several else 0)
    if several:
        page.line("")
        page.line("To read what breaks, how it happens and how to repair it, type")
        page.command(f"{result.tools.fixchain} explain CODE")
    elif result.explanations:
        page.sections(_explanation_sections(result.explanations[0], result.tools))


def _explanation_sections(explanation: Explanation, tools: Tools) -> Iterator[Section]:
    """The explanation of one kind of finding, below its title."""
    breaks = f"{explanation.breaks[:1].upper()}{explanation.breaks[1:]}."
    for title, text in (
        ("What it means", explanation.meaning),
        ("What breaks", breaks),
        ("How it happens", explanation.origin),
        ("How to repair it", explanation.repair),
    ):
        yield Section(title, "", tuple(_paragraphs(tools.spell_out(text))))
    lines = tools.spell_out(explanation.example).splitlines()
    yield Section(
        "Example", "", tuple(Row(line, _example_style(line), wrapped=False) for line in lines)
    )


def _paragraphs(text: str) -> Iterator[Row]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield Row("")
        yield Row(paragraph)


def _example_style(line: str) -> str:
    return {"#": "cyan", "$": "bold"}.get(line[:1], "")


# --- Squash --------------------------------------------------------------------------------------


@write.register
def _(result: SquashPlan, page: Page) -> None:
    planned = result.proposal.planned
    page.beginning(squash_verdict(result), result)
    page.sections(_squash_sections(result))
    page.sections(databases.sections_of(result))
    if planned is not None:
        page.changes([edit for edit in planned.edits if edit.after is not None])


def squash_verdict(plan: SquashPlan, *, done: bool = False) -> str:
    """The verdict on one line."""
    number = count(len(plan.replaced), "revision")
    if done:
        return f"Squashed: {number} into one that makes the same schema."
    return f"{number} can be squashed into one that makes the same schema."


def _squash_sections(plan: SquashPlan) -> Iterator[Section]:
    """The replaced revisions, the proofs, and what no schema shows."""
    top = plan.replaced[-1]
    gone = ", ".join(plan.replaced)
    yield Section(
        "Plan",
        "",
        (
            Row(f"replaced, base first: {gone}", hanging=2),
            Row(
                f"the new migration has the id {top}: databases that are stamped with it, and"
                " revisions on it, need no change"
            ),
        ),
    )
    yield Section("Proof", "old chain and new, compared exactly", tuple(map(_proof, plan.proofs)))
    rows = (*_carried(plan), *_lost_rows(plan.proofs))
    if rows:
        yield Section("To review", "not part of a schema: carry over what new databases need", rows)


def _proof(proof: Proof) -> Row:
    kind = SERVERS.get(proof.dialect, "SQLite")
    return Row(f"{kind}: {count(proof.compared, 'object')} compared, no difference")


def _carried(plan: SquashPlan) -> Iterator[Row]:
    for each in plan.carry_over:
        yield Row(f"{shown_path(each.path)}:{each.line}", "cyan", wrapped=False)
        yield Row(each.detail, indent=2)


def _lost_rows(proofs: Iterable[Proof]) -> Iterator[Row]:
    """The rows that a new database will no longer have."""
    rows = {table: number for proof in proofs for table, number in proof.rows.items()}
    if rows:
        tables = ", ".join(f"{table} ({number:,})" for table, number in sorted(rows.items()))
        yield Row(f"rows that only the old chain inserts into a new database: {tables}")


def _changes(plan: Plan) -> Iterator[tuple[str, str, tuple[Reason, ...]]]:
    """The changes of a plan: the revision, its change, and the reasons."""
    for mend in plan.mends:
        yield mend.revision, mended(mend), mend.why
    for relink in plan.relinks:
        yield (
            relink.revision,
            f"{parents_of(relink.before)} → {parents_of(relink.after)}",
            relink.why,
        )
    for new in plan.new_revisions:
        yield new.revision, f"new, on {parents_of(new.down_revision)}", new.why
