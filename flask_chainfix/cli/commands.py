"""The commands: their options, and the workflow that each of them calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from flask_chainfix import rehearsals, workflows
from flask_chainfix.cli.running import after_asking, run
from flask_chainfix.formats import format_names, progress_bar
from flask_chainfix.model import Wishes
from flask_chainfix.report import Report, Tools
from flask_chainfix.runtime import RehearsalRequest, Runtime
from flask_chainfix.strategies import strategy_names

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
    run(
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
        return after_asking(
            report,
            output_format,
            "" if yes else "Make these changes?",
            partial(workflows.carry_out, runtime),
            prove,
        )

    run(context, output_format, work)


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
            examined = workflows.examine(runtime, tools)
            return rehearsals.rehearse(runtime, examined, request, progress)

    run(context, output_format, work)


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
        return after_asking(
            report,
            output_format,
            "" if yes else _undo_question(report),
            partial(workflows.carry_out_undo, runtime),
        )

    run(context, output_format, work)


def _undo_question(report: Report) -> str:
    if not report.deleted:
        return "Put these files back?"
    return "Put back and delete these files?" if report.restored else "Delete these files?"
