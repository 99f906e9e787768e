"""``catch-up`` on real databases: one migration after which all have what the chain makes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import flask_migrate  # type: ignore[import-untyped]
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from flask_chainfix.commands import repair
from flask_chainfix.common.errors import NotConfirmed
from flask_chainfix.databases.reflecting import read_whole
from flask_chainfix.schema.footprint import Kind, belongs_to_database
from flask_chainfix.schema.reflected import Reflected, differences
from tests.commands import Done, fixchain, flask
from tests.databases import KINDS, SERVERS, new_database
from tests.disk import tree
from tests.nightly import by_day_on, examples, first_of
from tests.rehearsals import add, plain, with_app, with_naming_convention
from tests.repositories import Repository
from tests.stamped import rows_of, sql
from tests.traces import random_chain, run

_USERS = """
op.create_table(
    "users",
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("name", sa.String(40), nullable=False, server_default="nobody"),
)
"""
_POSTS = """
op.create_table(
    "posts",
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("user_id", sa.Integer(), nullable=False),
    sa.Column("title", sa.String(50)),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_posts_user", ondelete="CASCADE"),
)
op.create_index("ix_posts_title", "posts", ["title"])
"""
_MORE = """
with op.batch_alter_table("users") as batch:
    batch.add_column(sa.Column("email", sa.String(80)))
    batch.add_column(sa.Column("born", sa.Date(), nullable=True))
    batch.add_column(sa.Column("active", sa.Boolean(), nullable=False, server_default="1"))
    batch.create_unique_constraint("uq_users_email", ["email"])
    batch.create_check_constraint("ck_users_email", "email <> ''")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain that makes every kind of object."""
    plain(tmp_path)
    add(tmp_path, "a", _USERS, 'op.drop_table("users")')
    add(tmp_path, "b <- a", _POSTS, 'op.drop_table("posts")')
    add(tmp_path, "c <- b", _MORE.replace('"1"', "sa.true()"), "pass")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(project: Path, url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(project / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(project: Path, url: str, target: str = "head") -> None:
    command.upgrade(config_of(project, url), target)


def catch_up(url: str, *options: str) -> Done:
    return fixchain("catch-up", "--server", "own", "--database", url, *options)


def schema_of(url: str) -> Reflected:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return read_whole(connection).schema


def new_file(project: Path) -> Path:
    (path,) = (project / "migrations/versions").glob("*lack.py")
    return path


def _drop(url: str, *things: str) -> None:
    """Drop objects as somebody does by hand."""
    engine = create_engine(url, poolclass=NullPool)
    backend = engine.dialect.name
    for thing in things:
        kind, _, name = thing.partition(" ")
        table, _, part = name.partition(".")
        kind = "index" if kind == "unique" and backend == "mysql" else kind
        run(
            engine,
            [
                f"op.drop_table({name!r})"
                if kind == "table"
                else f"op.drop_index({part!r}, table_name={table!r})"
                if kind == "index"
                else f"with op.batch_alter_table({table!r}) as batch: batch.drop_column({part!r})"
                if kind == "column"
                else f"with op.batch_alter_table({table!r}) as batch:"
                f" batch.drop_constraint({part!r}, type_={kind!r})"
            ],
        )


_LOST: Sequence[tuple[str, ...]] = (
    ("table posts",),
    ("column users.born", "column users.active", "index posts.ix_posts_title"),
)
_CONSTRAINTS: Sequence[tuple[str, ...]] = (
    ("unique users.uq_users_email", "check users.ck_users_email", "foreignkey posts.fk_posts_user"),
    ("unique users.uq_users_email", "check users.ck_users_email"),
    ("foreignkey posts.fk_posts_user",),
)


def _proves_itself(project: Path, url: str, lost: Sequence[str]) -> None:
    upgrade(project, url)
    right = schema_of(url)
    _drop(url, *lost)
    assert schema_of(url) != right
    done = catch_up(url, "--yes")
    assert done.exit_code == 0, done
    for thing in lost:
        assert thing.partition(".")[2] in done.stdout
    upgrade(project, url)
    assert differences(right, schema_of(url)) == ()
    again = catch_up(url)
    assert (again.exit_code, "there is nothing to do" in again.stdout) == (0, True), again


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
@pytest.mark.parametrize("lost", _LOST, ids=" ".join)
def test_what_is_lacking_is_made(project: Path, database_url: str, lost: Sequence[str]) -> None:
    _proves_itself(project, database_url, lost)


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
@pytest.mark.parametrize(
    "lost", first_of(pytest.param(each, id=" ".join(each)) for each in _CONSTRAINTS)
)
def test_constraints_that_are_lacking_are_made(
    project: Path, database_url: str, lost: Sequence[str]
) -> None:
    _proves_itself(project, database_url, lost)


@pytest.mark.nightly  # by day, ``squash`` shows it
def test_a_naming_convention_does_not_add_to_names_twice(project: Path, server_url: str) -> None:
    with_naming_convention(project)
    _proves_itself(project, server_url, ("check users.ck_users_ck_users_email",))


_CODE = {
    "sqlite": [
        "CREATE VIEW named AS SELECT id, name FROM users",
        "CREATE TRIGGER clean AFTER INSERT ON users BEGIN SELECT 'a:b'; END",
    ],
    "postgresql": [
        "CREATE FUNCTION today() RETURNS date LANGUAGE sql AS 'SELECT now()::date'",
        "CREATE FUNCTION clean() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE VIEW named AS SELECT id, name, today() FROM users",
        "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS number FROM named",
        "CREATE TRIGGER clean BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION clean()",
        "ALTER TABLE posts ADD day date DEFAULT today()",
    ],
    "mysql": [
        "CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
        "CREATE VIEW named AS SELECT id, name FROM users",
        "CREATE VIEW counted AS SELECT twice(count(*)) AS number FROM named",
        "CREATE TRIGGER clean BEFORE INSERT ON users FOR EACH ROW SET @seen = 1",
    ],
}
_LOST_CODE = {
    "sqlite": ["DROP VIEW named", "DROP TRIGGER clean", "DROP TABLE users"],
    "postgresql": [
        "DROP VIEW named CASCADE",
        "DROP TRIGGER clean ON users",
        "DROP FUNCTION clean() CASCADE",
        "DROP TABLE users CASCADE; DROP FUNCTION clean()",
    ],
    "mysql": [
        "DROP VIEW named, counted",
        "DROP TRIGGER clean",
        "DROP FUNCTION twice",  # which leaves the view behind, as the next one does
        "DROP TABLE posts; DROP TABLE users",
    ],
}


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
@pytest.mark.parametrize("number", [0, 1, 2, pytest.param(3, marks=pytest.mark.nightly)])
def test_views_functions_and_triggers_that_are_lacking(
    project: Path, database_url: str, number: int
) -> None:
    kind = make_url(database_url).get_backend_name()
    add(project, "d <- c", "\n".join(f"op.execute({each!r})" for each in _CODE[kind]), "pass")
    upgrade(project, database_url)
    exactly = ("trace", "--exact", "--server", "--database", database_url)
    assert "no difference" in fixchain(*exactly).stdout
    for statement in _LOST_CODE[kind][number : number + 1]:
        sql(database_url, *statement.split("; "))
        _, what, name, *_ = re.split(r"[ (,;]+", statement)
        done = catch_up(database_url, "--yes")
        assert done.exit_code == 0, done.stderr
        assert re.search(rf"lacks {what.lower()} (users\.)?{name}", done.stdout)
        upgrade(project, database_url)
        assert "no difference" in fixchain(*exactly).stdout


_ALONE = {
    "sqlite": "CREATE TABLE odd (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
    "postgresql": "CREATE TABLE odd (id serial PRIMARY KEY, number serial, name text);"
    " CREATE SEQUENCE numbered START 5; ALTER TABLE odd ADD other int"
    " DEFAULT nextval('numbered'); CREATE INDEX ix_odd ON odd (name) WHERE name > 'x'",
    "mysql": "CREATE TABLE odd (id INTEGER PRIMARY KEY AUTO_INCREMENT, data JSON, flag BOOLEAN)"
    " DEFAULT CHARSET=latin1 COMMENT='it''s odd'",
}


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
def test_what_each_kind_alone_has(project: Path, database_url: str) -> None:
    kind = make_url(database_url).get_backend_name()
    made = "\n".join(f"op.execute({each!r})" for each in _ALONE[kind].split("; "))
    add(project, "d <- c", made, "pass")
    _proves_itself(project, database_url, ["table odd"])


def test_what_sqlalchemy_does_not_read_is_left(project: Path, postgresql: str) -> None:
    """A constraint that has a name, a domain, and a composite type."""
    excluded = "ALTER TABLE users ADD CONSTRAINT ex EXCLUDE USING gist (int4range(id, id) WITH &&)"
    domain = "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)"
    statements = (excluded, domain, "CREATE TYPE pair AS (a int, b int)")
    made = "\n".join(f"op.execute({each!r})" for each in statements)
    add(project, "d <- c", made, "pass")
    upgrade(project, postgresql)
    sql(
        postgresql, "ALTER TABLE users DROP CONSTRAINT ex", "DROP DOMAIN positive", "DROP TYPE pair"
    )
    things = ("constraint users.ex", "type positive", "type pair")
    _refused(project, postgresql, *(f"{thing}: SQLAlchemy does not read it" for thing in things))


# --- Refusals: nothing is guessed, and nothing is written ----------------------------------------
def _refused(project: Path, url: str, *said: str) -> Done:
    before = tree(project / "migrations")
    done = catch_up(url, "--yes")
    assert done.exit_code == 3, done
    for words in said:
        assert words in done.stderr, done.stderr
    assert tree(project / "migrations") == before
    return done


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
def test_rows_that_would_have_to_be_guessed(project: Path, database_url: str) -> None:
    """All that is in the way is told at once, with what to do about it."""
    both = 'sa.Column("code", sa.Integer(), nullable=False), sa.Column("x", sa.Integer())'
    keyed = 'sa.ForeignKeyConstraint(["x"], ["users.id"], name="fk_odd")'
    unique = 'sa.UniqueConstraint("code", name="uq_code")'
    made = f'op.create_table("odd", sa.Column("id", sa.Integer(), primary_key=True), {both}'
    add(project, "d <- c", f"{made}, {keyed}, {unique})", "pass")
    more = 'batch.add_column(sa.Column("must", sa.Integer()))\n    batch.alter_column("must"'
    change = f'with op.batch_alter_table("odd") as batch:\n    {more}'
    add(project, "e <- d", f"{change}, existing_type=sa.Integer(), nullable=False)", "pass")
    upgrade(project, database_url)
    sql(
        database_url,
        "DROP TABLE odd",
        "CREATE TABLE odd (id INTEGER NOT NULL PRIMARY KEY, code INTEGER NOT NULL, x INTEGER)",
        "INSERT INTO odd VALUES (1, 5, 77), (2, 5, NULL)",
    )
    done = _refused(
        project,
        database_url,
        "odd.must may not be NULL and has no default, and odd has rows",
        "uq_code is unique, and rows of odd have the same code",
        "fk_odd: rows of odd refer by x to rows that users does not have",
        "alembic revision -m 'add odd.must'",
    )
    for query in re.findall(r"SELECT .*;", done.stderr):
        assert len(sql(database_url, query.rstrip(";"))) == 1
    sql(database_url, "DELETE FROM odd")
    assert catch_up(database_url, "--dry-run").exit_code == 1


@pytest.fixture
def url(project: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database at the head."""
    found = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, found)
    return found


