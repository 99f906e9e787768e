"""Signals that end a command (Ctrl-C, SIGTERM, SIGHUP), so that it ends in an orderly way.

A command that is not at work yet says that nothing was done, and ends. While it is at work, the
first signal raises ``KeyboardInterrupt``, and everything begun is undone; further signals are
ignored. Signals wait while steps must not be separated. What is final is not undone; who makes it
final records that here in the same step.

In a process that does not listen, signals act as in any Python program. A started program ends with
the block that needs it.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

EXIT_CODE = 3
_SAID = b"error: interrupted: nothing was changed\n"
_NAMES = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_KEPT = (signal.SIG_IGN, None)  # ``nohup``; a handler that was not set from Python
_SOON = 0.01  # seconds
_PATIENCE = 3  # seconds


class _Phase(Enum):
    BEGINNING = auto()
    AT_WORK = auto()
    DEAF = auto()


class Done(Enum):
    """What is done and final, so that a signal does not undo it; in words for the user."""

    NOTHING = "nothing was changed, or every file was put back"
    BACKUPS = "finished backups stay, and nothing else was changed"
    FILES = "the files were written"
    REPAIR = "the repair was made"
    SOME = "every file and every stamp is either the old one or the new one"


class _State:
    """The state of this process, whose main thread alone receives signals."""

    listening = False
    phase = _Phase.BEGINNING
    held = 0
    waiting = False
    heard = False
    done = Done.NOTHING


def listen(phase: str = "BEGINNING") -> Callable[[], None]:
    """Handle signals from now on, except those in ``_KEPT``.

    Returns:
        A function that stops handling them.
    """
    if _State.listening or threading.current_thread() is not threading.main_thread():
        return lambda: None
    numbers = [getattr(signal, name) for name in _NAMES]
    handlers = {number: signal.getsignal(number) for number in numbers}
    before = {n: handler for n, handler in handlers.items() if handler not in _KEPT}
    hook = sys.unraisablehook
    _State.listening, _State.phase = True, _Phase[phase]
    _State.heard = _State.waiting = False
    sys.unraisablehook = lambda raised: _unraisable(raised, hook)
    for number in before:
        signal.signal(number, _hear)

    def stop() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook
        _State.listening = False

    return stop


@contextmanager
def listening() -> Iterator[None]:
    """Let signals end this block in an orderly way, even if the process does not listen yet."""
    stop = listen("AT_WORK")
    try:
        yield
    finally:
        stop()


@contextmanager
def at_work() -> Iterator[None]:
    """Let the first signal raise ``KeyboardInterrupt`` in this block, and none after it."""
    _State.phase = _Phase.AT_WORK
    try:
        yield
    finally:
        _State.phase = _Phase.DEAF


@contextmanager
def held() -> Iterator[None]:
    """Delay signals until the steps of this block are done; where nobody listens, only Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if not _State.listening:
        handler, came = signal.getsignal(signal.SIGINT), []
        if handler is None:  # it was not set from Python, which could not restore it
            yield
            return
        signal.signal(signal.SIGINT, lambda *_: came.append(True))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)
            if came:
                signal.raise_signal(signal.SIGINT)
        return
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
        if _State.waiting and not _State.held:
            _State.waiting = False
            _hear()


def record_done(what: Done) -> None:
    """Record what a signal does not undo from here on."""
    _State.done = what


def done_so_far() -> Done:
    """What a signal would not undo now."""
    return _State.done


def _hear(number: int = 0, frame: FrameType | None = None) -> None:
    if _State.held:
        _State.waiting = True
    elif not _State.heard and _State.phase is not _Phase.DEAF:
        _State.heard = True
        if _State.phase is _Phase.AT_WORK:
            raise KeyboardInterrupt
        os.write(2, _SAID)
        raise SystemExit(EXIT_CODE)


def _unraisable(raised: Any, hook: Callable[[Any], object]) -> None:
    """Repeat a signal that Python lost because it came in a destructor or the like."""
    if not (_State.heard and issubclass(raised.exc_type, (KeyboardInterrupt, SystemExit))):
        hook(raised)
        return
    _State.heard = False
    again = threading.Timer(_SOON, _send)
    again.daemon = True
    again.start()


def _send() -> None:
    if hasattr(signal, "pthread_kill"):  # to the thread that may be waiting
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


# --- Other programs ------------------------------------------------------------------------------


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and end it with the block.

    Args:
        command: the program and its arguments.
        options: of ``subprocess.Popen``.
    """
    import subprocess  # most commands start no program

    # Ctrl-C must reach only this process, which ends the other one.
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
            process.kill()


# --- Garbage collection --------------------------------------------------------------------------


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Turn off garbage collection until the block ends."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
