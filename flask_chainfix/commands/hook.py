"""Run ``check`` on commits and pull requests: hooks, CI jobs, a checklist.

Missing files are written. An existing file belongs to the user: it is never changed, and the lines
to add are shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.commands.hook_calls import checks_only_others
from flask_chainfix.commands.hook_texts import (
    ATTRIBUTES,
    CHECKLIST,
    GIT_HOOK,
    JOB,
    MERGE_HOOK,
    PRE_COMMIT,
    WORKFLOW,
    HookCall,
    HookKind,
    merge_driver,
    post_checkout,
)
from flask_chainfix.commands.session import Session, carried_out
from flask_chainfix.common.errors import BadConfiguration, CannotMerge
from flask_chainfix.common.quoting import words
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.disk.safe_files import read_or_none
from flask_chainfix.disk.writing import add_together
from flask_chainfix.git.merge_driver import (
    read_git_settings,
    remove_git_settings,
    write_git_settings,
)
from flask_chainfix.git.repositories import WorkTree, find_work_tree, literal
from flask_chainfix.git.upstream import main_name
from flask_chainfix.model.files import Edit, HookFile, HookState
from flask_chainfix.report.results import Hooked, HookPlan

_DEFAULT_PLACE = "migrations"  # where the console script looks

_NO_HOST = (
    "there is no sign of GitHub or GitLab here (no .github/workflows, no .gitlab-ci.yml, no such"
    " remote): no job is set up"
)


def plan_hooks(
    session: Session, *, after_checkout: bool = False, merges_locks: bool = False
) -> HookPlan:
    """Find out which files this project needs, and where.

    Args:
        session: what the command works with.
        after_checkout: whether to set up only the post-checkout hook.
        merges_locks: whether Git should also merge chain locks with ``merge-lock``.

    Raises:
        CannotReadGit: the migrations are in no Git work tree.
        BadConfiguration: the migrations cannot be named from the top of the work tree; or the
            post-checkout hook would find no database.
    """
    tree = find_work_tree(session.environment.directory)
    call = _call(session, tree)
    places = [_after_checkout(session, tree)] if after_checkout else [*_places(tree)]
    files = tuple(_hook_file(kind, path, call, tree) for kind, path in places)
    on_commit = all(kind in (PRE_COMMIT, GIT_HOOK, MERGE_HOOK) for kind, _ in places)
    notices = (_NO_HOST,) if on_commit else ()
    if merges_locks:
        attributes = Path(os.path.realpath(session.environment.directory), ".gitattributes")
        files = (
            *files,
            _configuration(call, tree),
            _hook_file(ATTRIBUTES, attributes, call, tree),
        )
    has_lock = session.environment.lock_path.exists()
    plan = HookPlan(tools=session.tools, files=files, notices=notices, has_lock=has_lock)
    refused = [file for file in files if file.state is HookState.REFUSED]
    if not refused:
        return plan
    shows = "{fixchain} hook --print"
    if after_checkout:
        shows += " --post-checkout"
    if merges_locks:
        shows += " --merge-driver"
    return plan.stopped_by(
        CannotMerge(
            "not everything could be set up: "
            + "; ".join(f"{file.name}: {file.detail}" for file in refused),
            way("add by hand what this prints for these files", shows),
        )
    )


def shown(plan: HookPlan) -> HookPlan:
    """The plan, marked as shown only."""
    files = (replace(file, state=HookState.SHOWN, edit=None) for file in plan.files)
    return replace(plan, files=tuple(files), exit_code=0, error=None)


def carry_out_hooks(_: Session, plan: HookPlan) -> Hooked:
    """Write the planned files, all or none.

    Raises:
        StaleSnapshot, CannotWrite: none of them could be written.
    """
    planned = [file for file in plan.files if file.state is HookState.PLANNED]
    configured = [file for file in planned if file.settings]
    for file in configured:
        write_git_settings(file.path, file.settings)
    try:
        add_together([file.edit for file in planned if file.edit is not None])
    except BaseException:
        for file in configured:
            remove_git_settings(file.path, file.settings)
        raise
    files = (
        replace(file, state=HookState.WRITTEN) if file in planned else file for file in plan.files
    )
    done = carried_out(Hooked, plan, files=tuple(files))
    return done if plan.error is None else done.stopped_by(plan.error)


def _call(session: Session, tree: WorkTree) -> HookCall:
    """How the console script finds this environment from the top of the work tree."""
    top = tree.top
    config = session.runtime.reopen.get("config")
    if config is not None and os.path.realpath(os.curdir) != str(top):
        raise BadConfiguration(
            f"hooks run in {top}, where {config} may lead to another directory",
            "run the command there, or name the directory with -d",
            unchanged=True,
        )
    place = os.path.relpath(os.path.realpath(config or session.environment.directory), top)
    try:
        place.encode()
    except UnicodeEncodeError:
        raise BadConfiguration(
            f"the name {os.fsencode(place)!r} is not UTF-8, as files for hooks and CI have to be",
            "rename it",
            unchanged=True,
        ) from None
    if place.startswith("-"):
        place = os.path.join(os.curdir, place)
    options = ("-c", place) if config else ("-d", place) if place != _DEFAULT_PLACE else ()
    requirement = f"flask-chainfix=={version('flask-chainfix')}"
    directory = os.path.relpath(os.path.realpath(session.environment.directory), top)
    main = main_name(Snapshot(session.environment, ()))
    return HookCall(place, options, requirement, _programs(tree), directory, main)


def _programs(tree: WorkTree) -> str:
    """Where the console script is, if it is in a virtual environment of this clone's user."""
    for_everybody = tree.top in tree.hooks.parents and ".git" not in tree.hooks.parts
    if for_everybody or sys.prefix == sys.base_prefix:
        return ""
    place = Path(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    return str(place.relative_to(tree.top) if place.is_relative_to(tree.top) else place)


def _after_checkout(session: Session, tree: WorkTree) -> tuple[HookKind, Path]:
    """The post-checkout hook, which runs the command that the user typed.

    Raises:
        BadConfiguration: the hook would find no database.
    """
    from flask_chainfix.databases.targets import configured_urls  # only this hook needs it

    if not (session.runtime.has_app or configured_urls(session.runtime)):
        remedy = Remedy.of("set sqlalchemy.url in alembic.ini")
        if session.environment.uses_flask:
            command = "flask db fixchain hook --install --post-checkout"
            remedy = way("install it in the app, which knows its databases", command)
        raise BadConfiguration(
            "no configuration here names a database, so the hook would never say anything",
            remedy,
            unchanged=True,
        )
    locations = [os.path.realpath(each) for each in session.environment.version_locations]
    inside = [Path(each) for each in locations if Path(each).is_relative_to(tree.top)]
    places = [literal(each.relative_to(tree.top).as_posix()) for each in inside]
    app = session.runtime.reopen.get("app")
    here = os.path.relpath(os.path.realpath(os.curdir), tree.top)
    return post_checkout(session.tools.by_name, app, here, places), tree.hooks / "post-checkout"


def _places(tree: WorkTree) -> Iterator[tuple[HookKind, Path]]:
    """What this project needs, and the file for each."""
    top, hosts = tree.top, " ".join(tree.hosts)
    pre_commit, job = top / ".pre-commit-config.yaml", top / ".gitlab-ci.yml"
    workflows = top / ".github/workflows"
    if os.path.lexists(pre_commit):
        yield PRE_COMMIT, pre_commit
    else:
        yield GIT_HOOK, tree.hooks / "pre-commit"
        yield MERGE_HOOK, tree.hooks / "pre-merge-commit"
    if os.path.lexists(workflows) or "github" in hosts:
        yield WORKFLOW, workflows / "fixchain.yml"
        name = "pull_request_template.md"
        templates = [_find_named(place, name) for place in (top / ".github", top, top / "docs")]
        yield CHECKLIST, next(filter(os.path.lexists, templates), templates[0])
    if os.path.lexists(job):
        yield JOB, job
    if os.path.lexists(job) or "gitlab" in hosts:
        yield CHECKLIST, _find_named(top / ".gitlab/merge_request_templates", "Default.md")


def _find_named(directory: Path, name: str) -> Path:
    """The file of a name in a directory, ignoring case; it need not exist."""
    with suppress(OSError):
        for other in sorted(os.listdir(directory)):
            if other.lower() == name.lower():
                return directory / other
    return directory / name


def _hook_file(kind: HookKind, path: Path, call: HookCall, tree: WorkTree) -> HookFile:
    text = kind.text(call)
    refused = HookFile(kind.name, path, text, HookState.REFUSED)
    try:
        data = read_or_none(path)
    except OSError as error:
        return replace(refused, detail=f"it cannot be read: {error.strerror}")
    if data is not None and kind.is_in(data):
        differs = _difference(text, data)
        if differs and checks_only_others(data, call.places, _default(tree)):
            detail = f"it checks another environment; add the check of {call.place} in these lines"
            return replace(refused, detail=detail)
        return replace(refused, state=HookState.THERE, detail=differs)
    if data is not None:
        return replace(refused, detail=f"it is there already; add these lines {kind.where}")
    if path.parent == tree.hooks and not tree.own_hooks:
        reason = f"{tree.hooks} (core.hooksPath) may serve other repositories, too"
        return replace(refused, detail=reason)
    if os.path.realpath(path) != str(path):
        return replace(refused, detail="a symbolic link leads to another file")
    edit = Edit(path, None, f"{kind.opening}{text}".encode())
    return replace(refused, state=HookState.PLANNED, edit=edit)


def _default(tree: WorkTree) -> str:
    """The environment that a call without options means at the top; ``""`` if it is unknown."""
    return _DEFAULT_PLACE if (tree.top / _DEFAULT_PLACE / "env.py").is_file() else ""


def _configuration(call: HookCall, tree: WorkTree) -> HookFile:
    """The settings for the repository's Git configuration; existing values are kept."""
    wanted = merge_driver(call)
    there = read_git_settings(tree.configuration, wanted)
    lines = "".join(
        f"{words(('git', 'config', '--local', name, value))}\n" for name, value in wanted.items()
    )
    file = HookFile(
        "merge driver for chain locks",
        tree.configuration,
        lines,
        HookState.PLANNED,
        settings={name: value for name, value in wanted.items() if name not in there},
    )
    if there.keys() == wanted.keys():
        differs = "" if there == wanted else "it differs from what would be set now"
        return replace(file, state=HookState.THERE, detail=differs, settings={})
    if any(there[name] != wanted[name] for name in there):
        detail = "it has other values; set these by hand"
        return replace(file, state=HookState.REFUSED, detail=detail, settings={})
    return file


def _difference(text: str, data: bytes) -> str:
    """How an existing file that calls ``check`` differs, ignoring indentation and line ends."""
    words = "".join(data.decode(errors="replace").split())
    return "" if "".join(text.split()) in words else "it differs from what would be written now"