def test_a_stamp_that_lies(project: Path, url: str) -> None:
    add(project, "d <- c", 'op.create_table("x", sa.Column("id", sa.Integer()))', "pass")
    _drop(url, "table posts")
    sql(url, "CREATE TABLE x (id INTEGER)")
    typed = f"catch-up --server --database {url}"
    _refused(project, url, "d has run in", "alembic stamp d\n", f"fixchain {typed}\n")
    # A restamp would refuse: no revision has run without b, and d has.
    command.stamp(config_of(project, url), "d")
    assert fixchain(*typed.split(), "--yes").exit_code == 0
    upgrade(project, url)
    assert "posts" in str(schema_of(url))
    assert fixchain("trace", "--database", url).exit_code == 0


def test_a_stamp_that_lies_in_one_of_two_databases(project: Path, url: str, tmp_path: Path) -> None:
    """The other one can be caught up without it."""
    other = f"sqlite:///{tmp_path / 'two.db'}"
    upgrade(project, other)
    add(project, "d <- c", 'op.create_table("x", sa.Column("id", sa.Integer()))', "pass")
    sql(url, "CREATE TABLE x (id INTEGER)")
    done = catch_up(url, "--database", other)
    assert done.exit_code == 3, done
    assert "move its stamp first" in done.stderr
    assert "leave that database out" in done.stderr
    typed = f"catch-up --server --database {other}"
    assert f"fixchain {typed}\n" in done.stderr
    assert fixchain(*typed.split(), "--dry-run").exit_code == 0
    moving = f"restamp --from-schema --database {url} --database {other}"
    assert f"fixchain {moving}\n" in done.stderr
    assert fixchain(*moving.split(), "--yes").exit_code == 0
    assert rows_of(url) == ["d"]


