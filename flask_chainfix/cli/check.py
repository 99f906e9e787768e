"""The command ``check``."""

from __future__ import annotations

from dataclasses import replace

import click

from flask_chainfix.cli.options import (
    database_options,
    detail_options,
    format_option,
    no_git_option,
    require_git,
    strict_option,
)
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands import check as command
from flask_chainfix.commands.check import Against
from flask_chainfix.commands.session import Session
from flask_chainfix.common.quoting import ref_word, word
from flask_chainfix.report import format_names
from flask_chainfix.report.results import Checked


@click.command(cls=Command, example="--strict")
@strict_option
@click.option(
    "--schema",
    is_flag=True,
    help="Also check what the migrations do to the schema if the chain itself needs no repair.",
)
@click.option(
    "--staged",
    is_flag=True,
    help="Check what is staged for the next commit, not what is on disk.",
)
@click.option(
    "--against",
    "ref",
    metavar="REF",
    help="Compare with a Git revision such as origin/main: report which of its revisions you"
    " changed, and what merging it would break.",
)
@click.option(
    "--allow",
    "allowed",
    metavar="REVISION",
    multiple=True,
    help="With --against, accept that this revision was changed on purpose; may be given"
    " several times.",
)
@click.option(
    "--with",
    "others",
    metavar="REF",
    multiple=True,
    help="With --against, also compare another branch that has not landed yet: report which"
    " branches cannot land together, and an order in which they can; may be given several times.",
)
@click.option(
    "--since",
    metavar="REF",
    help="Report and count only findings about migrations that are new or changed since this Git"
    " revision.",
)
@click.option(
    "--sql",
    is_flag=True,
    help="With --against, also show the SQL of the new revisions. This loads the app and env.py,"
    " and runs these migrations in Alembic's offline mode, without a database.",
)
@no_git_option
@database_options(in_passing=True)
@format_option(*format_names())
@detail_options
def check(  # noqa: PLR0913  (an option each)
    call: Call,
    *,
    strict: bool,
    schema: bool,
    staged: bool,
    ref: str | None,
    allowed: tuple[str, ...],
    others: tuple[str, ...],
    since: str | None,
    sql: bool,
) -> None:
    """Say what is wrong with the migration chain.

    Changes nothing, and imports no migration unless you pass --sql. In an app, also reads the app's
    own databases, for two seconds at most. Exits with 1 if there are errors.
    """
    if allowed and ref is None:
        raise click.UsageError("--allow needs --against")
    if others and ref is None:
        raise click.UsageError("--with needs --against")
    if sql and ref is None:
        raise click.UsageError("--sql needs --against")
    require_git(call, against=ref, since=since, staged=staged)
    against = None if ref is None else Against(ref, frozenset(allowed), others)

    typed = f"{' --staged' if staged else ''}{_as_typed(against, since)}"

    def work(session: Session) -> Checked:
        return command.check(
            replace(session, tools=replace(session.tools, against=typed)),
            strict=strict,
            schema=schema,
            staged=staged,
            against=against,
            since=since,
            sql=sql,
        )

    call.run(work)


def _as_typed(against: Against | None, since: str | None) -> str:
    """The options as the user would type them again."""
    new = "" if since is None else f" --since {ref_word(since)}"
    if against is None:
        return new
    allowed = "".join(f" --allow {word(revision)}" for revision in sorted(against.allowed))
    others = "".join(f" --with {ref_word(other)}" for other in against.others)
    return f" --against {ref_word(against.ref)}{others}{allowed}{new}"
