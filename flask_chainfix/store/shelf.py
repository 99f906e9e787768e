"""The journals of an environment: those that count, and those that nobody obeys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flask_chainfix.errors import CannotRead
from flask_chainfix.store.journal import KEPT, Journal, candidates, directory_for, read_journal
from flask_chainfix.store.rows import recorded_moves
from flask_chainfix.store.sealed import NotOurs, known_key


@dataclass(frozen=True)
class Stranger:
    """A file in a journal's place that this user has not written on this machine.

    Attributes:
        path: the file.
        why: what tells it, beginning with "it".
    """

    path: Path
    why: str


@dataclass(frozen=True)
class Journals:
    """What is known of the repairs of an environment.

    Attributes:
        ended: the journals of what has come to its end, the oldest first.
        unfinished: that of the repair that is at work, or was killed half-way.
        strangers: what is not obeyed.
    """

    ended: tuple[Journal, ...] = ()
    unfinished: Journal | None = None
    strangers: tuple[Stranger, ...] = ()

    @property
    def latest(self) -> Journal | None:
        """That of the repair that has not come to its end, else the newest one."""
        return self.unfinished or (self.ended[-1] if self.ended else None)

    def without(self, is_stranger: Callable[[Path], bool], why: str) -> Journals:
        """The same with more strangers.

        Args:
            is_stranger: tells them by the path of the journal.
            why: what tells them, beginning with "it".
        """
        journals = (*self.ended, *([self.unfinished] if self.unfinished else ()))
        found = [each for each in journals if is_stranger(each.path)]
        return replace(
            self,
            ended=tuple(each for each in self.ended if each not in found),
            unfinished=None if self.unfinished in found else self.unfinished,
            strangers=(*self.strangers, *(Stranger(each.file, why) for each in found)),
        )


def read_journals(environment: Path) -> Journals:
    """Read the journals of an environment.

    Raises:
        CannotRead: their directory cannot be listed.
    """
    directory = directory_for(environment)
    if directory.is_symlink():
        return Journals(strangers=(Stranger(directory, "it is a symbolic link"),))
    journals: list[Journal] = []
    strangers: list[Stranger] = []
    for path in candidates(directory):
        try:
            journals.append(_read(path))
        except NotOurs as error:  # noqa: PERF203 - there are few
            strangers.append(Stranger(path, str(error)))
    ended = [each for each in journals if each.finished]
    unfinished = [each for each in journals if not each.finished]
    return Journals(tuple(ended[-KEPT:]), unfinished[-1] if unfinished else None, tuple(strangers))


def _read(path: Path) -> Journal:
    journal = read_journal(path, known_key())
    try:
        recorded_moves(journal)
    except CannotRead as error:
        raise NotOurs(error.message) from error
    return journal
