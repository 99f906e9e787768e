"""Rehearsals: what runs, what is said when something fails, and what is never touched."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    DefaultClause,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flask_chainfix.model.rehearsal import FailureKind
from flask_chainfix.rehearsal.child.failures import kind_of
from flask_chainfix.rehearsal.child.model_differences import lines_of
from tests.commands import Done, fixchain
from tests.disk import tree
from tests.nightly import first_of, first_of_each
from tests.rehearsals import MODELS, PLAIN_ENV, add, create, line_of, plain
from tests.stamped import Again

CHAIN = ("a", "b <- a", "c <- b")
NO_MODELS = "target_metadata = None"
OTHER_MODELS = MODELS.replace('"abc"', '"abd"') + (
    'Table("a", target_metadata, Column("name", String(80)), extend_existing=True)\n'
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory; nothing may be left of a rehearsal, there or in the temporary one."""
    place, temporary = tmp_path / "project", tmp_path / "temporary"
    place.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    yield place
    assert list(temporary.iterdir()) == []
    assert list(place.rglob("__pycache__")) == []
    assert list(place.rglob("*.db")) == []


def rehearse(*options: str) -> Done:
    return fixchain("rehearse", "--format", "json", *options)


def ran(done: Done) -> list[str]:
    """What ran, ``+a`` for up and ``-a`` for down."""
    signs = {"up": "+", "down": "-"}
    steps = done.document["rehearsal"]
    return [
        f"{signs[step['direction']]}{step['revision']}{'!' if step['error'] else ''}"
        for step in steps
    ]


def failure(done: Done) -> dict[str, Any]:
    assert done.exit_code == 3, done
    document = done.document
    found = document["rehearsal_failure"]
    assert isinstance(found, dict), document["error"]
    assert document["error"]["type"] == "RehearsalFailed"
    assert found["message"] in document["error"]["message"]
    assert document["error"]["remedy"] == found["remedy"]
    assert found["remedy"]
    return found


# --- What runs -----------------------------------------------------------------------------------


def test_a_chain_runs_up_down_and_up_again(project: Path) -> None:
    plain(project, *CHAIN)
    before = tree(project)
    done = rehearse()
    assert done.exit_code == 0, done
    assert ran(done) == ["+a", "+b", "+c", "-c", "-b", "-a", "+a", "+b", "+c"]
    document = done.document
    assert document["rehearsal_failure"] is None
    assert document["rehearsal_differences"] == []
    assert document["rehearsal_database"] == "a temporary SQLite file"
    assert all(step["seconds"] > 0 for step in document["rehearsal"])
    assert tree(project) == before


def test_several_heads_that_are_meant_to_be_run_to_all_of_them(project: Path) -> None:
    plain(project, "a", "b <- a", "c <- a")
    (project / "migrations/alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC102\n")
    done = rehearse()
    assert done.exit_code == 0, done
    assert sorted(ran(done)[:3]) == ["+a", "+b", "+c"]


def test_a_broken_chain_is_not_proven_by_running(project: Path) -> None:
    plain(project, "a", "b <- a", "c")
    done = rehearse()
    assert done.exit_code == 1
    assert sorted(ran(done)[:3]) == ["+a", "+b", "+c"]
    notice = done.document["notices"][-1]
    assert "FC101 multiple-bases" in notice
    assert "nothing is proven" in notice


@pytest.mark.parametrize(
    ("chain", "said"), [(("a", "c <- b"), "b"), (("a <- b", "b <- a"), "cycle")]
)
def test_what_alembic_cannot_load_is_said_to_be_broken(
    project: Path, chain: tuple[str, ...], said: str
) -> None:
    plain(project, *chain)
    done = rehearse()
    assert done.exit_code == 3
    error = done.document["error"]
    told = "the rehearsal failed: the chain is broken, so Alembic cannot run it: "
    assert error["message"].startswith(told)
    assert said in error["message"]
    commands = [command for way in error["remedies"] for command in way["commands"]]
    assert commands == ["fixchain check", "fixchain repair"]


