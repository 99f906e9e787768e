"""Finding environments, reading settings, and what counts as a confirmation by Alembic."""

from __future__ import annotations

from pathlib import Path

import alembic
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from flask_chainfix import disk
from flask_chainfix.common.errors import BadConfiguration, CannotPlan, NoEnvironment, NotConfirmed
from flask_chainfix.databases.facts import Facts
from flask_chainfix.environment.locate import open_config, open_directory
from flask_chainfix.model.files import Edit
from flask_chainfix.rehearsal.confirm import confirm, foresee
from tests.commands import fixchain, flask
from tests.disk import BROKEN, environment, tree
from tests.support import chain, migration, rev

KNOWS_TOML = hasattr(Config(), "toml_file_name")
PASSWORD = "s3cret%40Word"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a chain of one piece in ``migrations``."""
    monkeypatch.chdir(tmp_path)
    environment(tmp_path / "migrations", "a", "b <- a", "c <- b")
    return tmp_path


def read(directory: str = "migrations") -> Facts:
    return Facts.around(disk.read_snapshot(open_directory(directory).environment)[0])


# --- Opening -------------------------------------------------------------------------------------


def test_a_directory_is_opened_without_a_configuration_file(project: Path) -> None:
    found = open_directory("migrations").environment
    assert found.directory == project / "migrations"
    assert found.version_locations == (project / "migrations/versions",)
    assert not found.recursive
    assert not found.sourceless
    assert not found.uses_flask


def test_a_directory_may_have_a_percent_sign_and_blanks(project: Path) -> None:
    place = environment(project / "100 %d of it", "x")
    assert open_directory("100 %d of it").environment.directory == place
    assert list(read("100 %d of it").graph) == ["x"]


def test_alembic_ini_of_the_directory_is_obeyed(project: Path) -> None:
    environment(project / "more", "x")
    (project / "migrations/alembic.ini").write_text(
        "[alembic]\nversion_locations = %(here)s/versions more/versions\n"
        "recursive_version_locations = true\nsourceless = true\n"
    )
    found = open_directory("migrations").environment
    assert found.version_locations == (project / "migrations/versions", project / "more/versions")
    assert found.recursive
    assert found.sourceless
    assert sorted(read().graph) == ["a", "b", "c", "x"]


def test_a_configuration_file_names_the_directory(project: Path) -> None:
    (project / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    assert open_config("alembic.ini").environment == open_directory("migrations").environment


@pytest.mark.skipif(not KNOWS_TOML, reason="this Alembic knows no pyproject.toml")
def test_a_pyproject_names_the_directory(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "migrations"\n[tool.fixchain]\nignore = ["FC110"]\n'
    )
    found = open_config("pyproject.toml").environment
    assert found.directory == project / "migrations"
    assert found.settings.ignore == {"FC110"}


@pytest.mark.skipif(KNOWS_TOML, reason="this Alembic knows pyproject.toml")
def test_an_alembic_that_knows_no_pyproject_is_said_so(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "migrations"\n')
    with pytest.raises(BadConfiguration, match="cannot be configured by pyproject"):
        open_config("pyproject.toml")


def test_an_env_py_of_flask_migrate_is_recognised(project: Path) -> None:
    (project / "migrations/env.py").write_text("from flask import current_app\n")
    assert open_directory("migrations").environment.uses_flask


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere", None, "there is no directory nowhere"),
        ("file", "", "file is not a directory"),
        ("empty", (), "it has no env.py"),
        ("half", ("env.py",), "there is no version location"),
    ],
)
def test_what_is_no_environment_is_said_so(
    project: Path, name: str, content: str | tuple[str, ...] | None, message: str
) -> None:
    if isinstance(content, str):
        (project / name).write_text(content)
    elif content is not None:
        (project / name).mkdir()
        for file in content:
            (project / name / file).write_text("")
    with pytest.raises(NoEnvironment, match=message) as caught:
        open_directory(name)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "ini",
    [
        "no section\n",
        "[alembic]\nscript_location = %(unknown)s\n",
        "[other]\n",
        "[alembic]\nscript_location = migrations\nscript_location = twice\n",
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_so(project: Path, ini: str) -> None:
    (project / "alembic.ini").write_text(ini)
    with pytest.raises(BadConfiguration, match=r"alembic\.ini cannot be used"):
        open_config("alembic.ini")


# --- Settings ------------------------------------------------------------------------------------


def test_settings_are_read_from_the_section_of_the_ini(project: Path) -> None:
    (project / "migrations/alembic.ini").write_text(
        "[DEFAULT]\nelsewhere = 1\n[alembic]\n"
        "[fixchain]\nignore = FC109, fc110\n  FC111\nintended_bases = a,b c\n"
    )
    settings = open_directory("migrations").environment.settings
    assert settings.ignore == {"FC109", "FC110", "FC111"}
    assert settings.intended_bases == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("ignored = FC101", "unknown key 'ignored'"),
        ("ignore = FC101 FC999", "unknown code FC999"),
        ("ignore = %(nothing)s", "cannot be used"),
    ],
)
def test_settings_that_mean_nothing_are_refused(project: Path, section: str, message: str) -> None:
    (project / "migrations/alembic.ini").write_text(f"[alembic]\n[fixchain]\n{section}\n")
    with pytest.raises(BadConfiguration, match=message):
        open_directory("migrations")


@pytest.mark.skipif(not KNOWS_TOML, reason="this Alembic knows no pyproject.toml")
@pytest.mark.parametrize(
    ("section", "message"),
    [
        ('[tool]\nfixchain = "x"', "is not a table"),
        ('[tool.fixchain]\nignore = "FC101"', "list of strings"),
        ("[tool.fixchain]\nignore = [1]", "list of strings"),
        ('[tool.fixchain]\nignored = ["FC101"]', "unknown key"),
    ],
)
def test_settings_of_a_pyproject_that_mean_nothing_are_refused(
    project: Path, section: str, message: str
) -> None:
    (project / "pyproject.toml").write_text(
        f'{section}\n[tool.alembic]\nscript_location = "migrations"\n'
    )
    with pytest.raises(BadConfiguration, match=message):
        open_config("pyproject.toml")


def test_settings_change_what_a_check_finds(project: Path) -> None:
    place = environment(project / "broken", "a", "b <- a", "c", "d <- c")
    assert fixchain("-d", "broken", "check").exit_code == 1
    (place / "alembic.ini").write_text("[alembic]\n[fixchain]\nintended_bases = c\n")
    assert fixchain("-d", "broken", "check").exit_code == 0
    (place / "alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC101, FC102\n")
    assert fixchain("-d", "broken", "check", "--strict").exit_code == 0


# --- What Alembic says ---------------------------------------------------------------------------


def test_a_chain_is_confirmed_when_alembic_sees_it(project: Path) -> None:
    confirmation = confirm(open_directory("migrations"), read())
    assert confirmation.by == f"alembic {alembic.__version__}"
    assert (confirmation.bases, confirmation.heads) == (("a",), ("c",))
    scripts = ScriptDirectory("migrations")
    assert confirmation.heads == tuple(scripts.get_heads())
    assert confirmation.bases == tuple(scripts.get_bases())
    assert "c (head)" in confirmation.heads_output
    assert "<base> -> a" in confirmation.history_output


def other_chain(snapshot: Facts, old: bytes, new: bytes) -> Facts:
    """The chain with another text in one file."""
    file = snapshot.file("c")
    assert old in file.data
    return snapshot.after([Edit(file.path, file.data, file.data.replace(old, new))])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"down_revision = 'b'", b"down_revision = 'a'"),
        (b"down_revision = 'b'", b"down_revision = None"),
        (b"down_revision = 'b'", b"down_revision = ('a', 'b')"),
        (b"revision = 'c'", b"revision = 'd'"),
    ],
)
def test_a_chain_is_not_confirmed_when_alembic_sees_another(
    project: Path, old: bytes, new: bytes
) -> None:
    """Alembic loads the disk without an error here; only the values are other ones."""
    with pytest.raises(NotConfirmed, match="another chain than the plan promised"):
        confirm(open_directory("migrations"), other_chain(read(), old, new))


def test_a_chain_that_alembic_cannot_load_is_not_confirmed(project: Path) -> None:
    snapshot = read()
    (project / "migrations/versions/c_add_c.py").write_text("raise ValueError('in a migration')\n")
    with pytest.raises(NotConfirmed, match=r"could not load.*in a migration"):
        confirm(open_directory("migrations"), snapshot)


def test_what_a_migration_prints_does_not_disturb_the_confirmation(project: Path) -> None:
    file = project / "migrations/versions/c_add_c.py"
    file.write_bytes(file.read_bytes() + b"\nprint('{}')\nimport sys\nsys.stdout.write('x')\n")
    assert confirm(open_directory("migrations"), read()).heads == ("c",)


def test_a_repair_that_alembic_does_not_confirm_is_taken_back(tmp_path: Path) -> None:
    """A migration that fails when it is loaded: only Alembic's own run can tell."""
    place = environment(tmp_path / "migrations", *BROKEN)
    file = place / "versions/d_add_d.py"
    file.write_bytes(file.read_bytes() + b"\nimport module_that_is_not_there\n")
    before = tree(place / "versions")
    done = fixchain("repair", "--yes", "--format", "json", cwd=tmp_path)
    assert done.exit_code == 3
    assert done.document["error"]["type"] == "NotConfirmed"
    assert "module_that_is_not_there" in done.document["error"]["message"]
    assert {name: node.content for name, node in tree(place / "versions").items()} == {
        name: node.content for name, node in before.items()
    }


