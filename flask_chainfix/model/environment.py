"""A migration environment, its settings, and its surroundings in the project."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.model.findings import Location

LOCK_NAME = "chain.lock"


@dataclass(frozen=True)
class Settings:
    """The ``[fixchain]`` section.

    Attributes:
        ignore: codes of findings that are not reported.
        intended_bases: bases that are independent on purpose.
        version_table: the name of Alembic's version table, if ``env.py`` does not show it.
        version_table_schema: the schema of that table, likewise.
        main_branch: the Git revision that others build on; ``None`` for the remote's default
            branch, ``""`` for none.
        ignore_objects: patterns of the names of tables and their parts that databases may have
            different from the chain, for example ``audit_*`` or ``users.legacy``.
        published: patterns of the branches and tags of releases; ``None`` for those that look like
            releases.
    """

    ignore: frozenset[str] = frozenset()
    intended_bases: frozenset[str] = frozenset()
    version_table: str | None = None
    version_table_schema: str | None = None
    main_branch: str | None = None
    ignore_objects: tuple[str, ...] = ()
    published: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Environment:
    """A migration environment, as Alembic's configuration describes it.

    Attributes:
        directory: the script location, absolute, with ``env.py`` in it.
        version_locations: the directories with migrations, absolute, in Alembic's order.
        recursive: whether migrations below these directories count.
        sourceless: whether compiled migrations without a source count.
        settings: the ``[fixchain]`` section.
        uses_flask: whether ``env.py`` belongs to Flask-Migrate.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` if unknown.
        names_database: whether the app, or the configuration, names the database.
        asks_git: whether version control may be used.
        local_modules: the top-level modules of its project; ``None`` if they were not read.
    """

    directory: Path
    version_locations: tuple[Path, ...]
    recursive: bool = False
    sourceless: bool = False
    settings: Settings = Settings()
    uses_flask: bool = False
    dialect: str | None = None
    names_database: bool = False
    asks_git: bool = True
    local_modules: frozenset[str] | None = None

    @property
    def lock_path(self) -> Path:
        """The path of the chain lock, which may not exist."""
        return self.directory / LOCK_NAME

    def covers(self, directory: Path) -> bool:
        """Whether Alembic looks for migrations in a directory."""
        below = any(directory.is_relative_to(location) for location in self.version_locations)
        return directory in self.version_locations or (self.recursive and below)


# --- The surroundings of an environment in its project -------------------------------------------


class OtherEnvironment(NamedTuple):
    """Another directory nearby whose ``env.py`` runs migrations.

    Attributes:
        directory: the directory of ``env.py``, absolute.
        migrations: the names of the files in its ``versions/``; ``None`` if the configuration has
            them somewhere else.
        uses_flask: whether its ``env.py`` belongs to Flask-Migrate, so that an app may name it.
    """

    directory: Path
    migrations: frozenset[str] | None
    uses_flask: bool


class Pointer(NamedTuple):
    """A configuration file that names a migration environment.

    Attributes:
        location: the file, and the line of ``script_location``.
        section: the section.
        target: the environment, absolute.
    """

    location: Location
    section: str
    target: Path


@dataclass(frozen=True)
class Surroundings:
    """The surroundings of a migration environment, the active one.

    Attributes:
        seen_from: the directory that displayed paths are relative to, absolute.
        by_app: whether the app's Migrate names the active environment.
        others: the other environments, beside the active one and at the top of the project.
        pointers: the environments that configuration files there name, including the active one.
        no_metadata: the places where the active ``env.py`` gives Alembic ``None`` instead of the
            models' metadata; empty if it gives something else, or it is unknown.
    """

    seen_from: Path = Path()
    by_app: bool = False
    others: tuple[OtherEnvironment, ...] = ()
    pointers: tuple[Pointer, ...] = ()
    no_metadata: tuple[Location, ...] = ()