def test_modules_are_new_each_time_as_in_processes_of_their_own(project: Path) -> None:
    plain(project, "a", "c <- b")
    once = "calls.append(1)\nassert calls == [1]"
    add(project, "b <- a", f"{once}\n{create('b')}", before="calls = []")
    assert rehearse().exit_code == 0


def test_a_project_without_models_is_not_compared(project: Path) -> None:
    plain(project, *CHAIN, models=NO_MODELS)
    done = rehearse()
    assert done.exit_code == 0
    assert done.document["rehearsal_differences"] is None
    assert "not compared with the models" in " ".join(fixchain("rehearse").stdout.split())


def test_differences_to_the_models_are_told(project: Path) -> None:
    plain(project, *CHAIN, models=OTHER_MODELS)
    done = rehearse()
    assert done.exit_code == 1
    assert done.document["error"] is None
    assert done.document["rehearsal_differences"] == [
        "column a.name: only the models have it",
        "table c: only the migrated database has it",
        "table d: only the models have it",
    ]


def test_differences_that_env_py_takes_out_do_not_count(project: Path) -> None:
    """As for ``alembic check``."""
    plain(project, *CHAIN, models=OTHER_MODELS)
    env_py = project / "migrations" / "env.py"
    hook = "lambda *given: given[2][0].upgrade_ops.ops.clear()"
    written = env_py.read_text()
    assert "target_metadata=target_metadata" in written
    env_py.write_text(
        written.replace(
            "target_metadata=target_metadata",
            f"target_metadata=target_metadata, process_revision_directives={hook}",
        )
    )
    done = rehearse()
    assert (done.exit_code, done.document["rehearsal_differences"]) == (0, [])


def test_differences_of_every_kind_have_words() -> None:
    metadata = MetaData()
    table = Table("a", metadata, Column("id", Integer, primary_key=True), Column("n", Integer))
    other = Table("b", metadata, Column("a_id", ForeignKey("a.id", name="fk_a")))
    index, unique = Index("ix_n", table.c.n), UniqueConstraint(table.c.n)
    (foreign_key,) = other.foreign_key_constraints
    default = DefaultClause("5")
    diffs: list[Any] = [
        ("add_column", None, "a", table.c.n),
        ("remove_column", "s", "a", table.c.n),
        ("add_index", index),
        ("remove_index", index),
        ("add_constraint", unique),
        ("remove_fk", foreign_key),
        [("modify_nullable", None, "a", "n", {}, True, False),
         ("modify_type", None, "a", "n", {}, Integer(), String(9)),
         ("modify_default", None, "a", "n", {}, None, default)],
        ("add_table_comment", table, None),
        ("create_view", "v"),
    ]  # fmt: skip
    assert [line for diff in diffs for line in lines_of(diff)] == [
        "column a.n: only the models have it",
        "column s.a.n: only the migrated database has it",
        "index ix_n on a (n): only the models have it",
        "index ix_n on a (n): only the migrated database has it",
        "constraint without a name on a (n): only the models have it",
        "foreign key fk_a on b (a_id): only the migrated database has it",
        "column a.n: nullable True in the migrated database, False in the models",
        "column a.n: type INTEGER in the migrated database, VARCHAR(9) in the models",
        "column a.n: default None in the migrated database, '5' in the models",
        "add table comment: a, None",
        "create view: 'v'",
    ]


def test_each_database_of_a_plain_environment_gets_its_own(project: Path) -> None:
    plain(project, *CHAIN)
    (project / "migrations/alembic.ini").write_text(
        "[alembic]\ndatabases = one, two\n"
        "[one]\nsqlalchemy.url = sqlite:///own1.db\n[two]\nsqlalchemy.url = sqlite:///own2.db\n"
    )
    loop = "for name in ('one', 'two'):\n    context.config.config_ini_section = name\n    run()\n"
    env = PLAIN_ENV.format(models=MODELS).removesuffix("run()\n") + loop
    (project / "migrations/env.py").write_text(env)
    done = rehearse()
    assert done.exit_code == 0, done
    assert [step["bind"] for step in done.document["rehearsal"][:6]] == ["one"] * 3 + ["two"] * 3


