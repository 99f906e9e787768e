"""The main job, on the whole broken sample, with the real ``flask`` and real databases."""

from __future__ import annotations

import sys
from pathlib import Path

import flask_migrate  # type: ignore[import-untyped]
import pytest
from alembic.script import ScriptDirectory

from tests.commands import Done, flask, run
from tests.conftest import SAMPLE_APP

BASE, HEAD = "2ca607eff9c8", "push_notifications"
ORDER = ["3fd9eaf414fb", "ptero_eggs_001", "oauth_fields", HEAD]

# Flask-Migrate 4.0.0 has no `flask db check`.
CHECK_SCRIPT = """
from alembic import command
from sample_app import create_app

app = create_app()
with app.app_context():
    command.check(app.extensions["migrate"].migrate.get_config())
"""


def read_versions(sample: Path) -> dict[str, bytes]:
    versions = sample / "sample_app/migrations/versions"
    return {path.name: path.read_bytes() for path in versions.glob("*.py")}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return sorted(name for name in after if after[name] != before.get(name))


def ancestors(scripts: ScriptDirectory, revision: str) -> set[str]:
    return {script.revision for script in scripts.walk_revisions("base", revision)}


def find_differences(sample: Path, env: dict[str, str]) -> Done:
    """Compare the database with the models, as ``flask db check`` does."""
    if hasattr(flask_migrate, "check"):
        return flask("db", "check", cwd=sample, env=env)
    return run(sys.executable, "-c", CHECK_SCRIPT, cwd=sample, env=env)


def succeed(*args: str, sample: Path, env: dict[str, str]) -> Done:
    done = flask(*args, cwd=sample, env=env)
    assert done.exit_code == 0, done.stdout + done.stderr
    return done


def migrate_up_and_down(sample: Path, env: dict[str, str]) -> None:
    """Up, down and up again; then the database is what the models say, at the head."""
    for command in (("upgrade",), ("downgrade", "base"), ("upgrade",)):
        succeed("db", *command, sample=sample, env=env)
    differences = find_differences(sample, env)
    assert differences.exit_code == 0, differences.stdout + differences.stderr


def test_the_sample_is_repaired_and_then_migrates(sample: Path, database_url: str) -> None:
    env = {"SAMPLE_DATABASE_URL": database_url}
    before = read_versions(sample)

    checked = flask("db", "fixchain", "check", "--format", "json", cwd=sample, env=env)
    assert checked.exit_code == 1
    assert len(checked.document["bases"]) == 3
    assert len(checked.document["heads"]) == 5
    refused = flask("db", "upgrade", cwd=sample, env=env)
    assert refused.exit_code != 0
    assert "Multiple head revisions" in refused.stdout + refused.stderr

    succeed("db", "fixchain", "repair", "--yes", "--no-database", sample=sample, env=env)

    after = read_versions(sample)
    assert after.keys() == before.keys()
    assert changed(before, after) == [
        "3fd9eaf414fb_add_server_connection_fields.py",
        "add_ptero_eggs_tracking.py",
        "oauth_fields.py",
        "perf_indexes_001_add_performance_indexes.py",
    ]
    scripts = ScriptDirectory(str(sample / "sample_app/migrations"))
    assert scripts.get_bases() == [BASE]
    assert scripts.get_heads() == [HEAD]
    chain = [script.revision for script in scripts.walk_revisions()][::-1]
    assert [revision for revision in chain if revision in ORDER] == ORDER
    migrate_up_and_down(sample, env)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_sample_can_be_joined_by_a_merge_revision(sample: Path, database_url: str) -> None:
    env = {"SAMPLE_DATABASE_URL": database_url}
    before = read_versions(sample)

    repair = ("db", "fixchain", "repair", "--strategy", "merge", "--no-database")
    plan = succeed(*repair, "--yes", "--format", "json", sample=sample, env=env).document["plan"]

    after = read_versions(sample)
    (new,) = plan["new_revisions"]
    assert changed(before, after) == sorted(
        ["add_ptero_eggs_tracking.py", "oauth_fields.py", Path(new["path"]).name]
    )
    scripts = ScriptDirectory(str(sample / "sample_app/migrations"))
    assert scripts.get_bases() == [BASE]
    assert scripts.get_heads() == [new["revision"]]
    assert ancestors(scripts, new["revision"]) >= {*ORDER, BASE}
    migrate_up_and_down(sample, env)
    # The comparison with the models that has just succeeded is able to fail.
    models = sample / "sample_app/models.py"
    table = "\n\nclass Unknown(Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    models.write_text(models.read_text("utf-8") + table, "utf-8")
    assert find_differences(sample, env).exit_code != 0


def test_the_sample_in_the_repository_is_broken() -> None:
    """Nobody has repaired it by accident: everything above depends on that."""
    scripts = ScriptDirectory(str(SAMPLE_APP / "migrations"))
    assert len(scripts.get_bases()) == 3
    assert len(scripts.get_heads()) == 5
