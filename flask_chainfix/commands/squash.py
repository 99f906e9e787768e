"""squash: replace a chain with one migration, proved to make the same schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flask_chainfix.commands.session import Session, unchanged_moves
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.errors import CannotPlan, CannotReadGit, RehearsalFailed
from flask_chainfix.common.quoting import ref_word, word
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.common.wording import count
from flask_chainfix.databases.applied.row_moves import rows_after
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.survey import noticed_unseen
from flask_chainfix.environment.new_revisions import operations, render
from flask_chainfix.git.past import read_branch
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.files import Edit
from flask_chainfix.model.history import PublishedChain
from flask_chainfix.model.plans import NewRevision, Plan, Proof, Reason
from flask_chainfix.planning.edits import edits_between, with_lock
from flask_chainfix.planning.proposal import Planned, Proposal, refuse_unknown_rows
from flask_chainfix.planning.squashing import (
    Cut,
    SquashWishes,
    carried_over,
    cut_at,
    mentioned_at,
    refuse_below,
    refuse_unpublished,
    require_healthy,
)
from flask_chainfix.rehearsal.app_databases import servers_for
from flask_chainfix.rehearsal.confirm import foresee
from flask_chainfix.report.results import SquashPlan

if TYPE_CHECKING:
    from flask_chainfix.rehearsal.schemas.proving import Made, ObjectDifference
    from flask_chainfix.rehearsal.schemas.rendering import Rendered

_NO_GIT = "Git does not show what the main branch and releases have, so that was not checked"
_SHOWN = 40  # differences
_WIDTH = 88


@dataclass(frozen=True)
class _Squash:
    """The state of a squash.

    Attributes:
        session: what the command works with.
        wishes: the user's options.
        now: the current chain, and where its databases stand.
        cut: the revisions to replace.
    """

    session: Session
    wishes: SquashWishes
    now: Facts
    cut: Cut

    def make(self, server: str | None, chain: Facts, *, render: bool = False) -> Made:
        """Run a chain up to the cut on a server."""
        from flask_chainfix.rehearsal.schemas.proving import make

        runtime, progress = self.session.runtime, self.session.progress
        return make(runtime, server, chain, self.cut.top, progress, render=render)


def plan_squash(session: Session, wishes: SquashWishes) -> SquashPlan:
    """Plan one migration for a chain, and prove it on scratch databases; change nothing.

    The migration has the id of the highest revision that it replaces. So databases stamped with
    that revision, and revisions on top of it, stay unchanged.

    Raises:
        NoMigrations: there is nothing to squash.
        RepairInterrupted, RepairRunning: an earlier repair is unfinished.
        CannotPlan: the chain does not allow it, or the new migration makes a different schema.
        UnsafeForDatabases, DatabaseUnreachable: a known database is below, or cannot be read.
        CannotReadGit: there is no such Git revision.
        RehearsalFailed, CannotRehearse, NoScratchDatabase: a chain cannot be run.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    diagnosis = session.begin()
    require_healthy(diagnosis)
    cut = cut_at(diagnosis.snapshot, wishes)
    known = session.targets(diagnosis.snapshot).values()
    ask = partial(wishes.command, wishes.upto)
    servers = servers_for(session.runtime, wishes.servers, ask, known)
    chains, notices = _published(diagnosis.snapshot, wishes)
    refuse_unpublished(diagnosis.snapshot, cut, chains, wishes)
    notices += _allow_notices(
        session.tools, cut, [each for each in chains if each.is_main or wishes.published_by]
    )
    command = wishes.part(wishes.upto)
    now = session.survey(diagnosis.snapshot, command)
    diagnosis = diagnosis.with_databases(now)
    refuse_below(now, cut, wishes)
    refuse_unknown_rows(now, diagnosis.findings, command)
    work = _Squash(session, wishes, now, cut)
    old = work.make(servers[0], now, render=True)
    new, edits, after = _squashed(work, old.rendered)
    proofs = [_proved(work, servers[0], after, old)]
    proofs += [_proved(work, server, after, work.make(server, now)) for server in servers[1:]]
    notices += noticed_unseen(now, session.databases)
    squashed = dict.fromkeys(sorted(cut.below), cut.top)
    plan = Plan("squash", (), (new,), after.graph.order, new.why, squashed=squashed)
    planned = Planned(plan, now, after, edits).in_git()
    moves = unchanged_moves(now)
    foresee(after, rows_after(moves), now)
    proposal = Proposal(diagnosis, planned, moves=moves)
    return SquashPlan(
        tools=session.tools,
        proposal=proposal,
        notices=notices,
        replaced=cut.replaced,
        proofs=tuple(proofs),
        carry_over=carried_over(now, cut),
        exit_code=1,
    )


def _published(
    now: Facts, wishes: SquashWishes
) -> tuple[tuple[PublishedChain, ...], tuple[str, ...]]:
    """The published chains, and notices.

    Raises:
        CannotReadGit: the Git revision that the user names does not exist.
    """
    ref = wishes.published_by
    if ref is None:
        chains, notices = read_published(now) if now.environment.asks_git else ((), ())
        return chains, notices if chains else (*notices, _NO_GIT)
    if not ref or ref.startswith("-"):
        raise CannotReadGit(
            f"{ref!r} names no branch, tag or commit", "name one with --published-by"
        )
    return (PublishedChain(ref, ref, ref, read_branch(ref, now).files),), ()


