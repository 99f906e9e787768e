"""The base to keep, and a rank for revisions without other order: Git, then dates, then names."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timezone

from flask_chainfix.chain.lineages import Lineages
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.databases.applied.has_run import Applied
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.history import GitHistory, Landing
from flask_chainfix.model.plans import Reason

_NUMBER = re.compile(r"\d+(?![^\W_])")  # at the beginning of a file's name, and no hexadecimal id
# What `datetime.fromisoformat` takes for a date differs between versions of Python.
_TIME = r"\d\d:[0-5]\d(?::[0-5]\d)?"
_DATE = re.compile(
    rf"\d{{4}}-\d\d-\d\d(?:[ T](?!24){_TIME}(?:\.\d{{3}}(?:\d{{3}})?)?(?:[+-]{_TIME})?)?", re.ASCII
)
_NO_DATE = datetime.min.replace(tzinfo=timezone.utc)
_NOT_LANDED = sys.maxsize


@dataclass(frozen=True, order=True)
class Rank:
    """The rank of a revision if nothing else decides its order; smaller runs earlier.

    Uncommitted revisions come after committed ones, and undated ones after dated ones.

    Attributes:
        landed: the place of the commit that first added its file.
        undated: whether it has no usable ``Create Date``.
        date: that date, timezone-aware.
        file_name: the name of its file.
        landing: the commit that first added its file; ``None`` if there is none.
        older_than: the base that is newer than its ``Create Date``, which is therefore ignored.
    """

    landed: int
    undated: bool
    date: datetime
    file_name: str
    landing: Landing | None = field(default=None, compare=False)
    older_than: str | None = field(default=None, compare=False)

    def why_later(self, other: Rank, name: str) -> Reason:
        """Why this revision comes later than another, named one."""
        if self.landed != other.landed and other.landing is not None:
            return Reason("git", _landed_later(self.landing, other.landing, name))
        if self.undated and not other.undated:
            why = "it has no Create Date"
            if self.older_than is not None:
                base = f"the base {self.older_than}"
                why = f"its Create Date is older than that of {base} and so a placeholder"
            return Reason("rank", f"{why}; what has no date comes last")
        if self.date != other.date:
            shown = _short if self.date.date() == other.date.date() else _day
            dates = f"{shown(self.date)} is later than that of {name} ({shown(other.date)})"
            return Reason("rank", f"Create Date {dates}")
        names = f"{other.file_name} < {self.file_name}"
        return Reason("rank", f"no date decides; by file name, {names}")


def _landed_later(after: Landing | None, before: Landing, name: str) -> str:
    first, later = before.arrival, after.arrival if after is not None else None
    if first is not None and first != later:
        reached = f"{name} on {_short(first.date)} ({first.commit})"
        if later is None:
            return f"the main branch got {reached}, and does not have this one yet"
        when = f"{_short(later.date)} ({later.commit})"
        return f"it came to the main branch on {when}, after {reached}"
    reference = f"{_short(before.date)} ({before.commit}) that added {name}"
    if after is None:
        return f"it is not committed yet, and so later than the commit of {reference}"
    return f"its commit of {_short(after.date)} ({after.commit}) came after that of {reference}"


def rank_of(file: MigrationFile, history: GitHistory) -> Rank:
    """The rank of a single file, whatever its place in a chain."""
    landing = history.landing(file.path)
    text = file.reading.create_date if isinstance(file.reading, Header) else None
    date = parse_date(text or "")
    landed = landing.position if landing is not None else _NOT_LANDED
    return Rank(landed, date is None, date or _NO_DATE, history.name(file.path), landing)


def without_placeholders(ranks: Mapping[str, Rank], root: str | None) -> Mapping[str, Rank]:
    """The ranks; a ``Create Date`` earlier than that of the base to keep is a placeholder."""
    oldest = ranks.get(root or "")
    if oldest is None or oldest.undated:
        return ranks
    return {
        revision: replace(rank, undated=True, date=_NO_DATE, older_than=root)
        if not rank.undated and rank.date < oldest.date
        else rank
        for revision, rank in ranks.items()
    }


def base_that_stays(
    lineages: Lineages,
    graph: Graph,
    ranks: Mapping[str, Rank],
    databases: Sequence[Applied],
    orphaned: frozenset[str],
) -> str | None:
    """The base with the most descendants; among equals the one that landed first.

    A revision that has lost its parents is only kept as the base if there is no other. So is one
    that is later than another base by its date and by Git or the number in its name. A base cannot
    be kept if it depends on a revision above another base, or if a database has run another base
    without it.
    """
    bases = lineages.bases
    have = [database.revisions.intersection(bases) for database in databases]
    real = [ranks[base] for base in bases if base not in orphaned]

    def order(base: str) -> tuple[int, bool, bool, bool, int, Rank]:
        missing = sum(bool(some) and base not in some for some in have)
        must_follow = base in graph.dependencies and any(
            other in graph.required([base]) for other in bases if other != base
        )
        size = len(graph.descendants([base])) if len(bases) > 1 else 0
        late = any(_came_later(ranks[base], other) for other in real)
        return missing, must_follow, base in orphaned, late, -size, ranks[base]

    return min(bases, key=order, default=None)


def _came_later(rank: Rank, other: Rank) -> bool:
    """Whether a revision is later by its date and by Git or the number in its name."""
    if rank.undated or other.undated or rank.date <= other.date:
        return False
    if rank.landed != other.landed:
        return rank.landed > other.landed
    number, lower = _NUMBER.match(rank.file_name), _NUMBER.match(other.file_name)
    return bool(number and lower and int(number[0]) > int(lower[0]))


def parse_date(text: str) -> datetime | None:
    """Parse a date as Alembic writes it (ISO 8601 with a space); the default zone is UTC.

    Returns:
        An aware datetime; ``None`` for an invalid date such as ``2024-12-XX``.
    """
    text = text.strip()
    if not _DATE.fullmatch(text):
        return None
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=timezone.utc)


def _short(date: datetime) -> str:
    return date.strftime("%Y-%m-%d %H:%M:%S")


def _day(date: datetime) -> str:
    return date.strftime("%Y-%m-%d")
