"""A project that has hostile words wherever a repository or a database can put some."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.strings import CANARY
from tests.disk import ENV_PY
from tests.repositories import Repository

SECRET = "s3cretword"

# What each source fills: fields of the model, with the words of others.
SOURCES: Mapping[str, frozenset[str]] = {
    "ids": frozenset({"Header.revision", "Header.down_revision", "Header.depends_on"}),
    "labels": frozenset({"Header.branch_labels"}),
    "messages": frozenset(
        {"Header.message", "Header.revises", "Header.revision_id", "Header.create_date"}
    ),
    "paths": frozenset({"Environment.directory", "Environment.version_locations"}),
    "refs": frozenset(
        {
            "PublishedChain.name",
            "PublishedChain.ref",
            "PublishedChain.short",
            "Settings.main_branch",
            "Settings.published",
        }
    ),
    "rows": frozenset({"DatabaseWishes.stamps", "DatabaseStatus.rows"}),
    "settings": frozenset(
        {
            "Settings.ignore",
            "Settings.ignore_objects",
            "Settings.intended_bases",
            "Settings.version_table",
            "Settings.version_table_schema",
        }
    ),
    "urls": frozenset({"DatabaseWishes.urls", "DatabaseWishes.file", "DatabaseWishes.schemas"}),
}


@dataclass(frozen=True)
class Words:
    """A hostile string for each source, as far as the source can hold it."""

    ids: str
    labels: str
    messages: str
    paths: str
    refs: str
    rows: str
    settings: str
    urls: str

    @property
    def legal_id(self) -> str:
        """An id that Alembic takes, if it is asked to."""
        return re.sub(r"[@+:,=\0\udc80-]", "_", self.ids).strip() or "id"

    @property
    def path(self) -> str:
        """A name of a file or a directory."""
        return os.fsencode(re.sub(r"[\0/]", "_", self.paths))[:80].decode(
            "utf-8", "surrogateescape"
        )

    @property
    def directory(self) -> str:
        """A name of a directory; one with a colon is a package and a folder, for Alembic."""
        return self.path.replace(":", "_")

    @property
    def file(self) -> str:
        """A part of the name of a migration; one with a line end is none, for Alembic."""
        return self.path.replace("\n", "_")

    @property
    def ref(self) -> str:
        """A name that Git takes for a branch."""
        kept = re.sub(r"[\x00-\x20\x7f~^:?*\[\\/.@{\udc80\s,;#]", "", self.refs)
        return f"{kept}x"

    @property
    def setting(self) -> str:
        """One value of an ini file."""
        return re.sub(r"[\s,;#\x1c-\x1f\udc80\0]", "", self.settings) or "x"

    @property
    def url(self) -> str:
        """What is to be told of a database that nobody reaches, with a secret."""
        part = re.sub(r"[@:/?#&=\0\udc80\s]", "_", self.urls)
        return f"postgresql://u:{SECRET}@127.0.0.1:1/{part}?sslkey={part}&{part}={SECRET}"


def words_of(given: list[str]) -> Words:
    """Eight strings, one for each source; fewer are used again."""
    names = list(SOURCES)
    return Words(**{name: given[at % len(given)] for at, name in enumerate(names)})


def migration(id_: str, parent: str | None, words: Words | None = None) -> bytes:
    """A migration whose header says as much as is to be said, as Python writes it."""
    said = f"\n\nRevision ID: {words.messages}\nRevises: {words.messages}\n" if words else "\n"
    labels = (words.labels,) if words and parent == "start" and not id_.startswith("lost") else None
    text = (
        f"{f'{words.messages if words else id_}{said}'!r}\n"
        f"revision = {id_!r}\ndown_revision = {parent!r}\n"
        f"branch_labels = {labels!r}\ndepends_on = None\n\n\n"
        "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
    )
    return text.encode("utf-8", "backslashreplace")


class Attacked:
    """The project, in the working directory.

    Attributes:
        top: the working directory.
        directory: the migrations, as they are named with ``-d``.
        database: the URL of its database.
    """

    def __init__(self, top: Path, words: Words, *, sound: bool) -> None:
        self.top = top
        self.words = words
        self.directory = words.directory
        self.database = "sqlite:///rows.db"
        self.lost = f"lost{words.legal_id}"
        self.one = words.legal_id if sound else words.ids
        repository = Repository(top)
        versions = top / self.directory / "versions"
        versions.mkdir(parents=True)
        (top / self.directory / "env.py").write_text(ENV_PY)
        self.write_settings("postgresql")
        (versions / "start.py").write_bytes(migration("start", None))
        lost = versions / f"lost{words.file}.py"
        lost.write_bytes(migration(self.lost, "start", words))
        repository.commit(1)
        repository.git("update-ref", f"refs/heads/{words.ref}", "HEAD")
        lost.unlink()
        (versions / f"one{words.file}.py").write_bytes(migration(self.one, "start", words))
        (versions / "two.py").write_bytes(migration("two", "start"))
        if not sound:
            (versions / "three.py").write_bytes(migration("three", self.lost, words))
        repository.commit(2)
        self.write_rows("start", words.rows, self.lost)

    def write_settings(self, backend: str) -> None:
        """Say in the settings which kind of database there is, and what is hostile."""
        ref, setting = (each.replace("%", "%%") for each in (self.words.ref, self.words.setting))
        (self.top / self.directory / "alembic.ini").write_text(
            f"[alembic]\nsqlalchemy.url = {backend}://127.0.0.1:1/x\n"
            f"[fixchain]\nmain_branch = {ref}\nintended_bases = {setting}\n",
            "utf-8",
        )

    def write_rows(self, *rows: str) -> None:
        """Give the database these rows, and a table that is to stay."""
        with sqlite3.connect(self.top / "rows.db") as connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute(f"CREATE TABLE {CANARY} (id INTEGER)")
            told = {row.replace("\udc80", "").replace("\0", "") for row in rows}
            connection.executemany(
                "INSERT INTO alembic_version VALUES (?)", [(row,) for row in sorted(told)]
            )
        connection.close()
