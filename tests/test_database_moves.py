"""Version rows are moved from the expected rows only, each database for itself, in bounded time."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from flask_chainfix.common.quoting import Unspeakable
from flask_chainfix.databases import connecting
from flask_chainfix.databases.restamp_script import guarded_sql
from flask_chainfix.databases.restamping import move_rows
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Move, MoveState
from tests.databases import new_database
from tests.nightly import first_of
from tests.stamped import (
    ODD_NAME,
    Again,
    cutting_proxy,
    look,
    move,
    moving,
    rows_of,
    run_script,
    silent_server,
    sql,
    sqlite_url,
    stamp,
    stamp_oddly,
    target,
    user,
)

MOVED, UNCHANGED = MoveState.MOVED, MoveState.UNCHANGED
REFUSED, FAILED, UNKNOWN = MoveState.REFUSED, MoveState.FAILED, MoveState.UNKNOWN


@pytest.fixture
def mariadb(again: Again, tmp_path: Path) -> str:
    return again.url("mariadb", tmp_path)


def refused_to(state: MoveState, url: str, before: str, *words: str, to: str = "new") -> None:
    """Moving ends with this state and these words, and nothing has changed."""
    result = move(target(url), before, to)
    assert result.state is state, result
    assert result.remedy
    for word in words:
        assert word in f"{result.detail} | {result.remedy}"
    assert "s3cret" not in f"{result.detail} {result.remedy}"


# --- What is changed -----------------------------------------------------------------------------

MOVES = [
    ("a", "b"),
    ("a b", "c"),
    ("a", "b c"),
    ("a b", "b c"),
    ("a b c", "c"),
    ("a b", "B"),
    ("", "a"),
    ("a", ""),
]


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_rows_are_moved(database_url: str, before: str, after: str) -> None:
    stamp(database_url, *before.split())
    result = move(target(database_url), before, after)
    assert (result.state, result.detail, result.remedy) == (MOVED, "", "")
    assert rows_of(database_url) == after.split()
    assert move(target(database_url), before, after).state is UNCHANGED


def test_other_columns_of_a_row_survive(database_url: str) -> None:
    stamp(database_url, columns="version_num VARCHAR(32) PRIMARY KEY, note VARCHAR(9) NOT NULL")
    sql(database_url, "INSERT INTO alembic_version (version_num, note) VALUES ('a', 'kept')")
    assert move(target(database_url), "a", "b").state is MOVED
    assert sql(database_url, "SELECT * FROM alembic_version") == [("b", "kept")]
    refused_to(FAILED, database_url, "b", to="c d")  # a new row has no value for the other column
    assert sql(database_url, "SELECT * FROM alembic_version") == [("b", "kept")]


def test_one_id_in_two_rows(database_url: str) -> None:
    stamp(database_url, "a", "a", columns="version_num VARCHAR(32)")
    assert move(target(database_url), "a a", "b").state is MOVED
    assert rows_of(database_url) == ["b"]


def test_a_version_table_of_another_name(database_url: str) -> None:
    stamp_oddly(database_url, "a")
    there = target(database_url, version_table=ODD_NAME)
    assert move(there, "a", "b").state is MOVED
    assert look(there)[0].rows == ("b",)


def test_an_id_in_another_case_is_another_id(database_url: str) -> None:
    stamp(database_url, "ABC")
    refused_to(REFUSED, database_url, "abc", "ABC instead of abc")
    assert rows_of(database_url) == ["ABC"]


@pytest.mark.parametrize("as_script", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("b", "b "), ("b",)),
        (("a", "b "), ("b",)),
        (("a", "b "), ("b", "c")),
        (("b", "c"), ("b ",)),
        (("B", "b"), ("b",)),
    ],
)
def test_ids_that_a_server_takes_for_one(
    database_url: str, before: tuple[str, ...], after: tuple[str, ...], as_script: bool
) -> None:
    """MariaDB compares them without the blanks at their ends, and without case."""
    alike = len({each.rstrip().casefold() for each in before}) < len(before)
    key = "" if alike else " PRIMARY KEY"
    stamp(database_url, *before, columns=f"version_num VARCHAR(32) NOT NULL{key}")
    there = target(database_url)
    wanted = Move(there.name, there.identity, before, after)
    if as_script:
        run_script(database_url, guarded_sql(there, wanted))
    else:
        (done,) = move_rows({there.identity: there}, [wanted], lambda _: None, lambda *_: None)
        assert (done.state, done.detail) == (MOVED, "")
    assert tuple(rows_of(database_url)) == after


def test_ids_that_cannot_be_in_one_table(mariadb: str) -> None:
    stamp(mariadb, "x", "é")
    refused_to(FAILED, mariadb, "x é", "Duplicate entry", "the collation of", to="e z")
    assert rows_of(mariadb) == ["x", "é"]


def test_rows_that_have_changed_meanwhile(database_url: str) -> None:
    stamp(database_url, "a", "c")
    refused_to(REFUSED, database_url, "a b", "a, c instead of a, b", "run the command again")
    assert rows_of(database_url) == ["a", "c"]


def test_an_id_that_the_column_cannot_hold(server_url: str) -> None:
    stamp(server_url, "a")
    if server_url.startswith("mysql"):  # such a server would cut it off and say nothing
        args = {"init_command": "SET SESSION sql_mode = ''"}
        engine = create_engine(server_url, connect_args=args)
        result = move(target(server_url, engine=engine), "a", "b" * 33)
        assert "would hold" in result.detail
    else:
        result = move(target(server_url), "a", "b" * 33)
    assert result.state is FAILED
    assert "version_num is long enough" in result.remedy or "too long" in result.detail
    assert rows_of(server_url) == ["a"]


# --- The record ----------------------------------------------------------------------------------


def test_what_is_changed_is_recorded_before(database_url: str) -> None:
    stamp(database_url, "a")
    there = target(database_url)
    wanted = moving(there, "a", "b")
    recorded: list[Move] = []
    move_rows({there.identity: there}, [wanted], recorded.append, lambda *_: None)
    assert recorded == [wanted]
    move_rows({there.identity: there}, [wanted], recorded.append, lambda *_: None)
    move_rows({there.identity: there}, [moving(there, "x", "y")], recorded.append, lambda *_: None)
    assert recorded == [wanted]


def test_without_a_record_nothing_more_is_changed(tmp_path: Path) -> None:
    targets = [target(f"sqlite:///{tmp_path / f'{number}.db'}") for number in range(30)]
    for there in targets:
        stamp(str(there.url), "a")

    def record(move: Move) -> None:
        raise OSError("the disk is full")

    moves = [moving(there, "a", "b") for there in targets]
    with pytest.raises(OSError, match="the disk is full"):
        move_rows({there.identity: there for there in targets}, moves, record, lambda *_: None)
    assert {status.rows for status in look(*targets)} == {("a",)}


def test_a_stop_lets_running_moves_come_to_their_end(tmp_path: Path) -> None:
    targets = [target(f"sqlite:///{tmp_path / f'{number}.db'}") for number in range(30)]
    for there in targets:
        stamp(str(there.url), "a")
    recorded: list[Move] = []

    def progress(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    moves = [moving(there, "a", "b") for there in targets]
    with pytest.raises(KeyboardInterrupt):
        move_rows({item.identity: item for item in targets}, moves, recorded.append, progress)
    moved = {status.identity for status in look(*targets) if status.rows == ("b",)}
    assert moved == {move.identity for move in recorded}
    assert 0 < len(moved) < len(targets)


# --- Databases that do not let us ----------------------------------------------------------------


def test_no_right_to_change(server_url: str) -> None:
    stamp(server_url, "a")
    with user(server_url, "SELECT ON alembic_version") as url:
        refused_to(FAILED, url, "a", "denied", "UPDATE, INSERT and DELETE")
    assert rows_of(server_url) == ["a"]


def test_a_read_only_database(tmp_path: Path) -> None:
    with new_database("postgresql", tmp_path) as postgresql:
        read_only(postgresql)


def read_only(postgresql: str) -> None:
    stamp(postgresql, "a")
    name = make_url(postgresql).database
    sql(postgresql, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    refused_to(FAILED, postgresql, "a", "read-only", "the primary server")
    assert rows_of(postgresql) == ["a"]


def test_a_read_only_file(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    stamp(url, "a")
    engine = create_engine(f"sqlite:///file:{tmp_path}/app.db?mode=ro&uri=true")
    result = move(target(engine.url, engine=engine), "a", "b")
    assert (result.state, rows_of(url)) == (FAILED, ["a"])
    assert "readonly" in result.detail
    assert "can only be read" in result.remedy


def test_nothing_comes_into_being(tmp_path: Path) -> None:
    refused_to(FAILED, sqlite_url(tmp_path), "a", "there is no file")
    assert list(tmp_path.iterdir()) == []


def test_no_version_table(database_url: str) -> None:
    sql(database_url, "CREATE TABLE account (id INTEGER)")
    refused_to(FAILED, database_url, "a", "is the version table")


def test_null(database_url: str) -> None:
    stamp(database_url, columns="version_num VARCHAR(9)")
    sql(database_url, "INSERT INTO alembic_version (version_num) VALUES (NULL)")
    refused_to(FAILED, database_url, "", "NULL")


def test_a_table_without_transactions(mariadb: str) -> None:
    stamp(mariadb, "a")
    sql(mariadb, "ALTER TABLE alembic_version ENGINE = MyISAM")
    refused_to(FAILED, mariadb, "a", "MyISAM", "ALTER TABLE alembic_version ENGINE=InnoDB")
    assert rows_of(mariadb) == ["a"]


LOCKS = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "LOCK TABLE alembic_version IN ACCESS SHARE MODE",
    "mysql": "SELECT * FROM alembic_version FOR UPDATE",
}


@pytest.mark.usefixtures("waits_shortly")
def test_rows_that_another_session_holds(database_url: str) -> None:
    stamp(database_url, "a")
    engine = create_engine(database_url)
    with engine.connect() as other, other.begin():
        other.exec_driver_sql(LOCKS[engine.dialect.name])
        start = monotonic()
        refused_to(
            FAILED, database_url, "a", "another session holds a lock on alembic_version", "end it"
        )
        assert monotonic() - start > 0.9
    engine.dispose()
    assert move(target(database_url), "a", "b").state is MOVED


def test_nobody_else_changes_the_rows_meanwhile(database_url: str) -> None:
    """Another session is let in only after the end, and finds what was moved."""
    stamp(database_url, "a")
    there = target(database_url)
    errors: list[str] = []
    quick = {"sqlite": "PRAGMA busy_timeout = 100", "postgresql": "SET lock_timeout = '100ms'"}

    def record(move: Move) -> None:
        engine = create_engine(database_url)
        with engine.connect() as other, suppress(DBAPIError):
            other.exec_driver_sql(
                quick.get(there.backend, "SET SESSION innodb_lock_wait_timeout = 0")
            )
            other.exec_driver_sql("UPDATE alembic_version SET version_num = 'z'")
            errors.append("it got in")
        engine.dispose()

    move_rows({there.identity: there}, [moving(there, "a", "b")], record, lambda *_: None)
    assert errors == []
    assert rows_of(database_url) == ["b"]


def test_an_app_without_transactions_gets_one_nevertheless(database_url: str) -> None:
    stamp(database_url, "a")
    engine = create_engine(database_url, isolation_level="AUTOCOMMIT")
    there = target(database_url, engine=engine)
    assert move(there, "a", "b").state is MOVED

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def spoil(*args: object) -> tuple[object, object]:
        statement = str(args[2])
        if statement.startswith("DELETE"):
            statement = "no SQL"
        return statement, args[3]

    sql(database_url, "INSERT INTO alembic_version VALUES ('c')")
    assert move(there, "b c", "d").state is FAILED
    assert rows_of(database_url) == ["b", "c"]


def test_a_listener_that_begins_transactions_itself(tmp_path: Path) -> None:
    """SQLAlchemy's own recipe for SQLite."""
    url = sqlite_url(tmp_path)
    stamp(url, "a")
    engine = create_engine(url)
    event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    assert move(target(url, engine=engine), "a", "b").state is MOVED
    assert rows_of(url) == ["b"]


