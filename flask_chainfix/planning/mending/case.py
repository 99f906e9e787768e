"""The input of every mender: the chain, what is known about it, and evidence of order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from flask_chainfix.chain import source
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.model.files import Edit, Header, MigrationFile
from flask_chainfix.model.history import Landing, PublishedChain
from flask_chainfix.model.plans import GUESS, Mend, Part, Reason, Wishes
from flask_chainfix.planning.linking.ranking import Rank, rank_of
from flask_chainfix.schema.footprint import Action, key_of


def header_of(file: MigrationFile) -> Header:
    """The header of a readable file; menders get no others.

    Raises:
        TypeError: the file could not be read.
    """
    if not isinstance(file.reading, Header):
        raise TypeError(f"{file.name} has no header: {file.reading.reason}")
    return file.reading


def _is_same_file(one: MigrationFile, other: MigrationFile) -> bool:
    """Whether two readings are of the same file, perhaps renamed or edited in between."""
    return one.data == other.data or one.path == other.path


def is_same_migration(one: MigrationFile, other: MigrationFile) -> bool:
    """Whether two readings are of the same migration, perhaps renamed and relinked."""
    return _is_same_file(one, other) or source.same_body(one.data, other.data)


@dataclass(frozen=True)
class Case:
    """The input of a mender.

    Attributes:
        snapshot: the chain after the earlier mends, and what is known about its databases, its
            history in Git and lost revisions.
        wishes: the user's options for the plan.
        new_ids: makes unused ids.
        chain_at: returns the chain at a commit; ``None`` if Git cannot read it.
        chains_before: returns the chain of the checked-out commit, and the one before the last
            commit that changed a file.
    """

    snapshot: Facts
    wishes: Wishes
    new_ids: NewIds
    chain_at: Callable[[str], Facts | None] | None = None
    chains_before: Callable[[Path], Iterable[Facts]] | None = None

    def publisher(self, file: MigrationFile) -> str:
        """The name of the branch or release that has a file under its current id, or ``""``."""
        published = self.published(file)
        return "" if published is None else published[0].short

    def published(self, file: MigrationFile) -> tuple[PublishedChain, MigrationFile] | None:
        """The published chain that has a file under its current id, and the file there."""
        revision = header_of(file).revision
        for chain in self.snapshot.published_chains:
            for each in chain.files:
                same_id = isinstance(each.reading, Header) and each.reading.revision == revision
                if same_id and _is_same_file(each, file):
                    return chain, each
        return None

    def landing(self, file: MigrationFile) -> Landing | None:
        """The commit that first added a file; ``None`` if it is not committed, or unknown."""
        return self.snapshot.git_history.landing(file.path)

    def rank(self, file: MigrationFile) -> Rank:
        """The rank of a file by Git, date and name."""
        return rank_of(file, self.snapshot.git_history)

    def chain_when_added(self, file: MigrationFile) -> Facts | None:
        """The chain of the commit that added a file; ``None`` if unknown."""
        if self.snapshot.git_history.is_cut_off(file.path):
            return None
        return self._first_known_chain(file)

    def _first_known_chain(self, file: MigrationFile) -> Facts | None:
        landing = self.landing(file)
        return self.chain_at(landing.commit) if landing and self.chain_at is not None else None

    def earlier_parents(
        self, revision: str, least: int = 1
    ) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
        """The parents that a revision had before the last change, committed or not, of its file.

        If that does not tell, those with which the file landed, as a guess. Empty if they are
        unknown or fewer than ``least``, if there is no file of one, or if one is above the revision
        now.

        Returns:
            The parents, and why.
        """
        file = self.snapshot.file(revision)
        for then in self.chains_before(file.path) if self.chains_before is not None else ():
            if len(had := self._fitting(then, revision)) >= least:
                was = f"{revision} was on {listing(had)} before that was changed"
                return had, (Reason("git", was),)
        had = self._fitting(self._first_known_chain(file), revision)
        if len(had) < least:
            return (), ()
        landed = Reason("git", f"{revision} was on {listing(had)} when it landed")
        guess = f"{revision} may have been moved since it landed"
        return had, (landed, Reason(GUESS, guess))

    def _fitting(self, then: Facts | None, revision: str) -> tuple[str, ...]:
        had = then.graph.named_parents.get(revision, ()) if then is not None else ()
        fit = all(name in self.snapshot.graph for name in had)
        above = self.snapshot.graph.descendants([revision])
        return tuple(had) if fit and above.isdisjoint(had) else ()

    def without_dependencies(
        self, code: str, revision: str, needless: Collection[str], *why: Reason
    ) -> Mend:
        """A mend that removes dependencies, whether they are named by id or by label.

        Raises:
            CannotRewrite: the file cannot be changed with certainty.
        """
        names = self.snapshot.header(revision).depends_on or ()
        owners = self.snapshot.graph.labelled
        kept = (name for name in names if {name, *owners.get(name, ())}.isdisjoint(needless))
        return self.rewritten(
            code, Part.DEPENDENCIES, self.snapshot.file(revision), tuple(kept), *why
        )

    def rewritten(
        self, code: str, part: Part, file: MigrationFile, ids: tuple[str, ...], *why: Reason
    ) -> Mend:
        """A mend that changes one variable of a file's header.

        Raises:
            CannotRewrite: the file cannot be changed with certainty.
        """
        header = header_of(file)
        name = part.value
        value = getattr(header, name)
        before = (value,) if isinstance(value, str) else value or ()
        change: dict[str, Any] = {name: ids[0] if part is Part.ID else ids}
        data = source.rewrite(file.data, file.name, **change)
        edits = (Edit(file.path, file.data, data),)
        return Mend(code, part, str(header.revision), file.path, before, ids, why, edits)


# --- Evidence that one migration came before another ---------------------------------------------

_Evidence = Callable[[Case, MigrationFile, MigrationFile], str]


def reason_before(
    case: Case, first: MigrationFile, second: MigrationFile, kind: str
) -> Reason | None:
    """Why one migration must have come before another, by one kind of evidence."""
    why = _EVIDENCE[kind](case, first, second)
    return Reason(kind, why) if why else None


def _makes_what_it_needs(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    made = {
        key_of(each.object): each.object
        for each in case.snapshot.footprint(first).effects
        if each.action is Action.CREATE and each.certain
    }
    for each in case.snapshot.footprint(second).effects:
        thing = made.get(key_of(each.object))
        if each.action is Action.CREATE or thing is None or not each.certain:
            continue
        makers = case.snapshot.evidence.creators.get(key_of(thing), ())
        if all(maker.revision == _id(first) for maker in makers):
            what = f"{thing.kind.value} {thing.spelled}"
            return f"{_called(case, second)} uses {what}, which {_called(case, first)} creates"
    return ""


def _was_not_there(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    """The sentence that the commit which added the first lacks the second; else ``""``."""
    landing, then = case.landing(first), case.chain_when_added(first)
    if landing is None or then is None:
        return ""
    there = then.files_by_revision.get(_id(second), ())
    if _id(second) in case.snapshot.graph.duplicates:
        there = tuple(each for each in there if _is_same_file(each, second))
    if there:
        return ""
    added = f"which added {_called(case, first)}"
    return f"commit {landing.commit}, {added}, has no {_called(case, second)}"


def _landed_first(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    landing, later = (case.landing(file) for file in (first, second))
    if landing is None or (later is not None and later.position <= landing.position):
        return ""
    names = _called(case, first), _called(case, second)
    return f"{names[0]} landed in commit {landing.commit}, and {names[1]} had not by then"


def _was_created_first(case: Case, first: MigrationFile, second: MigrationFile) -> str:
    rank, later = case.rank(first), case.rank(second)
    if rank.undated or later.undated or rank.date >= later.date:
        return ""
    return f"{_called(case, first)} has an older Create Date than {_called(case, second)}"


_EVIDENCE: Mapping[str, _Evidence] = {
    "schema": _makes_what_it_needs,
    "branch": _was_not_there,
    "git": _landed_first,
    "date": _was_created_first,
}


def _id(file: MigrationFile) -> str:
    return str(file.reading.revision) if isinstance(file.reading, Header) else ""


def _called(case: Case, file: MigrationFile) -> str:
    """The id of a migration; if that is a duplicate, the file name."""
    return file.name if _id(file) in case.snapshot.graph.duplicates else _id(file)
