"""The commands that merge another branch or go on merging, from the current state of Git."""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask_chainfix.common.quoting import git_words, path_word, ref_word
from flask_chainfix.common.remedies import Remedy, concluding, way
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.databases import LostRevision
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.history import AfterMerge, Merge, Side


def merge_steps(environment: Environment, merge: Merge) -> tuple[str, ...]:
    """The commands that merge, from the repository's current state."""
    ref, steps = ref_word(merge.theirs.ref), [*_committing(environment, merge)]
    if merge.fetch:
        steps.append(merge.fetch)
    # One commit ends it, also if a merge driver or rerere settles all, or a hook checks merges.
    stops = bool(merge.conflicts or merge.others or merge.after_merge is not AfterMerge.NOTHING)
    steps.append(f"git merge {'--no-commit' if stops else '--no-edit'} {ref}")
    for conflict in merge.conflicts:
        if any(file.path == conflict.path for file in merge.theirs.files):
            steps.append(f"git checkout {ref} -- {git_words([conflict.path])}")
        elif conflict.path.suffix == ".py":
            steps.append(f"git rm --quiet -- {git_words([conflict.path])}")
    if merge.after_merge is AfterMerge.REBASE:
        steps.append(f"{{fixchain}} rebase --onto {ref}{{databases}}")
    elif merge.after_merge is AfterMerge.REPAIR:
        steps.append("{fixchain} repair{databases}")
    elif merge.after_merge is AfterMerge.LOCK:
        steps.append("{fixchain} lock")
    if stops:
        steps += [_staging(environment), concluding("merge")]
    return tuple(steps)


def _committing(environment: Environment, merge: Merge) -> Iterator[str]:
    """The commands that commit what is not committed yet."""
    to_commit = dict.fromkeys(merge.to_commit)
    if merge.lock_first:
        yield "{fixchain} lock"
        to_commit[environment.lock_path] = None
    if to_commit:
        is_lock = [*to_commit] == [environment.lock_path]
        message = "Update the chain lock" if is_lock else "Add migrations"
        yield f"git add -- {git_words(to_commit)}"
        yield f'git commit -m "{message}"'


def _staging(environment: Environment) -> str:
    places = (environment.directory, *sorted(environment.version_locations))
    return f"git add -- {git_words(places)}"


# --- What brings lost revisions ------------------------------------------------------------------
def is_on_main(snapshot: Facts, lost: LostRevision) -> bool:
    """Whether merging the main branch, or the branch that ``check`` compares with, restores it."""
    return bool(lost.main) or merge_with(snapshot, lost) is not None


def going_on(environment: Environment, lost: LostRevision) -> Remedy:
    """How to go on with Git's current operation, which brings a lost revision."""
    return way(
        f"once all is resolved, go on with the {lost.arriving}, which brings it",
        _staging(environment),
        concluding(lost.arriving),
    )


def merging(snapshot: Facts, lost: LostRevision) -> Remedy:
    """How to merge the branch that has a lost revision, or unstash it; empty if nothing has it."""
    foreseen = merge_with(snapshot, lost)
    if foreseen is not None:
        what = f"merge {foreseen.theirs.ref}, which has it"
        return way(what, *merge_steps(snapshot.environment, foreseen))
    if lost.stashed:
        return way("take it out of the stash", "git stash pop")
    if not (lost.branch and lost.kept):
        return Remedy()
    ref = lost.main or lost.branch
    merge = f"git merge --no-edit {ref_word(ref)}"
    return way(f"merge {ref}, which has it, then repair", merge, "{fixchain} repair{databases}")


def environment_with(snapshot: Facts, lost: LostRevision) -> str:
    """The directory of another environment that has a lost revision; ``""`` if none has."""
    others = (each.directory for each in snapshot.surroundings.others)
    having = (each for each in others if each in lost.path.parents)
    return next(map(os.path.relpath, having), "") if _is_unread(snapshot, lost) else ""


def in_its_environment(snapshot: Facts, lost: LostRevision) -> Remedy:
    """What to do if a lost revision belongs to another environment; empty if it does not."""
    other = environment_with(snapshot, lost)
    if not other:
        return Remedy()
    text = f"work on this database in the environment {other}, as its migrations have run there"
    command = f"{{program}} -d {path_word(other)} check{{databases}}"
    return way(text, command) | "give this one a database or a version table of its own"


def moving_here(snapshot: Facts, lost: LostRevision) -> Remedy:
    """How to move a file below this environment to where Alembic reads it; empty otherwise."""
    environment = snapshot.environment
    if environment.directory not in lost.path.parents or not _is_unread(snapshot, lost):
        return Remedy()
    moving = f"git mv -- {git_words([lost.path])} {git_words(environment.version_locations[:1])}"
    return way("move its file to where the configuration has Alembic look", moving)


def _is_unread(snapshot: Facts, lost: LostRevision) -> bool:
    """Whether its file is in the work tree, where the configuration does not lead."""
    here = lost.kept and not lost.branch
    return here and lost.path.parent not in snapshot.environment.version_locations


def merge_with(snapshot: Facts, lost: LostRevision) -> Merge | None:
    """The simulated merge of ``check`` that restores a lost revision."""
    gates = (each for each in snapshot.merges if each.is_gate and not each.mine.ref)
    return next((each for each in gates if lost.revision in Side("", each.resolved).ids), None)
