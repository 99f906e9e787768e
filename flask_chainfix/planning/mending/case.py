"""What every mender gets: the chain, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_chainfix import source
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.model.files import Edit, Header, MigrationFile
from flask_chainfix.model.history import History, PublishedChain
from flask_chainfix.model.plans import Mend, Part, Reason, Wishes
from flask_chainfix.planning.ranking import Rank, rank_of


def header_of(file: MigrationFile) -> Header:
    """The header of a readable file; menders are given no others.

    Raises:
        TypeError: it could not be read.
    """
    if not isinstance(file.reading, Header):
        raise TypeError(f"{file.name} has no header: {file.reading.reason}")
    return file.reading


def is_same_file(one: MigrationFile, other: MigrationFile) -> bool:
    """Whether two readings are of one file, which may have been renamed or edited in between."""
    return one.path == other.path or one.data == other.data


def is_same_migration(one: MigrationFile, other: MigrationFile) -> bool:
    """The same, also of a file that has been renamed and relinked."""
    return is_same_file(one, other) or source.same_body(one.data, other.data)


@dataclass(frozen=True)
class Case:
    """What a mender works on.

    Attributes:
        snapshot: the chain as the mends before have left it, and what is known of its databases
            and of lost revisions.
        history: when its files landed in version control.
        wishes: what the user asks of the plan.
        new_ids: makes ids that no revision has.
        chain_at: the chain as it was at a commit; ``None`` where version control cannot tell.
    """

    snapshot: Facts
    history: History
    wishes: Wishes
    new_ids: NewIds
    chain_at: Callable[[str], Facts | None] | None = None

    def publisher(self, file: MigrationFile) -> str:
        """What has published a file under the id that it has here; ``""`` for nothing."""
        published = self.published(file)
        return "" if published is None else published[0].short

    def published(self, file: MigrationFile) -> tuple[PublishedChain, MigrationFile] | None:
        """The chain that has published a file under the id that it has here, and its file there."""
        revision = header_of(file).revision
        for chain in self.snapshot.published_chains:
            for each in chain.files:
                same_id = isinstance(each.reading, Header) and each.reading.revision == revision
                if same_id and is_same_file(each, file):
                    return chain, each
        return None

    def rank(self, file: MigrationFile) -> Rank:
        """When a file came, by Git, date and name."""
        return rank_of(file, self.history)

    def chain_when_added(self, file: MigrationFile) -> Facts | None:
        """The chain of the commit that added a file; ``None`` where that cannot be told."""
        landing = self.history.landing(file.path)
        return self.chain_at(landing.commit) if landing and self.chain_at is not None else None

    def rewritten(
        self, code: str, part: Part, file: MigrationFile, ids: tuple[str, ...], *why: Reason
    ) -> Mend:
        """A mend that changes one variable of a file's header.

        Args:
            code: of the fault.
            part: what changes; neither the docstring alone nor the whole file.
            file: the file.
            ids: what the variable is to say.
            why: the reasons.

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
