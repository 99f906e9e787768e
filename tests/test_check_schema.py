"""``check --database`` on real databases: what they hold beside tables and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commands import fixchain
from tests.rehearsals import add, create, plain, stamp, statements, upgrade
from tests.stamped import sql, user

_USERS = """
op.create_table(
    "users",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("age", sa.Integer),
)
"""
_POSTS = """
op.create_table("posts", sa.Column("id", sa.Integer, primary_key=True))
op.create_index("ix_users_age", "users", ["age"])
"""
_INDEX = 'op.create_index("ix_users_name", "users", ["name"])'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain that makes a table, another one with an index of the first, and an index alone."""
    plain(tmp_path)
    add(tmp_path, "a", _USERS, "pass")
    add(tmp_path, "b <- a", _POSTS, "pass")
    add(tmp_path, "c <- b", _INDEX, "pass")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _findings(url: str) -> list[dict[str, Any]]:
    found = fixchain("check", "--database", url, "--format", "json").document["findings"]
    assert isinstance(found, list)
    return found


def _index_gone(url: str, name: str) -> str:
    return f"DROP INDEX {name}{' ON users' if url.startswith('mysql') else ''}"


def test_a_revision_that_stopped_before_its_index(project: Path, database_url: str) -> None:
    """A stamp would skip the index for ever."""
    upgrade(project, database_url, "a")
    sql(database_url, "CREATE TABLE posts (id INTEGER PRIMARY KEY)")
    (finding,) = _findings(database_url)
    assert finding["code"] == "FC305"
    assert "posts is there already, but users.ix_users_age is not" in finding["message"]


def test_an_index_that_stops_the_next_upgrade(project: Path, database_url: str) -> None:
    upgrade(project, database_url, "c")
    sql(database_url, "UPDATE alembic_version SET version_num = 'b'")
    (finding,) = _findings(database_url)
    assert (finding["code"], finding["revisions"]) == ("FC306", ["c"])
    assert "alembic stamp c" in str(finding["hint"])


def test_what_was_changed_by_hand_is_drift(project: Path, database_url: str) -> None:
    upgrade(project, database_url, "c")
    assert _findings(database_url) == []
    sql(database_url, _index_gone(database_url, "ix_users_name"))
    (finding,) = _findings(database_url)
    assert finding["code"] == "FC307"
    assert "index users.ix_users_name is not there, though c (c_add.py:" in finding["message"]


@pytest.mark.parametrize(
    ("gone", "code"), [((), "FC307"), (("DROP TABLE posts",), "FC302")], ids=["index", "table"]
)
def test_catch_up_makes_what_is_missing(
    project: Path, database_url: str, gone: tuple[str, ...], code: str
) -> None:
    """Also where the rest of the revision that makes it is there."""
    upgrade(project, database_url, "c")
    sql(database_url, _index_gone(database_url, "ix_users_name"), *gone)
    (finding,) = _findings(database_url)
    assert finding["code"] == code
    assert "fixchain catch-up --server --database" in finding["hint"]
    done = fixchain("catch-up", "--server", "--database", database_url, "--yes")
    assert done.exit_code == 0, done
    upgrade(project, database_url, "head")
    assert _findings(database_url) == []


@pytest.mark.parametrize("between", [False, True], ids=["below it", "below what shows nothing"])
def test_the_newest_revision_is_run_again_where_its_table_was_dropped(
    project: Path, database_url: str, between: bool
) -> None:
    """To stamp what the tables match is half of it: the next check would say nothing more."""
    if between:
        add(project, "d <- c", 'op.execute("UPDATE users SET age = 1")', "pass")
    add(project, f"e <- {'d' if between else 'c'}", create("notes"), "pass")
    upgrade(project, database_url, "e")
    sql(database_url, "DROP TABLE notes")
    (finding,) = _findings(database_url)
    assert finding["code"] == "FC302"
    hint = str(finding["hint"])
    assert ", and have Alembic run e" in hint
    assert (", and have Alembic run d, e" in hint) is between
    for words in (f"alembic stamp {'d' if between else 'c'}", "alembic upgrade head"):
        assert words in hint
    stamp(project, database_url, "d" if between else "c")
    upgrade(project, database_url, "head")
    assert _findings(database_url) == []
    assert sql(database_url, "SELECT * FROM notes") == []


def test_a_view_is_called_a_view(project: Path, database_url: str) -> None:
    """The one that a migration makes, and the one that none does."""
    add(project, "d <- c", 'op.execute("CREATE VIEW grown AS SELECT id FROM users")', "pass")
    add(project, "e <- d", create("notes"), "pass")
    upgrade(project, database_url, "e")
    sql(database_url, "CREATE VIEW by_hand AS SELECT id FROM users")
    (finding,) = _findings(database_url)
    assert "view by_hand is there, and no migration makes it" in finding["message"]
    sql(database_url, "DROP VIEW grown")
    traced = fixchain("trace", "--database", database_url)
    said = " ".join(traced.stdout.split())
    assert "view grown is not there" in said
    assert "table grown" not in said
    assert "table by_hand" not in said


