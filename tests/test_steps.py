"""The steps that are printed: each can be typed as it stands, and none touches data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import Remedy, Tools, way
from flask_chainfix.diagnosis.diagnosis import Diagnosis
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.planning.proposal import Proposal
from flask_chainfix.report import Style, render
from flask_chainfix.report.next_steps import steps
from flask_chainfix.report.results import Planning
from tests.commands import Done, fixchain, flask, run
from tests.rehearsals import add, plain, upgrade, with_app
from tests.repositories import Repository, needs_git
from tests.results import checked
from tests.stamped import rows_of, sql
from tests.support import chain

CONFIG = "[alembic]\nscript_location = migrations\nsqlalchemy.url = sqlite:///own.db\n"
OPTIONS = ("-c", "alembic.ini")

pytestmark = pytest.mark.usefixtures("warm_programs")


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain project with two heads, committed, whose database has run one of them."""
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a", "b <- a")
    (repository.top / "alembic.ini").write_text(CONFIG)
    (repository.top / ".gitignore").write_text("*.db\n__pycache__\n.fixchain\n")
    repository.commit(0)
    add(repository.top, "c <- a")
    repository.commit(1)
    assert typed(repository.top, "alembic -c alembic.ini upgrade b").exit_code == 0
    return repository.top


def typed(place: Path, command: str) -> Done:
    names = {f"GIT_{role}_{part}": "a" for role in ("AUTHOR", "COMMITTER") for part in
             ("NAME", "EMAIL")}  # fmt: skip
    return run("sh", "-c", command, cwd=place, env=names)


def commands_in(text: str, title: str) -> list[str]:
    """The commands below the steps of a section."""
    _, _, below = text.partition(f"\n{title}\n")
    assert below, text
    return re.findall(r"^       (\S.*)$", below, re.MULTILINE)


@needs_git
@pytest.mark.parametrize("broken", ["relinked", "deleted", "copied"])
def test_what_git_has_already_is_not_to_be_committed(project: Path, broken: str) -> None:
    """A repair that only takes back what is not committed leaves nothing for Git to do."""
    assert fixchain(*OPTIONS, "repair", "--yes", "--no-database").exit_code == 0
    typed(project, "git add -A && git commit -q -m mended")
    first, last = (project / f"migrations/versions/{name}_add.py" for name in "bc")
    if broken == "relinked":
        first.write_text(first.read_text().replace("down_revision = 'a'", "down_revision = 'c'"))
    elif broken == "deleted":
        first.unlink()
    else:
        last.with_name("copy.py").write_bytes(last.read_bytes())
    foreseen = fixchain(*OPTIONS, "check", "--verbose")
    accepted = ("--yes", "--accept-guesses", "--no-database")
    done = fixchain(*OPTIONS, "repair", *accepted)
    assert (foreseen.exit_code, done.exit_code) == (1, 0)
    assert typed(project, "git status --porcelain").stdout == ""
    for said, title in ((foreseen, "What to do"), (done, "What to do now")):
        commands = commands_in(said.stdout, title)
        assert [each for each in commands if "git" in each or "restamp" in each] == []


@needs_git
def test_after_a_repair_the_steps_lead_to_the_upgrade_that_had_stopped(project: Path) -> None:
    before = typed(project, "git rev-parse --short=12 HEAD").stdout.strip()
    stopped = typed(project, "alembic -c alembic.ini upgrade head")
    assert stopped.exit_code != 0
    done = fixchain(*OPTIONS, "repair", "--yes", "--no-database")
    commands = commands_in(done.stdout, "What to do now")
    assert commands[-1] == "alembic -c alembic.ini upgrade head"
    assert f"fixchain -c alembic.ini restamp --old {before}" in commands
    for command in commands:
        if " restamp " not in command:  # of databases elsewhere
            assert typed(project, command).exit_code == 0, command
    assert typed(project, "git status --porcelain").stdout == ""
    current = typed(project, "alembic -c alembic.ini current").stdout
    assert current.startswith("c (head)")