def test_alembic_is_asked_in_memory_before_anything_is_written() -> None:
    foresee(chain("a", "b <- a"))
    for broken in (chain("a", "b <- gone"), chain("a @b", "b <- a"), chain("a <- b", "b <- a")):
        with pytest.raises(CannotPlan, match="would not load"):
            foresee(broken)


def test_a_migration_that_is_new_since_the_plan_was_made_is_named(project: Path) -> None:
    snapshot = read()
    (project / "migrations/versions/z.py").write_bytes(migration(rev("zzz <- c")))
    with pytest.raises(NotConfirmed) as refusal:
        confirm(open_directory("migrations"), snapshot)
    assert refusal.value.message == "new since the plan was made: z.py (zzz)"
    assert "run the command again" in refusal.value.remedy


def test_a_migration_that_is_gone_since_the_plan_was_made_is_named(project: Path) -> None:
    snapshot = read()
    (project / "migrations/versions/c_add_c.py").unlink()
    with pytest.raises(NotConfirmed, match=r"gone since the plan was made: c_add_c\.py \(c\)"):
        confirm(open_directory("migrations"), snapshot)


# --- New files from the template -----------------------------------------------------------------


@pytest.fixture
def forked(project: Path) -> Path:
    """A chain of two heads in ``forked``."""
    return environment(project / "forked", "a", "b <- a", "c <- a")


