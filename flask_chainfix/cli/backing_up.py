"""The command ``backup``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from flask_chainfix import backups
from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import answer
from flask_chainfix.errors import CannotBackUp
from flask_chainfix.formats import progress_bar
from flask_chainfix.model import DatabaseState, DatabaseWishes
from flask_chainfix.report import Report
from flask_chainfix.runtime import Runtime
from flask_chainfix.runtime.backups import Source, named_database
from flask_chainfix.survey import targets_for

DATABASES = "flask_chainfix.databases"
_DIRECTORY = "backups"


@click.command()
@click.option(
    "--database",
    "urls",
    metavar="URL",
    multiple=True,
    help="Back up this database; may be given several times.  [default: all of the app's own]",
)
@click.option(
    "--to",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path(_DIRECTORY),
    show_default=True,
    help="Where the files are to lie.",
)
@format_option("text", "json")
@click.pass_context
def backup(
    context: click.Context, urls: tuple[str, ...], directory: Path, output_format: str
) -> None:
    """Copy databases to files before anything is changed.

    SQLite by its online backup, PostgreSQL with pg_dump, MariaDB and MySQL with their dump tool.
    Each copy is read back, gets a checksum, and is shown with the command that restores it.
    """

    def work() -> Report:
        named = tuple(named_database(url) for url in urls)
        databases = named or context.meta[DATABASES]()
        with progress_bar(sys.stderr, in_bytes=True) as progress:
            made = backups.back_up(databases, directory, progress)
        return Report(str(context.info_name), backups=made)

    answer(context, output_format, work)


def back_up_first(runtime: Runtime, wishes: DatabaseWishes, report: Report) -> Report:
    """The report with a copy of every database that a repair has looked at.

    Raises:
        CannotBackUp: one of them could not be copied.
    """
    assert report.before is not None
    there = {
        standing.identity
        for standing in report.before.databases.standings
        if standing.state is not DatabaseState.EMPTY
    }
    targets = targets_for(runtime, wishes)
    sources = {
        target.url: Source(target.name, target.url)
        for identity, target in targets.items()
        if identity in there
    }
    if not targets:
        raise CannotBackUp(
            "no database is named that could be backed up",
            "nothing was changed; name one with --database URL, or leave --backup out",
        )
    with progress_bar(sys.stderr, in_bytes=True) as progress:
        made = backups.back_up(tuple(sources.values()), Path(_DIRECTORY), progress)
    empty = () if made else ("there is nothing in the databases that could be backed up",)
    return replace(report, backups=made, notices=(*report.notices, *empty))
