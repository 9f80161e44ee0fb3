"""A Lease as the API server keeps it, and what a candidate may do with one. Pure.

Clocks of two machines are never compared: how old a record is counts from when this process saw it change.
Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

API_VERSION = "coordination.k8s.io/v1"
_RELEASED_SECONDS = 1
"""The duration of a Lease that its holder gave back, as client-go writes it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a leader leads without renewing, in seconds; the defaults are client-go's, but for `retry`.

    A holder gives up at `renew_deadline` after it sent its last successful renewal, another takes over
    `duration` after it saw that renewal: what lies between is the margin in which the former process ends.
    """

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_deadline < self.duration:
            raise ValueError("retry must be below renew_deadline, and that below duration")


class Step(Enum):
    """What a candidate does next."""

    CREATE = "there is no Lease"
    TAKE = "nobody holds it any more"
    RENEW = "it is ours"
    WAIT = "somebody holds it"


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease: the fields that count, and the object that they came from, to be sent back whole."""

    holder: str = ""
    duration: float | None = None
    """Seconds that the holder asked for."""
    transitions: int = 0
    record: Mapping[str, Any] = field(default_factory=dict)
    """The spec; a change of it is a sign of life."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stored(self) -> bool:
        """Whether it came from the API server: what did not can only be created."""
        return bool(self.metadata.get("resourceVersion"))

    @property
    def is_released(self) -> bool:
        """Whether its holder gave it back."""
        return not self.holder and self.duration == _RELEASED_SECONDS

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Lease:
        """A Lease as the API server gave it; fields that somebody left out or nulled count as not set."""
        spec = raw.get("spec") or {}
        return cls(
            holder=str(spec.get("holderIdentity") or ""),
            duration=spec.get("leaseDurationSeconds"),
            transitions=int(spec.get("leaseTransitions") or 0),
            record=spec,
            metadata=raw.get("metadata") or {},
        )

    def held_by(self, identity: str, duration: float, now: datetime) -> dict[str, Any]:
        """The object to send so that `identity` holds the Lease, or goes on to."""
        spec = {
            **self.record,
            "holderIdentity": identity,
            "leaseDurationSeconds": max(1, round(duration)),
            "renewTime": micro_time(now),
        }
        if self.holder != identity:
            spec["acquireTime"] = micro_time(now)
            spec["leaseTransitions"] = self.transitions + (1 if self.record else 0)
        return self._with(spec)

    def released(self, now: datetime) -> dict[str, Any]:
        """The object to send so that nobody holds the Lease and the next one need not wait."""
        return self._with(
            {
                **self.record,
                "holderIdentity": "",
                "leaseDurationSeconds": _RELEASED_SECONDS,
                "renewTime": micro_time(now),
            }
        )

    def _with(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": API_VERSION, "kind": "Lease", "metadata": dict(self.metadata), "spec": spec}


class Observer:
    """Remembers the Lease as last seen, and since when it looks like that, by this process's own clock."""

    def __init__(self, identity: str, timing: Timing) -> None:
        self._identity = identity
        self._timing = timing
        self._other: Lease | None = None
        """As another held it."""
        self._changed_at = 0.0

    @property
    def holder(self) -> str:
        """Who else held the Lease when it was last seen; empty where nobody did."""
        return self._other.holder if self._other else ""

    def decide(self, lease: Lease | None, now: float) -> tuple[Step, float]:
        """What may be done with the Lease as it was just seen, and for how long a WAIT lasts at the most.

        A Lease that vanished or was emptied under its holder was not given back: that process learns of it
        at its next renewal only, so it has its time nevertheless.
        """
        if lease is not None and lease.holder == self._identity:
            self._other = None
            return Step.RENEW, 0.0
        if lease is not None and lease.is_released:
            self._other = None
        elif (
            lease is not None and lease.holder and (self._other is None or self._other.record != lease.record)
        ):
            self._other, self._changed_at = lease, now
        left = self._left(now)
        if left > 0:
            return Step.WAIT, left
        return (Step.CREATE if lease is None else Step.TAKE), 0.0

    def _left(self, now: float) -> float:
        if self._other is None:
            return 0.0
        promised = self._other.duration or self._timing.duration
        return self._changed_at + promised - now


def micro_time(moment: datetime) -> str:
    """A time as metav1.MicroTime writes it: UTC, six decimals, always."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
