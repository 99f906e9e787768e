"""``squash``: what one migration makes in place of a chain, proved on real servers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from tests.commands import Done, fixchain
from tests.disk import migrations
from tests.nightly import by_day_on, examples, first_of
from tests.rehearsals import add, plain, with_naming_convention
from tests.stamped import rows_of
from tests.traces import random_chain

_ALTERED = """
op.add_column("a", sa.Column("note", sa.String(20), server_default="x:y", nullable=False))
op.create_index("ix_note", "a", ["note"], unique=True)
"""
_TWO = """
op.create_table("r", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("a_id", sa.Integer, sa.ForeignKey("a.id", ondelete="CASCADE")),
    sa.Column("kind", sa.Enum("one", "it's: two", name="kind")),
    sa.Column("price", sa.Numeric(10, 2)), sa.CheckConstraint("price > 0", name="ck_price"),
    sa.Column("made", sa.DateTime, server_default=sa.func.now()),
    sa.Column("more", sa.JSON), sa.UniqueConstraint("a_id", "price", name="uq_r"))
"""
_CYCLE = """
op.create_table("x", sa.Column("id", sa.Integer, primary_key=True), sa.Column("r_id", sa.Integer),
    sa.ForeignKeyConstraint(["r_id"], ["r.id"], name="fk_r"))
with op.batch_alter_table("r") as batch:
    batch.add_column(sa.Column("x_id", sa.Integer))
    batch.create_foreign_key("fk_x", "x", ["x_id"], ["id"])
"""

_IS_2 = sqlalchemy.__version__ >= "2"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain ``a <- b <- c <- d``; ``d`` renames a table of ``c``."""
    place = tmp_path / "project"
    plain(place, "a")
    add(place, "b <- a", _ALTERED, 'op.drop_column("a", "note")')
    add(place, "c <- b", _TWO, 'op.drop_table("r")')
    add(place, "d <- c", 'op.rename_table("a", "q")', 'op.rename_table("q", "a")')
    monkeypatch.chdir(place)
    return place


def _squash(url: str, *options: str) -> Done:
    return fixchain("squash", "--server", url, *options)


def _document(done: Done) -> dict[str, Any]:
    assert done.exit_code in (0, 1), done
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", "migrations")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _names() -> list[str]:
    return sorted(path.name for path in Path("migrations/versions").glob("*.py"))


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
def test_one_migration_makes_what_four_made(project: Path, database_url: str) -> None:
    add(project, "e <- d", _CYCLE, "pass")
    old = migrations(Path("migrations"))
    done = _squash(database_url, "--upto", "e", "--yes", "--no-database")
    assert done.exit_code == 0, done
    assert "5 revisions can be squashed into one" in done.stdout
    assert _names() == ["e_squash_of_5_revisions.py"]
    written = Path("migrations/versions/e_squash_of_5_revisions.py").read_text()
    assert "It replaces, base first: a, b, c, d, e." in written
    # It runs, up and down, and leaves nothing behind.
    command.upgrade(_alembic(database_url), "head")
    assert rows_of(database_url) == ["e"]
    command.downgrade(_alembic(database_url), "base")
    look = inspect(create_engine(database_url, poolclass=NullPool))
    assert look.get_table_names() == ["alembic_version"]
    assert getattr(look, "get_enums", list)() == []
    assert fixchain("undo", "--yes", "--no-database").exit_code == 0
    kept = {name: node for name, node in migrations(Path("migrations")).items() if name in old}
    assert kept == old


def test_a_naming_convention_does_not_add_to_names_twice(project: Path) -> None:
    with_naming_convention(project)
    done = _squash("sqlite://", "--yes")
    assert done.exit_code == 0, done
    (squashed,) = Path("migrations/versions").glob("*.py")
    assert "name=op.f('ck_r_ck_price')" in squashed.read_text()


def test_what_is_above_stays_as_it_is(project: Path) -> None:
    above = Path("migrations/versions/d_add.py").read_bytes()
    done = _squash("sqlite://", "--upto", "c", "--yes")
    assert done.exit_code == 0, done
    assert _names() == ["c_squash_of_3_revisions.py", "d_add.py"]
    assert Path("migrations/versions/d_add.py").read_bytes() == above
    assert fixchain("check").exit_code == 0


