"""Signatures: they show that this user has written a file on this machine.

A repository can bring along any file, and any folder; what it cannot bring is the key. That lies in
the user's own directory for state (XDG Base Directory Specification), readable for the user alone.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from flask_chainfix.common.errors import CannotWrite
from flask_chainfix.disk.files import NOFOLLOW, sync_directory, write_synced

_KEY_BYTES = 32


_SEAL_LENGTH = 64  # hexadecimal digits of SHA-256


_CHUNK = 1 << 20


_OTHERS = 0o077


class NotOurs(Exception):
    """A file is not one that this user has written on this machine; the text says why."""


class Seal:
    """Signs what is written for one purpose, and checks such signatures.

    Args:
        key: the user's.
        purpose: what is signed, so that it counts nowhere else.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        from hashlib import sha256  # it takes long to load, and a check rarely finds a journal
        from hmac import new

        self._begun = new(key, f"{purpose}\0".encode(), sha256)

    def of(self, data: bytes) -> bytes:
        """The signature, in hexadecimal."""
        begun = self._begun.copy()
        begun.update(data)
        return begun.hexdigest().encode()

    def signed(self, data: bytes) -> bytes:
        """The data with its signature before it."""
        return b"%s %s" % (self.of(data), data)

    def opened(self, signed: bytes) -> bytes:
        """The data, if its signature is right.

        Raises:
            NotOurs: it has none, or another.
        """
        from hmac import compare_digest

        signature, _, data = signed.partition(b" ")
        if len(signature) != _SEAL_LENGTH:
            raise NotOurs("it is not signed (earlier versions did not sign)")
        if not compare_digest(signature, self.of(data)):
            raise NotOurs("it was not signed by this user on this machine")
        return data

    def read(self, path: Path) -> bytes:
        """The data of a signed file; it is held in memory only if its signature is right.

        Raises:
            NotOurs: it is no such file.
            OSError: it cannot be read.
        """
        from hmac import compare_digest

        descriptor = open_private(path)
        with os.fdopen(descriptor, "rb") as file:
            signature = file.read(_SEAL_LENGTH + 1)
            begun = self._begun.copy()
            while chunk := file.read(_CHUNK):
                begun.update(chunk)
            if not compare_digest(signature, begun.hexdigest().encode() + b" "):
                return self.opened(signature)  # which says what is wrong
            file.seek(0)
            return self.opened(file.read())


def key_path() -> Path | None:
    """Where the user's key is; ``None`` where the user has no directory of the kind."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the specification has such ones ignored
        state = os.environ.get("LOCALAPPDATA", "") if os.name == "nt" else ""
        state = state or os.path.join(os.path.expanduser("~"), ".local", "state")
    path = Path(state, "flask-chainfix", "journal.key")
    return path if path.is_absolute() else None


def known_key() -> bytes:
    """The user's key.

    Raises:
        NotOurs: there is none that nobody else knows.
    """
    path = key_path()
    if path is None:
        raise NotOurs("you have no home directory with a key to check it")
    try:
        with os.fdopen(open_private(path), "rb") as file:
            key = file.read(_KEY_BYTES + 1)
    except FileNotFoundError:
        raise NotOurs(f"there is no key on this machine to check it ({path})") from None
    except (OSError, NotOurs) as error:
        raise NotOurs(f"the key to check it cannot be used: {path}: {error}") from error
    if len(key) != _KEY_BYTES:
        raise NotOurs(f"the key to check it is damaged ({path})")
    return key


def own_key() -> bytes:
    """The user's key, which is made on first use.

    Raises:
        CannotWrite: there is none, and none can be kept.
    """
    path = key_path()
    try:
        if path is not None and not os.path.lexists(path):
            _make_key(path)
        return known_key()
    except (OSError, NotOurs) as error:
        raise CannotWrite(
            f"the key that signs the journal cannot be stored: {error}",
            "correct that, or set XDG_STATE_HOME to a directory of your own that can be written,"
            " now and when you run undo",
            unchanged=True,
        ) from error


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    write_synced(draft, os.urandom(_KEY_BYTES), mode=0o600)
    try:
        with suppress(FileExistsError):  # another process was faster, and its key counts
            os.link(draft, path)
    except OSError:  # a file system without hard links
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


def open_private(path: Path) -> int:
    """Open a regular file of the user's own, which nobody else may read or write, for reading.

    Returns:
        The descriptor.

    Raises:
        NotOurs: it is something else, or somebody else's.
        OSError: it cannot be opened.
    """
    if path.is_symlink():
        raise NotOurs("it is a symbolic link")
    descriptor = os.open(
        path,
        os.O_RDONLY | NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0),
    )
    try:
        _refuse_others(os.fstat(descriptor))
    except NotOurs:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_others(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotOurs("it is no regular file")
    if hasattr(os, "getuid"):
        if status.st_uid != os.geteuid():
            raise NotOurs("it belongs to another user")
        if status.st_mode & _OTHERS:
            raise NotOurs("other users may read or write it")