def test_a_stamp_that_no_file_has(project: Path, url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'two.db'}"
    upgrade(project, other)
    sql(url, "UPDATE alembic_version SET version_num = 'gone'")
    _refused(project, url, "is stamped with gone, which no file has", "--tombstone gone=c")
    done = catch_up(url, "--database", other)
    assert f"fixchain catch-up --server --database {other}\n" in done.stderr


def test_a_revision_that_has_half_run(project: Path, url: str) -> None:
    up = (
        'op.create_table("x", sa.Column("id", sa.Integer()))\nop.create_table("y", sa.Column("id"))'
    )
    add(project, "d <- c", up.replace('"id")', '"id", sa.Integer())'), "pass")
    sql(url, "CREATE TABLE x (id INTEGER)")
    done = _refused(project, url, "half of d has run in")
    assert f"fixchain catch-up --finish d --server --database {url}" in done.stderr


def test_a_chain_that_is_broken_is_repaired_first(project: Path, url: str) -> None:
    _drop(url, "table posts")
    add(project, "d <- c")
    add(project, "e <- c")
    _refused(project, url, "the chain is broken", "fixchain repair --database")


@pytest.mark.parametrize("server_url", by_day_on("mariadb", of=SERVERS), indirect=True)
def test_a_server_is_used_only_where_that_is_asked_for(project: Path, server_url: str) -> None:
    upgrade(project, server_url)
    _drop(server_url, "table posts")
    done = fixchain("catch-up", "--database", server_url, "--dry-run")
    assert done.exit_code == 3
    assert f"fixchain {_ASKED} {server_url}" in done.stderr


