"""``trace --exact``: databases beside what the chain makes on a scratch database of their kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import alembic
import flask_migrate  # type: ignore[import-untyped]
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from flask_chainfix.commands.session import Session
from flask_chainfix.commands.trace import trace
from flask_chainfix.databases import connecting
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.rehearsal import app_databases, round_trip
from flask_chainfix.rehearsal.schemas import drift
from flask_chainfix.rehearsal.scratch import scratch_databases
from tests.commands import Done, fixchain, flask
from tests.databases import KINDS, new_database
from tests.disk import tree
from tests.nightly import by_day_on, first_of
from tests.rehearsals import add, plain, upgrade, with_app
from tests.stamped import cutting_proxy, rows_of, sql, user
from tests.test_scratch import names_on

_USERS = """
op.create_table("users", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("mail", sa.String(40), nullable=False))
op.create_index("ix_mail", "users", ["mail"])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain that makes a table, and then another one with an index."""
    place = tmp_path / "project"
    place.mkdir()
    plain(place, "a")
    add(place, "b <- a", _USERS, 'op.drop_table("users")')
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def database(project: Path, tmp_path: Path) -> str:
    """A SQLite database that the chain has made."""
    url = f"sqlite:///{tmp_path / 'own.db'}"
    upgrade(project, url, "b")
    return url


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the scratch databases that are made."""
    names: list[str] = []

    @contextmanager
    def noted(*args: Any, **options: Any) -> Iterator[Any]:
        with scratch_databases(*args, **options) as made:
            names.extend(str(url.database) for url in made.urls.values())
            yield made

    monkeypatch.setattr(round_trip, "scratch_databases", noted)
    return names


def _trace(url: str, *options: str) -> Done:
    server = () if url.startswith("sqlite") or "--server" in options else ("--server",)
    return fixchain("trace", "--exact", "--database", url, *server, *options)


def _said(done: Done) -> str:
    """The text on one line."""
    return " ".join(done.stdout.split())


def _exact(done: Done) -> list[dict[str, Any]]:
    return [each["exact"] for each in done.document["traces"]]


def _told(url: str, *options: str) -> dict[str, Any]:
    (found,) = _exact(_trace(url, *options, "--format", "json"))
    return found


def _objects(url: str) -> list[str]:
    return [f"{each['kind']} {each['object']}" for each in _told(url)["differences"]]


def _settings(project: Path, **settings: str) -> None:
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (project / "migrations/alembic.ini").write_text(f"[alembic]\n[fixchain]\n{lines}")


# --- What is told --------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", by_day_on("mariadb"), indirect=True)
def test_a_database_as_the_chain_makes_it_and_one_that_was_changed(
    project: Path, database_url: str, scratch: list[str]
) -> None:
    upgrade(project, database_url, "b")
    done = _trace(database_url)
    assert done.exit_code == 0, done
    assert "Compared with what the chain makes\n  no difference" in done.stdout
    sql(
        database_url,
        "CREATE TABLE by_hand (id INTEGER)",
        "ALTER TABLE users ADD nick VARCHAR(20) DEFAULT 'none'",
    )
    done = _trace(database_url)
    assert done.exit_code == 1, done
    assert done.stdout.startswith("The database matches its stamp, with 2 differences.\n")
    assert _objects(database_url) == ["table by_hand", "column users.nick"]
    assert rows_of(database_url) == ["b"]
    assert database_url.startswith("sqlite") or not names_on(database_url).intersection(scratch)


def test_the_table_is_stacked_where_it_is_too_wide(database: str) -> None:
    sql(database, f"CREATE TABLE t{'x' * 60} (id INTEGER)", "DROP INDEX ix_mail")
    done = _trace(database)
    assert "index users.ix_mail\n    the chain makes   (mail)\n    the database has  nothing" in (
        done.stdout
    )


def test_the_keys_of_the_json(database: str) -> None:
    sql(database, "DROP INDEX ix_mail", "CREATE INDEX ix_mail ON users (id)")
    assert _told(database) == {
        "differences": [
            {
                "kind": "index",
                "object": "users.ix_mail",
                "property": "definition",
                "expected": "(mail)",
                "found": "(id)",
            }
        ],
        "not_compared": [],
        "note": None,
        "problem": None,
    }


