"""Ways in which a revision could come to be skipped or run twice, as a hostile review found them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask.cli
import pytest
from alembic import command
from alembic.config import Config
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from flask_chainfix import workflows
from flask_chainfix.errors import CannotPlan, Declined, RowsNotPutBack, StaleSnapshot
from flask_chainfix.graph import Graph
from flask_chainfix.model import DatabaseWishes, Edit, MoveResult, MoveState, Standing, Wishes
from flask_chainfix.report import Report, Tools
from flask_chainfix.row_moves import planned_moves
from flask_chainfix.rules import Family, diagnose
from flask_chainfix.runtime import Runtime, open_directory
from flask_chainfix.runtime.messages import masked, masked_url
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import gaps, possibilities, tops
from flask_chainfix.strategies import make_plan
from tests.commands import Done, fixchain, invoke
from tests.databases import KINDS
from tests.disk import migrations
from tests.rehearsals import add, plain, with_app
from tests.stamped import Again, rows_of, sql, sqlite_url, stamp
from tests.standings import db, looked_at, lost, moved
from tests.strategies_oracle import revisions
from tests.support import Rev, chain, foreseen, graph, migration, path_of
from tests.upgrades import Upgraded, scratch_engine, upgrade

PLANNED, UNCHANGED, REFUSED = MoveState.PLANNED, MoveState.UNCHANGED, MoveState.REFUSED
FORK = ("a", "b <- a", "c <- a")
LINE = ("a", "b <- a", "c <- b")
JSON = ("--format", "json")
TOOLS = Tools("alembic", "fixchain")
ENGINE = scratch_engine()


# --- Properties ----------------------------------------------------------------------------------


def repaired(before: Snapshot, wishes: Wishes, *, filled: bool = False) -> Snapshot:
    """The chain after a repair; merge revisions do nothing, unless somebody has filled them in."""
    try:
        plan = make_plan(before, wishes)
    except CannotPlan:
        assume(False)
        raise
    now = foreseen(before, plan)
    if not filled:
        for new in plan.new_revisions:
            data = migration(Rev(new.revision, new.down_revision, upgrade=(), downgrade=()))
            files = (
                each._replace(data=data) if each is now.file(new.revision) else each
                for each in now.files
            )
            now = replace(now, files=tuple(files))
    return now


def with_tables(standing: Standing, ran: Collection[str]) -> Standing:
    """The database with the tables of what has run there."""
    return replace(standing, tables=frozenset(f"t_{each}" for each in ran))


def certain(result: MoveResult) -> bool:
    """Whether these rows are said to be right; those that are left with a word are not."""
    return result.state in (PLANNED, UNCHANGED) and not result.detail


def assert_runs_the_rest(now: Snapshot, rows: tuple[str, ...], ran: Collection[str]) -> None:
    """Alembic runs what has not run there, and each of it once; or it cannot run it at all."""
    try:
        done = upgrade(ENGINE, now.headers, rows)
    except KeyError:
        assert now.graph.dependencies  # some make Alembic stop there
        return
    assert sorted(done.ran) == sorted(set(now.graph).difference(ran))


chains = revisions(most=6) | revisions(most=6, dependencies=True)
strategies = st.sampled_from(["auto", "merge"])


@settings(max_examples=300)
@given(st.data(), chains, strategies)
def test_undo_gives_every_database_the_rows_of_what_has_run(
    data: st.DataObject, revs: tuple[Rev, ...], strategy: str
) -> None:
    before = chain(*revs)
    start = data.draw(st.lists(st.sampled_from(sorted(before.graph)), max_size=3))
    have = before.graph.required(start)
    rows = tops(before.graph, have)
    filled = data.draw(st.booleans())
    now = repaired(looked_at(before, db(rows)), Wishes(strategy), filled=filled)
    moves = []
    if data.draw(st.booleans()):
        moves = [moved(" ".join(rows), " ".join(tops(now.graph, have)))]
        rows = moves[0].after
    try:
        to = data.draw(st.sampled_from(["heads", *now.graph]))
        done = upgrade(ENGINE, now.headers, rows, to)
    except (CommandError, RevisionError, KeyError):
        done = Upgraded([], rows)
    ran = have.union(done.ran)
    standing = db(done.rows)
    if looked := data.draw(st.booleans()):
        standing = with_tables(standing, ran)

    (result,) = planned_moves(looked_at(now, standing, old=before.graph, moved=moves), before)

    if certain(result):
        assert_runs_the_rest(before, result.move.after, ran)
        assert not filled or ran <= set(before.graph)
    else:
        assert result.state is REFUSED
        lacks = not ran <= set(before.graph)
        assert (filled and lacks) or not looked, (result, ran)


@settings(max_examples=300)
@given(st.data(), chains, strategies, strategies)
def test_restamp_never_guesses_which_chain_has_written_the_rows(
    data: st.DataObject, revs: tuple[Rev, ...], strategy: str, again: str
) -> None:
    """Of two repairs in a row, with new migrations between them."""
    first = chain(*revs)
    second = repaired(first, Wishes(strategy))
    parents = data.draw(st.lists(st.sampled_from(sorted(second.graph)), max_size=2))
    new = [Rev(name, (parent,)) for name, parent in zip(("x0", "y0"), parents, strict=False)]
    second = second.after(Edit(path_of(each.revision), None, migration(each)) for each in new)
    now = repaired(second, Wishes(again))
    oldest = first.after(Edit(path_of(each.revision), None, migration(each)) for each in new)
    writer = data.draw(st.sampled_from([now, second, first]))
    some = data.draw(st.lists(st.sampled_from(sorted(writer.graph)), min_size=1, max_size=3))
    ran = frozenset(writer.graph.required(some))
    standing = db(tops(writer.graph, ran))
    if looked := data.draw(st.booleans()):
        standing = with_tables(standing, ran)
    known = replace(looked_at(now, standing), old=(second.graph, oldest.graph))

    (result,) = planned_moves(known, known)

    possible = [each.revisions for each in possibilities(known, standing)]
    assert ran in possible or result.state is REFUSED
    if certain(result):
        assert_runs_the_rest(now, result.move.after, ran)
    if looked and not gaps(now.graph, ran):
        assert certain(result)