@needs_git
def test_the_commit_that_restamp_is_told_of_has_the_old_chain(project: Path) -> None:
    elsewhere = "sqlite:///elsewhere.db"
    ini = project / "alembic.ini"
    ini.write_text(CONFIG.replace("own", "elsewhere"))
    assert typed(project, "alembic -c alembic.ini upgrade heads").exit_code == 0
    ini.write_text(CONFIG)
    done = fixchain(*OPTIONS, "repair", "--yes", "--no-database")
    for command in commands_in(done.stdout, "What to do now"):
        if command.startswith("git "):
            assert typed(project, command).exit_code == 0, command
        if " restamp " in command:
            moved = typed(project, f"{command} --database {elsewhere} --yes")
            assert moved.exit_code == 0, moved
    ini.write_text(CONFIG.replace("own", "elsewhere"))
    current = typed(project, "alembic -c alembic.ini current").stdout
    assert current.split() == ["c", "(head)"]


@needs_git
def test_a_merge_moves_no_stamp(project: Path) -> None:
    done = fixchain(*OPTIONS, "repair", "--yes", "--no-database", "--strategy", "merge")
    commands = commands_in(done.stdout, "What to do now")
    assert not [command for command in commands if "restamp" in command]
    assert commands[-1] == "alembic -c alembic.ini upgrade head"


def test_without_git_nothing_is_to_be_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    plain(tmp_path, "a", "b <- a", "c <- a")
    done = fixchain("repair", "--yes")
    commands = commands_in(done.stdout, "What to do now")
    assert [command.split()[0] for command in commands] == ["fixchain", "alembic"]


@needs_git
def test_the_databases_that_were_named_are_in_the_steps(project: Path) -> None:
    named = "--database sqlite:///own.db"
    done = fixchain(*OPTIONS, "check", "--verbose", *named.split())
    commands = commands_in(done.stdout, "What to do")
    for name in ("repair --dry-run", "backup", "repair", "restamp"):
        word = name.split()[0]
        assert [each for each in commands if f" {word}" in each and named in each], name
    assert "Upgrade your databases, each once env.py uses it:" in done.stdout


@needs_git
@pytest.mark.parametrize("elsewhere", [False, True])
def test_env_py_uses_a_database_that_is_named_and_configured(
    project: Path, *, elsewhere: bool
) -> None:
    named = ["--database", "sqlite:///own.db"]
    if elsewhere:
        upgrade(project, "sqlite:///other.db", "heads")
        named += ["--database", "sqlite:///other.db"]
    yours = "databases, each once env.py uses it" if elsewhere else "database"
    done = fixchain(*OPTIONS, "repair", "--yes", *named)
    assert f"Upgrade your {yours}:" in done.stdout


@needs_git
def test_a_repair_has_moved_the_stamps_of_the_databases_that_were_named(project: Path) -> None:
    elsewhere = "sqlite:///elsewhere.db"
    upgrade(project, elsewhere, "heads")
    done = fixchain(*OPTIONS, "repair", "--yes", "--no-database", "--database", elsewhere)
    assert rows_of(elsewhere) == ["c"]
    before = typed(project, "git rev-parse --short=12 HEAD").stdout.strip()
    commands = commands_in(done.stdout, "What to do now")
    assert f"fixchain -c alembic.ini restamp --old {before}" in commands


