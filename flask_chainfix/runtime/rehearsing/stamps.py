"""In the rehearsing process: a stamp of the old chain with which the new one cannot go on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from alembic.script import ScriptDirectory

from flask_chainfix.remedies import Remedy, way


def advise_on_stamp(script: ScriptDirectory, stamps: Iterable[str], ran: Collection[str]) -> Remedy:
    """Say where the stamp has to be moved.

    Args:
        script: the new chain.
        stamps: the revisions that ``alembic_version`` holds.
        ran: the revisions that have run in this database.
    """
    parents = {found.revision: set(found._all_down_revisions) for found in script.walk_revisions()}
    known = [stamp for stamp in stamps if stamp in parents]
    unknown = sorted(set(stamps).difference(parents))
    if unknown:
        return way(
            f"the new chain has no {', '.join(unknown)}: see what has become of it",
            "{fixchain} check --database",
        )
    below = {stamp: _ancestors(stamp, parents) for stamp in known}
    tops = sorted(stamp for stamp in known if not any(stamp in below[other] for other in known))
    missing = sorted(set().union(*(below[top] for top in tops)).difference(ran))
    if missing:
        return way(
            f"{', '.join(missing)} never ran there, and would be skipped: undo the repair, and"
            " repair again with that database named",
            "{fixchain} undo",
        )
    return way(f"move the stamp to {' '.join(tops)}", "{fixchain} restamp")


def _ancestors(revision: str, parents: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(parents[revision])
    while waiting:
        found |= waiting
        waiting = {name for each in waiting for name in parents.get(each, ())} - found
    return found
