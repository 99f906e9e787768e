"""``squash``: what it refuses, what it leaves as it is, and how it comes to an end."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from flask_chainfix.rehearsal.schemas import proving
from tests.commands import Done, fixchain, flask
from tests.databases import KINDS, SERVERS
from tests.disk import migrations
from tests.forks import KILL, ONCE, Commands
from tests.nightly import first_of, some_of
from tests.rehearsals import add, plain, with_app
from tests.repositories import Repository
from tests.stamped import rows_of, sql, sqlite_url, stamp


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chain ``a <- b <- c``; nothing of it is in Git."""
    plain(tmp_path, "a", "b <- a", "c <- b")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(*options: str, server: str = "sqlite://") -> Done:
    before = migrations(Path("migrations"))
    done = fixchain("squash", "--server", server, "--yes", *options)
    assert done.exit_code == 3, done
    assert migrations(Path("migrations")) == before
    document = fixchain("squash", "--server", server, "--yes", "--format", "json", *options)
    assert json.loads(document.stdout)["error"]["message"] in done.stderr
    return done


def _typed(done: Done, number: int = 0) -> list[str]:
    """A command of ours that was printed, as a shell splits it."""
    commands = re.findall(r"^ +fixchain (.*)$", done.stderr, re.MULTILINE)
    return shlex.split(commands[number])


# --- The chain -----------------------------------------------------------------------------------
def test_a_broken_chain(project: Path) -> None:
    add(project, "d <- nowhere")
    done = _refused()
    assert "a broken chain cannot be squashed" in done.stderr
    assert _typed(done)[0] == "repair"


def test_several_heads(project: Path) -> None:
    path = add(project, "other")
    path.write_text(path.read_text().replace("branch_labels = None", "branch_labels = 'apart'"))
    done = _refused()
    assert "the chain has 2 heads: c, other" in done.stderr
    typed = _typed(done)
    assert typed[:3] == ["squash", "--upto", "c"]
    assert fixchain(*typed, "--dry-run").exit_code == 1


def test_one_that_is_not_there_and_one_that_is_alone(project: Path) -> None:
    assert "there is no revision 'x'" in _refused("--upto", "x").stderr
    assert "nothing below a" in _refused("--upto", "a").stderr


def test_a_branch_that_would_lose_what_it_is_on(project: Path) -> None:
    for path in (add(project, "side <- b"), project / "migrations/versions/c_add.py"):
        label = f"branch_labels = {path.stem!r}"
        path.write_text(path.read_text().replace("branch_labels = None", label))
    done = _refused("--upto", "c")
    assert "side is on b, which is below c" in done.stderr
    assert fixchain(*_typed(done), "--dry-run").exit_code == 1


def test_what_depends_on_one_that_goes_or_is_depended_on(project: Path) -> None:
    path = add(project, "d <- c")
    text = path.read_text()
    path.write_text(text.replace("depends_on = None", "depends_on = 'b'"))
    assert "d depends on b, which is below c" in _refused("--upto", "c").stderr
    other = add(project, "apart")
    other.write_text(other.read_text().replace("branch_labels = None", "branch_labels = 'x'"))
    path.write_text(text.replace("depends_on = None", "depends_on = 'apart'"))
    done = _refused("--upto", "d")
    assert "d depends on apart, which is not below d" in done.stderr


def test_a_computed_header(project: Path) -> None:
    path = add(project, "d <- c")
    path.write_text(path.read_text().replace("revision = 'd'", "revision = str('d')", 1))
    _refused("--upto", "c")


def test_branch_labels_stay(project: Path) -> None:
    path = Path("migrations/versions/b_add.py")
    path.write_text(path.read_text().replace("branch_labels = None", "branch_labels = ('core',)"))
    done = fixchain("squash", "--server", "sqlite://", "--yes", "--upto", "c")
    assert done.exit_code == 0, done
    (written,) = Path("migrations/versions").glob("*.py")
    assert "branch_labels = ('core',)" in written.read_text()


def test_the_chain_lock_follows(project: Path) -> None:
    assert fixchain("lock", "--yes").exit_code == 0
    lock = Path("migrations/chain.lock").read_bytes()
    assert fixchain("squash", "--server", "sqlite://", "--yes").exit_code == 0
    assert Path("migrations/chain.lock").read_bytes() != lock
    assert fixchain("check").exit_code == 0
    assert fixchain("undo", "--yes").exit_code == 0
    assert Path("migrations/chain.lock").read_bytes() == lock


