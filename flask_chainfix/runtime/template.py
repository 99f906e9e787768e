"""New revision files, from the project's own ``script.py.mako``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from alembic import util
from alembic.script.revision import tuple_rev_as_scalar

from flask_chainfix.errors import CannotPlan
from flask_chainfix.model import Edit, NewRevision
from flask_chainfix.runtime.environment import Runtime


def render(runtime: Runtime, new: NewRevision) -> tuple[NewRevision, Edit]:
    """Write the text of a new revision, as ``flask db merge`` would, without loading the chain.

    Returns:
        The new revision with its path, and the edit that creates the file.

    Raises:
        CannotPlan: the template cannot be rendered.
    """
    script = runtime.script
    try:
        # Alembic offers its naming and dating only together with loading every migration.
        create_date = script._generate_create_date()
        path = Path(script._rev_path(str(new.location), new.revision, new.message, create_date))
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "revision"
            util.template_to_file(
                str(runtime.environment.directory / "script.py.mako"),
                str(target),
                script.output_encoding,
                up_revision=new.revision,
                down_revision=tuple_rev_as_scalar(new.down_revision),
                branch_labels=None,
                depends_on=None,
                create_date=create_date,
                comma=util.format_as_comma,
                message=new.message,
                config=runtime.config,
            )
            data = target.read_bytes()
    except Exception as error:  # a template is code and can raise anything
        raise CannotPlan(
            f"script.py.mako cannot be rendered: {error}",
            "if the template uses the app, run the command as `flask db fixchain`; or use"
            " --strategy linear, which needs no new file",
        ) from error
    return replace(new, path=path), Edit(path, None, data)