# --- Connections that are lost -------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("passing", "closing"),
    [
        pytest.param(True, True, id="committed, closed"),
        pytest.param(False, True, id="not committed, closed"),
        pytest.param(False, False, id="not committed, silent"),
        pytest.param(True, False, id="committed, silent", marks=pytest.mark.nightly),
    ],
)
def test_the_answer_to_the_commit_is_lost(server_url: str, passing: bool, closing: bool) -> None:
    stamp(server_url, "a")
    with cutting_proxy(
        server_url, b"COMMIT", passing=passing, closing=closing, after=b"UPDATE alembic"
    ) as url:
        result = move(target(url), "a", "b")
    if passing:
        assert (result.state, rows_of(server_url)) == (MOVED, ["b"])
    elif closing:
        assert (result.state, rows_of(server_url)) == (FAILED, ["a"])
        assert "its rows are a now" in result.detail
    else:  # the server still waits for the rest, and holds the lock
        assert result.state is UNKNOWN
        assert result.remedy


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "closing", first_of([pytest.param(True, id="closed"), pytest.param(False, id="silent")])
)
def test_a_connection_that_is_lost_before(server_url: str, closing: bool) -> None:
    stamp(server_url, "a")
    with cutting_proxy(server_url, b"UPDATE alembic", passing=False, closing=closing) as url:
        refused_to(FAILED, url, "a")
    assert rows_of(server_url) == ["a"]


