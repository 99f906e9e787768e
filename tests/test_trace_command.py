"""``trace`` and ``restamp --from-schema`` on real databases, and what they print, typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.commands import Done, fixchain, flask
from tests.databases import KINDS
from tests.nightly import by_day_on, first_of
from tests.rehearsals import add, plain, with_app
from tests.rehearsals import stamp as _stamp
from tests.rehearsals import upgrade as _upgrade
from tests.stamped import Again, rows_of, sql, user

_TWO = """
op.create_table("secrets", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("endpoints", sa.Column("id", sa.Integer, primary_key=True))
"""
_COLUMN = 'op.add_column("a", sa.Column("note", sa.String(20)))'
_ROWS = 'op.execute("DELETE FROM a")'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain of which each revision makes one table, one column, two tables."""
    plain(tmp_path, "a")
    add(tmp_path, "b <- a", _COLUMN, 'op.drop_column("a", "note")')
    add(tmp_path, "c <- b", _TWO, 'op.drop_table("endpoints"); op.drop_table("secrets")')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=first_of(KINDS))
def database_url(request: pytest.FixtureRequest, again: Again, tmp_path: Path) -> str:
    """The URL of an empty database: what is said does not depend on its kind."""
    return again.url(request.param, tmp_path)


def _trace(url: str, *options: str) -> Done:
    return fixchain("trace", "--database", url, *options)


def _document(url: str) -> dict[str, Any]:
    (traced,) = json.loads(_trace(url, "--format", "json").stdout)["traces"]
    found: dict[str, Any] = traced
    return found


def _verdicts(url: str) -> dict[str, str]:
    return {each["revision"]: each["verdict"] for each in _document(url)["revisions"]}


@pytest.mark.parametrize("database_url", by_day_on("mariadb"), indirect=True)
def test_a_database_that_is_as_stamped(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "b")
    done = _trace(database_url)
    assert done.exit_code == 0, done
    assert "stamped at b, and its schema matches" in done.stdout
    assert _verdicts(database_url) == {"a": "run", "b": "run", "c": "not-run"}
    assert _document(database_url)["fits"] == ["b"]


def test_a_stamp_that_is_behind_and_one_that_is_ahead(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "b")
    for stamp, said in (("a", "1 revision ahead"), ("c", "1 revision behind")):
        sql(database_url, f"UPDATE alembic_version SET version_num = '{stamp}'")
        done = _trace(database_url)
        assert done.exit_code == 1
        assert f"stamped at {stamp}; its schema matches b: {said}" in done.stdout
        moved = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
        assert moved.exit_code == 0, moved
        assert rows_of(database_url) == ["b"]
    assert _trace(database_url).exit_code == 0


def test_no_stamp_fits_a_revision_that_was_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a")
    add(tmp_path, "b <- a", _COLUMN, 'op.drop_column("a", "note")')
    add(tmp_path, "c <- a", _TWO, 'op.drop_table("endpoints"); op.drop_table("secrets")')
    url = f"sqlite:///{tmp_path / 'skipped.db'}"
    _upgrade(tmp_path, url, "c")
    assert fixchain("repair", "--yes", "--accept-guesses").exit_code == 0  # to a, b, c
    done = _trace(url)
    assert "stamped at c; 1 revision behind" in done.stdout
    remedy = done.stdout.partition("remedy: see the migration that makes what is missing:\n")[2]
    typed = remedy.splitlines()[0].split()
    assert typed[:3] == ["fixchain", "catch-up", "--dry-run"]
    assert "column a.note" in fixchain(*typed[1:]).stdout
    assert fixchain("catch-up", "--yes", *typed[3:]).exit_code == 0
    _upgrade(tmp_path, url, "head")
    assert _trace(url).exit_code == 0


def _ways(done: Done, code: str = "") -> list[list[str]]:
    """The commands of a finding's remedies, or of the error's."""
    found = [each for each in done.document["findings"] if each["code"] == code]
    said = found[0] if code else done.document["error"]
    return [way["commands"] for way in said["remedies"]]


