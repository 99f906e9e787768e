"""Single files: written to survive a crash, signed by this user, one process at a time.

A repository can contain any file, but not the key of a signature, which is in the user's own state
directory (XDG Base Directory Specification), readable only by the user.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from flask_chainfix.common.errors import CannotWrite, RepairRunning
from flask_chainfix.common.regular_files import read_regular

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


BINARY, NOFOLLOW = getattr(os, "O_BINARY", 0), getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_KEY_BYTES = 32
_SEAL_LENGTH = 64  # hexadecimal digits of SHA-256
_CHUNK = 1 << 20
_OPTIMIZED = re.compile(r"\.opt-\w+$")


def beside(path: Path, kind: str) -> Path:
    """A name beside a file that does not end in ``.py``, so Alembic does not load it."""
    return path.with_name(f".{path.name}.fixchain-{kind}")


def read_or_none(path: Path) -> bytes | None:
    """The bytes of a file; ``None`` if it does not exist.

    Raises:
        OSError: it is not a regular file, or cannot be read.
    """
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes; they are on the disk when this returns.

    Raises:
        OSError: they cannot be written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def write_synced(path: Path, data: bytes, like: Path | None = None, mode: int = 0o666) -> None:
    """Write a file; it is on the disk when this returns.

    Args:
        path: the file, which is replaced if it exists.
        data: its bytes.
        like: a file whose mode and owner it gets.
        mode: its mode without ``like``, less the umask.

    Raises:
        OSError: it cannot be written; then no part of it is left.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, mode)
    try:
        try:
            if like is not None:  # first, so that a file with all its bytes also has its mode
                _take_after(path, like)
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_at_once(path: Path, data: bytes) -> None:
    """Replace a file atomically: it always has all of its old or its new content.

    Args:
        path: the file; for a link, its target is written.
        data: its bytes.

    Raises:
        OSError: it cannot be written; then it is unchanged.
    """
    target = Path(os.path.realpath(path))
    new = beside(target, f"output-{os.getpid()}")  # another process may be writing it
    write_synced(new, data, like=target if target.exists() else None)
    try:
        os.replace(new, target)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def append(path: Path, data: bytes) -> None:
    """Append to a file that other processes create and read.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("ab") as file:
        file.write(data)


def _take_after(path: Path, like: Path) -> None:
    from shutil import copymode  # what only reads goes without

    status = os.stat(like)
    if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        # Only root may change the owner; the content matters more.
        with suppress(PermissionError):
            os.chown(path, status.st_uid, status.st_gid)
    copymode(like, path)  # after chown, which clears some bits


def sync_directory(directory: Path) -> None:
    """Sync the names in a directory to the disk, if the system can do that."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def bytecode_cache(source: Path) -> Path:
    """The path of Python's bytecode cache of a file."""
    return source.parent / "__pycache__"


def drop_bytecode(source: Path) -> None:
    """Delete this interpreter's bytecode cache of a file, unless it is a link.

    It stays valid for a source of the same size and time in seconds, as after replacing an id.
    """
    if not bytecode_cache(source).is_symlink():
        with suppress(NotImplementedError):  # an interpreter without such a cache
            Path(importlib.util.cache_from_source(str(source))).unlink(missing_ok=True)


def drop_all_bytecode(sources: Iterable[Path]) -> None:
    """Delete the bytecode caches of files, for any interpreter."""
    stems: dict[Path, set[str]] = {}
    for source in sources:
        drop_bytecode(source)
        stems.setdefault(bytecode_cache(source), set()).add(source.stem)
    for cache, changed in stems.items():
        for cached in () if cache.is_symlink() else cache.glob("*.py[co]"):
            # x.cpython-311.pyc, x.cpython-311.opt-1.pyc
            if _OPTIMIZED.sub("", cached.stem).rpartition(".")[0] in changed:
                cached.unlink(missing_ok=True)


# --- One repair at a time: a lock that the system releases when its process dies -----------------


def directory_for(environment: Path) -> Path:
    """The directory of an environment's journals and its lock."""
    return environment / ".fixchain"