@pytest.mark.parametrize(
    ("recursive", "template", "exit_code"),
    [
        (False, "sub/%%(rev)s", 3),
        (True, "sub/%%(rev)s", 0),
        (True, "../%%(rev)s", 3),
        (False, "%%(slug)s_%%(rev)s", 0),
    ],
)
def test_a_new_revision_lies_where_alembic_looks(
    forked: Path, recursive: bool, template: str, exit_code: int
) -> None:
    (forked / "alembic.ini").write_text(
        f"[alembic]\nfile_template = {template}\n"
        f"recursive_version_locations = {str(recursive).lower()}\n"
    )
    repair = ("-d", "forked", "repair", "--strategy", "merge", "--yes", "--format", "json")
    done = fixchain(*repair)
    assert done.exit_code == exit_code, done.stdout
    if exit_code:
        error = done.document["error"]
        assert error["type"] == "CannotPlan"
        assert "where Alembic does not look for migrations" in error["message"]
        assert "correct file_template" in error["remedy"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("${repr(down_revision)}", "None", "does not write the revision and down_revision"),
        ("${repr(up_revision)}", "'x'", "does not write the revision and down_revision"),
        ("${repr(down_revision)}", "tuple(['b', 'c'])", "does not write the revision and"),
        ("${repr(down_revision)}", "${down_revision[0]} = x y", "is not valid Python"),
        ("down_revision = ${repr(down_revision)}", "", "assigns no down_revision"),
    ],
)
def test_a_template_that_writes_another_header_is_to_blame(
    forked: Path, old: str, new: str, fault: str
) -> None:
    template = forked / "script.py.mako"
    template.write_text(template.read_text().replace(old, new))
    done = fixchain("-d", "forked", "repair", "--strategy", "merge", "--yes", "--format", "json")
    error = done.document["error"]
    assert (done.exit_code, error["type"]) == (3, "CannotPlan")
    assert error["message"].startswith("script.py.mako ")
    assert fault in error["message"]


# --- Secrets -------------------------------------------------------------------------------------

APP = f"""
from flask import Flask
from flask_chainfix import ChainFix
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg2://user:{PASSWORD}@127.0.0.1:1/none"
db = SQLAlchemy(app)
Migrate(app, db)
ChainFix(app)
"""


@pytest.mark.parametrize("fault", ["none", "interpolation", "migration", "settings"])
def test_passwords_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    place = environment(tmp_path / "migrations", *BROKEN)
    (tmp_path / "app.py").write_text(APP)
    url = f"sqlalchemy.url = postgresql://user:{PASSWORD}@127.0.0.1:1/none"
    section = "[fixchain]\nignore = %(sqlalchemy.url)s\n" if fault == "settings" else ""
    location = "version_locations = %(nothing)s\n" if fault == "interpolation" else ""
    (place / "alembic.ini").write_text(f"[alembic]\n{url}\n{location}{section}")
    if fault == "migration":
        file = place / "versions/d_add_d.py"
        code = "\nfrom app import db\nassert db.engine.connect()\n"
        file.write_text(file.read_text() + code)
    monkeypatch.chdir(tmp_path)
    repair = ("repair", "--yes", "--no-database", "--format", "json")
    with_app = flask("db", "fixchain", *repair, cwd=tmp_path, env={"FLASK_APP": "app"})
    assert with_app.exit_code == (0 if fault == "none" else 3)
    for done in (with_app, fixchain("check"), fixchain(*repair)):
        output = done.stdout + done.stderr
        assert "s3cret" not in output
        assert "Word" not in output
        assert "Traceback" not in output
