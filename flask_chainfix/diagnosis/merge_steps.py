"""The commands that merge another branch, from the current state of a repository."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from flask_chainfix.common.quoting import path_word, ref_word
from flask_chainfix.model.environment import Environment
from flask_chainfix.model.history import AfterMerge, Merge


def merge_steps(environment: Environment, merge: Merge) -> tuple[str, ...]:
    """The commands that merge, from the repository's current state."""
    ref, steps = ref_word(merge.theirs.ref), []
    if merge.to_commit:
        steps += [f"git add -- {_paths(merge.to_commit)}", 'git commit -m "Add migrations"']
    if merge.tracking:
        steps.append(f"git fetch {ref_word(merge.tracking)}")
    steps.append(f"git merge --no-edit {ref}")
    for conflict in merge.conflicts:
        if any(file.path == conflict.path for file in merge.theirs.files):
            steps.append(f"git checkout {ref} -- {_paths([conflict.path])}")
        elif conflict.path.suffix == ".py":
            steps.append(f"git rm --quiet -- {_paths([conflict.path])}")
    if merge.after_merge is AfterMerge.REBASE:
        steps.append(f"{{fixchain}} rebase --onto {ref}{{databases}}")
    elif merge.after_merge is AfterMerge.REPAIR:
        steps.append("{fixchain} repair{databases}")
    ended = bool(merge.conflicts or merge.others)
    if ended or merge.after_merge is not AfterMerge.NOTHING:
        locations = environment.version_locations
        apart = {each for each in locations if not each.is_relative_to(environment.directory)}
        steps.append(f"git add -- {_paths([environment.directory, *sorted(apart)])}")
        steps.append("git commit --no-edit" if ended else 'git commit -m "Relink migrations"')
    return tuple(steps)


def _paths(paths: Iterable[Path]) -> str:
    return " ".join(path_word(os.path.relpath(path)) for path in paths)
