"""The base that stays, and a rank for what nothing else orders: Git, then dates, then names."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.lineages import Lineages
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.databases.applied.writers import Applied
from flask_chainfix.model.files import Header, MigrationFile
from flask_chainfix.model.history import History, Landing
from flask_chainfix.model.plans import Reason, Wishes

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?[ ]?(Z|[+-]\d\d:?\d\d)?)?\s*"
)


_NUMBER = re.compile(r"\d+(?![^\W_])")  # at the beginning of a file's name, and no hexadecimal id


_NO_DATE = datetime.min.replace(tzinfo=timezone.utc)


_NOT_LANDED = sys.maxsize


class Rank(NamedTuple):
    """Where a revision goes among those that nothing else orders; smaller runs earlier.

    What has not been committed yet comes behind what has, and what has no date behind what has.
    """

    landed: int
    undated: bool
    date: datetime
    file_name: str


def rank_of(file: MigrationFile, history: History) -> Rank:
    """The rank of a single file, whatever its place in a chain.

    Args:
        file: a migration with a readable header.
        history: when files landed in version control.
    """
    assert isinstance(file.reading, Header)
    landing = history.landing(file.path)
    date = parse_date(file.reading.create_date or "")
    landed = landing.position if landing is not None else _NOT_LANDED
    return Rank(landed, date is None, date or _NO_DATE, history.name(file.path))


@dataclass(frozen=True)
class Ordering:
    """All that decides an order.

    Attributes:
        root: the base that stays; ``None`` for a chain without bases.
        ranks: the rank of each revision.
        landings: when each revision's file landed, where that is known.
        placeholders: revisions whose ``Create Date`` does not count.
        pins: parents that the user has chosen, by revision.
    """

    root: str | None
    ranks: Mapping[str, Rank]
    landings: Mapping[str, Landing]
    placeholders: frozenset[str]
    pins: Mapping[str, str]

    def explain(self, revision: str, predecessor: str) -> Reason:
        """Why ``revision`` goes above ``predecessor``, where only rank says so."""
        rank, other = self.ranks[revision], self.ranks[predecessor]
        if rank.landed != other.landed:
            return Reason("git", self._landed_later(revision, predecessor))
        if rank.undated and not other.undated:
            why = (
                f"its Create Date is older than that of the base {self.root} and so a placeholder"
                if revision in self.placeholders
                else "it has no Create Date"
            )
            return Reason("rank", f"{why}; what has no date comes last")
        if rank.date != other.date:
            return Reason(
                "rank",
                f"Create Date {_short(rank.date)} is later than {_short(other.date)}"
                f" of {predecessor}",
            )
        return Reason(
            "rank", f"no later date decides; file names {other.file_name} < {rank.file_name}"
        )

    def _landed_later(self, revision: str, predecessor: str) -> str:
        before = self.landings[predecessor]
        after = self.landings.get(revision)
        first, later = before.arrival, after.arrival if after is not None else None
        if first is not None and first != later:
            reached = f"{predecessor} on {_short(first.date)} ({first.commit})"
            if later is None:
                return f"the main branch got {reached}, and does not have this one yet"
            when = f"{_short(later.date)} ({later.commit})"
            return f"it came to the main branch on {when}, after {reached}"
        reference = f"{_short(before.date)} ({before.commit}) that added {predecessor}"
        if after is None:
            return f"it is not committed yet, and so later than the commit of {reference}"
        return f"its commit of {_short(after.date)} ({after.commit}) came after that of {reference}"


def arrange(  # noqa: PLR0913  (all that an order depends on)
    snapshot: Snapshot,
    lineages: Lineages,
    graph: Graph,
    history: History,
    wishes: Wishes,
    *,
    databases: Sequence[Applied],
    uprooted: frozenset[str],
) -> Ordering:
    """Choose the base that stays, and rank all revisions.

    Args:
        snapshot: the chain, with the parents that the user has chosen.
        lineages: its lineages.
        graph: the same chain, with what is proven of its order.
        history: when the files landed in version control.
        wishes: what the user asks of the plan.
        databases: what has run where.
        uprooted: bases that were none when they were written.
    """
    dates = {revision: _create_date(snapshot, revision) for revision in graph}
    names = {revision: history.name(snapshot.file(revision).path) for revision in graph}
    landings = {
        revision: landing
        for revision in graph
        if (landing := history.landing(snapshot.file(revision).path)) is not None
    }
    landed = {
        revision: landings[revision].position if revision in landings else _NOT_LANDED
        for revision in graph
    }
    chosen = wishes.root or _base_that_stays(
        lineages, graph, names, landed, dates, databases=databases, uprooted=uprooted
    )
    oldest = dates.get(chosen) if chosen is not None else None
    placeholders = frozenset(
        revision
        for revision, date in dates.items()
        if date is not None and oldest is not None and date < oldest
    )
    ranks = {}
    for revision, date in dates.items():
        counts = date is not None and revision not in placeholders
        ranks[revision] = Rank(
            landed[revision],
            not counts,
            date if counts and date is not None else _NO_DATE,
            names[revision],
        )
    return Ordering(chosen, ranks, landings, placeholders, wishes.attach)


def check_wishes(snapshot: Snapshot, wishes: Wishes) -> None:
    """Compare what the user wants with the chain.

    Raises:
        CannotPlan: it names unknown revisions, or contradicts the chain or itself.
    """
    root, attach = wishes.root, wishes.attach
    graph = snapshot.graph
    for revision in (root, *attach, *attach.values()):
        if revision is not None and revision not in graph:
            raise CannotPlan(
                f"there is no revision {revision!r} in this chain",
                "give --root and --attach the full ids of existing revisions",
            )
    if root is not None and root in attach:
        raise CannotPlan(
            f"--root {root} and --attach {root}={attach[root]} contradict each other",
            "leave out one of the two",
        )
    if root is not None and root not in graph.bases:
        raise CannotPlan(
            f"--root {root} is not a base: it has a down_revision",
            f"choose one of the bases: {', '.join(sorted(graph.bases))}",
        )
    for revision, parent in attach.items():
        if parent == revision:
            raise CannotPlan(
                f"--attach {revision}={parent} would make a cycle of one",
                "attach it to another revision",
            )


def _base_that_stays(  # noqa: PLR0913  (the same)
    lineages: Lineages,
    graph: Graph,
    names: Mapping[str, str],
    landed: Mapping[str, int],
    dates: Mapping[str, datetime | None],
    *,
    databases: Sequence[Applied],
    uprooted: frozenset[str],
) -> str | None:
    """The base with the most descendants; among equals the one that landed first.

    What has lost its parents was no base, and stays only where nothing else is one; nor does what
    came later than another base by its date, and by Git or the number in its name. A base that
    depends on what is above another base cannot stay below it, and none can that is missing in a
    database which has run another one.
    """
    bases = lineages.bases
    have = [database.revisions.intersection(bases) for database in databases]
    real = [base for base in bases if base not in uprooted]

    def came_later(base: str, other: str) -> bool:
        date, earlier = dates[base], dates[other]
        if date is None or earlier is None or date <= earlier:
            return False
        if landed[base] != landed[other]:
            return landed[base] > landed[other]
        number, lower = (_NUMBER.match(names[each]) for each in (base, other))
        return bool(number and lower and int(number[0]) > int(lower[0]))

    def order(base: str) -> tuple[int, bool, bool, bool, int, int, bool, datetime, str]:
        date = dates[base]
        missing = sum(bool(some) and base not in some for some in have)
        must_follow = base in graph.dependencies and any(
            other in graph.required([base]) for other in bases if other != base
        )
        size = len(graph.descendants([base])) if len(bases) > 1 else 0
        dated = date is None, date or _NO_DATE
        late = any(came_later(base, other) for other in real)
        rank = landed[base], *dated, names[base]
        return missing, must_follow, base in uprooted, late, -size, *rank

    return min(bases, key=order, default=None)


def _create_date(snapshot: Snapshot, revision: str) -> datetime | None:
    text = snapshot.header(revision).create_date
    return parse_date(text) if text else None


def parse_date(text: str) -> datetime | None:
    """Read a date as Alembic writes it (ISO 8601 with a blank); without a zone it is UTC.

    Returns:
        An aware datetime; ``None`` for what is no date, such as ``2024-12-XX``.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    offset = timedelta()
    if zone and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        offset = -offset if zone[0] == "-" else offset
    try:
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")),
            tzinfo=timezone(offset),
        )
    except ValueError:
        return None


def _short(date: datetime) -> str:
    return date.strftime("%Y-%m-%d %H:%M:%S")
