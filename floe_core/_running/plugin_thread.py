"""The thread on which the hooks of one plugin object run, one after another.

What a hook leaves in its thread (a sqlite3 connection, an event loop, thread-locals) is there for the next
hook. The thread is a daemon, so it never keeps the process from exiting, and it ends when nobody can call
the object's hooks any more. A time limit holds without waiting for the hook to end.
"""

from __future__ import annotations

import contextvars
import sys
import weakref
from collections.abc import Callable, Iterable
from math import inf
from queue import SimpleQueue

# These names, because plugins replace the module's.
from threading import Event, Thread, get_ident
from time import monotonic
from typing import Any, Generic, TypeVar, cast

from floe_core._running.waiting import (
    DeadlockError,
    OutOfTimeError,
    StillRunningError,
    generation,
    lock,
    seconds_until,
    waiting_for,
)

T = TypeVar("T")


class Job(Generic[T]):
    """One run of a hook, from the call until the hook has returned or nobody waits for it any more."""

    __slots__ = (
        "_context",
        "_generation",
        "begun",
        "deadline",
        "done",
        "error",
        "given_up",
        "hook",
        "too_late",
        "value",
        "work",
    )

    def __init__(
        self,
        hook: str,
        work: Callable[[], T],
        timeout: float | None,
        too_late: Callable[[T], object] = lambda _: None,
    ) -> None:
        self.hook = hook
        self.work: Callable[[], T] | None = work
        self.too_late = too_late
        self.deadline = None if timeout is None else monotonic() + timeout
        self.begun = False
        self.given_up = False
        self.done = Event()
        self.value: T | None = None
        self.error: BaseException | None = None
        self._context = contextvars.copy_context()
        self._generation = generation()

    @property
    def is_overdue(self) -> bool:
        """Whether the time limit has passed."""
        return self.deadline is not None and monotonic() > self.deadline

    @property
    def is_settled(self) -> bool:
        """Whether the hook has returned or will never begin or return."""
        return self.done.is_set() or self.work is None or self._generation != generation()

    def perform(self) -> tuple[T | None, BaseException | None]:
        """Run the work in the context of the call; return its value and None, or None and its error."""
        assert self.work is not None
        try:
            return self._context.run(self.work), None
        except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
            return None, error

    def result(self) -> T:
        """Return the value or raise the error of a job that is done."""
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


class _Line:
    """What a plugin's thread shares with those who call it; it must not keep the plugin alive."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self.thread: int | None = None
        self.present: Job[Any] | None = None
        self.hooks: list[str] = []
        self.generation = generation()

    def serve(self) -> None:
        """Perform the jobs as they come, until there will be no more."""
        while (job := self.jobs.get()) is not None:
            self.perform(job)
            del job  # it keeps the plugin alive
            if self.generation != generation():
                return  # the hook forked, and this is the child

    def perform(self, job: Job[Any]) -> None:
        with lock:
            if job.work is None:
                return
            job.begun = True
            self.present = self.present or job
            self.hooks.append(job.hook)
        value, error = job.perform()
        with lock:
            if not job.given_up:
                self._end(job, value, error)
                return
        if error is None:
            _ignoring_errors(lambda: job.too_late(value))
        with lock:
            self._end(job, None, None)

    def _end(self, job: Job[Any], value: object, error: BaseException | None) -> None:
        self.hooks.pop()
        if self.present is job:
            self.present = None
        job.value, job.error = value, error
        job.work = None
        job.done.set()


class PluginThread:
    """Runs the hooks of one plugin object; its thread starts with the first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._line = _Line()
        self._started = False

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in this thread, which means that a hook called it."""
        return self.thread == get_ident()

    @property
    def thread(self) -> int | None:
        """The identifier of the thread, or None before the first hook."""
        return self._line.thread if self._line.generation == generation() else None

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks under way: the one that was called, then those that it called through the registry."""
        return tuple(self._line.hooks) if self._line.generation == generation() else ()

    def run(
        self,
        hook: str,
        work: Callable[[], T],
        timeout: float | None,
        *,
        too_late: Callable[[T], object] = lambda _: None,
    ) -> T:
        """Return or raise the outcome of `work`; a call from a hook of this plugin runs where it is.

        If the work completes after its limit, `too_late` gets its value, in the same thread.

        Raises:
            StillRunningError: An earlier hook is over its limit, or this one did not begin within its own.
            OutOfTimeError: The work did not end within `timeout` seconds.
            DeadlockError: The same hook is waiting for this call, or another plugin's hook is.
        """
        job = Job(hook, work, timeout, too_late)
        try:
            self.submit(job)
            if not job.done.is_set():
                with waiting_for((self,)):
                    self._wait(job)
        finally:
            give_up((job,))
        if not job.done.is_set():
            raise OutOfTimeError if job.begun else StillRunningError(next(iter(self.hooks), hook))
        return job.result()

    def submit(self, job: Job[Any]) -> None:
        """Queue the job and return at once.

        It is performed at once if the caller is a hook of this plugin, or if no thread can be started.

        Raises:
            StillRunningError: An earlier hook is over its limit.
            DeadlockError: The same hook called this.
        """
        with lock:
            line = self._usable_line()
            here = line.thread == get_ident()
            if here and job.hook in line.hooks:
                raise DeadlockError
            if not here and line.present is not None and line.present.is_overdue:
                raise StillRunningError(line.present.hook)
            if not here and self._started and not sys.is_finalizing():
                line.jobs.put(job)
                return
            outer, line.thread = line.thread, get_ident()
        try:
            line.perform(job)
        finally:
            line.thread = outer

    def _usable_line(self) -> _Line:
        """Return the line, with a thread that serves it if one can be started."""
        line = self._line
        if line.generation != generation():
            line, self._started = _Line(), False
            self._line = line
        if not self._started:
            thread = Thread(target=line.serve, name=self.name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is shutting down, or the system has no more threads
                return line
            line.thread, self._started = thread.ident, True
            weakref.finalize(self, line.jobs.put, None).atexit = False
        return line

    def _wait(self, job: Job[Any]) -> None:
        """Wait until the job is done or over its limit, or what it is queued behind is over its own."""
        while not job.done.is_set():
            with lock:
                present = None if job.begun else self._line.present
            deadlines = [each.deadline for each in (job, present) if each is not None]
            limit = seconds_until(min((each for each in deadlines if each is not None), default=inf))
            if not limit:
                return
            job.done.wait(limit)


def give_up(jobs: Iterable[Job[Any]]) -> None:
    """Withdraw the jobs that have not begun; those that have are too late from now on, unless done."""
    with lock:
        for job in jobs:
            if not job.done.is_set():
                job.given_up = True
                if not job.begun:
                    job.work = None


def _ignoring_errors(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001 - plugin code can raise anything, and nobody waits for it
        return
