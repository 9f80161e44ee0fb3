"""Events that tell the story of a FloePlugin: one for each transition of its Ready condition.

Recording never waits; what is recorded is written beside all else, and can fail without harm. As client-go's
recorder does, a repetition becomes a count on the Event that is there (a series). Messages are the
conditions' own, which are scrubbed already.
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
from floe_operator.rules.conditions import MESSAGE_BYTES, ConfigValid, bounded
from floe_operator.rules.leases import micro_time
from floe_operator.rules.resource import API_VERSION, KIND, FloePlugin, FloePluginStatus
from floe_operator.said import Said

CONTROLLER = "floe.dev/floe-operator"
ACTION = "Judge"
RIGHTS = ("create", "patch")
"""What the operator does with events of API group events.k8s.io; manifests/base grants just this."""
EVENTS_PER_SECOND = 20
SERIES_SECONDS = 600.0
"""How long after an Event the same is a repetition of it."""
PER_OBJECT = 20
"""How many Events an object may bring in that time; a plugin that flaps with ever new messages ends there."""

_WAITING = 2_000
_KNOWN = 10_000
_ATTEMPTS = 5
_RETRY_SECONDS = 5.0
_INSTANCE_LENGTH = 128

_log = structlog.get_logger(__name__)


class Transition(NamedTuple):
    """What an Event says; equal ones are repetitions."""

    plugin: str
    namespace: str
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def transition_of(seen: FloePlugin, status: FloePluginStatus) -> Transition | None:
    """What to tell of a status that replaced the one of `seen`; None where Ready stayed as it was.

    Ready turns when its status or reason does. Unknown is for what was not judged yet: nothing to tell of.
    A plugin that merely nobody has configured so far is no reason for a warning.
    """
    before = seen.status.condition("Ready") if seen.status is not None else None
    now = status.condition("Ready")
    if now is None or not now.is_judged:
        return None
    if before is not None and (before.status, before.reason) == (now.status, now.reason):
        return None
    is_fine = now.status == "True" or now.reason == ConfigValid.CONFIG_REQUIRED.text
    return Transition(
        plugin=seen.plugin.slug,
        namespace=seen.metadata.namespace,
        name=seen.metadata.name,
        uid=seen.metadata.uid,
        type="Normal" if is_fine else "Warning",
        reason=now.reason,
        note=bounded(now.message, MESSAGE_BYTES),
    )


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
    """Writes Events in the background; bounded in memory and rate."""

    def __init__(self, connection: Connection, *, instance: str | None = None) -> None:
        self._connection = connection
        self._instance = (instance or socket.gethostname())[:_INSTANCE_LENGTH]
        self._waiting: collections.OrderedDict[Transition, _Waiting] = collections.OrderedDict()
        self._told: collections.OrderedDict[Transition, _Told] = collections.OrderedDict()
        self._some = asyncio.Event()
        self._said: Said[str] = Said()
        self.dropped = 0
        """How many transitions got no Event: there were too many, or the API server did not take it."""

    def record(self, seen: FloePlugin, status: FloePluginStatus) -> None:
        """Tells of a status that was written over that of `seen`. Never raises, never waits."""
        transition = transition_of(seen, status)
        if transition is None:
            return
        now = datetime.now(UTC)
        if (waiting := self._waiting.get(transition)) is not None:
            waiting.times += 1
            waiting.last = now
        elif len(self._waiting) >= _WAITING:
            self.dropped += 1
            self._say_once("there are more Events than can be written")
        else:
            self._waiting[transition] = _Waiting(seen.metadata.resource_version, 1, now)
            self._some.set()

    async def run(self) -> None:
        """Writes what is recorded, until it is cancelled."""
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
                await asyncio.sleep(error.after or _RETRY_SECONDS)
            except errors.NamespaceTerminating:
                return
            except errors.ClusterError as error:
                self._say_once(str(error))
                break
            except Exception:  # noqa: BLE001 -- a bug of ours must not end the operator for the sake of an Event
                _log.exception("an Event was not written", plugin=transition.plugin)
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
        """Counts a repetition on the Event that is there; False where it is gone."""
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
        """The oldest come first; those that are no series any more go, and more than there is room for."""
        horizon = time.monotonic() - SERIES_SECONDS
        while self._told and (len(self._told) > _KNOWN or next(iter(self._told.values())).at < horizon):
            self._told.popitem(last=False)

    def _say_once(self, reason: str) -> None:
        if self._said.is_new(reason):
            _log.warning("Events cannot be written", reason=reason)


def event(transition: Transition, resource_version: str, at: datetime, instance: str) -> dict[str, Any]:
    """The Event of a transition, as the API server takes it."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        # Names in the order of time: kubectl describe lists Events of this API by name.
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
    """What says that an Event happened several times."""
    return {"count": count, "lastObservedTime": micro_time(last)}


def _events(transition: Transition) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{transition.namespace}/events"
