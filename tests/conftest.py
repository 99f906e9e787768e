"""What tests share: copies of the sample app, and databases."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.commands import environment
from tests.databases import KINDS, new_database

SAMPLE_APP = Path(__file__).parent.parent / "sample_app"

settings.register_profile("flask-chainfix", deadline=None)
settings.load_profile("flask-chainfix")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away variables of the developer's shell that change what commands answer."""
    kept = environment()
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A directory with a copy of the broken sample app, in which commands can be run."""
    ignored = shutil.ignore_patterns("instance", "__pycache__", ".fixchain")
    shutil.copytree(SAMPLE_APP, tmp_path / "sample_app", ignore=ignored)
    return tmp_path


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database, of each kind in turn."""
    with new_database(request.param, tmp_path) as url:
        yield url