_ASKED = "catch-up --server --dry-run --database"


@pytest.mark.nightly
def test_then_it_is_used(project: Path, server_url: str) -> None:
    upgrade(project, server_url)
    _drop(server_url, "table posts")
    assert fixchain(*_ASKED.split(), server_url).exit_code == 1


def test_a_later_revision_that_stops_first(project: Path, url: str) -> None:
    """What is lacking has to be made before it can be upgraded to the new migration."""
    add(project, "d <- c", 'op.create_index("ix_user", "posts", ["user_id"])', "pass")
    _drop(url, "table posts")
    done = _refused(project, url, "could not be upgraded to the new migration")
    assert f"fixchain catch-up --finish b --server --database {url}" in done.stderr
    finished = fixchain(
        "catch-up", "--finish", "b", "--server", "--database", url, "--yes", "--no-backup"
    )
    assert finished.exit_code == 0, finished
    assert rows_of(url) == ["c"]
    upgrade(project, url)


def test_a_view_that_stands_on_what_is_lost_is_named(project: Path, mariadb: str) -> None:
    view = 'op.execute("CREATE VIEW named AS SELECT id, born FROM users")'
    add(project, "d <- c", view, "pass")
    upgrade(project, mariadb)
    sql(mariadb, "ALTER TABLE users DROP COLUMN born")
    done = _refused(project, mariadb, "view named of", "users.born", "DROP VIEW `named`;")
    (statement,) = re.findall("DROP VIEW .*", done.stderr)
    sql(mariadb, statement.rstrip(";"))
    assert catch_up(mariadb, "--yes").exit_code == 0
    upgrade(project, mariadb)
    assert sql(mariadb, "SELECT born FROM named") == []


