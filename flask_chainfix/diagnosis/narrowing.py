"""Which findings are left out: those that comments hide, and those that are not new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.diagnosis.rules import can_be_hidden, comments_on, found_by
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.findings import CODES, Finding
from flask_chainfix.model.history import ReferenceChain

_LONGEST_CODE = 12  # characters


def idle_comments(diagnosis: Diagnosis) -> Iterator[str]:
    """Notices about comments that hide nothing, or that name findings they cannot hide."""
    snapshot = diagnosis.snapshot
    known = diagnosis.judged - snapshot.environment.settings.ignore
    named = {
        code
        for comments in snapshot.ignores.values()
        for comment in comments
        for code in comment.codes
    }
    used = {
        (path, comment.line, finding.code)
        for code in sorted(named & known)
        if can_be_hidden(code)
        for finding in found_by(code, snapshot)
        for path, comment in comments_on(finding, snapshot)
    }
    for path, comments in snapshot.ignores.items():
        for comment in comments:
            hides = f"{path.name}:{comment.line}: {{}} hides nothing"
            codes = dict.fromkeys(comment.codes)
            unknown = [code for code in codes if code not in CODES]
            stuck = [code for code in codes if code in CODES and not can_be_hidden(code)]
            idle = [
                code
                for code in codes
                if code in known and can_be_hidden(code) and (path, comment.line, code) not in used
            ]
            if not codes:
                yield f"{hides.format('ignore')}, as it names no code, such as ignore[FC204]"
            if unknown:
                yield f"{hides.format(_named(unknown))}: there is no such code"
            if stuck:
                yield (
                    f"{hides.format(_named(stuck))}: a comment hides only findings about one"
                    " migration that Alembic can load"
                )
            if idle:
                yield f"{hides.format(_named(idle))}, and can be removed"


def _named(codes: Iterable[str]) -> str:
    """Codes as a comment names them; text that is no code is truncated."""
    return f"ignore[{listing((code[:_LONGEST_CODE] for code in codes), 3)}]"


def since(diagnosis: Diagnosis, theirs: ReferenceChain) -> Diagnosis:
    """The same with only the findings about migrations that are new since a Git revision.

    A migration is new if that revision has no file with its name and contents, or if the migration
    names a new one. The chain lock names heads, so it counts if anything is new.
    """
    snapshot = diagnosis.snapshot
    had = {_identity(file) for file in theirs.files}
    new = [file for file in snapshot.files if _identity(file) not in had]
    paths = {file.path for file in new}
    if had != set(map(_identity, snapshot.files)):
        paths.add(snapshot.environment.lock_path)
    revisions = {*_new_revisions(snapshot, new, theirs)}

    def is_new(finding: Finding) -> bool:
        places = {place.path for place in finding.locations if not place.ref}
        return not (revisions.isdisjoint(finding.revisions) and paths.isdisjoint(places))

    kept = tuple(filter(is_new, diagnosis.findings))
    gone = [finding for finding in diagnosis.findings if finding not in kept]
    narrowed = replace(diagnosis, findings=kept, since=theirs.ref, left_out=len(gone))
    if not gone:
        return narrowed
    codes = listing(sorted({finding.code for finding in gone}))
    return narrowed.noticing(
        f"{count(len(gone), 'finding')} left out, about what {theirs.ref} has as well: {codes}"
    )


def _identity(file: MigrationFile) -> tuple[str, bytes]:
    """A migration's name and contents; the work tree may have other line ends than Git."""
    return file.name, file.data.replace(b"\r\n", b"\n")


def _new_revisions(
    snapshot: Facts, new: list[MigrationFile], theirs: ReferenceChain
) -> Iterator[str]:
    """The ids that the other side does not have in the same way."""
    graph = snapshot.graph
    had = {file.reading.revision for file in theirs.files if isinstance(file.reading, Header)}
    for revision, files in snapshot.files_by_revision.items():
        if revision not in had or any(file in new for file in files):
            yield revision
    for missing in (graph.missing_parents, graph.missing_dependencies):
        for revision, names in missing.items():
            if not had.isdisjoint(names):
                yield revision
