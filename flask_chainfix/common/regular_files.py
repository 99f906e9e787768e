"""Reading files that others have made, without ever waiting for one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

LARGEST = 64 * 1024 * 1024
"""The default size limit of a file, in bytes."""

LARGEST_CODE = 1024 * 1024
"""The size limit of a configuration file and an ``env.py``, in bytes."""

# Opening a pipe does not wait, and a terminal does not become the controlling one.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK")
)


def read_regular(path: str | os.PathLike[str], largest: int = LARGEST) -> bytes:
    """The bytes of a regular file, or of a link's target.

    Args:
        path: the file.
        largest: the size limit in bytes.

    Raises:
        OSError: it cannot be read, is not a regular file, or is too large; ``strerror`` says why.
    """
    return read_with_status(path, largest)[0]


def read_with_status(
    path: str | os.PathLike[str], largest: int = LARGEST
) -> tuple[bytes, os.stat_result]:
    """The bytes of a regular file, with its status at the same moment.

    Raises:
        OSError: as ``read_regular``.
    """
    with _opened(path) as (descriptor, status):
        data = chunk = os.read(descriptor, min(status.st_size, largest) + 1)
        # It may have grown since its size was read, and the kernel's virtual files have none.
        while len(data) <= largest and len(chunk) > status.st_size:
            chunk = os.read(descriptor, status.st_size + 1)
            data += chunk
        if len(data) > largest:
            raise OSError(errno.EFBIG, f"it has more than {largest:,} bytes", os.fspath(path))
        return data, status


def read_beginning(path: str | os.PathLike[str], length: int) -> bytes:
    """The first bytes of a regular file, at most ``length``.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    with _opened(path) as (descriptor, _):
        return os.read(descriptor, length)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[int, os.stat_result]]:
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
        yield descriptor, status
    finally:
        os.close(descriptor)