def _allow_notices(tools: Tools, cut: Cut, chains: Iterable[PublishedChain]) -> tuple[str, ...]:
    """The ``--allow`` options for a check of the pull request, if main has replaced revisions."""
    for chain in chains:
        changed = [name for name in cut.replaced if name in chain.revisions]
        if changed:
            allowed = " ".join(f"--allow {word(name)}" for name in changed)
            typed = f"{tools.fixchain} check --against {ref_word(chain.short)} {allowed}"
            return (f"{chain.short} has some of these: in the pull request, check with `{typed}`",)
    return ()


# --- The new migration ---------------------------------------------------------------------------
def _squashed(
    work: _Squash, rendered: Mapping[str, Rendered]
) -> tuple[NewRevision, tuple[Edit, ...], Facts]:
    """The new migration, the file edits, and the resulting chain.

    Raises:
        CannotPlan: Alembic's template cannot be rendered, or Alembic would not load the result.
    """
    now, cut = work.now, work.cut
    top = now.file(cut.top)
    why = Reason("squash", f"makes what {count(len(cut.replaced), 'revision')} made")
    message = f"squash of {count(len(cut.replaced), 'revision')}"
    new = NewRevision(cut.top, None, now.version_location(top.path), message, (), (why,))
    gone = [Edit(file.path, file.data, None) for file in map(now.file, cut.replaced)]
    new, added = render(work.session.runtime, new, _for_template(cut, message, rendered))
    data = {file.path: file.data for file in now.files}
    if any(edit.path == added.path for edit in gone):  # an old file has this name
        gone = [edit for edit in gone if edit.path != added.path]
        added = Edit(added.path, data[added.path], added.after)
    elif added.path in data:
        raise CannotPlan(
            f"{added.path.name} is there already, and is another migration",
            "correct file_template, so that every migration has a name of its own",
        )
    after = now.after([*gone, added])
    return new, *with_lock(edits_between(now, after), after)


def _for_template(cut: Cut, message: str, rendered: Mapping[str, Rendered]) -> dict[str, object]:
    """The variables for Alembic's template, for one database and for several."""
    names = ", ".join(cut.replaced).replace("\\", "\\\\").replace('"', '\\"')
    replaces = textwrap.fill(
        f"It replaces, base first: {names}.", _WIDTH, break_long_words=False, break_on_hyphens=False
    )
    given = operations(
        {bind: each.upgrade for bind, each in rendered.items()},
        {bind: each.downgrade for bind, each in rendered.items()},
        (line for each in rendered.values() for line in each.imports),
    )
    return {"message": f"{message}\n\n{replaces}", "branch_labels": cut.labels or None, **given}


# --- The proof -----------------------------------------------------------------------------------
def _proved(work: _Squash, server: str | None, after: Facts, old: Made) -> Proof:
    """The proof that the new chain makes the same schema on a server as the old one.

    Raises:
        CannotPlan: the schemas differ; with the differences.
        RehearsalFailed: the chain cannot run.
    """
    from flask_chainfix.rehearsal.schemas.proving import compared, proof_of

    try:
        new = work.make(server, after)
    except RehearsalFailed as error:
        raise CannotPlan(
            f"what Alembic makes of the schema does not run: {error.message}",
            "squash up to a lower revision with --upto, one below that which makes this",
            unchanged=True,
        ) from error
    found = compared(old, new)
    if found:
        raise _unequal(work, old, found)
    return proof_of(old, new)


def _unequal(work: _Squash, old: Made, found: Sequence[ObjectDifference]) -> CannotPlan:
    now, cut = work.now, work.cut
    lost = {each.what: each.name.rpartition(".")[2].partition("(")[0] for each in found if each.old}
    places = mentioned_at(now, cut, lost)
    lines = []
    for each in found[:_SHOWN]:
        place = places.get(each.what)
        where = f" ({place.path.name}:{place.line})" if place else ""
        if not each.new:
            lines.append(f"{each.what}: not made any more{where}")
        elif not each.old:
            lines.append(f"{each.what}: made, and was not")
        else:
            lines.append(f"{each.what}: {each.new} instead of {each.old}{where}")
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN:,} more")
    first = [name for name in cut.replaced if name in {each.revision for each in places.values()}]
    return CannotPlan(
        f"one migration cannot make on {old.database} all that the chain makes there:",
        _below(work, first),
        [f"  {line}" for line in lines],
        unchanged=True,
    )


def _below(work: _Squash, first: Sequence[str]) -> Remedy:
    """The remedy: squash only below the first revision that cannot be squashed."""
    graph = work.now.graph
    parents = graph.parents[first[0]] if first else ()
    if len(parents) == 1 and graph.parents[parents[0]]:
        text = f"squash what is below {first[0]}, and leave the rest as it is"
        return way(text, work.wishes.command(parents[0]))
    return Remedy.of(
        "leave these revisions as they are: Alembic's operations cannot make what they make"
    )
