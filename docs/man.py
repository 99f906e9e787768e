"""Man pages of the console script, written by click-man: ``python docs/man.py DIRECTORY``."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import click
from click_man.core import write_man_pages  # type: ignore[import-untyped]  # it has no types

from flask_chainfix.cli.groups import main as group


def write(directory: Path) -> None:
    """Write a page for the group and for each command."""
    directory.mkdir(parents=True, exist_ok=True)
    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    whole = click.Group("fixchain", commands, params=group.params, help=group.help)
    name = f"flask-chainfix {version('flask-chainfix')}"
    write_man_pages("fixchain", whole, version=name, target_dir=str(directory))


if __name__ == "__main__":
    write(Path(sys.argv[1] if sys.argv[1:] else "man"))
