"""What lies around a chain: other environments, env.py, the chain lock, and what others have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from flask_chainfix import source
from flask_chainfix.chain.heads_file import Line, expected_lines, in_step, read_lines
from flask_chainfix.chain.snapshot import location
from flask_chainfix.common.quoting import path_word, ref_word, word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.environment import OtherEnvironment, Pointer
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.findings import Location, Severity

_FIRST = ("alembic", "tool.alembic")  # the sections that “alembic init” writes


@rule("FC401", "second-environment", Severity.WARNING, "second environment", Family.ENVIRONMENT)
def second_environment(snapshot: Facts) -> Iterator[Fault]:
    """A second migration environment lies in the project, and nothing seems to use it.

    It lies beside the active one or at the top of the project. The message says which of the two is
    active, and why. One that a configuration file there points to is in use, and is no finding;
    neither is one of Flask-Migrate's that holds migrations of its own, as the app may name it.

    What breaks:
        nothing by itself; but what is written there by mistake “{alembic} upgrade” never runs

    How it comes about:
        It is left over from before the project used Flask-Migrate, or `{alembic} init` was run once
        more in another place.

    How it is repaired:
        By hand: bring what is still needed from there into the active one, and delete the rest. An
        environment that is in use gets an `alembic.ini` in it that says
        `script_location = %(here)s`.

    Example:
        # alembic/env.py
        context.run_migrations()

        # migrations/env.py
        context.run_migrations()

        # migrations/versions/users.py
        revision = "users"
        down_revision = None

        $ {fixchain} check
    """
    active = _pointers_to(snapshot, snapshot.environment.directory)
    for other in snapshot.surroundings.others:
        if other.migrations is None:
            continue
        pointers = _pointers_to(snapshot, other.directory)
        new = other.migrations.difference(file.name for file in snapshot.files)
        if pointers:
            # “alembic init” makes a file that points to what it makes; any other section is meant.
            files = {pointer.location.path for pointer in active}
            meant = bool(other.migrations) or any(
                pointer.section not in _FIRST or pointer.location.path in files
                for pointer in pointers
            )
        else:
            meant = bool(new) and (other.uses_flask or not (snapshot.surroundings.by_app or active))
        if not meant:
            yield _left_over(snapshot, other, len(new))


def _left_over(snapshot: Facts, other: OtherEnvironment, new: int) -> Fault:
    active, name = _name(snapshot, snapshot.environment.directory), _name(snapshot, other.directory)
    pointers = _pointers_to(snapshot, other.directory)
    unnamed = "" if pointers else "no alembic.ini or pyproject.toml points to it, and "
    if not other.migrations:
        contents = "it holds no migrations"
    elif not new:
        contents = f"{active}/ has all migrations that it holds"
    else:
        contents = f"it holds {count(new, 'migration')} that {active}/ does not"
    if new:
        hint = (
            f"bring what is still needed from there to {active}/, and delete {name}/; if it is in"
            f" use, say so with script_location = %(here)s in {name}/alembic.ini"
        )
    else:
        files = ", ".join(_name(snapshot, pointer.location.path) for pointer in pointers)
        pointing = f", and let {files} point to {active}/" if files else ""
        hint = f"delete {name}/ unless something uses it{pointing}"
    return Fault(
        f"{name}/ is a second migration environment, and looks dead: {unnamed}{contents};"
        f" {active}/ {_why_active(snapshot)}",
        hint,
        locations=[
            Location(other.directory / "env.py", None),
            *(pointer.location for pointer in pointers),
        ],
    )


def _why_active(snapshot: Facts) -> str:
    if snapshot.surroundings.by_app:
        return "is the active one, as the app's Migrate names it"
    for pointer in _pointers_to(snapshot, snapshot.environment.directory):
        return f"is the active one, as {_name(snapshot, pointer.location.path)} points to it"
    return "is the one that is looked at"


def _pointers_to(snapshot: Facts, directory: Path) -> list[Pointer]:
    return [each for each in snapshot.surroundings.pointers if each.target == directory]


def _name(snapshot: Facts, path: Path) -> str:
    origin = snapshot.surroundings.seen_from
    return (path.relative_to(origin) if path.is_relative_to(origin) else path).as_posix()


@rule(
    "FC402",
    "no-target-metadata",
    Severity.WARNING,
    "environment without metadata",
    Family.ENVIRONMENT,
)
def no_target_metadata(snapshot: Facts) -> Iterator[Fault]:
    """The `env.py` gives Alembic `target_metadata = None`, so autogenerate sees nothing.

    What is computed, imported or set elsewhere is not judged, and neither is what only SQL scripts
    are made with.

    What breaks:
        “{alembic} revision --autogenerate” stops, as there are no models to compare with

    How it comes about:
        `alembic init` writes it so, for somebody to fill in, and nobody has.

    How it is repaired:
        By hand: set `target_metadata` to the metadata of the models, and import the modules that
        define them. Where every migration is written by hand, list FC402 under `ignore`.

    Example:
        # migrations/env.py
        target_metadata = None
        context.configure(connection=connection, target_metadata=target_metadata)

        # migrations/versions/users.py
        revision = "users"
        down_revision = None

        $ {alembic} revision --autogenerate
    """
    if snapshot.surroundings.no_metadata:
        yield Fault(
            "env.py gives Alembic None for target_metadata, so autogenerate sees no models",
            "set target_metadata to the metadata of the models (db.metadata, or Base.metadata), and"
            " import the modules that define them; if every migration is written by hand, list"
            " FC402 under ignore in the settings",
            locations=snapshot.surroundings.no_metadata,
        )


@rule(
    "FC501",
    "published-revision-changed",
    Severity.ERROR,
    "changed published revision",
    Family.PUBLISHED,
)
def published_revision_changed(snapshot: Facts) -> Iterator[Fault]:
    """A revision that others have already was deleted, renamed, re-parented, or does other things.

    A database that has run a revision does not run it again, and finds its place in the chain by
    its id. What counts is the id, `down_revision`, `depends_on`, and what `upgrade()` does with all
    that it uses of its module; docstrings, comments, layout, labels, the file's name and
    `downgrade()` may change.

    What breaks:
        databases that have run it keep what it did, or look for an id that is gone; new ones get
        something else

    How it comes about:
        A migration is edited or deleted after others have got it, or a new one is put between two
        of theirs. `{fixchain} check --against REF` looks for it, and compares the files with what
        REF and the branch have in common.

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
    if snapshot.published is None:
        return
    ref, allowed = snapshot.published.ref, snapshot.published.allowed
    found = [change for change in changes(snapshot) if change.revision not in allowed]
    together = [*sorted(allowed), *(change.revision for change in found)]
    for change in found:
        yield _fault(ref, change, together)


