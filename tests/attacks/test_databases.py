"""Schemas of odd names, and scripts with hostile ids, on real servers and in their own clients."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from flask_chainfix.common.quoting import Unspeakable
from flask_chainfix.databases.restamp_script import guarded_sql
from flask_chainfix.databases.targets import Target, targets_from
from flask_chainfix.databases.version_tables import in_schemas
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.databases import DatabaseState, Move
from tests.attacks.channels import harmless
from tests.attacks.strings import CANARY, alone_or_together
from tests.commands import fixchain
from tests.disk import environment
from tests.stamped import look, move, sql, sqlite_url, stamp

_NAMES = (
    "plain",
    '"q',
    "'q",
    "`q",
    "%s",
    "%(x)s",
    ":x",
    "\n",
    "\nx",
    "\r",
    "\x1b[31mred",
    "\u202e",
    "*",
    "é",
    "\\",
    f'"; DROP TABLE {CANARY}; --',
)


@contextmanager
def schemas(url: str, stem: str) -> Iterator[list[str]]:
    """Schemas of odd names with a version table each; on MariaDB they are databases."""
    kind, cascade = ("SCHEMA", " CASCADE") if url.startswith("postgresql") else ("DATABASE", "")
    # MariaDB takes no name that ends in a blank or a line end.
    names = sorted(f"{stem}{name}" for name in _NAMES if cascade or name == name.rstrip())
    places = [_quoted(url, name) for name in names]
    try:
        for place in places:
            table = f"{place}.alembic_version"
            sql(
                url,
                f"CREATE {kind} {place}",
                f"CREATE TABLE {table} (version_num VARCHAR(32) PRIMARY KEY)",
                f"INSERT INTO {table} VALUES ('a'), ('b')",
            )
        yield names
    finally:
        for place in places:
            sql(url, f"DROP {kind} IF EXISTS {place}{cascade}")


def _quoted(url: str, name: str) -> str:
    mark = '"' if url.startswith("postgresql") else "`"
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"


def test_no_schema_keeps_others_from_being_read(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", "a", "b <- a")
    runtime = open_directory("migrations")
    stem = f"{make_url(server_url).database}_"[-20:]
    with schemas(server_url, stem) as names:
        found = in_schemas(targets_from(runtime, [server_url], None), f"{stem}*")
        assert sorted(str(target.schema) for target in found) == names
        assert [status.rows for status in look(*found)] == [("a", "b")] * len(names)
        for target in found:
            assert move(target, "a b", "b").state.value == "moved"
        assert [status.rows for status in look(*found)] == [("b",)] * len(names)
        scripts = [_script(target) for target in found]
        assert all(script is None or script.isprintable() for script in scripts)
        if server_url.startswith("postgresql"):
            engine = create_engine(server_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                for script in filter(None, scripts):
                    connection.connection.cursor().execute(script)
            expected = [("c",) if script else ("b",) for script in scripts]
            assert [status.rows for status in look(*found)] == expected
            assert len(set(expected)) == 2
        done = fixchain("check", "--database", server_url, "--schemas", f"{stem}*")
        harmless(done.stdout)
        harmless(done.stderr)


def _script(target: Target) -> str | None:
    wanted = Move(target.name, target.identity, ("b",), ("c",))
    try:
        return " ".join(guarded_sql(target, wanted)).replace("\n", " ")
    except Unspeakable:
        return None


def test_a_table_that_goes_meanwhile_keeps_no_other_from_being_read(postgresql: str) -> None:
    """Its query fails, and with it the transaction in which the others were to be read."""
    for schema in ("a", "b", "c"):
        sql(postgresql, f"CREATE SCHEMA {schema}")
    stamp(postgresql, "x", table="a.alembic_version")
    stamp(postgresql, "y", table="c.alembic_version")
    sql(
        postgresql,
        "CREATE FUNCTION gone() RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN RAISE undefined_table; END$$",
        "CREATE VIEW b.alembic_version AS SELECT gone() AS version_num",
    )
    targets = (Target(schema, make_url(postgresql), schema) for schema in ("a", "b", "c"))
    found = look(*targets)
    assert [status.rows for status in found] == [("x",), (), ("y",)]
    assert found[1].state is DatabaseState.EMPTY


def test_a_database_without_schemas_keeps_no_other_from_being_read(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", "a", "b <- a")
    own = sqlite_url(tmp_path)
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {own}\n"
    )
    stamp(own, "a")
    stamp(postgresql, "b")
    named = ("--database", postgresql, "--schemas", "pub*")
    done = fixchain("restamp", "--dry-run", *named, "--format", "json")
    assert [each["rows"] for each in done.document["databases"]] == [["b"]]
    assert f"{own} was not looked at: it is a SQLite database" in str(done.document["notices"])
    alone = fixchain("restamp", "--dry-run", "--database", "--schemas", "pub*")
    assert "is a SQLite database, which has no schemas" in " ".join(alone.stderr.split())


# --- Scripts in the servers' own clients ----------------------------------------------------------


def client(url: URL) -> list[str]:
    """The command of the client that reads a script, without what the user has set up for it."""
    if url.get_backend_name() == "postgresql":
        words = [
            "psql",
            "--no-psqlrc",
            "--quiet",
            f"--host={url.host}",
            f"--port={url.port or 5432}",
        ]
        return [*words, f"--username={url.username}", f"--dbname={url.database}"]
    program = "mariadb" if shutil.which("mariadb") else "mysql"
    words = [program, "--no-defaults", f"--host={url.host}", f"--port={url.port or 3306}"]
    password = [f"--password={url.password}"] if url.password else []
    return [*words, "--protocol=tcp", f"--user={url.username}", *password, str(url.database)]


def test_scripts_in_their_clients(server_url: str, tmp_path: Path) -> None:
    """Each id becomes another one, and nothing else happens."""
    url = make_url(server_url)
    sql(server_url, f"CREATE TABLE {CANARY} (id INT)")
    column = "version_num VARCHAR(200)" + (
        "" if "psy" in url.drivername else " COLLATE utf8mb4_bin"
    )
    engine = create_engine(server_url, poolclass=NullPool)
    given = [re.sub(r"[^ -\[\]-~]", "_", each) for each in alone_or_together(16)]
    parts = ["-- \n"]
    with engine.connect() as connection, connection.begin():
        for number, row in enumerate(given):
            table = f"v{number}"
            connection.execute(text(f"CREATE TABLE {table} ({column})"))
            connection.execute(text(f"INSERT INTO {table} VALUES (:row)"), {"row": row})
            target = Target("name", url, version_table=table)
            wanted = Move("name", target.identity, (row,), (f"new{row}",))
            parts += [f"{each}\n" for each in guarded_sql(target, wanted)]
    done = subprocess.run(
        client(url),
        input="".join(parts).encode("ascii"),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    with engine.connect() as connection:
        for number, row in enumerate(given):
            rows = connection.execute(text(f"SELECT version_num FROM v{number}")).scalars().all()
            assert rows == [f"new{row}"]
        connection.execute(text(f"SELECT * FROM {CANARY}"))
    assert list(tmp_path.iterdir()) == []
