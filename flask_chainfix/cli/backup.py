"""The command ``backup``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from flask_chainfix.cli.opening import IN_APP, OPENER
from flask_chainfix.cli.options import database_options, format_option
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.streams import progress_bar
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import backup as backups
from flask_chainfix.common.errors import CannotBackUp, NoEnvironment
from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.targets import configured_urls, listed_urls
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.report.results import BackedUp


@click.command(cls=Command)
@database_options(beside_named=False, stamps=False)
@click.option(
    "--to",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=backups.DIRECTORY,
    show_default=True,
    help="Directory for the backup files.",
)
@format_option()
def backup(call: Call, *, directory: Path) -> None:
    """Copy databases to files before anything is changed.

    Copies the databases that you name, otherwise the app's own or those of alembic.ini. If you name
    a schema, its whole database is copied.

    Uses SQLite's online backup, pg_dump for PostgreSQL, and the dump tools of MariaDB and MySQL.
    Reads each copy back, writes a checksum, and prints the command that restores it.
    """

    def work() -> BackedUp:
        from flask_chainfix.databases.backup import sources

        in_app = call.context.meta[IN_APP]
        named = [
            *call.databases.urls,
            *(listed_urls(call.databases.file) if call.databases.file else ()),
        ]
        if call.databases.own and not in_app:
            named += _configured(call.context.meta[OPENER])
        if not named and not call.databases.own:
            raise CannotBackUp(
                "there is no database to back up: --no-database leaves out the project's"
                " own, and no other is named",
                "drop --no-database, or name a database with --database URL",
            )
        copied = sources(named, of_app=call.databases.own and in_app)
        with progress_bar(sys.stderr, in_bytes=True) as progress:
            return backups.back_up(copied, directory, progress)

    call.answer(work)


def _configured(open_environment: Callable[[], tuple[Runtime, Tools]]) -> tuple[str, ...]:
    """The URLs in Alembic's configuration; none without an environment."""
    with suppress(NoEnvironment):
        return tuple(configured_urls(open_environment()[0]).values())
    return ()
