"""Files of lost revisions, as version control has them."""

from __future__ import annotations

from pathlib import Path

from flask_chainfix.errors import CannotPlan
from flask_chainfix.languages import option
from flask_chainfix.model import Edit, LostRevision, NewRevision, Reason
from flask_chainfix.remedies import way
from flask_chainfix.rules.lost import choices
from flask_chainfix.snapshot import Snapshot


def brought_back(snapshot: Snapshot, revision: str) -> tuple[NewRevision, Edit]:
    """The file of a lost revision, as version control has it.

    Args:
        snapshot: the chain, and what is known of lost revisions.
        revision: one that no file has.

    Raises:
        CannotPlan: version control has no such file, or it cannot come back as it was.
    """
    lost = snapshot.databases.lost.get(revision)
    if lost is None:
        raise CannotPlan(
            f"Git knows nothing of {revision!r}, so its file cannot be brought back",
            choices(snapshot, revision),
        )
    if lost.renamed in snapshot.graph and not lost.edited:
        counting = option("--lost", f"{revision}={lost.renamed}")
        raise CannotPlan(
            f"{revision} is not gone: the same migration is {lost.renamed} now and would run twice",
            way(
                "move the stamp to its new id",
                f"{{fixchain}} restamp {counting}{{databases}}",
            ),
        )
    path = _place_for(snapshot, lost)
    branch = f" of {lost.branch}" if lost.branch else ""
    commit = f"before commit {lost.commit}{branch or ' that removed it'}"
    which = f"as commit {lost.commit}{branch} has it" if lost.kept else f"as it was {commit}"
    why = Reason("git", f"{which}, by {lost.author}")
    new = NewRevision(revision, path, path.parent, "", lost.parents, (why,))
    return new, Edit(path, None, lost.data)


def _place_for(snapshot: Snapshot, lost: LostRevision) -> Path:
    """Where its file was; in the first version location, if that is none any more."""
    locations = snapshot.environment.version_locations
    path = lost.path
    below = any(path.is_relative_to(location) for location in locations)
    if path.parent not in locations and not (snapshot.environment.recursive and below):
        path = locations[0] / path.name
    if any(file.path == path for file in snapshot.files):
        raise CannotPlan(
            f"another migration has the file name of {lost.revision} by now: {path.name}",
            f"rename {path.name}",
        )
    return path
