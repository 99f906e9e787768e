"""New revision files, from Alembic's template."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flask_chainfix.chain import source
from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.common.remedies import LINE, Remedy, way
from flask_chainfix.environment.locate import Runtime, script_directory
from flask_chainfix.model.files import Edit, Header, Unreadable
from flask_chainfix.model.plans import NewRevision

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

_LINE = way("link them into one chain, which needs no new file", LINE)
_WIDE = re.compile(r"%(\([^()%]{0,99}\))?[-#0 +]*\d*\.?\d{4}")


def operations(
    upgrades: Mapping[str, str], downgrades: Mapping[str, str], imports: Iterable[str] = ()
) -> dict[str, object]:
    """The variables of a template for a revision with operations.

    Args:
        upgrades: the lines of ``upgrade()`` by bind, not indented.
        downgrades: the lines of ``downgrade()`` by bind.
        imports: what they need besides ``op`` and ``sa``, one import each.
    """
    values: dict[str, object] = {"imports": "\n".join(dict.fromkeys(imports))}
    for name, codes in (("upgrades", upgrades), ("downgrades", downgrades)):
        for bind, code in codes.items():
            values[f"{bind}_{name}"] = indent(code, "    ").strip()
        if "" in codes:  # the name in the template for one database
            values[name] = values[f"_{name}"]
    return values


def render(
    runtime: Runtime,
    new: NewRevision,
    given: Mapping[str, object] = MappingProxyType({}),
) -> tuple[NewRevision, Edit]:
    """Write the text of a new revision, as ``flask db merge`` would, without loading the chain.

    The template is code of the project, which runs here unless ``runtime`` says otherwise.
    ``given`` replaces or adds variables of the template. Without it the revision does nothing, and
    there is a way that needs no new file.

    Returns:
        The new revision with its path, and the edit that creates the file.

    Raises:
        CannotPlan: the template cannot be rendered, or its result is no migration that Alembic
            would find.
    """
    instead = Remedy() if given else _LINE
    script = script_directory(runtime.options)
    if _WIDE.search(script.file_template):
        raise CannotPlan(
            "file_template pads a name to more than 999 characters",
            instead | "correct file_template",
        )
    try:
        path, data = _from_template(runtime, script, new, given)
    except Exception as error:  # a template is code that can raise anything
        raise CannotPlan(
            f"script.py.mako cannot be rendered: {error}",
            instead | "if the template uses the app, use flask db fixchain",
        ) from error
    if not runtime.environment.covers(Path(os.path.abspath(path.parent))):
        raise CannotPlan(
            f"the new revision would be {path}, where Alembic does not look for migrations",
            instead | "correct file_template, or set recursive_version_locations = true",
        )
    _require_header(new, source.read(data, path.name), instead)
    written = data.decode(script.output_encoding).replace("\r\n", "\n")
    upgrades = (str(code) for name, code in given.items() if name.endswith("upgrades"))
    if any(code.strip() not in written for code in upgrades):
        raise CannotPlan(
            "script.py.mako does not write the operations that it is given",
            'have the template write `${upgrades if upgrades else "pass"}` in upgrade()',
        )
    return replace(new, path=path), Edit(path, None, data)


def _from_template(
    runtime: Runtime, script: ScriptDirectory, new: NewRevision, given: Mapping[str, object]
) -> tuple[Path, bytes]:
    """The path of a new revision, and what its template writes."""
    from alembic import util  # most plans need no new file
    from alembic.config import Config
    from alembic.script.revision import tuple_rev_as_scalar

    template = runtime.environment.directory / "script.py.mako"
    if not runtime.own_template and template.is_file():
        # Flask-Migrate's configuration names its own directory, which has no such template.
        template = Path(Config().get_template_directory(), "generic", template.name)
    # Alembic's naming and dating needs a loaded chain.
    create_date = script._generate_create_date()
    path = Path(script._rev_path(str(new.location), new.revision, new.message, create_date))
    words = path.stem.removeprefix(f"{new.revision}_")
    if new.revision.endswith(f"_{words}"):  # its id has the words of its message already
        path = path.with_name(f"{new.revision}.py")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "revision"
        values: dict[str, Any] = {
            "up_revision": new.revision,
            "down_revision": tuple_rev_as_scalar(new.down_revision),
            "branch_labels": None,
            "depends_on": None,
            "create_date": create_date,
            "comma": util.format_as_comma,
            "message": new.message,
            "config": runtime.config,
            **given,
        }
        util.template_to_file(str(template), str(target), script.output_encoding, **values)
        return path, target.read_bytes()


def _require_header(new: NewRevision, reading: Header | Unreadable, instead: Remedy) -> None:
    """Stop if the template did not write the header that it was given."""
    fault = "does not write the revision and down_revision that it is given"
    if isinstance(reading, Unreadable):
        fault = f"writes a migration that {reading.reason}"
    elif (reading.revision, reading.down_revision) == (new.revision, new.down_revision):
        return
    raise CannotPlan(
        f"script.py.mako {fault}",
        "have the template write `revision = ${repr(up_revision)}` and `down_revision ="
        " ${repr(down_revision)}`" | instead,
    )
