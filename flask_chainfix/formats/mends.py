"""What was put right in single migrations, in words and as data."""

from __future__ import annotations

from typing import Any

from flask_chainfix.formats.style import shown_path
from flask_chainfix.languages import printable
from flask_chainfix.model import Mend, Part


def mended(mend: Mend) -> str:
    """What a mend changes."""
    before, after = (printable(", ".join(ids)) or "None" for ids in (mend.before, mend.after))
    if mend.part is Part.FILE:
        return f"{printable(mend.path.name)} is deleted"
    # While an id stands twice, it does not tell which file is meant.
    where = f" in {printable(mend.path.name)}" if mend.part is Part.ID else ""
    return f"{mend.part.value}{where}: {before} → {after}"


def as_json(mends: tuple[Mend, ...]) -> list[dict[str, Any]]:
    """The value of the plan's key ``mends``."""
    return [
        {
            "code": mend.code,
            "part": mend.part.value,
            "revision": mend.revision,
            "path": shown_path(mend.path),
            "before": list(mend.before),
            "after": list(mend.after),
            "why": [{"kind": reason.kind, "detail": reason.detail} for reason in mend.why],
        }
        for mend in mends
    ]
