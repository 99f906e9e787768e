"""The command ``backup``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flask_chainfix import backups
from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import IN_APP, answer
from flask_chainfix.formats import progress_bar
from flask_chainfix.report import Report
from flask_chainfix.runtime.backups import sources


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
    default=backups.DIRECTORY,
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
        databases = sources(urls, in_app=context.meta[IN_APP])
        with progress_bar(sys.stderr, in_bytes=True) as progress:
            made = backups.back_up(databases, directory, progress)
        return Report(str(context.info_name), backups=made)

    answer(context, output_format, work)
