"""The groups of commands: in an app, and without one."""

from __future__ import annotations

from importlib import import_module

import click

from flask_chainfix.cli.usage import Group

# Commands by purpose, with the first sentence of their help: the group's help imports no command.
_BY_PURPOSE = {
    "Check and repair": {
        "check": "Say what is wrong with the migration chain.",
        "repair": "Relink the chain to one base and one head.",
        "rebase": "Move your revisions on top of the main branch's.",
        "undo": "Undo the last repair: its files and its stamps.",
        "explain": "Explain a finding.",
    },
    "Show and test": {
        "graph": "Draw the chain, as it is and as a repair would leave it.",
        "report": "Write an analysis of the chain for a ticket.",
        "rehearse": "Run the chain on a scratch database, never on the app's.",
    },
    "Databases": {
        "trace": "Say what each database has really run, judged by its schema.",
        "restamp": "Move the stamps of databases to the repaired chain.",
        "catch-up": "Write a migration that adds what some databases lack.",
        "unwind": "Downgrade a database that is ahead of this code.",
        "backup": "Copy databases to files before anything is changed.",
    },
    "Maintain": {
        "move": "Move a revision after another one.",
        "squash": "Replace the chain up to a revision with one proven migration.",
        "hook": "Install checks for every commit and pull request.",
        "lock": "Write the heads to a file, so that new heads conflict in Git.",
    },
}

_SETTINGS = {"help_option_names": ["-h", "--help"]}


class LazyGroup(Group):
    """A group that imports commands on demand: ``catch-up`` from ``cli/catch_up.py``."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if super().get_command(ctx, cmd_name) is None:
            return None
        name = cmd_name.replace("-", "_")
        module = import_module(f"flask_chainfix.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by purpose, with their summaries."""
        width = max(map(len, self.list_commands(ctx)))
        for purpose, summaries in _BY_PURPOSE.items():
            with formatter.section(purpose):
                formatter.write_dl([(name.ljust(width), said) for name, said in summaries.items()])


def _summaries() -> dict[str, click.Command]:
    return {
        name: click.Command(name, help=summary)
        for summaries in _BY_PURPOSE.values()
        for name, summary in summaries.items()
    }


@click.group("fixchain", cls=LazyGroup, commands=_summaries(), context_settings=_SETTINGS)
@click.option("-d", "--directory", help="Migration script directory (default: the app's own).")
@click.version_option(package_name="flask-chainfix", prog_name="flask-chainfix")
@click.pass_context
def app_group(context: click.Context, directory: str | None) -> None:
    """Diagnose and relink the migration chain."""
    from flask_chainfix.cli import opening  # --help and --version need no chain

    opening.enter_app(context)
    context.meta[opening.OPENER] = lambda: opening.open_from_app(context, directory)
    context.meta[opening.IN_APP] = True


@click.group("fixchain", cls=LazyGroup, commands=_summaries(), context_settings=_SETTINGS)
@click.option(
    "-d",
    "--directory",
    metavar="DIR",
    help="Directory with env.py and versions/.  [default: migrations, else what alembic.ini or"
    " pyproject.toml names]",
)
@click.option("-c", "--config", metavar="FILE", help="Use this alembic.ini or pyproject.toml.")
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
    from flask_chainfix.cli import opening

    context.meta[opening.OPENER] = lambda: opening.open_from_files(directory, config, section)
    context.meta[opening.IN_APP] = False


_MERGE_LOCK = "Merge two versions of chain.lock, as Git's merge driver."  # only Git calls it
main.add_command(click.Command("merge-lock", help=_MERGE_LOCK, hidden=True))
