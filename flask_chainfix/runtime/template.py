"""New revision files, from the project's own ``script.py.mako``."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from alembic import util
from alembic.script.revision import tuple_rev_as_scalar

from flask_chainfix import source
from flask_chainfix.errors import CannotPlan
from flask_chainfix.model import Edit, Header, NewRevision, Unreadable
from flask_chainfix.remedies import LINE, way
from flask_chainfix.runtime.environment import Runtime

_LINE = way("link them into one chain, which needs no new file", LINE)
_DEFAULT_NAME = "%(rev)s_%(slug)s"
_WIDE = re.compile(r"%(\([^()%]{0,99}\))?[-#0 +]*\d*\.?\d{4}")


def render(runtime: Runtime, new: NewRevision, stem: str | None = None) -> tuple[NewRevision, Edit]:
    """Write the text of a new revision, as ``flask db merge`` would, without loading the chain.

    The template is code of the project, which runs here unless ``runtime`` says otherwise.

    Args:
        runtime: the environment.
        new: the revision.
        stem: the name of its file, without the suffix, where ``file_template`` says nothing;
            ``None`` for Alembic's default.

    Returns:
        The new revision with its path, and the edit that creates the file.

    Raises:
        CannotPlan: the template cannot be rendered, or makes no migration that Alembic would find.
    """
    script = runtime.script
    if _WIDE.search(script.file_template):
        raise CannotPlan(
            "file_template pads a name to more than 999 characters",
            _LINE | "correct file_template",
        )
    try:
        # Alembic offers its naming and dating only together with loading every migration.
        create_date = script._generate_create_date()
        path = Path(script._rev_path(str(new.location), new.revision, new.message, create_date))
        if stem is not None and script.file_template == _DEFAULT_NAME:
            path = path.with_name(f"{stem}.py")
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "revision"
            util.template_to_file(
                str(_template(runtime)),
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
            _LINE | "if the template uses the app, use flask db fixchain",
        ) from error
    _require_searched(runtime, path)
    _require_header(new, source.read(data, path.name))
    return replace(new, path=path), Edit(path, None, data)


def _template(runtime: Runtime) -> Path:
    own = runtime.environment.directory / "script.py.mako"
    if runtime.own_template or not own.is_file():
        return own
    return Path(runtime.config.get_template_directory(), "generic", own.name)


def _require_searched(runtime: Runtime, path: Path) -> None:
    """Stop where Alembic would not find the file."""
    locations = runtime.environment.version_locations
    folder = Path(os.path.abspath(path.parent))
    below = any(folder.is_relative_to(location) for location in locations)
    if folder not in locations and not (runtime.environment.recursive and below):
        raise CannotPlan(
            f"the new revision would be {path}, where Alembic does not look for migrations",
            _LINE | "correct file_template, or set recursive_version_locations = true",
        )


def _require_header(new: NewRevision, reading: Header | Unreadable) -> None:
    """Stop where the template does not write the header that it was given."""
    if isinstance(reading, Unreadable):
        fault = f"writes a migration that {reading.reason}"
    elif (reading.revision, reading.down_revision) != (new.revision, new.down_revision):
        fault = "does not write the revision and down_revision that it is given"
    else:
        return
    raise CannotPlan(
        f"script.py.mako {fault}",
        "have the template write `revision = ${repr(up_revision)}` and `down_revision ="
        " ${repr(down_revision)}`" | _LINE,
    )
