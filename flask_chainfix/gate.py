"""The gate: what a chain must not do to others before it is merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flask_chainfix.diagnosis import in_doubt, judged
from flask_chainfix.git import read_shared
from flask_chainfix.model import Published
from flask_chainfix.report import Report
from flask_chainfix.rules import Family
from flask_chainfix.rules.gate import changes
from flask_chainfix.rules.wording import listing
from flask_chainfix.snapshot import Snapshot


@dataclass(frozen=True)
class Against:
    """What the files are compared with.

    Attributes:
        ref: the Git revision that others have.
        allowed: revisions that may change all the same.
    """

    ref: str
    allowed: frozenset[str] = frozenset()


def with_gate(report: Report, against: Against | None) -> Report:
    """The report with whether the lock is in step, and what was changed that others have.

    The lock is not judged while the chain itself is in doubt: nobody can tell its heads, and a
    repair writes the lock as well.

    Raises:
        CannotReadGit: Git cannot tell what others have.
    """
    lock = () if in_doubt(report.findings) else (Family.LOCK,)
    if against is None:
        return judged(report, *lock) if lock else report
    assert report.before is not None
    shared, absent = read_shared(against.ref, report.before)
    published = Published(against.ref, shared.files, against.allowed)
    snapshot = replace(report.before, published=published)
    notices = _notices(snapshot, against, listing(map(str, absent)))
    report = replace(report, before=snapshot, notices=(*report.notices, *notices))
    return judged(report, *lock, Family.PUBLISHED)


def _notices(snapshot: Snapshot, against: Against, absent: str) -> Iterator[str]:
    if absent:
        yield f"{absent} was not there at {against.ref}: its migrations count as new"
    changed = {revision for revision, _ in changes(snapshot)}
    for revision in sorted(against.allowed - changed):
        yield (
            f"--allow {revision} is not needed: {against.ref} has no such revision, or it is as it"
            " was"
        )
