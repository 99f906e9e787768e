"""A chain and what is wrong with it: what every command begins with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, by_severity, codes_of, diagnose, diagnose_by
from flask_chainfix.model.findings import Finding, Severity

LONG_ID = "FC109"


@dataclass(frozen=True)
class Diagnosis:
    """What the rules say of a chain.

    Attributes:
        snapshot: the chain, and what is known around it.
        findings: what is wrong with it, errors first.
        judged: the codes of the rules that were asked; those that the settings ignore are among
            them, and never find anything.
        notices: what else the user should know.
        strict: whether warnings count like errors.
    """

    snapshot: Facts
    findings: tuple[Finding, ...] = ()
    judged: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()
    strict: bool = False

    @property
    def counting(self) -> tuple[Finding, ...]:
        """The findings that decide: errors, and warnings if they count like errors."""
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
        """The same with what the rules of some families find."""
        findings = by_severity((*self.findings, *diagnose(self.snapshot, *families)))
        return replace(self, findings=findings, judged=self.judged | codes_of(*families))

    def judge_again(self, snapshot: Facts, code: str) -> Diagnosis:
        """The same with more known of the chain, and with what one rule makes of that.

        Args:
            snapshot: the chain with what is known now.
            code: that of the rule; its findings stay in their place.
        """
        first = (finding for finding in self.findings if finding.code < code)
        last = (finding for finding in self.findings if finding.code > code)
        findings = by_severity((*first, *diagnose_by(code, snapshot), *last))
        return replace(self, snapshot=snapshot, findings=findings)

    def with_databases(self, snapshot: Facts) -> Diagnosis:
        """The same with where databases stand, and what is wrong with that."""
        known = self.judge_again(snapshot, LONG_ID)  # how long an id may be depends on them
        return known.judge(Family.DATABASE).noticing(*snapshot.databases.notices)

    def with_schema(self) -> Diagnosis:
        """The same with what the migrations do to the schema judged as well.

        Not while the chain itself is in doubt: what is missing there would look like faults here.
        """
        if in_doubt(self.findings):
            return self.noticing(
                "what the migrations do to the schema is judged once the chain itself is known"
            )
        return self.judge(Family.SCHEMA).noticing(*_opaque(self.snapshot))

    def hinting(self, ways: Remedy, codes: Collection[str], plain: Collection[str]) -> Diagnosis:
        """The same with other ways out.

        Args:
            ways: what to do instead.
            codes: the codes of the findings that are to name these.
            plain: the commands whose place they take.
        """
        findings = tuple(
            replace(each, hint=each.hint.instead_of(plain, ways)) if each.code in codes else each
            for each in self.findings
        )
        return replace(self, findings=findings)


def _opaque(snapshot: Facts) -> tuple[str, ...]:
    """What there is to say about migrations that do what their source does not tell."""
    places = [
        f"{snapshot.file(revision).name}:{doubts[0].line} ({doubts[0].detail})"
        for revision, doubts in snapshot.evidence.opaque.items()
    ]
    if not places:
        return ()
    return (
        f"what {count(len(places), 'migration')} may do cannot be known from the source, so nothing"
        f" is proven about that: {listing(places, 3)}",
    )


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Those of severity error."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def in_doubt(findings: Iterable[Finding]) -> list[Finding]:
    """The errors that leave it unknown what the chain is."""
    doubtful = codes_of(Family.CHAIN) - {"FC101", "FC102", "FC112", LONG_ID}
    return [finding for finding in errors_of(findings) if finding.code in doubtful]


def to_mend(findings: Iterable[Finding], *, strict: bool) -> tuple[Finding, ...]:
    """The findings that a repair of the files mends, or is refused for.

    Args:
        findings: what is wrong with a chain.
        strict: whether warnings count like errors.
    """
    of_files = codes_of(Family.CHAIN, Family.SCHEMA) - {LONG_ID}  # that is mended when asked for
    return tuple(
        finding
        for finding in findings
        if finding.code in of_files
        and (
            finding.severity is Severity.ERROR
            or (strict and finding.severity is Severity.WARNING and finding.repairable)
        )
    )
