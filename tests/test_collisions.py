"""Two branches that make the same thing: the printed ways out, typed with the edit they ask for."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import flask.cli
import pytest

from tests.commands import Done, fixchain, invoke, run
from tests.nightly import first_of
from tests.rehearsals import add, create, drop, empty_project, line_of, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what the env.py uses

NAMES = ("email", "nick")
EMAIL, NICK = (f"op.add_column('a', sa.Column({name!r}, sa.Integer()))" for name in NAMES)
NO_EMAIL, NO_NICK = (f"op.drop_column('a', {name!r})" for name in NAMES)
BOTH = {
    "FC205": (EMAIL, NO_EMAIL, "if 'email' not in {c['name'] for c in known.get_columns('a')}"),
    "FC203": (create("x"), drop("x"), "if not known.has_table('x')"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_project(tmp_path, monkeypatch)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'own.db'}"


one_code = pytest.mark.parametrize("code", first_of(sorted(BOTH)), indirect=True)


@pytest.fixture(params=sorted(BOTH))
def code(request: pytest.FixtureRequest) -> str:
    """What both sides do."""
    return str(request.param)


def collided(project: Path, url: str, code: str) -> None:
    """An app on b; theirs does what mine does, too, and mine something more."""
    up, down, _ = BOTH[code]
    with_app(project, "a <- ", "b <- a", uri=url)
    add(project, "theirs <- b", up, down)
    add(project, "mine <- b", f"{up}\n{NICK}", f"{NO_NICK}\n{down}")


@pytest.fixture
def feature(project: Path, url: str, code: str, own_git: None) -> Path:
    """The same on a branch, after a merge of main, which has theirs."""
    collided(project, url, code)
    repository, mine = Repository(project), project / "migrations/versions/mine_add.py"
    text = mine.read_text()
    mine.unlink()
    repository.commit(1)
    repository.branch("feature")
    mine.write_text(text)
    return project


def panel(*args: str) -> Done:
    sys.modules.pop("panel", None)
    return invoke(flask.cli.cli, "--app", "panel", "db", *args)


def typed(command: str) -> None:
    words = shlex.split(command)
    words = words[words.index("db") + 1 :]
    done = panel(*words, *(["--yes"] if words[:1] == ["fixchain"] else []))
    assert done.exit_code == 0, (command, done.stdout, done.stderr)


def stopped(*args: str) -> list[dict[str, Any]]:
    """The ways out that a refusal names."""
    done = panel("fixchain", *args, "--format", "json")
    assert done.exit_code == 3, done
    return list(done.document["error"]["remedies"])


def taken_out(project: Path, name: str, code: str) -> None:
    up, down, _ = BOTH[code]
    path = project / f"migrations/versions/{name}_add.py"
    path.write_text(path.read_text().replace(up, "pass").replace(down, "pass"))


def guarded(project: Path, name: str, code: str) -> None:
    up, _, asked = BOTH[code]
    path = project / f"migrations/versions/{name}_add.py"
    guard = f"known = sa.inspect(op.get_bind())\n    {asked}:\n        {up}"
    path.write_text(path.read_text().replace(up, guard))


def columns(url: str) -> set[str]:
    return {str(row[1]) for row in sql(url, "PRAGMA table_info(a)")}


def suits_new_databases(project: Path, url: str, code: str) -> None:
    """A new database gets to the same head."""
    Path(url.removeprefix("sqlite:///")).rename(project / "kept.db")
    typed("flask db upgrade")
    kept = f"sqlite:///{project / 'kept.db'}"
    assert (rows_of(url), columns(url)) == (rows_of(kept), columns(kept))


@needs_git
@pytest.mark.parametrize("command", first_of(["repair", "rebase"]))
def test_mine_that_has_run_here_is_taken_down_edited_and_put_on_top(
    feature: Path, url: str, code: str, command: str
) -> None:
    typed("flask db upgrade mine")
    first, *_ = stopped(command, "--yes")
    place = f"mine_add.py:{line_of(feature / 'migrations/versions/mine_add.py', BOTH[code][0])}"
    assert f"remove what both do from {place}" in first["text"]
    assert "theirs_add" not in first["text"]
    assert "with the data in it" in first["text"]
    down, *then = first["commands"]
    assert down.endswith("downgrade b")
    typed(down)
    taken_out(feature, "mine", code)
    for each in then:
        typed(each)
    assert rows_of(url) == ["mine"]
    suits_new_databases(feature, url, code)


@needs_git
@pytest.mark.parametrize(
    ("above", "committed"),
    [
        (True, True),
        (False, False),
        pytest.param(True, False, marks=pytest.mark.nightly),
        pytest.param(False, True, marks=pytest.mark.nightly),
    ],
)
def test_what_main_has_as_one_migration_takes_the_place_of_mine(
    project: Path, url: str, own_git: None, *, above: bool, committed: bool
) -> None:
    """The branch goes on after a squash merge, and main comes back to it."""
    with_app(project, "a <- ", uri=url)
    named = 'sa.Column("nick", sa.Integer())'
    whole = f'op.create_table("x", sa.Column("id", sa.Integer(), primary_key=True), {named})'
    add(project, "theirs <- a", whole, drop("x"))
    repository = Repository(project)
    repository.commit(1)
    repository.branch("feature")
    add(project, "mine <- a", create("x"), drop("x"))
    add(project, "more <- mine", f'op.add_column("x", {named})', 'op.drop_column("x", "nick")')
    if above:
        add(project, "last <- more")
    if committed:
        repository.commit(2)
    top = "last" if above else "more"
    staging = f"sqlite:///{project / 'staging.db'}"
    databases: tuple[str, ...] = ()
    if above:
        typed("flask db upgrade more")
        Path(url.removeprefix("sqlite:///")).rename(project / "staging.db")
        databases = ("--database", staging)
    typed(f"flask db upgrade {top}")
    sql(url, "INSERT INTO x (id, nick) VALUES (1, 7)")
    for command in ("repair", "rebase"):
        first, second, *_ = stopped(command, "--yes", *databases)
        assert "delete mine, more, as theirs makes all of that" in first["text"]
        assert "with the data in it" in second["text"]
    remove, then, *moving = first["commands"]
    assert bool(moving) is above  # for the database that has to wait for the files
    if not committed:  # nothing could bring them back
        refused = run("sh", "-c", remove, cwd=project)
        assert (refused.exit_code, len([*project.rglob("mine_add.py")])) == (128, 1)
        return
    repository.type(remove)
    typed(then)
    assert rows_of(url) == ["last" if above else "theirs"]
    assert sql(url, "SELECT id, nick FROM x") == [(1, 7)]
    for each in moving:
        assert rows_of(staging) == ["more"]
        typed(each)
        assert rows_of(staging) == ["theirs"]
    typed("flask db upgrade")
    assert panel("fixchain", "check", "--database").exit_code == 0


_ANOTHER_TYPE = create("x").replace("Integer", "String")
_CHECK = "op.create_table('y', sa.Column('id', sa.Integer()), sa.CheckConstraint('id > 0'))"


@needs_git
@pytest.mark.parametrize(
    ("more_of_theirs", "more_of_mine"),
    [
        (create("y"), ""),
        ("", create("y")),
        ("", "op.execute('INSERT INTO x (id) VALUES (1)')"),
        ("", "op.execute('ANALYZE')"),
        ("", "with op.batch_alter_table('a') as a:\n    a.alter_column('id', server_default='7')"),
        (_CHECK.replace(", sa.CheckConstraint('id > 0')", ""), _CHECK),
    ],
)
def test_what_main_has_is_more_or_less_than_mine(
    project: Path, url: str, own_git: None, more_of_theirs: str, more_of_mine: str
) -> None:
    """A database of mine would lack something, or nobody would make it any more."""
    theirs, mine = (f"{create('x')}\n{more}" for more in (more_of_theirs, more_of_mine))
    with_app(project, "a <- ", uri=url)
    add(project, "theirs <- a", theirs, drop("x"))
    repository = Repository(project)
    repository.commit(1)
    repository.branch("feature")
    add(project, "mine <- a", mine, drop("x"))
    typed("flask db upgrade mine")
    assert not any("delete mine" in way["text"] for way in stopped("repair", "--yes"))


@needs_git
@pytest.mark.parametrize("why", ["type", "dependency", "below"])
def test_what_main_has_cannot_take_the_place_of_mine(
    project: Path, url: str, own_git: None, why: str
) -> None:
    """With the same names; main's would differ, be missed elsewhere, or bring what has not run."""
    with_app(project, "a <- ", uri=url)
    rows = "op.execute('INSERT INTO a VALUES (7)')"
    add(project, "d <- a", rows if why == "below" else "pass", "pass")
    add(project, "theirs <- d", _ANOTHER_TYPE if why == "type" else create("x"), drop("x"))
    repository = Repository(project)
    repository.commit(1)
    repository.branch("feature")
    add(project, f"mine <- {'a' if why == 'below' else 'd'}", create("x"), drop("x"))
    add(project, "last <- mine", "pass", "pass")
    other = add(project, "other <- a", "pass", "pass")
    if why == "dependency":
        other.write_text(other.read_text().replace("depends_on = None", "depends_on = 'mine'"))
    typed("flask db upgrade last")
    assert not any("delete mine" in way["text"] for way in stopped("repair", "--yes"))


