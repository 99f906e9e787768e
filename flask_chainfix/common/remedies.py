"""Remedies: what a person can do, the best way first, each with whole commands."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import PLACEHOLDER, words

REPAIR = "{fixchain} repair{databases}"
MERGE = f"{REPAIR} --strategy merge"
LINE = f"{REPAIR} --strategy linear"
PLAIN_REPAIRS = (REPAIR, MERGE)  # they leave everything to the plan


# Alembic's commands that change a database.
_CHANGING = re.compile(r"\{alembic\} (?:stamp|upgrade|downgrade) (?!.*--sql)")
_GIT = re.compile(r"^(GIT_EDITOR=true )?git ")


class Way(NamedTuple):
    """One way out.

    Attributes:
        text: what it does, a sentence without a full stop; it introduces the commands.
        commands: the commands to type, in this order. ``{fixchain}`` and ``{alembic}`` stand for
            the commands of this project, ``{databases}`` for the options that name its databases,
            ``{own}`` for those of the app's own databases and ``{named}`` for the others;
            ``{asked}`` is ``{databases}`` for a command that reads databases only on request;
            ``{how}`` stands for those that say how the command at work answers;
            ``{program} -d DIR`` is ``{fixchain}`` in another environment, and ``{group}`` is
            Flask-Migrate's group, ``db`` where no app says otherwise.
        lines: lines of a file to copy, below the sentence.
        here: whether it is about a database that ``env.py`` uses already.
    """

    text: str
    commands: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    here: bool = False

    @property
    def whole(self) -> str:
        """The sentence with its lines."""
        return "\n".join((self.text, *self.lines))

    @property
    def runs_env_py(self) -> bool:
        """Whether a command changes the database that ``env.py`` uses."""
        return any(map(_CHANGING.match, self.commands))

    def __str__(self) -> str:
        if not self.commands:
            return self.whole
        return f"{self.whole}: {', then '.join(f'`{command}`' for command in self.commands)}"


@dataclass(frozen=True)
class Remedy:
    """The ways out of one trouble, the best first."""

    ways: tuple[Way, ...] = ()

    @classmethod
    def of(cls, advice: str | Remedy) -> Remedy:
        """The same advice as a remedy; a text is one way without a command."""
        if isinstance(advice, Remedy):
            return advice
        return cls((Way(advice),) if advice else ())

    def __or__(self, other: str | Remedy) -> Remedy:
        """Add another way, which comes last."""
        return Remedy(self.ways + Remedy.of(other).ways)

    def __ror__(self, other: str) -> Remedy:
        """Add a sentence as the first way."""
        return Remedy.of(other) | self

    def instead_of(self, commands: Collection[str], others: Remedy) -> Remedy:
        """The same with other ways in place of those that only run one of some commands."""
        left = tuple(way for way in self.ways if not _types_only(way, commands))
        if len(left) == len(self.ways):
            return self
        return Remedy(tuple(dict.fromkeys(others.ways + left)))

    def without(self, command: str) -> Remedy:
        """The ways without a command that begins like this."""
        return Remedy(
            tuple(
                way
                for way in self.ways
                if not any(typed.startswith(command) for typed in way.commands)
            )
        )

    def repairing_also(self, options: str) -> Remedy:
        """The same ways with these options in each command that repairs."""
        plain, asked = "{fixchain} repair", f"{{fixchain}} repair {options}"
        return Remedy(
            tuple(
                way._replace(
                    commands=tuple(
                        f"{asked}{typed.removeprefix(plain)}" if typed.startswith(plain) else typed
                        for typed in way.commands
                    )
                )
                for way in self.ways
            )
        )

    def placed(self, *, here: bool) -> Remedy:
        """The same for a database that ``env.py`` uses already, or does not."""
        return Remedy(tuple(way._replace(here=here) for way in self.ways))

    def __bool__(self) -> bool:
        return bool(self.ways)

    def __str__(self) -> str:
        """All ways on one line, with commands in backticks."""
        return "; or ".join(map(str, self.ways))

    def __contains__(self, text: str) -> bool:
        return text in str(self)

    def spelled(self, tools: Tools) -> Remedy:
        """The same with the placeholders filled in."""
        return Remedy(tuple(map(tools.spelled, self.ways)))


def _types_only(way: Way, commands: Collection[str]) -> bool:
    return bool(way.commands) and set(way.commands).issubset(commands)


def way(text: str, *commands: str) -> Remedy:
    """A remedy with one way: a sentence, and the commands to type."""
    return Remedy((Way(text, commands),))


def repairing(options: Iterable[str]) -> str:
    """The command that repairs with these options."""
    return f"{{fixchain}} repair {words(options)}{{databases}}"


def linked(command: str = REPAIR) -> Remedy:
    """How to link several heads into one line."""
    return way("link them into one chain", command)


def joined(command: str = MERGE) -> Remedy:
    """How to join several heads with a merge revision."""
    return way("join them with a merge revision", command)


def concluding(operation: str) -> str:
    """The command that goes on with a stopped operation of Git, and opens no editor.

    Args:
        operation: as Git calls it: ``merge``, ``rebase``, ``cherry-pick``, ``revert`` or ``am``.
    """
    if operation == "merge":
        return "git commit --no-edit"
    if os.name == "nt":  # not every shell there can set a variable for one command
        return f"git -c core.editor=true {operation} --continue"
    return f"GIT_EDITOR=true git {operation} --continue"  # the variable would precede the setting


# --- The commands of this project ----------------------------------------------------------------


@dataclass(frozen=True)
class Tools:
    """The commands of this project, as the user would type them.

    Attributes:
        alembic: the command that runs Alembic's commands, for example ``flask db``.
        fixchain: the command that runs ours, for example ``flask db fixchain``.
        databases: the options that name the given databases, each with a leading space; passwords
            are masked.
        own: the same for the app's own only, for example ``--no-database``.
        named: the same without the app's own.
        stamps: the same for the databases of ``--stamp``.
        against: the options for what ``check`` compares the files with, and ``--staged``.
        how: the options that say how this command answers, for example ``--dry-run``.
        program: the same as ``fixchain`` without the options that name an environment.
        by_name: the same as ``fixchain`` for a file that others may use, or that sets its path.
        git: the command that runs Git where the migrations are.
    """

    alembic: str = "flask db"
    fixchain: str = "flask db fixchain"
    databases: str = ""
    own: str = ""
    named: str = ""
    stamps: str = ""
    against: str = ""
    how: str = ""
    program: str = "flask db fixchain"
    by_name: str = "flask db fixchain"
    git: str = "git"

    def in_work_tree(self, command: str) -> str:
        """A command that, if it is one of Git, runs where the migrations are."""
        return _GIT.sub(lambda found: f"{found[1] or ''}{self.git} ", command)

    def spell_out(self, text: str) -> str:
        """Text with its placeholders replaced by commands and options.

        The placeholders are ``{alembic}``, ``{fixchain}``, ``{databases}`` with its parts ``{own}``
        and ``{named}``, ``{asked}``: all databases, or the app's own if none is named,
        ``{how}``, ``{program}``, and ``{group}``.
        """
        typed = self.program.split()
        meant = {
            "alembic": self.alembic,
            "fixchain": self.fixchain,
            "databases": f"{self.databases}{self.stamps}",
            "named": f"{self.named}{self.stamps}",
            "own": self.own,
            "how": self.how,
            "program": self.program,
            "group": typed[-2] if self.fixchain.startswith(self.alembic) else "db",
            "asked": f"{self.databases}{self.stamps}" or " --database",
        }
        # In a single pass: the inserted text is from others and may look like a placeholder.
        return PLACEHOLDER.sub(lambda found: meant[found[1]], text)

    def spelled(self, way: Way) -> Way:
        """A way with its placeholders filled in.

        Where databases are named, or schemas, it says that Alembic's commands change that of
        ``env.py``.
        """
        text = self.spell_out(way.text)
        commands = tuple(self.in_work_tree(self.spell_out(each)) for each in way.commands)
        options = (("database", " --database"), ("schema", " --schemas "))
        places = [place for place, option in options if option in self.named]
        if way.here and "database" in places:
            places.remove("database")
        if places and way.runs_env_py:
            text += f", once env.py uses that {' and '.join(places)}"
        return way._replace(text=text, commands=commands)
