"""Ways in which a revision could be skipped or run twice, and what users are told of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection
from contextlib import suppress
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

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.undo import carry_out_undo, plan_undo
from flask_chainfix.common.errors import CannotPlan, Declined, RowsNotPutBack, StaleSnapshot
from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.applied.has_run import possibilities
from flask_chainfix.databases.applied.row_moves import planned_moves
from flask_chainfix.databases.applied.rows import gaps, tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.restamping import move_rows
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.environment.locate import Runtime, open_directory
from flask_chainfix.environment.messages import masked_url
from flask_chainfix.model.databases import (
    DatabaseStatus,
    DatabaseWishes,
    LostRevision,
    MoveResult,
    MoveState,
)
from flask_chainfix.model.files import Edit
from flask_chainfix.model.plans import Confirmation, Wishes
from flask_chainfix.model.rehearsal import Rehearsal
from flask_chainfix.planning.linking.strategies import make_plan
from flask_chainfix.report.results import BackedUp, UndoPlan
from tests.commands import Done, fixchain, invoke
from tests.disk import migrations
from tests.nightly import examples
from tests.rehearsals import add, empty_project, plain, with_app
from tests.results import carried_out
from tests.stamped import Again, build, rows_of, sql, sqlite_url, stamp
from tests.statuses import db, looked_at, lost, moved
from tests.strategies_oracle import revisions
from tests.support import Rev, chain, foreseen, graph, migration, path_of
from tests.upgrades import Upgraded, scratch_engine, upgrade

PLANNED, UNCHANGED, REFUSED = MoveState.PLANNED, MoveState.UNCHANGED, MoveState.REFUSED
FORK = ("a", "b <- a", "c <- a")
LINE = ("a", "b <- a", "c <- b")
JSON = ("--format", "json")
TOOLS = Tools("alembic", "fixchain")
ENGINE = scratch_engine()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_project(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def repaired_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = plain(tmp_path_factory.mktemp("repaired"), *FORK)
    assert fixchain("-d", place / "migrations", "repair", "--yes").exit_code == 0
    return place


@pytest.fixture
def repaired_project(repaired_once: Path, project: Path) -> Path:
    """The fork, of which a repair that knew no database has made one line."""
    shutil.copytree(repaired_once, project, dirs_exist_ok=True)
    return project


def alembic_upgrade(project: Path, url: str) -> None:
    """What ``alembic upgrade heads`` does."""
    config = Config()
    config.set_main_option("script_location", str(project / "migrations"))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, "heads")


def unwrapped(done: Done) -> str:
    """All that was said, in one line."""
    return " ".join((done.stdout + done.stderr).split())


# --- Properties ----------------------------------------------------------------------------------


def repaired(before: Facts, wishes: Wishes, *, filled: bool = False) -> Facts:
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


def with_tables(status: DatabaseStatus, ran: Collection[str]) -> DatabaseStatus:
    """The database with the tables of what has run there."""
    return replace(status, tables=frozenset(f"t_{each}" for each in ran))


def certain(result: MoveResult) -> bool:
    """Whether these rows are said to be right; those that are left with a word are not."""
    return result.state in (PLANNED, UNCHANGED) and not result.detail


def assert_runs_the_rest(now: Facts, rows: tuple[str, ...], ran: Collection[str]) -> None:
    """Alembic runs what has not run there, and each of it once; or it cannot run it at all."""
    try:
        done = upgrade(ENGINE, now.headers, rows)
    except KeyError:
        assert now.graph.dependencies  # some make Alembic stop there
        return
    assert sorted(done.ran) == sorted(set(now.graph).difference(ran))


chains = revisions(most=6) | revisions(most=6, dependencies=True)
strategies = st.sampled_from(["auto", "merge"])


@settings(max_examples=examples(25))
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
    status = db(done.rows)
    if looked := data.draw(st.booleans()):
        status = with_tables(status, ran)

    (result,) = planned_moves(looked_at(now, status, old=before.graph, moved=moves), before)

    if certain(result):
        assert_runs_the_rest(before, result.move.after, ran)
        assert not filled or ran <= set(before.graph)
    else:
        assert result.state is REFUSED
        lacks = not ran <= set(before.graph)
        assert (filled and lacks) or not looked, (result, ran)


@settings(max_examples=examples(25))
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
    status = db(tops(writer.graph, ran))
    if looked := data.draw(st.booleans()):
        status = with_tables(status, ran)
    known = replace(looked_at(now, status), old=(second.graph, oldest.graph))

    (result,) = planned_moves(known, known)

    possible = [each.revisions for each in possibilities(known, status)]
    assert ran in possible or result.state is REFUSED
    if certain(result):
        assert_runs_the_rest(now, result.move.after, ran)
    if looked and not gaps(now.graph, ran):
        assert certain(result)


# --- Rows that no known chain has written --------------------------------------------------------


def move(rows: str, now: Facts, *old: Graph, **known: Any) -> MoveResult:
    """The move of a database, where these older chains are known."""
    snapshot = replace(looked_at(now, db(rows, tables=known.pop("tables", None)), **known), old=old)
    (result,) = planned_moves(snapshot, snapshot)
    return result


def test_rows_that_overlap_tell_nothing_without_the_chain_that_has_written_them() -> None:
    now = chain("a", "b <- a", "k <- b", "m <- k")
    unknown = move("b m", now)
    assert (unknown.state, unknown.move.after) == (REFUSED, ("b", "m"))
    assert "the chain that wrote its rows" in unknown.remedy
    known = move("b m", now, graph("a", "b <- a", "k <- a", "m <- a"))
    assert (known.state, known.detail) == (REFUSED, "k never ran there, and would be skipped")


def test_of_two_repairs_in_a_row_the_first_old_chain_is_still_known(
    project: Path, tmp_path: Path
) -> None:
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("all", "some")}
    plain(project, "a", "b <- a", "k <- a", "m <- a")
    build(urls["all"], "b", "k", "m")
    build(urls["some"], "b", "m")
    assert fixchain("repair", "--yes").exit_code == 0
    add(project, "n <- k")
    assert fixchain("repair", "--yes").exit_code == 0
    databases = [option for url in urls.values() for option in ("--database", url)]
    done = fixchain("restamp", "--yes", *databases)
    assert done.exit_code == 3
    assert "k never ran there, and would be skipped" in " ".join(done.stdout.split())
    assert [rows_of(url) for url in urls.values()] == [["m"], ["b", "m"]]
    alembic_upgrade(project, urls["all"])  # n alone: all others have their tables
    assert rows_of(urls["all"]) == ["n"]


def test_a_restored_dump_is_not_what_the_journal_says() -> None:
    result = move("c", chain(*LINE), graph(*FORK), tables="t_a t_c", moved=[moved("b c", "c")])
    assert (result.state, result.detail) == (REFUSED, "b never ran there, and would be skipped")


# --- undo looks at databases ---------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["linear", "merge"])
def test_undo_after_an_upgrade_over_the_new_chain(
    project: Path, tmp_path: Path, strategy: str
) -> None:
    url = sqlite_url(tmp_path)
    place = plain(project, *FORK) / "migrations"
    before = migrations(place)
    assert fixchain("repair", "--yes", "--strategy", strategy).exit_code == 0
    alembic_upgrade(project, url)
    assert len(rows_of(url)) == 1
    assert fixchain("undo", "--yes", "--database", url).exit_code == 0
    after = {name: node for name, node in migrations(place).items() if name in before}
    assert (after, rows_of(url)) == (before, ["b", "c"])
    alembic_upgrade(project, url)  # a table that is made twice would stop it
    assert rows_of(url) == ["b", "c"]


def test_what_has_run_does_not_lose_its_file() -> None:
    """A file that the repair has brought back."""
    now = looked_at(chain("a", "x <- a"), db("x", tables="t_a t_x"))
    (result,) = planned_moves(now, chain("a"))
    assert (result.state, result.move.after) == (REFUSED, ("x",))
    assert "x ran there, and no migration file would have it any more" in result.detail


def two_moved(project: Path, tmp_path: Path) -> tuple[Runtime, DatabaseWishes]:
    """Two databases whose rows have been moved with a repair."""
    urls = tuple(f"sqlite:///{tmp_path / name}.db" for name in ("one", "two"))
    for url in urls:
        build(url, "b", "c")
    databases = [option for url in urls for option in ("--database", url)]
    assert fixchain("restamp", "--yes", *databases).exit_code == 0
    return open_directory(str(project / "migrations")), DatabaseWishes(urls=urls)


def refused_undo(runtime: Runtime, report: UndoPlan, wishes: DatabaseWishes) -> RowsNotPutBack:
    files = migrations(runtime.environment.directory)
    with pytest.raises(RowsNotPutBack) as caught:
        carry_out_undo(Session(runtime, databases=wishes), report)
    assert migrations(runtime.environment.directory) == files
    return caught.value


def test_a_database_that_moves_while_it_is_asked_keeps_the_repair(
    repaired_project: Path, tmp_path: Path
) -> None:
    runtime, wishes = two_moved(repaired_project, tmp_path)
    report = plan_undo(Session(runtime, TOOLS, wishes))
    sql(wishes.urls[1], "UPDATE alembic_version SET version_num = 'd'")
    with pytest.raises(StaleSnapshot, match=r"two\.db has moved"):
        carry_out_undo(Session(runtime, databases=wishes), report)
    assert [rows_of(url) for url in wishes.urls] == [["c"], ["d"]]


def test_an_undo_that_fails_for_one_database_leaves_all_as_they_were(
    repaired_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, wishes = two_moved(repaired_project, tmp_path)
    report = plan_undo(Session(runtime, TOOLS, wishes))

    def interfering(*args: Any) -> Any:
        sql(wishes.urls[1], "UPDATE alembic_version SET version_num = 'd'")
        return move_rows(*args)

    monkeypatch.setattr("flask_chainfix.databases.restamping.move_rows", interfering)
    error = refused_undo(runtime, report, wishes)
    assert "two.db cannot be put back" in error.message
    assert "the rows of other databases are as they were" in error.remedy
    assert [rows_of(url) for url in wishes.urls] == [["c"], ["d"]]


def test_an_undo_does_not_leave_a_database_in_doubt(project: Path, tmp_path: Path) -> None:
    place = plain(project)
    for spec in LINE:
        add(place, spec, "op.execute('SELECT 1')", "pass")
    there = ("-d", place / "migrations")
    relinked = ("--attach", "c=a", "--attach", "b=c", "--accept-guesses")
    assert fixchain(*there, "repair", "--yes", "--no-database", *relinked).exit_code == 0
    url = sqlite_url(tmp_path)
    stamp(url, "c")  # a and c by the new files, and b as well by the old ones: nothing shows
    before = migrations(place / "migrations")
    done = fixchain(*there, "undo", "--yes", "--database", url)
    assert done.exit_code == 3
    assert "written by the chain before the repair or after it" in " ".join(done.stderr.split())
    assert migrations(place / "migrations") == before
    assert fixchain(*there, "undo", "--yes", "--no-database").exit_code == 0  # as FC302 says


def test_what_cannot_go_forward_again_is_named(
    repaired_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, wishes = two_moved(repaired_project, tmp_path)
    report = plan_undo(Session(runtime, TOOLS, wishes))

    def interfering(*args: Any) -> Any:
        sql(wishes.urls[1], "UPDATE alembic_version SET version_num = 'd'")
        results = move_rows(*args)
        refuse = "BEFORE DELETE ON alembic_version BEGIN SELECT RAISE(ABORT, 'no'); END"
        sql(wishes.urls[0], f"CREATE TRIGGER IF NOT EXISTS refuse {refuse}")
        return results

    monkeypatch.setattr("flask_chainfix.databases.restamping.move_rows", interfering)
    error = refused_undo(runtime, report, wishes)
    assert f"the old rows stay in {wishes.urls[0]}" in error.remedy
    assert [rows_of(url) for url in wishes.urls] == [["b", "c"], ["d"]]


# --- A database that moves while a repair is under way -------------------------------------------


def move_on(url: str) -> None:
    """Somebody runs the rest of the fork."""
    sql(url, "INSERT INTO alembic_version VALUES ('c')", "CREATE TABLE c (id INTEGER)")


@pytest.mark.parametrize("moment", ["before writing", "in the confirmation"])
def test_a_plan_that_a_database_has_left_behind_changes_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    url = sqlite_url(tmp_path)
    runtime = open_directory(str(plain(project, *FORK) / "migrations"))
    build(url, "b")
    files, wishes = migrations(project / "migrations"), DatabaseWishes(urls=(url,))
    report = plan_repair(Session(runtime, TOOLS, wishes), Wishes())

    def confirm(*_: object) -> Confirmation:
        assert migrations(project / "migrations") != files
        move_on(url)
        return Confirmation("test", (), (), "", "")

    monkeypatch.setattr("flask_chainfix.commands.repair.confirm", confirm)
    if moment == "before writing":
        move_on(url)
    with pytest.raises(StaleSnapshot, match="has moved since the plan was made: it is at b, c now"):
        carried_out(runtime, report, wishes)
    assert migrations(project / "migrations") == files
    assert rows_of(url) == ["b", "c"]


def test_a_database_that_cannot_be_asked_any_more_changes_nothing(
    project: Path, tmp_path: Path
) -> None:
    runtime = open_directory(str(plain(project, *FORK) / "migrations"))
    files, wishes = migrations(project / "migrations"), DatabaseWishes(urls=(sqlite_url(tmp_path),))
    report = plan_repair(Session(runtime, TOOLS, wishes), Wishes())
    (tmp_path / "app.db").write_text("no database at all" * 100)  # which was not there before
    with pytest.raises(StaleSnapshot, match="can no longer be read"):
        carried_out(runtime, report, wishes)
    assert migrations(project / "migrations") == files


MOMENTS = [
    ("flask_chainfix.cli.running.ask", (), None),
    ("flask_chainfix.cli.changing.rehearse_plan", ("--yes", "--rehearse", "sqlite://"), 1),
    ("flask_chainfix.commands.backup.back_up", ("--yes", "--backup"), BackedUp(backups=())),
]


@pytest.mark.parametrize(("step", "options", "result"), MOMENTS)
def test_a_database_that_moves_at_any_moment_before_the_files_are_written(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    options: tuple[str, ...],
    result: object,
) -> None:
    url = sqlite_url(tmp_path)
    plain(project, *FORK)
    build(url, "b")
    files = migrations(project / "migrations")

    def moving(*args: Any) -> Any:
        move_on(url)
        return (args[1], Rehearsal("x", "sqlite")) if result == 1 else result

    monkeypatch.setattr(step, moving)
    done = fixchain("repair", "--database", url, *options)
    assert done.exit_code == 3, done
    assert "has moved since the plan was made" in " ".join(done.stderr.split())
    assert migrations(project / "migrations") == files


# --- Lost revisions that are taken for others ----------------------------------------------------


def taken(rows: str, now: Facts, *known: LostRevision, **lost: str) -> MoveResult:
    snapshot = looked_at(now, db(rows), lost=known)
    (result,) = planned_moves(snapshot, snapshot, lost)
    return result


def test_a_lost_revision_counts_for_its_nearest_ancestor_only() -> None:
    result = taken("x", chain(*LINE), lost("x <- a"), x="c")
    assert (result.state, result.move.after) == (REFUSED, ("x",))
    assert "x was on a as far as Git knows, and not on c" in result.detail
    assert taken("x", chain(*LINE), lost("x <- a"), x="a").move.after == ("a",)


def test_a_new_id_does_not_bring_along_what_never_ran() -> None:
    now = chain("a", "b <- a", "y <- b")
    result = taken("x", now, lost("x <- a", renamed="y"), x="y")
    assert (result.state, result.detail) == (REFUSED, "b never ran there, and would be skipped")
    apart = chain("a", "b <- a", "y <- a")
    assert taken("x", apart, lost("x <- a", renamed="y"), x="y").move.after == ("y",)


def test_a_lost_stamp_moves_also_where_the_chain_has_several_heads(
    project: Path, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path)
    plain(project, *FORK)
    build(url, "b")
    sql(url, "UPDATE alembic_version SET version_num = 'x'")
    done = fixchain("restamp", "--yes", "--lost", "x=b", "--database", url)
    assert (done.exit_code, rows_of(url)) == (0, ["b"]), done


# --- What tables prove ---------------------------------------------------------------------------

MAKES = "op.create_table('t', sa.Column('id', sa.Integer()){})"


@pytest.mark.parametrize(
    ("b", "c"),
    [
        (MAKES.format(""), "op.drop_table('t')"),
        (MAKES.format(", schema='other'"), "pass"),
    ],
    ids=["dropped later", "in another schema"],
)
def test_a_table_that_need_not_be_there_proves_nothing(b: str, c: str) -> None:
    now = chain("a", Rev("b", ("a",)).doing(b), Rev("c", ("b",)).doing(c))
    built = looked_at(now, db("c", tables="t_a"), old=graph(*FORK))
    (status,) = built.databases.statuses
    ran = [sorted(each.revisions) for each in possibilities(built, status)]
    assert ran == [["a", "b", "c"], ["a", "c"]]
    assert list(diagnose(replace(built, old=()), Family.DATABASE)) == []


def test_each_bind_is_judged_by_its_own_tables() -> None:
    """No command of Alembic's is named, as each runs on all binds."""
    one = (
        b"def upgrade(engine_name):\n    globals()['upgrade_' + engine_name]()\n\n\ndef upgrade_():"
    )
    other = f"\n\ndef upgrade_x():\n    {MAKES.format('')}\n".encode()
    now = chain("a", Rev("b", ("a",), upgrade=("pass",)), "c <- b")
    files = tuple(
        each._replace(
            data=each.data.replace(b"def upgrade():", one)
            + (other if b"revision = 'b'" in each.data else b"\n\ndef upgrade_x():\n    pass\n")
        )
        for each in now.files
    )
    main = replace(db("c", "main", tables="t_a t_c"), bind="")
    bind, behind = (replace(db("c", "x", tables=names), bind="x") for names in ("t", "other"))
    now = replace(now, files=files)
    assert list(diagnose(looked_at(now, main, bind), Family.DATABASE)) == []
    (finding,) = diagnose(looked_at(now, main, behind), Family.DATABASE)
    assert (finding.code, finding.revisions) == ("FC302", ("b",))
    assert finding.message.startswith("x is stamped with c")
    assert "{alembic}" not in finding.hint


