"""Run commands: errors become results, and nothing changes without consent."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

import click
from click.core import ParameterSource

from flask_chainfix.cli.opening import IN_APP, OPENER, as_found, tools_as_typed
from flask_chainfix.cli.output import STDOUT, OutputFile, place_of, show, summarize
from flask_chainfix.cli.streams import detail, echo, error_text, for_people, progress_bar
from flask_chainfix.common import signals
from flask_chainfix.common.errors import (
    CannotRead,
    CannotWrite,
    ChainFixError,
    Declined,
    Interrupted,
    NeedsConsent,
)
from flask_chainfix.common.quoting import option, path_word, words
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.common.signals import Done
from flask_chainfix.model.databases import Backup, DatabaseWishes
from flask_chainfix.report import Detail, render
from flask_chainfix.report.database_results import Finished, RestampScript, Unwound
from flask_chainfix.report.display import shown_path
from flask_chainfix.report.results import BackedUp, Drawn, Failed, Planning, Repaired, Result

if TYPE_CHECKING:
    from flask_chainfix.commands.session import Session

_WAYS_ON = {
    Done.FILES: way("see the chain", "{fixchain} check"),
    Done.REPAIR: way("put the files back", "{fixchain} undo{databases}")
    | way("see what is left to do", "{fixchain} check{databases}"),
    Done.SOME: way("move the stamps that are left", "{fixchain} restamp{databases}")
    | way("put everything back", "{fixchain} undo{databases}"),
}

_P = TypeVar("_P", bound=Result)
_PROGRAMS = ("fixchain", "flask")
_TOOLS = "flask_chainfix.tools"


@contextmanager
def working(session: Session, *, in_bytes: bool = False) -> Iterator[Session]:
    """The session with a progress bar, for work that asks nothing."""
    with progress_bar(sys.stderr, in_bytes=in_bytes) as progress:
        yield replace(session, progress=progress)


@contextmanager
def moving(session: Session) -> Iterator[Session]:
    """Work that moves or restores rows, with a progress bar; an interruption says how they are.

    Raises:
        Interrupted: the user interrupted it.
    """
    signals.record_done(Done.SOME)
    try:
        with working(session) as busy:
            try:
                yield busy
            finally:
                signals.record_done(Done.SOME)  # even if the lock was written last
    except KeyboardInterrupt:
        raise _interrupted() from None


class Call(NamedTuple):
    """A command as it was called, with the options that several commands have.

    Attributes:
        context: click's.
        output_format: the format of the result.
        databases: which databases to read.
        typed: the options that name them, as attributes of ``Tools``.
        no_git: whether to do without Git.
        dry_run: whether to change nothing.
        yes: whether to skip the question.
        scratch: where to run the planned chain first; ``None`` for nowhere.
        backup: whether to back up the databases first.
    """

    context: click.Context
    output_format: str = "text"
    databases: DatabaseWishes = DatabaseWishes()
    typed: Mapping[str, str] = MappingProxyType({})
    no_git: bool = False
    dry_run: bool = False
    yes: bool = False
    scratch: str | None = None
    backup: bool = False

    def run(self, work: Callable[[Session], Result]) -> NoReturn:
        """Open the environment, do work that asks nothing, write its result, and exit."""

        def in_session(session: Session) -> Result:
            with working(session) as busy:
                return work(busy)

        self.open(in_session)

    def change(
        self,
        plan: Callable[[Session], _P],
        question: Callable[[_P], str],
        act: Callable[[Session, _P], Result],
        bar: Callable[[Session], AbstractContextManager[Session]] = working,
    ) -> NoReturn:
        """Open the environment, plan, show the plan, ask, carry it out, and exit.

        Args:
            plan: makes the plan.
            question: the question about a plan; ``""`` if there is nothing to do.
            act: carries the plan out.
            bar: what shows its progress.
        """

        def in_session(session: Session) -> Result:
            with working(session) as busy:
                made = plan(busy)
            asked = question(made)
            if not asked or self.dry_run:
                return made

            def act_with_bar(agreed: _P) -> Result:
                with bar(session) as busy:
                    return act(busy, agreed)

            return self.after_asking(made, asked, act_with_bar)

        self.open(in_session)

    def open(self, work: Callable[[Session], Result]) -> NoReturn:
        """The same as ``run`` for work that asks, or shows its own progress."""
        from flask_chainfix.commands.session import Session

        def opened() -> Result:
            runtime, tools = self.context.meta[OPENER]()
            typed = {**self.typed, "how": self._how()}
            tools = self.context.meta[_TOOLS] = replace(tools, **typed)
            if self.no_git:
                runtime = replace(runtime, environment=replace(runtime.environment, asks_git=False))
            return work(Session(runtime, tools, self.databases))

        self.answer(opened)

    def _how(self) -> str:
        """The options for the result; without --yes, which agrees to one plan only."""
        place = place_of(self.context)
        source = self.context.get_parameter_source("output_format")
        typed = (
            "--dry-run" if self.dry_run else "",
            option("--format", self.output_format) if source is ParameterSource.COMMANDLINE else "",
            f"--output {path_word(str(place.path))}"
            if isinstance(place, OutputFile) and place.path
            else "",
            {Detail.FULL: "--verbose", Detail.VERDICT: "--quiet"}.get(detail(), ""),
        )
        return "".join(f" {each}" for each in typed if each)

    def answer(self, work: Callable[[], Result]) -> NoReturn:
        """Do work that needs no environment, write its result or its error, and exit."""
        signals.record_done(Done.NOTHING)
        context, output_format = self.context, self.output_format
        place = place_of(context) or STDOUT
        try:
            with signals.at_work():
                place.prepare()
                result = work()
        except ChainFixError as error:
            result = _failure(context, error)
        except KeyboardInterrupt:
            result = _failure(context, _interrupted())
        except OSError as error:
            result = _failure(context, unreadable(error))
        stderr_too = output_format != "json"
        try:
            with signals.at_work():
                with progress_bar(sys.stderr) as progress:
                    progress(0, 0, "the picture" if isinstance(result, Drawn) else "the result")
                    output = render(output_format, result, replace(place.style(), detail=detail()))
                is_script = output_format != "text" or isinstance(result, RestampScript)
                place.write(result, output if is_script else for_people(output), output_format)
                summarize(result, output_format, output)
        except (BrokenPipeError, CannotWrite, KeyboardInterrupt) as error:
            if isinstance(error, BrokenPipeError) and not result.is_done:
                raise  # click exits quietly on a closed pipe
            result, stderr_too = _with_output_error(context, result, error), True
        if result.error is not None and stderr_too:
            with suppress(OSError, CannotWrite):  # stderr is gone as well
                echo(error_text(result.error, result.tools, sys.stderr), err=True)
        context.exit(result.exit_code)

    def after_asking(
        self,
        plan: _P,
        question: str,
        act: Callable[[_P], Result],
        prove: Callable[[_P], tuple[_P, Result]] | None = None,
    ) -> Result:
        """Show a plan, prove it if wanted, ask unless the user has agreed, and carry it out.

        Args:
            plan: the plan.
            question: the question for the user.
            act: carries the plan out.
            prove: returns the plan with its proof, and the proof as a result to show.
        """
        question = "" if self.yes else question
        show(plan, self.output_format, question)
        try:
            if prove is not None:
                plan, proof = prove(plan)
                show(proof, self.output_format, question)
                if plan.error is not None:
                    raise plan.error
            if question:
                ask(question)
            return act(plan)
        except ChainFixError as error:
            if self.output_format == "text":  # the plan was shown already
                raise
            return plan.stopped_by(error)


def unreadable(error: OSError) -> CannotRead:
    """The error for a file that unexpectedly could not be used."""
    remedy = "make sure that the file can be read and written, then run the command again"
    return CannotRead(str(error), remedy)


def _interrupted() -> Interrupted:
    done = signals.done_so_far()
    return Interrupted(f"interrupted: {done.value}", _WAYS_ON.get(done, ""))


def _with_output_error(context: click.Context, result: Result, error: BaseException) -> Result:
    """The result as an error for stderr, since stdout failed; it says what was done."""
    if not result.is_done:
        if isinstance(error, KeyboardInterrupt):
            error = _interrupted()
        if result.error is None and isinstance(error, ChainFixError):
            return _failure(context, error)
        return result
    why = "interrupted" if isinstance(error, KeyboardInterrupt) else error.__cause__ or error
    failure = (result.error.message, *result.error.lines) if result.error is not None else ()
    copies = (f"the copy of {each.name} is {shown_path(each.path)}" for each in _copies(result))
    unseen = CannotWrite(
        f"{result.done}, but the result cannot be written: {why}",
        way("see where everything stands", f"{{fixchain}} check{result.tools.databases}"),
        (*failure, *copies),
    )
    return replace(result, error=unseen)


def _copies(result: Result) -> tuple[Backup, ...]:
    """The copies that were made, of which the user would not hear otherwise."""
    made = result.planning if isinstance(result, Repaired) else result
    if isinstance(made, (Planning, Finished, Unwound)):
        return made.backup.backups if made.backup is not None else ()
    return made.backups if isinstance(made, BackedUp) else ()


def _failure(context: click.Context, error: ChainFixError) -> Failed:
    tools = context.meta.get(_TOOLS) or _tools_as_typed(context)
    command = str(context.info_name)
    return Failed(command=command, exit_code=error.exit_code, tools=tools, error=error)


def _tools_as_typed(context: click.Context) -> Tools:
    """The commands with the options for an environment that could not be opened."""
    if context.meta[IN_APP] or context.parent is None:
        return tools_by_name(context)
    return tools_as_typed(**context.parent.params)


def tools_by_name(context: click.Context) -> Tools:
    """The commands as the user called them, without an environment."""
    group = context.parent or context
    above = group.parent if context.meta[IN_APP] else None
    alembic, program = above.command_path if above else "alembic", group.command_path
    return Tools(as_found(alembic), as_found(program), program=as_found(program))


def _command_with_yes() -> Remedy:
    """The command that was typed, plus --yes, without passwords."""
    text = "to agree without being asked"
    program, *typed = sys.argv
    program = os.path.basename(program)
    if program not in _PROGRAMS:
        return Remedy.of(f"{text}, run the same command with --yes")
    given = words((*map(_without_password, typed), "--yes"))
    return way(text, f"{as_found(program)} {given}")


def _without_password(part: str) -> str:
    """A word of a command without a password in it."""
    from flask_chainfix.environment.messages import as_typed, masked

    if masked(part) == part:
        return part
    name, equals, url = part.partition("=")
    return f"{name}={as_typed(url)}" if equals and name == "--database" else as_typed(part)


def ask(question: str) -> None:
    """Go on only if the user says yes.

    Raises:
        Declined: the user says no.
        NeedsConsent: there is nobody to ask.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise NeedsConsent(
            "no terminal to ask on; pass --yes",
            _command_with_yes(),
            unchanged=True,
        )
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D is an answer, too
        echo("\n", err=True)
        agreed = False
    if not agreed:
        raise Declined("Nothing was changed.", "")