@needs_git
@one_code
def test_what_a_database_has_is_kept_behind_guards(feature: Path, url: str, code: str) -> None:
    typed("flask db upgrade mine")
    sql(url, "INSERT INTO a (id, nick) VALUES (1, 7)")
    _, second = stopped("repair", "--yes")
    assert "to keep what the app's database has" in second["text"]
    for name in ("mine", "theirs"):
        line = line_of(feature / f"migrations/versions/{name}_add.py", BOTH[code][0])
        assert f"{name}_add.py:{line}" in second["text"]
    for name in ("mine", "theirs"):
        guarded(feature, name, code)
    for each in second["commands"]:
        typed(each)
    assert sql(url, "SELECT nick FROM a") == [(7,)]
    suits_new_databases(feature, url, code)


@needs_git
@one_code
def test_theirs_is_never_edited_first(feature: Path, url: str, code: str) -> None:
    first, second, accept = stopped("repair", "--yes", "--no-database")
    for way in (first, second):
        assert "mine_add.py" in way["text"]
        assert "theirs_add.py" not in way["text"]
    assert "of a database that has not run both still stops there" in accept["text"]
    typed("flask db upgrade theirs")
    taken_out(feature, "mine", code)
    for each in first["commands"]:
        typed(each.replace(" --no-database", ""))  # which is there by now
    assert rows_of(url) == ["mine"]
    suits_new_databases(feature, url, code)


