"""What lies around a migration environment in its project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.model.findings import Location


class OtherEnvironment(NamedTuple):
    """Another directory near by whose ``env.py`` runs migrations.

    Attributes:
        directory: it holds ``env.py``, absolute.
        migrations: the names of the files in its ``versions/``; ``None`` where the configuration
            has them somewhere else.
        uses_flask: whether its ``env.py`` belongs to Flask-Migrate, so that an app may name it.
        is_named: whether something in the project names it, and so may use it.
    """

    directory: Path
    migrations: frozenset[str] | None
    uses_flask: bool
    is_named: bool = False


class Pointer(NamedTuple):
    """A configuration file that names a migration environment.

    Attributes:
        location: the file, and the line of ``script_location``.
        section: where it stands.
        target: the environment, absolute.
    """

    location: Location
    section: str
    target: Path


@dataclass(frozen=True)
class Surroundings:
    """What lies around a migration environment, which is the active one here.

    Attributes:
        seen_from: the directory from which people would name all this, absolute.
        by_app: whether the app's Migrate names the active environment.
        others: the other environments, beside the active one and at the top of the project.
        pointers: what the configuration files there name, the active environment too.
        no_metadata: where the ``None`` stands that the active ``env.py`` gives Alembic instead of
            the models' metadata; empty where it gives something else, or nobody knows.
    """

    seen_from: Path = Path()
    by_app: bool = False
    others: tuple[OtherEnvironment, ...] = ()
    pointers: tuple[Pointer, ...] = ()
    no_metadata: tuple[Location, ...] = ()
