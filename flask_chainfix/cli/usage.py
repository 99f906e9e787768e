"""Usage errors as JSON for scripts; click itself only writes text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import click

from flask_chainfix.common.errors import CannotWrite, WrongUsage
from flask_chainfix.common.quoting import printable
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import docstring_of

_TYPED = "flask_chainfix.typed"


class _Documented(click.Command):
    """A command whose help is its docstring, and ends with an example as it would be typed."""

    example = "check"

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does."""
        self.help = self.help or docstring_of(self.callback)
        super().format_help_text(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        with formatter.section("Example"):
            formatter.write_text(f"{ctx.command_path} {self.example}".rstrip())


class Command(_Documented):
    """A command that gets a ``Call``.

    Args:
        example: the options and arguments of the example in its help.
    """

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command with its own options; the shared ones are in the call."""
        from flask_chainfix.cli.running import Call

        shared = {name: ctx.params.pop(name) for name in Call._fields if name in ctx.params}
        ctx.params["call"] = Call(ctx, **shared)
        return super().invoke(ctx)


class Group(_Documented, click.Group):
    """A group that reports usage errors, its own and its commands', as JSON if asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the group's own options, and keep what was typed."""
        ctx.meta[_TYPED] = typed = tuple(args)
        if not typed:
            return super().parse_args(ctx, args)  # click shows the help
        with _answered_in_json(ctx, typed):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _answered_in_json(ctx, ctx.meta[_TYPED]):
            return super().invoke(ctx)


@contextmanager
def _answered_in_json(context: click.Context, typed: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        from flask_chainfix.environment.messages import masked  # rarely needed

        # The message repeats what was typed, perhaps the URL of a database.
        message = printable(masked(error.format_message()))
        if _wants_json(typed):
            from flask_chainfix.cli.streams import echo, style
            from flask_chainfix.report import render
            from flask_chainfix.report.results import Failed

            command = context.invoked_subcommand or str(context.info_name)
            path = error.ctx.command_path if error.ctx else f"{context.command_path} {command}"
            wrong = WrongUsage(message, way("see what it takes", f"{path} --help"))
            failed = Failed(command=command, exit_code=error.exit_code, error=wrong)
            with suppress(OSError, CannotWrite):  # click writes to stderr anyway
                echo(render("json", failed, style(None)))
        raise click.UsageError(message, error.ctx) from error


def _wants_json(typed: Sequence[str]) -> bool:
    """Whether the user asked for JSON; click cannot say once parsing has failed."""
    return "--format=json" in typed or ("--format", "json") in pairwise(typed)
