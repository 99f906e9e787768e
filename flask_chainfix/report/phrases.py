"""The verdict on a chain, and what a plan changes, in the same words in every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flask_chainfix.common.quoting import printable
from flask_chainfix.common.wording import count, listing
from flask_chainfix.diagnosis.diagnosis import Diagnosis, errors_of
from flask_chainfix.diagnosis.rules import Family, codes_of
from flask_chainfix.model.findings import Severity
from flask_chainfix.model.plans import Mend, Part, Plan
from flask_chainfix.model.rehearsal import RevisionSql


def verdict(diagnosis: Diagnosis) -> str:
    """One sentence: whether the chain is healthy, and if not, what is wrong with it."""
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
        return f"The migration chain could be checked only in part, as {unknown}: {size}."
    if diagnosis.since and not diagnosis.findings:
        return f"Nothing is wrong with what is new since {printable(diagnosis.since)}: {size}."
    severities = [finding.severity for finding in diagnosis.findings]
    warnings = severities.count(Severity.WARNING)
    merges = _merges_well(diagnosis)
    if warnings:
        return f"The migration chain works, with {count(warnings, 'warning')}{merges}: {size}."
    return f"The migration chain is healthy{merges}: {size}."


def _merges_well(diagnosis: Diagnosis) -> str:
    """The clause about merges that keep a healthy chain healthy."""
    merges = diagnosis.snapshot.merges
    refs = [each.theirs.ref for each in merges if each.is_gate and not each.mine.ref]
    return f", also with {printable(listing(refs))} merged" if refs else ""


def about_sql(scripts: Sequence[RevisionSql]) -> str:
    """One sentence about where the SQL of new revisions comes from."""
    if not scripts:
        return "No revision is new."
    ran = f"{count(len(scripts), 'new revision')} ran in Alembic's offline mode, without a database"
    return f"{ran}; the SQL:"


def mended(mend: Mend) -> str:
    """What a mend changes, in words."""
    before, after = parents_of(mend.before), parents_of(mend.after)
    if mend.part is Part.FILE:
        return f"{printable(mend.path.name)} is deleted"
    # A duplicate id does not say which file is meant.
    where = f" in {printable(mend.path.name)}" if mend.part is Part.ID else ""
    return f"{mend.part.value}{where}: {before} → {after}"


def parents_of(parents: tuple[str, ...]) -> str:
    """The parents of a revision, in words."""
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