# --- What is written, and what is not ------------------------------------------------------------
def test_what_somebody_has_made_by_hand_is_not_made_elsewhere(project: Path, url: str) -> None:
    _drop(url, "table posts")
    sql(url, "CREATE TABLE by_hand (id INTEGER)", "ALTER TABLE users ADD own INTEGER")
    done = catch_up(url, "--yes")
    assert done.exit_code == 0, done
    assert "has table by_hand, which no migration makes" in done.stdout
    assert "has column users.own, which no migration makes" in done.stdout
    text = new_file(project).read_text()
    assert "by_hand" not in text
    assert "'own'" not in text


def test_several_databases_in_several_states(project: Path, tmp_path: Path, url: str) -> None:
    others = [f"sqlite:///{tmp_path / name}.db" for name in ("two", "three", "four")]
    for other, target in zip(others, ("head", "head", "b"), strict=True):
        upgrade(project, other, target)
    right = schema_of(url)
    _drop(url, "table posts", "column users.born")
    _drop(others[0], "index posts.ix_posts_title")
    named = [part for other in others for part in ("--database", other)]
    done = catch_up(url, *named, "--yes", "--format", "json")
    document = done.document
    assert done.exit_code == 0, done
    assert [len(each["missing"]) for each in document["lacking"]] == [2, 1, 0, 0]
    assert document["command"] == "catch-up"
    assert document["verified"]["heads"] == [document["plan"]["new_revisions"][0]["revision"]]
    for each in (url, *others):
        upgrade(project, each)
        assert differences(right, schema_of(each)) == ()


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
def test_what_the_next_upgrade_makes_is_not_made_twice(project: Path, database_url: str) -> None:
    kind = make_url(database_url).get_backend_name()
    add(project, "d <- c", "\n".join(f"op.execute({each!r})" for each in _CODE[kind]), "pass")
    upgrade(project, database_url)
    sql(database_url, "DROP TRIGGER clean" + (" ON users" if kind == "postgresql" else ""))
    _drop(database_url, "table posts")
    assert catch_up(database_url, "--yes").exit_code == 0
    written = new_file(project)
    again = catch_up(database_url, "--yes")
    assert (again.exit_code, new_file(project)) == (0, written), again
    assert "lacks table posts, which the next upgrade makes" in again.stdout
    assert written.name[:12] in again.stdout + again.stderr
    assert "upgrade head`" in again.stdout + again.stderr
    sql(database_url, "ALTER TABLE users DROP COLUMN born")
    more = catch_up(database_url, "--dry-run", "--format", "json")
    (lacking,) = more.document["lacking"]
    assert {each["object"]: each["left"] is None for each in lacking["missing"]} == {
        "posts": False,
        "users.clean": False,
        "users.born": True,
    }


def test_it_can_be_undone_and_is_asked(project: Path, url: str) -> None:
    _drop(url, "table posts")
    assert fixchain("lock", "--yes").exit_code == 0
    before = tree(project / "migrations/versions")
    asked = catch_up(url)
    assert (asked.exit_code, "pass --yes" in asked.stderr) == (3, True)
    dry = catch_up(url, "--dry-run", "--format", "json")
    assert (dry.exit_code, dry.document["exit_code"]) == (1, 1)
    assert tree(project / "migrations/versions") == before
    assert catch_up(url, "--yes").exit_code == 0
    assert fixchain("check").exit_code == 0  # the lock is in step
    assert fixchain("undo", "--yes", "--database", url).exit_code == 0
    assert tree(project / "migrations/versions") == before


