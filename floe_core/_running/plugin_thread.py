"""The thread on which the hooks of one plugin object run, one after another.

What a hook leaves in its thread (a sqlite3 connection, an event loop, thread-locals) is there for the next
hook. The thread is a daemon, so it never keeps the process from exiting, and it ends when nobody can call
the object's hooks any more. A time limit holds without waiting for the hook to end.
"""

from __future__ import annotations

import contextvars
import sys
import weakref
from collections.abc import Callable
from math import inf
from queue import Empty, SimpleQueue

# These names, because plugins replace the module's.
from threading import Lock, RLock, Thread, get_ident
from time import monotonic
from typing import Any, Generic, TypeVar, cast

from floe_core._running.waiting import (
    DeadlockError,
    Latch,
    OutOfTimeError,
    StillRunningError,
    generation,
    locked,
    seconds_until,
    waiting_for,
)

T = TypeVar("T")


class Job(Generic[T]):
    """One run of a hook, from the call until the hook has returned or nobody waits for it any more.

    The plugin's thread and the caller compete for two tokens: who takes the first decides whether the hook
    begins, who takes the second whether its outcome is on time. So a plugin's thread never waits for a lock
    that a caller holds, who might be a signal handler waiting for that thread.
    """

    def __init__(
        self,
        hook: str,
        work: Callable[[], T],
        timeout: float | None,
        too_late: Callable[[T], object] = lambda _: None,
    ) -> None:
        self.hook = hook
        self.deadline = inf if timeout is None else monotonic() + timeout
        self.done = Latch()
        self.was_withdrawn = False
        self._was_given_up = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._call: tuple[Callable[[], T], Callable[[T], object]] | None = (work, too_late)
        self._context: contextvars.Context | None = contextvars.copy_context()
        self._generation = generation()
        self._beginning = Lock()
        self._ending = Lock()

    @property
    def is_overdue(self) -> bool:
        """Whether the time limit has passed."""
        return monotonic() > self.deadline

    @property
    def is_settled(self) -> bool:
        """Whether the hook has returned, or will never begin or return."""
        return self.done.is_set() or self._generation != generation()

    def begin(self) -> bool:
        """Return True if the hook must run now; False if the job was withdrawn."""
        return self._beginning.acquire(blocking=False)

    def perform(self, ended: Callable[[], None]) -> None:
        """Run the hook in the context of the call, and call `ended` before anybody gets the outcome."""
        assert self._call is not None
        assert self._context is not None
        work, too_late = self._call
        value, error = outcome(self._context.run, work)
        if self._ending.acquire(blocking=False):
            self._value, self._error = value, error
        elif error is None:
            outcome(too_late, cast("T", value))
        ended()
        self._end()

    def give_up(self) -> bool:
        """Stop waiting; return False if the hook has returned in time. What has not begun is withdrawn."""
        if self.begin():
            self.was_withdrawn = self._was_given_up = True
            self._end()
        elif self._ending.acquire(blocking=False):
            self._was_given_up = True
        elif not self._was_given_up:
            self.done.wait()  # the outcome is there at any moment
        return self._was_given_up

    def result(self) -> T:
        """Return the value or raise the error of a job that is done, once."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # it keeps this frame, which would keep it
        return cast("T", self._value)

    def _end(self) -> None:
        self._call = self._context = None  # they keep the plugin and whatever the caller has
        self.done.set()


class _Line:
    """What a plugin's thread shares with those who call it; it must not keep the plugin alive."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self.thread: int | None = None
        self.present: Job[Any] | None = None
        self.hooks: list[str] = []
        self.generation = generation()
        self.starting = Lock()
        """Taken by whoever starts the thread, and kept."""
        self._performing = RLock()
        """Held during each job, for callers perform some while no thread can be started."""

    def serve(self) -> None:
        """Perform the jobs as they come, until there will be no more."""
        while (job := self.jobs.get()) is not None:
            with self._performing:
                self.thread = get_ident()
                self.perform(job)
            del job  # it keeps the plugin alive
            if self.generation != generation():
                return  # the hook forked, and this is the child

    def perform(self, job: Job[Any]) -> None:
        """Perform a job in this thread."""
        if job.begin():
            self.present = self.present or job
            self.hooks.append(job.hook)
            job.perform(lambda: self._ended(job))

    def perform_in_caller(self, job: Job[Any]) -> None:
        """Perform a job, and what others have queued, in a caller's thread, as there is no other.

        Raises:
            StillRunningError: A hook has not returned until the job's deadline.
        """
        ends = sys.is_finalizing()  # and whoever performs another job is frozen
        held = self._performing.acquire(timeout=0 if ends else seconds_until(job.deadline))
        if not held and not ends:
            raise StillRunningError(next(iter(self.hooks), job.hook))
        outer, self.thread = self.thread, get_ident()
        try:
            queued: Job[Any] | None = job
            while queued is not None:
                self.perform(queued)
                queued = self.jobs.get_nowait()
        except Empty:
            return
        finally:
            self.thread = outer
            if held:
                self._performing.release()

    def _ended(self, job: Job[Any]) -> None:
        self.hooks.pop()
        if self.present is job:
            self.present = None