class Change(NamedTuple):
    """A published revision that is not as it was.

    Attributes:
        revision: its id.
        file: its file as it was.
        words: what is otherwise, in words that complete "``X``, which REF has, …".
        places: where that is.
        moved: the other files that have its id now.
    """

    revision: str
    file: MigrationFile
    words: tuple[str, ...]
    places: tuple[Location, ...]
    moved: tuple[Path, ...]


def changes(snapshot: Facts) -> Iterator[Change]:
    """The published revisions that are not as they were, with what has become of them."""
    if snapshot.published is None:
        return
    unreadable = {file.path for file, _ in snapshot.unreadable}
    then = Facts(snapshot.environment, snapshot.published.files).files_by_revision
    for revision, files in then.items():
        others = snapshot.files_by_revision.get(revision, ())
        for file in files:
            if any(file.data == other.data for other in others):
                continue
            if others:
                changed = min((_differences(file, other) for other in others), key=len)
                places = [_place(others[0], name) for name in changed]
            elif file.path in unreadable:
                continue  # which is a finding of its own
            else:
                changed = {"id": _what_became(snapshot, then, file)}
                places = [Location(file.path, None)]
            if changed:
                moved = tuple(each.path for each in others if each.path != file.path)
                yield Change(revision, file, tuple(changed.values()), tuple(places), moved)
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
            now_on, then_on = (listing(sorted(names)) or "nothing" for names in (after, before))
            found[name] = f"{verb} {now_on} instead of {then_on}"
    if not source.same_upgrade(then.data, now.data):
        found["upgrade"] = "does something else in upgrade()"
    return found


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


def _place(file: MigrationFile, name: str) -> Location:
    """Where a file says what is not as it was."""
    if name == "upgrade":
        return Location(file.path, source.line_of_upgrade(file.data))
    return location(file, name)


def _fault(ref: str, change: Change, together: Iterable[str]) -> Fault:
    """The fault; what is allowed by its remedy are all changes ``together``."""
    revision, file, words, places, moved = change
    quoted, path = ref_word(ref), path_word(os.path.relpath(file.path))
    allowing = " ".join(f"--allow {word(each)}" for each in together)
    # A command that deletes them would take along the change that is to be put elsewhere.
    others = listing([os.path.relpath(each) for each in moved])
    deleting = f", delete {others}" if moved else ""
    return Fault(
        f"{revision}, which {ref} has, {', and '.join(words)}",
        way(
            f"bring its file back as it was{deleting}, and put the change into a new migration",
            f"git checkout {quoted} -- {path}",
        )
        | way(
            "if this is a deliberate repair, allow it, and restamp the databases that have run it",
            f"{{fixchain}} check --against {quoted} {allowing}",
            f"{{fixchain}} restamp --old {quoted}{{databases}}",
        ),
        (revision,),
        places,
    )


@rule("FC502", "chain-lock-drift", Severity.ERROR, "chain lock out of step", Family.LOCK)
def chain_lock_drift(snapshot: Facts) -> Iterator[Fault]:
    """The chain lock beside the migrations does not name the heads that the chain has.

    The lock is there so that two branches which both add a migration change the same line, and Git
    stops them. While nobody can tell which head is the right one, only that is reported.

    What breaks:
        nothing by itself; but two branches that both add a migration do not collide in Git, and
        their heads meet in production

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
    name = lock.path.name
    if lock.data is None:
        advice = "put a regular file in its place that can be read, or delete it; lock writes it"
        yield Fault(f"{name} {lock.problem}", advice, locations=[Location(lock.path, None)])
        return
    lines, expected = read_lines(lock.data), expected_lines(snapshot)
    line = next((line for line in lines if line.is_marker), None)
    hint = way("if the chain is as you want it, write the file anew", "{fixchain} lock")
    hint |= way("have Alembic write it with each new migration", "{fixchain} lock --install")
    if line is not None:
        wrong = "holds Git conflict markers: both sides have added a migration"
        hint = _out_of_conflict(linked=expected is not None)
    elif expected is not None and not in_step(lock.data, expected):
        wrong, line = _drift(lines, expected)
    else:
        return
    places = [Location(lock.path, line.number if line else None)]
    yield Fault(f"{name} {wrong}", hint, locations=places)


def _out_of_conflict(*, linked: bool) -> Remedy:
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
