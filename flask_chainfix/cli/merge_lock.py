"""The command ``merge-lock``, which Git calls."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click

from flask_chainfix.cli.opening import open_from_files
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.streams import echo
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import merge_lock as command
from flask_chainfix.common.errors import ChainFixError
from flask_chainfix.common.quoting import printable
from flask_chainfix.git.merge_driver import DriverFiles
from flask_chainfix.git.program import Unknown

_CANNOT = 129  # above 128, Git treats the driver as failed


@click.command(cls=Command, hidden=True, example="-- %O %A %B %L %P")
@click.argument("versions", metavar="BASE OURS THEIRS", nargs=3, type=click.Path(path_type=Path))
@click.argument("marker_size", type=click.IntRange(1, 1000))
@click.argument("path")
def merge_lock(
    call: Call, *, versions: tuple[Path, Path, Path], marker_size: int, path: str
) -> None:
    """Merge two versions of chain.lock, as Git's merge driver.

    hook --install --merge-driver tells Git to call this. The result is written to OURS. PATH is the
    path of the file in the repository.
    """
    directory = os.path.dirname(path) or os.curdir
    runtime, ours = None, "fixchain"
    with suppress(ChainFixError, OSError):
        runtime, tools = open_from_files(None if directory == "migrations" else directory, None)
        ours = f"{tools.alembic} fixchain" if runtime.environment.uses_flask else tools.fixchain
    try:
        done = command.merge_locks(runtime, DriverFiles(*versions, marker_size))
    except (Unknown, OSError) as error:
        echo(f"{printable(path)} cannot be merged: {printable(str(error))}\n", err=True)
        call.context.exit(_CANNOT)
    if isinstance(done, command.Settled):
        notice = command.notice_on(done, path, ours)
        if notice:
            echo(f"note: {printable(notice)}\n", err=True)
    elif not done:
        call.context.exit(1)
