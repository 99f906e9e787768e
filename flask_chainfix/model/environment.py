"""A migration environment, its settings, and what lies around it in its project."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.model.findings import Location

LOCK_NAME = "chain.lock"


@dataclass(frozen=True)
class Settings:
    """What the ``[fixchain]`` section says.

    Attributes:
        ignore: codes of findings that are not to be reported.
        intended_bases: bases that are meant to stand beside the main one.
        version_table: the name of Alembic's version table, where ``env.py`` does not tell it.
        version_table_schema: the schema of that table, likewise.
        main_branch: the Git revision that others build on; ``None`` for the remote's default
            branch, ``""`` for none that a repair has to look at.
        ignore_objects: patterns of the names of tables and of their parts that databases may have
            otherwise than the chain makes them, ``audit_*`` or ``users.legacy`` for example.
        published: patterns of the branches and tags of releases; ``None`` for those that look like
            some.
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
        directory: the script location, absolute: it holds ``env.py``.
        version_locations: the directories that hold migrations, absolute, in Alembic's order.
        recursive: whether migrations are also looked for below these directories.
        sourceless: whether compiled migrations without a source count.
        settings: the ``[fixchain]`` section.
        uses_flask: whether ``env.py`` belongs to Flask-Migrate.
        dialect: SQLAlchemy's name of the database's dialect; ``None`` where it is not known.
        asks_git: whether version control may be asked what it knows of the migrations.
        local_modules: the top-level modules of the project that it belongs to; ``None`` where
            nobody looked.
    """

    directory: Path
    version_locations: tuple[Path, ...]
    recursive: bool = False
    sourceless: bool = False
    settings: Settings = Settings()
    uses_flask: bool = False
    dialect: str | None = None
    asks_git: bool = True
    local_modules: frozenset[str] | None = None

    @property
    def lock_path(self) -> Path:
        """Where the chain lock is, if there is one."""
        return self.directory / LOCK_NAME


# --- What lies around a migration environment in its project -------------------------------------


class OtherEnvironment(NamedTuple):
    """Another directory near by whose ``env.py`` runs migrations.

    Attributes:
        directory: it holds ``env.py``, absolute.
        migrations: the names of the files in its ``versions/``; ``None`` where the configuration
            has them somewhere else.
        uses_flask: whether its ``env.py`` belongs to Flask-Migrate, so that an app may name it.
    """

    directory: Path
    migrations: frozenset[str] | None
    uses_flask: bool


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