def test_a_dry_run_shows_the_proof_and_writes_nothing(project: Path) -> None:
    before = migrations(Path("migrations"))
    done = _squash("sqlite://", "--dry-run", "--format", "json")
    assert done.exit_code == 1
    document = _document(done)
    assert document["replaced"] == ["a", "b", "c", "d"]
    assert [proof["dialect"] for proof in document["proofs"]] == ["sqlite"]
    assert document["carry_over"] == []
    assert document["plan"]["new_revisions"][0]["revision"] == "d"
    assert migrations(Path("migrations")) == before
    refused = _squash("sqlite://")  # nobody is there to be asked
    assert refused.exit_code == 3
    assert "pass --yes" in refused.stderr
    assert migrations(Path("migrations")) == before


@pytest.mark.parametrize("seed", range(examples(2)))
def test_any_chain(
    seed: int, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(tmp_path)
    random = Random(seed)
    for each in random_chain(random, random.randint(5, 40)):
        spec = f"{each.revision} <- {', '.join(each.parents)}"
        add(tmp_path, spec, "\n".join(each.operations) or "pass", "pass")
    monkeypatch.chdir(tmp_path)
    done = _squash(database_url, "--dry-run", "--format", "json")
    document = _document(done)
    assert document["proofs"], done
    # What changes rows is told, and nothing else.
    told = {(place["path"], place["line"]) for place in document["carry_over"]}
    written = {
        (f"migrations/versions/{path.name}", number)
        for path in Path("migrations/versions").glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "DELETE FROM" in line
    }
    assert told == written


# --- What no schema shows ------------------------------------------------------------------------
def test_data_migrations_are_told(project: Path) -> None:
    rows = """
    op.execute("INSERT INTO q (id, note) VALUES (1, 'n')")
    op.bulk_insert(sa.table("q", sa.column("id"), sa.column("note")), [{"id": 2, "note": "m"}])
    op.get_bind().execute(sa.text("-- all\\nUPDATE q SET note = note"))
    """
    path = add(project, "e <- d", rows, "pass")
    done = _squash("sqlite://", "--dry-run", "--format", "json")
    document = _document(done)
    first = path.read_text().splitlines().index("def upgrade():") + 1
    lines = [place["line"] - first for place in document["carry_over"]]
    assert [place["path"] for place in document["carry_over"]] == [
        "migrations/versions/e_add.py"
    ] * 3
    assert lines == sorted(lines)
    assert [place["detail"] for place in document["carry_over"]] == [
        "changes rows: INSERT",
        "changes rows: bulk_insert",
        "changes rows: UPDATE",
    ]
    assert document["proofs"][0]["rows"] == {"q": 2}
    shown = _squash("sqlite://", "--dry-run").stdout
    assert "carry over what new databases need" in shown
    assert "rows that only the old chain inserts into a new database: q (2)" in shown


def test_rows_of_a_table_that_comes_from_a_query_are_told(project: Path) -> None:
    made = ("VIEW v", "TABLE filled")
    for number, each in enumerate(made):
        statement = f'op.execute("CREATE {each} AS SELECT note FROM q")'
        add(project, f"{'ef'[number]} <- {'de'[number]}", statement, "pass")
    (told,) = _document(_squash("sqlite://", "--dry-run", "--format", "json"))["carry_over"]
    assert (told["revision"], told["detail"]) == ("f", "changes rows: CREATE TABLE")


def test_a_statement_that_cannot_be_read_is_told(project: Path) -> None:
    add(project, "e <- d", 'op.execute("ANALYZE" + str(len("")).replace("0", ""))', "pass")
    (told,) = _document(_squash("sqlite://", "--dry-run", "--format", "json"))["carry_over"]
    assert told["revision"] == "e"


_VIEW = 'op.execute("CREATE VIEW notes AS SELECT note FROM q")'
_TRIGGER = {
    "sqlite": "CREATE TRIGGER clock AFTER INSERT ON q BEGIN SELECT 1; END",
    "postgresql": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    " CREATE TRIGGER clock BEFORE INSERT ON q FOR EACH ROW EXECUTE FUNCTION f()",
    "mysql": "CREATE TRIGGER clock BEFORE INSERT ON q FOR EACH ROW SET @seen = 1",
}


@pytest.mark.parametrize("database_url", by_day_on("postgresql"), indirect=True)
def test_views_functions_and_triggers_are_made_again(project: Path, database_url: str) -> None:
    kind = database_url.partition(":")[0].partition("+")[0]
    add(project, "e <- d", f'{_VIEW}\nop.execute("""{_TRIGGER[kind]}""")', "pass")
    done = _squash(database_url, "--yes", "--no-database")
    assert done.exit_code == 0, done
    (path,) = Path("migrations/versions").glob("*.py")
    _, up, down = re.split(r"def \w+\(\):", path.read_text())
    for what in ("VIEW", "TRIGGER"):
        assert re.search(rf"CREATE [^\n]*{what}", up)
        assert re.search(rf"DROP {what}", down)
    assert "DEFINER=" not in up
    rehearsed = fixchain("rehearse", "--database", database_url, "--format", "json")
    assert json.loads(rehearsed.stdout)["rehearsal_failure"] is None


_NEEDED = {
    "postgresql": [
        "CREATE TABLE orders (id serial PRIMARY KEY, no int)",
        "CREATE FUNCTION next_no() RETURNS int LANGUAGE sql AS 'SELECT max(no) + 1 FROM orders'",
        "CREATE FUNCTION is_even(n int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT n % 2 = 0'",
        "CREATE TABLE bills (id serial PRIMARY KEY, no int DEFAULT next_no() CHECK (is_even(no)))",
        "CREATE INDEX ix_even ON bills (is_even(no))",
        "CREATE FUNCTION orders_() RETURNS SETOF orders LANGUAGE sql AS 'SELECT * FROM orders'",
        "CREATE VIEW v1 AS SELECT id FROM orders",
        "CREATE VIEW v2 AS SELECT id, no FROM orders_()",
        "CREATE OR REPLACE VIEW v1 AS SELECT id FROM v2",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT two() FROM v1'",
        "CREATE MATERIALIZED VIEW counted AS SELECT id, no FROM v2",
        "CREATE UNIQUE INDEX ix_counted ON counted (id)",
    ],
    "mariadb": [
        "CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
        "CREATE VIEW b AS SELECT twice(1) AS n",
        "CREATE VIEW c AS SELECT n FROM b",
        "CREATE VIEW aa AS SELECT c.n FROM c JOIN b",
    ],
}


@pytest.mark.parametrize("kind", first_of(_NEEDED))  # PostgreSQL first
def test_each_object_is_made_after_what_it_needs(
    kind: str, request: pytest.FixtureRequest, project: Path
) -> None:
    url = request.getfixturevalue(kind)
    statements = "\n".join(f"op.execute({each!r})" for each in _NEEDED[kind])
    add(project, "e <- d", statements, "pass")
    done = _squash(url, "--yes", "--no-database")
    assert done.exit_code == 0, done.stderr
    assert "To review" not in done.stdout
    rehearsed = fixchain("rehearse", "--database", url, "--format", "json")
    assert json.loads(rehearsed.stdout)["rehearsal_failure"] is None


_UNIQUE = "CREATE TABLE odd (a text UNIQUE ON CONFLICT REPLACE)"


@pytest.mark.parametrize(
    ("kind", "made", "told"),
    first_of(
        [
            ("sqlite", _UNIQUE, "constraint odd.UNIQUE (a) ON CONFLICT REPLACE"),
            ("postgresql", "CREATE TYPE pair AS (a int, b int)", "type pair"),
        ]
    ),
)
def test_what_no_operation_makes_is_refused(
    project: Path, request: pytest.FixtureRequest, kind: str, made: str, told: str
) -> None:
    url = "sqlite://" if kind == "sqlite" else request.getfixturevalue(kind)
    what, name = made.split()[1:3]
    path = add(project, "e <- d", f'op.execute("{made}")', f'op.execute("DROP {what} {name}")')
    add(project, "f <- e")
    before = migrations(Path("migrations"))
    done = _squash(url, "--yes", "--no-database")
    assert done.exit_code == 3
    line = path.read_text().splitlines().index(f'    op.execute("{made}")') + 1
    assert f"{told}: not made any more (e_add.py:{line})" in done.stderr
    assert migrations(Path("migrations")) == before
    # What is advised works.
    assert "squash --upto d" in done.stderr
    assert _squash(url, "--upto", "d", "--dry-run").exit_code == 1


_ONLY_POSTGRESQL = [
    ("CREATE EXTENSION citext", "extension citext"),
    ("CREATE DOMAIN positive AS integer CHECK (VALUE > 0)", "type positive"),
    ("CREATE TABLE parts (day date) PARTITION BY RANGE (day)", "table parts, partition by"),
    ("CREATE TYPE pair AS (a int, b int)", "type pair"),
    ("ALTER TABLE q ENABLE ROW LEVEL SECURITY", "settings of table q: not made"),
    ("ALTER TABLE q ALTER note SET STORAGE EXTERNAL", "settings of column q.note: not made"),
    ("GRANT SELECT ON q TO PUBLIC", "settings of table q: not made"),
    ("CREATE SEQUENCE s; COMMENT ON SEQUENCE s IS 'x'", "comment on sequence public.s"),
]


def test_what_only_postgresql_has_is_told_at_once(project: Path, postgresql: str) -> None:
    statements = (f'op.execute("{made}")' for made, _ in _ONLY_POSTGRESQL)
    add(project, "e <- d", "\n".join(statements), "pass")
    done = _squash(postgresql, "--yes", "--no-database")
    assert done.exit_code == 3
    for _, told in _ONLY_POSTGRESQL:
        assert told in done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("made", "told"),
    [
        *_ONLY_POSTGRESQL,
        ("CREATE TABLE heir () INHERITS (q)", "does not run" if _IS_2 else "table heir, inherits"),
    ],
)
def test_what_only_postgresql_has(project: Path, postgresql: str, made: str, told: str) -> None:
    add(project, "e <- d", f'op.execute("{made}")', "pass")
    done = _squash(postgresql, "--yes", "--no-database")
    assert done.exit_code == 3
    assert told in done.stderr