def test_rows_that_overlap_though_no_chain_wrote_them(project: Path, database_url: str) -> None:
    """As two dumps in one table leave them."""
    _upgrade(project, database_url, "b")
    sql(database_url, "INSERT INTO alembic_version VALUES ('a')")
    database = ("--database", database_url)
    (typed, *_) = _ways(fixchain("check", *database, "--format", "json"), "FC303")
    assert typed[0].startswith("fixchain restamp --from-schema")
    assert fixchain("restamp", "--from-schema", "--yes", *database).exit_code == 0
    assert rows_of(database_url) == ["b"]
    assert fixchain("check", *database).exit_code == 0
    _upgrade(project, database_url, "head")


def test_rows_that_overlap_are_only_taken_away_together(project: Path, database_url: str) -> None:
    """``alembic stamp c`` would leave them as they are."""
    add(project, "d <- c", _ROWS, "pass")
    _upgrade(project, database_url, "c")
    sql(database_url, "INSERT INTO alembic_version VALUES ('a')")
    asked = ("restamp", "--from-schema", "--yes", "--database", database_url)
    typed = _ways(fixchain(*asked, "--format", "json"))
    assert typed == [["alembic stamp base", f"alembic stamp {each}"] for each in "dc"]
    for each in typed[1]:
        _stamp(project, database_url, each.split()[-1])
    assert rows_of(database_url) == ["c"]


def test_what_a_renamed_table_had_is_made_by_the_chain(project: Path, database_url: str) -> None:
    add(project, "d <- c", 'op.rename_table("a", "z")', 'op.rename_table("z", "a")')
    _upgrade(project, database_url, "d")
    done = _trace(database_url)
    assert "Differences" not in done.stdout
    assert done.stdout.splitlines()[0] == "The database matches its stamp."


def test_a_revision_that_has_half_run(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "b")
    sql(database_url, "CREATE TABLE secrets (id INTEGER)")
    done = _trace(database_url)
    assert done.exit_code == 1
    assert "half of c has run" in done.stdout
    assert "table endpoints is not there: c_add.py:" in done.stdout
    refused = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
    assert refused.exit_code == 3
    assert "half of c has run" in refused.stderr
    assert rows_of(database_url) == ["b"]


def test_what_no_schema_shows_is_for_the_user_to_say(project: Path, database_url: str) -> None:
    add(project, "d <- c", _ROWS, "pass")
    _upgrade(project, database_url, "c")
    sql(database_url, "UPDATE alembic_version SET version_num = 'a'")
    refused = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
    assert refused.exit_code == 3
    assert "its schema does not show whether d has run" in refused.stderr
    assert "alembic stamp d" in refused.stderr
    assert "alembic stamp c" in refused.stderr
    # Where the stamp is one of the two, it stays.
    for stamp in ("c", "d"):
        sql(database_url, f"UPDATE alembic_version SET version_num = '{stamp}'")
        kept = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
        assert (kept.exit_code, rows_of(database_url)) == (0, [stamp])


def test_many_signs_against_a_stamp_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(tmp_path)
    chain = "abcde"
    for below, name in zip(" abcd", chain, strict=True):
        add(tmp_path, f"{name} <- {below}", _TWO.replace('"secrets"', f'"secrets_{name}"'))
        made = tmp_path / f"migrations/versions/{name}_add.py"
        made.write_text(made.read_text().replace('"endpoints"', f'"endpoints_{name}"'))
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'x.db'}"
    _upgrade(tmp_path, url, "e")
    sql(url, *(f"DROP TABLE endpoints_{name}" for name in chain))
    said = "stamped at e; something is not as a, b, c and 2 more leave it\n"
    assert said in _trace(url).stdout
    sql(url, "UPDATE alembic_version SET version_num = 'b'")
    done = " ".join(_trace(url).stdout.split())
    assert "something is not as a, b leave it, something is as c, d, e leave it already" in done