def test_a_doubt_does_not_hold_up_a_plan_that_changes_nothing_for_it(
    repaired_project: Path, tmp_path: Path
) -> None:
    """Who has stamped c is not known, and d comes on top of it in any case."""
    url = sqlite_url(tmp_path)
    build(url, "c")
    add(repaired_project, "b <- a", "op.execute('DELETE FROM a')", "pass")
    add(repaired_project, "d <- b")
    check = fixchain("check", "--database", url, *JSON).document
    severities = {each["code"]: each["severity"] for each in check["findings"]}
    assert severities == {"FC102": "error", "FC302": "warning"}
    done = fixchain("repair", "--yes", "--database", url, *JSON)
    assert done.document["plan"]["order"] == ["a", "b", "c", "d"]
    assert done.document["verified"]["heads"] == ["d"]
    assert rows_of(url) == ["c"]
    assert done.exit_code == 3, done  # the doubt is left
    assert "is in doubt: right if the current chain" in done.document["error"]["message"]
    assert fixchain("restamp", "--yes", "--current", "--database", url).exit_code == 0
    assert fixchain("repair", "--yes", "--database", url).exit_code == 0


# --- SQL that can be run as it is ----------------------------------------------------------------


def run_text(url: str, text: str) -> None:
    """Have a database run a whole script, as its shell would."""
    engine = create_engine(url, connect_args={"client_flag": 65536} if "mysql" in url else {})
    raw: Any = engine.raw_connection()
    driver = raw.driver_connection if hasattr(raw, "driver_connection") else raw.connection
    try:
        if engine.dialect.name == "sqlite":
            driver.executescript(text)
        else:
            driver.autocommit = True
            cursor = driver.cursor()
            cursor.execute(text)
            while engine.dialect.name == "mysql" and cursor.nextset():
                pass
    finally:
        raw.close()
        engine.dispose()


