"""A Lease as the API server stores it, and what a candidate may do with it. Pure.

Clocks of two machines are never compared: the age of a record counts from when this process saw it change.
Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from floe_operator.rules.conditions import bounded
from floe_operator.rules.foreign_json import mapping, text

API_VERSION = "coordination.k8s.io/v1"
_SHOWN_BYTES = 200
"""How much of a holder's identity is shown: whoever may write Leases may write anything into one."""
_RELEASED_SECONDS = 1
"""The duration of a released Lease, in seconds, as client-go writes it."""
_MOST_TRANSITIONS = 2**31 - 1
"""The API server stores a signed 32-bit integer."""
_BELIEVED_SECONDS = 3_600.0
"""The longest duration that is believed: nobody who means to renew a Lease asks for more."""
_PATIENT_TERMS = 4
"""How many terms of our own a Lease may stay as it is before it is odd, or taken if its term is absurd."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long leadership lasts without a renewal, in seconds; all defaults but `retry` are client-go's.

    A holder gives up `renew_deadline` after it sent its last successful renewal; another process takes over
    `duration` after it saw that renewal. The time in between is the margin in which the old process ends.
    """

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_deadline < self.duration:
            raise ValueError("retry must be below renew_deadline, and renew_deadline below duration")


class NotALease(ValueError):
    """An answer is not a Lease."""


class Step(Enum):
    """What a candidate does next."""

    CREATE = "there is no Lease"
    TAKE = "nobody holds it any more"
    RENEW = "it is ours"
    WAIT = "another process holds it"


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease: the fields that matter, and the object they came from, to be sent back whole."""

    holder: str = ""
    duration: float | None = None
    """Seconds that the holder asked for."""
    transitions: int = 0
    record: Mapping[str, Any] = field(default_factory=dict)
    """The spec; a change to it is a sign of life."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holder_shown(self) -> str:
        """The holder as it can be shown."""
        return bounded(self.holder, _SHOWN_BYTES)

    @property
    def is_stored(self) -> bool:
        """Whether it came from the API server; otherwise it can only be created."""
        return bool(self.metadata.get("resourceVersion"))

    @property
    def is_released(self) -> bool:
        """Whether its holder released it."""
        return not self.holder and self.duration == _RELEASED_SECONDS

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Lease:
        """Parse a Lease from the API server; fields that are missing or null count as not set.

        Raises:
            NotALease: This is something else; whether the Lease is held stays unknown.
        """
        spec = raw.get("spec") or {}
        metadata = mapping(raw.get("metadata"))
        if not text(metadata.get("resourceVersion")) or not isinstance(spec, dict):
            raise NotALease("the answer is not a Lease")
        holder, duration, transitions = (
            spec.get(key) for key in ("holderIdentity", "leaseDurationSeconds", "leaseTransitions")
        )
        if not (
            isinstance(holder, str | None)
            and isinstance(duration, int | float | None)
            and isinstance(transitions, int | None)
        ):
            raise NotALease("the answer is a Lease with fields of the wrong types")
        return cls(holder or "", duration, transitions or 0, record=spec, metadata=metadata)

    def held_by(self, identity: str, duration: float, now: datetime) -> dict[str, Any]:
        """Return the object to send so that `identity` acquires or keeps the Lease."""
        spec = {
            **self.record,
            "holderIdentity": identity,
            "leaseDurationSeconds": max(1, round(duration)),
            "renewTime": micro_time(now),
        }
        if self.holder != identity:
            spec["acquireTime"] = micro_time(now)
            spec["leaseTransitions"] = self.transitions + (1 if self.record else 0)
        if self.transitions >= _MOST_TRANSITIONS:
            spec["leaseTransitions"] = 0  # nobody counted that far
        return self._with(spec)

    def released(self, now: datetime) -> dict[str, Any]:
        """Return the object to send so that nobody holds the Lease and the next leader need not wait."""
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
    """Remembers the Lease as last seen, and since when it has been unchanged, by this process's own clock."""

    def __init__(self, identity: str, timing: Timing) -> None:
        self._identity = identity
        self._timing = timing
        self._other: Lease | None = None
        """The Lease as last held by another process."""
        self._changed_at = 0.0

    @property
    def holder(self) -> str:
        """The other process that held the Lease when it was last seen, as it can be shown; empty if none."""
        return self._other.holder_shown if self._other else ""

    def decide(self, lease: Lease | None, now: float) -> tuple[Step, float]:
        """Return what to do with the Lease as just seen, and for how many seconds to WAIT at most.

        A Lease that was deleted or emptied while it was held was not released: the holder only notices at its
        next renewal, so its duration must expire first.
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
        # A shorter one was written by hand: its holder may write for as long as we would.
        promised = max(self._other.duration or 0.0, self._timing.duration)
        if promised > _BELIEVED_SECONDS:
            promised = self._patience
        return self._changed_at + promised - now

    @property
    def _patience(self) -> float:
        return _PATIENT_TERMS * self._timing.duration

    def oddity(self, now: float) -> str:
        """Return what is odd about the Lease that another process holds, for users; empty if nothing is."""
        if self._other is None:
            return ""
        holder, promised = self.holder, self._other.duration or 0.0
        if promised > _BELIEVED_SECONDS:
            return (
                f"{holder} holds it for {promised:.0f} s at a time; without a renewal it is taken over after "
                f"{self._patience:.0f} s"
            )
        if now - self._changed_at > self._patience:
            return (
                f"{holder} has not renewed it for {now - self._changed_at:.0f} s, but may hold it for "
                f"{promised:.0f} s; if {holder} no longer runs, delete the Lease and restart this operator"
            )
        if self._other.transitions >= _MOST_TRANSITIONS:
            return f"it counts {self._other.transitions} transitions, as many as fit"
        return ""


def micro_time(moment: datetime) -> str:
    """Return a time as metav1.MicroTime writes it: UTC, always with six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
