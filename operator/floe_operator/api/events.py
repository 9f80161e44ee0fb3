"""Events about FloePlugins: one for each transition of an object's Ready condition that concerns somebody.

Recording never waits; Events are written in the background, and a failure does no harm. As in client-go's
recorder, a repetition increases a count on the existing Event (a series). Messages are those of the
conditions, which are scrubbed already.
"""

from __future__ import annotations

import asyncio
import collections
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import structlog

from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.rules.conditions import MESSAGE_BYTES, DependenciesReady, bounded
from floe_operator.rules.in_use import is_idle, is_in_use
from floe_operator.rules.leases import micro_time
from floe_operator.rules.resource import API_VERSION, KIND, Condition, FloePlugin, FloePluginStatus
from floe_operator.said import Said

CONTROLLER = "floe.dev/floe-operator"
ACTION = "Judge"
RIGHTS = ("create", "patch")
"""The verbs that the operator needs on events (events.k8s.io); manifests/base grants only these."""
EVENTS_PER_SECOND = 20
SERIES_SECONDS = 600.0
"""Seconds after an Event during which an equal Event counts as a repetition."""
PER_OBJECT = 20
"""Maximum number of Events per object in that time; limits a plugin that flaps with changing messages."""

_WAITING = 2_000
_KNOWN = 10_000
_ATTEMPTS = 5
_RETRY_SECONDS = 5.0
_INSTANCE_LENGTH = 128

_log = structlog.get_logger(__name__)


class Transition(NamedTuple):
    """The content of an Event; equal transitions are repetitions."""

    plugin: str
    namespace: str
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def transition_of(seen: FloePlugin, status: FloePluginStatus) -> Transition | None:
    """Return the transition to report when `status` replaces the status of `seen`, or None if there is none.

    Only a new status or reason of Ready is reported, and only if it concerns somebody.
    """
    before = _of_concern(seen.status, in_use=seen.status is None or seen.status.in_use is not False)
    now = _of_concern(status, in_use=is_in_use(seen))
    if now is None or (before is not None and (before.status, before.reason) == (now.status, now.reason)):
        return None
    return Transition(
        plugin=seen.plugin.slug,
        namespace=seen.metadata.namespace,
        name=seen.metadata.name,
        uid=seen.metadata.uid,
        type="Normal" if now.status == "True" else "Warning",
        reason=now.reason,
        note=bounded(now.message, MESSAGE_BYTES),
    )


def _of_concern(status: FloePluginStatus | None, *, in_use: bool) -> Condition | None:
    """Return Ready, unless it is Unknown, which means not assessed yet, or concerns nobody.

    A plugin that nobody asked for concerns nobody while it is idle or only waits for another, which has an
    Event of its own.
    """
    if status is None or is_idle(status):
        return None
    ready = status.condition("Ready")
    if ready is None or not ready.is_judged:
        return None
    waits = ready.reason == DependenciesReady.DEPENDENCY_NOT_READY.text
    return ready if in_use or not waits else None


@dataclass(slots=True)
class _Waiting:
    resource_version: str
    times: int
    last: datetime


@dataclass(slots=True)
class _Told:
    event: str
    count: int
    at: float


