"""The watch on FloePlugins: keeps kopf running, and knows whether changes arrive.

kopf ends when the CRD is deleted, when it may no longer watch, or when a stream breaks in a way it does not
know; it is then started again. We wait for the CRD before each start, since kopf looks for it only once.
Whether changes arrive is read off kopf's own session. Whether all of them do is checked with a listing of one
object: after a backup of etcd was restored, versions go back, and a watch from a version that is yet to come
stays silent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.api.kopf_run import KopfRun, Seen
from floe_operator.api.served_crd import NOT_INSTALLED
from floe_operator.api.stream_state import StreamState
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.resource import GROUP, version_number
from floe_operator.said import Said

RETRY_SECONDS = 2.0
"""Seconds between two checks for the CRD."""

_RESTARTS = Backoff(first=2.0, longest=30.0)
"""Seconds before a watch that ended is restarted."""
_REMIND_SECONDS = 60.0
_GRACE_SECONDS = 2.0
"""Seconds that an obstacle lasts before it is logged; a changed CRD makes the API server refuse for one."""
_LOOK_SECONDS = 1.0
"""Seconds between two looks at how the stream is doing, for the log."""
_CHECK_SECONDS = 10.0
"""Seconds between two checks that versions have not gone back."""
_HANGS_SECONDS = 45.0
"""Seconds without a sign of life after which kopf is started again; each of its requests ends sooner."""

_log = structlog.get_logger(__name__)


class Watch:
    """Keeps a watch on the FloePlugins of one namespace while `run` runs."""

    def __init__(
        self,
        connection: Connection,
        floeplugins: FloePlugins,
        seen: Seen,
        *,
        on_start: Callable[[], None],
        on_gone: Callable[[], None],
        on_history_lost: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._floeplugins = floeplugins
        self._seen = seen
        self._on_start = on_start
        self._on_gone = on_gone
        self._on_history_lost = on_history_lost
        self._run: KopfRun | None = None
        self._hung_since: float | None = None
        self._check_at = 0.0
        self._waits_for = "the watch has not started yet"
        self.starts = 0
        """Number of times a watch was started."""

    @property
    def obstacle(self) -> str:
        """Why changes of FloePlugins do not arrive, for users; empty if they do."""
        if self._run is None:
            return self._waits_for
        return self._run.stream.obstacle

    @property
    def begins(self) -> bool:
        """Whether its first listing has neither ended nor failed so far."""
        return self._run is not None and self._run.stream.begins

    def silence(self) -> float:
        """Return for how many seconds kopf has shown no sign of life; 0 if it does not have to."""
        return time.monotonic() - self._run.alive_at if self._run is not None else 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        failures = 0
        while True:
            await self._wait_until_possible()
            await self._floeplugins.crd.compare()
            self.starts += 1
            self._on_start()
            began = time.monotonic()
            ended = await self._watch()
            failures = 1 if time.monotonic() - began > _RESTARTS.longest else failures + 1
            self._waits_for = f"the watch ended: {ended}"
            _log.warning("the watch on FloePlugins ended, restarting it", reason=ended)
            await asyncio.sleep(_RESTARTS.after(failures))

    async def _watch(self) -> str:
        """Run kopf until it ends, hangs or can no longer be believed; return why."""
        alive_at = self._hung_since or time.monotonic()
        self._hung_since = None
        run = self._run = KopfRun(
            self._connection,
            self._floeplugins.collection,
            self._floeplugins.namespace,
            self._seen,
            alive_at=alive_at,
        )
        run.start()
        reports = _Reports(self._floeplugins.namespace)
        self._check_at = time.monotonic() + _CHECK_SECONDS
        try:
            while (ended := await run.ended(_LOOK_SECONDS)) is None:
                if time.monotonic() > self._check_at:
                    self._check_at = time.monotonic() + _CHECK_SECONDS
                    if await self._history_is_lost(run.version):
                        self._on_history_lost()
                        return "versions have gone back, as after a backup was restored"
                    await self._look_at_old_crd()
                if time.monotonic() - run.alive_at > _HANGS_SECONDS:
                    self._hung_since = run.alive_at
                    return "it shows no sign of life"
                if reports.report(run.stream):
                    # The history may have changed meanwhile, as when a backup of etcd was restored.
                    self._on_history_lost()
            return run.stream.obstacle or ended
        finally:
            self._run, self._waits_for = None, "the watch is being restarted"
            await run.stop()

    async def _look_at_old_crd(self) -> None:
        """Find out whether a CRD that did not suit this operator was renewed."""
        if self._floeplugins.crd.fault:
            await self._floeplugins.crd.compare()
            if not self._floeplugins.crd.fault:
                self._on_start()

    async def _history_is_lost(self, since: str) -> bool:
        """Return True if the API server has never heard of the version from which kopf watches."""
        try:
            version = (await self._floeplugins.newest()).version
        except errors.ClusterError as error:
            self._check_at = time.monotonic() + errors.pause(error, _CHECK_SECONDS)
            return False
        return version_number(version) < version_number(since)

    async def _wait_until_possible(self) -> None:
        said: Said[str] = Said(again_after=_REMIND_SECONDS)
        while (found := await self._find_obstacle()) is not None:
            obstacle, pause = found
            self._waits_for = obstacle
            if said.is_new("obstacle", obstacle):
                _log.warning("waiting for the API server to serve FloePlugins", reason=obstacle)
            await asyncio.sleep(pause)

    async def _find_obstacle(self) -> tuple[str, float] | None:
        """Return why a watch is impossible and when to look again, in seconds; None if it is possible."""
        try:
            if not await self._floeplugins.is_served():
                self._on_gone()
                return NOT_INSTALLED, RETRY_SECONDS
            rights = await self._floeplugins.missing_rights()
        except errors.ClusterError as error:
            return str(error), errors.pause(error, RETRY_SECONDS)
        if not rights:
            return None
        sentence = (
            f"missing permission: a Role in namespace {self._floeplugins.namespace!r} must allow "
            f"{', '.join(rights)} of API group {GROUP!r}"
        )
        if any(right.split()[0] in ("list", "watch") for right in rights):
            return sentence, RETRY_SECONDS
        _log.warning("some operations will fail", reason=sentence)
        return None


class _Reports:
    """Logs when the stream begins to work, and when it has not worked for some seconds."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._works = False
        self._out_since: float | None = None
        self._said: Said[str] = Said(again_after=_REMIND_SECONDS)

    def report(self, stream: StreamState) -> bool:
        """Log how the stream is doing, if that is new; return True if an outage has just ended."""
        if stream.begins:
            return False
        now = time.monotonic()
        if stream.obstacle:
            self._works = False
            self._out_since = self._out_since or now
            if now - self._out_since > _GRACE_SECONDS and self._said.is_new("obstacle"):
                _log.warning("cannot watch FloePlugins", reason=stream.obstacle)
            return False
        if not self._works:
            _log.info("watching FloePlugins", namespace=self._namespace)
        was_out = self._out_since is not None and now - self._out_since > _GRACE_SECONDS
        self._works, self._out_since = True, None
        self._said.is_over("obstacle")
        return was_out