def test_no_remedy_makes_only_a_part_of_what_is_missing(project: Path, database_url: str) -> None:
    """Alembic can run what a revision skipped, but not the rest of one that has run in part."""
    add(project, "d <- c", create("notes"), 'op.drop_table("notes")')
    column = 'op.add_column("users", sa.Column("phone", sa.String(9)))'
    add(project, "e <- d", f"{column}; {create('tags')}", 'op.drop_table("tags")')
    upgrade(project, database_url, "e")
    sql(database_url, "DROP TABLE notes", "ALTER TABLE users DROP COLUMN phone")
    (finding,) = (each for each in _findings(database_url) if each["code"] == "FC302")
    assert "missing: notes (d), users.phone (e)" in finding["message"]
    (command,) = finding["remedies"][0]["commands"]
    assert command.startswith("fixchain catch-up --server")
    assert "put the stamp back" not in finding["hint"]


def test_catch_up_is_no_way_out_with_several_heads(project: Path, database_url: str) -> None:
    add(project, "d <- b", "pass", "pass")
    upgrade(project, database_url, "c")
    sql(database_url, _index_gone(database_url, "ix_users_name"))
    (finding,) = (each for each in _findings(database_url) if each["code"] == "FC307")
    assert "catch-up" not in finding["hint"]
    assert ("alembic revision --head c" if "sqlite" in database_url else "--sql b:c") in finding[
        "hint"
    ]


@pytest.mark.parametrize("dropped", [False, True], ids=["alone", "beside an index"])
def test_a_missing_value_is_made_by_its_own_statement(
    project: Path, postgresql: str, dropped: bool
) -> None:
    """Catch-up makes whole objects, so that it would find nothing to do for a value alone."""
    add(project, "d <- c", "op.execute(\"CREATE TYPE mood AS ENUM ('sad', 'ok')\")", "pass")
    value = "op.execute(\"ALTER TYPE mood ADD VALUE 'fine' BEFORE 'ok'\")"
    add(project, "e <- d", f"with op.get_context().autocommit_block():\n    {value}", "pass")
    add(project, "f <- e", create("notes"), 'op.drop_table("notes")')
    upgrade(project, postgresql, "f")
    sql(postgresql, "DROP TYPE mood", "CREATE TYPE mood AS ENUM ('sad', 'ok')")
    if dropped:
        sql(postgresql, "DROP INDEX ix_users_name")
    (finding,) = _findings(postgresql)
    assert "value mood.fine is not there" in finding["message"]
    trace = fixchain("trace", "--database", postgresql).stdout
    for said in (finding["hint"], trace):
        assert ("catch-up --server" in said) is dropped
        assert "alembic upgrade --sql d:e" in said
    sql(postgresql, *statements(project, postgresql, "d:e", "mood"))
    left = [each["message"] for each in _findings(postgresql)]
    assert ["mood" in each for each in left] == [False] * dropped


@pytest.mark.parametrize("between", ["", "op.drop_index('ix_users_name', 'users')"])
def test_what_a_column_is_otherwise_is_nothing_for_catch_up(
    project: Path, database_url: str, between: str
) -> None:
    batch = 'with op.batch_alter_table("posts") as batch_op:\n    batch_op.'
    add(project, "d <- c", f'{batch}add_column(sa.Column("text", sa.String(9)))', "pass")
    change = 'alter_column("text", existing_type=sa.String(9), nullable=False)'
    add(project, "e <- d", f"{batch}{change}\n{between}", "pass")
    upgrade(project, database_url, "e")
    columns = "id INTEGER NOT NULL PRIMARY KEY, text VARCHAR(9)"
    sql(database_url, "DROP TABLE posts", f"CREATE TABLE posts ({columns})")
    if between:
        sql(database_url, "CREATE INDEX ix_users_name ON users (name)")
    (finding,) = _findings(database_url)
    assert "posts.text is nullable" in finding["message"]
    command = "alembic revision -m" if "sqlite" in database_url else "alembic upgrade --sql d:e"
    for said in (finding["hint"], fixchain("trace", "--database", database_url).stdout):
        assert "catch-up" not in said
        assert command in said