def test_the_migration_is_to_be_committed(project: Path, url: str) -> None:
    _drop(url, "table posts")
    Repository(project).commit(1)
    done = catch_up(url, "--yes")
    assert "git commit -m 'Make what some databases lack'" in done.stdout


@pytest.mark.nightly
def test_what_has_run_is_taken_down_before_it_is_undone(project: Path, url: str) -> None:
    _drop(url, "table posts")
    before = tree(project / "migrations/versions")
    assert catch_up(url, "--yes").exit_code == 0
    upgrade(project, url)
    refused = fixchain("undo", "--yes", "--database", url, "--format", "json")
    assert refused.exit_code == 3
    down, again = refused.document["error"]["remedies"][0]["commands"]
    assert down == "alembic downgrade c"
    command.downgrade(config_of(project, url), "c")
    assert again.startswith("fixchain undo")
    assert fixchain("undo", "--yes", "--database", url).exit_code == 0
    assert tree(project / "migrations/versions") == before


def test_env_py_uses_the_configured_database_already(
    project: Path, url: str, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path / 'two.db'}"
    upgrade(project, other)
    ini = f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {url}\n"
    Path("alembic.ini").write_text(ini)
    _drop(url, "table posts")
    both = ("-c", "alembic.ini"), ("--database", "--database", other, "--yes")
    for ahead, elsewhere in ((url, False), (other, True)):
        done = fixchain(*both[0], "catch-up", "--server", *both[1])
        assert done.exit_code == 0, done
        upgrade(project, ahead)
        refused = fixchain(*both[0], "undo", *both[1]).stderr
        assert "first, then undo again" in refused
        assert ("once env.py uses that database" in refused) is elsewhere
        command.downgrade(config_of(project, ahead), "c")
        assert fixchain(*both[0], "undo", *both[1]).exit_code == 0
        if not elsewhere:
            _drop(url, "table posts")


