"""Commands for a database that is left out, or of which only the user can tell where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from flask_chainfix.languages import option, word
from flask_chainfix.model import Standing
from flask_chainfix.remedies import Remedy, way
from flask_chainfix.snapshot import Snapshot

_SCHEMA = ", schema "  # behind a name: no option names a schema alone


def left_out(snapshot: Snapshot, standing: Standing, command: str = "repair") -> str:
    """A command that asks all other databases; ``""`` where none says that.

    Args:
        snapshot: with all databases.
        standing: the one to be left out; with one of the app's own go the others.
        command: what is to be done without it.
    """
    if standing.own:
        return f"{{fixchain}} {command} --no-database{{named}}"
    others = [each for each in snapshot.databases.standings if not each.own]
    options = naming(each.name for each in others if each is not standing)
    if options is None or naming([standing.name]) is None:
        return ""
    return f"{{fixchain}} {command}{{own}}{options}"


def naming(names: Iterable[str]) -> str | None:
    """The options that name databases by what users know them by; the app's own need none.

    Returns:
        Each with a blank before it; ``None`` where one is a schema, which no option names alone.
    """
    options = ""
    for name in names:
        if _SCHEMA in name:
            return None
        if name.startswith("--stamp "):
            options += f" {option('--stamp', name.removeprefix('--stamp '))}"
        elif "://" in name:
            options += f" --database {word(name)}"
    return options


def leaving_out(
    snapshot: Snapshot,
    standing: Standing,
    command: str = "repair",
    text: str = "leave that database out",
) -> Remedy:
    """To do something without a database; nothing where no command says that."""
    without = left_out(snapshot, standing, command)
    return way(text, without) if without else Remedy()


def saying_where(snapshot: Snapshot, standing: Standing, command: str = "repair") -> Remedy:
    """To say where a database stands that cannot be asked; the head stands for what is known."""
    without, heads = left_out(snapshot, standing, command), snapshot.graph.heads
    if not (without and heads):
        return Remedy()
    text = f"if it stands at {heads[0]}, say so; the same with another id if it stands elsewhere"
    return way(text, f"{without} {option('--stamp', heads[0])}")
