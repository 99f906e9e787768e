"""Faults that headers do not show: other environments, env.py, the chain lock, downgrades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from flask_chainfix.chain.heads_file import LockLine, expected_lines, in_step, read_lines
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.environment import OtherEnvironment, Pointer
from flask_chainfix.model.findings import Location, Severity

_FIRST = ("alembic", "tool.alembic")  # the sections that “alembic init” writes
_SHOWN = 5  # faults of one downgrade in one message


@rule("FC401", "second-environment", Severity.WARNING, "second environment", Family.ENVIRONMENT)
def second_environment(snapshot: Facts) -> Iterator[Fault]:
    """The project contains a second migration environment that nothing seems to use.

    The check looks beside the active environment and at the top of the project. The message says
    which environment is active, and why. An environment is not reported if a configuration file
    there points to it, or if it belongs to Flask-Migrate and has migrations of its own, because the
    app may name it.

    What breaks:
        nothing by itself; but “{alembic} upgrade” never runs a migration that is added there by
        mistake

    How it happens:
        The project used Alembic before it used Flask-Migrate, or somebody ran `{alembic} init`
        again in another place.

    How to repair it:
        By hand: move the migrations that you still need into the active environment, and delete the
        other one. If both are in use, put an `alembic.ini` into the other one with `script_location
        = %(here)s`.

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
            f"move what is still needed from there to {active}/, and delete {name}/; if it is in"
            f" use, say so with script_location = %(here)s in {name}/alembic.ini"
        )
    else:
        files = ", ".join(_name(snapshot, pointer.location.path) for pointer in pointers)
        pointing = f", and let {files} point to {active}/" if files else ""
        hint = f"delete {name}/ unless something uses it{pointing}"
    return Fault(
        f"{name}/ is a second migration environment, and looks unused: {unnamed}{contents};"
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
    return "is the one that is checked"


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
    """The `env.py` gives Alembic `target_metadata = None`, so autogenerate sees no models.

    Only a plain `None` is reported. A value that is computed, imported or set elsewhere is not, and
    neither is one that is used for offline mode only.

    What breaks:
        “{alembic} revision --autogenerate” stops, as there are no models to compare with

    How it happens:
        `alembic init` writes `None` as a placeholder, and it was never replaced.

    How to repair it:
        By hand: set `target_metadata` to the metadata of the models, and import the modules that
        define them. If you write every migration by hand, list FC402 under `ignore`.

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


@rule("FC502", "chain-lock-drift", Severity.ERROR, "chain lock out of step", Family.LOCK)
def chain_lock_drift(snapshot: Facts) -> Iterator[Fault]:
    """The chain lock beside the migrations does not name the heads that the chain has.

    With the lock, two branches that each add a migration change the same line, so Git reports a
    conflict. If the chain has several heads by mistake, only that is reported.

    What breaks:
        nothing by itself; but Git reports no conflict between two branches that both add a
        migration, and the chain gets two heads

    How it happens:
        A migration was added, removed or relinked without updating the lock, for example because
        Alembic does not call the hook that updates it. Or a conflict in the lock was resolved by
        taking one side, or both.

    How to repair it:
        `{fixchain} lock` writes the file again. After `{fixchain} lock --install`, Alembic updates
        it with each new migration. If the branches are in conflict, run `{fixchain} rebase` or
        `{fixchain} repair` first: both update the lock as well.

    Example:
        users
        orders <- users

        # chain.lock
        users: users

        $ {fixchain} lock
    """
    lock = snapshot.lock
    if lock is None:
        return
    name = lock.path.name
    if lock.data is None:
        advice = (
            "replace it with a regular file that can be read, or delete it; lock writes it again"
        )
        yield Fault(f"{name} {lock.problem}", advice, locations=[Location(lock.path, None)])
        return
    lines, expected = read_lines(lock.data), expected_lines(snapshot)
    line = next((line for line in lines if line.is_marker), None)
    hint = way("if the chain is as it should be, update the file", "{fixchain} lock")
    hint |= way("have Alembic update it with each new migration", "{fixchain} lock --install")
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
        return way("the migrations are linked already: update the file", "{fixchain} lock")
    return way(
        "put your migrations on top of theirs, which also updates the file", "{fixchain} rebase"
    ) | way("link them, which also updates it", REPAIR)


def _drift(lines: list[LockLine], expected: Mapping[str, str]) -> tuple[str, LockLine | None]:
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
            return f"names {line.text.partition(': ')[2]!r}, but the head is {head}", line
        if text not in texts:
            return f"does not name the head {head}", None
    line = next(line for line in lines if line.text not in expected.values())
    return f"names {line.text!r}, which is not a head of this chain", line


@rule("FC206", "downgrade-incomplete", Severity.WARNING, "incomplete downgrade", Family.REHEARSAL)
def downgrade_incomplete(snapshot: Facts) -> Iterator[Fault]:
    """After an upgrade and a downgrade, the schema differs from what it was before.

    Only `{fixchain} rehearse --stairway` finds this, because it has to run the migrations. It
    compares tables, views, columns, keys, indexes, checks and PostgreSQL's enumerated types. It
    does not compare rows.

    What breaks:
        after “{alembic} downgrade”, the next “{alembic} upgrade” may stop, because an object
        that it creates exists already; or it continues with a schema that no migration expects

    How it happens:
        `downgrade()` is empty, or leaves out part of what `upgrade()` does. On PostgreSQL it is
        often the type of an `sa.Enum` column, which remains when the table is dropped.

    How to repair it:
        By hand: let `downgrade()` undo each operation of `upgrade()`, in reverse order. If a
        migration cannot be undone, let `downgrade()` raise an exception that says so. If downgrades
        are incomplete on purpose, list FC206 under `ignore` in the settings.

    Example:
        # mail.py
        revision = "mail"
        down_revision = "users"

        def upgrade():
            op.add_column("user", sa.Column("mail", sa.String(80)))

        def downgrade():
            pass

        $ {fixchain} rehearse --stairway
    """
    for gap in snapshot.downgrade_gaps:
        left_out = len(gap.faults) - _SHOWN
        more = f", and {count(left_out, 'more difference')}" if left_out > 0 else ""
        where = f" of the database {gap.bind}" if gap.bind else ""
        yield Fault(
            f"the downgrade of {gap.revision}{where} {listing(gap.faults[:_SHOWN])}{more}",
            "let downgrade() undo each operation of upgrade(), in the opposite order",
            [gap.revision],
            [Location(gap.path, gap.line)],
        )