def test_who_is_given_up_changes_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "SILENCE", 0.3)
    url = sqlite_url(tmp_path)
    stamp(url, "a")
    there, woken, done = target(url), Event(), Event()
    engine = create_engine(url)
    event.listen(engine, "close_detached", lambda _: done.set())

    def record(move: Move) -> None:
        woken.wait(60)

    here = target(url, engine=engine)
    (result,) = move_rows(
        {there.identity: here}, [moving(there, "a", "b")], record, lambda *_: None
    )
    assert result.state is FAILED
    woken.set()
    assert done.wait(60)
    assert rows_of(url) == ["a"]


@pytest.mark.usefixtures("impatient")
def test_each_database_goes_its_own_way(mariadb: str, tmp_path: Path) -> None:
    stamp(mariadb, "a")
    other = f"sqlite:///{tmp_path / 'other.db'}"
    stamp(other, "x")
    with silent_server() as port:
        silent = target(f"postgresql+psycopg2://u:s3cret@127.0.0.1:{port}/app")
        targets = [silent, target(mariadb), target(other)]
        moves = [moving(item, "a", "b") for item in targets]
        results = move_rows(
            {item.identity: item for item in targets}, moves, lambda _: None, lambda *_: None
        )
    assert [result.state for result in results] == [FAILED, MOVED, REFUSED]
    assert [result.move for result in results] == moves


