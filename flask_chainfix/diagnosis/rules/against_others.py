"""What a branch must not bring along: a lock out of step, and changes of what others have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from flask_chainfix import source
from flask_chainfix.chain.heads_file import Line, expected_lines, in_step, read_lines
from flask_chainfix.chain.snapshot import location
from flask_chainfix.common.quoting import path_word, ref_word, word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.registry import Family, Fault, rule
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.findings import Location, Severity
from flask_chainfix.model.history import ChainLock


@rule(
    "FC501",
    "published-revision-changed",
    Severity.ERROR,
    noun="changed published revision",
    breaks="databases that have run it keep what it did, or look for an id that is gone; new ones"
    " get something else",
    family=Family.PUBLISHED,
)
def published_revision_changed(snapshot: Facts) -> Iterator[Fault]:
    """A revision that others have already was deleted, renamed, re-parented, or does other things.

    A database that has run a revision does not run it again, and finds its place in the chain by
    its id. What counts is the id, `down_revision`, `depends_on`, and what `upgrade()` does with all
    that it uses of its module; docstrings, comments, layout, labels, the file's name and
    `downgrade()` may change.

    How it comes about:
        A migration is edited or deleted after others have got it, or a new one is put between two
        of theirs. It is looked for by `{fixchain} check --against REF` only, which compares the
        files with what REF and the branch have in common: a branch that is merely behind has
        deleted nothing.

    How it is repaired:
        The file comes back as it was, and the change goes into a new migration. A repair of the
        chain changes such revisions on purpose: `{fixchain} check --against REF --allow REVISION`
        lets one pass, and databases that have run it follow with `{fixchain} restamp --old REF`.

    Example:
        # orders.py on origin/main
        revision = "orders"
        down_revision = "users"

        # orders.py here
        revision = "orders"
        down_revision = "payments"

        $ {fixchain} check --against origin/main
    """
    published = snapshot.published
    for revision, fault in changes(snapshot):
        if published is not None and revision not in published.allowed:
            yield fault


def changes(snapshot: Facts) -> Iterator[tuple[str, Fault]]:
    """The published revisions that are not as they were, with what has become of them."""
    if snapshot.published is None:
        return
    ref, unreadable = snapshot.published.ref, {file.path for file, _ in snapshot.unreadable}
    then = Facts(snapshot.environment, snapshot.published.files).files_by_revision
    for revision, files in then.items():
        others = snapshot.files_by_revision.get(revision, ())
        for file in files:
            if any(file.data == other.data for other in others):
                continue
            if others:
                changed = min((_differences(file, other) for other in others), key=len)
                place = _places(others[0], changed)
            elif file.path in unreadable:
                continue  # which is a finding of its own
            else:
                changed = {"id": _what_became(snapshot, then, file)}
                place = (Location(file.path, None),)
            if changed:
                yield revision, _fault(ref, revision, file, changed.values(), place)
                break


def _differences(then: MigrationFile, now: MigrationFile) -> dict[str, str]:
    """What is no longer as it was, in words that complete "``X``, which REF has, …"."""
    assert isinstance(then.reading, Header)
    assert isinstance(now.reading, Header)
    found = {}
    for name, verb in (("down_revision", "was put on"), ("depends_on", "depends on")):
        before, after = getattr(then.reading, name), getattr(now.reading, name)
        if None in (before, after):
            found[name] = f"has a {name} that is computed, so that it may be another one now"
        elif set(before) != set(after):
            found[name] = f"{verb} {_names(after)} instead of {_names(before)}"
    if not source.same_upgrade(then.data, now.data):
        found["upgrade"] = "does something else in upgrade()"
    return found


def _names(revisions: Iterable[str]) -> str:
    return listing(sorted(revisions)) or "nothing"


def _what_became(
    snapshot: Facts, then: Mapping[str, tuple[MigrationFile, ...]], file: MigrationFile
) -> str:
    """The same for a revision whose id no file has any more."""
    for other in snapshot.files:
        if not isinstance(other.reading, Header) or other.reading.revision in then:
            continue
        same = source.same_body(file.data, other.data) and not source.does_nothing(file.data)
        if other.path == file.path or same:
            if other.reading.revision is None:
                return f"has an id that is computed now ({other.name})"
            return f"was renamed: its id is {other.reading.revision} now ({other.name})"
    return "was deleted"


def _places(file: MigrationFile, changed: Mapping[str, str]) -> tuple[Location, ...]:
    """Where a file says what is not as it was."""
    return tuple(
        Location(file.path, source.line_of_upgrade(file.data))
        if name == "upgrade"
        else location(file, name)
        for name in changed
    )


def _fault(
    ref: str,
    revision: str,
    file: MigrationFile,
    changed: Iterable[str],
    places: tuple[Location, ...],
) -> Fault:
    quoted, path = ref_word(ref), path_word(os.path.relpath(file.path))
    return Fault(
        f"{revision}, which {ref} has, {', and '.join(changed)}",
        way(
            "bring its file back as it was, and put the change into a new migration",
            f"git checkout {quoted} -- {path}",
        )
        | way(
            "if this is a deliberate repair, allow it, and restamp the databases that have run it",
            f"{{fixchain}} check --against {quoted} --allow {word(revision)}",
            f"{{fixchain}} restamp --old {quoted}{{databases}}",
        ),
        (revision,),
        places,
    )


@rule(
    "FC502",
    "chain-lock-drift",
    Severity.ERROR,
    noun="chain lock out of step",
    breaks="nothing by itself; but two branches that both add a migration do not collide in Git,"
    " and their heads meet in production",
    family=Family.LOCK,
)
def chain_lock_drift(snapshot: Facts) -> Iterator[Fault]:
    """The chain lock beside the migrations does not name the heads that the chain has.

    The lock is there so that two branches which both add a migration change the same line, and Git
    stops them. It is looked for only where there is one. While the chain has several heads where
    there should be one, or nobody can tell what they are, as in a cycle, only that is reported.

    How it comes about:
        A migration was added, removed or relinked without it, as where Alembic does not call the
        hook that keeps it up to date; or a conflict was resolved by taking one side, or both.

    How it is repaired:
        `{fixchain} lock` writes the file anew, and with `{fixchain} lock --install` Alembic does it
        for each new migration. In a conflict `{fixchain} rebase` or `{fixchain} repair` comes
        first: both write it as well.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        # orders.py
        revision = "orders"
        down_revision = "users"

        # chain.lock
        users: users

        $ {fixchain} lock
    """
    lock = snapshot.lock
    if lock is None:
        return
    if lock.data is None:
        yield _lock_fault(
            f"{lock.path.name} {lock.problem}",
            "put a regular file in its place that can be read, or delete it; lock writes it",
            lock,
        )
        return
    lines, expected = read_lines(lock.data), expected_lines(snapshot)
    markers = [line for line in lines if line.is_marker]
    if markers:
        yield _lock_fault(
            f"{lock.path.name} holds Git conflict markers: both sides have added a migration",
            _out_of_conflict(linked=expected is not None),
            lock,
            markers[0],
        )
    elif expected is not None and not in_step(lock.data, expected):
        wrong, line = _drift(lines, expected)
        yield _lock_fault(
            f"{lock.path.name} {wrong}",
            way("if the chain is as you want it, write the file anew", "{fixchain} lock")
            | way("have Alembic write it with each new migration", "{fixchain} lock --install"),
            lock,
            line,
        )


def _out_of_conflict(*, linked: bool) -> Remedy:
    """What to do with a lock in conflict, in which neither side is right."""
    if linked:
        return way("the migrations are linked already: write the file anew", "{fixchain} lock")
    return way(
        "put your migrations on top of theirs, which writes the file anew", "{fixchain} rebase"
    ) | way("link them, which writes it anew, too", REPAIR)


def _drift(lines: list[Line], expected: Mapping[str, str]) -> tuple[str, Line | None]:
    """What is wrong with the lines of a lock, and where."""
    texts = [line.text for line in lines]
    starts = [text.partition(": ")[0] for text in texts]
    for number, line in enumerate(lines):
        if starts[number] in starts[:number]:
            return f"has several lines for {starts[number]}", line
    for head, text in expected.items():
        start = text.partition(": ")[0]
        if start in starts and text not in texts:
            line = lines[starts.index(start)]
            return f"names {line.text.partition(': ')[2]!r}, and the head is {head}", line
        if text not in texts:
            return f"does not name the head {head}", None
    line = next(line for line in lines if line.text not in expected.values())
    return f"names {line.text!r}, which is no head of this chain", line


def _lock_fault(
    message: str, hint: str | Remedy, lock: ChainLock, line: Line | None = None
) -> Fault:
    return Fault(message, hint, (), [Location(lock.path, line.number if line else None)])
