"""The audit log of an API server: who sent which request, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.operator import PLURAL
from tests.support.polling import eventually

_GIVEN_UP_AFTER = 10.0
"""Seconds after which an unfinished request is no longer waited for: its API server has died."""


@dataclass(frozen=True)
class Audit:
    """The audit log of an API server. Its policy must log the stage RequestReceived."""

    path: Path

    def requests(
        self,
        *,
        namespace: str,
        since: float = 0.0,
        resource: str | None = PLURAL,
        verb: str | None = None,
        user_agent: str = "floe-operator",
    ) -> list[dict[str, Any]]:
        """Return the operator's requests in a namespace that match, since a moment in Unix time."""

        def matches(event: dict[str, Any]) -> bool:
            reference = event.get("objectRef") or {}
            return (
                reference.get("namespace") == namespace
                and user_agent in event.get("userAgent", "")
                and resource in (None, reference.get("resource"))
                and verb in (None, event["verb"])
                and received(event) > since
            )

        return self.answered(f'"{namespace}"', matches)

    def writes(self, *, namespace: str, since: float = 0.0) -> list[tuple[str, str]]:
        """Return the operator's writes as (verb, object name) pairs, with `/status` for that subresource."""
        return [
            (event["verb"], "/".join(filter(None, (reference.get("name"), reference.get("subresource")))))
            for event in self.requests(namespace=namespace, since=since)
            if (reference := event["objectRef"]) and event["verb"] in ("create", "update", "patch", "delete")
        ]

    def answered(
        self, text: str, matches: Callable[[dict[str, Any]], bool] = lambda event: True
    ) -> list[dict[str, Any]]:
        """Return the last event of each answered request whose lines contain a text and whose events match.

        The effect of a request can be visible before its end is logged, but not before its start is.
        So this waits for the end of every request that has started, except for watches.
        """

        def ended() -> list[dict[str, Any]]:
            last = {event["auditID"]: event for event in self._events(text) if matches(event)}
            pending = [event for event in last.values() if _is_pending(event)]
            assert not pending, f"{len(pending)} requests have not ended, such as {pending[0]}"
            return [event for event in last.values() if event["stage"] != "RequestReceived"]

        return eventually(ended)

    def _events(self, text: str) -> Iterator[dict[str, Any]]:
        # The API server may be in the middle of a line.
        for line in self.path.read_text().split("\n")[:-1]:
            if text in line:
                yield json.loads(line)


def _is_pending(event: dict[str, Any]) -> bool:
    begun = event["stage"] == "RequestReceived" and event["verb"] != "watch"
    return begun and time.time() - received(event) < _GIVEN_UP_AFTER


def received(event: Mapping[str, Any]) -> float:
    """Return when the API server received the request of an event, in Unix time."""
    return datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()


def now() -> float:
    """Return the current time in the form that `Audit` expects: Unix time."""
    return time.time()
