"""The groups of commands: in an app, and without one."""

from __future__ import annotations

import click

from flask_chainfix.cli.backup import backup
from flask_chainfix.cli.check import check
from flask_chainfix.cli.explain import explain
from flask_chainfix.cli.hook import hook
from flask_chainfix.cli.lock import lock
from flask_chainfix.cli.opening import enter_app, open_from_app, open_from_files
from flask_chainfix.cli.rebase import rebase
from flask_chainfix.cli.rehearse import rehearse
from flask_chainfix.cli.repair import repair
from flask_chainfix.cli.restamp import restamp
from flask_chainfix.cli.running import IN_APP, OPENER
from flask_chainfix.cli.undo import undo
from flask_chainfix.cli.usage import Group


@click.group("fixchain", cls=Group)
@click.option("-d", "--directory", help="Migration script directory (default: the app's own).")
@click.version_option(package_name="flask-chainfix", prog_name="flask-chainfix")
@click.pass_context
def app_group(context: click.Context, directory: str | None) -> None:
    """Diagnose and relink the migration chain."""
    enter_app(context)
    context.meta[OPENER] = lambda: open_from_app(context, directory)
    context.meta[IN_APP] = True


@click.group("fixchain", cls=Group)
@click.option(
    "-d",
    "--directory",
    metavar="DIR",
    help="Directory with env.py and versions/.  [default: migrations, else what alembic.ini or"
    " pyproject.toml names]",
)
@click.option("-c", "--config", metavar="FILE", help="An alembic.ini or pyproject.toml instead.")
@click.option(
    "-n",
    "--name",
    "section",
    metavar="SECTION",
    help="The section of the ini file to read.  [default: alembic]",
)
@click.version_option(package_name="flask-chainfix", prog_name="flask-chainfix")
@click.pass_context
def main(
    context: click.Context, directory: str | None, config: str | None, section: str | None
) -> None:
    """Diagnose and relink an Alembic migration chain, without an app."""
    if directory and config:
        raise click.UsageError("give either --directory or --config, not both")
    if directory and section:
        raise click.UsageError("--name chooses a section of an ini file: give --config instead")
    context.meta[OPENER] = lambda: open_from_files(directory, config, section)
    context.meta[IN_APP] = False


for _group in (app_group, main):
    for _command in (check, repair, rebase, restamp, lock, rehearse, backup, undo, explain, hook):
        _group.add_command(_command)
