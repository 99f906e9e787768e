"""Faults around the chain: other environments than the active one, and what ``env.py`` lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flask_chainfix.common.wording import count
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.registry import Family, Fault, rule
from flask_chainfix.model.environment import OtherEnvironment, Pointer
from flask_chainfix.model.findings import Location, Severity

# The sections that “alembic init” writes.
_FIRST = ("alembic", "tool.alembic")


@rule(
    "FC401",
    "second-environment",
    Severity.WARNING,
    noun="second environment",
    breaks="nothing by itself; but what is written there by mistake “{alembic} upgrade” never runs",
    family=Family.ENVIRONMENT,
)
def second_environment(snapshot: Facts) -> Iterator[Fault]:
    """A second migration environment lies in the project, and nothing seems to use it.

    It lies beside the active one or at the top of the project. The message says which of the two is
    active, and why. One that a configuration file there points to is in use, and is no finding;
    neither is one of Flask-Migrate's that holds migrations of its own, as the app may name it.

    How it comes about:
        It is left over from before the project used Flask-Migrate, or `{alembic} init` was run once
        more in another place. Sooner or later somebody takes it for the one that counts.

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
    for other in snapshot.surroundings.others:
        if not _is_meant(snapshot, other):
            yield _left_over(snapshot, other)


@rule(
    "FC402",
    "no-target-metadata",
    Severity.WARNING,
    noun="environment without metadata",
    breaks="“{alembic} revision --autogenerate” stops, as there are no models to compare with",
    family=Family.ENVIRONMENT,
)
def no_target_metadata(snapshot: Facts) -> Iterator[Fault]:
    """The `env.py` gives Alembic `target_metadata = None`, so autogenerate sees nothing.

    What is computed, imported or set elsewhere is not judged, and neither is what only SQL scripts
    are made with.

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
    places = snapshot.surroundings.no_metadata
    if places:
        yield Fault(
            "env.py gives Alembic None for target_metadata, so autogenerate sees no models",
            "set target_metadata to the metadata of the models (db.metadata, or Base.metadata), and"
            " import the modules that define them; if every migration is written by hand, list"
            " FC402 under ignore in the settings",
            (),
            places,
        )


def _is_meant(snapshot: Facts, other: OtherEnvironment) -> bool:
    """Whether another environment may be meant to be there, for all that is known."""
    if other.migrations is None:
        return True
    active = _pointers_to(snapshot, snapshot.environment.directory)
    pointers = _pointers_to(snapshot, other.directory)
    if pointers:
        # “alembic init” makes a file that points to what it makes; any other section is meant.
        files = {pointer.location.path for pointer in active}
        return bool(other.migrations) or any(
            pointer.section not in _FIRST or pointer.location.path in files for pointer in pointers
        )
    if _has_nothing_new(snapshot, other):
        return False
    return other.uses_flask or not (snapshot.surroundings.by_app or active)


def _left_over(snapshot: Facts, other: OtherEnvironment) -> Fault:
    active, name = _name(snapshot, snapshot.environment.directory), _name(snapshot, other.directory)
    pointers = _pointers_to(snapshot, other.directory)
    facts = [] if pointers else ["no alembic.ini or pyproject.toml points to it"]
    facts += _contents(snapshot, other)
    if _has_nothing_new(snapshot, other):
        files = ", ".join(_name(snapshot, pointer.location.path) for pointer in pointers)
        pointing = f", and let {files} point to {active}/" if files else ""
        hint = f"delete {name}/ unless something uses it{pointing}"
    else:
        hint = (
            f"bring what is still needed from there to {active}/, and delete {name}/; if it is in"
            f" use, say so with script_location = %(here)s in {name}/alembic.ini"
        )
    return Fault(
        f"{name}/ is a second migration environment, and looks dead: {', and '.join(facts)};"
        f" {_which_counts(snapshot)}",
        hint,
        (),
        (Location(other.directory / "env.py", None), *(pointer.location for pointer in pointers)),
    )


def _contents(snapshot: Facts, other: OtherEnvironment) -> list[str]:
    """What another environment holds, if that is known: one fact."""
    if other.migrations is None:
        return []
    if not other.migrations:
        return ["it holds no migrations"]
    active = _name(snapshot, snapshot.environment.directory)
    if _has_nothing_new(snapshot, other):
        return [f"{active}/ has all migrations that it holds"]
    new = len(other.migrations.difference(file.name for file in snapshot.files))
    return [f"it holds {count(new, 'migration')} that {active}/ does not"]


def _has_nothing_new(snapshot: Facts, other: OtherEnvironment) -> bool:
    ours = {file.name for file in snapshot.files}
    return other.migrations is not None and other.migrations <= ours


def _which_counts(snapshot: Facts) -> str:
    active = snapshot.environment.directory
    name = f"{_name(snapshot, active)}/"
    if snapshot.surroundings.by_app:
        return f"{name} is the active one, as the app's Migrate names it"
    for pointer in _pointers_to(snapshot, active):
        return f"{name} is the active one, as {_name(snapshot, pointer.location.path)} points to it"
    return f"{name} is the one that is looked at"


def _pointers_to(snapshot: Facts, directory: Path) -> list[Pointer]:
    return [each for each in snapshot.surroundings.pointers if each.target == directory]


def _name(snapshot: Facts, path: Path) -> str:
    origin = snapshot.surroundings.seen_from
    return (path.relative_to(origin) if path.is_relative_to(origin) else path).as_posix()
