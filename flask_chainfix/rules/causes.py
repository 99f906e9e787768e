"""What the migrations' own text tells of a failure."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.model import Action, RehearsalFailure
from flask_chainfix.remedies import Remedy
from flask_chainfix.rules.registry import Family, diagnose
from flask_chainfix.snapshot import Snapshot


def cause_of(snapshot: Snapshot, failure: RehearsalFailure) -> tuple[str, str | Remedy]:
    """Say why a revision failed, as far as the sources tell.

    Args:
        snapshot: the chain that ran.
        failure: what ended its rehearsal.

    Returns:
        A sentence, and what to do where a repair mends it; ``""`` for what the sources do not tell.
    """
    if failure.revision is None or failure.revision not in snapshot.graph:
        return "", ""
    if failure.direction == "down":
        return next(_told_down(snapshot, failure.revision, failure.line), ""), ""
    findings = [
        finding
        for finding in diagnose(snapshot, Family.SCHEMA)
        if failure.revision in finding.revisions
    ]
    path = snapshot.file(failure.revision).path
    exact = [finding for finding in findings if (path, failure.line) in finding.locations]
    for finding in exact or findings:
        return finding.message, finding.hint if exact and finding.repairable else ""
    return "", ""


def _told_down(snapshot: Snapshot, revision: str, line: int | None) -> Iterator[str]:
    """What ``downgrade()`` drops there that ``upgrade()`` does not make."""
    file = snapshot.file(revision)
    evidence = snapshot.evidence
    made = {
        evidence.key(effect.object)
        for effect in snapshot.footprint(file).effects
        if effect.action is Action.CREATE
    }
    for effect in snapshot.footprint_down(file).effects:
        known = effect.line == line and effect.action is Action.DROP and effect.renamed is None
        if known and evidence.key(effect.object) not in made:
            what = f"{effect.object.kind.value} {effect.object.spelled}"
            yield f"downgrade() drops {what}, which upgrade() does not create"
