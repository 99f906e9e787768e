"""The main branch and the releases, and their chains."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.common.errors import CannotReadGit
from flask_chainfix.common.quoting import ref_word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.git.in_progress import operation_in
from flask_chainfix.git.landings import LOCAL, REFS, REMOTES, TAGS, short_ref
from flask_chainfix.git.past import (
    fetch_missing,
    read_branch,
    read_chains,
    remotes_of,
    version_roots,
)
from flask_chainfix.git.program import Unknown, remedy_for
from flask_chainfix.git.repositories import Repository, repositories_of
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.history import PublishedChain

_NAMES = ("main", "master")
_LIKELY = (*_NAMES, "develop")
_MOST_NAMED = 3
_MOST = 24  # the number of releases to read

# The names of releases' branches and tags, unless the settings define them.
_RELEASE = re.compile(
    r"(releases?|rel|stable|maint(enance)?|lts|production|prod)"
    r"(/.*|[-_.]?v?\d.*)?|.*[-_.]stable",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"v?\d+([._]\d+|[._-]?(x|a|alpha|b|beta|c|rc|dev|pre|post|final|stable|lts|p|r|sp)\.?\d*)*"
    r"(\+[\w.]*)?|\d{4}-\d\d(-\d\d)?",
    re.IGNORECASE,
)
_TAGGED = re.compile(r"([a-z][\w.]*[-_/@])*", re.IGNORECASE)  # the name before a version


def read_upstream(ref: str | None, now: Snapshot) -> tuple[Snapshot, tuple[PublishedChain, ...]]:
    """Read the chain of the branch that others build on, and the chains of the releases.

    Nothing is fetched: a remote's branch is in the state of the last fetch.

    Args:
        ref: any Git revision; ``None`` for the default branch of a remote, or, if none names one,
            for the only branch called ``main``, ``master`` or ``develop``, or for the one of them
            from which the checked-out branch comes.
        now: the current migrations.

    Returns:
        The files of the branch; its chain, and the further chains of ``read_published``.

    Raises:
        CannotReadGit: there is no such branch, or Git fails.
    """
    repositories, unknown = repositories_of(version_roots(now))
    for reason in unknown:
        raise CannotReadGit(
            f"it is not known which migrations are on the main branch: {reason}",
            remedy_for(reason)
            or "run this in a clone of the project; without Git, the command repair orders the"
            " migrations by what they do, and by dates and names",
        )
    first = next(iter(repositories))
    chains: Mapping[str, Snapshot] = {}
    published: list[PublishedChain] = []
    try:
        refs = _all_refs(first)
        name = ref if ref is not None else _default_branch(refs, first)
        if len(repositories) == 1:
            published = [*_published(now.environment.settings, refs)]
            main = [name] if ref is None else []  # the user's name may not be a commit
            chains = read_chains(first, [*main, *(each.ref for each in published)], now)
    except Unknown as reason:
        raise CannotReadGit(
            f"the repository {first.top} cannot be read: {reason}",
            way("see what Git says there", "git status"),
        ) from reason
    if name.startswith("-"):
        raise CannotReadGit(
            f"{name!r} begins with a dash, and would be an option for Git",
            "give its hash, or its full name: refs/heads/…",
        )
    there = chains.get(name) or read_branch(name, now)
    onto = PublishedChain(short_ref(name), name, short_ref(name), there.files, is_main=True)
    others = (each for each in _read(published, chains) if each.ref != name)
    return there, (onto, *(replace(each, is_main=False) for each in others))


def read_published(now: Snapshot) -> tuple[tuple[PublishedChain, ...], tuple[str, ...]]:
    """Read the chains of the main branch, which comes first, and of the latest releases.

    This takes three calls of Git. A remote's branches are in the state of the last fetch.

    Returns:
        The chains, and notices about what is unknown and why. Empty if the migrations are in no
        repository, or in several.
    """
    repositories, _ = repositories_of(version_roots(now))
    if len(repositories) != 1:
        return (), ()
    (repository,) = repositories
    settings = now.environment.settings
    try:
        refs = _all_refs(repository)
        asked = list(_published(settings, refs))
        chains = read_chains(repository, [each.ref for each in asked], now)
    except Unknown as reason:
        return (), (f"{reason}: what the main branch and releases have is not known",)
    is_unknown = settings.main_branch is None and not _likely(refs)
    notices = _of_one_branch(repository, refs) if is_unknown else ()
    return _read(asked, chains), tuple(notices)


def _of_one_branch(repository: Repository, refs: Mapping[str, str]) -> Iterator[str]:
    """The notice that a clone of a single branch does not show what others have."""
    branches = {_remote(ref, refs): _plain(ref, refs) for ref in refs if ref.startswith(REMOTES)}
    for remote, name in branches.items():
        if _has_one_branch(repository, remote):
            fetching = fetch_missing(repository, remote, "main").removeprefix("git")
            yield (
                "the clone has one branch only: what the main branch has is not known; if others"
                f" build on {name}, name it as main_branch in the settings; if they build on main,"
                f" `{repository.program}{fetching}` fetches it"
            )


def _has_one_branch(repository: Repository, remote: str) -> bool:
    """Whether a clone was made of single branches of a remote."""
    with suppress(Unknown):
        return b"*" not in repository.git("config", "--get-all", f"remote.{remote}.fetch")
    return False


def _read(
    asked: Iterable[PublishedChain], chains: Mapping[str, Snapshot]
) -> tuple[PublishedChain, ...]:
    """The chains with their files, without the local main branch if it is behind the remote's."""
    read = [replace(each, files=chains[each.ref].files) for each in asked if each.ref in chains]
    main = next((each.revisions for each in read if each.is_main), frozenset[str]())
    return tuple(each for each in read if not each.is_line or each.revisions >= main)


