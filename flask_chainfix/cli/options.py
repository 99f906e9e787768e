"""Options that several commands share, and how they are parsed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from flask_chainfix.cli.opening import IN_APP
from flask_chainfix.cli.output import STDOUT, OutputFile, send_to
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.streams import DETAIL
from flask_chainfix.common.quoting import option, word
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report import Detail

OWN = "\0own"  # the value of --database without a URL; it cannot be typed
EMPTY_URL = "--database has an empty URL: is a variable not set?"
_VALUES = ("urls", "file", "schemas", "stamps", "no_database")
Decorator = Callable[[Any], Any]


def format_option(*names: str) -> Decorator:
    """``--format`` with these formats (default: those of most commands), and ``--output``."""
    names = names or ("text", "json", "markdown")
    which = click.option(
        "--format",
        "output_format",
        type=click.Choice(names),
        default=names[0] if "text" not in names else "text",
        show_default=True,
        help="How to write the result.",
    )
    where = click.option(
        "--output",
        metavar="FILE",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_to_file,
        help="Write the result to this file atomically; - is stdout. A file is overwritten"
        " only if fixchain wrote it.",
    )
    return lambda command: which(where(command))


def _to_file(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        send_to(context, STDOUT if path == Path("-") else OutputFile(path))


def _choose_detail(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value:
        return
    chosen = Detail.VERDICT if parameter.name == "quiet" else Detail.FULL
    if context.meta.setdefault(DETAIL, chosen) is not chosen:
        raise click.UsageError("--quiet and --verbose contradict each other", context)


def detail_options(command: Any) -> Any:
    """``--quiet`` and ``--verbose``, which apply to the format ``text``."""
    for name, letter, text in (
        ("verbose", "v", "Show everything: all reasons, places and remedies."),
        ("quiet", "q", "Show only the verdict, and no progress."),
    ):
        command = click.option(
            f"--{name}",
            f"-{letter}",
            is_flag=True,
            expose_value=False,
            callback=_choose_detail,
            help=text,
        )(command)
    return command


against_option = click.option(
    "--against",
    metavar="REF",
    help="Compare with the migrations at a Git revision such as origin/main.",
)

strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Treat warnings as errors; repair mends them too, and links bases that merge points"
    " already join.",
)

no_git_option = click.option(
    "--no-git",
    is_flag=True,
    help="Do not use Git: ignore the main branch, releases, when migrations landed, and the history"
    " of lost ones.",
)


def require_git(call: Call, **asked: str | bool | None) -> None:
    """Refuse ``--no-git`` beside an option that needs Git."""
    for name, value in asked.items():
        if call.no_git and value not in (None, False):
            raise click.UsageError(f"--no-git and --{name} contradict each other")


accept_option = click.option(
    "--accept",
    metavar="CODE",
    type=click.Choice(("FC201", "FC203", "FC205"), case_sensitive=False),
    multiple=True,
    help="Accept this schema fault in the planned chain; it stays a finding. May be given several"
    " times.",
)

rehearse_option = click.option(
    "--rehearse",
    "scratch",
    metavar="[URL]",
    is_flag=False,
    flag_value="sqlite://",
    help="First rehearse the planned chain on a scratch database, from the base and from where each"
    " known database stands; 'own' instead of a URL means the server of the app's own database.",
)


def from_variable(written: str) -> str:
    """The URL itself, or the value of the environment variable with this name.

    Raises:
        UsageError: there is no such variable.
    """
    from flask_chainfix.environment.messages import VARIABLE

    if not VARIABLE.fullmatch(written):
        return written
    if written.isupper() and written not in os.environ:  # in lower case it may be a password
        raise click.UsageError(
            f"there is no environment variable {written}: set it to the URL of the database, or"
            " write the URL itself"
        )
    return os.environ.get(written, written)


database_option = click.option(
    "--database",
    "urls",
    metavar="[URL]",
    is_flag=False,
    flag_value=OWN,
    multiple=True,
    callback=lambda _context, _option, values: tuple(map(from_variable, values)),
    help="A database: its URL, or the environment variable that holds it; without a value,"
    " the app's own or that of alembic.ini. May be given several times.",
)

_DATABASE_OPTIONS = (
    database_option,
    click.option(
        "--databases",
        "file",
        metavar="FILE",
        help="A file that names databases: one URL, or environment variable, per line.",
    ),
    click.option(
        "--schemas",
        metavar="PATTERN",
        help="Schemas of these databases that have a version table each, such as 'tenant_*'.",
    ),
)


def _parse_stamps(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    stamps = tuple(parse_revisions(value) for value in values)
    if not all(stamps):
        raise click.BadParameter("a revision is missing")
    return stamps


_STAMP_OPTION = click.option(
    "--stamp",
    "stamps",
    metavar="REVISION[,REVISION]",
    multiple=True,
    callback=_parse_stamps,
    help="The stamp of a database that cannot be reached from here. May be given several times.",
)

_NO_DATABASE_OPTION = click.option(
    "--no-database",
    is_flag=True,
    help="Leave out the app's own databases, and those of alembic.ini.",
)


def database_options(
    *, in_passing: bool = False, beside_named: bool = True, stamps: bool = True
) -> Decorator:
    """The options that name databases; the command gets them in its ``Call``.

    They include the app's own databases, or those of the configuration, unless the user passes
    ``--no-database``.

    Args:
        in_passing: whether to read the own databases only in an app, and briefly, unless the user
            asks for them.
        beside_named: whether to include the own databases even if the user names others.
        stamps: whether to offer ``--stamp``.
    """
    options = [*_DATABASE_OPTIONS, *([_STAMP_OPTION] if stamps else []), _NO_DATABASE_OPTION]

    def decorate(command: Callable[..., None]) -> Any:
        @wraps(command)
        def with_databases(call: Call, **values: Any) -> None:
            named = {name: values.pop(name) for name in _VALUES if name in values}
            by_default = not in_passing or call.context.meta[IN_APP]
            if not beside_named and (named["urls"] or named["file"]):
                by_default = False
            wishes = _wishes_from(named, by_default=by_default)
            if in_passing and OWN not in named["urls"] and wishes.schemas is None:
                wishes = replace(wishes, in_passing=True)
            call = call._replace(databases=wishes, typed=_as_typed(wishes, named))
            command(call=call, **values)

        decorated: Any = with_databases
        for decorate in reversed(options):
            decorated = decorate(decorated)
        return decorated

    return decorate


def _wishes_from(values: Mapping[str, Any], *, by_default: bool) -> DatabaseWishes:
    urls, without = values["urls"], values.get("no_database", False)
    if "" in urls:
        raise click.UsageError(EMPTY_URL)
    if without and OWN in urls:
        raise click.UsageError("--no-database and --database without a URL contradict each other")
    wishes = DatabaseWishes(
        own=OWN in urls or (by_default and not without),
        urls=tuple(url for url in urls if url != OWN),
        file=values["file"],
        schemas=values["schemas"],
        stamps=values.get("stamps", ()),
    )
    if wishes.schemas is not None and not (wishes.own or wishes.urls or wishes.file):
        raise click.UsageError("--schemas needs a database to look in: --database")
    return wishes


def _as_typed(wishes: DatabaseWishes, values: Mapping[str, Any]) -> dict[str, str]:
    """The options as the user would type them again, as attributes of ``Tools``."""
    named = ""
    if wishes.urls:
        from flask_chainfix.environment.messages import as_typed

        named = "".join(f" --database {word(as_typed(url))}" for url in wishes.urls)
    own = " --database" if OWN in values["urls"] else ""
    own = " --no-database" if values.get("no_database") else own
    schemas = f" --schemas {word(wishes.schemas)}" if wishes.schemas else ""
    named += (f" --databases {word(wishes.file)}" if wishes.file else "") + schemas
    stamps = "".join(f" {option('--stamp', ','.join(rows))}" for rows in wishes.stamps)
    return {"databases": own + named, "own": own + schemas, "named": named, "stamps": stamps}


def parse_revisions(text: str) -> tuple[str, ...]:
    """Parse ids separated by commas; sorted, without duplicates."""
    return tuple(sorted({part.strip() for part in text.split(",") if part.strip()}))


def pairs(
    form: str, *, needs_value: bool = True, of_rows: bool = False
) -> Callable[..., dict[str, Any]]:
    """A callback that parses ``REVISION=OTHER`` options into a dictionary.

    Args:
        form: how the option is written, for the error.
        needs_value: whether ``=OTHER`` is required; if it is left out, the value is ``None``.
        of_rows: whether REVISION is a row of a database, which may be any text, even ``""``.
    """

    def parse(
        context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
    ) -> dict[str, Any]:
        parsed: dict[str, str | None] = {}
        for value in values:
            revision, equals, other = value.rpartition("=") if of_rows else value.partition("=")
            if not (revision or of_rows) or ((equals or needs_value) and not (equals and other)):
                raise click.BadParameter(f"{value!r} is not of the form {form}")
            if revision in parsed:
                raise click.BadParameter(f"{revision} is named twice")
            parsed[revision] = other or None
        return parsed

    return parse
