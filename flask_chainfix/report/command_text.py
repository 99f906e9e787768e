"""The verdict on a chain, and plans, hooks, copies and explanations for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flask_chainfix.common.quoting import path_word, printable
from flask_chainfix.common.remedies import Tools
from flask_chainfix.common.wording import bytes_in_words, count, listing
from flask_chainfix.diagnosis.diagnosis import Diagnosis, errors_of
from flask_chainfix.diagnosis.rules import Family, codes_of
from flask_chainfix.model.databases import Backup
from flask_chainfix.model.findings import Explanation, Severity
from flask_chainfix.model.history import Fit, Queue
from flask_chainfix.model.hook_files import HookFile, HookState
from flask_chainfix.model.plans import GUESS, Confirmation, Mend, Part, Plan, Reason
from flask_chainfix.model.rehearsal import RevisionSql
from flask_chainfix.report.advice import Step
from flask_chainfix.report.lines import Line, cells
from flask_chainfix.report.page import (
    INDENT,
    Page,
    Row,
    Section,
    line_style,
    shown_path,
    unified_diff,
)
from flask_chainfix.report.results import HookPlan


def verdict(diagnosis: Diagnosis) -> str:
    """Whether the chain is healthy, and if not, what is wrong with it."""
    graph, unplaced = diagnosis.snapshot.graph, diagnosis.snapshot.unplaced
    numbers: Counter[str] = Counter()
    for finding in errors_of(diagnosis.findings):
        numbers[finding.noun] += finding.number
    if numbers:
        faults = ", ".join(count(number, noun) for noun, number in numbers.items())
        codes = {finding.code for finding in diagnosis.counting}
        if codes <= codes_of(Family.DATABASE):
            return f"The databases do not fit the migration chain: {faults}."
        if codes <= codes_of(Family.LOCK, Family.PUBLISHED, Family.MERGE):
            return f"The migration chain works, but does not pass the gate: {faults}."
        return f"The migration chain is broken: {faults}."
    size = (
        f"{count(len(graph), 'revision')}, {count(len(graph.bases), 'base')},"
        f" {count(len(graph.heads), 'head')}"
    )
    if unplaced:
        unknown = f"the place of {count(len(unplaced), 'migration')} is not known"
        return f"The migration chain could be judged in part only, as {unknown}: {size}."
    if diagnosis.since and not diagnosis.findings:
        return f"Nothing is wrong with what is new since {printable(diagnosis.since)}: {size}."
    severities = [finding.severity for finding in diagnosis.findings]
    warnings = severities.count(Severity.WARNING)
    merges = _merges_well(diagnosis)
    if warnings:
        return f"The migration chain works, with {count(warnings, 'warning')}{merges}: {size}."
    return f"The migration chain is healthy{merges}: {size}."


def _merges_well(diagnosis: Diagnosis) -> str:
    """What a sound chain would still be after merges, in words that follow."""
    merges = diagnosis.snapshot.merges
    refs = [each.theirs.ref for each in merges if each.is_gate and not each.mine.ref]
    return f", also with {printable(listing(refs))} merged" if refs else ""


def queue_section(queue: Queue) -> Section:
    """How branches go together, two and two, and an order in which they can land."""
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


def about_sql(scripts: Sequence[RevisionSql]) -> str:
    """Where the SQL of new revisions comes from, as one sentence."""
    if not scripts:
        return "No revision is new."
    ran = f"{count(len(scripts), 'new revision')} ran in Alembic's offline mode, without a database"
    return f"{ran}; what would be sent to one:"


def sql_sections(scripts: Sequence[RevisionSql] | None) -> Iterator[Section]:
    """What new revisions would send to a database; nothing where nobody has asked."""
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


def mended(mend: Mend) -> str:
    """What a mend changes."""
    before, after = (printable(", ".join(ids)) or "None" for ids in (mend.before, mend.after))
    if mend.part is Part.FILE:
        return f"{printable(mend.path.name)} is deleted"
    # While an id stands twice, it does not tell which file is meant.
    where = f" in {printable(mend.path.name)}" if mend.part is Part.ID else ""
    return f"{mend.part.value}{where}: {before} → {after}"


def write_plan(page: Page, plan: Plan) -> None:
    """What changes, file by file, and why; the deciding reason alone unless all is told."""
    page.heading("Plan", size(plan))
    _why(page, plan.why, INDENT, in_full=True)
    for mend in plan.mends:
        change = Line(printable(mend.revision), "bold")
        change.append(f"  {mended(mend)}")
        page.line(change, INDENT)
        _why(page, mend.why)
    for relink in plan.relinks:
        change = Line(printable(relink.revision), "bold")
        change.append(f"  {parents_of(relink.before)} → {parents_of(relink.after)}")
        page.line(change, INDENT)
        _why(page, relink.why)
    for new in plan.new_revisions:
        change = Line(f"{new.revision}  new, on {parents_of(new.down_revision)}", "bold")
        page.line(change, INDENT)
        _why(page, new.why)


# What is as true of any other order, and so decides nothing where there is another reason.
_COMMON_REASONS = frozenset(("base", "branch"))


def _why(
    page: Page, reasons: tuple[Reason, ...], indent: int = 2 * INDENT, *, in_full: bool = False
) -> None:
    # A choice stands below the plan, with its commands.
    told = [reason for reason in reasons if reason.kind != "choice"]
    certain = [reason for reason in told if reason.kind != GUESS]
    deciding = next((each for each in certain if each.kind not in _COMMON_REASONS), None)
    for reason in told:
        is_needed = reason.kind == GUESS or reason is (deciding or certain[0])
        if in_full or page.in_full or is_needed:
            style = "yellow" if reason.kind == GUESS else "dim"
            page.line(f"{reason.kind}: {reason.detail}", indent, style)


def parents_of(parents: tuple[str, ...]) -> str:
    """The parents of a revision in words."""
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


# --- What Alembic made of it ---------------------------------------------------------------------


def write_confirmation(page: Page, confirmation: Confirmation, tools: Tools) -> None:
    """What Alembic makes of it; if all is told, the heads and the history as it prints them."""
    if not page.in_full:
        heads = "the head is" if len(confirmation.heads) == 1 else "the heads are"
        page.line(f"{confirmation.by} agrees: {heads} {listing(confirmation.heads, 3)}.")
        return
    page.heading("What Alembic says", confirmation.by)
    for command, output in (
        ("heads", confirmation.heads_output),
        ("history", confirmation.history_output),
    ):
        page.verbatim(f"{' ' * INDENT}$ {tools.alembic} {command}", "bold")
        for line in output.splitlines():
            page.verbatim(f"{' ' * INDENT}{line}")


# --- Hooks, jobs and checklists: what belongs where, and what was done ----------------------------


def hook_verdict(plan: HookPlan) -> str:
    """The one line that says it all."""
    states = [file.state for file in plan.files]
    if plan.is_done:
        return f"Written: {count(states.count(HookState.WRITTEN), 'file')}."
    if HookState.SHOWN in states:
        return "What belongs where; nothing is written."
    if HookState.PLANNED in states:
        return f"To be written: {count(states.count(HookState.PLANNED), 'file')}."
    if HookState.REFUSED in states:
        return "Nothing is written: the lines below are for you to add."
    if any(file.detail for file in plan.files):
        return "Nothing is written: check whether the files that are there do the same."
    return "Nothing to do: everything is in place."


def hook_sections(plan: HookPlan) -> list[Section]:
    """A part for each file: a diff, lines to copy, or what became of it."""
    return [
        Section(file.name, shown_path(file.path), tuple(_hook_rows(file, again=plan.is_done)))
        for file in plan.files
    ]


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


def hook_steps(plan: HookPlan) -> list[Step]:
    """What is left to do when the files are written."""
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
        path_word(shown_path(file.path))
        for file in plan.files
        if file.state is HookState.WRITTEN and ".git" not in file.path.parts
    ]
    commit = Step(
        "Look at the files, and commit them:",
        (f"git add {' '.join(committed)}", 'git commit -m "Check the migration chain"'),
    )
    again = Step("In every other clone, as Git copies no hooks, type once:", tuple(install))
    return [commit, again] if committed else [again]


# --- Copies of databases -------------------------------------------------------------------------


def backup_facts(backup: Backup) -> Iterator[str]:
    """What is to be known of a backup, besides its place and its command."""
    size = f"{bytes_in_words(backup.size)}, {count(backup.tables, 'table')}"
    yield f"{size}, read back and complete, {backup.seconds:.2f} s"
    yield f"SHA-256 {backup.sha256}"


# --- Kinds of findings ---------------------------------------------------------------------------


def explanation_sections(explanation: Explanation, tools: Tools) -> Iterator[Section]:
    """All that there is to say of one kind of finding, below what it is."""
    breaks = f"{explanation.breaks[:1].upper()}{explanation.breaks[1:]}."
    for title, text in (
        ("What it means", explanation.meaning),
        ("What breaks", breaks),
        ("How it comes about", explanation.origin),
        ("How it is repaired", explanation.repair),
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