def _published(settings: Settings, refs: Mapping[str, str]) -> Iterator[PublishedChain]:
    """The main branch and the latest releases, without their files.

    After the main branch of a remote comes the local one, which may be ahead of it.
    """
    main = _main_branch(settings, refs)
    for ref in main_lines(settings, refs):
        name, is_main = short_ref(ref), ref == main
        what = f"the main branch ({name})" if is_main else f"the branch {name}"
        yield PublishedChain(what, ref, name, (), is_main=is_main, is_line=True)
    for ref in _latest(_releases(settings, refs, main))[:_MOST]:
        what = "release" if ref.startswith(TAGS) else "branch"
        yield PublishedChain(f"the {what} {short_ref(ref)}", ref, short_ref(ref), ())


def main_lines(settings: Settings, refs: Mapping[str, str]) -> tuple[str, ...]:
    """The main branch, and the local one of that name that may be ahead of it.

    Args:
        settings: they may name it.
        refs: every branch and tag, with its target if that is another reference.
    """
    main = _main_branch(settings, refs)
    if main is None:
        return ()
    local = LOCAL + _plain(main, refs)
    return (main, local) if local != main and local in refs else (main,)


def is_usual(ref: str) -> bool:
    """Whether a branch has one of the names that main branches usually have."""
    return ref.rpartition("/")[2] in _LIKELY


def main_name(now: Snapshot) -> str:
    """The name of the main branch on a remote or here; ``""`` if it is unknown."""
    for repository in repositories_of(version_roots(now))[0]:
        with suppress(Unknown):
            refs = _all_refs(repository)
            for ref in main_lines(now.environment.settings, refs):
                return _plain(ref, refs) if ref.startswith((LOCAL, REMOTES)) else ""
    return ""


def _main_branch(settings: Settings, refs: Mapping[str, str]) -> str | None:
    """The main branch according to Git; ``None`` if it is unknown, or turned off."""
    named = settings.main_branch
    if named is None:
        likely = _likely(refs)
        return likely[0] if len(likely) == 1 else None
    # An empty name turns it off; one with a dash would be an option.
    if not named or named.startswith("-"):
        return None
    full = (prefix + named for prefix in ("", "refs/", TAGS, LOCAL, REMOTES))
    return next((name for name in full if name in refs), named)


def _releases(settings: Settings, refs: Mapping[str, str], main: str | None) -> Iterator[str]:
    """The branches and tags of releases: by the setting, or by their names."""
    patterns = settings.published
    likely: Sequence[str] = _NAMES
    if main is None:  # any of them may be it, unless that is turned off
        likely = _LIKELY if settings.main_branch is None else ()
    on_remotes = {_plain(name, refs) for name in refs if name.startswith(REMOTES)}
    of_main = () if main is None else (main, LOCAL + _plain(main, refs))
    for ref, leads_to in refs.items():
        name = _plain(ref, refs)
        if leads_to or ref in of_main:
            continue
        if ref.startswith(LOCAL) and name in on_remotes:
            continue
        if patterns is None:
            # A branch called main that is not the main branch is what production runs.
            fits = _is_release(ref, name) or name in likely
        else:
            names = name, short_ref(ref)
            fits = any(fnmatchcase(each, one) for each in names for one in patterns)
        if fits:
            yield ref


def _is_release(ref: str, name: str) -> bool:
    if _RELEASE.fullmatch(name) or _VERSION.fullmatch(name):
        return True
    if not ref.startswith(TAGS):
        return False
    described = _TAGGED.match(name)
    return described is not None and bool(_VERSION.fullmatch(name[described.end() :]))


def _latest(refs: Iterable[str]) -> list[str]:
    """References from each series in turn, the latest first."""
    series: dict[str, list[str]] = {}
    for ref in refs:
        series.setdefault(re.split(r"\d", ref, maxsplit=1)[0], []).append(ref)
    by_age = (sorted(each, key=_numbers, reverse=True) for each in series.values())
    return [ref for _, ref in sorted((age, ref) for each in by_age for age, ref in enumerate(each))]


