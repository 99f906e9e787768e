"""What there is to say beside the findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.registry import Family, diagnose
from flask_chainfix.model.files import Edit, Header, MigrationFile
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.model.rehearsal import RehearsalFailure
from flask_chainfix.schema.footprint import Action


def cause_of(snapshot: Facts, failure: RehearsalFailure) -> tuple[str, str | Remedy]:
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


def _told_down(snapshot: Facts, revision: str, line: int | None) -> Iterator[str]:
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


# --- What there is to say that is no fault: of several heads, of files that lie elsewhere --------


def heads_in_doubt(snapshot: Facts) -> bool:
    """Whether some of several heads may be none, because migrations have an unknown place."""
    return len(snapshot.graph.heads) > 1 and bool(snapshot.unplaced)


def remarks_on_heads(snapshot: Facts, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Why several heads are no error, or why that is not known.

    Args:
        snapshot: the chain.
        findings: what is wrong with it, as far as the settings let it be said.

    Returns:
        At most one sentence, with ``{alembic}`` for what runs Alembic's commands.
    """
    heads = snapshot.graph.heads
    said = [finding for finding in findings if finding.code == "FC102"]
    if len(heads) < 2 or said or _errors(findings):
        return ()
    number = f"{len(heads)} heads"
    ignored = _errors(diagnose(snapshot, ignored=True))
    if ignored:
        codes = sorted({f"{finding.code} {finding.name}" for finding in ignored})
        return (f"{number} are not judged: the settings ignore {listing(codes)}",)
    if snapshot.unplaced:
        return (
            f"{number} cannot be judged, because the place of {_names(snapshot.unplaced)} in the"
            " chain is not known",
        )
    if _are_explained(_without_computed_labels(snapshot)):
        return (
            f"{number} are kept apart on purpose; `{{alembic}} upgrade heads` goes to all of them",
        )
    computed = [file for file in snapshot.files if _has_computed_labels(file)]
    if computed and _are_explained(snapshot):
        return (
            f"{number} are kept apart if the branch labels of {_names(computed)}, which are"
            " computed, say so; `{alembic} upgrade heads` goes to all of them",
        )
    return ()


def remarks_on_links(snapshot: Facts, edits: Iterable[Edit]) -> tuple[str, ...]:
    """Which files would change though they lie in no version location.

    Args:
        snapshot: the chain.
        edits: changes of migrations.
    """
    return tuple(
        f"{edit.path.name} is a link to {edit.path}, which is rewritten there, for all who use it"
        for edit in edits
        if snapshot.is_elsewhere(edit.path)
    )


def _are_explained(snapshot: Facts) -> bool:
    """Whether each head is one of a lineage of its own."""
    heads, by_revision = snapshot.graph.heads, find_lineages(snapshot).by_revision
    return len({by_revision[head] for head in heads}) == len(heads)


def _without_computed_labels(snapshot: Facts) -> Facts:
    files = tuple(
        file._replace(reading=file.reading._replace(branch_labels=()))
        if isinstance(file.reading, Header) and _has_computed_labels(file)
        else file
        for file in snapshot.files
    )
    return replace(snapshot, files=files)


def _has_computed_labels(file: MigrationFile) -> bool:
    return isinstance(file.reading, Header) and file.reading.branch_labels is None


def _names(files: Iterable[MigrationFile]) -> str:
    names = [file.name for file in files]
    several = f"{count(len(names), 'migration')} ({listing(names, 3)})"
    return names[0] if len(names) == 1 else several


def _errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]
