"""FC109: ids that the version table has no room for become shorter, wherever they are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask_chainfix import source
from flask_chainfix.model import Edit, Header, Mend, Part, Reason
from flask_chainfix.numbering import LONGEST_ID
from flask_chainfix.snapshot import Snapshot


def shortened(snapshot: Snapshot) -> tuple[Mend, ...]:
    """Give every revision whose id is too long one that fits.

    Args:
        snapshot: a chain without other faults.

    Returns:
        The mends that write the new ids, wherever they are named.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    new_ids = _new_ids(snapshot)
    return tuple(_mends(snapshot, new_ids)) if new_ids else ()


def _new_ids(snapshot: Snapshot) -> dict[str, str]:
    graph = snapshot.graph
    taken = {*graph, *graph.labelled}
    new_ids: dict[str, str] = {}
    for revision in graph:
        if len(revision) > LONGEST_ID:
            new_ids[revision] = next(id_ for id_ in _shorter(revision) if id_ and id_ not in taken)
            taken.add(new_ids[revision])
    return new_ids


def _shorter(revision: str) -> Iterator[str]:
    """Its beginning; with a number at the end where that is another's already."""
    yield revision[:LONGEST_ID].rstrip("_. ")
    number = 2
    while True:
        end = f"_{number}"
        yield revision[: LONGEST_ID - len(end)].rstrip("_. ") + end
        number += 1


def _mends(snapshot: Snapshot, new_ids: Mapping[str, str]) -> Iterator[Mend]:
    for file in snapshot.files:
        header = file.reading
        if not isinstance(header, Header) or header.revision is None:
            continue
        old = header.revision
        parents, dependencies = (
            tuple(new_ids.get(name, name) for name in names or ())
            for names in (header.down_revision, header.depends_on)
        )
        data = source.rewrite(
            file.data,
            file.name,
            parents if parents != header.down_revision else None,
            revision=new_ids.get(old),
            depends_on=dependencies if dependencies != header.depends_on else None,
        )
        if data == file.data:
            continue
        edit = Edit(file.path, file.data, data)
        if old in new_ids:
            why = Reason("length", f"{len(old)} characters, and {LONGEST_ID} fit")
            ids = (old,), (new_ids[old],)
            yield Mend("FC109", Part.ID, old, file.path, *ids, (why,), (edit,), frees_id=True)
        else:
            why = Reason("length", "what it names has a shorter id now")
            before, after, part = header.down_revision or (), parents, Part.PARENTS
            if before == after:
                before, after, part = header.depends_on or (), dependencies, Part.DEPENDENCIES
            yield Mend("FC109", part, old, file.path, before, after, (why,), (edit,))
