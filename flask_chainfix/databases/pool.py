"""Work on many databases at once, which ends even where a database does not answer.

Each connection has a thread of its own, one that does not keep the process alive. What it has
found out comes back through a queue; where nothing comes for too long, the thread is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

from flask_chainfix.databases import limits
from flask_chainfix.databases.targets import Target

T = TypeVar("T")


R = TypeVar("R")


class GivenUp(Exception):
    """Nobody waits for this thread any longer, so it must not change anything."""


class Job(Generic[T]):
    """Items that share one connection.

    Attributes:
        items: by their places among all items.
        within: how many seconds from now on all of it may take; ``None`` for as long as something
            is heard.
    """

    def __init__(self, items: Mapping[int, T], within: float | None = None) -> None:
        self.items = items
        self.within = within
        self._made = monotonic()
        self._lock = Lock()
        self._given_up = False
        self._final: int | None = None
        self._heard = monotonic()

    @property
    def deadline(self) -> float:
        """When something must have been heard of it, on the clock of ``monotonic``."""
        if self.within is not None:
            return self._made + self.within
        return self._heard + limits.SILENCE

    def heard(self) -> None:
        """Note that the database is alive."""
        self._heard = monotonic()

    def make_final(self, index: int) -> None:
        """Note that an item's change is about to be made final.

        Raises:
            GivenUp: it was said already that nothing has changed.
        """
        with self._lock:
            if self._given_up:
                raise GivenUp
            self._final = index

    def give_up(self) -> int | None:
        """Wait no longer; the item whose change may become final nevertheless."""
        with self._lock:
            self._given_up = True
            return self._final


Work = Callable[[Job[T]], Iterator[tuple[int, R]]]


def jobs_for(
    items: Sequence[T], target_of: Callable[[T], Target], within: float | None = None
) -> list[Job[T]]:
    """Share out items by the connections that they need, a few for a database of many schemas."""
    together: dict[object, dict[int, T]] = {}
    for index, item in enumerate(items):
        target = target_of(item)
        place = target.url if target.engine is None else id(target.engine)
        together.setdefault(place, {})[index] = item
    jobs = []
    for group in together.values():
        each = max(limits.AT_LEAST_EACH, -(-len(group) // limits.WORKERS))
        places = list(group)
        parts = (places[start : start + each] for start in range(0, len(places), each))
        jobs += [Job({index: group[index] for index in part}, within) for part in parts]
    return jobs


def run(
    jobs: Sequence[Job[T]],
    work: Work[T, R],
    without_answer: Callable[[T, bool], R],
    progress: Callable[[int, T], None] | None = None,
) -> dict[int, R]:
    """Do all of the work, and say for each item what came of it.

    Args:
        jobs: what is to be done.
        work: yields the place of an item and what came of it, one after the other. It runs in
            threads, and may be ended after any of them.
        without_answer: what came of an item of a database that has not answered, given whether
            its change may have become final.
        progress: called with the number of items done and the last of them; ``None`` where
            nobody needs to know.

    Raises:
        BaseException: whatever ``work`` or ``progress`` raises, once those that had begun are
            done with the items that they were at.
    """
    crew = _Crew(jobs, work, without_answer, progress)
    try:
        crew.finish()
    except BaseException:
        crew.stop()
        crew.finish()
        raise
    if crew.error is not None:
        raise crew.error
    return crew.results


class _Crew(Generic[T, R]):
    def __init__(
        self,
        jobs: Sequence[Job[T]],
        work: Work[T, R],
        without_answer: Callable[[T, bool], R],
        progress: Callable[[int, T], None] | None,
    ) -> None:
        self.results: dict[int, R] = {}
        self.error: BaseException | None = None
        self._waiting = deque(jobs)
        self._running: list[Job[T]] = []
        self._work = work
        self._without_answer = without_answer
        self._progress = progress
        self._stopped = Event()
        self._news: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()
        self._waiting.clear()

    def finish(self) -> None:
        """Wait until all that has begun has come to its end, and begin what waits."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < limits.WORKERS:
                self._start(self._waiting.popleft())
            first = min(job.deadline for job in self._running)
            try:
                self._news.get(timeout=max(0.0, first - monotonic()))()
            except Empty:
                for job in [job for job in self._running if job.deadline <= monotonic()]:
                    self._give_up(job)

    def _start(self, job: Job[T]) -> None:
        job.heard()
        self._running.append(job)
        Thread(target=self._run, args=(job,), daemon=True).start()

    def _run(self, job: Job[T]) -> None:
        """In a thread of its own: the queue brings what is to be done about it to the first."""
        error: BaseException | None = None
        try:
            for index, result in self._work(job):
                job.heard()
                self._news.put(partial(self._note, job, index, result))
                if self._stopped.is_set():
                    break
        except GivenUp:
            pass
        except BaseException as raised:
            error = raised
        self._news.put(partial(self._end, job, error))

    def _note(self, job: Job[T], index: int, result: R) -> None:
        if job in self._running:
            self.results[index] = result
            if self._progress is not None and not self._stopped.is_set():
                self._progress(len(self.results), job.items[index])

    def _end(self, job: Job[T], error: BaseException | None) -> None:
        if job not in self._running:
            return
        self._running.remove(job)
        if error is not None:
            self.error = self.error or error
            self.stop()

    def _give_up(self, job: Job[T]) -> None:
        final = job.give_up()
        for index in [index for index in job.items if index not in self.results]:
            self._note(job, index, self._without_answer(job.items[index], index == final))
        self._running.remove(job)