# SQLAlchemy 1.4 does not reflect these two, so that a squash with them is refused, and takes all of
# a line for its check.
_COLLATED, _OF_PATHS = (' COLLATE "C"', " jsonb_path_ops") if _IS_2 else ("", "")
_LINE_END = "" if _IS_2 else "\n"
_ODD = {
    "postgresql": [
        'CREATE SCHEMA "Odd s"',
        "CREATE TYPE mood AS ENUM ('a', 'b''c', ':x')",
        "CREATE TABLE users (id serial PRIMARY KEY, m mood NOT NULL DEFAULT 'a', ms mood[],"
        f" e varchar(20){_COLLATED}, j jsonb DEFAULT '{{}}', t timestamptz DEFAULT now(),"
        " g int GENERATED ALWAYS AS (1 + 2) STORED, n numeric(10,2) CHECK (n > 0),"
        " i int GENERATED BY DEFAULT AS IDENTITY (START 5), sm smallserial)",
        'ALTER TABLE users RENAME TO "People"',
        'CREATE TABLE "Odd s"."a b" (id bigserial PRIMARY KEY, x int,'
        ' p int REFERENCES "People"(id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED)',
        'ALTER TABLE "People" ADD COLUMN o int REFERENCES "Odd s"."a b"(id)',
        'CREATE INDEX ON "People" (lower(e) DESC) WHERE n > 3',
        f'CREATE INDEX gi ON "People" USING gin (j{_OF_PATHS})',
        'CREATE UNIQUE INDEX wide ON "People" (t) INCLUDE (n) WHERE n > 3',
        'CREATE UNIQUE INDEX bare ON "People" (sm) INCLUDE (n)',
        'CREATE UNIQUE INDEX pair ON "People" (id, sm)',
        'ALTER TABLE "People" ADD COLUMN up smallint REFERENCES "People" (sm)',
        'ALTER TABLE "People" ADD FOREIGN KEY (o, up) REFERENCES "People" (id, sm)',
        'ALTER TABLE "People" ADD CONSTRAINT later UNIQUE (i, n) DEFERRABLE INITIALLY DEFERRED',
        "COMMENT ON TABLE \"People\" IS 'it''s 100% :so'",
        "COMMENT ON COLUMN \"People\".e IS 'mail'",
        "CREATE SEQUENCE odd START 7 INCREMENT 3 CYCLE",
        'ALTER TABLE "People" ADD CONSTRAINT ck CHECK (n < 99) NOT VALID',
        'ALTER TABLE "People" ADD CONSTRAINT ex EXCLUDE USING gist (int4range(o, o) WITH &&)',
    ],
    "mariadb": [
        "CREATE TABLE `order` (id int unsigned AUTO_INCREMENT PRIMARY KEY, `key` varchar(20)"
        " NOT NULL DEFAULT 'a:b' COMMENT 'x', e enum('a','b''c') DEFAULT 'a', s set('x','y'),"
        " t timestamp DEFAULT current_timestamp ON UPDATE current_timestamp, j json,"
        " d decimal(10,2) unsigned CHECK (d > 0), b tinyint(1) DEFAULT 0, q double, tx mediumtext,"
        " g int AS (d + 1) VIRTUAL, FULLTEXT KEY ft (tx), KEY pre (tx(10)), KEY dd (`key` DESC),"
        " UNIQUE KEY uk (`key`, b)) COMMENT='it''s' DEFAULT CHARSET=latin1",
        "CREATE TABLE Child (id int PRIMARY KEY, p2 int, order_id int unsigned,"
        " FOREIGN KEY (order_id) REFERENCES `order`(id) ON DELETE CASCADE,"
        " CONSTRAINT fk_self FOREIGN KEY (p2) REFERENCES Child(id))",
        "CREATE TABLE m (a int, b bigint) ENGINE=MyISAM",
    ],
    "sqlite": [
        "CREATE TABLE odd (id integer PRIMARY KEY AUTOINCREMENT, email varchar(20) NOT NULL UNIQUE,"
        f" n int DEFAULT 3 CHECK (n > 0),{_LINE_END} d datetime DEFAULT CURRENT_TIMESTAMP)",
        "CREATE TABLE child (id integer PRIMARY KEY, o int REFERENCES odd(id) ON DELETE CASCADE,"
        " c int REFERENCES later(id), s varchar DEFAULT 'a:b')",
        "CREATE TABLE later (id integer PRIMARY KEY, c int REFERENCES child(id))",
        "CREATE TABLE plain (a text PRIMARY KEY, b int) WITHOUT ROWID",
        "CREATE INDEX ix ON odd (lower(email))",
        "CREATE UNIQUE INDEX ix2 ON child (s) WHERE s > 'x'",
        "CREATE INDEX ix3 ON child (s DESC)",
    ],
}


