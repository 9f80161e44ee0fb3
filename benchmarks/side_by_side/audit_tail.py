"""The requests of one contestant, as the API server's audit log tells them, read as the log grows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.audited import Request, request_of


def rules(users: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Return the rules of an audit policy that logs each answered request of these users, and no other."""
    logged = {"level": "Metadata", "users": list(users), "omitStages": ["RequestReceived", "ResponseStarted"]}
    return [logged, {"level": "None"}]


class AuditTail:
    """What one user has sent since the log was last read."""

    def __init__(self, log: Path, user: str) -> None:
        self._log = log
        self._text = f'"username":"{user}"'.encode()
        self._offset = log.stat().st_size if log.exists() else 0
        self._partial = b""
        self.requests: Counter[str] = Counter()
        """Answered requests, by verb and resource."""
        self.writes: Counter[str] = Counter()
        """Those that write something other than a Lease, by resource."""
        self.last_writes: dict[str, float] = {}
        """When the last of them came, by resource, in Unix time."""

    def read(self) -> None:
        """Read what was added to the log."""
        with self._log.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        self._offset += len(added)
        *lines, self._partial = (self._partial + added).split(b"\n")
        for line in lines:
            if self._text in line:
                self._take(request_of(json.loads(line)))

    def clear(self) -> None:
        """Count from now on."""
        self.read()
        self.requests, self.writes = Counter(), Counter()

    def _take(self, request: Request) -> None:
        self.requests[f"{request.verb} {request.resource}".strip()] += 1
        if request.is_write:
            self.writes[request.resource] += 1
            self.last_writes[request.resource] = max(request.at, self.last_writes.get(request.resource, 0.0))
