"""Plans to repair a chain, and Alembic's confirmation of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.model.files import Edit

GUESS = "guess"
AUTO = "auto"  # the strategy that takes the first that is safe


class Reason(NamedTuple):
    """The reason for a part of a plan: a stable word for scripts, a sentence for people.

    The word ``guess`` means that the sentence says what is uncertain.
    """

    kind: str
    detail: str


@dataclass(frozen=True)
class Wishes:
    """The user's wishes for a plan.

    Attributes:
        strategy: the name of a strategy; ``auto`` takes the first that is safe.
        root: the base to keep; ``None`` lets the chain decide.
        attach: new parents of revisions, by revision.
        strict: whether to link bases that merge points already join.
        bring_back: lost revisions whose files are restored from version control.
        tombstones: lost revisions that get a file without a body, each with its parent; ``None``
            takes it from version control.
        relabel: new branch labels of revisions, by revision.
        docstrings: whether to make every docstring name the parents in ``down_revision``.
        shorten_ids: whether to shorten ids that are too long for the version table.
        accept: the codes of faults that the planned chain may have.
    """

    strategy: str = AUTO
    root: str | None = None
    attach: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    bring_back: tuple[str, ...] = ()
    tombstones: Mapping[str, str | None] = field(default_factory=dict)
    relabel: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    docstrings: bool = False
    shorten_ids: bool = False
    accept: tuple[str, ...] = ()

    @property
    def typed(self) -> tuple[str, ...]:
        """The options for these wishes."""
        options = {
            "--strategy": (self.strategy,) if self.strategy != Wishes.strategy else (),
            "--root": (self.root,) if self.root is not None else (),
            "--attach": (f"{name}={parent}" for name, parent in self.attach.items()),
            "--bring-back": self.bring_back,
            "--tombstone": (
                name if parent is None else f"{name}={parent}"
                for name, parent in self.tombstones.items()
            ),
            "--relabel": (f"{name}={','.join(labels)}" for name, labels in self.relabel.items()),
            "--accept": self.accept,
        }
        flags = {
            "--docstrings": self.docstrings,
            "--shorten-ids": self.shorten_ids,
            "--strict": self.strict,
        }
        pairs = ((option, each) for option, values in options.items() for each in values)
        return (*chain.from_iterable(pairs), *(flag for flag, wanted in flags.items() if wanted))

    @property
    def asks_for_change(self) -> bool:
        """Whether a wish changes even a healthy chain."""
        return self != Wishes(self.strategy, strict=self.strict, accept=self.accept)


@dataclass(frozen=True)
class Relink:
    """A revision whose parents change.

    Attributes:
        revision: its id.
        path: its file.
        before: its current parents, as the file names them.
        after: its parents after the repair.
        why: the reasons, the most important first.
    """

    revision: str
    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    why: tuple[Reason, ...]


@dataclass(frozen=True)
class NewRevision:
    """A migration file that the repair adds.

    Attributes:
        revision: its id.
        path: its file; ``None`` until Alembic's template has provided the name.
        location: its version location.
        message: its message.
        down_revision: its parents.
        why: the reasons.
    """

    revision: str
    path: Path | None
    location: Path
    message: str
    down_revision: tuple[str, ...]
    why: tuple[Reason, ...]


class Part(Enum):
    """The part of a migration that a mend changes."""

    PARENTS = "down_revision"
    DEPENDENCIES = "depends_on"
    ID = "revision"
    LABELS = "branch_labels"
    DOCSTRING = "docstring"
    FILE = "file"  # the file is created or deleted


@dataclass(frozen=True)
class Mend:
    """The repair of a fault in a single migration.

    Attributes:
        code: the code of the fault, for example ``FC103``.
        part: what changes.
        revision: the migration's id before.
        path: its file.
        before: the part's value before; for a file, the revision if it exists.
        after: the part's new value.
        why: the reasons; one of the kind ``guess`` says what is uncertain.
        edits: the changes of files, after those of the mends before it.
        new: the revision of a new file.
        frees_id: whether no revision has the migration's old id afterwards.
        choices: the other ways to mend it.
    """

    code: str
    part: Part
    revision: str
    path: Path
    before: tuple[str, ...]
    after: tuple[str, ...]
    why: tuple[Reason, ...]
    edits: tuple[Edit, ...]
    new: NewRevision | None = None
    frees_id: bool = False
    choices: Remedy = field(default_factory=Remedy)


@dataclass(frozen=True)
class Plan:
    """A plan to repair a chain.

    Attributes:
        strategy: the name of the strategy that made it.
        relinks: files whose parents change, in the order of the repaired chain.
        new_revisions: files to add.
        order: every revision of the repaired lineage, base first.
        why: why this strategy.
        mends: the other changes of single files.
        choices: alternatives to its uncertain parts.
        squashed: the revision that others are squashed into, by their ids.
    """

    strategy: str
    relinks: tuple[Relink, ...]
    new_revisions: tuple[NewRevision, ...]
    order: tuple[str, ...]
    why: tuple[Reason, ...] = ()
    mends: tuple[Mend, ...] = ()
    choices: Remedy = field(default_factory=Remedy)
    squashed: Mapping[str, str] = field(default_factory=dict)

    @property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """The new parents of revisions, by revision."""
        return {relink.revision: relink.after for relink in self.relinks}

    @property
    def renamed(self) -> Mapping[str, str]:
        """The new ids of revisions that databases may be stamped with, by their old ones."""
        return {
            mend.before[0]: mend.after[0]
            for mend in self.mends
            if mend.part is Part.ID and mend.frees_id
        }

    @property
    def guesses(self) -> tuple[str, ...]:
        """Its uncertain parts, each once."""
        whys = [part.why for parts in (self.relinks, self.mends) for part in parts]
        whys += [new.why for new in self.new_revisions]
        return tuple(
            dict.fromkeys(each.detail for why in whys for each in why if each.kind == GUESS)
        )


class CarryOver(NamedTuple):
    """An operation of a migration that no schema shows.

    Attributes:
        revision: its id.
        path: its file.
        line: 1-based line of the operation.
        detail: what it does.
    """

    revision: str
    path: Path
    line: int
    detail: str


class Proof(NamedTuple):
    """A proof that two chains create the same schema on a server.

    Attributes:
        database: the server, with passwords masked.
        dialect: ``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``.
        compared: how many objects were compared.
        rows: how many rows only the old chain inserts into a new database, by table.
    """

    database: str
    dialect: str
    compared: int
    rows: Mapping[str, int]


@dataclass(frozen=True)
class Confirmation:
    """Alembic's own view of the files on the disk.

    Attributes:
        by: name and version, for example ``alembic 1.20.1``.
        bases: ids, sorted.
        heads: ids, sorted.
        heads_output: the output of ``heads``.
        history_output: the output of ``history``.
    """

    by: str
    bases: tuple[str, ...]
    heads: tuple[str, ...]
    heads_output: str
    history_output: str
