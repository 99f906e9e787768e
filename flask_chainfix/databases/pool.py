"""Work on many databases at once, with an end even if a database does not answer.

Each connection has a daemon thread, which, unlike those of ``concurrent.futures``, does not keep
the process alive. Results come back through a queue. A thread that sends nothing for too long is
given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

from sqlalchemy.engine import Connection

from flask_chainfix.databases import connecting
from flask_chainfix.databases.connecting import Obstacle
from flask_chainfix.databases.targets import Target

_WORKERS = 8
# Fewer schemas than this do not get a connection of their own.
_AT_LEAST_EACH = 25

T = TypeVar("T")
R = TypeVar("R")


class GivenUp(Exception):
    """The thread was given up, so it must not change anything."""


class Job(Generic[T]):
    """Items that share one connection, by their indices among all items.

    The job may take ``within`` seconds in all, or run for as long as it sends results.
    """

    def __init__(self, items: Mapping[int, T], within: float | None = None) -> None:
        self.items = items
        self.within = within
        self._made = monotonic()
        self._lock = Lock()
        self._given_up = False
        self._final: int | None = None
        self._answered = monotonic()

    @property
    def deadline(self) -> float:
        """When the job must have sent something, on the clock of ``monotonic``."""
        return (
            self._answered + connecting.SILENCE if self.within is None else self._made + self.within
        )

    def answered(self) -> None:
        """Note that the database has answered."""
        self._answered = monotonic()

    def make_final(self, index: int) -> None:
        """Note that an item's change is about to be committed.

        Raises:
            GivenUp: the job was given up and reported as unchanged.
        """
        with self._lock:
            if self._given_up:
                raise GivenUp
            self._final = index

    def give_up(self) -> int | None:
        """Stop waiting; returns the item whose change may still be committed."""
        with self._lock:
            self._given_up = True
            return self._final


def jobs_for(
    items: Sequence[T], target_of: Callable[[T], Target], within: float | None = None
) -> list[Job[T]]:
    """Group items by connection; a database with many schemas gets several."""
    together: dict[object, list[int]] = {}
    for index, item in enumerate(items):
        target = target_of(item)
        place = target.url if target.engine is None else id(target.engine)
        together.setdefault(place, []).append(index)
    jobs = []
    for places in together.values():
        each = max(_AT_LEAST_EACH, -(-len(places) // _WORKERS))
        parts = (places[start : start + each] for start in range(0, len(places), each))
        jobs += [Job({index: items[index] for index in part}, within) for part in parts]
    return jobs


def over_one_connection(
    job: Job[Target],
    read: Callable[[Connection, Sequence[Target]], Sequence[R | Obstacle]],
    at_once: int = 1,
) -> Iterator[tuple[int, R | Obstacle]]:
    """Read schemas of one database one after the other.

    Args:
        job: the schemas.
        read: reads some of them, over a connection to the database.
        at_once: how many it reads at most, in one transaction.

    Yields:
        The place of each, and what was read, or why it could not be.
    """
    left = dict(job.items)
    try:
        with connecting.connected(next(iter(left.values()))) as connection:
            while left:
                job.answered()
                part = dict(islice(left.items(), at_once))
                targets = [*part.values()]
                found: Sequence[R | Obstacle]
                try:
                    with (
                        connecting.transaction(connection, targets[0]),
                        connecting.obstacles_of(targets[0]),
                    ):
                        found = read(connection, targets)
                except Obstacle as obstacle:
                    if obstacle.lost:
                        raise
                    found = [obstacle] * len(part)
                for index, each in zip(part, found, strict=True):
                    yield index, each
                    del left[index]
    except Obstacle as obstacle:
        for index in left:
            yield index, obstacle


def run(
    jobs: Sequence[Job[T]],
    work: Callable[[Job[T]], Iterator[tuple[int, R]]],
    without_answer: Callable[[T, bool], R],
    progress: Callable[[int, T], None] = lambda *_: None,
) -> dict[int, R]:
    """Do all the work, and return the result of each item.

    Args:
        jobs: the items.
        work: yields the index of an item and its result, one after the other. It runs in threads,
            and may be ended after any of them.
        without_answer: the result of an item whose database has not answered, given whether its
            change may have been committed.
        progress: called with the number of items done and the last of them.

    Raises:
        BaseException: whatever ``work`` or ``progress`` raises, after the running jobs have
            finished their current items.
    """
    pool = _Pool(work, without_answer, progress)
    try:
        pool.follow(jobs)
    except BaseException:
        pool.stopped.set()
        pool.follow(())
        raise
    return pool.results


class _Pool(Generic[T, R]):
    def __init__(
        self,
        work: Callable[[Job[T]], Iterator[tuple[int, R]]],
        without_answer: Callable[[T, bool], R],
        progress: Callable[[int, T], None],
    ) -> None:
        self.results: dict[int, R] = {}
        self.stopped = Event()
        self._work = work
        self._without_answer = without_answer
        self._progress = progress
        self._running: list[Job[T]] = []
        # A job with a result, or at its end with an exception or None.
        self._news: SimpleQueue[tuple[Job[T], tuple[int, R] | BaseException | None]] = SimpleQueue()

    def follow(self, jobs: Sequence[Job[T]]) -> None:
        """Start the waiting jobs, and wait until every started one has ended."""
        waiting = deque(jobs)
        while waiting or self._running:
            while waiting and len(self._running) < _WORKERS:
                self._start(waiting.popleft())
            first = min(job.deadline for job in self._running)
            try:
                job, news = self._news.get(timeout=max(0.0, first - monotonic()))
            except Empty:
                self._give_up()
                continue
            if job in self._running:  # otherwise it was given up
                self._take(job, news)

    def _start(self, job: Job[T]) -> None:
        job.answered()
        self._running.append(job)
        Thread(target=self._run, args=(job,), daemon=True).start()

    def _run(self, job: Job[T]) -> None:
        """Run a job in its own thread."""
        end: BaseException | None = None
        try:
            for result in self._work(job):
                job.answered()
                self._news.put((job, result))
                if self.stopped.is_set():
                    break
        except BaseException as error:
            end = error
        self._news.put((job, end))

    def _take(self, job: Job[T], news: tuple[int, R] | BaseException | None) -> None:
        if isinstance(news, tuple):
            self._note(job, *news)
            return
        self._running.remove(job)
        if news is not None and not self.stopped.is_set():
            raise news

    def _note(self, job: Job[T], index: int, result: R) -> None:
        self.results[index] = result
        if not self.stopped.is_set():
            self._progress(len(self.results), job.items[index])

    def _give_up(self) -> None:
        for job in [job for job in self._running if job.deadline <= monotonic()]:
            final = job.give_up()
            self._running.remove(job)
            for index in [index for index in job.items if index not in self.results]:
                self._note(job, index, self._without_answer(job.items[index], index == final))