def test_the_sql_is_a_script(repaired_project: Path, database_url: str) -> None:
    build(database_url, "b", "c")
    done = fixchain("restamp", "--sql", "--lost", "x=b", "--database", database_url)
    assert done.exit_code == 0, done
    assert "no database has run x" in done.stdout  # which is no SQL
    run_text(database_url, done.stdout)
    assert rows_of(database_url) == ["c"]
    sql(database_url, "UPDATE alembic_version SET version_num = 'b'")
    with suppress(Exception):  # of PostgreSQL's driver, which stops there
        run_text(database_url, done.stdout)
    assert rows_of(database_url) == ["b"]


def test_to_tell_of_a_database_is_of_use_for_sql_only(repaired_project: Path) -> None:
    assert fixchain("restamp", "--yes", "--stamp", "b,c").exit_code == 2
    assert fixchain("restamp", "--sql", "--stamp", "b,c").exit_code != 2


# --- A rehearsal with several rows ---------------------------------------------------------------


def test_the_way_of_a_database_with_several_rows_is_rehearsed(
    project: Path, database_url: str
) -> None:
    plain(project, *FORK)
    done = fixchain("repair", "--dry-run", "--rehearse", database_url, "--stamp", "b,c", *JSON)
    assert done.exit_code == 1, done
    (way,) = done.document["rehearsal_ways"]
    assert (way["databases"], way["rows"]) == (["--stamp b,c"], ["b", "c"])
    assert way["rehearsal_failure"] is None