def test_many_schemas_one_in_ten_changed_meanwhile(postgresql: str) -> None:
    schemas = [f"tenant_{number:03}" for number in range(100)]
    made = (
        f"CREATE SCHEMA {name}; CREATE TABLE {name}.alembic_version AS SELECT '{row}'::text AS"
        " version_num"
        for number, name in enumerate(schemas)
        for row in ["b" if number % 10 else "other"]
    )
    sql(postgresql, ";".join(made))
    targets = {item.identity: item for item in (target(postgresql, name) for name in schemas)}
    moves = [moving(item, "b", "c") for item in targets.values()]
    recorded: list[Move] = []
    results = move_rows(targets, moves, recorded.append, lambda *_: None)
    states = [MOVED if number % 10 else REFUSED for number in range(100)]
    assert [result.state for result in results] == states
    rows = [status.rows for status in look(*targets.values())]
    assert rows == [("c",) if number % 10 else ("other",) for number in range(100)]
    assert len(recorded) == 90


# --- SQL for operators ---------------------------------------------------------------------------

ODD_IDS = ("it's", 'a"b', "100%", "$$", "$fixchain$", "x:y", "--", "''")
# What they mean in a script depends on the settings of the client and the server.
UNSPEAKABLE_IDS = ("back\\slash", "é", "\\'", "a\tb")