def test_what_the_settings_name_is_left_out(project: Path, database: str) -> None:
    sql(
        database,
        "CREATE TABLE audit_log (id INTEGER)",
        "CREATE TABLE logs (id INTEGER)",
        "ALTER TABLE users ADD legacy INTEGER",
        "ALTER TABLE a ADD legacy INTEGER",
        "CREATE INDEX by_hand ON users (id)",
    )
    assert _objects(database) == [
        "column a.legacy",
        "table audit_log",
        "table logs",
        "column users.legacy",
        "index users.by_hand",
    ]
    _settings(project, ignore_objects="Audit_*, users.legacy, *.by_hand")
    assert _objects(database) == ["column a.legacy", "table logs"]
    done = fixchain("trace", "--database", database, "--format", "json")
    (traced,) = done.document["traces"]
    assert [each["object"] for each in traced["differences"]] == ["table logs", "column a.legacy"]
    done = fixchain("check", "--database", database, "--format", "json")
    (finding,) = (each for each in done.document["findings"] if each["code"] == "FC307")
    assert "logs" in finding["message"]
    assert "audit_log" not in finding["message"]


def test_version_tables_are_left_out(project: Path, database: str) -> None:
    """That of the settings, whatever else it holds, and those of other environments."""
    sql(
        database,
        "ALTER TABLE alembic_version RENAME TO stamps",
        "ALTER TABLE stamps ADD since INTEGER",
        "CREATE TABLE other_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    )
    _settings(project, version_table="stamps")
    done = _trace(database, "--format", "json")
    assert _exact(done)[0]["differences"] == []
    assert done.document["traces"][0]["differences"] == []
    assert done.exit_code == 0, done


def test_databases_have_collations_of_their_own(project: Path, mariadb: str) -> None:
    made = 'op.create_table("c", sa.Column("t", sa.Text){})'
    add(project, "c <- b", made.format(', mysql_charset="utf8mb4"'), "pass")
    add(project, "d <- c", made.format("").replace('"c"', '"d"'), "pass")
    sql(mariadb, f"ALTER DATABASE {make_url(mariadb).database} CHARACTER SET latin1")
    upgrade(project, mariadb, "d")
    assert _told(mariadb)["differences"] == []
    sql(mariadb, "ALTER TABLE d MODIFY t TEXT COLLATE latin1_bin")
    (found,) = _told(mariadb)["differences"]
    assert (found["property"], found["expected"], found["found"]) == (
        "collation",
        None,
        "latin1_bin",
    )


@pytest.mark.nightly
def test_what_cannot_be_told_is_said(project: Path, mariadb: str) -> None:
    add(project, "c <- b", 'op.execute("CREATE VIEW v AS SELECT id FROM users")', "pass")
    upgrade(project, mariadb, "c")
    name = make_url(mariadb).database
    with user(mariadb, f"SELECT ON {name}.*") as url:
        found = _told(url, "--server", mariadb)
    assert found["differences"] == []
    assert found["not_compared"] == ["the query of the view v, which needs the right SHOW VIEW"]


# --- What keeps a database from being compared ---------------------------------------------------


def test_only_a_stamp_that_the_chain_has_says_what_to_compare_with(database: str) -> None:
    sql(database, "UPDATE alembic_version SET version_num = 'gone'")
    done = _trace(database)
    assert done.exit_code == 1
    assert "not compared: it is stamped with gone, which no file has" in done.stdout
    assert "fixchain check" in done.stdout
    sql(database, "DELETE FROM alembic_version")
    done = _trace(database)
    assert done.exit_code == 1
    assert "not compared: it is not stamped" in done.stdout
    assert "stamp, but was not compared with what the chain makes. sqlite:" in _said(done)


def test_a_database_at_several_heads(project: Path, database: str) -> None:
    add(project, "c <- a")
    upgrade(project, database, "heads")
    assert rows_of(database) == ["b", "c"]
    assert _told(database)["differences"] == []
    sql(database, "DROP TABLE c")
    assert _objects(database) == ["table c"]


@pytest.mark.parametrize(
    ("spec", "name", "what"),
    [
        ("b <- a", "again.py", "b stands in several files"),
        ("a <- gone", "a_add.py", "a has a missing parent, or is in a cycle"),
        ("a <- b", "a_add.py", "a has a missing parent, or is in a cycle"),
    ],
)
def test_a_chain_that_is_broken_below_the_stamp(
    project: Path, database: str, spec: str, name: str, what: str, scratch: list[str]
) -> None:
    other = project.parent / "other"
    plain(other, "z")
    written = add(other, spec)
    written.replace(project / "migrations/versions" / name)
    done = _trace(database)
    assert done.exit_code == 1, done
    assert "not compared: the chain below its stamp is broken" in done.stdout
    assert what in _said(done)
    assert "fixchain check" in done.stdout
    assert "fixchain repair" in done.stdout
    assert scratch == []


def test_a_chain_that_is_broken_above_the_stamp(project: Path, database: str) -> None:
    add(project, "d <- gone")
    (project / "migrations/versions/odd.py").write_text("revision = 'e'\ndown_revision = (")
    assert _told(database)["differences"] == []


def test_a_migration_that_fails_on_the_scratch_database(project: Path, database: str) -> None:
    before = tree(project)
    add(project, "a", 'op.execute("SELECT AND nothing")')
    done = _trace(database)
    assert done.exit_code == 1, done
    assert "not compared: the chain stops on a temporary SQLite file at a:" in done.stdout
    assert 'near "AND": syntax error' in _said(done)
    assert set(tree(project)) == set(before)


def test_an_environment_that_needs_something(project: Path, database: str) -> None:
    env = project / "migrations/env.py"
    env.write_text('raise SystemExit("name the tenant with -x tenant=NAME")\n' + env.read_text())
    done = _trace(database)
    assert done.exit_code == 1, done
    assert "name the tenant with -x tenant=NAME" in _said(done)


def test_a_server_has_to_be_named(project: Path, server_url: str, scratch: list[str]) -> None:
    upgrade(project, server_url, "b")
    done = fixchain("trace", "--exact", "--database", server_url)
    assert done.exit_code == 1, done
    assert "trace --exact --server" in done.stdout
    assert "in a database that is made there and dropped again" in _said(done)
    done = _trace(server_url, "--server", "sqlite://")
    assert "--server names a server of another kind" in _said(done)
    assert scratch == []


@pytest.mark.nightly
def test_no_right_to_create_a_database(project: Path, server_url: str) -> None:
    upgrade(project, server_url, "b")
    name = make_url(server_url).database
    grant = "pg_read_all_data" if server_url.startswith("postgresql") else f"SELECT ON {name}.*"
    with user(server_url, grant) as url:
        done = _trace(url)
        assert done.exit_code == 1, done
        assert "cannot create a database" in _said(done)
        assert "s3cret" not in done.stdout + done.stderr
        # With another user for the scratch database, reading is enough.
        assert _told(url, "--server", server_url)["differences"] == []


def test_a_user_who_may_not_see_all_tables(project: Path, mariadb: str) -> None:
    upgrade(project, mariadb, "b")
    name = make_url(mariadb).database
    with user(mariadb, f"SELECT ON {name}.alembic_version", f"SELECT ON {name}.a") as url:
        done = _trace(url, "--server", mariadb)
    assert done.exit_code == 3, done
    assert "may not see all tables" in done.stderr


def test_migrations_that_name_another_database_are_not_run(project: Path, mariadb: str) -> None:
    """A schema is a database there, which scratch databases do not stand for."""
    upgrade(project, mariadb, "b")
    name = make_url(mariadb).database
    add(project, "c <- b", f'op.drop_table("users", schema="{name}")', "pass")
    sql(mariadb, "UPDATE alembic_version SET version_num = 'c'")
    done = _trace(mariadb)
    assert f"migrations name {name}, which is a database of its own there" in (_said(done))
    assert sql(mariadb, "SELECT * FROM users") == []


@pytest.mark.nightly  # by day: tables beside the version table
def test_schemas_that_only_the_search_path_names(project: Path, postgresql: str) -> None:
    made = [
        "CREATE SCHEMA app",
        "SET LOCAL search_path TO app",
        "CREATE TABLE items (id int)",
        "CREATE VIEW v AS SELECT id FROM items",
        "SET LOCAL search_path TO DEFAULT",
    ]
    add(project, "c <- b", "\n".join(f"op.execute({each!r})" for each in made), "pass")
    upgrade(project, postgresql, "c")
    sql(postgresql, "DROP VIEW app.v", "ALTER TABLE app.items ADD x int")
    assert _objects(postgresql) == ["column app.items.x", "table app.v"]
    options = ("catch-up", "--server", "--database", postgresql, "--yes")
    done = fixchain(*options)
    assert done.exit_code == 0, done
    upgrade(project, postgresql, "head")
    assert _objects(postgresql) == ["column app.items.x"]


def test_a_schema_with_nothing_but_the_version_table(project: Path, postgresql: str) -> None:
    """Migrations that name no schema make their tables where the search path leads."""
    env = _only_the_version_table(project, postgresql)
    done = fixchain("check", "--database", postgresql)
    assert "what should be there by then is missing: users (b)" in _said(done)
    done = fixchain("restamp", "--from-schema", "--database", postgresql, "--yes")
    assert "b → a moved" in _said(done)
    upgrade(project, postgresql, "b")
    sql(postgresql, _STAMP.format("a"))
    assert "FC306" in _said(fixchain("check", "--database", postgresql))
    sql(postgresql, _STAMP.format("b"))
    path = """connection.exec_driver_sql('SET search_path TO "Ops"'); """
    env.write_text(env.read_text().replace("context.conf", f"{path}context.conf", 1))
    done = fixchain("trace", "--database", postgresql)  # then they make them beside it
    assert "users is not there" in _said(done)


@pytest.mark.nightly
def test_what_such_a_schema_lacks_is_made(project: Path, postgresql: str) -> None:
    _only_the_version_table(project, postgresql)
    assert _objects(postgresql) == ["table users"]
    sql(postgresql, _STAMP.format("a"))
    upgrade(project, postgresql, "b")
    sql(postgresql, "DROP INDEX ix_mail")
    done = fixchain("catch-up", "--server", "--database", postgresql, "--yes")
    assert done.exit_code == 0, done
    upgrade(project, postgresql, "head")
    assert _objects(postgresql) == []


_STAMP = """UPDATE "Ops".alembic_version SET version_num = '{}'"""


def _only_the_version_table(project: Path, url: str) -> Path:
    """Stamp a database at ``b``, of which only ``a`` has run; the file ``env.py``."""
    env = _versions_in(project, "Ops")
    env.write_text(f'"""This leaves search_path alone."""  # search_path\n{env.read_text()}')
    sql(url, 'CREATE SCHEMA "Ops"')
    upgrade(project, url, "a")
    sql(url, _STAMP.format("b"))
    return env


_MOVING = [
    pytest.param("'_'.join(['SET search', 'path TO shop'])", id="a helper does it"),
    pytest.param("'SET SCHEMA ' + repr('shop')", id="by another name"),
]


@pytest.mark.parametrize("moving", first_of(_MOVING))
def test_tables_beside_the_version_table(project: Path, postgresql: str, moving: str) -> None:
    """The database shows them there, also where ``env.py`` does not show how they get there."""
    _beside(project, postgresql, moving)
    database = ("--database", postgresql)
    done = fixchain("check", *database)
    assert (done.exit_code, "FC3" in done.stdout) == (0, False), done
    assert _objects(postgresql) == []
    assert fixchain("restamp", "--from-schema", *database, "--yes").exit_code == 0
    assert sql(postgresql, "SELECT * FROM shop.alembic_version") == [("b",)]
    sql(postgresql, "DROP INDEX shop.ix_mail")
    assert "ix_mail" in _said(fixchain("check", *database))
    sql(postgresql, "DROP TABLE shop.users")
    assert "users" in _said(fixchain("check", *database))


@pytest.mark.nightly
@pytest.mark.parametrize("moving", _MOVING)
def test_what_is_lacking_beside_the_version_table_is_made(
    project: Path, postgresql: str, moving: str
) -> None:
    _beside(project, postgresql, moving)
    sql(postgresql, "DROP INDEX shop.ix_mail")
    done = fixchain("catch-up", "--server", "--database", postgresql, "--yes")
    assert done.exit_code == 0, done
    upgrade(project, postgresql, "head")
    assert _objects(postgresql) == []


def _beside(project: Path, url: str, moving: str) -> None:
    """Upgrade a database to tables in the schema of the version table."""
    env = _versions_in(project, "shop")
    path = f"connection.connection.cursor().execute({moving})"
    env.write_text(env.read_text().replace("context.configure", f"{path}; context.configure"))
    sql(url, "CREATE SCHEMA shop", "CREATE TABLE legacy_orders (id int)")
    upgrade(project, url, "b")


@pytest.mark.parametrize(
    ("version_schema", "other"), first_of([("shop", "public.legacy_orders"), ("ops", "ops.job")])
)
def test_a_schema_that_all_migrations_name(
    tmp_path: Path,
    postgresql: str,
    monkeypatch: pytest.MonkeyPatch,
    version_schema: str,
    other: str,
) -> None:
    """Then tables elsewhere belong to others, also before the first upgrade."""
    plain(tmp_path, "a")
    made = "op.create_table('a', sa.Column('id', sa.Integer, primary_key=True), schema='shop')"
    add(tmp_path, "a", made)
    monkeypatch.chdir(tmp_path)
    _versions_in(tmp_path, version_schema)
    sql(postgresql, "CREATE SCHEMA shop", "CREATE SCHEMA ops", f"CREATE TABLE {other} (id int)")
    assert "FC3" not in fixchain("check", "--database", postgresql).stdout
    upgrade(tmp_path, postgresql, "a")
    done = fixchain("check", "--database", postgresql)
    assert (done.exit_code, other.partition(".")[2] in done.stdout) == (0, False), done
    assert _objects(postgresql) == []


def test_other_tables_beside_the_version_table(project: Path, postgresql: str) -> None:
    """They do not hide that the others are not there."""
    _versions_in(project, "ops")
    others = ("version_of_another_app", "users")  # this name both have
    sql(postgresql, "CREATE SCHEMA ops", *(f"CREATE TABLE ops.{name} (id int)" for name in others))
    audit = "op.create_table('audit', sa.Column('id', sa.Integer, primary_key=True), schema='ops')"
    add(project, "c <- b", audit)
    upgrade(project, postgresql, "c")
    database = ("--database", postgresql)
    assert fixchain("check", *database).exit_code == 0
    sql(postgresql, "DROP TABLE users")
    assert "users" in _said(fixchain("check", *database))
    assert "table users" in _objects(postgresql)


def test_a_user_without_rights_on_the_default_schema(project: Path, postgresql: str) -> None:
    _versions_in(project, "ops")
    sql(postgresql, "CREATE SCHEMA ops", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    upgrade(project, postgresql, "b")
    with user(postgresql, "USAGE ON SCHEMA ops", "SELECT ON ops.alembic_version") as url:
        for options in (), ("--exact", "--server", postgresql):
            done = fixchain("trace", "--database", url, *options)
            said = f"{_said(done)} {done.stderr}"
            assert "this user may not use the schema that search_path names" in said
            assert "create the schema" not in said


def _versions_in(project: Path, schema: str) -> Path:
    """Have ``env.py`` keep the version table in a schema."""
    env = project / "migrations/env.py"
    asked = "target_metadata=target_metadata"
    env.write_text(env.read_text().replace(asked, f"{asked}, version_table_schema={schema!r}"))
    return env


def test_a_user_who_may_not_see_triggers_and_functions(project: Path, mariadb: str) -> None:
    made = "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET @seen = 1"
    add(project, "c <- b", f'op.execute("{made}")', "pass")
    upgrade(project, mariadb, "c")
    with user(mariadb, f"SELECT ON {make_url(mariadb).database}.*") as url:
        found = _told(url, "--server", mariadb)
    assert found["differences"] == []
    assert found["not_compared"] == ["triggers, which this user has no right to see"]
    sql(mariadb, "DROP TRIGGER t")
    assert _objects(mariadb) == ["trigger users.t"]


@pytest.mark.parametrize(
    "closing", first_of([pytest.param(True, id="closed"), pytest.param(False, id="silent")])
)
def test_a_server_that_stops_half_way(
    project: Path,
    postgresql: str,
    scratch: list[str],
    monkeypatch: pytest.MonkeyPatch,
    closing: bool,
) -> None:
    upgrade(project, postgresql, "b")
    monkeypatch.setattr(connecting, "SILENCE", 15 if closing else 3)
    # Read once for what the migrations leave behind, and once for the comparison.
    marker, cut = b"pg_get_viewdef", {"passing": False, "closing": closing}
    with cutting_proxy(postgresql, marker, after=marker, **cut) as url:
        found = _told(url, "--server", postgresql)
    assert found["problem"], found
    assert found["differences"] == []
    assert closing or "it has not answered for 3 seconds" in found["problem"]
    assert len(scratch) == 1
    assert not names_on(postgresql).intersection(scratch)


@pytest.mark.nightly
def test_a_stop_leaves_no_scratch_database(
    project: Path, postgresql: str, scratch: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(project, postgresql, "b")

    def stopped(*_: object) -> None:
        assert names_on(postgresql).intersection(scratch)
        raise KeyboardInterrupt

    monkeypatch.setattr(drift, "read_whole", stopped)
    with pytest.raises(KeyboardInterrupt):
        _compare_here(project, postgresql)
    assert len(scratch) == 1
    assert not names_on(postgresql).intersection(scratch)


# --- Many databases ------------------------------------------------------------------------------


def _compare_here(project: Path, *urls: str, **wishes: Any) -> tuple[list[tuple[int, int]], Any]:
    """Compare without the command line; the progress, and what came of it."""
    steps: list[tuple[int, int]] = []
    databases = DatabaseWishes(urls=urls, own=False, **wishes)
    result = trace(
        Session(
            open_directory(str(project / "migrations")),
            databases=databases,
            progress=lambda done, total, _: steps.append((done, total)),
        ),
        exact=True,
        server=app_databases.OWN_SERVER,
    )
    return steps, result


@pytest.mark.parametrize("kind", first_of(KINDS))
def test_databases_with_one_stamp_share_one_scratch_database(
    kind: str, project: Path, tmp_path: Path, scratch: list[str]
) -> None:
    with ExitStack() as made:
        one, other, old = (made.enter_context(_new(kind, tmp_path / name)) for name in "abc")
        for url, revision in ((one, "b"), (other, "b"), (old, "a")):
            upgrade(project, url, revision)
        sql(other, "DROP INDEX ix_mail" + " ON users" * (kind == "mariadb"))
        steps, result = _compare_here(project, one, other, old)
    found = [len(each.differences) for each in result.exact.values()]
    assert sorted(found) == [0, 0, 1]
    assert len(scratch) == 2
    assert steps[-1] == (3, 3)
    assert {(1, 3), (2, 3)} <= set(steps)


def _new(kind: str, directory: Path) -> AbstractContextManager[str]:
    directory.mkdir()
    return new_database(kind, directory)


def test_schemas_of_tenants(project: Path, postgresql: str, scratch: list[str]) -> None:
    names = [f"tenant_{number}" for number in range(4)]
    sql(postgresql, *(f"CREATE SCHEMA {name}" for name in names))
    for name in names:
        path = {"options": f"-csearch_path={name}"}
        upgrade(project, make_url(postgresql).update_query_dict(path).render_as_string(False), "b")
    sql(postgresql, "ALTER TABLE tenant_2.users ALTER mail TYPE TEXT", "DROP TABLE tenant_3.a")
    done = _trace(postgresql, "--schemas", "tenant_*", "--format", "json")
    assert done.exit_code == 1, done
    told = {
        each["name"].rpartition(" ")[2]: [
            (diff["object"], diff["property"]) for diff in each["exact"]["differences"]
        ]
        for each in done.document["traces"]
    }
    assert told == {
        "tenant_0": [],
        "tenant_1": [],
        "tenant_2": [("users.mail", "type")],
        "tenant_3": [("a", None)],
    }
    assert len(scratch) == 1
    ini = f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {postgresql}\n"
    (project / "alembic.ini").write_text(ini)
    sql(postgresql, "UPDATE tenant_1.alembic_version SET version_num = 'a'")
    tenants = ("--database", "--schemas", "tenant_*")
    remedies = [
        command
        for name in ("trace", "check")
        for each in fixchain("-c", "alembic.ini", name, *tenants).stdout.splitlines()
        if (command := each.strip()).startswith("fixchain ")
    ]
    assert len(remedies) > 1
    assert all(" --schemas 'tenant_*'" in each for each in remedies)
    said = _said(fixchain("-c", "alembic.ini", "check", *tenants))
    assert "once env.py uses that schema: alembic" in said
    (project / "alembic.ini").unlink()
    # And where the URL leads to a tenant.
    path = {"options": "-csearch_path=tenant_2"}
    url = make_url(postgresql).update_query_dict(path).render_as_string(False)
    assert _objects(url) == ["column users.mail"]


def test_what_differs_alike_is_shown_once(project: Path, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / f'{number}.db'}" for number in range(3)]
    for url in urls:
        upgrade(project, url, "b")
        sql(url, "CREATE TABLE by_hand (id INTEGER)")
    options = [word for url in urls for word in ("--database", url)]
    done = fixchain("trace", "--exact", *options)
    assert done.stdout.startswith("All 3 databases match their stamps, with 3 differences.")
    assert done.stdout.count("by_hand") == 1
    assert _said(done).count("the same 1 difference as in sqlite:") == 2


_MULTIDB = """\
revision = "a"
down_revision = None

from alembic import op
import sqlalchemy as sa

def upgrade(engine_name=""):
    name = {"users": "people"}.get(engine_name, "things")
    op.create_table(name, sa.Column("id", sa.Integer, primary_key=True))

def downgrade(engine_name=""):
    pass
"""


def test_several_binds_of_an_app(project: Path) -> None:
    with_app(project / "app", uri="sqlite:///own.db", binds={"users": "sqlite:///users.db"})
    template = Path(flask_migrate.__file__).parent / "templates/flask-multidb/env.py"
    shutil.copy(template, project / "app/migrations/env.py")
    (project / "app/migrations/versions/a.py").write_text(_MULTIDB)

    def panel(*args: str) -> Done:
        return flask("db", *args, cwd=project / "app", env={"FLASK_APP": "panel:create_app"})

    assert panel("upgrade").exit_code == 0
    done = panel("fixchain", "trace", "--exact", "--format", "json")
    assert [(each["differences"], each["problem"]) for each in _exact(done)] == [([], None)] * 2
    sql(f"sqlite:///{project / 'app/instance/users.db'}", "DROP TABLE people")
    done = panel("fixchain", "trace", "--exact", "--format", "json")
    assert [[diff["object"] for diff in each["differences"]] for each in _exact(done)] == [
        [],
        ["people"],
    ]


def test_several_databases_of_a_configuration(tmp_path: Path) -> None:
    """As `alembic init -t multidb` has them."""
    template = Path(alembic.__file__).parent / "templates/multidb/env.py"
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / "migrations/env.py").write_text(template.read_text().replace("fileConfig(", "("))
    (tmp_path / "migrations/versions/a.py").write_text(_MULTIDB)
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("things", "users")}
    lines = [f"[{name}]\nsqlalchemy.url = {url}\n" for name, url in urls.items()]
    ini = tmp_path / "alembic.ini"
    head = "[alembic]\nscript_location = %(here)s/migrations\ndatabases = things, users\n"
    ini.write_text(head + "".join(lines))
    command.upgrade(Config(str(ini)), "head")
    sql(urls["users"], "ALTER TABLE people ADD nick TEXT")

    given = ("-c", "alembic.ini", "trace", "--exact", "--database")

    def objects(*options: str) -> list[list[str]]:
        done = fixchain(*given, *options, "--format", "json", cwd=tmp_path)
        assert done.exit_code == 1, done
        return [[diff["object"] for diff in each["differences"]] for each in _exact(done)]

    assert objects() == [[], ["people.nick"]]
    # There is no telling which of the two another one is like.
    shutil.copy(tmp_path / "users.db", tmp_path / "other.db")
    done = fixchain(*given, f"sqlite:///{tmp_path / 'other.db'}", cwd=tmp_path)
    assert "--database does not show which of these it is" in _said(done)