# --- What users are told -------------------------------------------------------------------------


def commands_in(done: Done) -> list[str]:
    return [
        line.strip() for line in done.stdout.splitlines() if line.strip().startswith("fixchain")
    ]


def test_advice_repeats_the_databases(project: Path) -> None:
    plain(project, *FORK)
    assert "fixchain repair --stamp c" in commands_in(fixchain("check", "--stamp", "c"))
    down = "postgresql+psycopg2://u:my s3cret@127.0.0.1:1/x"
    advice = commands_in(fixchain("check", "--database", down))
    assert "fixchain repair --database 'postgresql+psycopg2://u:***@127.0.0.1:1/x'" in advice


def test_the_way_back_names_the_schemas(
    repaired_project: Path, again: Again, tmp_path: Path
) -> None:
    url = again.url("postgresql", tmp_path)
    sql(url, "CREATE SCHEMA tenant_1")
    build(url, "b", "c", schema="tenant_1.")
    done = fixchain("restamp", "--yes", "--database", url, "--schemas", "tenant_*")
    assert commands_in(done) == [f"fixchain undo --database {url} --schemas 'tenant_*'"]


def test_a_declined_offer_says_how_the_stamps_move_later(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sqlite_url(tmp_path)
    plain(project, *FORK)
    build(url, "b", "c")

    def decline(question: str) -> None:
        raise Declined("declined", "nothing")

    monkeypatch.setattr("flask_chainfix.cli.running.ask", lambda question: None)
    monkeypatch.setattr("flask_chainfix.cli.restamp.ask", decline)
    done = fixchain("repair", "--database", url)
    assert done.exit_code == 0, done
    told = f"`fixchain restamp --database {url}` moves them"
    assert told.replace(" ", "") in "".join(done.stdout.split())  # a long path is broken
    assert rows_of(url) == ["b", "c"]


def test_restamp_without_an_older_chain_says_so(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    plain(project, *LINE)
    build(url, "b")
    assert "there is no journal of a repair" in unwrapped(fixchain("restamp", "--database", url))


def test_the_copies_of_a_backup_are_named(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    plain(project, *FORK)
    build(url, "b")
    done = fixchain("repair", "--yes", "--backup", "--database", url)
    (copy,) = (path for path in Path("backups").iterdir() if path.suffix == ".db")
    assert str(copy) in done.stdout


def test_where_there_is_nothing_to_copy_it_is_said(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    plain(project, *FORK)
    sql(url, "VACUUM")  # it is there, and empty
    done = fixchain("repair", "--yes", "--backup", "--database", url)
    assert done.exit_code == 0, done
    assert "the databases hold nothing to back up" in unwrapped(done)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("u:s3cret@h/x", "***"),
        ("u:my s3cret@h/x", "***"),
        ("postgresql:/u:s3cret@h/x", "***"),
        ("postgresql://u:my s3cret@h/x", "postgresql://u:***@h/x"),
        ("host=h password=s3cret user=u", "***"),
        ("password: s3cret", "***"),
        ('{"url": "postgresql://u:s3cret@h/x"}', "***"),
        ("postgresql://u:pa@s?s@h/x", "postgresql://u:***@h/x"),
        ("postgresql://u:p?w@h/x?sslmode=require", "postgresql://u:***@h/x?sslmode=require"),
        ("postgresql://u@h/x?sslmode=require&new=s", "postgresql://u@h/x?sslmode=require&new=***"),
        (
            "postgresql://h/x?options=-csearch_path%3Dt",
            "postgresql://h/x?options=-csearch_path%3Dt",
        ),
        ("postgresql://h/x?options=-capp.key%3Ds", "postgresql://h/x?options=***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***"),
        ("bigquery://p/d?credentials_base64=czNj", "bigquery://p/d?credentials_base64=***"),
        ("oracle://scott/tiger@h:1521/orcl", "oracle://***@h:1521/orcl"),
        ("sqlite:///x.db?mode=ro&uri=true", "sqlite:///x.db?mode=ro&uri=true"),
        ("postgresql://u@h/x", "postgresql://u@h/x"),
        ("sqlite:////place/a@b.db", "sqlite:////place/a@b.db"),
    ],
)
def test_a_password_is_masked_whatever_it_is_in(written: str, shown: str) -> None:
    assert masked_url(written) == shown


def test_a_password_in_what_is_no_url(project: Path) -> None:
    plain(project, *LINE)
    done = fixchain("check", "--database", "u:my s3cret@h/x")
    assert done.exit_code == 3
    assert "the value is not the URL of a database" in unwrapped(done)
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("check", "--database"),
        ("check", "--databases", "list", "--database"),
        ("rehearse", "--database"),
        ("backup", "--database"),
    ],
)
def test_an_environment_variable_that_is_named_for_a_url(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    plain(project, *LINE)
    Path("list").write_text("HOLDS_A_PASSWORD\n")
    monkeypatch.setenv("HOLDS_A_PASSWORD", "TOPSECRET123")
    done = fixchain(*command, "HOLDS_A_PASSWORD")
    assert done.exit_code == 3
    assert "is not the URL of a database" in unwrapped(done)
    assert "TOPSECRET123" not in done.stdout + done.stderr
    done = fixchain(*command, "NOT_SET_ANYWHERE")
    assert done.exit_code == 2
    assert "there is no environment variable NOT_SET_ANYWHERE" in unwrapped(done)


# --- check changes nothing -----------------------------------------------------------------------


def test_a_database_with_a_wal_stays_as_it_is(project: Path, tmp_path: Path) -> None:
    """Of an app that was killed, so that nobody else has taken the WAL into the file."""
    with_app(project, *LINE, uri=sqlite_url(tmp_path))
    url = f"sqlite:///{tmp_path / 'alive.db'}"
    sql(url, "PRAGMA journal_mode = WAL")
    engine = create_engine(url)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("SELECT * FROM sqlite_master")  # whoever is last takes it away
        build(url, "b")
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"alive.db{suffix}", tmp_path / f"app.db{suffix}")
    engine.dispose()
    places = [tmp_path / "app.db", tmp_path / "app.db-wal"]
    before = [path.read_bytes() for path in places]
    assert all(before)
    sys.modules.pop("panel", None)
    done = invoke(flask.cli.cli, "--app", "panel", "db", "fixchain", "check", "--database", *JSON)
    assert done.document["databases"][0]["rows"] == ["b"], done
    assert [path.read_bytes() for path in places] == before