def run_guarded(there: Target, move: Move) -> list[object]:
    """What ``guarded_sql`` writes, and what its last result is."""
    statements = guarded_sql(there, move)
    assert all(statement.endswith(";") for statement in statements)
    return run_script(there.url, statements)


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_the_script_moves_the_expected_rows(database_url: str, before: str, after: str) -> None:
    stamp(database_url, *before.split())
    there = target(database_url)
    found = run_guarded(there, moving(there, before, after))
    assert rows_of(database_url) == after.split()
    assert found == ([] if there.backend == "postgresql" else ["moved"])


@pytest.mark.parametrize("others", ["", "a", "a c", "a b c", "A b", "c", "b c"])
def test_the_script_changes_no_other_rows(database_url: str, others: str) -> None:
    stamp(database_url, *others.split())
    there = target(database_url)
    wanted = moving(there, "a b", "c")
    if there.backend == "postgresql":
        with pytest.raises(Exception, match="the rows differ: nothing was changed"):
            run_guarded(there, wanted)
    else:
        assert run_guarded(there, wanted) == ["the rows differ: nothing was changed"]
    assert rows_of(database_url) == sorted(others.split())


def test_the_script_quotes_every_id(database_url: str) -> None:
    there = target(database_url)
    stamp(database_url, "start")
    for old, new in zip(("start", *ODD_IDS), ODD_IDS, strict=False):
        run_guarded(there, Move("x", there.identity, (old,), (new,)))
        assert rows_of(database_url) == [new]


@pytest.mark.parametrize("unspeakable", UNSPEAKABLE_IDS)
def test_no_script_holds_an_id_that_settings_change(database_url: str, unspeakable: str) -> None:
    there = target(database_url)
    for old, new in (("a", unspeakable), (unspeakable, "a")):
        with pytest.raises(Unspeakable):
            guarded_sql(there, Move("x", there.identity, (old,), (new,)))


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
def test_the_script_whatever_the_mode_of_the_server(mariadb: str, mode: str) -> None:
    stamp(mariadb, "a'b")
    there = target(f"{mariadb}?sql_mode={mode}")
    run_guarded(there, moving(there, "a'b", 'c"d'))
    assert rows_of(mariadb) == ['c"d']


def test_the_script_names_the_table(database_url: str) -> None:
    stamp_oddly(database_url, "a")
    there = target(database_url, version_table=ODD_NAME)
    run_guarded(there, moving(there, "a", "b"))
    assert look(there)[0].rows == ("b",)


def test_the_script_in_a_shell_that_goes_on_after_errors(tmp_path: Path) -> None:
    """A statement fails half-way: what came before it must not stay."""
    url = sqlite_url(tmp_path)
    stamp(url, "a", "b", columns="version_num VARCHAR(9) CHECK (version_num <> 'd')")
    there = target(url)
    program = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for statement in sys.argv[2:]:\n"
        "    try: connection.execute(statement)\n"
        "    except sqlite3.Error: pass\n"
    )
    statements = guarded_sql(there, moving(there, "a b", "c d"))
    file = str(there.file)
    subprocess.run([sys.executable, "-c", program, file, *statements], check=True)
    assert rows_of(url) == ["a", "b"]
