"""Migration environments on a real disk, and how they look before and after a command."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from flask_chainfix.disk.journal import Journal
from flask_chainfix.disk.past_repairs import read_journals
from flask_chainfix.disk.safe_files import Seal, own_key
from tests.support import Rev, chain, write

ENV_PY = '"""No test runs this: Alembic needs it only to upgrade."""\n'
SCRIPT_MAKO = '''\
"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
"""
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade():
    pass


def downgrade():
    pass
'''

# Three chains beside each other: a repair rewrites two files.
BROKEN = ("a", "b <- a", "c", "d <- c", "e")


class Node(NamedTuple):
    """What is at a place of a directory tree."""

    content: bytes | str | None
    mode: int
    mtime_ns: int


def environment(place: Path, *specs: str | Rev) -> Path:
    """Make a migration environment of these revisions (of ``BROKEN`` ones without)."""
    (place / "versions").mkdir(parents=True)
    (place / "env.py").write_text(ENV_PY)
    (place / "script.py.mako").write_text(SCRIPT_MAKO)
    write(chain(*(specs or BROKEN)), place)
    return place


def tree(place: Path) -> dict[str, Node]:
    """Everything below a directory: bytes of files, targets of links, modes and times."""
    found = {}
    for path in sorted(place.rglob("*")):
        status = path.lstat()
        content: bytes | str | None = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        mtime_ns = 0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        found[str(path.relative_to(place))] = Node(content, stat.S_IMODE(status.st_mode), mtime_ns)
    return found


def migrations(place: Path) -> dict[str, tuple[bytes | str | None, int]]:
    """Contents and modes of everything in the version location but what Python caches there."""
    found = tree(place / "versions")
    return {name: node[:2] for name, node in found.items() if "__pycache__" not in name}


def all_journals(place: Path) -> list[Journal]:
    """The journals of what has come to its end, the oldest first."""
    return [*read_journals(place).ended]


def latest(place: Path) -> Journal | None:
    """The newest journal."""
    return read_journals(place).latest


def document_of(journal: Path) -> dict[str, Any]:
    """What a journal says."""
    document = json.loads(journal.read_bytes().partition(b" ")[2])
    assert isinstance(document, dict)
    return document


def sign(journal: Path, data: bytes) -> None:
    """Have the user's own journal say something else, as if flask-chainfix had written it."""
    journal.write_bytes(Seal(own_key(), f"journal {journal.stem}").signed(data))
    journal.chmod(0o600)
