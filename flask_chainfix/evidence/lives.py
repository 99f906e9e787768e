"""Objects with several lives: whether revisions in some order find them as they need them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from flask_chainfix.evidence.record import Evidence
from flask_chainfix.evidence.touches import Key, table_key
from flask_chainfix.model import Action, Kind

Life = frozenset[Key]
"""The contested objects that exist at some point."""


class _Step(NamedTuple):
    """What a revision does with an object.

    Attributes:
        action: what it does.
        key: the object.
        decisive: whether the revision fails where the object is not as it needs it.
        renamed: the object's other name, if it is being renamed.
    """

    action: Action
    key: Key
    decisive: bool
    renamed: Key | None


class Lives:
    """The contested objects of a chain, without those of which nothing is certain.

    Args:
        evidence: what is known of all objects.
        ignored: whether the user knows better than what is proven here.

    Attributes:
        beginning: those that exist before the chain.
    """

    def __init__(self, evidence: Evidence, *, ignored: bool = False) -> None:
        self._evidence = evidence
        contested = {key for key in evidence.contested if not (ignored or self._is_in_doubt(key))}
        tables = {table_key(key) for key in contested}
        self.beginning: Life = frozenset(key for key in contested if evidence.is_there_first(key))
        self._steps: dict[str, tuple[_Step, ...]] = {}
        for revision, footprint in evidence.footprints.items():
            steps = tuple(
                _Step(
                    action,
                    key,
                    certain and not tolerant and key in contested,
                    evidence.key(renamed) if renamed is not None else None,
                )
                for action, object_, _, certain, renamed, tolerant in footprint.effects
                if (key := evidence.key(object_)) in contested or key in tables
            )
            if any(step.key in contested for step in steps):
                self._steps[revision] = steps

    def _is_in_doubt(self, key: Key) -> bool:
        """Whether what happens to an object depends on conditions, on unknowns, or on its schema.

        Whether an object that was made under a condition exists, only running would show.
        """
        evidence = self._evidence
        table = table_key(key)
        for one in {key, table}:
            changes = [*evidence.creators.get(one, ()), *evidence.droppers.get(one, ())]
            if not all(touch.certain for touch in changes) or evidence.has_twin(one):
                return True
        touches = evidence.creators.get(key) or evidence.droppers.get(key) or evidence.users[key]
        return any(
            evidence.may_touch(revision, action, touches[0].object)
            for revision in evidence.opaque
            for action in (Action.CREATE, Action.DROP)
        )

    def __contains__(self, revision: object) -> bool:
        """Whether a revision has to do with contested objects."""
        return revision in self._steps

    def after(self, revisions: Iterable[str], before: Life) -> Life | None:
        """Run revisions.

        Args:
            revisions: in the order in which they run.
            before: the contested objects that exist before.

        Returns:
            Those that exist afterwards; ``None`` where a revision is certain to fail.
        """
        now = set(before)
        for revision in revisions:
            for step in self._steps.get(revision, ()):
                exists = step.key in now
                if step.decisive and exists is (step.action is Action.CREATE):
                    return None
                if step.action is Action.CREATE:
                    now.add(step.key)
                elif step.action is Action.DROP:
                    now.discard(step.key)
                    _end_columns(now, step)
        return frozenset(now)

    def told(self, revisions: Collection[str]) -> str:
        """Who makes, or drops, the same object; ``""`` where nobody does."""
        for verb, touched in (
            ("created", self._evidence.creators),
            ("dropped", self._evidence.droppers),
        ):
            for key in sorted(
                self._evidence.contested, key=lambda key: (bool(key.table), key.name)
            ):
                touches = [touch for touch in touched.get(key, ()) if touch.revision in revisions]
                if len(touches) > 1:
                    object_ = touches[0].object
                    names = " and by ".join(touch.revision for touch in touches)
                    return f"{object_.kind.value} {object_.spelled} is {verb} by {names}"
        return ""


def _end_columns(now: set[Key], step: _Step) -> None:
    """Let the columns go with their table, or to its new name."""
    table = step.key
    if table.kind is not Kind.TABLE:
        return
    for key in [key for key in now if key.kind is Kind.COLUMN]:
        if table_key(key) == table:
            now.discard(key)
            if step.renamed is not None:
                now.add(key._replace(schema=step.renamed.schema, table=step.renamed.name))
