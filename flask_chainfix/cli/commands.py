"""The commands ``check``, ``rehearse`` and ``undo``."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from flask_chainfix import rehearsals, workflows
from flask_chainfix.cli.options import (
    database_options,
    format_option,
    no_git_option,
    parse_revisions,
    strict_option,
    without_git,
)
from flask_chainfix.cli.running import after_asking, moving, run
from flask_chainfix.formats import format_names, progress_bar
from flask_chainfix.gate import Against
from flask_chainfix.languages import ref_word, word
from flask_chainfix.model import DatabaseWishes
from flask_chainfix.report import Report, Tools
from flask_chainfix.runtime import OWN_SERVER, RehearsalRequest, Runtime
from flask_chainfix.runtime.messages import from_variable


@click.command()
@strict_option
@click.option(
    "--schema",
    is_flag=True,
    help="Look at what the migrations do to the schema, too, also if nothing needs repair.",
)
@click.option(
    "--against",
    "ref",
    metavar="REF",
    help="Also look whether revisions that this Git revision has were changed, such as"
    " origin/main.",
)
@click.option(
    "--allow",
    "allowed",
    metavar="REVISION",
    multiple=True,
    help="Let this revision be changed all the same, by a deliberate repair; may be given several"
    " times.",
)
@no_git_option
@database_options(in_passing=True)
@format_option(*format_names())
def check(  # noqa: PLR0913  (an option each)
    context: click.Context,
    /,
    *,
    strict: bool,
    schema: bool,
    ref: str | None,
    allowed: tuple[str, ...],
    no_git: bool,
    databases: DatabaseWishes,
    output_format: str,
) -> None:
    """Say what is wrong with the migration chain; change nothing.

    No migration is imported. In an app, its own databases are looked at in passing: read only, for
    two seconds at most. Exits with 1 if there are errors.
    """
    if allowed and ref is None:
        raise click.UsageError("--allow says what may differ from a Git revision: add --against")
    if no_git and ref is not None:
        raise click.UsageError("--no-git and --against contradict each other")
    against = None if ref is None else Against(ref, frozenset(allowed))

    def work(runtime: Runtime, tools: Tools) -> Report:
        with progress_bar(sys.stderr) as progress:
            return workflows.check(
                without_git(runtime, no_git),
                replace(tools, against=_written(against)),
                strict=strict,
                schema=schema,
                databases=databases,
                against=against,
                progress=progress,
            )

    run(context, output_format, work)


def _written(against: Against | None) -> str:
    """The options as the user would type them again."""
    if against is None:
        return ""
    allowed = "".join(f" --allow {word(revision)}" for revision in sorted(against.allowed))
    return f" --against {ref_word(against.ref)}{allowed}"


def _parse_from(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...]:
    return parse_revisions(value or "")


@click.command()
@click.option(
    "--database",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN_SERVER,
    help="Make the scratch databases on this PostgreSQL, MariaDB or MySQL server, or as this new"
    " SQLite file; without a URL, on the server of the app's own database.  [default: a temporary"
    " SQLite file]",
)
@click.option(
    "--from",
    "start",
    metavar="REVISION[,REVISION]",
    callback=_parse_from,
    help="Upgrade a database that the chain before the last repair has stamped there.",
)
@click.option("--keep", is_flag=True, help="Do not drop the scratch databases.")
@format_option("text", "json")
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
        url = None if database is None else from_variable(database)
        request = RehearsalRequest(database=url, keep=keep, start=start)
        with progress_bar(sys.stderr) as progress:
            examined = workflows.examine(runtime, tools)
            return rehearsals.rehearse(runtime, examined, request, progress)

    run(context, output_format, work)


@click.command()
@database_options(stamps=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option("text", "json")
def undo(
    context: click.Context, /, *, databases: DatabaseWishes, yes: bool, output_format: str
) -> None:
    """Put back the files of the last repair, byte for byte, and before them the stamps.

    Also after a repair that was killed half-way. A database that was upgraded since gets the stamp
    of what has run there. Refuses where a file has been changed since, or a database cannot go back
    to the old files; then nothing is changed.
    """

    def work(runtime: Runtime, tools: Tools) -> Report:
        with progress_bar(sys.stderr) as progress:
            report = workflows.plan_undo(runtime, tools, databases, progress)

        def act(agreed: Report) -> Report:
            with moving() as progress:
                return workflows.carry_out_undo(runtime, agreed, databases, progress)

        return after_asking(report, output_format, "" if yes else _undo_question(report), act)

    run(context, output_format, work)


def _undo_question(report: Report) -> str:
    if not (report.restored or report.deleted):
        return "Put these stamps back?"
    if not report.deleted:
        return "Put these files back?"
    return "Put back and delete these files?" if report.restored else "Delete these files?"