# --- What fails ----------------------------------------------------------------------------------

MISSING_COLUMN = "op.create_index('i', 'a', ['nope'])"
BATCH = "with op.batch_alter_table('a') as batch:\n    batch."
PG_ONLY = "op.add_column('a', sa.Column('j', sa.ARRAY(sa.Integer)))"


@pytest.mark.parametrize(
    ("code", "kind", "operation", "message"),
    first_of_each([
        (create("a"), "chain", "op.create_table", "table a already exists"),
        ("op.add_column('x', sa.Column('n', sa.Integer()))", "chain", "op.add_column",
         "no such table: x"),
        ("op.execute('UPDATE a SET nope = 1')", "chain", "op.execute", "no such column: nope"),
        ("op.get_bind().execute(sa.text('UPDATE  x\\n SET n = 1'))", "chain", "UPDATE x SET n = 1",
         "no such table: x"),
        (MISSING_COLUMN, "chain", "op.create_index", "nope"),
        (f"{BATCH}drop_constraint('nope')", "chain", "op.batch_alter_table", "nope"),
        (f"{BATCH}alter_column('nope', nullable=False)", "chain", "op.batch_alter_table", "nope"),
        (BATCH.replace("'a'", "'x'") + "add_column(sa.Column('n', sa.Integer()))", "chain",
         "op.batch_alter_table", "x"),
        ("op.drop_constraint('u', 'a')", "sqlite", "op.drop_constraint",
         "No support for ALTER of constraints in SQLite dialect"),
        ("op.alter_column('a', 'id', type_=sa.String(9))", "sqlite", "op.alter_column",
         "syntax error"),
        (PG_ONLY, "sqlite", "op.add_column", "ARRAY"),
        ("op.execute('ALTER TABLE a ADD u INTEGER UNIQUE')", "sqlite", "op.execute",
         "Cannot add a UNIQUE column"),
        ("op.execute('CREATE EXTENSION hstore')", "sqlite", "op.execute", "syntax error"),
        ("op.execute('PRAGMA max_page_count = 1')\nop.execute('CREATE TABLE b AS SELECT "
         "randomblob(99999)')", "database", "op.execute", "database or disk is full"),
        ("raise ValueError('oh dear\\nmore')", "migration", "", "ValueError: oh dear"),
        ("raise SystemExit('enough')", "migration", "", "SystemExit: enough"),
        ("import psycopg3000", "module", "", "ModuleNotFoundError"),
        ("import asyncmy", "driver", "", "ModuleNotFoundError: No module named 'asyncmy'"),
    ], lambda case: case[1]),
)  # fmt: skip
def test_a_failure_on_the_way_up(
    project: Path, code: str, kind: str, operation: str, message: str
) -> None:
    plain(project, "a", "c <- b")
    path = add(project, "b <- a", code)
    done = rehearse()
    found = failure(done)
    assert (found["kind"], found["operation"] or "") == (kind, operation)
    assert message in found["message"]
    assert "\n" not in found["message"]
    assert (found["revision"], found["direction"]) == ("b", "up")
    assert found["path"] == "migrations/versions/b_add.py"
    last = code.rpartition("\n")[2] if "PRAGMA" in code else code.partition("\n")[0]
    assert found["line"] == line_of(path, last)
    assert ran(done) == ["+a", "+b!"]
    assert done.document["rehearsal_differences"] is None