# --- What others have ----------------------------------------------------------------------------
@pytest.fixture
def committed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose main branch has ``a <- b <- c``; here there is ``d``, too."""
    top = repository.top
    plain(top, "a", "b <- a")
    monkeypatch.chdir(top)
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message=1")
    repository.git("tag", "v1")
    add(top, "c <- b")
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message=2")
    repository.git("checkout", "--quiet", "-b", "mine")
    add(top, "d <- c")
    return top


def test_only_what_everybody_has(committed: Path) -> None:
    done = _refused()
    assert re.search("d is not in the main branch .*: only what everybody has", done.stderr)
    typed = _typed(done)
    assert typed == ["squash", "--upto", "c", "--server", "sqlite://"]
    dry = fixchain(*typed, "--dry-run", "--format", "json")
    assert dry.exit_code == 1
    # What the check of the pull request is told then.
    checks = [each.partition("`")[2][:-1] for each in dry.document["notices"] if "check" in each]
    assert checks == ["fixchain check --against main --allow a --allow b --allow c"]
    assert fixchain(*typed, "--no-database", "--yes").exit_code == 0
    against = fixchain("check", "--against", "main", "--format", "json")
    assert against.exit_code == 1
    remedies = [each["hint"] for each in against.document["findings"]]
    assert len(remedies) == 3
    assert all("--allow a --allow b --allow c" in each for each in remedies)
    assert not any("restamp" in each for each in remedies)  # the id stays
    assert fixchain(*shlex.split(checks[0])[1:]).exit_code == 0


def test_only_what_a_release_has(committed: Path) -> None:
    done = _refused("--published-by", "v1", "--upto", "c")
    assert "c is not in v1" in done.stderr
    typed = _typed(done)
    assert typed[:3] == ["squash", "--upto", "b"]
    assert fixchain(*typed, "--dry-run").exit_code == 1
    assert "no-such" in _refused("--published-by", "no-such").stderr
    _refused("--published-by=--all")


# --- Databases -----------------------------------------------------------------------------------
def _upgraded(url: str, revision: str) -> str:
    config = Config()
    config.set_main_option("script_location", "migrations")
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, revision)
    return url


def test_a_database_below(project: Path, tmp_path: Path) -> None:
    url = _upgraded(sqlite_url(tmp_path), "b")
    done = _refused("--database", url, "--upto", "c")
    assert f"{url} is at b, below c: upgrade it first" in done.stderr
    assert "alembic upgrade c" in done.stderr
    assert rows_of(url) == ["b"]
    assert "is at b, below c" in _refused("--stamp", "b").stderr


def test_databases_at_it_and_above_need_nothing(project: Path, tmp_path: Path) -> None:
    add(project, "d <- c")
    (tmp_path / "above").mkdir()
    at = _upgraded(sqlite_url(tmp_path), "c")
    above = _upgraded(sqlite_url(tmp_path / "above"), "d")
    options = ("--database", at, "--database", above)
    done = fixchain("squash", "--server", "sqlite://", "--upto", "c", "--yes", *options)
    assert done.exit_code == 0, done
    assert (rows_of(at), rows_of(above)) == (["c"], ["d"])
    for name in ("check", "restamp", "repair", "trace"):
        again = fixchain(name, *options, *(["--yes"] if name == "repair" else []))
        assert again.exit_code == 0, again
    # Nobody has looked at this one when the files were written.
    (tmp_path / "third").mkdir()
    third = sqlite_url(tmp_path / "third")
    _upgraded(third, "c")
    assert fixchain("restamp", "--database", third).exit_code == 0
    _upgraded(at, "head")
    assert rows_of(at) == ["d"]
    undone = fixchain("undo", "--yes", *options)
    assert undone.exit_code == 0, undone
    assert (rows_of(at), rows_of(above)) == (["d"], ["d"])
    assert len(list(Path("migrations/versions").glob("*.py"))) == 4


def test_a_database_that_was_forgotten_is_stopped_and_skips_nothing(
    project: Path, tmp_path: Path
) -> None:
    url = _upgraded(sqlite_url(tmp_path), "b")
    assert fixchain("squash", "--server", "sqlite://", "--yes").exit_code == 0
    checked = fixchain("check", "--database", url)
    assert checked.exit_code == 1
    assert "FC301" in checked.stdout
    assert fixchain("restamp", "--yes", "--database", url).exit_code == 3
    assert rows_of(url) == ["b"]
    undone = fixchain("undo", "--yes", "--database", url)
    assert undone.exit_code == 0, undone


def test_a_database_that_cannot_be_asked(project: Path) -> None:
    done = _refused("--database", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    assert "cannot be read" in done.stderr


def test_a_database_that_moves_meanwhile(project: Path, tmp_path: Path) -> None:
    url = _upgraded(sqlite_url(tmp_path), "c")
    before = migrations(Path("migrations"))

    def downgraded(old: proving.Made, new: proving.Made) -> tuple[proving.ObjectDifference, ...]:
        sql(url, "UPDATE alembic_version SET version_num = 'a'")
        return original(old, new)

    original = proving.compared
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proving, "compared", downgraded)
        done = fixchain("squash", "--server", "sqlite://", "--yes", "--database", url)
    assert done.exit_code == 3
    assert "has moved since the plan was made" in done.stderr
    assert migrations(Path("migrations")) == before


# --- Servers -------------------------------------------------------------------------------------
def test_a_project_whose_kind_nobody_knows(project: Path) -> None:
    done = fixchain("squash", "--yes")
    assert done.exit_code == 3
    assert "nothing shows which kind of database" in done.stderr
    assert "fixchain squash --server sqlite://" in done.stderr


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_of_the_projects_own_kind(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(kind)
    with_app(tmp_path, "a", "b <- a", uri=url)
    done = flask("--app", "panel", "db", "fixchain", "squash", "--yes", cwd=tmp_path)
    assert done.exit_code == 3
    assert "flask --app panel db fixchain squash --server\n" in done.stderr
    own = ("db", "fixchain", "squash", "--server", "--dry-run", "--format", "json")
    proofs = flask("--app", "panel", *own, cwd=tmp_path).document["proofs"]
    assert [proof["dialect"] for proof in proofs] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_remedy_for_a_server_is_whole(
    kind: str, request: pytest.FixtureRequest, project: Path
) -> None:
    """The kind is that of the databases that are named; SQLite needs no server."""
    url = sqlite_url(project) if kind == "sqlite" else request.getfixturevalue(kind)
    _upgraded(url, "c")
    done = fixchain("squash", "--upto", "c", "--database", url, "--dry-run", "--quiet")
    if kind != "sqlite":
        assert done.exit_code == 3
        typed = _typed(done)
        assert {"--upto", "--server", "--dry-run", "--quiet"}.issubset(typed)
        done = fixchain(*typed)
    assert done.exit_code == 1, done
    assert "3 revisions can be squashed into one" in done.stdout


def test_several_kinds(project: Path, postgresql: str) -> None:
    """Of these two, one says CURRENT_TIMESTAMP and the other now()."""
    add(
        project,
        "d <- c",
        'op.create_table("t", sa.Column("made", sa.DateTime, server_default=sa.func.now()))',
    )
    refused = fixchain("squash", "--server", "sqlite://", "--server", postgresql, "--yes")
    assert refused.exit_code == 3
    assert "column t.made" in refused.stderr


@pytest.mark.nightly
def test_there_is_a_proof_for_each_kind(project: Path, postgresql: str) -> None:
    servers = ("--server", "sqlite://", "--server", postgresql)
    done = fixchain("squash", *servers, "--dry-run", "--format", "json")
    assert [proof["dialect"] for proof in done.document["proofs"]] == ["sqlite", "postgresql"]


def test_a_chain_that_does_not_run(project: Path) -> None:
    add(project, "d <- c", 'op.drop_table("nowhere")')
    assert "on a temporary SQLite file at d: no such table" in _refused().stderr


def test_several_databases_of_one_app(tmp_path: Path) -> None:
    """Flask-Migrate's environment for several databases, whose template has a function for each."""
    binds = {"logs": "sqlite:///logs.db"}
    with_app(tmp_path, uri="sqlite:///own.db", binds=binds)
    done = flask("--app", "panel", "db", "fixchain", "squash", "--yes", cwd=tmp_path)
    assert "no migrations" in done.stderr


