"""In the rehearsing process: a chain from the bytes of its files, whatever the disk holds.

The planned chain is not on the disk yet, and the old one no longer is. Each file is run as the
module that it will be or was, with its own place as ``__file__``: migrations find what lies beside
them, and tracebacks name the real files.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import CommandError, load_python_file


class ChainFile(NamedTuple):
    """One file of a chain.

    Attributes:
        path: where it is, or would be.
        data: its bytes; ``None`` for one that Alembic loads from the disk.
        revision: the id that its name gives it, if the file has none.
    """

    path: Path
    data: bytes | None
    revision: str | None

    @classmethod
    def from_request(cls, values: Sequence[Any]) -> ChainFile:
        """Read what the first process has sent."""
        path, data, revision = values
        return cls(Path(path), None if data is None else b64decode(data), revision)


class _Loader(SourceFileLoader):
    """Runs given bytes instead of what is on the disk."""

    def __init__(self, name: str, path: str, data: bytes) -> None:
        super().__init__(name, path)
        self._data = data

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  (importlib's signature)
        code: CodeType = self.source_to_code(self._data, self.path)
        return code


def script_directory(config: Config, files: Sequence[ChainFile]) -> ScriptDirectory:
    """Alembic's view of a chain; its modules are new, as in a process of their own."""
    script = ScriptDirectory.from_config(config)
    script.revision_map = RevisionMap(lambda: _scripts(files))
    return script


def _scripts(files: Sequence[ChainFile]) -> Iterator[Script]:
    for file in files:
        module = _module(file)
        revision = getattr(module, "revision", file.revision)
        if revision is None:
            raise CommandError(f"{file.path.name} has no revision id")
        yield Script(module, revision, str(file.path))


def _module(file: ChainFile) -> ModuleType:
    if file.data is None:
        return load_python_file(str(file.path.parent), file.path.name)
    name = re.sub(r"\W", "_", file.path.name)
    loader = _Loader(name, str(file.path), file.data)
    spec = spec_from_file_location(name, file.path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