@pytest.mark.parametrize(
    ("down", "message"),
    [
        ("raise NotImplementedError('no way back')", "NotImplementedError: no way back"),
        ("op.drop_table('x')", "no such table: x"),
    ],
)
def test_a_failure_on_the_way_down(project: Path, down: str, message: str) -> None:
    plain(project, "a", "c <- b")
    path = add(project, "b <- a", down=down)
    done = rehearse()
    found = failure(done)
    assert (found["kind"], found["revision"], found["direction"]) == ("downgrade", "b", "down")
    assert found["message"] == message
    assert found["line"] == line_of(path, down)
    assert ran(done) == ["+a", "+b", "+c", "-c", "-b!"]
    assert "the way up is proven" in found["remedy"]


@pytest.mark.parametrize(
    ("up", "advice"),
    [
        ("op.drop_constraint('u', 'a')", "in batch mode"),
        ("op.alter_column('a', 'id', type_=sa.String(9))", "in batch mode"),
        (PG_ONLY, "write types, defaults and options that SQLite knows"),
        ("op.execute('CREATE EXTENSION hstore')", "in SQL that SQLite understands, too"),
        ("op.drop_table('nothing')", 'sa.sql.quoted_name("nothing", quote=True)'),
        (
            "op.drop_table(sa.sql.quoted_name('nothing', quote=True))",
            "take out what uses it",
        ),
    ],
)
def test_what_to_do_where_sqlite_does_not_know_it(project: Path, up: str, advice: str) -> None:
    plain(project, "a")
    add(project, "b <- a", up)
    assert advice in failure(rehearse())["remedy"]


def test_an_operation_that_sqlite_cannot_do_on_the_way_down(project: Path) -> None:
    plain(project, "a")
    add(project, "b <- a", down="op.drop_constraint('u', 'a')")
    assert failure(rehearse())["kind"] == "sqlite"


def test_what_a_downgrade_leaves_behind_is_found_on_the_second_way_up(project: Path) -> None:
    plain(project, "a", "c <- b")
    add(project, "b <- a", down="pass")
    done = rehearse()
    found = failure(done)
    assert (found["kind"], found["revision"], found["direction"]) == ("downgrade", "b", "up")
    assert "leaves something behind" in found["remedy"]
    assert ran(done) == ["+a", "+b", "+c", "-c", "-b", "-a", "+a", "+b!"]


