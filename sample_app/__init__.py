"""A small panel for game servers, whose migrations came apart into three chains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate  # type: ignore[import-untyped]  # ships no type information

from flask_chainfix import ChainFix

from .models import db

HERE = Path(__file__).resolve().parent


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Build the panel; its database is SAMPLE_DATABASE_URL, or SQLite in the instance folder."""
    app = Flask(__name__, instance_path=str(HERE / "instance"))
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("SAMPLE_DATABASE_URL") or (
        "sqlite:///sample.db"  # in the instance folder, which Flask-SQLAlchemy creates
    )
    app.config.from_mapping(config or {})

    db.init_app(app)
    Migrate(app, db, directory=str(HERE / "migrations"), render_as_batch=True)
    ChainFix(app)

    @app.get("/")
    def status() -> dict[str, Any]:
        """Say that the panel runs, and which tables it knows."""
        return {"status": "ok", "tables": sorted(db.metadata.tables)}

    return app
