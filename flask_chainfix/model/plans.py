"""How a chain is to be repaired, and what Alembic said of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.remedies import Remedy
from flask_chainfix.model.files import Edit

GUESS = "guess"
AUTO = "auto"  # the strategy that takes the first that is safe


class Reason(NamedTuple):
    """Why a part of a plan is as it is: a stable word for scripts, a sentence for people.

    The word ``guess`` means that the sentence tells what is not certain.
    """

    kind: str
    detail: str


@dataclass(frozen=True)
class Wishes:
    """What the user asks of a plan.

    Attributes:
        strategy: the name of a strategy; ``auto`` takes the first that is safe.
        root: the base that is to stay; ``None`` lets the chain decide.
        attach: parents that revisions are to get, by revision.
        strict: whether bases that merge points already join are linked as well.
        bring_back: lost revisions whose files are to come back from version control.
        tombstones: lost revisions that are to get a file without a body, with the parent that it
            gets; ``None`` leaves that to version control.
        relabel: branch labels that revisions are to get instead of theirs, by revision.
        docstrings: whether every docstring is to name the parents that ``down_revision`` names.
        shorten_ids: whether ids that are too long for the version table are to become shorter.
        accept: the codes of faults that may be in the planned chain.
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
        """The options that ask for it."""
        several = {
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
        return (
            *(("--strategy", self.strategy) if self.strategy != Wishes.strategy else ()),
            *(("--root", self.root) if self.root is not None else ()),
            *(
                part
                for option, values in several.items()
                for each in values
                for part in (option, each)
            ),
            *(flag for flag, wanted in flags.items() if wanted),
        )

    @property
    def asks_for_change(self) -> bool:
        """Whether something is asked for, also of a chain that needs nothing."""
        return self != Wishes(self.strategy, strict=self.strict, accept=self.accept)


@dataclass(frozen=True)
class Relink:
    """A revision whose parents change.

    Attributes:
        revision: its id.
        path: its file.
        before: its parents as the file names them now.
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
        path: its file; ``None`` until Alembic's template has been asked for the name.
        location: the version location that it goes to.
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
    """What of a migration a mend changes."""

    PARENTS = "down_revision"
    DEPENDENCIES = "depends_on"
    ID = "revision"
    LABELS = "branch_labels"
    DOCSTRING = "docstring"
    FILE = "file"  # it comes, or goes


@dataclass(frozen=True)
class Mend:
    """A fault of a single migration that is put right.

    Attributes:
        code: that of the fault, ``FC103`` for example.
        part: what changes.
        revision: the id that the migration has before.
        path: its file.
        before: what that part says now; of a file, the revision if it is there.
        after: what it is to say.
        why: the reasons; one of the kind ``guess`` says what is not certain.
        edits: the change of files, from what the mends before it leave.
        new: the revision that comes with a new file.
        frees_id: whether no revision has the id any more that this one has before.
        choices: the other ways there are.
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
    """How a chain is to be repaired.

    Attributes:
        strategy: the name of the strategy that made it.
        relinks: files whose parents change, in the order of the repaired chain.
        new_revisions: files to add.
        order: every revision of the repaired lineage, base first.
        why: why this strategy.
        mends: what else changes in single files.
        choices: the other ways to what it does without being certain.
        squashed: the revision that others go into, by their ids.
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
    def renamed(self) -> Mapping[str, str]:
        """The ids that revisions get which databases may be stamped with, by those they have."""
        return {
            mend.before[0]: mend.after[0]
            for mend in self.mends
            if mend.part is Part.ID and mend.frees_id
        }

    @property
    def guesses(self) -> tuple[str, ...]:
        """What it does without being certain, each once."""
        whys = [part.why for parts in (self.relinks, self.mends) for part in parts]
        whys += [new.why for new in self.new_revisions]
        return tuple(
            dict.fromkeys(each.detail for why in whys for each in why if each.kind == GUESS)
        )


class CarryOver(NamedTuple):
    """Something that a migration does and no schema shows.

    Attributes:
        revision: its id.
        path: its file.
        line: 1-based line of the operation.
        detail: what it is.
    """

    revision: str
    path: Path
    line: int
    detail: str


class Proof(NamedTuple):
    """That two chains make the same schema on a server.

    Attributes:
        database: where, passwords masked.
        dialect: ``sqlite``, ``postgresql``, ``mysql`` or ``mariadb``.
        compared: how many objects were compared.
        rows: the tables with rows that only the old chain puts into a new database: how many each.
    """

    database: str
    dialect: str
    compared: int
    rows: Mapping[str, int]


@dataclass(frozen=True)
class Confirmation:
    """What Alembic itself said of the files on the disk.

    Attributes:
        by: name and version, ``alembic 1.20.1`` for example.
        bases: ids, sorted.
        heads: ids, sorted.
        heads_output: what ``heads`` printed.
        history_output: what ``history`` printed.
    """

    by: str
    bases: tuple[str, ...]
    heads: tuple[str, ...]
    heads_output: str
    history_output: str
