"""Projects that somebody has written to take all time or memory of whoever looks at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_HEADER = "revision = {!r}\ndown_revision = {!r}\n\n\n"


def write(place: Path, kind: str, size: int) -> None:
    """Write an environment and an ``alembic.ini`` beside it.

    Args:
        place: a directory that is not there yet.
        kind: one of ``KINDS``.
        size: how much of it.
    """
    versions = place / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").touch()
    (place / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    KINDS[kind](place, versions, size)


def _many_parents(place: Path, versions: Path, size: int) -> None:
    names = [f"p{number}" for number in range(size)]
    for name in names:
        (versions / f"{name}.py").write_text(_HEADER.format(name, None))
    (versions / "m.py").write_text(_HEADER.format("m", tuple(names)))


def _missing_parents(place: Path, versions: Path, size: int) -> None:
    parents = tuple(f"p{number}" for number in range(size))
    (versions / "m.py").write_text(_HEADER.format("m", parents))


def _empty_files(place: Path, versions: Path, size: int) -> None:
    for number in range(size):
        (versions / f"f{number}.py").touch()


def _strings(place: Path, versions: Path, size: int) -> None:
    lines = "".join("    x = f'{x}{x}'\n" for _ in range(size))
    body = f"def upgrade():\n    x = 'a'\n{lines}    op.execute(x)\n"
    (versions / "a.py").write_text(f"from alembic import op\n{_HEADER.format('a', None)}{body}")
    (versions / "b.py").write_text(_HEADER.format("b", None))  # a second base has all be followed


def _interpolation(place: Path, versions: Path, size: int) -> None:
    lines = [f"a{number} = " + f"%(a{number - 1})s" * size for number in range(1, 9)]
    ini = "\n".join(["[alembic]", "a0 = x", *lines, "script_location = %(a8)s", ""])
    (place / "alembic.ini").write_text(ini)


KINDS: dict[str, Callable[[Path, Path, int], None]] = {
    "parents of one merge": _many_parents,
    "missing parents of one merge": _missing_parents,
    "empty files": _empty_files,
    "f-strings, each of two": _strings,
    "interpolations in each value": _interpolation,
}
