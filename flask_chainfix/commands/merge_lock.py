"""merge-lock: the merge driver that Git calls for chain locks.

A lock is only settled if its contents are certain: the merged chain is healthy, or a rebase would
make it so. Otherwise both sides are left in it, between conflict markers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from flask_chainfix import disk
from flask_chainfix.chain import heads_file
from flask_chainfix.common.errors import CannotPlan, CannotReadGit, CannotRewrite, ChainFixError
from flask_chainfix.common.regular_files import read_regular
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.diagnosis import errors_of
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.git.merge_driver import DriverFiles, being_merged, merge_lines
from flask_chainfix.git.past import read_branch
from flask_chainfix.git.upstream import read_upstream
from flask_chainfix.model.files import ChainLock


class Settled(NamedTuple):
    """A merged lock without a conflict.

    Attributes:
        text: the file.
        onto: the Git revision that mine must be rebased onto to make it true; ``""`` if it is true.
        heads: the heads that it names.
    """

    text: bytes
    onto: str
    heads: tuple[str, ...]


def merge_locks(runtime: Runtime | None, versions: DriverFiles) -> Settled | bool:
    """Replace our version of the lock with the merged one.

    Args:
        runtime: the environment of the lock; ``None`` if there is none.
        versions: the files.

    Returns:
        The settled lock; otherwise whether the lines of both sides merged without a conflict.

    Raises:
        Unknown: Git cannot merge them.
        OSError: the file cannot be written.
    """
    try:
        found = None if runtime is None else _settled(runtime, versions)
    except (ChainFixError, OSError):
        found = None
    if found is None:
        return merge_lines(versions)
    disk.write_at_once(versions.ours, found.text)
    return found


def _settled(runtime: Runtime, versions: DriverFiles) -> Settled | None:
    """The lock after the merge; ``None`` if its contents are not certain.

    Raises:
        ChainFixError, OSError: the chains cannot be read.
    """
    from flask_chainfix.commands.check_against import foresee_merges

    ours, theirs = read_regular(versions.ours), read_regular(versions.theirs)
    environment = runtime.environment
    on_disk, _ = disk.read_snapshot(environment)
    head = read_branch("HEAD", on_disk)
    now = Facts.around(replace(head, lock=ChainLock(environment.lock_path, ours)))
    for commit in being_merged(environment.directory):
        foreseen = foresee_merges(now, commit)
        for merge in foreseen.merges:
            # For a merge of ancestors, or of another commit, the merged chain is unknown.
            lock = merge.theirs.lock
            if merge.to_commit or lock is None or lock.data != theirs:
                continue
            if any(each.path != environment.lock_path for each in merge.conflicts):
                return None
            known = frozenset(foreseen.base.graph)
            return _lock_for(now.of_others(merge.files), known, ours)
    return None


def _lock_for(merged: Facts, known: frozenset[str], ours: bytes) -> Settled | None:
    """The lock of a merged chain; with several heads, the lock after a ``rebase``."""
    onto = ""
    errors = {finding.code for finding in errors_of(diagnose(merged))}
    if errors == {"FC102"}:
        from flask_chainfix.commands.rebase import lined_up
        from flask_chainfix.planning.on_top import excerpt

        wanted = merged.environment.settings.main_branch or None
        try:
            there, (upstream, *_) = read_upstream(wanted, merged)
            merged = lined_up(merged, upstream.short, there)
        except (CannotPlan, CannotReadGit, CannotRewrite):
            return None
        onto = upstream.short
        added = [revision for revision in merged.graph if revision not in known]
        if errors_of(diagnose(merged)) or errors_of(
            diagnose(excerpt(merged, added), Family.SCHEMA)
        ):
            return None
    elif errors:
        return None
    lines = heads_file.expected_lines(merged)
    if lines is None:
        return None
    return Settled(heads_file.text_of(merged, lines, ours), onto, tuple(lines))


def notice_on(settled: Settled, path: str, ours: str) -> str:
    """The notice about a lock that is only true once ``rebase`` has run.

    Args:
        settled: the lock.
        path: its path, for people.
        ours: the command that runs ours, as it would be typed.
    """
    if not settled.onto:
        return ""
    return (
        f"{path} names {listing(settled.heads)}, as `{ours} rebase` will put yours on top"
        f" of what {settled.onto} has; until then the chain has several heads"
    )
