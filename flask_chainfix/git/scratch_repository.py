"""A repository, and a temporary one beside it in which Git merges its commits.

``git merge-tree`` merges as ``git merge`` does, without a work tree. It runs in a bare repository
without configuration that reads the objects of the other one; new objects stay in the bare one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.regular_files import LARGEST
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import count
from flask_chainfix.git.landings import REMOTES
from flask_chainfix.git.merge_bases import MergeBases, Pair, additions, parents_of
from flask_chainfix.git.past import no_revision, trees_of
from flask_chainfix.git.program import Ended, Unknown, batch, quoted, run
from flask_chainfix.git.repositories import Repository, fetch_of, left_out_of, real_directory
from flask_chainfix.git.tree import ObjectCache, Tree
from flask_chainfix.model.files import ChainLock
from flask_chainfix.model.history import Conflict

DISK = ""
"""The name of the files on the disk, in place of a commit."""

# Git stops, but has put the file where the other side has moved its directory.
_ONLY_MOVED = "directory rename suggested"
_MOST_COMMITS = 10_000  # the number of commits to walk


class _Merged(NamedTuple):
    """The result of one merge: a tree, and the files at which Git would stop."""

    tree: str
    conflicts: tuple[Conflict, ...]
    others: int


class ScratchRepository:
    """A repository, with a bare one in which its commits are merged.

    Args:
        stack: closes what is opened here.
        repository: the repository.
        roots: its version locations, real paths that end in a slash.
        now: the current files.
    """

    def __init__(
        self, stack: ExitStack, repository: Repository, roots: list[str], now: Snapshot
    ) -> None:
        self.roots = roots
        self._scratch = Path(stack.enter_context(TemporaryDirectory(prefix="fixchain-")))
        store = str(self._scratch / "objects")
        os.makedirs(store)
        start = None if repository.inherited else repository.top
        self._stack = stack
        self._batch = stack.enter_context(batch(start, store))
        self.repository = repository._replace(batch=self._ask)
        self._now = now
        self._real_directory = cache(real_directory)
        lock = now.environment.lock_path
        self._lock_name = self.name_of(lock.parent, lock.name)
        self._trees: dict[str, Tree] = {}
        self._objects = ObjectCache(self.repository, sourceless=now.environment.sourceless)
        self.locks: dict[str, ChainLock] = {}
        self.commits: dict[str, str] = {}
        self.base = ""
        self._tips: list[str] = []
        self.unrelated = False
        self._tracking = ""
        self.left_out: frozenset[str] = frozenset()
        self.merged: dict[Pair, _Merged] = {}

    def name_of(self, directory: Path, name: str) -> str | None:
        """The name of a file in Git; ``None`` if it is outside."""
        return self.repository.name_of(self._real_directory(directory) + name)

    def _ask(self, sent: bytes) -> bytes:
        """The answer of ``git cat-file --batch``; a partial clone answers with what it has."""
        try:
            return self._batch(sent)
        except Ended:  # the bare repository has no remote to fetch from
            self._make_scratch()
            store = str(self._scratch / "objects")
            again = batch(self.repository.top, store, self._variables)
            self._batch = self._stack.enter_context(again)
            return self._batch(sent)

    def load(self, commits: Iterable[str]) -> None:
        """Read the version locations and chain locks of commits or trees.

        Raises:
            Unknown: Git cannot read them.
        """
        new = [each for each in dict.fromkeys(commits) if each not in self._trees]
        self._trees |= trees_of(self._objects, new, self.roots, self._now)
        if self._lock_name is not None:
            names = {f"{each}:{self._lock_name}": each for each in new}
            path = self._now.environment.lock_path
            for name, found in self.repository.objects(names, "blob").items():
                self.locks[names[name]] = ChainLock(path, found.data)

    def tree(self, commit: str) -> Tree:
        """The version locations of a commit or tree.

        Raises:
            Unknown: Git does not have all of them.
        """
        if commit not in self._trees:
            raise Unknown(
                "some of its files are not in the repository; in a partial clone,"
                f" `{self.repository.program} fetch --refetch --no-filter` brings them"
                if not self._batch.left_out
                else f"some of its files have more than {LARGEST:,} bytes"
            )
        return self._trees[commit]

    # --- What to merge ---------------------------------------------------------------------------
    def find(self, names: Sequence[str], *, several: bool) -> None:
        """Find the commits with these names, and the checked-out one.

        Raises:
            CannotReadGit: a name is not a commit.
            Unknown: Git cannot find them.
        """
        remote = names[0].removeprefix("remotes/").removeprefix(REMOTES)
        asked = [*names, "HEAD", "MERGE_HEAD", f"{REMOTES}{remote}"]
        found = self.repository.objects(asked, "commit")
        for name in names:
            if name not in found:
                raise no_revision(name, self.repository, several=several)
        self.commits = {name: each.hash for name, each in found.items()}
        self._tips = [self.commits[name] for name in (*names, "HEAD") if name in self.commits]
        if asked[-1] in found and "/" in remote:
            self._tracking = asked[-1]

    @property
    def fetch(self) -> str:
        """The command that updates the first of them; ``""`` if it is no remote's branch."""
        return fetch_of(self.repository, self._tracking) if self._tracking else ""

    def find_base(self, ref: str) -> None:
        """Find the merge base of a commit and the checked-out one.

        Raises:
            CannotReadGit: the clone is too shallow.
            Unknown: Git cannot find it.
        """
        ours = [self.commits[name] for name in ("HEAD", "MERGE_HEAD") if name in self.commits]
        self.base = self.commits[ref]
        if self.repository.shallow:
            self._refuse_too_shallow(ref, [name for name in self.commits if name != ref])
        if len(ours) == 1 and (base := self._merge_bases.of(self.base, *ours)) is not None:
            self.base = base
        elif ours and self.base not in ours:
            try:
                asked = ("merge-base", self.base, *ours)
                self.base = self.repository.git(*asked).decode().strip()
            except Unknown as reason:
                if not reason.silent:
                    raise
                self.unrelated = True

    @cached_property
    def _merge_bases(self) -> MergeBases:
        """The merge bases of the commits that were found."""
        return MergeBases(self.repository, self._tips)

    def _refuse_too_shallow(self, ref: str, others: Iterable[str]) -> None:
        """Stop if a shallow clone does not reach back far enough.

        Raises:
            CannotReadGit: it does not.
        """
        theirs = set(self._ancestors(self.commits[ref]))
        for name in others:
            known = set(self._ancestors(self.commits[name]))
            if not known.isdisjoint(theirs) or name.startswith(REMOTES):
                continue
            what = "the checked-out commit" if name in ("HEAD", "MERGE_HEAD") else repr(name)
            raise CannotReadGit(
                f"where {ref!r} and {what} part is not known, because the clone is too"
                " shallow: it has"
                f" {count(len(theirs), 'commit')} of the one and {count(len(known), 'commit')} of"
                " the other, and needs enough to reach one that both have",
                way("fetch the rest", "git fetch --unshallow")
                | way(
                    "if that is too much, fetch more until it is enough",
                    f"git fetch --deepen={max(50, 2 * len(theirs), 2 * len(known))}",
                )
                | "check out with fetch-depth: 0 (GitHub Actions) or GIT_DEPTH: 0 (GitLab) in a CI"
                " job",
            )

    def _ancestors(self, commit: str) -> Iterator[str]:
        level, seen = [commit], {commit}
        while level and len(seen) < _MOST_COMMITS:
            found = self.repository.objects(level, "commit")
            yield from found
            above = (name for each in found.values() for name in parents_of(each.data))
            level = [name for name in dict.fromkeys(above) if name not in seen]
            seen.update(level)

    def moved_to(self, name: str) -> str:
        """The directory that has most of the moved migrations in a commit; ``""`` if none has.

        Raises:
            Unknown: Git cannot read it.
        """
        asked = ("diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status")
        answer = self.repository.git(*asked, self.base, self.commits[name])
        fields = os.fsdecode(answer).split("\0")
        moves = zip(fields[1::3], fields[2::3], strict=False)  # a status comes before each two
        found = Counter(os.path.dirname(new) for old, new in moves if self._is_migration(old))
        return found.most_common(1)[0][0] if found else ""

    # --- Merging ---------------------------------------------------------------------------------
    def take_from_disk(self) -> list[Path]:
        """Make a commit of the files on the disk, if they differ from the checked-out commit.

        Returns:
            The files that differ.

        Raises:
            Unknown: Git cannot read or add them.
        """
        head, merging = self.commits.get("HEAD"), self.commits.get("MERGE_HEAD")
        committed = {} if head is None else self._committed(head)
        here = {self.name_of(file.directory, file.name): file.data for file in self._now.files}
        lock = self._now.lock
        if lock is not None:
            here[self._lock_name] = lock.data or b""
        # Nothing is known about unreadable files.
        readable = {name: data for name, data in here.items() if name is not None and data}
        put = {name: data for name, data in readable.items() if committed.get(name) != data}
        missing = [name for name in committed if name not in here]
        self.left_out = left_out_of(self.repository, missing)
        gone = [name for name in missing if name not in self.left_out]
        self.commits[DISK] = head or ""
        if put or gone or merging or head is None:
            self.commits[DISK] = self._commit(put, gone, [head, merging])
        return [Path(self.repository.top, name) for name in sorted({*put, *gone})]

    def _committed(self, head: str) -> dict[str, bytes]:
        """The migrations and the chain lock in a commit, by their names in Git."""
        tree, environment = self.tree(head), self._now.environment
        found: dict[str, bytes] = {}
        for root in self.roots:
            location = self.repository.folder(root)
            for folder in tree.folders(location, recursive=environment.recursive):
                files = tree.files(folder)
                found |= {target: tree.contents[blob] for _, target, blob in files if blob}
        if self._lock_name is not None and head in self.locks:
            found[self._lock_name] = self.locks[head].data or b""
        return found

    def _commit(
        self, put: Mapping[str, bytes], gone: Iterable[str], parents: Sequence[str | None]
    ) -> str:
        stream = [b"commit refs/heads/mine\nmark :1\ncommitter mine <mine> 0 +0000\ndata 0\n"]
        above = [parent.encode() for parent in parents if parent]
        stream += [
            (b"merge " if number else b"from ") + each + b"\n" for number, each in enumerate(above)
        ]
        stream += [b"D %s\n" % quoted(name).encode() for name in gone]
        for name, data in put.items():
            path = quoted(name).encode()
            stream += [b"M 100644 inline %s\ndata %d\n" % (path, len(data)), data, b"\n"]
        return self._git("fast-import", "--quiet", sent=b"".join([*stream, b"\nget-mark :1\n"]))

    def merge(self, pairs: Sequence[Pair]) -> None:
        """Merge pairs of commits, all in one process.

        Raises:
            Unknown: Git cannot merge them.
        """
        if not pairs:
            return
        sent = "".join(f"{self.commits[one]} {self.commits[other]}\n" for one, other in pairs)
        # Unrelated histories are reported elsewhere.
        asked = ("merge-tree", "--write-tree", "--stdin", "-z", "--messages")
        answer = self._git(*asked, "--allow-unrelated-histories", sent=sent.encode())
        for pair, (tree, conflicts) in zip(pairs, _results(answer), strict=True):
            ours = []
            for name, kind in conflicts.items():
                if kind == _ONLY_MOVED:
                    continue
                if name == self._lock_name or self._is_migration(name):
                    ours.append(Conflict(Path(self.repository.top, name), kind))
            self.merged[pair] = _Merged(tree, tuple(ours), len(conflicts) - len(ours))

    def sums(self, pairs: Iterable[Pair], gate: Pair) -> frozenset[Pair]:
        """The merges of two commits that have both only added migrations: their result is obvious.

        Nothing was deleted or renamed on either side, so Git would detect no renames.

        Args:
            pairs: the merges.
            gate: the merge for which other files count as well: no file was changed on both sides.

        Raises:
            Unknown: Git cannot read them.
        """
        sides = {pair: [self.commits[name] for name in pair] for pair in pairs}
        bases = {pair: self._merge_bases.of(*each) for pair, each in sides.items()}
        asked = ((base, side) for pair, base in bases.items() if base for side in sides[pair])
        added = additions(self._objects, self.repository.folder(self.roots[0]), asked)
        found = set()
        for pair, base in bases.items():
            one, other = (added.get((base or "", side)) for side in sides[pair])
            if one is None or other is None or not one.agrees(other):
                continue
            if pair != gate or one.touched.isdisjoint(other.touched):
                found.add(pair)
        return frozenset(found)

    def _is_migration(self, name: str) -> bool:
        path = f"{self.repository.top}{name}"
        return name.endswith(".py") and any(map(path.startswith, self.roots))

    def _git(self, *arguments: str, sent: bytes) -> str:
        """Git's answer in the bare repository."""
        self._make_scratch()
        answer = run(self.repository.top, *arguments, sent=sent, variables=self._variables)
        return os.fsdecode(answer).removesuffix("\n")

    def _make_scratch(self) -> None:
        git = self._scratch
        if not (git / "HEAD").exists():
            (git / "refs").mkdir()
            (git / "objects/info").mkdir()
            (git / "objects/info/alternates").write_text(f"{quoted(self.repository.store)}\n")
            long = any(len(commit) > 40 for commit in self.commits.values())
            form = "repositoryformatversion = 1\n[extensions]\nobjectformat = sha256\n"
            # Temporary objects need no compression.
            (git / "config").write_text(f"[core]\ncompression = 0\n{form if long else ''}")
            shallow = Path(self.repository.store).parent / "shallow"
            if self.repository.shallow and shallow.exists():
                shutil.copyfile(shallow, git / "shallow")
            (git / "HEAD").write_text("ref: refs/heads/none\n")

    @property
    def _variables(self) -> dict[str, str]:
        return {
            "GIT_DIR": str(self._scratch),
            # Its .gitattributes define how files merge; nothing is written there.
            "GIT_WORK_TREE": self.repository.top,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }


def _results(answer: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The results of ``git merge-tree``: for each merge its tree, and its problems by path."""
    fields = iter(answer.split("\0"))
    for status in fields:
        if status not in ("0", "1"):
            return
        tree = next(fields)
        conflicts: dict[str, str] = {}
        for entry in iter(lambda: next(fields), ""):
            conflicts[entry.partition("\t")[2]] = "contents"
        for number in iter(lambda: next(fields), ""):
            paths = [next(fields) for _ in range(int(number))]
            kind = re.fullmatch(r"CONFLICT \((.*)\)", next(fields))
            next(fields)
            conflicts |= {path: kind[1] for path in paths if kind and path in conflicts}
        yield tree, conflicts