@pytest.mark.parametrize("command", ["check", "repair"])
def test_no_step_in_a_flask_project_touches_the_apps_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The console script knows no app, and the app does not have to mount the commands."""
    monkeypatch.chdir(tmp_path)
    with_app(tmp_path, "a", "b <- a", "c <- a")
    app = tmp_path / "panel.py"
    app.write_text(app.read_text().replace("    ChainFix(app)\n", ""))
    options = () if command == "check" else ("--yes",)
    done = fixchain(command, "--verbose", *options)
    assert "downgrade" not in done.stdout
    title = "What to do" if command == "check" else "What to do now"
    (rehearse,) = [each for each in commands_in(done.stdout, title) if "rehearse" in each]
    if command == "repair":
        proven = run(*rehearse.split(), cwd=tmp_path, env={"FLASK_APP": "panel"})
        assert proven.exit_code == 0, proven
        assert not list(tmp_path.rglob("*.db"))


def test_where_no_database_is_known_no_command_backs_one_up(tmp_path: Path) -> None:
    plain(tmp_path, "a", "b <- a", "c <- a")
    said = run("fixchain", "check", "--database", cwd=tmp_path).stdout
    assert "Back up every database" in said
    assert "fixchain backup" not in said


def test_what_a_repair_cannot_mend_begins_with_its_best_way() -> None:
    best = way("bring it back", "git checkout main -- x.py")
    finding = Finding("FC501", "n", "n", 1, Severity.ERROR, "m", "b", best | "wait", (), (),
                      repairable=False)  # fmt: skip
    report = checked(chain("a"), [finding, finding], tools=Tools("a", "f"))
    first, again = steps(report)
    assert first == ("Bring it back:", ("git checkout main -- x.py",))
    assert again.commands == ("f check",)


@needs_git
def test_each_command_is_a_step_once(project: Path) -> None:
    """To look again is the last step, also if a finding advises it."""
    sql("sqlite:///own.db", "UPDATE alembic_version SET version_num = 'nope'")
    with (project / "migrations/versions/c_add.py").open("a") as file:
        file.write("def (")
    commands = commands_in(fixchain("check", "--database", "sqlite:///own.db").stdout, "What to do")
    assert commands == ["fixchain check --database sqlite:///own.db"]


def test_what_keeps_a_repair_from_being_planned_comes_first() -> None:
    obstacle = CannotPlan("m", way("join them", "{fixchain} repair --strategy merge{databases}"))
    finding = Finding(
        "FC102", "n", "n", 1, Severity.ERROR, "m", "b", Remedy.of("h"), (), (), repairable=True
    )
    tools = Tools("a", "f", " --database")
    report = checked(chain("a"), [finding], tools=tools, obstacle=obstacle)
    assert [step.commands for step in steps(report)] == [
        ("f repair --strategy merge --database",),
        ("f check --database",),
    ]


def test_a_remedy_that_is_told_at_the_end_is_not_told_before() -> None:
    hint = way("stamp it", "{alembic} stamp a")
    finding = Finding("FC301", "n", "n", 1, Severity.ERROR, "m", "b", hint, (), (),
                      repairable=False)  # fmt: skip
    report = Planning(proposal=Proposal(Diagnosis(chain("a"), (finding,))))
    assert "stamp it" in render("text", report, Style(80))
    refused = report.stopped_by(CannotPlan("m", hint))
    assert "stamp it" not in render("text", refused, Style(80))


def test_what_is_done_already_is_no_step(project: Path) -> None:
    """The chain was rehearsed with the repair, and the database has run all of it."""
    (project / "alembic.ini").write_text(CONFIG.replace("own", "ahead"))
    assert typed(project, "alembic -c alembic.ini upgrade heads").exit_code == 0
    done = fixchain(*OPTIONS, "repair", "--yes", "--rehearse", "--database")
    assert done.exit_code == 0, done
    commands = commands_in(done.stdout, "What to do now")
    assert [each for each in commands if "rehearse" in each or "upgrade" in each] == []
    assert any("git commit" in each for each in commands)
    assert typed(project, "alembic -c alembic.ini current").stdout.split() == ["c", "(head)"]


def test_a_step_says_which_of_several_databases_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- b")
    (tmp_path / "alembic.ini").write_text(CONFIG)
    for name, rows in (("own", "b"), ("dev", "b"), ("test", "b"), ("staging", "c")):
        upgrade(tmp_path, f"sqlite:///{name}.db", rows)
        sql(f"sqlite:///{name}.db", "UPDATE alembic_version SET version_num = 'a'")
    names = [f"--database=sqlite:///{name}.db" for name in ("dev", "test", "staging")]
    said = fixchain("check", "--database", *names).stdout.partition("What to do\n")[2]
    ways = [" ".join(each.split()) for each in re.split(r"(?m)^ +\d\. ", said)[1:]]
    elsewhere = ", once env.py uses that database"
    assert [each.partition(": alembic")[0] for each in ways[:3]] == [
        "For each of sqlite:///dev.db, sqlite:///test.db: its tables match b: stamp it there"
        + elsewhere,
        f"For sqlite:///staging.db: its tables match c: stamp it there{elsewhere}",
        "For sqlite:///own.db: its tables match b: stamp it there",
    ]
    report = fixchain("report", "--database", *names).stdout
    assert "FC306`, stamp-contradicts-schema, for sqlite:" in report
    alone = fixchain("check", "--database").stdout.partition("What to do\n")[2]
    assert alone.split()[1:4] == ["Its", "tables", "match"]


def test_a_link_to_the_apps_own_database_is_one_that_env_py_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- b")
    (tmp_path / "alembic.ini").write_text(CONFIG)
    upgrade(tmp_path, "sqlite:///own.db", "b")
    sql("sqlite:///own.db", "UPDATE alembic_version SET version_num = 'a'")
    Path("link.db").symlink_to("own.db")
    said = fixchain("check", "--database", "--database=sqlite:///link.db").stdout
    assert "Its tables match b: stamp it there:" in said
    assert "once env.py" not in said


def test_a_link_to_the_own_database_of_an_app_is_one_that_env_py_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, app = f"sqlite:///{tmp_path}/own.db", {"FLASK_APP": "panel"}
    monkeypatch.chdir(with_app(tmp_path, "a", "b <- a", "c <- b", uri=url))
    assert flask("db", "upgrade", "b", cwd=tmp_path, env=app).exit_code == 0
    sql(url, "UPDATE alembic_version SET version_num = 'a'")
    Path("link.db").symlink_to("own.db")
    named = ("--database", "sqlite:///link.db")
    said = flask("db", "fixchain", "check", *named, cwd=tmp_path, env=app).stdout
    assert "Its tables match b: stamp it there:" in said
    assert "once env.py" not in said


def test_a_database_that_is_left_out_is_left_out_by_each_of_its_urls(project: Path) -> None:
    sql("sqlite:///own.db", "DROP TABLE b")
    Path("link.db").symlink_to("own.db")
    refused = fixchain(*OPTIONS, "repair", "--dry-run", "--database", "sqlite:///link.db")
    assert refused.exit_code == 3
    assert "leave that database out:\n     fixchain -c alembic.ini repair --no-database\n" in (
        refused.stderr
    )


def test_a_step_for_the_apps_own_and_another_database_is_one(project: Path) -> None:
    for name in ("own", "dev"):
        upgrade(project, f"sqlite:///{name}.db", "heads")
    assert fixchain(*OPTIONS, "repair", "--yes", "--no-database").exit_code == 0
    said = fixchain(*OPTIONS, "check", "--database", "--database=sqlite:///dev.db").stdout
    assert said.count("FC303") == 2
    assert said.partition("What to do\n")[2].count(" restamp ") == 1


def test_a_named_database_that_does_not_exist_is_not_one_of_the_apps(project: Path) -> None:
    named = "--database sqlite:///nope.db"
    said = fixchain(*OPTIONS, "check", *named.split()).stdout
    told = "sqlite:///nope.db does not exist: correct its name, or pass its --stamp instead"
    assert told in " ".join(said.split())
    assert f"repair {named} --dry-run" in said
    assert "--no-database" not in said
    own = fixchain("-d", "migrations", "check", "--no-database", *named.split()).stdout
    assert f"repair --no-database {named} --dry-run" in own


def test_a_remedy_for_one_database_leaves_the_apps_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path, "a", "b <- a", "c <- b")
    (tmp_path / "alembic.ini").write_text(CONFIG)
    own, other = "sqlite:///own.db", "sqlite:///other.db"
    for url in (own, other):
        upgrade(tmp_path, url, "b")
        sql(url, "UPDATE alembic_version SET version_num = 'a'")
    said = fixchain("trace", "--database", "--database", other).stdout
    command = f"fixchain restamp --from-schema --no-database --database {other}"
    assert command in said
    assert "fixchain restamp --from-schema --database\n" in said
    assert fixchain(*command.split()[1:], "--yes").exit_code == 0
    assert (rows_of(own), rows_of(other)) == (["a"], ["b"])
