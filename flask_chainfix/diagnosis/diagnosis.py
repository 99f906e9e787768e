"""A chain and its faults: the first result of every command."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import PLAIN_REPAIRS, Remedy
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import (
    Family,
    by_severity,
    codes_of,
    diagnose,
    diagnose_by,
    family_of,
)
from flask_chainfix.model.files import Edit, MigrationFile
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.schema.footprint import Action, key_of
from flask_chainfix.schema.order import made_twice
from flask_chainfix.schema.python.glance import seem_made_again

if TYPE_CHECKING:
    from flask_chainfix.model.rehearsal import RehearsalFailure

_LONG_ID = "FC109"
UNKNOWN_STAMP = "FC301"
DOWNGRADE_INCOMPLETE = "FC206"


@dataclass(frozen=True)
class Diagnosis:
    """The findings of the rules about a chain.

    Attributes:
        snapshot: the chain, and what is known around it.
        findings: what is wrong with it, errors first.
        judged: the codes of the rules that were run, including those that the settings ignore,
            which find nothing.
        notices: what else the user should know.
        strict: whether warnings count like errors.
        since: the Git revision whose own findings are left out; ``""`` for none.
        left_out: how many findings were left out.
    """

    snapshot: Facts
    findings: tuple[Finding, ...] = ()
    judged: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()
    strict: bool = False
    since: str = ""
    left_out: int = 0

    @property
    def counting(self) -> tuple[Finding, ...]:
        """The findings that decide the verdict: errors, and warnings if they count like errors."""
        severities = {Severity.ERROR, Severity.WARNING} if self.strict else {Severity.ERROR}
        return tuple(finding for finding in self.findings if finding.severity in severities)

    @property
    def to_mend(self) -> tuple[Finding, ...]:
        """The findings that a repair of the files mends, or is refused for."""
        return to_mend(self.findings, strict=self.strict)

    def noticing(self, *notices: str) -> Diagnosis:
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *notices)) if notices else self

    def judge(self, *families: Family) -> Diagnosis:
        """The same with the findings of the rules of some families."""
        findings = by_severity((*self.findings, *diagnose(self.snapshot, *families)))
        return replace(self, findings=findings, judged=self.judged | codes_of(*families))

    def judge_again(self, snapshot: Facts, code: str) -> Diagnosis:
        """The same for a snapshot with more facts, with the findings of one rule made again."""
        first = (finding for finding in self.findings if finding.code < code)
        last = (finding for finding in self.findings if finding.code > code)
        findings = by_severity((*first, *diagnose_by(code, snapshot), *last))
        return replace(self, snapshot=snapshot, findings=findings)

    def with_databases(self, snapshot: Facts) -> Diagnosis:
        """The same with the status of databases, and the findings about them."""
        known = self.judge_again(snapshot, _LONG_ID)  # they limit the length of ids
        notices = (*snapshot.databases.notices, *snapshot.uncompared())
        return known.judge(Family.DATABASE).noticing(*notices)

    def with_schema(self) -> Diagnosis:
        """The same with the schema judged, unless the structure of the chain is in doubt."""
        if in_doubt(self.findings):
            return self.noticing(
                "what the migrations do to the schema is checked once the chain can be read"
            )
        return self.judge(Family.SCHEMA).noticing(*_opaque(self.snapshot))

    def with_schema_errors(self, *, at_a_glance: bool = False) -> Diagnosis:
        """The same with the schema judged if that finds errors; without its warnings otherwise.

        Args:
            at_a_glance: whether to read the migrations in full only if the text of two of them
                seems to create the same table or column.
        """
        snapshot = self.snapshot
        if self.to_mend:
            return self
        if at_a_glance:
            texts = (snapshot.file(revision).data for revision in snapshot.graph.order)
            tables = seem_made_again(texts)
            if not (tables and any(made_twice(snapshot.evidence_about(tables)))):
                return self
        if codes_of(Family.SCHEMA) <= self.judged:
            return self
        judged = self.with_schema()
        return judged if judged.to_mend else self

    def hinting(self, ways: Remedy, codes: Collection[str]) -> Diagnosis:
        """The same with other remedies instead of plain repairs, in findings of some codes."""
        findings = tuple(
            replace(each, hint=each.hint.instead_of(PLAIN_REPAIRS, ways))
            if each.code in codes
            else each
            for each in self.findings
        )
        return replace(self, findings=findings)


def _opaque(snapshot: Facts) -> tuple[str, ...]:
    """A notice about migrations with operations that their source does not show."""
    places = [
        f"{snapshot.file(revision).name}:{doubts[0].line} ({doubts[0].detail})"
        for revision, doubts in snapshot.evidence.opaque.items()
    ]
    what = f"what {count(len(places), 'migration')} may do cannot be known from the source"
    return (f"{what}, so nothing is proven about that: {listing(places, 3)}",) if places else ()


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Those of severity error."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def in_doubt(findings: Iterable[Finding]) -> list[Finding]:
    """The errors that make the structure of the chain uncertain."""
    doubtful = codes_of(Family.CHAIN) - {"FC101", "FC102", "FC112", _LONG_ID}
    return [finding for finding in errors_of(findings) if finding.code in doubtful]


def to_mend(findings: Iterable[Finding], *, strict: bool) -> tuple[Finding, ...]:
    """The findings that a repair of the files mends, or is refused for; warnings if ``strict``."""
    counting = [
        finding
        for finding in findings
        if finding.severity is Severity.ERROR
        or (strict and finding.severity is Severity.WARNING and finding.repairable)
    ]
    return tuple(
        finding
        for finding in counting
        if family_of(finding.code) in (Family.CHAIN, Family.SCHEMA)
        and finding.code != _LONG_ID  # it is mended only on request
    )


# --- Notices besides the findings --------------------------------------------------------------


def cause_of(snapshot: Facts, failure: RehearsalFailure) -> tuple[str, str | Remedy]:
    """Why the rehearsal of a chain failed: a sentence, and the remedy if a repair mends it.

    Each is ``""`` if the sources do not show it.
    """
    if failure.revision is None or failure.revision not in snapshot.graph:
        return "", ""
    if failure.refuses:
        return "downgrade() itself raises this: going back is refused on purpose", ""
    if failure.direction == "down":
        return next(_dropped_but_never_created(snapshot, failure.revision, failure.line), ""), ""
    found = diagnose(snapshot, Family.SCHEMA)
    findings = [finding for finding in found if failure.revision in finding.revisions]
    path = snapshot.file(failure.revision).path
    exact = [finding for finding in findings if Location(path, failure.line) in finding.locations]
    for finding in exact or findings:
        return finding.message, finding.hint if exact and finding.repairable else ""
    return "", ""


def _dropped_but_never_created(snapshot: Facts, revision: str, line: int | None) -> Iterator[str]:
    """The objects that ``downgrade()`` drops at a line and ``upgrade()`` does not create."""
    file = snapshot.file(revision)
    made = {
        key_of(effect.object)
        for effect in snapshot.footprint(file).effects
        if effect.action is Action.CREATE
    }
    for effect in snapshot.footprint_down(file).effects:
        known = effect.line == line and effect.action is Action.DROP and effect.renamed is None
        if known and key_of(effect.object) not in made:
            what = f"{effect.object.kind.value} {effect.object.spelled}"
            yield f"downgrade() drops {what}, which upgrade() does not create"


def heads_in_doubt(snapshot: Facts) -> bool:
    """Whether some of several heads may not be heads, because migrations have an unknown place."""
    return len(snapshot.graph.heads) > 1 and bool(snapshot.unplaced)


def remarks_on_heads(snapshot: Facts, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Why several heads are not an error, or why that is unknown: at most one sentence."""
    heads = snapshot.graph.heads
    said = [finding for finding in findings if finding.code == "FC102"]
    if len(heads) < 2 or said or errors_of(findings):
        return ()
    number = f"{len(heads)} heads"
    ignored = errors_of(diagnose(snapshot, ignored=True))
    if ignored:
        codes = sorted({f"{finding.code} {finding.name}" for finding in ignored})
        return (f"{number} are not judged: the settings ignore {listing(codes)}",)
    if snapshot.unplaced:
        return (
            f"{number} cannot be judged, because the place of {_names(snapshot.unplaced)} in the"
            " chain is not known",
        )
    by_revision = find_lineages(snapshot).by_revision
    if len({by_revision[head] for head in heads}) < len(heads):
        return ()
    computed = [file for file, header in snapshot.readable if header.branch_labels is None]
    why = f"if the branch labels of {_names(computed)}, which are computed, say so"
    return (
        f"{number} are kept apart {why if computed else 'on purpose'}; `{{alembic}} upgrade heads`"
        " goes to all of them",
    )


def remarks_on_links(snapshot: Facts, edits: Iterable[Edit]) -> tuple[str, ...]:
    """Which files outside the version locations would change."""
    return tuple(
        f"{edit.path.name} is a link to {edit.path}, which is rewritten there, for all who use it"
        for edit in edits
        if edit.path != snapshot.environment.lock_path and snapshot.is_elsewhere(edit.path)
    )


def _names(files: Iterable[MigrationFile]) -> str:
    names = [file.name for file in files]
    several = f"{count(len(names), 'migration')} ({listing(names, 3)})"
    return names[0] if len(names) == 1 else several
