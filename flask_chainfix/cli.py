"""Options -> workflow -> echo; nothing else."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import click

from flask_chainfix import rehearsals, workflows
from flask_chainfix.errors import (
    CannotRead,
    CannotWrite,
    ChainFixError,
    Declined,
    Interrupted,
    NeedsConsent,
)
from flask_chainfix.formats import Style, format_names, printable, progress_bar, render
from flask_chainfix.model import Wishes
from flask_chainfix.opening import enter_app, open_from_app, open_from_files
from flask_chainfix.report import Report, Tools
from flask_chainfix.runtime import RehearsalRequest, Runtime
from flask_chainfix.strategies import strategy_names

_OPENER = "flask_chainfix.opener"
_strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Count warnings like errors; also link bases that merge points already join.",
)


def _format_option(*names: str) -> Callable[[Any], Any]:
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(names),
        default="text",
        show_default=True,
        help="How to write the result.",
    )


@click.command()
@_strict_option
@click.option(
    "--schema",
    is_flag=True,
    help="Look at what the migrations do to the schema, too, also if nothing needs repair.",
)
@_format_option(*format_names())
@click.pass_context
def check(context: click.Context, strict: bool, schema: bool, output_format: str) -> None:
    """Say what is wrong with the migration chain; change nothing.

    Reads the files only: no migration is imported, no database is asked. Exits with 1 if there
    are errors.
    """
    _run(
        context,
        output_format,
        lambda runtime, tools: workflows.check(runtime, tools, strict=strict, schema=schema),
    )


def _parse_attach(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    attach: dict[str, str] = {}
    for value in values:
        revision, equals, parent = value.partition("=")
        if not (revision and equals and parent):
            raise click.BadParameter(f"{value!r} is not of the form REVISION=PARENT")
        if revision in attach:
            raise click.BadParameter(f"{revision} is attached twice")
        attach[revision] = parent
    return attach


@click.command()
@click.option(
    "--strategy",
    type=click.Choice(strategy_names()),
    default=strategy_names()[0],
    show_default=True,
    help="One chain; or branches beside each other, joined by a merge revision.",
)
@click.option("--root", metavar="REVISION", help="The base that stays.")
@click.option(
    "--attach",
    metavar="REVISION=PARENT",
    multiple=True,
    callback=_parse_attach,
    help="Put a revision on this parent; may be given several times.",
)
@_strict_option
@click.option(
    "--rehearse",
    "database",
    metavar="[URL]",
    is_flag=False,
    flag_value="sqlite://",
    help="First run the planned chain on a scratch database, as the command rehearse does.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and the diff; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_format_option("text", "json")
@click.pass_context
def repair(
    context: click.Context,
    /,
    dry_run: bool,
    yes: bool,
    output_format: str,
    database: str | None,
    **wishes: Any,
) -> None:
    """Relink the chain to one base and one head.

    Shows the plan, the diff and the chain before and after, and asks. Then rewrites
    down_revision in the files, and lets Alembic confirm the result; otherwise every file is put
    back.
    """

    def work(runtime: Runtime, tools: Tools) -> Report:
        report = workflows.plan_repair(runtime, tools, Wishes(**wishes))
        prove = partial(_prove, runtime, database) if database else None
        if report.plan is None or dry_run:
            return prove(report) if prove and report.plan is not None else report
        return _after_asking(
            report,
            output_format,
            "" if yes else "Make these changes?",
            partial(workflows.carry_out, runtime),
            prove,
        )

    _run(context, output_format, work)


def _prove(runtime: Runtime, database: str, report: Report) -> Report:
    with progress_bar(sys.stderr) as progress:
        request = RehearsalRequest(database=database)
        return rehearsals.rehearse_plan(runtime, report, request, progress)


def _parse_from(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


@click.command()
@click.option(
    "--database",
    metavar="URL",
    help="Make the scratch databases on this PostgreSQL, MariaDB or MySQL server, or as this new"
    " SQLite file.  [default: a temporary SQLite file]",
)
@click.option(
    "--from",
    "start",
    metavar="REVISION[,REVISION]",
    callback=_parse_from,
    help="Upgrade a database that the chain before the last repair has stamped there.",
)
@click.option("--keep", is_flag=True, help="Do not drop the scratch databases.")
@_format_option("text", "json")
@click.pass_context
def rehearse(
    context: click.Context,
    database: str | None,
    start: tuple[str, ...],
    keep: bool,
    output_format: str,
) -> None:
    """Prove the chain on a scratch database, never on the app's.

    Upgrades a new database to the head, downgrades it to the base, upgrades it again, and compares
    it with the models. Exits with 1 if it differs from them.
    """

    def work(runtime: Runtime, tools: Tools) -> Report:
        request = RehearsalRequest(database=database, keep=keep, start=start)
        with progress_bar(sys.stderr) as progress:
            checked = workflows.check(runtime, tools, strict=False)
            return rehearsals.rehearse(runtime, checked, request, progress)

    _run(context, output_format, work)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_format_option("text", "json")
@click.pass_context
def undo(context: click.Context, yes: bool, output_format: str) -> None:
    """Put back the files of the last repair, byte for byte.

    Also after a repair that was killed half-way. Refuses where a file has been changed since.
    """

    def work(runtime: Runtime, tools: Tools) -> Report:
        report = workflows.plan_undo(runtime, tools)
        return _after_asking(
            report,
            output_format,
            "" if yes else _undo_question(report),
            partial(workflows.carry_out_undo, runtime),
        )

    _run(context, output_format, work)


def _run(
    context: click.Context, output_format: str, work: Callable[[Runtime, Tools], Report]
) -> None:
    """Open the environment, do the work, and turn its report or its error into output."""
    try:
        runtime, tools = context.meta[_OPENER]()
        report = work(runtime, tools)
    except ChainFixError as error:
        report = _failure(context, error)
    except KeyboardInterrupt:
        message = "interrupted; nothing was changed, or every file was put back"
        report = _failure(context, Interrupted(message, "run the command again when you like"))
    except OSError as error:
        remedy = "make sure that the file can be read and written, then run the command again"
        report = _failure(context, CannotRead(str(error), remedy))
    stderr_too = output_format != "json"
    try:
        _echo(render(output_format, report, _style(sys.stdout)))
    except (BrokenPipeError, CannotWrite) as error:
        if isinstance(error, BrokenPipeError) and not report.done:
            raise  # click ends quietly when nobody reads on
        report, stderr_too = _unwritten(context, report, error), True
    if report.error is not None and stderr_too:
        with suppress(OSError, CannotWrite):  # nobody is left to be told
            _echo(_error_text(report.error), err=True)
    context.exit(report.exit_code)


def _unwritten(context: click.Context, report: Report, error: Exception) -> Report:
    """The report with an error for stderr, as nothing else can be told: also of what was done."""
    if not report.done:
        if report.error is None and isinstance(error, CannotWrite):
            return _failure(context, error)
        return report
    fixchain = report.tools.fixchain
    what, remedy = (
        ("the files were put back", f"`{fixchain} check` shows the chain")
        if report.command == "undo"
        else ("the repair was made", f"undo puts the files back with `{fixchain} undo`")
    )
    message = f"{what}, but the result cannot be written: {error.__cause__ or error}"
    return replace(report, error=CannotWrite(message, remedy))


def _error_text(error: ChainFixError) -> str:
    lines = f"error: {error.message}\nremedy: {error.remedy}".splitlines()
    return "".join(f"{printable(line)}\n" for line in lines)


def _failure(context: click.Context, error: ChainFixError) -> Report:
    return Report(str(context.info_name), exit_code=error.exit_code, error=error)


def _after_asking(
    report: Report,
    output_format: str,
    question: str,
    act: Callable[[Report], Report],
    prove: Callable[[Report], Report] | None = None,
) -> Report:
    """Show what would be done, prove it if wanted, ask unless there is no question, and do it."""
    _show(report, output_format, question)
    try:
        if prove is not None:
            report = prove(report)
            _show(replace(report, command="rehearse"), output_format, question)
            if report.error is not None:
                raise report.error
        if question:
            _ask(question)
        return act(report)
    except ChainFixError as error:
        if output_format == "text":  # the report has been shown
            raise
        return replace(report, exit_code=error.exit_code, error=error)


def _show(report: Report, output_format: str, question: str) -> None:
    if output_format == "text":
        _echo(render("text", report, _style(sys.stdout)))
    elif question:
        _echo(render("text", report, _style(sys.stderr)), err=True)


def _ask(question: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        raise NeedsConsent(
            "nobody can be asked here, and --yes was not given",
            "nothing was changed; look at the change, then run the command with --yes",
        )
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D is an answer, too
        _echo("\n", err=True)
        agreed = False
    if not agreed:
        raise Declined("declined", "nothing was changed")


def _undo_question(report: Report) -> str:
    if not report.deleted:
        return "Put these files back?"
    return "Put back and delete these files?" if report.restored else "Delete these files?"


def _style(stream: Any) -> Style:
    # A process that was started without a stream has None in its place.
    terminal = stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    return Style(
        width=max(40, shutil.get_terminal_size((80, 24)).columns),
        color=terminal and not os.environ.get("NO_COLOR"),
        ascii_only=not _can_encode("●│╮┆…✗◆“”→", stream),
    )


def _can_encode(text: str, stream: Any) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _echo(text: str, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    encoding = stream.encoding or "ascii"
    encodable = text.encode(encoding, errors="replace").decode(encoding)
    try:
        # Colours are in the text only if they are wanted.
        click.echo(encodable, nl=False, err=err, color=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"the output cannot be written: {error}"
        remedy = "nothing was changed; send the output somewhere else"
        raise CannotWrite(message, remedy) from error


@click.group("fixchain")
@click.option("-d", "--directory", help="Migration script directory (default: the app's own).")
@click.pass_context
def app_group(context: click.Context, directory: str | None) -> None:
    """Diagnose and relink the migration chain."""
    enter_app(context)
    context.meta[_OPENER] = lambda: open_from_app(context, directory)


@click.group("fixchain")
@click.option(
    "-d",
    "--directory",
    metavar="DIR",
    help="Directory with env.py and versions/.  [default: migrations]",
)
@click.option("-c", "--config", metavar="FILE", help="An alembic.ini or pyproject.toml instead.")
@click.version_option(package_name="flask-chainfix")
@click.pass_context
def main(context: click.Context, directory: str | None, config: str | None) -> None:
    """Diagnose and relink an Alembic migration chain, without an app."""
    if directory and config:
        raise click.UsageError("give either --directory or --config, not both")
    context.meta[_OPENER] = lambda: open_from_files(directory, config)


for _group in (app_group, main):
    for _command in (check, repair, rehearse, undo):
        _group.add_command(_command)