def _numbers(ref: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", ref)]


def _plain(ref: str, refs: Mapping[str, str]) -> str:
    """The name of a branch or tag, without the name of its remote."""
    if ref.startswith(REMOTES):
        return ref[len(REMOTES) + len(_remote(ref, refs)) + 1 :]
    return ref.removeprefix(LOCAL).removeprefix(TAGS)


def _remote(ref: str, refs: Mapping[str, str]) -> str:
    """The remote of a branch; its name may contain slashes if its default branch is known."""
    name = ref.removeprefix(REMOTES)
    remotes = (name[: slash.start()] for slash in re.finditer("/", name))
    known = (each for each in remotes if f"{REMOTES}{each}/HEAD" in refs)
    return next(known, name.partition("/")[0])


def deepening(now: Snapshot, ref: str) -> tuple[str, ...]:
    """The command without which a shallow clone cannot merge a commit; else nothing."""
    repositories, _ = repositories_of(version_roots(now))
    for repository in repositories:
        if repository.shallow:
            try:
                repository.git("merge-base", ref, "HEAD")
            except Unknown:
                return ("git fetch --unshallow",)
    return ()


def _default_branch(refs: Mapping[str, str], repository: Repository) -> str:
    """The full name of the branch that others most likely build on.

    Raises:
        CannotReadGit: there is none, or several are equally likely.
    """
    likely = _likely(refs)
    if len(likely) > 1:
        with suppress(Unknown):
            likely = _forked_from(likely, repository) or likely
    if len(likely) == 1:
        return likely[0]
    again, remedy = "{fixchain} rebase", Remedy()
    found = remotes_of(repository)
    remote = "origin" if "origin" in found else next(iter(found), "")
    fetched = [ref for ref in refs if ref.startswith(f"{REMOTES}{remote}/")]
    if remote and len(fetched) > 1:
        asking = f"git remote set-head {ref_word(remote)} --auto"
        remedy = way("ask the remote for its default branch", asking, f"{again}{{databases}}")
    only = fetched if len(fetched) == 1 else []
    for name in map(short_ref, (likely or only)[:_MOST_NAMED]):
        onto = f"{again} --onto {ref_word(name)}{{databases}}"
        remedy |= way(f"if others build on {name}", onto)
    remedy |= "name it as main_branch in the settings of fixchain, or with --onto"
    if remote and not likely:
        text = "if others build on main, and this clone has another branch only, fetch it"
        fetching = fetch_missing(repository, remote, "main")
        remedy |= way(text, fetching, f"{again}{{databases}}")
    why = "there is no main, master or develop"
    if likely:
        why = f"it may be {' or '.join(map(short_ref, likely))}"
    raise CannotReadGit(
        "the branch that others build on is not known: no remote names its default branch, and"
        f" {why}",
        remedy,
    )


def _forked_from(likely: Sequence[str], repository: Repository) -> Sequence[str]:
    """Those of some branches with commits that only they and the checked-out branch have.

    Raises:
        Unknown: one of them is checked out, or Git fails.
    """
    if likely[0].startswith(LOCAL):
        checked_out = os.fsdecode(repository.git("rev-parse", "--symbolic-full-name", "HEAD"))
        if checked_out.rstrip("\n") in likely:
            raise Unknown("the branch that others build on is checked out")
    heads = ["HEAD", *(["MERGE_HEAD"] if operation_in(repository) == "merge" else [])]
    found = []
    for ref in likely:
        fork = repository.git("merge-base", ref, *heads).decode().strip()
        having = repository.git("for-each-ref", f"--contains={fork}", "--format=x", *likely)
        if having.count(b"x") == 1:
            found.append(ref)
    return found


def _all_refs(repository: Repository) -> dict[str, str]:
    """Every branch and tag, with its target if that is another reference.

    A clone of a single branch calls that one the remote's default, whatever it is. This is left out
    unless its name is likely.

    Raises:
        Unknown: Git fails.
    """
    answer = repository.git("for-each-ref", "--format=%(refname) %(symref)", *REFS)
    refs = dict(line.split(" ") for line in os.fsdecode(answer).split("\n")[:-1])
    for head, default in [*refs.items()]:
        likely = {head.removesuffix("HEAD") + name for name in _LIKELY}
        is_unlikely_head = default and _plain(head, refs) == "HEAD" and default not in likely
        if is_unlikely_head and _has_one_branch(repository, _remote(head, refs)):
            del refs[head]
    return refs


def _likely(refs: Mapping[str, str]) -> Sequence[str]:
    """The most likely branches, all equally likely."""
    remotes = dict.fromkeys(_remote(ref, refs) for ref in refs if ref.startswith(REMOTES))
    origin, local = f"{REMOTES}origin/", [ref for ref in refs if ref.startswith(LOCAL)]
    defaults = {
        ref: name or ref
        for ref, name in refs.items()
        if ref.startswith(REMOTES) and _plain(ref, refs) == "HEAD"
    }
    named = [f"{REMOTES}{remote}/{name}" for remote in remotes for name in _LIKELY]
    there = [ref for ref in named if ref in refs]
    candidates = (
        [name for ref, name in defaults.items() if ref == f"{origin}HEAD"],
        list(defaults.values()),
        [ref for ref in there if ref.startswith(origin)],
        there,
        [ref for ref in map(LOCAL.__add__, _LIKELY) if ref in refs],
        local if len(local) == 1 and not remotes else [],
    )
    return next(filter(None, candidates), [])