@pytest.mark.parametrize(
    ("code", "how"),
    first_of([
        ("import os; os._exit(7)", "exit status 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
        ("import os, sys; print('last words', file=sys.stderr, flush=True); os._exit(1)",
         "exit status 1: last words"),
    ]),
)  # fmt: skip
def test_a_process_that_dies(project: Path, code: str, how: str) -> None:
    plain(project, "a")
    add(project, "b <- a", code)
    found = failure(rehearse())
    assert (found["kind"], found["revision"]) == ("migration", "b")
    assert found["message"] == f"the process died with {how}"


def test_what_a_migration_prints_and_starts_does_not_disturb(project: Path) -> None:
    plain(project, "a")
    noise = "import os; print('{}'); os.system('echo [1'); os.write(1, b'x')"
    add(project, "b <- a", f"{noise}\n{create('b')}")
    add(project, "c <- b", before="print('loaded')")
    assert rehearse().exit_code == 0


def test_a_thread_that_never_ends_is_not_waited_for(project: Path) -> None:
    plain(project, "a", "c <- b")
    endless = "import threading; threading.Thread(target=threading.Event().wait).start()"
    add(project, "b <- a", f"{endless}\n{create('b')}")
    assert rehearse().exit_code == 0


def test_a_failure_inside_a_helper_is_found_in_the_migration(project: Path) -> None:
    plain(project, "a")
    (project / "helper.py").write_text("def work(op):\n    op.execute('DELETE FROM x')\n")
    add(project, "b <- a", "import sys; sys.path.append('.'); from helper import work\nwork(op)")
    found = failure(rehearse())
    assert found["operation"] == "op.execute"
    assert found["path"] == "migrations/versions/b_add.py"


@pytest.mark.nightly
def test_an_id_that_is_too_long_for_its_column_is_blamed_on_its_revision(
    project: Path, postgresql: str
) -> None:
    plain(project, "a", f"{'b' * 40} <- a", models=NO_MODELS)
    found = failure(rehearse("--database", postgresql))
    assert (found["kind"], found["revision"]) == ("chain", "b" * 40)
    assert "too long" in found["message"]


def _versions_in_a_schema(project: Path) -> None:
    plain(project, "a", "b <- a", models=NO_MODELS)
    env = project / "migrations/env.py"
    asked = "target_metadata=target_metadata"
    env.write_text(env.read_text().replace(asked, f"{asked}, version_table_schema='Ops'"))


def test_the_version_table_is_in_a_schema_that_no_migration_makes(
    project: Path, postgresql: str
) -> None:
    _versions_in_a_schema(project)
    done = rehearse("--database", postgresql)
    assert done.exit_code == 0, done


@pytest.mark.nightly
def test_the_schema_of_a_table_is_the_affair_of_its_migration(
    project: Path, postgresql: str
) -> None:
    _versions_in_a_schema(project)
    add(project, "c <- b", 'op.create_table("c", schema="Other")')
    assert '"Other" does not exist' in failure(rehearse("--database", postgresql))["message"]


def test_a_chain_that_alembic_cannot_load(project: Path) -> None:
    plain(project, "a", "b <- gone")
    found = failure(rehearse())
    assert found["kind"] == "chain"
    assert "gone" in found["message"]


def test_a_migration_that_cannot_be_imported(project: Path) -> None:
    plain(project, "a")
    path = add(project, "b <- a", before="raise ValueError('at import')")
    found = failure(rehearse())
    assert (found["kind"], found["message"]) == ("migration", "ValueError: at import")
    assert (found["path"], found["line"]) == (
        "migrations/versions/b_add.py", line_of(path, "at import"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_servers_say_in_their_own_codes_what_is_missing(
    kind: str, again: Again, tmp_path: Path
) -> None:
    statements = [
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "ALTER TABLE x ADD n INTEGER",
        "ALTER TABLE a ADD id INTEGER",
        "ALTER TABLE a DROP COLUMN nope",
        "ALTER TABLE a DROP CONSTRAINT nope",
        "CREATE INDEX i ON a (nope)",
        "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES x (id)",
        "UPDATE a SET nope = 1",
    ]
    engine = create_engine(
        again.url(kind, tmp_path), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(statements[0]))
        for statement in statements:
            with pytest.raises(DBAPIError) as caught:
                connection.execute(text(statement))
            assert kind_of(caught.value, "up", 1, engine.dialect.name) is FailureKind.CHAIN
            assert kind_of(caught.value, "up", 2, "") is FailureKind.DOWNGRADE
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text("SELEKT 1"))
        assert kind_of(caught.value, "up", 1, engine.dialect.name) is FailureKind.MIGRATION


# --- env.py --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "message"),
    first_of(
        [
            ("raise ValueError('no such setting')\n", "ValueError: no such setting"),
            ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'"),
            ("raise SystemExit(1)\n", "SystemExit: 1"),
            ("pass\n", "env.py has run no migrations"),
            ("(\n", "SyntaxError"),
        ]
    ),
)
def test_an_env_py_that_fails(project: Path, env: str, message: str) -> None:
    plain(project, *CHAIN)
    (project / "migrations/env.py").write_text(env)
    found = failure(rehearse())
    assert found["kind"] == ("module" if env.startswith("import") else "environment")
    assert found["message"].startswith(message)
    assert found["revision"] is None
    if "no migrations" not in message:
        assert (found["path"], found["line"]) == ("migrations/env.py", 1)
    advice = "install what provides" if env.startswith("import") else "alembic current"
    assert advice in found["remedy"]


def test_an_env_py_that_keeps_errors_for_itself(project: Path) -> None:
    plain(project, "a")
    add(project, "b <- a", "raise ValueError('hidden')")
    env = project / "migrations/env.py"
    env.write_text(env.read_text().replace("\nrun()", "\ntry:\n    run()\nexcept ValueError: pass"))
    found = failure(rehearse())
    assert found["revision"] == "b"
    assert "hides the migration's error" in found["message"]


def test_models_that_cannot_be_compared(project: Path) -> None:
    plain(project, "a")
    env = project / "migrations/env.py"
    late = "def include(*args):\n    raise ValueError('not that')\n\ndef run():"
    env.write_text(
        env.read_text()
        .replace("def run():", late)
        .replace("target_metadata=target_metadata", "target_metadata=target_metadata,"
                 " include_object=include")
    )  # fmt: skip
    done = rehearse()
    found = failure(done)
    assert (found["kind"], found["message"]) == ("comparison", "ValueError: not that")
    assert ran(done) == ["+a", "-a", "+a"]


@pytest.mark.parametrize(
    ("missing", "kind"), [("downgrade", "downgrade"), ("upgrade", "migration")]
)
def test_a_migration_that_lacks_a_function(project: Path, missing: str, kind: str) -> None:
    plain(project, "a")
    (file,) = (project / "migrations/versions").glob("*.py")
    file.write_text(file.read_text().replace(f"def {missing}", "def other"))
    found = failure(rehearse())
    assert found["kind"] == kind
    assert f"has no attribute '{missing}'" in found["message"]


def test_passwords_in_messages_are_masked(project: Path, postgresql: str) -> None:
    plain(project, "a")
    env = project / "migrations/env.py"
    env.write_text("from alembic import context\nraise ValueError(context.config."
                   "get_main_option('sqlalchemy.url') + ' s3cret@Word')\n")  # fmt: skip
    secret = make_url(postgresql).set(password="s3cret@Word")  # the server asks for none
    done = rehearse("--database", secret.render_as_string(hide_password=False))
    assert "postgres:***@" in failure(done)["message"]
    for word in ("s3cret@Word", "s3cret%40Word"):
        assert word not in done.stdout + done.stderr


# --- Other databases -----------------------------------------------------------------------------

OTHERS = {
    "sqlite": "from sqlalchemy import create_engine\nengine = create_engine('sqlite:///own.db')",
    "server": "from sqlalchemy import create_engine\n"
    "engine = create_engine('postgresql+psycopg2://user:s3cret@127.0.0.1:{port}/own')",
    "mysql": "from sqlalchemy import create_engine\n"
    "engine = create_engine('mysql+pymysql://user:s3cret@127.0.0.1:{port}/own')",
    "defaults": "from sqlalchemy import create_engine\nimport os\n"
    "os.environ.update(PGHOST='127.0.0.1', PGPORT='{port}', PGDATABASE='own')\n"
    "engine = create_engine('postgresql+psycopg2://')",
}


@pytest.mark.parametrize("other", first_of(OTHERS))
def test_an_env_py_with_a_url_of_its_own_is_refused_before_it_connects(
    project: Path, other: str
) -> None:
    plain(project, *CHAIN)
    env = project / "migrations/env.py"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        code = OTHERS[other].format(port=server.getsockname()[1])
        env.write_text(env.read_text().replace("def run():", f"{code}\ndef run():").replace(
            "    engine = engine_from_config", "    engine_from_config"))  # fmt: skip
        found = failure(rehearse())
        with pytest.raises(BlockingIOError):
            server.accept()
    assert found["kind"] == "connection"
    assert "own" in found["message"] or other == "defaults"
    assert "is not the scratch database" in found["message"]
    assert "s3cret" not in found["message"]
    assert (found["path"], found["line"]) == (
        "migrations/env.py", line_of(env, "with engine.connect()"),
    )  # fmt: skip
    assert 'config.get_main_option("sqlalchemy.url")' in found["remedy"]


def test_a_migration_that_connects_elsewhere_is_refused(project: Path) -> None:
    plain(project, "a")
    path = add(project, "b <- a", "sa.create_engine('sqlite:///own.db').connect()")
    found = failure(rehearse())
    assert (found["kind"], found["revision"]) == ("connection", "b")
    assert found["line"] == line_of(path, "own.db")


def test_an_engine_that_connects_by_itself_is_refused(project: Path) -> None:
    plain(project, "a")
    own = "import sqlite3\nsa.create_engine('sqlite://', creator=lambda: sqlite3.connect('own'))"
    add(project, "b <- a", f"{own}.connect()")
    found = failure(rehearse())
    assert found["kind"] == "connection"
    (project / "own").unlink()  # the function is the project's; nothing was done there


def test_a_database_in_memory_is_nobody_elses(project: Path) -> None:
    plain(project, "a", "c <- b")
    add(project, "b <- a", f"sa.create_engine('sqlite://').connect().close()\n{create('b')}")
    assert rehearse().exit_code == 0


# --- From the middle -----------------------------------------------------------------------------


def repaired(project: Path, *chain: str, options: tuple[str, ...] = ()) -> None:
    plain(project, *chain)
    done = fixchain("repair", "--yes", *options)
    assert done.exit_code == 0, done


def test_from_a_revision_the_new_chain_goes_on(project: Path) -> None:
    repaired(project, "a", "b <- a", "c <- a")
    done = rehearse("--from", "b")
    assert done.exit_code == 0, done
    assert ran(done) == ["+a", "+b", "+c"]
    assert [step["round"] for step in done.document["rehearsal"]] == [0, 0, 1]
    assert done.document["rehearsal_differences"] == []


def test_from_a_revision_that_strands_others(project: Path) -> None:
    repaired(project, "a", "b <- a", "c <- a")
    done = rehearse("--from", "c")
    found = failure(done)
    assert found["kind"] == "stranded"
    assert found["message"].startswith("b never ran")
    assert ran(done) == ["+a", "+c"]


def test_from_two_revisions_that_now_overlap(project: Path) -> None:
    repaired(project, "a", "b <- a", "c <- a", "d <- c")
    found = failure(rehearse("--from", "b, c"))
    assert found["kind"] == "stamp"
    assert "overlaps" in found["message"]
    assert found["remedy"] == "move the stamp to c: `fixchain restamp`"


def test_from_revisions_above_one_that_never_ran(project: Path) -> None:
    repaired(project, "a", "b <- a", "c <- a", "d <- a", "e <- a")
    found = failure(rehearse("--from", "b,d"))
    assert found["remedy"].startswith("c never ran there, and would be skipped: undo the repair")


def test_from_a_revision_that_the_new_chain_no_longer_has(project: Path) -> None:
    repaired(project, "a", "b <- a", "c <- a", options=("--strategy", "merge"))
    done = rehearse("--from", "b,c")
    assert done.exit_code == 0, done
    assert ran(done)[:3] in (["+a", "+b", "+c"], ["+a", "+c", "+b"])
    assert len(ran(done)) == 4
    new = ran(done)[3].removeprefix("+")
    assert "has no such revision" in rehearse("--from", new).document["error"]["message"]


@pytest.mark.parametrize("chain", [("a", "b <- c", "c <- b"), ("a", "b <- a", "c <- b, gone")])
def test_from_a_revision_of_a_chain_that_nobody_could_run(
    project: Path, chain: tuple[str, ...]
) -> None:
    repaired(project, *chain, options=("--accept-guesses", "--attach", "b=a", "--attach", "c=b"))
    done = rehearse("--from", "b")
    assert done.exit_code == 0, done
    assert ran(done) == ["+a", "+b", "+c"]


def test_from_a_revision_without_a_repair_the_chain_is_its_own_past(project: Path) -> None:
    plain(project, *CHAIN)
    assert ran(rehearse("--from", "b")) == ["+a", "+b", "+c"]
    done = rehearse("--from", "nope")
    assert (done.exit_code, done.document["error"]["type"]) == (3, "CannotRehearse")
    assert "nope" in done.document["error"]["message"]


# --- The planned chain ---------------------------------------------------------------------------


def repair(*options: str) -> Done:
    return fixchain("repair", "--rehearse", *options, "--format", "json")


def test_the_planned_chain_is_rehearsed_before_a_file_is_changed(project: Path) -> None:
    plain(project, "a", "b <- a")
    show = "from pathlib import Path; assert 'down_revision = None' in Path(__file__).read_text()"
    data = "assert Path(__file__).with_name('data.txt').read_text() == 'x'"
    (project / "migrations/versions/data.txt").write_text("x")
    add(project, "c", f"{show}\n{data}\n{create('c')}")
    before = tree(project)
    done = repair("--dry-run")
    assert done.exit_code == 1, done
    assert ran(done)[:3] == ["+a", "+b", "+c"]
    assert tree(project) == before
    done = repair("--yes")
    assert done.exit_code == 0, done
    assert ran(done)[:3] == ["+a", "+b", "+c"]
    assert fixchain("check").exit_code == 0


def test_a_planned_merge_revision_runs_although_it_has_no_file_yet(project: Path) -> None:
    plain(project, "a", "b <- a", "c <- a")
    done = repair("--dry-run", "--strategy", "merge")
    assert done.exit_code == 1
    (new,) = done.document["plan"]["new_revisions"]
    assert ran(done)[3:5] == [f"+{new['revision']}", f"-{new['revision']}"]


@pytest.mark.parametrize("options", [("--yes",), ("--dry-run",)])
def test_a_plan_that_fails_is_not_carried_out(project: Path, options: tuple[str, ...]) -> None:
    plain(project, "a", "b <- a")
    path = add(project, "c", "op.drop_column('x', 'y')")
    before = tree(project)
    done = repair(*options)
    found = failure(done)
    assert (found["kind"], found["revision"]) == ("chain", "c")
    assert (found["path"], found["line"]) == (
        "migrations/versions/c_add.py", line_of(path, "op.drop_column"),
    )  # fmt: skip
    assert done.document["plan"] is not None
    assert tree(project) == before


def test_differences_alone_do_not_stop_a_repair(project: Path) -> None:
    plain(project, "a", "b <- a", "c", models=OTHER_MODELS)
    done = repair("--yes")
    assert done.exit_code == 0
    assert done.document["rehearsal_differences"]
    assert done.document["verified"] is not None


# --- Keeping -------------------------------------------------------------------------------------


def test_what_is_kept_can_be_looked_at(project: Path, tmp_path: Path) -> None:
    plain(project, *CHAIN)
    file = tmp_path / "kept.sqlite"
    done = fixchain("rehearse", "--keep", "--database", f"sqlite:///{file}")
    assert done.exit_code == 0
    assert f"  sqlite:///{file}\n" in done.stdout
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "c"


def test_text_fits_a_narrow_place_in_ascii(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{index:04}_with_a_name_that_is_long_enough_to_be_cut" for index in range(30)]
    parents = [None, *names]
    plain(project, models=NO_MODELS)
    for name, parent in zip(names, parents, strict=False):
        code = "raise ValueError('no')" if name.startswith("0025") else "pass"
        add(project, f"{name} <- {parent}" if parent else name, code, "pass")
    monkeypatch.setenv("COLUMNS", "60")
    done = fixchain("rehearse")
    lines = done.stdout.splitlines()
    assert lines[0] == "The rehearsal of the chain failed at"
    assert lines[1].startswith("0025_with")
    assert all(len(line) <= 60 for line in lines if "/" not in line)
    table = [line for line in lines if line.startswith("  00") and "up" not in line]
    assert len(table) < 20
    assert sum("failed" in line for line in table) == 1
    assert sum("more revisions" in line for line in lines) >= 1
