"""Which revisions a database has really run, by its schema, whatever its stamp says.

Each object that a revision creates, renames or drops shows whether the revision has run, unless a
later revision may have caused the same state. A revision that leaves no object has run if a
revision that requires it in every known chain has run. If signs contradict each other, the revision
is unknown, and the signs are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from enum import Enum
from itertools import accumulate
from math import inf
from operator import or_, xor
from typing import NamedTuple

from flask_chainfix.chain.ancestry import Ancestry
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.signals import without_garbage_collection
from flask_chainfix.databases.applied.differences import Difference, differences
from flask_chainfix.databases.applied.rows import gaps, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.schema.footprint import Action, Key
from flask_chainfix.schema.live import HowFar, Live, Sign, deciding, sightings
from flask_chainfix.schema.object_history import History


class Verdict(Enum):
    """What a schema shows about one revision."""

    RUN = "run"
    NOT_RUN = "not-run"
    HALF_RUN = "half-run"
    UNKNOWN = "unknown"


class RevisionTrace(NamedTuple):
    """What a schema shows about one revision.

    Attributes:
        verdict: whether it has run.
        signs: the objects that show it, in the order of the revision's operations.
        because: the revision that proves it, if the revision leaves no sign itself.
    """

    verdict: Verdict
    signs: tuple[Sign, ...] = ()
    because: str = ""


class Trace(NamedTuple):
    """What the schema of one database shows about a chain.

    Attributes:
        revisions: the trace of each revision, in the order of the chain.
        fits: the rows that stand for what has run; ``None`` if no rows do, because a revision has
            run without one that it requires.
        silent: the revisions that may have run above ``fits`` without a sign, in the order of the
            chain.
        differences: the objects that differ from what the applied revisions leave behind.
    """

    revisions: Mapping[str, RevisionTrace]
    fits: tuple[str, ...] | None
    silent: tuple[str, ...]
    differences: tuple[Difference, ...]

    def having(self, verdict: Verdict) -> tuple[str, ...]:
        """The revisions with this verdict, in the order of the chain."""
        return tuple(name for name, each in self.revisions.items() if each.verdict is verdict)


def trace(
    snapshot: Facts,
    live: Live,
    claimed: frozenset[str] = frozenset(),
    chains: Sequence[Graph] = (),
) -> Trace:
    """Compare a schema with what the revisions of a chain leave behind.

    Args:
        snapshot: the chain with the migrations' sources.
        live: the schema.
        claimed: the revisions that are applied according to the stamp. The stamp is no evidence
            that they have run; but Alembic writes it after a revision has ended, so none of them
            stopped half-way.
        chains: other chains that may have built the database.
    """
    histories, graph = snapshot.histories, snapshot.graph
    with without_garbage_collection():
        found = _Tracing(snapshot, histories, live, claimed, chains).revisions()
        run = {name for name, each in found.items() if each.verdict is Verdict.RUN}
        fits = None if gaps(graph, run) or graph.open_ends else tops(graph, run)
        settled = {Verdict.RUN: True, Verdict.NOT_RUN: False}
        has_run = {revision: settled.get(each.verdict) for revision, each in found.items()}
        differing = tuple(differences(snapshot, live, has_run))
    return Trace(found, fits, tuple(_silent(graph, found, run)), differing)


def _silent(graph: Graph, found: Mapping[str, RevisionTrace], run: set[str]) -> Iterator[str]:
    have = set(run)
    for revision in graph.order:
        if found[revision].verdict is Verdict.UNKNOWN and have.issuperset(
            graph.requirements(revision)
        ):
            have.add(revision)
            yield revision


class _Tracing:
    """The search for what has run; each verdict may decide further ones."""

    def __init__(
        self,
        snapshot: Facts,
        histories: Mapping[Key, History],
        live: Live,
        claimed: frozenset[str],
        chains: Sequence[Graph],
    ) -> None:
        self._graph = snapshot.graph
        self._footprints = snapshot.evidence.footprints
        self._order = Ancestry(snapshot.graph, chains)
        self._claimed = claimed
        self._bind = live.bind
        self._sightings = sightings(histories, live)
        self._signs: Mapping[str, Sequence[Sign]] = {}
        self._known = HowFar({}, {})
        self._because: dict[str, str] = {}
        self._doubtful = {
            name for name, files in snapshot.files_by_revision.items() if len(files) > 1
        }

    def revisions(self) -> Mapping[str, RevisionTrace]:
        """The verdict on each revision, in the order of the chain."""
        known = None
        while known != self._known:
            known = self._copy()
            self._exhaust_signs()
            self._judge_by_order()
        return {
            revision: RevisionTrace(
                self._verdict(revision),
                tuple(self._signs.get(revision, ())),
                self._because.get(revision, ""),
            )
            for revision in self._graph.order
        }

    def _exhaust_signs(self) -> None:
        """Judge by signs until they decide nothing more; only then use the order."""
        known = None
        while known != self._known:
            known = self._copy()
            self._look()
            self._judge_by_signs()

    def _copy(self) -> HowFar:
        return HowFar(dict(self._known.done), dict(self._known.undone))

    def _look(self) -> None:
        """Gather the signs of each revision that are meaningful by the verdicts so far."""
        found: dict[str, list[Sign]] = {}
        self._sightings = [each.knowing(self._known) for each in self._sightings]
        for sighting in self._sightings:
            for sign in sighting.signs():
                found.setdefault(sign.step.revision, []).append(sign)
        for signs in found.values():
            signs.sort(key=lambda sign: sign.step.place)
        self._signs = found

    def _judge_by_signs(self) -> None:
        done: dict[str, float] = {}
        undone: dict[str, float] = {}
        for revision, signs in self._signs.items():
            votes = deciding(signs)
            made = [sign.step.place for sign in votes if sign.made]
            missing = [sign.step.place for sign in votes if sign.made is False]
            if made and missing and max(made) >= min(missing):
                self._doubtful.add(revision)
            if made:
                done[revision] = max(made)
            if missing:
                undone[revision] = min(missing)
        self._doubtful |= self._contradictory(
            done.keys() - self._doubtful, undone.keys() - self._doubtful
        )
        for revision in self._doubtful:
            self._known.done.pop(revision, None)
            self._known.undone.pop(revision, None)
        for revision, place in done.items():
            if revision not in self._doubtful:
                self._known.done[revision] = max(place, self._known.done.get(revision, -1))
        for revision, place in undone.items():
            if revision not in self._doubtful:
                self._known.undone[revision] = min(place, self._known.undone.get(revision, inf))

    def _judge_by_order(self) -> None:
        """Conclude from the order: all ancestors of a begun revision have run."""
        above = self._required_by(self._known.done)
        for revision in self._graph.order:
            if revision in self._doubtful:
                continue
            over, lacking = above.get(revision, ""), self._lacks(revision)
            if over and not lacking and revision not in self._known.undone:
                if self._known.done.get(revision) is None:
                    self._because[revision] = over
                self._known.done[revision] = inf
            elif lacking and not over and revision not in self._known.done:
                if self._known.undone.get(revision) is None:
                    self._because[revision] = lacking
                self._known.undone[revision] = -1

    def _verdict(self, revision: str) -> Verdict:
        if revision in self._doubtful:
            return Verdict.UNKNOWN
        signs = deciding(self._signs.get(revision, ()))
        places = [sign.step.place for sign in signs]
        done = self._known.done.get(revision, -1)
        undone = self._known.undone.get(revision, inf)
        if done >= 0 and undone < inf:
            # Alembic writes the stamp of a revision after it has ended.
            return Verdict.UNKNOWN if revision in self._claimed else Verdict.HALF_RUN
        if done >= 0 and done >= max(places, default=0):
            ended = done == inf or revision in self._claimed or self._is_last(revision, signs)
            return Verdict.RUN if ended else Verdict.UNKNOWN
        if undone < inf and undone <= min(places, default=inf):
            begins = undone < 0 or (signs and self._is_first(revision, signs))
            return Verdict.NOT_RUN if begins else Verdict.UNKNOWN
        return Verdict.UNKNOWN

    def _is_first(self, revision: str, signs: Sequence[Sign]) -> bool:
        """Whether the first sign of a revision is from its first change."""
        step = min((sign.step for sign in signs), key=lambda step: step.place)
        footprint = self._footprints[revision]
        return all(
            effect.line == step.line
            or effect.action is Action.USE
            or effect.object.database != self._bind
            for effect in footprint.effects[: step.place]
        ) and all(
            opaque.place > step.place or opaque.line == step.line for opaque in footprint.opaque
        )

    def _is_last(self, revision: str, signs: Sequence[Sign]) -> bool:
        """Whether the last sign of a revision is from its last operation."""
        step = max((sign.step for sign in signs), key=lambda step: step.place)
        footprint = self._footprints[revision]
        following = footprint.effects[step.place + 1 :]
        return all(
            effect.line == step.line or effect.object.database != self._bind for effect in following
        ) and all(
            opaque.place <= step.place or opaque.line == step.line for opaque in footprint.opaque
        )

    def _lacks(self, revision: str) -> str:
        """A required revision that has not run, or not to its end; ``""`` if there is none."""
        unfinished = self._order.bits(self._known.undone)
        return next(self._order.names(self._order.below[revision] & unfinished), "")

    def _required_by(self, names: Iterable[str]) -> Mapping[str, str]:
        """The revisions that must have run before others, each with one of those."""
        found: dict[str, str] = {}
        seen = 0
        for name in sorted(names, key=self._graph.position.__getitem__, reverse=True):
            below = self._order.below[name] & ~seen
            found.update((each, name) for each in self._order.names(below))
            seen |= below
        return found

    def _contradictory(self, begun: Set[str], unfinished: Set[str]) -> set[str]:
        """The revisions whose signs are outvoted: something has run without what it requires.

        Of two contradicting sides, the one with fewer revisions is wrong; if they are equal, both
        are.
        """
        order, lacking = self._order, self._order.bits(unfinished)
        against = {name: order.below[name] & lacking for name in begun}
        found: set[str] = set()
        for group in _components(order, {name: bits for name, bits in against.items() if bits}):
            uppers = [name for name in order.names(group) if name in begun]
            # If the first few of them have run, so has what these require, and the rest has not.
            required = accumulate((against[name] for name in uppers), or_, initial=0)
            alone = (order.bits([name]) for name in uppers)
            rest = accumulate(alone, xor, initial=order.bits(uppers))
            outvoted = [below | left for below, left in zip(required, rest, strict=True)]
            fewest = min(bits.bit_count() for bits in outvoted)
            for bits in outvoted:
                if bits.bit_count() == fewest:
                    found.update(order.names(bits))
        return found


def _components(order: Ancestry, pairs: Mapping[str, int]) -> list[int]:
    """Group revisions that contradict each other, directly or through others."""
    groups: list[int] = []
    for upper, lowers in pairs.items():
        joined = lowers | order.bits([upper])
        apart = [group for group in groups if not group & joined]
        for group in groups:
            if group & joined:
                joined |= group
        groups = [*apart, joined]
    return groups
