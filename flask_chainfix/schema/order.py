"""Which revisions must run before which, and where the chain does not ensure it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask_chainfix.schema.evidence import Evidence
from flask_chainfix.schema.footprint import Action, Key, Kind, Touch, key_of, table_of


class Precedence(NamedTuple):
    """One revision must run before another, because of one object.

    Attributes:
        before: the touch of the revision that must run first: it creates, uses or drops the object.
        after: the touch of the revision that must run later.
        ending: ``use`` if the later one uses the object, ``drop`` if it drops it, ``create`` if it
            creates it again.
    """

    before: Touch
    after: Touch
    ending: str

    @property
    def certain(self) -> bool:
        """Whether only this order can run."""
        return self.before.certain and self.after.certain


def precedences(evidence: Evidence) -> Iterator[Precedence]:
    """The required orders that the current chain does not ensure.

    Contested objects are left out, because single pairs prove nothing about them.
    """
    contested = evidence.contested
    for key in {**evidence.users, **evidence.droppers, **evidence.creators}:
        if key not in contested:
            for precedence in _precedences_of(evidence, key):
                one, other = precedence.before.revision, precedence.after.revision
                if one != other and not evidence.runs_before(one, other):
                    yield precedence


def _precedences_of(evidence: Evidence, key: Key) -> Iterator[Precedence]:
    makers, users = evidence.creators.get(key, []), evidence.users.get(key, [])
    if len(makers) > 1:  # several indexes or types have the name
        return
    for maker in makers:
        for user in users:
            yield Precedence(maker, user, "use")
    for dropper in evidence.droppers.get(key, ()):
        for maker in makers:
            yield Precedence(maker, dropper, "drop")
        for user in users:
            yield Precedence(user, dropper, "drop")


def disorders(evidence: Evidence) -> Iterator[Precedence]:
    """The orders that the chain allows and that certainly fail.

    Nothing is yielded if unreadable code could explain it. Alembic's own order may still work.
    """
    for precedence in precedences(evidence):
        if is_disorder(evidence, precedence):
            yield precedence
    for key in sorted(evidence.contested, key=str):
        for precedence in _contested_disorders(evidence, key):
            if is_disorder(evidence, precedence):
                yield precedence


def _contested_disorders(evidence: Evidence, key: Key) -> Iterator[Precedence]:
    """The touches that fail because a contested object does not exist then."""
    makers, droppers = evidence.creators.get(key, []), evidence.droppers.get(key, [])
    runs_before = evidence.upgraded_before
    for user in (*evidence.users.get(key, ()), *droppers):
        below = [maker for maker in makers if runs_before(maker.revision, user.revision)]
        if user not in droppers:  # a batch makes columns before what it builds on them
            below += (maker for maker in makers if maker.revision == user.revision)
        ends = [end for end in droppers if runs_before(end.revision, user.revision)]
        for end in ends if user not in droppers else ():  # a double drop is reported separately
            if not any(runs_before(end.revision, maker.revision) for maker in below):
                yield Precedence(user, end, "drop")
                break
        else:
            if not below and not ends and not evidence.is_there_first(key):
                yield Precedence(makers[0], user, "use")


def is_disorder(evidence: Evidence, precedence: Precedence) -> bool:
    """Whether a chain that does not ensure an order certainly fails in the other one."""
    before, after, ending = precedence
    if before.object.kind not in (Kind.TABLE, Kind.COLUMN):
        return False
    if before.object.kind is Kind.COLUMN and _is_reported_for_table(evidence, precedence):
        return False
    user = after if ending == "use" else before
    if not user.certain or not (ending == "use" or after.certain):
        return False
    one, other = before.revision, after.revision
    runs_before = evidence.runs_before
    if evidence.elsewhere and not (runs_before(one, other) or runs_before(other, one)):
        return False  # they may run in any order
    return not evidence.may_happen_elsewhere(Action.CREATE, user.object) and not any(
        doubt.place <= user.place or revision != user.revision
        for revision in evidence.opaque
        if revision == user.revision or runs_before(revision, user.revision)
        for doubt in evidence.doubts(revision, Action.CREATE, user.object)
    )


def _is_reported_for_table(evidence: Evidence, precedence: Precedence) -> bool:
    """Whether the table of a column has the same fault in the same two revisions."""
    before, after, ending = precedence
    table = key_of(table_of(before.object))
    touch = before if ending == "use" else after
    touches = evidence.creators if ending == "use" else evidence.droppers
    return any(other.revision == touch.revision for other in touches.get(table, ()))
