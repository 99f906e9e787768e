"""Migration environments that can really run, for the tests of rehearsals."""

from __future__ import annotations

import shutil
import sys
from io import StringIO
from pathlib import Path
from textwrap import dedent, indent

import pytest
from alembic import command
from alembic.config import Config

from tests.conftest import SAMPLE_APP

# What `alembic init` makes, shortened.
PLAIN_ENV = """\
from alembic import context
from sqlalchemy import engine_from_config, pool
{models}

def run():
    section = context.config.get_section(context.config.config_ini_section) or {{}}
    engine = engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()

run()
"""
MODELS = """\
from sqlalchemy import Column, Integer, MetaData, String, Table
target_metadata = MetaData()
for name in "abc":
    Table(name, target_metadata, Column("id", Integer, primary_key=True))
"""
APP = """\
from flask import Flask
from flask_chainfix import ChainFix
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()

class A(db.Model):
    __tablename__ = "a"
    id = db.Column(db.Integer, primary_key=True)

class B(db.Model):
    __tablename__ = "b"
    id = db.Column(db.Integer, primary_key=True)

class C(db.Model):
    __tablename__ = "c"
    id = db.Column(db.Integer, primary_key=True)

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = {uri!r}
    app.config["SQLALCHEMY_BINDS"] = {binds!r}
    db.init_app(app)
    Migrate(app, db)
    ChainFix(app)
    {more}
    return app
"""
_MIGRATION = '''\
"""add {revision}"""
from alembic import op
import sqlalchemy as sa

revision = {revision!r}
down_revision = {parents!r}
branch_labels = None
depends_on = None


def upgrade():
{up}


def downgrade():
{down}
'''


def create(table: str) -> str:
    return f"op.create_table({table!r}, sa.Column('id', sa.Integer(), primary_key=True))"


def drop(table: str) -> str:
    return f"op.drop_table({table!r})"


def add(
    project: Path, spec: str, up: str | None = None, down: str | None = None, before: str = ""
) -> Path:
    """Write a migration: ``add(project, "b <- a", "op.execute(…)")``; else it makes table ``b``."""
    revision, _, parents = (part.strip() for part in spec.partition("<-"))
    names = tuple(parents.replace(",", " ").split())
    text = _MIGRATION.format(
        revision=revision,
        parents=(names[0] if names else None) if len(names) < 2 else names,
        up=indent(dedent(create(revision) if up is None else up), "    "),
        down=indent(dedent(drop(revision) if down is None else down), "    "),
    )
    path = project / "migrations/versions" / f"{revision}_add.py"
    path.write_text(text.replace("\n\ndef upgrade", f"\n{before}\n\ndef upgrade", 1))
    return path


def upgrade(project: Path, url: str, to: str) -> None:
    """Have Alembic itself upgrade a database of a plain environment."""
    command.upgrade(_config(project, url), to)


def stamp(project: Path, url: str, to: str) -> None:
    """Have Alembic itself stamp one."""
    command.stamp(_config(project, url), to)


def statements(project: Path, url: str, span: str, about: str) -> list[str]:
    """The SQL that Alembic itself prints for a range of revisions, as far as it is about a name."""
    config = _config(project, url)
    config.output_buffer = StringIO()
    command.upgrade(config, span, sql=True)
    return [line for line in config.output_buffer.getvalue().splitlines() if about in line]


def _config(project: Path, url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(project / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def line_of(path: Path, code: str) -> int:
    """The 1-based line of a file that holds this code."""
    (line,) = (
        number for number, text in enumerate(path.read_text().splitlines(), 1) if code in text
    )
    return line


def empty_project(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory, from which an app can be loaded in this process."""
    project = place / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")  # as Flask will, and then take it away
    return project


def plain(project: Path, *specs: str, models: str = MODELS) -> Path:
    """A plain Alembic environment in ``migrations``; each revision makes a table of its name."""
    versions = project / "migrations/versions"
    versions.mkdir(parents=True)
    (project / "migrations/env.py").write_text(PLAIN_ENV.format(models=models))
    shutil.copy(SAMPLE_APP / "migrations/script.py.mako", project / "migrations")
    for spec in specs:
        add(project, spec)
    return project


def with_naming_convention(project: Path) -> None:
    """Have the models name checks as SQLAlchemy recommends."""
    env_py = project / "migrations/env.py"
    naming = '{"ck": "ck_%(table_name)s_%(constraint_name)s"}'
    named = f"target_metadata = MetaData(naming_convention={naming})"
    env_py.write_text(env_py.read_text().replace("target_metadata = MetaData()", named))


def with_app(
    project: Path,
    *specs: str,
    uri: str = "sqlite:///own.db",
    binds: dict[str, str] | None = None,
    more: str = "",
) -> Path:
    """A Flask app in ``panel.py`` with Flask-Migrate's own ``env.py``."""
    plain(project, *specs)
    for name in ("env.py", "alembic.ini"):
        shutil.copy(SAMPLE_APP / "migrations" / name, project / "migrations")
    (project / "panel.py").write_text(APP.format(uri=uri, binds=binds or {}, more=more))
    return project
