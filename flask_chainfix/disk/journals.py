"""Which journals count: those that this user has made on this machine, and Git does not track."""

from __future__ import annotations

import os

from flask_chainfix import disk
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import NothingToUndo, StrangeJournal
from flask_chainfix.common.quoting import path_word
from flask_chainfix.common.remedies import way
from flask_chainfix.disk.journal import Journal
from flask_chainfix.disk.previous import Journals, Stranger
from flask_chainfix.git.work_tree import tracked_below
from flask_chainfix.model.environment import Environment


def journals_of(environment: Environment) -> Journals:
    """The journals of an environment; Git is asked only where there are any.

    Raises:
        CannotRead: their directory cannot be listed.
    """
    found = disk.read_journals(environment.directory)
    if found.latest is None or not environment.asks_git:
        return found
    tracked = tracked_below(disk.directory_for(environment.directory))
    if not tracked:
        return found
    return found.without(lambda path: os.path.realpath(path) in tracked, "Git tracks it")


def noticed_strangers(journals: Journals) -> tuple[str, ...]:
    """What there is to say of what is not obeyed, in one line."""
    if not journals.strangers:
        return ()
    first, *others = journals.strangers
    more = f" (and so are {len(others)} more)" if others else ""
    path = os.path.relpath(first.path)
    return (f"the journal {path} is not yours and is ignored{more}: {first.why}",)


def journal_to_undo(now: Snapshot, journals: Journals) -> Journal:
    """The journal to undo next.

    Raises:
        NothingToUndo: there is none.
        StrangeJournal: there are only such as nobody obeys.
    """
    journal = disk.to_undo(now, journals)
    if journal is not None:
        return journal
    if journals.strangers:
        raise _not_obeyed(journals.strangers[-1])
    if not journals.ended:
        raise NothingToUndo("there is no repair to undo", "use version control for older changes")
    raise NothingToUndo(
        "no repair in the journal is in these files: it was made on another branch, or it has been"
        " taken back since",
        "check out the branch that has the repair, and run undo there",
        unchanged=True,
    )


def _not_obeyed(stranger: Stranger) -> StrangeJournal:
    path = os.path.relpath(stranger.path)
    return StrangeJournal(
        f"the journal {path} is not obeyed: {stranger.why}",
        "put the migrations back with version control"
        | way("have it out of the way, if its repair is to stay", f"rm -- {path_word(path)}"),
        unchanged=True,
    )