class EventRecorder:
    """Writes Events in the background, limited in memory and rate."""

    def __init__(self, connection: Connection, *, instance: str | None = None) -> None:
        self._connection = connection
        self._instance = (instance or socket.gethostname())[:_INSTANCE_LENGTH]
        self._waiting: collections.OrderedDict[Transition, _Waiting] = collections.OrderedDict()
        self._told: collections.OrderedDict[Transition, _Told] = collections.OrderedDict()
        self._some = asyncio.Event()
        self._said: Said[str] = Said()
        self.dropped = 0
        """Number of transitions without an Event: there were too many, or the Event could not be written."""

    def record(self, seen: FloePlugin, status: FloePluginStatus) -> None:
        """Record that `status` replaced the status of `seen`; never raise, never wait."""
        transition = transition_of(seen, status)
        if transition is None:
            return
        now = datetime.now(UTC)
        if (waiting := self._waiting.get(transition)) is not None:
            waiting.times += 1
            waiting.last = now
        elif len(self._waiting) >= _WAITING:
            self.dropped += 1
            self._say_once("too many Events at the same time")
        else:
            self._waiting[transition] = _Waiting(seen.metadata.resource_version, 1, now)
            self._some.set()

    async def run(self) -> None:
        """Write the recorded Events until cancelled."""
        while True:
            await self._some.wait()
            while self._waiting:
                transition, waiting = self._waiting.popitem(last=False)
                await self._tell(transition, waiting)
                await asyncio.sleep(1 / EVENTS_PER_SECOND)
            self._some.clear()

    async def _tell(self, transition: Transition, waiting: _Waiting) -> None:
        for _ in range(_ATTEMPTS):
            try:
                await self._write(transition, waiting)
                return
            except errors.ClusterUnreachable as error:
                self._say_once(str(error))
                await asyncio.sleep(errors.pause(error, _RETRY_SECONDS))
            except errors.NamespaceTerminating:
                return
            except errors.ClusterError as error:
                self._say_once(str(error))
                break
            except Exception:  # noqa: BLE001 -- a bug here must not end the operator
                _log.exception("Event not written", plugin=transition.plugin)
                break
        self.dropped += 1

    async def _write(self, transition: Transition, waiting: _Waiting) -> None:
        self._forget_old()
        told = self._told.get(transition)
        if told is None and sum(one.uid == transition.uid for one in self._told) >= PER_OBJECT:
            self.dropped += 1
            return
        if told is not None and await self._repeat(transition, told, waiting):
            return
        body = event(transition, waiting.resource_version, waiting.last, self._instance)
        if waiting.times > 1:
            body["series"] = series(waiting.times, waiting.last)
        await self._connection.write("event", "POST", _events(transition), body=body)
        self._told[transition] = _Told(body["metadata"]["name"], waiting.times, time.monotonic())

    async def _repeat(self, transition: Transition, told: _Told, waiting: _Waiting) -> bool:
        """Count a repetition on the existing Event; return False if the Event is gone."""
        count = told.count + waiting.times
        try:
            await self._connection.write(
                "event",
                "PATCH",
                f"{_events(transition)}/{told.event}",
                body={"series": series(count, waiting.last)},
                content_type="application/merge-patch+json",
            )
        except errors.NotFound:
            return False
        self._told[transition] = _Told(told.event, count, time.monotonic())
        self._told.move_to_end(transition)
        return True

    def _forget_old(self) -> None:
        """Forget the oldest Events: those that are too old to be repeated, and those above the limit."""
        horizon = time.monotonic() - SERIES_SECONDS
        while self._told and (len(self._told) > _KNOWN or next(iter(self._told.values())).at < horizon):
            self._told.popitem(last=False)

    def _say_once(self, reason: str) -> None:
        if self._said.is_new(reason):
            _log.warning("cannot write Events", reason=reason)


def event(transition: Transition, resource_version: str, at: datetime, instance: str) -> dict[str, Any]:
    """Return the Event of a transition, as the API server expects it."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        # Names sort by time: kubectl describe lists Events of this API by name.
        "metadata": {"name": f"{transition.name}.{time.time_ns():016x}", "namespace": transition.namespace},
        "eventTime": micro_time(at),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": ACTION,
        "reason": transition.reason,
        "type": transition.type,
        "note": transition.note,
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": transition.namespace,
            "name": transition.name,
            "uid": transition.uid,
            "resourceVersion": resource_version,
        },
    }


def series(count: int, last: datetime) -> dict[str, Any]:
    """Return the `series` of an Event that happened `count` times, most recently at `last`."""
    return {"count": count, "lastObservedTime": micro_time(last)}


def _events(transition: Transition) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{transition.namespace}/events"