def test_a_side_that_has_run_nowhere_is_the_one_to_edit(project: Path, url: str) -> None:
    collided(project, url, "FC205")
    typed("flask db upgrade mine")
    first, _ = stopped("repair", "--yes")
    # A step begins with a capital letter, which the name of a database must not get.
    why = "as the app's database has run mine, remove what both do from theirs_add"
    assert first["text"].startswith(why)
    taken_out(project, "theirs", "FC205")
    for each in first["commands"]:
        typed(each)
    suits_new_databases(project, url, "FC205")


@one_code
def test_where_each_has_run_alone_both_are_guarded(project: Path, url: str, code: str) -> None:
    collided(project, url, code)
    typed("flask db upgrade mine")
    other = Path(url.removeprefix("sqlite:///")).rename(project / "other.db")
    typed("flask db upgrade theirs")
    named = ("--database", f"sqlite:///{other}")
    (only,) = stopped("repair", "--yes", *named)
    assert "as each of them has run without the other, put what both do in" in only["text"]
    for name in ("mine", "theirs"):
        guarded(project, name, code)
    for each in only["commands"]:
        typed(each)
    assert fixchain("check", *named, "--database", url).exit_code == 0
    suits_new_databases(project, url, code)


@one_code
def test_the_chain_is_accepted_as_it_is_only_where_both_have_run(
    project: Path, url: str, code: str
) -> None:
    collided(project, url, code)
    typed("flask db upgrade b")
    assert not any("--accept" in each for way in stopped("repair") for each in way["commands"])
    path = project / "migrations/versions/mine_add.py"
    as_it_was = path.read_text()
    guarded(project, "mine", code)
    for name in ("theirs", "mine"):
        typed(f"flask db upgrade {name}")
    path.write_text(as_it_was)
    (accept,) = (way for way in stopped("repair") if "--accept" in way["commands"][0])
    assert "if the databases here have run both mine and theirs" in accept["text"]
    for each in accept["commands"]:
        typed(each)
    typed("flask db upgrade")
    Path(url.removeprefix("sqlite:///")).unlink()
    with pytest.raises(Exception, match=r"duplicate column|already exists"):
        panel("upgrade")


def test_the_ways_out_are_printed_once(project: Path, url: str) -> None:
    collided(project, url, "FC205")
    typed("flask db upgrade mine")
    done = panel("fixchain", "check")
    said = " ".join(done.stdout.split())
    assert said.count("remove what both do from") == 1
    assert "fix FC205 first" in said
    assert "Settle FC205, in one of the ways above." in said


@needs_git
def test_a_database_above_what_must_run_first_goes_back_and_up_again(
    project: Path, url: str, own_git: None
) -> None:
    """Mine renames the table that theirs adds a column to."""
    with_app(project, "a <- ", "b <- a", uri=url)
    repository = Repository(project)
    repository.commit(1)
    add(project, "theirs <- b", "op.add_column('a', sa.Column('nick', sa.Integer()))", NO_NICK)
    renaming = ("op.rename_table('a', 'a2')", "op.rename_table('a2', 'a')")
    add(project, "mine <- b", *renaming)
    repository.commit(2)
    typed("flask db upgrade mine")
    sql(url, "INSERT INTO a2 (id) VALUES (7)")
    upgrading, back = stopped("repair")
    assert panel(*shlex.split(upgrading["commands"][0])[2:]).exit_code != 0
    assert back["commands"][0].endswith("downgrade b")
    for each in back["commands"]:
        typed(each)
    assert rows_of(url) == ["mine"]
    assert sql(url, "SELECT id, nick FROM a2") == [(7, None)]
