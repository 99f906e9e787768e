"""What the migrations' own text tells of a failure."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.model import Action, RehearsalFailure
from flask_chainfix.rules.registry import Family, diagnose
from flask_chainfix.snapshot import Snapshot


def cause_of(snapshot: Snapshot, failure: RehearsalFailure) -> str:
    """Say why a revision failed, as far as the sources tell.

    Args:
        snapshot: the chain that ran.
        failure: what ended its rehearsal.

    Returns:
        A sentence; ``""`` where the sources tell nothing.
    """
    if failure.revision is None or failure.revision not in snapshot.graph:
        return ""
    told = _told_down if failure.direction == "down" else _told_up
    return next(told(snapshot, failure.revision, failure.line), "")


def _told_up(snapshot: Snapshot, revision: str, line: int | None) -> Iterator[str]:
    """What the rules say of the revision, what they say of the line first."""
    findings = [
        finding for finding in diagnose(snapshot, Family.SCHEMA) if revision in finding.revisions
    ]
    path = snapshot.file(revision).path
    exact = [finding for finding in findings if (path, line) in finding.locations]
    yield from (finding.message for finding in exact or findings)


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
