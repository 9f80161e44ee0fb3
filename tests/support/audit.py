"""The audit log of an API server: who sent which request, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
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
        """Return the operator's requests in a namespace after `since` (Unix time) that match the arguments.

        The effect of a request can be visible before its end is logged, but not before its start is.
        So this waits for the end of every request that has started, except for watches.
        """

        def ended() -> list[dict[str, Any]]:
            requests: dict[str, dict[str, Any]] = {}
            for event in self._events(namespace):
                reference = event.get("objectRef") or {}
                if reference.get("namespace") != namespace or user_agent not in event.get("userAgent", ""):
                    continue
                if resource not in (None, reference.get("resource")) or verb not in (None, event["verb"]):
                    continue
                if _received(event) > since:
                    requests[event["auditID"]] = event  # the last stage of a request counts
            pending = [event for event in requests.values() if _is_pending(event)]
            assert not pending, f"{len(pending)} requests have not ended, such as {pending[0]}"
            return [event for event in requests.values() if event["stage"] != "RequestReceived"]

        return eventually(ended)

    def writes(self, *, namespace: str, since: float = 0.0) -> list[tuple[str, str]]:
        """Return the operator's writes as (verb, object name) pairs, with `/status` for that subresource."""
        return [
            (event["verb"], "/".join(filter(None, (reference.get("name"), reference.get("subresource")))))
            for event in self.requests(namespace=namespace, since=since)
            if (reference := event["objectRef"]) and event["verb"] in ("create", "update", "patch", "delete")
        ]

    def _events(self, namespace: str) -> Iterator[dict[str, Any]]:
        # The API server may be in the middle of a line.
        for line in self.path.read_text().split("\n")[:-1]:
            if f'"{namespace}"' in line:
                yield json.loads(line)


def _is_pending(event: dict[str, Any]) -> bool:
    begun = event["stage"] == "RequestReceived" and event["verb"] != "watch"
    return begun and time.time() - _received(event) < _GIVEN_UP_AFTER


def _received(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()


def now() -> float:
    """Return the current time in the form that `Audit` expects: Unix time."""
    return time.time()
