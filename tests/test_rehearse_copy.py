"""``rehearse --copy``: the app's own database, copied, and the copy upgraded."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.commands import Done, fixchain
from tests.rehearsals import add, create, drop, plain
from tests.stamped import Again, sql, stamp

UNIQUE = "op.create_index('i', 'a', ['n'], unique=True)"


@pytest.fixture
def url(database_url: str) -> str:
    """A database of each kind, stamped at ``a``, with two rows that are alike."""
    sql(database_url, "DROP TABLE IF EXISTS a", "DROP TABLE IF EXISTS alembic_version")
    stamp(database_url, "a")
    sql(
        database_url,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER)",
        "INSERT INTO a (id, n) VALUES (1, 7), (2, 7)",
    )
    return database_url


@pytest.fixture
def project(top: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose configuration names that database."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    plain(top, models="target_metadata = None")
    configured(top, url)
    add(top, "a", create("a"), drop("a"))
    return top


def configured(project: Path, url: str) -> None:
    text = f"[alembic]\nsqlalchemy.url = {url.replace('%', '%%')}\n"
    (project / "migrations/alembic.ini").write_text(text)


def rehearse(*options: str) -> Done:
    return fixchain("rehearse", "--copy", "--format", "json", *options)


def holds(url: str) -> list[tuple[object, ...]]:
    return [
        *sql(url, "SELECT version_num FROM alembic_version"),
        *sql(url, "SELECT id, n FROM a ORDER BY id"),
    ]


def leaves_nothing(url: str, done: Done) -> None:
    """The scratch database is gone, and what was copied is as it was."""
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    assert holds(url) == [("a",), (1, 7), (2, 7)]
    shown = done.document["rehearsal_database"]
    if shown and "://" in shown:
        query = "SHOW DATABASES" if "mysql" in url else "SELECT datname FROM pg_database"
        assert (make_url(shown).database,) not in sql(url, query)


def test_the_copy_goes_up_from_its_stamp(project: Path, url: str) -> None:
    add(project, "b <- a", "assert op.get_bind().scalar(sa.text('SELECT SUM(n) FROM a')) == 14")
    done = rehearse()
    assert done.exit_code == 0, done
    (step,) = done.document["rehearsal"]
    assert (step["revision"], step["direction"]) == ("b", "up")
    (copy,) = done.document["rehearsal_copies"]
    assert (copy["stamp"], copy["tables"]) == (["a"], 2)
    assert copy["size"] > 0
    assert copy["seconds"] > 0
    leaves_nothing(url, done)


def test_what_real_rows_refuse_fails_on_the_copy(project: Path, url: str) -> None:
    add(project, "b <- a", UNIQUE)
    done = rehearse()
    assert done.exit_code == 3
    failure = done.document["rehearsal_failure"]
    assert (failure["revision"], failure["trouble"]) == ("b", "violated")
    assert "the rows that were copied" in failure["cause"]
    leaves_nothing(url, done)


def test_a_copy_can_go_up_and_down_too(project: Path, url: str) -> None:
    add(project, "b <- a", "op.add_column('a', sa.Column('m', sa.Integer()))", "pass")
    done = rehearse("--stairway")
    assert done.exit_code == 1
    (finding,) = (each for each in done.document["findings"] if each["code"] == "FC206")
    assert finding["message"] == "the downgrade of b leaves column a.m"
    leaves_nothing(url, done)


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("option", [("--from", "a"), ("--rows",), ("--keep",)])
def test_options_that_make_no_sense_beside_it(top: Path, option: tuple[str, ...]) -> None:
    plain(top, "a")
    done = rehearse(*option)
    assert done.exit_code == 2
    assert f"--copy and {option[0]} exclude each other" in done.document["error"]["message"]


@pytest.fixture
def own(top: Path) -> Path:
    """A plain environment with one revision."""
    return plain(top, "a", models="target_metadata = None")


def refused(*options: str) -> tuple[str, str]:
    done = rehearse(*options)
    assert done.exit_code == 3, done
    error = done.document["error"]
    return error["message"], error["remedy"]


def test_a_copy_stays_on_its_kind_of_server(own: Path, again: Again, tmp_path: Path) -> None:
    configured(own, f"sqlite:///{tmp_path / 'own.db'}")
    message, remedy = refused("--database", again.url("postgresql", tmp_path))
    assert message == "a SQLite database cannot be copied to PostgreSQL"
    assert "rehearse --copy" in remedy


def test_a_database_that_is_not_there(own: Path, tmp_path: Path) -> None:
    configured(own, f"sqlite:///{tmp_path / 'none.db'}")
    message, _ = refused()
    assert "there is no file" in message
    assert not (tmp_path / "none.db").exists()


def test_a_configuration_that_names_none(own: Path) -> None:
    message, remedy = refused()
    assert message == "the configuration names no database to copy (alembic)"
    assert "after --copy" in remedy


def test_a_tool_that_is_missing(
    own: Path, again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(own, again.url("postgresql", tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    message, remedy = refused()
    assert "pg_dump is not installed" in message
    assert "postgresql-client" in remedy


def test_a_stamp_that_no_file_has(own: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    stamp(url, "gone")
    done = fixchain("rehearse", "--copy", url, "--format", "json")
    assert done.document["rehearsal_failure"]["kind"] == "stamp"
    remedy = done.document["error"]["remedy"]
    assert "gone" in remedy
    assert f"`fixchain check --database {url}`" in remedy


def test_a_copy_that_is_up_to_date_already(own: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    stamp(url, "a")
    done = fixchain("rehearse", "--copy", url)
    assert done.exit_code == 0
    assert "nothing to run above a" in " ".join(done.stdout.split())
