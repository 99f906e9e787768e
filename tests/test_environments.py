"""What lies around a chain: other environments, configuration files, and what env.py leaves out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import alembic
import flask_migrate  # type: ignore[import-untyped]
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from flask_chainfix.diagnosis.rules import Family, all_rules, explain
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.environment.surroundings import environments_near
from tests.commands import fixchain, flask
from tests.disk import environment
from tests.rehearsals import MODELS, PLAIN_ENV
from tests.repositories import Repository, needs_git
from tests.support import migration, rev

KNOWS_TOML = hasattr(Config(), "toml_file_name")
ENV_PY = PLAIN_ENV.format(models=MODELS)


def another(place: Path, *specs: str) -> Path:
    """A migration environment beside the one that is looked at; without revisions only env.py."""
    if specs:
        environment(place, *specs)
    place.mkdir(parents=True, exist_ok=True)
    (place / "env.py").write_text(ENV_PY)
    return place


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an app, whose healthy migrations are in app/migrations."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.py").touch()
    another(tmp_path / "app/migrations", "a", "b <- a")
    return tmp_path


def found(*arguments: str) -> list[dict[str, Any]]:
    """The findings of a check, each of which must be a warning that changes no exit code."""
    done = fixchain(*(arguments or ("-d", "app/migrations")), "check", "--format", "json")
    assert done.exit_code == 0, done.stdout
    findings: list[dict[str, Any]] = done.document["findings"]
    assert {finding["severity"] for finding in findings} <= {"warning"}
    assert not any(finding["repairable"] for finding in findings)
    return findings


def the_one(*arguments: str) -> dict[str, Any]:
    """The one finding, which must be of a second environment."""
    (finding,) = found(*arguments)
    assert finding["code"] == "FC401"
    return finding


def ini(file: Path, text: str) -> None:
    file.write_text(text if text.startswith("[") else f"[alembic]\nscript_location = {text}\n")


def test_the_examples_of_the_rules_are_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rule in (each for each in all_rules() if each.family is Family.ENVIRONMENT):
        project = tmp_path / rule.code
        files = re.split(r"^(?:# (.+\.py)|\$ .*)\n?", explain(rule).example, flags=re.MULTILINE)
        for name, text in zip(files[1::2], files[2::2], strict=True):
            if name:
                path = project / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        monkeypatch.chdir(project)
        assert [each["code"] for each in found("-d", "migrations")] == [rule.code]


# --- The sample ----------------------------------------------------------------------------------


def test_the_unused_directory_of_the_sample_is_reported_and_stops_nothing(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = flask("db", "fixchain", "check", "--format", "json", cwd=sample)
    assert broken.exit_code == 1
    (finding,) = [each for each in broken.document["findings"] if each["code"] == "FC401"]
    assert finding["severity"] == "warning"
    assert finding["message"] == (
        "sample_app/alembic/ is a second migration environment, and looks unused: no alembic.ini or"
        " pyproject.toml points to it, and it holds no migrations; sample_app/migrations/ is the"
        " active one, as the app's Migrate names it"
    )
    assert finding["hint"] == "delete sample_app/alembic/ unless something uses it"
    assert finding["locations"] == [{"path": "sample_app/alembic/env.py", "line": None}]

    monkeypatch.chdir(sample)
    repaired = fixchain("-d", "sample_app/migrations", "repair", "--strict", "--yes")
    assert repaired.exit_code == 0, repaired.stderr
    check = ("-d", "sample_app/migrations", "check")
    done = fixchain(*check)
    assert done.exit_code == 0
    assert done.stdout.startswith("The migration chain works, with 1 warning: 10 revisions, 1 base")
    assert fixchain(*check, "--strict").exit_code == 1

    (sample / "sample_app/migrations/alembic.ini").write_text("[fixchain]\nignore = FC401\n")
    assert fixchain(*check, "--strict").exit_code == 0


def test_another_directory_than_the_app_s_is_not_called_active(sample: Path) -> None:
    (sample / "sample_app/migrations").rename(sample / "sample_app/moved")
    done = flask(
        "db", "fixchain", "-d", "sample_app/moved", "check", "--format", "json", cwd=sample
    )
    (finding,) = [each for each in done.document["findings"] if each["code"] == "FC401"]
    assert finding["message"].endswith("; sample_app/moved/ is the one that is checked")


@needs_git
def test_a_database_that_two_environments_share(sample: Path, own_git: None) -> None:
    top = sample / "app"
    top.mkdir()
    (sample / "sample_app").rename(top / "sample_app")
    assert flask("db", "fixchain", "repair", "--yes", "--no-database", cwd=top).exit_code == 0
    assert flask("db", "upgrade", cwd=top).exit_code == 0
    shutil.copytree(top / "sample_app/migrations", top / "sample_app/two words")
    for path in (top / "sample_app/two words/versions").glob("*.py"):
        path.unlink()
    (top / "sample_app/two words/versions/x.py").write_bytes(migration(rev("x")))
    Repository(top).commit(1)
    done = flask(
        "db", "fixchain", "-d", "sample_app/two words", "check", "--format", "json", cwd=top
    )
    (finding,) = [each for each in done.document["findings"] if each["code"] == "FC301"]
    (command,) = finding["remedies"][0]["commands"]
    assert command == "flask db fixchain -d sample_app/migrations check"
    assert flask(*shlex.split(command)[1:], cwd=top).exit_code == 0


# --- Other environments --------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["app/alembic", "alembic"])
def test_an_environment_without_migrations_is_dead(project: Path, place: str) -> None:
    another(project / place)
    finding = the_one()
    assert finding["message"].startswith(
        f"{place}/ is a second migration environment, and looks unused: no alembic.ini or"
        " pyproject.toml points to it, and it holds no migrations; app/migrations/ is "
    )
    assert finding["hint"] == f"delete {place}/ unless something uses it"
    assert finding["locations"] == [{"path": f"{place}/env.py", "line": None}]


def test_an_empty_directory_of_versions_is_no_better(project: Path) -> None:
    (another(project / "alembic") / "versions").mkdir()
    (project / "alembic/versions/__init__.py").touch()
    assert "and looks unused: " in the_one()["message"]


def test_a_copy_is_dead(project: Path) -> None:
    another(project / "migrations", "a")
    message = the_one()["message"]
    assert "and looks unused: no " in message
    assert "points to it, and app/migrations/ has all migrations that it holds; " in message


def test_other_migrations_look_dead_beside_those_that_are_known_to_be_in_use(project: Path) -> None:
    another(project / "alembic", "a", "x <- a", "y <- x")
    assert found() == []  # nothing shows which of the two is in use
    ini(project / "alembic.ini", "app/migrations")
    for arguments in ((), ("-c", "alembic.ini")):
        known = the_one(*arguments)
        assert known["message"] == (
            "alembic/ is a second migration environment, and looks unused: no alembic.ini or"
            " pyproject.toml points to it, and it holds 2 migrations that app/migrations/ does not;"
            " app/migrations/ is the active one, as alembic.ini points to it"
        )
        assert "to app/migrations/, and delete alembic/; if it is in use" in known["hint"]
    # What the hint says is understood.
    ini(project / "alembic/alembic.ini", "%(here)s")
    assert found() == []


def test_each_dead_environment_is_a_finding(project: Path) -> None:
    another(project / "alembic")
    another(project / "app/old")
    assert [each["locations"][0]["path"] for each in found()] == [
        "app/old/env.py",
        "alembic/env.py",
    ]


def shares_migrations(project: Path) -> None:
    (another(project / "alembic") / "versions").symlink_to(project / "app/migrations/versions")


def keeps_them_elsewhere(project: Path) -> None:
    another(project / "alembic")
    environment(project / "more", "x")
    ini(
        project / "alembic.ini",
        "[alembic]\nscript_location = alembic\nversion_locations = more/versions\n"
        "[app]\nscript_location = app/migrations\n",
    )


def is_a_section(project: Path) -> None:
    another(project / "reports", "x")
    ini(
        project / "alembic.ini",
        "[alembic]\nscript_location = app/migrations\n[reports]\nscript_location = reports\n",
    )


def has_a_file_of_its_own(project: Path) -> None:
    another(project / "app/reports", "x")
    (project / "conf").mkdir()
    ini(project / "conf/reports.ini", "app:reports")


def is_a_section_without_migrations(project: Path) -> None:
    another(project / "reports")
    ini(
        project / "alembic.ini",
        "[alembic]\nscript_location = app/migrations\n[reports]\nscript_location = reports\n",
    )


def is_a_template_itself(project: Path) -> None:
    (another(project / "templates")).joinpath("README").touch()
    (another(project / "alembic") / "env.py").write_text("{{ x }}\ncontext.run_migrations()\n")


def is_one_that_an_app_may_name(project: Path) -> None:
    (another(project / "reports", "x") / "env.py").write_text(
        f"from flask import current_app\n{ENV_PY}"
    )
    ini(project / "alembic.ini", "app/migrations")


def lies_deeper(project: Path) -> None:
    another(project / "app/db/alembic")


def has_other_packages(project: Path) -> None:
    for place in ("plugin/alembic", "plugin/deep/alembic"):
        another(project / place)
    (project / "plugin/pyproject.toml").touch()


def has_other_repositories(project: Path) -> None:
    another(project / "vendor/alembic")
    (project / "vendor/.git").write_text("gitdir: ../.git/modules/vendor\n")


def has_a_virtual_environment(project: Path) -> None:
    another(project / "venv/share/alembic")
    (project / "venv/pyvenv.cfg").touch()


def has_files_of_other_kinds(project: Path) -> None:
    (project / "env.py").write_text("import os\nDEBUG = os.environ.get('DEBUG')\n")
    another(project / "app/templates/flask")
    (project / "app/templates/flask/alembic.ini.mako").touch()


def has_a_pipe(project: Path) -> None:
    os.mkfifo(project / "pipe.ini")
    os.mkfifo(project / "env.py")


def lies_in_an_environment(project: Path) -> None:
    another(project / "app/migrations/versions/old")


def is_there_twice_through_a_link(project: Path) -> None:
    (project / "migrations").symlink_to(project / "app/migrations")


@pytest.mark.parametrize(
    "arrange",
    [
        shares_migrations,
        keeps_them_elsewhere,
        is_a_section,
        has_a_file_of_its_own,
        has_other_packages,
        has_other_repositories,
        has_a_virtual_environment,
        has_files_of_other_kinds,
        has_a_pipe,
        is_a_section_without_migrations,
        is_a_template_itself,
        is_one_that_an_app_may_name,
        lies_deeper,
        lies_in_an_environment,
        is_there_twice_through_a_link,
        *(
            pytest.param(lambda project, place=place: another(project / place), id=place)
            for place in (".old/alembic", "node_modules/x/alembic", "build/lib/app/alembic")
        ),
        pytest.param(lambda project: another(project / "tests/migrations", "x"), id="tests"),
        pytest.param(lambda project: another(project / "shop/migrations", "x"), id="another app"),
    ],
)
def test_what_is_no_second_environment(project: Path, arrange: Callable[[Path], None]) -> None:
    arrange(project)
    assert found() == []


def test_an_environment_that_is_a_link_is_known_by_what_it_leads_to(project: Path) -> None:
    (project / "app/migrations").rename(project / "shared")
    (project / "app/migrations").symlink_to(project / "shared")
    assert found() == []


# --- Configuration files -------------------------------------------------------------------------


def test_what_a_configuration_file_points_to_is_in_use(project: Path) -> None:
    another(project / "alembic", "x", "y <- x", "z <- y")
    ini(project / "alembic.ini", "alembic")
    assert found() == []


def test_a_file_that_points_to_nothing_may_be_meant_for_another_directory(project: Path) -> None:
    ini(project / "alembic.ini", "migrations")
    assert found() == []


@pytest.mark.parametrize(
    ("env_py", "is_flask"),
    [
        ("from flask import current_app\n", True),
        ("import flask\nx = flask.current_app.config\n", True),
        ("# unlike Flask-Migrate's, without current_app\n", False),
        ("x = 'current_app'\n", False),
        ('"""No current_app here."""\n', False),
    ],
)
def test_only_what_works_in_an_app_belongs_to_flask(
    project: Path, env_py: str, is_flask: bool
) -> None:
    (project / "app/migrations/env.py").write_text(env_py + ENV_PY)
    assert open_directory("app/migrations").environment.uses_flask is is_flask


def test_what_belongs_to_an_app_is_not_called_dead_without_that_app(project: Path) -> None:
    another(project / "alembic", "x")
    ini(project / "alembic.ini", "alembic")
    arguments = ("-c", "alembic.ini")
    (project / "app/migrations").rename(project / "old")
    assert (
        "/ is a second migration environment, and looks unused: " in the_one(*arguments)["message"]
    )
    (project / "old").rename(project / "migrations")
    (project / "migrations/env.py").write_text(f"# not current_app\n{ENV_PY}")
    assert "and looks unused: " in the_one(*arguments)["message"]
    (project / "migrations/env.py").write_text(f"from flask import current_app\n{ENV_PY}")
    assert found(*arguments) == []


def test_a_dead_environment_that_a_file_points_to_is_one_finding(project: Path) -> None:
    another(project / "alembic")
    ini(project / "alembic.ini", "alembic")
    finding = the_one()
    assert "and looks unused: it holds no migrations; " in finding["message"]
    assert finding["hint"] == (
        "delete alembic/ unless something uses it, and let alembic.ini point to app/migrations/"
    )
    assert [place["path"] for place in finding["locations"]] == ["alembic/env.py", "alembic.ini"]


@pytest.mark.skipif(not KNOWS_TOML, reason="this Alembic knows no pyproject.toml")
def test_a_pyproject_points_to_what_is_in_use(project: Path) -> None:
    another(project / "alembic", "x")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\n\n[tool.alembic]\nscript_location = "%(here)s/app/migrations"\n'
    )
    finding = the_one()
    assert finding["message"].endswith("is the active one, as pyproject.toml points to it")


def test_a_package_that_is_not_here_is_not_judged(project: Path) -> None:
    ini(project / "alembic.ini", "installed.package:migrations")
    assert found() == []


def test_a_file_of_another_app_may_point_where_it_likes(project: Path) -> None:
    another(project / "shop/migrations", "x")
    (project / "shop/conf").mkdir()
    ini(project / "shop/conf/alembic.ini", "shop/migrations")
    assert found() == []


@pytest.mark.parametrize(
    "data",
    [
        b"script_location = x\n",
        b"[alembic]\nscript_location = %(nowhere)s\n",
        b"script_location\0\xff",
    ],
)
@pytest.mark.parametrize("name", ["tox.ini", "setup.cfg", "shop/pyproject.toml"])
def test_files_that_alembic_could_not_use_are_left_alone(
    project: Path, name: str, data: bytes
) -> None:
    (project / "shop").mkdir()
    (project / name).write_bytes(data)
    assert found() == []


# --- How far it looks ----------------------------------------------------------------------------


def test_without_a_mark_only_the_directory_around_is_looked_through(project: Path) -> None:
    another(project / "alembic")
    another(project / "app/alembic")
    (project / "setup.py").unlink()
    assert [each["locations"][0]["path"] for each in found()] == ["app/alembic/env.py"]


def test_paths_are_named_from_where_the_user_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another(project / "app/alembic")
    monkeypatch.chdir(project / "app")
    assert the_one("-d", "migrations")["hint"] == "delete alembic/ unless something uses it"
    monkeypatch.chdir(project / "app/migrations/versions")
    assert the_one("-d", "..")["hint"] == "delete app/alembic/ unless something uses it"


def test_the_whole_file_system_is_no_project() -> None:
    assert list(environments_near(Path("/migrations"))) == []


def test_directories_that_cannot_be_listed_are_passed_over(project: Path) -> None:
    closed = another(project / "closed/alembic").parent
    closed.chmod(0)
    try:
        assert found() == [] or os.geteuid() == 0
    finally:
        closed.chmod(0o755)


# --- What autogenerate gets ----------------------------------------------------------------------


NONE = [
    ("context.configure(target_metadata=None)", [1]),
    (
        "target_metadata = None\ncontext.configure(connection=c, target_metadata=target_metadata)",
        [1],
    ),
    ("target_metadata: MetaData | None = None\nconfigure(c, target_metadata=target_metadata)", [1]),
    ("from models import *\nM = None\ndef run():\n    context.configure(target_metadata=M)", [2]),
    (
        "M = None\ncontext.configure(url=u, target_metadata=Base.metadata)\n"
        "context.configure(connection=c, target_metadata=M, **options)",
        [1],
    ),
    (
        "M = None\nif here:\n    context.configure(c, target_metadata=M)\n"
        "else:\n    context.configure(\n        target_metadata=None)",
        [1, 6],
    ),
]
SOMETHING = [
    "context.configure(connection=c)",
    "context.configure(connection=c, **options)",
    "context.configure(url=u, target_metadata=None)",
    "context.configure(url=u, target_metadata=None)\ncontext.configure(c, target_metadata=M)",
    "M = None\nM = Base.metadata\ncontext.configure(target_metadata=M)",
    "M = None\nif ready:\n    M = Base.metadata\ncontext.configure(target_metadata=M)",
    "M = None\ndef load():\n    global M\n    M = 1\nload()\ncontext.configure(target_metadata=M)",
    "M = None\ndef run(M):\n    context.configure(target_metadata=M)",
    "M = None\nfrom models import metadata as M\ncontext.configure(target_metadata=M)",
    "M = None\nfrom models import *\ncontext.configure(target_metadata=M)",
    "from models import M\ncontext.configure(target_metadata=M)",
    "M = load()\ncontext.configure(target_metadata=M)",
    "M = None\ncontext.configure(target_metadata=M or Base.metadata)",
    "target_metadata = None\nsetattr(this, 'target_metadata', 1)\n"
    "context.configure(target_metadata=target_metadata)",
    "context.configure(target_metadata=[])",
    "logging.set_up(target_metadata=None)",
    "context.configure(target_metadata=None",
    "context.configure(target_metadata=None)\0",
]


def places_of_none(project: Path, env_py: str) -> list[int]:
    (project / "app/migrations/env.py").write_text(env_py)
    findings = found()
    assert {each["code"] for each in findings} <= {"FC402"}
    places = [place for each in findings for place in each["locations"]]
    assert {place["path"] for place in places} <= {"app/migrations/env.py"}
    return [place["line"] for place in places]


@pytest.mark.parametrize(("env_py", "lines"), NONE)
def test_autogenerate_gets_nothing(project: Path, env_py: str, lines: list[int]) -> None:
    assert places_of_none(project, env_py) == lines


def test_an_env_py_beyond_what_the_interpreter_can_take(project: Path) -> None:
    assert places_of_none(project, f"x = {'-' * 30_000}1\n") == []


@pytest.mark.parametrize("env_py", SOMETHING)
def test_autogenerate_may_get_something(project: Path, env_py: str) -> None:
    assert places_of_none(project, env_py) == []


def templates(package: Any) -> Iterable[Path]:
    return sorted(Path(package.__file__).parent.glob("templates/*/env.py"))


def test_what_the_templates_write_is_judged_as_it_is(project: Path) -> None:
    for template in templates(flask_migrate):
        assert places_of_none(project, template.read_text()) == [], template
    named = {template.parent.name: template.read_text() for template in templates(alembic)}
    empty = {name for name, text in named.items() if places_of_none(project, text)}
    assert {"generic", "async"} <= empty
    assert "multidb" not in empty  # its metadata are looked up by the name of the engine


def test_alembic_says_so_too(project: Path) -> None:
    (project / "app/migrations/env.py").write_text(
        PLAIN_ENV.format(models="target_metadata = None")
    )
    ini(
        project / "alembic.ini",
        "[alembic]\nscript_location = app/migrations\nsqlalchemy.url = sqlite:///x.db\n",
    )
    (finding,) = found("-c", "alembic.ini")
    assert finding["code"] == "FC402"
    command.upgrade(Config("alembic.ini"), "head")
    with pytest.raises(CommandError, match="Can't proceed with --autogenerate option"):
        command.revision(Config("alembic.ini"), autogenerate=True)


def test_the_settings_ignore_it(project: Path) -> None:
    (project / "app/migrations/env.py").write_text("context.configure(target_metadata=None)")
    (project / "app/migrations/alembic.ini").write_text("[fixchain]\nignore = FC402\n")
    assert found() == []