def test_of_many_rows_the_first_are_shown(project: Path, tmp_path: Path) -> None:
    """As a migration tool that keeps a row for each version leaves them."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    _upgrade(project, url, "c")
    sql(url, *(f"INSERT INTO alembic_version VALUES ('{number:03}')" for number in range(300)))
    done = fixchain("check", "--database", url)
    first = ", ".join(f"{number:03}" for number in range(12))
    assert f"x.db  {first} and 289 more\n" in done.stdout


def test_a_database_that_is_not_stamped(project: Path, database_url: str) -> None:
    """As ``create_all`` leaves one: there may be no version table, and Alembic makes it."""
    _upgrade(project, database_url, "c")
    sql(database_url, "DROP TABLE alembic_version")
    done = _trace(database_url)
    assert done.exit_code == 1
    assert "not stamped; its schema matches c: 3 revisions ahead" in done.stdout
    assert "alembic stamp c" in done.stdout
    refused = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
    assert refused.exit_code == 3
    assert "alembic stamp c" in refused.stderr


def test_something_is_missing_of_what_the_stamp_stands_for(
    project: Path, database_url: str
) -> None:
    _upgrade(project, database_url, "c")
    sql(database_url, "DROP TABLE endpoints")
    done = _trace(database_url)
    assert done.exit_code == 1
    assert "stamped at c; something is not as c leaves it" in done.stdout
    assert "the schema decides 2 of 3 revisions" in done.stdout
    assert "table endpoints is not there: c_add.py:" in done.stdout
    refused = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
    assert (refused.exit_code, rows_of(database_url)) == (3, ["c"])


def test_what_may_have_stopped_before_its_last_operation_is_not_said_to_have_run(
    project: Path, database_url: str
) -> None:
    add(project, "d <- c", f"{_COLUMN.replace('note', 'more')}\n{_ROWS}", "pass")
    _upgrade(project, database_url, "c")
    sql(database_url, "ALTER TABLE a ADD more VARCHAR(20)")
    assert _verdicts(database_url)["d"] == "unknown"
    refused = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
    assert (refused.exit_code, rows_of(database_url)) == (3, ["c"])
    # Alembic stamps a revision once it is through.
    sql(database_url, "UPDATE alembic_version SET version_num = 'd'")
    assert _verdicts(database_url)["d"] == "run"


def test_a_stamp_that_no_file_has_is_not_moved(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "b")
    sql(database_url, "UPDATE alembic_version SET version_num = 'gone'")
    refused = fixchain("restamp", "--from-schema", "--database", database_url, "--yes")
    assert (refused.exit_code, rows_of(database_url)) == (3, ["gone"])
    assert "it is stamped with gone, which no file has" in refused.stderr
    done = _trace(database_url)
    assert f"see where it went:\n    fixchain check --database {database_url}" in done.stdout
    assert "restamp" not in done.stdout


def test_stamps_that_are_refused_each_for_its_own_reason(
    project: Path, database_url: str, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    for url, row in ((database_url, "gone"), (other, "a")):
        _upgrade(project, url, "c")
        sql(url, f"UPDATE alembic_version SET version_num = '{row}'")
    done = fixchain("restamp", "--database", database_url, "--database", other, "--dry-run")
    assert "no migration file has gone; 1 other is not moved either\n" in done.stderr


def test_what_is_done_again_is_on_top_of_what_the_database_has_run(project: Path) -> None:
    url = "sqlite:///heads.db"
    add(project, "x <- c", 'op.create_table("x", sa.Column("id", sa.Integer))', "pass")
    add(project, "y <- c", 'op.create_table("y", sa.Column("id", sa.Integer))', "pass")
    for head, other in ("xy", "yx"):
        _upgrade(project, url, head)
        sql(url, "DROP TABLE secrets")
        said = _trace(url).stdout
        assert f"revision --head {head} -m" in said
        assert f"--head {other}" not in said
        Path("heads.db").unlink()


def test_alembic_commands_name_no_database(project: Path, database_url: str) -> None:
    """Where a user names one, ``env.py`` may use another, which they would change."""
    _upgrade(project, database_url, "b")
    sql(database_url, "UPDATE alembic_version SET version_num = 'a'")
    said = " ".join(fixchain("check", "--database", database_url).stdout.split())
    assert "stamp it there, once env.py uses that database: alembic stamp b" in said
    assert said.count("once env.py uses that database") == 2


def test_what_is_there_of_a_revision_may_be_its_end(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "c")
    sql(database_url, "DROP TABLE secrets", "UPDATE alembic_version SET version_num = 'b'")
    done = _trace(database_url)
    assert "something is as c leaves it already" in done.stdout
    typed = f"catch-up --finish c --server --database {database_url}"
    assert f"fixchain {typed}" in done.stdout
    finished = fixchain(*typed.split(), "--yes", "--no-backup")
    assert finished.exit_code == 0, finished
    assert _trace(database_url).exit_code == 0
    assert rows_of(database_url) == ["c"]


def test_a_view_that_no_migration_makes(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "c")
    sql(database_url, "CREATE VIEW by_hand AS SELECT id FROM a")
    done = fixchain("check", "--database", database_url, "--format", "json")
    (finding,) = done.document["findings"]
    assert finding["code"] == "FC307"
    assert "by_hand is there, and no migration makes it" in finding["message"]


_VIEW = 'op.execute("CREATE VIEW seen AS SELECT id FROM a")'


def test_what_was_dropped_by_hand_is_made_again(project: Path, database_url: str) -> None:
    """A stamp is not moved below what leaves no sign, which would run again."""
    add(project, "d <- c", _VIEW, 'op.execute("DROP VIEW seen")')
    _upgrade(project, database_url, "d")
    sql(database_url, "DROP VIEW seen")
    server = () if make_url(database_url).get_backend_name() == "sqlite" else ("--server",)
    making = " ".join(("catch-up", *server, "--dry-run", "--database", database_url))
    moving = f"restamp --from-schema --database {database_url}"
    said = _trace(database_url).stdout
    assert said.index(moving) < said.index(making)
    assert fixchain(*making.split()).exit_code == 1
    add(project, "e <- d", 'op.execute("DELETE FROM a")', "pass")
    _stamp(project, database_url, "e")
    said = _trace(database_url).stdout
    assert said.index(making) < said.index(moving)


def test_an_id_that_several_files_have(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "c")
    (path,) = (project / "migrations/versions").glob("c_*.py")
    text = path.read_text().replace("secrets", "others").replace("endpoints", "points")
    path.with_name("c_second.py").write_text(text)
    said = " ".join(_trace(database_url).stdout.split())
    assert "several files have the id c, and it is not known which of them has run" in said
    assert "no sign" not in said


def test_a_user_who_may_not_see_all_tables_learns_nothing(project: Path, server_url: str) -> None:
    _upgrade(project, server_url, "c")
    name = make_url(server_url).database
    grants = [f"SELECT ON {name}.alembic_version"]
    if server_url.startswith("postgresql"):
        sql(server_url, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        grants = []
    with user(server_url, *grants) as url:
        done = _trace(url)
    assert done.exit_code == 3, done
    assert "could not be read" in done.stderr


def test_what_was_changed_by_hand_is_a_difference(project: Path, database_url: str) -> None:
    _upgrade(project, database_url, "c")
    sql(database_url, "CREATE TABLE by_hand (id INTEGER)", "ALTER TABLE a ADD own INTEGER")
    assert _document(database_url)["differences"] == [
        {
            "kind": "extra",
            "object": "table by_hand",
            "detail": "table by_hand is there, and no migration makes it",
        },
        {
            "kind": "extra",
            "object": "column a.own",
            "detail": "column a.own is there, and no migration makes it",
        },
    ]
    assert _trace(database_url).exit_code == 0


def test_nothing_is_read_of_a_database_that_does_not_answer(project: Path, tmp_path: Path) -> None:
    done = _trace(f"sqlite:///{tmp_path / 'gone.db'}")
    assert done.exit_code == 3
    assert "could not be read: there is no file" in done.stderr
    done = _trace("postgresql+psycopg2://me:secret@127.0.0.1:1/none")
    assert done.exit_code == 3
    assert "secret" not in done.stderr + done.stdout


def test_it_needs_a_database(project: Path) -> None:
    done = fixchain("trace")
    assert done.exit_code == 3
    assert "fixchain trace --database URL" in done.stderr


def test_from_schema_decides_alone(project: Path) -> None:
    assert fixchain("restamp", "--from-schema", "--current").exit_code == 2


def test_no_command_of_alembics_is_printed_that_a_broken_chain_stops(
    project: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'half.db'}"
    _upgrade(project, url, "b")
    sql(url, "CREATE TABLE secrets (id INTEGER)")
    add(project, "d <- gone")
    done = _trace(url)
    assert "half of c has run" in done.stdout
    assert "alembic upgrade" not in done.stdout
    assert "repair the files first" in done.stdout


def test_a_remedy_moves_no_stamp_but_that_of_its_database(project: Path, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("right", "wrong")]
    for url in urls:
        _upgrade(project, url, "b")
    sql(urls[1], "UPDATE alembic_version SET version_num = 'a'")
    done = fixchain("trace", "--database", urls[0], "--database", urls[1])
    (remedy,) = [line for line in done.stdout.splitlines() if "restamp --from-schema" in line]
    assert urls[1] in remedy
    assert urls[0] not in remedy


@pytest.mark.parametrize("database_url", by_day_on("postgresql"), indirect=True)
def test_a_column_that_is_otherwise_is_told_in_text_and_json(
    project: Path, database_url: str
) -> None:
    altered = 'with op.batch_alter_table("a") as batch:\n    batch.alter_column({})'
    shorter = '"note", existing_type=sa.String(20), nullable=False'
    path = add(project, "d <- c", altered.format(shorter), "pass")
    _upgrade(project, database_url, "c")
    (evidence,) = [
        each
        for revision in _document(database_url)["revisions"]
        if revision["revision"] == "d"
        for each in revision["evidence"]
    ]
    assert evidence["detail"].startswith("column a.note is nullable: d_add.py:")
    assert evidence["detail"].endswith(" makes it NOT NULL")
    assert (evidence["kind"], evidence["path"]) == ("nullability", "migrations/versions/d_add.py")
    path.unlink()
    sql(database_url, "ALTER TABLE a DROP COLUMN note", "ALTER TABLE a ADD note INTEGER")
    (difference,) = _document(database_url)["differences"]
    assert difference["kind"] == "otherwise"
    assert difference["object"] == "column a.note"
    assert "column a.note is INTEGER, though b (b_add.py:" in _trace(database_url).stdout
    assert " makes it VARCHAR(20)" in difference["detail"]


# --- Several binds -------------------------------------------------------------------------------


@pytest.fixture
def binds(tmp_path: Path, postgresql: str) -> dict[str, str]:
    """The URLs of an app with a bind on another kind of server; upgraded, with Flask-Migrate."""
    urls = {"": f"sqlite:///{tmp_path}/own.db", "users": postgresql}
    with_app(tmp_path, uri=urls[""], binds={"users": urls["users"]})
    panel = tmp_path / "panel.py"
    bound = 'class C(db.Model):\n    __bind_key__ = "users"'
    panel.write_text(panel.read_text().replace("class C(db.Model):", bound))
    shutil.rmtree(tmp_path / "migrations")
    for words in ("init --multidb", "migrate -m first", "upgrade"):
        done = flask("--app", "panel", "db", *words.split(), cwd=tmp_path)
        assert done.exit_code == 0, done
    return urls


def test_check_compares_each_bind_as_trace_does(tmp_path: Path, binds: dict[str, str]) -> None:
    def panel(*args: str) -> Done:
        return flask("--app", "panel", "db", "fixchain", *args, cwd=tmp_path)

    done = panel("check", "--database", "--strict")
    assert done.exit_code == 0, done
    assert "compared" not in done.stdout
    assert panel("trace").exit_code == 0
    sql(binds["users"], "CREATE TABLE by_hand (id INTEGER)")
    sql(binds[""], "DROP TABLE a")
    findings = json.loads(panel("check", "--database", "--format", "json").stdout)["findings"]
    assert [each["code"] for each in findings] == ["FC302", "FC307"]
    assert "missing: a (" in findings[0]["message"]
    assert "table by_hand is there" in findings[1]["message"]
    assert "bind users" in findings[1]["message"]
    assert "flask db stamp" not in findings[0]["hint"]


def test_a_url_does_not_tell_which_bind_it_is(tmp_path: Path, binds: dict[str, str]) -> None:
    words = ("check", "--no-database", "--database", binds["users"])
    done = flask("--app", "panel", "db", "fixchain", *words, cwd=tmp_path)
    assert done.exit_code == 0, done
    said = " ".join(done.stdout.split())
    told = "not compared with what the migrations make: the migrations work on several binds"
    assert told in said