class PluginThread:
    """Runs the hooks of one plugin object; its thread starts with the first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._line = _Line()

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
            given_up = job.give_up()
        if given_up:
            raise self.reason_of(job)
        return job.result()

    def reason_of(self, job: Job[Any]) -> OutOfTimeError:
        """Return why a job that was given up came to nothing in time."""
        hooks = self.hooks
        return StillRunningError(hooks[0]) if job.was_withdrawn and hooks else OutOfTimeError()

    def submit(self, job: Job[Any]) -> None:
        """Queue the job and return at once.

        It is performed at once if the caller is a hook of this plugin, or if no thread can be started.

        Raises:
            StillRunningError: An earlier hook is over its limit.
            DeadlockError: The same hook called this.
        """
        line = self._usable_line()
        present = line.present
        if line.thread == get_ident():
            if job.hook in line.hooks:
                raise DeadlockError
            line.perform(job)
        elif present is not None and present.is_overdue:
            raise StillRunningError(present.hook)
        elif self._has_thread(line) and not sys.is_finalizing():
            line.jobs.put(job)
        else:
            line.perform_in_caller(job)

    def close_unless(self, is_used: Callable[[], bool]) -> None:
        """End the thread after what was queued so far, unless it is used then."""
        jobs = self._line.jobs
        jobs.put(Job("end", lambda: None if is_used() else jobs.put(None), None))

    def _usable_line(self) -> _Line:
        if self._line.generation != generation():
            with locked():
                if self._line.generation != generation():
                    self._line = _Line()
        return self._line

    def _has_thread(self, line: _Line) -> bool:
        """Start the thread unless somebody has; return False if it cannot be started."""
        if not line.starting.acquire(blocking=False):
            return True
        try:
            Thread(target=line.serve, name=self.name, daemon=True).start()
        except RuntimeError:  # the interpreter is shutting down, or the system has no more threads
            line.starting.release()
            return False
        except BaseException:  # a Ctrl-C: perhaps the thread has started
            self._line = _Line()
            line.jobs.put(None)
            raise
        weakref.finalize(self, line.jobs.put, None).atexit = False
        return True

    def _wait(self, job: Job[Any]) -> None:
        """Wait until the job is done or over its limit, or what it is queued behind is over its own."""
        while not job.done.is_set():
            present = self._line.present
            deadline = job.deadline if present is None else min(job.deadline, present.deadline)
            limit = seconds_until(deadline)
            if not limit:
                return
            job.done.wait(limit)


def outcome(work: Callable[..., T], *arguments: Any) -> tuple[T | None, BaseException | None]:
    """Return (value, None) if the work returns, or (None, error) whatever it raises."""
    try:
        return work(*arguments), None
    except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
        return None, error