@pytest.mark.parametrize("kind", _ODD)
def test_odd_schemas(kind: str, request: pytest.FixtureRequest, project: Path) -> None:
    url = "sqlite://" if kind == "sqlite" else request.getfixturevalue(kind)
    statements = "\n".join(
        f"op.get_bind().exec_driver_sql({each.replace('%', '%%')!r})" for each in _ODD[kind]
    )
    add(project, "e <- d", statements, "pass")
    done = _squash(url, "--yes", "--no-database")
    assert done.exit_code == 0, done
    rehearsed = fixchain("rehearse", "--database", url, "--format", "json")
    assert json.loads(rehearsed.stdout)["rehearsal_failure"] is None


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        ("COLLATE NOCASE", "column odd.a, collation: nothing instead of NOCASE"),
        ("UNIQUE ON CONFLICT REPLACE", "UNIQUE (a) ON CONFLICT REPLACE: not made any more"),
        ("REFERENCES q DEFERRABLE", "FOREIGN KEY (a) REFERENCES q DEFERRABLE: not made any more"),
        ("UNIQUE, b INT PRIMARY KEY", "column odd.b, type: INTEGER instead of INT"),
    ],
)
def test_what_sqlite_alone_says_of_a_table_is_compared(
    clause: str, told: str, project: Path
) -> None:
    made = f"CREATE TABLE odd (a text {clause})"
    add(project, "e <- d", f'op.execute("{made}")', "pass")
    done = _squash("sqlite://", "--yes")
    assert done.exit_code == 3
    assert told in done.stderr


def test_a_type_that_sqlalchemy_does_not_know(project: Path, mariadb: str) -> None:
    add(project, "e <- d", 'op.execute("CREATE TABLE places (spot geometrycollection)")', "pass")
    done = _squash(mariadb, "--yes", "--no-database")
    assert done.exit_code == 3
    assert "does not know the type of places.spot" in done.stderr
