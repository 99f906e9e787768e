"""Published revisions (which others already have) that were changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain import source
from flask_chainfix.chain.snapshot import location
from flask_chainfix.common.quoting import git_word, ref_word, word
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.findings import Location, Severity
from flask_chainfix.model.history import ReferenceChain, id_of


@rule(
    "FC501",
    "published-revision-changed",
    Severity.ERROR,
    "changed published revision",
    Family.PUBLISHED,
)
def published_revision_changed(snapshot: Facts) -> Iterator[Fault]:
    """A revision that others already have was deleted, renamed, re-parented or changed.

    A database does not run a revision twice, and finds its place in the chain by the revision's id.
    The check compares the id, `down_revision`, `depends_on`, and what `upgrade()` does, with
    everything in the module that it uses. Docstrings, comments, layout, labels, the file's name and
    `downgrade()` may change.

    What breaks:
        databases that have run it keep its old schema, or look for an id that is gone; new
        databases get another schema

    How it happens:
        A migration was edited or deleted after others had got it, or a new one was inserted between
        two published ones. `{fixchain} check --against REF` compares the files with the merge base
        of REF and the branch.

    How to repair it:
        Restore the file, and make the change in a new migration. If a repair of the chain changed
        the revision on purpose, `{fixchain} check --against REF --allow REVISION` accepts it, and
        `{fixchain} restamp --old REF` updates the databases that have run it. After a squash, that
        is not needed: the id that they are stamped with stays.

    Example:
        orders on origin/main <- users
        orders here <- payments

        $ {fixchain} check --against origin/main
    """
    reference = snapshot.reference
    if reference is None:
        return
    allowed = reference.allowed
    found = [change for change in changes(snapshot) if change.revision not in allowed]
    together = [*sorted(allowed), *(change.revision for change in found)]
    squashed = _squashed(snapshot, reference) if found else frozenset()
    for change in found:
        is_squashed = change.revision in squashed
        yield _fault(reference, change, together, is_squashed=is_squashed)


def _squashed(snapshot: Facts, reference: ReferenceChain) -> frozenset[str]:
    """The published revisions that a single one stands for now, which has kept its id."""
    then, now = Facts(snapshot.environment, reference.files).graph, snapshot.graph
    found = frozenset[str]()
    for base in now.bases:
        below = frozenset(then.ancestors([base])) - {base} if base in then else frozenset()
        if below and below.isdisjoint(now):
            found |= below | {base}
    return found


class ChangedRevision(NamedTuple):
    """A published revision that has changed.

    Attributes:
        revision: its id.
        file: its published file.
        words: what has changed, in words that complete "``X``, which REF has, …".
        places: where it has changed.
        moved: the other files that have its id now.
    """

    revision: str
    file: MigrationFile
    words: tuple[str, ...]
    places: tuple[Location, ...]
    moved: tuple[Path, ...]


def changes(snapshot: Facts) -> Iterator[ChangedRevision]:
    """The published revisions that have changed, and how."""
    held = frozenset(map(id, snapshot.files))
    if snapshot.reference is None or held.issuperset(map(id, snapshot.reference.files)):
        return
    unreadable = {file.path for file, _ in snapshot.unreadable}
    then = Facts(snapshot.environment, snapshot.reference.files).files_by_revision
    newer = snapshot.reference.newer
    landed = None if newer is None else Facts(snapshot.environment, newer).files_by_revision
    for revision, files in then.items():
        others = snapshot.files_by_revision.get(revision, ())
        for file in files:
            if any(file.data == other.data for other in others):
                continue
            became = None
            if others:
                changed = min((_differences(file, other) for other in others), key=len)
                places = [_place(others[0], name) for name in changed]
            elif file.path in unreadable:
                continue  # another rule reports it
            else:
                became = _successor(snapshot, then, file)
                changed = {"id": _what_became(became)}
                places = [Location(file.path, None)]
            if changed and not (landed is not None and _same(revision, others, became, landed)):
                moved = tuple(each.path for each in others if each.path != file.path)
                yield ChangedRevision(revision, file, tuple(changed.values()), tuple(places), moved)
                break


def _same(
    revision: str,
    files: Collection[MigrationFile],
    became: MigrationFile | None,
    landed: Mapping[str, Collection[MigrationFile]],
) -> bool:
    """Whether a changed revision, its absence, or its new id is what the Git revision has now."""
    landed_files = landed.get(revision, ())
    if not (files or landed_files):
        return became is None or id_of(became) in landed
    pairs = ((there, file) for there in landed_files for file in files)
    return any(there.data == file.data or not _differences(there, file) for there, file in pairs)


def _differences(then: MigrationFile, now: MigrationFile) -> dict[str, str]:
    """What has changed in a file, in words that complete "``X``, which REF has, …"."""
    assert isinstance(then.reading, Header)
    assert isinstance(now.reading, Header)
    found = {}
    for name, verb in (("down_revision", "now builds on"), ("depends_on", "depends on")):
        before, after = getattr(then.reading, name), getattr(now.reading, name)
        if None in (before, after):
            found[name] = f"has a computed {name} now, which may differ"
        elif set(before) != set(after):
            now_on, then_on = (listing(sorted(names)) or "nothing" for names in (after, before))
            found[name] = f"{verb} {now_on} instead of {then_on}"
    if not source.same_function(then.data, now.data, "upgrade"):
        found["upgrade"] = "does something else in upgrade()"
    return found


def _successor(
    snapshot: Facts, then: Mapping[str, tuple[MigrationFile, ...]], file: MigrationFile
) -> MigrationFile | None:
    """The file that has a published revision under another id now."""
    for other, header in snapshot.readable:
        if header.revision in then:
            continue
        same = source.same_body(file.data, other.data) and not source.does_nothing(file.data)
        if other.path == file.path or same:
            return other
    return None


def _what_became(became: MigrationFile | None) -> str:
    """What became of a revision whose id no file has now, to complete the same sentence."""
    if became is None:
        return "was deleted"
    if id_of(became) is None:
        return f"has a computed id now ({became.name})"
    return f"was renamed: its id is {id_of(became)} now ({became.name})"


def _place(file: MigrationFile, name: str) -> Location:
    """The location of a change in a file."""
    if name == "upgrade":
        return Location(file.path, source.line_of_upgrade(file.data))
    return location(file, name)


def _fault(
    reference: ReferenceChain,
    change: ChangedRevision,
    together: Iterable[str],
    *,
    is_squashed: bool,
) -> Fault:
    """The fault; its remedy allows all changes ``together``."""
    revision, file, words, places, moved = change
    ref = reference.ref
    quoted, path = ref_word(ref), git_word(file.path)
    allowing = " ".join(f"--allow {word(each)}" for each in together)
    # Deleting them would also delete the change that belongs in a new migration.
    others = listing([os.path.relpath(each) for each in moved])
    deleting = f", delete {others}" if moved else ""
    allow = f"{{fixchain}} check --against {quoted} {allowing}"
    allowed = way(
        "if this is a deliberate repair, allow it, and restamp the databases that have run it",
        allow,
        f"{{fixchain}} restamp --old {quoted}{{databases}}",
    )
    if is_squashed:
        allowed = way("if this is a deliberate squash, allow it: no stamp needs to move", allow)
    return Fault(
        f"{revision}, which {ref} has, {', and '.join(words)}",
        way(
            f"bring its file back as it was{deleting}, and put the change into a new migration",
            f"git checkout {_having(reference, file)} -- {path}",
        )
        | allowed,
        (revision,),
        places,
    )


def _having(reference: ReferenceChain, file: MigrationFile) -> str:
    """The Git revision that has a published file at its place: REF may have moved or deleted it."""
    landed = reference.newer or ()  # not known if REF has moved all of them
    has = any(each.path == file.path and id_of(each) == id_of(file) for each in landed)
    return ref_word(reference.ref) if has or not reference.commit else reference.commit
