"""The databases of the Flask app that a command runs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Engine

from flask_chainfix.errors import BadDatabase
from flask_chainfix.remedies import Remedy
from flask_chainfix.runtime.messages import masked, said


def app_engines(remedy: str | Remedy) -> Mapping[str | None, Engine]:
    """The engines of the current app's databases by their binds, the default one (``None``) first.

    Args:
        remedy: what can be done where they cannot be found.

    Raises:
        BadDatabase: they cannot be found.
    """
    from flask import current_app

    try:
        engines: dict[str | None, Any] = current_app.extensions["migrate"].db.engines
    except Exception as error:  # whatever the app's configuration makes SQLAlchemy raise
        raise BadDatabase(
            f"the app's databases cannot be found: {masked(said(error))}", remedy
        ) from error
    return dict(sorted(engines.items(), key=lambda item: item[0] is not None))