def test_nothing_stays_where_alembic_does_not_confirm(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _drop(url, "table posts")
    before = tree(project / "migrations/versions")

    def refuse(*_: object) -> None:
        raise NotConfirmed("Alembic sees another chain", "every file was put back")

    monkeypatch.setattr(repair, "confirm", refuse)
    done = catch_up(url, "--yes")
    assert (done.exit_code, "Alembic sees another chain" in done.stderr) == (3, True)
    assert tree(project / "migrations/versions").keys() == before.keys()


def test_a_template_that_leaves_the_operations_out(project: Path, url: str) -> None:
    _drop(url, "table posts")
    template = project / "migrations/script.py.mako"
    template.write_text(template.read_text().replace('${upgrades if upgrades else "pass"}', "pass"))
    _refused(project, url, "script.py.mako does not write the operations")


def test_databases_of_two_kinds(project: Path, url: str, postgresql: str) -> None:
    """What is not written alike for both is written for each."""
    upgrade(project, postgresql)
    right = {each: schema_of(each) for each in (url, postgresql)}
    for each in (url, postgresql):
        _drop(each, "column users.born", "table posts")
    done = catch_up(url, "--database", postgresql, "--yes")
    assert done.exit_code == 0, done
    assert new_file(project).read_text().count("op.get_bind().dialect.name ==") == 2
    assert new_file(project).read_text().count("op.add_column('users'") == 1
    for each in (url, postgresql):
        upgrade(project, each)
        assert differences(right[each], schema_of(each)) == ()


@pytest.mark.nightly
def test_where_no_url_is_configured_the_named_server_is_the_one_to_rehearse_on(
    project: Path, mariadb: str
) -> None:
    upgrade(project, mariadb)
    _drop(mariadb, "table posts")
    done = catch_up(mariadb, "--server", mariadb, "--yes")
    assert done.exit_code == 0, done
    (command,) = re.findall(r"^ +fixchain (rehearse.*)$", done.stdout, re.MULTILINE)
    assert command == f"rehearse --database {mariadb}"
    assert "rehearsed on a new MariaDB database" in fixchain(*command.split()).stdout


def test_the_downgrade_does_nothing_and_says_why(project: Path, url: str) -> None:
    _drop(url, "table posts")
    assert catch_up(url, "--yes").exit_code == 0
    _, _, downgrade = new_file(project).read_text().partition("def downgrade():\n")
    assert downgrade.strip().startswith("# Nothing is dropped")
    assert downgrade.strip().endswith("pass")


# --- Any chain, any object -----------------------------------------------------------------------
_KINDS = {Kind.TABLE: "table", Kind.COLUMN: "column", Kind.INDEX: "index"}


def _lose_some(random: Random, url: str) -> list[str]:
    """Drop a few objects of a database, and say which."""
    lost = []
    for _ in range(random.randint(1, 4)):
        there = [
            f"{_KINDS.get(thing.kind, 'unique')} {thing.spelled}"
            for thing in schema_of(url)
            if not belongs_to_database(thing) and thing.name != "id" and "(" not in thing.name
            if thing.kind is not Kind.CONSTRAINT or thing.name.startswith("uq")
        ]
        if there:
            lost.append(random.choice(there))
            with suppress(SQLAlchemyError):  # an index stands on the column, for example
                _drop(url, lost[-1])
    return lost


@pytest.mark.parametrize("kind", first_of(KINDS))
@pytest.mark.parametrize("seed", range(examples(1)))
def test_after_an_upgrade_all_databases_are_equal(
    kind: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(f"{kind}{seed}")
    plain(tmp_path)
    for each in random_chain(random, random.randint(3, 8)):
        add(
            tmp_path,
            f"{each.revision} <- {' '.join(each.parents)}",
            "\n".join(each.operations or ("pass",)),
            "pass",
        )
    monkeypatch.chdir(tmp_path)
    with ExitStack() as made:
        urls = [made.enter_context(new_database(kind, tmp_path / name)) for name in ("a", "b", "c")]
        for url in urls:
            (tmp_path / "abc"[urls.index(url)]).mkdir()
            upgrade(tmp_path, url)
        right = schema_of(urls[0])
        lost = [_lose_some(random, url) for url in urls[1:]]
        named = [part for url in urls for part in ("--database", url)]
        done = fixchain("catch-up", "--server", *named, "--yes")
        assert done.exit_code == 0, (done, lost)
        for url in urls:
            upgrade(tmp_path, url)
            # What a column that cannot be dropped leaves behind in SQLite.
            assert differences(right, schema_of(url), ["_alembic_tmp_*"]) == (), lost


# --- Several binds -------------------------------------------------------------------------------
_BINDS = """
from alembic import op
import sqlalchemy as sa

revision, down_revision = "a", None


def upgrade(engine_name):
    op.create_table("same", sa.Column("id", sa.Integer, primary_key=True))
    name = {"": "notes", "users": "people"}[engine_name]
    op.create_table(name, sa.Column("id", sa.Integer, primary_key=True))


def downgrade(engine_name):
    pass
"""


def test_each_bind_gets_what_it_lacks(tmp_path: Path) -> None:
    """Flask-Migrate's environment for several databases, whose template has a function for each."""
    urls = {"": f"sqlite:///{tmp_path}/own.db", "users": f"sqlite:///{tmp_path}/users.db"}
    with_app(tmp_path, uri=urls[""], binds={"users": urls["users"]})
    for name in ("env.py", "script.py.mako"):
        template = Path(flask_migrate.__file__).parent / "templates/flask-multidb" / name
        shutil.copy(template, tmp_path / "migrations" / name)
    (tmp_path / "migrations/versions/a.py").write_text(_BINDS)

    def panel(*args: str) -> Done:
        return flask("--app", "panel", "db", *args, cwd=tmp_path)

    assert panel("upgrade").exit_code == 0
    right = {bind: schema_of(url) for bind, url in urls.items()}
    sql(urls[""], "DROP TABLE notes")
    sql(urls["users"], "DROP TABLE people", "DROP TABLE same")
    done = panel("fixchain", "catch-up", "--yes")
    assert done.exit_code == 0, done
    assert panel("upgrade").exit_code == 0
    for bind, url in urls.items():
        assert differences(right[bind], schema_of(url)) == ()
    assert "nothing to do" in panel("fixchain", "catch-up").stdout