@contextmanager
def locked(environment: Path) -> Iterator[None]:
    """Hold the lock of an environment.

    Raises:
        RepairRunning: another process holds it; this does not wait.
        CannotWrite: the journal's directory cannot be created, or is a link elsewhere.
    """
    directory = directory_for(environment)
    try:
        _refuse_link(directory)
        directory.mkdir(
            mode=0o700, exist_ok=True
        )  # only those who may read the files may read the old bytes
        # Journals belong to this checkout; their own .gitignore leaves the project's alone.
        with suppress(FileExistsError), (directory / ".gitignore").open("x") as ignore:
            ignore.write("*\n")
        descriptor = _open_lock(directory, os.O_CREAT)
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or directory} cannot be written: {error.strerror}",
            "make sure that it can be written, and is not a link",
            unchanged=True,
        ) from error
    try:
        try:
            _try_lock(descriptor)
        except OSError as error:
            raise RepairRunning(
                "another repair of this environment is running",
                "wait until it has ended",
                unchanged=True,
            ) from error
        yield
    finally:
        with suppress(OSError):  # what was done under the lock is valid, even if closing fails
            os.close(descriptor)


def is_locked(environment: Path) -> bool:
    """Whether a process holds the lock right now, found out without writing."""
    directory = directory_for(environment)
    try:
        _refuse_link(directory)
        descriptor = _open_lock(directory)
    except OSError:
        return False
    try:
        _try_lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open_lock(directory: Path, flags: int = 0) -> int:
    _refuse_link(directory / "lock")
    return os.open(directory / "lock", os.O_RDWR | NOFOLLOW | flags, 0o666)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed", str(path))


# --- Signatures: proof that this user has written a file on this machine -------------------------


class NotOurs(Exception):
    """This user has not written the file on this machine; the text says why."""


class Seal:
    """Signs data for one purpose, and checks such signatures.

    Args:
        key: the user's key.
        purpose: the purpose; a signature is valid only for this one.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        from hashlib import sha256  # slow to import, and a check rarely finds a journal
        from hmac import new

        self._begun = new(key, f"{purpose}\0".encode(), sha256)

    def _of(self, chunks: Iterable[bytes]) -> bytes:
        begun = self._begun.copy()
        for chunk in chunks:
            begun.update(chunk)
        return begun.hexdigest().encode()

    def signed(self, data: bytes) -> bytes:
        """The data with its signature before it, in hexadecimal."""
        return b"%s %s" % (self._of([data]), data)

    def opened(self, signed: bytes) -> bytes:
        """The data, if its signature is valid.

        Raises:
            NotOurs: it has none, or an invalid one.
        """
        from hmac import compare_digest

        signature, _, data = signed.partition(b" ")
        if len(signature) != _SEAL_LENGTH:
            raise NotOurs("it is not signed (earlier versions did not sign)")
        if not compare_digest(signature, self._of([data])):
            raise NotOurs("it was not signed by this user on this machine")
        return data

    def read(self, path: Path) -> bytes:
        """The data of a signed file; it is kept in memory only if the signature is valid.

        Raises:
            NotOurs: it is no such file.
            OSError: it cannot be read.
        """
        from hmac import compare_digest

        with os.fdopen(open_private(path), "rb") as file:
            signature = file.read(_SEAL_LENGTH + 1)
            chunks = iter(partial(file.read, _CHUNK), b"")
            if not compare_digest(signature, self._of(chunks) + b" "):
                return self.opened(signature)  # it says what is wrong
            file.seek(0)
            return self.opened(file.read())


def key_path() -> Path | None:
    """The path of the user's key; ``None`` if the user has no state directory."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the specification says to ignore these
        state = os.environ.get("LOCALAPPDATA", "") if os.name == "nt" else ""
        state = state or os.path.join(os.path.expanduser("~"), ".local", "state")
    path = Path(state, "flask-chainfix", "journal.key")
    return path if path.is_absolute() else None


def known_key() -> bytes:
    """The user's key.

    Raises:
        NotOurs: there is none, or others can read it.
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
    """The user's key, created on first use.

    Raises:
        CannotWrite: there is none, and none can be stored.
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
        with suppress(FileExistsError):  # another process was faster; its key is used
            os.link(draft, path)
    except OSError:  # a file system without hard links
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


def open_private(path: Path) -> int:
    """Open a regular file for reading that only this user may read or write.

    Raises:
        NotOurs: it is something else, or belongs to somebody else.
        OSError: it cannot be opened.
    """
    if path.is_symlink():
        raise NotOurs("it is a symbolic link")
    descriptor = os.open(path, os.O_RDONLY | NOFOLLOW | _NONBLOCK | BINARY)
    status, why = os.fstat(descriptor), ""
    if not stat.S_ISREG(status.st_mode):
        why = "it is not a regular file"
    elif hasattr(os, "getuid") and status.st_uid != os.geteuid():
        why = "it belongs to another user"
    elif hasattr(os, "getuid") and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        why = "other users may read or write it"
    if why:
        os.close(descriptor)
        raise NotOurs(why)
    return descriptor
