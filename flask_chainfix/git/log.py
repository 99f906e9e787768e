"""What commits did to migration files, newest commit first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from flask_chainfix.git.repositories import Repository
from flask_chainfix.git.running import Unknown

_LATEST = 2**37  # seconds since 1970

# ``--sparse`` spares comparing each commit twice, and ``-l`` spares minutes of comparing each file
# with each in a commit that renames and edits thousands. The last line, and the references that
# decorate, take back what the user's configuration may say.
_LOG = (  # noqa: SIM905 - a line for each would say less
    "-c log.diffMerges=separate log -z --format=commit%x09%h%x09%ct%x09%p%x09%S%x09%D%x09%an"
    " --raw --date-order --full-history --sparse -l1000 --decorate-refs=HEAD"
    " --encoding=UTF-8 --root -O/dev/null --no-relative --no-show-signature"
).split()
# What a merge itself does; how it differs from each of its parents, which is much longer; and how
# it differs from its first parent, where only first parents are followed.
_MERGED, _EACH = ("-c", "--combined-all-paths"), ("-m",)
_FIRST_PARENTS = ("-m", "--first-parent")
# A small migration that was renamed and relinked is still the same to about 85 %, and another
# one with the same operations, generated anew, to about 65 %.
_SIMILAR, _SAME = "-M75%", "-M100%"


class Commit(NamedTuple):
    """A commit.

    Attributes:
        age: its place in the log, 0 for the newest.
        name: its abbreviated hash.
        date: when it was committed, aware.
        parents: the abbreviated hashes of its parents.
        ref: what the log was asked for that has led to it.
        author: who made it.
        is_head: whether it is ``HEAD``.
    """

    age: int
    name: str
    date: datetime
    parents: tuple[str, ...]
    ref: str
    author: str
    is_head: bool


class Version(NamedTuple):
    """A file as it was at a time.

    Attributes:
        name: what Git calls it: from the top of the work tree, with slashes.
        blob: the abbreviated hash of its content.
    """

    name: str
    blob: str


class Change(NamedTuple):
    """What a commit did to one file.

    Attributes:
        statuses: Git's letter for it, for each parent.
        names: what it was called in each parent, then now.
        before: what it was, in each parent that had it.
        after: what it is; ``None`` where it was removed.
    """

    statuses: str
    names: tuple[str, ...]
    before: tuple[Version, ...]
    after: Version | None


Entry = tuple[Commit, list[Change]]


def read_log(
    repository: Repository,
    paths: Iterable[str],
    kinds: str,
    *revisions: str,
    each: bool = False,
    first_parents: bool = False,
) -> tuple[list[Entry], bool]:
    """Ask for all commits that led to some revisions.

    Args:
        repository: where to ask.
        paths: pathspecs of the files that count.
        kinds: Git's letters for the changes that count, and commits without any are left out;
            ``""`` for all changes and all commits.
        revisions: what is asked for; nothing is ``HEAD``.
        each: whether merges are compared with each of their parents, and appear once for each.
        first_parents: whether only first parents are followed, so that a merge counts as having
            made all that it brought.

    Returns:
        The commits, and whether contents could be compared; else a file that was renamed and
        edited is another one.

    Raises:
        Unknown: Git cannot tell.
    """
    merges = _FIRST_PARENTS if first_parents else _EACH if each else _MERGED
    asked = [*_LOG, *merges, *([f"--diff-filter={kinds}"] if kinds else [])]
    among = (*revisions, "--", *paths)
    try:
        return _parse(repository.git(*asked, _SIMILAR, *among)), True
    except Unknown as reason:
        if "does not have any commits yet" in str(reason):
            return [], True
    # Names and checksums are there also where content is not, as in a partial clone.
    return _parse(repository.git(*asked, _SAME, *among)), False


def _parse(output: bytes) -> list[Entry]:
    entries: list[Entry] = []
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        text = token.strip().decode(errors="replace")
        if text.startswith("commit\t"):
            text = token.decode(errors="replace")
            _, name, seconds, parents, ref, head, author = text.split("\t", 6)
            # A damaged commit can have no date, or one beyond all calendars.
            date = datetime.fromtimestamp(min(int(seconds or 0), _LATEST), timezone.utc)
            below = tuple(parents.split())
            commit = Commit(len(entries), name, date, below, ref, author, bool(head))
            entries.append((commit, []))
        elif text:
            entries[-1][1].append(_change(text, tokens))
    return entries


def _change(text: str, tokens: Iterator[bytes]) -> Change:
    fields = text.lstrip(":")
    parents = len(text) - len(fields)
    *numbers, statuses = fields.split()  # the modes, the hashes and a letter for each parent
    statuses = statuses.rstrip("0123456789")
    count = parents + 1 if parents > 1 or statuses == "R" else 1
    names = [os.fsdecode(next(tokens)) for _ in range(count)]
    blobs = numbers[parents + 1 :]
    *before, after = map(Version, names if count > 1 else names * 2, blobs)
    return Change(
        statuses,
        tuple(names),
        tuple(version for version in before if version.blob.strip("0")),
        after if after.blob.strip("0") else None,
    )