# --- Faults --------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", first_of([KILL, ONCE]))
def test_any_step_of_writing(fault: str, project: Path, tmp_path: Path) -> None:
    place = Path("migrations")
    old = {name: node for name, node in migrations(place).items() if name.endswith(".py")}
    options = ("-d", place, "squash", "--server", "sqlite://", "--yes")
    with Commands() as run:
        whole = run(*options)
        assert whole.exit_code == 0, whole
        assert run("-d", place, "undo", "--yes").exit_code == 0
        # What comes before the lock has only read.
        first = len(whole.steps) - whole.steps[::-1].index("os.mkdir")
        ends = set()
        every = 20 if fault == KILL else 6  # each runs the chain; the night takes longer
        for at in some_of(range(first, len(whole.steps) + 1), every=every):
            ended = run(*options, fault=fault, at=at)
            assert "Traceback" not in ended.output, ended
            run("-d", place, "undo", "--yes")
            now = {name: node for name, node in migrations(place).items() if name.endswith(".py")}
            assert now == old, (at, whole.steps[at - 1], ended)
            ends.add(ended.exit_code)
        assert ends - {0}


def test_declined_and_stamped_by_name(project: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    stamp(url, "c")
    done = _refused("--database", url)  # its tables are not there
    assert done.stderr