@pytest.mark.parametrize("written", ["sql", "op"])
def test_what_catch_up_does_not_add_is_made_by_hand(
    project: Path, postgresql: str, written: str
) -> None:
    """A domain, a type without labels, a primary key: it leaves them to be written by hand."""
    key = 'op.create_primary_key("pk_notes", "notes", ["n"])'
    if written == "sql":
        key = 'op.execute("ALTER TABLE notes ADD CONSTRAINT pk_notes PRIMARY KEY (n)")'
    made = {
        "domain positive": "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
        "type pair": "CREATE TYPE pair AS (x integer, y integer)",
    }
    lines = [f"op.execute({each!r})" for each in made.values()]
    table = "op.execute('CREATE TABLE notes (n integer NOT NULL)')"
    add(project, "d <- c", "\n".join((*lines, table, key)), "pass")
    upgrade(project, postgresql, "d")
    gone = [f"DROP {name}" for name in made]
    sql(postgresql, *gone, "ALTER TABLE notes DROP CONSTRAINT pk_notes")
    (finding,) = _findings(postgresql)
    assert "constraint notes.pk_notes is not there" in finding["message"]
    by_hand = "the statements about positive, pair, notes.pk_notes, which this prints"
    for said in (finding["hint"], fixchain("trace", "--database", postgresql).stdout):
        assert "catch-up" not in said
        assert by_hand in " ".join(said.split())
        assert "alembic upgrade --sql c:d" in said
    add_key = "ALTER TABLE notes ADD CONSTRAINT pk_notes PRIMARY KEY (n)"
    sql(postgresql, *made.values(), add_key)
    assert _findings(postgresql) == []


def test_a_stamp_that_is_behind_where_a_primary_key_is_missing(
    project: Path, postgresql: str
) -> None:
    key = 'sa.PrimaryKeyConstraint("n", name="pk_notes")'
    add(project, "d <- c", f'op.create_table("notes", sa.Column("n", sa.Integer()), {key})', "pass")
    add(project, "e <- d", 'op.create_table("tags", sa.Column("n", sa.Integer()))', "pass")
    upgrade(project, postgresql, "e")
    set_back = "UPDATE alembic_version SET version_num = 'd'"
    sql(postgresql, "ALTER TABLE notes DROP CONSTRAINT pk_notes", set_back)
    said = " ".join(fixchain("check", "--database", postgresql).stdout.split())
    assert "it lacks notes.pk_notes: stamp it there, once env.py" in said
    assert "catch-up" not in said


@pytest.mark.parametrize(
    ("url", "fits"), [("sqlite:///own.db", False), ("postgresql+psycopg://host/x", True)]
)
def test_the_statements_are_for_the_database_of_env_py(
    project: Path, postgresql: str, url: str, fits: bool
) -> None:
    change = 'op.alter_column("users", "age", existing_type=sa.Integer(), nullable=False)'
    add(project, "d <- c", change, "pass")
    upgrade(project, postgresql, "d")
    sql(postgresql, "ALTER TABLE users ALTER age DROP NOT NULL")
    Path("own.ini").write_text(f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n")
    said = " ".join(fixchain("-c", "own.ini", "check", "--database", postgresql).stdout.split())
    assert "the statements about users.age, which this prints" in said
    assert ("once env.py uses that --database: alembic" not in said) is fits


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_columns_of_another_type_nullability_or_default(
    project: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(kind)
    upgrade(project, url, "c")
    alters = {
        "postgresql": (
            "ALTER TABLE users ALTER age TYPE BIGINT",
            "ALTER TABLE users ALTER name DROP NOT NULL",
            "ALTER TABLE users ALTER age SET DEFAULT 1",
        ),
        "mariadb": (
            "ALTER TABLE users MODIFY age BIGINT DEFAULT 1",
            "ALTER TABLE users MODIFY name VARCHAR(40)",
        ),
    }
    sql(url, *alters[kind])
    (finding,) = _findings(url)
    assert finding["code"] == "FC307"
    for said in ("users.age is BIGINT", "users.name is nullable", "users.age has a default"):
        assert said in finding["message"]


def test_what_a_trace_cannot_tell_is_no_finding(project: Path, database_url: str) -> None:
    """What is opaque may have dropped the index, and changed the column."""
    add(project, "d <- c", "op.execute(TEXT)", "pass")
    upgrade(project, database_url, "c")
    sql(
        database_url,
        _index_gone(database_url, "ix_users_name"),
        "UPDATE alembic_version SET version_num = 'd'",
    )
    assert _findings(database_url) == []


def test_a_table_that_is_used_before_it_is_made(project: Path, database_url: str) -> None:
    """As where the parent of a migration is missing, which stands at the beginning then."""
    upgrade(project, database_url, "c")
    add(project, "0 <- gone", 'op.add_column("users", sa.Column("x", sa.Integer))', "pass")
    (finding,) = _findings(database_url)
    assert finding["code"] == "FC103"


def test_what_cannot_be_read_in_full_is_told(project: Path, postgresql: str) -> None:
    """All the rest is compared nevertheless."""
    upgrade(project, postgresql, "c")
    sql(postgresql, "DROP TABLE posts", "REVOKE SELECT ON pg_catalog.pg_enum FROM PUBLIC")
    with user(postgresql, "SELECT ON ALL TABLES IN SCHEMA public") as url:
        document = fixchain("check", "--database", url, "--format", "json").document
    assert [finding["code"] for finding in document["findings"]] == ["FC302"]
    (notice,) = document["notices"]
    told = "not compared with what the migrations make: types and values: permission denied for"
    assert told in notice
    assert "pg_enum" in notice
